"""The example's page in a real Chromium: its load, its own span, its request and what the backend does are one trace."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from skep import ROOT, otel_env
from test_cruddur import BACKEND, free_port, wait_for

CACHE = ROOT / ".cache"
FRONTEND = ROOT / "examples/cruddur/frontend"


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def installed(source, name, *options):
    """A copy with its packages, so that the tree stays clean."""
    folder = CACHE / name
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
    stamp, lock = folder / "node_modules/.installed", (folder / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        run(["npm", "ci", "--no-audit", "--no-fund", *options], cwd=folder)
        stamp.write_text(lock)
    return folder


@pytest.fixture(scope="module")
def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := os.environ.get("CHROMIUM") or shutil.which(name):
            return found
    raise AssertionError("no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def page(server):
    """Backend and page server as the README starts them; each told of the other."""
    folder = installed(FRONTEND, "cruddur-frontend")  # esbuild's own install script fetches its program
    run(["npm", "run", "build"], cwd=folder)
    ports = free_port(), free_port()
    backend, front = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
    flask = subprocess.Popen([sys.executable, "-m", "flask", "run", "--port", str(ports[0])], cwd=BACKEND,
                             env={**os.environ, **otel_env(server, "backend-flask", "http/protobuf"), "OTEL_BSP_SCHEDULE_DELAY": "200",
                                  "FRONTEND_URL": front}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    node = subprocess.Popen(["node", "serve.js"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={
        **os.environ, "PORT": str(ports[1]), "HOST": "127.0.0.1", "BACKEND_URL": backend, "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "BROWSER_INGEST_KEY": server.keys["dev"]["ingest"]})
    try:
        wait_for(front + "/", node)
        wait_for(backend + "/api/message_groups", flask)
        yield front + "/"
    finally:
        for process in (node, flask):
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def visit(server, page, chromium):
    folder = installed(ROOT / "tests/flow/browser", "browser", "--ignore-scripts")
    browser = subprocess.Popen(["node", str(folder / "visit.js"), chromium, page], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        seen = json.loads(browser.stdout.readline())
        deadline = time.monotonic() + 30
        wanted = ['name = "HomeFeedPage"', 'name = "home-activites-mock-data"', 'service.name = "frontend" AND span.kind = "client"', 'name = "documentLoad"']
        while not all(server.count(f"COUNT WHERE {where}") for where in wanted):
            assert time.monotonic() < deadline, (seen, server.log_text(), server.cli("doctor").stdout)
            time.sleep(0.1)
        yield seen
    finally:
        browser.stdin.close()
        browser.wait(timeout=30)
        browser.stdout.close()


def test_the_page_works(visit):
    assert len(visit["feed"]) == 3 and all(post.startswith("@") for post in visit["feed"])
    assert [p for p in visit["problems"] if "favicon" not in p and "404" not in p] == []


def test_one_trace_holds_page_backend_and_hand_made_span(server, visit):
    trace_id = server.ask('COUNT WHERE name = "HomeFeedPage" GROUP BY trace.trace_id')[0]["trace.trace_id"]
    trace = server.get(f"/skep/v1/traces/{trace_id}")
    spans = {s["trace.span_id"]: s for s in trace["spans"] if "trace.span_id" in s}
    by_name = {s["name"]: s for s in spans.values()}
    made = by_name["home-activites-mock-data"]
    request = spans[made["trace.parent_id"]]
    fetch = spans[request["trace.parent_id"]]
    home = spans[fetch["trace.parent_id"]]
    assert (made["dataset"], request["dataset"], fetch["dataset"], home["dataset"]) == (
        "backend-flask", "backend-flask", "frontend", "frontend")
    assert (home["name"], request["span.kind"], fetch["span.kind"]) == ("HomeFeedPage", "server", "client")
    assert request["name"] == "GET /api/activities/home" and made["app.result_length"] == 3 and home["app.posts_shown"] == 3
    assert trace["missing_parents"] == [] and "trace.parent_id" not in home
    assert made["meta.depth"] == home["meta.depth"] + 3 and made["meta.is_critical"] is True


def test_page_load_is_traced(server, visit):
    names = {row["name"] for row in server.ask('COUNT FROM frontend WHERE trace.span_id exists GROUP BY name')}
    assert {"HomeFeedPage", "documentLoad"} <= names
    assert server.count('COUNT FROM frontend WHERE trace.parent_id does-not-exist AND name = "documentLoad"') == 1


def test_waterfall_and_map_show_the_join(server, visit):
    trace_id = server.ask('COUNT WHERE name = "HomeFeedPage" GROUP BY trace.trace_id')[0]["trace.trace_id"]
    lines = server.cli("trace", trace_id).stdout.splitlines()
    order = [next(i for i, line in enumerate(lines) if name in line)
             for name in ("HomeFeedPage", "GET /api/", "home-activites")]
    assert order == sorted(order) and any(re.search("frontend", line) for line in lines)
    edges = {(e["from"], e["to"]): e["kind"] for e in server.get("/skep/v1/service-map")["edges"]}
    assert edges[("frontend", "backend-flask")] == "call"


def test_the_browsers_key_only_writes(server, visit):
    done = server.cli("query", "COUNT", key=server.keys["dev"]["ingest"], check=False)
    assert done.returncode == 4 and "ingest key" in done.stderr
