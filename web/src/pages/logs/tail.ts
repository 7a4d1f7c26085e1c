// The live tail: lines as they are published, drawn at most ten times a second; when the stream is lost it is opened again, and what was
// missed is asked for.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, events } from "../../api/client";
import { askRows, type EventRow } from "../../api/rows";
import { environment } from "../../app/environment";
import { Ring, RING_LINES } from "./ring";
import { whereOf } from "./where";

const DRAW_MS = 100;
const RATE_MS = 5000;

export interface Tail {
  ring: Ring<EventRow>;
  isOpen: boolean;
  error: ApiError | null; // a filter that the server refuses: it is not tried again
  retryIn: number | null; // seconds until the stream is opened again
  rate: number; // lines a second, of the last five
  pause(): void;
  resume(): void;
}

interface TailLine extends Record<string, unknown> { time: string; dataset: string }

// The stream tells the time to the nanosecond as text; rows are named by it.
function nanoseconds(time: string): string {
  const fraction = (/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(9, "0").slice(0, 9);
  return String(BigInt(Math.floor(Date.parse(time.replace(/\.\d+/, "")) / 1000)) * 1_000_000_000n + BigInt(fraction));
}

export function useTail(isOn: boolean, typed: string): Tail {
  const ring = useRef(new Ring<EventRow>()).current;
  const [, draw] = useState(0);
  const [state, setState] = useState<{ isOpen: boolean; error: ApiError | null; retryIn: number | null }>({ isOpen: false, error: null, retryIn: null });
  const arrivals = useRef<{ at: number; count: number }[]>([]);
  useEffect(() => {
    if (!isOn) return undefined;
    const abort = new AbortController();
    let pending: EventRow[] = [], drawTimer = 0, waitTimer = 0, attempt = 0, last: string | null = null;
    ring.clear();
    ring.isPaused = false;
    arrivals.current = [];
    const redraw = () => {
      if (drawTimer || abort.signal.aborted) return;
      drawTimer = window.setTimeout(() => {
        drawTimer = 0;
        if (pending.length) {
          ring.add(pending);
          arrivals.current.push({ at: performance.now(), count: pending.length });
          pending = [];
        }
        draw(n => n + 1);
      }, DRAW_MS);
    };
    const caughtUp = new Set<string>(); // what the stream may bring a second time
    const named = (row: EventRow) => `${row.start_ns} ${row["trace.parent_id"] ?? ""} ${row.body ?? ""}`;
    const take = (row: EventRow) => { last = row.start_ns; pending.push(row); redraw(); };
    const catchUp = async () => {
      if (!last) return;
      const now = Date.now() / 1000;
      const page = await askRows({ where: whereOf(typed), range: { start: Number(BigInt(last) / 1_000_000_000n), end: now + 60 }, limit: RING_LINES, order: "oldest", cursor: last }, abort.signal);
      caughtUp.clear();
      for (const row of page.rows) { caughtUp.add(named(row)); take(row); }
      ring.shed += page.left_out;
    };
    const open = async () => {
      try {
        const stream = events("skep/v1/tail", { params: { environment: environment.value, filter: whereOf(typed) }, signal: abort.signal });
        let next = stream.next(); // opens it, so that nothing falls between it and what is caught up on
        next.catch(() => undefined);
        setState({ isOpen: true, error: null, retryIn: null });
        if (attempt > 0) await catchUp();
        for (let step = await next; !step.done; next = stream.next(), step = await next) {
          const e = step.value;
          attempt = 0;
          if (e.event === "event") {
            const line = JSON.parse(e.data) as TailLine, row = { ...line, start_ns: nanoseconds(line.time) } as EventRow;
            if (!caughtUp.delete(named(row))) take(row);
          } else if (e.event === "shed") {
            ring.shed += (JSON.parse(e.data) as { count: number }).count;
            redraw();
          }
        }
      } catch (e) {
        if (abort.signal.aborted) return;
        if (e instanceof ApiError && e.status >= 400 && e.status < 500) {
          setState({ isOpen: false, error: e, retryIn: null });
          return;
        }
      }
      if (abort.signal.aborted) return;
      let left = Math.min(30, 2 ** attempt++);
      const count = () => {
        setState({ isOpen: false, error: null, retryIn: left });
        if (left-- <= 0) void open();
        else waitTimer = window.setTimeout(count, 1000);
      };
      count();
    };
    void open();
    const rateTimer = window.setInterval(redraw, 1000);
    return () => {
      abort.abort();
      clearTimeout(drawTimer);
      clearTimeout(waitTimer);
      clearInterval(rateTimer);
      setState({ isOpen: false, error: null, retryIn: null });
    };
  }, [isOn, typed, environment.value]);
  const since = performance.now() - RATE_MS;
  arrivals.current = arrivals.current.filter(a => a.at >= since);
  return {
    ring, ...state, rate: arrivals.current.reduce((sum, a) => sum + a.count, 0) / (RATE_MS / 1000),
    pause: () => { if (!ring.isPaused) { ring.pause(); draw(n => n + 1); } },
    resume: () => { ring.resume(); draw(n => n + 1); },
  };
}
