"""Starts the real binary on port 0 in a temporary folder and speaks to it over plain HTTP."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("SKEP_BINARY", ROOT / "build/skep"))


class Reply(Exception):
    """An HTTP error reply."""

    def __init__(self, status, body, headers):
        super().__init__(f"{status}: {body[:500]!r}")
        self.status, self.body, self.headers = status, body, headers

    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, *options, data_dir=None, env=None, binary=BINARY, listen=("127.0.0.1:0",)):
        self.folder = None if data_dir else tempfile.TemporaryDirectory(prefix="skep-flow-")
        self.data_dir = pathlib.Path(data_dir or self.folder.name) / ("data" if not data_dir else "")
        self.options = [*options]
        for address in listen:
            self.options += ["--listen", address]
        self.binary, self.env, self.keys, self.process = binary, env or {}, {}, None
        self.start()

    def start(self):
        self.log = open(self.data_dir.parent / "server.log", "ab")
        self.process = subprocess.Popen([str(self.binary), "serve", "--data-dir", str(self.data_dir), *self.options],
                                        stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **self.env})
        started = time.monotonic()
        line = self.process.stdout.readline()
        self.ready_seconds = time.monotonic() - started
        if not line:
            self.process.wait()
            raise RuntimeError("skep did not start:\n" + self.log_text())
        self.ready = json.loads(line)
        self.keys = self.ready.get("keys", self.keys)
        self.url = self.ready["url"]
        self.address = self.ready["listen"][0]
        self.port = int(self.address.rsplit(":", 1)[1])

    def log_text(self):
        return (self.data_dir.parent / "server.log").read_text(errors="replace")[-8000:]

    def kill(self):
        """As a crash: nothing is finished."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def stop(self, check=True):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise
        self.process.stdout.close()
        self.log.close()
        if check and code != 0:
            raise RuntimeError(f"skep ended with {code}:\n{self.log_text()}")

    def restart(self):
        self.start()

    def call(self, method, path, body=None, headers=None, key=None):
        headers = dict(headers or {})
        if key:
            headers["x-honeycomb-team"] = key
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            raise Reply(error.code, error.read(), dict(error.headers)) from None

    def get(self, path, key=None, **query):
        encoded = ("?" + urllib.parse.urlencode(query)) if query else ""
        return json.loads(self.call("GET", path + encoded, key=key)[1])

    def ask(self, text, environment="dev", key=None):
        """Rows of a query in the text form, as dictionaries."""
        body = {"text": text, "environment": environment}
        reply = json.loads(self.call("POST", "/skep/v1/query", body, key=key)[1])
        return [row["data"] for row in reply["data"]["results"]]

    def count(self, text="COUNT", environment="dev"):
        rows = self.ask(text, environment)
        return rows[0]["COUNT"] if rows else 0

    def cli(self, *arguments, check=True, key=None, env=None, timeout=120):
        """Runs `skep ARGUMENTS --url …`; returns the finished process."""
        environment = {**os.environ, "NO_COLOR": "1", "SKEP_DATA_DIR": str(self.data_dir), **(env or {})}
        if key:
            environment["SKEP_KEY"] = key
        done = subprocess.run([str(self.binary), *arguments, "--url", self.url], capture_output=True, text=True,
                              env=environment, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"skep {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.stop(check=kind is None)
        if self.folder:
            self.folder.cleanup()


def otel_env(server, service, protocol, key=None):
    """The variables by which an unmodified SDK sends to `server`, and nothing else."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_SERVICE_NAME": service,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-honeycomb-team={key or server.keys['dev']['ingest']}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
