"""`millrace dev` and the gateway: HTTP is a component like the others; `doctor` looks at it, quickstart and units know it."""
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from lib.http import Http
from lib.system import BIN, ROOT, clean_env
from lib.wait import until

SYSTEM = {"nodes": 1, "gateway": True}


def alive(base):
    try:
        return Http(base).get("/livez", timeout=5).status == 200
    except OSError:
        return False


def test_status_and_env_tell_its_address(system):
    status = system.status()
    assert status["http_url"] == system.http and re.fullmatch(r"http://127\.0\.0\.1:\d+", system.http)
    assert system.component("gateway")["state"] == "ready" and alive(system.http)
    assert f"Dashboard   {system.http}\n" in system.dev("status").stdout
    told = subprocess.run(["sh", "-c", f'eval "$("{BIN}/millrace" dev env --dir "{system.dir}")"; echo "$MILLRACE_HTTP"'],
                          env=clean_env(), capture_output=True, text=True).stdout.strip()
    assert told == system.http


def test_a_task_by_http(system):
    answer = system.web.post("/api/v1/tasks?wait=30s", {"type": "echo", "payload": "hello"})
    assert answer.status == 200, answer
    assert answer.json()["state"] == "completed" and answer.json()["result"] == "hello"


def test_it_is_started_again_at_the_same_address(system):
    system.allow("level=error")
    pid = system.kill("gateway")
    system.wait_ready("gateway", not_pid=pid)
    assert "gateway ended with signal 9" in system.log("dev")
    assert system.status()["http_url"] == system.http and alive(system.http)


def test_it_can_be_held(system):
    system.hold("gateway")
    assert not alive(system.http)
    system.finished(system.submit("echo", "without it"), "completed")
    system.release("gateway")
    assert alive(system.http)


def test_doctor_looks_at_it(system):
    def findings(**env):
        rows = [json.loads(line) for line in system.cli("doctor", "--json", check=False, env=env).out.splitlines()]
        return [r for r in rows if r["check"] == "gateway"], [r for r in rows if "gateway" in r["detail"] and r["check"] == "components"]
    found, components = findings()
    assert [(r["state"], r["detail"]) for r in found] == [("ok", f"{system.http} is ready")]
    assert [r["detail"] for r in components] == ["millrace-gateway: 1"]
    assert findings(MILLRACE_HTTP="")[0] == [], "it is not looked for where nobody says where it is"
    (row,), _ = findings(MILLRACE_HTTP="ftp://x")
    assert row["state"] == "wrong" and "MILLRACE_HTTP: 'ftp://x'" in row["detail"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens on it, and nobody else gets it
        (row,), _ = findings(MILLRACE_HTTP=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert row["state"] == "wrong" and "nobody answers" in row["detail"] and "millrace-gateway" in row["remedy"]


def test_doctor_tells_a_gateway_that_is_not_ready(own_system):
    s = own_system(nodes=1, gateway=True)
    s.allow("level=error|FATAL|ERROR: ")
    s.hold("broker", kill=True)
    until(lambda: s.web.get("/readyz").status == 503, 30, "not ready")
    rows = [json.loads(line) for line in s.cli("doctor", "--json", check=False).out.splitlines()]
    row, = [r for r in rows if r["check"] == "gateway"]
    assert row["state"] == "wrong" and "not ready" in row["detail"], row
    s.release("broker")
    until(lambda: s.web.get("/readyz").status == 200, 60, "ready again")


def test_words_reach_it(own_system):
    s = own_system(nodes=1, gateway=["--http-connections=77", "--log-level", "debug"])
    words = Path(f"/proc/{s.pid('gateway')}/cmdline").read_bytes().split(b"\0")
    assert {b"--http-connections=77", b"--log-level", b"debug"} <= set(words)


def test_without_it_nothing_is_told(own_system):
    s = own_system(nodes=1)
    assert s.status()["http_url"] == "" and "gateway" not in [c["name"] for c in s.status()["components"]]
    assert "Dashboard" not in s.dev("status").stdout


@pytest.mark.parametrize("words", [["--no-gateway", "--http-port", "0"], ["--http-port", "70000"], ["--http-port", "-1"]])
def test_words_that_do_not_fit(tmp_path, words):
    done = subprocess.run([BIN / "millrace", "dev", "--dir", tmp_path / "run", *words], env=clean_env(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "--http-port" in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([BIN / "millrace", "dev", "--dir", tmp_path / "run", "--http-port", str(port)], env=clean_env(),
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and f"port {port}" in done.stderr and "in use" in done.stderr


def test_quickstart_submits_over_http(own_system):
    s = own_system(nodes=2, handlers=ROOT / "examples/nodes/handlers.yaml", gateway=True)

    def work(**env):
        return subprocess.run(["python3", ROOT / "deploy/quickstart_work.py", BIN / "millrace"], env={**s.env, **env}, capture_output=True,
                              text=True, timeout=200)
    done = work()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^over HTTP: POST /api/v1/tasks\?wait=30s -> completed, its result in [0-9.]+ ms$", done.stdout, re.M), done.stdout
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = work(MILLRACE_HTTP=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert done.returncode == 1 and "WRONG" in done.stdout.splitlines()[-1], done.stdout


def test_units_are_alike():
    """What is there for one service is there for the gateway; systemd itself finds nothing to complain of."""
    def keys(name):
        return [line.split("=")[0] for line in (ROOT / "deploy/systemd" / name).read_text().splitlines() if "=" in line and line[0] != "#"]
    assert keys("millrace-gateway.service") == [k for k in keys("millrace-router.service") if k != "TimeoutStartSec"]
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    done = subprocess.run(["systemd-analyze", "verify", ROOT / "deploy/systemd/millrace-gateway.service"], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "millrace-gateway.service:" in line and "not executable" not in line and "No such file" not in line]
    assert not ours, done.stderr
