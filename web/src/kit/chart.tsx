// Lines, stacks and bars over time: uPlot draws, this file gives it our colours, times and units, and makes it a figure that can be read without sight.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { onThemeChange } from "../app/theme";
import { showTime, TICK_STEPS, tickText, zone, type Range } from "../app/time";
import { token } from "./color";
import { ABSENT, showIn, type Unit } from "./format";
import { Table } from "./table";
import "./chart.css";

export interface Line {
  name: string;
  color: string; // any CSS colour, tokens as var(--…) too
  points: (number | null)[];
  isDashed?: boolean; // an earlier period
}
export interface Marker { time: number; text: string }

export interface ChartProps {
  label: string;
  times: number[]; // unix seconds, ascending
  lines: Line[];
  unit: Unit;
  kind?: "lines" | "stacked" | "bars";
  height?: number;
  isLog?: boolean;
  focus?: string | null; // only this line in full colour
  markers?: Marker[];
  unfinishedFrom?: number | null; // from then on the last bucket is not whole yet
  onZoom?: (start: number, end: number) => void; // what a drag does …
  onSelect?: (range: Range | null) => void; // … unless it selects: whole buckets
  selected?: Range | null;
  onOpen?: () => void; // Enter, with a selection
}

function resolved(color: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(color);
  return name ? token(name[1]!) : color;
}

function stacked(lines: Line[]): (number | null)[][] {
  const sums = new Array<number>(lines[0]?.points.length ?? 0).fill(0);
  return lines.map(l => l.points.map((p, i) => (sums[i]! += p ?? 0)));
}

// Points without neighbours, which no line shows.
function alone(p: uPlot.AlignedData[number]): number[] {
  return Array.from(p, (_, i) => i).filter(i => p[i] != null && p[i - 1] == null && p[i + 1] == null);
}

// Lowest, highest and last of a line, in words.
export function summary(line: Line, unit: Unit): string {
  const present = line.points.filter((p): p is number => p !== null);
  if (present.length === 0) return `${line.name}: nothing`;
  const last = present[present.length - 1]!;
  return `${line.name}: from ${showIn(unit, Math.min(...present))} to ${showIn(unit, Math.max(...present))}, last ${showIn(unit, last)}`;
}

// The buckets that two moments lie in.
function buckets(times: readonly number[], a: number, b: number): Range {
  const step = (times[1] ?? times[0]! + 1) - times[0]!, at = (t: number) => times[0]! + step * Math.floor((t - times[0]!) / step);
  return { start: Math.max(times[0]!, at(a)), end: Math.min(times[times.length - 1]!, at(b)) + step };
}

function markersPlugin(props: () => ChartProps): uPlot.Plugin {
  return {
    hooks: {
      draw: u => {
        const { ctx, bbox } = u;
        ctx.save();
        const { unfinishedFrom: from, selected, markers = [] } = props();
        if (selected) {
          const x = u.valToPos(selected.start, "x", true), width = u.valToPos(selected.end, "x", true) - x;
          ctx.fillStyle = ctx.strokeStyle = token("--selection");
          ctx.lineWidth = 2;
          ctx.beginPath();
          ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
          ctx.clip();
          ctx.strokeRect(x, bbox.top + 1, width, bbox.height - 2);
          ctx.globalAlpha = 0.15;
          ctx.fillRect(x, bbox.top, width, bbox.height);
          ctx.restore();
          ctx.save();
        }
        if (from != null && from < (u.scales.x!.max ?? 0)) {
          const x = Math.max(bbox.left, u.valToPos(from, "x", true));
          ctx.strokeStyle = token("--line-strong");
          ctx.globalAlpha = 0.35;
          ctx.beginPath();
          ctx.rect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
          ctx.clip();
          for (let at = x - bbox.height; at < bbox.left + bbox.width; at += 8) { ctx.moveTo(at, bbox.top + bbox.height); ctx.lineTo(at + bbox.height, bbox.top); }
          ctx.stroke();
          ctx.restore();
          ctx.save();
        }
        ctx.strokeStyle = token("--critical");
        ctx.fillStyle = token("--critical");
        for (const m of markers) {
          if (m.time < (u.scales.x!.min ?? 0) || m.time > (u.scales.x!.max ?? 0)) continue;
          const x = Math.round(u.valToPos(m.time, "x", true));
          ctx.beginPath();
          ctx.setLineDash([4, 4]);
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          ctx.fillRect(x - 3, bbox.top, 6, 6);
        }
        ctx.restore();
      },
    },
  };
}

interface Hover { index: number; left: number }

function HoverCard({ hover, props, width }: { hover: Hover; props: ChartProps; width: number }) {
  const rows = props.lines.map(l => ({ line: l, value: l.points[hover.index] ?? null })).filter(r => r.value !== null).sort((a, b) => b.value! - a.value!).slice(0, 10);
  const at = props.times[hover.index]!;
  const marked = (props.markers ?? []).filter(m => Math.abs(m.time - at) <= (props.times[1] ?? at) - (props.times[0] ?? at));
  return (
    <div class="hover-card" style={{ left: `${hover.left > width / 2 ? hover.left - 12 : hover.left + 12}px`, transform: hover.left > width / 2 ? "translateX(-100%)" : "none" }}>
      <div class="muted">{showTime(at * 1000, { ms: false })}</div>
      {rows.map(r => <div class="row" key={r.line.name}><i class="swatch" style={{ background: r.line.color }} /><span class="cut grow">{r.line.name}</span><b>{showIn(props.unit, r.value)}</b></div>)}
      {rows.length === 0 && <div class="muted">nothing here</div>}
      {marked.map(m => <div class="critical-text" key={m.time}>{m.text}</div>)}
    </div>
  );
}

function ChartTable(props: ChartProps) {
  const rows = props.times.map((time, i) => ({ time, i }));
  return (
    <Table caption={props.label} rows={rows} rowKey={r => String(r.time)} columns={[
      { key: "time", title: "time", value: r => r.time, cell: r => showTime(r.time * 1000, { ms: false }) },
      ...props.lines.map(l => ({ key: l.name, title: l.name, isNumber: true, value: (r: { i: number }) => l.points[r.i], cell: (r: { i: number }) => (l.points[r.i] == null ? ABSENT : showIn(props.unit, l.points[r.i]!)) })),
    ]} />
  );
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), latest = useRef(props), anchor = useRef<number | null>(null);
  latest.current = props;
  const [hovered, setHover] = useState<Hover | null>(null), hover = hovered && hovered.index < props.times.length ? hovered : null; // the times may be others by now
  const [width, setWidth] = useState(0);
  const [isTable, setTable] = useState(false);
  const [themeRound, setThemeRound] = useState(0);
  const height = props.height ?? 220, kind = props.kind ?? "lines";
  useEffect(() => onThemeChange(() => setThemeRound(n => n + 1)), []);
  useEffect(() => {
    if (isTable) return undefined;
    const observer = new ResizeObserver(entries => setWidth(Math.floor(entries[0]!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [isTable]);
  const data = useMemo(() => [props.times, ...(kind === "stacked" ? stacked(props.lines) : props.lines.map(l => l.points))] as uPlot.AlignedData, [props.times, props.lines, kind]);
  const shape = JSON.stringify([props.lines.map(l => [l.name, l.color, l.isDashed]), props.unit, kind, props.isLog, zone.value, themeRound, isTable]);
  useEffect(() => {
    if (isTable || width === 0) return undefined;
    const axis = { stroke: token("--text-2"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1, size: 4 }, font: "12px system-ui" };
    let wasDragged = false; // the click that follows is not one
    const bars = uPlot.paths.bars!({ size: [0.8, 64], align: 1 });
    const u = new uPlot({
      width, height, legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: { drag: { x: !!(latest.current.onZoom ?? latest.current.onSelect), y: false, setScale: false }, points: { size: 6 }, y: false },
      scales: { x: { time: false }, y: { distr: props.isLog ? 3 : 1, range: (_u, low, high) => (props.isLog ? [low > 0 ? low : 0.001, high > 0 ? high : 1] : [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : latest.current.unit === "share" ? 0.05 : 1]) } },
      axes: [
        { ...axis, size: 28, values: (_u, splits) => splits.map((s, i) => tickText(s, splits.length > 1 ? splits[1]! - splits[0]! : 60, splits[i - 1])), space: 80,
          incrs: TICK_STEPS },
        { ...axis, values: (_u, splits) => splits.map(s => (s === null ? "" : showIn(latest.current.unit, s))), size: 64 },
      ],
      series: [{}, ...props.lines.map((l, i): uPlot.Series => ({
        label: l.name, stroke: resolved(l.color), width: 1.5, dash: l.isDashed ? [5, 4] : [], points: { show: false, size: 5, fill: resolved(l.color), filter: (u2, at) => (kind === "bars" ? null : alone(u2.data[at]!)) }, spanGaps: false,
        ...(kind === "bars" ? { paths: bars, fill: resolved(l.color) } : kind === "stacked" ? { fill: resolved(l.color) + "b0", width: i === 0 ? 1 : 1 } : {}),
      }))],
      bands: kind === "stacked" ? props.lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) : [],
      plugins: [markersPlugin(() => latest.current)],
      hooks: {
        setCursor: [u2 => { const i = u2.cursor.idx; setHover(i == null || (u2.cursor.left ?? -1) < 0 ? null : { index: i, left: (u2.cursor.left ?? 0) + u2.bbox.left / devicePixelRatio }); }],
        setSelect: [u2 => {
          const { left, width: dragged } = u2.select, { onSelect, onZoom, times } = latest.current, a = u2.posToVal(left, "x"), b = u2.posToVal(left + dragged, "x");
          if (dragged > 4) { wasDragged = true; if (onSelect) onSelect(buckets(times, a, b)); else onZoom?.(a, b); }
          u2.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    }, data, box.current!);
    plot.current = u;
    u.over.addEventListener("click", e => { // a bucket, or none when there is a selection
      const { onSelect, selected, times } = latest.current, at = u.posToIdx(e.clientX - u.over.getBoundingClientRect().left);
      if (!wasDragged && at < times.length) onSelect?.(selected ? null : buckets(times, times[at]!, times[at]!));
      wasDragged = false;
    });
    return () => { u.destroy(); plot.current = null; };
  }, [shape, height, width > 0]);
  useEffect(() => { plot.current?.setData(data); }, [data]);
  useEffect(() => { if (width) plot.current?.setSize({ width, height }); }, [width, height]);
  useEffect(() => { plot.current?.redraw(false); }, [props.markers, props.unfinishedFrom, props.selected?.start, props.selected?.end]);
  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    props.lines.forEach((l, i) => { u.series[i + 1]!.alpha = props.focus && props.focus !== l.name ? 0.15 : 1; });
    u.redraw(false);
  }, [props.focus, props.lines]);
  const move = (by: number, isSelecting: boolean) => {
    const u = plot.current;
    if (!u || props.times.length === 0) return;
    const at = Math.max(0, Math.min(props.times.length - 1, (hover?.index ?? (by > 0 ? -1 : props.times.length)) + by));
    u.setCursor({ left: u.valToPos(props.times[at]!, "x"), top: 10 });
    if (isSelecting && props.onSelect) {
      anchor.current ??= hover?.index ?? at;
      const [a, b] = [anchor.current, at].sort((x, y) => x - y);
      props.onSelect(buckets(props.times, props.times[a!]!, props.times[b!]!));
    } else anchor.current = null;
  };
  const said = hover ? `${showTime(props.times[hover.index]! * 1000, { ms: false })}: ${props.lines.slice(0, 5).map(l => `${l.name} ${showIn(props.unit, l.points[hover.index] ?? null)}`).join(", ")}` : "";
  return (
    <figure class="chart" aria-label={props.label}>
      <figcaption class="visually-hidden">{props.label}. {props.lines.slice(0, 5).map(l => summary(l, props.unit)).join(". ")}</figcaption>
      <button class="button quiet small chart-switch" aria-pressed={isTable} title="Chart or table (v)" onClick={() => setTable(!isTable)}>{isTable ? "Chart" : "Table"}</button>
      {isTable ? <ChartTable {...props} /> : (
        <div class="chart-box" ref={box} tabIndex={0} role="group" aria-label={`${props.label}: arrow keys move through time${props.onSelect ? ", with Shift they select, Enter compares" : ""}`} style={{ minHeight: `${height}px` }}
          onKeyDown={e => {
            if (e.key === "ArrowRight") { move(e.shiftKey && !props.onSelect ? 10 : 1, e.shiftKey); e.preventDefault(); }
            if (e.key === "ArrowLeft") { move(e.shiftKey && !props.onSelect ? -10 : -1, e.shiftKey); e.preventDefault(); }
            if (e.key === "Enter" && props.selected) { props.onOpen?.(); e.preventDefault(); }
            if (e.key === "Escape" && props.selected) { props.onSelect?.(null); e.stopPropagation(); }
            if (e.key === "v") { setTable(true); e.stopPropagation(); }
          }} onBlur={() => setHover(null)}>
          {hover && <HoverCard hover={hover} props={props} width={width} />}
        </div>
      )}
      <span class="visually-hidden" aria-live="polite">{said}</span>
    </figure>
  );
}

// A line without axes, in the text's own colour, for tables.
export function Spark({ points, color, label, width = 96, height = 20 }: { points: (number | null)[]; color?: string; label?: string; width?: number; height?: number }) {
  const high = Math.max(...points.map(p => p ?? 0), 0) || 1;
  const step = points.length > 1 ? width / (points.length - 1) : width;
  let path = "", isOn = false;
  points.forEach((p, i) => {
    if (p === null) { isOn = false; return; }
    path += `${isOn ? "L" : "M"}${(i * step).toFixed(1)} ${(height - 1 - (p / high) * (height - 2)).toFixed(1)}${isOn || points[i + 1] != null ? "" : "h-2"}`;
    isOn = true;
  });
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : true}>
      <path d={path} fill="none" stroke={color ?? "currentColor"} stroke-width="1.2" stroke-linecap="round" />
    </svg>
  );
}
