// Lines that are the same but for numbers and ids: tokens with a digit, and long quoted texts, are masked; what is left is the pattern.
import type { EventRow } from "../../api/rows";

export const MASK = "<*>";

export interface Pattern {
  text: string;
  count: number;
  example: EventRow;
  severities: Map<string, number>;
  services: Map<string, number>;
  times: number[]; // lines by slice of the sample's time
}

// Words are runs of letters, digits and the marks that hold ids, numbers and paths together.
const TOKEN = /[A-Za-z0-9_\-.:@%+]+/g;

export function maskLine(line: string): string {
  const masked = line.slice(0, 2000).replace(/"[^"]{0,400}"|'[^']{0,400}'/g, quoted => (/\d/.test(quoted) ? quoted[0] + MASK + quoted[0] : quoted))
    .replace(TOKEN, token => {
      if (!/\d/.test(token)) return token;
      const end = /[.:,]+$/.exec(token)?.[0] ?? "";
      return MASK + end;
    });
  return masked.replace(/(?:<\*>[\s,/.:-]*){3,}/g, run => `${MASK} ${MASK}${/\s$/.test(run) ? " " : ""}`);
}

export function severityOf(row: EventRow): string {
  const word = String(row.severity ?? row.severity_text ?? "").toLowerCase();
  return word === "warning" ? "warn" : word === "err" ? "error" : word === "critical" || word === "panic" ? "fatal" : word || "unset";
}

export function bodyOf(row: EventRow): string {
  const body = row.body ?? row["event.name"] ?? row.message ?? row.name;
  return body === null || body === undefined ? "" : String(body);
}

export function patternsOf(rows: readonly EventRow[], slices = 40): Pattern[] {
  const found = new Map<string, Pattern>();
  const times = rows.map(r => Date.parse(r.time));
  const first = times.reduce((a, b) => Math.min(a, b), Infinity), last = times.reduce((a, b) => Math.max(a, b), -Infinity);
  rows.forEach((row, i) => {
    const text = maskLine(bodyOf(row));
    let pattern = found.get(text);
    if (!pattern) found.set(text, pattern = { text, count: 0, example: row, severities: new Map(), services: new Map(), times: new Array<number>(slices).fill(0) });
    pattern.count++;
    const severity = severityOf(row), slice = last > first ? Math.min(slices - 1, Math.floor(((times[i]! - first) / (last - first)) * slices)) : 0;
    pattern.severities.set(severity, (pattern.severities.get(severity) ?? 0) + 1);
    pattern.services.set(row.dataset, (pattern.services.get(row.dataset) ?? 0) + 1);
    pattern.times[slice]!++;
  });
  return [...found.values()].sort((a, b) => b.count - a.count || a.text.localeCompare(b.text));
}

// The longest piece of the pattern that every line of it has: what a filter can look for.
export function literalOf(pattern: string): string {
  return pattern.split(MASK).map(p => p.trim()).sort((a, b) => b.length - a.length)[0] ?? "";
}
