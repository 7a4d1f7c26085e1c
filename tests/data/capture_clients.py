#!/usr/bin/env python3
"""Captures what the Node, Go and Java SDKs send (tests/flow/clients), one request per signal and form, beside the golden inputs.

usage, with the Python of the flow tests:  .cache/venv/bin/python tests/data/capture_clients.py [CLIENT…]
Ids and times are new each time: write the dumps anew afterwards (tests/unit/receive_golden.c) and read them.
"""
import gzip
import http.server
import os
import pathlib
import shutil
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "flow"))

import test_sdks  # noqa: E402  the builders of the clients

FORMS = [("node", "http/protobuf", "node-sdk.pb"), ("node", "http/json", "node-sdk.json"), ("go", "http/protobuf", "go-sdk.pb"),
         ("java", "http/protobuf", "java-sdk.pb")]


def sink(bodies):
    class Sink(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self):
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers["content-length"]))
            out = b""
            while size := int(self.rfile.readline(), 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out

        def do_POST(self):
            body = self.body()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            bodies.setdefault(self.path, body)
            reply = b"{}" if "json" in self.headers["content-type"] else b""
            self.send_response(200)
            self.send_header("content-type", self.headers["content-type"])
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def command(language, folder):
    """Node's stack traces name the program's folder: it runs from a neutral one."""
    words = test_sdks.BUILD[language]()
    if language != "node":
        return words
    shutil.copytree(pathlib.Path(words[1]).parent, folder, dirs_exist_ok=True)
    return ["node", f"{folder}/emit.js"]


def main():
    with tempfile.TemporaryDirectory(prefix="orders-") as folder:
        capture(pathlib.Path(folder))


def capture(folder):
    for language, protocol, name in FORMS:
        if len(sys.argv) > 1 and language not in sys.argv[1:]:
            continue
        bodies = {}
        server = sink(bodies)
        endpoint = f"http://127.0.0.1:{server.server_port}"
        test_sdks.run(command(language, folder), env={
            **os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_SERVICE_NAME": "orders", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"})
        server.shutdown()
        for signal in ("traces", "logs", "metrics"):
            (HERE / f"otlp-{signal}" / name).write_bytes(bodies[f"/v1/{signal}"])
            print(f"otlp-{signal}/{name}: {len(bodies[f'/v1/{signal}'])} bytes")


if __name__ == "__main__":
    main()
