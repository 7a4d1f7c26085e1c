// Who may look at this server: one's own account, and for administrators everyone's.
import { loadMe, mayAdminister, me, meFailure } from "../../app/session";
import { Failure } from "../../kit/states";
import { Password, Sessions } from "./account";
import { Users } from "./users";
import "./people.css";

// For the machine itself, which sees data without a login but no people.
function Locked() {
  return (
    <div class="notice">
      <strong>Only an administrator sees who may log in.</strong>
      <span>On the server's machine, this prints a link that logs the administrator in:</span>
      <pre>skep open people</pre>
    </div>
  );
}

export default function People() {
  const who = me.value, failed = meFailure.value;
  const head = <div class="page-head"><h1>People</h1><p>Who may log in, and where they are</p></div>;
  if (!who) return failed && <>{head}<Failure error={failed} retry={() => void loadMe()} /></>;
  return (
    <>
      {head}
      {mayAdminister.value && <Users />}
      {who.kind === "user" || mayAdminister.value ? <Sessions /> : <Locked />}
      {who.kind === "user" && (
        <section class="panel"><header><h2>Your account: {who.name}, with the role {who.role}</h2></header><div class="body people-you"><Password /></div></section>
      )}
    </>
  );
}
