"""POST /skep/v1/differences and skep differences: the demo's planted fault, a heatmap's rectangle, and what is refused."""
import json
import time
import urllib.error
import urllib.request

import pytest

from skep import Server
from wires import to_json, traces

FAULT_S = 600  # the demo's history: the fault began so long ago


def post(server, body):
    request = urllib.request.Request(server.url + "/skep/v1/differences", data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


# One of each kind that traces show; the culprit is told by `skep demo --seed N --reveal`.
@pytest.fixture(scope="module", params=[(1, "inventory", "between"), (2, "inventory", "own"), (3, "payment", "errors"), (10, "pricing", "own")])
def planted(request):
    seed, culprit, evidence = request.param
    with Server() as server:
        server.cli("demo", "--seed", str(seed), "--past-only", "--past", "30m", "--quiet")
        yield server, culprit, evidence, time.time()


def test_the_planted_fault_is_named_first(planted):
    server, culprit, evidence, now = planted
    status, found = post(server, {"environment": "demo", "query": {"start_time": int(now - 1800), "end_time": int(now) + 1},
                                  "selection": {"start": now - FAULT_S, "end": now + 1}})
    assert status == 200
    first = found["suspects"][0]
    assert first["service"] == culprit and first[evidence] == max(first["own"], first["between"], first["errors"])
    assert all(first["score"] > 3 * other["score"] for other in found["suspects"][1:])
    rows = found["rows"]
    assert rows["selection"] > 500 and rows["baseline"] > 500 and not found["is_sampled"]
    scores = [f["score"] for f in found["fields"] if not f["follows_from_selection"]]
    assert scores == sorted(scores, reverse=True) and found["sentence"] == found["fields"][0]["sentence"]
    for field in found["fields"]:
        for side in ("selection", "baseline"):
            assert sum(v[side] for v in field.get("values") or field["ranges"]) == rows[side], field["name"]
    said = server.cli("differences", "COUNT", "--since", "30m", "--from", "10m", "--env", "demo").stdout
    assert said.splitlines()[0] and said.index(culprit) < said.index("differs")


@pytest.fixture(scope="module")
def shop():
    with Server() as server:
        server.cli("demo", "--seed", "2", "--past-only", "--past", "20m", "--quiet")
        yield server


def test_a_rectangle_a_group_and_filters_are_one(shop):
    now = int(time.time())
    ask = {"environment": "demo", "query": {"start_time": now - 1200, "end_time": now + 1}}
    rectangle = post(shop, {**ask, "selection": {"range": {"field": "duration_ms", "min": 50}, "group": {"service.name": "inventory"}}})[1]
    filters = post(shop, {**ask, "selection": {"filters": [{"column": "duration_ms", "op": ">=", "value": 50}, {"column": "service.name", "op": "=", "value": "inventory"}]}})[1]
    for answer in (rectangle, filters):
        answer.pop("meta")
    assert rectangle == filters and rectangle["rows"]["selection"] > 0
    follows = {f["name"] for f in rectangle["fields"] if f["follows_from_selection"]}
    assert follows == {"duration_ms", "service.name"}
    text = json.loads(shop.cli("differences", "--since", "20m", "--select", 'duration_ms >= 50 AND service.name = "inventory"', "--env", "demo", "--json").stdout)
    assert text["rows"]["selection"] == rectangle["rows"]["selection"]
    nobody = post(shop, {**ask, "selection": {"group": {"service.name": "nobody"}}})[1]
    assert nobody["rows"]["selection"] == 0 and nobody["fields"] == [] and "sentence" not in nobody


def test_failures_are_not_told_by_their_status_code(shop):
    spans = [{"name": "charge", "status": {"code": 2, "message": "no such card"}} if i % 4 == 0 else {"name": "charge"} for i in range(80)]
    shop.call("POST", "/v1/traces", to_json(traces("till", *spans)), {"content-type": "application/json"})
    now = int(time.time())
    found = post(shop, {"environment": "dev", "query": {"start_time": now - 60, "end_time": now + 1}, "selection": {"group": {"error": True}}})[1]
    assert found["sentence"].startswith("status_message = no such card"), found["sentence"]
    assert {"error", "status_code"} <= {f["name"] for f in found["fields"] if f["follows_from_selection"]}


def test_a_previous_window_and_logs(shop):
    now = int(time.time())
    ask = {"environment": "demo", "query": {"start_time": now - 1200, "end_time": now + 1}, "selection": {"start": now - 300, "end": now}}
    previous = post(shop, {**ask, "baseline": {"kind": "previous"}})[1]
    same = post(shop, {**ask, "baseline": {"start": now - 600, "end": now - 300}})[1]
    assert previous["rows"] == same["rows"] and previous["fields"] == same["fields"] and previous["suspects"] == same["suspects"]
    logs = post(shop, {**ask, "rows": "logs", "suspects": False, "words": False, "limit": 3})[1]
    assert "suspects" not in logs and "words" not in logs and len(logs["fields"]) <= 3 and logs["rows"]["baseline"] > 0


@pytest.mark.parametrize("body,said", [
    ({}, "which rows are odd"), ({"selection": {}}, "which rows are odd"), ({"selection": {"start": "soon"}}, "RFC 3339"),
    ({"selection": {"range": {"field": "x"}}}, "min"), ({"selection": {"start": 1}, "baseline": {"kind": "next"}}, "previous"),
    ({"selection": {"group": {"a": 1}}, "baseline": {"kind": "previous"}}, "needs a selection with a start"),
    ({"selection": {"start": 5, "end": 4}}, "before its end"), ({"selection": {"start": 1}, "rows": "some"}, "spans"),
    ({"selection": {"when": 1}}, "unknown key"), ({"selected": {}}, "not understood"),
    ({"selection": {"filters": [{"column": "a", "op": "like", "value": 1}]}}, "like"),
    ({"selection": {"start": 1}, "text": "COUNT", "dataset": "x"}, "both stand in the text")])
def test_what_is_refused_says_what_to_do(shop, body, said):
    status, reply = post(shop, body)
    assert status == 400 and said in reply["error"], reply


def test_the_command_says_what_is_missing(shop):
    done = shop.cli("differences", check=False)
    assert done.returncode == 2 and "--select" in done.stderr
    done = shop.cli("differences", "--select", "duration_ms >", check=False)
    assert done.returncode == 2 and "^" in done.stderr
    done = shop.cli("differences", "--select", 'service.name = "nobody"', "--env", "demo", "--fail-empty", check=False)
    assert done.returncode == 3 and "selection is empty" in done.stderr
