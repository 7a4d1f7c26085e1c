// Where the reader is: one page name and its parameters, all of it in the address. Pages lie side by side (`query?…`, `trace?id=…`), so that every
// address is relative and any path prefix of a proxy works. `env`, `from`, `to` and `tz` go along from page to page.
import { computed, signal } from "@preact/signals";

export interface Place {
  page: string; // "" is home
  params: URLSearchParams;
}

export type Params = Record<string, string | number | boolean | null | undefined>;

const KEPT = ["env", "from", "to", "tz"];

export const BASE = new URL(".", location.href).pathname; // with the proxy's prefix; ends with a slash

function read(): Place {
  const page = location.pathname.slice(BASE.length).replace(/\/+$/, "");
  return { page: decodeURIComponent(page), params: new URLSearchParams(location.search) };
}

export const place = signal<Place>(read());
export const page = computed(() => place.value.page);

export function param(name: string): string | null {
  return place.value.params.get(name);
}

function setAll(into: URLSearchParams, from: Params): void {
  for (const [name, value] of Object.entries(from)) {
    if (value === null || value === undefined || value === "" || value === false) into.delete(name);
    else into.set(name, value === true ? "1" : String(value));
  }
}

// The address of a page: what is kept from page to page, and the given parameters.
export function href(toPage: string, params: Params = {}): string {
  const all = new URLSearchParams();
  for (const name of KEPT) {
    const value = place.value.params.get(name);
    if (value !== null) all.set(name, value);
  }
  setAll(all, params);
  const text = all.toString();
  return BASE + toPage + (text ? "?" + text : "");
}

export function go(address: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const before = place.value.page;
  place.value = read();
  if (place.value.page !== before) scrollTo(0, 0);
}

// Changes parameters of the page at hand. What changes the data is a step of the history; what only changes how it is seen replaces the address.
export function setParams(params: Params, options: { replace?: boolean } = {}): void {
  const all = new URLSearchParams(place.value.params);
  setAll(all, params);
  const text = all.toString();
  if (text === place.value.params.toString()) return;
  go(BASE + place.value.page + (text ? "?" + text : ""), options);
}

addEventListener("popstate", () => { place.value = read(); });

// Plain clicks on our own links do not load the page anew.
addEventListener("click", event => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin || !link.pathname.startsWith(BASE)) return;
  if (link.dataset.native !== undefined) return;
  event.preventDefault();
  if (link.href !== location.href) go(link.pathname + link.search);
});
