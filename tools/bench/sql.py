"""What DuckDB and ClickHouse share: questions become SQL by filling in the names of a dialect."""
import time

from system import Skipped

FIELDS = {"service": "service_name", "user": "user_id", "route": "http_route", "country": "app_country", "experiment": "app_experiment",
          "name": "name", "trace": "trace_id", "span": "span_id", "parent": "parent_id", "severity": "severity"}

DIFFERENCES = ("service_name", "k8s_pod_name", "service_instance_id", "http_route", "db_collection_name", "db_query_text", "app_tenant", "app_country")


class Names(dict):
    """{user}, {has_user}, {word_refused}; {c.service} is the same of another alias."""

    def __init__(self, system, load, step, alias=""):
        super().__init__()
        self.system, self.load, self.alias = system, load, alias
        start = f"{alias}start_ns"
        self.own = {"range": f"{start} >= {load.t0 * 10**9} AND {start} < {load.t1 * 10**9}", "bucket": system.bucket(start, step),
                    "error": system.error(alias), "not_consumer": f"{alias}kind <> 'consumer'", "is_root": f"{alias}parent_id = ''",
                    **system.dialect(load, alias)}
        self.step = step

    def __missing__(self, name):
        if name in ("c", "p"):
            return Aliased(self, name)
        if name.startswith("word_"):
            return self.own["word"](name[5:])
        if name.startswith("has_"):
            return self.system.exists(self.load, FIELDS[name[4:]], self.alias)
        return self.own[name] if name in self.own else self.system.field(self.load, FIELDS[name], self.alias)


class Aliased:
    def __init__(self, names, alias):
        self.names = Names(names.system, names.load, names.step, alias + ".")

    def __getattr__(self, name):
        return self.names[name]


class Sql:
    def ingest(self, load):
        begun = time.monotonic()
        self.load_table(load)
        return load.items / (time.monotonic() - begun), "from ready Parquet, nothing decoded: not comparable"

    def bucket(self, start, step):
        return f"CAST(({start} - {start} % {step * 10**9}) / 1000000000 AS BIGINT)"

    def error(self, alias):
        return f"{alias}is_error"

    def exists(self, load, name, alias):
        return f"{self.field(load, name, alias)} IS NOT NULL"

    def ask(self, question, load):
        if question.special in ("trace", "differences"):
            return getattr(self, question.special)(question, load)
        if not question.sql:
            raise Skipped("not asked in SQL")
        return self.run(question.sql.format_map(Names(self, load, question.step or load.step)))

    def differences(self, question, load):
        """Six fields only, the slowest 5 % beside all: how often each value occurs in either."""
        names = Names(self, load, load.step)
        if not hasattr(self, "slow_ms"):
            self.slow_ms = self.run(f"SELECT {names['p95']} FROM spans WHERE {names['range']}")[0][0]
        fields = [self.field(load, name) for name in DIFFERENCES if name in load.schema][:6]
        return self.run(" UNION ALL ".join(f"SELECT {i} f, {field} v, sum(CASE WHEN {names['ms']} > {self.slow_ms} THEN 1 ELSE 0 END) s, count(*) n "
                                           f"FROM spans WHERE {names['range']} GROUP BY 1, 2" for i, field in enumerate(fields)))

    def trace(self, question, load, trace_id=None):
        trace_id = trace_id or load.trace_ids[0]
        return [(len(self.run(self.trace_sql(trace_id))),)]

    def trace_sql(self, trace_id):
        return f"SELECT * FROM spans WHERE trace_id = '{trace_id}'"
