// The bars of the waterfall on one canvas, and the strip above them.
import { slotColor, token } from "../../kit/color";
import { showMs } from "../../kit/format";
import { CRITICAL, ERROR, isMissing, NONE, type Critical, type Model } from "./model";
import { FOLD, LEFT_OUT, NOTE, type Folds, type Rows } from "./rows";

export const ROW = 22;        // px
export const LABEL_ROOM = 64; // px at the right end, so that the longest bars have their duration beside them too

export interface Palette { slots: string[]; text: string; muted: string; line: string; error: string; warn: string; critical: string; bg: string; accent: string; soft: string; dim: string; font: string }
export function readPalette(): Palette {
  return { slots: [...Array.from({ length: 8 }, (_, i) => slotColor(i)), slotColor(-1)], text: token("--text-2"), muted: token("--muted"), line: token("--line"), error: token("--error"),
    warn: token("--warn"), critical: token("--critical"), bg: token("--bg"), accent: token("--accent"), soft: token("--accent-soft"), dim: token("--surface"),
    font: "11px " + (token("--font") || "system-ui") };
}

export interface Window { from: number; to: number } // µs

export interface Scene {
  model: Model;
  rows: Rows;
  folds: Folds | null;
  slotOf: number[];  // per service: 0…7, 8 grey
  window: Window;
  critical: Critical | null; // null: not shown
  isMatch: Uint8Array | null; // per node; null: nothing is looked for
  active: number;    // row
  showsGhosts: boolean;
}

export function sizeCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const scale = devicePixelRatio || 1, w = Math.max(1, Math.round(width * scale)), h = Math.max(1, Math.round(height * scale));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const ctx = canvas.getContext("2d")!;
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

// Round steps of a time axis: at most `most` of them.
export function axisSteps(window: Window, most: number): number[] {
  const length = window.to - window.from, rough = length / Math.max(1, most), power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-3)));
  const step = [1, 2, 5, 10].map(k => k * power).find(s => s >= rough)!;
  const steps: number[] = [];
  for (let at = Math.ceil(window.from / step) * step; at <= window.to; at += step) steps.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return steps;
}

// Rows first … first+shown-1, the first of them `offset` px above the canvas.
export function paintBars(canvas: HTMLCanvasElement, width: number, height: number, s: Scene, first: number, offset: number, p: Palette): void {
  const ctx = sizeCanvas(canvas, width, height), { rows, window } = s;
  const scale = Math.max(1, width - LABEL_ROOM) / (window.to - window.from), x = (us: number) => (us - window.from) * scale;
  ctx.font = p.font;
  ctx.textBaseline = "middle";
  ctx.fillStyle = p.line;
  for (const at of axisSteps(window, width / 110)) ctx.fillRect(Math.round(x(at)), 0, 1, height);
  for (let r = first, y = -offset; r < rows.count && y < height; r++, y += ROW) {
    const kind = rows.kind[r]!, node = rows.node[r]!;
    if (kind === LEFT_OUT) continue;
    if (r === s.active) { ctx.fillStyle = p.soft; ctx.fillRect(0, y, width, ROW); }
    ctx.globalAlpha = s.isMatch && kind !== NOTE && !(kind === FOLD ? hasMatch(s, rows.ref[r]!) : s.isMatch[node]) ? 0.3 : 1;
    if (kind === NOTE) paintNote(ctx, s, rows.ref[r]!, x, y, width, p);
    else if (kind === FOLD) paintFold(ctx, s, rows.ref[r]!, x, y, width, p);
    else paintSpan(ctx, s, node, x, y, width, p);
    ctx.globalAlpha = 1;
  }
}

function hasMatch(s: Scene, index: number): boolean {
  const f = s.folds!.list[index]!;
  for (let i = f.first; i < f.end; i++) if (s.isMatch![i]) return true;
  return false;
}

// Widths of labels, which repeat from row to row and from frame to frame.
const widths = new Map<string, number>(), WIDTHS_MAX = 4096;
function widthOf(ctx: CanvasRenderingContext2D, text: string): number {
  let width = widths.get(text);
  if (width === undefined) {
    if (widths.size >= WIDTHS_MAX) widths.clear();
    widths.set(text, (width = ctx.measureText(text).width));
  }
  return width;
}

function label(ctx: CanvasRenderingContext2D, text: string, left: number, right: number, y: number, width: number, p: Palette): void {
  ctx.fillStyle = p.text;
  const size = widthOf(ctx, text);
  if (right + 5 + size <= width) ctx.fillText(text, Math.max(4, right + 5), y + ROW / 2);
  else if (left - 5 - size >= 0) ctx.fillText(text, Math.min(left, width) - 5 - size, y + ROW / 2);
  else {
    const at = Math.max(0, width - size - 8);
    ctx.fillStyle = p.bg;
    ctx.fillRect(at - 3, y + 4, size + 6, ROW - 8);
    ctx.fillStyle = p.text;
    ctx.fillText(text, at, y + ROW / 2);
  }
}

function paintSpan(ctx: CanvasRenderingContext2D, s: Scene, node: number, x: (us: number) => number, y: number, width: number, p: Palette): void {
  const { model: m } = s, left = x(m.start[node]!), right = x(m.end[node]!), wide = Math.max(1.5, right - left), low = x(m.low[node]!), high = x(m.high[node]!);
  const clip = (a: number, b: number) => [Math.max(-2, a), Math.min(width + 2, b)] as const;
  if (isMissing(m, node)) {
    ctx.strokeStyle = p.muted;
    ctx.setLineDash([4, 3]);
    const [a, b] = clip(left, left + wide);
    ctx.strokeRect(a + 0.5, y + 6.5, Math.max(1, b - a - 1), ROW - 13);
    ctx.setLineDash([]);
    return;
  }
  const color = p.slots[s.slotOf[m.service[node]!]!]!;
  ctx.fillStyle = color; // what lies below reaches further than the span itself
  if (low < left - 1) { const [a, b] = clip(low, left); if (b > a) ctx.fillRect(a, y + ROW / 2, b - a, 1); }
  if (high > right + 1) { const [a, b] = clip(right, high); if (b > a) ctx.fillRect(a, y + ROW / 2, b - a, 1); }
  if (s.showsGhosts && m.shift[node]) {
    const [a, b] = clip(x(m.start[node]! - m.shift[node]!), x(m.end[node]! - m.shift[node]!));
    ctx.strokeStyle = p.warn;
    ctx.setLineDash([2, 2]);
    if (b > a) ctx.strokeRect(a + 0.5, y + 3.5, Math.max(1, b - a - 1), ROW - 7);
    ctx.setLineDash([]);
  }
  const [a, b] = clip(left, left + wide);
  if (b > a) {
    ctx.fillStyle = color;
    ctx.fillRect(a, y + 5, Math.max(1.5, b - a), ROW - 10);
    if (m.flags[node]! & ERROR) { ctx.fillStyle = p.error; ctx.fillRect(a, y + 3, Math.max(1.5, b - a), 3); }
  }
  if (s.critical && m.flags[node]! & CRITICAL) {
    for (let k = s.critical.at[node]!; k < s.critical.at[node + 1]!; k++) {
      const [ca, cb] = clip(x(s.critical.from[k]!), x(s.critical.till[k]!));
      if (cb < ca) continue;
      ctx.fillStyle = p.bg; // a halo, so that it is told from any bar's colour
      ctx.fillRect(ca, y + ROW - 8, Math.max(1.5, cb - ca), 5);
      ctx.fillStyle = p.critical;
      ctx.fillRect(ca, y + ROW - 7, Math.max(1.5, cb - ca), 3);
    }
  }
  for (let k = m.noteAt[node]!; k < m.noteAt[node + 1]!; k++) {
    const note = m.notes[k]!, at = x(m.columns.notes.time_us[note]! + m.shift[node]!);
    if (at < 0 || at > width) continue;
    ctx.fillStyle = noteColor(m, note, p);
    ctx.fillRect(at - 0.5, y + 3, 1.5, ROW - 6);
  }
  label(ctx, showMs((m.end[node]! - m.start[node]!) / 1000), left, left + wide, y, width, p);
}

function noteColor(m: Model, note: number, p: Palette): string {
  const severity = m.columns.notes.severity[note]!;
  return severity >= 17 || m.columns.notes.text[note] === "exception" ? p.error : severity >= 13 ? p.warn : p.text;
}

function paintNote(ctx: CanvasRenderingContext2D, s: Scene, note: number, x: (us: number) => number, y: number, width: number, p: Palette): void {
  const at = x(s.model.columns.notes.time_us[note]!);
  if (at < -4 || at > width + 4) return;
  ctx.fillStyle = noteColor(s.model, note, p);
  ctx.beginPath();
  ctx.moveTo(at, y + 6);
  ctx.lineTo(at + 5, y + ROW / 2);
  ctx.lineTo(at, y + ROW - 6);
  ctx.lineTo(at - 5, y + ROW / 2);
  ctx.fill();
}

function paintFold(ctx: CanvasRenderingContext2D, s: Scene, index: number, x: (us: number) => number, y: number, width: number, p: Palette): void {
  const { model: m } = s, f = s.folds!.list[index]!;
  ctx.fillStyle = p.slots[s.slotOf[m.service[f.first]!]!]!;
  let drawn = -Infinity, left = Infinity, right = -Infinity;
  for (let i = f.first; i < f.end; i += m.size[i]!) {
    const a = x(m.start[i]!), b = Math.max(a + 1, x(m.end[i]!));
    left = Math.min(left, a);
    right = Math.max(right, b);
    if (b < 0 || a > width || b <= drawn + 0.25) continue;
    ctx.fillRect(Math.max(a, drawn), y + 7, Math.max(1, Math.min(b, width) - Math.max(a, drawn)), ROW - 14);
    drawn = Math.min(b, width);
  }
  if (f.errors) {
    ctx.fillStyle = p.error;
    for (let i = f.first, last = -Infinity; i < f.end; i += m.size[i]!) {
      const a = x(m.start[i]!);
      if (m.errors[i]! && a > last + 1) { ctx.fillRect(a, y + 4, Math.max(1.5, x(m.end[i]!) - a), 3); last = a; }
    }
  }
  ctx.strokeStyle = p.line;
  ctx.strokeRect(Math.max(-2, left) + 0.5, y + 5.5, Math.min(width + 2, right) - Math.max(-2, left) - 1, ROW - 11);
  label(ctx, showMs(f.covered / 1000), left, right, y, width, p);
}

// The whole trace: how many spans ran in each cell, errors over all, the window that the rows show.
const LINES = 40;
export function paintMinimap(canvas: HTMLCanvasElement, width: number, height: number, m: Model, slotOf: number[], window: Window, p: Palette): void {
  const ctx = sizeCanvas(canvas, width, height), columns = Math.max(1, Math.floor(width)), scale = columns / (m.last - m.first), line = height / LINES;
  const longest = new Float64Array(columns * LINES), owner = new Int32Array(columns * LINES).fill(NONE);
  for (let i = 0; i < m.count; i++) {
    if (m.source[i]! < 0) continue;
    const row = Math.min(LINES - 1, Math.floor((i / m.count) * LINES)), length = m.end[i]! - m.start[i]! + 1;
    const from = Math.max(0, Math.floor((m.start[i]! - m.first) * scale)), to = Math.min(columns - 1, Math.floor((m.end[i]! - m.first) * scale));
    for (let c = from; c <= to; c++) {
      const cell = row * columns + c;
      if (length > longest[cell]! && (i === 0 || m.parent[i]! >= 0 || longest[cell] === 0)) { longest[cell] = length; owner[cell] = i; }
    }
  }
  for (let row = 0; row < LINES; row++) {
    for (let c = 0; c < columns;) {
      const node = owner[row * columns + c]!, from = c;
      while (c < columns && owner[row * columns + c] === node) c++;
      if (node < 0) continue;
      ctx.fillStyle = p.slots[slotOf[m.service[node]!]!]!;
      ctx.fillRect(from, row * line, c - from, Math.max(0.75, line - 0.25));
    }
  }
  ctx.fillStyle = p.error;
  for (let i = 0, last = -Infinity; i < m.count; i++) {
    if (!(m.flags[i]! & ERROR)) continue;
    const at = (m.start[i]! - m.first) * scale;
    if (at === last) continue;
    last = at;
    ctx.fillRect(at, Math.min(height - 2, (i / m.count) * height), Math.max(2, (m.end[i]! - m.start[i]!) * scale), 2);
  }
  const a = (window.from - m.first) * scale, b = (window.to - m.first) * scale;
  if (a > 0.5 || b < columns - 0.5) {
    ctx.globalAlpha = 0.65;
    ctx.fillStyle = p.dim;
    ctx.fillRect(0, 0, a, height);
    ctx.fillRect(b, 0, columns - b, height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = p.accent;
    ctx.fillRect(a - 1, 0, 2, height);
    ctx.fillRect(b - 1, 0, 2, height);
  }
}
