// What a panel shows when there is nothing to show yet, nothing at all, or something went wrong.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { adviceFor, type ApiError } from "../api/client";
import { showMs } from "./format";
import type { Data } from "./use_data";

// A line after 300 ms, the time and a way out after 2 s.
export function Waiting({ data }: { data: Data<unknown> }) {
  const [elapsed, setElapsed] = useState(0);
  useEffect(() => {
    if (!data.isLoading) { setElapsed(0); return undefined; }
    const timer = setInterval(() => setElapsed(performance.now() - data.startedAt), 200);
    return () => clearInterval(timer);
  }, [data.isLoading, data.startedAt]);
  if (!data.isLoading || elapsed < 300) return null;
  return (
    <>
      <div class={"progress" + (data.progress === null ? " is-unknown" : "")} role="progressbar" aria-label="Loading" aria-valuenow={data.progress === null ? undefined : Math.round(data.progress * 100)}>
        <i ref={bar => { if (bar && data.progress !== null) bar.style.width = `${Math.max(2, data.progress * 100)}%`; }} />
      </div>
      {elapsed >= 2000 && <div class="waiting"><span>{showMs(elapsed)}{data.progress !== null && `, ${Math.round(data.progress * 100)} % read`}</span>
        <button class="button small" onClick={data.cancel}>Cancel</button></div>}
    </>
  );
}

export function Failure({ error, retry, stale }: { error: ApiError; retry?: () => void; stale?: boolean }) {
  const advice = adviceFor(error);
  const sentence = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  return (
    <div class="notice is-error" role="alert">
      <strong>{error.code === "cancelled" ? "Cancelled." : /[.!?]$/.test(sentence) ? sentence : sentence + "."}</strong>
      {advice && <span>{advice}</span>}
      {stale && <span class="text-2">What is shown is the last answer before that.</span>}
      <div class="row">
        {retry && <button class="button small" onClick={retry}>Retry</button>}
        {error.requestId && <span class="muted mono">request {error.requestId}</span>}
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="notice"><strong>{title}</strong>{children}</div>;
}

// A titled region that shows its data's states. `children` gets the last good answer.
export function Panel<T>(props: {
  title: ComponentChildren; data: Data<T>; actions?: ComponentChildren; isFlush?: boolean; isEmpty?: (value: T) => boolean; empty?: ComponentChildren; children: (value: T) => ComponentChildren;
}) {
  const { data } = props;
  const isEmpty = data.value !== null && !data.isLoading && props.isEmpty?.(data.value);
  return (
    <section class="panel" aria-busy={data.isLoading}>
      <Waiting data={data} />
      <header><h2>{props.title}</h2>{props.actions}</header>
      <div class={"body" + (props.isFlush ? " flush" : "")}>
        {data.error && <Failure error={data.error} retry={data.retry} stale={data.value !== null} />}
        {isEmpty ? props.empty : data.value !== null && <div class={data.isLoading ? "is-stale" : ""}>{props.children(data.value)}</div>}
      </div>
    </section>
  );
}
