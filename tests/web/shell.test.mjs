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
