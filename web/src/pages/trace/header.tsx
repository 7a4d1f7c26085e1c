// What a trace is at a glance, and what is odd about it.
import { useMemo } from "preact/hooks";
import { ask } from "../../api/query";
import { printValue } from "../../api/query_text";
import type { TraceColumns } from "../../api/types";
import { go, href } from "../../app/location";
import { instant, showTime, zoneLabel } from "../../app/time";
import { differencesOfErrors } from "../../kit/question_link";
import { plural, showCount, showMs, showShare } from "../../kit/format";
import { copy, toast } from "../../kit/toast";
import { isMissing, nameOf, SAMPLED, serviceOf, type Critical, type Model } from "./model";
import type { Folds } from "./rows";
import type { Skew } from "./skew";
import { longestWait } from "./tries";

const FRESH_MS = 30_000, LONG = 0.1; // LONG: so much of a request is worth telling
const SPANS_SMOOTH = 250_000; // up to so many every step stays within its budget

// The first root that arrived, else whatever stands first.
function rootOf(m: Model): number {
  for (let i = 0; i < m.count; i += m.size[i]!) if (!isMissing(m, i)) return i;
  return 0;
}

// Why a parent may be absent, likeliest first; what the reader can do about it.
export function missingCause(columns: TraceColumns, now: number): string {
  const end = Number(BigInt(columns.start_ns) / 1_000_000n);
  if (now - end < FRESH_MS) return "The trace is younger than 30 s: the rest may still be on its way.";
  if (columns.flags.some(f => f & SAMPLED)) return "Some spans were sampled by the sender, so others were left out.";
  if (columns.trace_id.length === 16) return "The trace id has 64 bits: a service on the way may have cut it, and its spans lie in another trace.";
  if (columns.damaged_blocks) return "Part of the store could not be read.";
  return "Its service may not send traces, may send them elsewhere, or may have been refused.";
}

// A trace of the same root whose duration is near the median of the hour before.
async function findTypical(m: Model, root: number): Promise<string | null> {
  const at = Math.floor(Number(BigInt(m.columns.start_ns) / 1_000_000_000n)), range = { start: at - 3600, end: at + 60 };
  const filters = [{ column: "name", op: "=", value: nameOf(m, root) }, { column: "service.name", op: "=", value: serviceOf(m, root) }, { column: "trace.parent_id", op: "does-not-exist" }];
  const half = (await ask({ spec: { calculations: [{ op: "P50", column: "duration_ms" }], filters }, range })).data.results[0]?.data["P50(duration_ms)"];
  if (typeof half !== "number") return null;
  const near = await ask({ spec: { calculations: [{ op: "MIN", column: "duration_ms" }], breakdowns: ["trace.trace_id"], limit: 2, orders: [{ op: "MIN", column: "duration_ms" }],
    filters: [...filters, { column: "duration_ms", op: ">=", value: half * 0.99 }] }, range });
  const found = near.data.results.map(r => String(r.data["trace.trace_id"])).find(id => id !== m.columns.trace_id);
  return found ?? null;
}

export function Header({ model: m, columns, skew, isSkewed, folds, critical }: { model: Model; columns: TraceColumns; skew: Skew; isSkewed: boolean; folds: Folds; critical: Critical }) {
  const root = rootOf(m), whole = m.last - m.first, startMs = Number(BigInt(columns.start_ns) / 1000n) / 1000 + m.first / 1000;
  const missing = columns.missing_parents.length;
  const wait = useMemo(() => longestWait(m, critical), [m, critical]), tries = wait && wait.waited > LONG * critical.total ? wait : null, ofPath = (us: number) => showShare(us / critical.total);
  const busiest = [...critical.byService].map(([s, us]) => [s, tries && m.service[tries.parent] === s ? us - tries.waited : us] as const).sort((a, b) => b[1] - a[1])[0];
  const widest = [...folds.list].sort((a, b) => b.covered - a.covered)[0];
  const compareTypical = async () => {
    try {
      const id = await findTypical(m, root);
      if (id) go(href("compare", { a: id, b: columns.trace_id }));
      else toast("No other trace of this kind in the hour before");
    } catch {
      toast("The server could not look for a like trace");
    }
  };
  return (
    <div class="stack tight">
      <div class="page-head wf-title">
        <h1><span class="text-2">{serviceOf(m, root)}</span> {nameOf(m, root)}</h1>
        <strong>{showMs(whole / 1000)}</strong>
        <span class="row wrap">
          <span>{plural(columns.count, "span")}</span><span>{plural(columns.services.length, "service")}</span>
          {m.errorCount > 0 && <span class="pill is-error">{plural(m.errorCount, "error")}</span>}
          {missing > 0 && <span class="pill is-warn">{plural(missing, "missing parent")}</span>}
          {columns.folded_rows > 0 && <span class="pill" title="Identical repeats of spans, sent more than once">{plural(columns.folded_rows, "repeat")} folded</span>}
        </span>
        <span class="grow" />
        <span class="muted">{showTime(startMs)} {zoneLabel(startMs)}</span>
      </div>
      <div class="row wrap">
        <button class="button quiet small mono" title="Copy the trace's id" onClick={() => copy(columns.trace_id, "Trace id")}>{columns.trace_id}</button>
        <button class="button small" onClick={compareTypical} title="With one of the same root, as long as the median of the hour before">Compare with a typical one</button>
        <a class="button small" href={href("map", { q: `trace.trace_id = ${printValue(columns.trace_id)}`, from: instant(Math.floor(startMs / 1000)), to: instant(Math.ceil((startMs + whole / 1000) / 1000) + 1) })} title="Who calls whom in this trace">Map</a>
        <a class="button small" data-native download={`trace-${columns.trace_id}.json`} href={`skep/v1/traces/${columns.trace_id}?${new URLSearchParams({ environment: new URLSearchParams(location.search).get("env") ?? "" })}`}>Export JSON</a>
        {busiest && critical.total > 0 && <span class="text-2">
          {tries && <>{ofPath(tries.waited)} of the critical path {serviceOf(m, tries.parent)} waits to try again: {plural(tries.failed, "try", "tries")} of <a title="What is different about those that fail" href={differencesOfErrors(`service.name = ${printValue(serviceOf(m, tries.call))} AND name = ${printValue(nameOf(m, tries.call))}`)}>{nameOf(m, tries.call)}</a> failed. </>}
          {ofPath(busiest[1])} of {tries ? "it" : "the critical path"} is {tries && "work of "}{columns.services[busiest[0]]}{widest && widest.covered > whole * LONG ? <>; {widest.count} × {nameOf(m, widest.first)} take {showShare(widest.covered / whole)} of the request</> : null}.</span>}
      </div>
      {columns.count > SPANS_SMOOTH && <p class="notice"><span>All {showCount(columns.count)} spans are here, but this page is made for {showCount(SPANS_SMOOTH)}: opening, finding and switching take longer. Services left out and folded runs make it lighter; the table view says the same in few rows.</span></p>}
      {missing > 0 && <p class="notice is-warn"><span>{plural(missing, "span is", "spans are")} named as a parent and not here; what they called is shown below a dashed row each. {missingCause(columns, Date.now())} <a href={href("doctor")}>Doctor</a> shows what was refused.</span></p>}
      {isSkewed && <p class="notice"><span>Clocks: {skew.hosts.filter(h => !h.isRefused).map(h => `${h.to} moved by ${showMs(h.shift / 1000)} against ${h.from} (median of ${plural(h.calls, "call")})`).join("; ")}. The dashed outlines are the times as they were sent.</span></p>}
      {skew.hosts.some(h => h.isRefused) && isSkewed && <p class="notice is-warn"><span>Left alone, because their calls disagree: {skew.hosts.filter(h => h.isRefused).map(h => `${h.from} → ${h.to}`).join(", ")}.</span></p>}
    </div>
  );
}
