// A trace as arrays in the order of the waterfall: nodes are numbered depth first, so that what lies below node i are the nodes i+1 … i+size[i]-1.
import type { TraceColumns } from "../../api/types";

export const ERROR = 1, CRITICAL = 2, SAMPLED = 4;
export const NONE = -1;
export const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

export interface Model {
  count: number;
  source: Int32Array;      // place in the skeleton; -1-k: stands for missing parent k
  nodeOf: Int32Array;      // of a place in the skeleton
  parent: Int32Array;
  depth: Int32Array;
  size: Int32Array;
  start: Float64Array;     // µs since the trace's first span, shifted where the skew is taken out
  end: Float64Array;
  self: Float64Array;
  shift: Float64Array;     // µs, 0: none
  low: Float64Array;       // of all that lies below, itself too
  high: Float64Array;
  service: Int32Array;     // NONE: a missing parent
  name: Int32Array;
  flags: Uint8Array;
  errors: Int32Array;      // its own and those below
  noteAt: Int32Array;      // notes of node i: notes[noteAt[i]] … notes[noteAt[i+1]-1], by time
  notes: Int32Array;       // rows of the skeleton's notes
  first: number;           // µs: what the whole view spans
  last: number;
  errorCount: number;
  columns: TraceColumns;
}

export function kindOf(m: Model, node: number): number {
  return m.flags[node]! >> 3;
}
export function nameOf(m: Model, node: number): string {
  const source = m.source[node]!;
  return source < 0 ? `missing parent ${m.columns.missing_parents[-1 - source]}` : m.columns.names[m.name[node]!]!;
}
export function serviceOf(m: Model, node: number): string {
  return m.service[node]! < 0 ? "" : m.columns.services[m.service[node]!]!;
}
export function isMissing(m: Model, node: number): boolean {
  return m.source[node]! < 0;
}

// Children of each: `ids` 0 … n-1 are spans, n+k the missing parents.
function children(t: TraceColumns, start: (id: number) => number, isSorted: boolean): { at: Int32Array; list: Int32Array; roots: number[] } {
  const n = t.count, all = n + t.missing_parents.length;
  const above = (i: number) => (t.parent[i]! < -1 ? n - 2 - t.parent[i]! : t.parent[i]!);
  const at = new Int32Array(all + 1), list = new Int32Array(n), roots: number[] = [];
  for (let i = 0; i < n; i++) {
    const p = above(i);
    if (p >= 0) at[p + 1]!++;
    else roots.push(i);
  }
  for (let i = n; i < all; i++) if (at[i + 1]! > 0) roots.push(i);
  for (let i = 0; i < all; i++) at[i + 1]! += at[i]!;
  const fill = at.slice(0, all);
  for (let i = 0; i < n; i++) {
    const p = above(i);
    if (p >= 0) list[fill[p]!++] = i;
  }
  if (!isSorted) for (let i = 0; i < all; i++) if (at[i + 1]! - at[i]! > 1) list.subarray(at[i]!, at[i + 1]!).sort((a, b) => start(a) - start(b) || a - b);
  return { at, list, roots: roots.sort((a, b) => start(a) - start(b) || a - b) };
}

// `shifts`: µs by which each span is moved (skew.ts), null: none.
export function buildModel(t: TraceColumns, shifts: Float64Array | null): Model {
  const n = t.count, all = n + t.missing_parents.length;
  const begin = new Float64Array(all), finish = new Float64Array(all);
  for (let i = 0; i < n; i++) {
    begin[i] = t.start_us[i]! + (shifts ? shifts[i]! : 0);
    finish[i] = begin[i]! + t.duration_us[i]!;
  }
  begin.fill(Infinity, n);
  finish.fill(-Infinity, n);
  for (let i = 0; i < n; i++) {
    if (t.parent[i]! >= -1) continue;
    const p = n - 2 - t.parent[i]!;
    begin[p] = Math.min(begin[p]!, begin[i]!);
    finish[p] = Math.max(finish[p]!, finish[i]!);
  }
  const { at, list, roots } = children(t, id => begin[id]!, shifts === null);
  const m: Model = {
    count: 0, source: new Int32Array(all), nodeOf: new Int32Array(n).fill(NONE), parent: new Int32Array(all), depth: new Int32Array(all), size: new Int32Array(all).fill(1),
    start: new Float64Array(all), end: new Float64Array(all), self: new Float64Array(all), shift: new Float64Array(all), low: new Float64Array(all), high: new Float64Array(all),
    service: new Int32Array(all), name: new Int32Array(all), flags: new Uint8Array(all), errors: new Int32Array(all), noteAt: new Int32Array(all + 1), notes: new Int32Array(0),
    first: 0, last: 1, errorCount: 0, columns: t,
  };
  const stack: number[] = [], above: number[] = [];
  for (let r = roots.length - 1; r >= 0; r--) { stack.push(roots[r]!); above.push(NONE); }
  while (stack.length) {
    const id = stack.pop()!, p = above.pop()!, node = m.count++;
    m.parent[node] = p;
    m.depth[node] = p < 0 ? 0 : m.depth[p]! + 1;
    m.start[node] = m.low[node] = begin[id]!;
    m.end[node] = m.high[node] = finish[id]!;
    if (id < n) {
      m.source[node] = id;
      m.nodeOf[id] = node;
      m.self[node] = t.self_us[id]!;
      m.service[node] = t.service[id]!;
      m.name[node] = t.name[id]!;
      m.flags[node] = t.flags[id]!;
      if (shifts) m.shift[node] = shifts[id]!;
    } else {
      m.source[node] = -1 - (id - n);
      m.service[node] = m.name[node] = NONE;
    }
    for (let c = at[id + 1]! - 1; c >= at[id]!; c--) { stack.push(list[c]!); above.push(node); }
  }
  for (let i = m.count - 1; i >= 0; i--) {
    if (m.flags[i]! & ERROR) { m.errors[i]!++; m.errorCount++; }
    const p = m.parent[i]!;
    if (p < 0) continue;
    m.size[p]! += m.size[i]!;
    m.errors[p]! += m.errors[i]!;
    if (m.low[i]! < m.low[p]!) m.low[p] = m.low[i]!;
    if (m.high[i]! > m.high[p]!) m.high[p] = m.high[i]!;
  }
  hangNotes(m);
  let first = Infinity, last = -Infinity;
  for (let i = 0; i < m.count; i++) if (m.parent[i]! < 0) { first = Math.min(first, m.low[i]!); last = Math.max(last, m.high[i]!); }
  m.first = Number.isFinite(first) ? first : 0;
  m.last = Math.max(Number.isFinite(last) ? last : 1, m.first + 1);
  return m;
}

function hangNotes(m: Model): void {
  const { notes, missing_parents, count } = m.columns;
  if (!notes.span.length) return;
  const standIn = new Int32Array(missing_parents.length).fill(NONE);
  for (let i = 0; i < m.count; i++) if (m.source[i]! < 0) standIn[-1 - m.source[i]!] = i;
  const nodes = notes.span.map(s => (s >= 0 && s < count ? m.nodeOf[s]! : s < -1 ? standIn[-2 - s]! : NONE));
  for (const node of nodes) if (node >= 0) m.noteAt[node + 1]!++;
  for (let i = 0; i < m.count; i++) m.noteAt[i + 1]! += m.noteAt[i]!;
  m.notes = new Int32Array(m.noteAt[m.count]!);
  const fill = m.noteAt.slice(0, m.count);
  nodes.forEach((node, i) => { if (node >= 0) m.notes[fill[node]!++] = i; });
}

/* ---- critical path ---- */

// The parts of each span in which nothing below it is critical: segments of span i are from[at[i]] … till[at[i]], up to at[i+1].
export interface Critical { at: Int32Array; from: Float64Array; till: Float64Array; total: number; byService: Map<number, number> }

export function criticalParts(m: Model): Critical {
  const most = 2 * m.count; // one before each child, one at each end
  const from = new Float64Array(most), till = new Float64Array(most), at = new Int32Array(m.count + 1), spent = new Float64Array(m.columns.services.length);
  const begin = m.start.slice(), finish = m.end.slice(); // of what is left to each on the path
  let total = 0, count = 0;
  const add = (node: number, a: number, b: number) => {
    if (b <= a) return;
    from[count] = a;
    till[count++] = b;
    total += b - a;
    if (m.service[node]! >= 0) spent[m.service[node]!]! += b - a;
  };
  for (let i = 0; i < m.count; i++) {
    at[i] = count;
    if (!(m.flags[i]! & CRITICAL)) continue;
    const end = i + m.size[i]!;
    let cursor = begin[i]!, child = NONE; // the critical one that waits for the start of the next
    for (let c = i + 1; c <= end; c += c < end ? m.size[c]! : 1) {
      if (c < end && !(m.flags[c]! & CRITICAL)) continue;
      if (child >= 0) {
        const next = c < end ? m.start[c]! : finish[i]!;
        begin[child] = Math.min(Math.max(m.start[child]!, cursor), finish[i]!);
        finish[child] = Math.max(begin[child]!, Math.min(m.end[child]!, next, finish[i]!));
        add(i, cursor, begin[child]!);
        cursor = finish[child]!;
      }
      child = c;
    }
    add(i, cursor, finish[i]!);
  }
  at[m.count] = count;
  return { at, from: from.slice(0, count), till: till.slice(0, count), total, byService: new Map([...spent.entries()].filter(([, us]) => us > 0)) };
}

/* ---- find ---- */

// Nodes whose name, service or kind holds every word of the text, whatever its case; and those that the server found by their fields, as places.
export function findNodes(m: Model, text: string, places: readonly number[] | null = null): Int32Array {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return new Int32Array(0);
  const hits = (list: readonly string[]) => words.map(w => list.map(s => s.toLowerCase().includes(w)));
  const names = hits(m.columns.names), services = hits(m.columns.services), kinds = hits(KINDS);
  const found: number[] = [], isFound = new Uint8Array(m.count);
  for (const place of places ?? []) isFound[m.nodeOf[place]!] = 1;
  for (let i = 0; i < m.count; i++) {
    if (m.source[i]! < 0) continue;
    if (isFound[i]) { found.push(i); continue; }
    let all = true;
    for (let w = 0; w < words.length && all; w++) all = names[w]![m.name[i]!]! || services[w]![m.service[i]!]! || kinds[w]![kindOf(m, i)]!;
    if (all) found.push(i);
  }
  return new Int32Array(found);
}

// The next (or previous) of an ascending list after `at`, round the end.
export function nextOf(list: Int32Array, at: number, isBack: boolean): number {
  if (!list.length) return NONE;
  if (isBack) {
    for (let k = list.length - 1; k >= 0; k--) if (list[k]! < at) return list[k]!;
    return list[list.length - 1]!;
  }
  for (const node of list) if (node > at) return node;
  return list[0]!;
}

export function errorNodes(m: Model): Int32Array {
  const found: number[] = [];
  for (let i = 0; i < m.count; i++) if (m.flags[i]! & ERROR) found.push(i);
  return new Int32Array(found);
}
