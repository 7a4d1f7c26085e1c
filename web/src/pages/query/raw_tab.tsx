// The events behind the answer, or behind what is selected in it, as they were sent: newest first.
import { useState } from "preact/hooks";
import { askRows, type EventRow } from "../../api/rows";
import { environment } from "../../app/environment";
import { href } from "../../app/location";
import { showTime } from "../../app/time";
import { ABSENT, showCount, showValue } from "../../kit/format";
import { Empty, Failure, Waiting } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import type { Parts } from "./index";
import { EITHER, narrowed } from "./narrow";
import { filtersOf, rangeOf, sayReader, type Selection } from "./selection";
import { save, toCsv } from "../../api/series";
import { printWhere } from "../../api/query_text";

const AT_MOST = 200;
const COMMON = ["service.name", "name", "duration_ms", "body"];
const OWN = new Set(["start_ns", "time", "dataset"]);

// What the question names, then what most events have.
function columnsOf(parts: Parts, rows: readonly EventRow[]): string[] {
  const { spec } = parts.query;
  const named = [...(spec.breakdowns ?? []), ...(spec.filters ?? []).map(f => f.column), ...(spec.calculations ?? []).flatMap(c => c.column ?? [])];
  return [...new Set([...COMMON, ...named])].filter(name => !OWN.has(name) && name !== "trace.trace_id" && rows.some(r => r[name] != null));
}

export function RawTab({ parts, selection }: { parts: Parts; selection: Selection | null }) {
  const { query: { spec, dataset } } = parts, within = narrowed(spec, filtersOf(selection));
  const [isWhole, setWhole] = useState(false);
  const where = within && printWhere(within.filters ?? [], within.filter_combination), range = rangeOf(parts, selection);
  const data = useData(where === null ? null : JSON.stringify([environment.value, dataset, where, range]), l => askRows({ where: where!, from: dataset, range, limit: AT_MOST }, l.signal));
  const rows = data.value?.rows ?? [], all = [...new Set(rows.flatMap(r => Object.keys(r)))].sort();
  const shown = isWhole ? all.filter(n => !OWN.has(n) && n !== "trace.trace_id") : columnsOf(parts, rows);
  if (!within) return <Empty title="The selection cannot be shown in this question."><span>{EITHER}</span></Empty>;
  return (
    <div class="stack" aria-busy={data.isLoading}>
      <Waiting data={data} />
      {selection && <p>Events where <b class="selection-text">{sayReader(selection)}</b></p>}
      {data.error && <Failure error={data.error} retry={data.retry} stale={data.value !== null} />}
      {data.value && (rows.length === 0 ? <Empty title="No event in this range passes the filters." /> : (
        <>
          <div class="row wrap query-tools"><span class="muted">{data.value.next ? `The ${showCount(rows.length)} newest` : showCount(rows.length)} events</span><span class="grow" />
            <button class="button quiet small" aria-pressed={isWhole} onClick={() => setWhole(!isWhole)}>all fields</button>
            <button class="button quiet small" onClick={() => save(`skep-${environment.value}-events.csv`, "text/csv", toCsv(all, rows))}>CSV</button>
            <button class="button quiet small" onClick={() => save(`skep-${environment.value}-events.json`, "application/json", JSON.stringify(rows, null, 1))}>JSON</button></div>
          <Table caption="Events, newest first" rows={rows.map((row, i) => ({ row, i }))} rowKey={r => String(r.i)} columns={[
            { key: "time", title: "Time", cell: ({ row }) => <span class="mono">{showTime(Number(row.start_ns) / 1e6)}</span> },
            { key: "trace", title: "Trace", cell: ({ row }) => (row["trace.trace_id"] ? <a class="mono" href={href("trace", { id: String(row["trace.trace_id"]), span: row["trace.span_id"] == null ? null : String(row["trace.span_id"]) })}>{String(row["trace.trace_id"]).slice(0, 8)}</a> : ABSENT) },
            ...shown.map(name => ({ key: name, title: name, cell: ({ row }: { row: EventRow }) => (row[name] == null ? ABSENT : showValue(row[name])) })),
          ]} />
        </>
      ))}
    </div>
  );
}
