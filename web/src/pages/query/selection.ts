// What is selected of an answer: a rectangle of a heatmap, a time on a line, or a group of the table; and what it is held against.
import { environment } from "../../app/environment";
import { param } from "../../app/location";
import { showTime, type Range } from "../../app/time";
import { showIn, unitOf } from "../../kit/format";
import type { Filter, Scalar } from "../../api/types";
import { equals, printFilter } from "../../api/query_text";
import type { Parts } from "./index";

export interface Selection { field?: string; rectangle?: { t0: number; t1: number; v0: number | null; v1: number }; window?: { t0: number; t1: number }; group?: Record<string, Scalar> }

// `open`: show what is different about it, against `base`.
export type OnSelect = (s: Selection | null, open?: boolean, base?: string | null) => void;

// Null too for what is none: an address can be of anyone.
export function readSelection(): Selection | null {
  try {
    const s = JSON.parse(param("sel") ?? "null") as Selection | null, times = timesOf(s);
    return s?.group || (times && times.t0 < times.t1 && (s!.window || s!.field)) ? s : null;
  } catch {
    return null;
  }
}

export function groupFilters(group: Record<string, Scalar>): Filter[] { return Object.entries(group).map(([f, v]) => equals(f, v)); }

// A selection as filters, and the time it covers.
export function filtersOf(s: Selection | null): Filter[] {
  if (s?.group) return groupFilters(s.group);
  if (!s?.rectangle) return [];
  return [...(s.rectangle.v0 === null ? [] : [{ column: s.field!, op: ">=", value: s.rectangle.v0 }]), { column: s.field!, op: "<", value: s.rectangle.v1 }];
}
function timesOf(s: Selection | null): { t0: number; t1: number } | undefined { return s?.rectangle ?? s?.window; }
export function rangeOf(parts: Parts, s: Selection | null): Range {
  const times = timesOf(s);
  return times ? { start: Math.floor(times.t0), end: Math.ceil(times.t1) } : { start: parts.start, end: parts.end };
}

export function sayGroup(group: Record<string, Scalar>): string { return groupFilters(group).map(printFilter).join(" AND "); }
export function sayReader(s: Selection): string {
  if (s.group) return sayGroup(s.group);
  if (s.window) return `${showTime(s.window.t0 * 1000, { ms: false })} to ${showTime(s.window.t1 * 1000, { ms: false })}`;
  const unit = unitOf(s.field!);
  return `${s.field} from ${s.rectangle!.v0 === null ? "below" : showIn(unit, s.rectangle!.v0)} to ${showIn(unit, s.rectangle!.v1)}`;
}

/* ---- what it is held against: `base` in the address ---- */

export const EARLIER: Record<string, [seconds: number, text: string]> = { day: [86400, "the same time yesterday"], week: [604800, "the same time a week before"] };

// Null: the rest of the question. An earlier time is that of the selected group, or of all events when a time is selected.
export function baselineOf(base: string | null, parts: Parts, s: Selection): Record<string, unknown> | null {
  const { t0, t1 } = timesOf(s) ?? { t0: parts.start, t1: parts.end };
  const back = base === "previous" ? t1 - t0 : base ? EARLIER[base]?.[0] : undefined;
  if (back) return { start: t0 - back, end: t1 - back, ...(s.group ? { group: s.group } : {}) };
  if (!base?.startsWith("{")) return null;
  try {
    return { start: t0, end: t1, group: JSON.parse(base) as unknown };
  } catch {
    return null;
  }
}

export function bodyOfDifferences(parts: Parts, s: Selection): Record<string, unknown> {
  const r = s.rectangle, baseline = baselineOf(param("base"), parts, s), { start, end } = parts;
  const times = timesOf(s) ?? (baseline ? { t0: start, t1: end } : null);
  return {
    environment: environment.value, dataset: parts.query.dataset ?? "__all__",
    query: { filters: parts.query.spec.filters, filter_combination: parts.query.spec.filter_combination, start_time: start, end_time: end },
    selection: { ...(times ? { start: times.t0, end: times.t1 } : {}), ...(s.group ? { group: s.group } : {}), ...(r ? { range: { field: s.field, ...(r.v0 === null ? {} : { min: r.v0 }), max: r.v1 } } : {}) },
    ...(baseline ? { baseline } : {}),
  };
}
