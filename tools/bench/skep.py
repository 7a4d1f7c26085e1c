"""skep itself, as a server asked over HTTP."""
import json
import signal
import subprocess
import threading
import time

import loads
from server import Server
from system import Skipped, fetch, folder_bytes, parse

SEALED_ROWS, CALM_S, SETTLE_MOST_S = 64 << 10, 80, 1800


class Skep(Server):
    name = "skep"
    note = "HTTP, JSON; durable before the reply"

    def __init__(self, binary=loads.BINARY, memory_max="1GiB", options=()):
        self.binary, self.memory_max, self.options = binary, memory_max, options
        self.version = subprocess.run([str(binary), "--version"], capture_output=True, text=True).stdout.strip().split("\n")[0]

    def start(self, folder, load):
        begun = time.monotonic()
        self.run(folder, [self.binary, "serve", "--quiet", "--data-dir", folder, "--listen", "127.0.0.1:0",
                          "--memory-max", self.memory_max, *self.options], stdout=subprocess.PIPE, text=True)
        line = self.process.popen.stdout.readline()
        if not line:
            raise Skipped(f"did not start: {open(f'{folder}.log').read()[-300:]}")
        self.url, self.ready_s = json.loads(line)["url"], time.monotonic() - begun
        self.receiver, self.key_folder = self.url, self.folder
        self.idle_mib = self.process.status_mib("VmRSS")

    def another(self):
        """A second server like this one."""
        return Skep(self.binary, self.memory_max, self.options)

    def store(self):
        return json.loads(fetch(self.url + "/skep/v1/status"))["store"]

    def settle(self):
        """Until nothing was sealed or merged for longer than either waits for: open rows are sealed after a minute when they
        are SEALED_ROWS or more, and the first merge follows within another."""
        begun, before, calm = time.monotonic(), None, 0
        patience = CALM_S if self.store()["rows"] >= SEALED_ROWS else 3
        while calm < patience and time.monotonic() - begun < SETTLE_MOST_S:
            store = self.store()
            now = (store["open_rows"], store["segments"], store["merges"], store["seals"])
            calm = calm + 1 if now == before else 0
            before = now
            time.sleep(1)
        store = self.store()
        return (f"after {time.monotonic() - begun:.0f} s: {store['segments']} segments, {store['merges']} merges, "
                f"{store['open_rows']:,} of {store['rows']:,} rows still open")

    def disk_bytes(self):
        store = self.store()
        return folder_bytes(self.folder / "store"), store["rows"] - store["open_rows"]

    def call(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        return parse(fetch(self.url + path, data, {"content-type": "application/json"}))

    def ask(self, question, load):
        if question.special:
            return getattr(self, question.special)(question, load)
        # A series is asked for by EVERY; other questions get one bucket, which is all they need.
        width = (question.step or load.step) if question.series else load.t1 - load.t0
        answer = self.call("/skep/v1/query", {"text": f"{question.text} SINCE {load.t0} UNTIL {load.t1} EVERY {width}s"})["data"]
        rows = answer["series"] if question.series else answer["results"]
        for kind, name in question.columns:
            if kind != "time" and all(row["data"].get(name) is None for row in rows):
                raise Skipped(f"nothing has {name}")
        return [tuple(self.cell(kind, name, row) for kind, name in question.columns) for row in rows]

    @staticmethod
    def cell(kind, name, row):
        if kind == "time":
            return int(time.mktime(time.strptime(row["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)
        value = row["data"].get(name)
        if name.startswith("HEATMAP"):
            return sum(c["count"] for c in value["cells"]) if value else 0
        return value

    def service_map(self, question, load):
        edges = self.call(f"/skep/v1/service-map?start={load.t0}&end={load.t1}")["edges"]
        return [(e["from"], e["to"], e["count"], e["p95_ms"]) for e in edges if e["kind"] == "call" and e["from"] != "user"]

    def differences(self, question, load):
        """The slowest 5 % against the rest."""
        if getattr(self, "slow_ms", None) is None:  # not before the first spans are there
            found = self.call("/skep/v1/query", {"text": f"P95(duration_ms) SINCE {load.t0} UNTIL {load.t1}"})["data"]["results"]
            self.slow_ms = found[0]["data"]["P95(duration_ms)"]
        spec = {"start_time": load.t0, "end_time": load.t1}
        chosen = [{"column": "duration_ms", "op": ">", "value": self.slow_ms}]
        return self.call("/skep/v1/differences", {"dataset": "__all__", "query": spec, "selection": {"filters": chosen}})

    def trace(self, question, load, trace_id=None):
        if not load.trace_ids:  # nobody decoded the load
            found = self.call("/skep/v1/query", {"text": f"COUNT GROUP BY trace.trace_id SINCE {load.t0} UNTIL {load.t1} LIMIT 1000"})
            load.trace_ids = [row["data"]["trace.trace_id"] for row in found["data"]["results"]]
        trace_id = trace_id or load.trace_ids[0]
        return [(len(self.call("/skep/v1/traces/" + trace_id)["spans"]),)]

    def kill_and_restart(self):
        """Seconds until ready after kill -9."""
        self.process.stop(signal.SIGKILL)
        self.start(self.folder, None)
        return self.ready_s

    def acknowledged_p99(self, load, rate, busy):
        """The p99 of acknowledgements at a steady rate, with two long queries at once if busy."""
        over = threading.Event()

        def ask_on():
            while not over.is_set():
                self.call("/skep/v1/query", {"text": "P99(duration_ms) GROUP BY user.id LIMIT 100 SINCE 1h"})

        workers = [threading.Thread(target=ask_on) for _ in range(2 if busy else 0)]
        for worker in workers:
            worker.start()
        try:
            return self.load_at(load.shape, rate, rate * 6)["p99_ms"]
        finally:
            over.set()
            for worker in workers:
                worker.join()

    def load_command(self, shape, rate, items):
        return [str(self.binary), "load", "--json", "--quiet", "--url", self.url, "--data-dir", str(self.folder), "--shape", shape, "--spans",
                str(int(items)), "--rate", str(rate), "--connections", "4"]

    def load_at(self, shape, rate, items):
        return json.loads(subprocess.run(self.load_command(shape, rate, items), capture_output=True, text=True, check=True).stdout)
