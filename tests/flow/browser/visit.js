// Opens a page in the machine's own Chromium, prints what is on it once it is there, and keeps it open until stdin ends: what a
// page's SDK sends late (a request's timing is waited for) needs a page that is still open.
// usage: node visit.js CHROMIUM URL
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "flow-browser-"));
const context = await chromium.launchPersistentContext(folder, {
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync"],
});
const problems = [];
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
  await page.goto(url);
  await page.waitForSelector("body[data-traced=yes]", { timeout: 60000, state: "attached" });
  console.log(JSON.stringify({ feed: await page.locator("article").allTextContents(), problems }));
  for await (const ignored of process.stdin);
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
