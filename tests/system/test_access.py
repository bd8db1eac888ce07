"""Who may do what at the gateway: tokens, browsers, limits, TLS, and what its answers tell a browser."""
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from lib.gateway import Gateway
from lib.http import Http
from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 1, "slots": 40, "bridge": False}


def gateway_program(*words, **more):
    return subprocess.run([BIN / "millrace-gateway", *map(str, words)], capture_output=True, text=True, timeout=30, **more)


def make_token(name, scope, *words):
    """(the token, its line)"""
    done = gateway_program("--new-token", name, "--scope", scope, *words)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()[-1], done.stdout


class Tokens:
    def __init__(self, path):
        self.path, self.lines, self.of = path, {}, {}
        for name in ("read", "submit", "operate"):
            self.add(name, name)

    def add(self, name, scope, *words):
        self.of[name], self.lines[name] = make_token(name, scope, *words)
        self.write()

    def write(self, more=""):
        fresh = self.path.with_suffix(".new")
        fresh.write_text("# tokens of a test\n" + "".join(self.lines.values()) + more)
        fresh.chmod(0o600)
        fresh.rename(self.path)


@pytest.fixture(scope="module")
def tokens(system):
    return Tokens(system.dir / "tokens")


@pytest.fixture(scope="module")
def guarded(system, tokens):
    """With tokens, its log at debug level: what it tells must hold no secret even so."""
    g = Gateway(system, "--http-tokens-file", tokens.path, env={"LOG_LEVEL": "debug"})
    yield g
    assert g.end() == 0
    for secret in tokens.of.values():
        assert secret not in g.log
        assert secret[4:] not in g.log


@pytest.fixture(scope="module")
def open_gateway(system):
    """Without tokens, on loopback."""
    g = Gateway(system, "--http-cors-origins", "https://ops.example.org", "--http-hosts", "gate.example.org")
    yield g
    assert g.end() == 0


# ---- tokens ----

@pytest.mark.parametrize("scope,method,path,body,allowed", [
    ("read", "GET", "/api/v1/nodes", None, True),
    ("read", "HEAD", "/api/v1/nodes", None, True),
    ("read", "POST", "/api/v1/submit/echo", b"x", False),
    ("read", "POST", "/api/v1/lanes/echo/pause", b"{}", False),
    ("read", "DELETE", "/api/v1/tasks/none", None, False),
    ("submit", "GET", "/api/v1/nodes", None, True),
    ("submit", "POST", "/api/v1/submit/echo", b"x", True),
    ("submit", "POST", "/api/v1/tasks/cancel", b'{"type":"none"}', False),
    ("submit", "PUT", "/api/v1/state/a", b"{}", False),
    ("operate", "GET", "/api/v1/nodes", None, True),
    ("operate", "POST", "/api/v1/submit/echo", b"x", True),
    ("operate", "POST", "/api/v1/lanes/echo/resume", b"{}", True),
])
def test_each_scope_includes_those_before_it(guarded, tokens, scope, method, path, body, allowed):
    answer = guarded.web(tokens.of[scope]).request(method, path, body=body)
    if allowed:
        assert answer.status not in (401, 403), answer
    else:
        assert answer.status == 403, answer
        assert re.fullmatch(f"this needs the scope (submit|operate); the token {scope} has {scope}", answer.json()["detail"])


def test_without_a_token_only_what_tells_nothing(guarded):
    web = guarded.web()
    for path in ("/livez", "/"):
        assert web.get(path).status == 200
    for method, path in (("GET", "/api/v1/nodes"), ("POST", "/api/v1/submit/echo"), ("GET", "/nowhere"), ("GET", "/api/v1/me")):
        answer = web.request(method, path)
        assert answer.status == 401, (path, answer)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="millrace"'
        assert answer.json()["field"] == "Authorization" and "Authorization: Bearer TOKEN" in answer.json()["detail"]
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "mlr_x", "Bearer " + "x" * 5000])
def test_what_is_no_token_is_refused(guarded, authorization):
    answer = guarded.web().get("/api/v1/nodes", headers={"Authorization": authorization})
    assert answer.status == 401 and "invalid_token" in answer.headers["WWW-Authenticate"], answer


def test_a_token_in_the_query_is_none(guarded, tokens):
    assert guarded.web().get(f"/api/v1/nodes?access_token={tokens.of['operate']}").status == 401


def test_me_says_what_a_token_may(guarded, open_gateway, tokens):
    assert guarded.web(tokens.of["read"]).get("/api/v1/me").json()["scopes"] == ["read"]
    me = guarded.web(tokens.of["operate"]).get("/api/v1/me").json()
    assert me["scopes"] == ["read", "submit", "operate"] and me["tokens"] is True and me["version"]
    me = open_gateway.web().get("/api/v1/me").json()
    assert me["scopes"] == ["read", "submit", "operate"] and me["tokens"] is False


def test_the_file_is_read_again_when_it_changes(guarded, tokens):
    tokens.add("late", "read")
    web = guarded.web(tokens.of["late"])
    until(lambda: web.get("/api/v1/nodes").status == 200, 10, "the new token is known")
    tokens.write(more="what is this\n")  # a slip of the pen locks nobody out, and lets nobody in

    def told():
        assert web.get("/api/v1/nodes").status == 200
        return "until their file is right again" in guarded.log
    until(told, 10, "the bad file is told")
    del tokens.lines["late"]
    tokens.write()
    until(lambda: web.get("/api/v1/nodes").status == 401, 10, "the token is revoked")
    assert guarded.web(tokens.of["read"]).get("/api/v1/nodes").status == 200


def test_a_token_expires(guarded, tokens):
    tokens.add("brief", "read", "--expires", "4s")
    end = datetime.now(timezone.utc) + timedelta(seconds=4)
    web = guarded.web(tokens.of["brief"])
    until(lambda: web.get("/api/v1/nodes").status == 200, 3.5, "it is known while it is good")
    until(lambda: web.get("/api/v1/nodes").status == 401, 10, "it ends")
    assert datetime.now(timezone.utc) >= end - timedelta(seconds=1)
    assert web.get("/api/v1/nodes").json()["detail"] == "the token brief has expired"


def test_beyond_loopback_only_with_tokens(system, tokens):
    for address in ("0.0.0.0:0", ":0", "[::]:0"):
        for more in ([], ["--check-config"]):
            done = gateway_program("--http-listen", address, *more, env=system.env)
            assert done.returncode == 2, done
            assert "others than this machine" in done.stderr and "--new-token NAME --scope operate" in done.stderr
    g = Gateway(system, "--http-tokens-file", tokens.path, listen="0.0.0.0:0")
    assert "tokens cross the network as they are" in g.log
    web = Http(g.url.replace("0.0.0.0", "127.0.0.1"), token=tokens.of["read"])
    assert web.get("/api/v1/nodes", headers={"Host": "anything.example"}).status == 200  # a page of a stranger has no token
    assert g.end() == 0


def test_a_file_that_others_may_write_is_refused(system, tokens, tmp_path):
    path = tmp_path / "tokens"
    path.write_text("".join(tokens.lines.values()))
    for mode, words in ((0o620, "chmod go-w"), (0o602, "chmod go-w"), (0o644, None)):
        path.chmod(mode)
        done = gateway_program("--check-config", "--http-tokens-file", path, env=system.env)
        assert (done.returncode, words is None or words in done.stderr) == (2 if words else 0, True), done
    done = gateway_program("--check-config", "--http-tokens-file", tmp_path / "none", env=system.env)
    assert done.returncode == 2 and "--new-token NAME" in done.stderr
    path.write_text("a read beef\n")
    done = gateway_program("--check-config", "--http-tokens-file", path, env=system.env)
    assert done.returncode == 2 and f"{path}:1: " in done.stderr


def test_a_new_token_is_told_once(tmp_path):
    done = gateway_program("--new-token", "laptop", "--scope", "submit", "--expires", "90d")
    assert re.fullmatch(r"laptop submit [0-9a-f]{64} expires=\d{4}-\S+Z\n", done.stdout), done.stdout
    secret = done.stderr.split()[-1]
    assert re.fullmatch(r"mlr_[A-Za-z0-9_-]{43}", secret) and secret not in done.stdout
    assert gateway_program("--new-token", "a b").returncode == 2
    done = gateway_program("--new-token", "laptop", "--scope", "everything")
    assert done.returncode == 2 and "read, submit or operate" in done.stderr


# ---- browsers ----

@pytest.mark.parametrize("host,status", [
    ("localhost", 200), ("localhost:1234", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("gate.example.org", 200),
    ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 421), ("192.0.2.1", 421),
])
def test_a_name_that_was_made_to_point_here_is_refused(open_gateway, host, status):
    answer = open_gateway.web().get("/api/v1/nodes", headers={"Host": host})
    assert answer.status == status, answer
    assert status == 200 or answer.json()["field"] == "Host"


@pytest.mark.parametrize("headers,status", [
    ({}, 202),
    ({"Origin": "SELF"}, 202),
    ({"Origin": "SELF", "Sec-Fetch-Site": "same-origin"}, 202),
    ({"Sec-Fetch-Site": "none"}, 202),
    ({"Origin": "https://ops.example.org", "Sec-Fetch-Site": "cross-site"}, 202),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://localhost:1"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "SELF", "Sec-Fetch-Site": "cross-site"}, 403),
])
def test_another_sites_page_changes_nothing(open_gateway, headers, status):
    headers = {k: v.replace("SELF", open_gateway.url) for k, v in headers.items()}
    answer = open_gateway.web().post("/api/v1/submit/echo", body=b"x", headers={"Content-Type": "text/plain", **headers})
    assert answer.status == status, answer


def test_pages_of_listed_origins_may_read(open_gateway):
    web = open_gateway.web()
    listed = {"Origin": "https://ops.example.org"}
    answer = web.get("/api/v1/nodes", headers=listed)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ops.example.org" and "Origin" in answer.headers["Vary"]
    asked = web.request("OPTIONS", "/api/v1/tasks", headers={**listed, "Access-Control-Request-Method": "POST"})
    assert asked.status == 204 and "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    done = gateway_program("--check-config", "--http-cors-origins", "*")
    assert done.returncode == 2 and "http.tokens_file" in done.stderr
    for other in ("https://evil.example", "https://ops.example.org.evil.example", "null"):
        assert web.get("/api/v1/nodes", headers={"Origin": other}).headers["Access-Control-Allow-Origin"] is None
        assert web.request("OPTIONS", "/api/v1/tasks", headers={"Origin": other, "Access-Control-Request-Method": "POST"}).status == 403


def test_every_answer_says_what_a_browser_may_do_with_it(open_gateway, guarded):
    web = open_gateway.web()
    for answer in (web.get("/"), web.get("/livez"), web.get("/nowhere"), web.get("/api/v1/nodes"), web.get("/api/v1/tasks/none"),
                   web.get("/api/v1/tasks?limit=x"), web.request("PATCH", "/api/v1/nodes"), guarded.web().get("/api/v1/nodes"),
                   web.get("/%zz"), web.get("/api/v1/nodes", headers={"Host": "evil.example"})):
        h = answer.headers
        assert h["X-Content-Type-Options"] == "nosniff" and h["Referrer-Policy"] == "no-referrer", answer
        assert "frame-ancestors 'none'" in h["Content-Security-Policy"] and "unsafe" not in h["Content-Security-Policy"]
        assert len(h.get_all("Content-Security-Policy")) == 1 and h["X-Frame-Options"] == "DENY"
        assert h["Strict-Transport-Security"] is None
    page = web.get("/").headers["Content-Security-Policy"]
    for words in ("default-src 'self'", "connect-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"):
        assert words in page
    data = web.get("/api/v1/nodes").headers
    assert "sandbox" in data["Content-Security-Policy"] and data["Cache-Control"] == "no-store"


def test_a_stored_page_is_no_page_of_ours(system, open_gateway):
    web = open_gateway.web()
    evil = b"<script>fetch('/api/v1/lanes/echo/purge',{method:'POST'})</script>"
    answer = web.post("/api/v1/run/echo?wait=30s", body=evil, headers={"Content-Type": "text/html"})
    assert answer.status == 200 and answer.body == evil
    task = answer.headers["Task-Id"]
    for got in (answer, web.get(f"/api/v1/tasks/{task}/result"), web.get(f"/api/v1/tasks/{task}/body")):
        assert got.status == 200 and got.body == evil
        assert got.headers["Content-Disposition"] == "attachment"
        assert "sandbox" in got.headers["Content-Security-Policy"] and "allow" not in got.headers["Content-Security-Policy"]
        assert got.headers["X-Content-Type-Options"] == "nosniff"


# ---- limits ----

def test_a_client_has_its_rate(system, tokens):
    g = Gateway(system, "--http-tokens-file", tokens.path, "--http-rate", "5", "--http-burst", "20")
    web = g.web(tokens.of["read"])
    answers = [web.get("/api/v1/me") for _ in range(40)]
    refused = [a for a in answers if a.status == 429]
    assert {a.status for a in answers} == {200, 429} and len(refused) >= 10
    assert refused[0].headers["Retry-After"] == "1" and "5 requests a second" in refused[0].json()["detail"]
    assert web.get("/livez").status == 200
    until(lambda: web.get("/api/v1/me").status == 200, 10, "it goes on")
    assert g.end() == 0


def test_so_many_requests_are_under_way_at_most(system):
    g = Gateway(system, "--http-requests", "5", "--http-idle-timeout", "60s")
    web = g.web()

    def waiting():
        s = socket.create_connection(g.address)
        s.sendall(b"POST /api/v1/submit/sleep?wait=60s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n15s")
        return s
    clients = [waiting() for _ in range(5)]

    def refused():
        begun = time.monotonic()
        answer = web.get("/api/v1/me")
        return answer.status == 429 and (answer, time.monotonic() - begun)
    answer, took = until(refused, 20, "the sixth is refused")
    assert took < 2 and int(answer.headers["Retry-After"]) >= 1 and "5 requests are under way" in answer.json()["detail"]
    assert web.get("/livez").status == 200
    # Who hangs up makes room, though its task goes on.
    for s in clients:
        s.close()
    until(lambda: web.get("/api/v1/me").status == 200, 10, "the slots of those that hung up are free")
    assert g.end() == 0


def test_bodies_and_headers_have_their_sizes(system):
    g = Gateway(system, "--http-body-memory", "64k", "--http-header-size", "8k", "--http-body-max", "128k", "--http-memory", "8MiB")
    web = g.web()
    large = web.post("/api/v1/heal", body=b" " * (64 * 1024 + 1))
    assert large.status == 413 and "65536" in large.json()["detail"]
    in_chunks = web.post("/api/v1/heal", body=(b" " * 8192 for _ in range(9)))
    assert in_chunks.status == 413, in_chunks
    # Tasks may be larger than memory takes; not than they may.
    assert web.post("/api/v1/submit/echo", body=b"x" * 100_000).status == 202
    assert web.post("/api/v1/submit/echo", body=(b"x" * 10_000 for _ in range(12))).status == 202
    for body in (b"x" * 131_073, (b"x" * 10_000 for _ in range(14))):
        answer = web.post("/api/v1/submit/echo", body=body)
        assert answer.status == 413 and "131072" in answer.json()["detail"], answer
    assert web.get("/api/v1/me", headers={"X-Long": "x" * 9000}).status == 431
    assert b" 414 " in web.raw(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert g.end() == 0


def test_all_bodies_together_have_their_memory(system):
    g = Gateway(system, "--http-body-memory", "4MiB", "--http-memory", "8MiB", "--http-receive-timeout", "30s")
    half = b"POST /api/v1/heal HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n" + b" " * 3_900_000
    clients = []
    for _ in range(3):
        s = socket.create_connection(g.address)
        s.settimeout(20)
        s.sendall(half)
        clients.append(s)
    answers = []
    for s in clients:
        s.sendall(b" " * 100_000)
        answers.append(s.recv(200).split(b"\r\n")[0])
        s.close()
    assert sum(b" 503 " in a for a in answers) >= 1, answers
    g.end()


def test_a_refusal_keeps_the_connection(open_gateway):
    """A client's connection outlives its mistakes, where the body that is not wanted is small."""
    c = open_gateway.web().connect(timeout=10)
    for method, path, body, status in (("POST", "/nowhere", b"x" * 1000, 404), ("PATCH", "/api/v1/nodes", b"{}", 405), ("GET", "/%zz", None, 400),
                                       ("GET", "/api/v1/me", None, 200)):
        c.request(method, path, body, {"Host": "localhost"})
        s = c.sock
        answer = c.getresponse()
        answer.read()
        assert answer.status == status
        assert c.sock is s, "the connection was closed"
    c.close()


def test_connections_are_counted(system):
    g = Gateway(system, "--http-connections-per-address", "3")
    clients = [socket.create_connection(g.address) for _ in range(3)]
    for s in clients:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in s.recv(4096)
    fourth = socket.create_connection(g.address)
    fourth.settimeout(10)
    try:
        fourth.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert fourth.recv(4096) == b""
    except ConnectionError:
        pass
    clients.pop().close()

    def answered():
        try:
            return g.web().get("/livez").status == 200
        except ConnectionError:
            return False
    until(answered, 10, "there is room again")
    assert g.end() == 0


def test_further_connections_wait_for_room(system):
    g = Gateway(system, "--http-connections", "16")
    clients = [socket.create_connection(g.address) for _ in range(16)]
    for s in clients:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in s.recv(4096)
    late = socket.create_connection(g.address)
    late.settimeout(1)
    late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with pytest.raises(TimeoutError):
        late.recv(1)
    clients[0].close()
    late.settimeout(10)
    assert b" 200 " in late.recv(4096)
    assert g.end() == 0


@pytest.mark.parametrize("words", [
    b"", b"GET /livez", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-", b"POST /api/v1/heal HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    b"POST /api/v1/heal HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 40000,
    b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
    b"GET /?" + b"a&" * 3000 + b" HTTP/1.1\r\n",
])
def test_who_sends_too_slowly_is_cut(slow, words):
    """Byte by byte, so that the connection is never idle."""
    s = socket.create_connection(slow.address)
    s.settimeout(0.3)
    cpu = slow.cpu_s
    begun = time.monotonic()
    ended = False
    try:
        s.sendall(words)
        while time.monotonic() - begun < 15:
            s.sendall(b"x" if words else b"\n")
            try:
                if s.recv(65536) == b"":
                    ended = True
                    break
            except TimeoutError:
                pass
    except ConnectionError:
        ended = True
    took = time.monotonic() - begun
    assert ended and took < 8, took
    assert slow.cpu_s - cpu < 1.5 + took / 3, "a connection that can go neither forth nor back costs a processor"


@pytest.fixture(scope="module")
def slow(system):
    g = Gateway(system, "--http-receive-timeout", "2s", "--http-idle-timeout", "2s")
    yield g
    assert g.end() == 0


# ---- TLS ----

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", d / "key.pem", "-out", d / "cert.pem", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,DNS:gate.example.org,IP:127.0.0.1"], check=True, capture_output=True)
    return d


def over_tls(g, certificate, request, **more):
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    for key, value in more.items():
        setattr(context, key, value)
    with socket.create_connection(g.address, 10) as s, context.wrap_socket(s, server_hostname="localhost") as t:
        t.sendall(request)
        answer = b""
        while more := t.recv(65536):
            answer += more
        return answer, t.version()


def test_tls(system, tokens, certificate):
    g = Gateway(system, "--http-tls-cert", certificate / "cert.pem", "--http-tls-key", certificate / "key.pem",
                "--http-tokens-file", tokens.path, "--http-receive-timeout", "3s", "--http-idle-timeout", "3s")
    assert g.url.startswith("https://127.0.0.1:")
    ask = b"GET /api/v1/me HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n" % tokens.of["read"].encode()
    answer, version = over_tls(g, certificate, ask)
    assert b" 200 " in answer and b'"scopes":["read"]' in answer and version in ("TLSv1.3", "TLSv1.2")
    assert b"Strict-Transport-Security: max-age=" in answer
    answer, _ = over_tls(g, certificate, ask.replace(b"gate.example.org", b"localhost"))
    assert b" 200 " in answer and b"Strict-Transport" not in answer  # other servers of this machine speak HTTP
    with pytest.raises((ssl.SSLError, ConnectionError)):
        over_tls(g, certificate, ask, minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)
    # Neither plain HTTP nor garbage nor silence in the handshake hold anything.
    for words in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", os.urandom(300), b"\x16\x03\x01\x00\xc8\x01", b""):
        with socket.create_connection(g.address, 10) as s:
            s.sendall(words)
            try:
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
    # A large body, and waiting while the connection is suspended.
    body = b"z" * 3_000_000
    answer, _ = over_tls(g, certificate, b"POST /api/v1/run/hash?wait=60s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
                         b"Content-Length: %d\r\n\r\n" % (tokens.of["submit"].encode(), len(body)) + body)
    assert b" 200 " in answer.split(b"\r\n")[0], answer[:500]
    assert g.end() == 0


def test_a_certificate_that_is_none_is_told(system, certificate, tmp_path):
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for words, told in ((["--http-tls-cert", junk, "--http-tls-key", junk], "is no PEM file"),
                        (["--http-tls-cert", certificate / "cert.pem"], "http.tls_key is missing"),
                        (["--http-tls-cert", certificate / "cert.pem", "--http-tls-key", certificate / "cert.pem"], "not a pair")):
        done = gateway_program("--http-listen", "127.0.0.1:0", *words, env=system.env)
        assert done.returncode == 2 and told in done.stderr, done.stderr


def test_the_configuration_shows_no_secret(system, certificate, tokens):
    done = gateway_program("--show-config", "--http-tokens-file", tokens.path, "--http-tls-cert", certificate / "cert.pem",
                           "--http-tls-key", certificate / "key.pem", env={**system.env, "NATS_PASSWORD": "very-secret"})
    assert done.returncode == 0 and "very-secret" not in done.stdout and "PRIVATE" not in done.stdout
    for secret in tokens.of.values():
        assert secret not in done.stdout


# ---- the end ----

def test_the_end_answers_who_waits(system):
    g = Gateway(system)
    answers = []

    def wait():
        begun = time.monotonic()
        answer = g.web(timeout=60).post("/api/v1/submit/sleep?wait=60s", body=b"15s")
        answers.append((answer, time.monotonic() - begun))
    waiting = [threading.Thread(target=wait) for _ in range(5)]
    for t in waiting:
        t.start()
    until(lambda: len(system.nats.api("STREAM.INFO.LANE_sleep")) and
          system.nats.api("CONSUMER.INFO.LANE_sleep.normal")["num_ack_pending"] >= 5, 30, "the five run")
    # One that still sends its body, and one that reads slowly, are let finish.
    upload = socket.create_connection(g.address)
    upload.settimeout(20)
    upload.sendall(b"POST /api/v1/submit/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
    idle = socket.create_connection(g.address)
    idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in idle.recv(4096)
    time.sleep(0.2)  # the headers must have been read; nothing tells
    begun = time.monotonic()
    g.process.terminate()
    until(lambda: "event=stopping" in g.log, 10, "it ends")
    upload.sendall(b" a body")
    assert b" 202 " in upload.recv(4096)
    assert g.process.wait(30) == 0
    assert time.monotonic() - begun < 10
    for t in waiting:
        t.join()
    assert [a.status for a, _ in answers] == [202] * 5, answers
    assert all(a.json()["state"] == "queued" for a, _ in answers)


def test_health_tells_a_stranger_only_whether_it_works(guarded, tokens):
    bare, full = guarded.web().get("/health"), guarded.web(tokens.of["read"]).get("/health")
    assert bare.status == full.status == 200
    assert bare.json()["healthy"] is True and bare.json()["stats"] == {} and "problems" not in bare.json()
    assert full.json()["stats"]["total_workers"] >= 1 and "problems" in full.json()
