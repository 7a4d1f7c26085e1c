#!/usr/bin/env python3
"""./dev dist           dist/skep-VERSION-linux-ARCH.tar.gz: the stripped binary, licence, man page, unit file
./dev dist --prove   also does in a debootstrap folder what the Dockerfile does: builds with Debian 12's own compiler, runs as
                     an unprivileged user with only the runtime packages, sends one span and asks for it. Needs root.
"""
import io
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUNTIME = ["libuv1", "libsnappy1v5", "libcurl4", "ca-certificates"]


def run(*command, **more):
    return subprocess.run(command, check=True, cwd=ROOT, **more)


def version():
    return re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]


def pack():
    run("./dev", "build")
    name = f"skep-{version()}-linux-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    binary = dist / "skep"
    run("strip", "-o", str(binary), "build/skep")
    stamp = int(subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True).stdout or 0)
    archive = dist / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for source, target, mode in [(binary, "bin/skep", 0o755), ("LICENSE", "LICENSE", 0o644), ("README.md", "README.md", 0o644),
                                     ("CHANGELOG.md", "CHANGELOG.md", 0o644), ("packaging/skep.service", "lib/systemd/system/skep.service", 0o644),
                                     ("docs/man/skep.1", "share/man/man1/skep.1", 0o644)]:
            data = (ROOT / source).read_bytes()
            info = tarfile.TarInfo(f"{name}/{target}")
            info.size, info.mode, info.mtime = len(data), mode, stamp
            tar.addfile(info, io.BytesIO(data))
    print(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 2**20:.1f} MiB, binary {binary.stat().st_size / 2**20:.1f} MiB stripped")
    return binary


def bootstrap(folder, *more):
    if not (folder / "etc/debian_version").exists():
        run("debootstrap", "--variant=minbase", *more, "bookworm", str(folder), stdout=subprocess.DEVNULL)
    (folder / "etc/apt/apt.conf.d/90no-pty").write_text('Dpkg::Use-Pty "0";\n')


def inside(folder, command, user=None):
    prefix = ["chroot", *(["--userspec", user] if user else []), str(folder), "/usr/bin/env", "HOME=/tmp", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NO_COLOR=1"]
    return run(*prefix, "sh", "-c", command)


def prove():
    build, final = ROOT / ".cache/root-build", ROOT / ".cache/root-run"
    bootstrap(build)
    bootstrap(final)
    shutil.copy("/etc/resolv.conf", build / "etc/resolv.conf")
    shutil.copy("/etc/resolv.conf", final / "etc/resolv.conf")
    target = build / "skep"
    shutil.rmtree(target, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for file in filter(None, files):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target / file)
    started = time.monotonic()
    inside(build, "cd /skep && ./dev build && strip build/skep && gcc --version | head -n 1")
    print(f"proved: built by Debian 12's own compiler in {time.monotonic() - started:.0f} s, packages included")
    inside(final, "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "
                  + " ".join(RUNTIME) + " >/dev/null; id skep 2>/dev/null || useradd --uid 10001 --home-dir /var/lib/skep --create-home --shell /usr/sbin/nologin skep")
    shutil.copy(target / "build/skep", final / "usr/local/bin/skep")
    missing = subprocess.run(["chroot", str(final), "sh", "-c", "ldd /usr/local/bin/skep | grep 'not found'"], capture_output=True, text=True).stdout
    if missing:
        sys.exit(f"the runtime packages lack:\n{missing}")
    data = final / "var/lib/skep/data"
    shutil.rmtree(data, ignore_errors=True)
    for path in ("proc", "dev"):
        (final / path).mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "proc", "proc", str(final / "proc")])
    try:
        serve_and_ask(final)
    finally:
        subprocess.run(["umount", str(final / "proc")])


def serve_and_ask(final):
    server = subprocess.Popen(["chroot", "--userspec", "skep", str(final), "/usr/bin/env", "SKEP_DATA_DIR=/var/lib/skep/data", "SKEP_LISTEN=127.0.0.1:0",
                               "/usr/local/bin/skep", "serve", "--quiet"], stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(server.stdout.readline())
        inside(final, f"export SKEP_DATA_DIR=/var/lib/skep/data SKEP_URL={ready['url']}; skep demo --past-only --past 5m && "
                      "skep query 'COUNT GROUP BY service.name SINCE 10m' --env demo --fail-empty", "skep")
        print("proved: runs as an unprivileged user with only the runtime packages, takes and answers")
    finally:
        server.terminate()
        if server.wait(30) != 0:
            sys.exit("the server did not end cleanly")


if __name__ == "__main__":
    pack()
    if "--prove" in sys.argv:
        prove()
