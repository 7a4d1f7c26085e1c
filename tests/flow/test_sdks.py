"""Unmodified OpenTelemetry SDKs, each over each transport it has, against the real binary (clients/README.md)."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from skep import ROOT, otel_env

CLIENTS = ROOT / "tests/flow/clients"
CACHE = ROOT / ".cache/clients"


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def python_client():
    return [sys.executable, str(CLIENTS / "python/emit.py")]


def copied(name):
    """Clients are built in a copy, so that the tree stays clean."""
    folder = CACHE / name
    shutil.copytree(CLIENTS / name, folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("node_modules", "target"))
    return folder


def node_client():
    folder = copied("node")
    stamp = folder / "node_modules/.installed"
    if not stamp.exists() or stamp.read_text() != (folder / "package-lock.json").read_text():
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
        stamp.write_text((folder / "package-lock.json").read_text())
    return ["node", str(folder / "emit.js")]


def java_client():
    folder = copied("java")
    if not (folder / "target/flow.jar").exists():
        run(["mvn", "-q", "-B", "package"], cwd=folder)
    return ["java", "-cp", f"{folder}/target/flow.jar:{folder}/target/lib/*", "Emit"]


def go_client():
    folder = copied("go")
    wanted = next(line.split()[1] for line in (folder / "go.mod").read_text().splitlines() if line.startswith("go "))
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip() if shutil.which("go") else ""
    if not version or [int(n) for n in version[2:].split(".")[:2]] < [int(n) for n in wanted.split(".")[:2]]:
        pytest.skip(f"the Go client needs Go {wanted}; this machine has {version or 'none'}")
    run(["go", "build", "-o", "emit", "."], cwd=folder)
    return [str(folder / "emit")]


BUILD = {"python": python_client, "node": node_client, "java": java_client, "go": go_client}
CASES = [("python", "http/protobuf"), ("python", "grpc"), ("node", "http/protobuf"), ("node", "http/json"), ("node", "grpc"),
         ("java", "http/protobuf"), ("java", "grpc"), ("go", "http/protobuf"), ("go", "grpc")]


@pytest.fixture(scope="module")
def commands():
    return {}


@pytest.mark.parametrize("language,protocol", CASES)
def test_story_arrives(server, commands, language, protocol):
    if language not in commands:
        commands[language] = BUILD[language]()
    service = f"{language}-{protocol.replace('/', '-')}"
    done = run(commands[language], env={**os.environ, **otel_env(server, service, protocol)})
    trace_id = done.stdout.split()[-1]

    spans = server.ask(f'COUNT FROM "{service}" WHERE meta.signal_type = "trace" AND trace.span_id exists GROUP BY name, span.kind, type')
    assert {(row["name"], row["span.kind"], row["COUNT"]) for row in spans} == {
        ("GET /orders/{id}", "server", 1), ("load order", "internal", 1), ("SELECT orders", "client", 1)}
    notes = server.ask(f'COUNT FROM "{service}" WHERE meta.annotation_type exists AND meta.signal_type = "trace" GROUP BY meta.annotation_type')
    assert {row["meta.annotation_type"]: row["COUNT"] for row in notes} == {"span_event": 1, "link": 1}

    row = server.ask(f'MAX(order.id), MAX(order.total), COUNT FROM "{service}" WHERE order.paid = true AND user.id = "u-1" GROUP BY order.items')
    assert [(r["MAX(order.id)"], r["MAX(order.total)"], json.loads(r["order.items"]) if isinstance(r["order.items"], str) else r["order.items"])
            for r in row] == [(42, 1.5, ["a", "b"])]
    failed = server.ask(f'COUNT FROM "{service}" WHERE error = true AND trace.span_id exists GROUP BY name, status_message, exception.message')
    assert [(r["name"], r["status_message"], r["exception.message"]) for r in failed] == [("load order", "no such item", "no such item")]

    logs = server.ask(f'COUNT FROM "{service}" WHERE meta.signal_type = "log" GROUP BY body, severity, trace.trace_id')
    assert {(r["body"], r["severity"], r["trace.trace_id"]) for r in logs} == {
        ("order 42 loaded", "info", trace_id), ("payment failed", "error", None)}

    points = server.ask(f'COUNT, MAX(metric.value) FROM metrics WHERE service.name = "{service}" GROUP BY metric.name, metric.kind')
    found = {(r["metric.name"], r["metric.kind"]) for r in points}
    assert {("orders", "sum"), ("order.latency", "histogram"), ("queue.depth", "gauge")} <= found
    assert next(r["MAX(metric.value)"] for r in points if r["metric.name"] == "orders") == 3

    trace = server.get(f"/skep/v1/traces/{trace_id}")
    assert sum(1 for s in trace["spans"] if "trace.span_id" in s) == 3
    kinds = sorted(s.get("meta.annotation_type", s["meta.signal_type"]) for s in trace["spans"] if "trace.span_id" not in s)
    assert kinds == ["link", "span_event", "span_event"]  # the log of the server span is one of them
    assert trace["missing_parents"] == []


def test_service_map_knows_the_database(server):
    nodes = {n["name"]: n["kind"] for n in server.get("/skep/v1/service-map")["nodes"]}
    assert nodes.get("python-http-protobuf") == "service"
    assert "database" in nodes.values()
