"""The OpenTelemetry Collector's own exporters (otlp and otlphttp, gzip as they come), built from its Go modules, pinned by go.sum."""
import re
import shutil
import subprocess

import pytest

from skep import ROOT

FOLDER = ROOT / ".cache/clients/collector"


@pytest.fixture(scope="module")
def collector():
    """The program; skipped by name where no current Go is, or where its modules cannot be had."""
    shutil.copytree(ROOT / "tests/flow/clients/collector", FOLDER, dirs_exist_ok=True)
    wanted = re.search(r"^go (\d+)\.(\d+)", (FOLDER / "go.mod").read_text(), re.M).groups()
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip() if shutil.which("go") else ""
    if not version or [int(n) for n in version[2:].split(".")[:2]] < [int(n) for n in wanted]:
        pytest.skip(f"the Collector's exporters need Go {'.'.join(wanted)}; this machine has {version or 'none'}")
    built = subprocess.run(["go", "build", "-o", "collector", "."], cwd=FOLDER, capture_output=True, text=True, timeout=900)
    if built.returncode:
        why = next((line for line in built.stderr.splitlines() if "dial tcp" in line or "Forbidden" in line), None)
        assert why, built.stderr[-3000:]
        pytest.skip(f"the Collector's Go modules cannot be had here: {why.strip()[-200:]}")
    return FOLDER / "collector"


@pytest.mark.parametrize("kind", ["otlp", "otlphttp"])
def test_all_signals_arrive(server, collector, kind):
    service = f"collected-{kind}"
    endpoint = server.address if kind == "otlp" else server.url
    done = subprocess.run([str(collector), kind, endpoint, server.keys["dev"]["ingest"], service], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    trace = server.get(f"/skep/v1/traces/{done.stdout.strip()}")
    assert len(trace["spans"]) == 100 and trace["missing_parents"] == []
    assert server.ask(f'MAX(index), COUNT FROM "{service}" WHERE trace.span_id exists') == [{"MAX(index)": 99, "COUNT": 100}]
    assert server.ask(f'COUNT FROM "{service}" WHERE meta.signal_type = "log" GROUP BY body, severity') == [
        {"body": "a line", "severity": "warn", "COUNT": 1}]
    assert server.ask(f'MAX(metric.value) FROM metrics WHERE service.name = "{service}"') == [{"MAX(metric.value)": 7}]
