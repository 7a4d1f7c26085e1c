"""What the doctor says of what was accepted, as `skep doctor --json` gives it."""
import json
import time

from skep import Server
from wires import Http, traces


def send(server, service, count):
    wire, begin = Http(server, "protobuf"), time.time_ns()
    spans = [{"name": "GET /", "start_time_unix_nano": begin + i, "end_time_unix_nano": begin + i + 1000} for i in range(count)]
    assert wire.send(wire.encode(traces(service, *spans))).status == 200


def test_a_mistyped_service_name_is_named_first():
    with Server() as server:
        for service, count in (("backend-flask", 5), ("frontend-react", 3), ("shard-one1", 1), ("shard-one2", 1)):
            send(server, service, count)
        assert json.loads(server.cli("doctor", "--json").stdout)["findings"] == []
        send(server, "bakend-flask", 2)
        first, *others = json.loads(server.cli("doctor", "--json").stdout)["findings"]
        assert (first["kind"], first["subject"]) == ("near_duplicate_name", "bakend-flask") and "backend-flask" in first["text"] and not others
