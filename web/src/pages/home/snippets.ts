// What to paste so that a program sends here: the variables that `skep env` prints, for a shell, a compose file, Kubernetes. Pure.
export type Where = "shell" | "compose" | "kubernetes";
export interface Target { endpoint: string; key: string | null; service: string }
export interface Language { name: string; title: string; notes: string[] }

export const LANGUAGES: readonly Language[] = [
  { name: "python", title: "Python", notes: ["pip install opentelemetry-distro opentelemetry-exporter-otlp && opentelemetry-bootstrap -a install", "opentelemetry-instrument python app.py"] },
  { name: "node", title: "Node.js", notes: ["npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node", "node --require @opentelemetry/auto-instrumentations-node/register app.js"] },
  { name: "go", title: "Go", notes: ["# otlptracehttp, otlploghttp and otlpmetrichttp read these variables by themselves"] },
  { name: "java", title: "Java", notes: ["java -javaagent:opentelemetry-javaagent.jar -jar app.jar"] },
  { name: "dotnet", title: ".NET", notes: ["# services.AddOpenTelemetry().UseOtlpExporter() reads these variables"] },
  { name: "ruby", title: "Ruby", notes: ["bundle add opentelemetry-sdk opentelemetry-exporter-otlp opentelemetry-instrumentation-all", "# OpenTelemetry::SDK.configure { |c| c.use_all } at the start of the program"] },
  { name: "php", title: "PHP", notes: ["export OTEL_PHP_AUTOLOAD_ENABLED=true"] },
  { name: "rust", title: "Rust", notes: ["# opentelemetry-otlp reads these variables by itself"] },
  { name: "browser", title: "Browser", notes: [] },
  { name: "curl", title: "curl", notes: [] },
];

function isLoopback(url: string): boolean { return /^https?:\/\/(localhost|127\.|\[::1\])/.test(url); }

// In a container this machine's loopback is the container's own.
export function endpointFor(where: Where, origin: string): { endpoint: string; note: string | null } {
  if (!isLoopback(origin) || where === "shell") return { endpoint: origin, note: null };
  if (where === "kubernetes") return { endpoint: "http://skep.default.svc:8080", note: "This is a guess: name the server as pods see it." };
  const url = new URL(origin);
  return { endpoint: `${url.protocol}//host.docker.internal${url.port ? ":" + url.port : ""}`, note: "Inside a container host.docker.internal is this machine; the server must listen there: skep serve --listen 0.0.0.0:8080. If skep runs in the same compose file, write http://skep:8080." };
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

export function snippet(language: string, where: Where, t: Target): string {
  const variables: [string, string][] = [["OTEL_SERVICE_NAME", t.service], ["OTEL_EXPORTER_OTLP_ENDPOINT", t.endpoint], ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"]];
  if (t.key) variables.push(["OTEL_EXPORTER_OTLP_HEADERS", `x-honeycomb-team=${t.key}`]);
  const notes = LANGUAGES.find(l => l.name === language)?.notes ?? [];
  if (language === "curl") return curl(t);
  if (language === "browser") return browser(t);
  if (where === "shell") return [...variables.map(([n, v]) => `export ${n}=${quote(v)}`), ...notes].join("\n");
  if (where === "compose") return ["    environment:", ...variables.map(([n, v]) => `      ${n}: ${JSON.stringify(v)}`)].join("\n");
  return ["env:", ...variables.flatMap(([n, v]) => [`  - name: ${n}`, `    value: ${JSON.stringify(v)}`])].join("\n");
}

function curl(t: Target): string {
  const now = `$(date +%s)000000000`;
  return [`curl ${t.endpoint}/v1/traces -H 'content-type: application/json'${t.key ? ` -H ${quote("x-honeycomb-team: " + t.key)}` : ""} -d '{"resourceSpans":[{"resource":{"attributes":[`,
    `  {"key":"service.name","value":{"stringValue":"${t.service}"}}]},"scopeSpans":[{"spans":[{"traceId":"'$(openssl rand -hex 16)'",`,
    `  "spanId":"'$(openssl rand -hex 8)'","name":"hello","kind":2,"startTimeUnixNano":"'${now}'","endTimeUnixNano":"'${now}'"}]}]}]}'`].join("\n");
}

function browser(t: Target): string {
  return [`import { WebTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-web";`, `import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";`,
    `const exporter = new OTLPTraceExporter({ url: "${t.endpoint}/v1/traces"${t.key ? `, headers: { "x-honeycomb-team": "${t.key}" }` : ""} });`,
    `new WebTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] }).register();`].join("\n");
}
