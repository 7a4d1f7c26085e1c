// The WHERE part of a query as one line, which counts once it is sent.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

export function FilterBox(props: { value: string; placeholder: string; button: string; onApply: (filter: string) => void; box?: { current: HTMLInputElement | null }; children?: ComponentChildren }) {
  const [draft, setDraft] = useState(props.value);
  useEffect(() => setDraft(props.value), [props.value]);
  return (
    <form class="row wrap" onSubmit={e => { e.preventDefault(); props.onApply(draft.trim()); }}>
      <input ref={props.box} class="input mono filter-box" value={draft} onInput={e => setDraft(e.currentTarget.value)} placeholder={props.placeholder} aria-label="Filter: the WHERE part of a query" spellcheck={false} autocomplete="off" />
      <button class="button primary">{props.button}</button>
      {props.children}
    </form>
  );
}
