"""DuckDB, in this process: a peer, and the oracle whose answers the others must give. Percentiles are exact (quantile_disc)."""
import pathlib

from system import System, Skipped
from sql import Sql


class Duck(Sql, System):
    name = "DuckDB"
    note = "in process, exact percentiles; loads ready Parquet"
    is_concurrent = False

    def start(self, folder, load):
        try:
            import duckdb
        except ImportError as e:
            raise Skipped(str(e)) from e
        load.decode()
        self.version = duckdb.__version__
        pathlib.Path(folder).mkdir()
        self.path = pathlib.Path(folder) / "spans.duckdb"
        self.db = duckdb.connect(str(self.path))
        self.db.execute("SET threads = 2")

    def run(self, text):
        return self.db.execute(text).fetchall()

    def load_table(self, load):
        files = ", ".join(f"'{p}'" for p in load.parquet)
        order = "start_ns" if load.is_logs else "service_name, name, start_ns"
        self.run(f"CREATE TABLE spans AS SELECT * FROM read_parquet([{files}], union_by_name = true) ORDER BY {order}")
        self.run("CHECKPOINT")

    def disk_bytes(self):
        return self.path.stat().st_size, self.run("SELECT count(*) FROM spans")[0][0]

    def field(self, load, name, alias=""):
        return f'{alias}"{name}"'

    def dialect(self, load, alias=""):
        ms = f"({alias}duration_ns / 1e6)"
        return {"spans": "spans", "ms": ms, "p95": f"quantile_disc({ms}, 0.95)", "p99": f"quantile_disc({ms}, 0.99)",
                "octave": f"floor(log2({alias}duration_ns + 1) * 4)", "distinct_user": f'count(DISTINCT {alias}"user_id")',
                "word": lambda word: f"""contains({alias}body, '{word}')"""}

    def stop(self):
        self.db.close()
