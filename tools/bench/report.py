"""The table: a row a figure, a column a system, aims, ratios, and whether the answers are the same."""
import os
import pathlib
import platform
import re
import subprocess
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@dataclass
class Cell:
    value: float = None
    remark: str = ""
    is_comparable: bool = True  # with skep's figure


class Board:
    def __init__(self):
        self.systems, self.rows, self.cells, self.same, self.notes = [], {}, {}, {}, []

    def add_system(self, name, version, note):
        self.systems.append((name, version, note))

    def put(self, row, system, value, unit="ms", aim=None, remark="", more_is_better=False, is_comparable=True):
        known = self.rows.setdefault(row, {"aim": None})
        known |= {"unit": unit, "more": more_is_better, "aim": aim if aim is not None else known["aim"]}
        self.cells[row, system] = Cell(value, remark, is_comparable)
        print(f"  {row:52} {shown(value, unit) if value is not None else '–':>16}  {remark}", flush=True)

    def skip(self, row, system, why, aim=None):
        self.rows.setdefault(row, {"unit": "ms", "aim": aim, "more": False})
        self.cells[row, system] = Cell(None, why)
        print(f"  {row:52} {'–':>16}  skipped: {why}", flush=True)

    def say_same(self, row, system, text, is_same):
        self.same.setdefault(row, []).append((system, text, is_same))
        print(f"  {'':52} {'':>16}  answer: {text}", flush=True)

    def value(self, row, system):
        cell = self.cells.get((row, system))
        return cell.value if cell else None

    def times_better(self, row, value, other):
        return value / other if self.rows[row]["more"] else other / value

    def best_peer(self, row, ours="skep"):
        """How many times the best of the others is skep's figure; None when no other has one."""
        mine = self.value(row, ours)
        if not mine:
            return None
        ratios = [self.times_better(row, mine, c.value) for (r, s), c in self.cells.items() if r == row and s != ours and c.value and c.is_comparable]
        return min(ratios) if ratios else None

    def verdict(self, row):
        aim, mine = self.rows[row]["aim"], self.value(row, "skep")
        if aim is None:
            return ""
        if mine is None:
            return "not measured"
        short = aim / mine if self.rows[row]["more"] else mine / aim
        return "met" if short <= 1 else f"short by {short:.2g} ×"

    def in_order(self, rows):
        """Rows that are named here first, in this order: systems fill the table in their own."""
        rank = {row: i for i, row in enumerate(rows)}
        self.rows = dict(sorted(self.rows.items(), key=lambda item: rank.get(item[0], len(rank))))

    def table(self):
        names = [name for name, _, _ in self.systems]
        lines = ["| what | aim | " + " | ".join(names) + " | aim met | best peer ÷ skep | same answer |",
                 "|---|---:|" + "---:|" * len(names) + "---|---:|---|"]
        for row, about in self.rows.items():
            aim = ("≥ " if about["more"] else "≤ ") + shown(about["aim"], about["unit"]) if about["aim"] is not None else ""
            values = [self.shown_cell(row, name) for name in names]
            ratio = self.best_peer(row)
            lines.append(f"| {row} | {aim} | " + " | ".join(values) + f" | {self.verdict(row)} | {f'{ratio:.1f} ×' if ratio else ''} | {self.shown_same(row)} |")
        return lines

    def shown_cell(self, row, system):
        cell = self.cells.get((row, system))
        if not cell or cell.value is None:
            return "–"
        return shown(cell.value, self.rows[row]["unit"]) + ("" if cell.is_comparable else " (*)")

    def shown_same(self, row):
        found = self.same.get(row, [])
        ours = next((text for system, text, _ in found if system == "skep"), "")
        others = [f"{system}: {text}" for system, text, is_same in found if system != "skep" and not is_same]
        return "; ".join(([ours] if ours else []) + others).replace("|", "/")

    def summary(self):
        verdicts = {row: self.verdict(row) for row in self.rows}
        counted = {row: v for row, v in verdicts.items() if v}
        met = sum(v == "met" for v in counted.values())
        short = [f"{row} ({v})" for row, v in counted.items() if v != "met"]
        text = f"{met} of {len(counted)} aims met"
        if short:
            text += ": the others are " + ", ".join(short)
        return text + "."

    def remarks(self):
        """What is not in the table: who was skipped and why, and skep's own remarks."""
        lines = [f"- {name}{', ' + version if version else ''}: {note}" for name, version, note in self.systems]
        lines += [f"- {note}" for note in self.notes]
        lines += [f"- {row}: {cell.remark}" for (row, system), cell in self.cells.items() if system == "skep" and cell.remark and not cell.remark.startswith("worst of")]
        grouped = {}
        for (row, system), cell in self.cells.items():
            if system != "skep" and cell.value is None:
                grouped.setdefault((system, cell.remark), []).append(row)
        lines += [f"- {system} is not in {', '.join(rows)}: {why}" for (system, why), rows in grouped.items()]
        return lines


def shown(value, unit):
    if unit in ("items/s", "rows/s"):
        return f"{value:,.0f}/s"
    if value >= 1000 and unit == "ms":
        return f"{value / 1000:.2f} s"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]
    busy = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {cpu}, {int(memory) / 2**20:.0f} GiB, Linux {platform.release().split('-')[0]}, load average {busy:.1f} before the run"


def commit():
    return subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def write(section, lines):
    """Replaces what stands between <!-- bench SECTION --> and <!-- /bench SECTION --> of docs/performance.md, or adds it at the end of the page."""
    page = ROOT / "docs/performance.md"
    text, begin, end = page.read_text(), f"<!-- bench {section} -->", f"<!-- /bench {section} -->"
    block = f"{begin}\n" + "\n".join(lines) + f"\n{end}"
    if begin in text:
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.S)
    else:
        text = text.rstrip("\n") + f"\n\n## {section}\n{block}\n"
    page.write_text(text)


def page_of(board, load, arguments, busy_before):
    return [f"`./dev bench {' '.join(arguments)}` at {commit()}, {time.strftime('%Y-%m-%d')}: {busy_before}. {load.what()}.", "", *board.table(), "",
            "(*) does not do the same work, see below. " + board.summary(), "", *board.remarks()]
