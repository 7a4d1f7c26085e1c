"""HTTP/1.1, HTTP/2, gRPC and TLS as peers see them, good ones and bad ones (the server is tests/flow/echo_server.c)."""
import base64
import concurrent.futures
import gzip
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib

import grpc
import h2.errors
import h2.events
import h2.settings
import pytest

from transport import Echo, Http2, echo_binary, read_all, read_reply

HOST = b"Host: x\r\n"


@pytest.fixture(scope="module")
def echo():
    with Echo() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


# ---- HTTP/1.1 ----

def test_keep_alive_serves_many_requests_on_one_connection(echo):
    c = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=10)
    for i in range(50):
        c.request("POST", "/echo?q=%d" % i, body=b"x" * i)
        reply = c.getresponse()
        assert (reply.status, reply.getheader("x-query"), reply.read()) == (200, str(i), b"x" * i)
    c.close()


def test_large_body_comes_back_whole(echo):
    body = os.urandom(20 << 20)
    status, _, got = echo.ask("POST", "/echo", body)
    assert status == 200 and got == body


def test_chunked_body(echo):
    c = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=10)
    c.request("POST", "/echo", body=iter([b"a" * 1000, b"b" * 70000, b"c"]), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    assert c.getresponse().read() == b"a" * 1000 + b"b" * 70000 + b"c"
    c.close()


def test_bytes_one_by_one(echo):
    with echo.connect() as s:
        for byte in b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            s.sendall(bytes([byte]))
        assert read_reply(s)[2] == b"abc"


def test_pipelined_replies_keep_their_order(echo):
    requests = b"".join(b"GET /slow?ms=%d HTTP/1.1\r\n%s\r\nPOST /echo HTTP/1.1\r\n%sContent-Length: 1\r\n\r\n%d" % (60 - i * 20, HOST, HOST, i)
                        for i in range(3))
    with echo.connect() as s:
        s.sendall(requests)
        held, bodies = b"", []
        for _ in range(6):
            _, _, body, held = read_reply(s, held)
            bodies.append(body)
    assert bodies == [b"slow\n", b"0", b"slow\n", b"1", b"slow\n", b"2"]


def test_expect_continue(echo):
    with echo.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        status, _, _, rest = read_reply(s)
        assert status == 100 and rest == b""
        s.sendall(b"hello")
        status, _, body, _ = read_reply(s)
        assert (status, body) == (200, b"hello")


def test_expect_continue_is_refused_without_reading_the_body(echo):
    with echo.connect() as s:
        s.sendall(b"POST /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n")
        status, headers, body, _ = read_reply(s)
        assert status == 404 and headers["connection"] == "close" and b"/v1/traces" in body
        assert s.recv(1) == b""


def test_half_closed_sender_gets_its_reply(echo):
    with echo.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s).endswith(b"\r\n\r\nhello")


def test_streams_are_chunked_and_whole(echo):
    status, headers, body = echo.ask("GET", "/stream?count=500&bytes=10000")
    assert status == 200 and body == b"x" * 5_000_000


def test_stream_of_http_1_0_ends_with_the_connection(echo):
    reply = echo.exchange(b"GET /stream?count=300&bytes=10000 HTTP/1.0\r\n\r\n")
    head, body = reply.split(b"\r\n\r\n", 1)
    assert body == b"x" * 3_000_000 and b"transfer-encoding" not in head and b"connection: close" in head


def test_slow_reader_bounds_what_is_buffered():
    with Echo(stream=65536, loops=1) as echo, echo.connect() as s:
        s.sendall(b"GET /stream?count=2000&bytes=10000 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        echo.wait(lambda c: c["running"] == 1)  # its writer waits for room: 20 MB do not fit
        body = read_all(s).split(b"\r\n\r\n", 1)[1]
        assert body.count(b"x") == 20_000_000 and body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("request_bytes", [
    b"GET /fixed HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    b"GET /fixed HTTP/1.1\nHost: x\n\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\n123456",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\n1\n0\n\n",
    b"GET /fixed HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
], ids=["fold", "bare-lf", "cl-te", "cl-cl", "te-te", "te-space", "chunk-lf", "two-hosts"])
def test_smuggling_is_refused_and_the_connection_closed(echo, request_bytes):
    reply = echo.exchange(request_bytes + b"GET /fixed HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400 ") and reply.count(b"HTTP/1.1 ") == 1


def test_refused_body_is_read_past_and_the_connection_lives(echo):
    with echo.connect() as s:
        s.sendall(b"POST /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n" + b"x" * 100000 + b"GET /fixed HTTP/1.1\r\n" + HOST + b"\r\n")
        status, _, _, rest = read_reply(s)
        assert status == 404
        assert read_reply(s, rest)[2] == b"fixed\n"


def test_reply_survives_a_sender_that_goes_on(echo):
    """Closing a socket with unread input would reset it and destroy the reply on its way."""
    with echo.connect() as s:
        s.sendall(b"POST /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: 30000000\r\n\r\n")
        sent = 0
        try:
            while sent < 3_000_000:
                sent += s.send(b"x" * 65536)
        except OSError:
            pass
        assert read_all(s).startswith(b"HTTP/1.1 404 ")


# ---- limits ----

def test_slow_heads_and_bodies_are_timed_out():
    with Echo(header_ms=200, body_ms=200) as echo:
        started = time.monotonic()
        assert echo.exchange(b"GET /fixed HTT").startswith(b"HTTP/1.1 408 ")
        reply = echo.exchange(b"POST /v1/traces HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 10\r\n\r\nabc")
        assert reply.startswith(b"HTTP/1.1 408 ") and b'"code":4' in reply
        assert echo.exchange(b"") == b""  # says nothing at all
        assert echo.counts()["slow_senders"] == 2
        assert time.monotonic() - started < 5


def test_slow_http2_body_is_refused_and_others_go_on():
    with Echo(body_ms=200) as echo, echo.connect() as s:
        c = Http2(s)
        slow = c.request("POST", "/echo", end=False)
        assert c.get("GET", "/fixed")["body"] == b"fixed\n"
        assert c.wait(slow)["headers"][":status"] == "408"
        assert c.get("GET", "/fixed")["body"] == b"fixed\n"


def test_idle_connections_are_closed():
    with Echo(idle_ms=200) as echo:
        with echo.connect() as s:
            s.sendall(b"GET /fixed HTTP/1.1\r\n" + HOST + b"\r\n")
            read_reply(s)
            assert s.recv(1) == b""
        with echo.connect() as s:
            c = Http2(s)
            c.get("GET", "/fixed")
            while not c.closed:
                c.turn()
            assert any(isinstance(e, h2.events.ConnectionTerminated) for e in c.events)


def test_head_and_body_bounds():
    with Echo(body=1000, head=2000) as echo:
        assert echo.exchange(b"GET /fixed HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 3000).startswith(b"HTTP/1.1 413 ")
        status, _, body = echo.ask("POST", "/echo", b"x" * 1001)
        assert status == 413 and json.loads(body)["code"] == "too_large" and "1000" in json.loads(body)["error"]
        assert echo.ask("POST", "/echo", b"x" * 1000)[0] == 200
        with echo.connect() as s:
            c = Http2(s)
            assert c.get("POST", "/echo", b"x" * 1001)["headers"][":status"] == "413"
            assert c.get("POST", "/echo", b"x" * 1000)["headers"][":status"] == "200"
            assert c.get("GET", "/fixed", a="a" * 3000)["headers"][":status"] == "413"


def test_connections_are_bounded():
    with Echo(connections=3) as echo:
        held = [echo.connect() for _ in range(2)]
        echo.wait(lambda c: c["open"] == 3)
        third = echo.connect()
        fourth = echo.connect()
        fourth.sendall(b"GET /fixed HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read_all(fourth) == b""
        for s in held + [third, fourth]:
            s.close()


def test_peer_that_reads_nothing_is_dropped():
    with Echo(write_ms=300, stream=65536) as echo, echo.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /stream?count=100000&bytes=10000 HTTP/1.1\r\n" + HOST + b"\r\n")
        echo.wait(lambda c: c["cancelled"] == 1 and c["open"] == 1)
        assert echo.counts()["slow_readers"] == 1


def with_windows(c, size):
    """What the server may send on each stream before it is told more."""
    c.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size})
    c.flush()
    c.get("HEAD", "/fixed")  # the server has read it
    return c


@pytest.mark.parametrize("path,writers", [("/fixed", 0), ("/stream?count=100000&bytes=10000", 1)])
def test_http2_stream_whose_window_stays_shut_is_reset(path, writers):
    """Nobody but the peer can open it: the reply, and who writes it, would wait for ever. The connection goes on."""
    with Echo(write_ms=300, stream=65536) as echo, echo.connect() as s:
        c = with_windows(Http2(s), 0)
        shut = [c.request("GET", path) for _ in range(2)]
        assert [c.wait(stream)["reset"] for stream in shut] == [h2.errors.ErrorCodes.CANCEL] * 2
        counts = echo.wait(lambda n: n["in_flight"] == 1 and n["running"] == 0)
        assert counts["slow_readers"] == 2 and counts["streams"] == 0
        with_windows(c, 65535)
        assert c.get("GET", "/fixed")["body"] == b"fixed\n"


def test_http2_connection_window_that_stays_shut_resets_its_streams():
    with Echo(write_ms=300, stream=65536) as echo, echo.connect() as s:
        c = with_windows(Http2(s), 1 << 20)
        c.acknowledges, c.opens_connection = lambda stream: False, False
        streams = [c.request("GET", "/stream?count=100000&bytes=10000") for _ in range(3)]
        assert [c.wait(stream)["reset"] for stream in streams] == [h2.errors.ErrorCodes.CANCEL] * 3
        assert sum(len(c.replies[stream]["body"]) for stream in streams) == 65535
        echo.wait(lambda n: n["in_flight"] == 1 and n["running"] == 0)


def test_http2_slow_reader_is_waited_for():
    """A window of one byte, opened again and again: slow, and whole."""
    with Echo(write_ms=300) as echo, echo.connect() as s:
        c = with_windows(Http2(s), 1)
        streams = [c.request("POST", "/echo", b"z" * 200) for _ in range(20)]
        for turns in range(40):
            c.turn()
            time.sleep(0.025)
        for stream in streams:
            assert c.wait(stream)["body"] == b"z" * 200
        assert echo.counts()["slow_readers"] == 0


def test_http2_many_streams_with_large_replies_through_small_windows():
    with Echo(stream=65536, query=2) as echo, echo.connect() as s:
        c = with_windows(Http2(s), 1000)
        bodies = [os.urandom(200_000) for _ in range(20)]
        streams = [c.request("POST", "/echo", body) for body in bodies] + [c.request("GET", "/stream?count=40&bytes=10000") for _ in range(10)]
        for stream, body in zip(streams, bodies + [b"x" * 400_000] * 10):
            assert c.wait(stream)["body"] == body


def test_grpc_exports_go_on_beside_a_blocked_reply():
    with Echo(stream=65536, ingest=4) as echo, echo.connect() as s:
        c = Http2(s)
        blocked = c.request("GET", "/stream?count=100000&bytes=10000")
        c.acknowledges = lambda stream: stream != blocked
        while len(c.replies[blocked]["body"]) < 65535:
            c.turn()
        messages = [frame(os.urandom(3000)) for _ in range(100)]
        streams = [c.request("POST", "/test.Echo/Unary", m, content_type="application/grpc", te="trailers") for m in messages]
        for stream, message in zip(streams, messages):
            reply = c.wait(stream)
            assert reply["body"] == message and reply["trailers"]["grpc-status"] == "0"
        assert len(c.replies[blocked]["body"]) == 65535 and echo.counts()["running"] == 1
        c.h2.reset_stream(blocked)
        c.flush()
        echo.wait(lambda n: n["running"] == 0)


# ---- encodings and bombs ----

def zstd(data):
    return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("name,encode", [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd)])
def test_compressed_bodies(echo, name, encode):
    data = b"".join(b"line %d of a body that compresses well\n" % i for i in range(20000))
    status, _, body = echo.ask("POST", "/echo", encode(data), {"Content-Encoding": name})
    assert status == 200 and body == data


@pytest.mark.parametrize("name,encode", [("gzip", gzip.compress), ("zstd", zstd)])
def test_bombs_stop_at_the_bound(name, encode):
    with Echo(body=1 << 20, memory=16 << 20) as echo:
        bomb = encode(bytes(200 << 20))
        assert len(bomb) < 1 << 20
        status, _, body = echo.ask("POST", "/echo", bomb, {"Content-Encoding": name})
        assert status == 413 and "decompressed" in json.loads(body)["error"]
        assert echo.counts()["memory"] == 0


def test_broken_and_unknown_encodings(echo):
    assert echo.ask("POST", "/echo", b"not gzip", {"Content-Encoding": "gzip"})[0] == 400
    assert echo.ask("POST", "/echo", gzip.compress(b"x" * 1000)[:-20], {"Content-Encoding": "gzip"})[0] == 400
    status, _, body = echo.ask("POST", "/echo", b"x", {"Content-Encoding": "br"})
    assert status == 400 and "gzip" in json.loads(body)["error"]
    assert echo.ask("POST", "/echo", b"", {"Content-Encoding": "gzip"})[0] == 200


# ---- memory and queues ----

def test_memory_pressure_is_a_503_that_passes():
    with Echo(memory=1 << 20) as echo, echo.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 900000\r\n\r\nabc")
        echo.wait(lambda c: c["memory"] == 900000)
        status, headers, body = echo.ask("POST", "/v1/traces", b"x" * 300000, {"Content-Type": "application/x-protobuf"})
        assert status == 503 and headers["retry-after"] == "1" and headers["content-type"] == "application/x-protobuf"
        with echo.connect() as other:
            c = Http2(other)
            reply = c.get("POST", "/test.Echo/Unary", frame(b"x" * 300000), content_type="application/grpc", te="trailers")
            assert reply["headers"]["grpc-status"] == "14" and b"RetryInfo" in details(reply["headers"])
        s.sendall(b"x" * 899997)
        assert read_reply(s)[0] == 200
        assert echo.ask("POST", "/v1/traces", b"x" * 300000)[0] == 200


def test_full_queue_is_a_503():
    with Echo(ingest=1, ingest_queue=1) as echo:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = [f.result()[0] for f in [pool.submit(echo.ask, "POST", "/slow?ms=500") for _ in range(8)]]
        assert 200 in statuses and 503 in statuses and set(statuses) == {200, 503}


# ---- leaving ----

def test_leaving_cancels_within_50_ms(echo):
    before = echo.counts()["cancelled"]
    s = echo.connect()
    s.sendall(b"GET /slow?ms=20000 HTTP/1.1\r\n" + HOST + b"\r\n")
    echo.wait(lambda c: c["running"] == 1)
    left = time.monotonic()
    s.close()
    echo.wait(lambda c: c["cancelled"] == before + 1)
    assert time.monotonic() - left < 0.5  # 50 ms, and what a busy machine adds


def test_resetting_a_stream_cancels(echo):
    before = echo.counts()["cancelled"]
    with echo.connect() as s:
        c = Http2(s)
        stream = c.request("GET", "/slow?ms=20000")
        echo.wait(lambda n: n["running"] == 1)
        c.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        c.flush()
        echo.wait(lambda n: n["cancelled"] == before + 1)
        assert c.get("GET", "/fixed")["body"] == b"fixed\n"


def test_event_streams_beat_and_end_with_their_reader():
    with Echo(heartbeat_ms=200) as echo:
        s = echo.connect()
        s.sendall(b"GET /events HTTP/1.1\r\n" + HOST + b"\r\n")
        got = b""
        while b":\n\n" not in got:
            got += s.recv(4096)
        assert b"text/event-stream" in got and b"data: first\n\n" in got
        s.close()
        echo.wait(lambda c: c["gone"] == 1 and c["streams"] == 0)


# ---- CORS and error forms ----

def test_preflight_and_repeated_origin(echo):
    origin = {"Origin": "https://shop.example"}
    status, headers, _ = echo.ask("OPTIONS", "/v1/traces", headers={
        **origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-honeycomb-team"})
    assert status == 204 and headers["access-control-allow-origin"] == "https://shop.example"
    assert headers["access-control-allow-headers"] == "content-type,x-honeycomb-team"
    assert headers["access-control-allow-credentials"] == "true" and headers["access-control-max-age"] and "POST" in headers["access-control-allow-methods"]
    for path, code in (("/v1/traces", 200), ("/v1/trace", 404), ("/v1/fail?code=busy", 503), ("/secret", 401)):
        status, headers, _ = echo.ask("POST", path, b"", origin)
        assert status == code and headers["access-control-allow-origin"] == "https://shop.example" and headers["vary"] == "origin", path
    status, headers, _ = echo.ask("POST", "/echo", b"", origin)
    assert status == 200 and not any(h.startswith("access-control") for h in headers)


def test_error_forms(echo):
    status, headers, body = echo.ask("GET", "/fail?code=throttled")
    assert status == 429 and json.loads(body) == {"error": "failed as asked: 100 % ä", "code": "throttled"} and headers["retry-after"] == "1"
    status, headers, body = echo.ask("POST", "/v1/fail?code=bad_input", b"", {"Content-Type": "application/json"})
    assert status == 400 and json.loads(body)["code"] == 3 and json.loads(body)["message"].startswith("failed")
    status, headers, body = echo.ask("POST", "/v1/fail?code=busy", b"", {"Content-Type": "application/x-protobuf"})
    assert status == 503 and headers["content-type"] == "application/x-protobuf" and body[:2] == b"\x08\x0e"
    status, headers, body = echo.ask("POST", "/", b"", {"Content-Type": "application/x-protobuf"})
    assert status == 404 and b"/v1/traces" in body and headers["content-type"] == "application/x-protobuf"
    status, headers, body = echo.ask("DELETE", "/v1/traces")
    assert status == 405 and headers["allow"] == "POST, OPTIONS"
    status, headers, _ = echo.ask("HEAD", "/fixed")
    assert status == 200 and headers["content-length"] == "6"
    assert echo.ask("POST", "/secret", b"x", {"x-key": "open"})[0] == 200


# ---- HTTP/2 ----

def test_http2_with_prior_knowledge(echo):
    with echo.connect() as s:
        c = Http2(s)
        streams = [c.request("POST", f"/echo?q={i}", b"x" * (i * 1000)) for i in range(40)]
        for i, stream in enumerate(streams):
            reply = c.wait(stream)
            assert reply["headers"][":status"] == "200" and reply["headers"]["x-query"] == str(i) and len(reply["body"]) == i * 1000
        assert c.get("GET", "/stream?count=300&bytes=10000")["body"] == b"x" * 3_000_000
        assert c.get("GET", "/nothing")["headers"][":status"] == "404"
        assert c.get("HEAD", "/fixed")["body"] == b""


def test_http2_preface_in_pieces(echo):
    with echo.connect() as s:
        class Slowly:
            def sendall(self, data):
                for i in range(len(data)):
                    s.sendall(data[i:i + 1])
            recv = s.recv
        assert Http2(Slowly()).get("POST", "/echo", b"abc")["body"] == b"abc"


def test_http2_large_body_both_ways(echo):
    with echo.connect() as s:
        body = os.urandom(5 << 20)
        assert Http2(s).get("POST", "/echo", body)["body"] == body


def test_cookies_are_joined(echo):
    with echo.connect() as s:
        c = Http2(s)
        stream = c.h2.get_next_available_stream_id()
        c.h2.send_headers(stream, [(":method", "PUT"), (":path", "/named/a%2Fb"), (":scheme", "http"), (":authority", "x"),
                                   ("cookie", "a=1"), ("cookie", "b=2")], end_stream=True)
        c.replies[stream] = {"headers": None, "trailers": None, "body": b"", "ended": False, "reset": None}
        c.flush()
        headers = c.wait(stream)["headers"]
        assert headers["x-cookie"] == "a=1; b=2" and headers["x-param"] == "a/b"


def test_early_refusal_of_an_endless_http2_body(echo):
    with echo.connect() as s:
        c = Http2(s)
        stream = c.request("POST", "/nothing", end=False)
        reply = c.wait(stream)
        assert reply["headers"][":status"] == "404"
        assert c.get("GET", "/fixed")["body"] == b"fixed\n"


def test_too_many_streams_are_refused():
    with Echo(streams=4, ingest=1) as echo, echo.connect() as s:
        c = Http2(s)
        c.get("GET", "/fixed")  # the server's SETTINGS came
        assert c.h2.remote_settings.max_concurrent_streams == 4


def test_reset_flood_is_told_to_go():
    with Echo(resets=50) as echo, echo.connect() as s:
        c = Http2(s)
        c.get("GET", "/fixed")
        try:
            for _ in range(500):
                stream = c.request("GET", "/slow?ms=5000")
                c.h2.reset_stream(stream)
                c.flush()
        except OSError:
            pass
        try:
            while not c.closed:
                c.turn()
        except (OSError, Exception):  # python-h2 refuses to go on after GOAWAY
            pass
        assert any(isinstance(e, h2.events.ConnectionTerminated) and e.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM for e in c.events)
        counts = echo.wait(lambda n: n["open"] == 1 and n["running"] == 0)
        assert counts["reset_floods"] == 1


def test_garbage_after_the_preface_closes(echo):
    assert echo.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100)
    assert echo.exchange(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").startswith(b"HTTP/1.1 400 ")


# ---- gRPC ----

def frame(message, compressed=False):
    return struct.pack(">BI", compressed, len(message)) + message


def details(headers):
    text = headers["grpc-status-details-bin"]
    return base64.b64decode(text + "=" * (-len(text) % 4))


def call(c, path, body, **headers):
    reply = c.get("POST", path, body, content_type="application/grpc", te="trailers", **headers)
    return reply, reply["trailers"] or reply["headers"]


def raw(x):
    return x


@pytest.fixture(scope="module")
def channel(echo):
    with grpc.insecure_channel(f"127.0.0.1:{echo.port}", options=[("grpc.max_receive_message_length", -1)]) as c:
        yield c


def test_grpc_unary_by_the_real_client(echo, channel):
    unary = channel.unary_unary("/test.Echo/Unary", raw, raw)
    for size in (0, 1, 5, 16384, 70000, 3_000_000):
        body = os.urandom(size)
        assert unary(body, timeout=20) == body
    assert unary(b"z" * 100000, compression=grpc.Compression.Gzip, timeout=20) == b"z" * 100000
    assert unary(b"z" * 100000, compression=grpc.Compression.Deflate, timeout=20) == b"z" * 100000
    futures = [unary.future(b"%d" % i, timeout=20) for i in range(200)]
    assert [f.result() for f in futures] == [b"%d" % i for i in range(200)]


def test_grpc_errors_by_the_real_client(echo, channel):
    fail = channel.unary_unary("/test.Echo/Fail", raw, raw)
    with pytest.raises(grpc.RpcError) as e:
        fail(b"x", timeout=20)
    assert e.value.code() == grpc.StatusCode.INVALID_ARGUMENT and e.value.details() == "failed as asked: 100 % ä"
    with pytest.raises(grpc.RpcError) as e:
        fail(b"busy", timeout=20)
    assert e.value.code() == grpc.StatusCode.UNAVAILABLE
    assert b"google.rpc.RetryInfo" in dict(e.value.trailing_metadata())["grpc-status-details-bin"]
    with pytest.raises(grpc.RpcError) as e:
        channel.unary_unary("/test.Nothing/Here", raw, raw)(b"x", timeout=20)
    assert e.value.code() == grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as e:
        channel.unary_unary("/test.Echo/Slow", raw, raw)(b"x", timeout=0.2)
    assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_grpc_health(echo, channel):
    check = channel.unary_unary("/grpc.health.v1.Health/Check", raw, raw)
    assert check(b"", timeout=20) == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as e:
        check(b"\x0a\x04none", timeout=20)
    assert e.value.code() == grpc.StatusCode.NOT_FOUND


def test_grpc_frames_split_anywhere(echo):
    with echo.connect() as s:
        c = Http2(s)
        whole = frame(b"hello")
        for cut in range(1, len(whole)):
            stream = c.request("POST", "/test.Echo/Unary", whole[:cut], end=False, content_type="application/grpc", te="trailers")
            c.send(stream, whole[cut:], end=True)
            reply = c.wait(stream)
            assert reply["body"] == whole and reply["trailers"]["grpc-status"] == "0"


def test_grpc_compressed_messages(echo):
    with echo.connect() as s:
        c = Http2(s)
        data = b"spans " * 5000
        for name, encoded in (("gzip", gzip.compress(data)), ("deflate", zlib.compress(data)), ("zstd", zstd(data))):
            reply, status = call(c, "/test.Echo/Unary", frame(encoded, True), grpc_encoding=name)
            assert status["grpc-status"] == "0" and reply["body"] == frame(data), name
        reply, status = call(c, "/test.Echo/Unary", frame(data, False), grpc_encoding="gzip")  # this message is not
        assert reply["body"] == frame(data)
        reply, status = call(c, "/test.Echo/Unary", frame(data, True))
        assert status["grpc-status"] == "3"
        reply, status = call(c, "/test.Echo/Unary", frame(b"x", True), grpc_encoding="br")
        assert status["grpc-status"] == "12" and "gzip" in reply["headers"]["grpc-accept-encoding"]


def test_grpc_malformed(echo):
    with echo.connect() as s:
        c = Http2(s)
        for body, code in ((b"", "3"), (b"\0\0\0", "3"), (frame(b"abc")[:-1], "3"), (frame(b"a") + frame(b"b"), "12"),
                           (b"\x02\0\0\0\1a", "3")):
            assert call(c, "/test.Echo/Unary", body)[1]["grpc-status"] == code, body
        assert call(c, "/test.Echo/Unary", b"\0\xff\xff\xff\xff" + b"x" * 100)[1]["grpc-status"] == "8"
        reply = c.get("POST", "/test.Echo/Unary", frame(b"x"), content_type="application/json")
        assert reply["headers"][":status"] == "415"
        assert call(c, "/v1/traces", frame(b"x"))[1]["grpc-status"] == "12"


def test_grpc_bound_has_no_retry_info():
    with Echo(body=100000) as echo, echo.connect() as s:
        c = Http2(s)
        reply, status = call(c, "/test.Echo/Unary", frame(b"x" * 100001))
        assert status["grpc-status"] == "8" and b"RetryInfo" not in details(status)
        reply, status = call(c, "/test.Echo/Unary", frame(gzip.compress(bytes(10 << 20)), True), grpc_encoding="gzip")
        assert status["grpc-status"] == "8" and b"RetryInfo" not in details(status)


def test_one_grpc_connection_uses_all_workers():
    with Echo(ingest=4) as echo, echo.connect() as s:
        c = Http2(s)
        started = time.monotonic()
        streams = [c.request("POST", "/test.Echo/Slow?ms=400", frame(b"x"), content_type="application/grpc", te="trailers") for _ in range(4)]
        for stream in streams:
            c.wait(stream)
        assert time.monotonic() - started < 1.2


# ---- TLS ----

def tls_context(certificate, *protocols):
    context = ssl.create_default_context(cafile=certificate[0])
    context.set_alpn_protocols(protocols)
    return context


def test_tls_http1_http2_and_grpc(certificate):
    with Echo(f"cert={certificate[0]}", f"key={certificate[1]}", listen=("tls://127.0.0.1:0", "127.0.0.1:0")) as echo:
        with tls_context(certificate, "http/1.1").wrap_socket(echo.connect(), server_hostname="localhost") as s:
            s.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 300000\r\n\r\n" + b"y" * 300000)
            assert read_reply(s)[2] == b"y" * 300000
        with tls_context(certificate, "h2", "http/1.1").wrap_socket(echo.connect(), server_hostname="localhost") as s:
            assert s.selected_alpn_protocol() == "h2" and s.version() == "TLSv1.3"
            c = Http2(s)
            body = os.urandom(2_000_000)
            assert c.get("POST", "/echo", body)["body"] == body
        with tls_context(certificate).wrap_socket(echo.connect(), server_hostname="localhost") as s:
            assert Http2(s).get("GET", "/fixed")["body"] == b"fixed\n"  # no ALPN: told by the preface
        with grpc.secure_channel(f"localhost:{echo.port}", grpc.ssl_channel_credentials(certificate[0].read_bytes())) as channel:
            assert channel.unary_unary("/test.Echo/Unary", raw, raw)(b"abc", timeout=20) == b"abc"
        old = tls_context(certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with old.wrap_socket(echo.connect(), server_hostname="localhost") as s:
            s.sendall(b"GET /fixed HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert read_all(s).endswith(b"fixed\n")
        assert b"https://" in echo.exchange(b"GET /fixed HTTP/1.1\r\n" + HOST + b"\r\n")
        echo.exchange(b"\x16\x03\x01\x00\x05hello")
        with socket.create_connection(("127.0.0.1", echo.ports[1]), 10) as s:
            s.sendall(b"GET /counts HTTP/1.1\r\n" + HOST + b"\r\n")
            assert json.loads(read_reply(s)[2])["tls_failures"] >= 1


def test_tls_below_1_2_is_refused(certificate):
    with Echo(f"cert={certificate[0]}", f"key={certificate[1]}", listen=("tls://127.0.0.1:0",)) as echo:
        out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{echo.port}", "-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
                             input=b"", capture_output=True, timeout=20)
        assert out.returncode != 0


def test_tls_needs_a_certificate(certificate):
    for arguments in ((), (f"cert={certificate[0]}", f"key={certificate[0]}"), ("cert=/nonexistent", f"key={certificate[1]}")):
        with pytest.raises(RuntimeError):
            Echo(*arguments, listen=("tls://127.0.0.1:0",))


# ---- start and end ----

def test_taken_addresses_are_named():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(RuntimeError) as e:
            Echo(listen=(f"127.0.0.1:{port}",))
        assert f"127.0.0.1:{port} is taken by" in str(e.value) and f"(pid {os.getpid()})" in str(e.value)


def test_ipv6_and_names(echo):
    with Echo(listen=("[::1]:0", "localhost:0")) as both:
        assert both.ready["listen"][0].startswith("[::1]:") and len(both.ready["listen"]) >= 2
        with socket.create_connection(("::1", both.port), 10) as s:
            s.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"\r\n")
            assert read_reply(s)[1]["x-peer"] == "loopback"


def test_drain_finishes_what_is_in_flight():
    echo = Echo()
    with echo.connect() as first, echo.connect() as second, echo.connect() as idle, echo.connect() as events:
        c = Http2(second)
        c.get("GET", "/fixed")
        events.sendall(b"GET /events HTTP/1.1\r\n" + HOST + b"\r\n")
        echo.wait(lambda n: n["streams"] == 1)
        first.sendall(b"GET /slow?ms=600 HTTP/1.1\r\n" + HOST + b"\r\n")
        stream = c.request("GET", "/slow?ms=600")
        echo.wait(lambda n: n["running"] == 2)
        started = time.monotonic()
        echo.terminate()
        status, headers, body, _ = read_reply(first)
        assert (status, body, headers["connection"]) == (200, b"slow\n", "close")
        assert c.wait(stream)["body"] == b"slow\n"
        while not c.closed:
            c.turn()
        assert any(isinstance(e, h2.events.ConnectionTerminated) and e.error_code == 0 for e in c.events)
        assert read_all(idle) == b"" and read_all(events).endswith(b"0\r\n\r\n")
        echo.stop()
        assert time.monotonic() - started < 2.5
        with pytest.raises(OSError):
            echo.connect(1)


def test_drain_gives_up_on_what_never_ends():
    echo = Echo()
    s = echo.connect()
    s.sendall(b"GET /slow?ms=60000 HTTP/1.1\r\n" + HOST + b"\r\n")
    echo.wait(lambda n: n["running"] == 1)
    started = time.monotonic()
    echo.terminate()
    echo.stop()
    assert 2.5 < time.monotonic() - started < 6
    s.close()


def test_requests_while_draining_are_sent_elsewhere():
    echo = Echo()
    with echo.connect() as s:
        c = Http2(s)
        slow = c.request("GET", "/slow?ms=800")
        echo.wait(lambda n: n["running"] == 1)
        echo.terminate()
        while not any(isinstance(e, h2.events.ConnectionTerminated) for e in c.events):
            c.turn()
        assert c.wait(slow)["body"] == b"slow\n"
    echo.stop()


def test_hundred_connections_at_once(echo):
    def many(i):
        c = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=30)
        for k in range(10):
            c.request("POST", f"/echo?q={i}-{k}", body=b"%d" % i * 100)
            reply = c.getresponse()
            assert reply.getheader("x-query") == f"{i}-{k}" and reply.read() == b"%d" % i * 100
        c.close()

    threads = [threading.Thread(target=many, args=(i,)) for i in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    echo.wait(lambda n: n["in_flight"] == 1)
    assert echo.counts()["memory"] == 0
