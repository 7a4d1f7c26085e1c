// What is new, what was marked, and what the reader asked and kept.
import { useMemo, useState } from "preact/hooks";
import { ask } from "../../api/query";
import { printValue } from "../../api/query_text";
import { readHistory, readSaved, type HistoryEntry, type SavedQuery } from "../../api/saved";
import type { QuerySpec } from "../../api/types";
import { environment } from "../../app/environment";
import { go, href } from "../../app/location";
import { me } from "../../app/session";
import { from, resolveRange, showAgo, tick, to, type Range } from "../../app/time";
import { showCount } from "../../kit/format";
import { MarkerList, since, useMarkers } from "../../kit/markers";
import { QuestionLink } from "../../kit/question_link";
import { Failure, Panel } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { GROUPS_MAX, heard, news, type Heard, type News } from "./news";

const HOUR = 3600, DAY = 86400, SHOWN_MAX = 6;

async function loadNews(signal: AbortSignal): Promise<{ list: News[]; isYoung: boolean }> {
  const { end } = resolveRange(), hour: Range = { start: end - HOUR, end }, day: Range = { start: hour.start - DAY, end: hour.start };
  const look = async (range: Range, field: string, filters: QuerySpec["filters"]): Promise<Heard[] | null> =>
    heard(await ask({ range, spec: { calculations: [{ op: "COUNT" }], breakdowns: ["service.name", field], filters, limit: GROUPS_MAX } }, signal), field);
  const versions = [{ column: "service.version", op: "exists" }], entries = [{ column: "span.kind", op: "in", value: ["server", "consumer"] }];
  const [v, vBefore, o, oBefore] = await Promise.all([look(hour, "service.version", versions), look(day, "service.version", versions), look(hour, "name", entries), look(day, "name", entries)]);
  return { list: [...news("version", v, vBefore), ...news("operation", o, oBefore)], isYoung: vBefore?.length === 0 && oBefore?.length === 0 };
}

export function NewPanel() {
  const [isAll, setAll] = useState(false);
  const minute = Math.floor(Date.now() / 60_000); // a day is looked at: not with every tick of Live
  const data = useData(JSON.stringify(["news", environment.value, to.value, tick.value && minute]), l => loadNews(l.signal));
  const ofNews = (n: News) => `service.name = ${printValue(n.service)} AND ${n.kind === "version" ? "service.version" : "name"} = ${printValue(n.value)}`;
  return (
    <Panel title="New in the last hour" data={data} actions={<span class="muted">not in the day before</span>}>
      {({ list, isYoung }) => (list.length === 0 ? <p class="muted">{isYoung ? "No event is old enough to tell what is new." : "No version and no operation that was not there before."}</p> : (
        <ul class="plain">
          {list.slice(0, isAll ? 100 : SHOWN_MAX).map(n => (
            <li key={n.kind + n.service + n.value} class="row wrap"><a href={href("service", { name: n.service })}>{n.service}</a> <span class="muted">{n.kind}</span>
              <a class="mono query-said" href={href("query", { q: `COUNT, P95(duration_ms) WHERE ${ofNews(n)}`, from: null, to: null })}>{n.value}</a> <span class="muted">{showCount(n.count)} events</span></li>
          ))}
          {!isAll && list.length > SHOWN_MAX && <li><button class="button quiet small" onClick={() => setAll(true)}>{list.length - SHOWN_MAX} more</button></li>}
        </ul>
      ))}
    </Panel>
  );
}

export function MarkersPanel() {
  const range = useMemo(() => resolveRange(), [from.value, to.value, tick.value]), markers = useMarkers(range);
  return (
    <section class="panel"><header><h2>Markers</h2></header>
      <div class="body stack">
        {markers.isOff ? <p class="muted">Markers are hidden: m shows them.</p> : markers.error ? <Failure error={markers.error} retry={markers.retry} /> : markers.list.length === 0 && <p class="muted">No deployment or other moment was marked in this range.</p>}
        <MarkerList markers={markers} at={null} onCompare={m => { const { window, base } = since(m, range); go(href("query", { sel: JSON.stringify({ window }), tab: "differences", base })); }} />
      </div>
    </section>
  );
}

interface Mine { saved: SavedQuery[]; recent: HistoryEntry[] }

export function MyQuestions() {
  const who = me.value, self = who?.kind === "user" ? `user:${who.name}` : "local";
  const data = useData<Mine>(JSON.stringify(["mine", environment.value, self]), async l => {
    const [saved, recent] = await Promise.all([readSaved(l.signal), readHistory(true, l.signal)]);
    return { saved: saved.filter(q => q.changed_by === self).slice(0, SHOWN_MAX), recent: recent.slice(0, SHOWN_MAX) };
  });
  return (
    <Panel title="My questions" data={data} actions={<a href={href("query", { tab: "history" })}>Everyone's</a>} isEmpty={v => v.saved.length + v.recent.length === 0}
      empty={<p class="muted">None yet. <a href={href("query")}>Ask one</a>: those that are looked at or saved are found here.</p>}>
      {({ saved, recent }) => (
        <div class="stack">
          {saved.length > 0 && <ul class="plain" aria-label="Saved questions">{saved.map(q => <li key={q.id} class="row wrap" title={q.description}><b><QuestionLink text={q.text} view={q.state}>{q.name}</QuestionLink></b> <span class="mono muted query-said">{q.text}</span></li>)}</ul>}
          {recent.length > 0 && <ul class="plain" aria-label="Recent questions">{recent.map(h => <li key={h.id} class="row wrap"><span class="mono"><QuestionLink text={h.text} view={h.state}>{h.text}</QuestionLink></span> <span class="muted">{showAgo(Date.parse(h.time))}</span></li>)}</ul>}
        </div>
      )}
    </Panel>
  );
}
