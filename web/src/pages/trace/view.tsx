// A loaded trace: its header, tools, views and details. What the reader changes is kept in the address.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { TraceColumns } from "../../api/types";
import { href, param, setParams } from "../../app/location";
import { environment } from "../../app/environment";
import { useShortcuts } from "../../app/shortcuts";
import { onThemeChange } from "../../app/theme";
import { colorSlots } from "../../kit/color";
import { plural, showMs, showShare } from "../../kit/format";
import { Table, type Column } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { Detail, useSpan } from "./detail";
import { Flame } from "./flame";
import { Header } from "./header";
import { loadFound } from "./load";
import { Axis, Minimap } from "./minimap";
import { buildModel, criticalParts, errorNodes, findNodes, isMissing, nameOf, nextOf, NONE, type Model } from "./model";
import type { Window } from "./paint";
import { findFolds, FOLD, groupSpans, LEFT_OUT, NOTE, reveal, SPAN, visibleRows, type Group } from "./rows";
import { estimateSkew } from "./skew";
import { Waterfall } from "./waterfall";

const FOLD_FROM = 300; // spans: smaller traces are shown whole at first
const SHUT_MAX = 60;   // collapsed rows that the address holds
type ViewName = "waterfall" | "flame" | "table";
const VIEWS: readonly ViewName[] = ["waterfall", "flame", "table"];

function readWindow(m: Model): Window {
  const found = /^(-?[\d.]+)~(-?[\d.]+)$/.exec(param("w") ?? "");
  if (!found) return { from: m.first, to: m.last };
  const from = Number(found[1]), to = Number(found[2]);
  return to > from ? { from: Math.max(m.first, from), to: Math.min(m.last, to) } : { from: m.first, to: m.last };
}

// Services by the time spent in them, so that the colours go to those that matter.
function useServices(columns: TraceColumns) {
  return useMemo(() => {
    const self = new Float64Array(columns.services.length), counts = new Int32Array(columns.services.length);
    for (let i = 0; i < columns.count; i++) { self[columns.service[i]!]! += columns.self_us[i]!; counts[columns.service[i]!]!++; }
    const ranked = columns.services.map((name, i) => ({ name, index: i, self: self[i]!, count: counts[i]! })).sort((a, b) => b.self - a.self);
    const slots = colorSlots(ranked.map(s => s.name));
    const slotOf = columns.services.map(name => { const slot = slots.get(name)!; return slot < 0 ? 8 : slot; });
    return { ranked, slotOf, selfTotal: self.reduce((a, b) => a + b, 0) };
  }, [columns]);
}

export function TraceView({ columns, spanIndex }: { columns: TraceColumns; spanIndex: number | null }) {
  const wantsSkew = param("skew") === "1", wantsFold = param("fold") ? param("fold") === "1" : columns.count > FOLD_FROM;
  const showsCritical = param("crit") !== "0", withNotes = param("notes") === "1";
  const view: ViewName = VIEWS.find(v => v === param("view")) ?? "waterfall";
  const hiddenText = param("hide") ?? "", findText = param("find") ?? "";

  const { ranked, slotOf, selfTotal } = useServices(columns);
  const skew = useMemo(() => estimateSkew(columns), [columns]);
  const isSkewed = wantsSkew && skew.shifts !== null;
  const model = useMemo(() => {
    const from = performance.now(), m = buildModel(columns, isSkewed ? skew.shifts : null);
    performance.measure("trace.build", { start: from, end: performance.now() });
    return m;
  }, [columns, isSkewed]);
  const allFolds = useMemo(() => findFolds(model), [model]);
  const folds = wantsFold ? allFolds : null;
  const critical = useMemo(() => criticalParts(model), [model]);
  const errors = useMemo(() => errorNodes(model), [model]);

  const [collapsed, openFolds] = useMemo(() => {
    const shut = new Uint8Array(model.count);
    for (const text of (param("shut") ?? "").split(".").filter(Boolean)) { const node = model.nodeOf[Number(text)]; if (node !== undefined) shut[node] = 1; }
    return [shut, new Set<number>()] as const;
  }, [model]);
  const [round, setRound] = useState(0); // counted up when what is collapsed or opened changes
  const again = () => setRound(n => n + 1);
  const hidden = useMemo(() => { const names = new Set(hiddenText.split(",").filter(Boolean)); return columns.services.map(s => names.has(s)); }, [columns, hiddenText]);
  const rows = useMemo(() => visibleRows(model, { collapsed, folds, openFolds, hidden, withNotes }), [model, folds, hidden, withNotes, round]);
  const hasFind = findText.trim() !== "", env = environment.value, foundKey = hasFind ? `${env} ${columns.trace_id} ${findText.trim()}` : null;
  const found = useData(foundKey, l => loadFound(columns.trace_id, env, findText.trim(), l.signal));
  const ofFields = found.key === foundKey ? found.value : null;
  const matches = useMemo(() => findNodes(model, findText, ofFields), [model, findText, ofFields]);
  const isMatch = useMemo(() => {
    if (!hasFind) return null;
    const on = new Uint8Array(model.count);
    for (const node of matches) on[node] = 1;
    return on;
  }, [model, matches, findText]);
  const shown = useMemo(() => readWindow(model), [model, param("w")]);

  const [selected, setSelected] = useState<number>(spanIndex === null ? NONE : model.nodeOf[spanIndex] ?? NONE);
  const [activeNode, setActiveNode] = useState<{ node: number; row: number }>({ node: 0, row: 0 });
  const active = Math.min(activeNode.row, rows.count - 1);
  const box = useRef<HTMLDivElement>(null), fall = useRef<Waterfall | null>(null), find = useRef<HTMLInputElement>(null);
  const span = useSpan(columns.trace_id, selected >= 0 && !isMissing(model, selected) ? model.source[selected]! : null);

  const keepShut = () => {
    const list: number[] = [];
    for (let i = 0; i < model.count && list.length <= SHUT_MAX; i++) if (collapsed[i] && model.source[i]! >= 0) list.push(model.source[i]!);
    setParams({ shut: list.length > SHUT_MAX ? null : list.join(".") }, { replace: true });
  };
  const setWindow = useCallback((w: Window | null) => {
    const least = Math.max(1, (model.last - model.first) / 1e6);
    const isWhole = !w || (w.from <= model.first && w.to >= model.last) || w.to - w.from < least;
    setParams({ w: isWhole ? null : `${Math.max(model.first, Math.round(w!.from * 10) / 10)}~${Math.min(model.last, Math.round(w!.to * 10) / 10)}` }, { replace: true });
  }, [model]);
  const zoom = (factor: number) => {
    const length = (shown.to - shown.from) * factor, middle = (shown.from + shown.to) / 2;
    setWindow({ from: middle - length / 2, to: middle + length / 2 });
  };
  const pan = (share: number) => {
    const length = shown.to - shown.from, from = Math.min(model.last - length, Math.max(model.first, shown.from + share * length));
    setWindow({ from, to: from + length });
  };

  // Moves to a row; to a node: opens all that hides it first.
  const pending = useRef<number>(NONE);
  const toRow = (row: number) => {
    const at = Math.max(0, Math.min(rows.count - 1, row));
    setActiveNode({ node: rows.node[at] ?? 0, row: at });
    fall.current?.show(at);
  };
  const toNode = (node: number) => {
    if (node < 0) return;
    const state = { collapsed, folds, openFolds };
    pending.current = node;
    if (reveal(model, state, node)) again();
    else setActiveNode({ node, row: rows.rowOf[node]! });
  };
  // After the rows were made anew the reader stays at the same span.
  useLayoutEffect(() => {
    const node = pending.current >= 0 ? pending.current : activeNode.node, row = pending.current >= 0 || rows.node[activeNode.row] !== activeNode.node ? rows.rowOf[node] ?? 0 : activeNode.row;
    if (row !== activeNode.row || node !== activeNode.node) setActiveNode({ node, row });
  }, [rows]);
  useLayoutEffect(() => {
    if (pending.current < 0) return;
    pending.current = NONE;
    fall.current?.show(active);
  }, [activeNode]);

  const select = (node: number) => {
    setSelected(node);
    if (node < 0) setParams({ span: null }, { replace: true });
  };
  useEffect(() => { // the address gets the span's own id as soon as it is known
    if (span.value && selected >= 0 && span.value.index === model.source[selected] && !span.isLoading) setParams({ span: String(span.value.span["trace.span_id"]) }, { replace: true });
  }, [span.value, selected]);
  useEffect(() => {
    if (spanIndex === null) return;
    const node = model.nodeOf[spanIndex] ?? NONE;
    if (node < 0) return;
    setSelected(node);
    toNode(node);
  }, [model, spanIndex]);

  const toggle = (row: number) => {
    const kind = rows.kind[row], ref = rows.ref[row]!;
    if (kind === FOLD) { if (!openFolds.delete(ref)) openFolds.add(ref); again(); }
    if (kind === SPAN && model.size[ref]! > 1) { collapsed[ref] = collapsed[ref] ? 0 : 1; again(); keepShut(); }
  };
  const isOpen = (row: number) => rows.kind[row] === FOLD ? openFolds.has(rows.ref[row]!) : rows.kind[row] === SPAN && model.size[rows.ref[row]!]! > 1 && !collapsed[rows.ref[row]!];
  const canOpen = (row: number) => rows.kind[row] === FOLD || (rows.kind[row] === SPAN && model.size[rows.ref[row]!]! > 1);
  const activate = (row: number) => {
    setActiveNode({ node: rows.node[row]!, row });
    if (rows.kind[row] === FOLD) toggle(row);
    else if (rows.kind[row] === LEFT_OUT) setParams({ hide: null });
    else if (!isMissing(model, rows.node[row]!)) select(rows.node[row]!);
  };
  const up = (row: number) => { let at = row; while (at > 0 && rows.depth[at]! >= rows.depth[row]!) at--; return at; };
  const collapseAll = (shut: boolean) => {
    collapsed.fill(0);
    if (shut) for (let i = 0; i < model.count; i++) if (model.size[i]! > 1 && model.parent[i]! >= 0) collapsed[i] = 1;
    openFolds.clear();
    again();
    keepShut();
  };
  const fit = () => { const node = rows.node[active]!; setWindow({ from: model.low[node]!, to: model.high[node]! }); };
  const toMatch = (isBack: boolean) => toNode(nextOf(matches, rows.node[active] ?? NONE, isBack));
  const toError = (isBack: boolean) => toNode(nextOf(errors, rows.node[active] ?? NONE, isBack));
  const flip = (name: string, isOn: boolean, isDefault: boolean) => setParams({ [name]: isOn === isDefault ? null : isOn ? "1" : "0" });
  const toggleCritical = () => flip("crit", !showsCritical, true), toggleFold = () => flip("fold", !wantsFold, columns.count > FOLD_FROM), toggleSkew = () => flip("skew", !wantsSkew, false), toggleNotes = () => flip("notes", !withNotes, false);

  const act = useRef<Record<string, () => void>>({});
  act.current = {
    j: () => toRow(active + 1), k: () => toRow(active - 1), "[": () => collapseAll(true), "]": () => collapseAll(false), w: () => zoom(0.5), s: () => zoom(2), a: () => pan(-0.25), d: () => pan(0.25), f: fit,
    n: () => toMatch(false), N: () => toMatch(true), e: () => toError(false), E: () => toError(true), c: toggleCritical, o: () => (rows.kind[active] === FOLD ? toggle(active) : toggleFold()), z: toggleSkew, l: toggleNotes, "/": () => find.current?.focus(),
    "1": () => setParams({ view: null }), "2": () => setParams({ view: "flame" }), "3": () => setParams({ view: "table" }),
  };
  const keys = useMemo(() => ([
    ["/", "Find in this trace"], ["n", "Next match"], ["N", "Previous match"], ["e", "Next error"], ["E", "Previous error"], ["j", "Next row"], ["k", "Previous row"], ["[", "Collapse all"], ["]", "Expand all"],
    ["w", "Zoom in"], ["s", "Zoom out"], ["a", "Earlier"], ["d", "Later"], ["f", "Fit to the row at hand"], ["c", "Critical path"], ["o", "Fold like siblings, or open the fold at hand"], ["z", "Take out clock skew"], ["l", "Events and logs as rows"],
    ["1", "Waterfall"], ["2", "Flame view"], ["3", "Table"],
  ] as const).map(([key, about]) => ({ keys: key, about, run: () => act.current[key]!() })), []);
  useShortcuts(keys);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 200) / 22) - 1);
    const moves: Record<string, () => void> = {
      ArrowDown: () => toRow(active + 1), ArrowUp: () => toRow(active - 1), PageDown: () => toRow(active + page), PageUp: () => toRow(active - page), Home: () => toRow(0), End: () => toRow(rows.count - 1),
      ArrowRight: () => (canOpen(active) && !isOpen(active) ? toggle(active) : canOpen(active) ? toRow(active + 1) : undefined),
      ArrowLeft: () => (isOpen(active) ? toggle(active) : toRow(up(active))),
      Enter: () => { activate(active); if (rows.kind[active] === SPAN) requestAnimationFrame(() => document.getElementById("wf-detail")?.focus()); },
      " ": () => toggle(active),
      Escape: () => { if (findText) setParams({ find: null }, { replace: true }); else if (selected >= 0) select(NONE); },
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  };

  const handlers = useRef({ activate, toggle });
  handlers.current = { activate, toggle };
  const isFall = view === "waterfall";
  useLayoutEffect(() => {
    if (!isFall) return undefined;
    const made = (fall.current = new Waterfall(box.current!, { onActivate: row => handlers.current.activate(row), onToggle: row => handlers.current.toggle(row) }));
    const sizes = new ResizeObserver(() => made.resized()), undo = onThemeChange(() => made.repaint());
    sizes.observe(box.current!);
    return () => { sizes.disconnect(); undo(); made.close(); fall.current = null; };
  }, [isFall]);
  useLayoutEffect(() => {
    fall.current?.set({ model, rows, folds, slotOf, window: shown, critical: showsCritical ? critical : null, isMatch, active, showsGhosts: isSkewed, collapsed, openFolds, selected });
  }, [isFall, model, rows, folds, slotOf, shown, critical, showsCritical, isMatch, active, isSkewed, selected]);
  useEffect(() => { // until the first frame is drawn and keys are heard again
    const asked = performance.getEntriesByName("trace.received").pop();
    if (asked) requestAnimationFrame(() => setTimeout(() => performance.measure("trace.client", { start: asked.startTime, end: performance.now() })));
  }, [columns]);

  // The name column is as wide as the reader made it.
  const [share, setShare] = useState(38);
  const split = (event: KeyboardEvent) => {
    const step = event.key === "ArrowLeft" ? -2 : event.key === "ArrowRight" ? 2 : 0;
    if (!step) return;
    event.preventDefault();
    setShare(s => Math.min(75, Math.max(12, s + step)));
  };
  const frame = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => { frame.current?.style.setProperty("--wf-name", share + "%"); fall.current?.resized(); }, [share]);

  const position = matches.length ? matches.indexOf(rows.node[active] ?? NONE) + 1 : 0;
  return (
    <>
      <Header model={model} columns={columns} skew={skew} isSkewed={isSkewed} folds={allFolds} critical={critical} />
      <div class="wf-services row wrap" role="group" aria-label="Services; press one to leave it out">
        {ranked.slice(0, 24).map(s => (
          <button key={s.name} class="pill wf-service-pill" aria-pressed={!hidden[s.index]} title={`${plural(s.count, "span")}, ${showMs(s.self / 1000)} in itself. Press to ${hidden[s.index] ? "show" : "leave out"}.`}
            onClick={() => { const out = columns.services.filter((name, i) => hidden[i] !== (name === s.name)); setParams({ hide: out.join(",") }); }}>
            <i class="swatch" ref={el => { if (el) el.style.background = slotOf[s.index] === 8 ? "var(--s-other)" : `var(--s${slotOf[s.index]})`; }} />{s.name}<span class="muted">{showShare(s.self / Math.max(1, selfTotal))}</span>
          </button>
        ))}
        {ranked.length > 24 && <span class="muted">and {ranked.length - 24} more</span>}
      </div>
      <div class="wf-tools row wrap">
        <div class="tabs" role="tablist" aria-label="Views">
          {VIEWS.map(v => <button key={v} role="tab" aria-selected={view === v} onClick={() => setParams({ view: v === "waterfall" ? null : v })}>{v[0]!.toUpperCase() + v.slice(1)}</button>)}
        </div>
        <div class="row">
          <input ref={find} class="input wf-find" type="search" placeholder="Find name or attribute" aria-label="Find in this trace" title="Every word in a name, a service, or the name or value of any field; http.route=/pay asks for one field" value={findText} onInput={e => setParams({ find: e.currentTarget.value }, { replace: true })}
            onKeyDown={e => { if (e.key === "Enter") { e.preventDefault(); toMatch(e.shiftKey); } if (e.key === "Escape") { setParams({ find: null }, { replace: true }); box.current?.focus(); } }} />
          <span class="muted wf-count" role="status">{hasFind ? (matches.length ? `${position || "–"}/${matches.length}` : found.isLoading ? "…" : "no match") : ""}</span>
          {hasFind && found.error && <span class="error-text">Only names were searched: {found.error.message}</span>}
          <button class="button small" disabled={!matches.length} onClick={() => toMatch(true)} aria-label="Previous match" title="Previous match (N)">↑</button>
          <button class="button small" disabled={!matches.length} onClick={() => toMatch(false)} aria-label="Next match" title="Next match (n)">↓</button>
        </div>
        <div class="row wrap">
          {errors.length > 0 && <button class="button small" onClick={() => toError(false)} title="Next error (e)">Next of {plural(errors.length, "error")}</button>}
          <button class="button small" aria-pressed={showsCritical} onClick={toggleCritical} title="c">Critical path</button>
          {allFolds.list.length > 0 && <button class="button small" aria-pressed={wantsFold} onClick={toggleFold} title="Runs of five or more like siblings as one row (o)">Fold {allFolds.list.length > 1 ? plural(allFolds.list.length, "run") : "1 run"}</button>}
          {model.notes.length > 0 && <button class="button small" aria-pressed={withNotes} onClick={toggleNotes} title="l">Events and logs ({model.notes.length})</button>}
          {skew.shifts && <button class="button small" aria-pressed={wantsSkew} onClick={toggleSkew} title="z">Take out clock skew</button>}
          {isFall && <><button class="button small" onClick={() => collapseAll(true)} title="[">Collapse all</button><button class="button small" onClick={() => collapseAll(false)} title="]">Expand all</button></>}
        </div>
      </div>
      {view !== "table" && <Minimap model={model} slotOf={slotOf} window={shown} onWindow={setWindow} />}
      <div class={"wf-columns" + (selected >= 0 ? " has-detail" : "")}>
        <div class="wf-main" ref={frame}>
          {isFall && <>
            <div class="wf-head"><span>Span <span class="muted">{plural(rows.count, "row")}</span></span>
              <div class="wf-split" role="separator" aria-orientation="vertical" aria-label="Width of the names" aria-valuenow={share} aria-valuemin={12} aria-valuemax={75} tabIndex={0} onKeyDown={split}
                onPointerDown={e => e.currentTarget.setPointerCapture(e.pointerId)}
                onPointerMove={e => { if (e.buttons && frame.current) { const r = frame.current.getBoundingClientRect(); setShare(Math.min(75, Math.max(12, ((e.clientX - r.left) / r.width) * 100))); } }} />
              <Axis window={shown} first={model.first} /></div>
            <div ref={box} class="wf-scroll" role="treegrid" tabIndex={0} aria-label="Spans of the trace" aria-colcount={2} onKeyDown={onKeyDown} />
          </>}
          {view === "flame" && <Flame model={model} slotOf={slotOf} window={shown} selected={selected} isMatch={isMatch} showsCritical={showsCritical} onSelect={select} />}
          {view === "table" && <GroupTable model={model} critical={critical} slotOf={slotOf} onOpen={node => { select(node); toNode(node); setParams({ view: null }); }} />}
        </div>
        {selected >= 0 && !isMissing(model, selected) && <Detail trace={columns.trace_id} data={span} onClose={() => { select(NONE); box.current?.focus(); }} />}
      </div>
      <p class="row wrap muted wf-foot">
        <span>Row at hand: {rows.kind[active] === NOTE ? "event or log" : nameOf(model, rows.node[active] ?? 0)}.</span>
        <span>Time in itself is a span’s duration without the time its calls were running.</span>
        <a href={href("logs", { q: `trace.trace_id = "${columns.trace_id}"` })}>Logs of this trace</a>
      </p>
    </>
  );
}

function GroupTable({ model: m, critical, slotOf, onOpen }: { model: Model; critical: ReturnType<typeof criticalParts>; slotOf: number[]; onOpen: (node: number) => void }) {
  const groups = useMemo(() => groupSpans(m, node => { let sum = 0; for (let k = critical.at[node]!; k < critical.at[node + 1]!; k++) sum += critical.till[k]! - critical.from[k]!; return sum; }), [m, critical]);
  const self = groups.reduce((a, g) => a + g.self, 0);
  const columns: Column<Group>[] = [
    { key: "name", title: "Service and name", value: g => m.columns.services[g.service] + m.columns.names[g.name]!, cell: g => (
      <button class="button quiet small wf-open" onClick={() => onOpen(g.slowest)} title="Open the slowest of them"><i class="swatch" ref={el => { if (el) el.style.background = slotOf[g.service] === 8 ? "var(--s-other)" : `var(--s${slotOf[g.service]})`; }} /><span class="muted">{m.columns.services[g.service]}</span> {m.columns.names[g.name]}</button>) },
    { key: "count", title: "Spans", isNumber: true, value: g => g.count, cell: g => g.count },
    { key: "errors", title: "Errors", isNumber: true, value: g => g.errors, cell: g => (g.errors ? <span class="error-text">{g.errors}</span> : 0) },
    { key: "self", title: "In itself", isNumber: true, value: g => g.self, cell: g => `${showMs(g.self / 1000)} · ${showShare(g.self / Math.max(1, self))}` },
    { key: "critical", title: "On the critical path", isNumber: true, value: g => g.critical, cell: g => (g.critical ? `${showMs(g.critical / 1000)} · ${showShare(g.critical / Math.max(1, critical.total))}` : "–") },
    { key: "total", title: "Duration, added", isNumber: true, value: g => g.total, cell: g => showMs(g.total / 1000) },
    { key: "mean", title: "Mean", isNumber: true, value: g => g.total / g.count, cell: g => showMs(g.total / g.count / 1000) },
    { key: "max", title: "Longest", isNumber: true, value: g => m.end[g.slowest]! - m.start[g.slowest]!, cell: g => showMs((m.end[g.slowest]! - m.start[g.slowest]!) / 1000) },
  ];
  return <Table caption="Spans by service and name" rows={groups} columns={columns} rowKey={g => g.key} sort={{ key: "self", isDown: true }} />;
}
