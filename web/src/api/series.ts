// Answers as charts draw them: rows of a series become one line a group, heatmap cells of all groups one grid.
import type { Range } from "../app/time";
import type { Calculation, Heat, QueryData, Row, Scalar } from "./types";

export interface Group { key: string; label: string; values: Scalar[] }

export function columnOf(c: Calculation): string {
  return c.column === undefined ? c.op : `${c.op}(${c.column})`;
}

export function groupOf(row: Row, breakdowns: readonly string[]): Group {
  const values = breakdowns.map(b => (row[b] ?? null) as Scalar);
  return { key: JSON.stringify(values), label: values.map(v => (v === null ? "no value" : String(v))).join(" · ") || "all", values };
}

const BUCKETS_MAX = 1000; // the server makes no more

export interface Series { times: number[]; step: number; lines: Map<string, Map<string, (number | null)[]>>; heats: Map<string, (Heat | null)[]> } // column → group → points

export function seriesOf(data: QueryData, columns: readonly string[], breakdowns: readonly string[], shift = 0, step = 0, range?: Range): Series {
  const rows = (data.series ?? []).map(r => ({ at: Date.parse(r.time) / 1000 + shift, data: r.data }));
  const present = [...new Set(rows.map(r => r.at))].sort((a, b) => a - b);
  const width = step || Math.min(...present.slice(1).map((t, i) => t - present[i]!), Infinity);
  const times: number[] = [];
  if (present.length && Number.isFinite(width) && width > 0) for (let t = present[0]!; t <= present[present.length - 1]! + width / 2; t += width) times.push(t);
  else times.push(...present);
  // All of the range that was asked for, not only where there is something.
  if (range && times.length && Number.isFinite(width) && width > 0) {
    while (times[0]! > range.start + 1e-6 && times.length < BUCKETS_MAX) times.unshift(times[0]! - width);
    while (times[times.length - 1]! + width < range.end - 1e-6 && times.length < BUCKETS_MAX) times.push(times[times.length - 1]! + width);
  }
  const indexOf = new Map(times.map((t, i) => [Math.round(t * 1000), i]));
  const lines = new Map(columns.map(c => [c, new Map<string, (number | null)[]>()])), heats = new Map<string, (Heat | null)[]>();
  for (const row of rows) {
    const at = indexOf.get(Math.round(row.at * 1000));
    if (at === undefined) continue;
    const group = groupOf(row.data, breakdowns).key;
    for (const column of columns) {
      const value = row.data[column];
      if (value !== null && typeof value === "object") {
        const list = heats.get(column) ?? new Array<Heat | null>(times.length).fill(null);
        heats.set(column, list);
        list[at] = { cells: [...(list[at]?.cells ?? []), ...(value as Heat).cells] };
      } else if (typeof value === "number") {
        const groups = lines.get(column)!;
        const points = groups.get(group) ?? new Array<number | null>(times.length).fill(null);
        groups.set(group, points);
        points[at] = value;
      }
    }
  }
  return { times, step: Number.isFinite(width) ? width : 60, lines, heats };
}

/* ---- export ---- */

function cell(value: unknown): string {
  const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && typeof value === "string" ? "'" + text : text; // no formula in a spreadsheet
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv(columns: readonly string[], rows: readonly Record<string, unknown>[]): string {
  return [columns.map(cell).join(","), ...rows.map(r => columns.map(c => cell(r[c])).join(","))].join("\r\n") + "\r\n";
}

export function save(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.dataset.native = "";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
