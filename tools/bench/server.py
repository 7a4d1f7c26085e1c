"""What the servers of the bench have in common, skep's and its peers': a process that is watched, and that takes the load over OTLP/HTTP."""
import pathlib

import loads
from system import Process, Skipped, System, fetch, parse, wait_for


class Server(System):
    url = receiver = ""  # where it is asked, and where it takes the load
    trace_path = ""
    key_folder = None  # of skep's data: whose key the sender takes

    def run(self, folder, command, **more):
        self.folder = pathlib.Path(folder)
        self.process = Process([str(word) for word in command], f"{folder}.log", **more)

    def await_ready(self, path, seconds=60):
        wait_for(self.url + path, seconds)
        self.idle_mib = self.process.status_mib("VmRSS")

    def ingest(self, load):
        rate, report = load.send(self.receiver, self.key_folder)
        self.items = load.items
        return rate, f"{loads.HTTP_CONNECTIONS} connections; acknowledged p50 {report['p50_ms']:.1f}, p99 {report['p99_ms']:.1f} ms"

    def peak_mib(self):
        return self.process.status_mib("VmHWM")

    def ask(self, question, load):
        if question.special == "trace":
            return self.trace(question, load)
        return self.ask_itself(question, load)

    def ask_itself(self, question, load):
        """In the system's own language."""
        raise Skipped("it has no such question")

    def trace(self, question, load, trace_id=None):
        reply = parse(fetch(self.url + self.trace_path + (trace_id or load.trace_ids[0])))
        return [(self.spans_of(reply),)]

    def stop(self):
        self.process.stop()
