#!/usr/bin/env python3
"""Line coverage, as clang counts lines.

./dev cover            every fuzz target over its own files, then all of src under the unit, fault, model and fuzz-replay tests
./dev cover fuzz       the first table only; ./dev cover NAME… these targets, each uncovered line listed
A target is run over its corpus and over what campaigns on this machine have found (.cache/fuzz/NAME). `reachable` leaves out
uncovered lines that only failing memory reaches; unit tests make it fail.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-cover"
FLAGS = "-fprofile-instr-generate -fcoverage-mapping"
OTLP = ["receive/" + n for n in ("otlp_envelope.c", "otlp_id.c", "otlp_json.c", "otlp_refuse.c", "otlp_row.c", "otlp_schema.c",
                                 "otlp_value.c", "base64.c", "reply.c")]
TARGETS = {  # what each target is there for
    "batch": ["event/codec.c", "event/codec_link.c", "event/batch_read.c"],
    "body": ["wire/body.c"],
    "grpc": ["serve/grpc.c", "serve/url.c"],
    "http1": ["serve/http1.c", "serve/http1_reply.c", "serve/exchange.c", "serve/exchange_body.c", "serve/exchange_reply.c",
              "serve/router.c", "serve/url.c"],
    "journal": ["journal/format.c", "journal/walk.c", "journal/recover.c", "journal/copy.c", "journal/track.c"],
    "json": ["wire/json_read.c", "wire/json_number.c", "wire/json_write.c"],
    "otlp_logs": ["receive/otlp_logs.c", *OTLP],
    "otlp_metrics": ["receive/otlp_metrics.c", "receive/otlp_points.c", *OTLP],
    "otlp_traces": ["receive/otlp_traces.c", *OTLP],
    "protobuf": ["wire/protobuf.c"],
    "query_json": ["query/spec.c", "query/spec_json.c", "query/suggest.c"],
    "query_text": ["query/text.c", "query/text_lexer.c", "query/text_print.c", "query/plan.c", "query/plan_time.c"],
    "segment": ["store/verify.c",
                *("store/segment_" + n + ".c" for n in ("open", "load", "part", "parents", "find", "rows", "derived", "texts")),
                *("store/encode/" + n + ".c" for n in ("bits", "coder", "floats", "ids", "ints", "marks", "presence", "squeeze", "templates",
                                                       "templates_read", "texts"))],
}
NO_MEMORY = re.compile(r"out_of_memory|NO_MEMORY|no memory|no_memory")


def run(command, **more):
    return subprocess.run([str(c) for c in command], cwd=ROOT, check=True, **more)


def build():
    if not (BUILD / "build.ninja").exists():
        run(["meson", "setup", BUILD, f"-Dc_args={FLAGS}", f"-Dc_link_args={FLAGS}", "--buildtype=debugoptimized"],
            env={**os.environ, "CC": "clang"}, stdout=subprocess.DEVNULL)
    run(["ninja", "-C", BUILD, "--quiet"])


def lines_of(raw_files, programs):
    """{file below src: {line: times run}}"""
    profile = BUILD / "cover.profdata"
    listing = BUILD / "cover.raw"
    listing.write_text("\n".join(map(str, raw_files)))
    run(["llvm-profdata", "merge", "--sparse", "-o", profile, f"--input-files={listing}"])
    objects = [a for p in programs[1:] for a in ("-object", p)]
    out = run(["llvm-cov", "export", "--format=lcov", f"--instr-profile={profile}", programs[0], *objects],
              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found, lines = {}, {}  # paths start where the prefix map puts them: at the root
    for line in out.splitlines():
        if line.startswith("SF:"):
            path = (ROOT / line[3:]).resolve()
            inside = path.is_relative_to(ROOT / "src") and path.suffix == ".c"
            lines = found.setdefault(str(path.relative_to(ROOT / "src")), {}) if inside else {}
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            lines[int(number)] = max(int(count), lines.get(int(number), 0))
    return found


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def fuzz_target(name, lists):
    program = BUILD / f"fuzz/replay-{name}"
    raw = BUILD / f"fuzz-{name}.profraw"
    folders = [f for f in (ROOT / "fuzz/corpus" / name, ROOT / ".cache/fuzz" / name) if f.is_dir() and any(f.iterdir())]
    replay = subprocess.run([program, *folders], env={**os.environ, "LLVM_PROFILE_FILE": str(raw)}, stderr=subprocess.PIPE,
                            text=True, errors="replace")
    if replay.returncode:
        sys.exit(f"cover: {program.name} fails\n{replay.stderr[-1000:]}")
    found = lines_of([raw], [program])
    total = covered = no_memory = 0
    for file in TARGETS[name]:
        text = (ROOT / "src" / file).read_text().splitlines()
        lines = found.get(file, {})  # {}: it holds only tables
        missed = [n for n, count in lines.items() if not count]
        total += len(lines)
        covered += len(lines) - len(missed)
        no_memory += sum(1 for n in missed if NO_MEMORY.search(text[n - 1]))
        for n in missed if lists else []:
            print(f"  src/{file}:{n}: {text[n - 1]}")
    print(f"{name:14} {covered:6} of {total:5} lines {percent(covered, total):6.1f} %   reachable {percent(covered, total - no_memory):6.1f} %"
          f"   {sum(len(list(f.iterdir())) for f in folders):6} inputs   {' '.join(TARGETS[name])}", flush=True)
    return percent(covered, total)


def whole_tree():
    tests = json.loads(run(["meson", "introspect", BUILD, "--tests"], capture_output=True, text=True).stdout)
    tests = [t for t in tests if t["suite"][0].split(":")[-1] in ("unit", "fault", "model", "fuzz")]
    for old in BUILD.glob("tree-*.profraw"):
        old.unlink()
    subprocess.run(["meson", "test", "-C", str(BUILD), "--no-rebuild", *(t["name"] for t in tests)], cwd=ROOT,
                   stdout=subprocess.DEVNULL, env={**os.environ, "LLVM_PROFILE_FILE": str(BUILD / "tree-%p.profraw")})
    found = lines_of(list(BUILD.glob("tree-*.profraw")), [t["cmd"][0] for t in tests])
    layers = {}
    for file, lines in found.items():
        layer = layers.setdefault(file.split("/")[0], [0, 0])
        layer[0] += sum(1 for count in lines.values() if count)
        layer[1] += len(lines)
    layers["all of these"] = [sum(v[i] for v in layers.values()) for i in (0, 1)]
    for name, (covered, total) in layers.items():
        print(f"{name:14} {covered:6} of {total:5} lines {percent(covered, total):6.1f} %")


def main():
    asked = [a for a in sys.argv[1:] if a != "fuzz"]
    build()
    least = min(fuzz_target(name, bool(asked)) for name in asked or TARGETS)
    if not sys.argv[1:]:
        whole_tree()
    return least < 85


if __name__ == "__main__":
    sys.exit(main())
