// Home, map and service page: from what hurts to the operation; the way to the first event; the map by keyboard.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, openBrowser, openPage, skep, startSkep } from "./harness.mjs";
import { hex, sendSpans } from "./made_trace.mjs";
import { build } from "./module.mjs";

let server, browser, layout, pain, names, latest, reduce;
before(async () => {
  layout = await build("pages/map/layout.ts");
  pain = await build("pages/home/pain.ts");
  latest = await build("pages/home/news.ts");
  reduce = await build("pages/map/reduce.ts");
  names = await build("api/map_names.ts");
  server = await startSkep();
  browser = await openBrowser();
  await skep(["demo", "--seed", "1", "--past", "30m", "--past-only", "--quiet"], server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const at = (page, params = {}) => `${server.url}${page}?${new URLSearchParams({ env: "demo", from: "20m", ...params })}`;
const settled = page => page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));

test("layers: callers left, circles broken, places kept, 500 nodes", () => {
  const edges = [["a", "b"], ["b", "c"], ["a", "c"], ["c", "a"], ["x", "x"]].map(([from, to]) => ({ from, to, weight: 1 }));
  const placed = layout.layout(["a", "b", "c", "x"], edges);
  const order = ["a", "b", "c"].map(n => placed.get(n).layer);
  assert.equal(new Set(order).size, 3);
  assert.deepEqual(layout.layout(["a", "b", "c", "x"], edges, placed), placed);
  assert.deepEqual([...layout.within("b", 1, edges)].sort(), ["a", "b", "c"]);
  const many = Array.from({ length: 500 }, (_, i) => `s${i}`), calls = many.flatMap((n, i) => [1, 7, 31].map(d => ({ from: n, to: many[(i * 3 + d) % 500], weight: d })));
  const started = performance.now(), all = layout.layout(many, calls);
  console.log(`# layout of 500 nodes, 1,500 calls: ${(performance.now() - started).toFixed(0)} ms`);
  assert.equal(all.size, 500);
  const cells = new Set([...all.values()].map(p => `${p.layer} ${p.row}`));
  assert.equal(cells.size, 500, "no two in one place");
});

test("a database called as its service is a node of its own, and the edges know which", () => {
  const numbers = { count: 1, errors: 0, p50_ms: 1, p95_ms: 1 };
  const map = (nodes, edges) => ({ nodes: nodes.map(([name, kind]) => ({ name, kind, ...numbers })), edges: edges.map(([from, to, kind]) => ({ from, to, kind, ...numbers })) });
  const plain = map([["a", "service"], ["b", "database"]], [["a", "b", "database"]]);
  assert.equal(names.distinct(plain), plain);
  const made = names.distinct(map([["cart", "database"], ["cart", "service"], ["orders", "messaging"], ["orders", "service"], ["user", "client"], ["web", "service"]],
    [["cart", "cart", "database"], ["web", "cart", "call"], ["web", "orders", "messaging"], ["orders", "web", "messaging"], ["orders", "orders", "messaging"], ["user", "web", "call"]]));
  assert.deepEqual(made.nodes.map(n => n.name), ["cart (database)", "cart", "orders (messaging)", "orders", "user", "web"]);
  assert.deepEqual(made.edges.map(e => `${e.from} > ${e.to}`), ["cart > cart (database)", "web > cart", "web > orders (messaging)", "orders (messaging) > web", "orders > orders (messaging)", "user > web"]);
});

test("leaves of one caller stand as one; a way between two; what moved", () => {
  const node = (name, errors = 0) => ({ name, kind: "service", count: 10, errors, p50_ms: 1, p95_ms: 7 }), edge = (from, to) => ({ from, to, kind: "call", count: 2, errors: 0, p50_ms: 1, p95_ms: 5 });
  const leaves = ["l1", "l2", "l3", "l4", "l5"], nodes = [node("a"), node("b"), node("bad", 1), ...leaves.map(n => node(n))], edges = [edge("a", "b"), edge("a", "bad"), ...leaves.map(n => edge("a", n))];
  const none = new Set(), made = reduce.groupLeaves(nodes, edges, new Set(["b"]), none), key = "service of a";
  assert.deepEqual(made.nodes.map(n => n.name), ["a", "b", "bad", key]);
  assert.deepEqual([made.nodes[3].count, made.nodes[3].p95_ms, made.edges.find(e => e.to === key).count], [50, 7, 10]);
  assert.deepEqual(made.members.get(key), leaves);
  assert.equal(reduce.groupLeaves(nodes, edges, none, new Set([key])).nodes.length, nodes.length);
  assert.equal(reduce.groupLeaves(nodes, edges, new Set(["b", "l1"]), none).nodes.length, nodes.length, "four are too few");
  assert.equal(reduce.groupLeaves(nodes, [...edges, edge("b", "l1"), edge("l2", "b")], new Set(["b"]), none).members.size, 0, "others call, or are called by two");
  const calls = [edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "d"), edge("b", "x"), edge("c", "a")];
  assert.deepEqual([...reduce.between("b", "d", calls)].sort(), ["a", "b", "c", "d"]);
  assert.equal(reduce.between("d", "b", calls).size, 0);
  assert.deepEqual(reduce.reachable("c", calls), ["a", "b", "d", "x"]);
  assert.deepEqual([[120, 100], [121, 100], [83, 100], [0, 0], [1, 0], [1, undefined], [null, 1]].map(([n, w]) => reduce.arrow(n, w)), ["", "↑", "↓", "", "↑", "", ""]);
});

test("the map of chosen traces: by a filter, from a search, of one trace; what cannot choose is said", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("map"));
  await page.waitForSelector(".map-node");
  const all = await page.locator(".map-node").count();
  await page.keyboard.press("/");
  await page.keyboard.type('service.name = "email"');
  await page.keyboard.press("Enter");
  await page.waitForFunction(n => document.querySelectorAll(".map-node").length < n, all);
  await page.getByText("in traces with such a row").waitFor();
  assert.ok(await page.locator('[data-node="email"]').count());
  assert.equal(new URL(page.url()).searchParams.get("q"), 'service.name = "email"');
  assert.deepEqual(await axe(page), []);
  await page.locator('[data-node="email"]').focus();
  assert.match(new URL(await page.locator(".map-side").getByRole("link", { name: "Traces" }).getAttribute("href"), page.url()).searchParams.get("q"), /^service.name = "email" AND service.name = "email"$/);
  await page.fill(".filter-box", 'name = "never"');
  await page.keyboard.press("Enter");
  await page.getByText("No trace in this range has a row like that.").waitFor();
  await page.fill(".filter-box", "meta.self_ms > 3");
  await page.keyboard.press("Enter");
  await page.getByText("what the trace itself decides does not choose traces").waitFor();
  await page.getByRole("button", { name: "All traces" }).click();
  await page.waitForFunction(n => document.querySelectorAll(".map-node").length === n, all);
  await page.goto(at("traces", { q: 'service.name = "email"' }));
  await page.locator(".traces-open").first().click();
  await page.getByRole("link", { name: "Map", exact: true }).click();
  await page.waitForSelector(".map-node");
  assert.match(new URL(page.url()).searchParams.get("q"), /^trace.trace_id = "[0-9a-f]{32}"$/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a range in which the sending began is judged by its end, and shows all its services", () => {
  const node = (name, count, p95_ms) => ({ name, kind: "service", count, errors: 0, p95_ms });
  const list = pain.judged([node("well", 900, 9), node("ended", 50, 9), node("slow", 400, 20)], [node("well", 400, 9), node("slow", 200, 40)], [node("well", 400, 9), node("slow", 200, 10)]);
  assert.deepEqual(list.map(p => [p.node.name, p.node.count, p.slower]), [["slow", 400, 4], ["well", 900, 1], ["ended", 50, 1]]);
  assert.equal(pain.isComparable([node("a", 100, 1)], [node("a", 30, 1)]), true);
  assert.equal(pain.isComparable([node("a", 100, 1)], [node("a", 30, 1)], 0.5), false);
});

test("what chance makes of durations and failures does not order Home", () => {
  const node = (name, p95_ms, errors) => ({ name, kind: "service", count: 1000, errors, p95_ms });
  const list = pain.pains([node("noise", 11.5, 0), node("chance", 10, 22), node("slow", 13, 0), node("failing", 10, 60)], ["noise", "chance", "slow", "failing"].map(n => node(n, 10, n === "chance" ? 20 : 0)));
  assert.deepEqual(list.map(p => p.node.name).slice(0, 2), ["failing", "slow"]);
  assert.deepEqual(list.filter(p => p.score === 0).map(p => p.node.name), ["noise"]);
  assert.ok(list.find(p => p.node.name === "chance").score < 0.2);
});

test("Home of two hours finds the fault of a shop that is half an hour old", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("", { from: "2h" }));
  await page.waitForSelector("text=15 min against as long before");
  await page.waitForSelector("[aria-label=hurts]");
  const rate = async (...where) => {
    await page.goto(at(...where));
    await page.waitForSelector("section >> text=/\\d\\/s$/");
    await settled(page);
    return page.evaluate(() => Math.max(...[...document.querySelectorAll("section td, section h3 .muted")].filter(e => /^[\d.]+\/s/.test(e.textContent)).map(e => parseFloat(e.textContent))));
  };
  for (const [path, params] of [["", {}], ["map", {}], ["service", { name: "catalog" }]]) {
    const short = await rate(path, { ...params, from: "20m" }), long = await rate(path, { ...params, from: "2h" });
    assert.ok(long > 0.6 * short, `${path}: ${long}/s of the last 2 hours, ${short}/s of the last 20 minutes`); // there is nothing before the half hour to spread it over
  }
  assert.deepEqual(faults, []);
  await context.close();
});

test("pain ranks what got worse, not what is always slow; a handful of requests says little", () => {
  const node = (name, count, errors, p95_ms) => ({ name, kind: "service", count, errors, p50_ms: 1, p95_ms });
  const before = [node("slow", 1000, 0, 9000), node("well", 1000, 0, 5), node("bad", 1000, 0, 5), node("rare", 1000, 0, 5), node("gone", 100, 0, 5)];
  const now = [node("slow", 1000, 0, 9000), node("well", 1000, 0, 5), node("bad", 1000, 200, 5), node("rare", 2, 1, 500), node("late", 1000, 0, 5)];
  assert.equal(pain.pains(now, before)[0].node.name, "bad");
  const said = pain.changes(now, before).map(c => `${c.service} ${c.kind}`);
  assert.equal(said[0], "bad errors");
  assert.ok(said.includes("gone gone") && said.includes("late new"));
  assert.ok(!said.some(s => s.startsWith("slow") || s.startsWith("well") || s.startsWith("rare e")));
  assert.deepEqual(pain.changes(now, []), []);
});

test("what all services do together is said once", () => {
  const node = (name, count) => ({ name, kind: "service", count, errors: 0, p95_ms: 10 });
  const before = ["a", "b", "c"].map(n => node(n, 100)), said = now => pain.changes(now, before).map(c => [c.service, c.kind, c.text]);
  assert.deepEqual(said([node("a", 300), node("b", 310), node("c", 290)]), [[null, "busier", "All together get 3.0 × the requests"]]);
  assert.deepEqual(said([node("a", 300), node("b", 900), node("c", 300)]).map(c => c.slice(0, 2)), [[null, "busier"]], "b has less than twice its share");
  assert.deepEqual(said([node("a", 150), node("b", 900), node("c", 150)]), [["b", "busier", "has 2.3 × its share of the requests"], ["a", "quieter", "has a 2.7 × smaller share of the requests"], ["c", "quieter", "has a 2.7 × smaller share of the requests"], [null, "busier", "All together get 4.0 × the requests"]]);
  assert.deepEqual(said([node("a", 100), node("b", 250), node("c", 100)]), [["b", "busier", "gets 2.5 × the requests"]]);
});

test("a consumer is late when messages wait longer than before, or some much longer than most", () => {
  const edge = (to, wait_p50_ms, wait_p95_ms, wait_count = 500) => ({ from: "kafka:orders", to, kind: "messaging", count: 500, errors: 0, p50_ms: 1, p95_ms: 2, wait_count, wait_p50_ms, wait_p95_ms });
  const now = [edge("mail", 40, 27000), edge("ledger", 9000, 12000), edge("batch", 60000, 90000), edge("stock", 30, 200), edge("rare", 10, 90000, 3), { ...edge("old"), wait_count: undefined }];
  const before = [edge("ledger", 40, 100), edge("batch", 60000, 88000), edge("stock", 1, 2)];
  assert.deepEqual(pain.late(now, before).map(c => c.service), ["mail", "ledger"]);
  assert.match(pain.late(now, before)[1].text, /before 100 ms/);
  assert.match(pain.late(now, [])[0].text, /half of them within 40/);
  const nodes = ["stock", "ledger"].map(name => ({ name, kind: "service", count: 1000, errors: 0, p95_ms: 10 }));
  assert.deepEqual(pain.judged(nodes, nodes, nodes, pain.late(now, before)).map(p => [p.node.name, p.score >= 1]), [["ledger", true], ["stock", false]]); // it hurts, however quick its work is
});

test("new is what a known service did not do before; where an answer was cut, nothing is claimed", () => {
  const h = (service, value, count = 1) => ({ service, value, count });
  assert.deepEqual(latest.news("version", [h("a", "2", 5), h("a", "1", 90), h("new", "1"), h("a", "3", 7)], [h("a", "1")]).map(n => `${n.service} ${n.value}`), ["a 3", "a 2"]);
  assert.deepEqual(latest.news("version", [h("a", "2")], null), []);
  const row = (...values) => ({ data: { "service.name": values[0], name: values[1], COUNT: 3 } });
  assert.deepEqual(latest.heard({ data: { results: [row("a", "x"), row(null, "y"), row("b", null)] } }, "name"), [h("a", "x", 3)]);
  assert.equal(latest.heard({ data: { results: new Array(latest.GROUPS_MAX).fill(row("a", "x")) } }, "name"), null);
});

test("home leads to the service, its operation, its traces", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at(""));
  await page.waitForSelector("td >> text=checkout");
  await settled(page);
  assert.match(await page.locator("table tbody tr").first().textContent(), /checkout|gateway|web/); // slower than before: the network to inventory
  await page.locator("td a >> text=checkout").first().click();
  await page.waitForURL(/service\?.*name=checkout/);
  await page.waitForSelector("td >> text=inventory.Inventory/Reserve");
  await settled(page);
  await page.waitForSelector("section:has-text('What arrives') >> text=/last .* ago/");
  await page.waitForSelector("section:has-text('What arrives') td >> text=production");
  assert.match(await page.locator("table[class=table] tbody tr").first().textContent(), /inventory.Inventory\/Reserve/); // where its own time goes
  await page.click("td a >> text=inventory.Inventory/Reserve");
  await page.waitForURL(/traces\?/);
  await page.waitForSelector("main h1");
  assert.deepEqual(faults, []);
  await context.close();
});

test("the map is walked by arrow keys and stands as a table too", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("map"));
  await page.waitForSelector("[data-node=gateway]");
  await page.focus("[data-node=gateway]");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector("aside[aria-label^='About']");
  const here = await page.evaluate(() => document.activeElement.getAttribute("data-node"));
  assert.notEqual(here, "gateway");
  await page.keyboard.press("Enter");
  await page.waitForURL(/focus=/);
  await page.keyboard.press("v");
  await page.waitForSelector("td >> text=gateway");
  assert.equal(await page.locator("td a >> text=rabbitmq:orders").count(), 0); // a queue has no page of a service
  await page.goto(at("map", { focus: "nobody", hops: "1000000000" }));
  await page.waitForSelector("text=nobody is not on the map");
  assert.deepEqual(faults, []);
  await context.close();
});

test("drawing and table point at each other, by pointer and by keyboard, and nothing scrolls", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("map"));
  await page.waitForSelector("[data-node=gateway]");
  await settled(page);
  const lit = () => page.evaluate(() => [...document.querySelectorAll(".map-node:not(.is-faded)")].map(n => n.getAttribute("data-node")).sort());
  const calls = () => page.evaluate(() => [...document.querySelectorAll(".map-edge:not(.is-near):not(.is-faded) + title")].map(t => t.textContent.split(": ")[0]));
  const marked = () => page.evaluate(() => [...document.querySelectorAll("tr.is-current")].map(r => `${r.cells[0].textContent} → ${r.cells[1].textContent}`));
  const scrolled = () => page.evaluate(() => [...document.querySelectorAll("*")].filter(e => e.scrollTop || e.scrollLeft).length);
  const all = (await lit()).length, row = page.locator("tbody tr", { hasText: /^gatewaycheckout/ });
  assert.deepEqual(await marked(), []);
  await page.mouse.move(1, 1); // a first event comes from nowhere
  await row.hover();
  assert.deepEqual(await lit(), ["checkout", "gateway"]);
  assert.deepEqual(await calls(), ["gateway → checkout"]);
  assert.deepEqual(await marked(), ["gateway → checkout"]);
  await page.locator("h1").hover();
  assert.equal((await lit()).length, all);
  await row.locator("a").first().focus(); // which scrolls another row under the pointer
  assert.deepEqual(await calls(), ["gateway → checkout"]);
  await page.evaluate(() => document.activeElement.blur());
  assert.equal((await lit()).length, all);
  await page.locator("h1").hover();
  assert.equal(await scrolled(), 0);
  const call = page.locator(".map g:has(> title)", { hasText: "gateway → checkout:" });
  const middle = await call.locator("path").first().evaluate(p => { const { x, y } = p.getPointAtLength(p.getTotalLength() / 2), box = p.ownerSVGElement.getBoundingClientRect(); return { x: box.x + x, y: box.y + y + 4 }; });
  await page.mouse.move(middle.x, middle.y); // beside the line, still meant
  assert.deepEqual(await marked(), ["gateway → checkout"]);
  await page.locator("[data-node=checkout] circle").first().hover();
  const touching = await marked();
  assert.ok(touching.length > 2 && touching.every(t => /(^| )checkout( |$)/.test(t)), touching.join());
  assert.deepEqual((await calls()).sort(), touching.sort());
  await page.locator("h1").hover();
  await page.focus("[data-node=gateway]");
  assert.ok((await marked()).every(t => t.includes("gateway")) && (await marked()).includes("gateway → checkout"));
  await page.keyboard.press("ArrowRight");
  assert.ok(!(await marked()).includes("web → gateway"));
  assert.equal(await scrolled(), 0);
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
  await context.close();
});

test("an empty environment shows what to paste, and turns green when it was sent", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("", { env: "dev" }));
  await page.waitForSelector("text=Waiting for the first request");
  await page.click("text=Node.js");
  assert.match(await page.textContent(".snippet pre"), new RegExp(`OTEL_EXPORTER_OTLP_ENDPOINT='${server.url.replace(/\/$/, "")}'`));
  await page.click("text=Compose");
  assert.match(await page.textContent(".snippet pre"), /host\.docker\.internal/);
  const now = `${Date.now()}000000`, attributes = [{ key: "service.name", value: { stringValue: "my-app" } }];
  const sent = await fetch(server.url + "v1/traces", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [{ traceId: "1".repeat(32), spanId: "2".repeat(16), name: "hello", kind: 2, startTimeUnixNano: now, endTimeUnixNano: now }] }] }] }) });
  assert.equal(sent.status, 200);
  await page.waitForSelector("text=Look at it");
  assert.equal(await page.locator(".ladder .is-done").count(), 5);
  await page.click("text=Look at it");
  await page.waitForSelector("text=Services by pain");
  await page.waitForSelector("td >> text=0.0167/s"); // one in a minute: a first event is no rate of its own
  assert.deepEqual(faults, []);
  await context.close();
});

test("home shows what is new, markers, and one's own questions", async () => {
  const span = (name, version, ago, id) => {
    const time = `${Date.now() - ago * 1000}000000`, text = (key, stringValue) => ({ key, value: { stringValue } });
    return { resource: { attributes: [text("service.name", "billing"), text("service.version", version)] }, scopeSpans: [{ spans: [{ traceId: id.repeat(32), spanId: id.repeat(16), name, kind: 2, startTimeUnixNano: time, endTimeUnixNano: time }] }] };
  };
  const post = (path, body) => fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal((await post("v1/traces", { resourceSpans: [span("GET /old", "1.0", 10800, "a"), span("GET /old", "1.0", 60, "b"), span("GET /<b>new</b>", "2.0", 60, "c")] })).status, 200);
  assert.equal((await post("skep/v1/saved", { environment: "dev", name: "Old ones", text: 'COUNT WHERE name = "GET /old"' })).status, 201);
  assert.equal((await post("skep/v1/history", { environment: "dev", text: "COUNT GROUP BY name", state: { from: "3h" } })).status, 201);
  assert.equal((await post("skep/v1/markers", { environment: "dev", message: "2.0 out", type: "deploy", start_time: Date.now() / 1000 - 90 })).status, 201);
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("", { env: "dev" }));
  const fresh = page.locator("section", { hasText: "New in the last hour" });
  await fresh.locator("a", { hasText: "2.0" }).waitFor();
  assert.deepEqual(await fresh.locator("li a.mono").allTextContents(), ["2.0", "GET /<b>new</b>"]);
  await page.getByRole("list", { name: "Recent questions" }).locator("a", { hasText: "COUNT GROUP BY name" }).waitFor();
  await settled(page);
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "before / after" }).click();
  await page.waitForURL(u => u.pathname.endsWith("/query") && u.searchParams.get("tab") === "differences" && u.searchParams.get("sel").includes("window"));
  await page.waitForSelector("text=held against");
  await page.goBack();
  await page.getByRole("list", { name: "Saved questions" }).locator("a", { hasText: "Old ones" }).click();
  await page.waitForURL(u => u.searchParams.get("q") === 'COUNT WHERE name = "GET /old"');
  assert.deepEqual(faults, []);
  await context.close();
});

test("a hub's leaves are drawn as one, opened, and the way to one is shown", async () => {
  const { page, faults, context } = await openPage(browser, server.url);
  const spans = [{ id: 1, parent: 0, service: "hub", name: "all", start: 0, length: 90_000 }];
  for (let i = 0; i < 6; i++) spans.push({ id: 10 + i, parent: 1, service: "hub", name: "ask", kind: 3, start: i * 1000, length: 900 }, { id: 20 + i, parent: 10 + i, service: `leaf ${i}`, name: "answer", start: i * 1000 + 10, length: 800 });
  await sendSpans(server.url, hex(0xabc3, 32), spans);
  await page.goto(at("map", { env: "dev" }));
  await page.focus("[data-node='service of hub']");
  await page.waitForSelector("aside >> text=6 × service");
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-node='leaf 5']");
  await page.focus("[data-node=hub]");
  await page.selectOption("aside select", "leaf 3");
  await page.waitForSelector("text=The calls from hub to leaf 3");
  assert.equal(await page.locator(".map-node:not(.is-faded)").count(), 2);
  assert.match(await page.evaluate(() => location.search), /a=hub&b=leaf/);
  assert.deepEqual(await axe(page), []);
  await page.click("text=Show all");
  await page.waitForSelector("text=The calls from hub", { state: "detached" });
  assert.deepEqual(faults, []);
  await context.close();
});

for (const theme of ["light", "dark"])
  test(`home, map and service are usable by everyone (${theme})`, async () => {
    const { page, faults, context } = await openPage(browser, server.url, { theme });
    for (const [path, params, wait] of [["", {}, "td >> text=checkout"], ["map", {}, ".map-node"], ["map", { view: "table" }, "td"], ["service", { name: "checkout" }, "td >> text=PlaceOrder"], ["service", { name: "nobody" }, "text=Nothing of nobody"]]) {
      await page.goto(at(path, params));
      await page.waitForSelector(wait);
      await settled(page);
      assert.deepEqual(await axe(page), [], path);
    }
    assert.deepEqual(faults, []);
    await context.close();
  });

test("home shows one trace with errors of each kind, and how many there are", async () => {
  for (const [n, name] of ["GET /a", "GET /b", "GET /a"].entries()) await sendSpans(server.url, hex(0xfa11 + n, 32), [{ id: 1, parent: 0, service: "shop", name, start: 0, length: 1000, isError: true }]);
  const { page, faults, context } = await openPage(browser, server.url);
  await page.goto(at("", { env: "dev" }));
  await page.waitForSelector("section:has-text('Traces with errors') td >> text=GET /a");
  const rows = await page.locator("section:has(h2:text-is('Traces with errors')) tbody tr").allTextContents();
  assert.deepEqual(rows, ["GET /a2 traces1 ms", "GET /b1 trace1 ms"]);
  assert.deepEqual(faults, []);
  await context.close();
});
