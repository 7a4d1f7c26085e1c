// How much comes each day, and when the disk is full of it.
import { ask } from "../api/query";
import { call } from "../api/client";
import type { QueryResult } from "../api/types";
import { environment, environments } from "../app/environment";
import { tick } from "../app/time";
import { showBytes, showCount } from "../kit/format";
import { Panel } from "../kit/states";
import { Table } from "../kit/table";
import { useData } from "../kit/use_data";
import { sentence, type Growth } from "./growth_text";

const DAY = 86400, DAYS = 7, LEAST = 3600; // seconds; below so much history nothing is said

interface Kept { slug: string; store: { rows: number; disk_bytes: number; oldest?: string } }
interface Status { environments: Kept[]; store?: { disk_bytes: number }; disk_max_bytes?: number }
async function load(signal: AbortSignal): Promise<Growth> {
  const now = Math.floor(Date.now() / 1000), start = (Math.floor(now / DAY) - DAYS + 1) * DAY, times = `SINCE ${start} UNTIL ${now + 1}`;
  const status = await call<Status>("skep/v1/status", { signal });
  const filled = status.environments.filter(e => e.store.rows && e.store.disk_bytes && e.store.oldest);
  const [daily, ...counts] = await Promise.all([ask({ text: `COUNT ${times} EVERY 1d`, withSeries: true }, signal),
    ...filled.map(e => call<QueryResult>("skep/v1/query", { body: { environment: e.slug, text: `COUNT ${times}`, disable_series: true }, signal }))]);
  let aDay = 0, settled = 0, history = 0;
  filled.forEach((e, i) => {
    const seconds = Math.min(now - start, now - Date.parse(e.store.oldest!) / 1000), bytes = (Number(counts[i]!.data.results[0]?.data.COUNT ?? 0) * e.store.disk_bytes) / e.store.rows;
    if (seconds < LEAST) return;
    history = Math.max(history, seconds);
    aDay += (bytes / seconds) * DAY;
    settled += (bytes / seconds) * (environments.value?.find(x => x.slug === e.slug)?.kept_s ?? Infinity);
  });
  const here = filled.find(e => e.slug === environment.value), each = here ? here.store.disk_bytes / here.store.rows : 0;
  return { days: (daily.data.series ?? []).map(p => ({ time: p.time, count: Number(p.data.COUNT ?? 0), bytes: Number(p.data.COUNT ?? 0) * each })).reverse(), aDay, history, settled,
    used: status.store?.disk_bytes ?? filled.reduce((sum, e) => sum + e.store.disk_bytes, 0), max: status.disk_max_bytes ?? null };
}

export function GrowthPanel() {
  const data = useData<Growth>(JSON.stringify([environment.value, tick.value, environments.value?.length]), l => load(l.signal));
  return (
    <Panel title="Growth" data={data} isFlush>
      {g => <><p class="usage-note">{sentence(g)}</p>
        <Table caption={`Events of ${environment.value} by day`} rows={g.days} rowKey={d => d.time} columns={[
          { key: "day", title: "day (UTC)", cell: d => d.time.slice(0, 10) },
          { key: "count", title: "events", isNumber: true, cell: d => showCount(d.count) },
          { key: "bytes", title: "about, on disk", isNumber: true, cell: d => showBytes(d.bytes) },
        ]} /></>}
    </Panel>
  );
}
