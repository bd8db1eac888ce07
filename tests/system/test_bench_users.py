"""`millrace bench users`: what it counts, told apart by a server that behaves badly; and the real gateway."""
import json
import resource
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib.system import BIN, clean_env

SYSTEM = {"nodes": 1, "slots": 100, "gateway": True}
KEYS = {"bench", "scenario", "users", "seconds", "tasks", "tasks_per_s", "p50_ms", "p95_ms", "p99_ms", "max_ms", "errors", "error_rate",
        "refused_429", "refused_503", "given_up", "success_rate", "recovery_s", "uptime", "sla", "old"}


class Fake:
    """A gateway whose answers the test decides: answer(n, method, path, body) → status, headers, body (None: never)."""
    def __init__(self, answer, live=lambda: 200):
        self.answer, self.requests, self.hosts, self.connections, self.lock = answer, 0, set(), 0, threading.Lock()
        self.over = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                with fake.lock:
                    fake.connections += 1
                super().setup()

            def respond(self, method):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.hosts.add(self.headers["Host"])
                if self.path == "/livez":
                    return self.write(live(), {}, b"ok")
                with fake.lock:
                    fake.requests += 1
                    n = fake.requests
                got = fake.answer(n, method, self.path, json.loads(body) if body else None, self.headers)
                if got is None:
                    fake.over.wait(60)
                    self.close_connection = True
                    return
                self.write(*got)

            def write(self, status, headers, body):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.respond("GET")

            def do_POST(self):
                self.respond("POST")

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size, daemon_threads = 256, True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def done(n, body):
    return 200, {}, json.dumps({"id": f"t{n}", "state": "completed", "result": body["payload"]}).encode()


def bench(*words, check=None, env=None, **more):
    ran = subprocess.run([BIN / "millrace", "bench", "users", "--json", *map(str, words)], env=clean_env(**(env or {})), capture_output=True,
                         text=True, timeout=120, **more)
    assert check is None or ran.returncode == check, (ran.returncode, ran.stdout, ran.stderr)
    return [json.loads(line) for line in ran.stdout.splitlines()], ran


@pytest.fixture
def fake():
    made = []

    def start(answer, **more):
        made.append(Fake(answer, **more))
        return made[-1]
    yield start
    for f in made:
        f.close()


def test_users_submit_wait_think_and_submit_again(fake):
    f = fake(lambda n, method, path, body, headers: done(n, body))
    (figures,), _ = bench("--url", f.url + "/", "--users", 10, "--duration", "3s", "--think", "500ms", check=0)
    assert KEYS <= figures.keys() and figures["scenario"] == "own" and figures["users"] == 10
    assert figures["errors"] == 0 and figures["success_rate"] == 1 and figures["uptime"] == 1 and figures["sla"]["ok"]
    assert 35 <= figures["tasks"] <= 60, "ten users, a task each half second but for the ramp"
    assert f.connections == 12, "one each that is kept, one for /livez and one that looks for recovery"
    assert f.hosts == {f.url[len("http://"):]}, "each asks for the gateway by its own name"


def test_a_task_that_goes_on_is_asked_for(fake):
    asked = {}

    def answer(n, method, path, body, headers):
        if method == "POST":
            asked[n] = body["payload"]
            return 202, {}, json.dumps({"id": f"t{n}", "state": "queued"}).encode()
        at = int(path.split("/t")[-1].split("?")[0])
        assert path == f"/api/v1/tasks/t{at}?wait=20s"
        if n % 2:
            return 200, {}, json.dumps({"id": f"t{at}", "state": "running"}).encode()
        return 200, {}, json.dumps({"id": f"t{at}", "state": "completed", "result": asked[at]}).encode()
    (figures,), _ = bench("--url", fake(answer).url, "--users", 2, "--duration", "2s", "--think", "200ms", check=0)
    assert figures["tasks"] > 4 and figures["errors"] == 0, figures


def test_refusals_are_told_apart_and_waited_for(fake):
    def answer(n, method, path, body, headers):
        if n % 3 == 0:
            return 429, {"Retry-After": "1"}, b"{}"
        if n % 3 == 1:
            return 503, {"Retry-After": "1"}, b"{}"
        return done(n, body)
    (figures,), _ = bench("--url", fake(answer).url, "--users", 6, "--duration", "6s", "--think", "100ms")
    assert figures["refused_429"] > 0 and figures["refused_503"] > 0
    assert figures["errors"] == 0 and figures["error_rate"] == 0 and figures["p99_ms"] < 500
    assert figures["in_all_p95_ms"] >= 1000, "with the waits that the refusals told"
    assert figures["refused_429"] + figures["refused_503"] < 6 * 8, "each of them was waited for"


def test_a_refusal_that_never_ends_is_no_success(fake):
    (figures,), _ = bench("--url", fake(lambda *_: (503, {"Retry-After": "1"}, b"")).url, "--users", 3, "--duration", "2s", check=1)
    assert figures["given_up"] == 3 and figures["errors"] == 0 and figures["success_rate"] == 0
    assert figures["p95_ms"] is None and figures["recovery_s"] is None
    assert not figures["sla"]["ok"] and not figures["sla"]["recovery"] and not figures["sla"]["success"]


@pytest.mark.parametrize("wrong,words", [
    ((503, {}, b""), "503 without Retry-After"),
    ((500, {}, b'{"detail": "it broke"}'), "500: it broke"),
    ((200, {}, b'{"id": "x", "state": "completed", "result": "another"}'), "another one's result"),
    ((200, {}, b'{"id": "x", "state": "dead", "error": "out of paper"}'), "task x is dead: out of paper"),
    ((200, {}, b"not json"), "no JSON"),
])
def test_errors_are_counted_and_the_first_is_told(fake, wrong, words):
    f = fake(lambda n, method, path, body, headers: wrong if n % 10 == 5 else done(n, body))
    (figures,), _ = bench("--url", f.url, "--users", 5, "--duration", "2s", "--think", "100ms", check=1)
    assert figures["errors"] >= 2 and words in figures["first_error"] and figures["tasks"] > 10
    assert 0.02 < figures["error_rate"] < 0.3 and not figures["sla"]["errors"] and figures["sla"]["p95"]


def test_a_server_that_hangs_up(fake):
    lost = []

    def answer(n, method, path, body, headers):
        if n == 3:
            lost.append(n)
            raise ConnectionAbortedError
        return done(n, body)
    (figures,), _ = bench("--url", fake(answer).url, "--users", 4, "--duration", "2s", "--think", "100ms")
    assert lost and figures["errors"] <= 1 and figures["tasks"] > 10  # a kept connection that is gone may be tried once more


def test_livez_is_the_uptime(fake):
    calls = []

    def live():
        calls.append(1)
        return 200 if len(calls) % 2 else 503
    f = fake(lambda n, method, path, body, headers: done(n, body), live=live)
    (figures,), _ = bench("--url", f.url, "--users", 2, "--duration", "6s", check=1)
    assert 0.2 < figures["uptime"] < 0.8 and not figures["sla"]["uptime"] and figures["sla"]["success"]


def test_a_token_is_sent(fake, tmp_path):
    (tmp_path / "token").write_text("secret-1\n")
    seen = set()

    def answer(n, method, path, body, headers):
        seen.add(headers["Authorization"])
        return done(n, body)
    f = fake(answer)
    bench("--url", f.url, "--users", 1, "--duration", "1s", "--token-file", tmp_path / "token", check=0)
    assert seen == {"Bearer secret-1"}
    (tmp_path / "token").write_text("")
    assert "holds no token" in bench("--url", f.url, "--users", 1, "--token-file", tmp_path / "token", check=2)[1].stderr


def test_its_words(fake):
    assert "none of 100, 500, 1000, spike, endurance" in bench("--scenario", "5000", check=2)[1].stderr
    assert "--time-scale" in bench("--time-scale", "0", check=2)[1].stderr
    assert "--users" in bench("--users", "3", "--scenario", "100", check=2)[1].stderr
    assert "--duration" in bench("--duration", "3s", check=2)[1].stderr
    assert "no address" in bench("--url", "gopher://x", "--users", "1", check=2)[1].stderr
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "cannot reach the gateway" in bench("--url", f"http://127.0.0.1:{closed.getsockname()[1]}", "--users", 1, check=5)[1].stderr


def test_too_few_descriptors(fake):
    f = fake(lambda n, method, path, body, headers: done(n, body))
    # The soft limit is raised by itself; beyond the hard one it is an error that says so.
    bench("--url", f.url, "--users", 60, "--duration", "1s", check=0, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 4096)))
    ran = bench("--url", f.url, "--users", 300, check=2, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))[1]
    assert "300 users need" in ran.stderr and "256" in ran.stderr and "LimitNOFILE" in ran.stderr


def test_the_table_has_the_old_figures(system):
    """The real gateway; the scenarios in a part of their time."""
    done = system.cli("bench", "users", "--scenario", "100", "--scenario", "1000", "--time-scale", "0.02", timeout=120, check=False)
    rows = [line.split("\t") for line in done.out.splitlines()]
    head = rows[0]
    assert [r[0] for r in rows[1:]] == ["100", "  before", "1000", "  before"]
    hundred, before = dict(zip(head, rows[1])), dict(zip(head, rows[2]))
    assert float(hundred["ERRORS %"]) == 0 and float(hundred["SUCCESS %"]) == 100 and hundred["PROMISE"] in ("kept", "BROKEN")
    assert before["TASKS/S"] == "150" and before["P95 MS"] == "420" and before["ERRORS %"] == "0.20"


def test_every_task_was_one(system):
    """What users were told is what is stored."""
    before = system.sql("select count(*) n from millrace.tasks where type = 'echo' and state = 4")[0]["n"]
    figures, = system.cli_json("bench", "users", "--users", "30", "--duration", "3s", timeout=90)
    assert figures["errors"] == 0 and figures["given_up"] == 0
    after = system.sql("select count(*) n from millrace.tasks where type = 'echo' and state = 4")[0]["n"]
    assert figures["tasks"] + 3 <= after - before <= figures["tasks"] + 3 + 10  # and those that looked for recovery


def test_a_system_of_its_own(tmp_path):
    (figures,), ran = bench("--users", 20, "--duration", "2s", "--dir", tmp_path / "own", "--nodes", 1)
    assert ran.returncode in (0, 1) and figures["errors"] == 0, ran.stderr
    assert {"broker", "postgresql", "router", "store", "node", "gateway"} <= figures["cpu_us_per_task"].keys()
    assert not (tmp_path / "own").exists()
