// Two traces laid over each other: spans meet when the services, names and kinds from the root down to them are the same. Repeats of one call are one row
// with counts, so that a loop that ran three times more is seen as that.
import { kindOf, type Model } from "../trace/model";

export interface Side { count: number; total: number; self: number; errors: number; node: number } // µs; node: the longest of them, -1: none

export interface Aligned {
  key: string;
  service: string;
  name: string;
  depth: number;
  a: Side;
  b: Side;
  children: Aligned[]; // by how much they add to the difference
}

const nothing = (): Side => ({ count: 0, total: 0, self: 0, errors: 0, node: -1 });

interface Building extends Aligned { of: Map<string, Building> }
function make(key: string, service: string, name: string, depth: number): Building {
  return { key, service, name, depth, a: nothing(), b: nothing(), children: [], of: new Map() };
}

function keyOf(m: Model, node: number): string {
  return `${m.columns.services[m.service[node]!]}\u0000${m.columns.names[m.name[node]!]}\u0000${kindOf(m, node)}`;
}

// Where a trace's first root hangs in a tree that has it only further down (a browser in front of one of the two): the parent of that place.
function placeOf(root: Building, m: Model): Building {
  if (!m.count || m.source[0]! < 0 || root.of.has(keyOf(m, 0))) return root;
  for (const queue = [root]; queue.length;) {
    const here = queue.shift()!;
    if (here.of.has(keyOf(m, 0))) return here;
    queue.push(...here.of.values());
  }
  return root;
}

function addSide(top: Building, m: Model, side: "a" | "b", root: Building = top): void {
  const at: Building[] = new Array(m.count);
  for (let i = 0; i < m.count; i++) {
    const above = m.parent[i]! < 0 ? (i === 0 ? root : top) : at[m.parent[i]!]!;
    if (m.source[i]! < 0) { at[i] = above; continue; } // what lies below a missing parent is compared as if it were a root
    const service = m.columns.services[m.service[i]!]!, name = m.columns.names[m.name[i]!]!, key = keyOf(m, i);
    let here = above.of.get(key);
    if (!here) {
      here = make(key, service, name, above.depth + 1);
      above.of.set(key, here);
      above.children.push(here);
    }
    at[i] = here;
    const s = here[side], length = m.end[i]! - m.start[i]!;
    if (s.node < 0 || length > m.end[s.node]! - m.start[s.node]!) s.node = i;
    s.count++;
    s.total += length;
    s.self += m.self[i]!;
    s.errors += m.flags[i]! & 1;
  }
}

function order(list: Aligned[]): void {
  list.sort((x, y) => Math.abs(y.b.total - y.a.total) - Math.abs(x.b.total - x.a.total));
  for (const one of list) order(one.children);
}

// Whether the second's first root is somewhere in the first.
function has(m: Model, other: Model): boolean {
  if (!other.count || other.source[0]! < 0) return false;
  const key = keyOf(other, 0);
  for (let i = 0; i < m.count; i++) if (m.source[i]! >= 0 && keyOf(m, i) === key) return true;
  return false;
}

export function align(a: Model, b: Model): Aligned[] {
  const root = make("", "", "", -1);
  const [deep, deepSide, other, otherSide] = has(a, b) ? [a, "a" as const, b, "b" as const] : [b, "b" as const, a, "a" as const];
  addSide(root, deep, deepSide);
  addSide(root, other, otherSide, placeOf(root, other));
  order(root.children);
  return root.children;
}

export function flatten(list: readonly Aligned[], isOpen: (one: Aligned) => boolean): Aligned[] {
  const rows: Aligned[] = [];
  const visit = (one: Aligned) => {
    rows.push(one);
    if (isOpen(one)) one.children.forEach(visit);
  };
  list.forEach(visit);
  return rows;
}

export interface Cause { service: string; name: string; delta: number; a: Side; b: Side }

// What explains the difference: time in itself, which adds up without being counted twice, over all places of a service and name.
export function causes(list: readonly Aligned[]): Cause[] {
  const by = new Map<string, Cause>();
  const visit = (one: Aligned) => {
    let cause = by.get(one.key);
    if (!cause) by.set(one.key, (cause = { service: one.service, name: one.name, delta: 0, a: nothing(), b: nothing() }));
    for (const side of ["a", "b"] as const) {
      cause[side].count += one[side].count;
      cause[side].total += one[side].total;
      cause[side].self += one[side].self;
      cause[side].errors += one[side].errors;
    }
    cause.delta = cause.b.self - cause.a.self;
    one.children.forEach(visit);
  };
  list.forEach(visit);
  return [...by.values()].sort((x, y) => Math.abs(y.delta) - Math.abs(x.delta));
}
