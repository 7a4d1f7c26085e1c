// The log page: filter, facets, volume, patterns, a line's fields and neighbours, its trace and back, the live tail, for everyone.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { axe, openBrowser, openPage, ROOT, skep, startSkep } from "./harness.mjs";

const esbuild = createRequire(join(ROOT, "web/package.json"))("esbuild");
const BASE_NS = BigInt(Date.now() - 600_000) * 1_000_000n;
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

let server, browser, folder;

// A pure file of the interface, as a module for Node.
export async function load(path, into) {
  const outfile = join(into, path.replaceAll("/", "_") + ".mjs");
  await esbuild.build({ entryPoints: [join(ROOT, "web/src", path)], bundle: true, format: "esm", platform: "node", outfile, logLevel: "error" });
  return import(pathToFileURL(outfile).href);
}

const text = value => ({ stringValue: value });

async function sendLogs(service, lines) {
  const body = { resourceLogs: [{ resource: { attributes: [{ key: "service.name", value: text(service) }] }, scopeLogs: [{ logRecords: lines.map(l => ({
    timeUnixNano: String(l.ns), severityNumber: { info: 9, warn: 13, error: 17 }[l.severity ?? "info"], severityText: (l.severity ?? "info").toUpperCase(), body: text(l.body),
    attributes: Object.entries(l.fields ?? {}).map(([key, value]) => ({ key, value: text(value) })), ...(l.trace ? { traceId: l.trace, spanId: "00f067aa0ba902b7" } : {}) })) }] }] };
  const reply = await fetch(server.url + "v1/logs", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(reply.status, 200, await reply.text());
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "skep-logs-"));
  server = await startSkep();
  browser = await openBrowser();
  const span = { traceId: TRACE, spanId: "00f067aa0ba902b7", name: "POST /pay", kind: 2, startTimeUnixNano: String(BASE_NS), endTimeUnixNano: String(BASE_NS + 5_000_000n) };
  await fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ resource: { attributes: [{ key: "service.name", value: text("pay") }] }, scopeSpans: [{ spans: [span] }] }] }) });
  await sendLogs("pay", Array.from({ length: 500 }, (_, i) => ({ ns: BASE_NS + BigInt(i) * 100_000_000n, severity: i % 50 === 7 ? "error" : "info", body: i % 50 === 7 ? `timeout after ${i} ms <script>alert(1)</script>` : `paid order ${i} for u${i % 9}`,
    fields: { "order.id": `o-${i}`, region: i % 3 ? "eu" : "us" }, trace: i === 7 ? TRACE : undefined })));
  await sendLogs("mail", Array.from({ length: 40 }, (_, i) => ({ ns: BASE_NS + BigInt(i) * 1_000_000_000n, body: "mail sent" })));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("plain words and clauses become the filter", async () => {
  const where = await load("pages/logs/where.ts", folder);
  assert.equal(where.whereOf("time out"), 'meta.signal_type = "log" AND body contains "time out"');
  assert.equal(where.whereOf('say "hi"'), 'meta.signal_type = "log" AND body contains "say \\"hi\\""');
  assert.equal(where.whereOf('WHERE a = "x AND y" and b > 3'), 'meta.signal_type = "log" AND a = "x AND y" AND b > 3');
  assert.ok(where.hasOr('a = 1 OR b = 2') && !where.hasOr('a = "1 OR 2"') && !where.hasOr("this OR that"));
  assert.equal(where.toggled('a = 1 AND b = 2', "a = 1"), "b = 2");
  assert.equal(where.toggled("", where.clause("order by", "=", null)), '"order by" does-not-exist');
  assert.equal(where.clause("n", "!=", 5), "n != 5");
});

test("lines that differ in numbers and ids are one pattern", async () => {
  const { maskLine, patternsOf, literalOf } = await load("pages/logs/patterns.ts", folder);
  assert.equal(maskLine("GET /a/17 took 3.5ms for user=u-01"), "GET /<*> took <*> for user=<*>".replace("/<*>", "/a/<*>"));
  assert.equal(maskLine('id "4bf92f35" and "plain text"'), 'id "<*>" and "plain text"');
  const row = (body, s) => ({ body, time: `2026-01-01T00:00:0${s}Z`, dataset: "a", severity: "info", start_ns: "1" });
  const patterns = patternsOf([row("paid 1", 0), row("paid 2", 5), row("lost", 9)]);
  assert.deepEqual(patterns.map(p => [p.text, p.count]), [["paid <*>", 2], ["lost", 1]]);
  assert.equal(patterns[0].times.reduce((a, b) => a + b), 2);
  assert.equal(literalOf("a <*> longest part <*> b"), "longest part");
});

test("the ring holds the newest lines and counts the others", async () => {
  const { Ring } = await load("pages/logs/ring.ts", folder);
  const ring = new Ring(3);
  ring.add([1, 2, 3, 4]);
  assert.deepEqual([ring.lines, ring.dropped], [[2, 3, 4], 1]);
  ring.pause();
  ring.add([5, 6]);
  assert.deepEqual([ring.lines, ring.waiting], [[2, 3, 4], [5, 6]]);
  ring.resume();
  assert.deepEqual([ring.lines, ring.waiting, ring.dropped], [[4, 5, 6], [], 3]);
});

test("search, open a line by key, filter by a field, follow its trace and come back", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev");
  await page.waitForSelector("text=540 lines");
  await page.keyboard.press("/");
  await page.keyboard.type("timeout");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=10 lines");
  await page.locator("h1").click();
  for (const key of ["j", "j", "k", "Enter"]) await page.keyboard.press(key);
  const detail = page.locator(".line-detail");
  await detail.waitFor();
  assert.match(await detail.innerText(), /<script>alert\(1\)<\/script>/);
  await detail.locator('[aria-label="Column order.id"]').click();
  await page.waitForURL(/columns=order\.id/);
  await page.waitForSelector('.line-column:has-text("o-4")');
  await page.click('.facet-only:has-text("pay")');
  await page.waitForURL(/service\.name/);
  await page.waitForSelector("text=10 lines");
  await page.click('[aria-label="Remove the filter body contains \\"timeout\\""]');
  await page.waitForSelector("text=500 lines");
  await page.goto(server.url + `logs?env=dev&q=${encodeURIComponent(`trace.trace_id = "${TRACE}"`)}`);
  await page.waitForSelector("text=1 line");
  await page.click(".line-trace a");
  await page.waitForURL(url => url.pathname.endsWith("/trace") && url.searchParams.get("id") === TRACE && url.searchParams.get("span") === "00f067aa0ba902b7");
  await page.goBack();
  await page.waitForSelector(".line-trace a");
  assert.deepEqual(faults, []);
  await context.close();
});

test("older lines come page by page; a line has neighbours; patterns name their sample", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev");
  await page.waitForSelector("text=200 lines loaded of 540");
  await page.click("text=Load older lines");
  await page.waitForSelector("text=400 lines loaded of 540");
  await page.locator("h1").click();
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.waitForSelector("dialog[open] .line.is-current");
  assert.equal(await page.locator("dialog[open] .line").count(), 51);
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  await page.waitForSelector("text=3 patterns in all 540 lines");
  await page.click('tr:has-text("mail sent") >> text=Show lines');
  await page.waitForSelector("text=40 lines loaded");
  assert.deepEqual(faults, []);
  await context.close();
});

test("dragging over the volume zooms; nothing is told apart from nothing here", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev&from=15m");
  await page.waitForSelector(".u-over");
  const box = await page.locator(".u-over").boundingBox();
  await page.mouse.move(box.x + box.width * 0.2, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=20.*to=20/);
  await page.goto(server.url + `logs?env=dev&q=${encodeURIComponent('region = "mars"')}`);
  await page.waitForSelector("text=No line in this time passes the filter");
  await page.goto(server.url + `logs?env=dev&q=${encodeURIComponent('region = "mars" OR region = "eu"')}`);
  await page.waitForSelector("text=must all hold");
  await page.goto(server.url + `logs?env=dev&q=${encodeURIComponent('region = ')}`);
  await page.waitForSelector(".notice.is-error");
  await page.goto(server.url + "logs?env=demo");
  await page.waitForSelector("text=Nothing was ever received");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a chart that is looked at may become one of fewer points", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev&from=30m");
  const over = page.locator(".logs-volume .u-over"), box = await over.boundingBox();
  await page.mouse.move(box.x + box.width - 4, box.y + 20);
  await page.waitForSelector(".hover-card");
  await page.evaluate(() => { history.pushState(null, "", location.href.replace("from=30m", "from=5m")); dispatchEvent(new PopStateEvent("popstate")); });
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]') && location.href.includes("from=5m"));
  await page.waitForSelector(".logs-volume");
  assert.deepEqual(faults, []);
  await context.close();
});

test("the tail follows, waits with a count while it is read, and says what was shed", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev&tail=1");
  await page.waitForSelector("text=live,");
  const now = () => BigInt(Date.now()) * 1_000_000n;
  let ready = false; // the stream's head may be on its way
  for (let i = 0; i < 40 && !ready; i++) {
    await sendLogs("tail", [{ ns: now(), body: "first" }]);
    ready = await page.waitForSelector('.line-body:has-text("first")', { timeout: 500 }).then(() => true, () => false);
  }
  assert.ok(ready);
  await page.locator("h1").click();
  await page.keyboard.press("Space");
  await sendLogs("tail", [{ ns: now(), body: "second" }, { ns: now(), body: "third" }]);
  await page.waitForSelector("text=2 new lines, follow");
  assert.equal(await page.locator('.line-body:has-text("third")').count(), 0);
  await page.keyboard.press("G");
  await page.waitForSelector('.line-body:has-text("third")');
  await sendLogs("tail", Array.from({ length: 3000 }, (_, i) => ({ ns: now(), body: `burst ${i}` })));
  await page.waitForSelector("[data-shed]");
  const shed = Number(await page.locator("[data-shed]").getAttribute("data-shed"));
  assert.ok(shed > 0 && shed < 3000);
  assert.deepEqual(faults, []);
  await context.close();
});

test("at 5,000 lines a second the tail is paused, a line is read and copied, followed again, and no line is uncounted", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "logs?env=dev&tail=1");
  await page.waitForSelector("text=live,");
  const sending = skep(["load", "--json", "--shape", "logs", "--rate", "5000", "--spans", "25000", "--quiet"], server);
  await page.waitForFunction(() => document.querySelectorAll(".line-body").length > 20);
  await page.locator("h1").click();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: /new lines?, follow/ }).waitFor();
  const read = await page.evaluate(() => {
    const line = document.querySelector(".line-body:not([role=columnheader])"), range = document.createRange();
    range.selectNodeContents(line);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return String(getSelection());
  });
  assert.ok(read.length > 20);
  const waiting = () => page.getByRole("button", { name: /new lines?, follow/ }).innerText().then(text => Number(/([\d,]+) new/.exec(text)[1].replaceAll(",", "")));
  const before = await waiting();
  await page.waitForFunction(n => Number(/([\d,]+) new/.exec(document.querySelector(".tail-status").innerText)[1].replaceAll(",", "")) > n + 2000, before);
  assert.equal(await page.evaluate(() => String(getSelection())), read, "what is read stays where it is");
  await page.keyboard.press("G");
  const frames = await page.evaluate(() => new Promise(resolve => { // the page goes on painting
    let n = 0;
    const begun = performance.now(), next = now => (now - begun > 500 ? resolve(n) : (n++, requestAnimationFrame(next)));
    requestAnimationFrame(next);
  }));
  assert.ok(frames >= 3, `${frames} frames in half a second`);
  const sent = JSON.parse(await sending).items;
  const counted = least => {
    const all = Number(document.querySelector("[data-shed]")?.dataset.shed ?? 0) + Number(document.querySelector("[data-dropped]")?.dataset.dropped ?? 0) + 5000; // which it holds
    return all >= least && all;
  };
  assert.equal(await (await page.waitForFunction(counted, sent)).jsonValue(), sent);
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`logs are usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    await page.goto(server.url + "logs?env=dev");
    await page.waitForSelector(".line-body");
    await page.locator("h1").click();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".line-detail");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("x");
    await page.waitForSelector("dialog[open] .line");
    assert.deepEqual(await axe(page), []);
    await page.goto(server.url + "logs?env=dev&mode=patterns");
    await page.waitForSelector(".pattern-text");
    assert.deepEqual(await axe(page), []);
    await page.goto(server.url + "logs?env=dev&tail=1");
    await page.waitForSelector("text=live,");
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(faults, []);
    await context.close();
  });
