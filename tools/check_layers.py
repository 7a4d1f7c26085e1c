#!/usr/bin/env python3
"""Reads src/LAYERS and fails on any #include in src/ that it does not allow."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([\w-]+)([\w./-]*)')
# Which header names belong to which library of the LAYERS table; a header not listed here is the C library's.
HEADERS = {"zlib": "zlib", "zstd": "zstd", "snappy": "snappy-c", "xxhash": "xxhash", "lz4": "lz4", "curl": "curl",
           "pcre2": "pcre2", "sqlite3": "sqlite3", "sodium": "sodium", "uv": "uv", "llhttp": "llhttp",
           "nghttp2": "nghttp2", "openssl": "openssl", "yaml": "yaml"}


def read_law(path):
    may, uses, bad = {}, {}, []
    for row in path.read_text().splitlines():
        if row.strip() and not row.startswith("#"):
            name, includes, libraries, _ = (cell.split() for cell in row.split("|", 3))
            if not set(includes) <= set(may):
                bad.append(f"{path}: {name[0]} includes a layer that does not stand above it")
            may[name[0]] = {*includes, *name}
            uses[name[0]] = {HEADERS[library] for library in libraries}
    return may, uses, bad


def main():
    src = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src")
    may, uses, bad = read_law(src / "LAYERS")
    owned = set(HEADERS.values())
    for file in sorted(src.rglob("*.[ch]")):
        layer = file.relative_to(src).parts[0]
        if layer not in may:
            bad.append(f"{file}: {layer} is not in LAYERS")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, head, rest = match.groups()
            if kind == '"' and head not in may[layer]:
                bad.append(f"{file}:{number}: {layer} may not include {head}")
            if kind == '"' and head != layer and rest.endswith("_private.h"):
                bad.append(f"{file}:{number}: {head}{rest} is private to {head}")
            if kind == "<" and head in owned - uses[layer]:
                bad.append(f"{file}:{number}: <{head}{rest}> is not for {layer}")
    print(*bad or ["layers: ok"], sep="\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
