// Logs: read, follow and count lines. What is asked, the columns and the mode are in the address.
import { useEffect, useRef, useState } from "preact/hooks";
import { askRows, type EventRow, type RowsPage } from "../../api/rows";
import { environment, isEmpty } from "../../app/environment";
import { href, param, setParams } from "../../app/location";
import { useShortcuts } from "../../app/shortcuts";
import { from, isRelative, resolveRange, setRange, tick, to, type Range } from "../../app/time";
import { plural, showCount } from "../../kit/format";
import { Icon } from "../../kit/icons";
import { Empty, Failure, Waiting } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { Context } from "./context";
import { Facets } from "./facets";
import { keyOf, traceAddress } from "./line";
import { Lines } from "./lines";
import { Patterns } from "./patterns_view";
import { useTail, type Tail } from "./tail";
import { useVolume, VolumeView } from "./volume";
import { clausesOf, hasOr, toggled, whereOf, without } from "./where";
import "./logs.css";

const PAGE = 200;

interface Loaded { rows: EventRow[]; next: string | null; left_out: number; range: Range }

function SearchBox({ typed }: { typed: string }) {
  const [text, setText] = useState(typed);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(typed), [typed]);
  useShortcuts([{ keys: "/", about: "Filter the lines", run: () => input.current?.focus() }]);
  return (
    <form class="row grow logs-search" role="search" onSubmit={e => { e.preventDefault(); setParams({ q: text.trim() }); }}>
      <input ref={input} class="input grow mono" type="search" aria-label="Filter of lines" placeholder='words, or a filter: severity = "error" AND body contains "timeout"' value={text} spellcheck={false}
        onInput={e => setText(e.currentTarget.value)} onSearch={e => { if (e.currentTarget.value === "" && typed) setParams({ q: null }); }} />
      <button class="button primary">Search</button>
    </form>
  );
}

function Clauses({ typed }: { typed: string }) {
  const all = clausesOf(typed);
  if (all.length === 0) return null;
  return (
    <div class="row wrap" role="group" aria-label="Filters">
      {all.map(c => <span key={c} class="pill"><span class="mono cut">{c}</span><button class="pill-close" aria-label={`Remove the filter ${c}`} onClick={() => setParams({ q: without(typed, c) })}><Icon name="close" /></button></span>)}
    </div>
  );
}

function Nothing({ typed }: { typed: string }) {
  const all = clausesOf(typed);
  if (isEmpty.value) return <Empty title="Nothing was ever received in this environment."><span>The doctor says what is missing. <a href={href("doctor")}>Open the doctor</a></span></Empty>;
  if (all.length > 0) {
    return (
      <Empty title="No line in this time passes the filter.">
        <span>Take a part of it out, or look at a longer time.</span>
        <div class="row wrap">{all.map(c => <button key={c} class="button small" onClick={() => setParams({ q: without(typed, c) })}>Without <span class="mono cut">{c}</span></button>)}</div>
      </Empty>
    );
  }
  return (
    <Empty title="No log line was received in this time.">
      <span>Traces may be there all the same. Logs come over the same endpoint: set <code>OTEL_LOGS_EXPORTER=otlp</code> where the program runs, or send files with a collector.</span>
      <div class="row wrap"><button class="button small" onClick={() => setRange({ from: "7d", to: "now" })}>Look at the last 7 days</button><a class="button small" href={href("doctor")}>Open the doctor</a></div>
    </Empty>
  );
}

function TailStatus({ tail, shown }: { tail: Tail; shown: number }) {
  const { ring } = tail;
  const [said, setSaid] = useState("");
  const latest = useRef("");
  latest.current = ring.isPaused ? `Paused, ${plural(ring.waiting.length, "new line")} waiting` : `${plural(shown, "line")}, ${showCount(tail.rate)} a second`;
  useEffect(() => {
    const timer = setInterval(() => setSaid(latest.current), 5000);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="row wrap tail-status">
      {tail.retryIn !== null ? <span class="warn-text">The stream was lost; it is opened again in {tail.retryIn} s and what was missed is asked for.</span>
        : tail.isOpen ? <span><span class="tail-dot" /> live, {tail.rate >= 10 ? showCount(tail.rate) : tail.rate.toFixed(1)} lines/s</span> : <span class="muted">opening the stream</span>}
      {ring.shed > 0 && <span class="warn-text" data-shed={ring.shed}>{plural(ring.shed, "line")} came faster than they could be sent and {ring.shed === 1 ? "is" : "are"} not shown here: search finds {ring.shed === 1 ? "it" : "them"}.</span>}
      {ring.dropped > 0 && <span class="text-2" data-dropped={ring.dropped}>{plural(ring.dropped, "older line")} made room: the tail holds {ring.size.toLocaleString("en-US")}.</span>}
      <span class="visually-hidden" role="status">{said}</span>
      <span class="grow" />
      {ring.isPaused ? <button class="button small primary" onClick={tail.resume}><Icon name="play" /> {plural(ring.waiting.length, "new line")}, follow <kbd>G</kbd></button>
        : <button class="button small" onClick={tail.pause}><Icon name="pause" /> Pause <kbd>Space</kbd></button>}
    </div>
  );
}

export default function Logs() {
  const typed = param("q") ?? "", mode = param("mode") === "patterns" ? "patterns" : "lines", isTail = param("tail") === "1" && isRelative.value;
  const columns = (param("columns") ?? "").split(",").filter(Boolean), rangeKey = `${from.value} ${to.value}`;
  const [current, setCurrent] = useState<string | null>(null), [open, setOpen] = useState<string | null>(null);
  const isMixed = hasOr(typed), asked = isMixed ? null : typed;
  const volume = useVolume(isTail ? null : asked, rangeKey);
  const first = useData<Loaded>(asked === null || isTail ? null : JSON.stringify([environment.value, asked, rangeKey, tick.value]), async l => {
    const range = resolveRange(), page = await askRows({ where: whereOf(asked!), range, limit: PAGE }, l.signal);
    return { rows: page.rows, next: page.next, left_out: page.left_out, range };
  });
  const [more, setMore] = useState<{ of: Loaded; rows: EventRow[]; next: string | null; isLoading: boolean; failed: string | null } | null>(null);
  const older = more && more.of === first.value ? more : null;
  const tail = useTail(isTail && asked !== null, typed);
  const rows = isTail ? tail.ring.lines : older ? [...first.value!.rows, ...older.rows] : first.value?.rows ?? [];
  const next = older ? older.next : first.value?.next ?? null;
  const loadOlder = () => {
    const of = first.value;
    if (isTail || !of || !next || older?.isLoading || older?.failed) return;
    const before = older?.rows ?? [];
    setMore({ of, rows: before, next, isLoading: true, failed: null });
    askRows({ where: whereOf(typed), range: of.range, limit: PAGE, cursor: next }).then(
      (page: RowsPage) => setMore(m => (m?.of === of ? { of, rows: [...before, ...page.rows], next: page.next, isLoading: false, failed: null } : m)),
      (e: Error) => setMore(m => (m?.of === of ? { ...m, isLoading: false, failed: e.message } : m)));
  };
  const toggle = (c: string) => setParams({ q: toggled(typed, c) });
  const openContext = (row: EventRow) => setParams({ line: row.start_ns, of: row.dataset });
  const at = rows.findIndex(r => keyOf(r) === current);
  const move = (by: number) => {
    const to2 = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? (isTail ? rows.length - 1 : 0) : at + by))];
    if (!to2) return;
    if (isTail) tail.pause();
    setCurrent(keyOf(to2));
    if (at + by > rows.length - 20) loadOlder();
  };
  const toggleOpen = (row: EventRow) => {
    if (isTail) tail.pause();
    setOpen(o => (o === keyOf(row) ? null : keyOf(row)));
  };
  const setTail = (isOn: boolean) => setParams({ tail: isOn, ...(isOn ? { mode: null, ...(isRelative.value ? {} : { from: null, to: null }) } : {}) });
  // Keys act on what is shown when they are pressed.
  const act = useRef({ move, toggleOpen, openContext, rows, at, isTail, mode, tail, setTail });
  act.current = { move, toggleOpen, openContext, rows, at, isTail, mode, tail, setTail };
  useShortcuts([
    { keys: "j", about: "Next line", run: () => act.current.move(1) },
    { keys: "k", about: "Previous line", run: () => act.current.move(-1) },
    { keys: "Enter", about: "Open or close the line", run: e => {
      const target = e.target as HTMLElement, { rows: shown, at: i } = act.current;
      if (target.closest("button, a")) target.click();
      else if (shown[i]) act.current.toggleOpen(shown[i]!);
    } },
    { keys: "x", about: "50 lines around the line", run: () => { const row = act.current.rows[act.current.at]; if (row) act.current.openContext(row); } },
    { keys: "p", about: "Lines or patterns", run: () => setParams({ mode: act.current.mode === "patterns" ? null : "patterns", tail: null }) },
    { keys: "G", about: "Follow the newest line", run: () => { if (act.current.isTail) { setOpen(null); setCurrent(null); act.current.tail.resume(); } else act.current.setTail(true); } },
    { keys: "Space", about: "Pause or follow", run: e => {
      const target = e.target as HTMLElement, { tail: t } = act.current;
      if (target.closest("button, a")) target.click();
      else if (act.current.isTail) { if (t.ring.isPaused) t.resume(); else t.pause(); }
    } },
    { keys: "Escape", about: "Close the line", run: () => setOpen(null) },
  ]);
  useEffect(() => {
    if (!isTail) return undefined;
    const selected = () => { const s = getSelection(); if (s && !s.isCollapsed && (s.anchorNode?.parentElement?.closest(".lines"))) tail.pause(); };
    document.addEventListener("selectionchange", selected);
    return () => document.removeEventListener("selectionchange", selected);
  }, [isTail]);
  const line = param("line"), of = param("of"), error = isTail ? tail.error : first.error;
  const isNothing = !isTail && first.value !== null && !first.isLoading && first.value.rows.length === 0;
  const inTrace = rows[at] ? traceAddress(rows[at]!) : null;
  return (
    <>
      <div class="page-head"><h1>Logs</h1><p class="muted">j k lines, Enter fields, x around, p patterns, G follow</p></div>
      <div class="row wrap">
        <SearchBox typed={typed} />
        <div class="row" role="group" aria-label="How lines are shown">
          <button class="button" aria-pressed={mode === "lines" && !isTail} onClick={() => setParams({ mode: null, tail: null })}>Lines</button>
          <button class="button" aria-pressed={mode === "patterns" && !isTail} onClick={() => setParams({ mode: "patterns", tail: null })}>Patterns</button>
          <button class="button" aria-pressed={isTail} onClick={() => setTail(!isTail)}><Icon name={isTail ? "pause" : "play"} /> Tail</button>
        </div>
      </div>
      <Clauses typed={isMixed ? "" : typed} />
      {isMixed && <div class="notice is-warn" role="alert"><strong>Filters of lines must all hold: AND, not OR.</strong><span>Write several values of one field as <code>field in ("a", "b")</code>, or ask on the <a href={href("query", { q: `COUNT WHERE ${typed}` })}>query page</a>.</span></div>}
      {!isTail && asked !== null && <VolumeView data={volume} />}
      {error && <Failure error={error} retry={isTail ? undefined : first.retry} stale={rows.length > 0} />}
      {isNothing ? <Nothing typed={typed} /> : asked !== null && (
        <div class="logs-body">
          <Facets rows={rows.length > 400 ? rows.slice(isTail ? -400 : 0, isTail ? undefined : 400) : rows} typed={typed} rangeKey={rangeKey} onToggle={toggle} />
          {mode === "patterns" && !isTail ? <div class="grow"><Patterns typed={typed} total={volume.value?.total ?? null} rangeKey={rangeKey} onShow={text => setParams({ mode: null, q: toggled(typed, `body contains ${JSON.stringify(text)}`) })} /></div> : (
            <section class="panel logs-lines grow" aria-label="Lines" aria-busy={!isTail && first.isLoading}>
              {!isTail && <Waiting data={first} />}
              {isTail && <TailStatus tail={tail} shown={rows.length} />}
              {isTail && rows.length === 0 && <p class="logs-wait muted">Waiting for the next line{typed ? " that passes the filter" : ""}.</p>}
              <div class={!isTail && first.isLoading ? "is-stale" : ""}>
                <Lines rows={rows} columns={columns} current={current} open={open} isFollowing={isTail && !tail.ring.isPaused}
                  actions={{ onFilter: toggle, onColumn: f => setParams({ columns: (columns.includes(f) ? columns.filter(c => c !== f) : [...columns, f]).join(",") }, { replace: true }), onContext: openContext }}
                  onCurrent={row => setCurrent(keyOf(row))} onOpen={toggleOpen} onNearEnd={loadOlder} onScrolledUp={isTail ? tail.pause : undefined} />
              </div>
              {!isTail && <div class="row wrap logs-foot muted">
                <span>{plural(rows.length, "line")} loaded{volume.value && volume.value.total > rows.length ? ` of ${showCount(volume.value.total)}` : ""}, newest first</span>
                {older?.isLoading && <span>loading older lines</span>}
                {older?.failed && <><span class="error-text">Older lines: {older.failed}</span><button class="button small" onClick={() => setMore({ ...older, failed: null })}>Retry</button></>}
                {next && !older?.isLoading && <button class="button small" onClick={loadOlder}>Load older lines</button>}
                {(first.value?.left_out ?? 0) > 0 && <span class="warn-text">{plural(first.value!.left_out, "line")} of one and the same time are not shown.</span>}
                {inTrace && <a href={inTrace}>Trace of the line at hand</a>}
              </div>}
            </section>
          )}
        </div>
      )}
      {line && of && <Context time={line} dataset={of} onClose={() => setParams({ line: null, of: null })} />}
    </>
  );
}
