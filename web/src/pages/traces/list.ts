// The traces of a range: summary rows from questions, never whole traces. A question gives no times but those of its buckets, so a trace's time here is
// that of its bucket; the newest are found by looking at the last buckets first.
import { ask } from "../../api/query";
import type { Row } from "../../api/types";
import type { Range } from "../../app/time";

export type Sort = "newest" | "longest" | "errors";
export const LIMIT = 300;

export interface TraceRow {
  id: string;
  time: number | null; // unix s, of the first matching row's bucket
  root: string | null; // null: the root has not arrived
  service: string | null;
  duration: number | null; // ms, of the root
  matched: number; // rows that the filter matched
  spans: number;
  errors: number;
  services: { name: string; count: number; errors: number }[]; // the busiest first
}
export interface TraceList { rows: TraceRow[]; total: number; step: number; range: Range; isNarrowed: boolean; elapsed: number; scanned: number }

const ROOTS = "trace.parent_id does-not-exist AND duration_ms exists AND trace.trace_id exists";

// The WHERE of the first question. A filter with OR cannot be joined with more.
export function whereOf(filter: string, rootsOnly: boolean): string {
  const asked = filter.trim();
  if (!asked) return ROOTS;
  return rootsOnly ? `${asked} AND ${ROOTS}` : asked;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
const quoted = (ids: string[]) => ids.map(id => `"${id}"`).join(", ");
const times = (r: Range) => `SINCE ${Math.floor(r.start)} UNTIL ${Math.ceil(r.end)}`;

// The end of the range that holds about LIMIT traces, by counting them in the buckets of the range.
async function newestPart(where: string, range: Range, signal: AbortSignal): Promise<{ range: Range; isNarrowed: boolean }> {
  const counts = await ask({ text: `COUNT_DISTINCT(trace.trace_id) WHERE ${where} ${times(range)}`, withSeries: true }, signal);
  const series = (counts.data.series ?? []).map(p => ({ time: Date.parse(p.time) / 1000, count: number(p.data["COUNT_DISTINCT(trace.trace_id)"]) })).sort((a, b) => b.time - a.time);
  let sum = 0;
  for (const p of series) {
    sum += p.count;
    if (sum >= LIMIT) return { range: { start: Math.max(range.start, p.time), end: range.end }, isNarrowed: p.time > range.start };
  }
  return { range, isNarrowed: false };
}

const ORDER: Record<Sort, string> = { newest: "MAX(duration_ms)", longest: "MAX(duration_ms)", errors: "COUNT(error)" };

export async function loadList(filter: string, rootsOnly: boolean, sort: Sort, asked: Range, signal: AbortSignal): Promise<TraceList> {
  const where = whereOf(filter, rootsOnly), started = performance.now();
  const { range, isNarrowed } = sort === "newest" ? await newestPart(where, asked, signal) : { range: asked, isNarrowed: false };
  const step = Math.max(1, Math.ceil((range.end - range.start) / 990));
  const length = Math.ceil(range.end) - Math.floor(range.start);
  const first = await ask({ text: `COUNT, COUNT(error), MAX(duration_ms) WHERE ${where} GROUP BY trace.trace_id ORDER BY ${ORDER[sort]} DESC LIMIT ${sort === "newest" ? 1000 : LIMIT} ${times(range)} EVERY ${Math.min(step, length)}s`, withSeries: true }, signal);
  const rows = new Map<string, TraceRow>();
  for (const { data } of first.data.results) {
    const id = data["trace.trace_id"];
    if (typeof id === "string") rows.set(id, { id, time: null, root: null, service: null, duration: null, matched: number(data["COUNT"]), spans: 0, errors: 0, services: [] });
  }
  for (const p of first.data.series ?? []) {
    const row = rows.get(String(p.data["trace.trace_id"])), at = Date.parse(p.time) / 1000;
    if (row && (row.time === null || at < row.time)) row.time = at;
  }
  const ids = [...rows.keys()].sort((a, b) => (sort === "newest" ? (rows.get(b)!.time ?? 0) - (rows.get(a)!.time ?? 0) : 0)).slice(0, LIMIT);
  const chosen = ids.map(id => rows.get(id)!);
  if (ids.length) await describe(chosen, { start: range.start - 3600, end: range.end + 3600 }, signal);
  return { rows: chosen, total: number(first.meta.rows_scanned) ? first.data.results.length : 0, step, range, isNarrowed, elapsed: performance.now() - started, scanned: first.meta.rows_scanned };
}

// Root, services, spans and errors of the whole traces, whatever the filter matched.
async function describe(rows: TraceRow[], around: Range, signal: AbortSignal): Promise<void> {
  const ids = quoted(rows.map(r => r.id)), by = new Map(rows.map(r => [r.id, r]));
  const [roots, services] = await Promise.all([
    ask({ text: `MAX(duration_ms) WHERE trace.trace_id in (${ids}) AND trace.parent_id does-not-exist AND duration_ms exists GROUP BY trace.trace_id, name, service.name LIMIT 10000 ${times(around)}` }, signal),
    ask({ text: `COUNT(duration_ms), COUNT(error) WHERE trace.trace_id in (${ids}) GROUP BY trace.trace_id, service.name ORDER BY COUNT(duration_ms) DESC LIMIT 10000 ${times(around)}` }, signal),
  ]);
  const idOf = (data: Row) => by.get(String(data["trace.trace_id"]));
  for (const { data } of roots.data.results) {
    const row = idOf(data), duration = number(data["MAX(duration_ms)"]);
    if (!row || (row.duration ?? -1) >= duration) continue;
    row.root = typeof data["name"] === "string" ? data["name"] : "";
    row.service = typeof data["service.name"] === "string" ? data["service.name"] : "";
    row.duration = duration;
  }
  for (const { data } of services.data.results) {
    const row = idOf(data), count = number(data["COUNT(duration_ms)"]), errors = number(data["COUNT(error)"]);
    if (!row) continue;
    row.spans += count;
    row.errors += errors;
    if (count && typeof data["service.name"] === "string") row.services.push({ name: data["service.name"], count, errors });
  }
}
