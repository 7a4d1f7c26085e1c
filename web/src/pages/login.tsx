// Logging in: by name and password, or by a link that carries a token behind the #, which no server and no log ever sees.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, needsLogin } from "../api/client";
import { go, href, page, param } from "../app/location";
import { PAGES } from "../app/pages";
import { logIn, me } from "../app/session";
import "./login.css";

// Where to go then: a page of ours by name and its parameters, nothing else.
export function nextAddress(asked: string | null): string {
  const [path = "", params = ""] = (asked ?? "").split("?", 2);
  if (path === "login" || !PAGES.some(p => p.path === path)) return href("");
  return href(path, Object.fromEntries(new URLSearchParams(params)));
}

function say(error: unknown): string {
  const text = error instanceof ApiError ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

// `onDone`: the page that asked for the login is shown again; without it, the page of the address goes on to another.
export function LoginForm({ title, children, onDone }: { title: string; children?: preact.ComponentChildren; onDone: () => void }) {
  const [name, setName] = useState(""), [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null), [isBusy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => { first.current!.focus(); }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!name.trim() || !password) {
      setError("A login takes a name and a password.");
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await logIn({ name: name.trim(), password });
      onDone();
    } catch (e) {
      setError(say(e));
      setPassword("");
      setBusy(false);
    }
  };
  return (
    <section class="login" aria-labelledby="login-title">
      <div class="brand-line"><img src="_/icon.svg" width="24" height="24" alt="" /><h1 id="login-title">{title}</h1></div>
      {children}
      <form onSubmit={submit}>
        <label class="field"><span>Name</span><input ref={first} class="input" name="name" autocomplete="username" autocapitalize="none" spellcheck={false} value={name} onInput={e => setName(e.currentTarget.value)} /></label>
        <label class="field"><span>Password</span><input class="input" name="password" type="password" autocomplete="current-password" value={password} onInput={e => setPassword(e.currentTarget.value)} /></label>
        {error && <p class="error-text" role="alert">{error}</p>}
        <button class="button primary" disabled={isBusy}>{isBusy ? "Checking…" : "Log in"}</button>
      </form>
      <p class="text-2">No account, or no password? On the server's machine, <code>skep open</code> prints a link that logs the administrator in once; an administrator makes accounts and links under People.</p>
    </section>
  );
}

export default function Login() {
  const token = useRef(/^#token=([0-9a-f]{64})$/.exec(location.hash)?.[1]);
  const [failed, setFailed] = useState<string | null>(null);
  const [isTrying, setTrying] = useState(!!token.current);
  const isHere = page.value === "login"; // else it stands in for a page that wants to know who is there
  const done = () => { if (isHere) go(nextAddress(param("next")), { replace: true }); };
  useEffect(() => {
    if (!token.current) return;
    history.replaceState(null, "", location.pathname + location.search); // a used token is of no use, but it is nobody's to see
    logIn({ token: token.current }).then(done, e => {
      setFailed(say(e));
      setTrying(false);
      needsLogin.value = false;
    });
  }, []);
  if (isTrying) return <p class="login" role="status">Logging in…</p>;
  return <LoginForm title={isHere || me.value === null ? "Log in to skep" : "This needs a login"} onDone={done}>{failed && <div class="notice is-error" role="alert"><strong>The link did not work.</strong><span>{failed}</span></div>}</LoginForm>;
}
