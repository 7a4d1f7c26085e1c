// Deployments and other moments on charts, and as a list beside them. `m` hides and shows them, on every page.
import { useMemo } from "preact/hooks";
import { readMarkers, type Moment } from "../api/saved";
import { environment } from "../app/environment";
import { param, setParams } from "../app/location";
import { useShortcuts } from "../app/shortcuts";
import { showTime, type Range } from "../app/time";
import type { Marker } from "./chart";
import { useData } from "./use_data";

const SHOWN_MAX = 6;

const textOf = (m: Moment) => [m.type, m.message].filter(Boolean).join(": ");

export interface Markers { list: Moment[]; marks: Marker[] }

// `range` null: not known yet.
export function useMarkers(range: Range | null): Markers {
  const isOff = param("markers") === "off";
  useShortcuts([{ keys: "m", about: isOff ? "Show markers" : "Hide markers", run: () => setParams({ markers: isOff ? null : "off" }, { replace: true }) }], [isOff]);
  const data = useData<Moment[]>(range && environment.value && !isOff ? JSON.stringify([environment.value, range]) : null, l => readMarkers(range!.start, range!.end, l.signal));
  return useMemo(() => {
    const list = isOff ? [] : (data.value ?? []);
    return { list, marks: list.map(m => ({ time: Date.parse(m.start_time) / 1000, text: textOf(m) })) };
  }, [isOff, data.value]);
}

export function MarkerList({ list }: { list: Moment[] }) {
  if (list.length === 0) return null;
  return (
    <ul class="plain row wrap muted" aria-label="Markers">
      {list.slice(0, SHOWN_MAX).map(m => <li key={m.id}>{m.url ? <a href={m.url} target="_blank" rel="noreferrer">{textOf(m)}</a> : textOf(m)} {showTime(Date.parse(m.start_time), { ms: false })}</li>)}
      {list.length > SHOWN_MAX && <li>and {list.length - SHOWN_MAX} earlier</li>}
    </ul>
  );
}
