// The time range: quick choices, any two moments, and the zone in which all times are shown.
import { useState } from "preact/hooks";
import { Dialog } from "../kit/dialog";
import { from, instant, isRelative, localZone, parseLength, parseMoment, refresh, resolveRange, setRange, setZone, showMoment, showTime, zone, zoneLabels } from "./time";
import { useShortcuts } from "./shortcuts";

const QUICK: readonly (readonly [string, string])[] = [["5m", "Last 5 minutes"], ["15m", "Last 15 minutes"], ["30m", "Last 30 minutes"], ["1h", "Last hour"], ["2h", "Last 2 hours"], ["6h", "Last 6 hours"], ["1d", "Last day"], ["3d", "Last 3 days"], ["7d", "Last 7 days"], ["30d", "Last 30 days"]];

export function rangeLabel(): string {
  if (isRelative.value) return QUICK.find(([length]) => length === from.value)?.[1] ?? `Last ${from.value}`;
  const { start, end } = resolveRange();
  return `${showTime(start * 1000, { ms: false })} – ${showTime(end * 1000, { ms: false })}`;
}

function zones(): string[] {
  const all = (Intl as { supportedValuesOf?: (what: string) => string[] }).supportedValuesOf?.("timeZone") ?? [];
  return [...new Set(["UTC", localZone, ...all])];
}

function Chooser({ onClose }: { onClose: () => void }) {
  const now = Date.now() / 1000, range = resolveRange();
  const [start, setStart] = useState(isRelative.value ? from.value : showMoment(range.start));
  const [end, setEnd] = useState(isRelative.value ? "now" : showMoment(range.end));
  const startAt = parseMoment(start, now), endAt = parseMoment(end, now);
  const wrong = startAt === null ? "From is not a time: write 2h, or 2026-08-21 14:05" : endAt === null ? "To is not a time: write now, 10m, or 2026-08-21 14:05"
    : startAt >= endAt ? "From must be before To" : null;
  const kept = (text: string, at: number) => (text.trim() === "now" || parseLength(text) !== null ? text.trim() : instant(at)); // an address means the same in every zone
  const choose = (f: string, t: string) => { setRange({ from: f, to: t }); refresh(); onClose(); };
  return (
    <Dialog title="Time range" onClose={onClose}>
      <div class="stack">
        <div class="row wrap">{QUICK.map(([length, label]) => <button key={length} class="button small" aria-pressed={isRelative.value && from.value === length} onClick={() => choose(length, "now")}>{label}</button>)}</div>
        <form class="row wrap" onSubmit={e => { e.preventDefault(); if (!wrong) choose(kept(start, startAt!), kept(end, endAt!)); }}>
          <label class="field grow"><span>From</span><input class="input" value={start} onInput={e => setStart(e.currentTarget.value)} aria-invalid={startAt === null} /></label>
          <label class="field grow"><span>To</span><input class="input" value={end} onInput={e => setEnd(e.currentTarget.value)} aria-invalid={endAt === null} /></label>
          <button class="button primary" disabled={!!wrong}>Apply</button>
        </form>
        {wrong ? <p class="error-text" role="alert">{wrong}.</p> : <p class="muted">{showTime(startAt! * 1000, { ms: false })} – {showTime(endAt! * 1000, { ms: false })} {zoneLabels({ start: startAt!, end: endAt! })}</p>}
        <label class="field"><span>Zone in which times are shown</span>
          <input class="input" list="zones" value={zone.value} onChange={e => { if (zones().includes(e.currentTarget.value)) setZone(e.currentTarget.value); else e.currentTarget.value = zone.value; }} />
          <datalist id="zones">{zones().map(z => <option key={z} value={z} />)}</datalist>
        </label>
      </div>
    </Dialog>
  );
}

export function TimePicker() {
  const [isOpen, setOpen] = useState(false);
  useShortcuts([
    { keys: "t", about: "Choose the time range", run: () => setOpen(true) },
    { keys: "u", about: "Times in UTC, or in the local zone", run: () => setZone(zone.value === "UTC" ? localZone : "UTC") },
  ]);
  return (
    <>
      <button class="button" onClick={() => setOpen(true)} title="Time range (t)">{rangeLabel()} <span class="muted">{zoneLabels(resolveRange())}</span></button>
      {isOpen && <Chooser onClose={() => setOpen(false)} />}
    </>
  );
}
