// The traces that have events of the question, or of what is selected in it.
import { ask } from "../../api/query";
import { printWhere } from "../../api/query_text";
import { environment } from "../../app/environment";
import { href } from "../../app/location";
import { instant } from "../../app/time";
import { showCount, showMs, showNumber } from "../../kit/format";
import { Empty, Failure, Waiting } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import type { Parts } from "./index";
import { EITHER, narrowed } from "./narrow";
import { filtersOf, rangeOf, sayReader, type Selection } from "./selection";

export function TracesTab({ parts, selection }: { parts: Parts; selection: Selection | null }) {
  const { spec } = parts.query, within = narrowed(spec, filtersOf(selection));
  const range = rangeOf(parts, selection);
  const asked = within && (narrowed(within, [{ column: "trace.trace_id", op: "exists" }]) ?? within); // events without a trace are left out below, too
  const data = useData(asked && JSON.stringify([environment.value, parts.query.dataset, asked.filters, range]), l => ask({ dataset: parts.query.dataset, range, spec: {
    calculations: [{ op: "MAX", column: "duration_ms" }, { op: "COUNT" }], breakdowns: ["trace.trace_id"], filters: asked!.filters, filter_combination: asked!.filter_combination,
    orders: [{ op: "MAX", column: "duration_ms", order: "descending" }], limit: 200 } }, l.signal));
  if (!within) return <Empty title="The selection cannot be shown in this question."><span>{EITHER}</span></Empty>;
  return (
    <div class="stack" aria-busy={data.isLoading}>
      <Waiting data={data} />
      {selection && <p>Traces with events where <b class="selection-text">{sayReader(selection)}</b></p>}
      {within.filters?.length && within.filter_combination !== "OR" ? <div><a class="button small" href={href("map", { q: printWhere(within.filters), from: instant(range.start), to: instant(range.end) })}>Map of these traces</a></div> : null}
      {data.error && <Failure error={data.error} retry={data.retry} />}
      {data.value && (data.value.data.results.length === 0 ? <Empty title="None of these events belongs to a trace." /> : (
        <Table caption="Traces, slowest event first" rows={data.value.data.results.map(r => r.data).filter(r => r["trace.trace_id"])} rowKey={r => String(r["trace.trace_id"])} columns={[
          { key: "id", title: "Trace", cell: r => <a class="mono" href={href("trace", { id: String(r["trace.trace_id"]) })}>{String(r["trace.trace_id"])}</a> },
          { key: "max", title: "longest event", isNumber: true, value: r => r["MAX(duration_ms)"] as number | null, cell: r => showMs(r["MAX(duration_ms)"] as number | null) },
          { key: "count", title: "events that match", isNumber: true, value: r => r.COUNT as number, cell: r => showCount(r.COUNT as number) },
        ]} />
      ))}
      {data.value && data.value.data.results.length >= 200 && <p class="muted">The {showNumber(200)} with the longest events.</p>}
    </div>
  );
}
