// Clocks that differ between hosts. Raw times are shown unless the reader asks: then all spans of a host move by one amount, the median of what its calls
// from another host say. A pair of hosts whose calls disagree is left alone, and said.
import type { TraceColumns } from "../../api/types";

const PRODUCER = 4, CONSUMER = 5;
const DISAGREE_MAX = 0.25; // of the median parent's duration

export interface HostShift { from: string; to: string; shift: number; calls: number; isRefused: boolean }
export interface Skew { shifts: Float64Array | null; hosts: HostShift[] }

function quantile(sorted: number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

// By how much a child would have to move to lie where its call was: 0 when it can have been so.
function shiftOf(parentStart: number, parentLength: number, start: number, length: number): number {
  if (length > parentLength) return start < parentStart ? parentStart - start : 0;
  if (start >= parentStart && start + length <= parentStart + parentLength) return 0;
  return parentStart + (parentLength - length) / 2 - start;
}

export function estimateSkew(t: TraceColumns): Skew {
  const pairs = new Map<string, { from: number; to: number; shifts: number[]; lengths: number[] }>();
  for (let i = 0; i < t.count; i++) {
    const p = t.parent[i]!;
    if (p < 0 || t.host[i] === t.host[p] || !t.hosts[t.host[i]!] || !t.hosts[t.host[p]!]) continue;
    const kind = t.flags[i]! >> 3;
    if (kind === CONSUMER || kind === PRODUCER || t.flags[p]! >> 3 === PRODUCER) continue; // asynchronous: nothing says when it should have run
    const key = `${t.host[p]} ${t.host[i]}`;
    let pair = pairs.get(key);
    if (!pair) pairs.set(key, (pair = { from: t.host[p]!, to: t.host[i]!, shifts: [], lengths: [] }));
    pair.shifts.push(shiftOf(t.start_us[p]!, t.duration_us[p]!, t.start_us[i]!, t.duration_us[i]!));
    pair.lengths.push(t.duration_us[p]!);
  }
  const hosts: HostShift[] = [], byFrom = new Map<number, { to: number; shift: number }[]>();
  for (const { from, to, shifts, lengths } of pairs.values()) {
    shifts.sort((a, b) => a - b);
    lengths.sort((a, b) => a - b);
    const shift = quantile(shifts, 0.5);
    const isRefused = quantile(shifts, 0.9) - quantile(shifts, 0.1) > DISAGREE_MAX * quantile(lengths, 0.5);
    if (shift !== 0) hosts.push({ from: t.hosts[from]!, to: t.hosts[to]!, shift, calls: shifts.length, isRefused });
    byFrom.set(from, [...(byFrom.get(from) ?? []), { to, shift: isRefused ? 0 : shift }]);
  }
  if (!hosts.some(h => !h.isRefused)) return { shifts: null, hosts };
  // From the root's host outwards; a host is reached by the first pair that leads to it.
  const of = new Map<number, number>();
  for (let i = 0; i < t.count; i++) {
    if (t.parent[i]! >= 0 || of.has(t.host[i]!)) continue;
    of.set(t.host[i]!, 0);
    const queue = [t.host[i]!];
    for (let q = 0; q < queue.length; q++) {
      for (const { to, shift } of byFrom.get(queue[q]!) ?? []) {
        if (of.has(to)) continue;
        of.set(to, of.get(queue[q]!)! + shift);
        queue.push(to);
      }
    }
  }
  const shifts = new Float64Array(t.count);
  for (let i = 0; i < t.count; i++) shifts[i] = of.get(t.host[i]!) ?? 0;
  return { shifts, hosts };
}
