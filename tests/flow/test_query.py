"""The query endpoint as a client sees it: every key of the spec, both forms of one question, both forms of the answer, streams, refusals."""
import http.client
import json
import time

import pytest

from skep import Reply, Server
from wires import Http, traces

NOW = int(time.time())
START, END = NOW - 3600, NOW + 60


@pytest.fixture(scope="module")
def shop():
    with Server() as server:
        wire = Http(server, "protobuf")
        for service, ago_s in (("web", 10), ("web", 1900), ("cart", 20), ("web", 7300)):
            begin = (NOW - ago_s) * 10**9
            spans = [{"name": f"op {i % 3}", "start_time_unix_nano": begin + i, "end_time_unix_nano": begin + i + (i + 1) * 1_000_000,
                      "attributes": {"n": i, "price": i / 4, "user": f"u{i % 5}", "is_odd": bool(i % 2), **({"rare": "x"} if i == 7 else {})}}
                     for i in range(12)]
            assert wire.send(wire.encode(traces(service, *spans))).status == 200
        yield server


def post(server, body, path="/skep/v1/query", **headers):
    return json.loads(server.call("POST", path, body, headers)[1])


def refusal(server, body, path="/skep/v1/query"):
    with pytest.raises(Reply) as refused:
        post(server, body, path)
    return refused.value.status, refused.value.json()


def without_meta(answer):
    return {k: v for k, v in answer.items() if k != "meta"}


CALCULATIONS = ["COUNT", "COUNT(rare)", "CONCURRENCY", *(f"{op}({column})" for column in ("n", "price", "user") for op in (
    "SUM", "AVG", "COUNT_DISTINCT", "MAX", "MIN", "P001", "P01", "P05", "P10", "P20", "P25", "P50", "P75", "P80", "P90", "P95", "P99", "P999",
    "HEATMAP", "RATE_AVG", "RATE_SUM", "RATE_MAX"))]
FILTERS = [("user", "=", "u1"), ("user", "!=", "u1"), ("n", ">", 3), ("n", ">=", 3), ("price", "<", 1.5), ("price", "<=", 1.5),
           ("name", "starts-with", "op"), ("name", "does-not-start-with", "op"), ("name", "ends-with", "1"), ("name", "does-not-end-with", "1"),
           ("name", "contains", "p "), ("name", "does-not-contain", "p 1"), ("rare", "exists", None), ("rare", "does-not-exist", None),
           ("n", "in", [1, "2", 3.0]), ("is_odd", "not-in", [True])]


def calculation(text):
    op, _, column = text.rstrip(")").partition("(")
    return {"op": op, "column": column} if column else {"op": op}


def as_filter(column, op, value):
    return {"column": column, "op": op} | ({} if value is None else {"value": value})


def as_text(column, op, value):
    listed = "(" + ", ".join(json.dumps(v) for v in value) + ")" if isinstance(value, list) else json.dumps(value)
    return f"{column} {op}" + ("" if value is None else f" {listed}")


@pytest.mark.parametrize("joined", ["AND", "OR"])
def test_both_forms_of_a_question_have_one_answer(shop, joined):
    """All calculations and operators, each in the spec and in the text."""
    for i, condition in enumerate(FILTERS):
        filters = [condition, FILTERS[(i * 5 + 3) % len(FILTERS)]]
        spec = {"calculations": [calculation(c) for c in CALCULATIONS], "filters": [as_filter(*f) for f in filters], "filter_combination": joined,
                "breakdowns": ["user", "is_odd"], "orders": [{"op": "SUM", "column": "n", "order": "descending"}, {"column": "user"}],
                "havings": [{"calculate_op": "COUNT", "op": ">", "value": 1}], "limit": 4, "start_time": START, "end_time": END, "granularity": 60}
        text = (", ".join(CALCULATIONS) + " FROM web WHERE " + f" {joined} ".join(as_text(*f) for f in filters) + " GROUP BY user, is_odd "
                f"HAVING COUNT > 1 ORDER BY SUM(n) DESC, user LIMIT 4 SINCE {START} UNTIL {END} EVERY 60s")
        by_spec, by_text = post(shop, {"dataset": "web", "query": spec}), post(shop, {"text": text})
        assert without_meta(by_spec) == without_meta(by_text), text
        assert set(by_spec["data"]["total_by_aggregate"]) == set(CALCULATIONS)


def test_what_is_left_out(shop):
    """No calculation: COUNT. No dataset, or __all__: the environment. No time: the last two hours."""
    assert post(shop, {"query": {}})["data"]["results"] == [{"data": {"COUNT": 36}}]
    assert post(shop, {"dataset": "__all__", "query": {}})["data"] == post(shop, {"text": ""})["data"]
    assert post(shop, {"dataset": "web", "query": {}})["data"]["results"] == [{"data": {"COUNT": 24}}]
    assert post(shop, {"query": {"time_range": 3 * 3600}})["data"]["results"] == [{"data": {"COUNT": 48}}]
    assert post(shop, {"query": {"calculations": None, "filters": [], "orders": []}})["data"]["results"] == [{"data": {"COUNT": 36}}]
    assert post(shop, {"query": {"start_time": NOW - 7400, "time_range": 300}})["data"]["results"] == [{"data": {"COUNT": 12}}]
    assert post(shop, {"query": {"end_time": NOW - 1800, "time_range": 300}})["data"]["results"] == [{"data": {"COUNT": 12}}]
    as_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 7400))
    assert post(shop, {"query": {"start_time": as_time, "time_range": 300}})["data"]["results"] == [{"data": {"COUNT": 12}}]


def test_groups_totals_and_other(shop):
    answer = post(shop, {"text": "COUNT, MAX(n) GROUP BY user LIMIT 2 SINCE 2h"})
    assert answer["data"]["results"] == [{"data": {"COUNT": 9, "MAX(n)": 10, "user": "u0"}}, {"data": {"COUNT": 9, "MAX(n)": 11, "user": "u1"}}]
    assert answer["data"]["total_by_aggregate"] == {"COUNT": 36, "MAX(n)": 11}
    assert answer["data"]["other_by_aggregate"] == {"COUNT": 18, "MAX(n)": 9} and answer["meta"]["groups"] == 5
    assert sum(point["data"]["COUNT"] for point in answer["data"]["series"]) == 18
    assert answer["meta"]["rows_scanned"] >= 36 and answer["meta"]["bytes_read"] > 0 and answer["meta"]["elapsed_ms"] >= 0
    assert post(shop, {"text": "P90(n), HEATMAP(n) SINCE 2h"})["meta"]["approximate"] == ["P90(n): ±0.8 % (log buckets, 64 to the octave)"]


def test_rows_come_in_pages(shop):
    """Each row once, the newest first or the oldest, as it was sent; the question's filters and time hold."""
    for order in ("newest", "oldest"):
        seen, cursor = [], {}
        while cursor is not None:
            page = post(shop, {"text": f"COUNT FROM web WHERE n >= 2 GROUP BY n SINCE {START}", "limit": 3, "order": order, **cursor}, "/skep/v1/rows")
            seen += page["rows"]
            cursor = {"cursor": page["next"]} if page["next"] else None
            assert page["left_out"] == 0 and len(page["rows"]) <= 3
        times = [int(row["start_ns"]) for row in seen]
        assert len(seen) == 20 and times == sorted(times, reverse=order == "newest")
        assert all(row["dataset"] == "web" and row["n"] >= 2 and row["price"] == row["n"] / 4 and row["trace.trace_id"] and row["trace.span_id"] for row in seen)
    spec = {"filters": [{"column": "rare", "op": "exists"}], "start_time": START, "end_time": END}
    assert [row["rare"] for row in post(shop, {"dataset": "__all__", "query": spec}, "/skep/v1/rows")["rows"]] == ["x"] * 3
    assert post(shop, {"text": "WHERE nothing exists"}, "/skep/v1/rows")["rows"] == []
    for wrong in ({"text": "", "limit": 0}, {"text": "", "limit": 10001}, {"text": "", "order": "best"}, {"text": "", "cursor": "x"}, {"text": "", "x": 1}, {}):
        status, said = refusal(shop, wrong, "/skep/v1/rows")
        assert status == 400 and said["code"] == "bad_input", wrong


def test_the_earlier_period_stands_beside(shop):
    answer = post(shop, {"text": "COUNT FROM web SINCE 30m COMPARE 30m"})
    assert answer["data"]["results"] == [{"data": {"COUNT": 12}}] and answer["compare"]["data"]["results"] == [{"data": {"COUNT": 12}}]
    spec = {"time_range": 1800, "compare_time_offset_seconds": 7200}
    answer = post(shop, {"query": spec, "disable_series": True})
    assert answer["data"]["results"] == [{"data": {"COUNT": 24}}] and answer["compare"]["data"]["results"] == [{"data": {"COUNT": 12}}]
    assert answer["data"]["series"] == []


def test_columns_say_the_same(shop):
    text = "COUNT, AVG(price), HEATMAP(n) GROUP BY user, is_odd ORDER BY AVG(price) DESC LIMIT 3 SINCE 2h"
    rows, columns = post(shop, {"text": text})["data"], post(shop, {"text": text}, "/skep/v1/query?format=columns")
    names, calculations = columns["breakdowns"], [c["key"] for c in columns["calculations"]]

    def row(keys, values, i):
        return dict(zip(names, (k[i] for k in keys))) | dict(zip(calculations, (v[i] for v in values)))
    groups, series = columns["groups"], columns["series"]
    assert [row(groups["keys"], groups["values"], i) for i in range(groups["count"])] == [r["data"] for r in rows["results"]]
    keys = [[k[g] for g in series["group"]] for k in groups["keys"]]
    assert [row(keys, series["values"], i) for i in range(len(series["bucket"]))] == [p["data"] for p in rows["series"]]
    assert dict(zip(calculations, columns["total"])) == rows["total_by_aggregate"]


def stream(server, body):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    c.request("POST", "/skep/v1/query", json.dumps(body), {"accept": "text/event-stream", "content-type": "application/json"})
    reply = c.getresponse()
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in event.split("\n")) for event in reply.read().decode().strip().split("\n\n")]
    c.close()
    return events


def test_a_stream_ends_with_the_answer(shop):
    body = {"text": f"COUNT, P90(n) GROUP BY name SINCE {START} UNTIL {END}"}
    events = stream(shop, body)
    assert events[-1]["event"] == "result" and all(e["event"] == "progress" for e in events[:-1])
    assert json.loads(events[-1]["data"])["data"] == post(shop, body)["data"]
    events = stream(shop, {"text": "COUNT WHERE a = flask"})
    assert [e["event"] for e in events] == ["error"] and json.loads(events[0]["data"])["offset"] == 16


@pytest.mark.parametrize("body, says", [
    ({}, "give either"),
    ({"query": {}, "text": "COUNT"}, "give either"),
    ({"text": "COUNT", "dataset": "web"}, "FROM"),
    ({"query": [], "dataset": "web"}, "must be an object"),
    ({"quary": {}}, "unknown key \"quary\""),
    ({"query": {"calculation": []}}, "did you mean \"calculations\"?"),
    ({"query": {"calculations": [{"op": "P98", "column": "n"}]}}, "calculations[0]: op: \"P98\" is no calculation; did you mean"),
    ({"query": {"calculations": [{"op": "COUNT"}] * 101}}, "at most 100"),
    ({"query": {"filters": [{"column": "a", "op": "~", "value": 1}]}}, "filters[0]: op: \"~\" is no operator"),
    ({"query": {"formulas": [{"name": "x", "expression": "$a"}]}}, "not yet supported"),
    ({"query": {"calculated_fields": [{"name": "x", "expression": "1"}]}}, "not yet supported"),
    ({"query": {"orders": [{"op": "MAX", "column": "n"}]}}, "MAX(n) is not among the calculations"),
    ({"query": {"orders": [{"column": "n"}]}}, "neither a calculation nor a GROUP BY field"),
    ({"query": {"havings": [{"calculate_op": "MAX", "column": "n", "op": ">", "value": 1}]}}, "HAVING MAX(n) is not among"),
    ({"query": {"limit": 1001}}, "limit 1001 is above 1000"),
    ({"query": {"limit": 10001}, "disable_series": True}, "limit 10001 is above 10000"),
    ({"query": {"start_time": 1, "end_time": 2, "time_range": 1}}, "leave one out"),
    ({"query": {"granularity": 1, "time_range": 86400}}, "from a thousandth of the time range"),
    ({"query": {"granularity": 7201}}, "to the whole of it"),
    ({"query": {"compare_time_offset_seconds": 12345}}, "must be the time range"),
    ({"query": {"breakdowns": ["semconv.no.such"]}}, "not in the table of semantic conventions"),
    ({"text": "COUNT WHERE a = flask"}, "strings are written in double quotes"),
])
def test_refusals_say_why(shop, body, says):
    status, said = refusal(shop, body)
    assert status == 400 and says in said["error"], said


def test_refusals_of_other_kinds(shop):
    status, said = refusal(shop, {"text": "COUNT WHERE root.name = \"x\" OR name = \"y\""})
    assert status == 400 and "takes AND only" in said["error"]
    assert refusal(shop, {"text": "COUNT WHERE a = flask"})[1]["offset"] == 16
    assert refusal(shop, {"query": {}}, "/skep/v1/query?format=xml")[0] == 400
    assert refusal(shop, {"query": {}, "environment": "nowhere"})[0] == 404
    assert post(shop, {"query": {"limit": 10000}, "disable_series": True})["data"]["series"] == []
