// What a service did in the last hour and not in the day before: operations and versions. Pure, from two answers each, grouped by service and value.
import type { QueryResult } from "../../api/types";

export interface Heard { service: string; value: string; count: number }
export interface News { service: string; kind: "version" | "operation"; value: string; count: number }

export const GROUPS_MAX = 10_000;

// Null: there are more groups than an answer holds, so what is not among them may have been there all the same.
export function heard(result: QueryResult, field: string): Heard[] | null {
  const rows = result.data.results;
  if (rows.length >= GROUPS_MAX) return null;
  return rows.flatMap(({ data }) => (data["service.name"] == null || data[field] == null ? [] : [{ service: String(data["service.name"]), value: String(data[field]), count: Number(data.COUNT) }]));
}

// Of a service that was heard of before: all of a new one is new, which says nothing. Versions first, then what occurs most.
export function news(kind: News["kind"], now: readonly Heard[] | null, before: readonly Heard[] | null): News[] {
  if (!now || !before) return [];
  const services = new Set(before.map(h => h.service)), known = new Set(before.map(h => JSON.stringify([h.service, h.value])));
  return now.filter(h => services.has(h.service) && !known.has(JSON.stringify([h.service, h.value]))).sort((a, b) => b.count - a.count).map(h => ({ kind, ...h }));
}
