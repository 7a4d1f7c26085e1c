// A stored result: `query?r=ID`. What is shown is the answer that the server kept; whatever changes the question asks it anew.
import { useEffect, useMemo, useState } from "preact/hooks";
import { readResult, showActor, type StoredResult } from "../../api/saved";
import type { Filter } from "../../api/types";
import { href, setParams, type Params } from "../../app/location";
import { from, instant, showTime, to } from "../../app/time";
import { Failure, Waiting } from "../../kit/states";
import { toast } from "../../kit/toast";
import { useData } from "../../kit/use_data";
import { Said } from "./differences";
import type { Parts } from "./index";
import { EITHER, narrowed } from "./narrow";
import { Results } from "./results";
import { sayReader, type Selection } from "./selection";
import { parse, print, type Query } from "../../api/query_text";

interface View { query: Query; selection: Selection | null }

// What the page stored beside the answer; null when it makes no sense to this one.
function viewOf(stored: StoredResult): View | null {
  try {
    return { query: parse(stored.state.q ?? "COUNT"), selection: stored.state.sel ? (JSON.parse(stored.state.sel) as Selection) : null };
  } catch {
    return null;
  }
}

export function Frozen({ id }: { id: string }) {
  const data = useData<StoredResult>(id, l => readResult(id, l.signal));
  const stored = data.value, view = useMemo(() => stored && viewOf(stored), [stored]);
  return (
    <>
      <div class="page-head"><h1>Stored result</h1></div>
      <section class="panel" aria-busy={data.isLoading} aria-label="Answer">
        <Waiting data={data} />
        <div class="body stack">
          {data.error && <><Failure error={data.error} retry={data.retry} />{data.error.status === 404 && <p>Its environment may be another one, or someone deleted it. <a href={href("query")}>Ask a new question</a>.</p>}</>}
          {stored && view && <Shown key={id} stored={stored} view={view} />}
          {stored && !view && <p class="error-text" role="alert">Another program stored this result, in a form that this page cannot draw: GET /skep/v1/results/{id} holds it.</p>}
        </div>
      </section>
    </>
  );
}

function Shown({ stored, view: { query, selection: first } }: { stored: StoredResult; view: View }) {
  const { state, question } = stored, start = question.query?.start_time ?? 0, end = question.query?.end_time ?? 0;
  const [range] = useState(from.value + to.value), [selection, setSelection] = useState(first);
  // Leaves the stored answer: the same question, with what was changed.
  const ask = (changed: Params) => setParams({ r: null, env: stored.environment, q: print(query), from: state.from, to: state.to, ...changed });
  const askWith = (spec: Partial<Query["spec"]>) => ask({ q: print({ ...query, spec: { ...query.spec, ...spec } }) });
  useEffect(() => setParams({ chart: state.chart, y: state.y }, { replace: true }), []);
  useEffect(() => { if (from.value + to.value !== range) ask({ from: from.value, to: to.value }); }, [from.value, to.value]);
  const narrow = (added: Filter[]) => { const spec = narrowed(query.spec, added); if (spec) askWith(spec); else toast(EITHER); };
  const groups = query.spec.breakdowns ?? [];
  return (
    <>
      <div class="notice">
        <strong class="mono query-said">{print(query)}{stored.kind === "differences" && selection && `, ${sayReader(selection)}`}</strong>
        <span>{stored.environment}, {showTime(start * 1000, { ms: false })} to {showTime(end * 1000, { ms: false })}, asked by {showActor(stored.by)} at {showTime(Date.parse(stored.created), { ms: false })}. The answer stays as it was.</span>
        <div class="row"><button class="button small" onClick={() => ask({ sel: state.sel, base: state.base, tab: stored.kind === "differences" ? "differences" : null })}>Ask again now</button></div>
      </div>
      {stored.kind === "differences"
        ? <div class="stack"><Said answer={stored.answer} onFilters={narrow} onGroup={name => askWith({ breakdowns: [...groups.filter(g => g !== name), name] })} /></div>
        : <Results parts={{ query, result: stored.answer, start, end } satisfies Parts} selection={selection} onZoom={(a, b) => ask({ from: instant(a), to: instant(b) })}
          onSelect={(s, open, base) => (open ? ask({ sel: JSON.stringify(s), tab: "differences", base }) : setSelection(s))} onFilters={narrow} />}
    </>
  );
}
