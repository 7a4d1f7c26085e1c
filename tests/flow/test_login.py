"""People: logging in, what a session may, what protects it, links that log in once, proxies, and keys for browsers."""
import http.client
import json
import os
import re
import subprocess
import time

import pytest

from skep import Reply, Server

PASSWORD = "correct horse battery"


class Browser:
    """Keeps cookies, as a browser does; every request is one connection."""

    def __init__(self, server, headers=None):
        self.server, self.cookies, self.headers, self.set = server, {}, headers or {}, []

    def call(self, method, path, body=None, csrf=True, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if csrf and "skep_csrf" in self.cookies:
            sent["x-skep-csrf"] = self.cookies["skep_csrf"]
        if body is not None:
            sent.setdefault("content-type", "application/json")
            body = json.dumps(body)
        c.request(method, path, body, sent)
        reply = c.getresponse()
        text = reply.read()
        self.set = reply.msg.get_all("set-cookie") or []
        self.retry_after = reply.headers.get("retry-after")
        for line in self.set:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies.pop(name, None)
            if "Max-Age=0" not in line:
                self.cookies[name] = value
        c.close()
        return reply.status, (json.loads(text) if text[:1] in (b"{", b"[") else text)

    def login(self, name, password=PASSWORD, **headers):
        for _ in range(50):  # one password at a time is checked
            status, said = self.call("POST", "/skep/v1/login", {"name": name, "password": password}, **headers)
            if status != 503:
                return status, said
            time.sleep(0.1)
        raise AssertionError("the server stays busy")


@pytest.fixture(scope="module")
def server():
    with Server("--auth", "required", "--trusted-proxy", "127.0.0.9") as running:
        for role in ("viewer", "editor", "admin"):
            add_user(running, role, role)
        yield running


def add_user(server, name, role, **more):
    return json.loads(server.call("POST", "/skep/v1/users", {"name": name, "role": role, "password": PASSWORD, **more}, key=server.keys["dev"]["full"])[1])


def doctor_reasons(server):
    found = json.loads(server.call("GET", "/skep/v1/doctor", key=server.keys["dev"]["full"])[1])["refusals"]
    return {r["reason"]: r for r in found}


def refusal(call, *arguments, **named):
    with pytest.raises(Reply) as e:
        call(*arguments, **named)
    return e.value


# ---- sessions ----

def test_a_login_opens_and_a_logout_shuts(server):
    b = Browser(server)
    assert b.call("GET", "/skep/v1/me")[0] == 401
    status, said = b.login("viewer")
    assert (status, said["name"], said["role"], said["has_password"]) == (200, "viewer", "viewer", True)
    status, me = b.call("GET", "/skep/v1/me")
    assert status == 200 and me["kind"] == "user" and me["permissions"] == ["query"]
    assert b.call("POST", "/skep/v1/query", {"text": "COUNT", "environment": "demo"})[0] == 200
    assert b.call("GET", "/skep/v1/me", authorization="Basic eDp5")[0] == 200  # a proxy's own
    assert b.call("GET", "/skep/v1/me", authorization="Bearer wrong")[0] == 401  # a wrong key stays one
    stolen = dict(b.cookies)
    assert b.call("POST", "/skep/v1/logout")[0] == 204 and b.cookies == {}
    b.cookies = stolen
    status, said = b.call("GET", "/skep/v1/me")
    assert status == 401 and "session has ended" in said["error"]


def test_cookie_flags(server):
    b = Browser(server)
    b.login("viewer")
    session, csrf = (next(line for line in b.set if line.startswith(name)) for name in ("skep_session=", "skep_csrf="))
    assert re.match(r"skep_session=[0-9a-f]{64}; Path=/; Max-Age=\d+; SameSite=Lax; HttpOnly$", session), session
    assert re.match(r"skep_csrf=[0-9a-f]{64}; Path=/; Max-Age=\d+; SameSite=Lax$", csrf), csrf


def test_tokens_and_passwords_are_on_no_disk(server):
    b = Browser(server)
    b.login("viewer")
    held = b"".join(f.read_bytes() for f in server.data_dir.rglob("meta.db*"))
    assert b"viewer" in held and b"$argon2id$v=19$m=65536,t=3" in held
    for secret in (PASSWORD, *b.cookies.values()):
        assert secret.encode() not in held and bytes.fromhex(secret) not in held if re.fullmatch("[0-9a-f]{64}", secret) else secret.encode() not in held


def test_sessions_outlive_a_restart_and_are_revoked():
    with Server("--auth", "required") as server:
        add_user(server, "ann", "viewer")
        one, other = Browser(server, {"user-agent": "one"}), Browser(server, {"user-agent": "other"})
        one.login("ann"), other.login("ann")
        server.stop()
        server.restart()
        assert one.call("GET", "/skep/v1/me")[0] == 200
        sessions = one.call("GET", "/skep/v1/sessions")[1]["sessions"]
        assert {s["user_agent"]: s["current"] for s in sessions} == {"one": True, "other": False}
        assert all(s["address"] == "127.0.0.1" for s in sessions)
        assert one.call("GET", "/skep/v1/sessions?all=1")[0] == 403
        assert one.call("DELETE", "/skep/v1/sessions/" + next(s["id"] for s in sessions if not s["current"]))[0] == 204
        assert other.call("GET", "/skep/v1/me")[0] == 401 and one.call("GET", "/skep/v1/me")[0] == 200


def test_no_session_of_others_is_ended(server):
    a, b = Browser(server), Browser(server)
    a.login("viewer"), b.login("editor")
    of_b = b.call("GET", "/skep/v1/me")[1]["session"]
    assert a.call("DELETE", f"/skep/v1/sessions/{of_b}")[0] == 404 and b.call("GET", "/skep/v1/me")[0] == 200
    admin = Browser(server)
    admin.login("admin")
    assert admin.call("DELETE", f"/skep/v1/sessions/{of_b}")[0] == 204 and b.call("GET", "/skep/v1/me")[0] == 401


def test_sending_takes_no_cookie():
    """A page of this host with a browser SDK brings the cookie along: it sends as it did without one."""
    with Server() as server:
        add_user(server, "ann", "viewer")
        b = Browser(server)
        b.login("ann")
        assert b.call("POST", "/v1/traces", {}, csrf=False)[0] == 200
        assert b.call("GET", "/skep/v1/keys")[0] == 403  # on loopback, too, the login says what one may


# ---- CSRF ----

def test_changes_need_the_header_and_our_origin(server):
    b = Browser(server)
    b.login("admin")
    new = {"name": "x", "environment": "dev"}
    status, said = b.call("POST", "/skep/v1/keys", new, csrf=False)
    assert status == 403 and "x-skep-csrf" in said["error"]
    assert b.call("POST", "/skep/v1/keys", new, csrf=False, x_skep_csrf="0" * 64)[0] == 403
    planted = Browser(server)  # a cookie that someone else set, repeated in the header: it is not the session's
    planted.cookies = {**b.cookies, "skep_csrf": "0" * 64}
    assert planted.call("POST", "/skep/v1/keys", new)[0] == 403
    host = f"127.0.0.1:{server.port}"
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"},
                    {"origin": f"http://{host}.evil.example"}, {"origin": f"http://{host}", "sec_fetch_site": "cross-site"}):
        status, said = b.call("POST", "/skep/v1/keys", new, **headers)
        assert status == 403, headers
        assert b.call("DELETE", "/skep/v1/keys/x", **headers)[0] == 403, headers
    assert "csrf" in doctor_reasons(server)
    for headers in ({}, {"origin": f"http://{host}"}, {"sec_fetch_site": "same-origin"}):
        assert b.call("POST", "/skep/v1/keys", new, **headers)[0] == 201, headers
    # a key needs none of it
    assert server.call("POST", "/skep/v1/keys", new, {"origin": "https://evil.example"}, key=server.keys["dev"]["full"])[0] == 201


def test_a_page_of_another_origin_logs_nobody_in(server):
    b = Browser(server)
    assert b.login("viewer", sec_fetch_site="cross-site")[0] == 403 and b.login("viewer", origin="https://evil.example")[0] == 403
    assert b.call("POST", "/skep/v1/login", {"name": "viewer", "password": PASSWORD}, content_type="text/plain")[0] == 415
    assert b.cookies == {}


# ---- roles ----

def test_roles(server):
    wanted = {"viewer": (200, 403, 403), "editor": (200, 403, 403), "admin": (200, 201, 200)}
    for role, (query, keys, users) in wanted.items():
        b = Browser(server)
        b.login(role)
        assert b.call("POST", "/skep/v1/query", {"text": "COUNT"})[0] == query
        assert b.call("POST", "/skep/v1/keys", {"name": "x"})[0] == keys
        status, said = b.call("GET", "/skep/v1/users")
        assert status == users, role
        if users == 403:
            assert role in said["error"] and "administrator" in said["error"]
        assert ("save" in b.call("GET", "/skep/v1/me")[1]["permissions"]) == (role != "viewer")
    assert "forbidden_role" in doctor_reasons(server)


def test_users_are_made_changed_and_deleted(server):
    admin = Browser(server)
    admin.login("admin")
    assert admin.call("POST", "/skep/v1/users", {"name": "bob", "role": "viewer", "password": "short"})[0] == 400
    for body, word in (({"name": "a b"}, "name"), ({"name": "bob", "role": "king"}, "role"), ({"name": "bob", "rank": "x"}, "rank"), ({"name": "bob", "password": 1}, "password")):
        status, said = admin.call("POST", "/skep/v1/users", body)
        assert status == 400 and f'"{word}"' in said["error"], said
    status, made = admin.call("POST", "/skep/v1/users", {"name": "bob", "password": PASSWORD})
    assert status == 201 and made["role"] == "viewer" and not made["disabled"]
    assert admin.call("POST", "/skep/v1/users", {"name": "BOB"})[0] == 409
    b = Browser(server)
    assert b.login("Bob")[0] == 200
    assert admin.call("PATCH", "/skep/v1/users/bob", {"role": "editor"})[1]["role"] == "editor"
    assert b.call("GET", "/skep/v1/me")[1]["role"] == "editor"  # at once
    assert admin.call("PATCH", "/skep/v1/users/bob", {"disabled": True})[0] == 200
    assert b.call("GET", "/skep/v1/me")[0] == 401 and b.login("bob")[0] == 401
    assert admin.call("PATCH", "/skep/v1/users/bob", {"disabled": False})[0] == 200 and b.login("bob")[0] == 200
    assert admin.call("DELETE", "/skep/v1/users/bob")[0] == 204
    assert b.call("GET", "/skep/v1/me")[0] == 401 and admin.call("DELETE", "/skep/v1/users/bob")[0] == 404


def test_the_last_administrator_stays(own_server):
    full = own_server.keys["dev"]["full"]
    add_user(own_server, "root", "admin")
    for method, body in (("PATCH", {"disabled": True}), ("PATCH", {"role": "viewer"}), ("DELETE", None)):
        assert refusal(own_server.call, method, "/skep/v1/users/root", body, key=full).status == 409
    add_user(own_server, "second", "admin")
    assert own_server.call("DELETE", "/skep/v1/users/root", key=full)[0] == 204


def test_a_new_password_ends_other_sessions(server):
    add_user(server, "carl", "viewer")
    one, other = Browser(server), Browser(server)
    one.login("carl"), other.login("carl")
    assert one.call("POST", "/skep/v1/me/password", {"password": "another password"})[0] == 403
    assert one.call("POST", "/skep/v1/me/password", {"current_password": PASSWORD, "password": "another password"})[0] == 204
    assert one.call("GET", "/skep/v1/me")[0] == 200 and other.call("GET", "/skep/v1/me")[0] == 401
    assert other.login("carl")[0] == 401 and other.login("carl", "another password")[0] == 200


def test_without_a_login_no_user_is_shown(own_server):
    for method, path, body in (("GET", "/skep/v1/users", None), ("POST", "/skep/v1/users", {"name": "x"}), ("POST", "/skep/v1/login-links", {})):
        assert refusal(own_server.call, method, path, body).status == 401  # local trust, too
    made = json.loads(own_server.call("POST", "/skep/v1/keys", {"name": "c", "kind": "configuration"}, key=own_server.keys["dev"]["full"])[1])
    assert refusal(own_server.call, "GET", "/skep/v1/users", key=made["secret"]).status == 403
    assert own_server.get("/skep/v1/me") == {"kind": "local", "permissions": ["query", "save"]}


# ---- throttling ----

def test_wrong_passwords_are_throttled_by_name():
    with Server() as server:
        add_user(server, "ann", "viewer")
        b = Browser(server)
        texts = set()
        for i in range(5):
            status, said = b.login("ann", f"wrong password {i}")
            assert status == 401
            texts.add(said["error"])
        status, said = b.login("ann")  # also the right one
        assert status == 429 and int(b.retry_after) >= 1 and "this name" in said["error"]
        for i in range(2):
            status, said = b.login("nobody", f"wrong password {i}")
            texts.add(said["error"])
        assert len(texts) == 1  # nothing tells which names there are
        time.sleep(1.1)
        assert b.login("ann")[0] == 200
        assert {"wrong_password", "login_throttled"} <= set(doctor_reasons(server))
        metrics = server.call("GET", "/metrics")[1].decode()
        assert re.search(r'skep_refused_total\{reason="wrong_password"\} 7', metrics), metrics


def test_guesses_at_many_names_are_throttled_by_address():
    with Server() as server:
        b = Browser(server)
        seen = []
        for i in range(21):
            seen.append(b.login(f"name{i}", "some password")[0])
        assert seen[:20] == [401] * 20 and seen[20] == 429
        assert Browser(server).login("someone-else")[0] == 429


def test_bodies_of_strangers_are_small(server):
    assert Browser(server).call("POST", "/skep/v1/login", {"name": "x" * 100000, "password": "y"})[0] == 413


# ---- links ----

def test_a_link_logs_in_once(own_server):
    full = own_server.keys["dev"]["full"]
    made = json.loads(own_server.call("POST", "/skep/v1/login-links", {}, key=full)[1])
    assert made["user"] == "admin" and re.fullmatch("[0-9a-f]{64}", made["token"])
    b = Browser(own_server)
    status, said = b.call("POST", "/skep/v1/login", {"token": made["token"]})
    assert status == 200 and said == {"name": "admin", "role": "admin", "has_password": False}
    status, said = Browser(own_server).call("POST", "/skep/v1/login", {"token": made["token"]})
    assert status == 401 and "used already" in said["error"] and "skep open" in said["error"]
    assert "wrong_link" in doctor_reasons(own_server)
    assert b.call("POST", "/skep/v1/me/password", {"password": PASSWORD})[0] == 204  # the first one needs no current one
    assert Browser(own_server).login("admin")[0] == 200
    held = b"".join(f.read_bytes() for f in own_server.data_dir.rglob("meta.db*"))
    assert made["token"].encode() not in held
    for token in ("", "0" * 64, "x"):
        assert Browser(own_server).call("POST", "/skep/v1/login", {"token": token})[0] == 401


def test_links_of_a_user_end_with_a_new_password(own_server):
    full = own_server.keys["dev"]["full"]
    add_user(own_server, "ann", "viewer")
    link = json.loads(own_server.call("POST", "/skep/v1/login-links", {"user": "ann"}, key=full)[1])
    own_server.call("PATCH", "/skep/v1/users/ann", {"password": "another password"}, key=full)
    assert Browser(own_server).call("POST", "/skep/v1/login", {"token": link["token"]})[0] == 401
    assert refusal(own_server.call, "POST", "/skep/v1/login-links", {"user": "nobody"}, key=full).status == 404


def token_of(link):
    return re.fullmatch(r"https?://[^/]+(?:/[a-z]+)?/login(?:\?next=[^#]+)?#token=([0-9a-f]{64})", link)[1]


def test_skep_open_prints_a_link(server):
    done = server.cli("open", "keys", "--print")
    link = done.stdout.strip()
    assert link.startswith(server.url + "/login?next=keys#token=") and "admin" in done.stderr
    assert Browser(server).call("POST", "/skep/v1/login", {"token": token_of(link)})[1]["name"] == "admin"
    link = server.cli("open", "--user", "viewer", "--address", "https://skep.example/obs/").stdout.strip()
    assert link.startswith("https://skep.example/obs/login#token=")
    assert Browser(server).call("POST", "/skep/v1/login", {"token": token_of(link)})[1]["name"] == "viewer"
    assert server.cli("open", key=json.loads(server.call("POST", "/skep/v1/keys", {"name": "q", "kind": "query"}, key=server.keys["dev"]["full"])[1])["secret"], check=False).returncode == 4


def test_the_first_start_off_loopback_prints_a_link():
    with Server(listen=("0.0.0.0:0",)) as server:
        link = server.ready["login"]
        assert link in server.log_text() and "15 minutes" in server.log_text()
        server.stop()
        server.restart()  # nobody came: the way in is shown again
        assert Browser(server).call("POST", "/skep/v1/login", {"token": token_of(link)})[0] == 200
        server.stop()
        server.restart()
        assert "login" not in server.ready
    with Server() as server:
        assert "login" not in server.ready


def test_skep_user(server):
    def user(*words, password=None, **more):
        return subprocess.run([str(server.binary), "user", *words, "--url", server.url], input=password, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "NO_COLOR": "1", "SKEP_DATA_DIR": str(server.data_dir)}, **more)
    assert user("add", "dora", "--role", "editor", "--password-file", "-", password=PASSWORD + "\n").returncode == 0
    assert Browser(server).login("dora")[1]["role"] == "editor"
    assert user("add", "erik", "--no-password").returncode == 0
    done = user("add", "fred")
    assert done.returncode == 2 and "--password-file" in done.stderr
    assert user("add", "fred", "--password-file", "-", password="short\n").returncode == 2
    assert user("password", "dora", "--password-file", "-", password="another password\n").returncode == 0
    assert Browser(server).login("dora", "another password")[0] == 200
    assert user("change", "dora", "--role", "viewer").returncode == 0 and user("change", "dora").returncode == 2
    assert user("disable", "dora").returncode == 0 and Browser(server).login("dora", "another password")[0] == 401
    listed = user().stdout
    assert "disabled" in listed and "by link only" in listed and PASSWORD not in listed
    assert user("enable", "dora").returncode == 0 and user("delete", "dora", "--yes").returncode == 0 and user("disable", "dora").returncode == 1


# ---- keys for browsers ----

def send(server, key, path="/v1/traces", **headers):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    c.request("POST", path, b"{}", {"content-type": "application/json", "x-honeycomb-team": key, **headers})
    reply = c.getresponse()
    return reply.status, reply.read().decode(), reply.headers


def test_a_browser_key_writes_from_its_origins_only(server):
    full = server.keys["dev"]["full"]
    made = json.loads(server.call("POST", "/skep/v1/keys", {"name": "shop", "kind": "browser", "origins": ["https://Shop.example/", "https://*.shop.example", "http://localhost:3000"]}, key=full)[1])
    assert made["kind"] == "browser" and made["origins"] == ["https://shop.example", "https://*.shop.example", "http://localhost:3000"]
    key = made["secret"]
    for origin in ("https://shop.example", "https://shop.example:443", "https://eu.shop.example", "http://localhost:3000"):
        assert send(server, key, origin=origin)[0] == 200, origin
    for origin in ("http://shop.example", "https://shop.example:8443", "https://evil-shop.example", "https://shop.example.evil.example", "https://evil.example", "null", "http://localhost:3001",
                   "https://.shop.example", "https://*.shop.example"):
        status, said, headers = send(server, key, origin=origin)
        assert status == 403 and "shop" in said, origin
        if origin == "https://evil.example":
            assert f"skep keys allow {made['id']} --origin https://evil.example`" in said and headers["access-control-allow-origin"] == origin  # the page can read why
    status, said, _ = send(server, key)
    assert status == 403 and "skep env" in said
    for method, path in (("POST", "/skep/v1/query"), ("GET", "/skep/v1/status"), ("GET", "/skep/v1/keys"), ("GET", "/metrics")):
        assert refusal(server.call, method, path, {"text": "COUNT"} if method == "POST" else None, {"origin": "https://shop.example"}, key=key).status == 403
    reasons = doctor_reasons(server)
    assert reasons["wrong_origin"]["count"] >= 1 and "missing_origin" in reasons and "--origin" in reasons["wrong_origin"]["advice"]
    assert re.search(r'skep_refused_total\{reason="wrong_origin"\} 9', server.call("GET", "/metrics", key=full)[1].decode())
    listed = json.loads(server.call("GET", "/skep/v1/keys", key=full)[1])["keys"]
    assert next(k for k in listed if k["name"] == "shop")["origins"] == made["origins"] and all("origins" not in k for k in listed if k["kind"] != "browser")
    server.call("DELETE", f"/skep/v1/keys/{made['id']}", key=full)
    assert send(server, key, origin="https://shop.example")[0] == 401


def test_wrong_origins_are_named(server):
    full = server.keys["dev"]["full"]
    for origins, words in (([], '"origins"'), (["https://a.example", "shop.example"], '"shop.example" is not'), (["https://a.example/path"], '"https://a.example/path" is not'), (["https://*"], '"https://*" is not'),
                           (["https://a.*.example"], "is not an origin"), (["https://a b"], "is not an origin"), (["ftp://a"], "is not an origin"), ("https://a", '"origins"'), ([1], '"origins"'),
                           (["https://a.example"] * 11, '"origins"'), (["https://" + "a" * 100 + f"{i}.example" for i in range(9)], '"origins"')):
        reply = refusal(server.call, "POST", "/skep/v1/keys", {"name": "x", "kind": "browser", "origins": origins}, key=full)
        assert reply.status == 400 and words in reply.json()["error"], (origins, reply.json())
    assert "browser" in refusal(server.call, "POST", "/skep/v1/keys", {"name": "x", "kind": "ingest", "origins": ["https://a"]}, key=full).json()["error"]
    made = server.cli("keys", "create", "--kind", "browser", "--origin", "https://a.example,https://b.example", "--json")
    assert json.loads(made.stdout)["origins"] == ["https://a.example", "https://b.example"]


# ---- behind a proxy ----

def from_address(server, source, method, path, body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=(source, 0))
    sent = {k.replace("_", "-"): v for k, v in headers.items()}
    c.request(method, path, json.dumps(body) if body is not None else None, {**({"content-type": "application/json"} if body is not None else {}), **sent})
    reply = c.getresponse()
    return reply.status, json.loads(reply.read() or b"{}"), reply.msg.get_all("set-cookie") or []


FORWARDED = {"host": "10.0.0.1:8080", "x_forwarded_proto": "https", "x_forwarded_host": "skep.example", "x_forwarded_prefix": "/obs", "x_forwarded_for": "203.0.113.7, 198.51.100.2, 127.0.0.9"}


def test_forwarding_headers_count_from_a_trusted_proxy(server):
    body = {"name": "viewer", "password": PASSWORD}
    status, _, cookies = from_address(server, "127.0.0.9", "POST", "/skep/v1/login", body, origin="https://skep.example", **FORWARDED)
    assert status == 200 and all("; Path=/obs/;" in c and c.endswith("; Secure") for c in cookies), cookies
    token, csrf = (re.match(rf"{name}=([0-9a-f]+)", next(c for c in cookies if c.startswith(name)))[1] for name in ("skep_session", "skep_csrf"))
    with_cookie = {"cookie": f"skep_session={token}", **FORWARDED}
    sessions = from_address(server, "127.0.0.9", "GET", "/skep/v1/sessions", **with_cookie)[1]["sessions"]
    assert next(s for s in sessions if s["current"])["address"] == "198.51.100.2"  # what stands before was written by the sender
    ask = {"text": "COUNT"}
    assert from_address(server, "127.0.0.9", "POST", "/skep/v1/query", ask, origin="https://skep.example", x_skep_csrf=csrf, **with_cookie)[0] == 200
    assert from_address(server, "127.0.0.9", "POST", "/skep/v1/query", ask, origin="https://10.0.0.1:8080", x_skep_csrf=csrf, **with_cookie)[0] == 403
    for prefix in ("//evil", "obs", "/a b", "/a;Domain=evil.example"):
        cookies = from_address(server, "127.0.0.9", "POST", "/skep/v1/login", body, **{**FORWARDED, "x_forwarded_prefix": prefix})[2]
        assert all("; Path=/;" in c for c in cookies), (prefix, cookies)


def test_forwarding_headers_of_others_are_words(server):
    body = {"name": "viewer", "password": PASSWORD}
    status, said, cookies = from_address(server, "127.0.0.1", "POST", "/skep/v1/login", body, origin="https://skep.example", **FORWARDED)
    assert status == 403 and "--trusted-proxy" in said["error"] and not cookies
    status, _, cookies = from_address(server, "127.0.0.1", "POST", "/skep/v1/login", body, **FORWARDED)
    assert status == 200 and all("; Path=/;" in c and "Secure" not in c for c in cookies)


def test_a_proxy_on_this_machine_ends_local_trust():
    """Also a trusted one: what it forwards comes from elsewhere."""
    with Server("--trusted-proxy", "loopback") as server:
        assert from_address(server, "127.0.0.1", "GET", "/skep/v1/me", host="localhost")[0] == 200
        for name, text in (("x_forwarded_for", "203.0.113.7"), ("x_forwarded_proto", "https"), ("x_forwarded_prefix", "/x"), ("forwarded", "for=1.2.3.4"), ("via", "1.1 x")):
            status, said, _ = from_address(server, "127.0.0.1", "GET", "/skep/v1/me", host="localhost", **{name: text})
            assert status == 401, name
            status, said, _ = from_address(server, "127.0.0.1", "GET", "/skep/v1/me", host="localhost", sec_fetch_site="same-origin", **{name: text})
            assert status == 401 and "log in" in said["error"], said


def test_addresses_behind_a_proxy_are_throttled_apart():
    with Server("--trusted-proxy", "127.0.0.0/8") as server:
        def attempt(i, address):
            while True:
                status = from_address(server, "127.0.0.1", "POST", "/skep/v1/login", {"name": f"n{i}", "password": "some password"}, x_forwarded_for=address)[0]
                if status != 503:
                    return status
        assert [attempt(i, "203.0.113.7") for i in range(21)][-1] == 429
        assert attempt(30, "203.0.113.8") == 401
        assert [attempt(100 + i, f"2001:db8::{i:x}") for i in range(21)][-1] == 429  # one network


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0/33", "::/129", "10.0.0.1/", "1.2.3.4/x"])
def test_a_wrong_trusted_proxy_is_refused(text):
    with pytest.raises(RuntimeError, match="--trusted-proxy"):
        Server("--trusted-proxy", text)


# ---- what people keep ----

def test_viewers_ask_and_editors_save(server):
    viewer, editor = Browser(server), Browser(server)
    viewer.login("viewer"), editor.login("editor")
    writes = [("POST", "/skep/v1/results", {"question": {"text": "COUNT"}}), ("POST", "/skep/v1/saved", {"name": "kept", "text": "COUNT"}),
              ("POST", "/skep/v1/markers", {"message": "kept"})]
    for method, path, body in writes:
        status, said = viewer.call(method, path, body)
        assert status == 403 and "viewer is a viewer and may not" in said["error"], (path, said)
        assert editor.call(method, path, body, csrf=False)[0] == 403
        status, said = editor.call(method, path, body)
        assert status == 201, (path, said)
        assert "user:editor" in (said.get("by"), said.get("created_by"))
        status, said = viewer.call("GET", path)
        assert status == 200 and len(said[path.rsplit("/", 1)[1]]) == 1
    assert viewer.call("POST", "/skep/v1/history", {"text": "COUNT"})[1]["by"] == "user:viewer"
    assert editor.call("POST", "/skep/v1/history", {"text": "AVG(x)"})[0] == 201
    assert [h["text"] for h in viewer.call("GET", "/skep/v1/history")[1]["history"]] == ["AVG(x)", "COUNT"]
    assert [h["text"] for h in viewer.call("GET", "/skep/v1/history?mine=true")[1]["history"]] == ["COUNT"]
