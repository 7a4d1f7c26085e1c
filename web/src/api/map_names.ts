// A node of the map is its kind and its name: a database may be called as the service that uses it. Here every name becomes one node's own: a service keeps
// its name, another node of that name gets its kind behind it, and the edges follow. Pure.
import type { MapEdge, MapNode, ServiceMap } from "./types";

type Kind = MapNode["kind"];

export function distinct(map: ServiceMap): ServiceMap {
  const kinds = new Map<string, Set<Kind>>();
  for (const n of map.nodes) kinds.set(n.name, (kinds.get(n.name) ?? new Set()).add(n.kind));
  if (kinds.size === map.nodes.length) return map;
  const shown = (name: string, kind: Kind) => ((kinds.get(name)?.size ?? 0) > 1 && kind !== "service" ? `${name} (${kind})` : name);
  // The ends' kinds follow from the edge's: its own kind stands at the far end, of a queue at either.
  const oneOf = (name: string, ...wanted: Kind[]): Kind => wanted.find(k => kinds.get(name)?.has(k)) ?? "service";
  const ends = (e: MapEdge): [Kind, Kind] => {
    if (e.kind === "database" || e.kind === "external") return ["service", e.kind];
    if (e.kind === "call") return [oneOf(e.from, "service", "client"), "service"];
    const isFromQueue = kinds.get(e.from)?.has("messaging") && kinds.get(e.to)?.has("service") && e.from !== e.to;
    return isFromQueue ? ["messaging", "service"] : ["service", oneOf(e.to, "messaging", "service")];
  };
  return {
    nodes: map.nodes.map(n => ({ ...n, name: shown(n.name, n.kind) })),
    edges: map.edges.map(e => { const [from, to] = ends(e); return { ...e, from: shown(e.from, from), to: shown(e.to, to) }; }),
  };
}
