// What a pasted compose file, env block, piece of set-up code or console-exporter output says about why nothing arrives. Pure: nothing of it leaves the page.
export interface Diagnosis { line: number; kind: string; title: string; fix: string }

const KNOWN = ["OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER",
  "OTEL_METRICS_EXPORTER", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED", "OTEL_LOG_LEVEL"];
const PLACEHOLDER = /^(<.*>|\[.*\]|\{\{.*\}\}|your[-_ ]?.*|.*(api[-_]?key|insert|replace|change[-_]?me|placeholder|todo).*|x{3,}|\*{3,}|\.{3}|…|key|secret)$/i;
const WRONG_HEADERS = /^(x-honeycomb-(api-?key|key|token|write-?key|apikey)|honeycomb-(team|api-?key)|x_honeycomb_team|x-honeycombteam|api-?key|x-api-key)$/i;

interface Setting { line: number; name: string; raw: string; value: string; isList: boolean; quote: string }

export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}

function settings(lines: string[]): Setting[] {
  const found: Setting[] = [];
  lines.forEach((text, i) => {
    const match = /^\s*(?:(-)\s+)?["']?(?:export\s+|set\s+|ENV\s+|-e\s+)?([A-Z][A-Z0-9_]{3,})["']?\s*([=:])\s*(.*?)\s*$/.exec(text);
    if (!match || /^\s*#/.test(text)) return;
    let value = match[4]!.replace(/\s+#.*$/, "");
    const isList = match[1] === "-";
    const quote = /^(["']).*\1$/s.exec(value)?.[1] ?? "";
    if (quote) value = value.slice(1, -1);
    found.push({ line: i + 1, name: match[2]!, raw: match[4]!, value, isList: isList && match[3] === "=", quote });
  });
  return found;
}

// The keys in it, to be looked up; with the line of each.
export function keysIn(text: string): { line: number; key: string }[] {
  return settings(text.split("\n")).flatMap(s => {
    const key = s.name.endsWith("_HEADERS") ? /x-honeycomb-team\s*=\s*"?([^,"\s]+)/i.exec(s.value)?.[1] : s.name === "HONEYCOMB_API_KEY" ? s.value : undefined;
    return key && !/[$<{]/.test(key) && !PLACEHOLDER.test(key) ? [{ line: s.line, key }] : [];
  });
}

function ofKey(s: Setting, key: string, add: (line: number, kind: string, title: string, fix: string) => void, set: Set<string>): void {
  const variable = /\$\{?([A-Za-z_][A-Za-z0-9_]*)/.exec(key);
  if (key.trim() === "") add(s.line, "empty_key", "The key is empty.", "Put the key behind x-honeycomb-team=. The Keys page makes one.");
  else if (key.includes("$${") || (variable && s.quote === "'")) add(s.line, "literal_variable", `The key is the text ${key}, not its value: nothing expands it here.`, s.quote === "'" ? "Use double quotes in the shell, or write the value itself." : "Write one $ instead of two.");
  else if (variable && !/:-/.test(key) && !set.has(variable[1]!)) add(s.line, "literal_variable", `The key is \${${variable[1]}}, which is not set in what was pasted.`, `Set ${variable[1]} in the shell or in the .env file where compose runs, then recreate the container; docker compose config shows what it becomes.`);
  else if (!variable && PLACEHOLDER.test(key.trim())) add(s.line, "placeholder_key", "The key is a placeholder.", "Replace it by a key of the Keys page.");
}

function ofHeaders(s: Setting, add: (line: number, kind: string, title: string, fix: string) => void, set: Set<string>): void {
  if (s.value.trim() === "") { add(s.line, "empty_key", `${s.name} is empty.`, `Set it to x-honeycomb-team=KEY.`); return; }
  for (const part of s.value.split(",")) {
    const at = part.indexOf("=");
    if (at < 0) {
      if (/^\s*[\w-]+\s*:/.test(part)) add(s.line, "wrong_header", "Name and value of a header are separated by a colon.", "Write x-honeycomb-team=KEY, with an equals sign.");
      continue;
    }
    const name = part.slice(0, at).trim().replace(/^["']/, "");
    if (WRONG_HEADERS.test(name)) add(s.line, "wrong_header", `The header ${name} is not one that carries the key.`, "Name it x-honeycomb-team.");
    if (/^x-honeycomb-team$/i.test(name) || WRONG_HEADERS.test(name)) ofKey(s, part.slice(at + 1).replace(/["']$/, ""), add, set);
  }
}

function ofEndpoint(s: Setting, all: Setting[], services: string[], isCompose: boolean, here: URL, add: (line: number, kind: string, title: string, fix: string) => void): void {
  const signal = /_(TRACES|LOGS|METRICS)_ENDPOINT$/.exec(s.name)?.[1]?.toLowerCase();
  const protocol = all.find(x => x.name === "OTEL_EXPORTER_OTLP_PROTOCOL" || x.name === `OTEL_EXPORTER_OTLP_${signal?.toUpperCase()}_PROTOCOL`)?.value ?? "";
  if (s.value === "") { add(s.line, "wrong_endpoint", `${s.name} is empty.`, `Set it to ${here.origin}.`); return; }
  if (/\$/.test(s.value)) return;
  if (!/^https?:\/\//.test(s.value)) { add(s.line, "wrong_endpoint", "The endpoint has no http:// or https:// in front.", `Write http://${s.value.replace(/^\/\//, "")}.`); return; }
  let url: URL;
  try { url = new URL(s.value); } catch { add(s.line, "wrong_endpoint", "The endpoint is not an address.", `Set it to ${here.origin}.`); return; }
  const path = url.pathname.replace(/\/+$/, ""), isGrpc = protocol === "grpc";
  if (/honeycomb\.io$/.test(url.hostname)) { add(s.line, "wrong_endpoint", "The endpoint is Honeycomb's: the data goes there.", `Set it to ${here.origin}, as seen from where the program runs.`); return; }
  if (signal && !isGrpc && path !== `/v1/${signal}` && !path.endsWith(`/v1/${signal}`)) add(s.line, "wrong_path", `An endpoint of one signal is used exactly as it is, and this one lacks /v1/${signal}.`, `Write ${url.origin}/v1/${signal}, or use OTEL_EXPORTER_OTLP_ENDPOINT=${url.origin}.`);
  if (!signal && /\/v1\/(traces|logs|metrics)$/.test(path)) add(s.line, "wrong_path", "The common endpoint ends in a signal's path: the SDK appends it once more.", `Write ${url.origin}.`);
  const near = services.includes(url.hostname) || url.hostname.length < 4 ? undefined : services.find(name => distance(name, url.hostname) <= 2);
  if (near) add(s.line, "wrong_host", `No service of this file is called ${url.hostname}.`, `Write ${near}.`);
  if (isCompose && /^(localhost|127\.|\[::1\])/.test(url.hostname)) add(s.line, "container_localhost", "In a container localhost is the container itself.", `Write http://host.docker.internal:${here.port || "80"} (on Linux with extra_hosts: host.docker.internal:host-gateway), or the name of skep's service.`);
  const isSameHost = url.hostname === here.hostname || /^(localhost|127\.0\.0\.1|host\.docker\.internal|skep)$/.test(url.hostname);
  if (isSameHost && url.protocol !== here.protocol) add(s.line, "wrong_scheme", `The endpoint says ${url.protocol}// and this server speaks ${here.protocol}//.`, `Write ${s.value.replace(/^https?:/, here.protocol)}.`);
  if (isSameHost && here.port && url.port !== here.port && !(url.hostname === "skep" && /^431[78]$/.test(url.port))) add(s.line, "wrong_port", `The endpoint's port is ${url.port || (url.protocol === "https:" ? "443" : "80")}; this server answers on ${here.port}, OTLP over HTTP and gRPC alike.`, `Write port ${here.port}.`);
}

// Set-up code and its output.
function ofCode(lines: string[], add: (line: number, kind: string, title: string, fix: string) => void): void {
  const processors = new Map<string, number>(), spans = new Map<string, number>();
  let console_ = 0, otlp = 0, output = 0;
  lines.forEach((text, i) => {
    if (/^\s*(#|\/\/)/.test(text)) return;
    const processor = /(?:add_span_processor|addSpanProcessor|AddSpanProcessor|WithBatcher)\s*\(\s*(.*?)\s*\)?;?\s*$/.exec(text)?.[1];
    if (processor) {
      const what = processor.replace(/\s+/g, "");
      if (processors.has(what)) add(i + 1, "processor_twice", `The same span processor was already added on line ${processors.get(what)}: each span is sent twice.`, "Remove this line.");
      else processors.set(what, i + 1);
    }
    if (/Console(Span)?Exporter|SimpleSpanProcessor\(.*[Cc]onsole/.test(text)) console_ ||= i + 1;
    if (/OTLP(Span|Trace)?Exporter|otlptrace/.test(text)) otlp ||= i + 1;
    const span = /"?span_?[iI]d"?\s*:\s*"(?:0x)?([0-9a-f]{16})"/.exec(text)?.[1];
    if (span) {
      output ||= i + 1;
      if (spans.has(span)) add(i + 1, "processor_twice", `The span ${span} was printed on line ${spans.get(span)} already: its processor is added twice.`, "Add the processor once.");
      else spans.set(span, i + 1);
    }
  });
  if (console_ && !otlp) add(console_, "console_only", "Only the console exporter is set up: spans are printed and go nowhere.", "Add BatchSpanProcessor(OTLPSpanExporter()) beside it.");
  else if (output && !otlp) add(output, "console_only", "This is what the console exporter prints: the program makes spans, but they may go nowhere else.", "Add an OTLP exporter, or set OTEL_TRACES_EXPORTER=otlp.");
}

export function diagnose(text: string, here: URL): Diagnosis[] {
  const lines = text.split("\n"), found: Diagnosis[] = [];
  const add = (line: number, kind: string, title: string, fix: string) => { found.push({ line, kind, title, fix }); };
  const all = settings(lines), set = new Set(all.filter(s => s.value !== "").map(s => s.name));
  const isCompose = /^\s*(services|environment):\s*$/m.test(text);
  const services = isCompose ? [...text.matchAll(/^  (\S+):\s*$/gm)].map(m => m[1]!) : [];
  for (const s of all) {
    if (!KNOWN.includes(s.name) && /^O[A-Z]{2,3}_/.test(s.name)) {
      const near = KNOWN.find(k => distance(k, s.name) <= 2);
      if (near) add(s.line, "wrong_name", `${s.name} is not a variable that SDKs read.`, `Write ${near}.`);
    }
    if (isCompose && s.isList && s.quote && s.name.startsWith("OTEL_")) add(s.line, "quoted_value", "In a list of a compose file the quotes become a part of the value.", `Write - ${s.name}=${s.name.endsWith("HEADERS") ? "x-honeycomb-team=KEY" : s.value}, without quotes.`);
    if (/^OTEL_EXPORTER_OTLP_(\w+_)?HEADERS$/.test(s.name)) ofHeaders(s, add, set);
    if (s.name === "HONEYCOMB_API_KEY") ofKey(s, s.value, add, set);
    if (/^OTEL_EXPORTER_OTLP_(\w+_)?ENDPOINT$/.test(s.name)) ofEndpoint(s, all, services, isCompose, here, add);
    if (s.name === "OTEL_TRACES_EXPORTER" && /^(console|none|logging)$/.test(s.value)) add(s.line, "console_only", `OTEL_TRACES_EXPORTER=${s.value}: spans do not leave the program.`, "Write otlp, or console,otlp for both.");
    if (s.name === "OTEL_SDK_DISABLED" && s.value === "true") add(s.line, "disabled", "The SDK is switched off.", "Remove the line.");
    if (s.name === "OTEL_SERVICE_NAME" && s.value === "") add(s.line, "no_service_name", "OTEL_SERVICE_NAME is empty: the data is filed under unknown_service.", "Give the program a name.");
  }
  const otlp = all.find(s => /^OTEL_EXPORTER_OTLP_/.test(s.name));
  if (otlp && !all.some(s => s.name === "OTEL_SERVICE_NAME" || (s.name === "OTEL_RESOURCE_ATTRIBUTES" && s.value.includes("service.name")))) add(otlp.line, "no_service_name", "No OTEL_SERVICE_NAME: the data is filed under unknown_service.", "Add OTEL_SERVICE_NAME with the program's name.");
  ofCode(lines, add);
  return found.sort((a, b) => a.line - b.line);
}
