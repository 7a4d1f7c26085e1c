// The environment that is looked at: the address says which, else the server's first with data.
import { computed, signal } from "@preact/signals";
import { call } from "../api/client";
import type { Environment } from "../api/types";
import { param, setParams } from "./location";

export const environments = signal<Environment[] | null>(null); // null: not known yet

// Without one in the address: the one that has events, `dev` before others, so that a first start on demo data shows it.
export const environment = computed<string | null>(() => {
  const asked = param("env");
  if (asked) return asked;
  const list = environments.value ?? [];
  const withData = list.filter(e => e.rows > 0);
  return (withData.find(e => e.slug === "dev") ?? withData[0] ?? list.find(e => e.slug === "dev") ?? list[0])?.slug ?? null;
});

export const isEmpty = computed(() => {
  const at = environments.value?.find(e => e.slug === environment.value);
  return at !== undefined && at.rows === 0;
});

export async function loadEnvironments(): Promise<void> {
  environments.value = (await call<{ environments: Environment[] }>("skep/v1/environments")).environments;
}

export function chooseEnvironment(slug: string): void {
  setParams({ env: slug });
}
