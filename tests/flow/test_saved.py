"""What people keep in the server: stored results, history, saved queries, markers: they outlive the events, restarts and kill -9."""
import json
import time

import pytest

from skep import Reply, Server


def send(server, count, name="op", age_s=60, key=None):
    """`count` spans, of two services."""
    start = time.time_ns() - age_s * 1_000_000_000
    spans = [{"traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "name": name, "kind": 2, "startTimeUnixNano": str(start + i),
              "endTimeUnixNano": str(start + i + (i % 7 + 1) * 1_000_000), "status": {"code": 2 if i % 5 == 0 else 1}} for i in range(count)]
    resources = [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}, "scopeSpans": [{"spans": part}]}
                 for service, part in (("front", spans[::2]), ("back", spans[1::2]))]
    server.call("POST", "/v1/traces", {"resourceSpans": resources}, key=key or server.keys["dev"]["ingest"])


def refusal(call, *arguments, **named):
    with pytest.raises(Reply) as e:
        call(*arguments, **named)
    return e.value


def keep(server, question, key=None, path="/skep/v1/results", **more):
    return json.loads(server.call("POST", path, {"question": question, **more}, key=key)[1])


def answer_bytes(server, kept_id, key=None):
    """The whole reply, and the answer in it as it stands there."""
    text = server.call("GET", f"/skep/v1/results/{kept_id}", key=key)[1]
    assert text.endswith(b"}") and text.count(b'"answer":') == 1
    return text, text.split(b'"answer":', 1)[1][:-1]


GROUPED = {"text": "COUNT, P90(duration_ms), HEATMAP(duration_ms) GROUP BY service.name, name SINCE 1h"}


# ---- stored results ----

def test_a_result_outlives_its_events_restarts_and_crashes():
    with Server() as server:
        send(server, 200)
        kept = keep(server, GROUPED, state={"chart": "stacked", "zoom": [1, 2.50]})
        assert len(kept["id"]) == 11 and kept["id"].isalnum() and kept["by"] == "local" and kept["kind"] == "query"
        odd = {"selection": {"filters": [{"column": "error", "op": "=", "value": True}]}, "text": "COUNT SINCE 1h"}
        differs = keep(server, odd, kind="differences")
        columns = keep(server, {"text": "COUNT SINCE 1h"}, path="/skep/v1/results?format=columns")
        before = {k["id"]: answer_bytes(server, k["id"]) for k in (kept, differs, columns)}
        held = json.loads(before[kept["id"]][0])
        assert held["question"] == GROUPED and held["state"] == {"chart": "stacked", "zoom": [1, 2.5]} and held["environment"] == "dev"
        assert b'"state":{"chart": "stacked", "zoom": [1, 2.5]}' in before[kept["id"]][0]
        assert sum(r["data"]["COUNT"] for r in held["answer"]["data"]["results"]) == 200
        assert json.loads(before[differs["id"]][1])["fields"]
        send(server, 300, name="later")
        server.kill()
        server.restart()
        assert server.count("COUNT SINCE 1h") == 500
        assert {i: answer_bytes(server, i) for i in before} == before
        server.call("DELETE", "/skep/v1/data?environment=dev", key=server.keys["dev"]["full"])
        server.stop()
        server.restart()
        assert server.count("COUNT SINCE 1h") == 0
        assert {i: answer_bytes(server, i) for i in before} == before
        listed = server.get("/skep/v1/results")["results"]
        assert [r["id"] for r in listed] == [columns["id"], differs["id"], kept["id"]] and "answer" not in listed[0]


def test_results_are_of_their_environment(server):
    send(server, 10)
    dev, demo = server.keys["dev"]["full"], server.keys["demo"]["full"]
    kept = keep(server, {"text": "COUNT SINCE 1h", "environment": "dev"}, key=dev)
    assert kept["by"].startswith("hcx")
    query_key = json.loads(server.call("POST", "/skep/v1/keys", {"environment": "demo", "name": "q", "kind": "query"}, key=demo)[1])["secret"]
    assert refusal(server.get, f"/skep/v1/results/{kept['id']}", key=query_key).status == 404
    no = refusal(keep, server, {"text": "COUNT"}, key=query_key)
    assert no.status == 403 and "save" in no.json()["error"]
    no = refusal(server.get, f"/skep/v1/results/{kept['id']}", key=server.keys["dev"]["ingest"])
    assert no.status == 403
    made = json.loads(server.call("POST", "/skep/v1/environments", {"name": "brief"}, key=dev)[1])
    brief = keep(server, {"text": "COUNT SINCE 1h", "environment": made["slug"]}, key=dev)
    server.call("DELETE", "/skep/v1/environments/brief", key=dev)
    assert refusal(server.get, f"/skep/v1/results/{brief['id']}", key=dev).status == 404
    assert server.call("DELETE", f"/skep/v1/results/{kept['id']}", key=dev)[0] == 204
    assert refusal(server.get, f"/skep/v1/results/{kept['id']}", key=dev).status == 404
    assert refusal(server.call, "DELETE", f"/skep/v1/results/{kept['id']}", key=dev).status == 404


@pytest.mark.parametrize("body,said", [
    ({}, '"question" is missing: the body that POST /skep/v1/query takes'),
    ({"kind": "differences"}, "POST /skep/v1/differences takes"),
    ({"kind": "rows", "question": {"text": "COUNT"}}, '"kind" is "query"'),
    ({"question": "COUNT"}, '"question" must be an object'),
    ({"question": {"text": "COUNT"}, "state": []}, '"state" must be an object'),
    ({"question": {"text": "COUNT"}, "answer": {}}, 'unknown key "answer"'),
    ({"question": {"text": "COUNT", "query": {}}}, 'either "query" (a spec) or "text"'),
    ({"question": {"text": "COUNT", "colour": 1}}, 'unknown key "colour"'),
    ({"question": {"text": "COUNT WHERE"}}, "expected a field name"),
    ({"question": {"text": "COUNT"}, "kind": "differences"}, '"selection"'),
])
def test_results_name_what_is_wrong(server, body, said):
    no = refusal(server.call, "POST", "/skep/v1/results", body)
    assert no.status == 400 and said in no.json()["error"], no.json()


def test_results_are_bounded():
    with Server("--results-max", "20kb") as server:
        send(server, 10)
        no = refusal(keep, server, {"text": "COUNT"}, state={"x": "y" * 17000})
        assert no.status == 413 and '"state"' in no.json()["error"] and "16384" in no.json()["error"]
        no = refusal(server.call, "POST", "/skep/v1/results?format=rows", {"question": {"text": "COUNT"}})
        assert no.status == 400 and "format takes columns" in no.json()["error"]
        kept = []
        for _ in range(50):
            try:
                kept.append(keep(server, {"text": "COUNT SINCE 1h"}, state={"x": "y" * 4000}))
            except Reply as no:
                assert no.status == 409 and "--results-max" in no.json()["error"] and "20000 bytes" in no.json()["error"]
                break
        assert 2 <= len(kept) <= 4
        saved = server.get("/skep/v1/status")["saved"]
        assert saved["results"] == len(kept) and saved["result_bytes"] == sum(k["kept_bytes"] for k in kept)
        assert saved["result_bytes_max"] == 20000 and saved["results_max"] == 100000
        server.call("DELETE", f"/skep/v1/results/{kept[0]['id']}")
        keep(server, {"text": "COUNT SINCE 1h"}, state={"x": "y" * 4000})  # there is room again
