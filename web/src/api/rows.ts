// Events as they were sent, a page at a time: POST /skep/v1/rows.
import { environment } from "../app/environment";
import type { Range } from "../app/time";
import { call } from "./client";
import type { Scalar } from "./types";

export type EventRow = Record<string, Scalar> & { start_ns: string; time: string; dataset: string };
export interface RowsPage { rows: EventRow[]; next: string | null; left_out: number; meta: { rows_scanned: number; elapsed_ms: number; start: string; end: string } }

export interface RowsQuestion {
  where: string; // the WHERE part of query text, without the word; empty: all
  from?: string | null; // a dataset
  range: Range;
  limit: number;
  order?: "newest" | "oldest";
  cursor?: string | null;
}

// Query text has whole seconds: the range is widened to them.
export function rangeText(range: Range): string {
  return `SINCE ${Math.floor(range.start)} UNTIL ${Math.max(Math.ceil(range.end), Math.floor(range.start) + 1)}`;
}

export function askRows(q: RowsQuestion, signal?: AbortSignal): Promise<RowsPage> {
  const text = `${q.from ? `FROM ${JSON.stringify(q.from)} ` : ""}${q.where ? `WHERE ${q.where} ` : ""}${rangeText(q.range)}`;
  const env = environment.value ? { environment: environment.value } : {};
  return call<RowsPage>("skep/v1/rows", { body: { ...env, text, limit: q.limit, order: q.order ?? "newest", ...(q.cursor ? { cursor: q.cursor } : {}) }, signal });
}
