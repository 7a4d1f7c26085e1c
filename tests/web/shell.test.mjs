// The frame: pages by key and palette, the address as the state, headers, themes, small screens, and texts of others that would be scripts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";

let server, browser;
before(async () => {
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--past", "5m", "--past-only", "--quiet"], server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("every file comes from the binary, compressed, with a strict policy", async () => {
  const page = await fetch(server.url, { headers: { accept: "text/html", "accept-encoding": "gzip" } });
  assert.equal(page.headers.get("cache-control"), "no-cache");
  const policy = page.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  const names = [...(await page.text()).matchAll(/(?:href|src)="(_\/[^"]+)"/g)].map(m => m[1]);
  assert.ok(names.length >= 4);
  for (const name of names) {
    for (const encoding of ["br", "gzip", "identity"]) {
      const file = await fetch(server.url + name, { headers: { "accept-encoding": encoding } });
      assert.equal(file.status, 200, name);
      assert.equal(file.headers.get("content-encoding"), encoding === "identity" ? null : encoding);
      if (/-[A-Z0-9]{8}\./.test(name)) assert.match(file.headers.get("cache-control"), /immutable/);
      const again = await fetch(server.url + name, { headers: { "accept-encoding": encoding, "if-none-match": file.headers.get("etag") } });
      assert.equal(again.status, 304);
    }
  }
  assert.equal((await fetch(server.url + "_/nothing.js")).status, 404);
  assert.equal((await fetch(server.url + "no-such-page", { headers: { accept: "text/html" } })).status, 404);
  assert.match(await (await fetch(server.url)).text(), /skep is running/); // a terminal gets words
});

test("keys lead from page to page, the palette finds pages, Back goes back", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url);
  await page.waitForSelector("main h1");
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  await page.waitForURL(/\/doctor/);
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog[open] input:focus"); // the first letters would be keys of the page
  await page.keyboard.type("service map");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/map/);
  await page.goBack();
  await page.waitForURL(/\/doctor/);
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open] >> text=Show all keys");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("time range, zone and environment live in the address", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "?env=demo");
  await page.click("text=Last 2 hours");
  await page.click("text=Last 15 minutes");
  await page.waitForURL(/from=15m/);
  await page.click("header.top >> text=Last 15 minutes");
  await page.fill("label:has-text('From') input", "tomorrow");
  await page.waitForSelector("text=From is not a time");
  await page.keyboard.press("Escape");
  await page.keyboard.press("u");
  assert.match(page.url(), /env=demo/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("two zones, and a day whose clocks are put back", async () => {
  await skep(["environments", "keep", "dev", "--days", "3650", "--yes"], server);
  const spans = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map((time, n) => ({ traceId: String(n + 1).repeat(32), spanId: "1".repeat(16), name: `strike ${n + 1}`, kind: 1,
    startTimeUnixNano: `${Date.parse(time)}000000`, endTimeUnixNano: `${Date.parse(time) + 5}000000` })); // both are 02:30 in Berlin
  const sent = await fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }) });
  assert.equal(sent.status, 200);
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "traces?env=dev&tz=Europe/Berlin");
  const choose = async (from, to) => {
    await page.waitForSelector("h1");
    await page.keyboard.press("t");
    await page.fill("label:has-text('From') input", from);
    await page.fill("label:has-text('To') input", to);
  };
  await choose("2026-10-25 00:00", "2026-10-26");
  await page.waitForSelector("text=2026-10-25 00:00:00 – 2026-10-26 00:00:00 UTC+2 → UTC+1");
  await page.click("button:has-text('Apply')");
  await page.waitForSelector(".traces-open");
  const kept = new URL(page.url()).searchParams;
  assert.deepEqual([kept.get("from"), kept.get("to")], ["2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"], "25 hours, and the same for a reader elsewhere");
  const times = () => page.locator(".traces-table tbody td:nth-child(2)").allInnerTexts().then(all => all.map(t => t.slice(0, 2))); // of the hour: a bucket's
  assert.deepEqual(await times(), ["02", "02"]);
  await page.locator("h1").click();
  await page.keyboard.press("u");
  await page.waitForSelector("text=2026-10-24 22:00:00 – 2026-10-25 23:00:00");
  assert.deepEqual(await times(), ["01", "00"]);
  await page.goto(server.url + "traces?env=dev&tz=Europe/Berlin");
  await choose("2026-10-25 02:30", "2026-10-25 03:00");
  await page.click("button:has-text('Apply')");
  await page.waitForURL(/from=2026-10-25T00%3A30%3A00.000Z&to=2026-10-25T02%3A00%3A00.000Z/); // of two the first
  await choose("2026-03-29 02:30", "2026-03-29 04:00");
  await page.waitForSelector("text=2026-03-29 03:30:00 – 2026-03-29 04:00:00 UTC+2"); // there is none
  await page.keyboard.press("Escape");
  await page.goto(server.url + "traces?env=dev&tz=Europe/Berlin&from=2026-10-25T01:30:00Z&to=2026-10-25T12:00:00Z");
  await page.waitForSelector("h1");
  await page.keyboard.press("t");
  assert.equal(await page.inputValue("label:has-text('From') input"), "2026-10-25T01:30:00.000Z", "which of the two is not lost");
  assert.equal(await page.inputValue("label:has-text('To') input"), "2026-10-25 13:00:00");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a server that is killed is said so, and one that is back answers without a reload", async () => {
  const first = await startSkep();
  await skep(["demo", "--seed", "1", "--past", "10m", "--past-only", "--quiet"], first);
  const { page, faults, context } = await openPage(browser, first.url);
  await page.goto(first.url + "query?" + new URLSearchParams({ env: "demo", from: "15m", q: "COUNT GROUP BY service.name" }));
  await page.waitForSelector("td >> text=checkout");
  await page.evaluate(() => { window.isSamePage = true; });
  await first.kill();
  await page.locator("h1").click();
  await page.keyboard.press("r");
  await page.waitForSelector(".notice.is-error >> text=cannot be reached");
  assert.ok(await page.locator("td >> text=checkout").count(), "the last answer stays");
  const second = await startSkep([], first);
  await page.waitForFunction(() => !document.querySelector(".notice.is-error"));
  assert.ok(await page.evaluate(() => window.isSamePage));
  assert.ok(await page.locator("td >> text=checkout").count());
  assert.deepEqual(faults.filter(f => !/ERR_CONNECTION_REFUSED/.test(f)), []);
  await context.close();
  await second.stop();
});

for (const theme of ["light", "dark"])
  test(`the frame is usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    await page.goto(server.url + "settings");
    await page.waitForSelector("main h1");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Control+k");
    await page.waitForSelector("dialog[open]");
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(faults, []);
    await context.close();
  });

test("a small screen scrolls down, not sideways", async () => {
  const { page, faults, context } = await openPage(browser, server.url, { width: 360, height: 640 });
  for (const path of ["", "query", "traces", "map", "logs", "doctor", "keys", "usage", "settings"]) {
    await page.goto(`${server.url}${path}?env=demo`);
    await page.waitForSelector("main h1, main h2");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${path}: ${wide} px too wide`);
  }
  assert.deepEqual(faults, []);
  await context.close();
});
