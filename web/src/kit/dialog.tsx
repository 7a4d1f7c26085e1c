// A modal dialog of the browser's own kind: Escape closes it, focus goes back where it was.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons";

export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current!.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={box} class="dialog" aria-label={props.title} onClose={props.onClose} onClick={e => { if (e.target === box.current) props.onClose(); }}>
      <header><h2>{props.title}</h2><button class="button quiet small" aria-label="Close" onClick={props.onClose}><Icon name="close" /></button></header>
      <div class="body">{props.children}</div>
    </dialog>
  );
}
