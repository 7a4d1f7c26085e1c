// Traces made by hand, sent as OTLP JSON: `sendSpans`, and `largeTrace` with as many spans as wanted.
const START = BigInt(Date.now() - 120_000) * 1_000_000n;

export const hex = (number, digits) => number.toString(16).padStart(digits, "0");

// `spans`: {id, parent (0: none), service, name, kind?, start and length in µs, isError?}.
export async function sendSpans(url, trace, spans) {
  for (let from = 0; from < spans.length; from += 5000) {
    const byService = new Map();
    for (const s of spans.slice(from, from + 5000)) {
      const list = byService.get(s.service) ?? [];
      byService.set(s.service, list);
      list.push({ traceId: trace, spanId: hex(s.id, 16), parentSpanId: s.parent ? hex(s.parent, 16) : "", name: s.name, kind: s.kind ?? 2, startTimeUnixNano: String(START + BigInt(s.start) * 1000n),
        endTimeUnixNano: String(START + BigInt(s.start + s.length) * 1000n), ...(s.isError ? { status: { code: 2, message: "no" } } : {}),
        ...(s.attributes ? { attributes: Object.entries(s.attributes).map(([key, stringValue]) => ({ key, value: { stringValue } })) } : {}) });
    }
    const body = { resourceSpans: [...byService].map(([service, list]) => ({ resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] }, scopeSpans: [{ spans: list }] })) };
    const reply = await fetch(url + "v1/traces", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    if (reply.status !== 200) throw new Error(`v1/traces answered ${reply.status}: ${await reply.text()}`);
  }
}

export function largeTrace(count) {
  const spans = [{ id: 1, parent: 0, service: "web", name: "POST /batch", start: 0, length: 10_000_000 }];
  for (let r = 0; spans.length < count; r++) {
    const top = spans.length + 1;
    spans.push({ id: top, parent: 1, service: "api", name: "GET /item", start: r * 45_000, length: 44_000 });
    for (let i = 0; i < 40 && spans.length < count; i++) {
      const at = spans.length + 1;
      spans.push({ id: at, parent: top, service: `part ${i % 9}`, name: `step ${i % 4}`, kind: 3, start: r * 45_000 + i * 1000, length: 900 });
      for (let j = 0; j < 11 && spans.length < count; j++) spans.push({ id: spans.length + 1, parent: at, service: "db", name: "SELECT item", kind: 3, start: r * 45_000 + i * 1000 + j * 80, length: 70, isError: (r + i + j) % 500 === 499 });
    }
  }
  return spans;
}
