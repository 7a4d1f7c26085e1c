"""The loads: requests written once by `skep load --write`, sent to every server as they are, and decoded once into Parquet for the
databases that are asked in SQL."""
import concurrent.futures
import itertools
import json
import os
import pathlib
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = ROOT / "build/skep"
RATE = 10_000  # events a second of event time
BATCH = 100_000  # rows of a Parquet file
HTTP_CONNECTIONS = 8


class Load:
    def __init__(self, shape, items, seed, folder):
        self.shape, self.folder = shape, pathlib.Path(folder)
        self.path = self.folder / f"{shape}.load"
        window = max(1, items // RATE)
        self.step = 60 if window >= 600 else 10 if window >= 100 else 1
        self.at = int(time.time())
        self.t0 = (self.at - window) // self.step * self.step
        self.t1 = self.at // self.step * self.step + max(60, self.step)
        made = subprocess.run([str(BINARY), "load", "--json", "--shape", shape, "--spans", str(items), "--rate", str(RATE), "--seed", str(seed),
                               "--at", str(self.at), "--write", str(self.path)], capture_output=True, text=True, check=True)
        report = json.loads(made.stdout)
        self.items, self.requests, self.bytes = report["items"], report["requests"], self.path.stat().st_size
        self.is_logs = shape == "logs"
        self.parquet, self.schema, self.names, self.trace_ids = [], {}, {}, []  # names: column -> attribute

    def what(self):
        return f"load {self.shape}, {self.items:,} {'lines' if self.is_logs else 'spans'}, {self.bytes / self.items:.0f} B each as OTLP"

    def send(self, url, folder=None):
        """Through skep's own sender; (items a second, its report)."""
        command = [str(BINARY), "load", "--json", "--quiet", "--url", url, "--connections", str(HTTP_CONNECTIONS), "--read", str(self.path)]
        done = subprocess.run(command + (["--data-dir", str(folder)] if folder else []), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or done.stdout)
        report = json.loads(done.stdout)
        return report["items_per_s"], report

    def requests_in_turn(self):
        with open(self.path, "rb") as file:
            file.read(16)
            while head := file.read(8):
                yield file.read(struct.unpack("<II", head)[0])

    def decode(self):
        """Parquet files of BATCH rows: one column an attribute, dots as underscores. Every process takes each n-th request."""
        if self.parquet:
            return
        workers = os.cpu_count() or 1
        with concurrent.futures.ProcessPoolExecutor(workers) as pool:
            for files, schema, names, trace_ids in pool.map(decode_share, [self] * workers, range(workers), [workers] * workers):
                self.parquet += files
                self.schema |= schema
                self.names |= names
                self.trace_ids += trace_ids


def decode_share(load, worker, workers):
    table = Table(load, f"part-{worker}")
    for body in itertools.islice(load.requests_in_turn(), worker, None, workers):
        (read_logs if load.is_logs else read_spans)(body, table)
        if table.rows >= BATCH:
            table.flush()
    table.flush()
    return load.parquet, load.schema, load.names, load.trace_ids


class Table:
    """Columns that grow together; an absent value is None."""

    def __init__(self, load, name):
        self.load, self.name, self.rows, self.columns = load, name, 0, {}

    def add(self, row):
        for key, value in row.items():
            column = self.columns.get(key)
            if column is None:
                column = self.columns[key] = []
                self.load.schema.setdefault(key, TYPES[type(value)])
            if len(column) < self.rows:
                column.extend([None] * (self.rows - len(column)))
            column.append(value)
        self.rows += 1

    def flush(self):
        import pyarrow
        import pyarrow.parquet

        if not self.rows:
            return
        arrays = {}
        for key, column in self.columns.items():
            column.extend([None] * (self.rows - len(column)))
            arrays[key] = pyarrow.array(column, type=getattr(pyarrow, self.load.schema[key])())
        path = self.load.folder / f"{self.name}-{len(self.load.parquet):04}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(arrays), path, compression="zstd")
        self.load.parquet.append(path)
        self.rows, self.columns = 0, {}


TYPES = {str: "string", int: "int64", float: "float64", bool: "bool_"}
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


def attributes_of(pairs, into, names):
    for pair in pairs:
        column = pair.key.replace(".", "_")
        names[column] = pair.key
        into[column] = getattr(pair.value, pair.value.WhichOneof("value"))


def read_spans(body, table):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {}
        attributes_of(group.resource.attributes, resource, table.load.names)
        for scope in group.scope_spans:
            for span in scope.spans:
                row = {"trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(), "parent_id": span.parent_span_id.hex(), "name": span.name,
                       "kind": KINDS[span.kind], "start_ns": span.start_time_unix_nano,
                       "duration_ns": max(0, span.end_time_unix_nano - span.start_time_unix_nano), "is_error": span.status.code == 2,
                       "status_message": span.status.message, **resource}
                attributes_of(span.attributes, row, table.load.names)
                table.add(row)
                if len(table.load.trace_ids) < 2000 and not span.parent_span_id and table.rows % 50 == 0:
                    table.load.trace_ids.append(row["trace_id"])


def read_logs(body, table):
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = {}
        attributes_of(group.resource.attributes, resource, table.load.names)
        for scope in group.scope_logs:
            for record in scope.log_records:
                table.add({"start_ns": record.time_unix_nano, "trace_id": record.trace_id.hex(), "span_id": record.span_id.hex(),
                           "severity": record.severity_text, "severity_number": record.severity_number, "body": record.body.string_value, **resource})
