// A text box with a list below it: fields, values, operators. Free text stays possible; arrows choose, Enter takes, Escape closes the list alone.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

export interface Option { value: string; hint?: ComponentChildren }

export function Combobox(props: {
  label: string; value: string; options: readonly Option[]; placeholder?: string; isInvalid?: boolean; size?: number; autoFocus?: boolean;
  onInput?: (text: string) => void; onChoose: (value: string) => void;
}) {
  const [text, setText] = useState(props.value), [isOpen, setOpen] = useState(false), [at, setAt] = useState(-1);
  const id = useId(), input = useRef<HTMLInputElement>(null), list = useRef<HTMLDivElement>(null);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => { if (props.autoFocus) input.current!.focus(); }, []);
  const typed = text === props.value && !isOpen ? "" : text.trim().toLowerCase();
  const matching = props.options.filter(o => o.value.toLowerCase().includes(typed));
  const shown = [...matching.filter(o => o.value.toLowerCase().startsWith(typed)), ...matching.filter(o => !o.value.toLowerCase().startsWith(typed))].slice(0, 50);
  useEffect(() => { list.current?.children[at]?.scrollIntoView({ block: "nearest" }); }, [at]);
  const take = (value: string) => { setText(value); setOpen(false); setAt(-1); if (value !== props.value) props.onChoose(value); };
  return (
    <span class="combobox">
      <input ref={input} class="input" role="combobox" aria-label={props.label} aria-expanded={isOpen && shown.length > 0} aria-controls={id} aria-autocomplete="list" aria-invalid={props.isInvalid}
        aria-activedescendant={isOpen && at >= 0 ? `${id}-${at}` : undefined} autocomplete="off" spellcheck={false} size={props.size ?? Math.max(6, Math.min(40, text.length + 1))} placeholder={props.placeholder} value={text}
        onInput={e => { setText(e.currentTarget.value); setOpen(true); setAt(-1); props.onInput?.(e.currentTarget.value); }}
        onFocus={e => e.currentTarget.select()} onClick={() => setOpen(true)}
        onBlur={() => { setOpen(false); if (text !== props.value) take(text); }}
        onKeyDown={e => {
          if (e.key === "ArrowDown") { setOpen(true); setAt(i => Math.min(i + 1, shown.length - 1)); e.preventDefault(); }
          else if (e.key === "ArrowUp") { setAt(i => Math.max(i - 1, 0)); e.preventDefault(); }
          else if (e.key === "Enter" && !e.shiftKey && !e.ctrlKey && !e.metaKey) { take(isOpen && at >= 0 && shown[at] ? shown[at]!.value : text); e.preventDefault(); }
          else if (e.key === "Escape" && isOpen) { setOpen(false); setText(props.value); e.stopPropagation(); }
        }} />
      {isOpen && shown.length > 0 && (
        <div ref={list} class="pop" role="listbox" id={id} aria-label={props.label}>
          {shown.map((o, i) => (
            <div key={o.value} id={`${id}-${i}`} role="option" aria-selected={i === at} onMouseDown={e => { e.preventDefault(); take(o.value); }}><span class="cut">{o.value}</span>{o.hint !== undefined && <span class="hint">{o.hint}</span>}</div>
          ))}
        </div>
      )}
    </span>
  );
}
