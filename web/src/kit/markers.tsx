// Deployments and other moments on charts, and as a list beside them, where they are made and taken away. `m` hides and shows them, on every page.
import { useMemo, useState } from "preact/hooks";
import { addMarker, deleteMarker, readMarkers, type Moment } from "../api/saved";
import { ApiError } from "../api/client";
import { environment } from "../app/environment";
import { param, setParams } from "../app/location";
import { maySave } from "../app/session";
import { useShortcuts } from "../app/shortcuts";
import { isRelative, parseMoment, refresh, showAgo, showMoment, showTime, type Range } from "../app/time";
import type { Marker } from "./chart";
import { Dialog } from "./dialog";
import { Icon } from "./icons";
import { Failure } from "./states";
import { toast } from "./toast";
import { useData } from "./use_data";

const SHOWN_MAX = 6;

const textOf = (m: Moment) => [m.type, m.message].filter(Boolean).join(": ");
const timeOf = (m: Moment) => Date.parse(m.start_time) / 1000;

// The time since a moment, to be held against all before it in a range (`base` null), or against as long a time where that is little.
export function since(m: Moment, { start, end }: Range): { window: { t0: number; t1: number }; base: string | null } {
  const t0 = timeOf(m);
  return { window: { t0, t1: Math.max(end, t0 + 1) }, base: t0 - start >= end - t0 ? null : "previous" };
}

export interface Markers { list: Moment[]; marks: Marker[]; isOff: boolean; error: ApiError | null; retry: () => void }

// `range` null: not known yet.
export function useMarkers(range: Range | null): Markers {
  const isOff = param("markers") === "off";
  useShortcuts([{ keys: "m", about: isOff ? "Show markers" : "Hide markers", run: () => setParams({ markers: isOff ? null : "off" }, { replace: true }) }], [isOff]);
  const data = useData<Moment[]>(range && environment.value && !isOff ? JSON.stringify([environment.value, range]) : null, l => readMarkers(Math.floor(range!.start), Math.ceil(range!.end), l.signal));
  return useMemo(() => {
    const list = isOff ? [] : (data.value ?? []);
    return { list, marks: list.map(m => ({ time: timeOf(m), text: textOf(m) })), isOff, error: data.error, retry: data.retry };
  }, [isOff, data.value, data.error]);
}

function NewMarker({ at, onClose, onMade }: { at: number | null; onClose: () => void; onMade: () => void }) {
  const [message, setMessage] = useState(""), [type, setType] = useState("deploy"), [url, setUrl] = useState(""), [when, setWhen] = useState(at === null ? "now" : showMoment(at));
  const [error, setError] = useState<ApiError | null>(null);
  const time = parseMoment(when, Date.now() / 1000), isNothing = !message.trim() && !type.trim();
  const save = () => addMarker({ message: message.trim(), type: type.trim(), url: url.trim(), start_time: time! }).then(
    () => { toast("Marked"); onClose(); onMade(); }, (e: unknown) => setError(e instanceof ApiError ? e : new ApiError(0, "page", String(e))));
  return (
    <Dialog title="Mark a moment" onClose={onClose}>
      <form class="stack" onSubmit={e => { e.preventDefault(); if (time !== null && !isNothing) void save(); }}>
        <label class="field"><span>What happened</span><input class="input" value={message} maxLength={1000} placeholder="v2.31 deployed" onInput={e => setMessage(e.currentTarget.value)} /></label>
        <div class="row wrap">
          <label class="field grow"><span>Kind</span><input class="input" list="marker-kinds" value={type} maxLength={100} onInput={e => setType(e.currentTarget.value)} /></label>
          <datalist id="marker-kinds">{["deploy", "incident", "configuration", "test"].map(k => <option key={k} value={k} />)}</datalist>
          <label class="field grow"><span>When</span><input class="input" value={when} onInput={e => setWhen(e.currentTarget.value)} aria-invalid={time === null} /></label>
        </div>
        <p class={time === null ? "error-text" : "muted"} role={time === null ? "alert" : undefined}>{time === null ? "This is not a time: write now, 10m (ago), or 2026-08-21 14:05." : showTime(time * 1000, { ms: false })}</p>
        <label class="field"><span>Link (optional)</span><input class="input" type="url" value={url} maxLength={2000} placeholder="https://" onInput={e => setUrl(e.currentTarget.value)} /></label>
        {error && <Failure error={error} />}
        <div class="row"><button class="button primary" disabled={time === null || isNothing}>Mark</button></div>
      </form>
    </Dialog>
  );
}

// `at`: the moment that a new one is offered for. `onCompare`: hold the time after one against the time before.
export function MarkerList({ markers: { list, isOff, retry }, at, onCompare }: { markers: Markers; at: number | null; onCompare: (m: Moment) => void }) {
  const [isNew, setNew] = useState(false), [shown, setShown] = useState(SHOWN_MAX);
  if (isOff) return null;
  const remove = (m: Moment) => { if (confirm(`Delete the marker “${textOf(m)}” for everyone?`)) deleteMarker(m).then(retry, (e: Error) => toast(e.message)); };
  return (
    <div class="row wrap muted">
      {list.length > 0 && (
        <ul class="plain row wrap" aria-label="Markers">
          {list.slice(0, shown).map(m => (
            <li key={m.id} class="chip marker">{m.url ? <a href={m.url} target="_blank" rel="noreferrer">{textOf(m)}</a> : <span>{textOf(m)}</span>} <span title={showTime(Date.parse(m.start_time))}>{showAgo(Date.parse(m.start_time))}</span>
              <button class="button quiet small" title="What is different since then" onClick={() => onCompare(m)}>before / after</button>
              {maySave.value && <button class="button quiet small" aria-label={`Delete marker ${textOf(m)}`} onClick={() => remove(m)}><Icon name="close" /></button>}
            </li>
          ))}
          {list.length > shown && <li><button class="button quiet small" onClick={() => setShown(list.length)}>{list.length - shown} earlier</button></li>}
        </ul>
      )}
      {maySave.value && <button class="button quiet small" onClick={() => setNew(true)}><Icon name="plus" /> Mark a moment</button>}
      {isNew && <NewMarker at={at} onClose={() => setNew(false)} onMade={() => { retry(); if (isRelative.value) refresh(); }} />}
    </div>
  );
}
