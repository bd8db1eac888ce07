"""When a task will begin, told at its submit: how far from what comes."""
import json
from datetime import datetime

from lib.scaler import ask, pool
from lib.wait import until
from test_scaler import scalers, submit_many  # noqa: F401  the fixture

SYSTEM = {"nodes": 0, "bridge": False}


def wait_of(task):
    began, came = (datetime.fromisoformat(task[k].replace("Z", "+00:00")) for k in ("started_at", "submitted_at"))
    return (began - came).total_seconds()


def test_the_predicted_start_is_near_the_real_one(system, scalers):
    scalers("pools:\n  - {name: fixed, min: 2, max: 2, slots: 2}\n")
    until(lambda: pool(system, "fixed")["total_capacity"] == 4, 20, "both nodes")
    assert ask(system, "api.scaler.predict", {"type": "sleep"})["wait_s"] == 0
    submit_many(system, "known", 20, body=b"500ms")  # how long they take is learned
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'known%' and state = 4")[0]["n"] == 20, 30, "learned")
    until(lambda: abs(pool(system, "fixed")["service_s"] - 0.5) < 0.1, 20, "service time")
    errors = []
    for size in (24, 48):
        submit_many(system, f"wave-{size}", size, body=b"500ms")
        until(lambda: pool(system, "fixed")["waiting"] > size / 3, 10, "they wait", every=0.02)
        told = system.cli_json("submit", "sleep", "--data", "500ms", "--predict", "--id", f"asked-{size}")[0]["prediction"]
        task = system.finished(f"asked-{size}", "completed", timeout=60)
        errors.append((told["wait_s"], wait_of(task)))
        assert told["ahead"] > 0 and told["slots"] == 4 and "go before it" in told["basis"]
    for predicted, real in errors:
        assert abs(predicted - real) <= 0.3 * real + 0.7, errors
    print("predicted and real wait, s:", errors)


def test_what_nobody_serves_never_begins(system, scalers):
    scalers("pools:\n  - {name: fixed, min: 1, max: 1}\n")
    until(lambda: pool(system, "fixed")["total_capacity"] == 10, 20, "a node")
    told = ask(system, "api.scaler.predict", {"type": "echo", "requires": ["gpu"]})
    assert told["lane"] == "echo--gpu" and told["wait_s"] is None and told["start_at"] is None and "no pool serves" in told["basis"]
    done = system.cli("submit", "echo", "-d", "x", "--requires", "gpu", "--predict")
    assert "would never begin" in done.err and done.out.strip()
    # A high one goes before those that wait; a paused lane waits for ever.
    system.cli("lane", "pause", "echo")
    until(lambda: "is paused" in ask(system, "api.scaler.predict", {"type": "echo"})["basis"], 10, "known as paused")
    system.cli("lane", "resume", "echo")


def test_without_a_scaler_a_task_is_submitted_all_the_same(system):
    done = system.cli("submit", "echo", "-d", "x", "--predict")
    assert done.out.strip() and "no prediction" in done.err
