// The pages there are, in the order of the rail: the one table behind navigation, palette, shortcuts and routes.
import type { ComponentType } from "preact";
import type { IconName } from "../kit/icons";

export interface Page {
  path: string;
  title: string;
  about: string;
  icon?: IconName; // shown in the rail
  key?: string;    // after g
  load: () => Promise<ComponentType>;
}

const administration = () => import("../pages/administration"), services = () => import("../pages/services"), tracing = () => import("../pages/tracing");

export const PAGES: readonly Page[] = [
  { path: "", title: "Home", about: "Is anything wrong, and where", icon: "home", key: "h", load: () => import("../pages/home").then(m => m.default) },
  { path: "query", title: "Query", about: "Ask anything of any signal", icon: "query", key: "q", load: () => import("../pages/query").then(m => m.default) },
  { path: "traces", title: "Traces", about: "Find the right trace among many", icon: "trace", key: "t", load: () => tracing().then(m => m.Traces) },
  { path: "trace", title: "Trace", about: "Why was this request slow or broken", load: () => tracing().then(m => m.Trace) },
  { path: "compare", title: "Compare traces", about: "What took longer in one trace than in another", load: () => tracing().then(m => m.Compare) },
  { path: "map", title: "Service map", about: "What talks to what, and where it hurts", icon: "map", key: "s", load: () => services().then(m => m.ServiceMap) },
  { path: "service", title: "Service", about: "One service", load: () => services().then(m => m.Service) },
  { path: "logs", title: "Logs", about: "Read, follow and count lines", icon: "logs", key: "l", load: () => import("../pages/logs").then(m => m.default) },
  { path: "doctor", title: "Doctor", about: "Why is my data not arriving", icon: "doctor", key: "d", load: () => administration().then(m => m.Doctor) },
  { path: "keys", title: "Keys", about: "Who may send and who may read", icon: "key", key: "k", load: () => administration().then(m => m.Keys) },
  { path: "people", title: "People", about: "Who may log in", icon: "person", key: "p", load: () => administration().then(m => m.People) },
  { path: "login", title: "Log in", about: "Say who you are", load: () => administration().then(m => m.Login) },
  { path: "usage", title: "Usage", about: "Where the bytes go", icon: "usage", key: "u", load: () => administration().then(m => m.Usage) },
  { path: "settings", title: "Settings", about: "How skep looks, keeps and forgets", icon: "settings", load: () => administration().then(m => m.Settings) },
];

export function pageAt(path: string): Page | undefined {
  return PAGES.find(p => p.path === path);
}
