// Layers from left to right, callers left: cycles broken by depth-first back edges, longest-path layers, barycentre sweeps, and the order of before kept
// where it may be, so that nodes do not jump. Pure.
export interface LayoutEdge { from: string; to: string; weight: number }
export interface Placed { layer: number; row: number }

const SWEEPS = 12;

// Edges that would close a circle are looked at the other way round.
function acyclic(nodes: readonly string[], out: Map<string, string[]>): Map<string, string[]> {
  const state = new Map<string, 1 | 2>(), forward = new Map<string, string[]>(nodes.map(n => [n, []]));
  for (const root of nodes) {
    if (state.has(root)) continue;
    const stack: { node: string; next: number }[] = [{ node: root, next: 0 }];
    state.set(root, 1);
    while (stack.length) {
      const top = stack[stack.length - 1]!, children = out.get(top.node) ?? [];
      if (top.next === children.length) { state.set(top.node, 2); stack.pop(); continue; }
      const child = children[top.next++]!;
      if (child === top.node) continue;
      if (state.get(child) === 1) forward.get(child)!.push(top.node);
      else forward.get(top.node)!.push(child);
      if (!state.has(child)) { state.set(child, 1); stack.push({ node: child, next: 0 }); }
    }
  }
  return forward;
}

function layers(nodes: readonly string[], forward: Map<string, string[]>): Map<string, number> {
  const incoming = new Map(nodes.map(n => [n, 0])), layer = new Map(nodes.map(n => [n, 0]));
  for (const list of forward.values()) for (const to of list) incoming.set(to, incoming.get(to)! + 1);
  const ready = nodes.filter(n => incoming.get(n) === 0);
  for (let i = 0; i < ready.length; i++)
    for (const to of forward.get(ready[i]!)!) {
      layer.set(to, Math.max(layer.get(to)!, layer.get(ready[i]!)! + 1));
      incoming.set(to, incoming.get(to)! - 1);
      if (incoming.get(to) === 0) ready.push(to);
    }
  return layer;
}

export function layout(nodes: readonly string[], edges: readonly LayoutEdge[], before?: ReadonlyMap<string, Placed>): Map<string, Placed> {
  const known = new Set(nodes), out = new Map<string, string[]>();
  for (const e of [...edges].sort((a, b) => b.weight - a.weight)) if (known.has(e.from) && known.has(e.to) && e.from !== e.to) out.set(e.from, [...(out.get(e.from) ?? []), e.to]);
  const indegree = new Map(nodes.map(n => [n, 0]));
  for (const list of out.values()) for (const to of list) indegree.set(to, indegree.get(to)! + 1);
  const roots = [...nodes].sort((a, b) => indegree.get(a)! - indegree.get(b)! || (a < b ? -1 : 1));
  const forward = acyclic(roots, out), layer = layers(roots, forward), rows: string[][] = [];
  for (const n of roots) (rows[layer.get(n)!] ??= []).push(n);
  for (let i = 0; i < rows.length; i++) rows[i] ??= [];
  if (before) for (const list of rows) list.sort((a, b) => (before.get(a)?.row ?? Infinity) - (before.get(b)?.row ?? Infinity) || 0);
  const neighbours = new Map<string, { up: string[]; down: string[] }>(nodes.map(n => [n, { up: [], down: [] }]));
  for (const [f, list] of forward) for (const t of list) { neighbours.get(f)!.down.push(t); neighbours.get(t)!.up.push(f); }
  const position = new Map<string, number>();
  const note = () => rows.forEach(list => list.forEach((n, i) => position.set(n, (i + 0.5) / list.length)));
  note();
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isDown = sweep % 2 === 0;
    for (let k = 0; k < rows.length; k++) {
      const list = rows[isDown ? k : rows.length - 1 - k]!;
      const centre = new Map(list.map(n => {
        const near = isDown ? neighbours.get(n)!.up : neighbours.get(n)!.down;
        return [n, near.length ? near.reduce((sum, m) => sum + position.get(m)!, 0) / near.length : position.get(n)!];
      }));
      list.sort((a, b) => centre.get(a)! - centre.get(b)! || position.get(a)! - position.get(b)!);
      list.forEach((n, i) => position.set(n, (i + 0.5) / list.length));
    }
  }
  const placed = new Map<string, Placed>();
  rows.forEach((list, l) => list.forEach((n, row) => placed.set(n, { layer: l, row: row - (list.length - 1) / 2 })));
  return placed;
}

// Names within so many calls of one, both ways.
export function within(focus: string, hops: number, edges: readonly { from: string; to: string }[]): Set<string> {
  const found = new Set([focus]);
  for (const isUp of [true, false]) {
    let edge = [focus];
    for (let i = 0; i < hops; i++) {
      const next = edges.filter(e => edge.includes(isUp ? e.to : e.from)).map(e => (isUp ? e.from : e.to)).filter(n => !found.has(n));
      next.forEach(n => found.add(n));
      edge = next;
    }
  }
  return found;
}
