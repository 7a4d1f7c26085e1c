// Short confirmations at the edge of the page, told politely.
import { signal } from "@preact/signals";

const shown = signal<{ id: number; text: string }[]>([]);
let last = 0;

export function toast(text: string): void {
  const id = ++last;
  shown.value = [...shown.value, { id, text }];
  setTimeout(() => { shown.value = shown.value.filter(t => t.id !== id); }, Math.max(4000, 60 * text.length)); // as long as it takes to read
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast("The browser did not allow copying: select the text and copy it");
  }
}

export function Toasts() {
  return <div class="toasts" role="status">{shown.value.map(t => <div key={t.id}>{t.text}</div>)}</div>;
}
