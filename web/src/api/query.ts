// Questions in the text form or as a spec, in the environment and time range of the page.
import { environment } from "../app/environment";
import type { Range } from "../app/time";
import { ApiError, call, events } from "./client";
import type { Progress, QueryResult, QuerySpec } from "./types";

export interface Question {
  spec?: QuerySpec;
  text?: string;
  dataset?: string | null;
  range?: Range; // put over the question's own times
  withSeries?: boolean;
}

export function bodyOf(q: Question) {
  const env = environment.value ? { environment: environment.value } : {};
  if (q.text !== undefined) return { ...env, text: q.text, disable_series: !q.withSeries };
  const times = q.range ? { start_time: q.range.start, end_time: q.range.end } : {};
  return { ...env, dataset: q.dataset || "__all__", query: { ...q.spec, ...times }, disable_series: !q.withSeries };
}

export function ask(q: Question, signal?: AbortSignal): Promise<QueryResult> {
  return call<QueryResult>("skep/v1/query", { body: bodyOf(q), signal });
}

// The same with progress on the way. Aborting the signal cancels the query on the server.
export async function askWithProgress(q: Question, onProgress: (p: Progress) => void, signal?: AbortSignal): Promise<QueryResult> {
  for await (const e of events("skep/v1/query", { body: bodyOf(q), signal })) {
    if (e.event === "progress") onProgress(JSON.parse(e.data) as Progress);
    if (e.event === "result") return JSON.parse(e.data) as QueryResult;
    if (e.event === "error") {
      const said = JSON.parse(e.data) as { error: string; code: string; offset?: number };
      throw new ApiError(400, said.code, said.error, said.offset);
    }
  }
  throw new ApiError(0, "unreachable", "the answer ended early");
}
