// Questions with a name, and what was asked before, by everyone or by oneself. One click asks it again, over the time it was asked for.
import { useEffect, useRef, useState } from "preact/hooks";
import { deleteSaved, noteQuestion, readHistory, readSaved, showActor, type HistoryEntry, type SavedQuery } from "../../api/saved";
import { environment } from "../../app/environment";
import { maySave } from "../../app/session";
import { showAgo, showTime } from "../../app/time";
import { ABSENT, showCount, showMs } from "../../kit/format";
import { QuestionLink } from "../../kit/question_link";
import { Empty, Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { toast } from "../../kit/toast";
import { useData, type Data } from "../../kit/use_data";
import type { Parts } from "./index";
import { viewNow } from "./share";

const LOOKED_AT_MS = 3000;

// A question is noted once its answer was looked at for a moment: what stood there while someone went on editing is not.
export function useNote(text: string, data: Data<Parts>): void {
  const noted = useRef("");
  const key = JSON.stringify([environment.value, text, viewNow()]), isThere = data.value !== null && !data.isLoading && !data.error;
  useEffect(() => {
    if (!isThere || noted.current === key) return undefined;
    const timer = setTimeout(() => {
      noted.current = key;
      const { meta, data: { results } } = data.value!.result;
      noteQuestion({ text, elapsed_ms: meta.elapsed_ms, rows: results.length, state: viewNow() }).catch(() => undefined); // a convenience
    }, LOOKED_AT_MS);
    return () => clearTimeout(timer);
  }, [key, isThere]);
}

export function HistoryTab() {
  const [isMine, setMine] = useState(false);
  const saved = useData<SavedQuery[]>(environment.value, l => readSaved(l.signal));
  const history = useData<HistoryEntry[]>(JSON.stringify([environment.value, isMine]), l => readHistory(isMine, l.signal));
  const remove = (q: SavedQuery) => deleteSaved(q).then(() => { toast(`${q.name} deleted`); saved.retry(); }, (e: Error) => toast(e.message));
  return (
    <div class="stack query-history">
      <Panel title="Saved questions" data={saved} isFlush isEmpty={v => v.length === 0} empty={<Empty title="No question is saved in this environment yet." />}>
        {list => <Table caption="Saved questions" rows={list} rowKey={q => q.id} columns={[
          { key: "name", title: "name", value: q => q.name, cell: q => <span title={q.description}><QuestionLink text={q.text} view={q.state}>{q.name}</QuestionLink></span> },
          { key: "text", title: "question", cell: q => <span class="mono query-said">{q.text}</span> },
          { key: "by", title: "by", value: q => q.changed, cell: q => `${showActor(q.changed_by)}, ${showAgo(Date.parse(q.changed))}` },
          ...(maySave.value ? [{ key: "act", title: <span class="visually-hidden">Actions</span>, cell: (q: SavedQuery) => <button class="button quiet small" aria-label={`Delete ${q.name}`} onClick={() => { if (confirm(`Delete the saved question “${q.name}” for everyone?`)) void remove(q); }}>delete</button> }] : []),
        ]} />}
      </Panel>
      <Panel title="Asked before" data={history} isFlush isEmpty={v => v.length === 0} empty={<Empty title="Nothing yet." />}
        actions={<button class="button small" aria-pressed={isMine} onClick={() => setMine(!isMine)}>Only mine</button>}>
        {list => <Table caption="Asked before" rows={list} rowKey={h => String(h.id)} columns={[
          { key: "text", title: "question", cell: h => <span class="mono"><QuestionLink text={h.text} view={h.state}>{h.text}</QuestionLink></span> },
          { key: "time", title: "by", value: h => h.id, cell: h => <span title={showTime(Date.parse(h.time))}>{showActor(h.by)}, {showAgo(Date.parse(h.time))}</span> },
          { key: "rows", title: "groups", isNumber: true, value: h => h.rows, cell: h => (h.rows === null ? ABSENT : showCount(h.rows)) },
          { key: "took", title: "took", isNumber: true, value: h => h.elapsed_ms, cell: h => (h.elapsed_ms === null ? ABSENT : showMs(h.elapsed_ms)) },
        ]} />}
      </Panel>
    </div>
  );
}
