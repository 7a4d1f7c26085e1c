// Settings: how skep looks on this screen, how long it keeps what it was sent, and what it is made of.
import { useState } from "preact/hooks";
import { callText } from "../api/client";
import { environments } from "../app/environment";
import { lettersAreOn, switchLetters } from "../app/shortcuts";
import { chooseTheme, chosenTheme, type Theme } from "../app/theme";
import { localZone, setZone, zone } from "../app/time";
import { showBytes, showCount } from "../kit/format";
import { Panel } from "../kit/states";
import { Table } from "../kit/table";
import { useData } from "../kit/use_data";
import "./settings.css";

const THEMES: readonly (readonly [Theme, string])[] = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]];

function Notices() {
  const [isOpen, setOpen] = useState(false);
  const data = useData<string>(isOpen ? "notices" : null, l => callText("_/notices.txt", { signal: l.signal }));
  return (
    <Panel title="Licence notices" data={data} actions={<button class="button small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{isOpen ? "Hide" : "Show"}</button>}>
      {text => isOpen && <pre tabIndex={0}>{text}</pre>}
    </Panel>
  );
}

export default function Settings() {
  const [theme, setTheme] = useState(chosenTheme());
  return (
    <>
      <div class="page-head"><h1>Settings</h1></div>
      <section class="panel"><header><h2>This screen</h2></header>
        <div class="body stack">
          <fieldset class="row wrap plain-set"><legend class="label">Colours</legend>
            {THEMES.map(([value, label]) => <label key={value} class="row"><input type="radio" name="theme" checked={theme === value} onChange={() => { chooseTheme(value); setTheme(value); }} /> {label}</label>)}
          </fieldset>
          <fieldset class="row wrap plain-set"><legend class="label">Times</legend>
            <label class="row"><input type="radio" name="zone" checked={zone.value === localZone} onChange={() => setZone(localZone)} /> {localZone}, the zone of this machine</label>
            {localZone !== "UTC" && <label class="row"><input type="radio" name="zone" checked={zone.value === "UTC"} onChange={() => setZone("UTC")} /> UTC</label>}
            {zone.value !== localZone && zone.value !== "UTC" && <span>now {zone.value}</span>}
            <span class="muted">Any other zone is in the time picker.</span>
          </fieldset>
          <label class="row"><input type="checkbox" checked={lettersAreOn.value} onChange={e => switchLetters(e.currentTarget.checked)} /> Single letters are keys (<kbd>?</kbd> lists them)</label>
        </div>
      </section>
      <section class="panel"><header><h2>How long events are kept</h2></header>
        <div class="body stack">
          <Table caption="Retention of each environment" rows={environments.value ?? []} rowKey={e => e.slug} columns={[
            { key: "slug", title: "environment", value: e => e.slug, cell: e => e.name || e.slug },
            { key: "retention", title: "kept for", value: e => e.retention_s, cell: e => (e.retention_s ? `${+(e.retention_s / 86400).toFixed(2)} days` : "as --retention says") },
            { key: "rows", title: "events", isNumber: true, value: e => e.rows, cell: e => showCount(e.rows) },
            { key: "bytes", title: "on disk", isNumber: true, value: e => e.bytes, cell: e => showBytes(e.bytes) },
          ]} />
          <p class="muted">Retention is set where the server is started: <code>skep serve --retention 30d --disk-max 50GiB</code>.</p>
        </div>
      </section>
      <Notices />
    </>
  );
}
