"""The server as a program: start, limits, listeners, settings, end, restart."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from skep import BINARY, Reply, Server
from wires import Http, traces

DAY = 86400 * 10**9


def send(server, service, count=1, **fields):
    wire = Http(server, "protobuf")
    answer = wire.send(wire.encode(traces(service, *[{"name": f"span {i}", **fields} for i in range(count)])))
    assert answer.status == 200, answer
    return answer


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)
    return found


def refused_start(*arguments, env=None):
    """A server that is not to start: its exit code and what it says."""
    done = subprocess.run([str(BINARY), "serve", *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_ready_line_names_where_it_listens(own_server):
    ready = own_server.ready
    assert ready["ready"] is True and ready["version"] and re.fullmatch(r"127\.0\.0\.1:\d+", ready["listen"][0])
    assert int(ready["listen"][0].split(":")[1]) > 0 and ready["url"] == "http://" + ready["listen"][0]
    assert own_server.call("GET", "/readyz")[1] == b"ready\n" and own_server.call("GET", "/healthz")[1] == b"ok\n"


def test_many_listeners():
    with Server(listen=("127.0.0.1:0", "tcp://127.0.0.2:0", "[::1]:0")) as server:
        assert len(server.ready["listen"]) == 3
        for address in server.ready["listen"]:
            host, port = address.rsplit(":", 1)
            c = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=10)
            c.request("GET", "/healthz")
            assert c.getresponse().read() == b"ok\n"
            c.close()


def test_the_demo_shop_takes_its_seed(tmp_path):
    code, said = refused_start("--data-dir", str(tmp_path / "none"), "--demo-seed", "many")
    assert code == 2 and "--demo-seed takes a whole number" in said and not (tmp_path / "none").exists()
    with Server("--demo-seed", "7") as server:
        pid = server.process.pid

        def commands():
            shops = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [pathlib.Path(f"/proc/{shop}/cmdline").read_bytes().split(b"\0") for shop in shops]
        eventually(lambda: any(words[1:2] == [b"demo"] and words[-3:-1] == [b"--seed", b"7"] for words in commands()))


def test_second_server_on_the_same_data_is_refused_by_name(own_server):
    code, said = refused_start("--data-dir", str(own_server.data_dir), "--listen", "127.0.0.1:0")
    assert code == 1 and str(own_server.data_dir) in said and f"process {own_server.process.pid}" in said and "--data-dir" in said
    send(own_server, "still-here")
    assert own_server.count('COUNT FROM "still-here"') == 1


def test_taken_port_is_named_with_its_holder(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, said = refused_start("--data-dir", str(tmp_path / "d"), "--listen", f"127.0.0.1:{port}")
        assert code == 1 and str(port) in said and str(os.getpid()) in said, said


def test_taken_default_port_leaves_the_others(tmp_path):
    """Of the default ports one is taken, by us or by whoever has it: skep says so and serves the rest."""
    taken = []
    for port in (8080, 4318, 4317):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        if port == 4318:
            s.listen()
            taken.append(s)
        else:
            s.close()
    if not taken:
        pytest.skip("port 4318 is taken on this machine")
    try:
        with Server(data_dir=tmp_path, listen=()) as server:
            said = server.log_text()
            assert "4318" in said and str(os.getpid()) in said, said
            assert "127.0.0.1:4318" not in server.ready["listen"] and server.ready["listen"]
            assert server.call("GET", "/readyz")[0] == 200
            send(server, "elsewhere")
    except RuntimeError as error:
        if "every default port is taken" not in str(error):
            raise
        pytest.skip("all default ports are taken on this machine")
    finally:
        taken[0].close()


def test_bad_settings_are_refused_by_name(tmp_path):
    data = ("--data-dir", str(tmp_path / "d"))
    for arguments, said in ((["--memory-max", "lots"], "memory-max"), (["--retention", "soon"], "retention"), (["--durabilty", "fsync"], "durability"),
                            (["--auth", "maybe"], "auto|required"), (["stray"], "stray"),
                            (["--tls-cert", "x"], "--tls-key")):
        code, text = refused_start(*data, *arguments)
        assert code == 2 and said in text, (arguments, text)
    (tmp_path / "bad.yaml").write_text("retention: 3d\nlissten: x\n")
    code, text = refused_start(*data, "--config", str(tmp_path / "bad.yaml"))
    assert code == 2 and "bad.yaml" in text and "did you mean listen" in text
    code, text = refused_start(*data, env={"SKEP_DISK_MAX": "-"})
    assert code == 2 and "disk-max" in text
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("arguments,said", [
    (["--listen", "127.0.0.1:99999"], "up to 65535"), (["--listen", "foo://127.0.0.1:80"], "tcp:// or tls://"),
    (["--listen", "127.0.0.1"], "HOST:PORT"), (["--listen", "::1:80"], "brackets"), (["--listen", "300.1.1.1:80"], "300.1.1.1"),
    (["--listen", "127.0.0.1:0", "--listen", ""], "HOST:PORT"), (["--listen", "tls://127.0.0.1:0"], "--tls-cert"),
    (["--tls-cert", "/nowhere/c", "--tls-key", "/nowhere/k"], "/nowhere/c"), (["--disk-max", "31MiB"], "at least 32 MiB")])
def test_a_start_that_cannot_be_leaves_no_trace(tmp_path, arguments, said):
    code, text = refused_start("--data-dir", str(tmp_path / "d"), *arguments)
    assert code == 2 and said in text, text
    assert not (tmp_path / "d").exists()


def test_config_file_variables_and_flags(tmp_path):
    """A flag wins over a variable, that over the file."""
    (tmp_path / "skep.yaml").write_text(f"data-dir: {tmp_path}/from-file\nlisten: ['127.0.0.9:0']\nauth: required\nretention: 1d\n")
    with Server("--config", str(tmp_path / "skep.yaml"), data_dir=tmp_path / "from-flag", listen=(),
                env={"SKEP_LISTEN": "127.0.0.3:0,127.0.0.4:0", "SKEP_RETENTION": "2d", "SKEP_DATA_DIR": str(tmp_path / "from-variable")}) as server:
        assert [a.split(":")[0] for a in server.ready["listen"]] == ["127.0.0.3", "127.0.0.4"]
        assert not (tmp_path / "from-file").exists() and not (tmp_path / "from-variable").exists()
        with pytest.raises(Reply) as e:
            server.call("GET", "/skep/v1/status")
        assert e.value.status == 401
        key = server.keys["dev"]["ingest"]
        c = http.client.HTTPConnection(server.address.rsplit(":", 1)[0], server.port, timeout=20)
        for days, rejected in ((1.5, 0), (2.5, 1)):
            start = time.time_ns() - int(days * DAY)
            body = traces("aged", {"name": "a", "start_time_unix_nano": start, "end_time_unix_nano": start + 1}).SerializeToString()
            c.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf", "x-honeycomb-team": key})
            reply = c.getresponse()
            assert Http(server, "protobuf").read("traces", reply.status, reply.read(), dict(reply.getheaders())).rejected == rejected
        c.close()


def test_preset_ingest_key(tmp_path):
    secret = "preset-" + os.urandom(12).hex()
    (tmp_path / "key").write_text(secret + "\n")
    for index, (options, env) in enumerate([((), {"SKEP_INGEST_KEY": secret}), (("--ingest-key-file", str(tmp_path / "key")), {})]):
        with Server("--auth", "required", *options, env=env, data_dir=tmp_path / f"d{index}") as server:
            assert Http(server, "json").send(b"{}", key=secret).status == 200
            assert Http(server, "json").send(b"{}", key=secret + "x").status == 401


# ---- counters ----

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)$')


def metrics(server):
    """The exposition, checked line by line: every sample below the TYPE of its family, no family twice."""
    status, body, headers = server.call("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    found, family, seen = {}, None, set()
    assert body.endswith(b"\n")
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in seen and kind in ("counter", "gauge", "histogram"), line
            seen.add(family)
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            assert re.sub(r"_(bucket|sum|count)$", "", match[1]) == family or match[1] == family, line
            assert match[1] + (match[2] or "") not in found, line
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_metrics_parse_and_count(own_server):
    before = metrics(own_server)
    send(own_server, "counted", 7)
    Http(own_server, "json").send(b"{", key=None)
    Http(own_server, "json").send(b"{}", key="no-such-key-here")
    own_server.ask("COUNT")
    after = metrics(own_server)

    def grew(name):
        return after[name] - before.get(name, 0)
    assert grew('skep_requests_total{route="otlp-traces",status="200"}') == 1
    assert grew('skep_requests_total{route="otlp-traces",status="400"}') == 1
    assert grew('skep_requests_total{route="otlp-traces",status="401"}') == 1
    assert grew('skep_requests_total{route="query",status="200"}') == 1
    assert grew('skep_refused_total{reason="bad_body"}') == 1 and grew('skep_refused_total{reason="unknown_key"}') == 1
    events = [name for name in after if name.startswith("skep_events_total")]
    assert sum(grew(name) for name in events) == 7 and len(events) == 3
    assert grew('skep_request_seconds_count{route="otlp-traces"}') == 3
    buckets = [v for k, v in after.items() if k.startswith('skep_request_seconds_bucket{route="otlp-traces"')]
    assert buckets == sorted(buckets) and buckets[-1] == after['skep_request_seconds_count{route="otlp-traces"}']


# ---- ending ----

def test_drain_finishes_what_is_in_flight():
    """A request whose body is still coming when SIGTERM is sent is stored and answered; new connections are not served."""
    with Server() as server:
        body = traces("late", {"name": "in flight"}).SerializeToString()
        with socket.create_connection(("127.0.0.1", server.port), 20) as s:
            s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body))
            s.sendall(body[:10])
            eventually(lambda: metrics(server)["skep_connections_open"] >= 1)
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: "ending" in server.log_text())
            s.sendall(body[10:])
            reply = http.client.HTTPResponse(s)
            reply.begin()
            assert reply.status == 200, reply.read()
        assert server.process.wait(timeout=30) == 0
        server.restart()
        assert server.count('COUNT FROM late') == 1


def test_senders_through_a_stop_lose_nothing():
    """Eight senders go on while the server ends: what was acknowledged is there afterwards, what was not was refused or cut."""
    with Server() as server:
        acknowledged, lock = [0], threading.Lock()

        def sender(number):
            wire = Http(server, "protobuf")
            for _ in range(10_000):
                body = wire.encode(traces("through", {"name": f"sender {number}"}))
                try:
                    answer = wire.send(body)
                except (OSError, http.client.HTTPException):
                    return
                assert answer.status in (200, 503), answer
                if answer.status == 503:
                    return
                with lock:
                    acknowledged[0] += 1
        threads = [threading.Thread(target=sender, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        eventually(lambda: acknowledged[0] > 50)
        server.stop()
        for thread in threads:
            thread.join()
        server.restart()
        assert acknowledged[0] <= server.count('COUNT FROM through') <= acknowledged[0] + 8


def test_second_signal_ends_at_once(own_server):
    with socket.create_connection(("127.0.0.1", own_server.port), 10) as s:  # holds the drain up
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        eventually(lambda: metrics(own_server)["skep_connections_open"] >= 1)
        own_server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "ending" in own_server.log_text())
        own_server.process.send_signal(signal.SIGTERM)
        assert own_server.process.wait(timeout=5) == -signal.SIGTERM
    own_server.restart()
    assert own_server.call("GET", "/readyz")[0] == 200


def test_restart_keeps_everything():
    with Server("--auth", "required") as server:
        full, keys = server.keys["dev"]["full"], server.keys
        made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "kept"}, key=full)[1])
        server.call("POST", "/skep/v1/environments", {"name": "Staging Area"}, key=full)
        wire = Http(server, "protobuf")
        body = wire.encode(traces("kept", *[{"name": f"span {i}", "attributes": {"n": i, "half": i / 2, "even": i % 2 == 0}} for i in range(100)]))
        assert wire.send(body, key=made["secret"]).status == 200
        text = 'COUNT, SUM(n), MAX(half), P50(n) FROM kept GROUP BY even ORDER BY COUNT DESC, SUM(n) DESC'
        before = server.ask(text, key=full)
        assert sum(row["COUNT"] for row in before) == 100
        for end in (server.stop, server.kill):
            end()
            server.restart()
            assert "keys" not in server.ready and server.keys == keys
            assert server.ask(text, key=full) == before
            assert wire.send(body, key=made["secret"]).status == 200  # a sender that never got its answer tries again
            assert server.ask(text, key=full) == before
            slugs = {e["slug"] for e in json.loads(server.call("GET", "/skep/v1/environments", key=full)[1])["environments"]}
            assert slugs == {"dev", "demo", "staging-area"}


def test_relaxed_durability_keeps_what_a_clean_end_leaves():
    with Server("--durability", "relaxed") as server:
        send(server, "relaxed", 5)
        assert server.count('COUNT FROM relaxed') == 5
        server.stop()
        server.restart()
        assert server.count('COUNT FROM relaxed') == 5
        server.kill()  # of the process, not the machine: what was written is the system's
        server.restart()
        assert server.count('COUNT FROM relaxed') == 5


# ---- bounds ----

SMALL, LARGE = "32MiB", 640  # the least bound; spans of 32 KB in each of two environments


def store_of(server):
    return json.loads(server.call("GET", "/skep/v1/status")[1])["store"]


@pytest.fixture(scope="module", autouse=True)
def aging():
    """Two servers whose bounds need a minute to act: they begin with this file and are asked at its end."""
    with Server("--retention", "8s") as short, Server("--disk-max", SMALL) as small:
        send(short, "aging")
        assert short.count("COUNT FROM aging") == 1
        wire = Http(small, "protobuf")
        for environment in ("demo", "dev"):  # 2 × 20 MB that no encoding makes smaller
            for _ in range(LARGE // 20):
                body = wire.encode(traces("large", *[{"name": "a", "attributes": {"text": os.urandom(32_000).hex()}} for _ in range(20)]))
                eventually(lambda: wire.send(body, key=small.keys[environment]["ingest"]).status == 200)  # 503 while too much waits
        yield short, small


def test_retention_drops_what_is_past(aging):
    """Kept for eight seconds; what is older is refused at once, and the house is kept every minute."""
    short, _ = aging
    start = time.time_ns() - 9 * 10**9
    assert send(short, "too-late", start_time_unix_nano=start, end_time_unix_nano=start + 1).rejected == 1
    eventually(lambda: short.count("COUNT FROM aging") == 0, 90)


def used_by(server):
    return sum(f.stat().st_blocks * 512 for f in server.data_dir.rglob("*") if f.is_file())


def test_disk_max_drops_the_oldest_and_goes_on(aging):
    _, small = aging
    eventually(lambda: store_of(small)["rows_dropped_disk_max"] > 0, 100)
    eventually(lambda: used_by(small) <= 32 << 20, 20)
    assert small.count("COUNT SINCE 1h", "demo") < LARGE <= small.count("COUNT SINCE 1h", "dev"), store_of(small)
    assert "(at most 32.0 MiB" in small.log_text() and "dropped the oldest" in small.log_text()
    send(small, "after")
    assert small.count("COUNT FROM after") == 1


def test_resident_memory_stays_within_its_bound():
    """Ingest at full speed, beside questions that gather whole traces: nothing of either passes --memory-max."""
    binary = os.environ.get("SKEP_RELEASE_BINARY", BINARY)  # sanitizers keep what is freed
    with Server("--quiet", "--memory-max", "160MiB", binary=binary) as server:
        over, answered = threading.Event(), []

        def ask_on(text):
            while not over.is_set():
                try:
                    server.ask(f"{text} SINCE 1h")
                    answered.append(200)
                except Reply as e:
                    assert e.status == 503 and e.json()["code"] == "no_memory", e
                    answered.append(503)

        askers = [threading.Thread(target=ask_on, args=(text,)) for text in ("HEATMAP(meta.self_ms)", "P99(duration_ms) GROUP BY meta.root_name") * 2]
        for asker in askers:
            asker.start()
        try:
            sent = server.cli("load", "--json", "--shape", "B", "--spans", "600000", "--connections", "4", timeout=300)
        finally:
            over.set()
            for asker in askers:
                asker.join()
        peak_kib = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read())[1])
        assert 200 in answered and peak_kib < 160 << 10, (peak_kib >> 10, answered.count(200), answered.count(503))
        assert server.get("/skep/v1/status")["store"]["rows"] == json.loads(sent.stdout)["items"]
