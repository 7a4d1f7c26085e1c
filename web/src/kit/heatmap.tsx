// A heatmap on a canvas: one pixel a cell, scaled up without smoothing; or the same figures as a table. A rectangle of cells can be chosen by dragging or with
// the arrow keys. A time of which there is no event at all is hatched: that is not the same as none of these values.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { onThemeChange } from "../app/theme";
import { showTime, TICK_STEPS, tickText, zone } from "../app/time";
import { heatRamp, token } from "./color";
import { ABSENT, showCount, showIn, type Unit } from "./format";
import { countIn, emptyColumns, joined, rectangleOf, rowOf, steps, topOf, without, type Grid, type Rectangle } from "./heat_grid";
import { Table } from "./table";
import "./heatmap.css";

const LEFT = 64, RIGHT = 18, TOP = 6, BOTTOM = 22;

interface Cell { column: number; row: number }

// What a drag does with the selection that was there: Shift widens it to hold both, Alt cuts from it.
interface Drag { how: "new" | "add" | "cut"; of: Rectangle | null }
const NEW: Drag = { how: "new", of: null };

// A colour as one pixel, opaque; alpha, blue, green, red, as little-endian machines lay them.
function pixelOf(color: string): number {
  return [5, 3, 1].reduce((sum, i) => sum * 256 + parseInt(color.slice(i, i + 2), 16), 255);
}

function paint(canvas: HTMLCanvasElement, grid: Grid, width: number, height: number, unit: Unit): void {
  performance.mark("heatmap-start");
  const columns = grid.times.length, rows = grid.lows.length, ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer), ramp = heatRamp().map(pixelOf), levels = steps(grid.counts);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const level = levels[row * columns + column]!;
      if (level) pixels[(rows - 1 - row) * columns + column] = ramp[level - 1]!;
    }
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d")!.putImageData(image, 0, 0);
  const ctx = canvas.getContext("2d")!;
  ctx.scale(ratio, ratio);
  ctx.imageSmoothingEnabled = false;
  const w = width - LEFT - RIGHT, h = height - TOP - BOTTOM;
  ctx.drawImage(small, LEFT, TOP, w, h);
  hatch(ctx, grid, w, h);
  ctx.strokeStyle = token("--line");
  ctx.strokeRect(LEFT - 0.5, TOP - 0.5, w + 1, h + 1);
  ctx.fillStyle = token("--text-2");
  ctx.font = "12px system-ui";
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const every = Math.max(1, Math.ceil((rows * 22) / h));
  for (let row = 0; row < rows; row += every) {
    const low = grid.lows[row]!;
    ctx.fillText(low === -Infinity ? "≤ 0" : showIn(unit, low), LEFT - 6, TOP + h - (row / rows) * h);
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  const start = grid.times[0]!, length = columns * grid.step, step = TICK_STEPS.find(s => s >= (64 * length) / w) ?? length;
  for (let at = Math.ceil(start / step) * step, before: number | undefined; at < start + length; before = at, at += step) {
    const x = LEFT + ((at - start) / length) * w;
    if (x + 20 < width) ctx.fillText(tickText(at, step, before), Math.max(LEFT + 16, x), height - BOTTOM + 6);
  }
  performance.measure("heatmap-paint", "heatmap-start");
}

function hatch(ctx: CanvasRenderingContext2D, grid: Grid, w: number, h: number): void {
  const columns = grid.times.length, holes = emptyColumns(grid);
  if (holes.length === 0) return;
  ctx.save();
  ctx.beginPath();
  for (const column of holes) ctx.rect(LEFT + (column / columns) * w, TOP, w / columns, h);
  ctx.clip();
  ctx.strokeStyle = token("--line-strong");
  ctx.globalAlpha = 0.35;
  ctx.beginPath();
  for (let x = LEFT - h; x < LEFT + w; x += 8) { ctx.moveTo(x, TOP + h); ctx.lineTo(x + h, TOP); }
  ctx.stroke();
  ctx.restore();
}

function HeatTable({ label, grid, unit }: { label: string; grid: Grid; unit: Unit }) {
  const columns = grid.times.length, at = (row: number, column: number) => grid.counts[row * columns + column]!;
  const ranges = grid.lows.map((_, row) => row).filter(row => grid.times.some((_, column) => at(row, column) > 0));
  return (
    <Table caption={label} rows={grid.times.map((time, column) => ({ time, column }))} rowKey={r => String(r.time)} columns={[
      { key: "time", title: "time", value: r => r.time, cell: r => showTime(r.time * 1000, { ms: false }) },
      ...ranges.map(row => ({ key: String(row), title: bounds(grid, row, unit), isNumber: true, value: (r: { column: number }) => at(row, r.column), cell: (r: { column: number }) => (at(row, r.column) ? showCount(at(row, r.column)) : ABSENT) })),
    ]} />
  );
}

function bounds(grid: Grid, row: number, unit: Unit): string {
  return grid.lows[row] === -Infinity ? "0 and below" : `${showIn(unit, grid.lows[row]!)} – ${showIn(unit, grid.highs[row]!)}`;
}

export function Heatmap(props: {
  label: string; grid: Grid; unit: Unit; height?: number; selection: Rectangle | null; onSelect: (r: Rectangle | null) => void; onCompare: (r: Rectangle) => void;
}) {
  const { grid, unit } = props, height = props.height ?? 260;
  const box = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null), drag = useRef(NEW);
  const [width, setWidth] = useState(0), [themeRound, setThemeRound] = useState(0);
  const [looked, setCursor] = useState<Cell | null>(null), [anchor, setAnchor] = useState<Cell | null>(null), [isDragging, setDragging] = useState(false), [isTable, setTable] = useState(false);
  useEffect(() => onThemeChange(() => setThemeRound(n => n + 1)), []);
  useEffect(() => {
    if (isTable) return undefined;
    const observer = new ResizeObserver(entries => setWidth(Math.floor(entries[0]!.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [isTable]);
  useEffect(() => { if (!isTable && width > LEFT + RIGHT + 20) paint(canvas.current!, grid, width, height, unit); }, [grid, width, height, unit, themeRound, zone.value, isTable]);
  const columns = grid.times.length, rows = grid.lows.length, cursor = looked && looked.column < columns && looked.row < rows ? looked : null; // the grid may be another by now
  const w = width - LEFT - RIGHT, h = height - TOP - BOTTOM;
  const cellAt = (e: PointerEvent): Cell => {
    const r = canvas.current!.getBoundingClientRect();
    const clamp = (v: number, max: number) => Math.max(0, Math.min(max, v));
    return { column: clamp(Math.floor(((e.clientX - r.left - LEFT) / w) * columns), columns - 1), row: clamp(rows - 1 - Math.floor(((e.clientY - r.top - TOP) / h) * rows), rows - 1) };
  };
  const select = (a: Cell, b: Cell, { how, of }: Drag = NEW) => {
    const r = rectangleOf(grid, a.column, a.row, b.column, b.row);
    props.onSelect(!of ? r : how === "add" ? joined(of, r) : without(grid, of, r));
  };
  const shown = props.selection && {
    left: LEFT + (Math.max(0, grid.times.findIndex(t => t >= props.selection!.t0)) / columns) * w,
    right: LEFT + (Math.min(columns, (props.selection.t1 - grid.times[0]!) / grid.step) / columns) * w,
    top: TOP + h - ((rowOf(grid.lows, props.selection.v1 - 1e-12 * Math.abs(props.selection.v1)) + 1) / rows) * h,
    bottom: TOP + h - (rowOf(grid.lows, props.selection.v0) / rows) * h,
  };
  const count = useMemo(() => (props.selection ? countIn(grid, props.selection) : 0), [grid, props.selection]);
  const told = cursor && `${showTime(grid.times[cursor.column]! * 1000, { ms: false })}, ${bounds(grid, cursor.row, unit)}: ${showCount(grid.counts[cursor.row * columns + cursor.column]!)}`;
  return (
    <figure class="heatmap chart" aria-label={props.label}>
      <figcaption class="visually-hidden">{props.label}: {showCount(grid.total)} events in {columns} intervals and {rows} ranges of values. Arrow keys move, Shift and arrow keys select, Enter compares, v shows a table.</figcaption>
      <button class="button quiet small chart-switch" aria-pressed={isTable} title="Heatmap or table (v)" onClick={() => setTable(!isTable)}>{isTable ? "Heatmap" : "Table"}</button>
      {isTable ? <HeatTable label={props.label} grid={grid} unit={unit} /> : <div ref={box} class="heatmap-box" tabIndex={0} role="application" aria-label={`${props.label}: cells`} style={{ height: `${height}px` }}
        onPointerDown={e => { if (e.button !== 0) return; const c = cellAt(e), how = e.shiftKey ? "add" : e.altKey ? "cut" : "new"; drag.current = { how, of: how === "new" ? null : props.selection }; box.current!.setPointerCapture(e.pointerId); setAnchor(c); setDragging(true); setCursor(c); box.current!.focus(); }}
        onPointerMove={e => { const c = cellAt(e); setCursor(c); if (isDragging && anchor && (c.column !== anchor.column || c.row !== anchor.row)) select(anchor, c, drag.current); }}
        onPointerUp={e => { const c = cellAt(e); if (isDragging && anchor && c.column === anchor.column && c.row === anchor.row) { if (drag.current.of) select(c, c, drag.current); else props.onSelect(null); } setDragging(false); }}
        onPointerLeave={() => { if (!isDragging) setCursor(null); }}
        onKeyDown={e => {
          const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
          if (by) {
            const at = cursor ?? { column: columns - 1, row: rows - 1 };
            const to = { column: Math.max(0, Math.min(columns - 1, at.column + by[0]!)), row: Math.max(0, Math.min(rows - 1, at.row + by[1]!)) };
            setCursor(to);
            if (e.shiftKey) { const from = anchor ?? at; setAnchor(from); select(from, to); } else setAnchor(null);
            e.preventDefault();
          } else if (e.key === "Enter" && props.selection) { props.onCompare(props.selection); e.preventDefault(); }
          else if (e.key === "v") { setTable(true); e.stopPropagation(); }
          else if (e.key === "Escape" && props.selection) { props.onSelect(null); setAnchor(null); e.stopPropagation(); }
        }}>
        <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden />
        {shown && width > 0 && <div class="heatmap-selection" style={{ left: `${shown.left}px`, top: `${shown.top}px`, width: `${shown.right - shown.left}px`, height: `${shown.bottom - shown.top}px` }} />}
        {cursor && width > 0 && <div class="heatmap-cursor" style={{ left: `${LEFT + (cursor.column / columns) * w}px`, top: `${TOP + h - ((cursor.row + 1) / rows) * h}px`, width: `${w / columns}px`, height: `${h / rows}px` }} />}
      </div>}
      <div class="row wrap heatmap-foot"><p class="muted" aria-live="polite">{told ?? (props.selection ? `${showCount(count)} events selected; Shift and a drag widen this, Alt and a drag cut from it` : "Drag over what is unusual to see what is different about it")}</p>
        <span class="row muted heatmap-legend" title="Events in a cell">1 <span>{[2, 3, 4, 5, 6, 7, 8, 9].map(i => <i key={i} style={{ background: `var(--h${i})` }} />)}</span> {showCount(topOf(grid.counts))} and more</span></div>
    </figure>
  );
}
