"""Jaeger (its second generation) with Badger, one process, built outside this tree (peers.py). It finds traces and adds nothing up: of the questions it is asked
for traces by their ids."""
import pathlib
import re
import subprocess

import peers
from server import Server

CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{logs: {{level: error}}, metrics: {{level: none}}}}
extensions:
  jaeger_query: {{storage: {{traces: store}}, http: {{endpoint: "127.0.0.1:13300"}}, grpc: {{endpoint: "127.0.0.1:13301"}}}}
  jaeger_storage: {{backends: {{store: {{badger: {{directories: {{keys: {folder}/keys, values: {folder}/values}}, ephemeral: false, ttl: {{spans: 720h}}}}}}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:13302"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: store}}}}
"""


class Jaeger(Server):
    name = "Jaeger"
    note = "HTTP; Badger; not durable at the reply; no batches beyond the sender's"
    shapes = ("A", "B")
    url, receiver, trace_path = "http://127.0.0.1:13300", "http://127.0.0.1:13302", "/api/traces/"

    def start(self, folder, load):
        program, self.version = peers.program("jaegertracing/jaeger", "jaeger", "./cmd/jaeger")
        said = subprocess.run(["go", "version", "-m", str(program)], capture_output=True, text=True).stdout
        if found := re.search(r"github.com/jaegertracing/jaeger\s+(v\S+)", said):
            self.version = found[1]
        pathlib.Path(folder).mkdir()
        config = pathlib.Path(f"{folder}.yaml")
        config.write_text(CONFIG.format(folder=folder))
        self.run(folder, [program, "--config", config])
        self.await_ready("/api/services", 45)

    def settle(self):
        return f"calm after {self.process.wait_calm(10):.0f} s"

    def disk_bytes(self):
        """What is taken up: Badger makes its files far longer than what is in them."""
        return sum(f.stat().st_blocks * 512 for f in self.folder.rglob("*") if f.is_file()), self.items

    def spans_of(self, reply):
        return sum(len(trace["spans"]) for trace in reply["data"])
