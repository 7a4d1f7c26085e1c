// Links to an answer: a frozen one, whose answer the server stores, and a moving one, which asks again. And a question under a name.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { bodyOf } from "../../api/query";
import { keepResult, readSaved, saveQuery, showActor, type SavedQuery, type View } from "../../api/saved";
import { href, param } from "../../app/location";
import { maySave } from "../../app/session";
import { from, instant, isRelative, showAgo, to } from "../../app/time";
import { Dialog } from "../../kit/dialog";
import { Failure } from "../../kit/states";
import { copy, toast } from "../../kit/toast";
import type { Parts } from "./index";
import { bodyOfDifferences, type Selection } from "./selection";
import { print } from "../../api/query_text";

// What the address says of how the question is seen.
export function viewNow(range: { from: string; to: string } = { from: from.value, to: to.value }): View {
  return { ...range, chart: param("chart"), y: param("y") };
}

function failureOf(e: unknown): ApiError {
  return e instanceof ApiError ? e : new ApiError(0, "page", String(e));
}

async function store(parts: Parts, selection: Selection | null): Promise<string> {
  const isDifference = param("tab") === "differences" && selection !== null;
  const state = { ...viewNow({ from: instant(parts.start), to: instant(parts.end) }), q: print(parts.query), sel: selection && JSON.stringify(selection), base: param("base") };
  const question = isDifference ? bodyOfDifferences(parts, selection) : bodyOf({ spec: parts.query.spec, dataset: parts.query.dataset, range: parts, withSeries: true });
  const { id } = await keepResult(isDifference ? "differences" : "query", question, state);
  return new URL(href("query", { r: id, from: null, to: null }), location.href).href;
}

function Link({ text, about, label }: { text: string; about: string; label: string }) {
  return (
    <div class="field"><span>{about}</span>
      <div class="row"><input class="input mono grow" readOnly value={text} aria-label={label} onFocus={e => e.currentTarget.select()} /><button class="button" onClick={() => copy(text, label)}>Copy</button></div></div>
  );
}

export function ShareDialog({ parts, selection, onClose }: { parts: Parts; selection: Selection | null; onClose: () => void }) {
  const [link, setLink] = useState<string | null>(null), [error, setError] = useState<ApiError | null>(null);
  useEffect(() => { if (maySave.value) store(parts, selection).then(setLink, (e: unknown) => setError(failureOf(e))); }, []);
  return (
    <Dialog title="Share this answer" onClose={onClose}>
      <div class="stack" aria-busy={maySave.value && !link && !error}>
        {error && <Failure error={error} />}
        {link && <Link text={link} label="Frozen link" about="Frozen: shows these same numbers for ever, also when the events are gone." />}
        {!maySave.value && <p class="muted">A viewer cannot store an answer; an administrator can change the role.</p>}
        <Link text={location.href} label="Moving link" about={isRelative.value ? "Moving: asks again, for the time before it is opened." : "Asks again, for the same time."} />
      </div>
    </Dialog>
  );
}

export function SaveDialog({ text, onClose }: { text: string; onClose: () => void }) {
  const [name, setName] = useState(""), [description, setDescription] = useState("");
  const [error, setError] = useState<ApiError | null>(null), [taken, setTaken] = useState<SavedQuery | null>(null);
  const save = async () => {
    try {
      await saveQuery({ name, description, text, state: viewNow() }, taken);
      toast(`Saved as ${name.trim()}`);
      onClose();
    } catch (e) {
      const found = failureOf(e).status === 409 ? (await readSaved().catch(() => [])).find(s => s.name.toLowerCase() === name.trim().toLowerCase()) : undefined;
      setTaken(found ?? null);
      setError(found && !taken ? null : failureOf(e));
      if (found && !description) setDescription(found.description);
    }
  };
  return (
    <Dialog title="Save this question" onClose={onClose}>
      <form class="stack" onSubmit={e => { e.preventDefault(); void save(); }}>
        <p class="mono query-said">{text}</p>
        <label class="field"><span>Name</span><input class="input" value={name} maxLength={100} required onInput={e => { setName(e.currentTarget.value); setTaken(null); }} /></label>
        <label class="field"><span>What it is good for (optional)</span><textarea class="input" rows={2} maxLength={2000} value={description} onInput={e => setDescription(e.currentTarget.value)} /></label>
        {error && <Failure error={error} />}
        {taken && <p role="alert">A query of this name was saved {showAgo(Date.parse(taken.changed))} by {showActor(taken.changed_by)}. Choose another name, or replace it.</p>}
        <div class="row"><button class={"button " + (taken ? "danger" : "primary")} disabled={!name.trim()}>{taken ? "Replace it" : "Save"}</button></div>
      </form>
    </Dialog>
  );
}
