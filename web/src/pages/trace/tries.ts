// Calls that failed and were tried again: the time a span waits between two tries is nobody's work. Pure.
import { NONE, type Critical, type Model } from "./model";

export interface Tries { parent: number; call: number; failed: number; waited: number } // call: the first try; waited: µs on the critical path

// Of all spans the one that waited longest between the end of a failed call and the start of the next of the same service and name; null: none did.
export function longestWait(m: Model, critical: Critical): Tries | null {
  let longest: Tries | null = null;
  for (let i = 0; i < m.count; i++) {
    let k = critical.at[i]!, before = NONE;
    const last = critical.at[i + 1]!;
    if (!m.errors[i] || k === last) continue;
    const at: Tries = { parent: i, call: NONE, failed: 0, waited: 0 };
    for (let c = i + 1; c < i + m.size[i]!; c += m.size[c]!) {
      const isAgain = before >= 0 && m.errors[before]! > 0 && m.service[c] === m.service[before] && m.name[c] === m.name[before];
      if (isAgain) {
        if (at.call < 0) { at.call = before; at.failed = 1; }
        if (m.errors[c]) at.failed++;
        while (k < last && critical.till[k]! <= m.end[before]!) k++;
        for (; k < last && critical.from[k]! < m.start[c]!; k++) at.waited += Math.min(critical.till[k]!, m.start[c]!) - Math.max(critical.from[k]!, m.end[before]!);
      }
      before = c;
    }
    if (at.waited > (longest?.waited ?? 0)) longest = at;
  }
  return longest;
}
