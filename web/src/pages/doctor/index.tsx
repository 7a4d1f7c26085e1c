// Doctor: why is my data not arriving. Checks one after the other, each with what was seen and one thing to do.
import { useEffect } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import type { Doctor as DoctorReply, Refusal, Way } from "../../api/types";
import { environment } from "../../app/environment";
import { href } from "../../app/location";
import { refresh, showAgo, tick } from "../../app/time";
import { plural, showCount } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { Failure, Panel } from "../../kit/states";
import { copy, toast } from "../../kit/toast";
import { useData } from "../../kit/use_data";
import { PastedBox } from "./pasted_box";
import { WhoamiBox } from "./whoami";
import "./doctor.css";

interface Sender { dataset: string; key_id: string; source: string; user_agent: string; last: string; trace: number; log: number; metric: number }
interface Status { version: string; uptime_s: number; listeners?: { address: string; tls: boolean }[]; environments: { slug: string; store: { rows: number; newest?: string }; senders: Sender[] }[] }
interface Seen { status: Status; doctor: DoctorReply; at: Status["environments"][number] | undefined }

type State = "ok" | "bad" | "wait";
const EVERY_MS = 2000;

// Brief: what it is about is read out and told by the pointer alone.
function Check({ state, title, evidence, fix, isBrief }: { state: State; title: string; evidence?: string; fix?: string | null; isBrief?: boolean }) {
  return (
    <li class={`check is-${state}`} data-state={state} title={isBrief ? title : undefined}>
      <Icon name={state === "ok" ? "check" : state === "bad" ? "warn" : "more"} label={state === "ok" ? "well" : state === "bad" ? "needs you" : "not yet"} />
      <div class={isBrief ? "visually-hidden" : ""}><b>{title}</b> <span class="text-2">{evidence}</span>{fix && <div>{fix}</div>}</div>
    </li>
  );
}

function Ladder({ seen }: { seen: Seen }) {
  const senders = seen.at?.senders ?? [], refusals = seen.doctor.refusals, rows = seen.at?.store.rows ?? 0;
  const last = senders.reduce((at, s) => Math.max(at, Date.parse(s.last)), 0), refusedAt = refusals.reduce((at, r) => Math.max(at, Date.parse(r.time)), 0);
  const first = seen.doctor.first, isBlocked = refusals.some(r => r.reason === first?.kind);
  const sum = (family: "trace" | "log" | "metric") => senders.reduce((n, s) => n + s[family], 0);
  const unnamed = seen.doctor.findings.filter(f => f.kind === "unknown_service");
  return (
    <ol class="plain ladder" aria-live="polite">
      <Check state="ok" title="Listening" evidence={seen.status.listeners ? seen.status.listeners.map(l => `${l.address}${l.tls ? " with TLS" : ""}`).join(", ") + ": OTLP over HTTP and gRPC" : location.host} />
      <Check state={last || refusedAt ? "ok" : "wait"} title="Arriving" evidence={last || refusedAt ? `last request ${showAgo(Math.max(last, refusedAt))}` : "no request has reached this environment since the server started"}
        fix={last || refusedAt ? null : `Point the program at ${location.origin}, as seen from where it runs: a container's localhost is the container.`} />
      <Check state={isBlocked ? "bad" : last ? "ok" : "wait"} title="Accepted" evidence={`${plural(senders.length, "sender")} accepted, ${plural(refusals.reduce((n, r) => n + r.count, 0), "request")} refused`} fix={isBlocked ? first!.fix : null} />
      <Check state={rows ? "ok" : "wait"} title="Stored" evidence={rows ? `${showCount(rows)} events kept${senders.length ? `; since the start ${showCount(sum("trace"))} of traces, ${showCount(sum("log"))} of logs, ${showCount(sum("metric"))} of metrics` : ""}` : "nothing yet"} />
      <Check state={!rows ? "wait" : unnamed.length ? "bad" : "ok"} title="Usable" evidence={unnamed.length ? `${plural(unnamed.length, "sender")} without a service name` : rows ? "every sender names its service" : "nothing to judge yet"} fix={unnamed[0]?.fix} />
    </ol>
  );
}

async function act(path: string, body: unknown, done: string): Promise<void> {
  try {
    await call(`skep/v1/keys/${path}`, { body });
    toast(done);
    refresh();
  } catch (e) {
    toast(e instanceof ApiError ? e.message : String(e));
  }
}

function decide(refusal: Refusal, verb: "adopt" | "refuse"): Promise<void> {
  const done = `${verb.replace(/e$/, "")}ed`;
  return act(verb, { fingerprint: refusal.key_fingerprint, environment: environment.value, name: refusal.service ? `${done} from ${refusal.service}` : done },
    verb === "adopt" ? `The key is accepted in ${environment.value} from now on` : "The key stays refused; nobody is asked about it again");
}

function Refusals({ list }: { list: Refusal[] }) {
  return (
    <ul class="plain">{list.map(r => (
      <li key={r.reason + r.source + r.path + (r.key_fingerprint ?? "")} class="refusal">
        <div class="row wrap"><span class="pill is-error">{r.status} {r.reason}</span><b>{r.count === 1 ? "once" : `${showCount(r.count)} times`}</b><span class="text-2">{showAgo(Date.parse(r.time))} from {r.source}{r.service ? ` as ${r.service}` : ""} to <span class="mono">{r.path}</span></span></div>
        <div>{r.text}</div>
        <div><b>Do:</b> {r.advice}</div>
        <div class="row wrap muted">
          {r.key_fingerprint && <span>key <span class="mono">{r.key_fingerprint}</span></span>}{r.user_agent && <span class="cut">{r.user_agent}</span>}
          {r.reason === "unknown_key" && <><button class="button small primary" onClick={() => void decide(r, "adopt")}>Accept this key in {environment.value}</button> <button class="button small" onClick={() => void decide(r, "refuse")}>Refuse it</button></>}
          {r.reason === "wrong_origin" && r.key_id && <button class="button small primary" onClick={() => void act(`${r.key_id}/origins`, { origin: r.origin }, `Pages of ${r.origin} may use this key from now on`)}>Allow pages of {r.origin}</button>}
          {r.reason === "refused_key" && <button class="button small" onClick={() => void decide(r, "adopt")}>Accept it after all</button>}
        </div>
      </li>
    ))}</ul>
  );
}

function Sends({ way, at }: { way: Way; at: Sender | undefined }) {
  const isStopped = way.hops.some(h => h.fix);
  return (
    <>
      <div class="row wrap">{at ? <a href={href("service", { name: way.sender })}>{way.sender}</a> : <b>{way.sender}</b>}<span class="text-2">{way.source}, {way.user_agent || "no user agent"}{at && `, ${showAgo(Date.parse(at.last))}`}</span>
        {at && <span class="muted">{(["trace", "log", "metric"] as const).filter(f => at[f]).map(f => `${showCount(at[f])} of ${f}s`).join(", ")}</span>}</div>
      <ol class={`plain hops${isStopped ? " is-stopped" : ""}`}>{way.hops.map(h => <Check key={h.hop} state={h.state} title={h.hop} fix={h.fix} isBrief={!isStopped} />)}</ol>
    </>
  );
}

export default function Doctor() {
  const data = useData<Seen>(JSON.stringify([environment.value, tick.value]), async l => {
    const [status, doctor] = await Promise.all([call<Status>("skep/v1/status", { signal: l.signal }), call<DoctorReply>("skep/v1/doctor", { params: { environment: environment.value }, signal: l.signal })]);
    return { status, doctor, at: status.environments.find(e => e.slug === environment.value) };
  });
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) data.retry(); }, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const seen = data.value, findings = seen?.doctor.findings ?? [], endpoint = `OTEL_EXPORTER_OTLP_ENDPOINT=${location.origin}`;
  return (
    <>
      <div class="page-head"><h1>Doctor</h1><p>Why is my data not arriving in {environment.value}? Looked at every {EVERY_MS / 1000} s.</p></div>
      {data.error && <Failure error={data.error} retry={data.retry} stale={seen !== null} />}
      {seen && (
        <div class="doctor-grid">
          <div class="stack">
            {seen.doctor.first && <p class="notice is-warn"><strong>First, {seen.doctor.first.subject}</strong><span>{seen.doctor.first.text.replace(/[^.!?]$/, "$&.")} {seen.doctor.first.fix}</span></p>}
            <section class="panel"><header><h2>From the wire to the answer</h2></header><div class="body"><Ladder seen={seen} />
              <div class="snippet"><pre>{endpoint}</pre><button class="button small" onClick={() => copy(endpoint, "Endpoint")}><Icon name="copy" /> Copy</button></div></div></section>
            <section class="panel"><header><h2>Refused requests</h2></header><div class="body">{seen.doctor.refusals.length ? <Refusals list={seen.doctor.refusals} /> : <p class="muted">None since the server started.</p>}</div></section>
            {findings.length > 0 && <section class="panel"><header><h2>What looks odd</h2></header><ul class="body plain stack">{findings.map((f, i) => <li key={i} class="notice is-warn"><strong>{f.subject}</strong><span>{f.text} {f.fix}</span></li>)}</ul></section>}
            <section class="panel"><header><h2>Who sends, and how far it comes</h2></header><div class="body">{seen.doctor.ways.length ? (
              <><p class="muted">Each tick is a step: {seen.doctor.ways[0]!.hops.map(h => h.hop).join(", ")}.</p><ul class="plain senders">{seen.doctor.ways.map((w, i) => <li key={i}><Sends way={w} at={seen.at?.senders.find(s => s.dataset === w.sender && s.source === w.source && s.user_agent === w.user_agent)} /></li>)}</ul></>
            ) : <p class="muted">Nobody since the server started.</p>}</div></section>
          </div>
          <div class="stack"><PastedBox /><WhoamiBox /></div>
        </div>
      )}
      {!seen && !data.error && <Panel title="Looking" data={data}>{() => null}</Panel>}
    </>
  );
}
