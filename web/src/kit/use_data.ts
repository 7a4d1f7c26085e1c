// Data of a panel: asked anew when its key changes, and every few seconds while the server cannot be reached; the last good answer kept while the next is on
// its way, the slower of two answers dropped.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";

const RECONNECT_MS = 3000;

export interface Data<T> {
  value: T | null;    // the last good answer, or the part of the next that is there
  key: string | null; // what it answers
  error: ApiError | null;
  isLoading: boolean;
  progress: number | null; // 0…1 when the server tells
  startedAt: number;
  retry(): void;
  cancel(): void;
}

export interface Loading { signal: AbortSignal; progress(share: number): void; partial(value: unknown): void }

// `key` null: nothing is asked.
export function useData<T>(key: string | null, load: (l: Loading) => Promise<T>): Data<T> {
  const [state, setState] = useState<Omit<Data<T>, "retry" | "cancel">>({ value: null, key: null, error: null, isLoading: key !== null, progress: null, startedAt: 0 });
  const [round, setRound] = useState(0);
  const controller = useRef<AbortController | null>(null);
  const whole = useRef<T | null>(null); // the last good answer, when what is shown is a part of the next
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (key === null) {
      setState(s => ({ ...s, isLoading: false, progress: null }));
      return undefined;
    }
    const abort = new AbortController();
    controller.current = abort;
    setState(s => ({ ...s, isLoading: true, progress: null, startedAt: performance.now() }));
    const isCurrent = () => controller.current === abort && !abort.signal.aborted;
    latest.current({
      signal: abort.signal,
      progress: share => { if (isCurrent()) setState(s => ({ ...s, progress: share })); },
      partial: value => { if (isCurrent()) setState(s => ({ ...s, value: value as T })); },
    }).then(
      value => {
        if (!isCurrent()) return;
        whole.current = value;
        setState(s => ({ ...s, value, key, error: null, isLoading: false, progress: null }));
      },
      (e: unknown) => {
        if (!isCurrent()) return;
        const error = e instanceof ApiError ? e : new ApiError(0, "page", `the page could not use the answer: ${(e as Error).message}`);
        setState(s => ({ ...s, value: whole.current, error, isLoading: false, progress: null }));
      });
    return () => abort.abort();
  }, [key, round]);
  useEffect(() => {
    if (state.error?.code !== "unreachable" || state.isLoading) return undefined;
    const timer = setTimeout(() => setRound(n => n + 1), RECONNECT_MS);
    return () => clearTimeout(timer);
  }, [state.error, state.isLoading]);
  return {
    ...state,
    retry: () => setRound(n => n + 1),
    cancel: () => {
      controller.current?.abort();
      setState(s => ({ ...s, value: whole.current, isLoading: false, error: new ApiError(0, "cancelled", "cancelled") }));
    },
  };
}
