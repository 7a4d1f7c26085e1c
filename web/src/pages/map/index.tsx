// The service map: what talks to what and where it hurts, as a drawing and as a table.
import { useMemo, useRef, useState } from "preact/hooks";
import { loadCompared } from "../../api/map";
import type { MapEdge, MapNode, ServiceMap } from "../../api/types";
import { environment, isEmpty, lengthOf } from "../../app/environment";
import { href, param, setParams } from "../../app/location";
import { useShortcuts } from "../../app/shortcuts";
import { from, tick, to } from "../../app/time";
import { showCount, showMs, showRate, showShare } from "../../kit/format";
import { FilterBox } from "../../kit/filter_box";
import { Empty, Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { printValue } from "../../api/query_text";
import { Drawing, METRICS, touches, type Metric, type Pointed } from "./drawing";
import { isComparable } from "../home/pain";
import { within } from "./layout";
import { arrow, between, groupLeaves, reachable } from "./reduce";
import "./map.css";

export const NODES_SHOWN = 40;

// The busiest and all that fail; the others are counted.
function chosen(map: ServiceMap, focus: string | null, hops: number): { nodes: MapNode[]; hidden: number } {
  if (focus) {
    const near = within(focus, hops, map.edges);
    return { nodes: map.nodes.filter(n => near.has(n.name)), hidden: 0 };
  }
  const ranked = [...map.nodes].sort((a, b) => Number(b.errors > 0) - Number(a.errors > 0) || b.count - a.count);
  return { nodes: ranked.slice(0, NODES_SHOWN), hidden: Math.max(0, ranked.length - NODES_SHOWN) };
}

export default function MapPage() {
  const focus = param("focus"), hops = Math.max(1, Math.min(5, Math.floor(Number(param("hops"))) || 1)), metric: Metric = METRICS.find(m => m === param("metric")) ?? "errors", view = param("view") ?? "map", filter = param("q") ?? "";
  const box = useRef<HTMLInputElement>(null), [all, setAll] = useState(false), [selected, setSelected] = useState<string | null>(null);
  const data = useData<{ map: ServiceMap; before: ServiceMap | null; seconds: number }>(JSON.stringify(["map", environment.value, filter, from.value, to.value, tick.value]), async l => {
    const { range, now, before } = await loadCompared(l.signal, filter);
    const seconds = lengthOf(range), scale = seconds / lengthOf({ start: 2 * range.start - range.end, end: range.start }), scaled = <T extends { count: number; errors: number }>(list: T[]) => list.map(n => ({ ...n, count: n.count * scale, errors: n.errors * scale }));
    return { map: now, before: isComparable(now.nodes, before.nodes) ? { ...before, nodes: scaled(before.nodes), edges: scaled(before.edges) } : null, seconds };
  });
  useShortcuts([{ keys: "v", about: "With or without the drawing", run: () => setParams({ view: view === "map" ? "table" : null }, { replace: true }) }, { keys: "/", about: "Choose traces", run: () => box.current?.focus() }], [view]);
  if (isEmpty.value) return <><div class="page-head"><h1>Service map</h1></div><Empty title="Nothing was ever received in this environment."><a href={href("")}>Set up a program</a></Empty></>;
  return (
    <>
      <div class="page-head"><h1>Service map</h1></div>
      <FilterBox value={filter} placeholder={'Of traces with … user.id = "42" AND duration_ms > 500'} button="Draw" onApply={q => setParams({ q })} box={box}>{filter && <button type="button" class="button" onClick={() => setParams({ q: null })}>All traces</button>}</FilterBox>
      <Panel title={<>{focus ? `Around ${focus}` : "Who calls whom"}{filter && <span class="muted"> in traces with such a row</span>}</>} data={data} isFlush isEmpty={v => v.map.nodes.length === 0}
        empty={filter ? <Empty title="No trace in this range has a row like that."><span>All filters must hold on one span or log of the trace.</span></Empty> : <Empty title="No calls between services in this range."><span>Edges are made of pairs of client and server spans: a program whose spans are all internal, or whose caller does not send its trace on, stands alone. <a href={href("doctor")}>Doctor</a> looks for that.</span></Empty>}
        actions={<div class="row wrap">
          {focus && <><label class="row">hops <select class="input" value={String(hops)} onChange={e => setParams({ hops: e.currentTarget.value === "1" ? null : e.currentTarget.value })}>{[1, 2, 3, 4, 5].map(n => <option key={n}>{n}</option>)}</select></label>
            <button class="button small" onClick={() => setParams({ focus: null, hops: null })}>All services</button></>}
          <label class="row">colour by <select class="input" value={metric} onChange={e => setParams({ metric: e.currentTarget.value === "errors" ? null : e.currentTarget.value }, { replace: true })}>{METRICS.map(m => <option key={m} value={m}>{m === "errors" ? "error share" : m === "p95" ? "P95" : "rate"}</option>)}</select></label>
          <button class="button small" aria-pressed={view === "table"} onClick={() => setParams({ view: view === "map" ? "table" : null }, { replace: true })}>Table only</button></div>}>
        {v => <Shown map={v.map} before={v.before} seconds={v.seconds} focus={focus} hops={hops} metric={metric} isTable={view === "table"} all={all} onAll={() => setAll(true)} selected={selected} onSelect={setSelected} />}
      </Panel>
    </>
  );
}

function Shown(props: { map: ServiceMap; before: ServiceMap | null; seconds: number; focus: string | null; hops: number; metric: Metric; isTable: boolean; all: boolean; onAll: () => void; selected: string | null; onSelect: (name: string | null) => void }) {
  const { map, seconds, focus } = props, kept = useRef(new Map());
  const { nodes, hidden } = useMemo(() => (props.all && !focus ? { nodes: map.nodes, hidden: 0 } : chosen(map, focus, props.hops)), [map, focus, props.hops, props.all]);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set()), a = param("a"), b = param("b");
  const [pointed, setPointed] = useState<Pointed>(null), select = (name: string | null) => { setPointed(null); props.onSelect(name); };
  const { edges, reduced } = useMemo(() => {
    const names = new Set(nodes.map(n => n.name)), edges = map.edges.filter(e => names.has(e.from) && names.has(e.to));
    return { edges, reduced: groupLeaves(nodes, edges, new Set([focus ?? "", a ?? "", b ?? ""]), opened) };
  }, [nodes, map, focus, a, b, opened]);
  const at = [...reduced.nodes, ...map.nodes].find(n => n.name === props.selected) ?? null, members = at && reduced.members.get(at.name);
  const before = useMemo(() => new Map(props.before?.nodes.map(n => [n.name, n])), [props.before]), path = a && b ? between(a, b, map.edges) : null;
  if (focus && !map.nodes.some(n => n.name === focus)) return <div class="none"><Empty title={`${focus} is not on the map in this range.`}><span>Choose a longer range, or <a href={href("map")}>look at all services</a>.</span></Empty></div>;
  // A call as it is drawn: of a node that stands for several, it is that node's.
  const group = new Map([...reduced.members].flatMap(([key, list]) => list.map(n => [n, key]))), drawn = (e: MapEdge) => reduced.edges.find(d => touches(d, { ...e, to: group.get(e.to) ?? e.to })) ?? null;
  const mark = pointed ?? props.selected, table = <EdgeTable edges={focus ? edges : map.edges} map={map} before={props.before} seconds={seconds} onHover={e => setPointed(e && drawn(e))} isCurrent={e => { const d = drawn(e); return !!mark && !!d && touches(d, mark); }} />;
  return props.isTable ? table : <>
    <div class="map-split">
      <div>
        {path && <div class="waiting row">{path.size ? <>The calls from {a} to {b}</> : <>No call leads from {a} to {b} in this range</>} <button class="button small" onClick={() => setParams({ a: null, b: null })}>Show all</button></div>}
        <Drawing nodes={reduced.nodes} edges={reduced.edges} before={before} path={path?.size ? path : null} members={reduced.members} seconds={seconds} metric={props.metric} selected={props.selected} pointed={pointed} onPoint={setPointed} onSelect={select} onOpen={name => (reduced.members.has(name) ? setOpened(new Set([...opened, name])) : setParams({ focus: name }))} placed={kept.current} />
        {hidden > 0 && <div class="waiting">{showCount(hidden)} quieter ones are not drawn <button class="button small" onClick={props.onAll}>Draw all</button></div>}
      </div>
      {at && members && <aside class="map-side stack" aria-label={`About ${at.name}`}><h3>{members.length} × {at.kind}</h3><p>Called by one alone, calling nobody, without errors: drawn as one.</p>
        <ul class="plain">{members.map(m => <li key={m} class="cut">{m}</li>)}</ul><div><button class="button small" onClick={() => setOpened(new Set([...opened, at.name]))}>Draw them one by one</button></div></aside>}
      {at && !members && <Side node={at} was={before.get(at.name)} map={map} seconds={seconds} />}
    </div>
    {table}
  </>;
}

// How a figure stands to that of the time before; worse is told by the sign and the colour.
function Moved({ now, was, show, isBad }: { now: number | null; was: number | null | undefined; show: (v: number) => string; isBad: boolean }) {
  const sign = arrow(now, was);
  return sign && was != null ? <span class={isBad && sign === "↑" ? "error-text" : "muted"} title={`As long a time before: ${show(was)}`}> {sign}<span class="visually-hidden"> before {show(was)}</span></span> : null;
}
const shareOf = (n: { count: number; errors: number }) => (n.count ? n.errors / n.count : 0);

function Side({ node, was, map, seconds }: { node: MapNode; was: MapNode | undefined; map: ServiceMap; seconds: number }) {
  const of = [`service.name = ${printValue(node.name)}`, param("q")].filter(Boolean).join(" AND ");
  const list = (edges: MapEdge[], end: "from" | "to") => <ul class="plain">{edges.sort((a, b) => b.count - a.count).slice(0, 12).map(e => <li key={e[end] + e.kind} class="row"><span class="cut grow">{e[end]}</span><span class="muted">{showRate(e.count / seconds)}</span>{e.errors > 0 && <span class="error-text">{showShare(e.errors / e.count)}</span>}{e.wait_count ? <span title="P95 of the time until a message is taken">waits {showMs(e.wait_p95_ms)}</span> : null}<span>{showMs(e.p95_ms)}</span></li>)}</ul>;
  const ahead = reachable(node.name, map.edges), callers = map.edges.filter(e => e.to === node.name), callees = map.edges.filter(e => e.from === node.name);
  return (
    <aside class="map-side stack" aria-label={`About ${node.name}`}>
      <h3>{node.name} <span class="muted">{node.kind}</span></h3>
      <dl class="facts"><dt>requests</dt><dd>{showRate(node.count / seconds)}<Moved now={node.count} was={was?.count} show={v => showRate(v / seconds)} isBad={false} /></dd><dt>errors</dt><dd class={node.errors ? "error-text" : ""}>{showShare(shareOf(node))}<Moved now={shareOf(node)} was={was && shareOf(was)} show={showShare} isBad /></dd><dt>P50 · P95</dt><dd>{showMs(node.p50_ms)} · {showMs(node.p95_ms)}<Moved now={node.p95_ms} was={was?.p95_ms} show={showMs} isBad /></dd></dl>
      {ahead.length > 0 && <label class="row">Way to <select class="input grow" value={param("a") === node.name ? param("b") ?? "" : ""} onChange={e => setParams(e.currentTarget.value ? { a: node.name, b: e.currentTarget.value } : { a: null, b: null }, { replace: true })}>
        <option value="">…</option>{ahead.map(n => <option key={n}>{n}</option>)}</select></label>}
      {callers.length > 0 && <div><b>Called by</b>{list(callers, "from")}</div>}
      {callees.length > 0 && <div><b>Calls</b>{list(callees, "to")}</div>}
      <div class="row wrap">
        {node.kind === "service" && <a class="button small" href={href("service", { name: node.name })}>Service page</a>}
        <button class="button small" onClick={() => setParams({ focus: node.name })}>Focus</button>
        {node.kind === "service" && <><a class="button small" href={href("traces", { q: of })}>Traces</a><a class="button small" href={href("query", { q: `HEATMAP(duration_ms) WHERE ${of}` })}>Query</a></>}
      </div>
    </aside>
  );
}

export function EdgeTable({ map, edges, before, seconds, ...linked }: { map: ServiceMap; edges: MapEdge[]; before?: ServiceMap | null; seconds: number; onHover?: (e: MapEdge | null) => void; isCurrent?: (e: MapEdge) => boolean }) {
  const keyOf = (e: MapEdge) => `${e.from} ${e.to} ${e.kind}`, earlier = new Map(before?.edges.map(e => [keyOf(e), e])), was = (e: MapEdge) => earlier.get(keyOf(e));
  const services = new Set(map.nodes.filter(n => n.kind === "service").map(n => n.name));
  const end = (name: string) => <span class="whole">{services.has(name) ? <a href={href("service", { name })}>{name}</a> : name}</span>;
  return <Table caption="Calls" {...linked} rows={edges} rowKey={keyOf} sort={{ key: "rate", isDown: true }} columns={[
    { key: "from", title: "From", value: e => e.from, cell: e => end(e.from) },
    { key: "to", title: "To", value: e => e.to, cell: e => end(e.to) },
    { key: "kind", title: "Kind", value: e => e.kind, cell: e => <span class="whole">{e.kind}</span> },
    { key: "rate", title: "Rate", isNumber: true, value: e => e.count, cell: e => <>{showRate(e.count / seconds)}<Moved now={e.count} was={was(e)?.count} show={v => showRate(v / seconds)} isBad={false} /></> },
    { key: "errors", title: "Errors", isNumber: true, value: shareOf, cell: e => <span class={e.errors ? "error-text" : ""}>{showShare(shareOf(e))}<Moved now={shareOf(e)} was={was(e) && shareOf(was(e)!)} show={showShare} isBad /></span> },
    { key: "p50", title: "P50", isNumber: true, value: e => e.p50_ms, cell: e => showMs(e.p50_ms) },
    { key: "p95", title: "P95", isNumber: true, value: e => e.p95_ms, cell: e => <>{showMs(e.p95_ms)}<Moved now={e.p95_ms} was={was(e)?.p95_ms} show={showMs} isBad />{e.wait_count ? <span class="muted"> waits {showMs(e.wait_p95_ms)}</span> : null}</> },
  ]} />;
}
