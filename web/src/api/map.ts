// The service map, and the one of as long a time before.
import { environment } from "../app/environment";
import { resolveRange, type Range } from "../app/time";
import { call } from "./client";
import type { ServiceMap } from "./types";
import { distinct } from "./map_names";

// `where`: of the traces that have such a row; empty: of all.
export async function loadMap(range: Range, signal?: AbortSignal, where?: string): Promise<ServiceMap> {
  return distinct(await call<ServiceMap>("skep/v1/service-map", { params: { environment: environment.value, start: range.start, end: range.end, where: where || undefined }, signal }));
}

export interface Compared { range: Range; now: ServiceMap; before: ServiceMap; queries: number }

export async function loadCompared(signal?: AbortSignal, where?: string): Promise<Compared> {
  const range = resolveRange(), width = range.end - range.start;
  const [now, before] = await Promise.all([loadMap(range, signal, where), loadMap({ start: range.start - width, end: range.start }, signal, where)]);
  return { range, now, before, queries: 2 };
}
