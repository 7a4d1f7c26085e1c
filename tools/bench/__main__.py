"""./dev bench: what docs/performance.md claims, measured in one run, side by side with peers.

./dev bench                                   1 M spans of load B, DuckDB and both ClickHouse schemas, and what is built of the others
./dev bench --shape A --spans 10000000        load A; --shape logs for log lines
./dev bench --peers none heatmap "trace by id"    skep alone, only rows whose names contain these words
./dev bench --write                           puts the table into docs/performance.md
./dev bench --compare REV                     against an earlier commit, with instruction counts
./dev bench profile                           where a span's nanoseconds go (tools/bench/profile_ingest.py)
./dev bench differences                       real, labelled faults: is the culprit named first (tools/bench/differences.py)
./dev bench web [--write]                     the interface's budgets, by its marks in Chromium (tools/bench/web.py)
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import report
import run
from loads import Load
from questions import QUESTIONS
from skep import Skep

ROOT = report.ROOT
VENV = ROOT / ".cache/bench-venv"
PACKAGES = ["chdb", "duckdb", "pyarrow", "opentelemetry-proto"]


def peers_of(names):
    from clickhouse import Otel, Tuned
    from duck import Duck
    from jaeger import Jaeger
    from tempo import Tempo
    from victoria import VictoriaLogs, VictoriaTraces

    # DuckDB first: the others' answers are held against its.
    known = {"duckdb": [Duck], "chdb": [Otel, Tuned], "victoria": [VictoriaTraces, VictoriaLogs], "tempo": [Tempo], "jaeger": [Jaeger]}
    chosen = list(known) if names == "all" else [] if names == "none" else names.split(",")
    unknown = [n for n in chosen if n not in known]
    if unknown:
        sys.exit(f"bench: no peer {', '.join(unknown)}; there are {', '.join(known)}")
    return [kind() for name in known if name in chosen for kind in known[name]]


def in_own_python():
    """Peers come from PyPI into a folder of their own; when they cannot be had they are left out by name."""
    python = VENV / "bin/python"
    if pathlib.Path(sys.prefix) == VENV:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    have = subprocess.run([str(python), "-c", "import chdb, duckdb, pyarrow, opentelemetry.proto"], capture_output=True)
    if have.returncode:
        for package in PACKAGES:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package])
    os.execv(python, [str(python), str(pathlib.Path(__file__).parent), *sys.argv[1:]])


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="only questions whose names contain one of these")
    parser.add_argument("--spans", type=int, default=1_000_000, help="spans or log lines (default 1,000,000)")
    parser.add_argument("--shape", choices=["A", "B", "logs"], default="B")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default="all", help="duckdb,chdb,victoria,tempo,jaeger, all or none")
    parser.add_argument("--times", type=int, default=20, help="how often each question is asked (default 20)")
    parser.add_argument("--memory-max", default="512MiB", help="skep's (default 512MiB, the aim)")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--compare", metavar="REV", help="with an earlier commit instead of peers")
    parser.add_argument("--no-kernels", action="store_true", help="with --compare: without callgrind")
    return parser.parse_args()


def main():
    if sys.argv[1:2] == ["differences"]:
        import differences

        subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
        return differences.main(sys.argv[2:])
    if sys.argv[1:2] == ["web"]:
        import web

        subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
        return web.main(sys.argv[2:])
    if sys.argv[1:2] == ["profile"]:
        import profile_ingest

        subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
        return profile_ingest.main(sys.argv[2:])
    asked = arguments()
    if asked.peers != "none" and not asked.compare:
        in_own_python()
    subprocess.run(["./dev", "build"], cwd=ROOT, check=True)
    busy = report.machine()
    print(busy, flush=True)
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as folder:
        load = Load(asked.shape, asked.spans, asked.seed, folder)
        print(load.what(), flush=True)
        if asked.compare:
            return earlier_commit(asked, load, folder)
        board = report.Board()
        runner = run.Runner(board, load, folder, asked.rows, asked.times)
        peers = [p for p in peers_of(asked.peers) if load.shape in p.shapes]
        # The oracle answers before skep does; the table shows skep first.
        first = [p for p in peers if p.name == "DuckDB"]
        for system in [*first, Skep(memory_max=asked.memory_max), *(p for p in peers if p not in first)]:
            runner.run(system)
    board.systems.sort(key=lambda s: s[0] != "skep")
    board.in_order([*run.FIRST, *(q.name + more for q in QUESTIONS for more in ("", ", p99"))])
    print("\n" + "\n".join(board.table()) + "\n\n" + board.summary() + "\n" + "\n".join(board.remarks()))
    if asked.write:
        words = [a for a in sys.argv[1:] if a != "--write"]
        report.write(f"Load {asked.shape}", report.page_of(board, load, words, busy))
    return 0


def earlier_commit(asked, load, folder):
    import earlier

    earlier.compare(asked.compare, load, folder, asked.rows, asked.times, not asked.no_kernels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
