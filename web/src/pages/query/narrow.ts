// More filters for a question: all must hold. A question joins its filters by AND or by OR, so one with OR takes more only when its filters say one thing.
import type { Filter, QuerySpec, Scalar } from "../../api/types";

export const EITHER = "The filters are joined by OR, and one question joins all its filters alike. Join them by AND, or name the values in one “in” filter.";

function isEither(spec: QuerySpec): boolean { return spec.filter_combination === "OR" && (spec.filters?.length ?? 0) > 1; }

// a = 1 OR a in (2, 3) is a in (1, 2, 3).
function asOne(filters: readonly Filter[]): Filter | null {
  const { column } = filters[0]!;
  if (!filters.every(f => f.column === column && (f.op === "=" || f.op === "in"))) return null;
  return { column, op: "in", value: [...new Set(filters.flatMap(f => f.value as Scalar | Scalar[]))] };
}

// Null: it cannot be said.
export function narrowed(spec: QuerySpec, added: readonly Filter[]): QuerySpec | null {
  const filters = spec.filters ?? [];
  if (added.length === 0 || !isEither(spec)) return { ...spec, filters: [...filters, ...added] };
  const one = asOne(filters);
  return one && { ...spec, filters: [one, ...added], filter_combination: undefined };
}
