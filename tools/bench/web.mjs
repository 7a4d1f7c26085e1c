// What docs/performance.md says of the interface: the real binary, real Chromium, marks and measures of the pages. `node tools/bench/web.mjs ROUNDS` prints one
// JSON object: rows of {what, unit, budget, value}, the median of the rounds, and what was slowest. tools/bench/web.py makes the table.
import { hex, largeTrace, sendSpans } from "../../tests/web/made_trace.mjs";
import { openBrowser, openPage, skep, startSkep } from "../../tests/web/harness.mjs";

const ROUNDS = Number(process.argv[2] ?? 5), LARGE = hex(0xabc2, 32), SPANS = 100_000, FRAMES = 300;
const EVENT_LEAST = 16; // ms: shorter events have no entry, and count as this

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))];
const found = new Map(); // what: {unit, budget, values of the rounds}
function note(what, unit, budget, value) {
  const row = found.get(what) ?? { unit, budget, values: [] };
  found.set(what, row);
  row.values.push(value);
}

const lengths = (page, name) => page.evaluate(n => performance.getEntriesByName(n, "measure").map(e => e.duration), name);
async function settled(page) {
  await page.waitForSelector("main h1, main h2");
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
}
const firstPaint = page => page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);

const at = (url, path, params) => `${url}${path}?${new URLSearchParams(params)}`;
const DEMO = { env: "demo", from: "30m" };
const press = (...keys) => async page => { for (const key of keys) await page.keyboard.press(key); };
const click = selector => page => page.locator(selector).first().click();

// One page each; of each interaction the longest event it caused counts.
const JOURNEYS = [
  { path: "", params: DEMO, ready: "td a", steps: [["open the palette", press("Control+k")], ["type in the palette", press("c")], ["close the palette", press("Escape")], ["show all keys", press("?")], ["close the keys", press("Escape")]] },
  { path: "query", params: { ...DEMO, q: "COUNT, P99(duration_ms), HEATMAP(duration_ms) GROUP BY service.name" }, ready: ".heatmap canvas",
    steps: [["raw rows", press("3")], ["back to the results", press("1")], ["add a filter", press("b")], ["close the fields", press("Escape")], ["a cell of the heatmap", click(".heatmap-box")], ["select cells", press("Shift+ArrowLeft")]] },
  { path: "traces", params: DEMO, ready: ".traces-open", steps: [["pick a trace", click('.traces-table input[type="checkbox"]')], ["type a filter", async page => { await page.focus(".filter-box"); await page.keyboard.press("n"); }]] },
  { path: "logs", params: DEMO, ready: "main h1", steps: [["next line", press("j")], ["open the line", press("Enter")], ["close the line", press("Escape")], ["patterns", press("p")]] },
  { path: "map", params: DEMO, ready: "[data-node=gateway]", steps: [["pick a node", click("[data-node=gateway]")], ["walk along a call", press("ArrowRight")], ["the table", press("v")]] },
  { path: "trace", params: { env: "dev", id: LARGE, fold: "0" }, ready: ".wf-row:not([hidden])",
    steps: [["100 k spans: next row", press("j")], ["100 k spans: collapse all", press("[")], ["100 k spans: expand all", press("]")], ["100 k spans: critical path", press("c")], ["100 k spans: next error", press("e")],
      ["100 k spans: zoom", press("w")], ["100 k spans: find, a letter", async page => { await page.focus(".wf-find"); await page.keyboard.press("d"); }]] },
];

async function interactions(browser, url, slow) {
  const all = [];
  for (const { path, params, ready, steps } of JOURNEYS) {
    const { page, context } = await openPage(browser, url);
    await page.goto(at(url, path, params));
    await page.waitForSelector(ready);
    await settled(page);
    await page.evaluate(least => {
      window.events = [];
      new PerformanceObserver(list => { for (const e of list.getEntries()) if (e.interactionId) window.events.push(e.duration); }).observe({ type: "event", durationThreshold: least });
    }, EVENT_LEAST);
    for (const [name, run] of steps) {
      await page.evaluate(() => { window.events.length = 0; });
      await run(page);
      await settled(page);
      await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))); // entries come after the frame
      const took = await page.evaluate(least => Math.max(least, ...window.events), EVENT_LEAST);
      all.push(took);
      slow.set(name, [...(slow.get(name) ?? []), took]);
    }
    await context.close();
  }
  note(`interaction to paint, p75 of ${all.length} interactions`, "ms", 100, quantile(all, 0.75));
  note("interaction to paint, the slowest", "ms", null, Math.max(...all));
}

async function paints(browser, url) {
  const { page, context } = await openPage(browser, url);
  const address = at(url, "", DEMO);
  await page.goto(address);
  await settled(page);
  note("first paint, cold (nothing cached)", "ms", null, await firstPaint(page));
  await page.goto(address);
  await settled(page);
  note("first paint, warm", "ms", 150, await firstPaint(page));
  await page.goto(at(url, "query", { ...DEMO, q: "HEATMAP(duration_ms)" }));
  await page.waitForSelector(".heatmap canvas");
  await settled(page);
  note("heatmap paint", "ms", 10, Math.max(...await lengths(page, "heatmap-paint")));
  await page.goto(at(url, "map", DEMO));
  await page.waitForSelector(".map-node");
  await settled(page);
  note("map layout, the demo's services", "ms", null, Math.max(...await lengths(page, "map-layout")));
  await context.close();
}

async function trace(browser, url) {
  const { page, context } = await openPage(browser, url);
  await page.goto(at(url, "trace", { env: "dev", id: LARGE, fold: "0" }));
  await page.waitForFunction(() => performance.getEntriesByName("trace.client").length);
  const one = async name => (await lengths(page, name))[0];
  note("100 k spans: from the answer to interactive", "ms", 250, await one("trace.client"));
  note("100 k spans: of it reading the JSON", "ms", null, await one("trace.parse"));
  note("100 k spans: of it building the tree", "ms", null, await one("trace.build"));
  await page.evaluate(async frames => {
    const box = document.querySelector('[role="treegrid"]');
    performance.clearMeasures("trace.frame");
    for (let i = 0; i < frames; i++) {
      box.scrollTop += 900;
      await new Promise(done => requestAnimationFrame(done));
    }
  }, FRAMES);
  const frames = await lengths(page, "trace.frame");
  note(`100 k spans: script a scroll frame, p50 of ${FRAMES}`, "ms", null, quantile(frames, 0.5));
  note(`100 k spans: script a scroll frame, p95 of ${FRAMES}`, "ms", 4, quantile(frames, 0.95));
  await page.evaluate(() => {
    window.tasks = [50]; // shorter tasks have no entry
    new PerformanceObserver(list => { for (const e of list.getEntries()) window.tasks.push(e.duration); }).observe({ type: "longtask" });
  });
  await page.keyboard.press("2");
  await page.waitForSelector(".wf-flame canvas");
  await settled(page);
  await page.evaluate(() => new Promise(done => setTimeout(done, 100)));
  note("100 k spans: longest task as the flame view opens (50: none longer)", "ms", 50, await page.evaluate(() => Math.max(...window.tasks)));
  await context.close();
}

const server = await startSkep(), browser = await openBrowser(), slow = new Map();
try {
  await skep(["demo", "--seed", "1", "--past", "30m", "--past-only", "--quiet"], server);
  await sendSpans(server.url, LARGE, largeTrace(SPANS));
  for (let round = 0; round < ROUNDS; round++) {
    await paints(browser, server.url);
    await trace(browser, server.url);
    await interactions(browser, server.url, slow);
    console.error(`round ${round + 1} of ${ROUNDS}`);
  }
  const rows = [...found].map(([what, { unit, budget, values }]) => ({ what, unit, budget, value: quantile(values, 0.5) }));
  const slowest = [...slow].map(([name, values]) => ({ name, value: quantile(values, 0.5) })).sort((a, b) => b.value - a.value).slice(0, 5);
  console.log(JSON.stringify({ rows, slowest, browser: browser.version() }));
} finally {
  await browser.close();
  await server.stop();
}
