"""Who may do what: keys, environments, the loopback exception, and that no key reaches another's data."""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time

import grpc
import pytest

from skep import BINARY, ROOT, Reply, Server
from wires import Grpc, Http, attribute, traces  # noqa: F401

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


def send(server, service, key=None, **fields):
    wire = Http(server, "protobuf")
    return wire.send(wire.encode(traces(service, {"name": "a", **fields})), key=key)


def status_of(server, method, path, body=None, key=None, headers=None):
    try:
        return server.call(method, path, body, headers, key)[0]
    except Reply as reply:
        return reply.status


def make_key(server, admin, **fields):
    return json.loads(server.call("POST", "/skep/v1/keys", {"name": "made by a test", **fields}, key=admin)[1])


def doctor(server, key=None):
    return json.loads(server.cli("doctor", "--json", key=key).stdout)["refusals"]


@pytest.fixture(scope="module")
def full(server):
    return server.keys["dev"]["full"]


# ---- the first start ----

def test_first_start_makes_keys_once(own_server):
    first = own_server.keys
    assert set(first) == {"dev", "demo"} and all(set(k) == {"ingest", "full"} for k in first.values())
    secrets = [k[kind] for k in first.values() for kind in ("ingest", "full")]
    assert len(set(secrets)) == 4
    assert all(re.fullmatch(r"hcxik_[0-9a-z]{58}", k["ingest"]) for k in first.values())
    files = list(own_server.data_dir.rglob("keys.json"))
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600
    kept = json.loads(files[0].read_text())
    assert {name: {kind: kept[name][kind] for kind in ("ingest", "full")} for name in first} == first
    own_server.stop()
    own_server.restart()
    assert "keys" not in own_server.ready
    held = b"".join(f.read_bytes() for f in own_server.data_dir.rglob("*") if f.is_file() and f.name != "keys.json")
    assert not any(secret.encode() in held for secret in secrets), "a secret is stored as it is"
    for name, of in first.items():
        for kind, secret in of.items():
            who = own_server.get("/1/auth", key=secret)
            assert who["environment"]["slug"] == name and (who["type"] == "ingest") == (kind == "ingest")


# ---- whoami ----

def test_whoami(server, full):
    who = server.get("/1/auth", key=full)
    assert who["environment"] == {"name": "dev", "slug": "dev"} and who["type"] == "configuration" and who["team"]
    assert who["api_key_access"]["events"] and who["api_key_access"]["queries"] and who["api_key_access"]["createDatasets"]
    who = server.get("/1/auth", key=server.keys["demo"]["ingest"])
    assert who["environment"]["slug"] == "demo" and who["api_key_access"]["events"] and not who["api_key_access"]["queries"]
    assert who["id"].startswith("hcxik_") and server.keys["demo"]["ingest"] not in json.dumps(who)
    for headers in ({"authorization": f"Bearer {full}"}, {"x-hny-team": full}, {"x-honeycomb-team": f"  {full} "}):
        assert json.loads(server.call("GET", "/1/auth", headers=headers)[1])["environment"]["slug"] == "dev"
    for key in ("no-such-key-anywhere", ""):
        assert status_of(server, "GET", "/1/auth", headers={"x-honeycomb-team": key}) == 401
    assert status_of(server, "GET", "/1/auth") == 401


def test_whoami_in_the_terminal(server, full):
    done = server.cli("whoami", key=full)
    assert "dev" in done.stdout and full not in done.stdout + done.stderr
    assert json.loads(server.cli("whoami", "--json", key=server.keys["demo"]["ingest"]).stdout)["environment"]["slug"] == "demo"
    bad = server.cli("whoami", key="wrong-key-wrong-key", check=False)
    assert bad.returncode == 4 and "SKEP_KEY" in bad.stderr and "wrong-key-wrong-key" not in bad.stderr


# ---- keys ----

def test_create_list_revoke(server, full):
    made = make_key(server, full, name="ci")
    assert made["kind"] == "ingest" and made["environment"] == "dev" and made["secret"].startswith(made["id"])
    assert send(server, "by-ci", key=made["secret"]).status == 200
    listed = server.get("/skep/v1/keys", key=full)["keys"]
    mine = next(k for k in listed if k["id"] == made["id"])
    assert mine["name"] == "ci" and not mine["revoked"] and mine["last_used"] and "secret" not in json.dumps(listed)
    assert made["secret"] not in json.dumps(listed)
    assert status_of(server, "DELETE", f"/skep/v1/keys/{made['id']}", key=full) == 204
    assert send(server, "by-ci", key=made["secret"]).status == 401
    assert next(k for k in server.get("/skep/v1/keys", key=full)["keys"] if k["id"] == made["id"])["revoked"]
    assert status_of(server, "DELETE", "/skep/v1/keys/hcxik_nothing", key=full) == 404
    for body in ({"name": "x" * 101}, {"name": "x", "kind": "root"}, {"name": "x", "colour": "red"}, {"name": 5}, [], {"name": "x", "environment": "nowhere"}):
        with pytest.raises(Reply) as e:
            server.call("POST", "/skep/v1/keys", body, key=full)
        assert e.value.status in (400, 404) and e.value.json()["error"]


def test_keys_in_the_terminal(server, full):
    made = server.cli("keys", "create", "--name", "from the terminal", key=full)
    secret = made.stdout.strip()
    assert re.fullmatch(r"hcxik_[0-9a-z]{58}", secret) and secret not in made.stderr
    assert send(server, "by-terminal", key=secret).status == 200
    table = server.cli("keys", key=full).stdout
    line = next(line for line in table.splitlines() if "from the terminal" in line)
    key_id = line.split()[0]
    server.cli("keys", "revoke", key_id, key=full)
    assert send(server, "by-terminal", key=secret).status == 401
    assert "from the terminal" not in server.cli("keys", key=full).stdout
    assert re.search("from the terminal.*revoked", server.cli("keys", "--all", key=full).stdout)
    assert server.cli("keys", "revoke", key_id[:-1] + "~", key=full, check=False).returncode == 1
    configuration = server.cli("keys", "create", "--kind", "configuration", key=full).stdout.strip()
    assert server.cli("query", "COUNT", key=configuration).returncode == 0


def test_a_refused_key_is_adopted_and_works_as_it_is(server, full):
    """The sender of an unknown key needs no change: its fingerprint is enough, the key itself is never held."""
    key = "honeycomb-" + os.urandom(12).hex()
    assert send(server, "adopted-service", key=key).status == 401
    kept = next(r for r in doctor(server) if r["reason"] == "unknown_key")
    assert key not in json.dumps(kept) and kept["key_fingerprint"].endswith(key[-3:])
    done = server.cli("keys", "adopt", kept["key_fingerprint"], "--env", "dev", "--name", "was refused", key=full)
    assert done.stdout == "" and "ingest key" in done.stderr
    assert send(server, "adopted-service", key=key).status == 200
    assert server.count('COUNT FROM "adopted-service"') == 1
    assert status_of(server, "POST", "/skep/v1/query", {"text": "COUNT"}, key=key) == 403
    server.stop()
    held = b"".join(f.read_bytes() for f in server.data_dir.rglob("*") if f.is_file())
    server.restart()
    assert key.encode() not in held and send(server, "adopted-service", key=key).status == 200
    again = server.cli("keys", "adopt", "0000deadbeef-xyz", key=full, check=False)
    assert again.returncode == 1 and "fingerprint" in again.stderr


def test_a_key_is_refused_on_purpose_and_asked_about_no_more(server, full):
    key = "somebody-" + os.urandom(12).hex()
    send(server, "stranger", key=key)
    fingerprint = next(r for r in doctor(server) if r["reason"] == "unknown_key")["key_fingerprint"]
    assert "asks no more" in server.cli("keys", "refuse", fingerprint, key=full).stderr
    assert not [r for r in doctor(server) if r["key_fingerprint"] == fingerprint]
    for _ in range(2):
        answer = send(server, "stranger", key=key)
        assert answer.status == 401 and "on purpose" in answer.text
        assert [r["reason"] for r in doctor(server) if r["key_fingerprint"] == fingerprint] == ["refused_key"]
        assert (json.loads(server.cli("doctor", "--json").stdout)["first"] or {}).get("kind") != "refused_key"
        server.stop()
        server.restart()
    send(server, "stranger", key=key)
    server.cli("keys", "adopt", fingerprint, key=full)  # after all
    assert send(server, "stranger", key=key).status == 200


def test_a_page_is_added_to_a_browser_key(server, tenants, full):
    """By what the doctor shows: the key's id and the origin that was refused."""
    made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "page", "kind": "browser", "origins": ["https://a.example"]}, key=full)[1])
    page = {"origin": "http://localhost:3123"}
    headers = {**page, "content-type": "application/json", "x-honeycomb-team": made["secret"]}
    post = lambda: status_of(server, "POST", "/v1/traces", b"{}", headers=headers)
    assert post() == 403
    kept = next(r for r in doctor(server) if r["reason"] == "wrong_origin" and r["origin"] == page["origin"])
    path = f"/skep/v1/keys/{kept['key_id']}/origins"
    assert kept["key_id"] == made["id"]
    assert status_of(server, "POST", path, page) == 401
    assert status_of(server, "POST", path, page, key=tenants["tenant-a"]["configuration"]["secret"]) == 404
    assert status_of(server, "POST", path, page, key=made["secret"]) == 403
    assert status_of(server, "POST", path, {"origin": "not an origin"}, key=full) == 400
    assert status_of(server, "POST", path, {}, key=full) == 400
    assert status_of(server, "POST", f"/skep/v1/keys/{tenants['tenant-a']['ingest']['id']}/origins", page, key=full) == 409
    assert json.loads(server.call("POST", path, page, key=full)[1])["origins"] == ["https://a.example", "http://localhost:3123"]
    assert post() == 200 and status_of(server, "POST", path, page, key=full) == 409
    for i in range(12):
        added = status_of(server, "POST", path, {"origin": f"https://{i}.example"}, key=full)
        assert added == (201 if i < 8 else 400), i


def test_pages_are_added_by_the_command_that_the_refusal_names(server, full):
    made = json.loads(server.cli("keys", "create", "--kind", "browser", "--origin", "https://a.example", "--json", key=full).stdout)
    post = lambda origin: server.call("POST", "/v1/traces", b"{}", headers={"origin": origin, "content-type": "application/json", "x-honeycomb-team": made["secret"]})
    with pytest.raises(Reply) as refused:
        post("http://localhost:3456")
    command = re.search("`skep (keys allow .*?)`", refused.value.json()["message"])[1]
    kept = next(r for r in doctor(server) if r["origin"] == "http://localhost:3456")
    assert command == f"keys allow {made['id']} --origin http://localhost:3456" and "skep keys allow" in kept["advice"]
    assert f"pages of http://localhost:3456 may send with key {made['id']}" in server.cli(*command.split(), key=full).stderr
    assert post("http://localhost:3456")[0] == 200
    assert not [r for r in doctor(server) if r.get("origin") == "http://localhost:3456"]
    allow = lambda *words: server.cli("keys", "allow", *words, key=full, check=False)
    lines = allow(made["id"], "--origin", "https://b.example, https://*.c.example", "--json").stdout.splitlines()
    assert [json.loads(line)["origins"][-1] for line in lines] == ["https://b.example", "https://*.c.example"]
    for words, code, said in (((made["id"], "--origin", "https://b.example"), 1, "is for these pages already"), ((made["id"], "--origin", "shop"), 2, '"shop" is not an origin: https://shop.example'),
                              (("hcxik_none", "--origin", "https://b.example"), 1, "there is no key hcxik_none"), ((made["id"],), 2, f"skep keys allow {made['id']} --origin https://shop.example"),
                              ((), 2, "the id of a browser key")):
        got = allow(*words)
        assert got.returncode == code and said in got.stderr, (words, got)


def test_a_key_that_is_known_cannot_be_adopted(server, full):
    ingest = server.keys["demo"]["ingest"]
    assert status_of(server, "GET", "/skep/v1/status", key=ingest) == 403
    fingerprint = next(r for r in json.loads(server.cli("doctor", "--json", "--env", "demo").stdout)["refusals"] if r["reason"] == "forbidden")["key_fingerprint"]
    for verb in ("adopt", "refuse"):
        assert status_of(server, "POST", f"/skep/v1/keys/{verb}", {"fingerprint": fingerprint}, key=full) == 409
    assert server.get("/1/auth", key=ingest)["environment"]["slug"] == "demo"


# ---- environments ----

def test_environments(server, full):
    made = json.loads(server.call("POST", "/skep/v1/environments", {"name": "Blue Team"}, key=full)[1])
    assert (made["slug"], made["name"]) == ("blue-team", "Blue Team")
    assert status_of(server, "POST", "/skep/v1/environments", {"name": "blue team"}, key=full) == 409
    key = make_key(server, full, environment="blue-team")["secret"]
    assert send(server, "blue", key=key).status == 200
    assert server.count("COUNT", environment="blue-team") == 1 and server.count("COUNT FROM blue") == 0
    assert "blue-team" in server.cli("environments", key=full).stdout
    done = server.cli("environments", "delete", "blue-team", key=full, check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    server.cli("environments", "delete", "blue-team", "--yes", key=full)
    assert send(server, "blue", key=key).status == 401
    assert status_of(server, "POST", "/skep/v1/query", {"text": "COUNT", "environment": "blue-team"}) == 404
    server.cli("environments", "create", "blue-team", key=full)  # the name is free again, and nothing came back with it
    assert server.count("COUNT", environment="blue-team") == 0
    assert status_of(server, "DELETE", "/skep/v1/environments/dev", key=full) == 409
    assert status_of(server, "DELETE", "/skep/v1/environments/nowhere", key=full) == 404


def test_retention_of_an_environment(server, full):
    """Shorter: what is older is gone when the answer is there, and no more is taken in. It outlives nothing but its own environment."""
    change = lambda body, **more: server.call("PATCH", "/skep/v1/environments/keeps", body, key=full, **more)
    server.call("POST", "/skep/v1/environments", {"name": "keeps"}, key=full)
    key = make_key(server, full, environment="keeps")["secret"]
    find = lambda: next(e for e in server.get("/skep/v1/environments", key=full)["environments"] if e["slug"] == "keeps")
    assert find()["oldest"] is None
    old = time.time_ns() - 3 * 86400 * 10**9
    assert send(server, "old", key=key, start_time_unix_nano=old, end_time_unix_nano=old + 10**6).status == 200
    count = lambda: server.count(f"COUNT SINCE {old // 10**9 - 60} UNTIL {int(time.time()) + 60}", environment="keeps")
    assert count() == 1
    assert (find()["retention_s"], find()["kept_s"]) == (None, 60 * 86400)
    assert find()["oldest"][:19] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(old // 10**9))
    assert json.loads(change({"retention_s": 4 * 86400})[1])["kept_s"] == 4 * 86400 and count() == 1
    assert json.loads(change({"retention_s": 86400})[1])["retention_s"] == 86400 and count() == 0
    send(server, "older", key=key, start_time_unix_nano=old + 10**9, end_time_unix_nano=old + 2 * 10**9)
    assert count() == 0
    for wrong in ({"retention_s": 60}, {"retention_s": "7d"}, {"retention_s": 10**12}, {"name": "x"}, {}):
        assert status_of(server, "PATCH", "/skep/v1/environments/keeps", wrong, key=full) == 400, wrong
    assert find()["retention_s"] == 86400
    asked = server.cli("environments", "keep", "keeps", "--days", "2", key=full, check=False)
    assert asked.returncode == 2 and "--yes" in asked.stderr
    server.cli("environments", "keep", "keeps", "--days", "2", "--yes", key=full)
    assert find()["kept_s"] == 2 * 86400
    server.cli("environments", "keep", "keeps", "--days", "default", "--yes", key=full)
    assert (find()["retention_s"], find()["kept_s"]) == (None, 60 * 86400)


# ---- skep env ----

def test_env_lines_work_in_a_shell(server, full, tmp_path):
    """Pasted into a shell, the lines are all that an unmodified Python SDK needs."""
    folder = tmp_path / "It's my app"
    folder.mkdir()
    lines = subprocess.run([str(BINARY), "env", "--shell", "python", "--url", server.url, "--quiet"], cwd=folder, capture_output=True, text=True, check=True,
                           env={**os.environ, "SKEP_DATA_DIR": str(server.data_dir)}).stdout
    program = f'{lines}\nexec "$PYTHON" "$CLIENT"\n'
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SKEP_"))}
    done = subprocess.run(["sh", "-eu", "-c", program], capture_output=True, text=True, timeout=120,
                          env={**clean, "PYTHON": sys.executable, "CLIENT": str(ROOT / "tests/flow/clients/python/emit.py")})
    assert done.returncode == 0, done.stderr
    assert server.count('COUNT FROM "It-s-my-app" WHERE trace.span_id exists') == 3
    keys = [k for k in server.get("/skep/v1/keys", key=full)["keys"] if k["name"].startswith("It-s-my-app, skep env python")]
    assert len(keys) == 1 and keys[0]["kind"] == "ingest" and keys[0]["environment"] == "dev" and keys[0]["last_used"]


def test_env_forms(server):
    compose = server.cli("env", "--compose", "node", "--service", "web").stdout
    assert f'OTEL_EXPORTER_OTLP_ENDPOINT: "http://host.docker.internal:{server.port}"' in compose and "host-gateway" in compose
    k8s = server.cli("env", "--k8s", "java", "--service", "shop", "--endpoint", "http://skep:8080").stdout
    assert "kind: Secret" in k8s and "secretKeyRef" in k8s and 'value: "http://skep:8080"' in k8s
    for language in ("python", "node", "go", "java", "ruby", "dotnet", "php", "rust", "collector"):
        assert "OTEL_EXPORTER_OTLP_HEADERS='x-honeycomb-team=hcxik_" in server.cli("env", language).stdout
    done = server.cli("env", "pyton", check=False)
    assert done.returncode == 2 and "did you mean python" in done.stderr
    spec = json.loads(server.cli("env", "--json", "--env", "demo").stdout)
    assert spec["environment"] == "demo" and server.get("/1/auth", key=spec["key"])["environment"]["slug"] == "demo"


# ---- tenancy: a key of A against everything of B ----

@pytest.fixture(scope="module")
def tenants(server, full):
    """Environments a and b; b holds one trace; the keys of a are the intruder's."""
    out = {}
    for name in ("tenant-a", "tenant-b"):
        server.call("POST", "/skep/v1/environments", {"name": name}, key=full)
        out[name] = {"ingest": make_key(server, full, environment=name, name=f"{name} ingest"),
                     "configuration": make_key(server, full, environment=name, name=f"{name} configuration", kind="configuration")}
    assert send(server, "secret-of-b", key=out["tenant-b"]["ingest"]["secret"], trace_id=TRACE, attributes={"secret.field": "secret-value"}).status == 200
    assert send(server, "unknown-to-b", key="refused-key-of-somebody").status == 401
    return out


READS = [("GET", "/skep/v1/service-map?environment=tenant-b"), ("GET", "/skep/v1/fields?environment=tenant-b"),
         ("GET", "/skep/v1/tail?environment=tenant-b"), ("GET", "/skep/v1/doctor?environment=tenant-b"),
         ("GET", "/skep/v1/keys?environment=tenant-b"), ("GET", f"/skep/v1/traces/{TRACE.hex()}?environment=tenant-b")]
UNNAMED = [("GET", "/skep/v1/service-map"), ("GET", "/skep/v1/fields"), ("GET", "/skep/v1/doctor"), ("GET", "/skep/v1/keys"),
           ("GET", "/skep/v1/environments"), ("GET", "/skep/v1/status"), ("GET", "/1/auth")]


SELECTION = {"selection": {"filters": [{"column": "secret.field", "op": "exists"}]}}


# tried in test_people_are_not_for_keys_of_an_environment, and by people themselves in test_login.py
PEOPLE = [("GET", "/skep/v1/users"), ("POST", "/skep/v1/users"), ("PATCH", "/skep/v1/users/{name}"), ("DELETE", "/skep/v1/users/{name}"), ("POST", "/skep/v1/login-links")]
PEOPLE_ROUTES = PEOPLE + [("POST", "/skep/v1/login"), ("POST", "/skep/v1/logout"), ("GET", "/skep/v1/me"), ("POST", "/skep/v1/me/password"), ("GET", "/skep/v1/sessions"),
                          ("DELETE", "/skep/v1/sessions/{id}")]


def test_people_are_not_for_keys_of_an_environment(server, tenants, full):
    server.call("POST", "/skep/v1/users", {"name": "somebody"}, key=full)
    for kind in ("ingest", "configuration"):
        key = tenants["tenant-a"][kind]["secret"]
        for method, path in PEOPLE:
            assert status_of(server, method, path.replace("{name}", "somebody"), {} if method != "GET" else None, key=key) == 403, (kind, path)
        assert status_of(server, "GET", "/skep/v1/sessions?all=1", key=key) == 403 and status_of(server, "DELETE", "/skep/v1/sessions/x", key=key) in (403, 404)
    key = tenants["tenant-a"]["configuration"]["secret"]
    assert status_of(server, "POST", "/skep/v1/me/password", {"password": "a good password"}, key=key) == 403
    assert server.get("/skep/v1/me", key=key) == {"kind": "key", "key": tenants["tenant-a"]["configuration"]["id"], "permissions": ["query", "save", "configure"]}
    assert [u["name"] for u in server.get("/skep/v1/users", key=full)["users"]] == ["somebody"]


# what people keep: tried in test_saved_things_across
SAVED_ROUTES = [(m, "/skep/v1/results") for m in ("GET", "POST")] + [(m, "/skep/v1/results/{id}") for m in ("GET", "DELETE")] + \
    [(m, "/skep/v1/history") for m in ("GET", "POST")] + [(m, "/skep/v1/saved") for m in ("GET", "POST")] + \
    [(m, "/skep/v1/saved/{id}") for m in ("GET", "PUT", "DELETE")] + [(m, "/skep/v1/markers") for m in ("GET", "POST")] + [("DELETE", "/skep/v1/markers/{id}")]


def test_every_route_is_in_these_tests():
    """A new route has to be tried by an intruder, too."""
    text = (ROOT / "src/serve/route/table.c").read_text()
    routes = {(m, p) for m, p, row in re.findall(r'ROUTE_HTTP, HTTP_METHOD_(\w+),\s+"([^"]+)",(.*)', text)
              if "WEB}" not in row and "route_web_file" not in row}  # files of the binary, the same for all
    tried = {("POST", "/v1/traces"), ("POST", "/v1/logs"), ("POST", "/v1/metrics"), ("POST", "/skep/v1/query"), ("GET", "/skep/v1/traces/{trace_id}"),
             ("POST", "/skep/v1/differences"), ("POST", "/skep/v1/rows"), *PEOPLE_ROUTES, *SAVED_ROUTES,
             ("GET", "/skep/v1/service-map"), ("GET", "/skep/v1/fields"), ("GET", "/skep/v1/tail"), ("GET", "/skep/v1/status"), ("GET", "/skep/v1/doctor"),
             ("GET", "/skep/v1/keys"), ("POST", "/skep/v1/keys"), ("POST", "/skep/v1/keys/adopt"), ("POST", "/skep/v1/keys/refuse"), ("POST", "/skep/v1/keys/{id}/origins"),
             ("DELETE", "/skep/v1/keys/{id}"),
             ("GET", "/skep/v1/environments"), ("POST", "/skep/v1/environments"), ("PATCH", "/skep/v1/environments/{slug}"),
             ("DELETE", "/skep/v1/environments/{slug}"), ("GET", "/skep/v1/environments/{slug}/redaction"), ("PUT", "/skep/v1/environments/{slug}/redaction"),
             ("DELETE", "/skep/v1/data"),
             ("GET", "/1/auth"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
    assert routes == tried


def test_saved_things_across(server, tenants):
    """Neither by naming the environment nor by knowing an id."""
    post = lambda path, body, key: json.loads(server.call("POST", path, body, key=key)[1])
    owner = tenants["tenant-b"]["configuration"]["secret"]
    bodies = {"results": {"question": {"text": "COUNT"}}, "saved": {"name": "of b", "text": "COUNT WHERE secret.field exists"}, "markers": {"message": "of b"},
              "history": {"text": "COUNT WHERE secret.field exists"}}
    ids = {path: post(f"/skep/v1/{path}", body, owner)["id"] for path, body in bodies.items()}
    change = {"name": "taken", "text": "COUNT", "version": 1}
    for kind in ("ingest", "configuration"):
        key = tenants["tenant-a"][kind]["secret"]
        for path, body in bodies.items():
            assert status_of(server, "GET", f"/skep/v1/{path}?environment=tenant-b", key=key) == 403, (kind, path)
            named = {"question": {**body["question"], "environment": "tenant-b"}} if path == "results" else {**body, "environment": "tenant-b"}
            assert status_of(server, "POST", f"/skep/v1/{path}", named, key=key) == 403, (kind, path)
        for method, path, body in (("GET", "results", None), ("DELETE", "results", None), ("GET", "saved", None), ("PUT", "saved", change), ("DELETE", "saved", None), ("DELETE", "markers", None)):
            assert status_of(server, method, f"/skep/v1/{path}/{ids[path]}", body, key=key) == (403 if kind == "ingest" else 404), (kind, method, path)
            if path != "results":
                named = {**body, "environment": "tenant-b"} if body else None
                assert status_of(server, method, f"/skep/v1/{path}/{ids[path]}" + ("" if body else "?environment=tenant-b"), named, key=key) == 403, (kind, method, path)
    key = tenants["tenant-a"]["configuration"]["secret"]
    for path in bodies:
        assert b"of b" not in server.call("GET", f"/skep/v1/{path}", key=key)[1] and b"secret" not in server.call("GET", f"/skep/v1/{path}", key=key)[1]
        assert len(server.get(f"/skep/v1/{path}", key=owner)[path]) == 1


def test_reading_across(server, tenants):
    for kind in ("ingest", "configuration"):
        key = tenants["tenant-a"][kind]["secret"]
        for method, path in READS:
            assert status_of(server, method, path, key=key) == 403, (kind, path)
        for body in ({"text": "COUNT", "environment": "tenant-b"}, {"query": {"calculations": [{"op": "COUNT"}]}, "dataset": "secret-of-b", "environment": "tenant-b"}):
            with pytest.raises(Reply) as e:
                server.call("POST", "/skep/v1/query", body, key=key)
            assert e.value.status == 403
        assert status_of(server, "POST", "/skep/v1/rows", {"environment": "tenant-b", "text": "WHERE secret.field exists"}, key=key) == 403
        assert status_of(server, "POST", "/skep/v1/differences", {**SELECTION, "environment": "tenant-b"}, key=key) == 403
    with pytest.raises(Reply) as e:
        server.call("POST", "/skep/v1/query", {"text": "COUNT", "environment": "tenant-b"}, key=key)
    assert "tenant-a" in e.value.json()["error"] and "tenant-b" in e.value.json()["error"]


def test_what_is_not_named_stays_unknown(server, tenants):
    """Without naming b: nothing of it, not even that it exists."""
    key = tenants["tenant-a"]["configuration"]["secret"]
    marks = ("secret-of-b", "secret.field", "secret-value", "tenant-b", "unknown-to-b", TRACE.hex())
    for method, path in UNNAMED:
        text = server.call(method, path, key=key)[1].decode()
        if path == "/skep/v1/doctor":  # the intruder's own refused requests, by his own words
            text = json.dumps([{k: v for k, v in r.items() if k not in ("path", "text")} for r in json.loads(text)["refusals"]])
        assert not any(mark in text for mark in marks), (path, text[:300])
        if path == "/skep/v1/doctor":
            continue
        if path not in ("/skep/v1/service-map", "/skep/v1/fields"):
            assert "dev" not in [e["slug"] for e in json.loads(text).get("environments", [])]
    assert server.ask("COUNT GROUP BY service.name", environment="tenant-a", key=key) in ([], [{"COUNT": 0}])
    assert server.ask('COUNT FROM "secret-of-b"', environment="tenant-a", key=key) in ([], [{"COUNT": 0}])
    assert status_of(server, "GET", f"/skep/v1/traces/{TRACE.hex()}", key=key) == 404
    found = json.loads(server.call("POST", "/skep/v1/differences", SELECTION, key=key)[1])
    assert found["rows"]["selection"] == 0 and "secret-value" not in json.dumps(found)
    text = server.call("GET", "/metrics", key=key)[1].decode()
    assert not any(mark in text for mark in marks)


def test_writing_across(server, tenants):
    """An ingest request has no environment but its key's: whatever it says, it lands there."""
    key = tenants["tenant-a"]["ingest"]["secret"]
    wire = Http(server, "protobuf")
    body = wire.encode(traces("intruder", {"name": "a", "trace_id": TRACE}))
    assert wire.send(body, key=key, headers={"x-honeycomb-environment": "tenant-b", "x-honeycomb-dataset": "secret-of-b"}).status == 200
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    c.request("POST", "/v1/traces?environment=tenant-b", body, {"content-type": "application/x-protobuf", "x-honeycomb-team": key})
    assert c.getresponse().status in (200, 400)
    assert Grpc(server).send(body, key=key, headers={"environment": "tenant-b"}).status == 200
    assert server.count("COUNT", environment="tenant-b") == 1 and server.count("COUNT FROM intruder", environment="tenant-a") >= 1
    spans = server.get(f"/skep/v1/traces/{TRACE.hex()}", environment="tenant-b")["spans"]
    assert [s["dataset"] for s in spans] == ["secret-of-b"]


def test_tail_across(server, tenants):
    """A tail of a hears nothing of b."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as s:
        key = tenants["tenant-a"]["configuration"]["secret"]
        s.sendall(f"GET /skep/v1/tail HTTP/1.1\r\nHost: 127.0.0.1\r\nx-honeycomb-team: {key}\r\n\r\n".encode())
        held = b""
        while b": tail" not in held:
            held += s.recv(4096)
        assert send(server, "secret-of-b", key=tenants["tenant-b"]["ingest"]["secret"]).status == 200
        assert send(server, "heard", key=tenants["tenant-a"]["ingest"]["secret"]).status == 200
        while b'"heard"' not in held:
            held += s.recv(4096)
        assert b"secret-of-b" not in held


def test_changing_across(server, tenants, full):
    a, b = tenants["tenant-a"], tenants["tenant-b"]
    before = server.count("COUNT", environment="tenant-b")
    for kind in ("ingest", "configuration"):
        key = a[kind]["secret"]
        assert status_of(server, "POST", "/skep/v1/keys", {"name": "x", "environment": "tenant-b"}, key=key) == 403
        assert status_of(server, "DELETE", f"/skep/v1/keys/{b['ingest']['id']}", key=key) in (403, 404)
        assert status_of(server, "DELETE", "/skep/v1/environments/tenant-b", key=key) == 403
        assert status_of(server, "GET", "/skep/v1/environments/tenant-b/redaction", key=key) == 403
        assert status_of(server, "PUT", "/skep/v1/environments/tenant-b/redaction", {"rules": []}, key=key) == 403
        assert status_of(server, "PATCH", "/skep/v1/environments/tenant-b", {"retention_s": 3600}, key=key) == 403
        assert status_of(server, "DELETE", "/skep/v1/environments/tenant-a", key=key) == 403
        assert status_of(server, "POST", "/skep/v1/environments", {"name": "mine"}, key=key) == 403
        for path in ("/skep/v1/data?environment=tenant-b", "/skep/v1/data?environment=tenant-b&dataset=secret-of-b", "/skep/v1/data?environment=dev"):
            assert status_of(server, "DELETE", path, key=key) == 403, path
        assert status_of(server, "POST", "/skep/v1/keys/adopt", {"fingerprint": "x", "environment": "tenant-b"}, key=key) == 403
        assert status_of(server, "POST", "/skep/v1/keys/refuse", {"fingerprint": "x", "environment": "tenant-b"}, key=key) == 403
    assert status_of(server, "DELETE", "/skep/v1/data", key=a["configuration"]["secret"]) == 400
    assert send(server, "secret-of-b", key=b["ingest"]["secret"]).status == 200
    assert server.count("COUNT", environment="tenant-b") == before + 1
    # a configuration key makes no key with more rights than its own
    made = make_key(server, a["configuration"]["secret"], kind="configuration")
    assert made["environment"] == "tenant-a"
    assert status_of(server, "POST", "/skep/v1/environments", {"name": "mine"}, key=made["secret"]) == 403


def test_a_refused_key_is_adopted_by_who_knows_its_fingerprint(server, tenants, full):
    """Only its sender (in the reply) and the server's own administrator (in doctor) learn it; an environment's key sees nothing of it."""
    key = "somebody-elses-" + os.urandom(8).hex()
    assert send(server, "somebody", key=key).status == 401
    fingerprint = next(r for r in doctor(server, key=full) if r["reason"] == "unknown_key" and r["key_fingerprint"].endswith(key[-3:]))["key_fingerprint"]
    mine = tenants["tenant-a"]["configuration"]["secret"]
    assert fingerprint not in server.call("GET", "/skep/v1/doctor", key=mine)[1].decode()
    for guess in (fingerprint[:-1], fingerprint + "0", fingerprint[:6], ""):
        assert status_of(server, "POST", "/skep/v1/keys/adopt", {"fingerprint": guess}, key=mine) in (400, 404), guess
    assert send(server, "somebody", key=key).status == 401


def test_ingest_keys_only_send(server, tenants):
    key = tenants["tenant-b"]["ingest"]["secret"]
    for method, path in [*UNNAMED[:-1], ("GET", f"/skep/v1/traces/{TRACE.hex()}"), ("GET", "/skep/v1/tail"), ("GET", "/metrics"),
                         ("DELETE", "/skep/v1/data?environment=tenant-b"), ("DELETE", "/skep/v1/keys/x")]:
        assert status_of(server, method, path, key=key) == 403, path
    with pytest.raises(Reply) as e:
        server.call("POST", "/skep/v1/query", {"text": "COUNT"}, key=key)
    assert e.value.status == 403 and "tenant-b" in e.value.json()["error"] and "ingest key" in e.value.json()["error"]


# ---- loopback ----

ASK = ("POST", "/skep/v1/query", {"text": "COUNT"})


def raw(server, headers, method="GET", path="/skep/v1/status", body=b"", address=None):
    """One request with exactly these headers: status and body."""
    with socket.create_connection(address or ("127.0.0.1", server.port), 20) as s:
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers) + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        s.sendall(head.encode() + body)
        reply = http.client.HTTPResponse(s)
        reply.begin()
        return reply.status, reply.read(), dict((k.lower(), v) for k, v in reply.getheaders())


def test_loopback_without_a_key(server):
    for host in ("127.0.0.1", f"127.0.0.1:{server.port}", "localhost", "localhost:80", "LOCALHOST", "[::1]:8080", "127.1.2.3"):
        assert raw(server, [("Host", host)])[0] == 200, host
    for origin in ("http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:1"):
        assert raw(server, [("Host", "localhost"), ("Origin", origin)])[0] == 200, origin


@pytest.mark.parametrize("headers", [
    [("Host", "evil.example")], [("Host", "localhost.evil.example")], [("Host", "127.0.0.1.evil.example")], [("Host", "")], [("Host", "2130706433")],
    [("Host", "0.0.0.0")], [("Host", "localhost"), ("Origin", "http://evil.example")], [("Host", "localhost"), ("Origin", "null")],
    [("Host", "localhost"), ("Origin", "http://localhost.evil.example")], [("Host", "localhost"), ("Origin", "http://evil.example:80/127.0.0.1")],
    [("Host", "localhost"), ("X-Forwarded-For", "10.0.0.1")], [("Host", "localhost"), ("X-Forwarded-Host", "skep.example")],
    [("Host", "localhost"), ("X-Forwarded-Proto", "https")], [("Host", "localhost"), ("X-Real-IP", "10.0.0.1")],
    [("Host", "localhost"), ("Forwarded", "for=10.0.0.1")], [("Host", "localhost"), ("Via", "1.1 proxy")],
    [("Host", "localhost"), ("X-Forwarded-Port", "443")], [("Host", "localhost"), ("X-Forwarded-Server", "a")]],
    ids=lambda headers: "+".join(f"{k}={v}" for k, v in headers))
def test_loopback_is_not_for_pages_and_proxies(server, headers):
    for method, path, body in (("GET", "/skep/v1/status", b""), ("POST", "/v1/traces", b"{}"), ("POST", "/skep/v1/query", b'{"text":"COUNT"}')):
        status, said, _ = raw(server, [*headers, ("Content-Type", "application/json")], method, path, body)
        assert status == 401 or (status == 400 and headers[0] == ("Host", "")), (path, status, said)
        assert b"skep" in said or status == 400, said
    # with a key the same request is anybody's
    if headers[0] != ("Host", ""):
        assert raw(server, [*headers, ("X-Honeycomb-Team", server.keys["dev"]["full"])])[0] == 200


def test_loopback_never_changes_keys_or_environments(server):
    for method, path, body in (("GET", "/skep/v1/keys", None), ("POST", "/skep/v1/keys", {"name": "x"}), ("DELETE", "/skep/v1/keys/x", None),
                               ("POST", "/skep/v1/keys/adopt", {"fingerprint": "x"}), ("POST", "/skep/v1/keys/refuse", {"fingerprint": "x"}), ("POST", "/skep/v1/environments", {"name": "x"}),
                               ("DELETE", "/skep/v1/environments/demo", None), ("PATCH", "/skep/v1/environments/demo", {"retention_s": 3600}), ("DELETE", "/skep/v1/data?environment=dev", None)):
        assert status_of(server, method, path, body) == 401, path
    assert status_of(server, *ASK) == 200
    assert status_of(server, "POST", "/skep/v1/query", {"text": "COUNT", "environment": "demo"}) == 200
    send(server, "keyless")
    assert server.count("COUNT FROM keyless") == 1 and server.count("COUNT FROM keyless", "demo") == 0


def test_a_wrong_key_is_refused_on_loopback_too(server):
    for headers in ({"x-honeycomb-team": "wrong-wrong-wrong"}, {"x-honeycomb-team": ""}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}):
        with pytest.raises(Reply) as e:
            server.call("GET", "/skep/v1/status", headers=headers)
        assert e.value.status == 401 and "www-authenticate" in {k.lower() for k in e.value.headers}


def test_auth_required():
    with Server("--auth", "required") as server:
        assert send(server, "x").status == 401 and status_of(server, *ASK) == 401 and status_of(server, "GET", "/metrics") == 401
        assert Grpc(server).send(b"").status == 401
        for path in ("/healthz", "/readyz", "/"):
            assert status_of(server, "GET", path) == 200
        assert send(server, "x", key=server.keys["dev"]["ingest"]).status == 200
        assert server.ask("COUNT", key=server.keys["dev"]["full"])[0]["COUNT"] == 1
        assert json.loads(server.cli("query", "COUNT", "--json").stdout)  # the local keys.json is found
        with pytest.raises(Reply) as e:
            server.call("GET", "/skep/v1/status")
        assert "--auth required" in e.value.json()["error"] and "skep env" in e.value.json()["error"]


def own_address():
    """An address of this machine that is no loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # nothing is sent: the system only chooses
            found = s.getsockname()[0]
        except OSError:
            return None
    return None if found.startswith(("127.", "0.")) else found


def test_off_loopback_every_request_needs_a_key():
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    with Server(listen=(f"{address}:0",)) as server:
        where = (address, server.port)
        for host in (f"{address}:{server.port}", "localhost", "127.0.0.1"):
            status, said, _ = raw(server, [("Host", host)], address=where)
            assert status == 401 and b"without a key" in said, said
        assert raw(server, [("Host", address)], path="/readyz", address=where)[0] == 200
        assert raw(server, [("Host", address), ("X-Honeycomb-Team", server.keys["dev"]["full"])], address=where)[0] == 200
        preflight = [("Host", address), ("Origin", "http://page.example"), ("Access-Control-Request-Method", "POST")]
        assert raw(server, preflight, "OPTIONS", "/v1/traces", address=where)[0] == 204


# ---- browsers ----

def test_cors(server):
    origin = ("Origin", "https://shop.example")
    status, _, headers = raw(server, [("Host", "localhost"), origin, ("Access-Control-Request-Method", "POST"),
                                      ("Access-Control-Request-Headers", "content-type,x-honeycomb-team,traceparent")], "OPTIONS", "/v1/traces")
    assert status == 204 and headers["access-control-allow-origin"] == origin[1] and "POST" in headers["access-control-allow-methods"]
    assert {h.strip() for h in headers["access-control-allow-headers"].split(",")} >= {"content-type", "x-honeycomb-team", "traceparent"}
    assert int(headers["access-control-max-age"]) > 0 and "origin" in headers["vary"].lower()
    key = server.keys["dev"]["ingest"]
    for sent, expected in ((key, 200), ("wrong-wrong-wrong-wrong", 401)):  # a page has to be able to read why it was refused
        status, body, headers = raw(server, [("Host", "localhost"), origin, ("Content-Type", "application/json"), ("x-honeycomb-team", sent)], "POST", "/v1/traces", b"{}")
        assert status == expected and headers["access-control-allow-origin"] == origin[1], (status, headers)
    for path, method in (("/skep/v1/query", "POST"), ("/skep/v1/keys", "GET"), ("/1/auth", "GET")):  # the rest is for pages of this server alone
        _, _, headers = raw(server, [("Host", "localhost"), origin, ("Access-Control-Request-Method", method)], "OPTIONS", path)
        assert "access-control-allow-origin" not in headers, path
        _, _, headers = raw(server, [("Host", "localhost"), origin, ("X-Honeycomb-Team", server.keys["dev"]["full"])], method, path)
        assert "access-control-allow-origin" not in headers, path
