#!/usr/bin/env python3
"""./dev shots [NAME…]   pictures of the terminal screens in .cache/shots/, taken of build/skep on fresh demo data.

Each screen is a command that runs in a pseudo terminal of a fixed size; what it wrote becomes a page, and headless Chromium
photographs it. Fault seed, size and fonts are fixed; visits and ids are new each time.
"""
import fcntl
import html
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKEP = ROOT / "build/skep"
OUT = ROOT / ".cache/shots"
COLUMNS = 110
FAILING_SEED = 3
SLOW_ORDER = "MAX(duration_ms) WHERE name = \"checkout.Checkout/PlaceOrder\" GROUP BY trace.trace_id LIMIT 1 SINCE 20m"
FAILED = "COUNT WHERE error = true GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 1 SINCE 20m"

# name: (what stands behind the prompt, shell text that runs; `skep` is on its path and asks environment demo)
SCREENS = {
    "query": "skep query 'COUNT, P50(duration_ms), P99(duration_ms), HEATMAP(duration_ms)\n  GROUP BY service.name ORDER BY P99(duration_ms) DESC SINCE 20m'",
    "chart": "skep query 'P50(duration_ms), P99(duration_ms) FROM checkout SINCE 20m' --chart",
    "groups": "skep query 'COUNT GROUP BY service.name LIMIT 5 SINCE 20m' --chart",
    "heatmap": "skep query 'COUNT, P99(duration_ms), HEATMAP(duration_ms) FROM checkout SINCE 20m' --heatmap",
    "trace": "skep trace {slow}",
    "critical": "skep trace {slow} --view critical",
    "errors": "skep trace {failed}",
    "map": "skep map --since 20m",
    "tail": "skep tail 'duration_ms > 20' --limit 14",
    "fields": "skep fields --since 20m --limit 24",
    "status": "skep status",
    "doctor": "skep doctor --env dev",
    "keys": "skep keys",
    "whoami": "skep whoami",
    "env": "skep env --env dev --shell python --service my-app",
    "reveal": "skep demo --reveal",
    "mistake": "skep query 'COUNT WHERE duration_ms > fast'",
    "help": "skep query --help",
    "overview": "skep",
}

COLORS = {31: "#f7768e", 32: "#9ece6a", 33: "#e0af68", 34: "#7aa2f7", 35: "#bb9af7", 36: "#7dcfff"}
PAGE = """<!doctype html><meta charset="utf-8"><style>
html{{background:#16161e}}body{{margin:0;padding:18px 22px;width:max-content}}
pre{{margin:0;color:#c0caf5;font:15px/19px "DejaVu Sans Mono","Noto Sans Mono","Liberation Mono",monospace}}
.p{{color:#9ece6a}}i{{display:inline-block;width:1ch;overflow:hidden;font-style:normal;vertical-align:top}}</style><pre>{text}</pre>"""


def of_256(n):
    if n < 16:
        return "#808080"
    if n >= 232:
        return "#" + f"{8 + (n - 232) * 10:02x}" * 3
    steps = [0, 95, 135, 175, 215, 255]
    n -= 16
    return "#" + "".join(f"{steps[i]:02x}" for i in (n // 36, n // 6 % 6, n % 6))


def to_html(text):
    """SGR sequences to spans; every other escape is an error of ours, so it is shown."""
    out, style = [], {}
    for part in re.split(r"(\x1b\[[0-9;]*m)", text.replace("\r\n", "\n")):
        if not part.startswith("\x1b["):
            css = ";".join(f"{k}:{v}" for k, v in style.items())
            out.append(f'<span style="{css}">{html.escape(part)}</span>' if css and part else html.escape(part))
            continue
        codes = [int(c or 0) for c in part[2:-1].split(";")]
        if codes[:2] == [38, 5]:
            style["color"] = of_256(codes[2])
            continue
        for code in codes:
            if code == 0:
                style = {}
            elif code == 1:
                style["font-weight"] = "bold"
            elif code == 2:
                style["opacity"] = ".6"
            elif code in COLORS:
                style["color"] = COLORS[code]
    return re.sub("[\u2800-\u28ff]+", one_cell, "".join(out))  # the fallback font's dots are wider than a cell


def one_cell(match):
    return "".join(f"<i>{c}</i>" for c in match[0])


def in_terminal(command, env):
    pid, fd = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-c", f"exec 2>&1; {command}"], env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    data = b""
    try:
        while piece := os.read(fd, 65536):
            data += piece
    except OSError:
        pass
    os.waitpid(pid, 0)
    os.close(fd)
    return data.decode(errors="replace")


def photograph(page, picture, height):
    browser = next((b for b in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if b), None)
    if not browser:
        sys.exit("shots: no Chromium; ./dev setup test installs it")
    with tempfile.TemporaryDirectory(prefix="skep-shots-") as profile:
        subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
                        f"--window-size={COLUMNS * 9 + 56},{height}", f"--screenshot={picture}", page.as_uri()],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def shoot(name, command, env):
    text = in_terminal(command.replace("\n", " "), env)
    shown = f'<span class="p">$</span> {html.escape(command)}\n{to_html(text)}'
    page = OUT / f"{name}.html"
    page.write_text(PAGE.format(text=shown))
    photograph(page, OUT / f"{name}.png", 36 + 19 * (text.count("\n") + command.count("\n") + 2))
    print(f"{(OUT / name).relative_to(ROOT)}.png", flush=True)


def main():
    wanted = sys.argv[1:] or list(SCREENS)
    for name in wanted:
        if name not in SCREENS:
            sys.exit(f"shots: no screen {name}; there are {' '.join(SCREENS)}")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="skep-shots-") as folder:
        server = subprocess.Popen([SKEP, "serve", "--quiet", "--data-dir", f"{folder}/data", "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, text=True)
        try:
            url = json.loads(server.stdout.readline())["url"]
            kept = {k: v for k, v in os.environ.items() if not k.startswith("SKEP_") and k != "NO_COLOR"}
            env = {**kept, "PATH": f"{SKEP.parent}:{os.environ['PATH']}", "SKEP_URL": url, "SKEP_DATA_DIR": f"{folder}/data",
                   "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": folder}
            for seed, past in ((FAILING_SEED, "6m"), (1, "20m")):
                subprocess.run([SKEP, "demo", "--seed", str(seed), "--past", past, "--past-only", "--quiet"], env=env, check=True)
            shop = subprocess.Popen([SKEP, "demo", "--past", "1s", "--quiet"], env=env)
            env["SKEP_ENV"] = "demo"

            def first(text):
                done = subprocess.run([SKEP, "query", text, "--json"], env=env, capture_output=True, text=True, check=True)
                return json.loads(done.stdout)["data"]["results"][0]["data"]["trace.trace_id"]

            names = {"slow": first(SLOW_ORDER), "failed": first(FAILED) if "errors" in wanted else ""}
            for name in wanted:
                shoot(name, SCREENS[name].format(**names), env)
            shop.terminate()
            shop.wait()
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
