"""./dev bench web [--write] [--rounds N]: the budgets of the interface, measured by the pages' own marks in Chromium (tools/bench/web.mjs) and by the build."""
import argparse
import json
import os
import re
import subprocess
import time

import report

SIZES = [("first_load", "first load, gzip", "FIRST_LOAD_MAX"), ("all", "all pages, gzip", "ALL_MAX")]


def sizes():
    """What the build wrote, against the budgets at which it fails."""
    limits = dict(re.findall(r"(\w+_MAX) = (\d+) \* 1024", (report.ROOT / "web/build.mjs").read_text()))
    made = json.loads((report.ROOT / "build/src/web/sizes.json").read_text())
    return [{"what": what, "unit": "KiB", "budget": int(limits[limit]), "value": made[key] / 1024} for key, what, limit in SIZES]


def line(row):
    budget = row["budget"]
    verdict = "" if budget is None else "yes" if row["value"] <= budget else f"short by {row['value'] / budget:.2g} ×"
    aim = "" if budget is None else f"≤ {budget} {row['unit']}"
    return f"| {row['what']} | {aim} | {report.shown(row['value'], row['unit'])} | {verdict} |"


def main(words):
    parser = argparse.ArgumentParser(prog="./dev bench web", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many (default 5)")
    asked = parser.parse_args(words)
    busy = report.machine()
    print(busy, flush=True)
    run = subprocess.run(["node", "tools/bench/web.mjs", str(asked.rounds)], cwd=report.ROOT, check=True, stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "SKEP_BINARY": str(report.ROOT / "build/skep")})
    told = json.loads(run.stdout)
    rows = sizes() + told["rows"]
    table = ["| what | budget | measured | met |", "|---|---:|---:|---|", *map(line, rows)]
    slowest = "Slowest interactions: " + ", ".join(f"{s['name']} {s['value']:.0f} ms" for s in told["slowest"]) + "."
    print("\n" + "\n".join(table) + "\n\n" + slowest)
    if asked.write:
        made = " ".join(["./dev bench web", *(w for w in words if w != "--write")])
        report.write("web", [f"`{made}` at {report.commit()}, {time.strftime('%Y-%m-%d')}: {busy}, Chromium {told['browser']} without a screen, median of {asked.rounds}.", "", *table, "", slowest])
    return 0
