// Cmd/Ctrl+K: pages, traces by id, services, fields, and what the page at hand can do. And the sheet of all keys.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { call } from "../api/client";
import type { Fields } from "../api/types";
import { Dialog } from "../kit/dialog";
import { environment } from "./environment";
import { go, href } from "./location";
import { PAGES } from "./pages";
import { activeShortcuts, lettersAreOn, shown, showKeys, switchLetters } from "./shortcuts";
import { chooseTheme } from "./theme";

interface Choice { id: string; text: string; hint: string; run: () => void }

// All words of the pattern occur; the earlier the better. -1: no match.
export function rank(text: string, pattern: string): number {
  const lower = text.toLowerCase();
  let sum = 0;
  for (const word of pattern.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = lower.indexOf(word);
    if (at < 0) return -1;
    sum += at;
  }
  return sum;
}

function fixedChoices(): Choice[] {
  return [
    ...PAGES.filter(p => p.icon).map(p => ({ id: "page " + p.path, text: p.title, hint: p.key ? showKeys("g " + p.key) : "", run: () => go(href(p.path)) })),
    ...activeShortcuts().filter(s => !s.keys.startsWith("g ") && s.keys !== "Mod+k").map(s => ({ id: "key " + s.keys, text: s.about, hint: showKeys(s.keys), run: () => s.run(new KeyboardEvent("keydown")) })),
    ...(["light", "dark", "system"] as const).map(theme => ({ id: "theme " + theme, text: `Theme: ${theme}`, hint: "", run: () => chooseTheme(theme) })),
  ];
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState(""), [at, setAt] = useState(0);
  const [fields, setFields] = useState<Fields | null>(null);
  const box = useRef<HTMLInputElement>(null), list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current!.focus();
    call<Fields>("skep/v1/fields", { params: { environment: environment.value, top: 100, prefix: "service.name" } }).then(setFields, () => undefined);
  }, []);
  const choices = useMemo(() => {
    const trimmed = text.trim(), all = fixedChoices();
    for (const value of fields?.fields.find(f => f.name === "service.name")?.top ?? [])
      if (PAGES.some(p => p.path === "service")) all.push({ id: "service " + value.value, text: `Service ${value.value}`, hint: "service", run: () => go(href("service", { name: String(value.value) })) });
    if (/^[0-9a-f]{16}([0-9a-f]{16})?$/i.test(trimmed) && PAGES.some(p => p.path === "trace")) all.unshift({ id: "trace", text: `Open trace ${trimmed}`, hint: "trace", run: () => go(href("trace", { id: trimmed.toLowerCase() })) });
    const ranked = all.map(choice => ({ choice, rank: choice.id === "trace" ? 0 : rank(choice.text, trimmed) })).filter(r => r.rank >= 0);
    if (trimmed) ranked.sort((a, b) => a.rank - b.rank);
    return ranked.slice(0, 30).map(r => r.choice);
  }, [text, fields, shown.value]);
  const index = Math.min(at, choices.length - 1);
  const choose = (choice: Choice | undefined) => { if (choice) { onClose(); choice.run(); } };
  useEffect(() => { list.current?.children[index]?.scrollIntoView({ block: "nearest" }); }, [index]);
  return (
    <Dialog title="Go to, or do" onClose={onClose}>
      <input ref={box} class="input palette-input" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={index >= 0 ? `palette-${index}` : undefined}
        aria-label="Page, service, trace id or command" placeholder="Page, service, trace id or command" value={text}
        onInput={e => { setText(e.currentTarget.value); setAt(0); }}
        onKeyDown={e => {
          if (e.key === "ArrowDown") { setAt(Math.min(index + 1, choices.length - 1)); e.preventDefault(); }
          if (e.key === "ArrowUp") { setAt(Math.max(index - 1, 0)); e.preventDefault(); }
          if (e.key === "Enter") { choose(choices[index]); e.preventDefault(); }
        }} />
      <div ref={list} id="palette-list" role="listbox" aria-label="Choices" class="pop is-inline">
        {choices.map((choice, i) => (
          <div key={choice.id} id={`palette-${i}`} role="option" aria-selected={i === index} onClick={() => choose(choice)}><span class="cut">{choice.text}</span><span class="hint">{choice.hint}</span></div>
        ))}
        {choices.length === 0 && <div class="muted palette-none">Nothing is called that.</div>}
      </div>
    </Dialog>
  );
}

export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div class="stack">
        <table class="table"><tbody>{activeShortcuts().map(s => <tr key={s.keys}><td><kbd>{showKeys(s.keys)}</kbd></td><td>{s.about}</td></tr>)}</tbody></table>
        <label class="row"><input type="checkbox" checked={lettersAreOn.value} onChange={e => switchLetters(e.currentTarget.checked)} /> Keys of a single letter are on</label>
      </div>
    </Dialog>
  );
}
