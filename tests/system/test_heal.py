"""Self-healing with real illnesses: a broker and a database that are gone, a node that fails, one that hangs, full disks."""
import json
import os
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from lib.scaler import Scaler, ask, refused
from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 0, "bridge": False}

# Nothing of this machine is ill; a test says what is.
CALM = {"interval": "1s", "looks": 2, "cpu": 100, "memory": 100, "disk": 100, "away": "2s", "cooldown": "20s",
        "window": "30s", "heartbeat": "10s", "failure_rate": 100}
POOLS = "pools:\n  - name: none\n    min: 0\n    max: 1\n    types: nothing\n"


@pytest.fixture
def heals(request):
    """Makes a scaler that heals as told: heals(system, cooldown="5s")."""
    made = []

    def make(system, name="healer", **keys):
        lines = [f"  {k}: {json.dumps(v)}" for k, v in {**CALM, **keys}.items()]
        directory = system.dir / f"{name}-{len(made)}-{time.monotonic_ns()}"
        made.append(Scaler(system, "heal:\n" + "\n".join(lines) + "\n" + POOLS, name, directory=directory).start())
        until(made[-1].leads, 30, "it leads")
        return made[-1]
    yield make
    for s in made:
        if s.process.poll() is None:
            s.stop()


def history(system, action=None, **want):
    """Newest first, of the store; nothing while the database is away."""
    reply = system.nats.request("api.heal.history", json.dumps({"action": action or "", "limit": 1000}), timeout=10)
    if reply.header("Nats-Service-Error-Code") == "503":
        return []
    assert not reply.header("Nats-Service-Error"), reply.header("Nats-Service-Error")
    events = reply.json()["events"]
    return [e for e in events if all(e.get(k) == v for k, v in want.items())]


def stored(system, action, **want):
    return until(lambda: history(system, action, **want), 30, f"{action} {want} in the history")[0]


def check(system, kind):
    return next((c for c in ask(system, "api.heal.status")["checks"] if c["check"] == kind), None)


def left_over(directory, name, age_s=7200):
    path = Path(directory) / name
    path.mkdir(parents=True)
    (path / "file").write_text("left by a node that was killed")
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_status_tells_each_check_and_what_is_permitted(system, heals):
    heals(system, permissions="alert,clean_temp")

    def whole():
        status = ask(system, "api.heal.status")
        levels = {c["check"]: c["level"] for c in status["checks"]}
        return {"broker", "database", "cpu", "memory", "disk", "errors"} <= set(levels) and (status, levels)
    status, levels = until(whole, 20, "every check")
    assert set(levels.values()) == {"ok"} and status["initialized"], status
    assert sorted(status["permissions"]) == ["alert", "clean_temp"]
    assert "clean_temp" in system.cli("heal", "status").err
    assert "broker" in system.cli("heal", "status").out


def test_left_overs_go_by_hand_within_permissions(system, heals, tmp_path):
    mine = [left_over(tmp_path, "millrace-gone-aaaaaa"), left_over(tmp_path, "millrace-gone-young1", 60),
            left_over(tmp_path, "somebody-elses-bbbbbb")]
    heals(system, directories=str(tmp_path), disk=1, looks=1000)
    told = system.cli_json("heal", "--check", "disk", "--yes")
    assert {(e["action"], e["result"]) for e in told if e["check"] == "disk"} == {
        ("clear_caches", "done"), ("clean_temp", "done"), ("alert", "done")}, told
    assert told[-1]["check"] == "manual" and "@" in told[-1]["by"]
    assert [p.exists() for p in mine] == [False, True, True]
    done = stored(system, "clean_temp", result="done")
    assert done["value"] > done["limit"] == 1 and "1 left-over" in done["reason"] and done["by"] == told[-1]["by"]


def test_what_is_not_permitted_is_denied_and_told(system, heals, tmp_path):
    left = left_over(tmp_path, "millrace-gone-aaaaaa")
    heals(system, directories=str(tmp_path), disk=1, permissions="none")
    denied = stored(system, "clean_temp", result="denied")
    assert "heal.permissions" in denied["reason"]
    shown = system.cli("heal", "--check", "disk", "--yes", check=False)
    assert shown.returncode == 1 and "denied" in shown.out
    assert left.exists()


def test_an_illness_is_acted_on_by_itself_once_a_cooldown(system, heals, tmp_path):
    heard = tmp_path / "alerts"
    before = len(history(system, "alert", check="memory"))
    heals(system, memory=1, cooldown="6s", alert_command=f"/bin/sh,-c,cat >> {heard}; echo >> {heard}")
    until(lambda: heard.exists() and len(heard.read_text().splitlines()) >= 2, 40, "two alerts")
    events = [json.loads(line) for line in heard.read_text().splitlines() if line]
    assert all(e["check"] == "memory" and e["level"] == "critical" and e["action"] == "alert" for e in events)
    until(lambda: len(history(system, "alert", check="memory", result="done")) >= before + 2, 20, "both stored")
    times = sorted(e["at"] for e in history(system, "alert", check="memory", result="done")[:2])
    first, second = (datetime.fromisoformat(t.replace("Z", "+00:00")) for t in times)
    assert (second - first).total_seconds() >= 5.5


def test_a_check_that_is_none_is_refused(system, heals):
    heals(system)
    code, words = refused(system, "api.heal.run", {"check": "weather"})
    assert code == "400" and "weather" in words
    assert system.cli("heal", "--check", "weather", "--yes", check=False).returncode == 2
    all_well = system.cli_json("heal", "--yes")
    assert [e["check"] for e in all_well] == ["manual"]


def test_a_node_whose_tasks_fail_is_drained_where_others_do_well(system, heals, tmp_path):
    handlers = {}
    for name, code in (("good", 0), ("bad", 1)):
        handlers[name] = tmp_path / f"{name}.yaml"
        handlers[name].write_text(f"handlers:\n  - type: work\n    kind: exec\n    command: [/bin/sh, -c, 'exit {code}']\n")
        system.start_node(f"heal-{name}", "--pool", "healed", "--slots", "2", "--handlers", handlers[name])
    heals(system, unhealthy=50, tasks=20)

    def state(name):
        nodes = {n["name"]: n["state"] for n in ask(system, "api.node.list")["nodes"]}
        return nodes.get(name)

    def more_work():
        if state("heal-bad") == "draining":
            return True
        for _ in range(20):
            system.submit("work", b"x", task_attempts="1")
        return False
    until(more_work, 60, "the bad node is drained", every=1)
    event = stored(system, "quarantine", result="done")
    assert event["subject"] == "heal-bad" and event["value"] >= 50
    assert state("heal-good") == "ready"


def test_a_node_that_hangs_is_taken_off(system, heals):
    child = system.start_node("heal-stopped", "--pool", "stopped")
    heals(system)
    until(lambda: ask(system, "api.heal.status")["initialized"], 20, "the first look")
    child.send_signal(signal.SIGSTOP)
    try:
        event = stored(system, "remove_stale", subject="heal-stopped", result="done")
        assert event["check"] == "heartbeat" and event["value"] > 10 and event["level"] == "critical"
    finally:
        child.send_signal(signal.SIGCONT)
    system.wait_node("heal-stopped")


def test_a_broker_that_is_gone_is_restarted_and_the_history_has_it(own_system, heals):
    system = own_system(nodes=0, bridge=False)
    heals(system, restart_broker=f"{BIN}/millrace,dev,start,broker,--dir,{system.dir}")
    until(lambda: ask(system, "api.heal.status")["initialized"], 20, "the first look")
    until(lambda: check(system, "broker")["level"] == "ok", 20, "it answers")
    system.hold("broker", kill=True)
    system.wait_ready("broker", timeout=60)  # nobody but the healer starts it
    event = stored(system, "restart_broker", result="done")
    assert event["check"] == "broker" and event["level"] == "critical" and event["value"] >= 2
    assert stored(system, "none", check="broker", level="ok")["reason"]


def test_a_broker_that_hangs_is_found_out_though_its_connection_stands(own_system, heals):
    system = own_system(nodes=0, bridge=False)
    pid = system.pid("broker")
    heals(system, restart_broker=f"/bin/kill -KILL {pid}")  # its supervisor starts it again
    until(lambda: ask(system, "api.heal.status")["initialized"], 20, "the first look")
    until(lambda: check(system, "broker")["level"] == "ok", 20, "it answers")
    os.kill(pid, signal.SIGSTOP)
    system.wait_ready("broker", not_pid=pid, timeout=60)
    assert stored(system, "restart_broker", result="done")["value"] >= 2


def test_a_database_that_is_gone_is_restarted(own_system, heals):
    system = own_system(nodes=0, bridge=False)
    heals(system, restart_database=f"{BIN}/millrace dev start postgresql --dir {system.dir}")
    until(lambda: ask(system, "api.heal.status")["initialized"], 20, "the first look")
    until(lambda: check(system, "database")["level"] == "ok", 20, "it answers")
    system.hold("postgresql", kill=True)
    system.wait_ready("postgresql", timeout=60)
    event = stored(system, "restart_database", result="done")
    assert event["level"] == "critical" and event["took_ms"] >= 0


def test_a_command_that_fails_is_told(own_system, heals):
    system = own_system(nodes=0, bridge=False)
    heals(system, restart_database="/bin/false", away="1s")
    until(lambda: check(system, "database") and check(system, "database")["level"] == "ok", 30, "it answers")
    system.hold("postgresql", kill=True)
    until(lambda: check(system, "database")["level"] == "critical", 30, "it is found ill")
    until(lambda: "action=restart_database result=failed" in system.log("healer"), 20, "its command to fail")
    system.release("postgresql")
    event = stored(system, "restart_database", result="failed")
    assert "/bin/false ended with exit status 1" in event["reason"]


def test_a_scaler_that_ends_in_the_middle_of_a_run_leaves_nothing_behind(system, heals):
    """Whoever asked is told so; the command goes on."""
    healer = heals(system, memory=1, looks=1000, alert_command="/bin/sleep 3")
    asked = system.run([BIN / "millrace", "heal", "--check", "memory", "--yes"])
    until(lambda: Path(f"/proc/{healer.process.pid}/task/{healer.process.pid}/children").read_text().strip(), 20, "the command runs")
    healer.stop()
    assert asked.wait(30) != 0


def test_only_the_leader_heals(system, heals):
    first = heals(system, name="healer-a", memory=1)
    second = Scaler(system, first.config.read_text(), "healer-b", directory=first.dir).start()
    try:
        stored(system, "alert", scaler="healer-a", check="memory")
        assert not history(system, None, scaler="healer-b")
        first.kill()
        stored(system, "alert", scaler="healer-b", check="memory")
    finally:
        second.stop()


@pytest.mark.parametrize("key,value,word", [
    ("permissions", "alert,reboot", "reboot"),
    ("restart_broker", "systemctl restart nats", "absolute path"),
    ("directories", "tmp", "absolute path"),
    ("cpu", "101", "--heal-cpu"),
])
def test_what_makes_no_sense_is_refused_at_the_start(system, key, value, word):
    done = subprocess.run([BIN / "millrace-scaler", "--check-config", f"--heal-{key.replace('_', '-')}", value],
                          env=system.env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and word in done.stderr, done.stderr
