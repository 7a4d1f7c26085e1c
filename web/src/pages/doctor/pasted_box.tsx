// A box that reads what is pasted into it. The text stays in the page; keys in it are looked up on this server and not shown.
import { useState } from "preact/hooks";
import { environment } from "../../app/environment";
import { plural } from "../../kit/format";
import { diagnose, keysIn, type Diagnosis } from "./pasted";
import { whoami } from "./whoami";

export function PastedBox() {
  const [text, setText] = useState(""), [found, setFound] = useState<Diagnosis[] | null>(null);
  const read = async () => {
    const list = diagnose(text, new URL(location.origin));
    for (const { line, key } of keysIn(text).slice(0, 5)) {
      const who = await whoami(key);
      if (who.environment && who.environment !== environment.value) list.push({ line, kind: "other_environment", title: `The key is of the environment ${who.environment}; you look at ${environment.value}.`, fix: "Look at that environment, or use a key of this one." });
      else if (who.status === 401) list.push({ line, kind: "unknown_key", title: "This server does not know the key.", fix: "Use one of the Keys page, or adopt it below once it was refused." });
    }
    setFound(list.sort((a, b) => a.line - b.line));
  };
  return (
    <section class="panel">
      <header><h2>Read my set-up</h2></header>
      <form class="body stack" onSubmit={e => { e.preventDefault(); void read(); }}>
        <label class="field"><span>A compose file, an env block, set-up code, or what the console exporter prints. It stays in this page.</span>
          <textarea class="input mono" rows={7} spellcheck={false} value={text} onInput={e => { setText(e.currentTarget.value); setFound(null); }} placeholder={"OTEL_SERVICE_NAME=backend-flask\nOTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318\nOTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=${HONEYCOMB_API_KEY}"} /></label>
        <div class="row"><button class="button primary" disabled={!text.trim()}>Read it</button></div>
        <div role="status">
          {found && (found.length === 0 ? <p class="ok-text">Nothing wrong was found in it.</p> : (
            <ol class="plain stack" aria-label={plural(found.length, "diagnosis", "diagnoses")}>{found.map((d, i) => (
              <li key={i} class="notice is-warn" data-kind={d.kind}><strong>Line {d.line}: {d.title}</strong><span>{d.fix}</span></li>
            ))}</ol>
          ))}
        </div>
      </form>
    </section>
  );
}
