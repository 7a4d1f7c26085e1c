"""The transport alone: starts build's echo-server and speaks to it byte by byte. Used by test_transport.py."""
import http.client
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import h2.config
import h2.connection
import h2.events

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def echo_binary():
    """Beside the binary under test: build-asan/skep → build-asan/tests/flow/echo-server."""
    beside = pathlib.Path(os.environ.get("SKEP_BINARY", ROOT / "build-asan/skep")).parent
    return pathlib.Path(os.environ.get("SKEP_ECHO_SERVER", beside / "tests/flow/echo-server"))


class Echo:
    """The test server with the given limits; stop() demands a clean end: status 0, no body memory still reserved."""

    def __init__(self, *arguments, listen=("127.0.0.1:0",), **limits):
        command = [str(echo_binary()), *arguments, *[f"listen={a}" for a in listen], *[f"{k}={v}" for k, v in limits.items()]]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(self.process.stderr.read().decode())
        self.ready = json.loads(line)
        self.ports = [int(a.rsplit(":", 1)[1]) for a in self.ready["listen"]]
        self.port = self.ports[0]

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def exchange(self, data, timeout=10):
        """Sends bytes, reads until the server closes."""
        with self.connect(timeout) as s:
            s.sendall(data)
            return read_all(s)

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, path, body=body, headers=headers or {})
            reply = c.getresponse()
            return reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), reply.read()
        finally:
            c.close()

    def counts(self):
        return json.loads(self.ask("GET", "/counts")[2])

    def wait(self, condition, seconds=10):
        """Until condition(counts) holds; returns the counts."""
        end = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if condition(counts):
                return counts
            assert time.monotonic() < end, f"not within {seconds} s: {counts}"
            time.sleep(0.005)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        text = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        self.log = text
        assert code == 0, f"ended with {code}:\n{text}"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.process.kill()
            self.process.wait()


def read_all(s):
    parts = []
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def read_reply(s, held=b""):
    """One HTTP/1.1 reply from a socket: (status, headers, body, what came after it)."""
    while b"\r\n\r\n" not in held:
        part = s.recv(65536)
        assert part, f"closed within a head: {held!r}"
        held += part
    head, rest = held.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    status = int(lines[0].split()[1])
    if status in (100, 204, 304):
        return status, headers, b"", rest
    length = int(headers["content-length"])
    while len(rest) < length:
        part = s.recv(65536)
        assert part, "closed within a body"
        rest += part
    return status, headers, rest[:length], rest[length:]


class Http2:
    """A client of python-h2 over a socket that is there."""

    def __init__(self, sock):
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.replies, self.events, self.closed, self.held = {}, [], False, b""
        self.acknowledges = lambda stream: True  # else its window is not opened again
        self.opens_connection = True  # also for the bytes of such a stream
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def request(self, method, path, body=b"", end=True, **headers):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "127.0.0.1")]
        fields += [(k.replace("_", "-"), v) for k, v in headers.items()]
        self.h2.send_headers(stream, fields, end_stream=end and not body)
        self.flush()
        self.replies[stream] = {"headers": None, "trailers": None, "body": b"", "ended": False, "reset": None}
        if body:
            self.send(stream, body, end)
        return stream

    def send(self, stream, body, end=False):
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room == 0:
                self.turn()
                if self.replies[stream]["ended"] or self.replies[stream]["reset"] is not None or self.closed:
                    return
                continue
            self.h2.send_data(stream, body[:room])
            body = body[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def frames(self):
        """Frame by frame: what follows a GOAWAY in one read is looked at after it (below)."""
        while len(self.held) >= 9 and len(self.held) >= 9 + int.from_bytes(self.held[:3], "big"):
            end = 9 + int.from_bytes(self.held[:3], "big")
            frame, self.held = self.held[:end], self.held[end:]
            yield frame

    def turn(self):
        data = self.sock.recv(65536)
        if not data:
            self.closed = True
            return
        self.held += data
        for event in itertools.chain.from_iterable(map(self.h2.receive_data, self.frames())):
            self.events.append(event)
            reply = self.replies.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                reply["headers"] = dict(event.headers)
            elif isinstance(event, h2.events.TrailersReceived):
                reply["trailers"] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                reply["body"] += event.data
                if self.acknowledges(event.stream_id):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif self.opens_connection:
                    self.h2.increment_flow_control_window(event.flow_controlled_length)
            elif isinstance(event, h2.events.StreamEnded):
                reply["ended"] = True
            elif isinstance(event, h2.events.StreamReset):
                reply["reset"] = int(event.error_code)
            elif isinstance(event, h2.events.ConnectionTerminated):
                # python-h2 takes nothing more after GOAWAY, though streams begun before it go on (RFC 9113 §6.8).
                self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        try:
            self.flush()
        except OSError:
            self.closed = True

    def wait(self, stream):
        while not self.replies[stream]["ended"] and self.replies[stream]["reset"] is None and not self.closed:
            self.turn()
        return self.replies[stream]

    def get(self, method, path, body=b"", **headers):
        return self.wait(self.request(method, path, body, **headers))
