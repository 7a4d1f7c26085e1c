// What a map leaves out or points out: leaves of one caller put together, the calls on a way between two nodes, how a figure moved. Pure.
import type { MapEdge, MapNode } from "../../api/types";

const LEAVES_MIN = 5; // of one caller and kind: fewer are drawn one by one

export interface Reduced { nodes: MapNode[]; edges: MapEdge[]; members: Map<string, string[]> }

// Nodes that call nobody, are called by one alone and do not fail stand as one "+n"; `keep` and those of an opened group stay.
export function groupLeaves(nodes: MapNode[], edges: MapEdge[], keep: ReadonlySet<string>, opened: ReadonlySet<string>): Reduced {
  const callers = new Map<string, Set<string>>(), calls = new Set(edges.filter(e => e.from !== e.to).map(e => e.from));
  for (const e of edges) callers.set(e.to, (callers.get(e.to) ?? new Set()).add(e.from));
  const groups = new Map<string, { caller: string; list: MapNode[] }>();
  for (const n of nodes) {
    const [caller, other] = callers.get(n.name) ?? [];
    if (caller === undefined || other !== undefined || calls.has(n.name) || n.errors > 0 || keep.has(n.name)) continue;
    const key = `${n.kind} of ${caller}`, group = groups.get(key) ?? { caller, list: [] };
    groups.set(key, group);
    group.list.push(n);
  }
  const out: Reduced = { nodes, edges, members: new Map() };
  for (const [key, { caller, list }] of groups) {
    if (list.length < LEAVES_MIN || opened.has(key)) continue;
    const names = new Set(list.map(n => n.name)), into = out.edges.filter(e => names.has(e.to)), sum = (of: readonly { count: number }[]) => of.reduce((a, n) => a + n.count, 0);
    const most = (of: readonly { p95_ms: number | null }[]) => Math.max(...of.map(n => n.p95_ms ?? 0));
    out.members.set(key, [...names]);
    out.nodes = [...out.nodes.filter(n => !names.has(n.name)), { ...list[0]!, name: key, count: sum(list), errors: 0, p50_ms: null, p95_ms: most(list) }];
    out.edges = [...out.edges.filter(e => !names.has(e.to)), { ...into[0]!, from: caller, to: key, count: sum(into), errors: into.reduce((a, e) => a + e.errors, 0), p50_ms: null, p95_ms: most(into) }];
  }
  return out;
}

function reach(from: string, edges: readonly { from: string; to: string }[], isUp: boolean): Set<string> {
  const found = new Set([from]);
  for (const at of found) for (const e of edges) if ((isUp ? e.to : e.from) === at) found.add(isUp ? e.from : e.to); // a set is walked while it grows
  return found;
}

// All that lies on a way of calls from one to the other, both ends too; empty when there is none.
export function between(from: string, to: string, edges: readonly { from: string; to: string }[]): Set<string> {
  const down = reach(from, edges, false), up = reach(to, edges, true);
  return new Set(down.has(to) ? [...down].filter(n => up.has(n)) : []);
}

export function reachable(from: string, edges: readonly { from: string; to: string }[]): string[] {
  return [...reach(from, edges, false)].filter(n => n !== from).sort();
}

// Against the time before: a fifth more or less counts.
export function arrow(now: number | null, was: number | null | undefined): "" | "↑" | "↓" {
  if (now === null || was === null || was === undefined) return "";
  return now > was * 1.2 ? "↑" : now < was / 1.2 ? "↓" : "";
}
