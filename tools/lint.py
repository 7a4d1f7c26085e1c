#!/usr/bin/env python3
"""Everything a program can say against the tree: layers, writable globals, banned functions, format, file tops.

./dev lint           the quick checks
./dev lint --tidy    also clang-tidy over src (minutes)
./dev lint --both    also build with gcc and clang, warnings as errors
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BANNED = {
    "strcpy": "a span or buf", "strcat": "a buf", "sprintf": "buf_print or snprintf", "vsprintf": "vsnprintf",
    "strncpy": "a span", "strncat": "a buf", "gets": "a reader", "atoi": "span_to_i64", "atol": "span_to_i64",
    "atof": "span_to_double", "strtok": "span_cut", "localtime": "base/clock.h", "gmtime": "base/clock.h",
    "ctime": "base/clock.h", "asctime": "base/clock.h", "rand": "hash_mix", "srand": "hash_mix", "alloca": "an arena",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT,
                         capture_output=True, check=True)
    return [ROOT / name for name in out.stdout.decode().split("\0") if name and (ROOT / name).exists()]


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def check_text():
    bad = []
    for file in tracked("src/*.[ch]", "tests/*.[ch]", "fuzz/*.c", "bench/*.c"):
        text = file.read_text()
        name = file.relative_to(ROOT)
        if not text.startswith("/*"):
            bad.append(f"{name}:1: says nothing at its top: what it is, who calls it, what it must never do")
        for number, line in enumerate(text.splitlines(), 1):
            if MARKS.search(line):
                bad.append(f"{name}:{number}: unfinished mark")
        code = STRING.sub(blank, COMMENT.sub(blank, text))
        for number, line in enumerate(code.splitlines(), 1):
            for match in BANNED_CALL.finditer(line):
                bad.append(f"{name}:{number}: {match[1]}() is banned; use {BANNED[match[1]]}")
    return bad


def check_format():
    files = [str(f) for f in tracked("src/*.[ch]", "tests/*.[ch]", "fuzz/*.c", "bench/*.c")]
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *files], capture_output=True, text=True)
    return [line for line in run.stderr.splitlines() if "error:" in line]


def check_layers():
    run = subprocess.run([sys.executable, "tools/check_layers.py"], cwd=ROOT, capture_output=True, text=True)
    return run.stdout.splitlines() if run.returncode else []


def check_globals():
    """Writable symbols in our own objects: state hangs from structs that are passed down. Constants that only need the loader to
    fill in addresses (.data.rel.ro) are read-only afterwards."""
    allowed = set((ROOT / "tools/globals.allowed").read_text().split())  # the fault points of base/alloc.c and base/file_faults.c
    build, bad = ROOT / "build", []
    for file in sorted(build.glob("src/**/*.o")):
        run = subprocess.run(["objdump", "-t", "-w", str(file)], capture_output=True, text=True)
        for line in run.stdout.splitlines():
            match = re.match(r"\S+ .{6}O (\S+)\s+\S+ (?:\.hidden )?(\S+)$", line)
            if not match or not re.match(r"\.(t?bss|t?data)(?!\.rel\.ro)", match[1]):
                continue
            symbol = re.sub(r"\.\d+$", "", match[2])
            if symbol not in allowed:
                bad.append(f"{file.relative_to(build)}: writable global {symbol}")
    return bad


def check_web():
    """The interface: types, and nothing that could run a text as a page."""
    run = subprocess.run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], cwd=ROOT / "web", capture_output=True, text=True)
    bad = run.stdout.splitlines() if run.returncode else []
    for file in tracked("web/src/**", "web/*.mjs", "tests/web/*.mjs"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            for what in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function("):
                if what in line:
                    bad.append(f"{file.relative_to(ROOT)}:{number}: {what}: texts of others are shown as text nodes only")
            if MARKS.search(line):
                bad.append(f"{file.relative_to(ROOT)}:{number}: unfinished mark")
    return bad


def check_tidy():
    database = ROOT / "build-tidy"
    if not (database / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(database), "--buildtype=debugoptimized"], cwd=ROOT, check=True,
                       env={**os.environ, "CC": "clang"}, stdout=subprocess.DEVNULL)
    files = [str(f) for f in tracked("src/*.c")]

    def one(file):
        run = subprocess.run(["clang-tidy", "-p", str(database), "--quiet", file], cwd=ROOT, capture_output=True, text=True)
        return [line for line in run.stdout.splitlines() if "warning:" in line or "error:" in line]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return sorted({line for lines in pool.map(one, files) for line in lines})


def check_compilers():
    bad = []
    for compiler in ("gcc", "clang"):
        folder = ROOT / f"build-{compiler}"
        if not (folder / "build.ninja").exists():
            subprocess.run(["meson", "setup", str(folder), "--werror", "--buildtype=release", "-Dbench=true"], cwd=ROOT,
                           env={**os.environ, "CC": compiler}, check=True, stdout=subprocess.DEVNULL)
        run = subprocess.run(["ninja", "-C", str(folder)], capture_output=True, text=True)
        if run.returncode:
            bad += [f"{compiler}: {line}" for line in run.stdout.splitlines() if "error" in line]
    return bad


def main():
    checks = [("layers", check_layers), ("text", check_text), ("format", check_format), ("globals", check_globals), ("web", check_web)]
    if "--tidy" in sys.argv:
        checks.append(("clang-tidy", check_tidy))
    if "--both" in sys.argv:
        checks.append(("compilers", check_compilers))
    failed = 0
    for name, check in checks:
        bad = check()
        print(f"lint {name}: " + ("ok" if not bad else f"{len(bad)} found"))
        for line in bad[:40]:
            print("  " + line)
        failed += bool(bad)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
