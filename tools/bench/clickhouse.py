"""ClickHouse as chdb, in this process: once with the schema of the OpenTelemetry exporter, once with one typed column an attribute."""
import pathlib
import time

from sql import Sql
from system import Skipped, System, parse

ZSTD = "CODEC(ZSTD(1))"
OTEL_TRACES = f"""
CREATE TABLE spans (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String {ZSTD}, SpanId String {ZSTD}, ParentSpanId String {ZSTD}, TraceState String {ZSTD},
    SpanName LowCardinality(String) {ZSTD}, SpanKind LowCardinality(String) {ZSTD}, ServiceName LowCardinality(String) {ZSTD},
    ResourceAttributes Map(LowCardinality(String), String) {ZSTD}, ScopeName String {ZSTD}, ScopeVersion String {ZSTD},
    SpanAttributes Map(LowCardinality(String), String) {ZSTD}, Duration UInt64 {ZSTD}, StatusCode LowCardinality(String) {ZSTD}, StatusMessage String {ZSTD},
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) {ZSTD},
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) {ZSTD},
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
) ENGINE MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""
OTEL_TRACE_TIMES = f"""
CREATE TABLE trace_times (TraceId String {ZSTD}, Start DateTime CODEC(Delta, ZSTD(1)), End DateTime CODEC(Delta, ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1) ENGINE MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start)"""
OTEL_LOGS = f"""
CREATE TABLE spans (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)), TraceId String {ZSTD}, SpanId String {ZSTD}, TraceFlags UInt8, SeverityText LowCardinality(String) {ZSTD},
    SeverityNumber UInt8, ServiceName LowCardinality(String) {ZSTD}, Body String {ZSTD}, ResourceSchemaUrl LowCardinality(String) {ZSTD},
    ResourceAttributes Map(LowCardinality(String), String) {ZSTD}, ScopeName String {ZSTD}, LogAttributes Map(LowCardinality(String), String) {ZSTD},
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8
) ENGINE MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, toDateTime(Timestamp), Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"""
INTRINSIC = {"trace_id", "span_id", "parent_id", "name", "kind", "start_ns", "duration_ns", "is_error", "status_message", "body", "severity",
             "severity_number"}
RESOURCE = ("service_name", "service_version", "service_instance_id", "k8s_pod_name", "k8s_node_name", "k8s_namespace_name",
            "deployment_environment_name", "telemetry_sdk_language")
COLUMN_TYPES = {"string": "String", "int64": "Int64", "float64": "Float64", "bool_": "Bool"}


class ClickHouse(Sql, System):
    is_concurrent = False
    order_of_merge = "OPTIMIZE TABLE spans FINAL"

    def start(self, folder, load):
        try:
            from chdb import session
        except ImportError as e:
            raise Skipped(str(e)) from e
        load.decode()
        pathlib.Path(folder).mkdir()
        self.session = session.Session(str(folder))
        for setting in ("max_threads = 2", "max_insert_threads = 2", "use_query_cache = 0"):
            self.session.query(f"SET {setting}")
        self.session.query("CREATE DATABASE bench ENGINE = Atomic")
        self.session.query("USE bench")
        self.version = self.run("SELECT version()")[0][0]
        self.is_logs = load.is_logs

    def run(self, text):
        reply = self.session.query(text, "JSONCompact").bytes()
        return [tuple(as_number(v) for v in row) for row in parse(reply)["data"]] if reply else []

    def source(self, load):
        """The Parquet files with a column for every field, also of files that lack it."""
        columns = ", ".join(f"{name} Nullable({COLUMN_TYPES[kind]})" for name, kind in load.schema.items())
        return f"file('{load.folder}/part-*.parquet', 'Parquet', '{columns}')"

    def settle(self):
        begun = time.monotonic()
        self.session.query(self.order_of_merge)
        return f"OPTIMIZE FINAL took {time.monotonic() - begun:.0f} s"

    def disk_bytes(self):
        found = self.run("SELECT sum(bytes_on_disk), sumIf(rows, table = 'spans') FROM system.parts WHERE active AND database = 'bench'")
        return int(found[0][0]), int(found[0][1])

    def stop(self):
        self.session.close()


def as_number(value):
    """64-bit integers come as text."""
    if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 20 and not (value[0] == "0" and len(value) > 1):
        return int(value)
    return value


class Otel(ClickHouse):
    name = "ClickHouse, OTel schema"
    note = "chdb, in process; the OpenTelemetry exporter's tables"

    def load_table(self, load):
        def text(name):
            return f"ifNull(toString({name}), '')"

        def map_of(names):
            pairs = ", ".join(f"('{load.names[n]}', {text(n)})" for n in names)
            return f"CAST(arrayFilter(x -> x.2 != '', [{pairs}]), 'Map(LowCardinality(String), String)')" if names else "map()"

        resource = [n for n in load.schema if n in RESOURCE]
        own = [n for n in load.schema if n not in RESOURCE and n not in INTRINSIC]
        if load.is_logs:
            self.session.query(OTEL_LOGS)
            self.session.query("INSERT INTO spans (Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes) SELECT "
                               "fromUnixTimestamp64Nano(assumeNotNull(start_ns)), assumeNotNull(trace_id), assumeNotNull(span_id), assumeNotNull(severity), "
                               f"assumeNotNull(severity_number), assumeNotNull(service_name), assumeNotNull(body), {map_of(resource)} FROM {self.source(load)}")
            return
        self.session.query(OTEL_TRACES)
        self.session.query(OTEL_TRACE_TIMES)
        self.session.query("CREATE MATERIALIZED VIEW trace_times_mv TO trace_times AS SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End "
                           "FROM spans WHERE TraceId != '' GROUP BY TraceId")
        self.session.query("INSERT INTO spans (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, "
                           "Duration, StatusCode, StatusMessage) SELECT fromUnixTimestamp64Nano(assumeNotNull(start_ns)), assumeNotNull(trace_id), "
                           "assumeNotNull(span_id), assumeNotNull(parent_id), assumeNotNull(name), initcap(assumeNotNull(kind)), "
                           f"assumeNotNull(service_name), {map_of(resource)}, {map_of(own)}, assumeNotNull(duration_ns), "
                           f"if(assumeNotNull(is_error), 'Error', 'Unset'), ifNull(status_message, '') FROM {self.source(load)}")

    def bucket(self, start, step):
        alias = start.rpartition(".")[0]
        return f"toUnixTimestamp(toStartOfInterval({alias + '.' if alias else ''}Timestamp, INTERVAL {step} SECOND))"

    def error(self, alias):
        return f"{alias}StatusCode = 'Error'"

    def field(self, load, name, alias=""):
        own = {"service_name": "ServiceName", "name": "SpanName", "trace_id": "TraceId", "span_id": "SpanId", "parent_id": "ParentSpanId", "severity": "SeverityText"}
        return alias + (own.get(name) or f"SpanAttributes['{load.names.get(name, name)}']")

    def exists(self, load, name, alias):
        return f"mapContains({alias}SpanAttributes, '{load.names[name]}')"

    def dialect(self, load, alias=""):
        ms, when = f"({alias}Duration / 1e6)", f"{alias}Timestamp"
        return {"spans": "spans", "ms": ms, "p95": f"quantile(0.95)({ms})", "p99": f"quantile(0.99)({ms})", "octave": f"floor(log2({alias}Duration + 1) * 4)",
                "distinct_user": f"uniq({self.field(load, 'user_id', alias)})", "word": lambda word: f"hasToken({alias}Body, '{word}')",
                "not_consumer": f"{alias}SpanKind != 'Consumer'", "is_root": f"{alias}ParentSpanId = ''",
                "range": f"{when} >= fromUnixTimestamp({load.t0}) AND {when} < fromUnixTimestamp({load.t1})"}

    def trace_sql(self, trace_id):
        return ("WITH (SELECT min(Start) FROM trace_times WHERE TraceId = '{0}') AS a, (SELECT max(End) + 1 FROM trace_times WHERE TraceId = '{0}') AS b "
                "SELECT * FROM spans WHERE TraceId = '{0}' AND Timestamp >= a AND Timestamp <= b").format(trace_id)


class Tuned(ClickHouse):
    name = "ClickHouse, tuned columns"
    note = "chdb, in process; one typed column an attribute, ids binary, codecs by hand"

    def load_table(self, load):
        source, few = self.source(load), 10_000
        texts = [n for n, kind in load.schema.items() if kind == "string" and n not in INTRINSIC]
        distinct = self.run("SELECT " + ", ".join(f"uniq({n})" for n in texts) + f" FROM {source}")[0] if texts else ()
        columns, select = [], []
        for name, kind in load.schema.items():
            column, value = self.column(load, name, kind, dict(zip(texts, distinct)).get(name, 0) <= few)
            columns.append(f"{name} {column}")
            select.append(f"{value} AS {name}")
        order = "service_name, start_ns" if load.is_logs else "service_name, name, start_ns"
        text_index = ", INDEX words body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1" if load.is_logs else ""
        self.session.query(f"CREATE TABLE spans ({', '.join(columns)}, INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1{text_index}) "
                           f"ENGINE MergeTree PARTITION BY intDiv(start_ns, 86400000000000) ORDER BY ({order})")
        self.session.query(f"INSERT INTO spans SELECT {', '.join(select)} FROM {source}")

    @staticmethod
    def column(load, name, kind, is_few):
        """(type and codec, how it is read from the Parquet)."""
        if name == "trace_id":
            return "FixedString(16) CODEC(ZSTD(1))", f"CAST(unhex(assumeNotNull({name})), 'FixedString(16)')"
        if name in ("span_id", "parent_id"):
            return "UInt64 CODEC(NONE)", f"reinterpretAsUInt64(reverse(unhex(assumeNotNull({name}))))"
        if name == "start_ns":
            return "Int64 CODEC(Delta, ZSTD(1))", f"assumeNotNull({name})"
        if name == "duration_ns":
            return "UInt64 CODEC(T64, ZSTD(1))", f"toUInt64(assumeNotNull({name}))"
        if name in ("service_name", "name", "kind", "severity"):
            return "LowCardinality(String) CODEC(ZSTD(1))", f"assumeNotNull({name})"
        if name in ("body", "status_message"):
            return "String CODEC(ZSTD(1))", f"ifNull({name}, '')"
        if name in ("is_error", "severity_number"):
            return "UInt8 CODEC(ZSTD(1))", f"assumeNotNull({name})"
        if kind == "string":  # absent is the empty text, which no field has
            return ("LowCardinality(String)" if is_few else "String") + " CODEC(ZSTD(1))", f"ifNull({name}, '')"
        if kind == "int64":
            return "Nullable(Int64) CODEC(T64, ZSTD(1))", name
        return f"Nullable({COLUMN_TYPES[kind]}) CODEC(ZSTD(1))", name

    def field(self, load, name, alias=""):
        return f"hex({name})" if name == "trace_id" and not alias else alias + name

    def exists(self, load, name, alias):
        return f"{alias}{name} != ''"

    def bucket(self, start, step):
        return f"intDiv({start}, {step * 10**9}) * {step}"

    def dialect(self, load, alias=""):
        ms = f"({alias}duration_ns / 1e6)"
        return {"spans": "spans", "ms": ms, "p95": f"quantile(0.95)({ms})", "p99": f"quantile(0.99)({ms})", "octave": f"floor(log2({alias}duration_ns + 1) * 4)",
                "distinct_user": f"uniq({alias}user_id)", "is_root": f"{alias}parent_id = 0", "word": lambda word: f"hasToken({alias}body, '{word}')"}

    def trace_sql(self, trace_id):
        return f"SELECT * FROM spans WHERE trace_id = unhex('{trace_id}')"
