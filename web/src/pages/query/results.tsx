// The answer: a chart or heatmap for each calculation, and the table of groups, which is the legend.
import { useMemo, useState } from "preact/hooks";
import type { Filter, Heat, Row } from "../../api/types";
import { environment } from "../../app/environment";
import { href, param, setParams } from "../../app/location";
import { setRangeSeconds, showClock } from "../../app/time";
import { Chart, Spark } from "../../kit/chart";
import { colorSlots, cssColor } from "../../kit/color";
import { ABSENT, showIn, unitOf, type Unit } from "../../kit/format";
import { highest, makeGrid, type Rectangle } from "../../kit/heat_grid";
import { Heatmap } from "../../kit/heatmap";
import { Icon } from "../../kit/icons";
import { MarkerList, since, useMarkers } from "../../kit/markers";
import { Empty } from "../../kit/states";
import { Table, type Column } from "../../kit/table";
import type { Parts } from "./index";
import type { OnSelect, Selection } from "./selection";
import { equals, print } from "../../api/query_text";
import { columnOf, groupOf, save, seriesOf, toCsv, type Group } from "../../api/series";

const LINES_MAX = 10, HIGHEST = 0.05, EMPTY = 0.2; // EMPTY: so much of a range may be without anything at its start

function unitFor(op: string, column: string | undefined): Unit {
  return column && !["COUNT", "COUNT_DISTINCT", "CONCURRENCY"].includes(op) ? unitOf(column) : "number";
}

export function Results(props: { parts: Parts; selection: Selection | null; onSelect: OnSelect; onFilters: (f: Filter[]) => void; onZoom?: (start: number, end: number) => void }) {
  const { query, result, start, end } = props.parts, spec = query.spec;
  const zoom = props.onZoom ?? setRangeSeconds, markers = useMarkers({ start, end });
  const [focus, setFocus] = useState<string | null>(null), [dragged, setDragged] = useState("");
  const calculations = spec.calculations?.length ? spec.calculations : [{ op: "COUNT" }], breakdowns = spec.breakdowns ?? [];
  const columns = calculations.map(columnOf), isLog = param("y") === "log", kind = (param("chart") ?? "lines") as "lines" | "stacked" | "bars";
  const groups = useMemo(() => result.data.results.map(r => ({ ...groupOf(r.data, breakdowns), row: r.data })), [result]);
  const series = useMemo(() => seriesOf(result.data, columns, breakdowns, 0, spec.granularity ?? result.meta.granularity_s, props.parts), [result]);
  const earlier = useMemo(() => (result.compare ? seriesOf(result.compare, columns, breakdowns, spec.compare_time_offset_seconds ?? 0, spec.granularity) : null), [result]);
  const first = useMemo(() => (result.data.series ?? []).reduce((t, r) => (columns.some(c => r.data[c]) ? Math.min(t, Date.parse(r.time)) : t), Infinity) / 1000, [result]); // where the answer begins
  const slots = useMemo(() => colorSlots(groups.slice(0, LINES_MAX).map(g => g.label)), [groups]);
  const colorOf = (g: Group) => cssColor(slots.get(g.label) ?? -1);
  if (groups.length === 0 || groups.every(g => columns.every(c => g.row[c] == null || g.row[c] === 0)))
    return <Empty title={spec.filters?.length ? "No event in this range passes the filters." : "Nothing in this range."}>
      <div class="row wrap">{(spec.filters ?? []).map((f, i) => <button key={i} class="button small" onClick={() => setParams({ q: withoutFilter(props.parts, i) })}>Without {f.column}</button>)}
        <button class="button small" onClick={() => setParams({ from: "1d", to: null })}>Look at the last day</button><button class="button small" onClick={() => setParams({ from: "7d", to: null })}>the last 7 days</button></div>
    </Empty>;
  const span = props.selection?.window, at = columns.includes(dragged) ? dragged : columns.find((_, i) => calculations[i]!.op !== "HEATMAP"); // under which chart stands what can be done with it
  const lastTime = series.times[series.times.length - 1];
  const unfinished = lastTime !== undefined && lastTime + series.step > end - 1 ? lastTime : null;
  const tableColumns: Column<(typeof groups)[number]>[] = [
    { key: "color", title: <span class="visually-hidden">Colour</span>, cell: g => <i class="swatch" style={{ background: colorOf(g) }} /> },
    ...breakdowns.map((b, i): Column<(typeof groups)[number]> => ({ key: b, title: b, value: g => (typeof g.values[i] === "boolean" ? String(g.values[i]) : (g.values[i] as string | number | null)), cell: g => <GroupCell column={b} group={g} at={i} /> })),
    ...calculations.map((c, i): Column<(typeof groups)[number]> => ({
      key: columns[i]!, title: columns[i]!, isNumber: true, value: g => (typeof g.row[columns[i]!] === "number" ? (g.row[columns[i]!] as number) : null),
      cell: g => <NumberCell row={g.row} column={columns[i]!} unit={unitFor(c.op, c.column)} points={series.lines.get(columns[i]!)?.get(g.key)} />,
    })),
    ...(breakdowns.length ? [{ key: "act", title: <span class="visually-hidden">Actions</span>, cell: (g: (typeof groups)[number]) => (
      <span class="row"><button class="button quiet small" title="Only this group" onClick={() => props.onFilters(breakdowns.map((b, i) => equals(b, g.values[i] ?? null)))}>only</button>
        <button class="button quiet small" title="What is different about this group" onClick={() => props.onSelect({ group: Object.fromEntries(breakdowns.map((b, i) => [b, g.values[i] ?? null])) }, true)}>differences</button></span>
    ) }] : []),
  ];
  return (
    <div class="stack">
      <div class="row wrap query-tools">
        {calculations.some(c => c.op !== "HEATMAP") && (["lines", "stacked", "bars"] as const).map(k => <button key={k} class="button quiet small" aria-pressed={kind === k} onClick={() => setParams({ chart: k === "lines" ? null : k }, { replace: true })}>{k}</button>)}
        <button class="button quiet small" aria-pressed={isLog} onClick={() => setParams({ y: isLog ? null : "log" }, { replace: true })}>log scale</button>
        <button class="button quiet small" title="What is different about events with error = true" onClick={() => props.onSelect({ group: { error: true } }, true)}>errors</button>
        {first < end && first > start + EMPTY * (end - start) && <button class="button quiet small" title="Nothing of the answer is older" onClick={() => zoom(first, end)}>Begin at {showClock(first * 1000).slice(0, 8)}</button>}
        <span class="grow" />
        <button class="button quiet small" onClick={() => save(`skep-${environment.value}.csv`, "text/csv", toCsv([...breakdowns, ...columns], groups.map(g => g.row)))}>CSV</button>
        <button class="button quiet small" onClick={() => save(`skep-${environment.value}.json`, "application/json", JSON.stringify({ question: param("q"), start, end, ...result }, null, 1))}>JSON</button>
      </div>
      {calculations.map((c, i) => {
        const column = columns[i]!, heats = series.heats.get(column);
        if (c.op === "HEATMAP") return heats ? <HeatPanel key={column} column={column} field={c.column!} heats={heats} times={series.times} step={series.step} isLinear={param("y") === "linear"} selection={props.selection} onSelect={props.onSelect} onZoom={zoom} /> : null;
        const of = series.lines.get(column)!, unit = unitFor(c.op, c.column);
        const lines = groups.slice(0, LINES_MAX).filter(g => of.has(g.key)).map(g => ({ name: g.label, color: colorOf(g), points: of.get(g.key)! }));
        const before = earlier ? groups.slice(0, LINES_MAX).filter(g => earlier.lines.get(column)?.has(g.key)).map(g => ({ name: g.label + " (before)", color: colorOf(g), points: aligned(series.times, earlier.times, earlier.lines.get(column)!.get(g.key)!), isDashed: true })) : [];
        return <div key={column}><h3>{column}</h3><Chart label={column} times={series.times} lines={[...lines, ...before]} unit={unit} kind={before.length ? "lines" : kind} isLog={isLog} focus={focus} unfinishedFrom={unfinished} markers={markers.marks}
          selected={span && { start: span.t0, end: span.t1 }} onSelect={r => { setDragged(column); props.onSelect(r && { window: { t0: r.start, t1: r.end } }); }} onOpen={() => props.onSelect(props.selection, true)} />
          {span && column === at && <Act times={span} selection={props.selection} onSelect={props.onSelect} onZoom={zoom} />}</div>;
      })}
      <MarkerList markers={markers} at={span?.t0 ?? null} onCompare={m => { const { window, base } = since(m, props.parts); props.onSelect({ window }, true, base); }} />
      <Table caption="Groups" rows={groups} columns={tableColumns} rowKey={g => g.key} onHover={g => setFocus(g?.label ?? null)} />
    </div>
  );
}

function withoutFilter(parts: Parts, at: number): string {
  return print({ ...parts.query, spec: { ...parts.query.spec, filters: parts.query.spec.filters!.filter((_, i) => i !== at) } });
}

// Points of an earlier period at the times of this one.
function aligned(times: number[], otherTimes: number[], points: (number | null)[]): (number | null)[] {
  const step = otherTimes.length > 1 ? otherTimes[1]! - otherTimes[0]! : 1;
  return times.map(t => {
    const at = otherTimes.length ? Math.round((t - otherTimes[0]!) / step) : -1;
    return at >= 0 && at < points.length ? points[at]! : null;
  });
}

function GroupCell({ column, group, at }: { column: string; group: Group; at: number }) {
  const value = group.values[at];
  if (value === null || value === undefined) return <span class="muted">no value</span>;
  const page = column === "trace.trace_id" ? "trace" : column === "service.name" ? "service" : null;
  return page ? <PageLink page={page} value={String(value)} /> : <span>{String(value)}</span>;
}

function NumberCell({ row, column, unit, points }: { row: Row; column: string; unit: Unit; points?: (number | null)[] }) {
  const value = row[column];
  if (value !== null && typeof value === "object") return <HeatCell heat={value as Heat} />;
  return <span class="row number-cell" title={value == null ? undefined : String(value)}>{points && points.length > 2 && <Spark points={points} />}<span>{typeof value === "number" ? showIn(unit, value) : ABSENT}</span></span>;
}

// The distribution of one group, as a strip.
function HeatCell({ heat }: { heat: Heat }) {
  const grid = makeGrid([0], 1, [heat], true);
  return grid ? <Spark points={[...grid.counts]} label="distribution" /> : <span>{ABSENT}</span>;
}

function PageLink({ page, value }: { page: "trace" | "service"; value: string }) {
  return <a class={page === "trace" ? "mono" : ""} href={href(page, page === "trace" ? { id: value } : { name: value })}>{value}</a>;
}

function HeatPanel(props: { column: string; field: string; heats: (Heat | null)[]; times: number[]; step: number; isLinear: boolean; selection: Selection | null; onSelect: OnSelect; onZoom: (start: number, end: number) => void }) {
  const grid = useMemo(() => makeGrid(props.times, props.step, props.heats, !props.isLinear), [props.heats, props.isLinear]);
  if (!grid) return null;
  const selectionOf = (r: Rectangle): Selection => ({ field: props.field, rectangle: { ...r, v0: r.v0 === -Infinity ? null : r.v0 } });
  const selected = props.selection?.rectangle && props.selection.field === props.field ? props.selection.rectangle : null;
  return (
    <div>
      <div class="row wrap heatmap-head"><h3>{props.column}</h3>
        <button class="button quiet small" title="Select them, over all of the time" onClick={() => props.onSelect(selectionOf(highest(grid, HIGHEST)))}>{unitOf(props.field) === "ms" ? "slowest" : "highest"} 5 %</button>
        <button class="button quiet small" aria-pressed={!props.isLinear} onClick={() => setParams({ y: props.isLinear ? null : "linear" }, { replace: true })}>log values</button></div>
      <Heatmap label={props.column} grid={grid} unit={unitOf(props.field)} selection={selected && { ...selected, v0: selected.v0 ?? -Infinity }} onSelect={r => props.onSelect(r && selectionOf(r))}
        onCompare={r => props.onSelect(selectionOf(r), true)} />
      {selected && <Act times={selected} selection={props.selection} onSelect={props.onSelect} onZoom={props.onZoom} />}
    </div>
  );
}

function Act({ times, selection, onSelect, onZoom }: { times: { t0: number; t1: number }; selection: Selection | null; onSelect: OnSelect; onZoom: (start: number, end: number) => void }) {
  return (
    <div class="row wrap" role="group" aria-label="The selection">
      <button class="button primary small" title="d" onClick={() => onSelect(selection, true)}>What is different about these?</button>
      <button class="button small" onClick={() => onSelect(selection, true, "previous")}>… than just before?</button>
      <button class="button small" onClick={() => onZoom(times.t0, times.t1)}>Zoom</button>
      <button class="button small" onClick={() => setParams({ tab: "traces" })}>Traces</button>
      <button class="button quiet small" onClick={() => onSelect(null)}><Icon name="close" /> Clear</button>
    </div>
  );
}
