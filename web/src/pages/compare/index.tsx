// Compare: two traces, and what took longer in one than in the other.
import { useMemo, useState } from "preact/hooks";
import { environment } from "../../app/environment";
import { go, href, param, setParams } from "../../app/location";
import { showTime } from "../../app/time";
import { colorSlots, cssColor } from "../../kit/color";
import { plural, showMs, showShare } from "../../kit/format";
import { Failure, Waiting } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { loadTrace } from "../trace/load";
import { buildModel, nameOf, serviceOf, type Model } from "../trace/model";
import { align, causes, flatten, type Aligned, type Side } from "./align";
import "./compare.css";

function Choose({ a, b }: { a: string; b: string }) {
  const [left, setLeft] = useState(a), [right, setRight] = useState(b);
  return (
    <form class="row wrap" onSubmit={e => { e.preventDefault(); go(href("compare", { a: left.trim(), b: right.trim() })); }}>
      <label class="field"><span>Trace A, the one to measure against</span><input class="input mono wf-id" value={left} onInput={e => setLeft(e.currentTarget.value)} placeholder="Trace id" /></label>
      <label class="field"><span>Trace B</span><input class="input mono wf-id" value={right} onInput={e => setRight(e.currentTarget.value)} placeholder="Trace id" /></label>
      <button class="button primary">Compare</button><a class="button" href={href("traces")}>Pick two from the list</a>
    </form>
  );
}

// More is ▲, less is ▼: not told by colour alone.
function Delta({ us, share }: { us: number; share?: number }) {
  if (Math.abs(us) < 0.5) return <span class="muted">same</span>;
  return <span class={us > 0 ? "delta-more" : "delta-less"}>{us > 0 ? "▲ +" : "▼ −"}{showMs(Math.abs(us) / 1000)}{share !== undefined && <span class="muted"> {showShare(share)}</span>}</span>;
}

function CountCell({ a, b }: { a: Side; b: Side }) {
  if (!b.count) return <span class="pill">only in A: {a.count}</span>;
  if (!a.count) return <span class="pill">only in B: {b.count}</span>;
  return a.count === b.count ? <>{a.count}</> : <strong>{a.count} → {b.count}</strong>;
}

function Summary({ letter, id, m }: { letter: string; id: string; m: Model }) {
  return (
    <div class="notice compare-side">
      <span><strong>{letter}</strong> <a href={href("trace", { id })}>{serviceOf(m, 0)} {nameOf(m, 0)}</a></span>
      <strong class="compare-time">{showMs((m.last - m.first) / 1000)}</strong>
      <span class="text-2">{plural(m.columns.count, "span")}, {plural(m.errorCount, "error")} · {showTime(Number(BigInt(m.columns.start_ns) / 1000000n))}</span>
    </div>
  );
}

function Bars({ a, b, most }: { a: number; b: number; most: number }) {
  return (
    <span class="compare-bars" aria-hidden="true">
      <i class="is-a" ref={el => { if (el) el.style.width = (100 * a) / most + "%"; }} /><i class="is-b" ref={el => { if (el) el.style.width = (100 * b) / most + "%"; }} />
    </span>
  );
}

function Compared({ a, b, ids }: { a: Model; b: Model; ids: [string, string] }) {
  const tree = useMemo(() => align(a, b), [a, b]), found = useMemo(() => causes(tree), [tree]);
  const [shut, setShut] = useState<ReadonlySet<Aligned>>(new Set());
  const [all, setAll] = useState(false);
  const rows = flatten(tree, one => !shut.has(one)), whole = b.last - b.first - (a.last - a.first);
  const slots = colorSlots([...new Set(found.map(f => f.service))]);
  const most = Math.max(1, ...rows.map(r => Math.max(r.a.total, r.b.total)));
  const grown = found.reduce((sum, f) => sum + (Math.sign(f.delta) === Math.sign(whole) ? Math.abs(f.delta) : 0), 0);
  const top = found.filter(f => Math.sign(f.delta) === Math.sign(whole) && Math.abs(f.delta) > 0).slice(0, 5);
  const shown = all ? rows : rows.slice(0, 300);
  const toggle = (one: Aligned) => { const next = new Set(shut); if (!next.delete(one)) next.add(one); setShut(next); };
  return (
    <>
      <div class="compare-sides"><Summary letter="A" id={ids[0]} m={a} /><Summary letter="B" id={ids[1]} m={b} />
        <button class="button small" onClick={() => setParams({ a: ids[1], b: ids[0] })}>Swap</button></div>
      <p class="compare-said">B {Math.abs(whole) < 1 ? "lasted as long as A" : <>lasted {showMs(Math.abs(whole) / 1000)} {whole > 0 ? "longer" : "less"} than A</>}.{top[0] && <> Most of it: <strong>{top[0].service} {top[0].name}</strong> {top[0].a.count === top[0].b.count ? "" : `ran ${top[0].b.count} times, not ${top[0].a.count}, and `}took {showMs(Math.abs(top[0].delta) / 1000)} {whole > 0 ? "more" : "less"} in itself, {showShare(Math.abs(top[0].delta) / Math.max(1, grown))} of what {whole > 0 ? "grew" : "shrank"}.</>}</p>
      {top.length > 1 && <ol class="compare-top plain">{top.map(t => (
        <li key={t.service + t.name}><i class="swatch" ref={el => { if (el) el.style.background = cssColor(slots.get(t.service)!); }} /><span><span class="text-2">{t.service}</span> {t.name}</span><span class="grow" /><CountCell a={t.a} b={t.b} /><Delta us={t.delta} share={Math.abs(t.delta) / Math.max(1, grown)} /></li>))}</ol>}
      <div class="table-box">
        <table class="table compare-table">
          <caption class="visually-hidden">Both traces as one tree, the largest differences first</caption>
          <thead><tr><th scope="col">Call</th><th scope="col" class="number">Spans A → B</th><th scope="col" class="number">A</th><th scope="col" class="number">B</th><th scope="col">Duration, A over B</th><th scope="col" class="number">Difference</th><th scope="col" class="number">In itself</th></tr></thead>
          <tbody>{shown.map((r, i) => (
            <tr key={i}>
              <td><div class="compare-name" ref={el => { if (el) el.style.paddingLeft = Math.min(r.depth, 20) * 14 + "px"; }}>
                {r.children.length ? <button class="compare-toggle" aria-expanded={!shut.has(r)} aria-label={`${shut.has(r) ? "Open" : "Close"} ${r.name}`} onClick={() => toggle(r)}>{shut.has(r) ? "▸" : "▾"}</button> : <span class="compare-toggle" />}
                <i class="swatch" ref={el => { if (el) el.style.background = cssColor(slots.get(r.service)!); }} />
                <a href={r.b.node >= 0 ? href("trace", { id: ids[1], find: r.name }) : href("trace", { id: ids[0], find: r.name })}><span class="text-2">{r.service}</span> {r.name}</a>
                {(r.a.errors > 0 || r.b.errors > 0) && <span class="pill is-error">errors {r.a.errors} → {r.b.errors}</span>}
              </div></td>
              <td class="number"><CountCell a={r.a} b={r.b} /></td>
              <td class="number">{r.a.count ? showMs(r.a.total / 1000) : "–"}</td><td class="number">{r.b.count ? showMs(r.b.total / 1000) : "–"}</td>
              <td><Bars a={r.a.total} b={r.b.total} most={most} /></td>
              <td class="number"><Delta us={r.b.total - r.a.total} /></td><td class="number"><Delta us={r.b.self - r.a.self} /></td>
            </tr>))}</tbody>
        </table>
      </div>
      {!all && rows.length > shown.length && <button class="button" onClick={() => setAll(true)}>Show all {rows.length} rows</button>}
    </>
  );
}

export default function Compare() {
  const a = param("a") ?? "", b = param("b") ?? "", env = environment.value;
  const left = useData(a && b && env ? `${env} ${a}` : null, l => loadTrace(a, env, l.signal));
  const right = useData(a && b && env ? `${env} ${b}` : null, l => loadTrace(b, env, l.signal));
  const one = useMemo(() => left.value && buildModel(left.value, null), [left.value]), two = useMemo(() => right.value && buildModel(right.value, null), [right.value]);
  const isReady = one && two && left.key === `${env} ${a}` && right.key === `${env} ${b}`;
  return (
    <div class="stack" aria-busy={!!a && !!b && !isReady && !left.error && !right.error}>
      <div class="page-head"><h1>Compare traces</h1></div>
      <Waiting data={left.isLoading ? left : right} />
      {left.error && <Failure error={left.error} retry={left.retry} />}
      {right.error && <Failure error={right.error} retry={right.retry} />}
      {isReady ? <Compared a={one} b={two} ids={[a, b]} /> : (!a || !b || left.error || right.error) && <Choose a={a} b={b} />}
    </div>
  );
}
