// Keys: who may send and who may ask, by environment; and the environments themselves.
import { useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import type { Environment } from "../api/types";
import { environment, environments, loadEnvironments } from "../app/environment";
import { href } from "../app/location";
import { refresh, showAgo, showTime, tick } from "../app/time";
import { Confirm, problem } from "../kit/confirm";
import { Dialog } from "../kit/dialog";
import { ABSENT, showBytes, showCount } from "../kit/format";
import { Icon } from "../kit/icons";
import { Failure, Panel } from "../kit/states";
import { Table } from "../kit/table";
import { copy, toast } from "../kit/toast";
import { useData } from "../kit/use_data";

type Kind = "ingest" | "browser" | "query" | "configuration";
interface Key { id: string; name: string; kind: Kind | "refused"; environment: string; created: string; last_used: string | null; revoked: boolean; secret?: string; origins?: string[] }

const KINDS: Record<Kind, string> = { ingest: "sends, nothing else", browser: "sends, from pages of its origins", query: "asks, nothing else", configuration: "sends, asks and changes keys" };

function MakeKey({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<Kind>("ingest"), [name, setName] = useState(""), [origins, setOrigins] = useState("");
  const [made, setMade] = useState<Key | null>(null), [error, setError] = useState<ApiError | null>(null);
  const make = async () => {
    try {
      const list = origins.split(/[\s,]+/).filter(Boolean);
      setMade(await call<Key>("skep/v1/keys", { body: { name: name.trim(), kind, environment: environment.value, ...(kind === "browser" ? { origins: list } : {}) } }));
      setError(null);
      refresh();
    } catch (e) {
      setError(problem(e));
    }
  };
  return (
    <Dialog title={made ? "The key, shown this once" : `New key of ${environment.value}`} onClose={onClose}>
      {made ? (
        <div class="stack">
          <label class="field"><span>Secret. Only its hash is kept: nobody can show it again.</span>
            <input class="input mono" readOnly value={made.secret ?? ""} aria-label="Secret of the new key" onFocus={e => e.currentTarget.select()} /></label>
          <div class="row wrap"><button class="button primary" onClick={() => copy(made.secret ?? "", "Key")}><Icon name="copy" /> Copy the key</button>
            <button class="button" onClick={() => copy(`OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin}\nOTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=${made.secret}`, "Variables")}>Copy as variables of the SDKs</button></div>
        </div>
      ) : (
        <form class="stack" onSubmit={e => { e.preventDefault(); void make(); }}>
          <label class="field"><span>Name, for the list</span><input class="input" value={name} maxLength={100} onInput={e => setName(e.currentTarget.value)} /></label>
          <label class="field"><span>What it may do</span><select class="input" value={kind} onChange={e => setKind(e.currentTarget.value as Kind)}>{Object.entries(KINDS).map(([k, about]) => <option key={k} value={k}>{k}: {about}</option>)}</select></label>
          {kind === "browser" && <label class="field"><span>Origins of the pages, one a line: https://shop.example, http://localhost:3000, https://*.shop.example</span><textarea class="input mono" rows={3} value={origins} onInput={e => setOrigins(e.currentTarget.value)} /></label>}
          {error && <Failure error={error} />}
          <div class="row"><button class="button primary" disabled={kind === "browser" && !origins.trim()}>Make the key</button></div>
        </form>
      )}
    </Dialog>
  );
}

function Environments() {
  const [name, setName] = useState(""), [error, setError] = useState<ApiError | null>(null), [gone, setGone] = useState<Environment | null>(null);
  const make = async () => {
    try {
      const made = await call<Environment>("skep/v1/environments", { body: { name: name.trim() } });
      setName(""); setError(null);
      toast(`Environment ${made.slug} made`);
      await loadEnvironments();
    } catch (e) {
      setError(problem(e));
    }
  };
  return (
    <section class="panel">
      <header><h2>Environments</h2></header>
      <div class="body flush">
        <Table caption="Environments" rows={environments.value ?? []} rowKey={e => e.slug} columns={[
          { key: "name", title: "environment", value: e => e.slug, cell: e => <a href={href("keys", { env: e.slug })}>{e.name || e.slug}</a> },
          { key: "rows", title: "events", isNumber: true, value: e => e.rows, cell: e => showCount(e.rows) },
          { key: "bytes", title: "on disk", isNumber: true, value: e => e.bytes, cell: e => showBytes(e.bytes) },
          { key: "retention", title: "kept for", value: e => e.kept_s ?? null, cell: e => (e.kept_s ? `${+(e.kept_s / 86400).toFixed(2)} days` : ABSENT) },
          { key: "delete", title: <span class="visually-hidden">delete</span>, isNumber: true, cell: e => e.slug !== "dev" && <button class="button small danger" onClick={() => setGone(e)}>Delete</button> },
        ]} />
      </div>
      <div class="body stack">
        <form class="row wrap" style={{ alignItems: "end" }} onSubmit={e => { e.preventDefault(); void make(); }}>
          <label class="field"><span>New environment</span><input class="input" value={name} maxLength={100} onInput={e => setName(e.currentTarget.value)} /></label>
          <button class="button" disabled={!name.trim()}>Make it</button>
        </form>
        {error && <Failure error={error} />}
      </div>
      {gone && <Confirm title={`Delete ${gone.slug}`} text={`Its ${showCount(gone.rows)} events and all of its keys go, at once and for good.`} word={gone.slug} action="Delete the environment" onClose={() => setGone(null)}
        run={async () => { await call(`skep/v1/environments/${encodeURIComponent(gone.slug)}`, { method: "DELETE" }); toast(`${gone.slug} deleted`); await loadEnvironments(); }} />}
    </section>
  );
}

export default function Keys() {
  const [isMaking, setMaking] = useState(false), [gone, setGone] = useState<Key | null>(null);
  const data = useData<Key[]>(JSON.stringify([environment.value, tick.value]), async l => (await call<{ keys: Key[] }>("skep/v1/keys", { params: { environment: environment.value }, signal: l.signal })).keys);
  return (
    <>
      <div class="page-head"><h1>Keys</h1><p>Who may send to {environment.value}, and who may ask it.</p><a href={href("doctor")}>Adopt or refuse an unknown key</a></div>
      <Panel title={`Keys of ${environment.value}`} data={data} isFlush actions={<button class="button small primary" onClick={() => setMaking(true)}><Icon name="plus" /> New key</button>}
        isEmpty={keys => keys.length === 0} empty={<p class="muted body">No key yet.</p>}>
        {keys => <Table caption="Keys" rows={keys} rowKey={k => k.id} sort={{ key: "created", isDown: true }} columns={[
          { key: "name", title: "name", value: k => k.name, cell: k => <span class="whole">{k.name || <span class="muted">without a name</span>} {k.revoked && <span class="pill is-error">revoked</span>}</span> },
          { key: "kind", title: "may", value: k => k.kind, cell: k => <span class="whole" title={KINDS[k.kind as Kind]}>{k.kind}{k.origins?.length ? <span class="muted"> {k.origins.join(", ")}</span> : null}</span> },
          { key: "id", title: "id", value: k => k.id, cell: k => <span class="mono whole">{k.id}</span> },
          { key: "created", title: "made", value: k => Date.parse(k.created), cell: k => <span title={showTime(Date.parse(k.created))}>{showAgo(Date.parse(k.created))}</span> },
          { key: "used", title: "last used", value: k => (k.last_used ? Date.parse(k.last_used) : null), cell: k => (k.last_used ? showAgo(Date.parse(k.last_used)) : "never") },
          { key: "revoke", title: <span class="visually-hidden">revoke</span>, isNumber: true, cell: k => !k.revoked && k.kind !== "refused" && <button class="button small danger" onClick={() => setGone(k)}>Revoke</button> },
        ]} />}
      </Panel>
      <Environments />
      {isMaking && <MakeKey onClose={() => setMaking(false)} />}
      {gone && <Confirm title={`Revoke ${gone.name || gone.id}`} text="Who sends or asks with it is refused from now on. This cannot be undone; the doctor shows who still uses it." word={gone.id.slice(0, 12)} action="Revoke the key" onClose={() => setGone(null)}
        run={async () => { await call(`skep/v1/keys/${encodeURIComponent(gone.id)}`, { method: "DELETE" }); toast("The key is revoked"); refresh(); }} />}
    </>
  );
}
