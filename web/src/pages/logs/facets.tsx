// Fields beside the lines, with their most frequent values among the lines that the filter leaves; a click filters by one, or takes it out.
import { useState } from "preact/hooks";
import { ask } from "../../api/query";
import { rangeText, type EventRow } from "../../api/rows";
import type { Scalar } from "../../api/types";
import { environment } from "../../app/environment";
import { resolveRange, tick } from "../../app/time";
import { ABSENT, showCount, showShare } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { Failure } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { clause, clausesOf, nameText, whereOf } from "./where";

const FIRST = ["severity", "service.name", "event.name", "library.name", "host.name"];
const HIDDEN = new Set(["start_ns", "time", "dataset", "body", "trace.trace_id", "trace.span_id", "trace.parent_id", "sample_rate", "flags", "meta.signal_type", "meta.annotation_type"]);
const SHOWN = 14;

interface Top { value: Scalar; count: number }

function Facet({ field, typed, rangeKey, isOpenFirst, onToggle }: { field: string; typed: string; rangeKey: string; isOpenFirst: boolean; onToggle: (clause: string) => void }) {
  const [isOpen, setOpen] = useState(isOpenFirst);
  const data = useData<{ top: Top[]; total: number }>(isOpen ? JSON.stringify([environment.value, field, typed, rangeKey, tick.value]) : null, async l => {
    const result = await ask({ text: `COUNT WHERE ${whereOf(typed)} GROUP BY ${nameText(field)} ORDER BY COUNT DESC LIMIT 8 ${rangeText(resolveRange())}` }, l.signal);
    return { top: result.data.results.map(r => ({ value: r.data[field] as Scalar, count: Number(r.data.COUNT) })), total: Number(result.data.total_by_aggregate?.COUNT ?? 0) };
  });
  const chosen = new Set(clausesOf(typed));
  return (
    <li class="facet">
      <button class="facet-name" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}><Icon name={isOpen ? "down" : "right"} /><span class="cut">{field}</span></button>
      {isOpen && data.error && <Failure error={data.error} retry={data.retry} />}
      {isOpen && data.value && (
        <ul class={"plain" + (data.isLoading ? " is-stale" : "")}>
          {data.value.top.map(t => {
            const only = clause(field, "=", t.value), not = clause(field, "!=", t.value), text = t.value === null ? "absent" : String(t.value);
            return (
              <li key={String(t.value)} class="facet-value">
                <button class="facet-only" aria-pressed={chosen.has(only)} title={`${chosen.has(only) ? "Do not filter by" : "Only"} ${text}`} onClick={() => onToggle(only)}>
                  <span class={"cut" + (t.value === null ? " muted" : "")}>{text || '""'}</span><span class="facet-count" title={showShare(data.value!.total ? t.count / data.value!.total : null)}>{showCount(t.count)}</span>
                  <i style={{ width: `${data.value!.total ? (100 * t.count) / data.value!.total : 0}%` }} />
                </button>
                <button class="facet-not" aria-label={`All but ${text}`} title="All but this" onClick={() => onToggle(not)}><Icon name="close" /></button>
              </li>
            );
          })}
          {data.value.top.length === 0 && <li class="muted">{ABSENT}</li>}
        </ul>
      )}
    </li>
  );
}

export function Facets({ rows, typed, rangeKey, onToggle }: { rows: readonly EventRow[]; typed: string; rangeKey: string; onToggle: (clause: string) => void }) {
  const [isAll, setAll] = useState(false);
  const counts = new Map<string, number>();
  for (const row of rows) for (const name of Object.keys(row)) if (!HIDDEN.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const names = [...counts.keys()].sort((a, b) => rank(a) - rank(b) || counts.get(b)! - counts.get(a)! || a.localeCompare(b));
  if (names.length === 0) return null;
  return (
    <aside class="logs-facets" aria-label="Fields of these lines">
      <ul class="plain">{names.slice(0, isAll ? names.length : SHOWN).map(name => <Facet key={name} field={name} typed={typed} rangeKey={rangeKey} isOpenFirst={name === "severity" || name === "service.name"} onToggle={onToggle} />)}</ul>
      {names.length > SHOWN && <button class="button quiet small" onClick={() => setAll(!isAll)}>{isAll ? "Fewer" : `${names.length - SHOWN} more fields`}</button>}
    </aside>
  );
}
