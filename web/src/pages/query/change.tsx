// The question's own numbers in a selected time and in the one it is held against: what a deployment did to them.
import { ask } from "../../api/query";
import { columnOf, groupOf } from "../../api/series";
import type { Calculation, QueryResult } from "../../api/types";
import { environment } from "../../app/environment";
import { param } from "../../app/location";
import type { Range } from "../../app/time";
import { ABSENT, showIn, showNumber, showRate, unitOf } from "../../kit/format";
import { Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import type { Parts } from "./index";
import { baselineOf, type Selection } from "./selection";

const GROUPS_MAX = 50;
const SUMS = ["COUNT", "SUM"]; // grow with the time: shown a second

// Without a baseline of its own: what the question holds before the selected time.
function rangeBefore(parts: Parts, s: Selection): Range | null {
  const baseline = baselineOf(param("base"), parts, s);
  if (baseline) return { start: Number(baseline.start), end: Number(baseline.end) };
  return s.window && s.window.t0 > parts.start ? { start: parts.start, end: s.window.t0 } : null;
}

export function Change({ parts, selection }: { parts: Parts; selection: Selection }) {
  const { spec, dataset } = parts.query, groups = spec.breakdowns ?? [], { t0, t1 } = selection.window!;
  const before = rangeBefore(parts, selection), after = { start: t0, end: t1 };
  const calculations = (spec.calculations?.length ? spec.calculations : [{ op: "COUNT" }] as Calculation[]).filter(c => c.op !== "HEATMAP");
  const key = before && calculations.length ? JSON.stringify([environment.value, parts.query, before, after]) : null;
  const data = useData<[QueryResult, QueryResult]>(key, l => Promise.all([after, before!].map(range =>
    ask({ dataset, range: { start: Math.floor(range.start), end: Math.ceil(range.end) }, spec: { ...spec, calculations, limit: GROUPS_MAX, orders: undefined, havings: undefined, granularity: undefined, compare_time_offset_seconds: undefined } }, l.signal)) as [Promise<QueryResult>, Promise<QueryResult>]));
  if (!key) return null;
  const show = (c: Calculation, v: number | null, r: Range) => (v === null ? ABSENT : SUMS.includes(c.op) ? showRate(v / (r.end - r.start)) : showIn(c.column && c.op !== "COUNT_DISTINCT" ? unitOf(c.column) : "number", v));
  const perSecond = (c: Calculation, v: number | null, r: Range) => (v !== null && SUMS.includes(c.op) ? v / (r.end - r.start) : v);
  return (
    <Panel title="The numbers before, and in the selected time" data={data} isFlush>
      {([now, then]) => {
        const byGroup = (of: QueryResult) => new Map(of.data.results.map(r => [groupOf(r.data, groups).key, r.data])), is = byGroup(now), was = byGroup(then);
        const rows = [...new Map([...is, ...was])].flatMap(([id, row]) => { // groups that are gone last
          const group = groupOf(row, groups);
          return calculations.map(c => {
            const number = (v: unknown) => (typeof v === "number" ? v : null), a = number(is.get(id)?.[columnOf(c)]), b = number(was.get(id)?.[columnOf(c)]);
            const x = perSecond(c, a, after), y = perSecond(c, b, before!);
            return { group: group.label, c, a, b, times: x !== null && y ? x / y : null };
          });
        });
        return <Table caption="Numbers before and in the selected time" rows={rows} rowKey={r => r.group + columnOf(r.c)} columns={[
          ...(groups.length ? [{ key: "group", title: groups.join(" · "), value: (r: (typeof rows)[number]) => r.group, cell: (r: (typeof rows)[number]) => r.group }] : []),
          { key: "what", title: "calculation", value: r => columnOf(r.c), cell: r => <span class="mono">{columnOf(r.c)}</span> },
          { key: "before", title: "before", isNumber: true, cell: r => show(r.c, r.b, before!) },
          { key: "after", title: "selected", isNumber: true, cell: r => show(r.c, r.a, after) },
          { key: "times", title: "change", isNumber: true, value: r => r.times, cell: r => (r.times === null ? ABSENT : `${showNumber(r.times)} ×`) },
        ]} />;
      }}
    </Panel>
  );
}
