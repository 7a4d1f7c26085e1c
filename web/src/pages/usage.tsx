// Usage: where the events come from, how much they take, and what as much would mean against free tiers elsewhere.
import { ask } from "../api/query";
import { call } from "../api/client";
import type { Fields, QueryResult } from "../api/types";
import { environment, environments, lengthOf } from "../app/environment";
import { href, param, setParams } from "../app/location";
import { me } from "../app/session";
import { from, resolveRange, showAgo, tick, to, type Range } from "../app/time";
import { ABSENT, showBytes, showCount, showShare } from "../kit/format";
import { Empty, Panel } from "../kit/states";
import { Table } from "../kit/table";
import { useData } from "../kit/use_data";
import { GrowthPanel } from "./growth_panel";
import "./usage.css";

interface Bill { range: Range; services: QueryResult; traces: number; errors: number; metrics: number; metricNames: number }

const DAY = 86400;

function numberOf(result: QueryResult, key: string): number {
  return Number(result.data.results[0]?.data[key] ?? 0);
}

async function load(signal: AbortSignal): Promise<Bill> {
  const range = resolveRange(), text = (q: string) => ask({ text: `${q} SINCE ${Math.floor(range.start)} UNTIL ${Math.ceil(range.end)}` }, signal);
  const [services, traces, errors, metrics] = await Promise.all([
    text("COUNT GROUP BY service.name, meta.signal_type ORDER BY COUNT DESC LIMIT 1000"), text("COUNT_DISTINCT(trace.trace_id)"), text("COUNT WHERE error = true"), text("COUNT, COUNT_DISTINCT(metric.name) FROM metrics"),
  ]);
  return { range, services, traces: numberOf(traces, "COUNT_DISTINCT(trace.trace_id)"), errors: numberOf(errors, "COUNT"), metrics: numberOf(metrics, "COUNT"), metricNames: numberOf(metrics, "COUNT_DISTINCT(metric.name)") };
}

interface Tier { key: string; name: string; unit: string; limit: number; isMonthly: boolean; used: (b: Bill, bytesPerEvent: number) => number | null }
const isLog = (b: Bill) => b.services.data.results.filter(r => r.data["meta.signal_type"] === "log").reduce((n, r) => n + Number(r.data.COUNT), 0);
const all = (b: Bill) => Number(b.services.data.total_by_aggregate?.COUNT ?? 0) + b.metrics;
const TIERS: Tier[] = [
  { key: "honeycomb", name: "Honeycomb", unit: "events a month", limit: 20_000_000, isMonthly: true, used: all },
  { key: "xray", name: "AWS X-Ray", unit: "traces a month", limit: 100_000, isMonthly: true, used: b => b.traces },
  { key: "rollbar", name: "Rollbar", unit: "errors a month", limit: 5_000, isMonthly: true, used: b => b.errors },
  { key: "cloudwatch", name: "CloudWatch Logs", unit: "GB of logs a month", limit: 5, isMonthly: true, used: (b, bytes) => (bytes ? (isLog(b) * bytes) / 1e9 : null) },
  { key: "metrics", name: "CloudWatch metrics", unit: "metrics", limit: 50, isMonthly: false, used: b => b.metricNames },
];

function Tiers({ bill, bytesPerEvent }: { bill: Bill; bytesPerEvent: number }) {
  const days = lengthOf(bill.range) / DAY;
  return (
    <>
      <Table caption="The same volume against free tiers" rows={TIERS} rowKey={t => t.key} columns={[
        { key: "name", title: "free tier", cell: t => <span class="usage-unit">{t.name}</span> },
        { key: "limit", title: "limit", isNumber: true, cell: t => <label class="row"><span class="visually-hidden">Limit of {t.name}</span><input class="input number usage-limit" inputMode="numeric" value={String(Number(param(`limit_${t.key}`)) || t.limit)}
          onChange={e => { const n = Number(e.currentTarget.value); setParams({ [`limit_${t.key}`]: n > 0 && n !== t.limit ? n : null }, { replace: true }); }} /></label> },
        { key: "unit", title: "of", cell: t => <span class="usage-unit">{t.unit}</span> },
        { key: "used", title: "as much as now", isNumber: true, cell: t => { const used = t.used(bill, bytesPerEvent); return used === null ? ABSENT : showCount(t.isMonthly ? (used / days) * 30 : used); } },
        { key: "share", title: "share", isNumber: true, cell: t => {
          const used = t.used(bill, bytesPerEvent), limit = Number(param(`limit_${t.key}`)) || t.limit;
          if (used === null) return ABSENT;
          const share = (t.isMonthly ? (used / days) * 30 : used) / limit;
          return <span class={share > 1 ? "error-text" : ""}>{showShare(share)}{share > 1 && t.isMonthly ? `, used up after ${+(30 / share).toFixed(1)} days` : ""}</span>;
        } },
      ]} />
      <p class="muted usage-note">What came in this range, taken times what makes it 30 days: choose a range that is typical. Here the same costs 0 by the event. Bytes are this environment's on disk, by the number of events; others count them before compression.</p>
    </>
  );
}

interface Sender { key_id: string; trace: number; log: number; metric: number }
interface ByKey { since: number; keys: { id: string; name: string; trace: number; log: number; metric: number }[] }

// The names of keys are for who may change them.
async function loadKeys(signal: AbortSignal): Promise<ByKey> {
  const [status, names] = await Promise.all([
    call<{ uptime_s: number; environments: { slug: string; senders: Sender[] }[] }>("skep/v1/status", { signal }),
    me.value?.permissions.includes("configure") ? call<{ keys: { id: string; name: string }[] }>("skep/v1/keys", { params: { environment: environment.value }, signal }) : { keys: [] },
  ]);
  const sums = new Map<string, ByKey["keys"][number]>();
  for (const s of status.environments.find(e => e.slug === environment.value)?.senders ?? []) {
    const sum = sums.get(s.key_id) ?? { id: s.key_id, name: names.keys.find(k => k.id === s.key_id)?.name ?? "", trace: 0, log: 0, metric: 0 };
    sums.set(s.key_id, { ...sum, trace: sum.trace + s.trace, log: sum.log + s.log, metric: sum.metric + s.metric });
  }
  return { since: Date.now() - status.uptime_s * 1000, keys: [...sums.values()] };
}

export default function Usage() {
  const key = JSON.stringify([environment.value, from.value, to.value, tick.value]);
  const bill = useData<Bill>(key, l => load(l.signal));
  const fields = useData<Fields>(key, l => { const r = resolveRange(); return call<Fields>("skep/v1/fields", { params: { environment: environment.value, start: Math.floor(r.start), end: Math.ceil(r.end), top: 0, limit: 1000 }, signal: l.signal }); });
  const keys = useData<ByKey>(JSON.stringify([environment.value, tick.value, me.value?.permissions]), l => loadKeys(l.signal));
  const here = environments.value?.find(e => e.slug === environment.value), bytesPerEvent = here?.rows ? here.bytes / here.rows : 0;
  const b = bill.value, total = b ? all(b) : 0, days = b ? lengthOf(b.range) / DAY : 1;
  const rows = b ? [...b.services.data.results.map(r => ({ service: r.data["service.name"] === null ? null : String(r.data["service.name"]), signal: String(r.data["meta.signal_type"] ?? "trace"), count: Number(r.data.COUNT) })),
    ...(b.metrics ? [{ service: "metrics", signal: "metric", count: b.metrics }] : [])] : [];
  return (
    <>
      <div class="page-head"><h1>Usage</h1><p>{here ? `${showCount(here.rows)} events of ${here.slug} are kept, ${here.bytes ? `${showBytes(here.bytes)} on disk` : "not yet in a file"}` : ""}</p></div>
      <Panel title={b ? `${showCount(total)} events in this range, ${showCount(total / days)} a day` : "Events by service and signal"} data={bill} isFlush isEmpty={() => total === 0} empty={<div class="body"><Empty title="Nothing in this range."><a href={href("doctor")}>Open the doctor</a></Empty></div>}>
        {() => <Table caption="Events by service and signal" rows={rows} rowKey={r => `${r.service} ${r.signal}`} sort={{ key: "count", isDown: true }} columns={[
          { key: "service", title: "service", value: r => r.service, cell: r => (r.service === null ? <span class="muted">without a name</span> : r.signal === "metric" ? <span class="usage-unit">{r.service}</span> : <a class="usage-unit" href={href("service", { name: r.service })}>{r.service}</a>) },
          { key: "signal", title: "signal", value: r => r.signal, cell: r => r.signal },
          { key: "count", title: "events", isNumber: true, value: r => r.count, cell: r => showCount(r.count) },
          { key: "share", title: "share", isNumber: true, value: r => r.count, cell: r => showShare(r.count / total) },
          { key: "bytes", title: "about, on disk", isNumber: true, value: r => r.count, cell: r => (bytesPerEvent ? showBytes(r.count * bytesPerEvent) : ABSENT) },
        ]} />}
      </Panel>
      <GrowthPanel />
      <Panel title="Events by key" data={keys} isFlush isEmpty={v => !v.keys.length} empty={<p class="muted body">Nothing came since the server started.</p>}>
        {v => <><Table caption="Events by key" rows={v.keys} rowKey={k => k.id} columns={[
          { key: "key", title: "key", value: k => k.name || k.id, cell: k => (k.id ? <span class="usage-unit" title={k.id}>{k.name || k.id}</span> : <span class="muted">without a key</span>) },
          ...(["trace", "log", "metric"] as const).map(s => ({ key: s, title: `${s}s`, isNumber: true, value: (k: ByKey["keys"][number]) => k[s], cell: (k: ByKey["keys"][number]) => showCount(k[s]) })),
        ]} /><p class="muted usage-note">Accepted since the server started, {showAgo(v.since)}, whatever the range; the longest quiet senders are forgotten when there are many.</p></>}
      </Panel>
      <Panel title="What as much would mean elsewhere" data={bill} isFlush>{v => <Tiers bill={v} bytesPerEvent={bytesPerEvent} />}</Panel>
      <Panel title={fields.value ? `Fields: ${showCount(fields.value.fields.length)}` : "Fields"} data={fields} isFlush isEmpty={v => v.fields.length === 0} empty={<p class="muted body">None in this range.</p>}>
        {v => <Table caption="Fields by how many events have them" rows={v.fields} rowKey={f => f.name} sort={{ key: "count", isDown: true }} columns={[
          { key: "name", title: "field", value: f => f.name, cell: f => <a class="mono" href={href("query", { q: `COUNT GROUP BY ${JSON.stringify(f.name)}` })}>{f.name}</a> },
          { key: "types", title: "types", value: f => f.types.length, cell: f => <span class={f.types.length > 1 ? "warn-text" : ""} title={f.types.length > 1 ? "Senders do not agree on the type" : undefined}>{f.types.join(", ")}</span> },
          { key: "count", title: "events", isNumber: true, value: f => f.count, cell: f => showCount(f.count) },
        ]} />}
      </Panel>
    </>
  );
}
