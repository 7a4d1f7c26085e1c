// The frame of every page: rail, top bar, and the page itself, loaded when it is first opened.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { needsLogin } from "../api/client";
import { Icon } from "../kit/icons";
import { Empty } from "../kit/states";
import { copy, Toasts } from "../kit/toast";
import { AccountMenu } from "./account_menu";
import { chooseEnvironment, environment, environments, loadEnvironments } from "./environment";
import { go, href, page, place } from "./location";
import { pageAt, PAGES } from "./pages";
import { Palette, ShortcutSheet } from "./palette";
import { loadMe, me } from "./session";
import { useShortcuts } from "./shortcuts";
import { instant, isRelative, refresh, resolveRange, tick } from "./time";
import { TimePicker } from "./time_picker";

function Rail() {
  return (
    <nav class="rail" aria-label="Pages">
      <a class="brand" href={href("")}><img src="_/icon.svg" width="20" height="20" alt="" />skep</a>
      {PAGES.filter(p => p.icon).map(p => (
        <a key={p.path} class="item" href={href(p.path)} aria-current={page.value === p.path ? "page" : undefined} title={p.key ? `${p.about} (g ${p.key})` : p.about}>
          <Icon name={p.icon!} /><span>{p.title}</span>
        </a>
      ))}
      <div class="foot"><kbd>?</kbd> keys</div>
    </nav>
  );
}

function EnvironmentPicker() {
  const list = environments.value ?? [];
  return (
    <label class="row"><span class="visually-hidden">Environment</span>
      <select class="input env" value={environment.value ?? ""} onChange={e => chooseEnvironment(e.currentTarget.value)}>
        {list.every(e => e.slug !== environment.value) && <option value={environment.value ?? ""}>{environment.value ?? "…"}</option>}
        {list.map(e => <option key={e.slug} value={e.slug}>{e.name || e.slug}</option>)}
      </select>
    </label>
  );
}

const LIVE_MS = 5000;
function Live() {
  const [isOn, setOn] = useState(false);
  useEffect(() => {
    if (!isOn) return undefined;
    const timer = setInterval(() => { if (!document.hidden) refresh(); }, LIVE_MS);
    return () => clearInterval(timer);
  }, [isOn]);
  return (
    <>
      <button class="button quiet" onClick={refresh} title="Ask again"><Icon name="refresh" label="Ask again" /></button>
      <button class="button" aria-pressed={isOn && isRelative.value} disabled={!isRelative.value} onClick={() => setOn(!isOn)} title={isRelative.value ? "Ask again every 5 s" : "An absolute range does not move"}>Live</button>
    </>
  );
}

// The address with its time written out: what the reader sees now is what the other will see.
function shareAddress(): string {
  const { start, end } = resolveRange(), at = new URL(location.href);
  at.searchParams.set("from", instant(start));
  at.searchParams.set("to", instant(end));
  if (environment.value) at.searchParams.set("env", environment.value);
  return at.href;
}

function Top({ onSearch }: { onSearch: () => void }) {
  return (
    <header class="top">
      <EnvironmentPicker />
      <TimePicker />
      <Live />
      <span class="grow" />
      <button class="button search" onClick={onSearch}><span class="row"><Icon name="search" /> Search</span><kbd>{/Mac/.test(navigator.platform) ? "⌘K" : "Ctrl+K"}</kbd></button>
      <button class="button quiet" onClick={() => copy(shareAddress(), "Link")} title="Copy a link with this time (y)"><Icon name="link" label="Copy link" /></button>
      <AccountMenu />
    </header>
  );
}

function PageHere({ path }: { path: string }) {
  const at = pageAt(path);
  const [loaded, setLoaded] = useState<{ path: string; view: ComponentType } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    document.title = at ? (at.path ? `${at.title} · skep` : "skep") : "Not found · skep";
    setFailed(false);
    at?.load().then(view => setLoaded({ path: at.path, view }), () => setFailed(true));
  }, [at]);
  if (!at) return <Empty title={`There is no page “${page.value}”.`}><a href={href("")}>Home</a></Empty>;
  if (failed) return <Empty title="The page could not be loaded: the server cannot be reached, or was replaced by a newer one."><button class="button" onClick={() => location.reload()}>Load it again</button></Empty>;
  return loaded?.path === at.path ? <loaded.view /> : null;
}

export function Shell() {
  const [isSearching, setSearching] = useState(false), [hasSheet, setSheet] = useState(false);
  const isAtLogin = page.value === "login";
  useEffect(() => { if (!isAtLogin) loadEnvironments().catch(() => undefined); }, [tick.value, needsLogin.value, isAtLogin]);
  useEffect(() => { if (!isAtLogin) loadMe(); }, [needsLogin.value, isAtLogin]);
  useEffect(() => { needsLogin.value = false; }, [page.value]); // another page may be open to who is there
  useShortcuts([
    ...PAGES.filter(p => p.key).map(p => ({ keys: `g ${p.key}`, about: `Go to ${p.title}`, run: () => go(href(p.path)) })),
    { keys: "Mod+k", about: "Search pages, services, traces, commands", run: () => setSearching(true), isGlobal: true },
    { keys: "?", about: "Show all keys", run: () => setSheet(true) },
    { keys: "y", about: "Copy a link with this time", run: () => copy(shareAddress(), "Link") },
    { keys: "r", about: "Ask again", run: refresh },
  ]);
  const path = needsLogin.value ? "login" : page.value;
  if (isAtLogin || (needsLogin.value && me.value === null)) return <main class="login-bare" id="main"><PageHere path="login" /><Toasts /></main>;
  return (
    <div class="shell">
      <a class="skip" href="#main" data-native onClick={e => { e.preventDefault(); document.getElementById("main")!.focus(); }}>Skip to the page</a>
      <Top onSearch={() => setSearching(true)} />
      <Rail />
      <main class="main" id="main" tabIndex={-1} key={place.value.page + (environment.value ?? "")}><PageHere path={path} /></main>
      {isSearching && <Palette onClose={() => setSearching(false)} />}
      {hasSheet && <ShortcutSheet onClose={() => setSheet(false)} />}
      <Toasts />
    </div>
  );
}
