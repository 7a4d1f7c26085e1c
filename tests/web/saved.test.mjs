// What people keep: a frozen link shows the same when the events are gone, history, saved questions, markers on charts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";

let server, browser;
before(async () => {
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--seed", "1", "--past", "20m", "--past-only", "--quiet"], server);
  await skep(["marker", "v2.31 deployed", "--env", "demo", "--type", "deploy", "--start", "5m", "--link", "https://ci.example/7"], server);
  await skep(["marker", "<img src=x onerror=alert(1)>", "--env", "demo", "--start", "6m"], server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = params => `${server.url}query?${new URLSearchParams({ env: "demo", from: "20m", ...params })}`;
const settled = page => page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
const numbers = page => page.locator("#answer table.table tbody, [aria-label=Answer] table.table tbody").first().innerText();

async function share(page) {
  await page.getByRole("button", { name: "Share" }).click();
  const link = page.getByRole("textbox", { name: "Frozen link" });
  await link.waitFor();
  assert.deepEqual(await axe(page), []);
  const address = await link.inputValue();
  await page.keyboard.press("Escape");
  return address;
}

test("history holds what was looked at, and asks it again", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT GROUP BY service.name" }));
  await page.waitForSelector(".chart .u-over");
  await page.waitForResponse(r => r.url().endsWith("/skep/v1/history") && r.status() === 201);
  await page.goto(at({ q: "MAX(duration_ms)", tab: "history" }));
  await page.locator("table", { hasText: "Asked before" }).locator("a", { hasText: "COUNT GROUP BY service.name" }).click();
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT GROUP BY service.name" && u.searchParams.get("from") === "20m");
  await page.waitForSelector("td >> text=checkout");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a question is saved, found, replaced on purpose only, and deleted", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  const save = async (q, name) => {
    await page.goto(at({ q }));
    await page.waitForSelector(".chart .u-over");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.fill("dialog input", name);
    await page.locator("dialog").getByRole("button", { name: "Save" }).click();
  };
  await save("COUNT WHERE duration_ms > 1", "Slow");
  await page.waitForSelector("text=Saved as Slow");
  await save("COUNT WHERE duration_ms > 2", "slow");
  await page.waitForSelector("text=A query of this name was saved");
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "Replace it" }).click();
  await page.waitForSelector("text=Saved as slow");
  await page.getByRole("tab", { name: "History" }).click();
  const table = page.locator("table", { hasText: "Saved questions" });
  await table.locator("a", { hasText: "slow" }).click();
  await page.waitForURL(u => u.searchParams.get("q") === "COUNT WHERE duration_ms > 2");
  await page.getByRole("tab", { name: "History" }).click();
  await settled(page);
  assert.deepEqual(await axe(page), []);
  page.once("dialog", d => d.accept());
  await page.getByRole("button", { name: "Delete slow" }).click();
  await page.waitForSelector("text=No question is saved in this environment yet");
  assert.deepEqual(faults, []);
  await context.close();
});

test("markers stand under the chart and go with m", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT" }));
  const list = page.getByRole("list", { name: "Markers" });
  await list.locator("a", { hasText: "deploy: v2.31 deployed" }).waitFor();
  assert.equal(await list.locator("img").count(), 0);
  assert.equal(await list.locator("a").getAttribute("href"), "https://ci.example/7");
  await page.keyboard.press("m");
  await list.waitFor({ state: "detached" });
  await page.keyboard.press("m");
  await list.waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("a moment is marked in the page, what changed since is one click away, and it is deleted", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at({ q: "COUNT" }));
  const list = page.getByRole("list", { name: "Markers" });
  await page.getByRole("button", { name: "Mark a moment" }).click();
  await page.fill("dialog input[placeholder='v2.31 deployed']", "<b>v9</b> out");
  const when = page.getByLabel("When");
  await when.fill("soon");
  await page.waitForSelector("text=This is not a time");
  assert.deepEqual(await axe(page), []);
  await when.fill("8m");
  await page.getByLabel("Link (optional)").fill("https://ci.example/9");
  await page.locator("dialog").getByRole("button", { name: "Mark", exact: true }).click();
  const item = list.locator("li", { hasText: "deploy: <b>v9</b> out" });
  await item.waitFor();
  assert.deepEqual(await axe(page), []);
  const [asked] = await Promise.all([page.waitForRequest("**/skep/v1/differences"), item.getByRole("button", { name: "before / after" }).click()]);
  const { query, selection, baseline } = JSON.parse(asked.postData());
  assert.ok(Math.abs(selection.start - (Date.now() / 1000 - 480)) < 60 && selection.end === query.end_time);
  assert.equal(baseline, undefined); // more of the question lies before than after
  await page.waitForSelector(".difference-sentence");
  const numbers = page.locator("table", { hasText: "Numbers before and in the selected time" }).locator("tbody tr");
  await numbers.first().waitFor();
  const [what, before, selected, change] = await numbers.first().locator("td").allTextContents();
  assert.deepEqual([what, /^[\d.]+( k)?\/s$/.test(before), /^[\d.]+( k)?\/s$/.test(selected)], ["COUNT", true, true]);
  assert.ok(Number(change.replace(" ×", "")) > 0.3 && Number(change.replace(" ×", "")) < 3, change); // a rate, whatever the lengths
  await settled(page);
  assert.deepEqual(await axe(page), []);
  await page.goBack();
  page.once("dialog", d => d.accept());
  await item.getByRole("button", { name: "Delete marker deploy: <b>v9</b> out" }).click();
  await item.waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`a frozen link shows the same numbers when the events are gone (${theme})`, async () => {
    if (theme === "dark") await skep(["demo", "--seed", "2", "--past", "20m", "--past-only", "--quiet"], server);
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    await page.goto(at({ q: "COUNT, HEATMAP(duration_ms) GROUP BY service.name", chart: "stacked" }));
    await page.waitForSelector(".heatmap canvas");
    await settled(page);
    const link = await share(page), seen = await numbers(page);
    await page.goto(at({ q: "HEATMAP(duration_ms)", sel: JSON.stringify({ group: { "service.name": "checkout" } }), tab: "differences" }));
    await page.waitForSelector(".difference-sentence");
    await settled(page);
    const differences = await share(page), sentence = await page.textContent(".difference-sentence");
    const reply = await fetch(`${server.url}skep/v1/data?environment=demo`, { method: "DELETE", headers: { "x-honeycomb-team": JSON.parse((await import("node:fs")).readFileSync(`${server.folder}/keys.json`)).demo.full } });
    assert.equal(reply.status, 204);
    assert.match(link, /\/query\?(env=demo&)?r=[0-9A-Za-z]{11}$/);
    await page.goto(link);
    await page.waitForSelector(".heatmap canvas");
    await page.waitForURL(u => u.searchParams.get("chart") === "stacked");
    await settled(page);
    assert.equal(await numbers(page), seen);
    assert.deepEqual(await axe(page), []);
    await page.goto(differences);
    await page.waitForSelector(".difference-sentence");
    assert.equal(await page.textContent(".difference-sentence"), sentence);
    await settled(page);
    assert.deepEqual(await axe(page), []);
    await page.goto(link);
    await page.click("text=Ask again now");
    await page.waitForURL(u => u.searchParams.get("r") === null && u.searchParams.get("q").startsWith("COUNT"));
    await page.goto(link.replace(/r=.*/, "r=00000000000"));
    await page.waitForSelector("text=There is no stored result");
    assert.deepEqual(faults, []);
    await context.close();
  });
