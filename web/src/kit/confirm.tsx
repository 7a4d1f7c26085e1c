// What cannot be undone is asked first, and its name typed.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { Dialog } from "./dialog";
import { Failure } from "./states";

export function problem(e: unknown): ApiError {
  return e instanceof ApiError ? e : new ApiError(0, "page", String(e));
}

export function Confirm({ title, text, word, action, run, onClose, isReady = true, children }: { title: string; text: string; word: string; action: string; run: () => Promise<unknown>; onClose: () => void; isReady?: boolean; children?: ComponentChildren }) {
  const [typed, setTyped] = useState(""), [error, setError] = useState<ApiError | null>(null);
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="stack" onSubmit={e => { e.preventDefault(); run().then(onClose, (x: unknown) => setError(problem(x))); }}>
        {children}
        <p aria-live="polite">{text}</p>
        <label class="field"><span>Type <b class="mono">{word}</b> to confirm</span><input class="input mono" value={typed} onInput={e => setTyped(e.currentTarget.value)} autocomplete="off" /></label>
        {error && <Failure error={error} />}
        <div class="row"><button class="button danger" disabled={!isReady || typed.trim() !== word}>{action}</button></div>
      </form>
    </Dialog>
  );
}
