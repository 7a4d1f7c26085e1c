// The way to the first event: what to paste, and steps that turn green as data arrives.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../../api/client";
import { ask } from "../../api/query";
import type { Doctor } from "../../api/types";
import { environment, isEmpty, loadEnvironments } from "../../app/environment";
import { BASE, href } from "../../app/location";
import { showAgo } from "../../app/time";
import { plural } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { copy } from "../../kit/toast";
import { endpointFor, LANGUAGES, snippet, type Where } from "./snippets";

interface Sender { dataset: string; source: string; user_agent: string; last: string; trace: number; log: number; metric: number }
interface Status { listeners: unknown[]; environments: { slug: string; store: { rows: number }; senders: Sender[] }[] }
interface State { listeners: number; senders: Sender[]; refusals: Doctor["refusals"]; rows: number; services: string[] }

const EVERY_MS = 2000;

// Asked anew while the page is open.
function useArrivals(): State | null {
  const [state, setState] = useState<State | null>(null);
  useEffect(() => {
    let isHere = true, timer = 0;
    const look = async () => {
      try {
        const [status, doctor] = await Promise.all([call<Status>("skep/v1/status"), call<Doctor>("skep/v1/doctor", { params: { environment: environment.value } })]);
        const at = status.environments.find(e => e.slug === environment.value);
        const rows = at?.store.rows ?? 0, now = Math.ceil(Date.now() / 1000) + 60;
        const found = rows ? await ask({ range: { start: now - 86400, end: now }, spec: { calculations: [{ op: "COUNT" }], breakdowns: ["service.name"], limit: 5 } }) : null;
        if (isHere) setState({ listeners: status.listeners.length, senders: at?.senders ?? [], refusals: doctor.refusals, rows, services: (found?.data.results ?? []).map(r => String(r.data["service.name"] ?? "")).filter(Boolean) });
      } catch {
        if (isHere) setState(s => (s ? { ...s, listeners: 0 } : s));
      }
      if (isHere) timer = setTimeout(look, EVERY_MS) as unknown as number;
    };
    look();
    return () => { isHere = false; clearTimeout(timer); };
  }, [environment.value]);
  return state;
}

function Step({ done, next, title, children }: { done: boolean; next: boolean; title: string; children?: preact.ComponentChildren }) {
  return <li class={done ? "is-done" : next ? "is-next" : ""}><span class="step">{done ? <Icon name="check" label="done" /> : <span aria-hidden="true">•</span>}</span><div><b>{title}</b>{children && <div class="text-2">{children}</div>}</div></li>;
}

export function Setup() {
  const [language, setLanguage] = useState("python"), [where, setWhere] = useState<Where>("shell"), [service, setService] = useState("my-app");
  const [key, setKey] = useState<string | null>(null), [keyError, setKeyError] = useState<ApiError | null>(null);
  const state = useArrivals();
  const origin = location.origin + BASE.replace(/\/$/, ""), { endpoint, note } = endpointFor(where, origin);
  const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(origin), needsKey = !(isLocal && environment.value === "dev" && where === "shell");
  const text = snippet(language, where, { endpoint, key: key ?? (needsKey ? "YOUR-INGEST-KEY" : null), service: service.trim() || "my-app" });
  const makeKey = () => call<{ key: string }>("skep/v1/keys", { body: { name: `${service}, set-up page`, kind: "ingest", environment: environment.value } }).then(made => { setKey(made.key); setKeyError(null); }, (e: ApiError) => setKeyError(e));
  const received = (state?.senders.length ?? 0) > 0, refused = state?.refusals[0], stored = (state?.rows ?? 0) > 0, usable = (state?.services.length ?? 0) > 0;
  const steps = [!!state && state.listeners > 0, received || stored || !!refused, received || stored, stored, usable], next = steps.indexOf(false);
  return (
    <>
      <div class="page-head"><h1>Send the first events</h1><p>to environment {environment.value}</p></div>
      <div class="home-grid">
        <section class="panel"><header><h2>Paste this</h2></header>
          <div class="body stack">
            <div class="row wrap" role="group" aria-label="Language">{LANGUAGES.map(l => <button key={l.name} class="button small" aria-pressed={language === l.name} onClick={() => setLanguage(l.name)}>{l.title}</button>)}</div>
            {!["curl", "browser"].includes(language) && <div class="row wrap" role="group" aria-label="Where the program runs">{(["shell", "compose", "kubernetes"] as const).map(w => <button key={w} class="button small" aria-pressed={where === w} onClick={() => setWhere(w)}>{{ shell: "Shell", compose: "Compose", kubernetes: "Kubernetes" }[w]}</button>)}</div>}
            <label class="field"><span>Name of the program (service.name)</span><input class="input" value={service} onInput={e => setService(e.currentTarget.value)} /></label>
            <div class="snippet"><pre tabIndex={0} aria-label="Lines to paste">{text}</pre><button class="button small" onClick={() => copy(text, "Lines")}>Copy</button></div>
            {note && <p class="text-2">{note}</p>}
            {needsKey && !key && <div class="row wrap"><button class="button" onClick={makeKey}>Make an ingest key</button><span class="text-2">or in a terminal: <code>skep env --{where === "kubernetes" ? "k8s" : where} {language}</code></span></div>}
            {!needsKey && !key && <p class="text-2">From this machine, environment dev takes events without a key.</p>}
            {key && <p class="notice is-ok">The key stands in the lines above and is shown this once.</p>}
            {keyError && <p class="notice is-warn" role="alert">{keyError.message}. In a terminal on the server: <code>skep env --shell {language} --env {environment.value}</code></p>}
          </div>
        </section>
        <section class="panel" aria-label="How far it is"><header><h2>How far it is</h2></header>
          <div class="body stack">
            <ol class="ladder" aria-live="polite">
              <Step done={steps[0]!} next={next === 0} title="The server listens">{state && (state.listeners ? plural(state.listeners, "listener") : "The server does not answer.")}</Step>
              <Step done={steps[1]!} next={next === 1} title="A request arrives">{next === 1 && "Waiting for the first request. Start the program and use it once."}</Step>
              <Step done={steps[2]!} next={next === 2} title="It is accepted">{!received && refused && <span class="error-text">{refused.text} ({showAgo(Date.parse(refused.time))}, {refused.source}). {refused.advice} <a href={href("doctor")}>Doctor</a></span>}
                {received && `${state!.senders[0]!.user_agent || "a program"} from ${state!.senders[0]!.source}`}</Step>
              <Step done={steps[3]!} next={next === 3} title="It is stored">{stored && plural(state!.rows, "event")}</Step>
              <Step done={steps[4]!} next={next === 4} title="It has a name">{usable ? state!.services.join(", ") : stored && "Events without service.name: set OTEL_SERVICE_NAME."}</Step>
            </ol>
            {stored && <button class="button primary" onClick={() => loadEnvironments().then(() => isEmpty.value)}>Look at it</button>}
            {!stored && <p class="text-2">Only looking around? <code>skep demo</code> in a terminal starts a shop with a fault planted in it, in environment demo.</p>}
          </div>
        </section>
      </div>
    </>
  );
}
