"""What the bench asks of every system: start, take the load, answer questions, say what it cost."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse


class Skipped(Exception):
    """This system cannot do this; the text says why."""


class System:
    name, version, note = "", "", ""
    shapes = ("A", "B", "logs")  # the loads it can take
    is_concurrent = True  # questions may be asked from several threads

    def start(self, folder, load):
        """Ready to take the load, in an empty folder."""

    def ingest(self, load):
        """Takes the load; (items a second, remark)."""
        raise NotImplementedError

    def settle(self):
        """Waits until no merge is left to do; says what is still open."""
        return ""

    def disk_bytes(self):
        """(bytes without a journal, items they hold)."""
        raise NotImplementedError

    def peak_mib(self):
        raise Skipped("runs inside this process")

    def ask(self, question, load):
        """Rows as the question's columns say."""
        raise NotImplementedError

    def stop(self):
        pass


class Process:
    """A server of ours or a peer's: started, watched, ended by its own id."""

    def __init__(self, command, log, **more):
        self.log = open(log, "wb")
        more.setdefault("stdout", self.log)
        self.popen = subprocess.Popen(command, stderr=self.log, **more)

    def status_mib(self, name):
        text = pathlib.Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_calm(self, calm_s=3, most_s=600):
        """Until it has used next to no CPU for a while: merges are done."""
        begun, calm_since, before = time.monotonic(), time.monotonic(), self.cpu_seconds()
        while time.monotonic() - begun < most_s and time.monotonic() - calm_since < calm_s:
            time.sleep(0.5)
            now = self.cpu_seconds()
            if now - before > 0.05:
                calm_since = time.monotonic()
            before = now
        return time.monotonic() - begun

    def stop(self, how=signal.SIGTERM):
        if self.popen.poll() is None:
            self.popen.send_signal(how)
            try:
                self.popen.wait(60)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.log.close()


def folder_bytes(folder):
    return sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())


open_connections = threading.local()


def fetch(url, body=None, headers=None, timeout=300):
    """The body of the reply, over a connection that this thread keeps."""
    at = urllib.parse.urlsplit(url)
    kept = open_connections.__dict__
    for is_last in (at.netloc not in kept, True):
        connection = kept.pop(at.netloc, None) or http.client.HTTPConnection(at.netloc, timeout=timeout)
        try:
            connection.request("POST" if body is not None else "GET", urllib.parse.urlunsplit(("", "", *at[2:4], "")) or "/", body, headers or {})
            reply = connection.getresponse()
            data = reply.read()
            break
        except (http.client.HTTPException, ConnectionError):
            connection.close()
            if is_last:
                raise OSError(f"no reply from {at.netloc}") from None
    kept[at.netloc] = connection
    if reply.status >= 400:
        raise Skipped(f"{reply.status}: {data[:200].decode(errors='replace').strip()}")
    return data


class ReplyIsThere(Exception):
    """Thrown where a reply would be taken apart, while only its arrival is measured."""


replies_alone = False


def parse(reply):
    if replies_alone:
        raise ReplyIsThere
    return json.loads(reply)


@contextlib.contextmanager
def until_the_reply():
    """Clocks stop when a reply is there: what Python makes of it is not the system's time."""
    global replies_alone
    replies_alone = True
    try:
        yield
    finally:
        replies_alone = False


def wait_for(url, seconds=60):
    until = time.monotonic() + seconds
    while True:
        try:
            return fetch(url, timeout=2)
        except (OSError, Skipped):
            if time.monotonic() > until:
                raise Skipped(f"not ready within {seconds} s") from None
            time.sleep(0.2)
