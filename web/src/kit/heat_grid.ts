// The cells of a heatmap: the engine's fine log-linear buckets put together to at most 64 rows, on a logarithmic or a linear axis.
import type { Heat } from "../api/types";

export interface Grid {
  times: number[]; // starts of columns, seconds
  step: number;
  lows: number[];  // of rows, ascending; the first may be −∞: zero and below, on a logarithmic axis
  highs: number[];
  counts: Float64Array; // [row * columns + column]
  total: number;
}

export const ROWS_MAX = 64;

function logRows(low: number, high: number): { lows: number[]; highs: number[] } {
  let perOctave = 8;
  const octaves = () => Math.floor(Math.log2(high) * perOctave + 1e-9) - Math.floor(Math.log2(low) * perOctave + 1e-9) + 1;
  while (octaves() > ROWS_MAX - 1 && perOctave > 1 / 4) perOctave /= 2;
  const first = Math.floor(Math.log2(low) * perOctave + 1e-9), lows: number[] = [], highs: number[] = [];
  for (let i = 0; i < Math.max(1, octaves()); i++) { lows.push(2 ** ((first + i) / perOctave)); highs.push(2 ** ((first + i + 1) / perOctave)); }
  return { lows, highs };
}

export function makeGrid(times: number[], step: number, heats: (Heat | null)[], isLog: boolean): Grid | null {
  let low = Infinity, high = -Infinity, hasBelow = false, lowest = Infinity;
  for (const heat of heats)
    for (const c of heat?.cells ?? []) {
      lowest = Math.min(lowest, c.low);
      if (c.low <= 0) hasBelow = true;
      if (c.high > 0) { high = Math.max(high, c.high); if (c.low > 0) low = Math.min(low, c.low); }
    }
  if (lowest === Infinity) return null;
  let lows: number[], highs: number[];
  if (isLog) {
    const rows = low === Infinity ? { lows: [], highs: [] } : logRows(low, high * (1 - 1e-12));
    ({ lows, highs } = rows);
    if (hasBelow) { lows.unshift(-Infinity); highs.unshift(lows[1] ?? 0); }
  } else {
    const from = Math.min(0, lowest), width = (Math.max(high, from + 1e-9) - from) / 48;
    lows = Array.from({ length: 48 }, (_, i) => from + i * width);
    highs = lows.map(l => l + width);
  }
  const counts = new Float64Array(lows.length * times.length);
  let total = 0;
  heats.forEach((heat, column) => {
    for (const c of heat?.cells ?? []) {
      const row = rowOf(lows, c.low <= 0 && isLog ? -Infinity : (c.low + c.high) / 2);
      counts[row * times.length + column]! += c.count;
      total += c.count;
    }
  });
  return { times, step, lows, highs, counts, total };
}

// Times without any event.
export function emptyColumns(grid: Grid): number[] {
  const columns = grid.times.length;
  return grid.times.map((_, i) => i).filter(column => grid.lows.every((_, row) => !grid.counts[row * columns + column]));
}

// The row that holds a value.
export function rowOf(lows: readonly number[], value: number): number {
  let low = 0, high = lows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lows[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The count from which on a cell has the last colour.
export function topOf(counts: Float64Array): number {
  const present = Float64Array.from(counts.filter(c => c > 0)).sort();
  return present[Math.min(present.length - 1, Math.floor(present.length * 0.98))] ?? 1;
}

// Steps 1…9 of the ramp, by the logarithm of the count, up to the 98th percentile of cells that are not empty; 0: empty. A cell with anything in it is at least 2.
export function steps(counts: Float64Array): Uint8Array {
  const top = Math.log1p(topOf(counts));
  const out = new Uint8Array(counts.length);
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) out[i] = Math.max(2, Math.min(9, 1 + Math.round((8 * Math.log1p(counts[i]!)) / top)));
  return out;
}

export interface Rectangle { t0: number; t1: number; v0: number; v1: number } // v0 may be −∞

export function rectangleOf(grid: Grid, column0: number, row0: number, column1: number, row1: number): Rectangle {
  const [left, right] = column0 <= column1 ? [column0, column1] : [column1, column0], [bottom, top] = row0 <= row1 ? [row0, row1] : [row1, row0];
  return { t0: grid.times[left]!, t1: grid.times[right]! + grid.step, v0: grid.lows[bottom]!, v1: grid.highs[top]! };
}

// The rows with the highest values, over all times, that hold about so much of all events.
export function highest(grid: Grid, share: number): Rectangle {
  const columns = grid.times.length;
  let row = grid.lows.length - 1, sum = 0;
  for (; row >= 0; row--) {
    for (let column = 0; column < columns; column++) sum += grid.counts[row * columns + column]!;
    if (sum >= share * grid.total) break;
  }
  return rectangleOf(grid, 0, Math.max(0, row), columns - 1, grid.lows.length - 1);
}

// The smallest rectangle that holds both.
export function joined(a: Rectangle, b: Rectangle): Rectangle {
  return { t0: Math.min(a.t0, b.t0), t1: Math.max(a.t1, b.t1), v0: Math.min(a.v0, b.v0), v1: Math.max(a.v1, b.v1) };
}

// The largest rectangle of cells that `b` leaves of `a`; null: nothing.
export function without(grid: Grid, a: Rectangle, b: Rectangle): Rectangle | null {
  if (b.t0 >= a.t1 || b.t1 <= a.t0 || b.v0 >= a.v1 || b.v1 <= a.v0) return a;
  const cells = (r: Rectangle) => grid.times.filter(t => t >= r.t0 && t < r.t1).length * grid.lows.filter(v => v >= r.v0 && v < r.v1).length;
  const left = [{ ...a, t1: b.t0 }, { ...a, t0: b.t1 }, { ...a, v1: b.v0 }, { ...a, v0: b.v1 }].sort((x, y) => cells(y) - cells(x))[0]!;
  return cells(left) ? left : null;
}

export function countIn(grid: Grid, r: Rectangle): number {
  let sum = 0;
  grid.lows.forEach((low, row) => {
    if (low < r.v0 || low >= r.v1) return;
    grid.times.forEach((time, column) => { if (time >= r.t0 && time < r.t1) sum += grid.counts[row * grid.times.length + column]!; });
  });
  return sum;
}
