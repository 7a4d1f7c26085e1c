// The fields there are, asked once for an environment and hour and kept while the page is open.
import { environment } from "../app/environment";
import { resolveRange } from "../app/time";
import { useData, type Data } from "../kit/use_data";
import { call } from "./client";
import type { Field, Fields } from "./types";

const kept = new Map<string, Promise<Fields>>();

export function loadFields(env: string | null, dataset: string | null): Promise<Fields> {
  const { start, end } = resolveRange(), round = 3600;
  const key = [env, dataset, Math.floor(start / round), Math.ceil(end / round)].join(" ");
  let asked = kept.get(key);
  if (!asked) {
    asked = call<Fields>("skep/v1/fields", { params: { environment: env, dataset, start, end, top: 20, limit: 2000 } });
    asked.catch(() => kept.delete(key));
    kept.set(key, asked);
    if (kept.size > 8) kept.delete(kept.keys().next().value!);
  }
  return asked;
}

export function useFields(dataset: string | null): Data<Fields> {
  return useData(environment.value ? `${environment.value} ${dataset}` : null, () => loadFields(environment.value, dataset));
}

export function isNumeric(f: Field): boolean { return f.types.includes("int") || f.types.includes("float"); }
