// The rows of the waterfall: some thirty elements that are filled anew as the reader scrolls, over one canvas of bars. Nothing here grows with the trace:
// the height of what is scrolled stands for all rows. Preact is not asked per row.
import { cssColor } from "../../kit/color";
import { plural, showMs, showShare } from "../../kit/format";
import { ERROR, isMissing, nameOf, NONE, serviceOf, type Model } from "./model";
import { paintBars, ROW, readPalette, type Palette, type Scene } from "./paint";
import { FOLD, LEFT_OUT, NOTE, SPAN } from "./rows";

const INDENT_MAX = 20, INDENT = 12; // px a level; deeper levels show their number
const FRAMES_KEPT = 1024;
const HEIGHT_MAX = 16_000_000;      // px an element may have in every browser

interface Slot { el: HTMLElement; toggle: HTMLElement; level: HTMLElement; swatch: HTMLElement; service: HTMLElement; name: HTMLElement; badges: HTMLElement; bar: HTMLElement; row: number }

export interface Handlers {
  onActivate(row: number): void; // click on a row
  onToggle(row: number): void;   // click on its arrow
}

export interface WaterfallState extends Scene { collapsed: Uint8Array; openFolds: ReadonlySet<number>; selected: number }

function part(parent: HTMLElement, className: string, tag = "span"): HTMLElement {
  const el = document.createElement(tag);
  el.className = className;
  parent.append(el);
  return el;
}

function attribute(el: HTMLElement, name: string, value: string): void {
  if (el.getAttribute(name) !== value) el.setAttribute(name, value);
}

export class Waterfall {
  readonly #scroll: HTMLElement;
  readonly #space: HTMLElement;
  readonly #view: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #handlers: Handlers;
  #slots: Slot[] = [];
  #state: WaterfallState | null = null;
  #palette: Palette = readPalette();
  #frame = 0;
  #frames = 0; // drawn so far
  #painted = 0; // rows of the last state are filled into the slots
  #version = 0;
  #rowCount = 0;
  #activeId = "";
  #sizes: { height: number; left: number; width: number } | null = null; // read once a change of size: reading them after writing rows would lay out twice a frame

  constructor(scroll: HTMLElement, handlers: Handlers) {
    this.#scroll = scroll;
    this.#handlers = handlers;
    this.#space = part(scroll, "wf-space", "div");
    this.#space.setAttribute("role", "presentation");
    this.#view = part(this.#space, "wf-view", "div");
    this.#view.setAttribute("role", "rowgroup");
    this.#canvas = part(this.#view, "wf-bars", "canvas") as HTMLCanvasElement;
    this.#canvas.setAttribute("aria-hidden", "true");
    scroll.addEventListener("scroll", () => this.ask(), { passive: true });
    this.#view.addEventListener("click", event => this.#click(event));
    this.#view.addEventListener("pointerover", event => { // only where it is asked for, not with each row
      const el = event.target as HTMLElement;
      if (el.className === "wf-text") el.title = `${el.previousElementSibling!.textContent} ${el.textContent}`.trim();
    });
  }

  // Draws with the next frame.
  ask(): void {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => { this.#frame = 0; this.paint(); });
  }

  set(state: WaterfallState): void {
    this.#state = state;
    this.#version++;
    this.#scroll.setAttribute("aria-rowcount", String(state.rows.count));
    if (this.#rowCount !== state.rows.count) this.#sizes = null; // a scroll bar may come or go
    this.#rowCount = state.rows.count;
    this.#space.style.height = Math.min(HEIGHT_MAX, Math.max(1, state.rows.count) * ROW) + "px";
    this.paint();
  }

  resized(): void {
    this.#sizes = null;
    this.ask();
  }

  repaint(): void {
    this.#palette = readPalette();
    this.#version++;
    this.ask();
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#space.remove();
  }

  // Above the browser's greatest height the place of the scroll bar stands for the row proportionally.
  #top(): number {
    const state = this.#state!, all = state.rows.count * ROW, room = this.#scroll.clientHeight;
    if (all <= HEIGHT_MAX) return this.#scroll.scrollTop;
    return (this.#scroll.scrollTop / Math.max(1, HEIGHT_MAX - room)) * (all - room);
  }

  // Scrolls so far that the row is seen, with some rows around it.
  show(row: number): void {
    if (!this.#state) return;
    const room = this.#scroll.clientHeight, all = this.#state.rows.count * ROW, top = this.#top(), margin = Math.min(3 * ROW, room / 4);
    const want = row * ROW < top + margin ? row * ROW - margin : (row + 1) * ROW > top + room - margin ? (row + 1) * ROW - room + margin : top;
    if (want !== top) this.#scroll.scrollTop = all <= HEIGHT_MAX ? want : (want / (all - room)) * (HEIGHT_MAX - room);
    this.paint();
  }

  paint(): void {
    const state = this.#state;
    if (!state) return;
    const startedAt = performance.now(), height = this.#sizes?.height ?? this.#scroll.clientHeight, top = Math.max(0, this.#top()), first = Math.floor(top / ROW), offset = top - first * ROW;
    const needed = Math.ceil(height / ROW) + 1;
    while (this.#slots.length < needed) this.#slots.push(this.#makeSlot());
    const isFresh = this.#painted === this.#version;
    // Bars first: a canvas in the document asks for the style when it writes text, which is at hand only before rows are changed.
    if (this.#sizes) this.#paintBars(state, height, first, offset);
    else this.#view.style.height = height + "px";
    // A row keeps its slot while it is seen: scrolling by one fills one.
    const all = this.#slots.length;
    for (let k = 0; k < all; k++) {
      const row = first + k, slot = this.#slots[row % all]!, isShown = k < needed && row < state.rows.count;
      slot.el.hidden = !isShown;
      if (!isShown) { slot.row = NONE; continue; }
      slot.el.style.transform = `translateY(${k * ROW - offset}px)`;
      if (isFresh && slot.row === row) continue;
      this.#fill(slot, row, state);
    }
    this.#painted = this.#version;
    if (!this.#sizes) {
      const left = this.#slots[0]?.bar.offsetLeft ?? 0;
      this.#sizes = { height, left, width: this.#view.clientWidth - left };
      this.#canvas.style.left = left + "px";
      this.#scroll.parentElement?.style.setProperty("--wf-gutter", this.#scroll.offsetWidth - this.#scroll.clientWidth + "px"); // the axis above ends where the bars do
      this.#paintBars(state, height, first, offset);
    }
    const active = this.#slots.find(s => s.row === state.active && s.row >= 0);
    const id = active?.el.id ?? "";
    if (id && id !== this.#activeId) this.#scroll.setAttribute("aria-activedescendant", id);
    if (!id && this.#activeId) this.#scroll.removeAttribute("aria-activedescendant");
    this.#activeId = id;
    if (++this.#frames % FRAMES_KEPT === 0) performance.clearMeasures("trace.frame"); // the browser keeps them for ever
    performance.measure("trace.frame", { start: startedAt, end: performance.now() });
  }

  #paintBars(state: WaterfallState, height: number, first: number, offset: number): void {
    const { width } = this.#sizes!;
    if (width > 0) paintBars(this.#canvas, width, height, state, first, offset, this.#palette);
  }

  #makeSlot(): Slot {
    const el = part(this.#view, "wf-row", "div");
    el.setAttribute("role", "row");
    el.id = "wf-" + this.#slots.length;
    const name = part(el, "wf-name", "div");
    name.setAttribute("role", "gridcell");
    const slot: Slot = {
      el, toggle: part(name, "wf-toggle"), level: part(name, "wf-level"), swatch: part(name, "swatch"), service: part(name, "wf-service"), name: part(name, "wf-text"),
      badges: part(name, "wf-badges"), bar: part(el, "wf-bar", "div"), row: NONE,
    };
    slot.toggle.setAttribute("aria-hidden", "true");
    slot.bar.setAttribute("role", "gridcell");
    part(slot.bar, "visually-hidden");
    return slot;
  }

  #click(event: MouseEvent): void {
    const el = (event.target as Element).closest<HTMLElement>(".wf-row"), slot = this.#slots.find(s => s.el === el);
    if (!slot || slot.row < 0) return;
    if ((event.target as Element).classList.contains("wf-toggle") && slot.toggle.textContent) this.#handlers.onToggle(slot.row);
    else this.#handlers.onActivate(slot.row);
  }

  #fill(slot: Slot, row: number, s: WaterfallState): void {
    const { rows, model: m } = s, kind = rows.kind[row]!, node = rows.node[row]!, depth = rows.depth[row]!;
    slot.row = row;
    const { el } = slot;
    attribute(el, "aria-rowindex", String(row + 1));
    attribute(el, "aria-level", String(depth + 1));
    const isSelected = kind === SPAN && node === s.selected;
    attribute(el, "aria-selected", String(isSelected));
    el.className = "wf-row" + (row === s.active ? " is-active" : "") + (isSelected ? " is-selected" : "") + (s.isMatch && kind === SPAN && !s.isMatch[node] ? " is-dim" : "") + (kind === NOTE ? " is-note" : "");
    (slot.name.parentElement as HTMLElement).style.paddingLeft = 4 + Math.min(depth, INDENT_MAX) * INDENT + "px";
    slot.level.textContent = depth > INDENT_MAX ? String(depth) : "";
    const isOpen = kind === FOLD ? s.openFolds.has(rows.ref[row]!) : kind === SPAN && m.size[node]! > 1 ? !s.collapsed[node] : null;
    slot.toggle.textContent = isOpen === null ? "" : isOpen ? "▾" : "▸";
    if (isOpen === null) el.removeAttribute("aria-expanded");
    else attribute(el, "aria-expanded", String(isOpen));
    if (slot.badges.firstChild) slot.badges.textContent = "";
    slot.swatch.hidden = kind === NOTE || kind === LEFT_OUT || isMissing(m, node);
    if (!slot.swatch.hidden) slot.swatch.style.background = cssColor(s.slotOf[m.service[node]!]! === 8 ? -1 : s.slotOf[m.service[node]!]!);
    if (kind === NOTE) this.#fillNote(slot, rows.ref[row]!, m);
    else if (kind === FOLD) this.#fillFold(slot, rows.ref[row]!, s);
    else if (kind === LEFT_OUT) {
      const sum = rows.leftOut[rows.ref[row]!]!;
      slot.service.textContent = "";
      slot.name.textContent = `${plural(sum.count, "span")} of left-out services`;
      if (sum.errors) this.#badge(slot, plural(sum.errors, "error"), "is-error");
      this.#say(slot, "");
    } else this.#fillSpan(slot, node, s);
  }

  #badge(slot: Slot, text: string, kind: string): void {
    part(slot.badges, "wf-badge " + kind).textContent = text;
  }
  #say(slot: Slot, text: string): void {
    slot.bar.firstElementChild!.textContent = text;
  }

  #fillSpan(slot: Slot, node: number, s: WaterfallState): void {
    const m = s.model, own = m.flags[node]! & ERROR ? 1 : 0, below = m.errors[node]! - own, length = m.end[node]! - m.start[node]!;
    slot.service.textContent = serviceOf(m, node);
    slot.name.textContent = nameOf(m, node);
    if (isMissing(m, node)) {
      this.#badge(slot, `${plural(m.size[node]! - 1, "span")} below`, "is-warn");
      this.#say(slot, "This span never arrived; what it called is below");
      return;
    }
    if (own) this.#badge(slot, "error", "is-error is-own");
    if (below) this.#badge(slot, `${below}`, "is-error");
    if (m.shift[node] && s.showsGhosts) this.#badge(slot, `clock ${m.shift[node]! > 0 ? "+" : "−"}${showMs(Math.abs(m.shift[node]!) / 1000)}`, "is-warn");
    if (s.collapsed[node] && m.size[node]! > 1) this.#badge(slot, `+${m.size[node]! - 1}`, "");
    this.#say(slot, `starts ${showMs((m.start[node]! - m.first) / 1000)}, lasts ${showMs(length / 1000)}, ${showShare(length / (m.last - m.first))} of the trace`
      + (below ? `, ${plural(below, "error")} below` : "") + (m.flags[node]! & 2 ? ", on the critical path" : ""));
  }

  #fillFold(slot: Slot, index: number, s: WaterfallState): void {
    const m = s.model, f = s.folds!.list[index]!;
    slot.service.textContent = serviceOf(m, f.first);
    slot.name.textContent = `${f.count} × ${nameOf(m, f.first)}`;
    this.#badge(slot, `${showShare(f.covered / (m.last - m.first))} of the request`, "");
    if (f.errors) this.#badge(slot, plural(f.errors, "error"), "is-error");
    const holdsSelected = s.selected >= f.first && s.selected < f.end;
    if (holdsSelected && !s.openFolds.has(index)) this.#badge(slot, "holds the selected span", "is-warn");
    this.#say(slot, `${f.count} alike, together ${showMs(f.covered / 1000)}, slowest ${showMs((m.end[f.slowest]! - m.start[f.slowest]!) / 1000)}`);
  }

  #fillNote(slot: Slot, note: number, m: Model): void {
    const n = m.columns.notes, kind = n.kind[note]!;
    slot.service.textContent = kind === 2 ? "log" : kind === 1 ? "link" : "event";
    slot.name.textContent = kind === 1 ? "to trace " + n.text[note]! : n.text[note]!;
    if (n.severity[note]! >= 13) this.#badge(slot, n.severity[note]! >= 17 ? "error" : "warning", n.severity[note]! >= 17 ? "is-error" : "is-warn");
    this.#say(slot, `at ${showMs((n.time_us[note]! - m.first) / 1000)}`);
  }
}
