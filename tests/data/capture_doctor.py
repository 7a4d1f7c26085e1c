#!/usr/bin/env python3
"""Records what real clients send when they are set up wrong: one file of requests per pain in tests/data/doctor.

usage, with the Python of the flow tests:  .cache/venv/bin/python tests/data/capture_doctor.py [NAME…]
The pages' need a Chromium and .cache/cruddur-frontend, which tests/flow/test_browser.py builds. Keys are written as KEY.dev.ingest
and the like; test_doctor.py puts the server's own in their place and moves the times to the day it runs.
"""
import base64
import gzip
import json
import os
import pathlib
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FRONTEND = ROOT / ".cache/cruddur-frontend"
PROGRAM = """
import os
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
%s
tracer = provider.get_tracer("home.activities")
for i in range(3):
    with tracer.start_as_current_span("/api/activities/home"), tracer.start_as_current_span("home-activites-mock-data") as span:
        span.set_attribute("%s", %s)
provider.shutdown()
"""
ONE = "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))"
KEPT = ("content-type", "content-encoding", "user-agent", "origin", "x-honeycomb-team", "access-control-request-method",
        "access-control-request-headers", "access-control-request-private-network", "sec-fetch-mode", "sec-fetch-site")


class Recorder(socketserver.ThreadingTCPServer):
    """Takes requests as they are, or the first bytes of what is no HTTP."""
    daemon_threads = allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Connection)
        self.requests, self.port = [], self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        if self.request.recv(1, socket.MSG_PEEK) == b"\x16":
            self.server.requests.append({"raw_base64": base64.b64encode(self.request.recv(4096)).decode()})
            return
        while line := self.rfile.readline():
            method, path, _ = line.decode().split()
            headers = {}
            while (line := self.rfile.readline().decode().strip()):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request = {"method": method, "path": path, "headers": {n: headers[n] for n in KEPT if n in headers and n != "content-encoding"}}
            if body and "json" in headers.get("content-type", ""):
                request["json"] = json.loads(body)
            elif body:
                request["protobuf_base64"] = base64.b64encode(body).decode()
            self.server.requests.append(request)
            allow = (f"access-control-allow-origin: {headers['origin']}\r\naccess-control-allow-credentials: true\r\n"
                     f"access-control-allow-headers: {headers.get('access-control-request-headers', '')}\r\n") if "origin" in headers else ""
            self.wfile.write(f"HTTP/1.1 200 OK\r\ncontent-type: {headers.get('content-type', 'text/plain')}\r\n{allow}content-length: 0\r\n\r\n".encode())


def sdk(recorder, service="backend-flask", key="KEY.dev.ingest", setup=ONE, value="3", attribute="app.result_length", scheme="http", **more):
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://127.0.0.1:{recorder.port}", "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
           "OTEL_EXPORTER_OTLP_HEADERS": f"x-honeycomb-team={key}", **{k: v.format(port=recorder.port) for k, v in more.items()}}
    if service:
        env["OTEL_SERVICE_NAME"] = service
    return subprocess.run([sys.executable, "-c", PROGRAM % (setup, attribute, value)], env=env, capture_output=True, text=True, timeout=60).stdout


def chromium(url, seconds):
    program = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        browser = subprocess.Popen([program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                                    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", f"--user-data-dir={folder}/profile", url],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        browser.terminate()
        browser.wait()


def page(recorder, key):
    """The example's page, whose SDK sends to the recorder."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    node = subprocess.Popen(["node", "serve.js"], cwd=FRONTEND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={
        **os.environ, "PORT": str(port), "HOST": "127.0.0.1", "BACKEND_URL": f"http://127.0.0.1:{recorder.port}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{recorder.port}", "BROWSER_INGEST_KEY": key})
    try:
        time.sleep(1)
        chromium(f"http://127.0.0.1:{port}/", 12)
    finally:
        node.terminate()
        node.wait()
    recorder.requests = [r for r in recorder.requests if r["path"].startswith("/v1/")]
    text = json.dumps(recorder.requests).replace(f"127.0.0.1:{port}", "localhost:3000").replace(f"127.0.0.1:{recorder.port}", "localhost:4318")
    recorder.requests = json.loads(text)


def asking_page(recorder):
    """A page that posts to the query API."""
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        path = pathlib.Path(folder) / "page.html"
        path.write_text(f"<script>fetch('http://127.0.0.1:{recorder.port}/skep/v1/query', {{method: 'POST', headers: "
                        "{'content-type': 'application/json', 'x-honeycomb-team': 'KEY.dev.full'}, body: '{}'})</script>")
        chromium(path.as_uri(), 4)
    recorder.requests = [r for r in recorder.requests if r["method"] == "OPTIONS"]


def near_names(recorder):
    sdk(recorder)
    sdk(recorder, service="bakend-flask", value="1")


def types(recorder):
    sdk(recorder)
    sdk(recorder, value="str(3)")


def near_fields(recorder):
    sdk(recorder)
    sdk(recorder)
    sdk(recorder, attribute="app.result_lenght")


TWICE = ONE + "\n" + ONE
SCENES = {
    # name: (what is wrong, expected kind, words of the fix, what makes the client send it, more of the record)
    "empty-key": ("OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=${HONEYCOMB_API_KEY} in a shell without that variable", "empty_key", "recreate the container", lambda r: sdk(r, key=""), {}),
    "literal-key": ("${HONEYCOMB_API_KEY} in a place that does not expand variables", "literal_variable_key", "Put the value there", lambda r: sdk(r, key="${HONEYCOMB_API_KEY}"), {}),
    "wrong-key": ("a key of another provider, or a stale one", "unknown_key", "skep env", lambda r: sdk(r, key="hcaik_01hzzzzzzzzzzzzzzzzzzzzzzz"), {}),
    "revoked-key": ("a key that was revoked", "revoked_key", "skep env", lambda r: sdk(r, key="KEY.revoked"), {}),
    "other-environment": ("a valid key, of another environment than the one looked at", "other_environment", "skep env --env dev", lambda r: sdk(r, key="KEY.demo.ingest"), {}),
    "wrong-path-base": ("a per-signal endpoint without its path", "wrong_path", "bare address", lambda r: sdk(r, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:{port}"), {}),
    "wrong-path-singular": ("/v1/trace instead of /v1/traces", "wrong_path", "bare address", lambda r: sdk(r, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:{port}/v1/trace"), {}),
    "tls-to-plain-port": ("https:// to a port without TLS", "tls_to_plain_port", "http://", lambda r: sdk(r, scheme="https"), {}),
    "wrong-port": ("the exporter's default localhost:4318 from within a container: no request ever comes", "nothing_arrived", "container's localhost", lambda r: None, {}),
    "console-only": ("nothing but the console exporter: its output is on the screen, no request ever comes", "nothing_arrived", "not only the console's", lambda r: sdk(r, setup="provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))"), {}),
    "page-of-other-origin": ("a page whose browser key is for another origin", "wrong_origin", "--origin", lambda r: page(r, "KEY.browser"), {"browser_key_of": "https://shop.example"}),
    "page-with-ingest-key": ("a page that holds a program's key", "page_with_program_key", "--kind browser", lambda r: page(r, "KEY.dev.ingest"), {}),
    "page-that-asks": ("a page of another origin at the query API: the browser's preflight is not answered", "foreign_page", "not ask", asking_page, {}),
    "unknown-service": ("OTEL_SERVICE_NAME is not set", "unknown_service", "OTEL_SERVICE_NAME", lambda r: sdk(r, service=None), {}),
    "clock-ahead": ("a machine whose clock is ten minutes ahead", "clock_off", "NTP", sdk, {"clock_s": 600}),
    "clock-behind": ("a machine whose clock is three hours behind", "clock_off", "clock", sdk, {"clock_s": -10800}),
    "clock-of-1970": ("a machine whose clock began at the epoch", "too_old", "clock", sdk, {"clock_s": -1_750_000_000}),
    "processor-twice": ("two span processors with the same exporter", "spans_twice", "one span processor", lambda r: sdk(r, setup=TWICE), {}),
    "type-conflict": ("app.result_length once as number, once as text", "type_conflict", "one type", types, {}),
    "near-duplicate-field": ("a typing error in a field's name", "near_duplicate_field", "attribute is set", near_fields, {}),
    "near-duplicate-name": ("a typing error in a service's name", "near_duplicate_name", "OTEL_SERVICE_NAME", near_names, {}),
}


def main():
    for name, (wrong, kind, fix, act, more) in SCENES.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        recorder, begin = Recorder(), time.time_ns()
        printed = act(recorder)
        time.sleep(0.2)
        requests = json.loads(json.dumps(recorder.requests).replace(f"127.0.0.1:{recorder.port}", "localhost:4318"))
        record = {"wrong": wrong, "expect": {"kind": kind, "fix": fix}, "recorded_ns": begin, **more, "requests": requests[:4]}
        if name == "console-only":
            record["printed"] = printed
        (HERE / "doctor" / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        print(name, len(requests), "requests")


if __name__ == "__main__":
    main()
