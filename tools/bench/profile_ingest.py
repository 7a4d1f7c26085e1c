"""./dev bench profile [--shape A|B|logs] [--spans N] [--write]: where a span's nanoseconds go while the load is taken at full speed.

`perf` samples the server's CPU time (its timer, so that it runs where there are no hardware counters); a sample belongs to the source
file of its function, to a library, or to what the kernel does. Each part's share of the server's CPU time, divided by the items.
"""
import argparse
import bisect
import collections
import re
import shutil
import subprocess
import sys
import tempfile

import report
from loads import BINARY, Load
from skep import Skep

HERTZ = 1999
LEAST = 0.01  # of all; less is "other"
# What the kernel does, by the beginnings of its functions' names; the first that fits.
KERNEL = [
    ("kernel: network", r"_*(tcp|sock|inet|ip_|ip6|skb|net_|dev_|loopback|sk_|csum|nf_|eth_|rep_movs|copy_user|_copy_(from|to)_iter|simple_copy)"),
    ("kernel: files", r"_*(ext4|jbd2|blk|bio|submit|virtio|virtqueue|xfs|btrfs|iomap|generic_perform|vfs|fsync|fdatasync|writeback|wb_|pagecache|filemap|folio|xas|xa_|mpage|dm_)"),
    ("kernel: memory", r"_*(clear_page|page|handle_mm|do_anon|alloc_pages|get_page|free_|mm_|vm_|unmap|zap|tlb|mem_cgroup|charge|rmqueue|lru|rep_stos|clear_huge|prep_new)"),
]
LIBRARIES = [("LZ4", r"LZ4"), ("zstd", r"(ZSTD|HUF|FSE|HIST)_"), ("xxHash", r"XXH"), ("llhttp", r"llhttp"), ("libuv", r"uv_"), ("nghttp2", r"nghttp2")]
SUBJECTS = {
    "src/receive": "receive: OTLP into columns", "src/wire": "wire: protobuf, bodies", "src/event": "event: batch, names, codec",
    "src/journal": "journal: records, group commit", "src/store/encode": "store: encodings", "src/store": "store: open sets, sealing, merging",
    "src/serve": "serve: HTTP, hand-over", "src/intake": "intake: policy, publish", "src/engine": "engine: publish", "src/base": "base: arena, hash, buffers",
    "src/meta": "meta: keys",
}


class Program:
    """The server's functions by where they lie in its process."""

    def __init__(self, pid):
        maps = [line.split() for line in open(f"/proc/{pid}/maps")]
        base = next(int(m[0].split("-")[0], 16) for m in maps if m[-1] == str(BINARY) and int(m[2], 16) == 0)
        out = subprocess.run(["nm", "-l", "-n", "--defined-only", str(BINARY)], capture_output=True, text=True).stdout
        found = re.findall(r"^(\S+) [tTwW] (\S+)(?:\t\S*?(src/[^:]+):)?", out, re.M)
        self.starts = [base + int(address, 16) for address, _, _ in found]
        self.functions = [(name, file) for _, name, file in found]

    def part_of(self, address, symbol, place):
        if place.startswith("["):
            return next((name for name, pattern in KERNEL if re.match(pattern, symbol)), "kernel: the rest (calls, scheduling, locks)")
        if not place.endswith("/skep"):
            return "C library (memory, copies)"
        name, file = self.functions[bisect.bisect_right(self.starts, address) - 1]
        if file:
            return next((words for folder, words in SUBJECTS.items() if file.startswith(folder)), "the rest of skep")
        return next((words for words, pattern in LIBRARIES if re.match(pattern, name)), "other libraries")


def samples(data):
    """(thread, address, function, where it lies) of each."""
    out = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], capture_output=True, text=True).stdout
    for line in out.splitlines():
        m = re.match(r"\s*(\S.*?)\s+([0-9a-f]+) (.*) \((.*)\)$", line)
        if m:
            yield re.sub(r"[-\d]+$", "", m[1]), int(m[2], 16), m[3], m[4]


def main(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--shape", choices=["A", "B", "logs"], default="B")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    asked = parser.parse_args(arguments)
    if not shutil.which("perf"):
        sys.exit("bench profile: there is no perf here (Debian: linux-perf)")
    about = report.machine()
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as folder:
        load, system = Load(asked.shape, asked.spans, 1, folder), Skep(memory_max="512MiB")
        system.start(f"{folder}/skep", load)
        try:
            program, before = Program(system.process.popen.pid), system.process.cpu_seconds()
            perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-p", str(system.process.popen.pid), "-o", f"{folder}/perf.data"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            rate, _ = system.ingest(load)
            cpu = system.process.cpu_seconds() - before
            perf.send_signal(2)
            perf.wait()
        finally:
            system.stop()
        parts, threads = collections.Counter(), collections.defaultdict(collections.Counter)
        for thread, address, symbol, place in samples(f"{folder}/perf.data"):
            part = program.part_of(address, symbol, place)
            parts[part] += 1
            threads[part][thread] += 1
    whole = sum(parts.values())
    ns = cpu / load.items * 1e9
    lines = [f"`./dev bench profile{' ' + ' '.join(a for a in arguments if a != '--write') if arguments else ''}`".replace(" `", "`")
             + f" at {report.commit()}: {about}. {load.what()}; {rate:,.0f} a second under perf; {ns:.0f} ns of the server's CPU an item.", "",
             "| part | ns | share | mostly in the threads |", "|---|---:|---:|---|"]
    small = 0
    for part, n in parts.most_common():
        if n < whole * LEAST:
            small += n
            continue
        where = ", ".join(name for name, k in threads[part].most_common(3) if k >= n / 5)
        lines.append(f"| {part} | {ns * n / whole:.0f} | {100 * n / whole:.0f} % | {where} |")
    lines.append(f"| less than {100 * LEAST:.0f} % each | {ns * small / whole:.0f} | {100 * small / whole:.0f} % | |")
    print("\n".join(lines))
    if asked.write:
        report.write("profile", lines)
    return 0
