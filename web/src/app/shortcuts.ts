// Keys. Single letters can be switched off (WCAG 2.1.4); they do nothing while a text is being typed or a dialog is open.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Shortcut {
  keys: string; // as shown: "g h", "Shift+Enter", "?"
  about: string;
  run: (event: KeyboardEvent) => void;
  isGlobal?: boolean; // also while typing
}

const SWITCH = "skep.letters";
export const lettersAreOn = signal(read());
function read(): boolean {
  try { return localStorage.getItem(SWITCH) !== "off"; } catch { return true; }
}
export function switchLetters(on: boolean): void {
  lettersAreOn.value = on;
  try { localStorage.setItem(SWITCH, on ? "on" : "off"); } catch { /* for this page only */ }
}

const active = new Set<readonly Shortcut[]>();
export const shown = signal(0); // counted up when the set changes
let first = "", firstAt = 0;

export function activeShortcuts(): Shortcut[] {
  return [...active].flat();
}

// Shortcuts of a page or a part of it, while it is there.
export function useShortcuts(list: readonly Shortcut[], deps: readonly unknown[] = []): void {
  useEffect(() => {
    active.add(list);
    shown.value++;
    return () => { active.delete(list); shown.value++; };
  }, deps);
}

function isTyping(target: EventTarget | null): boolean {
  const at = target as HTMLElement | null;
  return !!at?.closest?.("input, textarea, select, [contenteditable]");
}

function nameOf(event: KeyboardEvent): string {
  const named = event.key === " " ? "Space" : event.key;
  const mods = (event.metaKey || event.ctrlKey ? "Mod+" : "") + (event.altKey ? "Alt+" : "") + (event.shiftKey && named.length > 1 ? "Shift+" : "");
  return mods + named;
}

addEventListener("keydown", event => {
  const name = nameOf(event), isLetter = name.length === 1;
  if (event.isComposing || (isLetter && !lettersAreOn.value) || event.defaultPrevented) return;
  const typing = isTyping(event.target), inDialog = document.querySelector("dialog[open]") !== null;
  const pair = isLetter && performance.now() - firstAt < 1200 ? `${first} ${name}` : "";
  const list = activeShortcuts();
  const found = (pair && list.find(s => s.keys === pair)) || list.find(s => s.keys === name);
  if (isLetter && !typing) { first = name; firstAt = performance.now(); }
  if (!found || ((typing || inDialog) && !found.isGlobal)) return;
  if (found.keys === pair) first = "";
  event.preventDefault();
  found.run(event);
});

export function showKeys(keys: string): string {
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  return keys.replaceAll("Mod+", isMac ? "⌘" : "Ctrl+");
}
