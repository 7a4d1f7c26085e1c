// Settings: how skep looks on this screen, how long it keeps what it was sent, what of that it never writes down, and what it is made of.
import { useState } from "preact/hooks";
import { type ApiError, call, callText } from "../api/client";
import type { Environment, QueryResult } from "../api/types";
import { environment, environments, loadEnvironments } from "../app/environment";
import { me } from "../app/session";
import { lettersAreOn, switchLetters } from "../app/shortcuts";
import { chooseTheme, chosenTheme, type Theme } from "../app/theme";
import { localZone, setZone, zone } from "../app/time";
import { showBytes, showCount } from "../kit/format";
import { Confirm, problem } from "../kit/confirm";
import { Failure, Panel } from "../kit/states";
import { Table } from "../kit/table";
import { useData } from "../kit/use_data";
import "./settings.css";

const THEMES: readonly (readonly [Theme, string])[] = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]];

function Notices() {
  const [isOpen, setOpen] = useState(false);
  const data = useData<string>(isOpen ? "notices" : null, l => callText("_/notices.txt", { signal: l.signal }));
  return (
    <Panel title="Licence notices" data={data} actions={<button class="button small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{isOpen ? "Hide" : "Show"}</button>}>
      {text => isOpen && <pre tabIndex={0}>{text}</pre>}
    </Panel>
  );
}

const keptFor = (e: Environment) => `${+((e.kept_s ?? 0) / 86400).toFixed(2)} days`;

// How many events are older than that many days: what goes when no more are kept.
async function olderThan(slug: string, days: number, signal: AbortSignal): Promise<number> {
  const until = Math.floor(Date.now() / 1000 - days * 86400);
  const counts = await Promise.all(["", " FROM metrics"].map(from => call<QueryResult>("skep/v1/query", { body: { environment: slug, text: `COUNT${from} SINCE 1 UNTIL ${until}`, disable_series: true }, signal })));
  return counts.reduce((n, c) => n + Number(c.data.results[0]?.data.COUNT ?? 0), 0);
}

function Keep({ env, onClose }: { env: Environment; onClose: () => void }) {
  const [typed, setTyped] = useState(String(+((env.retention_s ?? 0) / 86400).toFixed(2) || "")), days = Number(typed), isRight = !typed.trim() || (days >= 1 / 24 && days <= 36600);
  const old = useData<number>(typed.trim() && isRight ? typed : null, l => olderThan(env.slug, days, l.signal));
  return (
    <Confirm title={`How long ${env.slug} keeps events`} word={env.slug} action="Keep them so long" isReady={isRight && (!typed.trim() || old.key === typed)} onClose={onClose}
      text={!isRight ? "From 0.05 to 36,600 days." : !typed.trim() ? "What is older than --retention is deleted." : old.error ? old.error.message : old.key !== typed ? "Counting what is older…"
        : old.value ? `Older events: about ${showCount(old.value)}. They are deleted for good: at once where a whole file is older, else within a day; those not yet in a file within 20 minutes.` : "No event is older: nothing is deleted now."}
      run={async () => { await call(`skep/v1/environments/${encodeURIComponent(env.slug)}`, { method: "PATCH", body: { retention_s: typed.trim() ? Math.round(days * 86400) : null } }); await loadEnvironments(); }}>
      <label class="field"><span>Days; nothing: as the server's --retention says</span><input class="input number" inputMode="decimal" value={typed} onInput={e => setTyped(e.currentTarget.value)} /></label>
    </Confirm>
  );
}

interface Rule { field: string; action: string; redacted?: number }
const ACTIONS: readonly (readonly [string, string])[] = [["mask", "mask: ***"], ["hash", "hash: same value, same text"], ["drop", "drop: left out"]];

// A change is made to the rules as they are on the server, not as this page last saw them.
function Redaction({ slug }: { slug: string }) {
  const path = `skep/v1/environments/${encodeURIComponent(slug)}/redaction`, read = async (signal?: AbortSignal) => (await call<{ rules: Rule[] }>(path, { signal })).rules;
  const data = useData<Rule[]>(slug, l => read(l.signal)), mayChange = me.value?.permissions.includes("configure");
  const [field, setField] = useState(""), [action, setAction] = useState("mask"), [error, setError] = useState<ApiError | null>(null);
  const change = async (name: string, added: Rule[]) => {
    try {
      const rules = [...(await read()).filter(r => r.field !== name), ...added].map(r => ({ field: r.field, action: r.action }));
      await call(path, { method: "PUT", body: { rules } });
      setError(null);
      if (added.length) setField("");
      data.retry();
    } catch (e) {
      setError(problem(e));
    }
  };
  return (
    <Panel title={`Redaction in ${slug}`} data={data}>
      {rules => <div class="stack">
        {rules.length > 0 && <Table caption="Rules of redaction" rows={rules} rowKey={r => r.field} columns={[
          { key: "field", title: "field", cell: r => <span class="mono">{r.field}</span> },
          { key: "action", title: "action", cell: r => r.action },
          { key: "redacted", title: "redacted", isNumber: true, cell: r => showCount(r.redacted ?? 0) },
          { key: "remove", title: <span class="visually-hidden">remove</span>, cell: r => mayChange && <button class="button small" aria-label={`Remove the rule for ${r.field}`} onClick={() => void change(r.field, [])}>Remove</button> },
        ]} />}
        {mayChange && <form class="row wrap" onSubmit={e => { e.preventDefault(); void change(field.trim(), [{ field: field.trim(), action }]); }}>
          <input class="input mono" aria-label="Field" placeholder="user.email or *.password" size={26} maxLength={200} value={field} onInput={e => setField(e.currentTarget.value)} />
          <select class="input" aria-label="Action" value={action} onChange={e => setAction(e.currentTarget.value)}>{ACTIONS.map(([a, about]) => <option key={a} value={a}>{about}</option>)}</select>
          <button class="button" disabled={!field.trim()}>Add the rule</button>
        </form>}
        {error && <Failure error={error} />}
        <p class="muted">{!rules.length && "No rules: events are written as they are sent. "}Rules hold at once for what arrives, before it is written; the first that matches a field counts. Numbers and other fields that are not text are left out. What is stored stays. Redacted values are counted since the server started.</p>
      </div>}
    </Panel>
  );
}

export default function Settings() {
  const [kept, setKept] = useState<Environment | null>(null);
  const [theme, setTheme] = useState(chosenTheme());
  return (
    <>
      <div class="page-head"><h1>Settings</h1></div>
      <section class="panel"><header><h2>This screen</h2></header>
        <div class="body stack">
          <fieldset class="row wrap plain-set"><legend class="label">Colours</legend>
            {THEMES.map(([value, label]) => <label key={value} class="row"><input type="radio" name="theme" checked={theme === value} onChange={() => { chooseTheme(value); setTheme(value); }} /> {label}</label>)}
          </fieldset>
          <fieldset class="row wrap plain-set"><legend class="label">Times</legend>
            <label class="row"><input type="radio" name="zone" checked={zone.value === localZone} onChange={() => setZone(localZone)} /> {localZone}, the zone of this machine</label>
            {localZone !== "UTC" && <label class="row"><input type="radio" name="zone" checked={zone.value === "UTC"} onChange={() => setZone("UTC")} /> UTC</label>}
            {zone.value !== localZone && zone.value !== "UTC" && <span>now {zone.value}</span>}
            <span class="muted">Any other zone is in the time picker.</span>
          </fieldset>
          <label class="row"><input type="checkbox" checked={lettersAreOn.value} onChange={e => switchLetters(e.currentTarget.checked)} /> Single letters are keys (<kbd>?</kbd> lists them)</label>
        </div>
      </section>
      <section class="panel"><header><h2>How long events are kept</h2></header>
        <div class="body stack">
          <Table caption="Retention of each environment" rows={environments.value ?? []} rowKey={e => e.slug} columns={[
            { key: "slug", title: "environment", value: e => e.slug, cell: e => e.name || e.slug },
            { key: "retention", title: "kept for", value: e => e.kept_s ?? null, cell: e => <>{keptFor(e)} {!e.retention_s && <span class="muted">by default</span>}</> },
            { key: "rows", title: "events", isNumber: true, value: e => e.rows, cell: e => showCount(e.rows) },
            { key: "bytes", title: "on disk", isNumber: true, value: e => e.bytes, cell: e => showBytes(e.bytes) },
            { key: "change", title: <span class="visually-hidden">change</span>, cell: e => me.value?.permissions.includes("configure") && <button class="button small" aria-label={`Change how long ${e.slug} keeps events`} onClick={() => setKept(e)}>Change</button> },
          ]} />
          <p class="muted">Environments without their own follow <code>skep serve --retention</code>; <code>--disk-max</code> bounds all.</p>
        </div>
        {kept && <Keep env={kept} onClose={() => setKept(null)} />}
      </section>
      {environment.value && <Redaction key={environment.value} slug={environment.value} />}
      <Notices />
    </>
  );
}
