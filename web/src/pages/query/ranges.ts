// Ranges of numbers, neighbours put together until there are few enough to be seen at once. Pure.
import type { DifferenceValue } from "../../api/types";

export function wider(list: readonly DifferenceValue[], most: number): DifferenceValue[] {
  const ranges = list.filter(v => v.low !== undefined), each = Math.ceil(ranges.length / most), out: DifferenceValue[] = [];
  for (let i = 0; i < ranges.length; i += each) {
    const part = ranges.slice(i, i + each);
    out.push({ ...part[0]!, high: part[part.length - 1]!.high, selection: part.reduce((n, v) => n + v.selection, 0), baseline: part.reduce((n, v) => n + v.baseline, 0) });
  }
  return [...out, ...list.filter(v => v.low === undefined)];
}
