// The flame view: calls under their callers, one lane each; where a lane holds more than a pixel can show, the longest wins.
import { useEffect, useRef, useState } from "preact/hooks";
import { onThemeChange } from "../../app/theme";
import { showMs } from "../../kit/format";
import { CRITICAL, ERROR, isMissing, nameOf, NONE, serviceOf, type Model } from "./model";
import { readPalette, sizeCanvas, type Window } from "./paint";
import { flameSteps, type Lanes } from "./rows";

const LANE = 20; // px
const HEIGHT_MAX = 8000;
const SLICE_MS = 12; // of laying out, before input is heard and a frame may be drawn
const NO_LANES: Lanes = { lane: new Int32Array(0), lanes: 0 };

// Null while it is being laid out.
function useLanes(m: Model): Lanes | null {
  const [made, setMade] = useState<{ of: Model; lanes: Lanes } | null>(null);
  useEffect(() => {
    const steps = flameSteps(m);
    let timer = 0;
    const go = () => {
      const until = performance.now() + SLICE_MS;
      for (;;) {
        const step = steps.next();
        if (step.done) { setMade({ of: m, lanes: step.value }); return; }
        if (performance.now() > until) { timer = window.setTimeout(go); return; }
      }
    };
    go();
    return () => clearTimeout(timer);
  }, [m]);
  return made?.of === m ? made.lanes : null;
}

export function Flame({ model: m, slotOf, window: at, selected, isMatch, showsCritical, onSelect }: {
  model: Model; slotOf: number[]; window: Window; selected: number; isMatch: Uint8Array | null; showsCritical: boolean; onSelect: (node: number) => void;
}) {
  const box = useRef<HTMLDivElement>(null), canvas = useRef<HTMLCanvasElement>(null);
  const laid = useLanes(m), { lane, lanes } = laid ?? NO_LANES;
  const [hover, setHover] = useState(NONE);
  const height = Math.min(HEIGHT_MAX, lanes * LANE);
  useEffect(() => {
    const draw = () => {
      const width = box.current!.clientWidth, p = readPalette(), scale = width / (at.to - at.from);
      if (!width || !lanes) return;
      const ctx = sizeCanvas(canvas.current!, width, height);
      ctx.font = "11px system-ui";
      ctx.textBaseline = "middle";
      const drawn = new Float64Array(lanes).fill(-Infinity);
      for (let i = 0; i < m.count; i++) {
        const a = Math.max(0, (m.start[i]! - at.from) * scale), b = Math.min(width, Math.max((m.end[i]! - at.from) * scale, a + 1)), y = lane[i]! * LANE;
        if (b <= 0 || a >= width || b <= drawn[lane[i]!]! + 0.5 || y > height) continue;
        drawn[lane[i]!] = b;
        const size = Math.max(1, b - a - (b - a > 3 ? 1 : 0));
        ctx.globalAlpha = isMatch && !isMatch[i] ? 0.25 : 1;
        if (isMissing(m, i)) { ctx.strokeStyle = p.muted; ctx.setLineDash([4, 3]); ctx.strokeRect(a + 0.5, y + 1.5, size - 1, LANE - 4); ctx.setLineDash([]); }
        else { ctx.fillStyle = p.slots[slotOf[m.service[i]!]!]!; ctx.fillRect(a, y + 1, size, 4); ctx.fillStyle = p.dim; ctx.fillRect(a, y + 5, size, LANE - 6); }
        if (m.flags[i]! & ERROR) { ctx.fillStyle = p.error; ctx.fillRect(a, y + 5, size, 2); }
        if (showsCritical && m.flags[i]! & CRITICAL) { ctx.fillStyle = p.critical; ctx.fillRect(a, y + LANE - 3, size, 2); }
        if (i === selected || i === hover) { ctx.strokeStyle = p.accent; ctx.lineWidth = 2; ctx.strokeRect(a + 1, y + 2, Math.max(2, size - 2), LANE - 4); ctx.lineWidth = 1; }
        if (size > 40) {
          ctx.save();
          ctx.beginPath();
          ctx.rect(a, y, size - 3, LANE);
          ctx.clip();
          ctx.fillStyle = p.text;
          ctx.fillText(`${nameOf(m, i)}  ${showMs((m.end[i]! - m.start[i]!) / 1000)}`, a + 4, y + LANE / 2 + 2);
          ctx.restore();
        }
        ctx.globalAlpha = 1;
      }
    };
    const sizes = new ResizeObserver(draw), undo = onThemeChange(draw);
    sizes.observe(box.current!);
    return () => { sizes.disconnect(); undo(); };
  }, [m, slotOf, at, selected, hover, isMatch, showsCritical, lane, height]);
  const nodeAt = (event: MouseEvent): number => {
    const r = canvas.current!.getBoundingClientRect(), us = at.from + ((event.clientX - r.left) / r.width) * (at.to - at.from), wanted = Math.floor((event.clientY - r.top) / LANE), slack = (at.to - at.from) / r.width;
    let best = NONE;
    for (let i = 0; i < m.count; i++) if (lane[i] === wanted && m.start[i]! <= us + slack && m.end[i]! >= us - slack && (best < 0 || m.end[i]! - m.start[i]! > m.end[best]! - m.start[best]!)) best = i;
    return best;
  };
  return (
    <div class="wf-flame" ref={box} aria-busy={!laid}>
      <canvas ref={canvas} role="img" aria-label={`Flame view of ${m.count} spans in ${lanes} lanes; the table view says the same in words`} onMouseMove={e => setHover(nodeAt(e))} onMouseLeave={() => setHover(NONE)}
        onClick={e => { const node = nodeAt(e); if (node >= 0 && !isMissing(m, node)) onSelect(node); }} />
      <p class="wf-hover" aria-hidden="true">{!laid ? "Laying out the calls…" : hover >= 0 ? `${serviceOf(m, hover)} ${nameOf(m, hover)}: ${showMs((m.end[hover]! - m.start[hover]!) / 1000)}, itself ${showMs(m.self[hover]! / 1000)}` : "Each bar lies below its caller. Click one for its details."}</p>
    </div>
  );
}
