// The drawing of a service map, as SVG: nodes by layer, width and size by the logarithm of the rate, one hue for the chosen metric, a ring for errors.
import { useMemo } from "preact/hooks";
import type { MapEdge, MapNode } from "../../api/types";
import { plural, showMs, showRate, showShare } from "../../kit/format";
import { layout, type Placed } from "./layout";
import { arrow } from "./reduce";

export const METRICS = ["errors", "p95", "rate"] as const;
export type Metric = (typeof METRICS)[number];
export type Pointed = string | MapEdge | null; // a node or a call, under the pointer here or in the table

export function touches(e: MapEdge, at: Pointed): boolean {
  return typeof at === "string" ? e.from === at || e.to === at : e.from === at?.from && e.to === at.to && e.kind === at.kind;
}

const COLUMN = 176, ROW = 64, MARGIN = 40;
const ICONS = { service: "", database: "M-5 -3a5 2 0 0 0 10 0a5 2 0 0 0 -10 0v6a5 2 0 0 0 10 0v-6", messaging: "M-6 -4h12v8h-12zM-6 -4l6 5 6 -5", external: "M-5 5l10 -10M0 -5h5v5", client: "M0 -1a3 3 0 1 0 0 -6a3 3 0 0 0 0 6M-6 6a6 6 0 0 1 12 0" };

function measure(n: MapNode, metric: Metric, seconds: number): number {
  return metric === "errors" ? (n.count ? n.errors / n.count : 0) : metric === "p95" ? n.p95_ms ?? 0 : n.count / seconds;
}

// A step of the ramp for the fill; the first for little.
function step(value: number, most: number, metric: Metric): number {
  if (value <= 0 || most <= 0) return 0;
  const share = metric === "errors" ? Math.min(1, value * 5) : Math.log1p(value) / Math.log1p(most);
  return Math.max(1, Math.min(6, Math.round(share * 6)));
}

export function Drawing(props: {
  nodes: MapNode[]; edges: MapEdge[]; seconds: number; metric: Metric; selected: string | null; pointed: Pointed; onPoint: (at: Pointed) => void; onSelect: (name: string | null) => void; onOpen: (name: string) => void; placed: Map<string, Placed>; before: ReadonlyMap<string, MapNode>; path: ReadonlySet<string> | null; members: ReadonlyMap<string, string[]>;
}) {
  const { nodes, edges, seconds, metric } = props;
  const places = useMemo(() => {
    performance.mark("map-start");
    const made = layout(nodes.map(n => n.name), edges.map(e => ({ from: e.from, to: e.to, weight: e.count })), props.placed);
    performance.measure("map-layout", "map-start");
    props.placed.clear();
    made.forEach((p, n) => props.placed.set(n, p));
    return made;
  }, [nodes.map(n => n.name).join("\n"), edges.map(e => e.from + e.to).join("\n")]);
  const rows = [...places.values()].map(p => p.row), top = Math.min(...rows, 0), height = (Math.max(...rows, 0) - top) * ROW + 2 * MARGIN + 20;
  const width = Math.max(...[...places.values()].map(p => p.layer), 0) * COLUMN + 2 * MARGIN + 160;
  const at = (name: string) => { const p = places.get(name)!; return { x: MARGIN + 30 + p.layer * COLUMN, y: MARGIN + (p.row - top) * ROW }; };
  const most = Math.max(...nodes.map(n => measure(n, metric, seconds))), busiest = Math.max(...edges.map(e => e.count), 1);
  const radius = (n: MapNode) => 9 + 9 * (Math.log1p(n.count) / Math.log1p(Math.max(...nodes.map(m => m.count), 1)));
  const path = props.pointed ? null : props.path, mark = path ? null : props.pointed ?? props.selected, isLit = (e: MapEdge) => path ? path.has(e.from) && path.has(e.to) : !mark || touches(e, mark);
  const near = path || mark ? new Set([mark, ...edges.filter(isLit).flatMap(e => [e.from, e.to])]) : null, point = (at: Pointed) => ({ onMouseEnter: () => props.onPoint(at), onMouseLeave: () => props.onPoint(null) });
  const move = (from: string, key: string): string | null => {
    const p = places.get(from)!, all = [...places.entries()];
    const side = key === "ArrowRight" || key === "ArrowLeft";
    const near = side ? edges.filter(e => (key === "ArrowRight" ? e.from : e.to) === from).map(e => (key === "ArrowRight" ? e.to : e.from)).filter(n => n !== from)
      : all.filter(([, q]) => q.layer === p.layer && (key === "ArrowDown" ? q.row > p.row : q.row < p.row)).map(([n]) => n);
    return near.sort((a, b) => Math.abs(places.get(a)!.row - p.row) - Math.abs(places.get(b)!.row - p.row))[0] ?? null;
  };
  return (
    <div class="map-box" tabIndex={0}>
      <svg class="map" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={`Service map: ${plural(nodes.length, "node")}, ${plural(edges.length, "call")}. Arrow keys walk, Enter focuses.`} onClick={e => { if (e.target === e.currentTarget) props.onSelect(null); }}>
        <defs><marker id="map-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1l7 3-7 3z" class="map-arrow" /></marker></defs>
        {edges.filter(e => e.from !== e.to).map(e => {
          const a = at(e.from), b = at(e.to), r = radius(nodes.find(n => n.name === e.to)!) + 4, isBack = b.x <= a.x;
          const start = { x: a.x + radius(nodes.find(n => n.name === e.from)!), y: a.y }, end = { x: b.x - (isBack ? -r : r), y: b.y }, bend = isBack ? 60 : Math.max(40, (end.x - start.x) / 2);
          const path = isBack && b.x === a.x ? `M${start.x} ${start.y}C${start.x + 50} ${start.y} ${end.x + 50} ${end.y} ${end.x} ${end.y}` : `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${end.x - (isBack ? -bend : bend)} ${end.y} ${end.x} ${end.y}`;
          const share = e.count ? e.errors / e.count : 0;
          return <g key={e.from + "\n" + e.to + e.kind} {...point(e)}><path d={path} class="map-edge is-near" /><path d={path} class={`map-edge${share > 0.02 ? " is-failing" : ""}${isLit(e) ? "" : " is-faded"}`} stroke-width={1 + 3 * (Math.log1p(e.count) / Math.log1p(busiest))} stroke-dasharray={e.kind === "messaging" ? "5 4" : undefined} marker-end="url(#map-arrow)" />
            <title>{`${e.from} → ${e.to}: ${showRate(e.count / seconds)}, ${showShare(share)} errors, P95 ${showMs(e.p95_ms)}`}</title></g>;
        })}
        {nodes.map(n => {
          const p = at(n.name), r = radius(n), share = n.count ? n.errors / n.count : 0, around = 2 * Math.PI * (r + 3), isSelected = props.selected === n.name;
          const folded = props.members.get(n.name), was = props.before.get(n.name), shown = folded ? `+${folded.length}` : n.name.length > 26 ? n.name.slice(0, 25) + "…" : n.name;
          const said = metric === "p95" ? showMs(n.p95_ms) : metric === "rate" ? showRate(n.count / seconds) : share > 0 ? showShare(share) : "";
          const moved = was ? arrow(measure(n, metric, seconds), measure(was, metric, seconds)) : "";
          return (
            <g key={n.name} {...point(n.name)} transform={`translate(${p.x} ${p.y})`} class={`map-node${isSelected || path?.has(n.name) ? " is-selected" : ""}${near && !near.has(n.name) ? " is-faded" : ""}${n.kind === "service" ? "" : " is-inferred"}`} tabIndex={0} role="button" data-node={n.name} aria-pressed={isSelected}
              aria-label={`${shown}${said && " " + said}${moved && " " + moved}, ${shown === n.name ? "" : n.name + ", "}${n.kind}: ${showRate(n.count / seconds)}, ${showShare(share)} errors, P95 ${showMs(n.p95_ms)}`} onClick={() => props.onSelect(n.name)} onDblClick={() => props.onOpen(n.name)} onFocus={() => props.onSelect(n.name)}
              onKeyDown={e => {
                if (e.key === "Enter") props.onOpen(n.name);
                if (!e.key.startsWith("Arrow")) return;
                const next = move(n.name, e.key);
                if (next) { props.onSelect(next); (e.currentTarget.ownerSVGElement!.querySelector(`[data-node="${CSS.escape(next)}"]`) as SVGGElement | null)?.focus(); }
                e.preventDefault();
              }}>
              <circle r={r} class={`map-disc is-${step(measure(n, metric, seconds), most, metric)}`} />
              {share > 0 && <circle r={r + 3} class="map-ring" stroke-dasharray={`${Math.max(2, around * share)} ${around}`} transform="rotate(-90)" />}
              {ICONS[n.kind] && <path d={ICONS[n.kind]} class="map-icon" />}
              <text x={0} y={r + 15} text-anchor="middle" class="map-name" aria-hidden="true">{shown}</text>
              {said && <text x={0} y={r + 28} text-anchor="middle" aria-hidden="true" class={"map-said" + (metric === "errors" ? " is-error" : "")}>{said}{moved && " " + moved}</text>}
            </g>
          );
        })}
      </svg>
    </div>
  );
}
