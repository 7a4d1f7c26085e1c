// Query: a fault is found by looking, selecting and reading, with the mouse and with the keyboard alone; builder and text are one tree.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "./module.mjs";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";

let server, browser, text, narrow, ranges;
before(async () => {
  text = await build("api/query_text.ts");
  narrow = await build("pages/query/narrow.ts");
  ranges = await build("pages/query/ranges.ts");
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--seed", "1", "--past", "20m", "--past-only", "--quiet"], server); // a slow network between checkout and inventory
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = (params, page = "query") => `${server.url}${page}?${new URLSearchParams({ env: "demo", from: "20m", ...params })}`;
const settled = page => page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));

test("many ranges of numbers are put together, so that all of a field is seen", () => {
  const list = Array.from({ length: 32 }, (_, i) => ({ low: i, high: i + 0.9, selection: i < 16 ? 0 : 2, baseline: i < 16 ? 3 : 0 })), absent = { absent: true, selection: 1, baseline: 4 };
  const seen = ranges.wider([...list, absent], 10);
  assert.deepEqual(seen.map(v => v.low), [0, 4, 8, 12, 16, 20, 24, 28, undefined]);
  assert.deepEqual([seen[3], seen[4], seen[8]], [{ low: 12, high: 15.9, selection: 0, baseline: 12 }, { low: 16, high: 19.9, selection: 8, baseline: 0 }, absent]);
  assert.deepEqual(ranges.wider(list.slice(0, 10), 10), list.slice(0, 10));
  assert.deepEqual(ranges.wider([absent], 10), [absent]);
});

test("a selection in the address that is none is none", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  for (const sel of ['{"column":"duration_ms"}', '{"rectangle":{}}', '{"rectangle":{"t0":1,"t1":2}}', '{"window":5}', "5", "null", "{", '""']) {
    await page.goto(at({ q: "HEATMAP(duration_ms)", tab: "differences", sel }));
    await page.waitForSelector("text=Nothing is selected yet");
  }
  assert.deepEqual(faults, []);
  await context.close();
});

test("text and tree are one, both ways", () => {
  const calculations = ["COUNT", "P99(duration_ms)", "HEATMAP(duration_ms)", 'SUM("a b")', 'COUNT_DISTINCT("count")'];
  const filters = ["a = 1", 'name = "GET /"', "x exists", 'y not-in ("a", 2, true)', 'z does-not-contain "q\\"t"', "parent.service.name != \"b\"", "d >= -1.5", "ok = false"];
  let count = 0;
  for (const c of calculations)
    for (const f of filters)
      for (const rest of ["", "GROUP BY a, \"b c\"", "GROUP BY x HAVING COUNT > 10 AND P99(d) <= 5.5 ORDER BY COUNT DESC, x LIMIT 20", "EVERY 5m COMPARE 1d", "ORDER BY \"limit\""]) {
        for (const where of [`WHERE ${f}`, `WHERE ${f} AND b = 2`, `WHERE ${f} OR b = 2`]) {
          const written = [c, "FROM \"my data\"", where, rest].filter(Boolean).join(" ");
          const tree = text.parse(written), again = text.print(tree);
          assert.deepEqual(text.parse(again), tree, written);
          assert.equal(text.print(text.parse(again)), again);
          count++;
        }
      }
  assert.equal(count, 600);
});

test("a text that cannot be read says where and what is expected", () => {
  for (const [written, offset, words] of [["COUNT WHERE a = b", 16, /quotes/], ["P99", 0, /needs a field/], ["COUNT WHERE a = 1 AND b = 2 OR c = 3", 28, /mixed/], ["COUNT SINCE 2h", 6, /top of the page/], ["COUNT LIMIT x", 12, /number/], ["COUNT GROUP x", 12, /BY/], ['COUNT WHERE a = "x', 16, /missing/]])
    assert.throws(() => text.parse(written), e => e.offset === offset && words.test(e.message), written);
});

test("a filter is added to an OR question only where that says what is meant", () => {
  const add = (where, added) => { const spec = narrow.narrowed(text.parse(`COUNT ${where}`).spec, text.parse(`COUNT WHERE ${added}`).spec.filters); return spec && text.print({ dataset: null, spec }); };
  assert.equal(add("", "b = 2"), "COUNT WHERE b = 2");
  assert.equal(add("WHERE a = 1 AND c exists", "b = 2"), "COUNT WHERE a = 1 AND c exists AND b = 2");
  assert.equal(add("WHERE a = 1 OR a = 2 OR a in (2, 3)", "b != 2"), "COUNT WHERE a in (1, 2, 3) AND b != 2");
  assert.equal(add("WHERE a = 1 OR b = 2", "c = 3"), null);
  assert.equal(add("WHERE a = 1 OR a > 2", "c = 3"), null);
});

test("text is asked when the typing pauses, stays as it was typed, and is one step back", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector(".chart .u-over");
  await page.click("text=Text");
  await page.fill("#query-text", "count group by name");
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT GROUP BY name");
  await page.waitForSelector("td >> text=checkout.Checkout/PlaceOrder");
  assert.equal(await page.inputValue("#query-text"), "count group by name");
  await page.keyboard.press("End");
  await page.keyboard.type(" limit");
  await page.waitForSelector("text=a number is expected here");
  await page.keyboard.type(" 2");
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT GROUP BY name LIMIT 2");
  await page.goBack();
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT");
  await page.waitForFunction(() => document.querySelector("#query-text").value === "COUNT");
  await page.goForward();
  await page.waitForFunction(() => document.querySelector("#query-text").value === "COUNT GROUP BY name LIMIT 2");
  assert.deepEqual(faults, []);
  await context.close();
});

test("after a slow answer the text waits to be asked", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.route("**/skep/v1/query", async r => {
    const reply = await r.fetch(), body = (await reply.text()).replace(/"elapsed_ms":[0-9.]+/g, '"elapsed_ms":5000');
    await r.fulfill({ response: reply, body });
  });
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector(".chart .u-over");
  await page.click("text=Text");
  await page.fill("#query-text", "COUNT LIMIT 3");
  await page.waitForSelector("text=Shift+Enter asks this");
  assert.match(page.url(), /q=COUNT(&|$)/);
  await page.keyboard.press("Shift+Enter");
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT LIMIT 3");
  await settled(page);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  assert.deepEqual(faults, []);
  await context.close();
});

test("what is there of an answer is shown while the rest is on its way, and not taken for the answer when that fails", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.addInitScript(() => { // the answer comes in two: one group, and when asked to go on all of it
    const send = window.fetch;
    window.fetch = async (...request) => {
      const reply = await send(...request);
      if (!reply.headers.get("content-type")?.startsWith("text/event-stream") || !reply.url.endsWith("/skep/v1/query")) return reply;
      const said = await reply.text(), part = JSON.parse(/event: result\ndata: (.*)/.exec(said)[1]), encode = t => new TextEncoder().encode(t);
      part.data.results.length = 1;
      return new Response(new ReadableStream({ async start(stream) {
        stream.enqueue(encode(`event: progress\ndata: ${JSON.stringify({ rows_scanned: 1, rows_total: 4, partial: part })}\n\n`));
        if (await new Promise(resolve => { window.goOn = resolve; })) stream.enqueue(encode(said));
        stream.close();
      } }), { headers: reply.headers });
    };
  });
  await page.goto(at({ q: "COUNT GROUP BY service.name" }));
  const rows = page.locator("#answer tbody tr");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 1);
  await page.evaluate(() => window.goOn(true));
  await settled(page);
  const all = await rows.count();
  assert.ok(all > 5);
  await page.getByRole("button", { name: "Ask again" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#answer tbody tr").length === 1);
  await page.evaluate(() => window.goOn(false));
  await page.waitForSelector("text=The answer ended early");
  assert.equal(await rows.count(), all);
  assert.deepEqual(faults, []);
  await context.close();
});

test("an OR question refuses a filter and a selection in words, and takes what it can say", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: 'COUNT WHERE service.name = "checkout" OR duration_ms > 5 GROUP BY service.name' }));
  const address = page.url();
  await page.locator("tr", { hasText: "checkout" }).first().locator("text=only").click();
  await page.waitForSelector("text=The filters are joined by OR");
  assert.equal(page.url(), address);
  for (const tab of ["traces", "raw"]) {
    await page.goto(at({ q: 'COUNT WHERE service.name = "checkout" OR duration_ms > 5', sel: JSON.stringify({ group: { name: "x" } }), tab }));
    await page.waitForSelector("text=The selection cannot be shown in this question");
  }
  await page.goto(at({ q: 'COUNT WHERE service.name = "checkout" OR service.name = "cart" GROUP BY service.name' }));
  await page.locator("tr", { hasText: "cart" }).first().locator("text=only").click();
  await page.waitForURL(u => u.searchParams.get("q") === 'COUNT WHERE service.name in ("checkout", "cart") AND service.name = "cart" GROUP BY service.name');
  assert.deepEqual(faults, []);
  await context.close();
});

test("slow spike: heatmap, drag, differences name the culprit, filter, group", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "HEATMAP(duration_ms)" }));
  await page.waitForSelector(".heatmap canvas");
  await settled(page);
  const box = await page.locator(".heatmap-box").boundingBox();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.985, box.y + box.height * 0.35, { steps: 4 });
  await page.mouse.up();
  await page.click("text=What is different about these?");
  await page.waitForSelector(".difference-sentence");
  await settled(page);
  const first = await page.locator("section[aria-label='Where the time goes'] tbody tr").first().textContent();
  assert.match(first, /^inventory.*those that call it wait/);
  assert.match(await page.textContent(".difference-sentence"), /^inventory: those that call it wait [\d.]+ × as long for the way; \d.* % of the excess$/);
  assert.deepEqual(await axe(page), []);
  assert.ok((await page.locator(".difference-card header .muted").allTextContents()).every(score => Number(score) > 0));
  await page.keyboard.press("v");
  await page.waitForSelector("th >> text=lift");
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("v");
  const before = page.url();
  await page.locator("article[aria-label='name'] >> text=Group by").click();
  await page.waitForURL(u => /GROUP\+BY\+name/.test(u.href));
  await page.waitForSelector("table.table td");
  await page.keyboard.press("Control+z");
  await page.waitForURL(before);
  const paints = await page.evaluate(() => performance.getEntriesByName("heatmap-paint").map(e => e.duration));
  console.log(`# heatmap paint ${Math.min(...paints).toFixed(1)} to ${Math.max(...paints).toFixed(1)} ms`);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a selection is widened and cut", async () => {
  const grid = await build("kit/heat_grid.ts");
  const cells = grid.makeGrid([0, 10, 20, 30], 10, [0, 1, 2, 3].map(() => ({ cells: [{ low: 1, high: 2, count: 1 }, { low: 2, high: 4, count: 1 }] })), true);
  const r = (t0, t1, v0, v1) => ({ t0, t1, v0, v1 });
  assert.deepEqual(grid.joined(r(0, 10, 1, 2), r(20, 30, 2, 4)), r(0, 30, 1, 4));
  assert.deepEqual(grid.without(cells, r(0, 40, 1, 4), r(30, 40, 1, 4)), r(0, 30, 1, 4));
  assert.deepEqual(grid.without(cells, r(0, 40, 1, 4), r(0, 40, 2, 4)), r(0, 40, 1, 2));
  assert.deepEqual(grid.without(cells, r(0, 20, 1, 4), r(20, 40, 1, 4)), r(0, 20, 1, 4));
  assert.equal(grid.without(cells, r(0, 20, 1, 4), r(0, 40, 1, 4)), null);
  assert.deepEqual([0.5, 0.6].map(share => grid.countIn(cells, grid.highest(cells, share))), [4, 8]);
  assert.deepEqual(grid.emptyColumns(grid.makeGrid([0, 10], 10, [null, { cells: [{ low: 1, high: 2, count: 1 }] }], true)), [0]);
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "HEATMAP(duration_ms)" }));
  await page.waitForSelector(".heatmap canvas");
  await settled(page);
  const box = await page.locator(".heatmap-box").boundingBox(), inAddress = () => page.evaluate(() => new URLSearchParams(location.search).get("sel")); // page.url() hears of a replaced address later
  const selected = async () => JSON.parse(await inAddress()).rectangle;
  const drag = async (x0, y0, x1, y1, key) => {
    if (key) await page.keyboard.down(key);
    await page.mouse.move(box.x + box.width * x0, box.y + box.height * y0);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * x1, box.y + box.height * y1, { steps: 3 });
    await page.mouse.up();
    if (key) await page.keyboard.up(key);
    return selected();
  };
  const first = await drag(0.3, 0.3, 0.5, 0.5), wider = await drag(0.6, 0.3, 0.8, 0.6, "Shift"), cut = await drag(0.2, 0.1, 0.35, 0.9, "Alt");
  assert.ok(wider.t0 === first.t0 && wider.t1 > first.t1 && wider.v0 < first.v0 && wider.v1 === first.v1, JSON.stringify([first, wider]));
  assert.ok(cut.t0 > wider.t0 && cut.t1 === wider.t1 && cut.v0 === wider.v0, JSON.stringify([wider, cut]));
  await page.mouse.click(box.x + box.width * 0.2, box.y + 20);
  assert.equal(await inAddress(), null);
  await page.getByRole("button", { name: "slowest 5 %" }).click();
  assert.match(await page.locator(".heatmap-foot").textContent(), /events selected/);
  const [asked] = await Promise.all([page.waitForRequest("**/differences"), page.getByRole("button", { name: "errors", exact: true }).click()]);
  assert.deepEqual(JSON.parse(asked.postData()).selection, { group: { error: true } });
  assert.deepEqual(faults, []);
  await context.close();
});

test("a heatmap is a table too, and a time without events is hatched", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "HEATMAP(duration_ms)", from: "40m" }));
  await page.waitForSelector(".heatmap canvas");
  await settled(page);
  const gaps = await page.evaluate(() => { // between the lines of the hatching, in the left third, where no event is yet
    const canvas = document.querySelector(".heatmap canvas"), w = canvas.width, { data } = canvas.getContext("2d").getImageData(Math.round(w * 0.1), Math.round(canvas.height * 0.1), Math.round(w * 0.3), 1), starts = [];
    for (let x = 1; x * 4 < data.length; x++) if (data[x * 4 + 3] && !data[x * 4 - 1]) starts.push(x);
    return starts.slice(1).map((x, i) => x - starts[i]);
  });
  assert.ok(gaps.length > 20 && gaps.every(g => g >= 7 && g <= 9), String(gaps));
  await page.locator(".heatmap-box").focus();
  await page.keyboard.press("v");
  const table = page.locator(".heatmap table");
  await table.waitFor();
  assert.deepEqual(await axe(page), []);
  for (let more; (more = page.locator(".heatmap .waiting button")), await more.count(); ) await more.click();
  const sum = (await table.locator("td.number").allTextContents()).reduce((n, t) => n + (t === "–" ? 0 : Number(t.replaceAll(",", ""))), 0);
  const { total } = await page.evaluate(() => ({ total: document.querySelector(".heatmap figcaption").textContent.match(/: ([\d.,]+( k)?) events/)[1] }));
  assert.ok(Math.abs(sum - Number(total.replace(/,| k/g, "")) * (total.includes("k") ? 1000 : 1)) <= sum / 100, `${sum} of ${total}`);
  await page.getByRole("button", { name: "Heatmap", exact: true }).click();
  await page.waitForSelector(".heatmap canvas");
  await page.click("text=/^Begin at \\d\\d:\\d\\d:\\d\\d$/"); // where the answer does
  await page.waitForFunction(() => Date.now() - Date.parse(new URLSearchParams(location.search).get("from")) < 22 * 60_000);
  await settled(page);
  assert.equal(await page.locator("text=/^Begin at/").count(), 0);
  const second = Math.floor(Date.now() / 1000) * 1000, iso = ms => new Date(ms).toISOString();
  await page.goto(at({ q: "HEATMAP(duration_ms)", from: iso(second - 600_000 + 250), to: iso(second - 500)})); // as a zoom to columns of half a second leaves it
  await page.waitForSelector(".heatmap canvas");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a single point between gaps is a dot, in the chart and in the table", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT GROUP BY trace.trace_id LIMIT 1" })); // a trace lasts less than one interval
  await page.waitForSelector("#answer .swatch");
  await settled(page);
  const dots = await page.evaluate(() => {
    const [, r, g, b] = /(\d+), (\d+), (\d+)/.exec(getComputedStyle(document.querySelector("#answer .swatch")).backgroundColor).map(Number), canvas = document.querySelector(".chart canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 99 && [r, g, b].every((part, at) => Math.abs(pixels[i + at] - part) < 9)) count++;
    return count;
  });
  assert.ok(dots >= 9, `${dots} pixels`);
  assert.match(await page.locator("#answer .spark path").first().getAttribute("d"), /^M[\d. ]+h-2$/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a time on a line: what is different about it than in the rest, just before, yesterday", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  const bodies = [];
  page.on("request", r => { if (r.url().endsWith("/differences")) bodies.push(JSON.parse(r.postData())); });
  await page.goto(at({ q: "COUNT GROUP BY service.name" }));
  await page.waitForSelector(".chart .u-over");
  await settled(page);
  const box = await page.locator(".chart .u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(u => u.searchParams.get("sel")?.includes("window"));
  await settled(page);
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("d");
  await page.waitForSelector(".difference-sentence");
  await settled(page);
  const { start, end } = bodies[0].selection;
  assert.ok(end - start > 120 && end - start < 400 && (start - bodies[0].query.start_time) % 10 === 0 && (end - start) % 10 === 0, `${end - start} s of whole buckets`);
  assert.equal(bodies[0].baseline, undefined);
  const against = page.getByLabel("held against");
  assert.equal(await against.locator("option").count(), 4);
  for (const [choice, back] of [["previous", end - start], ["day", 86400], ["week", 604800]]) {
    const [asked] = await Promise.all([page.waitForRequest("**/differences"), against.selectOption(choice)]);
    const { selection, baseline } = JSON.parse(asked.postData());
    assert.deepEqual([selection, baseline], [{ start, end }, { start: start - back, end: end - back }]);
    await page.waitForSelector(choice === "previous" ? ".difference-sentence" : "text=There is nothing to hold the selection against");
  }
  await settled(page);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a group is held against its own time before and against another group; a time is chosen by keyboard", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  const bodies = [];
  page.on("request", r => { if (r.url().endsWith("/differences")) bodies.push(JSON.parse(r.postData())); });
  await page.goto(at({ q: "COUNT GROUP BY service.name" }));
  await page.locator("tr", { hasText: "checkout" }).first().getByRole("button", { name: "differences" }).click();
  await page.waitForSelector(".difference-sentence");
  await page.getByLabel("held against").selectOption('{"service.name":"cart"}');
  await page.waitForSelector("text=/service.name.*checkout.*100/");
  await page.getByLabel("held against").selectOption("day");
  await page.waitForSelector("text=There is nothing to hold the selection against");
  const { query: { start_time: start, end_time: end }, selection, baseline } = bodies.at(-1), group = { "service.name": "checkout" };
  assert.deepEqual([selection, baseline], [{ start, end, group }, { start: start - 86400, end: end - 86400, group }]);
  assert.deepEqual(bodies.at(-2).baseline, { start, end, group: { "service.name": "cart" } });
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector(".chart .u-over");
  await page.keyboard.press("d");
  await page.waitForSelector("text=Nothing is selected yet");
  await page.locator(".chart-box").focus();
  for (const key of ["ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"]) await page.keyboard.press(key);
  await page.waitForURL(u => { const w = JSON.parse(u.searchParams.get("sel") ?? "{}").window; return w && w.t1 - w.t0 === 30; });
  await page.keyboard.press("Enter");
  await page.waitForSelector(".difference-sentence");
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector(".chart .u-over");
  await settled(page);
  await page.locator(".chart .u-over").click({ position: { x: 300, y: 50 } });
  await page.waitForURL(u => { const w = JSON.parse(u.searchParams.get("sel") ?? "{}").window; return w && w.t1 - w.t0 === 10; });
  await page.getByRole("group", { name: "The selection" }).getByRole("button", { name: "Traces" }).click();
  await page.waitForSelector("#answer td a.mono");
  await page.goBack();
  await page.locator(".chart .u-over").click({ position: { x: 200, y: 50 } });
  await page.waitForURL(u => !u.searchParams.has("sel"));
  assert.deepEqual(faults, []);
  await context.close();
});

test("the same by keyboard alone", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "HEATMAP(duration_ms)" }));
  await page.waitForSelector(".heatmap canvas");
  await settled(page);
  for (let i = 0; i < 80 && !(await page.evaluate(() => document.activeElement?.classList.contains("heatmap-box"))); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  for (let i = 0; i < 30; i++) await page.keyboard.press("Shift+ArrowLeft");
  for (let i = 0; i < 8; i++) await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".difference-sentence");
  await settled(page);
  assert.ok((await page.locator(".difference-card").count()) > 3);
  assert.deepEqual(faults, []);
  await context.close();
});

test("builder edits are the address, the text view shows the same, a chart is a table too", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector(".chart .u-over");
  await page.click("[data-clause=group]");
  await page.keyboard.type("service.name");
  await page.keyboard.press("Enter");
  await page.waitForURL(u => /GROUP\+BY\+service\.name/.test(u.href));
  await page.waitForSelector("td >> text=checkout");
  await page.click("text=Text");
  assert.equal(await page.inputValue("#query-text"), "COUNT GROUP BY service.name");
  await page.fill("#query-text", "COUNT GROUP service.name");
  await page.waitForSelector("text=BY is expected here");
  await page.fill("#query-text", 'COUNT, P95(duration_ms) WHERE service.name = "checkout" GROUP BY name');
  await page.keyboard.press("Shift+Enter");
  await page.waitForSelector("td >> text=checkout.Checkout/PlaceOrder");
  await page.locator(".chart-box").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("v");
  await page.waitForSelector(".chart table");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=CSV")]);
  assert.match(download.suggestedFilename(), /\.csv$/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("one group alone: all its fields become filters, and its raw rows lead to their traces", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT GROUP BY service.name, name" }));
  await page.locator("tr", { hasText: "checkout.Checkout/PlaceOrder" }).first().locator("text=only").click();
  await page.waitForURL(u => /WHERE service.name = "[^"]+" AND name = "[^"]+"/.test(u.searchParams.get("q")));
  await page.click("text=Raw rows");
  await page.waitForSelector("td >> text=checkout.Checkout/PlaceOrder");
  await settled(page);
  assert.deepEqual(await axe(page), []);
  const name = page.locator("#answer tbody tr td:nth-child(4)");
  assert.ok((await name.allTextContents()).every(n => n.includes("checkout.Checkout/PlaceOrder")));
  assert.match(await page.locator("#answer tbody a").first().getAttribute("href"), /trace\?.*id=[0-9a-f]{32}/);
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`results are usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    await page.goto(at({ q: "COUNT, HEATMAP(duration_ms) WHERE duration_ms > 1 GROUP BY service.name HAVING COUNT > 2 ORDER BY COUNT DESC COMPARE 1h" }));
    await page.waitForSelector(".heatmap canvas");
    await settled(page);
    assert.deepEqual(await axe(page), []);
    await page.goto(at({ q: "COUNT WHERE service.name = \"nobody\"" }));
    await page.waitForSelector("text=No event in this range passes the filters");
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(faults, []);
    await context.close();
  });

test("a server that fails is said so, and the page lives on", async () => {
  const { page, context } = await openPage(browser, server.url);
  let isBroken = true;
  await page.route("**/skep/v1/query", r => (isBroken ? r.fulfill({ status: 503, contentType: "application/json", body: '{"error":"too many questions are waiting","code":"unavailable"}' }) : r.continue()));
  await page.goto(at({ q: "COUNT" }));
  await page.waitForSelector("text=Too many questions are waiting");
  isBroken = false;
  await page.click("text=Retry");
  await page.waitForSelector(".chart .u-over");
  await context.close();
});
