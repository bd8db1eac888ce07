"""`millrace dev` as a newcomer has it: with its scaler. It grows, and what is killed is brought back by healing."""
import json
import os
import signal
import time

from lib.scaler import ask
from lib.wait import until

SYSTEM = {"nodes": 1, "slots": 4, "bridge": False, "scaler": ["--max-nodes", "3"]}


def history(system, **want):
    reply = system.nats.request("api.heal.history", json.dumps({"limit": 100}), timeout=10)
    return [e for e in (reply.json() or {}).get("events", []) if all(e.get(k) == v for k, v in want.items())]


def test_the_broker_is_restarted_by_healing_and_work_goes_on(system):
    system.wait_ready("scaler")
    until(lambda: ask(system, "api.heal.status")["initialized"], 20, "it heals")
    before = system.submit("sleep", b"4s", task_id="over-the-death")
    until(lambda: (system.task(before) or {}).get("state") == "running", 20, "it runs")
    pid = system.kill("broker")
    killed = time.monotonic()
    system.wait_ready("broker", not_pid=pid, timeout=30)
    assert time.monotonic() - killed < 9.5, "that was the supervisor, not healing"
    system.finished(before, "completed", timeout=60)
    system.finished(system.submit("echo", b"after"), "completed", timeout=30)
    told = until(lambda: history(system, action="restart_broker", result="done"), 30, "in the history", every=0.3)[0]
    assert told["check"] == "broker" and told["reason"] and told["took_ms"] >= 0
    assert "restart_broker" in system.cli("heal", "history").out


def test_postgresql_is_restarted_by_healing(system):
    until(lambda: ask(system, "api.heal.status")["initialized"], 30, "it heals")
    os.kill(system.pid("postgresql"), signal.SIGQUIT)
    until(lambda: history(system, action="restart_database", result="done"), 60, "in the history", every=0.5)
    system.finished(system.submit("echo", b"after"), "completed", timeout=60)


def test_the_nodes_follow_the_load(system):
    for i in range(60):
        system.submit("sleep", b"500ms", task_id=f"dev-{i}")
    until(lambda: ask(system, "api.pool.get", {"name": "default"})["process_count"] == 3, 20, "three")
    for i in range(60):
        system.finished(f"dev-{i}", "completed", timeout=60)
    until(lambda: ask(system, "api.pool.get", {"name": "default"})["process_count"] == 1, 150, "one again", every=0.5)
    assert system.component("node-1")["state"] == "ready"
