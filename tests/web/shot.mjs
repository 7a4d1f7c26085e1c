// node tests/web/shot.mjs URL FILE [light|dark] [WIDTH] [SELECTOR TO WAIT FOR]: one picture of one address.
import { openBrowser, openPage } from "./harness.mjs";

const [address, file, theme = "light", width = "1280", wait = "main h1"] = process.argv.slice(2);
const browser = await openBrowser();
const { page, faults } = await openPage(browser, new URL("/", address).href, { theme, width: Number(width) });
await page.goto(address);
await page.waitForSelector(wait, { timeout: 15000 });
await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'), null, { timeout: 15000 }).catch(() => undefined);
await page.screenshot({ path: file, fullPage: true });
if (faults.length) console.error(faults.join("\n"));
await browser.close();
