// Who may log in, for administrators.
import { useState } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import { BASE } from "../../app/location";
import { me, type Role } from "../../app/session";
import { showAgo } from "../../app/time";
import { Dialog } from "../../kit/dialog";
import { Empty, Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { copy, toast } from "../../kit/toast";
import { useData } from "../../kit/use_data";

export interface User { name: string; role: Role; disabled: boolean; has_password: boolean; created: string; last_login: string | null }

export const ROLES: Record<Role, string> = { viewer: "asks", editor: "asks and saves", admin: "configures all" };

function RoleChooser({ value, label, onChoose, isDisabled }: { value: Role; label: string; onChoose: (role: Role) => void; isDisabled?: boolean }) {
  return (
    <select class="input" aria-label={label} value={value} disabled={isDisabled} onChange={e => onChoose(e.currentTarget.value as Role)}>
      {(Object.keys(ROLES) as Role[]).map(r => <option key={r} value={r}>{r}: {ROLES[r]}</option>)}
    </select>
  );
}

// Asks for a name, a role and a password, or for a password alone.
function UserDialog({ user, onClose }: { user: User | null; onClose: (changed: boolean) => void }) {
  const [name, setName] = useState(user?.name ?? ""), [role, setRole] = useState<Role>("viewer"), [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null), [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      if (user) await call(`skep/v1/users/${encodeURIComponent(user.name)}`, { method: "PATCH", body: { password } });
      else await call("skep/v1/users", { body: { name: name.trim(), role, ...(password ? { password } : {}) } });
      onClose(true);
    } catch (e) {
      setError((e as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={user ? `New password for ${user.name}` : "Add a person"} onClose={() => onClose(false)}>
      <form class="people-form" onSubmit={submit}>
        {!user && <label class="field"><span>Name</span><input class="input" autocomplete="off" autocapitalize="none" spellcheck={false} required maxLength={64} value={name} onInput={e => setName(e.currentTarget.value)} /></label>}
        {!user && <label class="field"><span>Role</span><RoleChooser label="Role" value={role} onChoose={setRole} /></label>}
        <label class="field"><span>Password, 10 characters or more{!user && " (leave it empty and send a login link instead)"}</span>
          <input class="input" type="password" autocomplete="new-password" minLength={10} required={!!user} value={password} onInput={e => setPassword(e.currentTarget.value)} /></label>
        {user && <p class="text-2">All sessions and links of {user.name} end.</p>}
        {error && <p class="error-text" role="alert">{error}.</p>}
        <button class="button primary" disabled={isBusy}>{user ? "Set the password" : "Add"}</button>
      </form>
    </Dialog>
  );
}

function LinkDialog({ link, onClose }: { link: { user: string; address: string }; onClose: () => void }) {
  return (
    <Dialog title={`A link for ${link.user}`} onClose={onClose}>
      <div class="stack">
        <p>It logs {link.user} in once, within 15 minutes. Whoever opens it first is {link.user}: send it over a channel that only they read.</p>
        <div class="snippet"><pre>{link.address}</pre><button class="button small" onClick={() => copy(link.address, "Link")}>Copy</button></div>
      </div>
    </Dialog>
  );
}

export function Users() {
  const data = useData<{ users: User[] }>("users", l => call("skep/v1/users", { signal: l.signal }));
  const [editing, setEditing] = useState<User | null | undefined>(undefined); // null: a new one
  const [deleting, setDeleting] = useState<User | null>(null);
  const [link, setLink] = useState<{ user: string; address: string } | null>(null);
  const act = (what: Promise<unknown>, done: string) => what.then(() => { toast(done); data.retry(); }, (e: unknown) => { toast(e instanceof ApiError ? e.message : String(e)); data.retry(); });
  const change = (u: User, body: object, done: string) => act(call(`skep/v1/users/${encodeURIComponent(u.name)}`, { method: "PATCH", body }), done);
  const makeLink = (u: User) => call<{ user: string; token: string }>("skep/v1/login-links", { body: { user: u.name } }).then(
    made => setLink({ user: made.user, address: `${location.origin}${BASE}login#token=${made.token}` }), (e: unknown) => toast((e as Error).message));
  return (
    <>
      <Panel title="People" data={data} isFlush isEmpty={v => v.users.length === 0} actions={<button class="button small" onClick={() => setEditing(null)}>Add a person</button>}
        empty={<Empty title="Nobody has an account yet."><span>Add a person, and send them a login link or a password.</span></Empty>}>
        {v => <Table caption="People who may log in" rows={v.users} rowKey={u => u.name} sort={{ key: "name", isDown: false }} columns={[
          { key: "name", title: "Name", value: u => u.name, cell: u => <span class="people-whole">{u.name}{u.name === me.value?.name && <span class="muted"> (you)</span>}</span> },
          { key: "role", title: "Role", value: u => u.role, cell: u => <RoleChooser label={`Role of ${u.name}`} value={u.role} onChoose={role => change(u, { role }, `${u.name} is ${role} now`)} /> },
          { key: "state", title: "State", value: u => (u.disabled ? "disabled" : ""), cell: u => (u.disabled ? <span class="pill is-error">disabled</span> : u.has_password ? <span class="pill is-ok">works</span> : <span class="pill is-warn">no password yet</span>) },
          { key: "last", title: "Last login", value: u => u.last_login, cell: u => (u.last_login ? showAgo(Date.parse(u.last_login)) : <span class="muted">never</span>) },
          { key: "actions", title: <span class="visually-hidden">Actions</span>, cell: u => (
            <div class="people-actions">
              {!u.disabled && <button class="button small" aria-label={`Login link for ${u.name}`} onClick={() => makeLink(u)}>Login link</button>}
              <button class="button small" aria-label={`New password for ${u.name}`} onClick={() => setEditing(u)}>Password</button>
              <button class="button small" aria-label={`${u.disabled ? "Enable" : "Disable"} ${u.name}`} onClick={() => change(u, { disabled: !u.disabled }, u.disabled ? `${u.name} can log in again` : `${u.name} is logged out and cannot log in`)}>{u.disabled ? "Enable" : "Disable"}</button>
              <button class="button small danger" aria-label={`Delete ${u.name}`} onClick={() => setDeleting(u)}>Delete</button>
            </div>) },
        ]} />}
      </Panel>
      {editing !== undefined && <UserDialog user={editing} onClose={changed => { setEditing(undefined); if (changed) { toast("Saved"); data.retry(); } }} />}
      {link && <LinkDialog link={link} onClose={() => setLink(null)} />}
      {deleting && (
        <Dialog title={`Delete ${deleting.name}?`} onClose={() => setDeleting(null)}>
          <div class="stack">
            <p>{deleting.name} is logged out everywhere and cannot log in any more. What they saved stays.</p>
            <div class="row"><button class="button danger" onClick={() => { const u = deleting; setDeleting(null); act(call(`skep/v1/users/${encodeURIComponent(u.name)}`, { method: "DELETE" }), `${u.name} is gone`); }}>Delete</button>
              <button class="button" onClick={() => setDeleting(null)}>Keep</button></div>
          </div>
        </Dialog>)}
    </>
  );
}
