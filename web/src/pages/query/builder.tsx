// The clauses of a question, all in sight. Every change is a new query text in the address.
import type { ComponentChildren } from "preact";
import { isNumeric } from "../../api/fields";
import type { Calculation, Field, Fields, Filter, Having, Order, QuerySpec, Scalar } from "../../api/types";
import { Combobox, type Option } from "../../kit/combobox";
import { showCount } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { COMPARES, EXISTS, FILTER_OPS, LISTS, OPS, parse, printCalculation, printValue, type Query, TextError } from "../../api/query_text";

function Clause(props: { title: string; keyName?: string; children: ComponentChildren; onAdd?: () => void; addLabel?: string }) {
  return (
    <div class="clause" role="group" aria-label={props.title}>
      <span class="label">{props.title}</span>
      <div class="row wrap">{props.children}
        {props.onAdd && <button class="button quiet small" data-clause={props.keyName} aria-label={props.addLabel} title={props.addLabel} onClick={props.onAdd}><Icon name="plus" /></button>}
      </div>
    </div>
  );
}

function Remove({ what, onClick }: { what: string; onClick: () => void }) {
  return <button class="button quiet small" aria-label={`Remove ${what}`} title={`Remove ${what}`} onClick={onClick}><Icon name="close" /></button>;
}

function fieldOptions(fields: readonly Field[]): Option[] {
  return [...fields].sort((a, b) => b.count - a.count).map(f => ({ value: f.name, hint: `${f.types.join(", ")} ${showCount(f.count)}` }));
}

function replaced<T>(list: readonly T[] | undefined, at: number, item: T | null): T[] {
  const copy = [...(list ?? [])];
  if (item === null) copy.splice(at, 1);
  else copy[at] = item;
  return copy;
}

// A calculation as text: the list offers those that make sense of each field.
function calculationOptions(fields: readonly Field[]): Option[] {
  const numbers = fields.filter(isNumeric).sort((a, b) => b.count - a.count).slice(0, 200);
  const sorted = ["duration_ms", ...numbers.map(f => f.name).filter(n => n !== "duration_ms")].filter(n => numbers.some(f => f.name === n));
  return [{ value: "COUNT" }, { value: "CONCURRENCY" },
    ...sorted.flatMap(n => ["HEATMAP", "P50", "P95", "P99", "AVG", "MAX", "SUM"].map(op => ({ value: printCalculation({ op, column: n }) }))),
    ...fields.map(f => ({ value: printCalculation({ op: "COUNT_DISTINCT", column: f.name }) })),
    ...sorted.flatMap(n => OPS.filter(op => !["COUNT", "CONCURRENCY", "COUNT_DISTINCT", "HEATMAP", "P50", "P95", "P99", "AVG", "MAX", "SUM"].includes(op)).map(op => ({ value: printCalculation({ op, column: n }) })))];
}

function parsedCalculation(text: string): Calculation | null {
  try { return parse(text).spec.calculations?.[0] ?? null; } catch (e) { if (e instanceof TextError) return null; throw e; }
}

// What was typed as a value: a number, true, false, else a text.
export function typedValue(text: string): Scalar {
  const trimmed = text.trim();
  if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(trimmed) && !/^-?0\d/.test(trimmed)) return Number(trimmed);
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  if (/^".*"$/.test(trimmed)) { try { return JSON.parse(trimmed) as string; } catch { /* as it stands */ } }
  return text;
}

function FilterEditor(props: { filter: Filter; fields: readonly Field[]; onChange: (f: Filter | null) => void }) {
  const { filter, fields } = props, field = fields.find(f => f.name === filter.column);
  const values = (field?.top ?? []).map(t => ({ value: String(t.value), hint: showCount(t.count) }));
  const shown = Array.isArray(filter.value) ? filter.value.map(printValue).join(", ") : filter.value === undefined || filter.value === null ? "" : String(filter.value);
  return (
    <span class="chip" role="group" aria-label={`Filter ${filter.column}`}>
      <Combobox label="Field" value={filter.column} options={fieldOptions(fields)} placeholder="field" autoFocus={!filter.column} onChoose={column => props.onChange(column ? { ...filter, column } : null)} />
      <select class="input" aria-label="How to compare" value={filter.op} onChange={e => {
        const op = e.currentTarget.value;
        props.onChange(EXISTS.includes(op) ? { column: filter.column, op } : LISTS.includes(op) ? { column: filter.column, op, value: Array.isArray(filter.value) ? filter.value : filter.value === undefined || filter.value === "" ? [] : [filter.value] }
          : { column: filter.column, op, value: Array.isArray(filter.value) ? filter.value[0] ?? "" : filter.value ?? "" });
      }}>{FILTER_OPS.map(op => <option key={op} value={op}>{op}</option>)}</select>
      {!EXISTS.includes(filter.op) && <Combobox label="Value" value={shown} options={values} placeholder="value" onChoose={text => props.onChange({ ...filter, value: LISTS.includes(filter.op) ? text.split(",").map(t => typedValue(t.trim())) : typedValue(text) })} />}
      <Remove what={`filter ${filter.column}`} onClick={() => props.onChange(null)} />
    </span>
  );
}

export function Builder({ query, fields, onChange }: { query: Query; fields: Fields | null; onChange: (q: Query) => void }) {
  const { spec } = query, list = fields?.fields ?? [];
  const set = (part: Partial<QuerySpec>) => {
    const merged: QuerySpec = { ...spec, ...part };
    for (const key of ["calculations", "filters", "breakdowns", "orders", "havings"] as const) if (merged[key]?.length === 0) delete merged[key];
    if ((merged.filters?.length ?? 0) < 2) delete merged.filter_combination;
    onChange({ ...query, spec: merged });
  };
  const calculations = spec.calculations?.length ? spec.calculations : [{ op: "COUNT" }], filters = spec.filters ?? [];
  const orderChoices = [...calculations.filter(c => c.op !== "HEATMAP").map(printCalculation), ...(spec.breakdowns ?? [])];
  const orderText = (o: Order) => (o.op ? printCalculation(o) : o.column!);
  return (
    <div class="builder">
      <Clause title="From">
        <Combobox label="Dataset" value={query.dataset ?? "all datasets"} options={[{ value: "all datasets" }, ...(fields?.datasets ?? []).map(d => ({ value: d.name, hint: showCount(d.rows) }))]}
          onChoose={name => onChange({ ...query, dataset: name && name !== "all datasets" ? name : null })} />
      </Clause>
      <Clause title="Select" keyName="select" addLabel="Add a calculation" onAdd={() => set({ calculations: [...calculations, { op: "P95", column: "duration_ms" }] })}>
        {calculations.map((c, i) => (
          <span class="chip" key={i}>
            <Combobox label="Calculation" value={printCalculation(c)} options={calculationOptions(list)} onChoose={text => { const made = parsedCalculation(text); set({ calculations: replaced(calculations, i, made ?? (text.trim() ? c : null)) }); }} />
            {(calculations.length > 1 || !!spec.calculations?.length) && <Remove what={printCalculation(c)} onClick={() => set({ calculations: replaced(calculations, i, null) })} />}
          </span>
        ))}
      </Clause>
      <Clause title="Where" keyName="where" addLabel="Add a filter" onAdd={() => set({ filters: [...filters, { column: "", op: "=", value: "" }] })}>
        {filters.map((f, i) => (
          <span class="row" key={i}>
            {i > 0 && <button class="button quiet small" title="AND or OR: one of them for all filters" onClick={() => set({ filter_combination: spec.filter_combination ? undefined : "OR" })}>{spec.filter_combination ?? "AND"}</button>}
            <FilterEditor filter={f} fields={list} onChange={made => set({ filters: replaced(filters, i, made) })} />
          </span>
        ))}
      </Clause>
      <Clause title="Group by" keyName="group" addLabel="Add a field to group by" onAdd={() => set({ breakdowns: [...(spec.breakdowns ?? []), ""] })}>
        {(spec.breakdowns ?? []).map((b, i) => (
          <span class="chip" key={i}>
            <Combobox label="Field" value={b} options={fieldOptions(list)} placeholder="field" autoFocus={!b} onChoose={name => set({ breakdowns: replaced(spec.breakdowns, i, name || null) })} />
            <Remove what={b} onClick={() => set({ breakdowns: replaced(spec.breakdowns, i, null) })} />
          </span>
        ))}
      </Clause>
      <Clause title="Order by" keyName="order" addLabel="Add an order" onAdd={() => { const next = orderChoices.find(c => !(spec.orders ?? []).some(o => orderText(o) === c)); if (next) set({ orders: [...(spec.orders ?? []), ordered(next, "descending")] }); }}>
        {(spec.orders ?? []).map((o, i) => (
          <span class="chip" key={i}>
            <select class="input" aria-label="Order by" value={orderText(o)} onChange={e => set({ orders: replaced(spec.orders, i, ordered(e.currentTarget.value, o.order)) })}>
              {[...new Set([orderText(o), ...orderChoices])].map(c => <option key={c} value={c}>{c}</option>)}
            </select>
            <button class="button quiet small" title="Ascending or descending" onClick={() => set({ orders: replaced(spec.orders, i, { ...o, order: o.order === "descending" ? undefined : "descending" }) })}>{o.order === "descending" ? "DESC" : "ASC"}</button>
            <Remove what={`order by ${orderText(o)}`} onClick={() => set({ orders: replaced(spec.orders, i, null) })} />
          </span>
        ))}
      </Clause>
      <Clause title="Having" keyName="having" addLabel="Add a condition on groups" onAdd={() => set({ havings: [...(spec.havings ?? []), { calculate_op: "COUNT", op: ">", value: 10 }] })}>
        {(spec.havings ?? []).map((h, i) => <HavingEditor key={i} having={h} choices={calculations} onChange={made => set({ havings: replaced(spec.havings, i, made) })} />)}
      </Clause>
      <Clause title="Limit"><NumberBox label="Groups at most" value={spec.limit ?? null} placeholder="100" onChange={limit => set({ limit: limit ?? undefined })} /></Clause>
      <Clause title="Compare with">
        <select class="input" aria-label="Compare with an earlier period" value={String(spec.compare_time_offset_seconds ?? "")} onChange={e => set({ compare_time_offset_seconds: e.currentTarget.value ? Number(e.currentTarget.value) : undefined })}>
          {[["", "nothing"], ["1800", "30 min before"], ["3600", "an hour before"], ["7200", "2 hours before"], ["28800", "8 hours before"], ["86400", "a day before"], ["604800", "a week before"]].map(([v, t]) => <option key={v} value={v}>{t}</option>)}
        </select>
      </Clause>
    </div>
  );
}

function ordered(text: string, order: Order["order"]): Order {
  const calculation = parsedCalculation(text);
  return { ...(calculation ?? { column: text }), ...(order ? { order } : {}) };
}

function HavingEditor({ having, choices, onChange }: { having: Having; choices: Calculation[]; onChange: (h: Having | null) => void }) {
  const of = { op: having.calculate_op, column: having.column };
  const all = [...new Set([printCalculation(of), ...choices.filter(c => c.op !== "HEATMAP").map(printCalculation), "COUNT"])];
  return (
    <span class="chip">
      <select class="input" aria-label="Calculation" value={printCalculation(of)} onChange={e => { const c = parsedCalculation(e.currentTarget.value)!; onChange({ ...having, calculate_op: c.op, column: c.column }); }}>{all.map(c => <option key={c} value={c}>{c}</option>)}</select>
      <select class="input" aria-label="How to compare" value={having.op} onChange={e => onChange({ ...having, op: e.currentTarget.value })}>{COMPARES.map(op => <option key={op} value={op}>{op}</option>)}</select>
      <NumberBox label="Number" value={having.value} onChange={value => value !== null && onChange({ ...having, value })} />
      <Remove what="condition" onClick={() => onChange(null)} />
    </span>
  );
}

function NumberBox(props: { label: string; value: number | null; placeholder?: string; onChange: (v: number | null) => void }) {
  return <input class="input number-box" aria-label={props.label} inputMode="decimal" placeholder={props.placeholder} value={props.value ?? ""} onChange={e => {
    const text = e.currentTarget.value.trim();
    if (text === "") props.onChange(null);
    else if (Number.isFinite(Number(text))) props.onChange(Number(text));
    else e.currentTarget.value = String(props.value ?? "");
  }} />;
}
