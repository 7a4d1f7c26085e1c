// Query: ask anything of any signal and see it at once. The question is `q` in the address; builder and text box are two views of it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useFields } from "../../api/fields";
import { askWithProgress } from "../../api/query";
import type { Filter, QueryResult, QuerySpec } from "../../api/types";
import { environment, isEmpty } from "../../app/environment";
import { href, param, setParams } from "../../app/location";
import { maySave } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { from, resolveRange, tick, to } from "../../app/time";
import { showCount, showMs } from "../../kit/format";
import { Empty, Failure, Waiting } from "../../kit/states";
import { toast } from "../../kit/toast";
import { useData } from "../../kit/use_data";
import { Builder } from "./builder";
import { Differences } from "./differences";
import { Examples } from "./examples";
import { Frozen } from "./frozen";
import { HistoryTab, useNote } from "./history_tab";
import { EITHER, narrowed } from "./narrow";
import { RawTab } from "./raw_tab";
import { Results } from "./results";
import { readSelection, type OnSelect } from "./selection";
import { SaveDialog, ShareDialog } from "./share";
import { parse, print, TextError, type Query } from "../../api/query_text";
import { TracesTab } from "./traces_tab";
import "./query.css";

const DEFAULT = "COUNT, HEATMAP(duration_ms) GROUP BY service.name";

// What can be asked of it already: filters and groups without a field are still being written.
function runnable(spec: QuerySpec): QuerySpec {
  const filters = spec.filters?.filter(f => f.column !== ""), breakdowns = spec.breakdowns?.filter(b => b !== "");
  return { ...spec, filters: filters?.length ? filters : undefined, filter_combination: (filters?.length ?? 0) > 1 ? spec.filter_combination : undefined, breakdowns: breakdowns?.length ? breakdowns : undefined };
}

const PAUSE_MS = 250, QUICK_MS = 1000;

// The question as text. What can be read is asked when the typing pauses; a session of typing is one step of the history. After a slow answer the next
// question waits for Shift+Enter, or for the box to be left.
function TextView({ text, isSlow, onChange }: { text: string; isSlow: boolean; onChange: (q: Query, replace: boolean) => void }) {
  const [draft, setDraft] = useState(text), isGoingOn = useRef(false), sent = useRef(text);
  let error: TextError | null = null, query: Query | null = null;
  try { query = parse(draft); } catch (e) { if (e instanceof TextError) error = e; else throw e; }
  const printed = query && print(query), isNew = printed !== null && printed !== text;
  const commit = () => { if (isNew) { sent.current = printed; onChange(query!, isGoingOn.current); isGoingOn.current = true; } };
  const leave = () => { commit(); isGoingOn.current = false; };
  useEffect(() => { if (text !== sent.current) { setDraft(text); sent.current = ""; isGoingOn.current = false; } }, [text]); // what was typed here is left as it stands
  useEffect(() => {
    if (!isNew || isSlow) return undefined;
    const timer = setTimeout(commit, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [draft, isSlow]);
  return (
    <div class="query-text">
      <label class="visually-hidden" for="query-text">The question as text</label>
      <textarea id="query-text" class="input mono" rows={2} spellcheck={false} value={draft} aria-invalid={!!error} aria-describedby={error ? "query-text-error" : undefined} onInput={e => setDraft(e.currentTarget.value)} onBlur={leave}
        onKeyDown={e => { if (e.key === "Enter" && (e.shiftKey || e.ctrlKey || e.metaKey)) { leave(); e.preventDefault(); } }} />
      {error && <p id="query-text-error" class="error-text mono query-caret" role="alert">{draft.slice(Math.max(0, error.offset - 20), error.offset)}<u>{draft.slice(error.offset, error.end) || " "}</u> <span>{error.message}</span></p>}
      {isNew && isSlow && <p class="muted">The last answer took its time: Shift+Enter asks this.</p>}
    </div>
  );
}

export interface Parts { query: Query; result: QueryResult; start: number; end: number }

const TABS = [["results", "Results"], ["differences", "Differences"], ["traces", "Traces"], ["raw", "Raw rows"], ["history", "History"]] as const;

// Whatever sets a question leaves the stored result for it.
export default function QueryPage() {
  const id = param("q") === null ? param("r") : null;
  return id ? <Frozen id={id} /> : <Asking />;
}

function Asking() {
  const text = param("q") ?? DEFAULT, tab = param("tab") ?? "results";
  const { query, textError } = useMemo(() => {
    try { return { query: parse(text), textError: null }; } catch (e) { if (e instanceof TextError) return { query: null, textError: e }; throw e; }
  }, [text]);
  const fields = useFields(query?.dataset ?? null), selection = readSelection();
  const [view, setView] = useState<"builder" | "text">("builder");
  const key = query && environment.value && !isEmpty.value ? JSON.stringify([environment.value, query.dataset, runnable(query.spec), from.value, to.value, tick.value]) : null;
  const data = useData<Parts>(key, async loading => {
    const { start, end } = resolveRange();
    const asked = { dataset: query!.dataset, spec: runnable(query!.spec) };
    const result = await askWithProgress({ ...asked, range: { start, end }, withSeries: true }, p => {
      loading.progress(p.rows_total ? p.rows_scanned / p.rows_total : 0);
      if (p.partial) loading.partial({ query: asked, result: p.partial, start, end } satisfies Parts);
    }, loading.signal);
    return { query: asked, result, start, end };
  });
  const [dialog, setDialog] = useState<"share" | "save" | null>(null);
  useNote(query ? print({ dataset: query.dataset, spec: runnable(query.spec) }) : "", data);
  const change = (q: Query, replace = false) => setParams({ q: print(q), sel: null, base: null, tab: tab === "differences" ? null : tab }, { replace });
  const addFilters = (added: Filter[]) => { const spec = narrowed(runnable(query!.spec), added); if (spec) change({ ...query!, spec }); else toast(EITHER); };
  const select: OnSelect = (s, open = false, base = null) => setParams({ sel: s ? JSON.stringify(s) : null, ...(open ? { base } : {}), tab: open ? "differences" : tab === "differences" && !s ? null : tab === "results" ? null : tab }, { replace: !open });
  useShortcuts([
    { keys: "q", about: "Write the question as text", run: () => { setView("text"); setTimeout(() => document.getElementById("query-text")?.focus()); } },
    ...[["w", "where", "Add a filter"], ["b", "group", "Group by a field"], ["s", "select", "Add a calculation"]].map(([keys, clause, about]) => ({ keys: keys!, about: about!, run: () => { setView("builder"); setTimeout(() => document.querySelector<HTMLElement>(`[data-clause="${clause}"]`)?.click()); } })),
    { keys: "d", about: "Say what is different about the selection", run: () => (selection ? select(selection, true, param("base")) : toast("Nothing is selected yet: drag over a chart, or press “differences” in a row of the table.")) },
    { keys: "Mod+z", about: "Undo the last change of the question", run: () => history.back() },
    { keys: "Mod+Shift+Z", about: "Redo", run: () => history.forward() },
    ...TABS.map(([name, title], i) => ({ keys: String(i + 1), about: `Show ${title.toLowerCase()}`, run: () => setParams({ tab: name === "results" ? null : name }, { replace: true }) })),
  ], [tab, param("sel")]);
  if (isEmpty.value) return <><div class="page-head"><h1>Query</h1></div><Empty title="Nothing was ever received in this environment."><span><a href={href("")}>Set up a program</a>, or <a href={href("doctor")}>see what was refused and why</a>.</span></Empty></>;
  return (
    <>
      <div class="page-head"><h1>Query</h1>
        <div class="row" role="group" aria-label="How the question is shown">
          <button class="button small" aria-pressed={view === "builder"} onClick={() => setView("builder")}>Builder</button>
          <button class="button small" aria-pressed={view === "text"} onClick={() => setView("text")}>Text</button>
        </div>
        <span class="grow" />
        {query && maySave.value && <button class="button small" onClick={() => setDialog("save")}>Save</button>}
        <button class="button small" disabled={!data.value} onClick={() => setDialog("share")}>Share</button>
      </div>
      {view === "text" || !query ? <TextView text={text} isSlow={(data.value?.result.meta.elapsed_ms ?? 0) > QUICK_MS} onChange={change} /> : <Builder query={query} fields={fields.value} onChange={change} />}
      {textError && view === "builder" && <p class="error-text" role="alert">The address holds a question that cannot be read: {textError.message}.</p>}
      {!param("q") && fields.value && <Examples fields={fields.value} />}
      <section class="panel" aria-busy={data.isLoading} aria-label="Answer">
        <Waiting data={data} />
        <div class="tabs" role="tablist" aria-label="Answer">
          {TABS.map(([name, title]) => <button key={name} role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="answer" onClick={() => setParams({ tab: name === "results" ? null : name }, { replace: true })}>{title}</button>)}
          <span class="grow" />
          {data.value && <span class="muted query-meta">{showCount(data.value.result.meta.rows_scanned)} rows in {showMs(data.value.result.meta.elapsed_ms)}</span>}
        </div>
        <div class={"body" + (data.isLoading && data.value ? " is-stale" : "")} id="answer" role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {data.error && <Failure error={data.error} retry={data.retry} stale={data.value !== null} />}
          {data.value && tab === "results" && <Results parts={data.value} selection={selection} onSelect={select} onFilters={addFilters} />}
          {data.value && tab === "differences" && <Differences parts={data.value} selection={selection} onFilters={addFilters} onGroup={name => change({ ...query!, spec: { ...query!.spec, breakdowns: [...(query!.spec.breakdowns ?? []).filter(b => b !== name), name] } })} />}
          {data.value && tab === "raw" && <RawTab parts={data.value} selection={selection} />}
          {tab === "history" && <HistoryTab />}
          {data.value && tab === "traces" && <TracesTab parts={data.value} selection={selection} />}
        </div>
      </section>
      {dialog === "share" && data.value && <ShareDialog parts={data.value} selection={selection} onClose={() => setDialog(null)} />}
      {dialog === "save" && query && <SaveDialog text={print(query)} onClose={() => setDialog(null)} />}
    </>
  );
}
