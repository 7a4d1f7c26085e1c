// Every page in every state and both themes: for everyone (axe), without sideways scrolling on a small screen, and inert, whatever telemetry and people
// call their things. Texts that would run if a page made markup of them stand in every place that a sender or a user fills.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";

const EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const TRACES = ["11111111111111111111111111111111", "22222222222222222222222222222222"];
const text = value => ({ stringValue: value });
const attributes = from => Object.entries(from).map(([key, value]) => ({ key, value: text(value) }));

let server, browser;

async function post(path, body) {
  const reply = await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.ok(reply.ok, `${path}: ${reply.status} ${await reply.text()}`);
}

// A caller and what it calls, both of evil names; the second fails.
function spansOf(traceId, startMs, number) {
  const span = (service, spanId, parentSpanId, kind, offset, length, more = {}) => ({
    resource: { attributes: attributes({ "service.name": service, "service.version": EVIL, "service.instance.id": EVIL }) },
    scopeSpans: [{ scope: { name: EVIL, version: EVIL }, spans: [{ traceId, spanId, parentSpanId, name: `${EVIL} ${kind}`, kind, startTimeUnixNano: `${startMs + offset}000000`, endTimeUnixNano: `${startMs + offset + length}000000`,
      attributes: attributes({ "http.route": `/${EVIL}`, [EVIL]: EVIL, "user.id": `u${number % 7}` }), ...more }] }],
  });
  return [
    span(`a ${EVIL}`, "000000000000000a", "", 2, 0, 50 + number, { events: [{ name: EVIL, timeUnixNano: `${startMs + 1}000000`, attributes: attributes({ [EVIL]: EVIL }) }] }),
    span(`a ${EVIL}`, "000000000000000b", "000000000000000a", 3, 5, 40),
    span(`b ${EVIL}`, "000000000000000c", "000000000000000b", 2, 10, 30, { status: { code: 2, message: EVIL },
      events: [{ name: "exception", timeUnixNano: `${startMs + 20}000000`, attributes: attributes({ "exception.type": EVIL, "exception.message": EVIL, "exception.stacktrace": EVIL }) }] }),
  ];
}

before(async () => {
  server = await startSkep();
  browser = await openBrowser();
  const now = Date.now();
  const ids = [...TRACES, ...Array.from({ length: 60 }, (_, i) => (i + 16).toString(16).padStart(32, "3"))];
  await post("v1/traces", { resourceSpans: ids.flatMap((id, i) => spansOf(id, now - 600_000 + i * 5000, i)) });
  await post("v1/logs", { resourceLogs: [{ resource: { attributes: attributes({ "service.name": `a ${EVIL}` }) }, scopeLogs: [{ scope: { name: EVIL }, logRecords: Array.from({ length: 30 }, (_, i) => ({
    timeUnixNano: `${now - 300_000 + i * 1000}000000`, severityText: EVIL, severityNumber: 17, body: text(`${EVIL} ${i}`), attributes: attributes({ [EVIL]: EVIL }), traceId: TRACES[0], spanId: "000000000000000a" })) }] }] });
  await fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json", "x-honeycomb-team": EVIL, "user-agent": EVIL }, body: "{}" });
  await fetch(server.url + `v1/${encodeURIComponent(EVIL)}`, { method: "POST", body: EVIL });
  await post("skep/v1/saved", { environment: "dev", name: EVIL, text: `COUNT WHERE name = ${JSON.stringify(EVIL)}` });
  await skep(["marker", EVIL, "--env", "dev", "--type", EVIL, "--start", "5m"], server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const evilText = JSON.stringify(EVIL);
const PLACES = {
  home: ["", {}],
  query: ["query", { q: `COUNT, P99(duration_ms) WHERE name contains ${evilText} GROUP BY service.name, http.route` }],
  heatmap: ["query", { q: "HEATMAP(duration_ms)" }],
  raw: ["query", { q: `COUNT GROUP BY ${evilText}`, tab: "raw" }],
  traces: ["traces", {}],
  trace: ["trace", { id: TRACES[0], span: "000000000000000c" }],
  compare: ["compare", { a: TRACES[0], b: TRACES[1] }],
  map: ["map", {}],
  service: ["service", { name: `b ${EVIL}` }],
  logs: ["logs", {}],
  doctor: ["doctor", {}],
  keys: ["keys", {}],
  people: ["people", {}],
  login: ["login", {}],
  usage: ["usage", {}],
  settings: ["settings", {}],
};
const EMPTY = /No (deployment|event|span|request|field|line|trace)\b[^.]*|None (since|yet|in)[^.]*|Nothing (was|in|came)[^.]*/g; // what only an answer tells
const STATES = { data: "dev", empty: "demo", broken: "dev" };

async function settled(page) {
  await page.waitForSelector("main h1, main h2", { timeout: 10000 });
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'), null, { timeout: 10000 });
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
}

async function open(page, [path, params], environment) {
  await page.goto(`${server.url}${path}?${new URLSearchParams({ env: environment, from: "15m", ...params })}`);
  await settled(page).catch(e => { throw new Error(`${path || "home"} does not come to rest`, { cause: e }); });
}

for (const theme of ["light", "dark"])
  for (const [state, environment] of Object.entries(STATES))
    test(`every page, ${state}, ${theme}: for everyone, and nothing that was sent runs`, async () => {
      const { page, faults, context } = await openPage(browser, server.url, { theme });
      page.on("dialog", d => faults.push(`a dialog: ${d.message()}`));
      if (state === "broken") await page.route("**/skep/v1/**", r => (r.request().url().includes("environments") ? r.continue() : r.fulfill({ status: 503, contentType: "application/json", body: JSON.stringify({ error: EVIL, code: "unavailable" }) })));
      const found = [];
      for (const [name, place] of Object.entries(PLACES)) {
        await open(page, place, environment);
        found.push(...(await axe(page)).map(f => `${name}: ${f}`));
        if (await page.evaluate(() => window.hit)) found.push(`${name}: what was sent has run`);
        if (state === "broken") found.push(...((await page.innerText("main")).match(EMPTY) ?? []).map(said => `${name}: says “${said}”, which it cannot know`));
      }
      assert.deepEqual(found, []);
      assert.deepEqual(faults, []);
      await context.close();
    });

test("no page scrolls sideways at 320 pixels", async () => {
  const { page, faults, context } = await openPage(browser, server.url, { width: 320, height: 640 });
  const wide = [];
  for (const [name, place] of Object.entries(PLACES)) {
    await open(page, place, "dev");
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) wide.push(`${name}: ${over} px too wide`);
  }
  assert.deepEqual(wide, []);
  assert.deepEqual(faults, []);
  await context.close();
});
