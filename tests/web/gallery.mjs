// node tests/web/gallery.mjs [PAGE…]: pictures of every page in docs/ui/: light, dark, narrow, empty and broken, of one demo with a fixed fault.
// Fonts, sizes and the fault's seed are fixed; visits, ids and times are new each time.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser, openPage, ROOT, skep, startSkep } from "./harness.mjs";

const OUT = join(ROOT, "docs/ui");
const SEED = "1", MINUTES = "20m";

async function ask(url, text) {
  const reply = await fetch(url + "skep/v1/query", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ environment: "demo", text }) });
  return (await reply.json()).data.results.map(r => r.data);
}

// A page's address, and what must be there before the picture is taken.
async function pages(url) {
  const [slow] = await ask(url, `MAX(duration_ms) WHERE name = "checkout.Checkout/PlaceOrder" GROUP BY trace.trace_id ORDER BY MAX(duration_ms) DESC LIMIT 1 SINCE ${MINUTES}`);
  const [other] = await ask(url, `MIN(duration_ms) WHERE name = "checkout.Checkout/PlaceOrder" GROUP BY trace.trace_id ORDER BY MIN(duration_ms) LIMIT 1 SINCE ${MINUTES}`);
  const at = (page, params) => `${page}?${new URLSearchParams({ env: "demo", from: MINUTES, ...params })}`;
  return {
    home: at("", {}),
    query: at("query", { q: "COUNT, P99(duration_ms), HEATMAP(duration_ms) GROUP BY service.name ORDER BY P99(duration_ms) DESC" }),
    traces: at("traces", {}),
    trace: at("trace", { id: slow["trace.trace_id"] }),
    compare: at("compare", { a: slow["trace.trace_id"], b: other["trace.trace_id"] }),
    map: at("map", {}),
    service: at("service", { name: "checkout" }),
    logs: at("logs", {}),
    doctor: at("doctor", {}),
    keys: at("keys", {}),
    usage: at("usage", {}),
    settings: at("settings", {}),
    "map-of-traces": at("map", { q: 'name = "checkout.Checkout/PlaceOrder"' }),
  };
}

async function settled(page) {
  await page.waitForSelector("main h1, main h2", { timeout: 20000 });
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'), null, { timeout: 20000 }).catch(() => undefined);
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
}

async function picture(browser, base, address, file, options = {}) {
  const { page, context, faults } = await openPage(browser, base, options);
  if (options.link) {
    await page.goto(await options.link());
    await page.waitForSelector("header.top");
  }
  if (options.isBroken) await page.route("**/skep/v1/**", r => (r.request().url().includes("environments") ? r.continue() : r.fulfill({ status: 503, contentType: "application/json", body: '{"error":"the server has too many questions waiting","code":"unavailable"}' })));
  await page.goto(base + address);
  await settled(page);
  await page.screenshot({ path: join(OUT, file) });
  for (const fault of faults) console.error(`${file}: ${fault}`);
  await context.close();
}

async function inThreeForms(browser, base, address, name, options = {}) {
  await picture(browser, base, address, `${name}-light.png`, options);
  await picture(browser, base, address, `${name}-dark.png`, { ...options, theme: "dark" });
  await picture(browser, base, address, `${name}-narrow.png`, { ...options, width: 380, height: 760 });
}

// What there is only where people log in.
async function withLogin(browser) {
  const server = await startSkep(["--auth", "required"]);
  try {
    await skep(["user", "add", "ann", "--role", "editor", "--no-password"], server);
    const link = () => skep(["open", "--print"], server).then(out => out.trim());
    await inThreeForms(browser, server.url, "", "login");
    await inThreeForms(browser, server.url, "people", "people", { link });
    await inThreeForms(browser, server.url, "keys", "keys-logged-in", { link });
    console.log("login people keys-logged-in");
  } finally {
    await server.stop();
  }
}

mkdirSync(OUT, { recursive: true });
const server = await startSkep(), browser = await openBrowser();
try {
  await skep(["demo", "--seed", SEED, "--past", MINUTES, "--past-only", "--quiet"], server);
  const all = await pages(server.url), wanted = process.argv.slice(2);
  for (const [name, address] of Object.entries(all)) {
    if (wanted.length && !wanted.includes(name)) continue;
    await inThreeForms(browser, server.url, address, name);
    await picture(browser, server.url, address.replace("env=demo", "env=dev"), `${name}-empty.png`);
    await picture(browser, server.url, address, `${name}-broken.png`, { isBroken: true });
    console.log(name);
  }
  if (!wanted.length || wanted.includes("login")) await withLogin(browser);
} finally {
  await browser.close();
  await server.stop();
}
