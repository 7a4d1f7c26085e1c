"""./dev bench differences [FOLDER] [--write]: does POST /skep/v1/differences name the culprit of real, labelled faults?

FOLDER holds SYSTEM-…-spans.csv.zst, SYSTEM-…-logs.csv.zst and faults-….csv as docs/performance.md describes them; without it
$SKEP_FAULT_TRACES or ../shared/data/traces. A server takes them over OTLP/HTTP and is asked about each fault as a user would: the time
of the fault against all other minutes, and the slowest tenth of the root spans within it (a rectangle in a heatmap) against all others.
"""
import collections
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import report
from loads import BINARY
from skep import Skep
from system import fetch

FAULT_S = 180
REQUEST_SPANS = 500
LOGS_ONLY = ("return", "exception")
RAW_FIELDS = ("service.name", "service.instance.id", "name")
NS = 10**9


def rows_of(file):
    text = subprocess.run(["zstd", "-dc", str(file)], capture_output=True, check=True).stdout.decode()
    return csv.DictReader(io.StringIO(text))


def attributes(**texts):
    return [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]


def send(url, path, outer, inner, what, rows):
    """Rows of one resource a request, as SDKs send them."""
    for (service, pod), items in rows.items():
        resource = attributes(**{"service.name": service, "service.instance.id": pod})
        for at in range(0, len(items), REQUEST_SPANS):
            body = {outer: [{"resource": {"attributes": resource}, inner: [{what: items[at:at + REQUEST_SPANS]}]}]}
            fetch(url + path, json.dumps(body).encode(), {"content-type": "application/json"})


class Data:
    """One system's spans and log lines, and where its fields lie."""

    def __init__(self, url, folder, system):
        self.names, self.first, self.last = collections.defaultdict(set), None, 0
        self.log_minutes, self.span_count, self.line_count = set(), 0, 0
        spans, lines = collections.defaultdict(list), collections.defaultdict(list)
        for file in sorted(folder.glob(f"{system}-*spans.csv.zst")):
            for row in rows_of(file):
                start = int(row["start_unix_nano"])
                span = {"traceId": row["trace_id"], "spanId": row["span_id"], "name": row["name"],
                        "startTimeUnixNano": row["start_unix_nano"], "endTimeUnixNano": row["end_unix_nano"]}
                if row["parent_span_id"]:
                    span["parentSpanId"] = row["parent_span_id"]
                spans[row["service"], row["pod"]].append(span)
                self.names[row["name"]].add(row["service"])
                self.first, self.last = min(self.first or start, start), max(self.last, start)
                self.span_count += 1
        for file in sorted(folder.glob(f"{system}-*logs.csv.zst")):
            for row in rows_of(file):
                line = {"timeUnixNano": row["time_unix_nano"], "body": {"stringValue": row["message"]}}
                if row["trace_id"]:
                    line |= {"traceId": row["trace_id"], "spanId": row["span_id"]}
                lines[row["service"], row["pod"]].append(line)
                self.log_minutes.add(int(row["time_unix_nano"]) // NS // 60)
                self.line_count += 1
        send(url, "/v1/traces", "resourceSpans", "scopeSpans", "spans", spans)
        send(url, "/v1/logs", "resourceLogs", "scopeLogs", "logRecords", lines)
        self.range = {"start_time": self.first // NS, "end_time": self.last // NS + 1}


def place(ordered, *wanted):
    """1 for the first that is wanted; 0: none is."""
    return next((at for at, item in enumerate(ordered, 1) if item in wanted), 0)


class Fault:
    def __init__(self, skep, data, row):
        self.skep, self.data, self.row = skep, data, row
        self.service, self.pod, self.kind = row["culprit_service"], row["culprit_pod"], row["fault_type"]
        self.start = int(row["inject_unix"])
        self.end = self.start + FAULT_S
        self.is_logs_only = self.kind in LOGS_ONLY
        self.has_logs = any(self.start // 60 <= minute <= self.end // 60 for minute in data.log_minutes)

    def counts(self, field, filters, start, end):
        spec = {"calculations": [{"op": "COUNT"}], "breakdowns": [field], "limit": 1000, "start_time": start, "end_time": end,
                "filters": [{"column": field, "op": "exists"}, {"column": "duration_ms", "op": "exists"}, *filters]}
        found = self.skep.call("/skep/v1/query", {"query": spec, "disable_series": True})["data"]["results"]
        return {row["data"][field]: row["data"]["COUNT"] for row in found}

    def plain(self, filters, slow):
        """The culprit's place among all values of the raw fields by the plain difference of their shares."""
        differences = []
        for field in RAW_FIELDS:
            whole = self.counts(field, filters, self.data.range["start_time"], self.data.range["end_time"])
            selected = self.counts(field, [*filters, *slow], self.start, self.end)
            inside, outside = sum(selected.values()), sum(whole.values()) - sum(selected.values())
            for value, count in whole.items():
                mine = selected.get(value, 0)
                differences.append((abs(mine / max(inside, 1) - (count - mine) / max(outside, 1)), field, value))
        differences.sort(key=lambda d: (-d[0], d[1:]))
        ours = [self.names_culprit(field, value) for _, field, value in differences]
        return place(ours, True)

    def names_culprit(self, field, value):
        return value in (self.service, self.pod) or (field == "name" and self.data.names.get(value) == {self.service})

    def ask(self, filters, selection):
        return self.skep.call("/skep/v1/differences", {"query": {**self.data.range, "filters": filters},
                                                       "selection": {"start": self.start, "end": self.end, **selection}})

    def by_window(self):
        return self.ask([], {}), self.plain([], [])

    def by_heatmap(self):
        roots = [{"column": "trace.parent_id", "op": "does-not-exist"}, {"column": "duration_ms", "op": "exists"}]
        spec = {"calculations": [{"op": "P90", "column": "duration_ms"}], "filters": roots, "start_time": self.start, "end_time": self.end}
        slow = self.skep.call("/skep/v1/query", {"query": spec, "disable_series": True})["data"]["results"][0]["data"]["P90(duration_ms)"]
        return (self.ask(roots, {"range": {"field": "duration_ms", "min": slow}}),
                self.plain(roots, [{"column": "duration_ms", "op": ">=", "value": slow}]))

    def places(self, answer):
        """Of the culprit among the suspects: its service, and its pod as the first named of its service."""
        suspects = answer["suspects"]
        pods = [s.get("instance", {}).get("name") for s in suspects]
        return place([s["service"] for s in suspects], self.service), place(pods, self.pod)

    def log_place(self, answer):
        services = list(dict.fromkeys(word["service"] for word in answer["words"]))
        return place(services, self.service)


def shown(at):
    return str(at) if at else "not named"


def line(fault):
    window, plain_window = fault.by_window()
    heatmap, plain_heatmap = fault.by_heatmap()
    cells = [fault.row["inject_time_utc"], fault.service, fault.kind]
    found = {}
    if fault.is_logs_only:
        words = fault.log_place(window) if fault.has_logs else None
        clue = next((w for w in window["words"] if w["service"] == fault.service), None)
        said = f"`{clue['word']}` in {clue['traces_with']['selection']} of {clue['traces']['selection']} traces, before in " \
               f"{clue['traces_with']['baseline']} of {clue['traces']['baseline']}" if clue else ""
        cells += ["–", "–", shown(words) if fault.has_logs else "no logs of that time", shown(plain_window), shown(plain_heatmap), said]
        found["logs"] = words
    else:
        service, pod = fault.places(window)
        heat_service, heat_pod = fault.places(heatmap)
        suspect = next((s for s in window["suspects"] if s["service"] == fault.service), None)
        said = f"own {suspect['own']:.2f}, between {suspect['between']:.2f}, {suspect['share']:.0%} of the excess" if suspect else ""
        cells += [f"{shown(service)} (pod {shown(pod)})", f"{shown(heat_service)} (pod {shown(heat_pod)})", "–", shown(plain_window), shown(plain_heatmap), said]
        found |= {"window": service, "heatmap": heat_service, "plain window": plain_window, "plain heatmap": plain_heatmap}
    return cells, found


def summary(all_found):
    lines = []
    for what in ("window", "heatmap", "plain window", "plain heatmap", "logs"):
        places = [f[what] for f in all_found if f.get(what) is not None]
        if places:
            first, three = sum(p == 1 for p in places), sum(0 < p <= 3 for p in places)
            lines.append(f"- {what}: first {first} of {len(places)}, in the first three {three} of {len(places)}")
    return lines


def table(folder):
    heads = ["injected (UTC)", "culprit", "fault", "rank, window", "rank, heatmap", "rank, log words", "plain, window", "plain, heatmap", "what is said"]
    lines, all_found = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)], []
    with tempfile.TemporaryDirectory(prefix="skep-faults-") as place_for:
        skep = Skep(BINARY, options=["--retention", "100y"])
        skep.start(pathlib.Path(place_for) / "data", None)
        try:
            data = {}
            for faults in sorted(folder.glob("faults*.csv")):
                for row in csv.DictReader(faults.open()):
                    system = row["system"]
                    if system not in data:
                        data[system] = Data(skep.url, folder, system)
                        print(f"{system}: {data[system].span_count:,} spans, {data[system].line_count:,} log lines", flush=True)
                    cells, found = line(Fault(skep, data[system], row))
                    all_found.append(found)
                    lines.append("| " + " | ".join(cells) + " |")
                    print(lines[-1], flush=True)
        finally:
            skep.stop()
    return lines, summary(all_found)


def main(words):
    folders = [w for w in words if not w.startswith("-")]
    folder = pathlib.Path(folders[0] if folders else os.environ.get("SKEP_FAULT_TRACES", report.ROOT / "../shared/data/traces"))
    if not list(folder.glob("faults*.csv")):
        print(f"differences: skipped, {folder} has no faults*.csv; name a folder with $SKEP_FAULT_TRACES")
        return 0
    lines, counts = table(folder)
    print("\n".join(counts))
    if "--write" in words:
        report.write("differences", [f"`./dev bench differences` at {report.commit()}.", "", *lines, "", *counts])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
