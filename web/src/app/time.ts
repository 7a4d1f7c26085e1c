// The time range and the zone of the page. `from` and `to` are relative ("2h", "now") or absolute (RFC 3339); a range is resolved when a question is
// asked, so that "last 2 hours" moves and an absolute range does not.
import { computed, signal } from "@preact/signals";
import { param, place, setParams } from "./location";

export interface Range {
  start: number; // unix seconds
  end: number;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
export const DEFAULT_FROM = "2h";

export function parseLength(text: string): number | null {
  const found = /^(\d+)([smhdw])$/.exec(text.trim());
  return found ? Number(found[1]) * UNITS[found[2]!]! : null;
}

const WALL = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?$/;

// How far the zone's clocks are ahead then.
function offsetAt(ms: number): number {
  const c = clockOf(ms);
  return Date.UTC(+c.year, +c.month - 1, +c.day, +c.hour, +c.minute, +c.second) - Math.floor(ms / 1000) * 1000;
}

// The moment, in ms, at which the clocks of the zone show that. Of two, when they are put back, the first; of none, when they are put forward, as if they had not been.
function momentOf(wall: number): number {
  const before = wall - offsetAt(wall - 86_400_000), after = wall - offsetAt(wall + 86_400_000);
  const isShown = (at: number) => at + offsetAt(at) === wall;
  return isShown(before) || !isShown(after) ? before : after;
}

// A moment in seconds: "now", "2h" (ago), RFC 3339, a date and time of the zone in which times are shown, unix seconds. Null when it is none of them.
export function parseMoment(text: string, now: number): number | null {
  const trimmed = text.trim();
  if (trimmed === "now") return now;
  const ago = parseLength(trimmed.replace(/^-/, "").replace(/^now-/, ""));
  if (ago !== null) return now - ago;
  if (/^\d{9,11}(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  const wall = WALL.exec(trimmed);
  const parsed = wall ? momentOf(Date.UTC(+wall[1]!, +wall[2]! - 1, +wall[3]!, +(wall[4] ?? 0), +(wall[5] ?? 0), +(wall[6] ?? 0))) : Date.parse(trimmed);
  return Number.isNaN(parsed) ? null : parsed / 1000;
}

export const from = computed(() => param("from") ?? DEFAULT_FROM);
export const to = computed(() => param("to") ?? "now");
export const isRelative = computed(() => parseLength(from.value) !== null && to.value === "now");

// Counted up to ask everything on the page again: by the reader, or by live mode.
export const tick = signal(0);
export function refresh(): void { tick.value++; }

// Whole seconds, as questions have them: a zoom to columns of less widens to them.
export function resolveRange(): Range {
  const now = Math.ceil(Date.now() / 1000);
  const end = Math.ceil(parseMoment(to.value, now) ?? now);
  const start = Math.floor(parseMoment(from.value, now) ?? end - 7200);
  return start < end ? { start, end } : { start: end - 7200, end };
}

export function setRange(range: { from: string; to: string }, options: { replace?: boolean } = {}): void {
  setParams({ from: range.from === DEFAULT_FROM && range.to === "now" ? null : range.from, to: range.to === "now" ? null : range.to }, options);
}

// Seconds with at most a millisecond's fraction, as they are written into an address.
export function instant(seconds: number): string { return new Date(seconds * 1000).toISOString(); }
export function setRangeSeconds(start: number, end: number): void {
  setRange({ from: instant(start), to: instant(end) });
}

/* ---- zone ---- */

export const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
export const zone = computed(() => {
  const asked = place.value.params.get("tz");
  if (!asked) return localZone;
  try {
    new Intl.DateTimeFormat("en", { timeZone: asked });
    return asked;
  } catch {
    return localZone;
  }
});
export function setZone(name: string): void { setParams({ tz: name === localZone ? null : name }, { replace: true }); }

const formats = new Map<string, Intl.DateTimeFormat>();
function formatIn(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    formats.set(timeZone, format);
  }
  return format;
}

export interface Clock { year: string; month: string; day: string; hour: string; minute: string; second: string; ms: string }

export function clockOf(ms: number): Clock {
  const parts: Record<string, string> = {};
  for (const part of formatIn(zone.value).formatToParts(new Date(ms))) parts[part.type] = part.value;
  return { year: parts.year!, month: parts.month!, day: parts.day!, hour: parts.hour!, minute: parts.minute!, second: parts.second!, ms: String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, "0") };
}

// 2026-08-21 14:05:03.123
export function showTime(ms: number, options: { ms?: boolean } = { ms: true }): string {
  const c = clockOf(ms);
  return `${c.year}-${c.month}-${c.day} ${c.hour}:${c.minute}:${c.second}${options.ms === false ? "" : "." + c.ms}`;
}

export function showClock(ms: number): string {
  const c = clockOf(ms);
  return `${c.hour}:${c.minute}:${c.second}.${c.ms}`;
}

// As it is typed: in the zone where that says it, else in UTC.
export function showMoment(seconds: number): string {
  const text = showTime(seconds * 1000, { ms: false });
  return parseMoment(text, 0) === seconds ? text : instant(seconds);
}

// UTC+2; where it changes within a range, both.
export function zoneLabels(range: Range): string { return [...new Set([range.start, range.end].map(s => zoneLabel(s * 1000)))].join(" → "); }
export function zoneLabel(at = Date.now()): string {
  if (zone.value === "UTC") return "UTC";
  const name = new Intl.DateTimeFormat("en", { timeZone: zone.value, timeZoneName: "shortOffset" }).formatToParts(new Date(at)).find(p => p.type === "timeZoneName")?.value ?? "";
  return name.replace("GMT", "UTC") || zone.value;
}

export function showAgo(ms: number, now = Date.now()): string {
  const s = Math.round((now - ms) / 1000);
  if (s < 0) return "just now";
  if (s < 90) return `${s} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  if (s < 129600) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} days ago`;
}

// Steps between the marks of an axis, in seconds.
export const TICK_STEPS = [0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000];

// 14:05, or the date at the first mark of a new day; seconds and fractions when steps are that small.
export function tickText(at: number, step: number, before: number | undefined): string {
  const c = clockOf(at * 1000), day = `${c.month}-${c.day}`;
  if (step >= 86400 || (before !== undefined && clockOf(before * 1000).day !== c.day)) return day;
  return `${c.hour}:${c.minute}` + (step < 60 ? `:${c.second}` : "") + (step < 1 ? `.${c.ms}` : "");
}
