#!/usr/bin/env python3
"""Captures what the OpenTelemetry Python SDK sends, one request per signal: python-sdk.pb of the golden inputs.

usage, in a virtual environment with opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http:
    python tests/data/capture_python_sdk.py tests/data
Ids and times are new each time: write the dumps anew afterwards (tests/unit/receive_golden.c).
"""
import http.server
import logging
import pathlib
import sys
import threading
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

bodies = {}


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        bodies.setdefault(self.path, self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def providers(base):
    resource = Resource.create({"service.name": "backend-flask", "service.version": "1.2.3",
                                "deployment.environment.name": "dev"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=base + "/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=base + "/v1/metrics"),
                                           export_interval_millis=600_000)
    exponential = View(instrument_name="db.latency", aggregation=ExponentialBucketHistogramAggregation(max_size=20))
    metrics = MeterProvider(resource=resource, metric_readers=[reader], views=[exponential])
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=base + "/v1/logs")))
    return traces, metrics, logs


def record_metrics(meter):
    meter.create_counter("requests", unit="1").add(2, {"route": "/home"})
    meter.create_up_down_counter("inflight").add(1)
    meter.create_gauge("temperature", unit="Cel").set(21.5, {"room": "a"})
    explicit = meter.create_histogram("http.server.request.duration", unit="s")
    exponential = meter.create_histogram("db.latency", unit="ms")
    for seconds in (0.01, 0.2, 3.5):
        explicit.record(seconds, {"http.route": "/home"})
        exponential.record(seconds * 100)


def write_logs(log, logger):
    log.warning("slow query: %s ms", 12)
    try:
        raise KeyError("user")
    except KeyError:
        log.exception("lookup failed")
    logger.emit(LogRecord(timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, event_name="user.login",
                          body={"user": {"id": 7, "name": "ann"}, "tags": ["x"]}, attributes={"n": 1}))


def tell_the_story(traces, metrics, logs):
    web = traces.get_tracer("opentelemetry.instrumentation.flask", "0.66b2",
                            schema_url="https://opentelemetry.io/schemas/1.44.0")
    own = traces.get_tracer("home.activities")
    log = logging.getLogger("app")
    log.addHandler(LoggingHandler(logger_provider=logs))
    logger = logs.get_logger("cruddur.logger", "2")
    with web.start_as_current_span("GET /api/activities/home", kind=SpanKind.SERVER, attributes={
            "http.request.method": "GET", "http.route": "/api/activities/home", "http.response.status_code": 200,
            "user_agent.original": "curl/8", "net.peer.port": 51234, "ok": True}) as server:
        link = Link(server.get_span_context(), {"why": "retry"})
        with own.start_as_current_span("home-activities-mock-data", links=[link], attributes={
                "app.now": "2026-11-22T17:00:00Z", "app.result_length": 3, "app.ratio": 0.75,
                "app.tags": ["a", "b"], "app.sizes": [1, 2, 3]}) as inner:
            inner.add_event("cache miss", {"key": "home"})
            record_metrics(metrics.get_meter("cruddur.meter", "1"))
            write_logs(log, logger)
        with own.start_as_current_span("fails", kind=SpanKind.CLIENT) as failing:
            try:
                raise ValueError("boom \u00e9")
            except ValueError as error:
                failing.record_exception(error)
                failing.set_status(Status(StatusCode.ERROR, "it broke"))
    logger.emit(LogRecord(timestamp=0, observed_timestamp=time.time_ns(), body="no severity, no trace"))


def main():
    out = pathlib.Path(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    all_three = providers(f"http://127.0.0.1:{server.server_port}")
    tell_the_story(*all_three)
    for provider in all_three:
        provider.shutdown()
    for signal in ("traces", "logs", "metrics"):
        (out / f"otlp-{signal}" / "python-sdk.pb").write_bytes(bodies[f"/v1/{signal}"])


main()
