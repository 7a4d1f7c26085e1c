// People: a link that logs in once, a password, roles, sessions, logging out, and what a machine's own browser sees without a login.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";

const PASSWORD = "correct horse battery";
let server, open, browser;
before(async () => {
  server = await startSkep(["--auth", "required"]);
  open = await startSkep();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await open?.stop();
});

const linkTo = async (page = "", ...more) => (await skep(["open", ...(page ? [page] : []), "--print", ...more], server)).trim();

async function logIn(page, name, password = PASSWORD) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

test("without a login there is the login, and nothing else; the link leads to its page once", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(server.url + "query");
  await page.getByRole("heading", { name: "Log in to skep" }).waitFor();
  assert.equal(await page.locator("nav, header.top").count(), 0);
  const link = await linkTo("people");
  await page.goto(link);
  await page.getByRole("heading", { name: "People", level: 1 }).waitFor();
  assert.equal(new URL(page.url()).hash, "");
  assert.match(page.url(), /\/people$/);
  await page.getByText("You came by a link and have no password yet").waitFor();
  await page.locator("header.top").getByText("admin").waitFor();
  // set a password, log out, log in with it
  await page.getByRole("textbox", { name: /New password/ }).fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("The password is set").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to skep" }).waitFor();
  await logIn(page, "admin", "not the password");
  await page.getByRole("alert").getByText("do not go together").waitFor();
  await logIn(page, "admin");
  await page.getByRole("heading", { name: "Home" }).or(page.locator("main h1")).first().waitFor();
  await page.locator("header.top").getByText("admin").waitFor();
  // the link again, by someone else
  const other = await openPage(browser, server.url);
  await other.page.goto(link);
  await other.page.getByText("The link did not work").waitFor();
  assert.deepEqual([...faults, ...other.faults], []);
  await context.close();
  await other.context.close();
});

test("an administrator adds a person, who sees what the role allows, and is logged out when disabled", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(await linkTo("people"));
  await page.getByRole("button", { name: "Add a person" }).click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByLabel("Name").fill("ann");
  await dialog.getByLabel(/Password/).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.getByRole("row", { name: /^ann/ }).getByText("works").waitFor();

  const ann = await openPage(browser, server.url);
  await ann.page.goto(server.url + "people");
  await logIn(ann.page, "ann");
  await ann.page.getByRole("heading", { name: /Your account: ann, with the role viewer/ }).waitFor(); // the page that asked for the login
  assert.equal(await ann.page.getByRole("button", { name: "Add a person" }).count(), 0);
  await ann.page.getByText("Where you are logged in").waitFor();

  await page.getByRole("button", { name: "Disable ann" }).click();
  await page.getByRole("row", { name: /^ann/ }).getByText("disabled").waitFor();
  await ann.page.goto(server.url + "people");
  await ann.page.getByRole("heading", { name: "Log in to skep" }).waitFor();

  await page.getByRole("button", { name: "Enable ann" }).click();
  await page.getByRole("button", { name: "Login link for ann" }).click();
  const link = (await page.locator("dialog[open] pre").textContent()).trim();
  await ann.page.goto(link);
  await ann.page.locator("header.top").getByText("ann").waitFor();
  assert.deepEqual([...faults, ...ann.faults], []);
  await context.close();
  await ann.context.close();
});

test("on the machine itself all works without a login, but for people", async () => {
  const { page, faults, context } = await openPage(browser, open.url);
  await page.goto(open.url);
  await page.locator("main h1").waitFor();
  assert.equal(await page.getByRole("button", { name: "Log out" }).count(), 0);
  await page.goto(open.url + "people");
  await page.getByText("Only an administrator sees who may log in.").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("where to go after the login is a page of ours, whatever the address says", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  for (const next of ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "login", "../../etc"]) {
    const token = (await linkTo()).split("#")[1];
    await page.goto(`${server.url}login?next=${encodeURIComponent(next)}#${token}`);
    await page.waitForURL(url => !url.pathname.endsWith("/login"));
    assert.equal(new URL(page.url()).origin + new URL(page.url()).pathname, server.url);
  }
  assert.deepEqual(faults, []);
  await context.close();
});

// A reverse proxy that serves us below a path, and says so.
function startProxy(target, prefix) {
  const to = new URL(target);
  const proxy = http.createServer((request, reply) => {
    if (!request.url.startsWith(prefix + "/")) { reply.writeHead(404).end(); return; }
    const headers = { ...request.headers, host: to.host, "x-forwarded-host": request.headers.host, "x-forwarded-proto": "http", "x-forwarded-prefix": prefix, "x-forwarded-for": "203.0.113.7" };
    const asked = http.request({ host: to.hostname, port: to.port, method: request.method, path: request.url.slice(prefix.length), headers }, got => { reply.writeHead(got.statusCode, got.headers); got.pipe(reply); });
    asked.on("error", () => reply.destroy());
    request.pipe(asked);
  });
  return new Promise(resolve => proxy.listen(0, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${proxy.address().port}${prefix}/`, stop: () => { proxy.closeAllConnections?.(); proxy.close(); } })));
}

test("behind a proxy, below a path: the way in, all pages, and changes", async () => {
  const inner = await startSkep(["--trusted-proxy", "loopback"]), proxy = await startProxy(inner.url, "/obs");
  const { page, faults, context } = await openPage(browser, proxy.url);
  try {
    await page.goto(proxy.url);
    await page.getByRole("heading", { name: "Log in to skep" }).waitFor(); // what comes through a proxy is not from this machine
    await page.goto((await skep(["open", "people", "--print", "--address", proxy.url], inner)).trim());
    await page.getByText("203.0.113.7").waitFor();
    assert.deepEqual((await context.cookies()).map(c => [c.name, c.path, c.httpOnly]).sort(), [["skep_csrf", "/obs/", false], ["skep_session", "/obs/", true]]);
    await page.getByRole("button", { name: "Add a person" }).click();
    await page.locator("dialog[open]").getByLabel("Name").fill("ann");
    await page.locator("dialog[open]").getByRole("button", { name: "Add" }).click();
    await page.getByRole("row", { name: /^ann/ }).waitFor();
    await page.getByRole("link", { name: "Doctor" }).click();
    await page.waitForURL(proxy.url + "doctor*");
    await page.reload();
    await page.locator("main h1").waitFor();
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    proxy.stop();
    await inner.stop();
  }
});

for (const theme of ["light", "dark"])
  test(`login and People are usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    await page.goto(server.url + "login");
    await page.getByRole("heading", { name: "Log in to skep" }).waitFor();
    assert.deepEqual(await axe(page), []);
    await page.goto(await linkTo("people"));
    await page.getByRole("button", { name: "Add a person" }).waitFor();
    await page.getByText("this one").waitFor();
    assert.deepEqual(await axe(page), []);
    await page.getByRole("button", { name: "Add a person" }).click();
    assert.deepEqual(await axe(page), []);
    assert.deepEqual(faults, []);
    await context.close();
  });

test("a small screen scrolls down, not sideways", async () => {
  const { page, faults, context } = await openPage(browser, server.url, { width: 360, height: 640 });
  await page.goto(server.url + "login");
  await page.getByRole("heading", { name: "Log in to skep" }).waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0);
  await page.goto(await linkTo("people"));
  await page.getByText("this one").waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0);
  assert.deepEqual(faults, []);
  await context.close();
});
