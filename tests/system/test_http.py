"""The http handler against a real server: what a status means, what it sends, what a breaker spares."""
import json
import socket
import ssl
import subprocess
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import shutil
import tempfile

import pytest

from lib.system import System
from lib.wait import until


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, start=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen, self.connections, self.busy, self.most, self.lock = [], set(), 0, 0, threading.Lock()
        self.healthy = True
        if start:
            self.start()

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is what some of these tests are about

    @property
    def port(self):
        return self.server_address[1]

    def of(self, task_id):
        with self.lock:
            return [r for r in self.seen if r["headers"].get("Task-Id") == task_id]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with server.lock:
            server.seen.append({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body,
                                "at": time.monotonic()})
            server.connections.add(self.client_address)
            server.busy += 1
            server.most = max(server.most, server.busy)
        try:
            self.act(body)
        finally:
            with server.lock:
                server.busy -= 1

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def act(self, body):
        what, _, rest = self.path.lstrip("/").partition("/")
        attempt = int(self.headers.get("Task-Attempt", 0))
        if what == "echo":
            self.answer(200, body, Content_Type=self.headers.get("Content-Type", "application/x-none"))
        elif what == "status":
            self.answer(int(body), b"as you wish\nsecond line")
        elif what == "once":  # the first attempt is refused, with the words of rest
            if attempt > 1:
                self.answer(200, b"second time")
            elif body == b"date":
                self.answer(503, b"", Retry_After=formatdate(time.time() + 3, usegmt=True))
            else:
                self.answer(429, b"", Retry_After="2")
        elif what == "moved":
            self.answer(302, b"", Location="/echo")
        elif what == "large":
            self.answer(200, b"z" * 5000)
        elif what == "slow":
            time.sleep(float(body))
            try:
                self.answer(200, b"late")
            except OSError:
                pass
        elif what == "sick":
            self.answer(200 if self.server.healthy else 500, b"well" if self.server.healthy else b"sick")
        else:
            self.answer(404, b"no such path")


MADE = Path(tempfile.mkdtemp(prefix="millrace-test-http-"))


def tls_server():
    """With a certificate that only those take who were told of it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", MADE / "key.pem", "-out", MADE / "cert.pem"],
                   check=True, capture_output=True)
    made = Server(start=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(MADE / "cert.pem", MADE / "key.pem")
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    made.start()
    return made


server, sick, secure = Server(), Server(), tls_server()
with socket.socket() as s:  # a port where nobody listens
    s.bind(("127.0.0.1", 0))
    DEAF = s.getsockname()[1]
(MADE / "secret").write_text("Bearer s3cret\n")
HERE = f"http://127.0.0.1:{server.port}"
QUIET = "breaker: {failures: 0, percent: 0}, connections: 4"
(MADE / "handlers.yaml").write_text(f"""
handlers:
  - type: count
    kind: exec
    command: [wc, -c]
  - {{type: post, kind: http, url: "{HERE}/echo/{{id}}?type={{type}}&customer={{header.X-Customer}}", url_headers: [X-Customer],
     headers: {{X-Fixed: fixed}}, headers_file: {{Authorization: {MADE}/secret}}, headers_env: {{X-Env: MILLRACE_TEST_HEADER}}, {QUIET}}}
  - {{type: upload, kind: http, url: "{HERE}/echo", method: PUT, response: 64MiB, {QUIET}}}
  - {{type: fetch, kind: http, url: "{HERE}/echo", method: GET, {QUIET}}}
  - {{type: status, kind: http, url: "{HERE}/status", {QUIET}}}
  - {{type: once, kind: http, url: "{HERE}/once", {QUIET}}}
  - {{type: moved, kind: http, url: "{HERE}/moved", {QUIET}}}
  - {{type: follow, kind: http, url: "{HERE}/moved", redirects: 3, {QUIET}}}
  - {{type: large, kind: http, url: "{HERE}/large", response: 4KiB, {QUIET}}}
  - {{type: slow, kind: http, url: "{HERE}/slow", {QUIET}}}
  - {{type: deaf, kind: http, url: "http://127.0.0.1:{DEAF}/", breaker: {{failures: 0, percent: 0}}}}
  - {{type: trusted, kind: http, url: "https://127.0.0.1:{secure.port}/echo", tls: {{ca: {MADE}/cert.pem}}, {QUIET}}}
  - {{type: unknown, kind: http, url: "https://127.0.0.1:{secure.port}/echo", {QUIET}}}
  - {{type: misnamed, kind: http, url: "https://localhost:{secure.port}/echo", tls: {{ca: {MADE}/cert.pem}}, {QUIET}}}
  - {{type: sick, kind: http, url: "http://127.0.0.1:{sick.port}/sick", breaker: {{failures: 3, percent: 0, open: 4s, probes: 1}}}}
""")


@pytest.fixture(scope="module")
def system():
    s = System(tempfile.mkdtemp(prefix="millrace-test-"), nodes=1, handlers=MADE / "handlers.yaml", bridge=False, slots=16)
    s.start({"MILLRACE_TEST_HEADER": "from the environment"})
    yield s
    s.stop()
    s.remove()
    server.shutdown()
    sick.shutdown()
    secure.shutdown()
    shutil.rmtree(MADE)


def test_the_body_goes_out_and_the_answer_is_the_result(system):
    system.submit("post", b"\x00binary\xff", task_id="post-1", x_customer="a/b ../c", content_type="application/x-odd",
                  traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    task = system.finished("post-1", "completed")
    assert task["content_type"] == "application/x-odd"
    (request,) = server.of("post-1")
    assert request["method"] == "POST" and request["body"] == b"\x00binary\xff"
    assert request["path"] == "/echo/post-1?type=post&customer=a%2Fb%20..%2Fc"
    headers = request["headers"]
    assert headers["Task-Attempt"] == "1" and headers["Idempotency-Key"] == "post-1"
    assert headers["Authorization"] == "Bearer s3cret" and headers["X-Fixed"] == "fixed"
    assert headers["X-Env"] == "from the environment"
    assert headers["traceparent"].startswith("00-0af7") and "Expect" not in headers
    assert int(headers["Task-Execution-Epoch"]) == task["epoch"]


def test_a_task_without_the_header_that_the_address_needs_is_for_good(system):
    for task_id, more in (("needs-1", {}), ("needs-2", {"x_customer": ".."})):
        task = system.finished(system.submit("post", b"x", task_id=task_id, **more), "dead")
        assert task["attempt"] == 1 and "header.X-Customer" in task["error"] and not server.of(task_id)


def test_a_get_sends_no_body(system):
    system.finished(system.submit("fetch", b"not sent", task_id="get-1"), "completed")
    (request,) = server.of("get-1")
    assert request["method"] == "GET" and request["body"] == b"" and "Content-Type" not in request["headers"]


@pytest.mark.parametrize("status,attempts", [(400, 1), (404, 1), (409, 1), (422, 1), (408, 2), (425, 2), (500, 2), (503, 2)])
def test_what_a_status_means(system, status, attempts):
    task_id = system.submit("status", str(status).encode(), task_id=f"status-{status}", task_attempts="2", task_backoff="50ms")
    task = system.finished(task_id, "dead")
    assert task["attempt"] == attempts and len(server.of(task_id)) == attempts
    assert f"answered {status}: as you wish" in task["error"] and "\n" not in task["error"]


@pytest.mark.parametrize("how,least,most", [("seconds", 1.9, 20), ("date", 1.5, 20)])
def test_retry_after_is_kept(system, how, least, most):
    task_id = system.submit("once", how.encode(), task_id=f"after-{how}", task_backoff="50ms")
    assert system.finished(task_id, "completed")["result"] == "second time"
    first, second = server.of(task_id)
    assert least <= second["at"] - first["at"] <= most
    assert first["headers"]["Idempotency-Key"] == second["headers"]["Idempotency-Key"] == task_id


def test_redirects_are_followed_only_where_that_was_said(system):
    task = system.finished(system.submit("moved", b"x", task_id="moved-1"), "dead")
    assert task["attempt"] == 1 and "redirects are not followed" in task["error"]
    system.finished(system.submit("follow", b"x", task_id="moved-2"), "completed")


def test_an_answer_over_its_limit_is_for_good(system):
    task = system.finished(system.submit("large", b"x", task_id="large-1"), "dead")
    assert task["attempt"] == 1 and "more than 4096 bytes" in task["error"]


def test_a_timeout_aborts_the_transfer(system):
    began = time.monotonic()
    task = system.finished(system.submit("slow", b"20", task_id="slow-1", task_timeout="1s", task_attempts="1"), "dead")
    assert task["reason"] == "timeout" and time.monotonic() - began < 15


def test_nobody_there_is_tried_again(system):
    task = system.finished(system.submit("deaf", b"x", task_id="deaf-1", task_attempts="2", task_backoff="50ms"), "dead")
    assert task["attempt"] == 2 and f"127.0.0.1:{DEAF}" in task["error"]


def test_a_host_must_prove_who_it_is(system):
    system.submit("trusted", b"safe", task_id="tls-1")
    assert system.finished("tls-1", "completed")["result"] == "safe"
    for task_type in ("unknown", "misnamed"):
        task_id = system.submit(task_type, b"safe", task_id=f"tls-{task_type}", task_attempts="1")
        task = system.finished(task_id, "dead")
        assert "SSL" in task["error"] and not secure.of(task_id), task["error"]


def test_connections_are_reused_and_bounded(system):
    with server.lock:
        server.connections.clear()
        server.most = 0
    ids = [system.submit("slow", b"0.05", task_id=f"many-{i}") for i in range(60)]
    for task_id in ids:
        system.finished(task_id, "completed")
    with server.lock:
        assert server.most <= 4 and len(server.connections) <= 6, (server.most, server.connections)


def test_an_object_is_streamed_as_the_body(system):
    data = bytes(range(256)) * 20_000  # 5 MB
    done = system.cli("submit", "upload", "--file", "-", "--id", "stream-1", "--wait=60s", input=data)
    assert done.stdout == data
    (request,) = server.of("stream-1")
    assert request["method"] == "PUT" and request["body"] == data


def test_a_sick_host_is_left_alone_and_no_attempt_is_spent(system):
    sick.healthy = False
    dead = [system.submit("sick", b"x", task_id=f"sick-{i}", task_attempts="1") for i in range(3)]
    for task_id in dead:
        system.finished(task_id, "dead")
    opened = time.monotonic()
    until(lambda: "breaker=open" in system.log("node-1"), 10, "the breaker opens")
    spared = [system.submit("sick", b"x", task_id=f"spared-{i}", task_attempts="1") for i in range(10)]
    until(lambda: system.sql("select count(*) as n from millrace.attempts where reason = 'breaker'")[0]["n"] == 10, 20,
          "all came back")
    assert not any(sick.of(i) for i in spared)
    assert all(system.task(i)["state"] in ("scheduled", "queued") for i in spared)
    sick.healthy = True
    for task_id in spared:
        task = system.finished(task_id, "completed", timeout=90)
        assert task["attempt"] == 1 and task["result"] == "well"
    assert min(sick.of(i)[0]["at"] for i in spared) - opened >= 3.5
    assert "breaker=half-open" in system.log("node-1") and "breaker=closed" in system.log("node-1")
    answers = system.nats.subscribe("_INBOX.metrics.http")
    system.nats.publish("ctl.metrics", b"", reply="_INBOX.metrics.http")
    wanted = f'millrace_node_http_breaker_opened_total{{host="http://127.0.0.1:{sick.port}"}} 1'.encode()
    until(lambda: wanted in answers.next(10).data, 30, "the node's metrics")
    answers.close()
