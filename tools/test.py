#!/usr/bin/env python3
"""Builds sanitized, runs every test, prints what was skipped and `N passed, N failed`.

./dev test [--all] [SUITE…]   suites: lint unit fault model fuzz tsan flow web (none named: all of them)
--all takes the long rounds of the random, fault and fuzz-replay tests (SKEP_TEST_ROUNDS=all).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUITES = ["lint", "unit", "fault", "model", "fuzz", "tsan", "flow", "web"]
CASE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\S+)", re.M)
# Programs that are run a second time under ThreadSanitizer: those with threads of their own.
THREADED = ["unit-base", "unit-journal", "unit-store", "unit-engine", "unit-intake", "unit-meta", "unit-serve"]


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, outcome, why=""):
        if outcome == "passed":
            self.passed += 1
        elif outcome == "skipped":
            self.skipped.append(f"{name}: {why}" if why else name)
        else:
            self.failed.append(name)
            if why:
                print(f"---- {name}\n{why}", flush=True)


def run(command, **more):
    return subprocess.run(command, cwd=ROOT, text=True, **more)


def build(folder, tally, options, environment=None):
    env = {**os.environ, **(environment or {})}
    if not (ROOT / folder / "build.ninja").exists():
        made = run(["meson", "setup", folder, *options], env=env, capture_output=True)
        if made.returncode:
            tally.add(f"configure {folder}", "failed", made.stdout[-3000:] + made.stderr[-1000:])
            return False
    made = run(["ninja", "-C", folder], env=env, capture_output=True)
    if made.returncode:
        tally.add(f"build {folder}", "failed", made.stdout[-6000:])
    return made.returncode == 0


def meson_tests(folder, tally, suites=None, only=None, label=""):
    listed = json.loads(run(["meson", "introspect", folder, "--tests"], capture_output=True).stdout)
    names = [t["name"] for t in listed if (not suites or any(s.split(":")[-1] in suites for s in t["suite"]))
             and (not only or t["name"] in only)]
    if not names:
        return
    log = ROOT / folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    patience = ["--timeout-multiplier", "8"] if os.environ.get("SKEP_TEST_ROUNDS") else []  # long rounds
    run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(os.cpu_count() or 1), *patience, *names],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for line in log.read_text().splitlines():
        result = json.loads(line)
        program = label + result["name"].split(" / ")[-1]
        text = (result.get("stdout") or "") + (result.get("stderr") or "")
        cases = {name: outcome for outcome, name in CASE.findall(text)}
        for name, outcome in cases.items():
            if outcome != "FAILED":
                tally.add(f"{program} {name}", "passed" if outcome == "OK" else "skipped")
        failed = [name for name, outcome in cases.items() if outcome == "FAILED"]
        for name in failed:
            tally.add(f"{program} {name}", "failed")
        if result["result"] in ("OK", "EXPECTEDFAIL"):
            if not cases:
                tally.add(program, "passed")
        elif result["result"] == "SKIP":
            tally.add(program, "skipped")
        elif failed:
            print(text[-5000:], flush=True)
        else:
            tally.add(program, "failed", f"{result['result']} after {result['duration']:.0f} s\n{text[-5000:]}")


def lint(tally):
    out = run([sys.executable, "tools/lint.py", "--both"], capture_output=True)
    for name, state in re.findall(r"^lint (\S+): (.*)$", out.stdout, re.M):
        tally.add(f"lint {name}", "passed" if state == "ok" else "failed")
    if out.returncode:
        print(out.stdout, out.stderr, flush=True)


def venv():
    """The Python that the flow tests run under, with the pinned clients of tests/flow/requirements.txt."""
    folder = ROOT / ".cache/venv"
    wanted = (ROOT / "tests/flow/requirements.txt").read_text()
    stamp = folder / "requirements.installed"
    python = folder / "bin/python"
    if not stamp.exists() or stamp.read_text() != wanted:
        run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, stdout=subprocess.DEVNULL)
        run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", "tests/flow/requirements.txt"],
            check=True)
        stamp.write_text(wanted)
    return python


def flow(tally, everything):
    report = ROOT / ".cache/flow.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    python = venv()
    out = run([str(python), "-m", "pytest", "-q", "-x" if os.environ.get("SKEP_FAIL_FAST") else "-q", "--tb=short",
               "-p", "no:cacheprovider", f"--junitxml={report}", "tests/flow"],
              env={**os.environ, "SKEP_BINARY": str(ROOT / "build-asan/skep"),
                   "SKEP_RELEASE_BINARY": str(ROOT / "build/skep"),
                   "SKEP_TEST_ROUNDS": "all" if everything else os.environ.get("SKEP_TEST_ROUNDS", "")},
              capture_output=True)
    if not report.exists():
        tally.add("flow", "failed", out.stdout[-5000:] + out.stderr[-2000:])
        return
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        bad = [node for node in case if node.tag in ("failure", "error")]
        if skipped is not None:
            tally.add(name, "skipped", skipped.get("message", ""))
        elif bad:
            tally.add(name, "failed", (bad[0].text or "")[-3000:])
        else:
            tally.add(name, "passed")


TAP = re.compile(r"^\s*(not ok|ok) \d+ - (.*?)(?: # (SKIP)(.*))?$", re.M)


def web(tally):
    """The interface: journeys in a real Chromium against the release binary, and its pure parts."""
    for file in sorted((ROOT / "tests/web").glob("*.test.mjs")):
        out = run(["node", "--test", "--test-reporter=tap", str(file)], capture_output=True, env={**os.environ, "SKEP_BINARY": str(ROOT / "build/skep")})
        cases = [case for case in TAP.findall(out.stdout) if pathlib.Path(case[1]).name != file.name]
        for state, name, skipped, why in cases:
            tally.add(f"{file.stem} {name}", "skipped" if skipped else "passed" if state == "ok" else "failed", why.strip())
        if out.returncode:
            print(out.stdout[-6000:], flush=True)
            if all(state == "ok" for state, *_ in cases):
                tally.add(file.stem, "failed", out.stderr[-3000:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []])
    asked = parser.parse_args()
    suites = asked.suites or SUITES
    if asked.all:
        os.environ["SKEP_TEST_ROUNDS"] = "all"
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1")
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    tally, start = Tally(), time.monotonic()

    def stage(name):
        print(f"[{time.monotonic() - start:5.0f} s] {name}", flush=True)

    if {"lint", "flow", "web"} & set(suites):
        stage("build release")
        build("build", tally, ["-Dtests=false", "--buildtype=release"])
    if "lint" in suites:
        stage("lint, both compilers")
        lint(tally)
    if {"unit", "fault", "model", "fuzz", "flow"} & set(suites):
        stage("build with address and undefined-behaviour sanitizers")
        built = build("build-asan", tally, ["-Db_sanitize=address,undefined", "--buildtype=debugoptimized"])
        for suite in ("unit", "fault", "model", "fuzz"):
            if built and suite in suites:
                stage(suite)
                meson_tests("build-asan", tally, suites=[suite])
    if "tsan" in suites:
        stage("thread sanitizer")
        if build("build-tsan", tally, ["-Db_sanitize=thread", "--buildtype=debugoptimized"]):
            meson_tests("build-tsan", tally, only=THREADED, label="tsan ")
    if "flow" in suites:
        stage("flow: real clients against the real binary")
        flow(tally, asked.all)
    if "web" in suites:
        stage("web: the interface in a browser")
        web(tally)
    stage("done")
    for line in tally.skipped:
        print(f"skipped: {line}")
    for line in tally.failed:
        print(f"FAILED: {line}")
    skipped = f", {len(tally.skipped)} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {len(tally.failed)} failed{skipped}")
    return bool(tally.failed or not tally.passed)


if __name__ == "__main__":
    sys.exit(main())
