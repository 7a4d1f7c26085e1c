// Settings: how long an environment keeps its events is changed by who may, who is told first what goes; what is redacted. Usage: which key sends.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";
import { build } from "./module.mjs";

let server, browser;
before(async () => {
  server = await startSkep();
  browser = await openBrowser();
  const span = (days, spanId) => ({ traceId: "1".repeat(32), spanId, name: "a", kind: 2, startTimeUnixNano: `${Date.now() - days * 86_400_000 - 1000}000000`, endTimeUnixNano: `${Date.now() - days * 86_400_000}000000` });
  const body = spans => JSON.stringify({ resourceSpans: [{ resource: { attributes: [{ key: "service.name", value: { stringValue: "a" } }] }, scopeSpans: [{ spans }] }] });
  const send = async (path, body) => assert.ok((await fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body })).ok);
  await send("v1/traces", body([span(3, "000000000000000a"), span(4, "000000000000000b")]));
  await send("v1/logs", JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: `${Date.now()}000000`, body: { stringValue: "new" } }] }] }] }));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const rowsOfDev = async () => (await (await fetch(server.url + "skep/v1/environments")).json()).environments.find(e => e.slug === "dev");

test("without the right to, retention is shown, not changed", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "settings?env=dev");
  await page.getByText("60 days by default").first().waitFor();
  assert.equal(await page.getByRole("button", { name: /^Change how long/ }).count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("growth says when the disk is full, or what retention holds it at", async () => {
  const { sentence } = await build("pages/growth_text.ts");
  const growth = { days: [], aDay: 1e9, history: 5 * 86400, used: 4e9, max: 20e9, settled: 60e9 };
  assert.match(sentence(growth), /by the last 5 days.*reached in about 16 days/);
  assert.match(sentence({ ...growth, settled: 7e9 }), /Retention holds it at about .* the limit is not reached/);
  assert.match(sentence({ ...growth, history: 7200, max: null }), /by the last 2 hours\.$/);
  assert.match(sentence({ ...growth, history: 0 }), /too little to say/);
});

test("usage tells the events of each key, by name to who may see names", async () => {
  const made = JSON.parse(await skep(["keys", "create", "--name", "the shop", "--env", "dev", "--json"], server));
  const logs = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [1, 2].map(n => ({ timeUnixNano: `${Date.now()}000000`, body: { stringValue: `line ${n}` } })) }] }] });
  const sent = await fetch(server.url + "v1/logs", { method: "POST", headers: { "content-type": "application/json", "x-honeycomb-team": made.secret }, body: logs });
  assert.ok(sent.ok);
  const cells = async (page, row) => (await page.getByRole("table", { name: "Events by key" }).getByRole("row").filter({ hasText: row }).getByRole("cell").allInnerTexts()).map(t => t.trim());
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "usage?env=dev");
  await page.getByText("without a key").waitFor();
  await page.getByText("too little to say how it grows").waitFor();
  assert.deepEqual((await cells(page, "without a key")).slice(-3), ["2", "1", "0"]);
  assert.deepEqual((await cells(page, made.id)).slice(-3), ["0", "2", "0"]);
  await page.goto((await skep(["open", "usage", "--print"], server)).trim());
  await page.getByText("the shop").waitFor();
  assert.deepEqual((await cells(page, "the shop")).slice(-3), ["0", "2", "0"]);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a shorter retention says what goes, asks for the name, and holds at once; nothing typed returns to the server's", async () => {
  const { page, faults, context } = await openPage(browser, server.url, { width: 360 });
  await page.goto((await skep(["open", "settings", "--print"], server)).trim());
  const change = page.getByRole("button", { name: "Change how long dev keeps events" }), dialog = page.getByRole("dialog"), keep = dialog.getByRole("button", { name: "Keep them so long" });
  await change.focus();
  await page.keyboard.press("Enter");
  await dialog.getByLabel(/^Days/).fill("30");
  await dialog.getByText("No event is older").waitFor();
  await dialog.getByLabel(/confirm/).fill("dev");
  await dialog.getByLabel(/^Days/).fill("0.01");
  await dialog.getByText("From 0.05 to").waitFor();
  assert.ok(await keep.isDisabled());
  await dialog.getByLabel(/^Days/).fill("2");
  await dialog.getByText("Older events: about 2.").waitFor();
  assert.deepEqual(await axe(page), []);
  assert.equal((await rowsOfDev()).retention_s, null);
  await page.waitForFunction(() => !document.querySelector("dialog button.danger").disabled);
  await keep.click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("2 days", { exact: true }).waitFor();
  let dev = await rowsOfDev();
  assert.deepEqual([dev.retention_s, dev.rows], [2 * 86400, 3]);
  await change.click();
  await dialog.getByLabel(/^Days/).fill("");
  await dialog.getByLabel(/confirm/).fill("dev");
  await keep.click();
  await dialog.waitFor({ state: "detached" });
  dev = await rowsOfDev();
  assert.deepEqual([dev.retention_s, dev.kept_s, dev.rows], [null, 60 * 86400, 3]);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a field that is redacted never comes in again; what is stored stays, and the rule counts", async () => {
  const send = async (user, id) => assert.ok((await fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: "2".repeat(32), spanId: id, name: "a", kind: 2, startTimeUnixNano: `${Date.now() - 2}000000`, endTimeUnixNano: `${Date.now()}000000`, attributes: [{ key: "user.email", value: { stringValue: user } }] }] }] }] }) })).ok);
  const users = async () => (await (await fetch(server.url + "skep/v1/query", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ environment: "dev", text: "COUNT WHERE user.email exists GROUP BY user.email" }) })).json()).data.results.map(r => r.data["user.email"]).sort();
  await send("ann@shop.example", "00000000000000c1");
  const { page, faults, context } = await openPage(browser, server.url, { width: 360 });
  await page.goto(server.url + "settings?env=dev");
  await page.getByText("No rules: events are written as they are sent.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Add the rule" }).count(), 0);
  await page.goto((await skep(["open", "settings?env=dev", "--print"], server)).trim());
  const field = page.getByRole("textbox", { name: "Field" }), rules = page.getByRole("table", { name: "Rules of redaction" });
  await field.fill("service.name");
  await page.keyboard.press("Enter");
  await page.getByText(/"service.name" stays/i).waitFor();
  await field.fill("user.*");
  await page.keyboard.press("Enter");
  await rules.getByRole("row").filter({ hasText: "user.*" }).waitFor();
  assert.equal(await page.getByText(/"service.name" stays/i).count(), 0);
  await send("bob@shop.example", "00000000000000c2");
  assert.deepEqual(await users(), ["***", "ann@shop.example"]);
  await page.reload();
  await rules.getByRole("row").filter({ hasText: "user.*" }).filter({ hasText: "1" }).waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "Remove the rule for user.*" }).click();
  await page.getByText("No rules: events are written as they are sent.").waitFor();
  await send("eve@shop.example", "00000000000000c3");
  assert.deepEqual(await users(), ["***", "ann@shop.example", "eve@shop.example"]);
  assert.deepEqual(faults, []);
  await context.close();
});
