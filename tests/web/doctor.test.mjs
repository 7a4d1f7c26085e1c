// The doctor's page: a wrong key is seen, adopted in one click and green; what is pasted is read; keys, usage and settings beside it.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { axe, openBrowser, openPage, ROOT, startSkep } from "./harness.mjs";

const esbuild = createRequire(join(ROOT, "web/package.json"))("esbuild");
let server, browser, folder, keys;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "skep-doctor-"));
  server = await startSkep();
  browser = await openBrowser();
  keys = JSON.parse(readFileSync(join(server.folder, "keys.json"), "utf8"));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const full = () => (keys.dev ?? keys.environments?.dev ?? keys.keys?.dev).full;

async function openAsOwner(options) {
  const opened = await openPage(browser, server.url, options);
  await opened.page.route("**/skep/v1/**", r => r.continue({ headers: { ...r.request().headers(), "x-honeycomb-team": full() } }));
  return opened;
}

function send(key) {
  const span = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", name: "GET /", kind: 2, startTimeUnixNano: String(Date.now() * 1e6), endTimeUnixNano: String(Date.now() * 1e6 + 5e6) };
  return fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json", "x-honeycomb-team": key },
    body: JSON.stringify({ resourceSpans: [{ resource: { attributes: [{ key: "service.name", value: { stringValue: "backend" } }] }, scopeSpans: [{ spans: [span] }] }] }) });
}

test("each mistake in what is pasted is named with its line and one fix", async () => {
  const outfile = join(folder, "pasted.mjs");
  await esbuild.build({ entryPoints: [join(ROOT, "web/src/pages/doctor/pasted.ts")], bundle: true, format: "esm", platform: "node", outfile, logLevel: "error" });
  const { diagnose, keysIn, distance } = await import(pathToFileURL(outfile).href);
  const here = new URL("http://localhost:8080"), kinds = text => diagnose(text, here).map(d => `${d.line} ${d.kind}`);
  const H = "OTEL_EXPORTER_OTLP_HEADERS";
  for (const { text, kinds: expected } of JSON.parse(readFileSync(join(ROOT, "tests/data/doctor/read/cases.json"), "utf8"))) assert.deepEqual(kinds(text), expected, text); // as skep doctor FILE
  const printed = JSON.parse(readFileSync(join(ROOT, "tests/data/doctor/console-only.json"), "utf8")).printed; // of a real SDK
  assert.match(kinds(printed)[0], /console_only/);
  assert.deepEqual(keysIn(`${H}=x-honeycomb-team=abc,x=y`), [{ line: 1, key: "abc" }]);
  assert.equal(distance("kitten", "sitting"), 3);
});

test("a wrong key is seen, adopted in one click, and everything is green", async () => {
  const { page, faults, context } = await openAsOwner();
  assert.equal((await send("a-key-of-elsewhere-1234")).status, 401);
  await page.goto(server.url + "doctor?env=dev");
  await page.waitForSelector("text=401 unknown_key");
  await page.waitForSelector('.check[data-state="bad"]:has-text("Accepted")');
  await page.click("text=Accept this key in dev");
  await page.waitForSelector("text=The key is accepted in dev");
  assert.equal((await send("a-key-of-elsewhere-1234")).status, 200);
  await page.waitForSelector('.check[data-state="ok"]:has-text("Usable")');
  assert.equal(await page.locator('.check:not([data-state="ok"])').count(), 0);
  await page.fill("textarea", "OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=a-key-of-nobody");
  await page.click("text=Read it");
  await page.waitForSelector('[data-kind="unknown_key"]');
  await page.fill('input[type="password"]', "a-key-of-elsewhere-1234");
  await page.click("text=Look it up");
  await page.waitForSelector("text=A key of the environment dev");
  assert.doesNotMatch(await page.locator("main").innerText(), /a-key-of-elsewhere/);
  assert.equal(await page.inputValue('input[type="password"]'), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("an unknown key is refused on purpose in one click, asked about no more, and accepted after all", async () => {
  const { page, faults, context } = await openAsOwner();
  assert.equal((await send("a-key-of-a-stranger-5678")).status, 401);
  await page.goto(server.url + "doctor?env=dev");
  await page.waitForSelector(".notice:has-text('First, ')");
  const way = page.locator(".hops.is-stopped").first();
  assert.deepEqual(await way.locator(".check").evaluateAll(list => list.map(c => c.dataset.state)), ["ok", "ok", "ok", "bad", "wait", "wait"]);
  assert.match(await way.locator('[data-state="bad"]').innerText(), /key good[^]*skep env/);
  await page.click("text=Refuse it");
  await page.waitForSelector("text=The key stays refused");
  await page.waitForFunction(() => !document.querySelector(".hops.is-stopped"));
  assert.match(await (await send("a-key-of-a-stranger-5678")).text(), /on purpose/);
  await page.click("text=Accept it after all");
  await page.waitForSelector("text=The key is accepted in dev");
  assert.equal((await send("a-key-of-a-stranger-5678")).status, 200);
  await page.waitForFunction(() => !document.querySelector(".hops.is-stopped"));
  assert.deepEqual(faults, []);
  await context.close();
});

test("a page that was refused is allowed in one click", async () => {
  const { page, faults, context } = await openAsOwner();
  const json = { "content-type": "application/json" };
  const made = await (await fetch(server.url + "skep/v1/keys", { method: "POST", headers: { ...json, "x-honeycomb-team": full() }, body: JSON.stringify({ name: "page", kind: "browser", origins: ["https://a.example"] }) })).json();
  const post = () => fetch(server.url + "v1/traces", { method: "POST", headers: { ...json, origin: "http://localhost:3123", "x-honeycomb-team": made.secret }, body: "{}" });
  assert.equal((await post()).status, 403);
  await page.goto(server.url + "doctor?env=dev");
  await page.click("text=Allow pages of http://localhost:3123");
  await page.waitForSelector("text=Pages of http://localhost:3123 may use this key");
  await page.waitForFunction(() => !document.body.innerText.includes("wrong_origin"));
  assert.equal((await post()).status, 200);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a key is made, shown once, and revoked after its id was typed", async () => {
  const { page, faults, context } = await openAsOwner();
  await page.goto(server.url + "keys?env=dev");
  await page.click("text=New key");
  await page.fill("dialog[open] label:has-text('Name') input", "of the test");
  await page.click("text=Make the key");
  const secret = await page.locator('[aria-label="Secret of the new key"]').inputValue();
  assert.equal((await send(secret)).status, 200);
  await page.keyboard.press("Escape");
  const row = page.locator('tr:has-text("of the test")');
  await row.locator("text=Revoke").click();
  await page.fill("dialog[open] input", await page.locator("dialog[open] b.mono").innerText());
  await page.click("text=Revoke the key");
  await row.locator(".pill:has-text('revoked')").waitFor();
  assert.equal((await send(secret)).status, 401);
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`doctor, keys, usage and settings are usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openAsOwner({ theme });
    await send("another-key-of-elsewhere");
    for (const [path, wait] of [["doctor", "text=unknown_key"], ["keys", "table"], ["usage", "text=Rollbar"], ["settings", "table"]]) {
      await page.goto(`${server.url}${path}?env=dev`);
      await page.waitForSelector(wait);
      assert.deepEqual(await axe(page), [], path);
    }
    assert.deepEqual(faults, []);
    await context.close();
  });
