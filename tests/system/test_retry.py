"""Retries, timeouts and expiry: where a failed task goes, whom it meets, and when it ends."""
import datetime
import json
import os
import signal
import subprocess
import time

import pytest

from lib.system import BIN
from lib.wait import until

# Bodies: "ok"; "slow" takes a while; "once" fails its first attempt; "later" asks for two seconds; "never" fails for good.
SCRIPT = """read -r what
case "$what:$MILLRACE_ATTEMPT" in
once:1) exit 75 ;;
later:1) echo 'Retry-After: 2s' >&2; exit 75 ;;
never:*) echo 'Retry-After: never' >&2; exit 3 ;;
slow:*) sleep 0.05 ;;
esac
echo "$MILLRACE_NODE"
"""


@pytest.fixture(scope="module")
def handlers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retry")
    (folder / "work.sh").write_text(SCRIPT)
    path = folder / "handlers.yaml"
    path.write_text("handlers:\n"
                    f"  - {{type: work, kind: exec, command: [sh, {folder}/work.sh]}}\n"
                    "  - {type: sleep}\n  - {type: fail}\n  - {type: echo}\n")
    return path


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def attempts(system, task_id):
    return system.sql("select attempt, node, outcome, reason, extract(epoch from started_at)::float8 as started, "
                      "extract(epoch from finished_at)::float8 as finished from millrace.attempts "
                      f"where task_id = '{task_id}' order by attempt, epoch")


def test_a_retry_does_not_wait_behind_the_backlog(own_system, handlers):
    system = own_system(nodes=1, slots=2, handlers=handlers)
    system.finished(system.submit("work", "ok"), "completed")
    for priority in ("normal", "low"):
        system.submit("work", "once", task_id=f"again-{priority}", task_priority=priority, task_backoff="100ms")
        acks = system.nats.js_publish_many(("tasks.work", "slow", {"Task-Priority": priority, "Task-Id": f"{priority}-{i}"})
                                           for i in range(400))
        assert all(acks)
        task = system.finished(f"again-{priority}", "completed")
        waiting = system.nats.api(f"CONSUMER.INFO.LANE_work.{priority}")["num_pending"]
        assert waiting > 250, f"{400 - waiting} of the backlog went first"
        # Its priority is told as it was given.
        assert task["priority"] == priority and task["attempt"] == 2
        system.nats.api("STREAM.PURGE.LANE_work")


def test_a_retry_goes_to_another_node(own_system, handlers):
    """Then the other node is stopped, so that it still looks alive: the one that is left does it after all."""
    system = own_system(nodes=2, slots=10, handlers=handlers)
    system.finished(system.submit("work", "ok"), "completed")
    for name in ("node-1", "node-2"):
        system.wait_node(name)
    ids = [system.submit("work", "once", task_id=f"move-{i}", task_backoff="50ms") for i in range(5)]
    for task_id in ids:
        task = system.finished(task_id, "completed")
        tried = attempts(system, task_id)
        assert [a["attempt"] for a in tried] == [1, 2], tried
        assert tried[0]["node"] != tried[1]["node"] == task["node"], tried
    # All nodes failed it: it goes on, and ends in the order of its attempts.
    assert system.finished(system.submit("fail", "no", task_backoff="50ms", task_attempts="4"), "dead")["attempt"] == 4

    os.kill(system.pid("node-2"), signal.SIGSTOP)
    try:
        system.submit("work", "once", task_id="alone", task_backoff="50ms")
        assert system.finished("alone", "completed", timeout=40)["node"] == "node-1"
    finally:
        os.kill(system.pid("node-2"), signal.SIGCONT)
    system.wait_ready("node-2")

    system.hold("node-2")
    until(lambda: system.nats.stream_message("KV_nodes", last_on="$KV.nodes.node-2").header("KV-Operation"), 20, "left")
    began = time.monotonic()
    system.submit("work", "once", task_id="only", task_backoff="50ms")
    assert system.finished("only", "completed")["attempt"] == 2
    assert time.monotonic() - began < 3, "the only node does not hand it back"


def test_a_retry_finds_the_idle_node_where_many_lanes_are_served(own_system):
    """With more lanes than long polls: the node that hands it back must not be the only one that asks for it."""
    system = own_system(nodes=2, slots=10)
    for kind, body in (("echo", "x"), ("hash", "x"), ("stats", "1,2"), ("sleep", "1ms"), ("flaky", "0")):
        system.finished(system.submit(kind, body), "completed")
    for name in ("node-1", "node-2"):
        system.wait_node(name)
    for i in range(4):
        task_id = system.submit("flaky", "2", task_id=f"idle-{i}", task_backoff="200ms,1")
        system.finished(task_id, "completed")
        tried = attempts(system, task_id)
        for before, after in zip(tried, tried[1:]):
            assert after["node"] != before["node"], tried
            assert after["started"] - before["finished"] < 2, tried


def test_a_retry_does_not_wait_behind_its_type_on_the_other_node(own_system, tmp_path):
    """The other node has free slots and none for this type: the retry comes back and runs where it failed."""
    (tmp_path / "turn.sh").write_text('read -r what\ncase "$what:$MILLRACE_ATTEMPT" in long:*) sleep 30 ;; once:1) exit 75 ;; esac\n')
    handlers = tmp_path / "handlers.yaml"
    handlers.write_text(f"handlers:\n  - {{type: turn, kind: exec, command: [sh, {tmp_path}/turn.sh], slots: 1}}\n")
    system = own_system(nodes=2, slots=8, handlers=handlers)
    for name in ("node-1", "node-2"):
        system.wait_node(name)
    system.submit("turn", "long", task_id="long", task_node="node-2")
    until(lambda: (system.task("long") or {}).get("state") == "running", 20, "node-2 is taken")
    began = time.monotonic()
    system.submit("turn", "once", task_id="short", task_node="node-1?", task_backoff="50ms")
    assert system.finished("short", "completed", timeout=40)["attempt"] == 2
    assert time.monotonic() - began < 15 and system.task("long")["state"] == "running"


def test_a_node_says_at_once_that_it_is_full(own_system):
    """A router must not learn only two seconds later that the slot it chose is taken."""
    system = own_system(nodes=1, slots=1)

    def used():
        return json.loads(system.nats.stream_message("KV_nodes", last_on="$KV.nodes.node-1").data).get("used", 0)

    system.finished(system.submit("sleep", "1ms"), "completed")
    late = []
    for i in range(4):
        until(lambda: used() == 0, 10, "it told of a free slot", every=0.01)
        system.submit("sleep", "3s", task_id=f"fills-{i}")
        until(lambda: (system.task(f"fills-{i}") or {}).get("state") == "running", 20, "it runs", every=0.01)
        began = time.monotonic()
        until(lambda: used() == 1, 10, "it told that it is full", every=0.01)
        late.append(time.monotonic() - began)
        system.finished(f"fills-{i}", "completed")
    assert max(late) < 0.5, late


def test_a_handler_says_when_and_never(own_system, handlers):
    system = own_system(nodes=1, slots=4, handlers=handlers)
    later, never = system.submit("work", "later", task_backoff="50ms"), system.submit("work", "never")
    task = system.finished(never, "dead")
    assert task["attempt"] == 1 and "exit code 3" in task["error"]
    system.finished(later, "completed")
    first, second = attempts(system, later)
    assert 2.0 <= second["started"] - first["finished"] < 5


def test_what_expires_is_dead_wherever_it_waits(own_system, handlers):
    system = own_system(nodes=1, slots=1, handlers=handlers)
    for task_type, body in (("sleep", "1ms"), ("echo", "x")):  # their lanes are there
        system.finished(system.submit(task_type, body), "completed")

    def expired(task_id, attempt, within):
        task = system.finished(task_id, "dead")
        assert (task["reason"], task["attempt"]) == ("expired", attempt), task
        assert "expired at" in task["error"]
        letter = system.nats.stream_message("DEAD", last_on=f"dead.{task['type']}")
        assert letter.header("Task-Id") == task_id and letter.header("Outcome-Reason") == "expired"
        assert seconds(task["finished_at"]) - seconds(task["submitted_at"]) < within, task

    # For its time, longer than it lives: a duration, and a moment.
    expired(system.submit("echo", "x", task_id="delayed", task_delay="10m", task_expires="1s"), 1, 4)
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    system.submit("echo", "x", task_id="until", task_delay="10m", task_expires=moment.isoformat())
    expired("until", 1, 4)
    # For another attempt.
    expired(system.submit("fail", "no", task_id="retried", task_backoff="10m", task_expires="1s"), 2, 4)
    # On a lane that is paused.
    system.nats.js_publish("$KV.settings.lane.echo", b'{"paused":true}')
    until(lambda: system.cli_json("lane", "list") and any(r["paused"] for r in system.cli_json("lane", "list")), 10, "paused")
    expired(system.submit("echo", "x", task_id="paused", task_expires="1500ms"), 1, 6)
    system.nats.js_publish("$KV.settings.lane.echo", b'{}')
    # Behind a task that takes the only slot.
    system.submit("sleep", "4s", task_id="blocker")
    until(lambda: (system.task("blocker") or {}).get("state") == "running", 20, "the slot is taken")
    expired(system.submit("sleep", "1ms", task_id="laned", task_expires="500ms"), 1, 12)
    # In TASKS, while there is no router.
    system.hold("router")
    system.submit("echo", "x", task_id="unrouted", task_expires="200ms")
    time.sleep(0.3)  # it expires
    system.release("router")
    expired("unrouted", 1, 30)
    # One that is in time runs; what makes no sense is told.
    assert system.finished(system.submit("echo", "in time", task_expires="1m"), "completed")["result"] == "in time"
    spec = system.nats.js_publish("tasks", b'{"type":"echo","text":"spec","expires":"0s","id":"spec-expired"}')
    assert spec and system.finished("spec-expired", "dead")["reason"] == "expired"
    assert "Task-Expires" in system.finished(system.submit("echo", "x", task_expires="soon"), "dead")["error"]
    refused = system.cli("submit", "echo", "--expires", "soon", check=False)
    assert refused.returncode == 2 and "--expires" in refused.err


def test_the_rule_of_a_type(own_system, handlers, tmp_path):
    """Header before type before default, from the router's file."""
    config = tmp_path / "router.yaml"
    config.write_text("types:\n  fail: {attempts: 2, base: 50ms}\n  sleep:\n    timeout: 300ms\n    attempts: 1\n")
    system = own_system(nodes=1, slots=4, handlers=handlers)
    system.hold("router")
    router = system.run([BIN / "millrace-router", "--config", config])
    assert system.finished(system.submit("fail", "x"), "dead")["attempt"] == 2
    assert system.finished(system.submit("fail", "x", task_attempts="3", task_backoff="10ms"), "dead")["attempt"] == 3
    short = system.finished(system.submit("sleep", "20s"), "dead")
    assert short["reason"] == "timeout" and "300ms" in short["error"] and short["attempt"] == 1
    assert system.finished(system.submit("sleep", "400ms", task_timeout="5s"), "completed")
    assert system.finished(system.submit("sleep", "20s", task_delay="1s"), "dead")["reason"] == "timeout"
    router.terminate()
    router.wait(30)
    system.release("router")


def test_a_wrong_rule_is_named_with_its_line(tmp_path):
    config = tmp_path / "router.yaml"
    config.write_text("retry:\n  attempts: 3\ntypes:\n  a:\n    attempts: 3\n    bse: 1s\n")
    done = subprocess.run([BIN / "millrace-router", "--config", config, "--check-config"], capture_output=True, text=True)
    assert done.returncode == 2 and f"{config}:6: types: a: \"bse\"" in done.stderr
    config.write_text("types:\n  a: {attempts: 3}\n")
    assert subprocess.run([BIN / "millrace-router", "--config", config, "--check-config"]).returncode == 0


def test_a_running_task_of_a_killed_node_runs_elsewhere_within_ten_seconds(own_system, handlers):
    system = own_system(nodes=2, slots=2, handlers=handlers)
    system.submit("sleep", "14s", task_id="overdue", task_timeout="2m")
    first = until(lambda: (lambda t: t if t and t["state"] == "running" and t["node"] else None)(system.task("overdue")), 20,
                  "it runs")
    killed = time.time()
    system.hold(first["node"], kill=True)
    second = until(lambda: (lambda t: t if t and t["node"] not in (None, "", first["node"]) else None)(system.task("overdue")),
                   20, "it runs elsewhere")
    assert seconds(second["started_at"]) - killed < 10
    assert second["attempt"] == 1
