"""VictoriaTraces and VictoriaLogs: built from their public repositories outside this tree (peers.py), asked in LogsQL over HTTP."""
import re
import time

import peers
from server import Server
from system import Skipped, fetch, folder_bytes, parse


class Victoria(Server):
    note = "HTTP; not durable at the reply"
    binary = repository = ""
    port = 0

    def start(self, folder, load):
        program, self.version = peers.program(self.repository, self.binary, f"./app/{self.binary}")
        self.url = f"http://127.0.0.1:{self.port}"
        self.receiver = self.url + "/insert/opentelemetry"
        self.run(folder, [program, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y",
                          "-search.maxQueryDuration=300s"])
        self.await_ready("/health")

    def ingest(self, load):
        taken = super().ingest(load)
        fetch(self.url + "/internal/force_flush")
        return taken

    def settle(self):
        calm = self.process.wait_calm()
        fetch(self.url + "/internal/force_merge")
        return f"calm after {calm:.0f} s, then merged by force in {self.process.wait_calm():.0f} s"

    def disk_bytes(self):
        return folder_bytes(self.folder), self.count_items()

    def count_items(self):
        return int(self.query("* | stats count() n")[0][0])

    def query(self, text, **more):
        form = "&".join(f"{k}={v}" for k, v in {"query": peers.quoted(text), **more}.items())
        reply = fetch(self.url + "/select/logsql/query", form.encode(), {"content-type": "application/x-www-form-urlencoded"})
        names = names_of(text)
        return [tuple(parse(line).get(name, "") for name in names) for line in reply.splitlines()]

    def ask_itself(self, question, load):
        if not question.logsql:
            raise Skipped("not asked in LogsQL")
        rows = self.query(question.logsql.format(step=question.step or load.step), start=load.t0, end=load.t1)
        if question.columns[0][0] == "r":  # a ranking: only the percentile, which comes last
            rows = [row[-1:] for row in rows]
        return [tuple(cell(kind, v) for (kind, _), v in zip(question.columns, row)) for row in rows]


def names_of(text):
    """The fields of an answer in the order in which the query names them: what it groups by, then what it computes."""
    stats = text[text.index("stats") :].split(" | ")[0]
    grouped = re.search(r"by \((.*?)\) ", stats)
    keys = [key.strip().strip('"') for key in grouped[1].split(",")] if grouped else []
    return ["_time" if key.startswith("_time:") else key for key in keys] + re.findall(r"\) (\w+)(?=,|$)", stats)


def cell(kind, value):
    if kind == "time":
        return int(time.mktime(time.strptime(value[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)
    if kind in ("p", "r", "f"):
        return float(value or 0) / 1e6
    return value if kind == "key" else float(value or 0)


class VictoriaTraces(Victoria):
    name = "VictoriaTraces"
    note = "HTTP; not durable at the reply; a span's time is its end, so its intervals differ"
    shapes = ("A", "B")
    binary, repository, port = "victoria-traces", "VictoriaMetrics/VictoriaTraces", 19428
    trace_path = "/select/jaeger/api/traces/"

    def spans_of(self, reply):
        return len(reply["data"][0]["spans"])

    def count_items(self):
        return int(self.query('"resource_attr:service.name":* | stats count() n')[0][0])


class VictoriaLogs(Victoria):
    name = "VictoriaLogs"
    shapes = ("logs",)
    binary, repository, port = "victoria-logs", "VictoriaMetrics/VictoriaLogs", 19429
