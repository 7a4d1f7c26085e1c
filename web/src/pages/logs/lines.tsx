// The list of lines: only those in view are in the document. One line may be open, with all of its fields.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { EventRow } from "../../api/rows";
import { Icon } from "../../kit/icons";
import { keyOf, LineDetail, LineRow, ROW_HEIGHT, type LineActions } from "./line";

const MARGIN_ROWS = 10;
const NEAR_END_PX = 400;

export interface LinesProps {
  rows: readonly EventRow[];
  columns: readonly string[];
  current: string | null;
  open: string | null;
  actions: LineActions;
  isFollowing?: boolean; // keeps the last line in view
  onCurrent: (row: EventRow) => void;
  onOpen: (row: EventRow) => void;
  onNearEnd?: () => void;
  onScrolledUp?: () => void;
  onScrolledDown?: () => void;
}

export function Lines(props: LinesProps) {
  const { rows, columns, open } = props;
  const box = useRef<HTMLDivElement>(null), detail = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [detailHeight, setDetailHeight] = useState(0);
  const openAt = open === null ? -1 : rows.findIndex(r => keyOf(r) === open);
  const extra = openAt >= 0 ? detailHeight : 0;
  const topOf = (i: number) => i * ROW_HEIGHT + (openAt >= 0 && i > openAt ? extra : 0);
  const total = topOf(rows.length);
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (!detail.current) { setDetailHeight(0); return undefined; }
    const observer = new ResizeObserver(entries => setDetailHeight(Math.ceil(entries[0]!.borderBoxSize[0]!.blockSize)));
    observer.observe(detail.current);
    return () => observer.disconnect();
  }, [openAt >= 0, open]);
  useLayoutEffect(() => { if (props.isFollowing) box.current!.scrollTop = box.current!.scrollHeight; });
  // The line at hand comes into view when it is chosen by key.
  useEffect(() => {
    const at = props.current === null ? -1 : rows.findIndex(r => keyOf(r) === props.current);
    if (at < 0) return;
    const element = box.current!, top = topOf(at), header = 24;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_HEIGHT + header > element.scrollTop + element.clientHeight) element.scrollTop = top + ROW_HEIGHT + header - element.clientHeight;
  }, [props.current]);
  const rowAt = (y: number) => {
    const at = Math.floor(y / ROW_HEIGHT);
    return openAt >= 0 && at > openAt ? Math.max(openAt, Math.floor((y - extra) / ROW_HEIGHT)) : at;
  };
  const first = Math.max(0, rowAt(view.top) - MARGIN_ROWS), end = Math.min(rows.length, rowAt(view.top + view.height) + MARGIN_ROWS + 1);
  const shown = rows.slice(first, end);
  return (
    <div ref={box} class="lines" role="treegrid" aria-label="Log lines" aria-rowcount={rows.length} tabIndex={0} aria-activedescendant={props.current !== null ? "line-current" : undefined}
      onScroll={e => {
        const element = e.currentTarget, isUp = element.scrollTop < view.top - 1, left = element.scrollHeight - element.scrollTop - element.clientHeight;
        setView({ top: element.scrollTop, height: element.clientHeight });
        if (isUp && left > ROW_HEIGHT) props.onScrolledUp?.();
        if (!isUp && left < 2) props.onScrolledDown?.();
        if (left < NEAR_END_PX) props.onNearEnd?.();
      }}>
      <div class="line line-head" role="row">
        <i class="line-stripe" /><span class="line-time" role="columnheader">time</span><span class="line-severity" role="columnheader">severity</span><span class="line-service" role="columnheader">service</span>
        {columns.map(c => <span key={c} class="line-column" role="columnheader" title={c}><span class="cut">{c}</span><button class="button quiet small" aria-label={`Remove column ${c}`} onClick={() => props.actions.onColumn(c)}><Icon name="close" /></button></span>)}
        <span class="line-body" role="columnheader">line</span><span class="line-trace" role="columnheader"><span class="visually-hidden">trace</span></span>
      </div>
      <div class="lines-all" role="rowgroup" style={{ height: `${total}px` }}>
        {shown.map((row, i) => {
          const key = keyOf(row), at = first + i;
          return (
            <div key={key + at} class="line-place" role="presentation" style={{ transform: `translateY(${topOf(at)}px)` }}>
              <LineRow id={props.current === key ? "line-current" : `line-${at}`} row={row} columns={columns} isCurrent={props.current === key} isOpen={at === openAt} onCurrent={() => props.onCurrent(row)} onOpen={() => props.onOpen(row)} />
              {at === openAt && <div ref={detail} role="row"><div role="gridcell"><LineDetail row={row} actions={props.actions} columns={columns} /></div></div>}
            </div>
          );
        })}
      </div>
    </div>
  );
}
