"""OTLP by hand: requests that no SDK would send, over HTTP protobuf, HTTP JSON and gRPC, with one form of reply."""
import base64
import gzip
import http.client
import json
import os
import socket
import struct
import time
import urllib.parse

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # noqa: F401  the details of a Status are of the first
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from transport import Http2

HTTP_OF = {"INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 413, "OK": 200,
           "UNAVAILABLE": 503, "UNIMPLEMENTED": 404}
SERVICE = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService", "metrics": "metrics.v1.MetricsService"}
REPLY = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}
REJECTED = {"traces": "rejected_spans", "logs": "rejected_log_records", "metrics": "rejected_data_points"}


class Answer:
    """What came back: the HTTP status (of gRPC the one that stands for it), the sentence, the number of rejected items."""

    def __init__(self, status, text="", rejected=0, details=(), headers=None):
        self.status, self.text, self.rejected, self.details, self.headers = status, text, rejected, details, headers or {}

    def __repr__(self):
        return f"Answer({self.status}, {self.text!r}, rejected={self.rejected}, {self.details})"


def attribute(key, value):
    kind = {bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}.get(type(value), "string_value")
    return KeyValue(key=key, value=AnyValue(**{kind: value}))


def traces(service, *spans):
    """Each span is a dictionary: fields of Span; attributes as a dictionary. Ids and times are made where they are not given."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(attribute("service.name", service))
    scope = resource.scope_spans.add()
    for fields in spans:
        fields = dict(fields)
        attributes = fields.pop("attributes", {})
        now = time.time_ns()
        whole = {"trace_id": os.urandom(16), "span_id": os.urandom(8), "start_time_unix_nano": now - 10**9,
                 "end_time_unix_nano": now - 10**9 + 5_000_000, "kind": 2, **fields}
        scope.spans.add(**whole).attributes.extend(attribute(k, v) for k, v in attributes.items())
    return request


def to_json(request):
    """OTLP's JSON mapping: ids in hex, the rest as protobuf's."""
    def walk(node):
        if isinstance(node, dict):
            return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else walk(v) for k, v in node.items()}
        return [walk(v) for v in node] if isinstance(node, list) else node
    return json.dumps(walk(json_format.MessageToDict(request, use_integers_for_enums=True))).encode()


def partial(signal, reply):
    return reply.partial_success.error_message, getattr(reply.partial_success, REJECTED[signal])


class Http:
    def __init__(self, server, form):
        self.server, self.form = server, form
        self.name = f"http-{form}"

    def encode(self, request):
        return request.SerializeToString() if self.form == "protobuf" else to_json(request)

    def send(self, body, signal="traces", key=None, headers=None, encoding=None, content_type=None):
        wire = {"content-type": content_type or ("application/x-protobuf" if self.form == "protobuf" else "application/json")}
        if encoding:
            wire["content-encoding"] = encoding
        if key is not None:
            wire["x-honeycomb-team"] = key
        wire.update(headers or {})
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            c.request("POST", f"/v1/{signal}", body=body, headers=wire)
            reply = c.getresponse()
            return self.read(signal, reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})
        finally:
            c.close()

    def read(self, signal, status, body, headers):
        is_protobuf = "protobuf" in headers.get("content-type", "")
        if status == 200 and is_protobuf:
            return Answer(200, *partial(signal, REPLY[signal].FromString(body)), headers=headers)
        if status == 200:
            return Answer(200, *partial(signal, json_format.Parse(body, REPLY[signal]())), headers=headers)
        if is_protobuf:
            said = status_pb2.Status.FromString(body)
            details = [d.type_url.rsplit(".", 1)[-1] for d in said.details]
        else:
            said = json.loads(body)
            details = [d["@type"].rsplit(".", 1)[-1] for d in said.get("details", [])]
            return Answer(status, said.get("message") or said.get("error"), details=details, headers=headers)
        return Answer(status, said.message, details=details, headers=headers)


class Grpc:
    name = "grpc"

    def __init__(self, server):
        self.server = server
        self.options = [("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]

    def encode(self, request):
        return request.SerializeToString()

    def send(self, body, signal="traces", key=None, headers=None, encoding=None, content_type=None):
        assert content_type is None
        if encoding:  # grpcio compresses by itself; these bytes are already compressed
            return self.send_frame(struct.pack(">BI", 1, len(body)) + body, signal, key, {"grpc-encoding": encoding})
        metadata = [("x-honeycomb-team", key)] if key is not None else []
        metadata += [(k, v) for k, v in (headers or {}).items()]
        with grpc.insecure_channel(f"127.0.0.1:{self.server.port}", self.options) as channel:
            call = channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICE[signal]}/Export",
                                       request_serializer=bytes, response_deserializer=bytes)
            try:
                reply = call(body, metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                details = []
                for name, value in error.trailing_metadata() or ():
                    if name == "grpc-status-details-bin":
                        details = [d.type_url.rsplit(".", 1)[-1] for d in status_pb2.Status.FromString(value).details]
                return Answer(HTTP_OF.get(error.code().name, error.code().name), error.details(), details=details)
        return Answer(200, *partial(signal, REPLY[signal].FromString(reply)))

    def send_frame(self, frame, signal="traces", key=None, headers=None, content_type="application/grpc"):
        """One gRPC frame byte by byte, as it is."""
        with socket.create_connection(("127.0.0.1", self.server.port), 60) as s:
            c = Http2(s)
            more = {k.replace("-", "_"): v for k, v in (headers or {}).items()}
            if key is not None:
                more["x_honeycomb_team"] = key
            reply = c.get("POST", f"/opentelemetry.proto.collector.{SERVICE[signal]}/Export", frame, content_type=content_type,
                          te="trailers", **more)
        last = reply["trailers"] or reply["headers"] or {}
        if "grpc-status" not in last:
            return Answer(int(reply["headers"][":status"]), reply["body"].decode(errors="replace"))
        code = {v.value[0]: v.name for v in grpc.StatusCode}[int(last["grpc-status"])]
        if code == "OK":
            return Answer(200, *partial(signal, REPLY[signal].FromString(reply["body"][5:])))
        return Answer(HTTP_OF.get(code, code), urllib.parse.unquote(last.get("grpc-message", "")))


def wires(server):
    return [Http(server, "protobuf"), Http(server, "json"), Grpc(server)]


def gzip_bomb(bytes_out):
    return gzip.compress(bytes(bytes_out), 9)


def zstd_bomb(bytes_out):
    """A frame of run-length blocks (RFC 8878 §3.1.1): four bytes stand for 128 KiB."""
    out = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x38"  # no content size, a window of 128 KiB
    block, count = 128 * 1024, bytes_out // (128 * 1024)
    for i in range(count):
        out += struct.pack("<I", int(i == count - 1) | 1 << 1 | block << 3)[:3] + b"\x00"
    return out
