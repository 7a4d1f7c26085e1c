// One line, and all of its fields when it is opened.
import type { EventRow } from "../../api/rows";
import type { Scalar } from "../../api/types";
import { href } from "../../app/location";
import { showClock, showTime } from "../../app/time";
import { showValue } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { copy } from "../../kit/toast";
import { bodyOf, severityOf } from "./patterns";
import { severityColor } from "./severity";
import { clause } from "./where";

export const ROW_HEIGHT = 22;
const BODY_SHOWN = 32 * 1024;

export function keyOf(row: EventRow): string {
  return `${row.start_ns} ${row.dataset} ${row["trace.parent_id"] ?? ""} ${bodyOf(row).slice(0, 200)}`;
}

export function traceAddress(row: EventRow): string | null {
  const id = row["trace.trace_id"];
  return id ? href("trace", { id: String(id), span: (row["trace.span_id"] ?? row["trace.parent_id"]) as string | undefined }) : null;
}

export interface LineActions {
  onFilter: (clause: string) => void;
  onColumn: (field: string) => void;
  onContext: (row: EventRow) => void;
}

export function LineRow({ row, columns, isCurrent, isOpen, onOpen, onCurrent, id }: { row: EventRow; columns: readonly string[]; isCurrent: boolean; isOpen?: boolean; onOpen?: () => void; onCurrent?: () => void; id: string }) {
  const severity = severityOf(row), trace = traceAddress(row), ms = Date.parse(row.time);
  return (
    <div id={id} class={"line" + (isCurrent ? " is-current" : "")} role="row" aria-selected={isCurrent} aria-expanded={isOpen} onClick={e => { if ((e.target as Element).closest("a") || getSelection()?.toString()) return; onCurrent?.(); onOpen?.(); }}>
      <i class="line-stripe" style={{ background: severityColor(severity) }} />
      <span class="line-time" role="gridcell" title={showTime(ms)}>{showClock(ms)}</span>
      <span class={`line-severity is-${severity}`} role="gridcell">{severity === "unset" ? "" : severity}</span>
      <span class="line-service cut" role="gridcell" title={row.dataset}>{row.dataset}</span>
      {columns.map(c => <span key={c} class="line-column cut" role="gridcell" title={row[c] === undefined ? undefined : String(row[c])}>{row[c] === undefined ? "" : showValue(row[c])}</span>)}
      <span class="line-body cut" role="gridcell">{bodyOf(row).slice(0, 1000)}</span>
      <span class="line-trace" role="gridcell">{trace && <a href={trace} title="The trace of this line">trace</a>}</span>
    </div>
  );
}

function fieldOrder(name: string): number {
  return name === "body" ? 0 : name.startsWith("trace.") ? 2 : name.startsWith("meta.") ? 3 : 1;
}

// What only the answer has, not the event.
function canFilter(name: string): boolean {
  return name !== "time" && name !== "dataset" && name !== "sample_rate";
}

export function LineDetail({ row, actions, columns }: { row: EventRow; actions: LineActions; columns: readonly string[] }) {
  const names = Object.keys(row).filter(n => n !== "start_ns").sort((a, b) => fieldOrder(a) - fieldOrder(b) || a.localeCompare(b));
  const trace = traceAddress(row), body = bodyOf(row), shown = body.length > BODY_SHOWN ? body.slice(0, BODY_SHOWN) : body;
  return (
    <div class="line-detail">
      <div class="row wrap">
        {trace && <a class="button small" href={trace}><Icon name="trace" /> Open its trace</a>}
        <button class="button small" onClick={() => actions.onContext(row)}>50 lines around it <kbd>x</kbd></button>
        <button class="button small" onClick={() => copy(JSON.stringify(row, null, 2), "Line")}><Icon name="copy" /> Copy as JSON</button>
        <button class="button small" onClick={() => copy(new URL(href("logs", { line: row.start_ns, of: row.dataset }), location.href).href, "Link to the line")}><Icon name="link" /> Copy link</button>
      </div>
      <pre class="line-text">{shown}</pre>
      {shown !== body && <p class="muted">The first 32 KiB of {body.length.toLocaleString("en-US")} characters. Copy as JSON holds all.</p>}
      <table class="table">
        <caption class="visually-hidden">Fields of the line</caption>
        <tbody>{names.filter(n => n !== "body").map(name => {
          const value = row[name] as Scalar;
          return (
            <tr key={name}>
              <th scope="row" class="mono">{name}</th>
              <td class="mono">{name.endsWith("trace_id") ? <a href={href("trace", { id: String(value) })}>{String(value)}</a> : showValue(value)}</td>
              <td class="line-field-actions">
                {canFilter(name) && <button class="button quiet small" title={`Only lines with this ${name}`} aria-label={`Only lines with this ${name}`} onClick={() => actions.onFilter(clause(name, "=", value))}>=</button>}
                {canFilter(name) && <button class="button quiet small" title={`No lines with this ${name}`} aria-label={`No lines with this ${name}`} onClick={() => actions.onFilter(clause(name, "!=", value))}>≠</button>}
                {canFilter(name) && <button class="button quiet small" aria-pressed={columns.includes(name)} aria-label={`Column ${name}`} title="Show as a column" onClick={() => actions.onColumn(name)}>column</button>}
              </td>
            </tr>
          );
        })}</tbody>
      </table>
    </div>
  );
}
