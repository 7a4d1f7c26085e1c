// Each listed trace as a point: when, and how long. Dragging narrows the time and the durations.
import { useEffect, useRef } from "preact/hooks";
import { onThemeChange } from "../../app/theme";
import { showClock, type Range } from "../../app/time";
import { go, href } from "../../app/location";
import { token } from "../../kit/color";
import { showMs } from "../../kit/format";
import { sizeCanvas } from "../trace/paint";
import type { TraceRow } from "./list";

const HEIGHT = 132, LEFT = 56, BOTTOM = 18, TOP = 6, NEAR = 8; // px

export function Scatter({ rows, range, picked, onBrush }: { rows: readonly TraceRow[]; range: Range; picked: readonly string[]; onBrush: (time: Range, low: number, high: number) => void }) {
  const box = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null), shadow = useRef<HTMLDivElement>(null), drag = useRef<{ x: number; y: number } | null>(null);
  const known = rows.filter((r): r is TraceRow & { time: number; duration: number } => r.time !== null && r.duration !== null);
  const least = Math.min(...known.map(r => r.duration || Infinity)), low = Number.isFinite(least) ? Math.max(1e-3, least) : 1, high = Math.max(low * 1.1, ...known.map(r => r.duration));
  const bottom = Math.log10(low) - 0.08, top = Math.log10(high) + 0.08;
  const geometry = (width: number) => {
    const w = width - LEFT - 8, h = HEIGHT - TOP - BOTTOM;
    return {
      x: (t: number) => LEFT + ((t - range.start) / (range.end - range.start)) * w, y: (ms: number) => TOP + (1 - (Math.log10(Math.max(ms, low)) - bottom) / (top - bottom)) * h,
      time: (x: number) => range.start + ((x - LEFT) / w) * (range.end - range.start), ms: (y: number) => 10 ** (bottom + (1 - (y - TOP) / h) * (top - bottom)),
    };
  };
  useEffect(() => {
    const draw = () => {
      const width = box.current!.clientWidth;
      if (!width) return;
      const ctx = sizeCanvas(canvas.current!, width, HEIGHT), g = geometry(width);
      ctx.font = "11px system-ui";
      ctx.textBaseline = "middle";
      for (let p = Math.ceil(bottom); p <= top; p++) {
        const y = Math.round(g.y(10 ** p));
        ctx.fillStyle = token("--line");
        ctx.fillRect(LEFT, y, width - LEFT, 1);
        ctx.fillStyle = token("--muted");
        ctx.textAlign = "right";
        ctx.fillText(showMs(10 ** p), LEFT - 6, y);
      }
      ctx.fillStyle = token("--muted");
      ctx.textAlign = "left";
      ctx.fillText(showClock(range.start * 1000).slice(0, 8), LEFT, HEIGHT - 8);
      ctx.textAlign = "right";
      ctx.fillText(showClock(range.end * 1000).slice(0, 8), width - 8, HEIGHT - 8);
      const plain = token("--accent"), bad = token("--error"), chosen = token("--selection");
      for (const r of known) {
        const x = g.x(r.time), y = g.y(r.duration), isPicked = picked.includes(r.id);
        ctx.fillStyle = isPicked ? chosen : r.errors ? bad : plain;
        ctx.globalAlpha = isPicked ? 1 : 0.7;
        ctx.beginPath();
        if (r.errors) { ctx.moveTo(x, y - 5); ctx.lineTo(x + 4.5, y + 4); ctx.lineTo(x - 4.5, y + 4); } // errors are triangles: not told by colour alone
        else ctx.arc(x, y, isPicked ? 5 : 3, 0, 7);
        ctx.fill();
      }
      ctx.globalAlpha = 1;
    };
    const sizes = new ResizeObserver(draw), undo = onThemeChange(draw);
    sizes.observe(box.current!);
    return () => { sizes.disconnect(); undo(); };
  }, [rows, range.start, range.end, picked]);
  const at = (e: PointerEvent) => { const r = box.current!.getBoundingClientRect(); return { x: Math.min(r.width, Math.max(LEFT, e.clientX - r.left)), y: Math.min(HEIGHT - BOTTOM, Math.max(TOP, e.clientY - r.top)) }; };
  const move = (e: PointerEvent) => {
    if (!drag.current) return;
    const p = at(e), s = shadow.current!;
    s.hidden = Math.abs(p.x - drag.current.x) < 4;
    s.style.left = Math.min(p.x, drag.current.x) + "px";
    s.style.width = Math.abs(p.x - drag.current.x) + "px";
    s.style.top = Math.min(p.y, drag.current.y) + "px";
    s.style.height = Math.abs(p.y - drag.current.y) + "px";
  };
  const up = (e: PointerEvent) => {
    const from = drag.current, to = at(e), g = geometry(box.current!.clientWidth);
    drag.current = null;
    shadow.current!.hidden = true;
    if (!from) return;
    if (Math.abs(to.x - from.x) >= 4) {
      const isTall = Math.abs(to.y - from.y) >= 8; // a flat drag means any duration
      onBrush({ start: g.time(Math.min(from.x, to.x)), end: g.time(Math.max(from.x, to.x)) }, isTall ? g.ms(Math.max(from.y, to.y)) : 0, isTall ? g.ms(Math.min(from.y, to.y)) : Infinity);
      return;
    }
    let best: string | null = null, least = NEAR * NEAR;
    for (const r of known) { const d = (g.x(r.time) - to.x) ** 2 + (g.y(r.duration) - to.y) ** 2; if (d < least) { least = d; best = r.id; } }
    if (best) go(href("trace", { id: best }));
  };
  return (
    <figure class="scatter" ref={box} onPointerDown={e => { drag.current = at(e); e.currentTarget.setPointerCapture(e.pointerId); }} onPointerMove={move} onPointerUp={up}>
      <canvas ref={canvas} role="img" aria-label={known.length ? `${known.length} traces by time and duration, from ${showMs(low)} to ${showMs(high)}; the table below lists them` : "No traces"} />
      <div class="scatter-drag" ref={shadow} hidden />
    </figure>
  );
}
