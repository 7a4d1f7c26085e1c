// Traces: find the right one among many.
import { useRef, useState } from "preact/hooks";
import { environment, isEmpty } from "../../app/environment";
import { go, href, param, setParams } from "../../app/location";
import { useShortcuts } from "../../app/shortcuts";
import { clockOf, from, resolveRange, setRangeSeconds, showTime, tick, to } from "../../app/time";
import { colorSlots, cssColor } from "../../kit/color";
import { FilterBox } from "../../kit/filter_box";
import { plural, showMs } from "../../kit/format";
import { Empty, Failure, Waiting } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { loadList, type Sort, type TraceRow } from "./list";
import { Scatter } from "./scatter";
import "./traces.css";

const SORTS: readonly [Sort, string][] = [["newest", "Newest"], ["longest", "Longest"], ["errors", "Most errors"]];
const PILLS = 6, PAGE = 50;

// A bucket's time, as exactly as it is known.
function When({ row, step }: { row: TraceRow; step: number }) {
  if (row.time === null) return <>–</>;
  const c = clockOf(row.time * 1000), text = `${c.hour}:${c.minute}:${c.second}`;
  return <span title={`Started within ${plural(step, "second")} from ${showTime(row.time * 1000, { ms: false })}`}>{text}</span>;
}

function durationBounds(): string {
  const low = Number(param("min") ?? ""), high = Number(param("max") ?? "");
  return [low > 0 && `duration_ms >= ${low}`, high > 0 && `duration_ms <= ${high}`].filter(Boolean).join(" AND ");
}

export default function Traces() {
  const filter = param("q") ?? "", sort: Sort = SORTS.find(([s]) => s === param("sort"))?.[0] ?? "newest", rootsOnly = param("roots") === "1";
  const picked = (param("pick") ?? "").split(",").filter(Boolean);
  const bounds = durationBounds(), box = useRef<HTMLInputElement>(null), list = useRef<HTMLTableSectionElement>(null);
  const where = [filter, bounds].filter(Boolean).join(" AND ");
  const data = useData(environment.value ? JSON.stringify([environment.value, where, sort, rootsOnly || !!bounds, from.value, to.value, tick.value]) : null, l => loadList(where, rootsOnly || !!bounds, sort, resolveRange(), l.signal));
  const rows = data.value?.rows ?? [];
  const [count, setCount] = useState(PAGE);
  const longest = Math.max(1e-9, ...rows.map(r => r.duration ?? 0));
  const slots = colorSlots(rank(rows));

  const pick = (id: string) => setParams({ pick: (picked.includes(id) ? picked.filter(p => p !== id) : [...picked, id].slice(-2)).join(",") }, { replace: true });
  const compare = () => { if (picked.length === 2) go(href("compare", { a: picked[0]!, b: picked[1]! })); };
  const links = () => [...(list.current?.querySelectorAll<HTMLAnchorElement>("a.traces-open") ?? [])];
  const step = (by: number) => {
    const all = links(), at = all.indexOf(document.activeElement as HTMLAnchorElement);
    all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
  };
  const act = useRef<Record<string, () => void>>({});
  act.current = { "/": () => box.current?.focus(), j: () => step(1), k: () => step(-1), c: compare, Space: () => { const id = (document.activeElement as HTMLElement).dataset.trace; if (id) pick(id); } };
  useShortcuts([["/", "Filter traces"], ["j", "Next trace"], ["k", "Previous trace"], ["Space", "Pick the trace at hand"], ["c", "Compare the two picked"]].map(([keys, about]) => ({ keys: keys!, about: about!, run: () => act.current[keys!]!() })), []);

  return (
    <div class="stack" aria-busy={data.isLoading}>
      <div class="page-head"><h1>Traces</h1>{data.value && <p role="status">{plural(rows.length, "trace")}{data.value.isNarrowed ? ", the newest of this range" : data.value.total > rows.length ? ", the first of more" : ""} · {plural(data.value.scanned, "row")} read in {showMs(data.value.elapsed)}</p>}</div>
      <FilterBox value={filter} placeholder={'service.name = "checkout" AND duration_ms > 500'} button="Search" onApply={q => setParams({ q })} box={box}>
        <label class="row"><input type="checkbox" checked={rootsOnly} onChange={e => setParams({ roots: e.currentTarget.checked })} /> Root spans only</label>
        <label class="row"><span class="label">Sort</span><select class="input" value={sort} onChange={e => setParams({ sort: e.currentTarget.value === "newest" ? null : e.currentTarget.value })}>{SORTS.map(([s, text]) => <option key={s} value={s}>{text}</option>)}</select></label>
        <span class="grow" />
        {where && <a class="button" href={href("map", { q: where })} title="Who calls whom in these traces">Map</a>}
        <button type="button" class="button" disabled={picked.length !== 2} onClick={compare} title={picked.length === 2 ? "Compare the two picked (c)" : "Pick two traces first"}>Compare {picked.length}/2</button>
      </FilterBox>
      {bounds && <p class="row wrap"><span class="pill">{bounds}</span><button class="button small" onClick={() => setParams({ min: null, max: null })}>Any duration</button></p>}
      <section class="panel">
        <Waiting data={data} />
        {data.error && <div class="body"><Failure error={data.error} retry={data.retry} stale={data.value !== null} />{filter && data.error.offset !== undefined && <p class="muted">The filter is the part of a query after WHERE: fields, operators, and text in double quotes.</p>}</div>}
        {data.value && !data.isLoading && !rows.length && !data.error ? <div class="body"><Nothing filter={filter || bounds} /></div> : data.value && (
          <div class={data.isLoading ? "is-stale" : ""}>
            <Scatter rows={rows} range={data.value.range} picked={picked} onBrush={(t, low, high) => { setRangeSeconds(t.start, t.end); if (low > 0) setParams({ min: low.toPrecision(3), max: Number.isFinite(high) ? high.toPrecision(3) : null }); }} />
            <div class="table-box">
              <table class="table traces-table">
                <caption class="visually-hidden">Traces that match</caption>
                <thead><tr><th scope="col"><span class="visually-hidden">Pick</span></th><th scope="col">Time</th><th scope="col">Root</th><th scope="col">Services</th><th scope="col">Duration</th><th scope="col" class="number">Spans</th><th scope="col" class="number">Errors</th></tr></thead>
                <tbody ref={list}>{rows.slice(0, count).map(r => (
                  <tr key={r.id} class={picked.includes(r.id) ? "is-current" : ""}>
                    <td><input type="checkbox" checked={picked.includes(r.id)} onChange={() => pick(r.id)} aria-label={`Pick ${r.root ?? r.id} to compare`} /></td>
                    <td class="mono"><When row={r} step={data.value!.step} /></td>
                    <td><a class="traces-open" data-trace={r.id} href={href("trace", { id: r.id })}>{r.root === null ? <>{r.id.slice(0, 16)}… <span class="pill is-warn">root missing</span></> : <><span class="text-2">{r.service}</span> {r.root || "(no name)"}</>}</a></td>
                    <td><span class="row wrap traces-pills">{r.services.slice(0, PILLS).map(s => <span key={s.name} class="row" title={`${s.name}: ${plural(s.count, "span")}${s.errors ? ", " + plural(s.errors, "error") : ""}`}><i class="swatch" ref={el => { if (el) el.style.background = cssColor(slots.get(s.name) ?? -1); }} />{s.name}</span>)}{r.services.length > PILLS && <span class="muted">+{r.services.length - PILLS}</span>}</span></td>
                    <td><span class="traces-bar" aria-hidden="true"><i ref={el => { if (el) el.style.width = (100 * (r.duration ?? 0)) / longest + "%"; }} /></span>{showMs(r.duration)}</td>
                    <td class="number">{r.spans}</td>
                    <td class="number">{r.errors ? <span class="error-text">{r.errors}</span> : "0"}</td>
                  </tr>))}</tbody>
              </table>
            </div>
            {rows.length > count && <div class="waiting"><button class="button small" onClick={() => setCount(n => n + PAGE)}>Show {Math.min(PAGE, rows.length - count)} more of {rows.length}</button></div>}
          </div>)}
      </section>
    </div>
  );
}

function rank(rows: readonly TraceRow[]): string[] {
  const sums = new Map<string, number>();
  for (const r of rows) for (const s of r.services) sums.set(s.name, (sums.get(s.name) ?? 0) + s.count);
  return [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

function Nothing({ filter }: { filter: string }) {
  if (isEmpty.value) return <Empty title={`Environment ${environment.value} has never received an event.`}><a href={href("doctor")}>Doctor shows why, and how to send.</a></Empty>;
  if (filter) return <Empty title="No trace in this range matches the filter."><div class="row"><button class="button" onClick={() => setParams({ q: null, min: null, max: null })}>Remove the filter</button></div></Empty>;
  return <Empty title="No traces in this range."><div class="row"><button class="button" onClick={() => setParams({ from: "1d", to: null })}>Look at the last day</button><button class="button" onClick={() => setParams({ from: "30d", to: null })}>Look at the last 30 days</button></div></Empty>;
}
