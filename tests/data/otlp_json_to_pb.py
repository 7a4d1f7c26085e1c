#!/usr/bin/env python3
"""Writes canonical.pb beside each canonical.json with Google's protobuf library: a second opinion on the JSON mapping.

usage, in a virtual environment with opentelemetry-proto:  python tests/data/otlp_json_to_pb.py
The unit test receive_golden expects both files of a pair to decode to the same rows.
"""
import base64
import json
import pathlib

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HERE = pathlib.Path(__file__).parent
REQUESTS = {"otlp-traces": ExportTraceServiceRequest, "otlp-logs": ExportLogsServiceRequest,
            "otlp-metrics": ExportMetricsServiceRequest}
IDS = {"traceId", "spanId", "parentSpanId"}


def with_base64_ids(value):
    """protobuf's own JSON wants ids in base64, OTLP's has them in hex."""
    if isinstance(value, list):
        return [with_base64_ids(v) for v in value]
    if isinstance(value, dict):
        return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in IDS else with_base64_ids(v) for k, v in value.items()}
    return value


for name, request in REQUESTS.items():
    text = json.loads((HERE / name / "canonical.json").read_text())
    message = json_format.ParseDict(with_base64_ids(text), request(), ignore_unknown_fields=True)
    (HERE / name / "canonical.pb").write_bytes(message.SerializeToString(deterministic=True))
