// The environment that is looked at: the address says which, else the server's first with data.
import { computed, signal } from "@preact/signals";
import { call } from "../api/client";
import type { Environment } from "../api/types";
import { param, setParams } from "./location";
import type { Range } from "./time";

export const environments = signal<Environment[] | null>(null); // null: not known yet

// Without one in the address: the one that has events, `dev` before others, so that a first start on demo data shows it.
export const environment = computed<string | null>(() => {
  const asked = param("env");
  if (asked) return asked;
  const list = environments.value ?? [];
  const withData = list.filter(e => e.rows > 0);
  return (withData.find(e => e.slug === "dev") ?? withData[0] ?? list.find(e => e.slug === "dev") ?? list[0])?.slug ?? null;
});

const at = computed(() => environments.value?.find(e => e.slug === environment.value));
export const isEmpty = computed(() => at.value?.rows === 0);

// How many seconds of a range there are events of, a minute at least: by them what came is told a second.
export function lengthOf({ start, end }: Range): number {
  const first = Date.parse(at.value?.oldest ?? "") / 1000;
  return first > start && first < end ? Math.min(Math.max(end - first, 60), end - start) : end - start;
}

export async function loadEnvironments(): Promise<void> {
  environments.value = (await call<{ environments: Environment[] }>("skep/v1/environments")).environments;
}

export function chooseEnvironment(slug: string): void {
  setParams({ env: slug });
}
