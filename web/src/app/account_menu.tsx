// Who is logged in, at the edge of the top bar: the way to their account, and out.
import { ApiError, needsLogin } from "../api/client";
import { Icon } from "../kit/icons";
import { toast } from "../kit/toast";
import { go, href } from "./location";
import { logOut, me } from "./session";

export function AccountMenu() {
  const who = me.value;
  if (who?.kind !== "user") return null;
  const leave = () => logOut().then(
    () => { if (!needsLogin.value) { toast("Logged out"); go(href("")); } },
    (e: unknown) => toast(e instanceof ApiError ? `Not logged out: ${e.message}` : "Not logged out"));
  return (
    <span class="row account">
      <a class="button quiet" href={href("people")} title={`Logged in as ${who.name}, ${who.role}: account and people`}><Icon name="person" /><span class="cut">{who.name}</span></a>
      <button class="button quiet" onClick={leave}>Log out</button>
    </span>
  );
}
