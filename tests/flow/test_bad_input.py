"""Every kind of bad input, on every wire: the status the protocol names, a sentence that says what and where, good items kept."""
import gzip
import http.client
import json
import os
import socket
import time

import pytest

import wires
from skep import Reply, Server
from wires import Grpc, Http, attribute, traces

LIMIT = 64 << 20
WIRES = ["http-protobuf", "http-json", "grpc"]
DAY = 86400 * 10**9


@pytest.fixture(params=WIRES)
def wire(server, request):
    return next(w for w in wires.wires(server) if w.name == request.param)


@pytest.fixture
def service(request):
    """A dataset of the test's own: what is there afterwards came from it."""
    return "bad-" + "".join(c if c.isalnum() else "-" for c in request.node.name)


@pytest.fixture(autouse=True)
def alive(server):
    yield
    assert server.process.poll() is None, server.log_text()
    assert server.call("GET", "/readyz")[0] == 200


def refusals(server, reason):
    return [r for r in json.loads(server.cli("doctor", "--json").stdout)["refusals"] if r["reason"] == reason]


def assert_refused(server, reason, said, status):
    """Doctor holds the refusal, with the sentence that was sent, its status and what to do about it."""
    kept = [r for r in refusals(server, reason) if r["text"][:80] == said[:80]]
    assert kept, (reason, said, json.loads(server.cli("doctor", "--json").stdout)["refusals"][:3])
    assert kept[0]["status"] == status and kept[0]["count"] >= 1 and kept[0]["advice"] and kept[0]["path"]
    return kept[0]


def count_of(server, service):
    return server.count(f'COUNT FROM "{service}" SINCE 60d')


def names_of(server, service):
    return sorted(row["name"] for row in server.ask(f'COUNT FROM "{service}" GROUP BY name SINCE 59d'))


# ---- whole requests ----

def test_truncated(server, wire, service):
    whole = wire.encode(traces(service, {"name": "a"}, {"name": "b"}))
    for cut in (1, len(whole) // 2, len(whole) - 1):
        answer = wire.send(whole[:cut])
        assert answer.status == 400, (cut, answer)
        assert "byte" in answer.text or "end" in answer.text, answer
        assert "BadRequest" in answer.details, answer
    assert_refused(server, "bad_body", answer.text, 400)
    assert count_of(server, service) == 0


@pytest.mark.parametrize("framing", ["Content-Length: %d", "Transfer-Encoding: chunked"])
def test_sender_that_goes_away_in_the_middle(server, service, framing):
    """Half a request is no request: nothing of it is stored, whatever frames it."""
    body = Http(server, "protobuf").encode(traces(service, {"name": "a"}, {"name": "b"}))
    head = f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n{framing.replace('%d', str(len(body) + 1))}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.sendall(head.encode() + (b"%x\r\n%s\r\n" % (len(body), body) if "chunked" in framing else body))
        s.shutdown(socket.SHUT_WR)
        s.recv(65536)
    assert Http(server, "protobuf").send(body[:0]).status == 200
    assert count_of(server, service) == 0


def test_not_the_format_at_all(server, wire):
    for body in (b"hello, world", b"\xff" * 40, b"<html></html>"):
        answer = wire.send(body)
        assert answer.status == 400 and len(answer.text) > 20, answer


def test_truncated_compression(server, wire, service):
    whole = gzip.compress(wire.encode(traces(service, *[{"name": f"span {i}"} for i in range(50)])))
    answer = wire.send(whole[:-30], encoding="gzip")
    assert answer.status == 400 and "gzip" in answer.text, answer
    assert count_of(server, service) == 0


@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_oversized_over_http(server, form):
    """Refused by its announced length alone: the body is never waited for."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        kind = "application/x-protobuf" if form == "protobuf" else "application/json"
        s.sendall(f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        reply = http.client.HTTPResponse(s)
        reply.begin()
        answer = Http(server, form).read("traces", reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})
    assert answer.status == 413 and str(LIMIT) in answer.text and "smaller batches" in answer.text, answer
    assert_refused(server, "too_large", answer.text, 413)


def test_oversized_over_grpc(server):
    answer = Grpc(server).send_frame(b"\0" + (LIMIT + 1).to_bytes(4, "big") + bytes(1000))
    assert answer.status == 413 and str(LIMIT) in answer.text and "smaller batches" in answer.text, answer
    assert_refused(server, "too_large", answer.text, 413)


@pytest.mark.parametrize("encoding,bomb", [("gzip", wires.gzip_bomb), ("zstd", wires.zstd_bomb)])
def test_bomb(server, wire, encoding, bomb):
    body = bomb(LIMIT + (1 << 20))
    assert len(body) < 100_000
    answer = wire.send(body, encoding=encoding)
    assert answer.status == 413 and "decompressed" in answer.text and "smaller batches" in answer.text, answer
    assert_refused(server, "too_large", answer.text, 413)


def test_bomb_just_within_the_bound_is_read(server):
    """The bound is the bound: zeros of exactly that many bytes are bad protobuf, not too many."""
    answer = Http(server, "protobuf").send(wires.zstd_bomb(LIMIT), encoding="zstd")
    assert answer.status == 400, answer


def test_wrong_content_type(server, service):
    body = Http(server, "protobuf").encode(traces(service, {"name": "a"}))
    for kind in ("text/plain", "application/octet-stream", "application/msgpack", "application/json-patch+json"):
        answer = Http(server, "protobuf").send(body, content_type=kind)
        assert answer.status == 415 and kind in answer.text and "application/x-protobuf" in answer.text, answer
    kept = assert_refused(server, "wrong_content_type", answer.text, 415)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in kept["advice"]
    with pytest.raises(Reply) as e:
        server.call("POST", "/v1/traces", body, {"content-type": ""})
    assert e.value.status == 415 and "content-type header is missing" in e.value.body.decode()
    answer = Grpc(server).send_frame(b"\0\0\0\0\0", content_type="application/json")
    assert answer.status == 415, answer
    # protobuf announced as JSON, and the other way round: not the format the type names
    assert Http(server, "json").send(body).status == 400
    assert Http(server, "protobuf").send(wires.to_json(traces(service, {"name": "a"}))).status == 400
    assert count_of(server, service) == 0


def test_unknown_encoding(server, wire):
    answer = wire.send(b"whatever", encoding="br")
    assert answer.status in (400, 404) and "gzip" in answer.text and "zstd" in answer.text, answer
    assert_refused(server, "unknown_encoding", answer.text, 501 if wire.name == "grpc" else 400)


def test_wrong_path_and_method(server):
    with pytest.raises(Reply) as e:
        server.call("POST", "/v1/trace", b"{}", {"content-type": "application/json"})
    assert e.value.status == 404 and "did you mean /v1/traces" in e.value.json()["message"]
    kept = assert_refused(server, "wrong_path", e.value.json()["message"], 404)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in kept["advice"]
    for path in ("/v1/traces/", "/v1/traces/v1/traces"):  # what SDKs make of a per-signal endpoint is plain enough
        assert server.call("POST", path, b"{}", {"content-type": "application/json"})[0] == 200
    with pytest.raises(Reply) as e:
        server.call("GET", "/v1/traces")
    assert e.value.status == 405 and "POST" in e.value.headers["allow"]


def test_empty_request_is_fine(server, wire):
    answer = wire.send(b"{}" if wire.name == "http-json" else b"")
    assert (answer.status, answer.rejected, answer.text) == (200, 0, "")


# ---- single items: the rest of the request is kept ----

def assert_one_left_out(server, wire, service, answer, *said, reason="dropped_items"):
    assert answer.status == 200 and answer.rejected == 1, answer
    for part in said:
        assert part in answer.text, (part, answer)
    assert names_of(server, service) == ["good 1", "good 2"]
    kept = [r for r in refusals(server, reason) if r["service"] == service]
    assert kept and kept[0]["count"] == 1 and kept[0]["environment"] == "dev" and said[0] in kept[0]["text"], kept


@pytest.mark.parametrize("field,fields,sentence", [
    ("traceId", {"trace_id": bytes(16)}, "zero"), ("spanId", {"span_id": bytes(8)}, "zero"),
    ("traceId", {"trace_id": b"\x01" * 15}, "16 bytes"), ("spanId", {"span_id": b"\x01" * 9}, "8 bytes"),
    ("traceId", {"trace_id": b""}, "16 bytes"), ("spanId", {"span_id": b""}, "8 bytes")],
    ids=["zero-trace", "zero-span", "short-trace", "long-span", "no-trace", "no-span"])
def test_bad_ids(server, wire, service, field, fields, sentence):
    body = wire.encode(traces(service, {"name": "good 1"}, {"name": "bad", **fields}, {"name": "good 2"}))
    assert_one_left_out(server, wire, service, wire.send(body), f"resourceSpans[0].scopeSpans[0].spans[1].{field}", sentence)


def nested(depth):
    value = attribute("k", 1).value
    for _ in range(depth):
        outer = attribute("k", "").value
        outer.kvlist_value.values.add(key="k").value.CopyFrom(value)
        value = outer
    return value


def test_deep_nesting(server, wire, service):
    request = traces(service, {"name": "good 1"}, {"name": "bad"}, {"name": "good 2", "attributes": {"a": 1}})
    request.resource_spans[0].scope_spans[0].spans[1].attributes.add(key="deep").value.CopyFrom(nested(33))
    request.resource_spans[0].scope_spans[0].spans[2].attributes.add(key="deep").value.CopyFrom(nested(6))
    answer = wire.send(wire.encode(request))
    assert_one_left_out(server, wire, service, answer, "resourceSpans[0].scopeSpans[0].spans[1]", "32 levels")


@pytest.mark.parametrize("depth", [200, 100_000])
def test_nesting_as_an_attack(server, wire, depth):
    if wire.name == "http-json":
        body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"k","value":' \
            + b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth + b"}]}]}]}]}"
    else:
        body = b""
        for _ in range(depth if depth < 1000 else 5000):  # AnyValue.array_value.values
            body = b"\x0a" + varint(len(body)) + body
            body = b"\x2a" + varint(len(body)) + body
        body = b"\x0a\x01k\x12" + varint(len(body)) + body
        for tag in (b"\x4a", b"\x12", b"\x12", b"\x0a"):  # attributes, spans, scope_spans, resource_spans
            body = tag + varint(len(body)) + body
    answer = wire.send(body)
    assert answer.status == 400 or (answer.status == 200 and answer.rejected == 1), answer


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def test_mistyped_json(server, service):
    wire = Http(server, "json")
    request = json.loads(wire.encode(traces(service, {"name": "good 1"}, {"name": "bad"}, {"name": "good 2"})))
    span = request["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
    span["startTimeUnixNano"] = {"seconds": 5}
    assert_one_left_out(server, wire, service, wire.send(json.dumps(request).encode()),
                        "resourceSpans[0].scopeSpans[0].spans[1]", "startTimeUnixNano")
    request["resourceSpans"][0]["scopeSpans"] = "none"
    answer = wire.send(json.dumps(request).encode())
    assert answer.status == 400 and answer.text == 'resourceSpans[0].scopeSpans is "none"; it must be an array', answer
    assert_refused(server, "bad_body", answer.text, 400)


def test_mistyped_protobuf(server, service):
    """A field with another wire type than its own is unknown to protobuf; a group has no end."""
    for wire in (Http(server, "protobuf"), Grpc(server)):
        assert wire.send(b"\x08\x05").status == 200  # resource_spans as a varint: skipped as unknown
        answer = wire.send(b"\x0b\x08\x05")
        assert answer.status == 400 and "byte" in answer.text, answer


def test_invalid_utf8(server, wire, service):
    """What cannot be text is replaced, and marked; nothing is lost."""
    body = wire.encode(traces(service, {"name": "good 1"}, {"name": "mark XXXX", "attributes": {"k": "XXXX"}}))
    answer = wire.send(body.replace(b"XXXX", b"\xff\xfe\xc3("))
    assert answer.status == 200 and answer.rejected == 0, answer
    rows = server.ask(f'COUNT FROM "{service}" GROUP BY name, k, meta.invalid_utf8')
    bad = next(row for row in rows if row["name"] != "good 1")
    assert "\ufffd" in bad["name"] and "\ufffd" in bad["k"] and len(rows) == 2
    if wire.name != "http-json":
        assert bad["meta.invalid_utf8"] is True


def test_negative_duration(server, wire, service):
    now = time.time_ns()
    body = wire.encode(traces(service, {"name": "backwards", "start_time_unix_nano": now, "end_time_unix_nano": now - 10**9},
                              {"name": "good"}))
    answer = wire.send(body)
    assert (answer.status, answer.rejected) == (200, 0), answer
    rows = {row["name"]: row for row in server.ask(f'MAX(duration_ms), COUNT FROM "{service}" GROUP BY name, meta.invalid_duration')}
    assert rows["backwards"]["MAX(duration_ms)"] == 0 and rows["backwards"]["meta.invalid_duration"] is True
    assert rows["good"]["MAX(duration_ms)"] == 5


def test_far_past(server, wire, service):
    old = time.time_ns() - 61 * DAY
    body = wire.encode(traces(service, {"name": "good 1"}, {"name": "old", "start_time_unix_nano": old, "end_time_unix_nano": old + 10**6},
                              {"name": "good 2"}))
    answer = wire.send(body)
    stamp = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(old / 1e9))
    assert_one_left_out(server, wire, service, answer, "retention", stamp, "60 days", "clock", reason="too_old")


def test_no_time_at_all_is_now(server, wire, service):
    assert wire.send(wire.encode(traces(service, {"name": "timeless", "start_time_unix_nano": 0, "end_time_unix_nano": 0}))).status == 200
    assert server.count(f'COUNT FROM "{service}" SINCE 1m') == 1


@pytest.mark.parametrize("ahead", [2 * 3600 * 10**9, 40 * 365 * DAY])
def test_far_future(server, wire, service, ahead):
    now = time.time_ns()
    late = now + ahead
    body = wire.encode(traces(service, {"name": "ahead", "start_time_unix_nano": late, "end_time_unix_nano": late + 7_000_000},
                              {"name": "soon", "start_time_unix_nano": now + 60 * 10**9, "end_time_unix_nano": now + 61 * 10**9}))
    answer = wire.send(body)
    assert (answer.status, answer.rejected) == (200, 0), answer
    rows = server.ask(f'COUNT, MAX(duration_ms) FROM "{service}" WHERE meta.original_time exists GROUP BY name, meta.original_time SINCE 1m')
    assert [(row["name"], row["MAX(duration_ms)"]) for row in rows] == [("ahead", 7)], rows
    assert rows[0]["meta.original_time"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(late // 10**9)))
    assert server.count(f'COUNT FROM "{service}" WHERE meta.original_time does-not-exist SINCE 1m UNTIL {int(now / 1e9) + 120}') == 1


def test_too_many_and_too_long_names(server, wire, service):
    many = {f"attribute.{i}": i for i in range(2001)}
    body = wire.encode(traces(service, {"name": "good 1"}, {"name": "many", "attributes": many}, {"name": "good 2"}))
    assert_one_left_out(server, wire, service, wire.send(body), "resourceSpans[0].scopeSpans[0].spans[1]", "2,000")
    answer = wire.send(wire.encode(traces(service + "-long", {"name": "long", "attributes": {"n" * 1025: 1}}, {"name": "good"})))
    assert answer.rejected == 1 and "1,024" in answer.text, answer
    assert names_of(server, service + "-long") == ["good"]


def test_bad_data_point_and_log_record(server):
    """The other two signals keep their good items, too."""
    for wire in wires.wires(server):
        service = "bad-signals-" + wire.name
        metrics = wires.ExportMetricsServiceRequest()
        resource = metrics.resource_metrics.add()
        resource.resource.attributes.append(attribute("service.name", service))
        metric = resource.scope_metrics.add().metrics.add(name="latency", unit="ms")
        metric.histogram.aggregation_temporality = 2
        for counts in ([1, 2, 3], [1, 2]):
            metric.histogram.data_points.add(time_unix_nano=time.time_ns(), count=sum(counts), bucket_counts=counts, explicit_bounds=[1, 2])
        answer = wire.send(wire.encode(metrics), signal="metrics")
        assert answer.rejected == 1 and "dataPoints[1]" in answer.text, answer
        assert server.count(f'COUNT FROM metrics WHERE service.name = "{service}"') == 1

        logs = wires.ExportLogsServiceRequest()
        resource = logs.resource_logs.add()
        resource.resource.attributes.append(attribute("service.name", service))
        records = resource.scope_logs.add().log_records
        records.add(time_unix_nano=time.time_ns()).body.string_value = "kept"
        records.add(time_unix_nano=time.time_ns()).body.string_value = "dropped"
        records[1].attributes.add(key="deep").value.CopyFrom(nested(40))
        records.add(time_unix_nano=time.time_ns(), trace_id=bytes(16)).body.string_value = "kept without ids"
        answer = wire.send(wire.encode(logs), signal="logs")
        assert answer.rejected == 1 and "logRecords[1]" in answer.text, answer
        rows = server.ask(f'COUNT FROM "{service}" GROUP BY body')
        assert sorted(row["body"] for row in rows) == ["kept", "kept without ids"]


def test_many_reasons_in_one_request(server, wire, service):
    """One sentence a reason, with the number of like cases."""
    spans = [{"name": "bad", "trace_id": bytes(16)} for _ in range(3)] + [{"name": "bad", "span_id": bytes(8)}]
    answer = wire.send(wire.encode(traces(service, {"name": "good 1"}, *spans, {"name": "good 2"})))
    assert answer.rejected == 4 and "traceId" in answer.text and "spanId" in answer.text and "2 more" in answer.text, answer
    assert names_of(server, service) == ["good 1", "good 2"]


# ---- keys ----

def test_bad_keys(server, wire, service):
    admin = server.keys["dev"]["full"]
    made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "to be revoked"}, key=admin)[1])
    body = wire.encode(traces(service, {"name": "a"}))
    assert wire.send(body, key=made["secret"]).status == 200
    server.call("DELETE", f"/skep/v1/keys/{made['id']}", key=admin)
    unknown = "hcxik_" + os.urandom(29).hex()
    for key, reason, said in ((unknown, "unknown_key", "unknown API key"), (made["secret"], "revoked_key", "revoked"),
                              ("", "empty_key", "empty"), ("${HONEYCOMB_API_KEY}", "literal_variable_key", "${"),
                              ("$HONEYCOMB_API_KEY", "literal_variable_key", "variable")):
        answer = wire.send(wire.encode(traces(service, {"name": "never"})), key=key)
        assert answer.status == 401, (reason, answer)
        assert said in answer.text and len(answer.text) > 20, (reason, answer)
        kept = assert_refused(server, reason, answer.text, 401)
        assert len(key) < 20 or key not in json.dumps(kept), "doctor holds the key itself"
    for scheme in ({"authorization": f"Bearer {unknown}"}, {"authorization": "Basic eDp5"}):
        assert wire.send(body, headers=scheme).status == 401
    assert names_of(server, service) == ["a"]
    assert unknown not in server.cli("doctor", "--json").stdout


def test_a_key_reaches_its_own_environment_only(server):
    made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "asks", "kind": "query"}, key=server.keys["dev"]["full"])[1])
    for ask in (lambda: server.ask("COUNT", "demo", key=made["secret"]), lambda: server.get("/skep/v1/fields", key=made["secret"], environment="demo")):
        with pytest.raises(Reply) as e:
            ask()
        said = e.value.json()["error"]
        assert e.value.status == 403 and "environment dev" in said and "demo" in said
    assert assert_refused(server, "wrong_environment", said, 403)["count"] == 1
    server.ask("COUNT", "dev", key=made["secret"])
    for may_not in (lambda: server.call("POST", "/v1/traces", {}, key=made["secret"]), lambda: server.call("GET", "/skep/v1/keys", key=made["secret"])):
        with pytest.raises(Reply) as e:
            may_not()
        assert e.value.status == 403 and 'key "asks"' in str(e.value.json())
    assert made["kind"] == "query"
    with pytest.raises(Reply) as e:
        server.call("GET", "/1/auth", headers={"x-honeycomb-team": "never-seen-key-never-seen"})
    assert_refused(server, "unknown_key", e.value.json()["error"], 401)


def test_full_memory_is_said_to_pass():
    """Over the bound: 503 with Retry-After, UNAVAILABLE with RetryInfo; what is under way goes on, and later all is well."""
    with Server("--memory-max", "24MiB") as server:
        head = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
        big = Http(server, "protobuf").encode(traces("big", {"name": "a", "attributes": {"text": "x" * (9 << 20)}}))
        with socket.create_connection(("127.0.0.1", server.port), 20) as held:
            held.sendall(head % len(big) + big[:-1])
            deadline = time.monotonic() + 10
            while (answer := Http(server, "protobuf").send(big)).status != 503:
                assert time.monotonic() < deadline, answer
            assert answer.headers["retry-after"] == "1" and "memory" in answer.text, answer
            assert_refused(server, "no_memory", answer.text, 503)
            answer = Grpc(server).send(big)
            assert answer.status == 503 and "RetryInfo" in answer.details, answer
        assert Http(server, "json").send(b"{}").status == 200


def test_refusals_are_counted(server):
    before = server.call("GET", "/metrics")[1].decode()
    assert 'skep_refused_total{reason="bad_body"}' in before
