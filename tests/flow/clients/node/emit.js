// Sends the story of ../README.md with the Node SDK over the protocol in OTEL_EXPORTER_OTLP_PROTOCOL.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { detectResources, envDetector } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const form = { grpc: "grpc", "http/protobuf": "proto", "http/json": "http" }[process.env.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf"];
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${form}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${form}`);
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${form}`);

const resource = detectResources({ detectors: [envDetector] }); // OTEL_SERVICE_NAME
const tracers = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
tracers.register();
const loggers = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })] });
const meters = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })] });

const tracer = tracers.getTracer("orders", "1.2.3");
const logger = loggers.getLogger("orders", "1.2.3");
const other = { traceId: "11111111222222223333333344444444", spanId: "5555555566666666", traceFlags: 1 };

const server = tracer.startSpan("GET /orders/{id}", {
  kind: SpanKind.SERVER,
  attributes: { "user.id": "u-1", "order.id": 42, "order.total": 1.5, "order.paid": true, "order.items": ["a", "b"] },
});
const inside = trace.setSpan(ROOT_CONTEXT, server);
logger.emit({ severityNumber: SeverityNumber.INFO, severityText: "INFO", body: "order 42 loaded", context: inside });
const load = tracer.startSpan("load order", {}, inside);
load.recordException(new Error("no such item"));
load.setStatus({ code: SpanStatusCode.ERROR, message: "no such item" });
load.end();
tracer
  .startSpan(
    "SELECT orders",
    { kind: SpanKind.CLIENT, links: [{ context: other }], attributes: { "db.system.name": "postgresql", "server.address": "db.local" } },
    inside,
  )
  .end();
server.end();
logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: "ERROR", body: "payment failed", context: context.active() });

const meter = meters.getMeter("orders", "1.2.3");
meter.createCounter("orders").add(3, { tier: "gold" });
const histogram = meter.createHistogram("order.latency", { unit: "ms" });
for (const value of [5, 50, 500]) histogram.record(value);
meter.createGauge("queue.depth").record(7);

await Promise.all([tracers.shutdown(), loggers.shutdown(), meters.shutdown()]);
console.log(server.spanContext().traceId);
