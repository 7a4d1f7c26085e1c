// The skeleton of a trace from the server; its steps are measured from the moment the bytes are here.
import { call, callText } from "../../api/client";
import type { TraceColumns } from "../../api/types";

const PAUSE_MS = 250; // of typing, before the server is asked

// Places of the spans that hold every word in any field, of which the skeleton knows names and services alone.
export async function loadFound(id: string, env: string | null, find: string, signal: AbortSignal): Promise<number[]> {
  await new Promise(done => setTimeout(done, PAUSE_MS));
  signal.throwIfAborted();
  return (await call<{ found: number[] }>(`skep/v1/traces/${encodeURIComponent(id)}`, { params: { environment: env, find }, signal })).found;
}

export async function loadTrace(id: string, env: string | null, signal?: AbortSignal): Promise<TraceColumns> {
  const text = await callText(`skep/v1/traces/${encodeURIComponent(id)}`, { params: { environment: env, format: "columns" }, signal, accept: "application/json" });
  performance.mark("trace.received");
  const columns = JSON.parse(text) as TraceColumns;
  performance.measure("trace.parse", "trace.received");
  return columns;
}
