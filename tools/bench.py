#!/usr/bin/env python3
"""./dev bench [--spans N] [--write]: what docs/performance.md claims, measured on this machine in one run.

A release server in a temporary folder takes load A (docs/performance.md) over OTLP/HTTP from `skep load` on the same cores,
settles, and answers each question 20 times; the median stands in the table. --write puts the table into docs/performance.md.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "build/skep"
QUERIES = [
    ("count per interval", "COUNT SINCE 1h"),
    ("P99 by service over time", "P99(duration_ms) GROUP BY service.name SINCE 1h"),
    ("heatmap", "HEATMAP(duration_ms) SINCE 1h"),
    ("top 50 users with P99", "COUNT, P99(duration_ms) GROUP BY user.id ORDER BY COUNT DESC LIMIT 50 SINCE 1h"),
    ("distinct users", "COUNT_DISTINCT(user.id) SINCE 1h"),
    ("errors by route", "COUNT WHERE error = true GROUP BY http.route SINCE 1h"),
    ("group by attribute", "COUNT GROUP BY app.country SINCE 1h"),
    ("P99 by user", "P99(duration_ms) GROUP BY user.id SINCE 1h LIMIT 100"),
    ("count by trace", "COUNT GROUP BY trace.trace_id SINCE 1h LIMIT 100"),
]


class Bench:
    def __init__(self, folder):
        self.folder, self.rows = pathlib.Path(folder), []
        self.server = subprocess.Popen([str(BINARY), "serve", "--quiet", "--data-dir", folder, "--listen", "127.0.0.1:0", "--memory-max", "1GiB"],
                                       stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.server.stdout.readline())
        self.url = self.ready["url"]
        self.key = self.ready["keys"]["dev"]["full"] if "keys" in self.ready else None

    def note(self, what, value, remark=""):
        self.rows.append((what, value, remark))
        print(f"{what:44} {value:>16}  {remark}", flush=True)

    def call(self, path, body=None):
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode() if body else None,
                                         headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as reply:
            return json.loads(reply.read())

    def ask(self, text):
        return self.call("/skep/v1/query", {"text": text})

    def memory_mib(self, name="VmRSS"):
        return int(re.search(rf"{name}:\s+(\d+)", pathlib.Path(f"/proc/{self.server.pid}/status").read_text())[1]) / 1024

    def load(self, *options):
        out = subprocess.run([str(BINARY), "load", "--json", "--quiet", "--url", self.url, "--data-dir", str(self.folder), *options],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def settle(self):
        """Waits until nothing is left to seal or merge."""
        before, calm = None, 0
        while calm < 3:
            store = self.call("/skep/v1/status")["store"]
            now = (store["open_rows"], store["segments"], store["merges"], store["seals"])
            calm = calm + 1 if now == before else 0
            before = now
            time.sleep(1)
        return self.call("/skep/v1/status")["store"]

    def median_ms(self, run, times=20):
        run()
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            run()
            taken.append((time.perf_counter() - begun) * 1e3)
        return statistics.median(taken), sorted(taken)[int(times * 0.99)] if times > 1 else taken[0]

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(60)


def segment_bytes(folder):
    return sum(f.stat().st_size for f in (pathlib.Path(folder) / "store").rglob("*") if f.is_file())


def ingest(b, spans):
    report = b.load("--spans", str(spans))
    b.note("ingest, durable before the reply", f"{report['items_per_s']:,.0f} spans/s", f"{report['items']:,.0f} spans, 8 connections, sender on the same cores")
    b.note("acknowledge p50 · p99 at full speed", f"{report['p50_ms']:.1f} · {report['p99_ms']:.1f} ms")
    b.note("peak resident memory at full ingest", f"{b.memory_mib('VmHWM'):.0f} MiB")
    begun = time.monotonic()
    store = b.settle()
    rows = store["rows"]
    b.note("sealed and merged after", f"{time.monotonic() - begun:.0f} s", f"{store['segments']} segments, {store['open_rows']:,} rows still open")
    if store["rows"] > store["open_rows"]:
        b.note("bytes a span on disk, indexes included", f"{segment_bytes(b.folder) / (store['rows'] - store['open_rows']):.1f} B", "journal left out")
    return rows


def questions(b):
    for name, text in QUERIES:
        median, worst = b.median_ms(lambda text=text: b.ask(text))
        b.note(name, f"{median:.1f} ms", f"p99 {worst:.1f}; {text}")
    median, worst = b.median_ms(lambda: b.call("/skep/v1/service-map"))
    b.note("service map", f"{median:.1f} ms", f"p99 {worst:.1f}")
    found = b.ask("COUNT GROUP BY trace.trace_id SINCE 1h LIMIT 20")["data"]["results"]
    ids = [row["data"]["trace.trace_id"] for row in found]
    turn = iter(range(10**9))
    median, worst = b.median_ms(lambda: b.call("/skep/v1/traces/" + ids[next(turn) % len(ids)]))
    b.note("trace by id", f"{median:.2f} ms", f"p99 {worst:.2f}, over HTTP, JSON of the whole trace included")


def acknowledgements(b):
    """DESIGN: p99 of the acknowledgement under two long queries at most three times that of an idle server."""
    idle = b.load("--spans", "60000", "--rate", "10000", "--connections", "4")
    stop = threading.Event()

    def long_queries():
        while not stop.is_set():
            b.ask("P99(duration_ms), COUNT_DISTINCT(app.request_id) GROUP BY user.id SINCE 1h")

    workers = [threading.Thread(target=long_queries) for _ in range(2)]
    for worker in workers:
        worker.start()
    busy = b.load("--spans", "60000", "--rate", "10000", "--connections", "4")
    stop.set()
    for worker in workers:
        worker.join()
    b.note("acknowledge p99 at 10 k spans/s, idle", f"{idle['p99_ms']:.2f} ms", f"p50 {idle['p50_ms']:.2f}")
    b.note("the same under two long queries", f"{busy['p99_ms']:.2f} ms", f"p50 {busy['p50_ms']:.2f}; {busy['p99_ms'] / idle['p99_ms']:.1f} x idle")


def restart(b, folder):
    b.server.send_signal(signal.SIGKILL)
    b.server.wait()
    begun = time.monotonic()
    again = Bench(folder)
    b.note("ready after kill -9", f"{time.monotonic() - begun:.2f} s")
    again.rows = b.rows
    return again


def write(rows, arguments):
    page = ROOT / "docs/performance.md"
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    table = [f"`./dev bench {' '.join(arguments)}` at {commit}, {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of {cpu}, "
             f"Linux {platform.release().split('-')[0]}.", "", "| what | measured | how |", "|---|---:|---|"]
    table += [f"| {what} | {value} | {remark.replace('|', '/')} |" for what, value, remark in rows]
    text = page.read_text()
    page.write_text(re.sub(r"(<!-- bench -->\n).*?(<!-- /bench -->)", lambda m: m[1] + "\n".join(table) + "\n" + m[2], text, flags=re.S))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as folder:
        b = Bench(folder)
        try:
            b.note("resident memory, idle, empty", f"{b.memory_mib():.0f} MiB")
            ingest(b, asked.spans)
            questions(b)
            acknowledgements(b)
            b = restart(b, folder)
        finally:
            b.stop()
        if asked.write:
            write(b.rows, [a for a in sys.argv[1:] if a != "--write"])


if __name__ == "__main__":
    main()
