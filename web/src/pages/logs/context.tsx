// The lines of the same service just before and after one line.
import { askRows, type EventRow } from "../../api/rows";
import { environment } from "../../app/environment";
import { showTime } from "../../app/time";
import { Dialog } from "../../kit/dialog";
import { Empty, Failure, Waiting } from "../../kit/states";
import { useData } from "../../kit/use_data";
import { LineRow } from "./line";
import { whereOf } from "./where";

const AROUND = 50;
const REACH_S = 86400;

export function Context({ time, dataset, onClose }: { time: string; dataset: string; onClose: () => void }) {
  const data = useData<{ before: EventRow[]; at: EventRow[]; after: EventRow[] }>(JSON.stringify([environment.value, time, dataset]), async l => {
    const seconds = Number(BigInt(time) / 1_000_000_000n), range = { start: seconds - REACH_S, end: seconds + REACH_S };
    const question = { where: whereOf(""), from: dataset, range, limit: AROUND };
    const [until, after] = await Promise.all([
      askRows({ ...question, limit: AROUND + 1, order: "newest", cursor: String(BigInt(time) + 1n) }, l.signal),
      askRows({ ...question, order: "oldest", cursor: time }, l.signal),
    ]);
    const rows = until.rows.slice().reverse();
    return { before: rows.filter(r => r.start_ns !== time).slice(-AROUND), at: rows.filter(r => r.start_ns === time), after: after.rows.slice(0, AROUND) };
  });
  const row = (r: EventRow, i: number, isAt: boolean) => <LineRow key={r.start_ns + i} id={`context-${isAt ? "at" : r.start_ns}-${i}`} row={r} columns={[]} isCurrent={isAt} />;
  return (
    <Dialog title={`Around ${showTime(Number(BigInt(time) / 1_000_000n))} in ${dataset}`} onClose={onClose}>
      <Waiting data={data} />
      {data.error && <Failure error={data.error} retry={data.retry} />}
      {data.value && data.value.at.length === 0 && <Empty title="The line itself is no longer there: it passed its retention, or it is in another environment." />}
      {data.value && <div class="context-lines" role="grid" aria-label="Lines around" ref={box => box?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "center" })} tabIndex={0}>
        <div role="rowgroup">
          {data.value.before.map((r, i) => row(r, i, false))}
          {data.value.at.map((r, i) => row(r, i, true))}
          {data.value.after.map((r, i) => row(r, i, false))}
        </div>
      </div>}
    </Dialog>
  );
}
