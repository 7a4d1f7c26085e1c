"""What people keep in the server: stored results, history, saved queries, markers: they outlive the events, restarts and kill -9."""
import datetime
import json
import sqlite3
import subprocess
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


# ---- history ----

def history(server, key=None, **query):
    return server.get("/skep/v1/history", key=key, **query)["history"]


def note(server, key=None, **body):
    return json.loads(server.call("POST", "/skep/v1/history", body, key=key)[1])


def test_history_is_noted_and_outlives_a_crash():
    with Server() as server:
        full, demo = server.keys["dev"]["full"], server.keys["demo"]["full"]
        first = note(server, text="COUNT SINCE 1h", elapsed_ms=12.5, rows=3, state={"tab": "table"})
        assert first["by"] == "local" and first["elapsed_ms"] == 12.5 and first["rows"] == 3 and first["state"] == {"tab": "table"}
        again = note(server, text="COUNT SINCE 1h", elapsed_ms=9, rows=4, state={"tab": "table"})
        assert again["id"] > first["id"]
        of_key = note(server, key=full, text="P90(duration_ms)")
        assert of_key["by"].startswith("hcx") and of_key["elapsed_ms"] is None and of_key["rows"] is None and of_key["state"] == {}
        note(server, key=demo, text="of demo", environment="demo")
        server.kill()
        server.restart()
        assert [h["text"] for h in history(server)] == ["P90(duration_ms)", "COUNT SINCE 1h"]
        assert history(server)[1] == again
        assert [h["text"] for h in history(server, mine="true")] == ["COUNT SINCE 1h"]
        assert [h["text"] for h in history(server, key=full, mine="1")] == ["P90(duration_ms)"]
        assert [h["text"] for h in history(server, environment="demo")] == ["of demo"]
        assert [h["text"] for h in history(server, limit=1)] == ["P90(duration_ms)"]
        server.call("POST", "/skep/v1/query", {"text": "COUNT"})
        assert len(history(server)) == 2  # a query notes nothing by itself
        ingest = server.keys["dev"]["ingest"]
        assert refusal(note, server, key=ingest, text="COUNT").status == 403 and refusal(history, server, key=ingest).status == 403


@pytest.mark.parametrize("body,status,said", [
    ({}, 400, '"text" is the question'),
    ({"text": 1}, 400, '"text" must be a string'),
    ({"text": "COUNT", "elapsed_ms": -1}, 400, '"elapsed_ms" is a number'),
    ({"text": "COUNT", "elapsed_ms": "1"}, 400, '"elapsed_ms" is a number'),
    ({"text": "COUNT", "rows": 1.5}, 400, '"rows" is a whole number'),
    ({"text": "COUNT", "state": 1}, 400, '"state" must be an object'),
    ({"text": "COUNT", "who": "ann"}, 400, 'unknown key "who"'),
    ({"text": "COUNT", "environment": "none"}, 404, 'no environment "none"'),
    ({"text": "x" * 9000}, 413, "8192"),
    ({"text": "COUNT", "state": {"x": "y" * 2048}}, 413, "2048"),
])
def test_history_names_what_is_wrong(server, body, status, said):
    no = refusal(server.call, "POST", "/skep/v1/history", body)
    assert no.status == status and said in no.json()["error"], no.json()


def test_history_parameters(server):
    assert "mine takes true or false" in refusal(history, server, mine="maybe").json()["error"]
    assert "limit takes a number up to 10000" in refusal(history, server, limit=10001).json()["error"]
    assert 'unknown parameter "who"' in refusal(history, server, who="ann").json()["error"]


# ---- saved queries ----

def save(server, key=None, **body):
    return json.loads(server.call("POST", "/skep/v1/saved", body, key=key)[1])


def test_saved_queries_outlive_a_crash_and_are_changed_by_version():
    with Server() as server:
        full = server.keys["dev"]["full"]
        q = save(server, name="Slow checkouts", description="over a second", text="COUNT WHERE duration_ms > 1000", dataset="shop", state={"chart": "lines"})
        assert q["version"] == 1 and q["created_by"] == "local" and q["state"] == {"chart": "lines"} and q["environment"] == "dev"
        save(server, key=full, name="errors", text="COUNT WHERE error = true")
        server.kill()
        server.restart()
        assert [s["name"] for s in server.get("/skep/v1/saved")["saved"]] == ["errors", "Slow checkouts"]
        path = f"/skep/v1/saved/{q['id']}"
        assert server.get(path) == q
        assert server.get("/skep/v1/saved", environment="demo")["saved"] == []
        change = {"name": "Slow checkouts", "text": "COUNT", "version": 1}
        changed = json.loads(server.call("PUT", path, change, key=full)[1])
        assert changed["version"] == 2 and changed["changed_by"].startswith("hcx") and changed["description"] == "" and changed["state"] == {}
        no = refusal(server.call, "PUT", path, change)
        assert no.status == 409 and "changed meanwhile" in no.json()["error"] and "version 2, not 1" in no.json()["error"]
        no = refusal(server.call, "PUT", path, {**change, "version": 2, "name": "ERRORS"})
        assert no.status == 409 and 'a query "ERRORS" is saved already' in no.json()["error"]
        assert refusal(server.call, "DELETE", path + "?version=1").status == 409
        assert server.call("DELETE", path + "?version=2")[0] == 204
        assert refusal(server.get, path).status == 404 and refusal(server.call, "PUT", path, change).status == 404
        assert refusal(save, server, name="ERRORS", text="COUNT").status == 409


@pytest.mark.parametrize("body,status,said", [
    ({"text": "COUNT"}, 400, '"name" is missing'),
    ({"name": "x"}, 400, '"text" is missing'),
    ({"name": 1, "text": "COUNT"}, 400, '"name" must be a string'),
    ({"name": "x", "text": "COUNT", "state": "s"}, 400, '"state" must be an object'),
    ({"name": "x", "text": "COUNT", "version": 1}, 400, 'unknown key "version"'),
    ({"name": "x" * 101, "text": "COUNT"}, 413, '"name" is 101 bytes'),
    ({"name": "x", "text": "COUNT", "environment": "none"}, 404, 'no environment "none"'),
])
def test_saved_queries_name_what_is_wrong(server, body, status, said):
    no = refusal(server.call, "POST", "/skep/v1/saved", body)
    assert no.status == status and said in no.json()["error"], no.json()


@pytest.mark.parametrize("body,said", [
    ({"name": "x", "text": "COUNT"}, '"version" is missing'),
    ({"name": "x", "text": "COUNT", "version": 0}, '"version" is the number'),
    ({"name": "x", "text": "COUNT", "version": "1"}, '"version" is the number'),
])
def test_a_change_needs_its_version(server, body, said):
    no = refusal(server.call, "PUT", "/skep/v1/saved/00000000000", body)
    assert no.status == 400 and said in no.json()["error"], no.json()


def test_who_may_save(server):
    full = server.keys["dev"]["full"]
    asks = json.loads(server.call("POST", "/skep/v1/keys", {"name": "asks", "kind": "query"}, key=full)[1])["secret"]
    q = save(server, key=full, name="mine", text="COUNT")
    assert server.get(f"/skep/v1/saved/{q['id']}", key=asks)["name"] == "mine"
    for call in ((("POST", "/skep/v1/saved", {"name": "y", "text": "COUNT"})), ("PUT", f"/skep/v1/saved/{q['id']}", {}), ("DELETE", f"/skep/v1/saved/{q['id']}")):
        no = refusal(server.call, *call, key=asks)
        assert no.status == 403 and "save what others see" in no.json()["error"]
    assert refusal(server.get, "/skep/v1/saved", key=server.keys["dev"]["ingest"]).status == 403
    # what the data directory's audit log says of it
    with sqlite3.connect(f"file:{server.data_dir}/meta.db?mode=ro", uri=True) as db:
        assert ("saved.create", q["id"]) in db.execute("SELECT action, subject FROM audit").fetchall()


# ---- markers ----

def mark(server, key=None, **body):
    return json.loads(server.call("POST", "/skep/v1/markers", body, key=key)[1])


def markers(server, key=None, **query):
    return server.get("/skep/v1/markers", key=key, **query)["markers"]


def test_markers_outlive_a_crash():
    with Server() as server:
        ingest = server.keys["dev"]["ingest"]
        before = time.time()
        deploy = mark(server, key=ingest, message="v2.31 deployed", type="deploy", url="https://ci.example/7")
        assert deploy["by"].startswith("hcxik_") and deploy["end_time"] is None and before - 1 < read_time(deploy["start_time"]) < time.time() + 1
        moved = mark(server, message="database moved", start_time=1700000000, end_time="2023-11-14T23:00:00Z")
        assert moved["start_time"].startswith("2023-11-14T22:13:20") and moved["end_time"].startswith("2023-11-14T23:00:00") and moved["type"] == ""
        mark(server, key=server.keys["demo"]["ingest"], type="of demo")
        server.kill()
        server.restart()
        assert markers(server) == [deploy, moved]
        assert markers(server, type="deploy") == [deploy] and markers(server, limit=1) == [deploy]
        assert markers(server, start="2023-11-14T22:30:00Z", end="2023-11-14T22:31:00Z") == [moved]
        assert [k["type"] for k in markers(server, environment="demo")] == ["of demo"]
        no = refusal(server.call, "DELETE", f"/skep/v1/markers/{deploy['id']}", key=ingest)
        assert no.status == 403 and "save what others see" in no.json()["error"]
        assert server.call("DELETE", f"/skep/v1/markers/{deploy['id']}")[0] == 204
        assert refusal(server.call, "DELETE", f"/skep/v1/markers/{deploy['id']}").status == 404
        assert markers(server) == [moved]


def read_time(text):
    return datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()


@pytest.mark.parametrize("body,status,said", [
    ({}, 400, '"message" or "type"'),
    ({"message": 1}, 400, '"message" must be a string'),
    ({"message": "x", "start_time": "soon"}, 400, '"start_time" takes RFC 3339'),
    ({"message": "x", "start_time": True}, 400, '"start_time" takes RFC 3339'),
    ({"message": "x", "start_time": 10, "end_time": 9}, 400, '"end_time" is before'),
    ({"message": "x", "url": "javascript:alert(1)"}, 400, '"url" starts with https://'),
    ({"message": "x", "color": "red"}, 400, 'unknown key "color"'),
    ({"message": "x" * 1001}, 413, '"message" is 1001 bytes'),
])
def test_markers_name_what_is_wrong(server, body, status, said):
    no = refusal(server.call, "POST", "/skep/v1/markers", body)
    assert no.status == status and said in no.json()["error"], no.json()


def test_who_may_mark(server):
    full = server.keys["dev"]["full"]
    made = lambda **body: json.loads(server.call("POST", "/skep/v1/keys", body, key=full)[1])["secret"]
    asks, browser = made(name="asks", kind="query"), made(name="page", kind="browser", origins=["https://shop.example"])
    assert "may not mark moments" in refusal(mark, server, key=asks, message="x").json()["error"]
    no = refusal(server.call, "POST", "/skep/v1/markers", {"message": "x"}, {"origin": "https://shop.example"}, browser)
    assert no.status == 403 and "may not mark moments" in no.json()["error"]
    assert refusal(mark, server, key=server.keys["dev"]["ingest"], message="x", environment="demo").status == 403
    assert server.get("/1/auth", key=server.keys["dev"]["ingest"])["api_key_access"]["markers"] is True
    assert server.get("/1/auth", key=browser)["api_key_access"]["markers"] is False


def test_skep_marker(server):
    made = server.cli("marker", "v2.31 deployed", "--type", "cli", "--link", "https://ci.example/7", key=server.keys["dev"]["ingest"])
    marker_id = made.stdout.strip()
    assert len(marker_id) == 11 and "--delete ID" in made.stderr
    server.cli("marker", "moved", "--type", "cli", "--start", "40m", "--end", "5m", "--json")
    moved, deployed = json.loads(server.cli("marker", "--list", "--type", "cli", "--json").stdout)["markers"][::-1]
    assert deployed["id"] == marker_id and deployed["url"] == "https://ci.example/7"
    assert read_time(moved["end_time"]) - read_time(moved["start_time"]) == pytest.approx(35 * 60, abs=1)
    listed = server.cli("marker", "--type", "cli", "--since", "10m").stdout
    assert "v2.31 deployed" in listed and "moved" in listed and marker_id in listed
    assert "moved" not in server.cli("marker", "--since", "1m", "--type", "cli").stdout
    assert "is gone" in server.cli("marker", "--delete", marker_id).stderr
    assert "v2.31" not in server.cli("marker").stdout
    assert server.cli("marker", "--type", "none", "--fail-empty", check=False).returncode == 3
    for arguments, said in ((["two", "words"], "put it in quotes"), (["x", "--start", "soon"], "--start takes a time"), (["--link", "https://x"], "what happened?"),
                            (["x", "--list"], "--list takes no message"), (["x", "--link", "ftp://x"], "https://")):
        done = server.cli("marker", *arguments, check=False)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert '"message":"x"' in server.cli("marker", "x", "--dry-run").stdout
    offered = subprocess.run([str(server.binary), "completion", "words", "--", "marker", "--t"], capture_output=True, text=True, check=True).stdout
    assert "--type\t" in offered and "--timeout\t" in offered
