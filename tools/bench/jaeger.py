"""Jaeger (its second generation) with Badger, one process, built outside this tree (peers.py). It finds traces and adds nothing up: of the questions it is asked
for traces by their ids."""
import pathlib
import re
import subprocess

import loads
import peers
from system import Process, Skipped, System, fetch, parse, wait_for

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


class Jaeger(System):
    name = "Jaeger"
    note = "HTTP; Badger; not durable at the reply; no batches beyond the sender's"
    shapes = ("A", "B")
    url, receiver = "http://127.0.0.1:13300", "http://127.0.0.1:13302"

    def start(self, folder, load):
        program, self.version = peers.program("jaegertracing/jaeger", "jaeger", "./cmd/jaeger")
        said = subprocess.run(["go", "version", "-m", str(program)], capture_output=True, text=True).stdout
        if found := re.search(r"github.com/jaegertracing/jaeger\s+(v\S+)", said):
            self.version = found[1]
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        config = self.folder.with_suffix(".yaml")
        config.write_text(CONFIG.format(folder=folder))
        self.process = Process([str(program), "--config", str(config)], f"{folder}.log")
        wait_for(self.url + "/api/services", 45)
        self.idle_mib = self.process.status_mib("VmRSS")

    def ingest(self, load):
        rate, report = load.send(self.receiver)
        self.items = load.items
        return rate, f"{loads.HTTP_CONNECTIONS} connections; acknowledged p99 {report['p99_ms']:.1f} ms"

    def settle(self):
        return f"calm after {self.process.wait_calm(10):.0f} s"

    def disk_bytes(self):
        """What is taken up: Badger makes its files far longer than what is in them."""
        return sum(f.stat().st_blocks * 512 for f in self.folder.rglob("*") if f.is_file()), self.items

    def peak_mib(self):
        return self.process.status_mib("VmHWM")

    def ask(self, question, load):
        if question.special == "trace":
            return self.trace(question, load)
        raise Skipped("it has no such question")

    def trace(self, question, load, trace_id=None):
        reply = parse(fetch(f"{self.url}/api/traces/{trace_id or load.trace_ids[0]}"))
        return [(sum(len(trace["spans"]) for trace in reply["data"]),)]

    def stop(self):
        self.process.stop()
