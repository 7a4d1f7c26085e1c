// What sets a selection apart: fields ranked by a score that is explained, services that may be to blame, and words of log lines.
import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { DifferenceField, Differences as Answer, DifferenceValue, Filter, Pair, Scalar, Suspect } from "../../api/types";
import { environment } from "../../app/environment";
import { href, param, setParams } from "../../app/location";
import { useShortcuts } from "../../app/shortcuts";
import { ABSENT, showCount, showIn, showMs, showNumber, showShare, showValue, unitOf } from "../../kit/format";
import { Empty, Failure, Waiting } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { Change } from "./change";
import type { Parts } from "./index";
import { bodyOfDifferences, EARLIER, sayGroup, sayReader, type Selection } from "./selection";
import { wider } from "./ranges";
import { equals, printFilter } from "../../api/query_text";

const GROUPS_MAX = 50, CARD_MAX = 10, SCORE_MIN = 0.0005; // below it is shown as 0.000

export function Differences(props: { parts: Parts; selection: Selection | null; onFilters: (f: Filter[]) => void; onGroup: (field: string) => void }) {
  const { parts, selection } = props;
  const baseline = param("base") ?? "";
  const key = selection ? JSON.stringify([environment.value, parts.query, parts.start, parts.end, selection, baseline]) : null;
  const data = useData<Answer>(key, l => call<Answer>("skep/v1/differences", { signal: l.signal, body: bodyOfDifferences(parts, selection!) }));
  if (!selection)
    return <Empty title="Nothing is selected yet."><span>Drag over the slow part of a heatmap or over a time on a line, or press “differences” in a row of the table: every field of the events inside is then held against all the others.</span></Empty>;
  // Other groups of the answer; the one in the address stays also when the answer no longer holds it. A selected time holds all groups.
  const rows = selection.window ? [] : parts.result.data.results.slice(0, GROUPS_MAX).map(r => JSON.stringify(Object.fromEntries((parts.query.spec.breakdowns ?? []).map(b => [b, r.data[b] ?? null]))));
  const groups = [...new Set([...(baseline.startsWith("{") ? [baseline] : []), ...rows])].filter(g => g !== "{}" && g !== JSON.stringify(selection.group));
  return (
    <div class="stack" aria-busy={data.isLoading}>
      <Waiting data={data} />
      <div class="row wrap">
        <span>Selected: <b class="selection-text">{sayReader(selection)}</b></span>
        <label class="row">held against <select class="input" value={baseline} onChange={e => setParams({ base: e.currentTarget.value }, { replace: true })}>
          <option value="">the rest of the question</option><option value="previous">as long a time just before</option>
          {Object.entries(EARLIER).map(([base, [, text]]) => <option key={base} value={base}>{text}</option>)}
          {groups.map(g => <option key={g} value={g}>{sayGroup(JSON.parse(g) as Record<string, Scalar>)}</option>)}
        </select></label>
      </div>
      {data.error && <Failure error={data.error} retry={data.retry} stale={data.value !== null} />}
      {data.value && <div class={data.isLoading ? "is-stale stack" : "stack"}><Said answer={data.value} {...props} /></div>}
      {selection.window && <Change parts={parts} selection={selection} />}
    </div>
  );
}

export function Said({ answer, onFilters, onGroup }: { answer: Answer; onFilters: (f: Filter[]) => void; onGroup: (field: string) => void }) {
  const { rows } = answer;
  const [isTable, setTable] = useState(false);
  useShortcuts([{ keys: "v", about: "Differences as cards or as a table", run: () => setTable(!isTable) }], [isTable]);
  const fields = answer.fields.filter(f => f.score >= SCORE_MIN && !f.follows_from_selection), little = answer.fields.filter(f => f.score < SCORE_MIN && !f.follows_from_selection), following = answer.fields.filter(f => f.follows_from_selection);
  const blamed = answer.suspects?.[0]?.confidence === "high" ? answer.suspects[0] : null;
  if (rows.selection === 0 || rows.baseline === 0) return <Empty title={rows.selection === 0 ? "The selection holds no event." : "There is nothing to hold the selection against: no other event is there."} />;
  return (
    <>
      <p class="difference-sentence">{blamed ? `${blamed.service}: ${reason(blamed)}; ${showShare(blamed.share)} of the excess` : answer.sentence ?? "No field tells the selection from the rest."}</p>
      <p class="muted">{showCount(rows.selection)} selected, {showCount(rows.baseline)} others{answer.is_sampled && ", from a sample"}. {rows.selection < 50 && "Fewer than 50: take it as a hint. "}Read in {showMs(answer.meta.elapsed_ms)}.</p>
      {!!answer.suspects?.length && <Suspects list={answer.suspects.slice(0, 6)} />}
      {fields.length > 0 && <div class="row"><button class="button small" aria-pressed={isTable} title="v" onClick={() => setTable(!isTable)}>Table</button></div>}
      {isTable ? <FieldTable fields={fields} rows={rows} /> : <div class="difference-grid">{fields.slice(0, 24).map(f => <FieldCard key={f.name} field={f} rows={rows} onFilters={onFilters} onGroup={onGroup} />)}</div>}
      {fields.length === 0 && <Empty title="No field differs more than chance would make it." />}
      {!!answer.words?.length && (
        <section class="panel"><header><h2>Words of log lines</h2></header><div class="body table-box"><table class="table"><thead><tr><th scope="col">Word</th><th scope="col">Service</th><th scope="col" class="number">of selected traces</th><th scope="col" class="number">of others</th></tr></thead>
          <tbody>{answer.words.slice(0, 12).map(w => <tr key={w.service + w.word}><td class="mono"><a href={href("logs", { q: printFilter({ column: "body", op: "contains", value: w.word }) })}>{w.word}</a></td><td>{w.service}</td>
            <td class="number">{showShare(w.traces_with.selection / Math.max(1, w.traces.selection))}</td><td class="number">{showShare(w.traces_with.baseline / Math.max(1, w.traces.baseline))}</td></tr>)}</tbody></table></div></section>
      )}
      <details><summary>{little.length + following.length + answer.left_out.length} fields are not shown</summary>
        <ul class="plain">{little.map(f => <li key={f.name}><span class="mono">{f.name}</span> <span class="muted">differs little or not at all</span></li>)}
          {following.map(f => <li key={f.name}><span class="mono">{f.name}</span> <span class="muted">follows from the selection itself</span></li>)}
          {answer.left_out.map(f => <li key={f.name}><span class="mono">{f.name}</span> <span class="muted">{f.why === "unique" ? "nearly every event has another value" : f.why}</span></li>)}</ul>
      </details>
    </>
  );
}

function reason(s: Suspect): string {
  const parts: string[] = [];
  const times = (x: number) => `${Math.exp(x).toFixed(1)} ×`;
  if (s.own >= 0.1) parts.push(`its own work takes ${times(s.own)} as long`);
  if (s.between >= 0.1) parts.push(`those that call it wait ${times(s.between)} as long for the way`);
  if (s.errors >= 0.1) parts.push("it fails by itself more often");
  return parts.join(", ") || "little out of the ordinary";
}

function Suspects({ list }: { list: Suspect[] }) {
  return (
    <section class="panel" aria-label="Where the time goes">
      <header><h2>Where the time goes</h2><span class="muted">like spans held against like: a caller is not blamed for whom it waits for</span></header>
      <div class="body table-box">
        <table class="table"><thead><tr><th scope="col">Service</th><th scope="col">Why</th><th scope="col">Most in</th><th scope="col" class="number">of the excess</th><th scope="col" class="number">score</th></tr></thead>
          <tbody>{list.map((s, i) => (
            <tr key={s.service} class={i === 0 && s.confidence === "high" ? "is-current" : ""}>
              <td><a href={href("service", { name: s.service })}>{s.service}</a>{s.confidence === "low" && <span class="muted"> (unsure)</span>}</td><td>{reason(s)}</td>
              <td>{[s.operation?.name, s.instance?.name].filter(Boolean).join(" on ") || ABSENT}</td><td class="number">{showShare(s.share)}</td><td class="number">{showNumber(s.score)}</td>
            </tr>
          ))}</tbody></table>
      </div>
    </section>
  );
}

function labelOf(v: DifferenceValue, unit: ReturnType<typeof unitOf>): string {
  if (v.other) return "other values";
  if (v.absent) return "without it";
  if (v.low !== undefined) return v.low === v.high || v.high === undefined ? showIn(unit, v.low) : `${showIn(unit, v.low)} – ${showIn(unit, v.high)}`;
  return typeof v.value === "number" ? showIn(unit, v.value) : showValue(v.value);
}

function FieldTable({ fields, rows }: { fields: DifferenceField[]; rows: Pair }) {
  const list = fields.flatMap(f => (f.values ?? f.ranges ?? []).map((v, i) => ({ f, v, i, selected: v.selection / Math.max(1, rows.selection), others: v.baseline / Math.max(1, rows.baseline) })));
  return (
    <Table caption="Fields and values that differ" rows={list} rowKey={r => `${r.f.name} ${r.i}`} columns={[
      { key: "field", title: "field", cell: r => <span class="mono">{r.f.name}</span> },
      { key: "value", title: "value", cell: r => labelOf(r.v, unitOf(r.f.name)) },
      { key: "selected", title: "of the selection", isNumber: true, value: r => r.selected, cell: r => showShare(r.selected) },
      { key: "others", title: "of the others", isNumber: true, value: r => r.others, cell: r => showShare(r.others) },
      { key: "lift", title: "lift", isNumber: true, value: r => (r.others ? r.selected / r.others : null), cell: r => (r.others ? `${showNumber(r.selected / r.others)} ×` : ABSENT) },
      { key: "score", title: "score", isNumber: true, value: r => r.f.score, cell: r => r.f.score.toFixed(3) },
    ]} />
  );
}

function FieldCard({ field, rows, onFilters, onGroup }: { field: DifferenceField; rows: { selection: number; baseline: number }; onFilters: (f: Filter[]) => void; onGroup: (field: string) => void }) {
  const unit = unitOf(field.name), values = field.values ?? wider(field.ranges ?? [], CARD_MAX);
  const shares = values.map(v => ({ v, selected: v.selection / Math.max(1, rows.selection), others: v.baseline / Math.max(1, rows.baseline) }));
  const most = Math.max(...shares.flatMap(s => [s.selected, s.others]), 1e-9);
  const best = shares.filter(s => s.v.value !== undefined && !s.v.other).sort((a, b) => b.selected - b.others - (a.selected - a.others))[0];
  return (
    <article class="panel difference-card" aria-label={field.name}>
      <header><h2 class="cut mono" title={field.name}>{field.name}</h2>
        <span class="muted" title={`How much the two differ (${field.divergence.toFixed(3)} bits), less what chance makes (${field.expected_by_chance.toFixed(3)}), times the share of events that have the field (${showShare(field.share)})`}>{field.score.toFixed(3)}</span></header>
      <div class="body">
        {field.sentence && <p class="difference-said">{field.sentence}</p>}
        <ul class="plain difference-bars">{shares.map(({ v, selected, others }, i) => (
          <li key={i} title={`${showCount(v.selection)} selected, ${showCount(v.baseline)} others`}>
            <span class={"cut" + (v.other || v.absent ? " muted" : "")}>{labelOf(v, unit)}</span>
            <span class="difference-pair" aria-hidden="true"><i class="is-selection" style={{ width: `${(100 * selected) / most}%` }} /><i class="is-baseline" style={{ width: `${(100 * others) / most}%` }} /></span>
            <span class="number difference-shares"><b>{showShare(selected)}</b> <span class="muted">{showShare(others)}</span></span>
          </li>
        ))}</ul>
        <div class="row wrap">
          {best && <><button class="button small" onClick={() => onFilters([equals(field.name, best.v.value!)])}>Only {showValue(best.v.value).slice(0, 24)}</button>
            <button class="button small" onClick={() => onFilters([{ column: field.name, op: "!=", value: best.v.value! }])}>Not</button></>}
          <button class="button small" onClick={() => onGroup(field.name)}>Group by</button>
        </div>
        {!!field.alike?.length && <p class="muted">The same cut: {field.alike.join(", ")}</p>}
      </div>
    </article>
  );
}
