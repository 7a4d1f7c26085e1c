// A table whose columns sort; rows may be links. Long lists are shown a page at a time.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface Column<T> {
  key: string;
  title: ComponentChildren;
  isNumber?: boolean;
  value?: (row: T) => string | number | null | undefined; // what it sorts by; without it the column does not sort
  cell: (row: T) => ComponentChildren;
}

const PAGE = 100;

function compare(a: string | number | null | undefined, b: string | number | null | undefined): number {
  const absent = (v: unknown) => v === null || v === undefined;
  if (absent(a) || absent(b)) return Number(absent(a)) - Number(absent(b));
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

export function Table<T>(props: {
  caption: string; rows: readonly T[]; columns: readonly Column<T>[]; rowKey: (row: T) => string; sort?: { key: string; isDown: boolean }; isCurrent?: (row: T) => boolean;
  onHover?: (row: T | null) => void; // under the pointer, or with the focus in it
}) {
  const [sort, setSort] = useState(props.sort ?? null);
  const [shown, setShown] = useState(PAGE);
  const by = sort && props.columns.find(c => c.key === sort.key)?.value;
  const rows = by ? [...props.rows].sort((a, b) => {
    const order = compare(by(a), by(b));
    return sort.isDown && by(a) != null && by(b) != null ? -order : order;
  }) : props.rows;
  return (
    <div class="table-box">
      <table class="table">
        <caption class="visually-hidden">{props.caption}</caption>
        <thead>
          <tr>{props.columns.map(c => {
            const isBy = sort?.key === c.key;
            return (
              <th key={c.key} scope="col" class={c.isNumber ? "number" : ""} aria-sort={isBy ? (sort!.isDown ? "descending" : "ascending") : undefined}>
                {c.value ? <button onClick={() => setSort({ key: c.key, isDown: isBy ? !sort!.isDown : !!c.isNumber })}>{c.title}{isBy ? (sort!.isDown ? " ↓" : " ↑") : ""}</button> : c.title}
              </th>
            );
          })}</tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map(row => {
            // A row that the Tab key scrolls under a pointer at rest is not meant.
            const on = props.onHover && (() => props.onHover!(row)), off = props.onHover && (() => props.onHover!(null));
            return (
              <tr key={props.rowKey(row)} class={props.isCurrent?.(row) ? "is-current" : ""} onMouseMove={e => (e.movementX || e.movementY) && on?.()} onMouseLeave={e => e.currentTarget.parentElement!.querySelector(":focus-visible") || off?.()} onFocusIn={on} onFocusOut={off}>
                {props.columns.map(c => <td key={c.key} class={c.isNumber ? "number" : ""}>{c.cell(row)}</td>)}
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows.length > shown && <div class="waiting"><button class="button small" onClick={() => setShown(n => n + PAGE)}>Show {Math.min(PAGE, rows.length - shown)} more of {rows.length}</button></div>}
    </div>
  );
}
