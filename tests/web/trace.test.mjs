// Traces, Trace and Compare: a request is found, understood and laid beside another, by mouse and by keyboard alone; 100,000 spans stay smooth.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";
import { hex, largeTrace, sendSpans } from "./made_trace.mjs";
import { build } from "./module.mjs";

let server, browser, model, rowsOf, skewOf, triesOf, alignOf;
const HOLED = hex(0xabc1, 32), LARGE = hex(0xabc2, 32);

before(async () => {
  [model, rowsOf, skewOf, triesOf, alignOf] = await Promise.all(["model", "rows", "skew", "tries", "../compare/align"].map(name => build(`pages/trace/${name}.ts`)));
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--seed", "1", "--past", "10m", "--past-only", "--quiet"], server);
  await sendSpans(server.url, HOLED, [
    { id: 1, parent: 0, service: "web", name: "GET /", start: 0, length: 100_000, attributes: { "user.tier": "Gold Card" } }, { id: 2, parent: 1, service: "api", name: "load", start: 10_000, length: 60_000 },
    ...Array.from({ length: 6 }, (_, i) => ({ id: 10 + i, parent: 2, service: "db", name: "SELECT", kind: 3, start: 12_000 + i * 8000, length: 7000 })),
    { id: 30, parent: 99, service: "mail", name: "send", start: 75_000, length: 5000, isError: true }]);
  await sendSpans(server.url, LARGE, largeTrace(100_000));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = (page, params) => `${server.url}${page}?${new URLSearchParams(params)}`;
const settled = page => page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
const rowTexts = page => page.locator(".wf-row:not([hidden]) .wf-text").allTextContents();

// A skeleton by hand: [parent, start, length, service, name, host, flags].
function skeleton(spans, missing = []) {
  const names = { service: [], name: [], host: [] }, code = (kind, text) => { const list = names[kind]; if (!list.includes(text)) list.push(text); return list.indexOf(text); };
  const column = i => spans.map(s => s[i]);
  return { trace_id: hex(1, 32), start_ns: "0", count: spans.length, parent: column(0), start_us: column(1), duration_us: column(2), self_us: column(2), flags: spans.map(s => s[6] ?? 16),
    service: spans.map(s => code("service", s[3])), services: names.service, name: spans.map(s => code("name", s[4])), names: names.name, host: spans.map(s => code("host", s[5] ?? "")), hosts: names.host,
    notes: { span: [], time_us: [], kind: [], severity: [], text: [], left_out: 0 }, missing_parents: missing, folded_rows: 0, damaged_blocks: 0 };
}
const plain = m => ({ collapsed: new Uint8Array(m.count), folds: null, openFolds: new Set(), hidden: m.columns.services.map(() => false), withNotes: false });

test("nodes stand depth first; what hangs on a missing parent stands below its placeholder", () => {
  const m = model.buildModel(skeleton([[1, 0, 5, "a", "early child"], [-1, 0, 100, "a", "root"], [1, 20, 10, "b", "x", "", 17], [-2, 40, 5, "c", "orphan"], [2, 22, 3, "b", "y"]], ["99"]), null);
  assert.deepEqual(Array.from({ length: m.count }, (_, i) => model.nameOf(m, i)), ["root", "early child", "x", "y", "missing parent 99", "orphan"]);
  assert.deepEqual([...m.size], [4, 1, 2, 1, 2, 1]);
  assert.deepEqual([...m.depth], [0, 1, 1, 2, 0, 1]);
  assert.deepEqual([...m.errors], [1, 0, 1, 0, 0, 0]);
  assert.deepEqual([m.start[4], m.end[4]], [40, 45]);
  assert.deepEqual([...model.findNodes(m, "B X")], [2]);
  assert.deepEqual([...model.findNodes(m, "B X", [0, 3])], [1, 2, 5]);
});

test("runs of five like siblings fold to one row, open, and show themselves for what they hold", () => {
  const m = model.buildModel(skeleton([[-1, 0, 100, "a", "root"], ...Array.from({ length: 5 }, (_, i) => [0, i * 10, 10, "db", "q", "", i === 3 ? 25 : 24]), [0, 60, 5, "a", "z"]]), null);
  const folds = rowsOf.findFolds(m), view = { ...plain(m), folds };
  assert.equal(folds.list.length, 1);
  assert.deepEqual([folds.list[0].count, folds.list[0].covered, folds.list[0].errors], [5, 50, 1]);
  let rows = rowsOf.visibleRows(m, view);
  assert.deepEqual([...rows.kind.slice(0, rows.count)], [rowsOf.SPAN, rowsOf.FOLD, rowsOf.SPAN]);
  assert.equal(rows.rowOf[4], 1);
  assert.ok(rowsOf.reveal(m, view, 4));
  rows = rowsOf.visibleRows(m, view);
  assert.equal(rows.count, 8);
  assert.deepEqual([...rows.depth.slice(0, 4)], [0, 1, 2, 2]);
  view.hidden[1] = true;
  rows = rowsOf.visibleRows(m, view);
  assert.deepEqual(rows.leftOut.map(l => [l.count, l.errors]), [[5, 1]]);
});

test("the parts of the critical path add up to the root's duration, however many siblings there are", () => {
  const many = Array.from({ length: 100_000 }, (_, i) => [0, i * 10 + 2, 7, "b", "x", "", 2]);
  const m = model.buildModel(skeleton([[-1, 0, 1_000_000, "a", "root", "", 2], ...many]), null), parts = model.criticalParts(m);
  assert.equal(parts.total, 1_000_000);
  assert.equal(parts.byService.get(1), 700_000);
  const deep = model.buildModel(skeleton(Array.from({ length: 20_000 }, (_, i) => [i - 1, i, 40_000 - 2 * i, "a", "x", "", 2])), null);
  assert.equal(model.criticalParts(deep).total, 40_000);
});

test("the time between tries of a call that fails is told from work", () => {
  // checkout works 10 µs, calls payment three times, waits 20 and 40 between, works 5 more after an address was looked up.
  const FAILED = 27, calls = [[0, 10, 5, "payment", "Charge", "", FAILED], [0, 35, 5, "payment", "Charge", "", FAILED], [0, 80, 5, "payment", "Charge", "", 26], [0, 85, 10, "address", "Find", "", 26]];
  const of = spans => { const m = model.buildModel(skeleton([[-1, 0, 100, "checkout", "POST /", "", 18], ...spans]), null); return triesOf.longestWait(m, model.criticalParts(m)); };
  assert.deepEqual(of(calls), { parent: 0, call: 1, failed: 2, waited: 60 });
  assert.equal(of(calls.map(c => [...c.slice(0, 6), 26])), null, "none failed");
  assert.equal(of([calls[0], [0, 35, 5, "payment", "Refund", "", FAILED]]), null, "another call is not a try of the first");
});

test("a trace whose time is retry waits says so, and leads to what is different about the tries that fail", async () => {
  const { page, faults, context } = await openPage(browser, server.url), id = hex(0xabc3, 32), call = (id, start, isError) => ({ id, parent: 1, service: "till", name: "payment.Payment/Charge", kind: 3, start, length: 10_000, isError });
  await sendSpans(server.url, id, [{ id: 1, parent: 0, service: "till", name: "POST /pay", start: 0, length: 1_000_000 }, call(2, 10_000, true), call(3, 400_000, true), call(4, 900_000, false)]);
  await page.goto(at("trace", { env: "dev", id }));
  await page.waitForSelector("text=/87 % of the critical path till waits to try again: 2 tries of/");
  await page.click("a >> text=payment.Payment/Charge");
  await page.waitForSelector(".difference-sentence");
  assert.match(await page.textContent(".selection-text"), /error = true/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("clocks are moved by the median of a host's calls, never for messages, and not when the calls disagree", () => {
  const calls = delta => Array.from({ length: 5 }, (_, i) => [0, 400 + i * 20 + delta(i), 50, "b", "x", "B", 16]);
  const steady = skewOf.estimateSkew(skeleton([[-1, 0, 1000, "a", "root", "A", 16], ...calls(() => -41_000_000)]));
  assert.equal(steady.hosts.length, 1);
  assert.ok(steady.shifts[1] > 40_900_000 && steady.shifts[0] === 0);
  assert.equal(skewOf.estimateSkew(skeleton([[-1, 0, 1000, "a", "root", "A", 16], ...calls(i => -i * 1_000_000)])).shifts, null);
  assert.equal(skewOf.estimateSkew(skeleton([[-1, 0, 1000, "a", "root", "A", 32], ...calls(() => -41_000_000)])).shifts, null);
  assert.equal(skewOf.estimateSkew(skeleton([[-1, 0, 1000, "a", "root", "A", 16], ...calls(() => 0)])).shifts, null);
});

test("overlapping siblings get lanes of their own", () => {
  const m = model.buildModel(skeleton([[-1, 0, 100, "a", "root"], [0, 0, 50, "a", "x"], [1, 10, 20, "a", "y"], [0, 20, 50, "a", "z"], [0, 80, 10, "a", "w"]]), null);
  const laid = (model, seen = () => undefined) => { const steps = rowsOf.flameSteps(model); for (;;) { const step = steps.next(); if (step.done) return step.value; seen(); } };
  assert.deepEqual([...laid(m).lane], [0, 1, 2, 3, 1]);
  let pauses = 0;
  const many = Array.from({ length: 100_000 }, (_, i) => [0, i % 1000, 900, "b", "x"]); // each overlaps nearly all others
  assert.equal(laid(model.buildModel(skeleton([[-1, 0, 2000, "a", "root"], ...many]), null), () => { pauses++; }).lanes, 66);
  assert.ok(pauses >= 48, "a wide trace is laid out in pieces");
});

test("two traces meet by path; the difference is told by time in itself", () => {
  const a = model.buildModel(skeleton([[-1, 0, 100, "a", "root"], [0, 10, 20, "b", "x"]]), null);
  const b = model.buildModel(skeleton([[-1, 0, 300, "web", "page"], [0, 0, 250, "a", "root"], [1, 10, 90, "b", "x"], [1, 110, 90, "b", "x"]]), null);
  const tree = alignOf.align(a, b), root = tree[0].children[0];
  assert.equal(tree.length, 1);
  assert.deepEqual([root.name, root.a.count, root.b.count], ["root", 1, 1]);
  assert.deepEqual([root.children[0].a.count, root.children[0].b.count, root.children[0].b.total], [1, 2, 180]);
  assert.equal(alignOf.causes(tree).find(c => c.name === "x").delta, 160);
});

test("from the list to a span: search, sort, open, details, find, folding", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("traces", { env: "demo", from: "30m" }));
  await page.waitForSelector(".traces-open");
  await page.fill(".filter-box", 'name = "checkout.Checkout/PlaceOrder"');
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=name/);
  await page.selectOption("select:has(option[value=longest])", "longest");
  await settled(page);
  await page.locator(".traces-open").first().click();
  await page.waitForSelector(".wf-row:not([hidden])");
  await page.fill(".wf-find", "UPDATE stock");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".wf-row.is-active:has-text('UPDATE stock')");
  await page.click(".wf-row.is-active .wf-text");
  await page.waitForSelector("#wf-detail >> text=db.query.text");
  await page.waitForURL(/span=[0-9a-f]{16}/);
  await page.reload(); // the address alone leads back to the span
  await page.waitForSelector("#wf-detail >> text=db.query.text");
  await page.waitForSelector(".wf-row.is-selected:has-text('UPDATE stock')");
  assert.deepEqual(faults, []);
  await context.close();
});

test("traces without a duration to draw are listed, and an empty range leads to a full one", async () => {
  const lone = await startSkep();
  await sendSpans(lone.url, hex(77, 32), [{ id: 2, parent: 1, service: "lone", name: "child", start: 0, length: 5 }]);
  const { page, faults, context } = await openPage(browser, lone.url);
  await page.goto(lone.url + "traces?env=dev&from=1m&q=" + encodeURIComponent('service.name = "lone"')); // it came two minutes ago
  await page.waitForSelector("text=No trace in this range matches the filter.");
  await page.click("header.top >> text=Last 1m");
  await page.click("text=Last 15 minutes");
  await page.waitForSelector("text=root missing");
  await page.goto(lone.url + "traces?env=dev&from=1m");
  await page.waitForSelector("text=No traces in this range.");
  await page.click("text=Look at the last day");
  await page.waitForSelector("text=No traces in this range."); // no root
  assert.deepEqual(faults, []);
  await context.close();
  await lone.stop();
});

test("a missing parent has a placeholder and a cause; folding, errors and leaving out", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("trace", { env: "dev", id: HOLED, fold: "1" }));
  await page.waitForSelector(".wf-row >> text=missing parent");
  await page.waitForSelector("text=1 span is named as a parent and not here");
  await page.waitForSelector(".wf-row >> text=6 × SELECT");
  await page.click(".wf-row:has-text('6 × SELECT') .wf-toggle");
  await page.waitForFunction(() => [...document.querySelectorAll(".wf-row:not([hidden]) .wf-text")].filter(e => e.textContent === "SELECT").length === 6);
  await page.click(".wf-services >> text=db");
  await page.waitForSelector(".wf-row >> text=6 spans of left-out services");
  await page.click("text=Next of 1 error");
  await page.waitForSelector(".wf-row.is-active:has-text('send')");
  assert.deepEqual(faults, []);
  await context.close();
});

test("find looks into attributes too, which only the server knows", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("trace", { env: "dev", id: HOLED, fold: "0" }));
  await page.fill(".wf-find", "tier=gold card");
  await page.waitForSelector(".wf-count >> text=/1$/");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".wf-row.is-active:not(.is-dim):has-text('GET /')");
  await page.waitForSelector(".wf-row.is-dim:has-text('load')");
  await page.fill(".wf-find", "tier=silver");
  await page.waitForSelector(".wf-count >> text=no match");
  assert.deepEqual(faults, []);
  await context.close();
});

test("the keyboard alone: rows, levels, details and back", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("trace", { env: "dev", id: HOLED, fold: "0" }));
  await page.focus('[role="treegrid"]');
  await page.waitForSelector(".wf-row.is-active");
  const level = () => page.evaluate(() => document.getElementById(document.querySelector('[role="treegrid"]').getAttribute("aria-activedescendant")).getAttribute("aria-level"));
  await page.keyboard.press("ArrowRight");
  assert.equal(await level(), "2");
  await page.keyboard.press("ArrowLeft"); // closes "load"
  await page.waitForFunction(() => document.querySelector('[role="treegrid"]').getAttribute("aria-rowcount") === "4");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await level(), "1");
  await page.keyboard.press("]");
  await page.waitForFunction(() => document.querySelector('[role="treegrid"]').getAttribute("aria-rowcount") === "10");
  await page.keyboard.press("e");
  await page.waitForSelector(".wf-row.is-active:has-text('send')");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "wf-detail");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "treegrid");
  await page.keyboard.press("w");
  await page.waitForURL(/w=/);
  await page.keyboard.press("2");
  await page.waitForSelector(".wf-flame canvas");
  await page.keyboard.press("3");
  await page.waitForSelector("table >> text=In itself");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a trace of another environment is found there; one that is nowhere says so", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("trace", { env: "demo", id: HOLED }));
  await page.waitForSelector("text=It is in environment");
  await page.goto(at("trace", { env: "demo", id: hex(0xdead, 32) }));
  await page.waitForSelector("text=No other environment holds it");
  assert.deepEqual(faults, []);
  await context.close();
});

test("two picked traces are compared", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("traces", { env: "demo", from: "30m", q: 'name = "POST /checkout"' }));
  await page.waitForSelector(".traces-open");
  await page.locator('.traces-table input[type="checkbox"]').nth(0).check();
  await page.locator('.traces-table input[type="checkbox"]').nth(1).check();
  await page.click("text=Compare 2/2");
  await page.waitForSelector(".compare-table");
  assert.match(await page.textContent(".compare-said"), /B (lasted|took)/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("100,000 spans: opened, scrolled, found", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("trace", { env: "dev", id: LARGE, fold: "0" }));
  await page.waitForSelector(".wf-row:not([hidden])", { timeout: 30_000 });
  assert.equal(await page.getAttribute('[role="treegrid"]', "aria-rowcount"), "100000");
  await page.evaluate(async () => {
    performance.clearMeasures("trace.frame");
    const box = document.querySelector('[role="treegrid"]');
    for (let i = 0; i < 60; i++) {
      box.scrollTop += 900;
      await new Promise(done => requestAnimationFrame(done));
    }
  });
  const told = await page.evaluate(() => {
    const lengths = name => performance.getEntriesByName(name).map(e => e.duration).sort((a, b) => a - b), frames = lengths("trace.frame");
    return { client: lengths("trace.client")[0], parse: lengths("trace.parse")[0], build: lengths("trace.build")[0], frames: frames.length, half: frames[frames.length >> 1], most: frames[Math.floor(frames.length * 0.95)], nodes: document.querySelectorAll("*").length };
  });
  console.log(`100,000 spans: client ${told.client.toFixed(0)} ms of 250 (parse ${told.parse.toFixed(0)}, build ${told.build.toFixed(0)}); script per scroll frame ${told.half.toFixed(2)} ms, 95 % below ${told.most.toFixed(2)} ms of 4, of ${told.frames} frames; ${told.nodes} elements`);
  assert.ok(told.frames > 10);
  assert.ok(told.nodes < 1500);
  await page.keyboard.press("End").catch(() => undefined);
  await page.fill(".wf-find", "db select");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".wf-row.is-active:has-text('SELECT item')");
  assert.ok((await rowTexts(page)).length < 60);
  assert.deepEqual(faults, []);
  await context.close();
});

test("more spans than the page is made for: all are shown, and it says what is slow", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  const wide = skeleton([[-1, 0, 1_000_000, "a", "root", ""], ...Array.from({ length: 250_000 }, (_, i) => [0, i * 4, 3, "b", "x", ""])]);
  await page.route("**/skep/v1/traces/**", route => route.fulfill({ contentType: "application/json", body: JSON.stringify(wide) }));
  await page.goto(at("trace", { env: "dev", id: wide.trace_id, fold: "0" }));
  await page.waitForSelector("text=All 250 k spans are here");
  assert.equal(await page.getAttribute('[role="treegrid"]', "aria-rowcount"), "250001");
  await page.focus('[role="treegrid"]');
  await page.keyboard.press("End");
  await page.waitForSelector('.wf-row.is-active[aria-rowindex="250001"]');
  await page.keyboard.press("2");
  await page.waitForSelector(".wf-flame[aria-busy=false] canvas");
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    const [first] = await page.goto(at("traces", { env: "demo", from: "30m" })).then(() => page.waitForSelector(".traces-open")).then(() => page.locator(".traces-open").evaluateAll(list => list.map(a => a.dataset.trace)));
    assert.deepEqual(await axe(page), []);
    await page.goto(at("trace", { env: "dev", id: HOLED, fold: "1", span: hex(30, 16), find: "send" }));
    await page.waitForSelector("#wf-detail .fields");
    assert.deepEqual(await axe(page), []);
    for (const view of ["flame", "table"]) {
      await page.goto(at("trace", { env: "dev", id: HOLED, view }));
      await page.waitForSelector(view === "flame" ? ".wf-flame" : ".wf-open");
      assert.deepEqual(await axe(page), []);
    }
    await page.goto(at("compare", { env: "demo", a: first, b: first }));
    await page.waitForSelector(".compare-table");
    assert.deepEqual(await axe(page), []);
    await page.setViewportSize({ width: 360, height: 640 });
    for (const address of [at("trace", { env: "dev", id: HOLED }), at("traces", { env: "demo" }), at("compare", { env: "demo", a: first, b: first })]) {
      await page.goto(address);
      await page.waitForSelector(".wf-row:not([hidden]), .traces-open, .compare-table");
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), address);
    }
    assert.deepEqual(faults, []);
    await context.close();
  });
