// One service: how much is asked of it, how it fares, what it does, whom it needs, and what arrives from it.
import { loadMap } from "../../api/map";
import { ask } from "../../api/query";
import type { QueryResult, Row, ServiceMap } from "../../api/types";
import { environment, lengthOf } from "../../app/environment";
import { href, param } from "../../app/location";
import { from, resolveRange, setRangeSeconds, showAgo, showTime, tick, to, type Range } from "../../app/time";
import { Chart } from "../../kit/chart";
import { showCount, showMs, showRate, showShare, showValue } from "../../kit/format";
import { differencesOfErrors } from "../../kit/question_link";
import { Empty, Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { EdgeTable } from "../map";
import { seriesOf } from "../../api/series";
import { printValue } from "../../api/query_text";
import "./service.css";

interface Overview { range: Range; all: QueryResult; failed: QueryResult }
interface Operations { range: Range; rows: (Row & { failed: number })[] }
interface Arrival { count: number; last: number | null } // last: where the last bucket with any begins, unix ms
interface Signals { spans: Arrival; logs: Arrival; metrics: Arrival; versions: (Row & { failed: number })[] }

const DEPLOYMENT = "semconv.deployment.environment.name";
const versionOf = (r: Row) => `${r["service.version"]} ${r[DEPLOYMENT]}`;

export default function Service() {
  const name = param("name");
  if (!name) return <><div class="page-head"><h1>Service</h1></div><Empty title="No service is named in the address."><a href={href("map")}>Choose one on the map</a></Empty></>;
  return <Of name={name} />;
}

function useOf<T>(what: string, name: string, load: (range: Range, signal: AbortSignal) => Promise<T>) {
  return useData<T>(environment.value ? JSON.stringify([what, name, environment.value, from.value, to.value, tick.value]) : null, l => load(resolveRange(), l.signal));
}

function Of({ name }: { name: string }) {
  const mine = { column: "service.name", op: "=", value: name }, where = `service.name = ${printValue(name)}`;
  const served = [mine, { column: "duration_ms", op: "exists" }];
  const overview = useOf<Overview>("overview", name, async (range, signal) => {
    const [all, failed] = await Promise.all([
      ask({ range, withSeries: true, spec: { calculations: [{ op: "COUNT" }, { op: "P50", column: "duration_ms" }, { op: "P95", column: "duration_ms" }, { op: "P99", column: "duration_ms" }], filters: served } }, signal),
      ask({ range, withSeries: true, spec: { calculations: [{ op: "COUNT" }], filters: [...served, { column: "error", op: "=", value: true }] } }, signal),
    ]);
    return { range, all, failed };
  });
  const operations = useOf<Operations>("operations", name, async (range, signal) => {
    const calculations = [{ op: "COUNT" }, { op: "SUM", column: "meta.self_ms" }, { op: "P50", column: "duration_ms" }, { op: "P95", column: "duration_ms" }];
    const [all, failed] = await Promise.all([
      ask({ range, spec: { calculations, breakdowns: ["name"], filters: served, orders: [{ op: "SUM", column: "meta.self_ms", order: "descending" }], limit: 100 } }, signal),
      ask({ range, spec: { calculations: [{ op: "COUNT" }], breakdowns: ["name"], filters: [...served, { column: "error", op: "=", value: true }], limit: 1000 } }, signal),
    ]);
    const failures = new Map(failed.data.results.map(r => [r.data.name, r.data.COUNT as number]));
    return { range, rows: all.data.results.map(r => ({ ...r.data, failed: failures.get(r.data.name!) ?? 0 }) as Row & { failed: number }) };
  });
  const map = useOf<{ map: ServiceMap; seconds: number }>("map", name, async (range, signal) => ({ map: await loadMap(range, signal), seconds: lengthOf(range) }));
  const signals = useOf<Signals>("signals", name, async (range, signal) => {
    const one = (filters: { column: string; op: string; value?: string }[]) => ask({ range, withSeries: true, spec: { calculations: [{ op: "COUNT" }], filters: [mine, ...filters] } }, signal).then(arrival);
    const ofVersions = (more: { column: string; op: string; value?: boolean }[]) => ask({ range, spec: { calculations: [{ op: "COUNT" }, { op: "P95", column: "duration_ms" }], breakdowns: ["service.version", DEPLOYMENT], filters: [...served, ...more], limit: 20 } }, signal)
      .then(r => r.data.results.map(x => x.data).filter(x => x["service.version"] != null || x[DEPLOYMENT] != null));
    const [spans, logs, metrics, versions, failed] = await Promise.all([
      one([{ column: "trace.span_id", op: "exists" }, { column: "duration_ms", op: "exists" }]), one([{ column: "meta.signal_type", op: "=", value: "log" }]), one([{ column: "meta.signal_type", op: "=", value: "metric" }]),
      ofVersions([]), ofVersions([{ column: "error", op: "=", value: true }]),
    ]);
    const failures = new Map(failed.map(r => [versionOf(r), r.COUNT as number]));
    return { spans, logs, metrics, versions: versions.map(r => ({ ...r, failed: failures.get(versionOf(r)) ?? 0 }) as Signals["versions"][number]) };
  });
  const nothing = <Empty title={`Nothing of ${name} in this range.`}><a href={href("doctor")}>Doctor says who was refused</a></Empty>;
  return (
    <>
      <div class="page-head"><h1>{name}</h1>
        <div class="row wrap"><a class="button small" href={href("traces", { q: where })}>Traces</a><a class="button small" href={href("logs", { q: where })}>Logs</a><a class="button small" href={href("query", { q: `HEATMAP(duration_ms) WHERE ${where}` })}>Query</a><a class="button small" href={href("map", { focus: name })}>Map</a></div></div>
      <Panel title="Spans" data={overview} isEmpty={v => !v.all.data.results.some(r => (r.data.COUNT as number) > 0)} empty={nothing}>{v => <Charts value={v} where={where} />}</Panel>
      <Panel title="Operations" data={operations} isFlush isEmpty={v => v.rows.length === 0} empty={nothing} actions={<span class="muted">by time of their own</span>}>
        {v => <OperationTable rows={v.rows} seconds={lengthOf(v.range)} where={where} />}
      </Panel>
      <div class="service-grid">
        <Panel title="Who calls it, and whom it calls" data={map} isFlush isEmpty={v => !v.map.edges.some(e => e.from === name || e.to === name)} empty={<Empty title="No calls to or from it in this range." />}>
          {v => <EdgeTable map={v.map} edges={v.map.edges.filter(e => e.from === name || e.to === name)} seconds={v.seconds} />}
        </Panel>
        <Panel title="What arrives" data={signals}>{v => <Arrives value={v} where={where} />}</Panel>
      </div>
    </>
  );
}

function Charts({ value, where }: { value: Overview; where: string }) {
  const columns = ["COUNT", "P50(duration_ms)", "P95(duration_ms)", "P99(duration_ms)"], s = seriesOf(value.all.data, columns, []);
  const failed = seriesOf(value.failed.data, ["COUNT"], [], 0, s.step), points = (column: string) => s.lines.get(column)?.get("[]") ?? s.times.map(() => null);
  const rates = points("COUNT").map(c => (c === null ? null : c / s.step));
  const failures = s.times.map((t, i) => {
    const at = failed.times.findIndex(f => Math.abs(f - t) < s.step / 2), all = points("COUNT")[i];
    return all ? (at < 0 ? 0 : failed.lines.get("COUNT")?.get("[]")?.[at] ?? 0) / all : null;
  });
  const lines = ["P99", "P95", "P50"].map((name, i) => ({ name, color: `var(--s${[2, 0, 7][i]})`, points: points(`${name}(duration_ms)`) }));
  const total = value.all.data.results[0]!.data, count = total.COUNT as number, wrong = (value.failed.data.results[0]?.data.COUNT as number | undefined) ?? 0;
  return (
    <div class="service-charts">
      <div><h3><a href={href("query", { q: `COUNT WHERE ${where}` })}>Rate</a> <span class="muted">{showRate(count / lengthOf(value.range))}</span></h3>
        <Chart label="Spans a second" times={s.times} unit="number" height={150} onZoom={setRangeSeconds} lines={[{ name: "spans a second", color: "var(--accent)", points: rates }]} /></div>
      <div><h3><a href={href("query", { q: `COUNT WHERE ${where} AND error = true GROUP BY name` })}>Errors</a> <span class={wrong ? "error-text" : "muted"}>{showShare(count ? wrong / count : 0)}</span>{wrong > 0 && <> <a href={differencesOfErrors(where)}>What is different about them?</a></>}</h3>
        <Chart label="Share of spans that failed" times={s.times} unit="share" height={150} onZoom={setRangeSeconds} lines={[{ name: "failed", color: "var(--error)", points: failures }]} /></div>
      <div><h3><a href={href("query", { q: `HEATMAP(duration_ms), P50(duration_ms), P99(duration_ms) WHERE ${where}` })}>Duration</a> <span class="muted">{lines.map(l => <> <i class="swatch" style={{ background: l.color }} /> {l.name}{l.name === "P95" && ` ${showMs(total["P95(duration_ms)"] as number)}`}</>)}</span></h3>
        <Chart label="Duration" times={s.times} unit="ms" height={150} onZoom={setRangeSeconds} lines={lines} /></div>
    </div>
  );
}

function OperationTable({ rows, seconds, where }: { rows: (Row & { failed: number })[]; seconds: number; where: string }) {
  const of = (r: Row) => `${where} AND name = ${printValue(String(r.name))}`, number = (r: Row, column: string) => r[column] as number | null;
  const total = rows.reduce((sum, r) => sum + (number(r, "SUM(meta.self_ms)") ?? 0), 0);
  return <Table caption="Operations" rows={rows} rowKey={r => String(r.name)} sort={{ key: "self", isDown: true }} columns={[
    { key: "name", title: "Operation", value: r => String(r.name), cell: r => <a href={href("traces", { q: of(r) })}>{String(r.name)}</a> },
    { key: "self", title: "of its own time", isNumber: true, value: r => number(r, "SUM(meta.self_ms)"), cell: r => <a class="quiet-link" title={showMs(number(r, "SUM(meta.self_ms)"))} href={href("query", { q: `HEATMAP(meta.self_ms) WHERE ${of(r)}` })}>{showShare(total ? (number(r, "SUM(meta.self_ms)") ?? 0) / total : 0)}</a> },
    { key: "rate", title: "Rate", isNumber: true, value: r => number(r, "COUNT"), cell: r => <a class="quiet-link" href={href("query", { q: `COUNT WHERE ${of(r)}` })}>{showRate(number(r, "COUNT")! / seconds)}</a> },
    { key: "errors", title: "Errors", isNumber: true, value: r => r.failed / (number(r, "COUNT") || 1), cell: r => <a class={r.failed ? "error-text" : "quiet-link"} href={href("traces", { q: `${of(r)} AND error = true` })}>{showShare(r.failed / (number(r, "COUNT") || 1))}</a> },
    { key: "p50", title: "P50", isNumber: true, value: r => number(r, "P50(duration_ms)"), cell: r => showMs(number(r, "P50(duration_ms)")) },
    { key: "p95", title: "P95", isNumber: true, value: r => number(r, "P95(duration_ms)"), cell: r => <a class="quiet-link" href={href("query", { q: `HEATMAP(duration_ms) WHERE ${of(r)}` })}>{showMs(number(r, "P95(duration_ms)"))}</a> },
  ]} />;
}

function arrival(r: QueryResult): Arrival {
  const times = (r.data.series ?? []).filter(s => (s.data.COUNT as number) > 0).map(s => Date.parse(s.time));
  return { count: (r.data.results[0]?.data.COUNT as number | undefined) ?? 0, last: times.length ? Math.max(...times) : null };
}

function Arrives({ value, where }: { value: Signals; where: string }) {
  const line = (title: string, at: Arrival, address: string) => <><dt>{title}</dt><dd>{at.count > 0 ? <><a href={address}>{showCount(at.count)}</a>{at.last !== null && <span class="muted" title={showTime(at.last, { ms: false })}> last at most {showAgo(at.last)}</span>}</> : <span class="muted">none in this range</span>}</dd></>;
  return (
    <div class="stack">
      <dl class="facts">
        {line("spans", value.spans, href("traces", { q: where }))}
        {line("log lines", value.logs, href("logs", { q: where }))}
        {line("metric points", value.metrics, href("query", { q: `COUNT WHERE ${where} AND meta.signal_type = "metric"` }))}
      </dl>
      {value.versions.length > 0 && <div><b>Versions seen</b><Table caption="Versions" rows={value.versions} rowKey={versionOf} columns={[
        { key: "version", title: "service.version", value: r => String(r["service.version"]), cell: r => <a href={href("query", { q: `COUNT, P95(duration_ms) WHERE ${where} GROUP BY service.version` })}>{showValue(r["service.version"])}</a> },
        { key: "deployment", title: "deployment", value: r => r[DEPLOYMENT] as string | null, cell: r => showValue(r[DEPLOYMENT]) },
        { key: "count", title: "spans", isNumber: true, value: r => r.COUNT as number, cell: r => showCount(r.COUNT as number) },
        { key: "errors", title: "Errors", isNumber: true, value: r => r.failed / (r.COUNT as number), cell: r => <span class={r.failed ? "error-text" : ""}>{showShare(r.failed / (r.COUNT as number))}</span> },
        { key: "p95", title: "P95", isNumber: true, value: r => r["P95(duration_ms)"] as number, cell: r => showMs(r["P95(duration_ms)"] as number) },
      ]} /></div>}
    </div>
  );
}
