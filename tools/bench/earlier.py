"""./dev bench --compare REV: an earlier commit built in a worktree of its own, the same load and questions on both, and instructions
counted by callgrind for the kernels (bench/query_bench, bench/decode_bench), which a busy machine does not disturb."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import report
import run
from skep import Skep

ROOT = report.ROOT
QUERY_ROWS = 30_000


class Worktree:
    def __init__(self, rev):
        self.rev = subprocess.run(["git", "rev-parse", "--short", f"{rev}^{{commit}}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="skep-bench-rev-")) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", str(self.path), self.rev], cwd=ROOT, check=True)
        if (ROOT / ".cache/llhttp").exists():  # a library that ./dev unpacks
            shutil.copytree(ROOT / ".cache/llhttp", self.path / ".cache/llhttp")
        self.take_packages()
        return self

    def take_packages(self):
        """What web/build.mjs needs: this tree's, where the earlier commit asks for the same."""
        lock = "web/package-lock.json"
        if not (self.path / lock).exists():
            return
        if (self.path / lock).read_bytes() == (ROOT / lock).read_bytes():
            (self.path / "web/node_modules").symlink_to(ROOT / "web/node_modules")
        else:
            subprocess.run(["npm", "--prefix", "web", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=self.path, check=True)

    def __exit__(self, *_):
        subprocess.run(["git", "worktree", "remove", "--force", str(self.path)], cwd=ROOT, check=True)
        self.path.parent.rmdir()


def build(tree, *targets):
    """A release build with the small benches, apart from the tree's own."""
    folder = tree / "build-bench"
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(folder), "-Dtests=false", "-Dbench=true", "--buildtype=release"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(folder), "--quiet", *targets], check=True)
    return folder


def callgrind(command):
    """The profile's text. On one core, so that who takes which block does not change what is counted (20 % between runs on two)."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        run = subprocess.run(["taskset", "-c", "0", "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(run.stderr[-300:])
        return out.read_text()


def instructions(command):
    return int(re.search(r"^(?:summary|totals): (\d+)", callgrind(command), re.M)[1])


def decode_instructions(build_folder):
    """Of one request of decode_bench: what is spent below its decoder, by calls of it."""
    text = callgrind([str(build_folder / "bench/decode_bench"), "0.05", "protobuf"])
    known = re.search(r"\((\d+)\) otlp_traces\w*$", text, re.M)
    if not known:
        raise RuntimeError("the decoder's name is not in the profile")
    called = re.findall(rf"^cfn=\({known[1]}\)[^\n]*\ncalls=(\d+)[^\n]*\n\S+ (\d+)", text, re.M)
    return sum(int(cost) for _, cost in called) / sum(int(calls) for calls, _ in called)


def query_instructions(build_folder):
    """name -> instructions of one run, all threads: the difference between five runs and one, so that filling the store drops out."""
    bench = [str(build_folder / "bench/query_bench"), str(QUERY_ROWS), "--open"]
    listed = subprocess.run([*bench, "--runs", "1"], capture_output=True, text=True, check=True).stdout
    names = [m[1].strip() for m in re.finditer(r"^(.{26}) +[\d.]+ ms ", listed, re.M)]
    return {name: (instructions([*bench, "--runs", "5", "--only", name]) - instructions([*bench, "--runs", "1", "--only", name])) / 4 for name in names}


def counts(tree):
    folder = build(tree, "bench/query_bench", "bench/decode_bench")
    found = {}
    try:
        found["decode one request"] = decode_instructions(folder)
    except RuntimeError as e:
        print(f"  decode_bench: {e}")
    return found | query_instructions(folder)


def compare(rev, load, folder, wanted, times, with_kernels):
    board = report.Board()
    with Worktree(rev) as earlier:
        old = Skep(build(earlier.path, "skep") / "skep")
        old.name = earlier.rev
        runner = run.Runner(board, load, folder, wanted, times)
        runner.is_whole = False
        runner.run(old)
        runner.run(Skep())
        kernels = (counts(earlier.path), counts(ROOT)) if with_kernels else ({}, {})
    print(f"\n{'':52} {earlier.rev:>14} {'now':>14}   times better")
    for row in board.rows:
        before, now = board.value(row, earlier.rev), board.value(row, "skep")
        if before and now:
            unit = board.rows[row]["unit"]
            print(f"{row:52} {report.shown(before, unit):>14} {report.shown(now, unit):>14}   {board.times_better(row, now, before):.2f}")
    for name, before in kernels[0].items():
        if now := kernels[1].get(name):
            print(f"{name + ', instructions':52} {before:>14,.0f} {now:>14,.0f}   {before / now:.2f}")
