// What hurts, what changed, and traces to look at.
import { loadCompared, loadMap, type Compared } from "../../api/map";
import { ask } from "../../api/query";
import { askRows } from "../../api/rows";
import type { QueryResult, Row, ServiceMap } from "../../api/types";
import { environment, lengthOf } from "../../app/environment";
import { href } from "../../app/location";
import { from, resolveRange, showAgo, showClock, tick, to } from "../../app/time";
import { Spark } from "../../kit/chart";
import { ABSENT, plural, showMs, showRate, showShare } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { Empty, Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { printValue } from "../../api/query_text";
import { MarkersPanel, MyQuestions, NewPanel } from "./latest";
import { changes, isComparable, judged, late, type Pain } from "./pain";

const SHOWN = 8, TRACES_MAX = 500; // looked at, to show one of each kind

function key(what: string): string { return JSON.stringify([what, environment.value, from.value, to.value, tick.value]); }

// Requests of each service over time.
function sparks(result: QueryResult): Map<string, (number | null)[]> {
  const times = [...new Set((result.data.series ?? []).map(s => s.time))].sort(), at = new Map(times.map((t, i) => [t, i]));
  const out = new Map<string, (number | null)[]>();
  for (const s of result.data.series ?? []) {
    const name = String(s.data["service.name"]), points = out.get(name) ?? new Array<number | null>(times.length).fill(0);
    out.set(name, points);
    points[at.get(s.time)!] = s.data.COUNT as number;
  }
  return out;
}

// The map of the range, and the part of it that is held against as long before. Where the sending began inside the range that part is
// its end, halved until there is half as much before it: with less everything would seem busier.
interface Pained extends Compared { all: ServiceMap }

async function loadPain(signal: AbortSignal): Promise<Pained> {
  const whole = await loadCompared(signal), { end } = whole.range;
  let part = whole;
  for (let n = 0, least = 0.2; n < 4 && !isComparable(part.now.nodes, part.before.nodes, least); n++, least = 0.5) {
    const width = (end - part.range.start) / 2, range = { start: end - width, end };
    const [now, before] = await Promise.all([loadMap(range, signal), loadMap({ start: end - 2 * width, end: range.start }, signal)]);
    part = { range, now, before, queries: part.queries + 2 };
  }
  return { ...part, all: whole.now };
}

function Delta({ times, before }: { times: number; before: number | null | undefined }) {
  if (!before || (times > 0.83 && times < 1.2)) return null;
  return <span class={"delta " + (times > 1 ? "warn-text" : "ok-text")} title={`before ${showMs(before)}`}> {times > 1 ? "▲" : "▼"} {times >= 1 ? times.toFixed(1) : (1 / times).toFixed(1)} ×</span>;
}

export function Overview() {
  const map = useData<Pained>(key("map"), l => loadPain(l.signal));
  const counts = useData<QueryResult>(key("counts"), l => ask({ range: resolveRange(), withSeries: true, spec: { calculations: [{ op: "COUNT" }], breakdowns: ["service.name"], limit: 200 } }, l.signal));
  const slow = useData<QueryResult>(key("slow"), l => ask({ range: resolveRange(), spec: { calculations: [{ op: "MAX", column: "duration_ms" }], breakdowns: ["trace.trace_id", "service.name", "name"],
    filters: [{ column: "trace.parent_id", op: "does-not-exist" }, { column: "duration_ms", op: "exists" }], orders: [{ op: "MAX", column: "duration_ms", order: "descending" }], limit: TRACES_MAX } }, l.signal));
  const failed = useData<QueryResult>(key("failed"), l => ask({ range: resolveRange(), spec: { calculations: [{ op: "COUNT" }, { op: "MAX", column: "duration_ms" }], breakdowns: ["trace.trace_id", "meta.root_name"],
    filters: [{ column: "error", op: "=", value: true }, { column: "trace.span_id", op: "exists" }], orders: [{ op: "COUNT", order: "descending" }], limit: TRACES_MAX } }, l.signal));
  const newest = useData<TraceRow[]>(key("newest"), async l => (await askRows({ where: "trace.parent_id does-not-exist AND duration_ms exists AND trace.trace_id exists", range: resolveRange(), limit: SHOWN }, l.signal)).rows.map(r =>
    ({ id: String(r["trace.trace_id"]), name: String(r.name), note: `${r["service.name"] ?? ""} ${showAgo(Date.parse(r.time))}`, ms: r.duration_ms as number })));
  const lines = counts.value ? sparks(counts.value) : new Map<string, (number | null)[]>();
  return (
    <>
      <div class="page-head"><h1>Home</h1><p>{environment.value}</p></div>
      <div class="home-grid">
        <div class="stack">
          <Panel title="Services by pain" data={map} isFlush isEmpty={v => v.all.nodes.every(n => n.kind !== "service")} actions={<a href={href("map")}>Map</a>}
            empty={<div class="none"><Empty title="No span of a server in this range."><a href={href("query")}>Ask about logs and metrics</a></Empty></div>}>
            {v => <Services list={judged(v.all.nodes, v.now.nodes, v.before.nodes, late(v.now.edges, v.before.edges))} seconds={lengthOf(resolveRange())} lines={lines} />}
          </Panel>
          <MyQuestions />
          <Panel title="Newest traces" data={newest} isFlush isEmpty={v => v.length === 0} empty={<div class="none muted">No root span in this range.</div>} actions={<a href={href("traces")}>All</a>}>
            {v => <Traces rows={v} />}
          </Panel>
        </div>
        <div class="stack">
          <Panel title="What changed" data={map} actions={<span class="muted">{map.value && `${showMs((map.value.range.end - map.value.range.start) * 1000)} `}against as long before</span>}>
            {v => <Changes value={v} />}
          </Panel>
          <NewPanel />
          <MarkersPanel />
          <Panel title="Traces with errors" data={failed} isFlush isEmpty={v => v.data.results.length === 0} empty={<div class="none muted">No span failed in this range.</div>} actions={<a href={href("traces", { q: "error = true" })}>All</a>}>
            {v => <Traces rows={kinds(v, "meta.root_name").sort((a, b) => b.count - a.count).map(({ data, count }) => kindRow(data, data["meta.root_name"] ?? "trace without its root", v.data.results.length < TRACES_MAX ? plural(count, "trace") : `${count}+ traces`))} />}
          </Panel>
          <Panel title="Slowest traces" data={slow} isFlush isEmpty={v => v.data.results.length === 0} empty={<div class="none muted">No root span in this range.</div>} actions={<a href={href("traces")}>All</a>}>
            {v => <Traces rows={kinds(v, "service.name", "name").map(({ data }) => kindRow(data, data.name, String(data["service.name"] ?? "")))} />}
          </Panel>
        </div>
      </div>
    </>
  );
}

function Services({ list, seconds, lines }: { list: Pain[]; seconds: number; lines: Map<string, (number | null)[]> }) {
  const of = (name: string) => `service.name = ${printValue(name)}`;
  return (
    <Table caption="Services, those that hurt first" rows={list} rowKey={p => p.node.name} columns={[
      { key: "name", title: "Service", value: p => p.node.name, cell: p => <span class="row whole">{p.score >= 1 ? <span class="error-text" title="Worse than before"><Icon name="warn" label="hurts" /></span> : <span class="ok-text"><Icon name="check" label="well" /></span>}<a href={href("service", { name: p.node.name })}>{p.node.name}</a></span> },
      { key: "rate", title: "Requests", isNumber: true, value: p => p.node.count, cell: p => <span class="row number-cell">{lines.has(p.node.name) && <Spark points={lines.get(p.node.name)!} />}<a class="quiet-link" href={href("query", { q: `COUNT WHERE ${of(p.node.name)}` })}>{showRate(p.node.count / seconds)}</a></span> },
      { key: "errors", title: "Errors", isNumber: true, value: p => p.errorShare, cell: p => <a class={p.errorShare > 0.01 ? "error-text" : "quiet-link"} href={href("query", { q: `COUNT WHERE ${of(p.node.name)} AND error = true GROUP BY name` })}>{showShare(p.errorShare)}</a> },
      { key: "p95", title: "P95", isNumber: true, value: p => p.node.p95_ms, cell: p => <><a class="quiet-link" href={href("query", { q: `HEATMAP(duration_ms), P95(duration_ms) WHERE ${of(p.node.name)}` })}>{showMs(p.node.p95_ms)}</a><Delta times={p.slower} before={p.before?.p95_ms} /></> },
    ]} />
  );
}

// The first trace of each kind, and how many there are of it: ten of one nightly job would hide all others.
function kinds(v: QueryResult, ...fields: string[]): { data: Row; count: number }[] {
  const found = new Map<string, { data: Row; count: number }>();
  for (const { data } of v.data.results) {
    const name = JSON.stringify(fields.map(f => data[f])), kind = found.get(name);
    if (kind) kind.count++;
    else found.set(name, { data, count: 1 });
  }
  return [...found.values()];
}
const kindRow = (data: Row, name: unknown, note: string): TraceRow => ({ id: String(data["trace.trace_id"]), name: String(name), note, ms: data["MAX(duration_ms)"] as number | null });

const SIGNS = { new: "+", gone: "−", errors: "!", late: "▲", slower: "▲", faster: "▼", busier: "↑", quieter: "↓" };

function Changes({ value }: { value: Compared }) {
  const list = [...late(value.now.edges, value.before.edges), ...changes(value.now.nodes, value.before.nodes)].sort((a, b) => b.weight - a.weight).slice(0, 8);
  if (list.length === 0 && !isComparable(value.now.nodes, value.before.nodes)) return <p class="muted">There are too few requests before {showClock(value.range.start * 1000)} to hold these against.</p>;
  if (list.length === 0) return <p class="muted">Nothing stands out: rates, errors and P95 are as they were. What hits fewer than one in twenty is seen in a <a href={href("query", { q: "HEATMAP(duration_ms)" })}>heatmap</a>: drag over a band that began.</p>;
  return <ul class="plain">{list.map((c, i) => <li key={i} class="row"><span class={c.kind === "errors" || c.kind === "late" || c.kind === "slower" || c.kind === "gone" ? "error-text" : "muted"} aria-hidden="true">{SIGNS[c.kind]}</span>{c.service !== null && <a href={href("service", { name: c.service })}>{c.service}</a>} <span>{c.text}</span></li>)}</ul>;
}

interface TraceRow { id: string; name: string; note: string; ms: number | null }

function Traces({ rows }: { rows: TraceRow[] }) {
  return <Table caption="Traces" rows={rows.slice(0, SHOWN)} rowKey={r => r.id + r.name} columns={[
    { key: "name", title: "Trace", cell: r => <a href={href("trace", { id: r.id })}>{r.name}</a> },
    { key: "note", title: "", cell: r => <span class="muted">{r.note}</span> },
    { key: "ms", title: "longest", isNumber: true, cell: r => (r.ms === null ? ABSENT : showMs(r.ms)) },
  ]} />;
}
