"""What a rule names is nowhere: not in the journal's bytes, nor in any answer, whichever signal and wire it came by."""
import json
import os
import re
import secrets
import time

from skep import Reply
from test_cli import Tail
from test_keys import make_key, status_of
from wires import Grpc, Http, attribute, traces

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

PATH = "/skep/v1/environments/dev/redaction"
RULES = [{"field": "user.email", "action": "mask"}, {"field": "user.id", "action": "hash"}, {"field": "*password*", "action": "drop"},
         {"field": "body.card", "action": "drop"}, {"field": "host.name", "action": "mask"}]


def all_signals(raw):
    """A span with an event and a link, two log records (text and map), a metric: each with what the rules name."""
    now, named = time.time_ns() - 10**9, lambda: [attribute(k, v) for k, v in {
        "user.email": raw["email"], "user.id": raw["id"], "old.password.text": raw["password"], "untouched": raw["control"]}.items()]
    spans = traces("redacted", {"name": "a", "trace_id": bytes.fromhex(raw["trace"]), "span_id": b"12345678"})
    span = spans.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(named())
    span.events.add(name="e", time_unix_nano=now).attributes.extend(named())
    span.links.add(trace_id=os.urandom(16), span_id=os.urandom(8)).attributes.extend(named())
    logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    scope = logs.resource_logs.add().scope_logs.add()
    scope.log_records.add(time_unix_nano=now, trace_id=span.trace_id, span_id=span.span_id).body.string_value = "a line"
    scope.log_records[0].attributes.extend(named())
    scope.log_records.add(time_unix_nano=now).body.kvlist_value.values.extend([attribute("card", raw["card"]), attribute("shop", "s1")])
    point = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(time_unix_nano=now, as_int=1)
    point.attributes.extend(named())
    for resource in (spans.resource_spans[0], logs.resource_logs[0], metrics.resource_metrics[0]):
        resource.resource.attributes.append(attribute("host.name", raw["host"]))
    return {"traces": spans, "logs": logs, "metrics": metrics}


def everything_told(server, trace_id):
    """Rows of all datasets with all fields, the trace, the fields and what distinct values there are."""
    told = [json.dumps(server.get(f"/skep/v1/traces/{trace_id}")), json.dumps(server.get("/skep/v1/fields"))]
    for source in ("", " FROM metrics"):
        told.append(server.call("POST", "/skep/v1/rows", {"text": f"COUNT{source}", "limit": 100})[1].decode())
        for field in ("user.email", "user.id", "body", "host.name", "old.password.text", "body.card"):
            told.append(json.dumps(server.ask(f"COUNT{source} GROUP BY {field}")))
    return "\n".join(told)


def test_what_a_rule_names_is_nowhere(own_server):
    server = own_server
    full = server.keys["dev"]["full"]
    assert server.get(PATH)["rules"] == []
    set_rules = lambda rules: json.loads(server.call("PUT", PATH, {"rules": rules}, key=full)[1])["rules"]
    assert set_rules(RULES) == [{**r, "redacted": 0} for r in RULES]
    raws = []
    for wire in (Http(server, "protobuf"), Http(server, "json"), Grpc(server)):
        raw = {k: secrets.token_hex(16) for k in ("email", "id", "password", "card", "host", "control", "trace")}
        raws.append(raw)
        for signal, request in all_signals(raw).items():
            assert wire.send(wire.encode(request), signal).status == 200
    hidden = [raw[k] for raw in raws for k in ("email", "id", "password", "card", "host")]

    held = b"".join(f.read_bytes() for f in server.data_dir.rglob("*") if f.is_file())
    assert all(raw["control"].encode() in held for raw in raws), "what is not redacted stands in the journal as it is: so would the rest"
    assert not [h for h in hidden if h.encode() in held]

    def check():
        for raw in raws:
            told = everything_told(server, raw["trace"])
            assert not [h for h in hidden if h in told]
            assert raw["control"] in told and '"***"' in told and "old.password.text" not in server.get("/skep/v1/fields")
        assert server.count('COUNT FROM redacted WHERE user.email = "***"') == 9  # spans, events, links
        assert server.ask("COUNT_DISTINCT(user.id)")[0]["COUNT_DISTINCT(user.id)"] == 3
        assert server.count('COUNT WHERE body = "a line"') == 3 and server.count('COUNT WHERE body = "***"') == 3 and server.count('COUNT WHERE body.shop = "s1"') == 3
        assert server.count('COUNT WHERE old.password.text exists') == 0 and server.count("COUNT FROM metrics WHERE user.email = \"***\"") == 3
    check()
    assert [r["redacted"] for r in server.get(PATH)["rules"]] == [15, 15, 15, 3, 9]
    server.stop()
    server.restart()
    assert [{k: r[k] for k in ("field", "action")} for r in server.get(PATH)["rules"]] == RULES
    check()
    held = b"".join(f.read_bytes() for f in server.data_dir.rglob("*") if f.is_file())
    assert not [h for h in hidden if h.encode() in held]

    set_rules([])
    again = {k: secrets.token_hex(16) for k in raws[0]}
    assert Http(server, "json").send(Http(server, "json").encode(all_signals(again)["traces"])).status == 200
    assert server.count(f'COUNT WHERE user.email = "{again["email"]}"') == 3 and server.count('COUNT FROM redacted WHERE user.email = "***"') == 9


def test_a_tail_shows_what_is_stored(own_server):
    own_server.call("PUT", PATH, {"rules": RULES}, key=own_server.keys["dev"]["full"])
    raw, wire, watched = {k: secrets.token_hex(16) for k in ("email", "id", "password", "card", "host", "control", "trace")}, Http(own_server, "json"), Tail(own_server, "--json")
    hidden = [raw[k] for k in ("email", "id", "password", "card", "host")]

    def some():  # other bytes each time: the same would be taken for a retry
        for signal, request in all_signals(raw).items():
            assert wire.send(wire.encode(request), signal).status == 200
    watched.until(raw["control"], some)
    watched.end()
    told = "".join(watched.lines)
    assert '"***"' in told and not [h for h in hidden if h in told]


def test_rules_that_cannot_be(server):
    full = server.keys["dev"]["full"]
    put = lambda body: status_of(server, "PUT", PATH, body, key=full)
    for field in ("trace.trace_id", "name", "service.name", "meta.signal_type", "", "x" * 201, 5):
        assert put({"rules": [{"field": field, "action": "drop"}]}) == 400, field
    for wrong in ({}, [], {"rules": 1}, {"rules": ["a"]}, {"rules": [{"field": "a"}]}, {"rules": [{"field": "a", "action": "burn"}]},
                  {"rules": [{"field": "a", "action": "drop", "more": "x"}]}, {"rules": [{"field": "a", "action": "drop"}] * 2}, {"rules": [], "x": 1}):
        assert put(wrong) == 400, wrong
    assert put({"rules": [{"field": f"f{i}", "action": "drop"} for i in range(101)]}) == 413
    assert put({"rules": [{"field": f"f{i}", "action": "drop"} for i in range(100)]}) == 200 and put({"rules": []}) == 200
    assert status_of(server, "PUT", "/skep/v1/environments/nowhere/redaction", {"rules": []}, key=full) == 404
    asks = make_key(server, full, kind="query")["secret"]
    assert server.get(PATH, key=asks)["rules"] == [] and status_of(server, "PUT", PATH, {"rules": []}, key=asks) == 403
    try:
        server.call("PUT", PATH, {"rules": [{"field": "name", "action": "mask"}]}, key=full)
    except Reply as e:
        assert '"name" stays' in e.json()["error"]


def test_rules_in_the_terminal(server):
    full = server.keys["dev"]["full"]
    done = server.cli("environments", "redact", "dev", "--mask", "user.email,host.*", "--hash", "user.id", key=full)
    assert "from now on" in done.stderr and re.search(r"host\.\*\s+mask\s+0", done.stdout)
    server.cli("environments", "redact", "dev", "--drop", "user.email", key=full)
    server.cli("environments", "redact", "dev", "--no-rule", "host.*", key=full)
    told = json.loads(server.cli("environments", "redact", "dev", "--json", key=full).stdout)["rules"]
    assert told == [{"field": "user.id", "action": "hash", "redacted": 0}, {"field": "user.email", "action": "drop", "redacted": 0}]
    dry = server.cli("environments", "redact", "dev", "--mask", "x", "--dry-run", key=full).stdout
    assert dry.startswith(f"PUT {server.url}{PATH}\n") and server.get(PATH)["rules"] == told
    wrong = server.cli("environments", "redact", "dev", "--mask", "service.name", key=full, check=False)
    assert wrong.returncode and '"service.name" stays' in wrong.stderr
