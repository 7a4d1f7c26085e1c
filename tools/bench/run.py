"""One system through one load: ingest, size, every question, and what a busy server does."""
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import answers
import earlier
import loads
import questions
from system import ReplyIsThere, Skipped, until_the_reply

PATIENCE_S = 30  # a question that takes a second is asked fewer times
TRACE_CALLS = 10  # times as many: their p99 is a row of its own
FIRST = ["ingest over OTLP/HTTP, sender on the same cores", "decode alone, one core", "bytes a span on disk, indexes included", "bytes a line on disk",
         "resident memory, idle and empty", "peak resident memory at full ingest", "the same while questions are asked"]
DASHBOARD, BUSY_DASHBOARD = "a dashboard of 12 questions at once", "the same while ingesting at half speed"
BYTES_AIM = {"A": 36, "B": 20, "logs": 14}


def times_ms(ask, times):
    ask()
    taken, begun = [], time.monotonic()
    with until_the_reply():
        while len(taken) < times and (len(taken) < 3 or time.monotonic() - begun < PATIENCE_S):
            start = time.perf_counter()
            with contextlib.suppress(ReplyIsThere):
                ask()
            taken.append((time.perf_counter() - start) * 1e3)
    return taken


def p99(taken):
    return sorted(taken)[len(taken) * 99 // 100]


class Runner:
    def __init__(self, board, load, folder, wanted, times):
        self.board, self.load, self.folder, self.times = board, load, pathlib.Path(folder), times
        self.questions = questions.for_load(load.shape, wanted)
        self.is_whole = not wanted
        self.oracle = {}

    def run(self, system):
        print(f"{system.name}", flush=True)
        folder = self.folder / system.name.lower().replace(" ", "-").replace(",", "")
        try:
            try:
                system.start(folder, self.load)
            except Skipped as e:
                self.board.notes.append(f"{system.name} is left out: {e}")
                print(f"  left out: {e}", flush=True)
                return
            self.board.add_system(system.name, system.version, system.note)
            self.take_load(system)
            for question in self.questions:
                self.ask(system, question)
            if not self.load.is_logs:
                self.dashboard(system)
            if system.name == "skep" and self.is_whole:
                self.only_skep(system)
        finally:
            system.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def measured(self, row, system, take, **about):
        """Puts a figure, or why there is none."""
        try:
            value, remark = take()
        except (Skipped, OSError, KeyError, subprocess.CalledProcessError) as e:
            self.board.skip(row, system.name, f"{e}"[:160])
            return None
        self.board.put(row, system.name, value, remark=remark, **about)
        return value

    def take_load(self, system):
        name, is_database, load = system.name, not system.is_concurrent, self.load
        if hasattr(system, "idle_mib"):
            self.board.put("resident memory, idle and empty", name, system.idle_mib, "MiB", aim=30)
        self.rate = system.ingest(load)
        self.board.put("ingest over OTLP/HTTP, sender on the same cores", name, self.rate[0], "items/s", aim=None if load.is_logs else 500_000,
                       remark=self.rate[1], more_is_better=True, is_comparable=not is_database)
        self.measured("peak resident memory at full ingest", system, lambda: (system.peak_mib(), ""), unit="MiB", aim=512)
        settled = system.settle()
        aim = BYTES_AIM[load.shape]

        def bytes_of_one():
            held, items = system.disk_bytes()
            if not items:
                raise Skipped(f"nothing is sealed; {settled}")
            return held / items, settled

        self.measured("bytes a line on disk" if load.is_logs else "bytes a span on disk, indexes included", system, bytes_of_one, unit="B", aim=aim)

    def ask(self, system, question):
        turn = itertools.count()
        aim = question.aim.get("L" if self.load.is_logs else self.load.shape)

        def once():
            if question.special == "trace":
                return system.trace(question, self.load, self.load.trace_ids[next(turn) % len(self.load.trace_ids)])
            return system.ask(question, self.load)

        try:
            rows = system.ask(question, self.load)
            taken = times_ms(once, self.times * (TRACE_CALLS if question.special == "trace" else 1))
        except Exception as e:  # a peer may fail in ways of its own; the table says so and goes on
            self.board.skip(question.name, system.name, f"{type(e).__name__ + ': ' if not isinstance(e, Skipped) else ''}{e}"[:160].replace("\n", " "), aim)
            return
        remark = "six fields only; " if question.special == "differences" and system.name != "skep" else ""
        self.board.put(question.name, system.name, statistics.median(taken), aim=aim, remark=f"{remark}worst of {len(taken)}: {max(taken):.1f} ms",
                       is_comparable=not remark)
        if question.special == "trace":
            self.board.put(question.name + ", p99", system.name, p99(taken), aim=3, remark=f"worst of {len(taken)}: {max(taken):.1f} ms")
        if system.name == "DuckDB":
            self.oracle[question.name] = rows
        elif question.name in self.oracle:
            want = self.oracle[question.name]
            if question.special != "trace" and system.name == "Tempo":
                verdict = answers.compare_sums(question, rows, want)
            else:
                verdict = answers.compare(question, rows, want, system.name == "skep")
            if verdict:
                self.board.say_same(question.name, system.name, *verdict)

    def ask_all(self, system, chosen):
        def ask(question):
            with contextlib.suppress(ReplyIsThere):
                system.ask(question, self.load)

        with concurrent.futures.ThreadPoolExecutor(len(chosen) if system.is_concurrent else 1) as pool:
            list(pool.map(ask, chosen))

    def dashboard(self, system):
        chosen = [q for q in questions.for_load(self.load.shape, []) if q.name in questions.DASHBOARD]
        if not self.is_whole:
            return
        able = []
        for q in chosen:
            try:
                system.ask(q, self.load)
                able.append(q)
            except Exception:  # what it cannot answer is in the table already
                continue
        if not able:
            return
        row_remark = f"only {len(able)} of {len(chosen)} can be asked" if len(able) < len(chosen) else ""
        taken = times_ms(lambda: self.ask_all(system, able), min(self.times, 10))
        self.board.put(DASHBOARD, system.name, statistics.median(taken), remark=row_remark, is_comparable=not row_remark)
        if system.name == "skep":
            self.dashboard_while_ingesting(system, able)

    def dashboard_while_ingesting(self, system, chosen):
        rate = int(self.rate[0] / 2)
        sender = subprocess.Popen(system.load_command(self.load.shape, rate, rate * 600), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            taken = times_ms(lambda: self.ask_all(system, chosen), min(self.times, 10))
            is_alive = sender.poll() is None
        finally:
            sender.terminate()
            sender.wait()
        if is_alive:
            self.board.put(BUSY_DASHBOARD, system.name, statistics.median(taken), remark=f"{rate:,} items/s asked of the sender")
        else:
            self.board.skip(BUSY_DASHBOARD, system.name, "the sender ended early")

    def peak_while_asked(self, system):
        """The load once more at full speed, into an empty server that is asked every question in turn until all is there."""
        other, asked, failed, over = system.another(), [], [], threading.Event()
        other.start(self.folder / "asked-meanwhile", self.load)

        def ask_on():
            for question in itertools.cycle(self.questions):
                if over.is_set():
                    return
                try:
                    other.ask(question, self.load)
                    asked.append(question.name)
                except Exception as e:  # before the first rows are there some questions have no answer; which ones is in the remark
                    failed.append(f"{question.name}: {e}"[:120])

        askers = [threading.Thread(target=ask_on) for _ in range(2)]
        try:
            for asker in askers:
                asker.start()
            rate, _ = other.ingest(self.load)
            over.set()
            for asker in askers:
                asker.join()
            return other.peak_mib(), (f"{rate:,.0f} items/s beside {len(asked):,} answers to {len(set(asked))} questions, {len(failed)} without one"
                                      + (f" ({failed[-1]})" if failed else ""))
        finally:
            over.set()
            other.stop()
            shutil.rmtree(self.folder / "asked-meanwhile", ignore_errors=True)

    def only_skep(self, system):
        load = self.load

        def calm_and_busy():
            os.sync()  # what the row before left to be written would make the calm one wait
            idle, busy = system.acknowledged_p99(load, 10_000, False), system.acknowledged_p99(load, 10_000, True)
            return busy / idle, f"p99 {idle:.1f} ms idle, {busy:.1f} ms under two long queries, at 10,000 items/s"

        if not load.is_logs:
            self.measured("decode alone, one core", system, decode_rate, unit="items/s", aim=1_500_000, more_is_better=True)
        self.measured("the same while questions are asked", system, lambda: self.peak_while_asked(system), unit="MiB", aim=512)
        self.measured("acknowledgement under long queries, × idle", system, calm_and_busy, unit="×", aim=3)
        self.measured("ready after kill -9", system, lambda: (system.kill_and_restart() * 1e3, f"{load.items:,} items stored"), unit="ms", aim=200)
        self.measured("stripped binary", system, lambda: (stripped_mib(system.binary), ""), unit="MiB", aim=8)


def decode_rate():
    """Spans a second of bench/decode_bench: its best slice, which is what a core does that nobody else uses."""
    folder = earlier.build(earlier.ROOT, "bench/decode_bench")
    out = subprocess.run([str(folder / "bench/decode_bench"), "3", "protobuf"], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"best slice +(\d+)", out)[1]), out.strip()


def stripped_mib(binary):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, str(binary)], check=True)
        return pathlib.Path(out.name).stat().st_size / 2**20
