"""The Flask example, given only an endpoint and a key, asked from the command line as its users would."""
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from skep import ROOT, otel_env

BACKEND = ROOT / "examples/cruddur/backend-flask"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(url, process):
    for _ in range(600):
        assert process.poll() is None, "it ended early"
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


@pytest.fixture(scope="module")
def flask(server):
    port = free_port()
    env = {**os.environ, **otel_env(server, "backend-flask", "http/protobuf"), "OTEL_BSP_SCHEDULE_DELAY": "200",
           "FRONTEND_URL": "http://127.0.0.1:3000"}
    process = subprocess.Popen([sys.executable, "-m", "flask", "run", "--port", str(port)], cwd=BACKEND, env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    wait_for(f"{base}/api/activities/home", process)
    for path in ["/api/activities/home"] * 9 + ["/api/activities/@river", "/api/message_groups", "/api/activities/notifications"]:
        urllib.request.urlopen(base + path).read()
    deadline = time.monotonic() + 20
    while server.count("COUNT WHERE http.route exists OR http.target exists") < 13 and time.monotonic() < deadline:
        time.sleep(0.1)
    yield base
    process.terminate()
    process.wait()


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def test_count_by_trace(server, flask):
    done = server.cli("query", "COUNT GROUP BY trace.trace_id", "--json")
    reply = json.loads(done.stdout)
    counts = [row["data"]["COUNT"] for row in reply["data"]["results"]]
    assert sum(counts) == server.count() and max(counts) == 2
    table = server.cli("query", "COUNT GROUP BY trace.trace_id")
    assert re.search(r"[0-9a-f]{32}", table.stdout)


def test_custom_attribute(server, flask):
    done = server.cli("query", "MAX(app.result_length) WHERE app.result_length exists", "--json")
    assert json.loads(done.stdout)["data"]["results"][0]["data"]["MAX(app.result_length)"] == 3


def test_percentile_and_heatmap(server, flask):
    done = server.cli("query", "P90(duration_ms), HEATMAP(duration_ms)", "--json")
    data = json.loads(done.stdout)["data"]["results"][0]["data"]
    assert data["P90(duration_ms)"] > 0 and sum(cell["count"] for cell in data["HEATMAP(duration_ms)"]["cells"]) == server.count()
    assert server.cli("query", "HEATMAP(duration_ms)", "--heatmap").stdout.strip()
    assert server.cli("query", "COUNT", "--chart").stdout.strip()


def test_waterfall(server, flask):
    trace_id = server.ask('COUNT WHERE name = "home-activites-mock-data" GROUP BY trace.trace_id LIMIT 1')[0]["trace.trace_id"]
    text = server.cli("trace", trace_id).stdout
    assert "home-activites-mock-data" in text and "GET /api/activities/home" in text and "backend-flask" in text


def test_service_map(server, flask):
    nodes = {n["name"] for n in server.get("/skep/v1/service-map")["nodes"]}
    assert "backend-flask" in nodes
    assert "backend-flask" in server.cli("map").stdout


def test_status_and_doctor(server, flask):
    assert "backend-flask" in server.cli("status").stdout
    server.cli("doctor")
