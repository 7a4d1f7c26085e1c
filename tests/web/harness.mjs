// The real binary and a real Chromium for the journeys of the interface: `startSkep`, `openBrowser`, `openPage`.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(join(ROOT, "web/package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const BINARY = process.env.SKEP_BINARY ?? join(ROOT, "build/skep");

// A server on a port of its own with a folder of its own, or in the place of one that was killed. `options`: more arguments of `skep serve`.
export async function startSkep(options = [], { folder = mkdtempSync(join(tmpdir(), "skep-web-")), address = "127.0.0.1:0" } = {}) {
  const child = spawn(BINARY, ["serve", "--data-dir", folder, "--listen", address, "--quiet", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const ready = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", line => {
      try {
        const said = JSON.parse(line);
        if (said.ready) resolve(said);
      } catch { /* for people */ }
    });
    child.on("exit", code => reject(new Error(`skep ended with ${code}`)));
  });
  return {
    url: `http://${ready.listen[0]}/`, address: ready.listen[0], folder, child,
    async kill() { await new Promise(resolve => { child.on("exit", resolve); child.kill("SIGKILL"); }); },
    async stop() {
      if (child.exitCode === null) await new Promise(resolve => { child.on("exit", resolve); child.kill("SIGTERM"); });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// A command of the terminal against that server, with the rights of its machine.
export function skep(args, server) {
  return new Promise((resolve, reject) => {
    const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, SKEP_URL: server.url, SKEP_DATA_DIR: server.folder } });
    let out = "", err = "";
    child.stdout.on("data", d => { out += d; });
    child.stderr.on("data", d => { err += d; });
    child.on("exit", code => (code === 0 ? resolve(out) : reject(new Error(`skep ${args[0]} ended with ${code}: ${err}`))));
  });
}

export function openBrowser() {
  const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  if (!path) throw new Error("no Chromium on this machine: apt-get install chromium");
  return chromium.launch({ executablePath: path, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

// A page that fails the test on any error of a script, any breach of the content security policy and any request that leaves the origin.
export async function openPage(browser, url, { theme = "light", width = 1280, height = 800, reducedMotion = "reduce" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion, timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", e => faults.push(String(e)));
  page.on("console", m => { if (m.type() === "error" && !/status of (4|5)\d\d/.test(m.text())) faults.push(m.text()); });
  page.on("request", r => { if (!r.url().startsWith(url) && !r.url().startsWith("data:")) faults.push("left the origin: " + r.url()); });
  return { page, faults, context };
}

// What axe finds serious or critical on the page as it is.
export async function axe(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => `${v.id}: ${v.nodes.map(n => n.html).join(" | ")}`);
}
