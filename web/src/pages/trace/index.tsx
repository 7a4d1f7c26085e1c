// Trace: why was this request slow or broken.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import type { TraceSpan } from "../../api/types";
import { environment, environments } from "../../app/environment";
import { go, href, param } from "../../app/location";
import { tick } from "../../app/time";
import { Empty, Failure, Waiting } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { loadTrace } from "./load";
import { TraceView } from "./view";
import "./trace.css";

// A trace that is not here: is it in another environment?
function NotFound({ id, retry }: { id: string; retry: () => void }) {
  const others = (environments.value ?? []).filter(e => e.slug !== environment.value).map(e => e.slug);
  const elsewhere = useData(`${id} ${others.join()}`, async l => {
    const found = await Promise.all(others.map(env => call(`skep/v1/traces/${encodeURIComponent(id)}`, { params: { environment: env, index: 0 }, signal: l.signal }).then(() => env, e => { if (e instanceof ApiError) return null; throw e; })));
    return found.filter((e): e is string => e !== null);
  });
  return (
    <Empty title={`Environment ${environment.value} holds no span of trace ${id}.`}>
      {elsewhere.value?.length ? elsewhere.value.map(env => <span key={env}>It is in environment <a href={href("trace", { id, env })}>{env}</a>.</span>)
        : <span>{elsewhere.isLoading ? "Looking in the other environments…" : "No other environment holds it either. It may not have arrived yet, may have been left out by the sender’s sampling, or may be older than what is kept."}</span>}
      <div class="row"><button class="button" onClick={retry}>Look again</button><a class="button" href={href("doctor")}>See what was refused</a><a class="button" href={href("traces")}>Traces</a></div>
    </Empty>
  );
}

function AskForId() {
  const [id, setId] = useState("");
  return (
    <form class="row wrap" onSubmit={e => { e.preventDefault(); if (id.trim()) go(href("trace", { id: id.trim() })); }}>
      <label class="field"><span>Trace id</span><input class="input mono wf-id" value={id} onInput={e => setId(e.currentTarget.value)} placeholder="32 hex digits" /></label>
      <button class="button primary">Open</button><a class="button" href={href("traces")}>Search traces</a>
    </form>
  );
}

export default function Trace() {
  const id = param("id") ?? "", env = environment.value, spanId = param("span");
  const data = useData(id && env ? `${env} ${id} ${tick.value}` : null, l => loadTrace(id, env, l.signal));
  // A link to a span names it by its id; the skeleton knows only places.
  const [linked] = useState(spanId);
  const span = useData(id && env && linked ? `${env} ${id} ${linked}` : null, l => call<TraceSpan>(`skep/v1/traces/${encodeURIComponent(id)}`, { params: { environment: env, span: linked }, signal: l.signal }));
  const isHere = data.value?.trace_id !== undefined && data.key?.startsWith(`${env} ${id} `);
  useEffect(() => { if (isHere) document.title = `Trace ${id.slice(0, 8)} · skep`; }, [isHere, id]);
  if (!id) return <><div class="page-head"><h1>Trace</h1></div><AskForId /></>;
  const isReady = isHere && !(linked && span.isLoading);
  return (
    <div class={"stack wf-page" + (data.isLoading && isHere ? " is-stale" : "")} aria-busy={!isReady && !data.error}>
      <Waiting data={data} />
      {!isReady && <div class="page-head"><h1>Trace <span class="mono text-2">{id.slice(0, 32)}</span></h1></div>}
      {data.error && (data.error.status === 404 ? <NotFound id={id} retry={data.retry} /> : <Failure error={data.error} retry={data.retry} stale={isHere} />)}
      {isReady && <TraceView key={id} columns={data.value!} spanIndex={span.value?.index ?? null} />}
    </div>
  );
}
