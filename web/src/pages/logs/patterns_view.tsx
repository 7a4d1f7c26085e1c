// The patterns of the newest lines: what is said over and over, and what is said once.
import { useMemo } from "preact/hooks";
import { askRows, type EventRow } from "../../api/rows";
import { environment } from "../../app/environment";
import { resolveRange, tick } from "../../app/time";
import { Spark } from "../../kit/chart";
import { plural, showCount, showShare } from "../../kit/format";
import { Panel } from "../../kit/states";
import { Table } from "../../kit/table";
import { useData } from "../../kit/use_data";
import { literalOf, MASK, patternsOf, type Pattern } from "./patterns";
import { rankOf, severityColor } from "./severity";
import { whereOf } from "./where";

const SAMPLE = 2000;

function PatternText({ text }: { text: string }) {
  const parts = text.split(MASK);
  return <span class="mono pattern-text">{parts.map((p, i) => <>{p}{i < parts.length - 1 && <span class="pattern-mask">*</span>}</>)}</span>;
}

export function Patterns({ typed, total, rangeKey, onShow }: { typed: string; total: number | null; rangeKey: string; onShow: (text: string) => void }) {
  const data = useData<EventRow[]>(JSON.stringify([environment.value, typed, rangeKey, tick.value]), async l => (await askRows({ where: whereOf(typed), range: resolveRange(), limit: SAMPLE }, l.signal)).rows);
  const patterns = useMemo(() => patternsOf(data.value ?? []), [data.value]);
  const sampled = data.value?.length ?? 0, isAll = total !== null && sampled >= total;
  return (
    <Panel title={data.value ? `${plural(patterns.length, "pattern")} in ${isAll ? `all ${plural(sampled, "line")}` : `a sample: the newest ${showCount(sampled)}${total !== null ? ` of ${showCount(total)}` : ""} lines`}` : "Patterns"} data={data} isFlush
      isEmpty={rows => rows.length === 0} empty={<p class="muted pattern-none">No line to make patterns of.</p>}>
      {() => <Table caption="Patterns of lines" rows={patterns} rowKey={p => p.text} sort={{ key: "count", isDown: true }} columns={[
        { key: "count", title: isAll ? "lines" : "in sample", isNumber: true, value: (p: Pattern) => p.count, cell: p => <span title={showShare(p.count / sampled)}>{showCount(p.count)}</span> },
        { key: "share", title: "share", isNumber: true, value: p => p.count, cell: p => showShare(p.count / sampled) },
        { key: "when", title: "when", cell: p => <Spark points={p.times} label={`${p.count} lines over the sample's time`} /> },
        { key: "severity", title: "severity", value: p => -Math.min(...[...p.severities.keys()].map(rankOf)), cell: p => [...p.severities.keys()].sort((a, b) => rankOf(a) - rankOf(b)).map(s => <span class="row" key={s}><i class="swatch" style={{ background: severityColor(s) }} />{s}</span>) },
        { key: "service", title: "service", value: p => [...p.services.keys()].join(), cell: p => <span class="pattern-service">{p.services.size > 2 ? `${p.services.size} services` : [...p.services.keys()].join(", ")}</span> },
        { key: "text", title: "pattern", value: p => p.text, cell: p => <><PatternText text={p.text} />{literalOf(p.text) && <> <button class="button quiet small" onClick={() => onShow(literalOf(p.text))}>Show lines</button></>}</> },
      ]} />}
    </Panel>
  );
}
