"""The terminal against a living server: what it prints, what it refuses and how it ends."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from skep import BINARY, Server
from wires import Http, traces


@pytest.fixture(scope="module")
def shop(server):
    """Two minutes of the demo shop, in environment demo alone."""
    server.cli("demo", "--seed", "2", "--past-only", "--past", "2m", "--rate", "2", "--quiet")
    return server


def demo(server, *arguments, **more):
    return server.cli(*arguments, "--env", "demo", **more)


def send(server, service, *spans):
    wire = Http(server, "protobuf")
    assert wire.send(wire.encode(traces(service, *spans))).status == 200


# ---- query ----

ASKED = "COUNT, MAX(duration_ms) GROUP BY service.name ORDER BY COUNT DESC SINCE 10m"


def test_query_forms_agree(shop):
    reply = json.loads(demo(shop, "query", ASKED, "--json").stdout)
    rows = [row["data"] for row in reply["data"]["results"]]
    assert len(rows) > 8 and rows == sorted(rows, key=lambda r: -r["COUNT"]) and reply["meta"]["rows_scanned"] > 0
    table = demo(shop, "query", ASKED)
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["service.name", "COUNT", "MAX(duration_ms)"] and len({len(line) for line in lines}) == 1
    assert [line.split()[0] for line in lines[1:]] == [row["service.name"] for row in rows]
    assert [int(line.split()[1].replace(",", "")) for line in lines[1:]] == [row["COUNT"] for row in rows]
    assert "rows scanned" in table.stderr and "rows scanned" not in table.stdout
    read = list(csv.DictReader(io.StringIO(demo(shop, "query", ASKED, "--csv").stdout)))
    assert [(r["service.name"], int(r["COUNT"]), float(r["MAX(duration_ms)"])) for r in read] == [
        (r["service.name"], r["COUNT"], r["MAX(duration_ms)"]) for r in rows]
    plain = demo(shop, "query", ASKED, "--plain", "--quiet")
    assert plain.stderr == "" and plain.stdout.splitlines()[1].split("\t")[0] == rows[0]["service.name"]


def test_query_chart_and_heatmap(shop):
    chart = demo(shop, "query", "COUNT GROUP BY service.name LIMIT 3 SINCE 5m", "--chart").stdout
    assert "COUNT" in chart and re.search("[\u2801-\u28ff]", chart) and re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", chart)
    heat = demo(shop, "query", "HEATMAP(duration_ms) SINCE 5m", "--heatmap").stdout
    assert re.search("[\u2591-\u2593\u2588]", heat) and "most:" in heat
    done = demo(shop, "query", "COUNT", "--heatmap", check=False)
    assert done.returncode == 2 and "HEATMAP(" in done.stderr
    ascii_only = demo(shop, "query", "COUNT SINCE 5m", "--chart", env={"LC_ALL": "C", "LANG": "C"}).stdout
    assert "COUNT" in ascii_only


def test_query_from_standard_input_and_words(shop):
    done = subprocess.run([str(BINARY), "query", "-", "--url", shop.url, "--env", "demo", "--json"], input="COUNT\n  SINCE 10m\n",
                          capture_output=True, text=True, timeout=60)
    words = demo(shop, "query", "COUNT", "SINCE", "10m", "--json")
    assert json.loads(done.stdout)["data"]["results"] == json.loads(words.stdout)["data"]["results"]


@pytest.mark.parametrize("text,under,said", [
    ("COUNT GROUP BI x", "BI", "expected BY"), ("COUNT WHERE a = b", "b", "double quotes"), ("CUONT", "CUONT", "COUNT"),
    ("COUNT SINCE yesterday", "yesterday", "time"), ("COUNT\nWHERE a ==\n1", "=", "expected a value"), ("P90()", ")", "field")])
def test_errors_point_at_the_place(server, text, under, said):
    done = server.cli("query", text, check=False)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    caret = next(i for i, line in enumerate(lines) if line.strip() == "^")
    assert lines[caret - 1][lines[caret].index("^"):].startswith(under), done.stderr
    assert said in lines[caret + 1], done.stderr


def test_exit_codes(server, tmp_path):
    assert server.cli("query", "COUNT", "--fail-empty", check=False).returncode == 3
    assert server.cli("query", 'COUNT FROM "nothing" GROUP BY name', "--fail-empty", check=False).returncode == 3
    assert server.cli("query", "COUNT", check=False).returncode == 0
    for arguments in (["query"], ["query", "COUNT", "--no-such-option"], ["query", "COUNT", "--since", "soon"], ["nosuch"], ["keys", "frobnicate"],
                      ["trace"], ["trace", "xyz"], ["demo", "--seed", "many"]):
        done = server.cli(*arguments, check=False)
        assert done.returncode == 2 and done.stderr and not done.stdout, (arguments, done)
    assert "did you mean --fail-empty" in server.cli("query", "COUNT", "--fail-emty", check=False).stderr
    assert "did you mean skep query" in server.cli("qury", check=False).stderr
    bad = server.cli("query", "COUNT", key="wrong-key-wrong", check=False)
    assert bad.returncode == 4 and "SKEP_KEY" in bad.stderr and "wrong-key-wrong" not in bad.stderr
    (tmp_path / "key").write_text("wrong-key-wrong\n")
    bad = server.cli("query", "COUNT", "--key-file", str(tmp_path / "key"), check=False)
    assert bad.returncode == 4 and "key" in bad.stderr
    gone = subprocess.run([str(BINARY), "query", "COUNT", "--url", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=60)
    assert gone.returncode == 5 and "skep serve" in gone.stderr
    assert server.cli("trace", "0123456789abcdef0123456789abcdef", check=False).returncode in (1, 3)
    late = subprocess.run([str(BINARY), "tail", "--url", server.url, "--timeout", "200ms"], capture_output=True, text=True, timeout=60)
    assert late.returncode == 124
    overview = subprocess.run([str(BINARY), "--help"], capture_output=True, text=True, check=True).stdout
    assert "skep serve --demo" in overview and "Exit codes" in overview and "Examples" in server.cli("query", "--help").stdout


def test_colour_only_where_it_belongs(shop):
    def colours(**env):
        kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        return "\x1b[" in subprocess.run([str(BINARY), "keys", "--data-dir", str(shop.data_dir), "--url", shop.url, *env.pop("options", [])], capture_output=True,
                                         text=True, env={**kept, **env}, check=True).stdout
    assert not colours() and colours(options=["--color", "always"]) and not colours(options=["--color", "never"])
    assert not colours(NO_COLOR="1")
    assert not demo(shop, "query", ASKED).stdout.count("\x1b")


def test_text_of_senders_cannot_drive_the_terminal(server):
    send(server, "sneaky", {"name": "a\x1b[31m\x07\u202egnp", "attributes": {"k\x1b]0;title\x07": "v\x9b31m"}})
    for arguments in (["query", 'COUNT FROM sneaky GROUP BY name'], ["fields"], ["status"], ["query", "COUNT GROUP BY name", "--chart"]):
        out = server.cli(*arguments).stdout
        assert "\x1b" not in out and "\x07" not in out and "\x9b" not in out, arguments


def on_terminal(server, *arguments, rows=12, **env):
    """What a terminal of some rows gets to see."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
        os.execve(str(BINARY), ["skep", *arguments, "--url", server.url, "--data-dir", str(server.data_dir)], {**os.environ, "TERM": "xterm", **env})
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end was closed
            piece = b""
        if not piece:
            break
        seen += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    return seen.decode().replace("\r\n", "\n")


def test_long_results_are_paged(shop):
    pager = {"PAGER": "sed 's/^/PAGED /'", "NO_COLOR": "1"}
    shown = on_terminal(shop, "fields", "--env", "demo", **pager)
    assert shown.startswith("PAGED field") and all(line.startswith("PAGED ") for line in shown.splitlines()), shown[:500]
    asked = on_terminal(shop, "query", "COUNT GROUP BY service.name", "--env", "demo", **pager)
    assert "PAGED gateway" in asked and re.search("PAGED .* rows scanned", asked), "remarks stay in their place"
    assert "PAGED" not in on_terminal(shop, "fields", "--env", "demo", rows=200, **pager)
    assert "PAGED" not in on_terminal(shop, "fields", "--env", "demo", "--no-pager", **pager)
    assert "PAGED" not in on_terminal(shop, "fields", "--env", "demo", **{**pager, "SKEP_PAGER": ""})
    cut = on_terminal(shop, "fields", "--env", "demo", **{**pager, "PAGER": "head -n 2"})
    assert len(cut.splitlines()) == 2, "the reader may leave early"
    assert "PAGED" not in demo(shop, "fields", env=pager).stdout


# ---- trace ----

def test_waterfall(shop):
    trace_id = shop.ask("COUNT WHERE trace.span_id exists GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 1 SINCE 10m", "demo")[0]["trace.trace_id"]
    spans = [s for s in shop.get(f"/skep/v1/traces/{trace_id}", environment="demo")["spans"] if "trace.span_id" in s]
    done = demo(shop, "trace", trace_id)
    assert f"{len(spans)} spans" in done.stdout.splitlines()[0] and "critical path" in done.stdout
    for name in {s["name"] for s in spans}:
        assert name[:18] in done.stdout, (name, done.stdout)
    lines = done.stdout.splitlines()
    root = next(s for s in spans if "trace.parent_id" not in s)
    at = {s["name"]: next(i for i, line in enumerate(lines) if s["name"][:18] in line) for s in spans if "trace.parent_id" in s}
    first = next(i for i, line in enumerate(lines) if root["name"][:18] in line)
    assert all(first < i for name, i in at.items() if name[:18] not in lines[first]), "the root stands first"
    assert json.loads(demo(shop, "trace", trace_id, "--json").stdout)["trace_id"] == trace_id
    assert demo(shop, "trace", trace_id[:12]).stdout == done.stdout, "the beginning of an id is enough"
    assert server_says_404(shop, trace_id)


def test_traces_from_standard_input(shop):
    asked = "COUNT WHERE trace.span_id exists GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 2 SINCE 10m"
    ids = [row["trace.trace_id"] for row in shop.ask(asked, "demo")]

    def piped(text, *options):
        return subprocess.run([str(BINARY), "trace", "-", "--url", shop.url, "--env", "demo", *options], input=text, capture_output=True, text=True,
                              timeout=60)
    for form in ([], ["--plain"], ["--csv"]):
        done = piped(demo(shop, "query", asked, *form).stdout.replace(",", " "))
        assert done.returncode == 0 and done.stdout.count("critical path") == 2, (form, done)
    assert [json.loads(line)["trace_id"] for line in piped("\n".join(ids), "--json").stdout.splitlines()] == ids
    assert piped("nothing here\n").returncode == 2 and piped("", "--fail-empty").returncode == 3
    assert piped(f"{'0' * 31}1\n{ids[0]}\n").returncode == 1


def test_trace_of_a_file_asks_no_server(tmp_path):
    spans = [{"traceId": "ab" * 16, "spanId": f"{i:016x}", "parentSpanId": "1".rjust(16, "0") if i > 1 else "", "name": f"step {i}", "kind": 1,
              "startTimeUnixNano": str(10**18 + i), "endTimeUnixNano": str(10**18 + 10**9)} for i in (1, 2)]
    document = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, indent=1)
    (tmp_path / "spans.json").write_text(document)

    def shown(*arguments, text=""):
        return subprocess.run([str(BINARY), "trace", *arguments, "--url", "http://127.0.0.1:1"], input=text, capture_output=True, text=True, timeout=60)
    of_file = shown(str(tmp_path / "spans.json"))
    assert of_file.returncode == 0 and "2 spans" in of_file.stdout and "step 2" in of_file.stdout
    assert shown("-", text=document).stdout == of_file.stdout
    assert shown("-", text=shown("-", "--json", text=document).stdout).stdout == of_file.stdout
    flame = shown("-", "--view", "flame", "--plain", text=document).stdout
    assert flame.splitlines()[1].startswith("unknown_service step 1;unknown_service step 2 "), flame
    assert shown("-", text="{}").returncode == 1 and shown(str(tmp_path / "none.json")).returncode == 2
    assert shown("-", "--view", "flames", text=document).returncode == 2


def server_says_404(server, trace_id):
    """The trace is demo's: dev does not know it."""
    done = server.cli("trace", trace_id, check=False)
    return done.returncode in (1, 3) and trace_id in done.stderr


# ---- tail ----

class Tail:
    """skep tail in a process of its own; lines as they come."""

    def __init__(self, server, *arguments):
        self.process = subprocess.Popen([str(BINARY), "tail", "--url", server.url, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "NO_COLOR": "1"})
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")), daemon=True)
        self.reader.start()

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.reader.join()
        return self.process.stderr.read()

    def until(self, text, keep_sending):
        """Sends until a line with the text came: nothing says when a tail listens."""
        end = time.monotonic() + 30
        while not any(text in line for line in list(self.lines)):
            assert time.monotonic() < end, self.lines
            if self.process.poll() is not None:  # it had its fill: what it wrote is on the way
                self.reader.join()
                assert any(text in line for line in self.lines), self.lines
                return
            keep_sending()
            time.sleep(0.02)


def test_tail_receives_and_filters(server):
    everything, filtered = Tail(server), Tail(server, "size > 10 AND name != \"never\"", "--json")
    number = iter(range(1000))

    def some():
        n = next(number)
        send(server, "tailed", {"name": f"small {n}", "attributes": {"size": 1}}, {"name": f"large {n}", "attributes": {"size": 11}},
             {"name": "never", "attributes": {"size": 12}})
    everything.until("small", some)
    filtered.until("large", some)
    said = everything.end(), filtered.end()
    assert any("tailed" in line and "large" in line and "5 ms" in line for line in everything.lines), everything.lines[:3]
    events = [json.loads(line) for line in filtered.lines]
    assert events and {e["name"].split()[0] for e in events} == {"large"} and events[0]["size"] == 11 and events[0]["dataset"] == "tailed"
    assert said[1] == ""
    done = server.cli("tail", "size >", check=False)
    assert done.returncode == 2 and "^" in done.stderr


def test_tail_says_when_it_sheds(server):
    """Of more events at once than a reader is sent in a tenth of a second some are left out, and it says how many."""
    tail = Tail(server, 'name = "burst"', "--json")
    tail.until("burst", lambda: send(server, "bursts", *[{"name": "burst"}] * 1500))
    said = tail.end()
    match = re.search(r"([\d,]+) more matched and were not shown", said)
    assert match and int(match[1].replace(",", "")) >= 400 and "events were not shown" in said


def test_tail_says_what_it_missed():
    """A server that starts again takes events before the tail is back: they are counted, and the question that finds them is printed."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    with Server(listen=[address]) as server:
        tail = Tail(server, 'k = "v"')
        tail.until("before", lambda: send(server, "tailed", {"name": "before", "attributes": {"k": "v"}}))
        server.stop()
        server.restart()
        send(server, "tailed", *[{"name": "missed", "attributes": {"k": "v"}}] * 7, {"name": "other"})
        tail.until("after", lambda: send(server, "tailed", {"name": "after", "attributes": {"k": "v"}}))
        said = tail.end()
        assert not any("missed" in line for line in tail.lines)
        match = re.search(r"connected again; what arrived in those [\d.]+ s is not shown\. .* (\d+) events", said)
        assert match and int(match[1]) >= 7, said
        asked = re.search(r"skep query '(.+)'", said)[1]
        assert 'WHERE k = "v"' in asked and server.count(asked) >= 7 and "skep serve" not in said


def test_tail_ends_after_its_limit(server):
    tail = Tail(server, "--limit", "2", 'name = "limited"')
    tail.until("limited", lambda: send(server, "limits", {"name": "limited"}, {"name": "limited"}, {"name": "limited"}))
    assert tail.process.wait(timeout=20) == 0
    tail.reader.join()
    assert len(tail.lines) == 2


# ---- completion ----

BASH = '''eval "$(skep completion bash)"
complete -p skep >/dev/null || exit 9
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { echo ":$*"; }  # works only below a real TAB
_skep
printf '%s\\n' "${COMPREPLY[@]}"
'''


def completed(server, tmp_path, *words):
    """What bash offers after these words, which it has cut at = and : as it does."""
    folder, cache = tmp_path / "bin", tmp_path / "cache"
    if not folder.exists():
        folder.mkdir()
        cache.mkdir()
        (folder / "skep").symlink_to(BINARY)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SKEP_URL": server.url, "SKEP_DATA_DIR": str(server.data_dir),
           "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", "skep", *words], capture_output=True, text=True, env=env, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_completion_in_bash(shop, tmp_path):
    def offers(*words):
        return completed(shop, tmp_path, *words)
    assert offers("tr") == ["trace"] and set(offers("")) >= {"serve", "query", "trace", "completion", "verify"}
    listed = re.findall(r"^  (\w+)  ", subprocess.run([str(BINARY)], capture_output=True, text=True, check=True).stdout.split("Commands\n")[1], re.M)
    assert sorted(offers("")) == sorted(listed)
    for command in set(listed) - {"serve", "verify", "version", "help"}:
        options = re.findall(r"^  .{3} (--[\w-]+)", shop.cli(command, "--help").stdout, re.M)
        assert sorted(offers(command, "--")) == sorted(options) and "--timeout" in options, command
    assert offers("trace", "--view", "") == offers("trace", "--view", "=") and "critical" in offers("trace", "--view", "")
    assert offers("trace", "--view", "=", "cr") == ["critical"] and offers("keys", "rev") == ["revoke"]
    assert offers("query", "--url", "http", ":", f"//{shop.address}".split(":")[0], ":", f"{shop.port}", "--hea") == ["--heatmap"]
    assert offers("query", "--key-file", "") == [":-o", "default"] and offers("nosuch", "") == []


def test_completion_asks_the_server(shop, tmp_path):
    def offers(*words):
        return completed(shop, tmp_path, *words)
    assert offers("query", "--env", "d") == ["dev", "demo"]
    wait_for(lambda: "gateway" in offers("tail", "--env", "demo", "--dataset", ""))  # a slow machine may need more than its 150 ms
    assert offers("trace", "--env", "demo", "--service", "gate") == ["gateway"]
    wait_for(lambda: offers("fields", "--env", "demo", "http.rou") == ["http.route"])
    assert offers("tail", "--env", "demo", "--fields", "name,http.rou") == ["name,http.route"]
    cached = list((tmp_path / "cache/skep").iterdir())
    assert cached and all(f.stat().st_mode & 0o777 == 0o600 for f in cached)
    assert offers("query", "--url", "http", ":", "//127.0.0.1", ":", "1", "--env", "d") == [], "silent when nothing answers"


# ---- the rest ----

def test_status_fields_and_map(shop):
    status = shop.cli("status").stdout
    assert shop.address in status and re.search(r"^demo +[\d,]+", status, re.M) and "gateway" in status
    told = json.loads(shop.cli("status", "--json").stdout)
    assert told["ready"] is True
    store = {e["slug"]: e["store"] for e in told["environments"]}
    kept = shop.count("COUNT SINCE 1d", "demo") + shop.count("COUNT FROM metrics SINCE 1d", "demo")
    assert store["demo"]["rows"] == store["demo"]["open_rows"] == kept, "no row counts twice"
    assert f"demo {kept:,}" in re.sub(" +", " ", status)
    assert sum(s["rows"] for s in store.values()) == told["store"]["rows"]
    assert "seals" in told["store"] and "seals" not in store["dev"], "what is the whole store's is not an environment's"
    fields = demo(shop, "fields").stdout
    assert re.search(r"^duration_ms +float", fields, re.M) and re.search(r"^service\.name +string", fields, re.M)
    found = json.loads(demo(shop, "fields", "--json").stdout)
    assert {f["name"] for f in found["fields"]} >= {"name", "duration_ms", "trace.span_id"} - {"trace.span_id"}
    assert "gateway" in {d["name"] for d in found["datasets"]}
    drawn = demo(shop, "map").stdout
    assert re.search(r"^gateway +service", drawn, re.M) and re.search(r"catalog +postgres\S* +database", drawn)
    assert re.search(r"^web +gateway +call", drawn, re.M)
    chosen = demo(shop, "map", 'service.name = "email"').stdout
    assert re.search(r"^email +service", chosen, re.M) and "gateway" not in chosen, "of the traces that have such a span alone"
    nothing = demo(shop, "map", 'name = "never"')
    assert not nothing.stdout and "no trace in that time is such a one" in nothing.stderr
    wrong = demo(shop, "map", "meta.depth > 2", check=False)
    assert wrong.returncode == 2 and "meta.depth: what the trace itself decides does not choose traces" in wrong.stderr


def test_reveal_names_six_kinds_of_fault(server):
    told = {}
    for seed in range(6):
        done = server.cli("demo", "--seed", str(seed), "--reveal")
        assert done.stdout == server.cli("demo", "--seed", str(seed), "--reveal").stdout and "skep query" in done.stdout
        told[seed] = re.match(r"What was planted: ([^.]+)\.", done.stdout)[1]
    assert len(set(told.values())) == 6, told


def test_what_is_revealed_can_be_asked(shop):
    for line in shop.cli("demo", "--seed", "2", "--reveal").stdout.splitlines():
        if match := re.match(r"\s+skep query '(.+)' --env demo", line):
            rows = shop.ask(match[1], "demo")
            assert rows, line


def test_demo_writes_demo_alone_and_goes_away():
    with Server() as server:
        send(server, "my-own", {"name": "mine"})
        server.cli("demo", "--past-only", "--past", "30s", "--quiet")
        assert server.count("COUNT", "demo") > 100 and server.count("COUNT") == 1
        assert [e["slug"] for e in server.get("/skep/v1/status")["environments"]] == ["dev", "demo"]
        done = server.cli("demo", "--remove")
        assert "empty" in done.stderr
        assert server.count("COUNT SINCE 1d", "demo") == 0 and server.count("COUNT") == 1
        server.stop()
        server.restart()
        assert server.count("COUNT SINCE 1d", "demo") == 0 and server.count("COUNT") == 1


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def test_serve_with_demo_writes_demo_alone():
    with Server("--demo", env={"SKEP_KEY": "of-the-users-shell"}) as server:
        wait_for(lambda: server.count("COUNT", "demo") > 100)
        assert server.count("COUNT SINCE 1d") == 0, "the shop's events are in dev"
        keys = json.loads(server.cli("keys", "--json").stdout)["keys"]
        assert len(keys) == 4, "the shop needs no key but those of the first start"
        before = server.count("COUNT SINCE 1d", "demo")
        server.stop()
        server.restart()
        wait_for(lambda: server.count("COUNT SINCE 1d", "demo") > before)
        assert server.count("COUNT SINCE 1d") == 0


def test_demo_refuses_a_key_of_another_environment(server, tmp_path):
    kept = server.count()
    for kind in ("ingest", "full"):
        refused = server.cli("demo", "--past-only", "--past", "5s", key=server.keys["dev"][kind], check=False)
        assert refused.returncode == 4 and "environment dev" in refused.stderr and server.keys["dev"][kind] not in refused.stderr
    unknown = server.cli("demo", "--past-only", "--past", "5s", key="unknown-unknown-unknown", check=False)
    assert unknown.returncode == 4 and "SKEP_KEY" in unknown.stderr
    nowhere = server.cli("demo", "--past-only", "--past", "5s", env={"SKEP_DATA_DIR": str(tmp_path)}, check=False)
    assert nowhere.returncode == 4 and "--data-dir" in nowhere.stderr
    given = server.cli("demo", "--past-only", "--rate", "20", "--past", "30s", key=server.keys["demo"]["ingest"])
    assert "skep:" not in given.stderr and server.count("COUNT", "demo") > 10 and server.count() == kept


def test_load(server):
    done = json.loads(server.cli("load", "--spans", "3000", "--connections", "2", "--json").stdout)
    assert done["items"] >= 3000 and done["refused"] == 0 and done["items_per_s"] > 0 and done["requests"] > 1
    assert 0 < done["p50_ms"] <= done["p90_ms"] <= done["p99_ms"] <= done["max_ms"]
    again = server.cli("load", "--spans", "500", "--rate", "5000")
    assert "acknowledged in" in again.stdout and "p99" in again.stdout
    bad = server.cli("load", "--spans", "100", key="wrong-wrong-wrong-wrong", check=False)
    assert bad.returncode != 0 and "refused" in bad.stderr


def test_dry_run_changes_nothing(server):
    def state():
        keys = json.loads(server.cli("keys", "--json").stdout)["keys"]
        return [(k["id"], k["revoked"]) for k in keys], server.cli("environments", "--json").stdout, server.count("COUNT", "demo")
    before = state()
    for arguments, said in ((["keys", "create", "--name", "x"], 'POST {}/skep/v1/keys\n{{"name":"x","kind":"ingest"}}\n'),
                            (["environments", "create", "new"], 'POST {}/skep/v1/environments\n{{"name":"new"}}\n'),
                            (["environments", "keep", "demo", "--days", "7"], 'PATCH {}/skep/v1/environments/demo\n{{"retention_s":604800}}\n'),
                            (["environments", "delete", "demo"], "DELETE {}/skep/v1/environments/demo\n"),
                            (["demo", "--remove"], "DELETE {}/skep/v1/data?environment=demo\n"),
                            (["query", "COUNT", "--watch", "1s"], 'POST {}/skep/v1/query\n{{"text":"COUNT","disable_series":true}}\n'),
                            (["demo"], "visits of a shop to environment demo of {}\n"), (["load"], "1000000 spans or log lines to {}\n")):
        assert server.cli(*arguments, "--dry-run").stdout == said.format(server.url)
    assert server.cli("env", "--dry-run").stdout.startswith("POST")
    assert state() == before


def test_doctor_in_words(server):
    Http(server, "json").send(b"{}", key="${HONEYCOMB_API_KEY}")
    done = server.cli("doctor")
    assert "literal_variable_key" in done.stdout and "Put the value there" in done.stdout
    assert server.cli("doctor", "--fail-empty", check=False).returncode == 0
