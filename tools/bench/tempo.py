"""Tempo as one process with local disk, built from its public repository outside this tree (peers.py), asked in TraceQL."""
import pathlib
import time

import peers
from server import Server
from system import Skipped, fetch, folder_bytes, parse

CONFIG = """
server: {{http_listen_address: 127.0.0.1, http_listen_port: 13200, grpc_listen_address: 127.0.0.1, grpc_listen_port: 13201, log_level: warn}}
memberlist: {{bind_addr: [127.0.0.1], bind_port: 13203}}
distributor: {{receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:13202"}}}}}}}}}}
storage: {{trace: {{backend: local, local: {{path: {folder}/blocks}}, wal: {{path: {folder}/wal}}}}}}
overrides: {{defaults: {{ingestion: {{rate_limit_bytes: 4000000000, burst_size_bytes: 4000000000, max_traces_per_user: 0}},
  global: {{max_bytes_per_trace: 0}}, metrics_generator: {{processors: [local-blocks]}}, read: {{max_metrics_duration: 0s}}}}}}
usage_report: {{reporting_enabled: false}}
{more}"""
# Where v3 keeps recent spans; and what v2 asks for instead, so that metrics queries see them.
V3 = """
live_store: {{wal: {{path: {folder}/live}}, shutdown_marker_dir: {folder}/live-marker}}
backend_scheduler: {{local_work_path: {folder}/scheduler}}
"""
V2 = """
ingester: {{max_block_duration: 1m, trace_idle_period: 2s, lifecycler: {{address: 127.0.0.1, ring: {{kvstore: {{store: inmemory}}, replication_factor: 1}}}}}}
metrics_generator: {{ring: {{kvstore: {{store: inmemory}}}}, storage: {{path: {folder}/generator}}, traces_storage: {{path: {folder}/traces}},
  processor: {{local_blocks: {{filter_server_spans: false, flush_to_storage: true}}}}}}
query_frontend: {{metrics: {{concurrent_jobs: 4, query_backend_after: 0s, max_duration: 0s}}}}
"""


class Tempo(Server):
    name = "Tempo"
    note = "HTTP; not durable at the reply; of its answers only the sum of counts is held against the oracle"
    shapes = ("A", "B")
    url, receiver, trace_path = "http://127.0.0.1:13200", "http://127.0.0.1:13202", "/api/traces/"

    def start(self, folder, load):
        program, self.version = peers.program("grafana/tempo", "tempo", "./cmd/tempo")
        pathlib.Path(folder).mkdir()
        config = pathlib.Path(f"{folder}.yaml")
        for more in (V3, V2):
            config.write_text(CONFIG.format(folder=folder, more=more.format(folder=folder)))
            self.run(folder, [program, "-target=all", f"-config.file={config}"])
            try:
                return self.await_ready("/ready", 45)
            except Skipped:
                self.process.stop()
        raise Skipped("not ready: " + pathlib.Path(f"{folder}.log").read_text()[-200:])

    def settle(self):
        """Blocks are cut by age; waits for the first and then for calm."""
        begun = time.monotonic()
        while not self.blocks() and time.monotonic() - begun < 120:
            time.sleep(1)
        self.process.wait_calm(10)
        return f"calm after {time.monotonic() - begun:.0f} s"

    def blocks(self):
        """Folders of finished blocks; copies that the live store still keeps are not counted."""
        return [m.parent for m in (self.folder / "blocks").rglob("meta.json")]

    def disk_bytes(self):
        blocks = self.blocks()
        if not blocks:
            raise Skipped("no block was finished in two minutes")
        return sum(map(folder_bytes, blocks)), self.items

    def ask_itself(self, question, load):
        if not question.traceql:
            raise Skipped("not asked in TraceQL")
        form = f"q={peers.quoted(question.traceql.format())}&start={load.t0}&end={load.t1}"
        form = f"query_range?{form}&step={question.step or load.step}s" if question.series else f"query?{form}"
        found = parse(fetch(f"{self.url}/api/metrics/{form}")).get("series", [])
        values = [point.get("value", 0) for series in found for point in (series.get("samples", []) if question.series else [series])]
        if not any(values):
            raise Skipped("an empty answer")
        return [(sum(values),)]

    def spans_of(self, reply):
        return sum(len(scope["spans"]) for group in reply["batches"] for scope in group["scopeSpans"])
