// The whole trace above the rows. Dragging chooses the window that the rows show; so do the arrow keys.
import { useEffect, useRef } from "preact/hooks";
import { onThemeChange } from "../../app/theme";
import { showMs } from "../../kit/format";
import type { Model } from "./model";
import { axisSteps, paintMinimap, readPalette, type Window } from "./paint";

const HEIGHT = 56, DRAG_MIN = 4; // px

export function Minimap({ model, slotOf, window: at, onWindow }: { model: Model; slotOf: number[]; window: Window; onWindow: (w: Window | null) => void }) {
  const box = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null), drag = useRef<number | null>(null), shadow = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const draw = () => { if (box.current!.clientWidth) paintMinimap(canvas.current!, box.current!.clientWidth, HEIGHT, model, slotOf, at, readPalette()); };
    const sizes = new ResizeObserver(draw), undo = onThemeChange(draw);
    sizes.observe(box.current!);
    return () => { sizes.disconnect(); undo(); };
  }, [model, slotOf, at]);
  const usAt = (event: PointerEvent) => {
    const r = box.current!.getBoundingClientRect();
    return model.first + Math.min(1, Math.max(0, (event.clientX - r.left) / r.width)) * (model.last - model.first);
  };
  const move = (event: PointerEvent) => {
    if (drag.current === null) return;
    const r = box.current!.getBoundingClientRect(), a = Math.min(drag.current, event.clientX) - r.left, b = Math.max(drag.current, event.clientX) - r.left;
    shadow.current!.hidden = b - a < DRAG_MIN;
    shadow.current!.style.left = Math.max(0, a) + "px";
    shadow.current!.style.width = Math.min(r.width, b) - Math.max(0, a) + "px";
  };
  const up = (event: PointerEvent) => {
    const from = drag.current;
    drag.current = null;
    shadow.current!.hidden = true;
    if (from === null || Math.abs(from - event.clientX) < DRAG_MIN) return;
    const r = box.current!.getBoundingClientRect(), other = model.first + Math.min(1, Math.max(0, (from - r.left) / r.width)) * (model.last - model.first), here = usAt(event);
    onWindow({ from: Math.min(other, here), to: Math.max(other, here) });
  };
  const isWhole = at.from <= model.first && at.to >= model.last;
  return (
    <div class="wf-map">
      <div ref={box} class="wf-map-box" title="Drag to choose what the rows show"
        onPointerDown={e => { drag.current = e.clientX; e.currentTarget.setPointerCapture(e.pointerId); }} onPointerMove={move} onPointerUp={up} onDblClick={() => onWindow(null)}>
        <canvas ref={canvas} role="img" aria-label={`Overview of the whole trace, ${showMs((model.last - model.first) / 1000)}; shown are ${showMs((at.from - model.first) / 1000)} to ${showMs((at.to - model.first) / 1000)}`} />
        <div ref={shadow} class="wf-map-drag" hidden />
      </div>
      {!isWhole && <button class="button small" onClick={() => onWindow(null)}>Show all {showMs((model.last - model.first) / 1000)}</button>}
    </div>
  );
}

export function Axis({ window: at, first }: { window: Window; first: number }) {
  const length = at.to - at.from;
  return (
    <div class="wf-axis" aria-hidden="true">
      {axisSteps({ from: at.from - first, to: at.to - first }, matchMedia("(max-width: 640px)").matches ? 2 : 6).map(us => {
        const share = (us + first - at.from) / length;
        return share > 0.96 ? null : <span key={us} ref={el => { if (el) el.style.left = share * 100 + "%"; }}>{showMs(us / 1000)}</span>;
      })}
    </div>
  );
}
