"""Sends the story of ../README.md with the Python SDK over the protocol in OTEL_EXPORTER_OTLP_PROTOCOL."""
import logging
import os

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
elif protocol == "http/protobuf":
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
else:
    raise SystemExit(f"the Python SDK has no exporter for {protocol}")

tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracers)
loggers = LoggerProvider()
loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(loggers)
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
metrics.set_meter_provider(meters)

tracer = trace.get_tracer("orders", "1.2.3")
logger = logging.getLogger("orders")
logger.setLevel(logging.INFO)
logger.addHandler(LoggingHandler(logger_provider=loggers))
other = SpanContext(0x11111111222222223333333344444444, 0x5555555566666666, True, TraceFlags(1))

attributes = {"user.id": "u-1", "order.id": 42, "order.total": 1.5, "order.paid": True, "order.items": ["a", "b"]}
with tracer.start_as_current_span("GET /orders/{id}", kind=SpanKind.SERVER, attributes=attributes) as server:
    logger.info("order 42 loaded")
    with tracer.start_as_current_span("load order") as load:
        load.record_exception(ValueError("no such item"))
        load.set_status(Status(StatusCode.ERROR, "no such item"))
    with tracer.start_as_current_span("SELECT orders", kind=SpanKind.CLIENT, links=[Link(other)],
                                      attributes={"db.system.name": "postgresql", "server.address": "db.local"}):
        pass
logger.error("payment failed")

meter = metrics.get_meter("orders", "1.2.3")
meter.create_counter("orders").add(3, {"tier": "gold"})
histogram = meter.create_histogram("order.latency", unit="ms")
for value in (5, 50, 500):
    histogram.record(value)
meter.create_gauge("queue.depth").set(7)

tracers.shutdown()
loggers.shutdown()
meters.shutdown()
print(f"{server.get_span_context().trace_id:032x}")
