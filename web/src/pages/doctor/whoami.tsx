// Whose key is this: asked of the server with that key alone. It is neither shown again nor kept.
import { useState } from "preact/hooks";
import { BASE } from "../../app/location";

export interface Who { status: number; environment?: string; name?: string; type?: string; may?: string[]; error?: string }

export async function whoami(key: string): Promise<Who> {
  try {
    const reply = await fetch(BASE + "1/auth", { headers: { "x-honeycomb-team": key, accept: "application/json" }, credentials: "omit" });
    const said = (await reply.json()) as { error?: string; environment?: { slug: string }; name?: string; type?: string; api_key_access?: Record<string, boolean> };
    if (!reply.ok) return { status: reply.status, error: said.error };
    return { status: reply.status, environment: said.environment?.slug, name: said.name, type: said.type, may: Object.entries(said.api_key_access ?? {}).filter(([, may]) => may).map(([what]) => what) };
  } catch {
    return { status: 0, error: "the server cannot be reached, or the key has characters that no header can hold" };
  }
}

export function WhoamiBox() {
  const [key, setKey] = useState(""), [who, setWho] = useState<Who | null>(null);
  return (
    <section class="panel">
      <header><h2>Whose key is this</h2></header>
      <form class="body stack" autocomplete="off" onSubmit={e => { e.preventDefault(); const asked = key.trim(); setKey(""); void whoami(asked).then(setWho); }}>
        <div class="row"><label class="field grow"><span>A key. It is sent to this server, and not shown or kept.</span>
          <input class="input mono" type="password" autocomplete="off" value={key} onInput={e => setKey(e.currentTarget.value)} /></label><button class="button" disabled={!key.trim()}>Look it up</button></div>
        <div role="status">{who && (who.environment ? <p class="ok-text">A key of the environment <b>{who.environment}</b>, named {who.name || "without a name"}, kind {who.type}. It may use: {who.may?.join(", ") || "nothing"}.</p>
          : <p class="error-text">{who.error ?? `The server answered ${who.status}.`}</p>)}</div>
      </form>
    </section>
  );
}
