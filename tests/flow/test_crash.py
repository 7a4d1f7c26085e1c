"""200,000 spans, kill -9, restart: nothing acknowledged is lost, invented or doubled, and answers are exact."""
import collections
import concurrent.futures
import os
import random
import struct
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from skep import Server

SPANS, PER_REQUEST = 200_000, 500


def make_requests(seed, count):
    """OTLP requests and, beside them, what they hold."""
    random.seed(seed)
    now = time.time_ns()
    requests, spans = [], []
    for first in range(0, count, PER_REQUEST):
        service = f"service-{random.randrange(5)}"
        message = ExportTraceServiceRequest()
        resource = message.resource_spans.add()
        attribute = resource.resource.attributes.add(key="service.name")
        attribute.value.string_value = service
        scope = resource.scope_spans.add()
        for _ in range(min(PER_REQUEST, count - first)):
            span = scope.spans.add()
            trace = first // 50 * 1000 + random.randrange(40)
            span.trace_id = struct.pack(">QQ", 7, trace + 1)
            span.span_id = struct.pack(">Q", len(spans) + 1)
            span.name = f"op-{random.randrange(20)}"
            span.kind = 2
            span.start_time_unix_nano = now - random.randrange(60_000_000_000)
            duration = int(random.lognormvariate(16, 1.5))
            span.end_time_unix_nano = span.start_time_unix_nano + duration
            if random.random() < 0.1:
                span.status.code = 2
            spans.append((service, span.name, trace + 1, duration / 1e6, span.status.code == 2))
        requests.append(message.SerializeToString())
    return requests, spans


def check_answers(server, spans):
    by_service = collections.Counter(s[0] for s in spans)
    rows = server.ask("COUNT GROUP BY service.name SINCE 1h LIMIT 1000")
    assert {r["service.name"]: r["COUNT"] for r in rows} == by_service
    errors = collections.Counter(s[0] for s in spans if s[4])
    rows = server.ask("COUNT WHERE error = true GROUP BY service.name SINCE 1h")
    assert {r["service.name"]: r["COUNT"] for r in rows} == errors
    traces = collections.Counter(s[2] for s in spans)
    rows = server.ask("COUNT GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 50 SINCE 1h")
    assert [r["COUNT"] for r in rows] == [n for _, n in traces.most_common(50)]
    longest = collections.defaultdict(float)
    for s in spans:
        longest[s[1]] = max(longest[s[1]], s[3])
    rows = server.ask("MAX(duration_ms) GROUP BY name SINCE 1h")
    assert {r["name"]: r["MAX(duration_ms)"] for r in rows} == dict(longest)
    durations = sorted(s[3] for s in spans)
    row = server.ask("P50(duration_ms), P90(duration_ms), P99(duration_ms) SINCE 1h")[0]
    for op, q in (("P50", 0.5), ("P90", 0.9), ("P99", 0.99)):
        exact = durations[int(len(durations) * q)]
        assert abs(row[f"{op}(duration_ms)"] - exact) <= 0.01 * exact, (op, row, exact)


def test_kill_after_200k():
    requests, spans = make_requests(1, SPANS)
    with Server() as server:
        key = server.keys["dev"]["ingest"]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda body: server.call("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"}, key), requests))
        assert server.count("COUNT SINCE 1h") == SPANS  # all that is replied to is visible
        server.kill()
        server.restart()
        print(f"ready {server.ready_seconds:.2f} s after kill -9 with {SPANS} spans")
        check_answers(server, spans)


@pytest.mark.parametrize("seed", range(int(os.environ.get("SKEP_KILLS") or (20 if os.environ.get("SKEP_TEST_ROUNDS") == "all" else 4))))
def test_kill_while_sending(seed):
    """Acknowledged requests are all there; a request that was not answered is there wholly or not at all."""
    requests, _ = make_requests(100 + seed, 20_000)
    with Server() as server:
        key = server.keys["dev"]["ingest"]
        acknowledged = []

        def send(index):
            try:
                server.call("POST", "/v1/traces", requests[index], {"content-type": "application/x-protobuf"}, key)
                acknowledged.append(index)
                if len(acknowledged) == 5 + seed * 3 % 30:
                    server.process.kill()
            except OSError:
                pass

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(len(requests))))
        server.kill()
        server.restart()
        rows = server.ask("COUNT GROUP BY trace.span_id ORDER BY COUNT DESC LIMIT 1 SINCE 1h")
        assert not rows or rows[0]["COUNT"] == 1  # nothing twice
        stored = server.count("COUNT SINCE 1h")
        assert stored >= len(acknowledged) * PER_REQUEST and stored % PER_REQUEST == 0
        sent = [struct.unpack(">Q", s.span_id)[0] for i in acknowledged
                for s in ExportTraceServiceRequest.FromString(requests[i]).resource_spans[0].scope_spans[0].spans]
        for span_id in random.sample(sent, 20):
            assert server.count(f'COUNT WHERE trace.span_id = "{span_id:016x}" SINCE 1h') == 1
        # the sender's retry of an acknowledged request is acknowledged and not stored again
        server.call("POST", "/v1/traces", requests[acknowledged[0]], {"content-type": "application/x-protobuf"}, key)
        assert server.count("COUNT SINCE 1h") == stored
