// The skeleton of a trace from the server; its steps are measured from the moment the bytes are here.
import { callText } from "../../api/client";
import type { TraceColumns } from "../../api/types";

export async function loadTrace(id: string, env: string | null, signal?: AbortSignal): Promise<TraceColumns> {
  const text = await callText(`skep/v1/traces/${encodeURIComponent(id)}`, { params: { environment: env, format: "columns" }, signal, accept: "application/json" });
  performance.mark("trace.received");
  const columns = JSON.parse(text) as TraceColumns;
  performance.measure("trace.parse", "trace.received");
  return columns;
}
