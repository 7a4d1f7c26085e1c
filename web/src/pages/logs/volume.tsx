// How many lines there are over time, by severity; dragging zooms into a time.
import { ask } from "../../api/query";
import { rangeText } from "../../api/rows";
import type { QueryResult, Scalar } from "../../api/types";
import { environment } from "../../app/environment";
import { resolveRange, setRangeSeconds, tick, type Range } from "../../app/time";
import { Chart, type Line } from "../../kit/chart";
import { showCount } from "../../kit/format";
import { Failure, Waiting } from "../../kit/states";
import { useData, type Data } from "../../kit/use_data";
import { rankOf, severityColor } from "./severity";
import { whereOf } from "./where";

export interface Volume { times: number[]; lines: Line[]; total: number; range: Range }

function volumeOf(result: QueryResult, range: Range): Volume {
  const meta = result.meta as QueryResult["meta"] & { granularity_s: number; start: string };
  const step = meta.granularity_s, start = Date.parse(meta.start) / 1000;
  const count = Math.max(1, Math.ceil((range.end - start) / step - 1e-9));
  const times = Array.from({ length: count }, (_, i) => start + i * step);
  const by = new Map<string, number[]>();
  for (const point of result.data.series ?? []) {
    const severity = String((point.data.severity as Scalar) ?? "unset").toLowerCase(), at = Math.round((Date.parse(point.time) / 1000 - start) / step);
    if (!by.has(severity)) by.set(severity, new Array<number>(count).fill(0));
    if (at >= 0 && at < count) by.get(severity)![at]! += Number(point.data.COUNT);
  }
  const lines = [...by].sort((a, b) => rankOf(a[0]) - rankOf(b[0])).map(([name, points]) => ({ name, color: severityColor(name), points }));
  return { times, lines, range, total: Number(result.data.total_by_aggregate?.COUNT ?? result.data.results.reduce((sum, r) => sum + Number(r.data.COUNT), 0)) };
}

export function useVolume(typed: string | null, rangeKey: string): Data<Volume> {
  return useData<Volume>(typed === null ? null : JSON.stringify([environment.value, typed, rangeKey, tick.value]), async l => {
    const range = resolveRange();
    return volumeOf(await ask({ text: `COUNT WHERE ${whereOf(typed!)} GROUP BY severity ${rangeText(range)}`, withSeries: true }, l.signal), range);
  });
}

export function VolumeView({ data }: { data: Data<Volume> }) {
  const v = data.value;
  return (
    <section class="panel logs-volume" aria-label="Lines over time" aria-busy={data.isLoading}>
      <Waiting data={data} />
      {data.error && <div class="body"><Failure error={data.error} retry={data.retry} stale={v !== null} /></div>}
      {v && <div class={data.isLoading ? "is-stale" : ""}>
        <div class="row wrap logs-legend"><b>{showCount(v.total)} {v.total === 1 ? "line" : "lines"}</b>
          {v.lines.map(l => <span class="row" key={l.name}><i class="swatch" style={{ background: l.color }} />{l.name} {showCount(l.points.reduce((a: number, b) => a + (b ?? 0), 0))}</span>)}
        </div>
        <Chart label="Lines over time by severity" times={v.times} lines={v.lines} unit="number" kind="stacked" height={110} onZoom={setRangeSeconds} />
      </div>}
    </section>
  );
}
