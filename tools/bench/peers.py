"""Peers that are built from public repositories which carry their vendor/: never inside this tree, never downloaded by the bench.

A program is looked for in $SKEP_BENCH_PEERS (default ~/.cache/skep-bench-peers): PROGRAM itself, or a checkout in the folder PROGRAM.src
to build it from: git clone https://github.com/OWNER/NAME PROGRAM.src. Jaeger carries no vendor/: GOBIN=FOLDER go install github.com/jaegertracing/jaeger/cmd/jaeger@v1.76.0
"""
import os
import pathlib
import subprocess
import urllib.parse

from system import Skipped

quoted = urllib.parse.quote_plus


def folder():
    return pathlib.Path(os.environ.get("SKEP_BENCH_PEERS", pathlib.Path.home() / ".cache/skep-bench-peers"))


def program(repository, name, package):
    """(path, version) of a built peer."""
    built, source = folder() / name, folder() / f"{name}.src"
    if not source.exists() and not built.exists():
        raise Skipped(f"no {built} and no checkout of github.com/{repository} in {source}")
    if not built.exists():
        run = subprocess.run(["nice", "-n", "15", "go", "build", "-mod=vendor", "-p=1", "-o", str(built), package], cwd=source, capture_output=True,
                             text=True, env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})
        if run.returncode:
            raise Skipped(f"does not build: {run.stderr.strip()[-300:]}")
    said = subprocess.run(["git", "log", "-1", "--format=%h of %cs"], cwd=source, capture_output=True, text=True) if source.exists() else None
    return built, said.stdout.strip() if said else "of unknown version"
