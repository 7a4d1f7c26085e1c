// Numbers as people read them: three significant digits, one unit, absent is a dash. The full value belongs into the title.
export const ABSENT = "–";

function digits(value: number): string {
  const size = Math.abs(value);
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toPrecision(3);
  return (text.includes(".") ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

function scaled(value: number, steps: readonly (readonly [number, string])[]): string {
  for (const [size, unit] of steps) if (Math.abs(value) >= size * 0.9995) return digits(value / size) + unit;
  const [size, unit] = steps[steps.length - 1]!;
  return digits(value / size) + unit;
}

export function showNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return ABSENT;
  if (Number.isInteger(value) && Math.abs(value) < 1000) return digits(value);
  return Math.abs(value) < 1000 ? digits(value) : scaled(value, [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]]);
}

export function showCount(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return ABSENT;
  return Math.abs(value) < 10_000 ? Math.round(value).toLocaleString("en-US").replace("-", "−") : showNumber(value);
}

export function showBytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return ABSENT;
  return scaled(value, [[2 ** 40, " TiB"], [2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]]);
}

export function showMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return ABSENT;
  if (ms === 0) return "0 ms";
  return scaled(ms, [[3_600_000, " h"], [60_000, " min"], [1000, " s"], [1, " ms"], [1e-3, " µs"], [1e-6, " ns"]]);
}

export function showShare(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return ABSENT;
  const percent = share * 100;
  const digits = percent > 99 && percent < 100 ? [1, 2, 3].find(d => +percent.toFixed(d) < 100) ?? 3 : percent !== 0 && Math.abs(percent) < 10 ? 1 : 0;
  return percent.toFixed(digits).replace("-", "−") + " %";
}

export function showRate(perSecond: number | null | undefined): string {
  return perSecond === null || perSecond === undefined ? ABSENT : showNumber(perSecond) + "/s";
}

export function plural(count: number, one: string, many = one + "s"): string {
  return `${showCount(count)} ${count === 1 ? one : many}`;
}

// A value of an event. Objects do not occur; text stays text.
export function showValue(value: unknown): string {
  if (value === null || value === undefined) return ABSENT;
  if (typeof value === "number") return String(value).replace("-", "−");
  return String(value);
}

// The unit that a field's name tells: durations, sizes and shares are shown as such.
export type Unit = "ms" | "bytes" | "share" | "number";
export function unitOf(field: string): Unit {
  if (/(^|[._])(duration_ms|self_ms|gap_ms)$/.test(field) || /_ms$/.test(field)) return "ms";
  if (/(bytes|_size|\.size|content_length)$/.test(field)) return "bytes";
  return "number";
}
export function showIn(unit: Unit, value: number | null | undefined): string {
  return unit === "ms" ? showMs(value) : unit === "bytes" ? showBytes(value) : unit === "share" ? showShare(value) : showNumber(value);
}
