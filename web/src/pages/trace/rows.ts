// Which rows the waterfall shows: spans, runs of like siblings folded to one, light rows of events and logs, and services left out, counted.
import { kindOf, NONE, type Model } from "./model";

export const FOLD_MIN = 5;

export interface Fold {
  first: number; // node
  end: number;   // past the last
  count: number;
  covered: number; // µs in which at least one ran
  total: number;   // µs, all durations added
  slowest: number; // node
  errors: number;
}
export interface Folds { list: Fold[]; of: Int32Array } // of: the fold that a node is a member of, NONE

// Runs of at least five neighbours of one service, name and kind.
export function findFolds(m: Model): Folds {
  const folds: Folds = { list: [], of: new Int32Array(m.count).fill(NONE) };
  const see = (start: number, end: number) => {
    for (let a = start; a < end;) {
      let count = 1, b = a + m.size[a]!;
      if (m.service[a]! >= 0) while (b < end && m.service[b] === m.service[a] && m.name[b] === m.name[a] && kindOf(m, b) === kindOf(m, a)) { count++; b += m.size[b]!; }
      if (count >= FOLD_MIN) folds.list.push(measure(m, a, b, count, folds.of, folds.list.length));
      a = b;
    }
  };
  see(0, m.count);
  for (let i = 0; i < m.count; i++) if (m.size[i]! > FOLD_MIN) see(i + 1, i + m.size[i]!);
  return folds;
}

function measure(m: Model, first: number, end: number, count: number, of: Int32Array, index: number): Fold {
  const fold: Fold = { first, end, count, covered: 0, total: 0, slowest: first, errors: 0 };
  let reached = -Infinity;
  for (let i = first; i < end; i += m.size[i]!) {
    of[i] = index;
    fold.total += m.end[i]! - m.start[i]!;
    fold.covered += Math.max(0, m.end[i]! - Math.max(m.start[i]!, reached));
    reached = Math.max(reached, m.end[i]!);
    fold.errors += m.errors[i]!;
    if (m.end[i]! - m.start[i]! > m.end[fold.slowest]! - m.start[fold.slowest]!) fold.slowest = i;
  }
  return fold;
}

export const SPAN = 0, FOLD = 1, NOTE = 2, LEFT_OUT = 3;
export interface Rows {
  count: number;
  kind: Uint8Array;
  ref: Int32Array;   // node, fold, note, or place in `leftOut`
  depth: Int32Array;
  node: Int32Array;  // the node that the row is about: itself, the first of a fold, a note's span
  rowOf: Int32Array; // of a node: its row, or that of what hides it
  leftOut: { node: number; count: number; errors: number }[];
}

export interface View {
  collapsed: Uint8Array;      // per node
  folds: Folds | null;        // null: not folded
  openFolds: ReadonlySet<number>;
  hidden: readonly boolean[]; // per service
  withNotes: boolean;
}

export function visibleRows(m: Model, v: View): Rows {
  const most = m.count + (v.folds ? v.folds.list.length : 0) + (v.withNotes ? m.notes.length : 0);
  const rows: Rows = { count: 0, kind: new Uint8Array(most), ref: new Int32Array(most), depth: new Int32Array(most), node: new Int32Array(most), rowOf: new Int32Array(m.count), leftOut: [] };
  const ends: number[] = []; // of the open folds around
  const add = (kind: number, ref: number, depth: number, node: number) => {
    const row = rows.count++;
    rows.kind[row] = kind;
    rows.ref[row] = ref;
    rows.depth[row] = depth + ends.length;
    rows.node[row] = node;
    return row;
  };
  for (let i = 0; i < m.count;) {
    while (ends.length && ends[ends.length - 1]! <= i) ends.pop();
    const depth = m.depth[i]!, end = i + m.size[i]!, fold = v.folds ? v.folds.of[i]! : NONE;
    if (m.service[i]! >= 0 && v.hidden[m.service[i]!]) {
      const before = rows.count - 1, joins = before >= 0 && rows.kind[before] === LEFT_OUT && m.parent[rows.node[before]!] === m.parent[i];
      const row = joins ? before : add(LEFT_OUT, rows.leftOut.push({ node: i, count: 0, errors: 0 }) - 1, depth, i);
      const sum = rows.leftOut[rows.ref[row]!]!;
      sum.count += m.size[i]!;
      sum.errors += m.errors[i]!;
      rows.rowOf.fill(row, i, end);
      i = end;
      continue;
    }
    if (fold >= 0 && v.folds!.list[fold]!.first === i) {
      const row = add(FOLD, fold, depth, i), to = v.folds!.list[fold]!.end;
      if (!v.openFolds.has(fold)) {
        rows.rowOf.fill(row, i, to);
        i = to;
        continue;
      }
      ends.push(to);
    }
    const row = add(SPAN, i, depth, i);
    rows.rowOf[i] = row;
    if (v.collapsed[i]) {
      rows.rowOf.fill(row, i, end);
      i = end;
      continue;
    }
    if (v.withNotes) for (let k = m.noteAt[i]!; k < m.noteAt[i + 1]!; k++) add(NOTE, m.notes[k]!, depth + 1, i);
    i++;
  }
  return rows;
}

// Opens all that hides a node. Returns whether anything was changed.
export function reveal(m: Model, v: { collapsed: Uint8Array; folds: Folds | null; openFolds: Set<number> }, node: number): boolean {
  let changed = false;
  for (let i = node; i >= 0; i = m.parent[i]!) {
    if (i !== node && v.collapsed[i]) { v.collapsed[i] = 0; changed = true; }
    const fold = v.folds ? v.folds.of[i]! : NONE;
    if (fold >= 0 && !v.openFolds.has(fold)) { v.openFolds.add(fold); changed = true; }
  }
  return changed;
}

/* ---- table ---- */

export interface Group { key: string; service: number; name: number; count: number; errors: number; total: number; self: number; critical: number; slowest: number }

// Spans of one service and name together.
export function groupSpans(m: Model, criticalOf: (node: number) => number): Group[] {
  const groups = new Map<string, Group>();
  for (let i = 0; i < m.count; i++) {
    if (m.source[i]! < 0) continue;
    const key = `${m.service[i]} ${m.name[i]}`;
    let g = groups.get(key);
    if (!g) groups.set(key, (g = { key, service: m.service[i]!, name: m.name[i]!, count: 0, errors: 0, total: 0, self: 0, critical: 0, slowest: i }));
    g.count++;
    g.errors += m.flags[i]! & 1;
    g.total += m.end[i]! - m.start[i]!;
    g.self += m.self[i]!;
    g.critical += criticalOf(i);
    if (m.end[i]! - m.start[i]! > m.end[g.slowest]! - m.start[g.slowest]!) g.slowest = i;
  }
  return [...groups.values()];
}

/* ---- flame ---- */

// Lanes: a span lies below its parent; what overlaps a sibling goes to further lanes, with all that lies below it as one block.
const LANES_MAX = 64; // of one parent's children: past them bars lie over each other
const TOUCH = 2;      // µs: starts are cut and durations rounded to µs, so that neighbours may seem to overlap by that
export interface Lanes { lane: Int32Array; lanes: number }
const STEP = 2048; // spans placed between two looks at the clock

// In steps, so that a large trace is laid out between frames.
export function* flameSteps(m: Model): Generator<undefined, Lanes> {
  const height = new Int32Array(m.count), offset = new Int32Array(m.count), lane = new Int32Array(m.count);
  let placed = 0;
  function* pack(start: number, end: number): Generator<undefined, number> {
    const busy: number[] = [];
    let used = 0;
    for (let c = start; c < end; c += m.size[c]!) {
      const h = height[c]!;
      let at = 0;
      for (let k = 0; k < h && at < LANES_MAX; k++) if ((busy[at + k] ?? -Infinity) > m.low[c]! + TOUCH) { at += k + 1; k = -1; }
      for (let k = 0; k < h; k++) busy[at + k] = Math.max(busy[at + k] ?? -Infinity, m.high[c]!);
      offset[c] = at;
      used = Math.max(used, at + h);
      if (++placed % STEP === 0) yield;
    }
    return used;
  }
  for (let i = m.count - 1; i >= 0; i--) height[i] = 1 + (m.size[i]! > 1 ? yield* pack(i + 1, i + m.size[i]!) : 0);
  const lanes = yield* pack(0, m.count);
  for (let i = 0; i < m.count; i++) lane[i] = (m.parent[i]! < 0 ? 0 : lane[m.parent[i]!]! + 1) + offset[i]!;
  return { lane, lanes };
}
