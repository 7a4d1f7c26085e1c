// Someone who presses whatever there is: no page may throw, stop answering or leave its origin. SKEP_TEST_SEED walks another way, SKEP_TEST_ROUNDS=all further.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, openPage, skep, startSkep } from "./harness.mjs";

const SEED = Number(process.env.SKEP_TEST_SEED ?? 1), VISITS = process.env.SKEP_TEST_ROUNDS === "all" ? 120 : 8, STEPS = 14, PATIENCE_MS = 10_000;
const PAGES = ["", "query", "traces", "map", "logs", "doctor", "keys", "people", "usage", "settings", "service?name=checkout"];
const TYPED = ["0", "error = true", "duration_ms > 100", "2h", "\"", "COUNT GROUP BY name", "HEATMAP(duration_ms)", "P99(duration_ms) GROUP BY service.name", "2026-11-29 02:30", "checkout"];
const KEYS = ["j", "k", "Enter", "Escape", "v", "/", "t", "u", "m", "?", "d", "1", "2", "3", "4", "5", "q", "w", "b", "s", "x", "c", "f", "Tab", "Space", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "G", "h", "Control+k", "Control+z", "e", "n", "y"];
const PRESSED = "button:visible, a:visible:not([data-native]):not([target]), summary:visible, input[type=checkbox]:visible, [role=button]:visible";
const SPARED = /log out|delete|revoke|disable|export|download|json|csv/i; // what takes things away, or is no page

let server, browser;
before(async () => {
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--seed", "1", "--past", "20m", "--past-only", "--quiet"], server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// The same numbers for the same seed.
function numbers(seed) {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

// Does one thing, and says what. What cannot be pressed now (it went, something lies over it) is let be.
async function step(page, below) {
  const pick = async selector => { const all = page.locator(selector), n = await all.count(); return n ? all.nth(below(n)) : null; };
  const what = below(10), patience = { timeout: 1000 };
  if (what < 6) {
    const at = await pick(PRESSED);
    const said = at && (await at.evaluate(e => `${e.tagName} ${(e.getAttribute("aria-label") ?? e.innerText ?? "").slice(0, 40)}`, undefined, patience).catch(() => null));
    if (!said || SPARED.test(said)) return "nothing";
    await at.click({ ...patience, noWaitAfter: true }).catch(() => undefined);
    return "press " + said;
  }
  if (what < 8) {
    const key = KEYS[below(KEYS.length)];
    await page.keyboard.press(key);
    return "key " + key;
  }
  if (what === 8) {
    const text = TYPED[below(TYPED.length)], at = await pick("input:visible:not([type=checkbox]):not([type=radio]), textarea:visible");
    await at?.fill(text, patience).catch(() => undefined);
    await page.keyboard.press("Enter");
    return "type " + text;
  }
  const at = await pick("canvas:visible, .u-over:visible, select:visible"), box = await at?.boundingBox(patience).catch(() => null);
  if (!box) return "nothing";
  if (await at.evaluate(e => e.tagName === "SELECT", undefined, patience).catch(() => true)) {
    await at.selectOption({ index: below(await at.locator("option").count()) }, patience).catch(() => undefined);
    return "select";
  }
  await page.mouse.move(box.x + below(box.width), box.y + below(box.height));
  await page.mouse.down();
  await page.mouse.move(box.x + below(box.width), box.y + below(box.height), { steps: 3 });
  await page.mouse.up();
  return "drag";
}

test("wherever one presses, every page lives on", async () => {
  const below = numbers(SEED);
  for (let visit = 0; visit < VISITS; visit++) {
    const { page, faults, context } = await openPage(browser, server.url, { theme: below(2) ? "dark" : "light", width: below(4) ? 1280 : 400 });
    const devtools = await context.newCDPSession(page);
    await devtools.send("Runtime.enable");
    const start = PAGES[below(PAGES.length)], did = [];
    await page.goto(`${server.url}${start}${start.includes("?") ? "&" : "?"}env=${below(6) ? "demo" : "dev"}&from=${["5m", "30m", "2h", "1d", "1s"][below(5)]}`);
    await page.waitForSelector("main h1, main h2");
    for (let i = 0; i < STEPS; i++) {
      did.push(await step(page, below));
      const answers = await Promise.race([page.evaluate(() => true).catch(() => true), new Promise(resolve => setTimeout(resolve, PATIENCE_MS, false).unref())]);
      if (!answers) await devtools.send("Runtime.terminateExecution"); // else the browser cannot be closed
      assert.ok(answers, `seed ${SEED}, visit ${visit}: the page of ${start || "home"} stopped answering after: ${did.join(" > ")}`);
      assert.deepEqual(faults, [], `seed ${SEED}, visit ${visit}: ${page.url()} after: ${did.join(" > ")}`);
    }
    await context.close();
  }
});
