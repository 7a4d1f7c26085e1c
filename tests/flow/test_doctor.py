"""What the doctor says, as `skep doctor --json` gives it: for each recording of a client that was set up wrong, that pain first."""
import base64
import json
import random
import socket
import subprocess
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from skep import BINARY, ROOT, Reply, Server
from wires import Http, traces

RECORDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests/data/doctor").glob("*.json"))}


def moved_protobuf(text, by_ns):
    """The recorded bytes, with all times as they would be now."""
    request = ExportTraceServiceRequest.FromString(base64.b64decode(text))
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.start_time_unix_nano = max(1, span.start_time_unix_nano + by_ns)
                span.end_time_unix_nano = max(1, span.end_time_unix_nano + by_ns)
    return request.SerializeToString()


def moved_json(value, by_ns):
    if isinstance(value, list):
        return [moved_json(item, by_ns) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: str(int(item) + by_ns) if name.lower().endswith("timeunixnano") else moved_json(item, by_ns) for name, item in value.items()}


def replay(server, record):
    keys = {f"KEY.{env}.{kind}": server.keys[env][kind] for env in ("dev", "demo") for kind in ("ingest", "full")}
    if origin := record.get("browser_key_of"):
        made = server.call("POST", "/skep/v1/keys", {"name": "page", "kind": "browser", "origins": [origin]}, key=server.keys["dev"]["full"])
        keys["KEY.browser"] = json.loads(made[1])["secret"]
    made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "old"}, key=server.keys["dev"]["full"])[1])
    server.call("DELETE", "/skep/v1/keys/" + made["id"], key=server.keys["dev"]["full"])
    keys["KEY.revoked"] = made["secret"]
    by_ns = time.time_ns() - record["recorded_ns"] + record.get("clock_s", 0) * 10**9
    for request in record["requests"]:
        if "raw_base64" in request:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
                s.sendall(base64.b64decode(request["raw_base64"]))
                s.recv(4096)
            continue
        body = None
        if "protobuf_base64" in request:
            body = moved_protobuf(request["protobuf_base64"], by_ns)
        elif "json" in request:
            body = json.dumps(moved_json(request["json"], by_ns)).encode()
        headers = {name: keys.get(value, value) for name, value in request["headers"].items()}
        try:
            server.call(request["method"], request["path"], body, headers)
        except Reply:
            pass


@pytest.mark.parametrize("name", RECORDS)
def test_a_recorded_mistake_is_named_first(name):
    record = RECORDS[name]
    with Server() as server:
        replay(server, record)
        reply = json.loads(server.cli("doctor", "--json").stdout)
        first = reply["first"]
        assert first["kind"] == record["expect"]["kind"], reply
        assert record["expect"]["fix"] in first["fix"], first
        told = server.cli("doctor").stdout
        assert first["fix"] in told and first["text"] in told
        assert not [way for way in reply["ways"] if len(way["hops"]) != 6]


def send(server, service, count):
    wire, begin = Http(server, "protobuf"), time.time_ns()
    spans = [{"name": "GET /", "start_time_unix_nano": begin + i, "end_time_unix_nano": begin + i + 1000} for i in range(count)]
    assert wire.send(wire.encode(traces(service, *spans))).status == 200


def read(text, url="http://localhost:8080"):
    done = subprocess.run([str(BINARY), "doctor", "-", "--json", "--url", url], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_read_is_named_with_its_line_and_one_fix():
    """The same as the page says of what is pasted; no server is asked."""
    for case in json.loads((ROOT / "tests/data/doctor/read/cases.json").read_text()):
        reply = read(case["text"])
        assert [f"{f['line']} {f['kind']}" for f in reply["findings"]] == case["kinds"], case
        assert reply["first"] == (reply["findings"] or [None])[0] and all(f["text"] and f["fix"] for f in reply["findings"])


def test_the_console_exporters_output_is_recognised(tmp_path):
    """As a real SDK printed it; from a file, too, and in words."""
    assert read(RECORDS["console-only"]["printed"])["first"]["kind"] == "console_only"
    path = tmp_path / "printed"
    path.write_text(RECORDS["console-only"]["printed"])
    told = subprocess.run([str(BINARY), "doctor", str(path)], capture_output=True, text=True, timeout=60).stdout
    assert "console exporter prints" in told and "OTEL_TRACES_EXPORTER=otlp" in told


def test_no_text_breaks_the_reader():
    random.seed(7)
    pieces = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "=", ":", "http://", "[::1]", "$", "${", "'", '"', ",", "- ", "\n", " #", "x-honeycomb-team",
              "/v1/traces", "add_span_processor(", '"span_id": "', "0x00f067aa0ba902b7", "O_", "OTE_", "\x00", "é", "services:", "A" * 300]
    for _ in range(40):
        read("".join(random.choice(pieces) for _ in range(random.randrange(200))).replace("\x00", ""))


def test_a_mistyped_service_name_is_named_first():
    with Server() as server:
        for service, count in (("backend-flask", 5), ("frontend-react", 3), ("shard-one1", 1), ("shard-one2", 1)):
            send(server, service, count)
        assert json.loads(server.cli("doctor", "--json").stdout)["findings"] == []
        send(server, "bakend-flask", 2)
        first, *others = json.loads(server.cli("doctor", "--json").stdout)["findings"]
        assert (first["kind"], first["subject"]) == ("near_duplicate_name", "bakend-flask") and "backend-flask" in first["text"] and not others
