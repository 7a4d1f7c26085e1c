// The pages there are, in the order of the rail: the one table behind navigation, palette, shortcuts and routes.
import type { ComponentType } from "preact";
import type { IconName } from "../kit/icons";

export interface Page {
  path: string;
  title: string;
  about: string;
  icon?: IconName; // shown in the rail
  key?: string;    // after g
  load: () => Promise<{ default: ComponentType }>;
}

export const PAGES: readonly Page[] = [
  { path: "", title: "Home", about: "Is anything wrong, and where", icon: "home", key: "h", load: () => import("../pages/home") },
  { path: "query", title: "Query", about: "Ask anything of any signal", icon: "query", key: "q", load: () => import("../pages/query") },
  { path: "traces", title: "Traces", about: "Find the right trace among many", icon: "trace", key: "t", load: () => import("../pages/traces") },
  { path: "trace", title: "Trace", about: "Why was this request slow or broken", load: () => import("../pages/trace") },
  { path: "compare", title: "Compare traces", about: "What took longer in one trace than in another", load: () => import("../pages/compare") },
  { path: "map", title: "Service map", about: "What talks to what, and where it hurts", icon: "map", key: "s", load: () => import("../pages/map") },
  { path: "service", title: "Service", about: "One service", load: () => import("../pages/service") },
  { path: "logs", title: "Logs", about: "Read, follow and count lines", icon: "logs", key: "l", load: () => import("../pages/logs") },
  { path: "doctor", title: "Doctor", about: "Why is my data not arriving", icon: "doctor", key: "d", load: () => import("../pages/doctor") },
  { path: "keys", title: "Keys", about: "Who may send and who may read", icon: "key", key: "k", load: () => import("../pages/keys") },
  { path: "people", title: "People", about: "Who may log in", icon: "person", key: "p", load: () => import("../pages/people") },
  { path: "login", title: "Log in", about: "Say who you are", load: () => import("../pages/login") },
  { path: "usage", title: "Usage", about: "Where the bytes go", icon: "usage", key: "u", load: () => import("../pages/usage") },
  { path: "settings", title: "Settings", about: "How skep looks, keeps and forgets", icon: "settings", load: () => import("../pages/settings") },
];

export function pageAt(path: string): Page | undefined {
  return PAGES.find(p => p.path === path);
}
