// One's own account: the password, and where one is logged in.
import { useState } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import { loadMe, mayAdminister, me } from "../../app/session";
import { showAgo } from "../../app/time";
import { Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { toast } from "../../kit/toast";
import { useData } from "../../kit/use_data";

interface Session { id: string; user: string; current: boolean; address: string; user_agent: string; created: string; last_seen: string; ends: string }

// "Firefox on Linux" of a User-Agent; its beginning when it is none of those.
export function browserOf(agent: string): string {
  const name = /Edg\//.test(agent) ? "Edge" : /Firefox\//.test(agent) ? "Firefox" : /Chrome\//.test(agent) ? "Chrome" : /Safari\//.test(agent) ? "Safari" : null;
  const system = /Android/.test(agent) ? "Android" : /iPhone|iPad/.test(agent) ? "iOS" : /Mac OS/.test(agent) ? "macOS" : /Windows/.test(agent) ? "Windows" : /Linux|X11/.test(agent) ? "Linux" : null;
  if (!name) return agent.slice(0, 40) || "unknown";
  return system ? `${name} on ${system}` : name;
}

export function Password() {
  const [current, setCurrent] = useState(""), [next, setNext] = useState("");
  const [error, setError] = useState<string | null>(null), [isBusy, setBusy] = useState(false);
  const has = me.value?.has_password;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("skep/v1/me/password", { body: { password: next, ...(has ? { current_password: current } : {}) } });
      toast(has ? "The password is changed; your other sessions have ended" : "The password is set");
      setCurrent("");
      setNext("");
      await loadMe();
    } catch (e) {
      setError(e instanceof ApiError ? e.message : String(e));
    }
    setBusy(false);
  };
  return (
    <form class="people-form" onSubmit={submit}>
      {!has && <div class="notice is-warn">You came by a link and have no password yet: without one, only another link lets you in.</div>}
      <input class="visually-hidden" type="text" autocomplete="username" value={me.value?.name ?? ""} readOnly tabIndex={-1} aria-hidden="true" />
      {has && <label class="field"><span>Current password</span><input class="input" type="password" autocomplete="current-password" required value={current} onInput={e => setCurrent(e.currentTarget.value)} /></label>}
      <label class="field"><span>New password, 10 characters or more</span><input class="input" type="password" autocomplete="new-password" required minLength={10} value={next} onInput={e => setNext(e.currentTarget.value)} /></label>
      {error && <p class="error-text" role="alert">{error}.</p>}
      <button class="button" disabled={isBusy}>{has ? "Change the password" : "Set the password"}</button>
    </form>
  );
}

export function Sessions() {
  const isAll = mayAdminister.value;
  const data = useData<{ sessions: Session[] }>(isAll ? "all" : "own", l => call("skep/v1/sessions", { params: isAll ? { all: 1 } : {}, signal: l.signal }));
  const end = (s: Session) => call(`skep/v1/sessions/${s.id}`, { method: "DELETE" }).then(() => { toast("The session has ended"); data.retry(); }, (e: unknown) => { toast((e as Error).message); data.retry(); });
  return (
    <Panel title={isAll ? "Sessions" : "Where you are logged in"} data={data} isFlush isEmpty={v => v.sessions.length === 0} empty={<p class="text-2 palette-none">Nobody is logged in.</p>}>
      {v => <Table caption="Sessions" rows={v.sessions} rowKey={s => s.id} columns={[
        ...(isAll ? [{ key: "user", title: "Who", value: (s: Session) => s.user, cell: (s: Session) => <span class="people-whole">{s.user}</span> }] : []),
        { key: "browser", title: "Browser", value: s => browserOf(s.user_agent), cell: s => <span class="row people-whole" title={s.user_agent}>{browserOf(s.user_agent)}{s.current && <span class="pill is-ok">this one</span>}</span> },
        { key: "address", title: "From", value: s => s.address, cell: s => <span class="mono people-whole">{s.address}</span> },
        { key: "created", title: "Logged in", value: s => s.created, cell: s => showAgo(Date.parse(s.created)) },
        { key: "seen", title: "Last seen", value: s => s.last_seen, cell: s => showAgo(Date.parse(s.last_seen)) },
        { key: "end", title: <span class="visually-hidden">Actions</span>, cell: s => !s.current && <div class="people-actions"><button class="button small danger" aria-label={`End the session of ${s.user}, ${browserOf(s.user_agent)}`} onClick={() => end(s)}>End</button></div> },
      ]} />}
    </Panel>
  );
}
