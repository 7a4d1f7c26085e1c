"""The skeleton of a trace and the details of one span say what the whole trace says."""
import json
import time

import pytest

from skep import Reply, Server

TRACE = "5b8efff798038103d269b633813fc60c"
START = (time.time_ns() - 60 * 10**9) // 1000 * 1000


def span(number, parent, start_ms, length_ms, **more):
    return {"traceId": TRACE, "spanId": f"{number:016x}", "parentSpanId": f"{parent:016x}" if parent else "", "name": f"op {number % 3}", "kind": 1 + number % 5,
            "startTimeUnixNano": str(START + start_ms * 10**6), "endTimeUnixNano": str(START + (start_ms + length_ms) * 10**6), **more}


def resource(service, host=None):
    said = {"service.name": service} | ({"host.name": host} if host else {})
    return {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in said.items()]}


SPANS = {
    ("web", "a"): [span(1, 0, 0, 100), span(2, 1, 10, 50, events=[{"timeUnixNano": str(START + 20 * 10**6), "name": "retry"}]),
                   span(3, 1, 70, 20, status={"code": 2, "message": "no"}, links=[{"traceId": "ab" * 16, "spanId": "cd" * 8}])],
    ("api", "b"): [span(4, 2, 15, 30), span(5, 99, 40, 5), span(6, 98, 41, 5), span(7, 4, 15, 7)],
    ("ü " + "x" * 300, None): [span(8, 4, 30, 1)],
}
LINE = "é" * 150


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        body = {"resourceSpans": [{"resource": resource(*who), "scopeSpans": [{"spans": spans}]} for who, spans in SPANS.items()]}
        server.call("POST", "/v1/traces", body)
        lines = [{"timeUnixNano": str(START + 16 * 10**6), "severityNumber": 17, "body": {"stringValue": LINE}, "traceId": TRACE, "spanId": f"{4:016x}"}]
        server.call("POST", "/v1/logs", {"resourceLogs": [{"resource": resource("api"), "scopeLogs": [{"logRecords": lines}]}]})
        yield server


def test_the_skeleton_says_what_the_whole_says(server):
    whole, columns = server.get(f"/skep/v1/traces/{TRACE}"), server.get(f"/skep/v1/traces/{TRACE}", format="columns")
    spans = [s for s in whole["spans"] if "trace.span_id" in s]
    ids = [s["trace.span_id"] for s in spans]
    missing = whole["missing_parents"]
    assert columns["count"] == len(spans) == 8 and columns["missing_parents"] == missing == [f"{98:016x}", f"{99:016x}"]
    assert int(columns["start_ns"]) == START
    kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"]
    for i, s in enumerate(spans):
        parent = s.get("trace.parent_id")
        above = -1 if parent is None else ids.index(parent) if parent in ids else -2 - missing.index(parent)
        assert columns["parent"][i] == above
        assert columns["start_us"][i] == (int(s["start_ns"]) - START) // 1000
        assert columns["duration_us"][i] == round(s["duration_ms"] * 1000) and columns["self_us"][i] == round(s["meta.self_ms"] * 1000)
        assert columns["services"][columns["service"][i]] == s["service.name"] and columns["names"][columns["name"][i]] == s["name"]
        assert columns["hosts"][columns["host"][i]] == s.get("host.name", "")
        flags = columns["flags"][i]
        assert (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0) == (s.get("error", False), s["meta.is_critical"], False)
        assert kinds[flags >> 3] == s["span.kind"]
    assert any(f & 2 for f in columns["flags"]) and sum(f & 1 for f in columns["flags"]) == 1


def test_events_links_and_logs_are_light_rows(server):
    notes = server.get(f"/skep/v1/traces/{TRACE}", format="columns")["notes"]
    ids = [s["trace.span_id"] for s in server.get(f"/skep/v1/traces/{TRACE}")["spans"] if "trace.span_id" in s]
    rows = {notes["kind"][i]: (ids[notes["span"][i]], notes["time_us"][i], notes["severity"][i], notes["text"][i]) for i in range(len(notes["span"]))}
    assert rows == {0: (f"{2:016x}", 20_000, 0, "retry"), 1: (f"{3:016x}", 70_000, 0, "ab" * 16), 2: (f"{4:016x}", 16_000, 17, LINE[:100])}
    assert notes["left_out"] == 0


def test_one_span_has_its_fields_and_what_hangs_on_it(server):
    whole = server.get(f"/skep/v1/traces/{TRACE}")["spans"]
    spans = [s for s in whole if "trace.span_id" in s]
    for i, s in enumerate(spans):
        asked = server.get(f"/skep/v1/traces/{TRACE}", index=i)
        assert asked == server.get(f"/skep/v1/traces/{TRACE}", span=s["trace.span_id"].upper())
        assert asked["span"] == s and asked["index"] == i and asked["left_out"] == 0
        hanging = [r for r in whole if "trace.span_id" not in r and r.get("trace.parent_id") == s["trace.span_id"]]
        assert sorted(map(json.dumps, asked["events"] + asked["links"] + asked["logs"])) == sorted(map(json.dumps, hanging))
    assert [e["name"] for e in server.get(f"/skep/v1/traces/{TRACE}", span=f"{2:016x}")["events"]] == ["retry"]
    assert [e["body"] for e in server.get(f"/skep/v1/traces/{TRACE}", span=f"{4:016x}")["logs"]] == [LINE]


def test_spans_are_found_by_any_field_of_theirs_and_of_what_hangs_on_them(server):
    def found(text):
        return [ids[i] for i in server.get(f"/skep/v1/traces/{TRACE}", find=text)["found"]]

    spans = [s for s in server.get(f"/skep/v1/traces/{TRACE}")["spans"] if "trace.span_id" in s]
    ids = [s["trace.span_id"] for s in spans]
    for s in spans:
        holding = [t["trace.span_id"] for t in spans if t["name"] == s["name"] and t["service.name"] == s["service.name"]]
        assert set(holding) <= set(found(f"NAME={s['name']} service.name={s['service.name']}"))
        assert found(s["trace.span_id"].upper()) == [s["trace.span_id"]]
    assert found("retry") == [f"{2:016x}"]        # its event
    assert found(LINE.split()[0] + " body=") == [f"{4:016x}"]  # its log line
    assert found("there is no such word") == []


@pytest.mark.parametrize("query, status, part", [
    ({"find": ""}, 400, "find takes the words"), ({"find": "a " * 17}, 400, "at most 16 words"), ({"find": "a", "index": 1}, 400, "one of"),
    ({"format": "rows"}, 400, 'format is "columns" or absent'), ({"span": "xyz"}, 400, "is not a span id"), ({"span": "0" * 15 + "f"}, 404, "has no span"),
    ({"index": "8"}, 404, "the trace has 8 spans, none at 8"), ({"index": "x"}, 400, "index takes a number"), ({"index": 1, "format": "columns"}, 400, "one of")])
def test_what_cannot_be_is_said(server, query, status, part):
    with pytest.raises(Reply) as refused:
        server.get(f"/skep/v1/traces/{TRACE}", **query)
    assert refused.value.status == status and part in refused.value.json()["error"]
