"""`millrace dev`: the whole system on one machine, and nothing of it left behind."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib.system import BIN, System, clean_env
from lib.wait import until


def test_status_and_env(system):
    status = system.status()
    assert {"nats_url", "database_url", "http_url", "components"} <= status.keys()
    for component in status["components"]:
        assert {"name", "pid", "state"} <= component.keys() and component["state"] == "ready"
        os.kill(component["pid"], 0)
    names = [c["name"] for c in status["components"]]
    assert names == ["broker", "postgresql", "router", "store", "node-1", "node-2", "bridge"]
    exported = subprocess.run(["sh", "-c", f'eval "$("{BIN}/millrace" dev env --dir "{system.dir}")"; '
                               'echo "$NATS_URL|$DATABASE_URL|${MILLRACE_HTTP-unset}"'],
                              env=clean_env(), capture_output=True, text=True).stdout.strip()
    assert exported.startswith(f"{system.nats_url}|{system.database_url}|") and not exported.endswith("unset")


def test_second_start_says_what_runs(system):
    done = system.dev("--detach")
    assert done.returncode == 1 and "already" in done.stderr and system.nats_url in done.stdout
    done = subprocess.run([BIN / "millrace", "dev", "--dir", system.dir], env=clean_env(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "already" in done.stderr


@pytest.mark.parametrize("name", ["router", "store", "node-2", "broker", "postgresql", "bridge"])
def test_what_crashes_is_started_again_and_said(system, name):
    system.allow("level=error|FATAL|PANIC|ERROR: ")
    pid = system.kill(name)
    system.wait_ready(name, not_pid=pid)
    assert f"{name} ended with signal 9" in system.log("dev")
    system.finished(system.submit("echo", "after"), "completed")


def test_stop_one_and_start_it_again(system):
    system.hold("node-1")
    assert system.component("node-1")["state"] == "stopped"
    system.finished(system.submit("echo", "the other does it"), "completed")
    system.release("node-1")
    done = system.dev("stop", "no-such")
    assert done.returncode == 3


def test_stop_and_start_return_when_it_is_so(system):
    """A start right after a stop used to be lost, and was said to be done."""
    for words in (["stop", "node-2"], ["start", "node-2"], ["stop", "node-2", "--kill"], ["start", "node-2"]):
        assert system.dev(*words).returncode == 0, words
        assert system.component("node-2")["state"] == {"stop": "stopped", "start": "ready"}[words[0]]


def test_a_node_that_is_stopped_by_its_name_stays_away(system):
    done = system.cli("node", "stop", "node-2", "--wait=30s")
    assert "stopped" in done.err
    until(lambda: system.component("node-2")["state"] == "stopped", 20, "held")
    system.release("node-2")


def alive(pid):
    """Not gone, and not merely waiting for init to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_outlives_a_killed_supervisor(own_system):
    system = own_system()
    system.finished(system.submit("echo", "x"), "completed")
    pids = [c["pid"] for c in system.status()["components"]]
    os.kill(system.status()["pid"], signal.SIGKILL)
    until(lambda: not system.processes(), 15, "all gone")
    assert not any(alive(pid) for pid in pids)
    # And it starts again over what is there.
    url = system.nats_url
    system.start()
    assert system.nats_url == url, "the ports are remembered"
    assert system.sql("select count(*) as n from millrace.tasks where state = 4")[0]["n"] == 1


def gated_broker(tmp_path):
    """A nats-server that does not even tell its version while the gate is there: `dev` hangs in its first steps."""
    gate, script = tmp_path / "gate", tmp_path / "nats-server"
    gate.touch()
    script.write_text(f'#!/bin/sh\nwhile [ -e "{gate}" ]; do sleep 0.05; done\nexec {shutil.which("nats-server")} "$@"\n')
    script.chmod(0o755)
    return gate, {"MILLRACE_DEV_NATS_SERVER": str(script)}


def test_stop_while_it_is_only_starting(tmp_path):
    system = System(tmp_path / "run")
    gate, env = gated_broker(tmp_path)
    child = subprocess.Popen([BIN / "millrace", "dev", "--dir", system.dir], env=clean_env(**env), stderr=subprocess.PIPE)
    try:
        until(lambda: "only starting" in system.dev("status").stderr, 20, "it has begun")
        stop = subprocess.Popen([BIN / "millrace", "dev", "stop", "--dir", system.dir], env=clean_env(), stderr=subprocess.PIPE)
        gate.unlink()
        assert stop.wait(60) == 0, stop.stderr.read()
        assert child.wait(60) == 0, child.stderr.read()
    finally:
        child.terminate()
        child.wait()
    assert not system.processes()


@pytest.mark.parametrize("words", [["dev", "--detach"], ["bench", "submit"]])
def test_ctrl_c_takes_along_what_was_being_started(tmp_path, words):
    system = System(tmp_path / "run")
    gate, env = gated_broker(tmp_path)
    child = subprocess.Popen([BIN / "millrace", *words, "--dir", system.dir], env=clean_env(**env), stderr=subprocess.PIPE,
                             start_new_session=True)
    until(lambda: "only starting" in system.dev("status").stderr, 20, "it has begun")
    child.send_signal(signal.SIGINT)
    gate.unlink()
    assert child.wait(60) == 130, child.stderr.read()
    assert system.dev("status").returncode == 3 and not system.processes()


@pytest.mark.parametrize("how", [[], ["--detach"]])
def test_what_does_not_start_has_its_last_words_told(tmp_path, how):
    script = tmp_path / "nats-server"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "nats-server: v2.12.0" && exit\n'
                      'for i in $(seq 40); do echo "line $i: this and that was done and went as well as could be"; done\n'
                      'printf "\\033[31mthe reason\\n"\nexit 1\n')
    script.chmod(0o755)
    done = subprocess.run([BIN / "millrace", "dev", "--dir", tmp_path / "run", *how], timeout=60, capture_output=True,
                          env=clean_env(MILLRACE_DEV_NATS_SERVER=str(script)))
    assert done.returncode == 1 and b"the reason" in done.stderr, done.stderr
    assert b"\x1b" not in done.stderr and b"line 39" in done.stderr


def test_a_directory_whose_name_is_no_text(tmp_path):
    done = subprocess.run([str(BIN / "millrace").encode(), b"dev", b"--dir", os.fsencode(tmp_path) + b"/\xff"], env=clean_env(),
                          capture_output=True, timeout=30)
    assert done.returncode == 2 and b"no UTF-8" in done.stderr, done.stderr


def test_start_after_a_kill_in_initdb(tmp_path):
    """What initdb had started goes on for a moment, in the directory that the next start makes anew."""
    system = System(tmp_path / "run", nodes=0, bridge=False)
    child = subprocess.Popen([BIN / "millrace", "dev", "--dir", system.dir], env=clean_env())
    until(lambda: (system.dir / "pg.new/base/4").exists(), 60, "initdb is under way", every=0.01)
    child.kill()
    child.wait()
    system.start()
    assert system.dev("stop").returncode == 0  # not stop(): the log may tell how initdb's child ended


def test_a_lost_password_is_named(own_system):
    system = own_system(nodes=0, bridge=False)
    assert system.dev("stop").returncode == 0
    password = system.dir / "pg.password"
    kept = password.read_text()
    password.unlink()
    done = system.dev("--detach")
    assert done.returncode == 1 and "pg.password" in done.stderr and "purge" in done.stderr
    password.write_text(kept)


def test_a_record_left_behind_is_nobody_to_stop(tmp_path):
    """The pid in the record of a killed supervisor may be anybody's by now."""
    system = System(tmp_path / "run")
    system.dir.mkdir()
    somebody, leftover = (subprocess.Popen(["sleep", "100"]) for _ in range(2))
    ticks = int(Path(f"/proc/{leftover.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    (system.dir / "dev.json").write_text(json.dumps({
        "pid": somebody.pid, "ready": True, "nats_url": "", "control": "@x",
        "components": [{"name": "router", "pid": leftover.pid, "start_ticks": ticks, "state": "ready"}]}))
    child = subprocess.Popen([BIN / "millrace", "dev", "--dir", system.dir], env=clean_env(), stderr=subprocess.PIPE)
    try:
        # It waits for the leftover to end, with the old record still there.
        until(lambda: "only starting" in system.dev("status").stderr, 8, "it has begun")
        assert system.dev("stop").returncode == 0
        child.wait(20)
        assert somebody.poll() is None, "a stranger was ended"
    finally:
        for process in (somebody, leftover, child):
            process.kill()
            process.wait()


def test_ports_taken_by_others_are_replaced(own_system):
    import socket
    system = own_system(nodes=0, bridge=False)
    port = int(system.nats_url.rsplit(":", 1)[1])
    assert system.dev("stop").returncode == 0
    with socket.socket() as s:
        s.bind(("127.0.0.1", port))
        s.listen()
        system.start()
        assert not system.nats_url.endswith(f":{port}")


def test_foreground_ends_on_ctrl_c_in_order(tmp_path):
    child = subprocess.Popen([BIN / "millrace", "dev", "--dir", tmp_path / "run", "--nodes", "1", "--load", "50"],
                             env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    lines = []
    while not any(b"Ctrl-C" in line for line in lines):
        line = child.stdout.readline()
        assert line, child.stderr.read()
        lines.append(line)
    system = System(tmp_path / "run")
    status = system.status()
    system.nats_url, system.database_url = status["nats_url"], status["database_url"]
    until(lambda: system.sql("select count(*) as n from millrace.tasks where state = 4")[0]["n"] >= 100, 30, "the load's tasks")
    assert {row["type"] for row in system.sql("select distinct type from millrace.tasks")} == {"echo", "hash", "stats"}
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0 and b"all ended" in err
    assert not system.processes()
    assert not system.bad_lines()
    assert "draining" in system.log("node-1")


def test_purge_removes_what_it_made_and_nothing_else(own_system):
    system = own_system(nodes=0, bridge=False)
    (system.dir / "bin").mkdir()
    (system.dir / "bin" / "mine").write_text("x")
    assert system.dev("purge").returncode == 0
    assert sorted(p.name for p in system.dir.iterdir()) == ["bin"]
    assert system.dev("status").returncode == 3
    (system.dir / "log").mkdir()


def test_purge_of_a_directory_that_never_held_a_system(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mine").write_text("x")
    done = System(tmp_path).dev("purge")
    assert done.returncode == 0 and "no system" in done.stderr
    assert (tmp_path / "log" / "mine").exists()


def test_purge_after_a_killed_supervisor(own_system):
    system = own_system(nodes=0, bridge=False)
    os.kill(system.status()["pid"], signal.SIGKILL)
    assert system.dev("purge").returncode == 0
    assert not system.dir.exists() and not system.processes()
    (system.dir / "log").mkdir(parents=True)


def test_a_system_whose_directory_is_removed_ends_by_itself(tmp_path):
    system = System(tmp_path / "gone", nodes=1).start()
    supervisor = system.status()["pid"]
    # It notices in the midst of it, and then removes files of its own.
    until(lambda: not system.dir.exists() or shutil.rmtree(system.dir, ignore_errors=True), 20, "the directory is gone")
    until(lambda: not alive(supervisor), 60, "the supervisor ends")
    assert not system.processes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a directory that others cannot pass")
def test_below_a_private_directory_of_root():
    home = Path(tempfile.mkdtemp(prefix="millrace-private-"))
    home.chmod(0o700)
    try:
        system = System(home / "deep" / "run", nodes=1)
        (home / "deep").mkdir(mode=0o700)
        system.start()
        system.finished(system.submit("echo", "x"), "completed")
        system.stop()
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_as_an_ordinary_user():
    home = Path(tempfile.mkdtemp(prefix="millrace-nobody-"))
    shutil.chown(home, "nobody", "nogroup")
    for name in ("millrace", "millrace-router", "millrace-store", "millrace-node", "millrace-scaler", "millrace-gateway"):
        shutil.copy(BIN / name, home / name)  # the checkout may be where nobody can read
    become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"HOME={home}"]
    # The broker too must be one that nobody can execute.
    broker = shutil.which("nats-server")
    shutil.copy(broker, home / "nats-server")
    (home / "nats-server").chmod(0o755)
    env = clean_env(MILLRACE_DEV_NATS_SERVER=str(home / "nats-server"))
    try:
        for words in (["--detach", "--nodes", "1"], ["status"], ["stop"]):
            done = subprocess.run([*become, home / "millrace", "dev", *words, "--dir", home / "run"], env=env, cwd=home,
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        shutil.rmtree(home)


def test_two_at_once(own_system):
    one, two = own_system(nodes=1), own_system(nodes=1)
    for system in (one, two):
        system.finished(system.submit("echo", "x", task_id="both"), "completed")
    assert one.nats_url != two.nats_url and one.database_url != two.database_url
