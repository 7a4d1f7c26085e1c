// Everything a span says: fetched when it is opened, because a trace's fields weigh thirty times its skeleton.
import { useMemo, useState } from "preact/hooks";
import { call } from "../../api/client";
import { ask } from "../../api/query";
import type { Scalar, Span, TraceSpan } from "../../api/types";
import { environment } from "../../app/environment";
import { href } from "../../app/location";
import { showClock } from "../../app/time";
import { plural, showIn, showMs, showValue, unitOf } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { Panel } from "../../kit/states";
import { copy } from "../../kit/toast";
import { useData, type Data } from "../../kit/use_data";

export function useSpan(trace: string, index: number | null): Data<TraceSpan> {
  return useData(index === null ? null : `${environment.value} ${trace} ${index}`, l => call<TraceSpan>(`skep/v1/traces/${trace}`, { params: { environment: environment.value, index: index! }, signal: l.signal }));
}

const HEAD = ["service.name", "name", "duration_ms", "meta.self_ms", "meta.gap_ms", "span.kind", "error", "status_message", "status_code"];
const HIDDEN = new Set(["start_ns", "dataset", "trace.trace_id", "trace.span_id", "trace.parent_id", "meta.is_critical", "meta.signal_type", "meta.annotation_type", "type", "span.num_events", "span.num_links", "meta.root_name", "meta.depth"]);

// A value as query text writes it.
function literal(value: Scalar): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
function named(field: string): string {
  return /^[A-Za-z_][\w.\-:/+@$]*$/.test(field) ? field : JSON.stringify(field);
}

function Fields({ row, filter }: { row: Span; filter: string }) {
  const wanted = filter.toLowerCase();
  const names = Object.keys(row).filter(n => !HIDDEN.has(n) && n !== "time" && (!wanted || n.toLowerCase().includes(wanted) || String(row[n]).toLowerCase().includes(wanted)))
    .sort((a, b) => (HEAD.indexOf(a) + 1 || 99) - (HEAD.indexOf(b) + 1 || 99) || (a < b ? -1 : 1));
  if (!names.length) return <p class="muted">{wanted ? "No field or value holds this text." : "No fields."}</p>;
  return (
    <dl class="fields">
      {names.map(n => {
        const value = row[n]!, isNumber = typeof value === "number" && unitOf(n) !== "number";
        return (
          <div key={n}>
            <dt title={n}>{n}</dt>
            <dd title={showValue(value)}>
              <span>{isNumber ? showIn(unitOf(n), value as number) : showValue(value)}</span>
              <a class="fields-ask" href={href("traces", { q: `${named(n)} = ${literal(value)}` })} title={`Traces with this ${n}`} aria-label={`Traces where ${n} is ${showValue(value)}`}><Icon name="search" /></a>
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Notes({ title, rows, startNs }: { title: string; rows: Span[]; startNs: string }) {
  if (!rows.length) return null;
  const since = (row: Span) => Number(BigInt(row.start_ns) - BigInt(startNs)) / 1e6;
  return (
    <section class="stack tight">
      <h3>{title} <span class="muted">{rows.length}</span></h3>
      {rows.map((row, i) => (
        <details key={i} class="wf-note">
          <summary><span class="mono muted">{since(row) >= 0 ? "+" : "−"}{showMs(Math.abs(since(row)))}</span> {row["severity"] && <span class={"wf-sev sev-" + row["severity"]}>{showValue(row["severity"])}</span>} <span>{showValue(row["body"] ?? row["exception.message"] ?? row["name"])}</span></summary>
          <Fields row={row} filter="" />
        </details>
      ))}
    </section>
  );
}

function Links({ links }: { links: Span[] }) {
  if (!links.length) return null;
  return (
    <section class="stack tight"><h3>Links to <span class="muted">{links.length}</span></h3>
      <ul class="plain">{links.map((l, i) => <li key={i}><a class="mono" href={href("trace", { id: String(l["trace.link.trace_id"]), span: l["trace.link.span_id"] as string | null })}>trace {String(l["trace.link.trace_id"]).slice(0, 16)}…</a></li>)}</ul>
    </section>
  );
}

// Spans of other traces that link to this one. Links point back in time, so that a day after it is looked at.
function LinkedFrom({ trace, span, startNs }: { trace: string; span: string; startNs: string }) {
  const at = Math.floor(Number(BigInt(startNs) / 1_000_000_000n));
  const data = useData(`${environment.value} ${trace} ${span}`, l => ask({
    spec: { calculations: [{ op: "COUNT" }], breakdowns: ["trace.trace_id", "trace.parent_id", "service.name"], limit: 50,
      filters: [{ column: "trace.link.trace_id", op: "=", value: trace }, { column: "trace.link.span_id", op: "=", value: span }] },
    range: { start: at - 3600, end: at + 86400 },
  }, l.signal));
  const rows = data.value?.data.results ?? [];
  if (!rows.length) return null;
  return (
    <section class="stack tight"><h3>Linked from <span class="muted">{rows.length}</span></h3>
      <ul class="plain">{rows.map((r, i) => <li key={i}><a href={href("trace", { id: String(r.data["trace.trace_id"]), span: r.data["trace.parent_id"] as string | null })}>{showValue(r.data["service.name"])} <span class="mono">{String(r.data["trace.trace_id"]).slice(0, 16)}…</span></a></li>)}</ul>
    </section>
  );
}

// How unusual this duration is among spans of the same service and name in the hour before it.
function Unusual({ row }: { row: Span }) {
  const name = row["name"], service = row["service.name"], length = row["duration_ms"];
  const at = Math.floor(Number(BigInt(row.start_ns) / 1_000_000_000n));
  const can = typeof name === "string" && typeof service === "string" && typeof length === "number";
  const data = useData(can ? `${environment.value} ${service} ${name} ${at}` : null, l => ask({
    spec: { calculations: [{ op: "COUNT" }, ...[50, 75, 90, 95, 99].map(q => ({ op: "P" + q, column: "duration_ms" })), { op: "MAX", column: "duration_ms" }],
      filters: [{ column: "name", op: "=", value: name as string }, { column: "service.name", op: "=", value: service as string }] },
    range: { start: at - 3600, end: at + 1 },
  }, l.signal));
  const found = data.value?.data.results[0]?.data;
  if (!found || typeof length !== "number") return null;
  const text = unusualText(length, found as Record<string, number>);
  return text && <p class={"pill wrap " + (text.isUnusual ? "is-warn" : "")}>{text.text}</p>;
}

export function unusualText(length: number, found: Record<string, number | null>): { text: string; isUnusual: boolean } | null {
  const count = found["COUNT"] ?? 0, median = found["P50(duration_ms)"];
  if (count < 20 || median === null || median === undefined) return null; // too few to say anything
  const among = `${plural(count, "like span")} of the hour before; median ${showMs(median)}`;
  if (length >= (found["MAX(duration_ms)"] ?? Infinity)) return { text: `The slowest of ${among}`, isUnusual: true };
  const passed = [99, 95, 90, 75, 50].find(q => length > (found[`P${q}(duration_ms)`] ?? Infinity));
  return passed ? { text: `Slower than ${passed} % of ${among}`, isUnusual: passed >= 95 } : { text: `Faster than half of ${among}`, isUnusual: false };
}

export function Detail({ trace, data, onClose }: { trace: string; data: Data<TraceSpan>; onClose: () => void }) {
  const [filter, setFilter] = useState("");
  const title = useMemo(() => (data.value ? showValue(data.value.span["name"]) : "Span"), [data.value]);
  return (
    <div class="wf-detail" id="wf-detail" tabIndex={-1} role="region" aria-label="Span details" onKeyDown={e => { if (e.key === "Escape") onClose(); }}>
      <Panel title={title} data={data} actions={<button class="button quiet small" onClick={onClose} aria-label="Close details"><Icon name="close" /></button>}>
        {value => {
          const row = value.span, spanId = String(row["trace.span_id"]);
          return (
            <div class="stack">
              <p class="row wrap"><span>{showClock(Date.parse(row.time))}</span><button class="button quiet small mono" title="Copy the span's id" onClick={() => copy(spanId, "Span id")}>{spanId}</button></p>
              <Unusual row={row} />
              <Notes title="Events" rows={value.events} startNs={row.start_ns} />
              <Notes title="Logs" rows={value.logs} startNs={row.start_ns} />
              {value.left_out > 0 && <p class="muted">{plural(value.left_out, "more event or log", "more events and logs")} of this span: <a href={href("logs", { q: `trace.trace_id = "${trace}" AND trace.parent_id = "${spanId}"` })}>read them all</a></p>}
              <Links links={value.links} />
              <LinkedFrom trace={trace} span={spanId} startNs={row.start_ns} />
              <p class="row wrap">
                <a class="button small" href={href("logs", { q: `trace.trace_id = "${trace}" AND trace.parent_id = "${spanId}"` })}>Logs of this span</a>
                <a class="button small" href={href("query", { q: `COUNT, P50(duration_ms), P99(duration_ms), HEATMAP(duration_ms) WHERE service.name = ${literal(row["service.name"] ?? "")} AND name = ${literal(row["name"] ?? "")}` })}>Like spans over time</a>
                <a class="button small" href={href("service", { name: showValue(row["service.name"]) })}>Service</a>
              </p>
              <input class="input" type="search" placeholder="Filter fields" aria-label="Filter fields" value={filter} onInput={e => setFilter(e.currentTarget.value)} />
              <Fields row={row} filter={filter} />
            </div>
          );
        }}
      </Panel>
    </div>
  );
}
