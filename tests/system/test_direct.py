"""Who gets which task: strategies by the router, required and excluded nodes, nodes that go."""
import json
import os
import signal
import time

import pytest

from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 3, "slots": 8}
# The machine that runs the tests may be busy itself: no node is left out for its processors.
ROUTER = {"MILLRACE_BALANCE_MAX_LOAD": "100", "MILLRACE_DIRECT_WAIT": "4s"}


@pytest.fixture(scope="module")
def system():
    from conftest import end, make
    s = make(**SYSTEM)
    s.start(env=ROUTER)
    for name in ("node-1", "node-2", "node-3"):
        s.wait_node(name)
    s.finished(s.submit("echo", "x"), "completed")
    yield s
    end(s)


def nodes_of(system, prefix, n):
    """How many of the tasks each node completed."""
    def rows():
        return system.sql("select node, count(*) as n from millrace.tasks "
                          f"where id like '{prefix}-%' and state = 4 group by node")
    until(lambda: sum(r["n"] for r in rows()) == n, 60, f"{n} tasks of {prefix}")
    return {r["node"]: r["n"] for r in rows()}


def many(system, prefix, n, body="x", task_type="echo", **headers):
    named = {k.replace("_", "-").title(): v for k, v in headers.items()}
    acks = system.nats.js_publish_many((f"tasks.{task_type}", body, {"Task-Id": f"{prefix}-{i}", **named}) for i in range(n))
    assert all(acks)
    return nodes_of(system, prefix, n)


def consumers(system):
    reply = system.nats.api("CONSUMER.LIST.DIRECT", {})
    return {c["name"]: c for c in reply["consumers"]}


def routers(system):
    """How many answer a ping within a moment."""
    answers = system.nats.subscribe("_test.pong")
    system.nats.publish("$SRV.PING.millrace-router", b"", reply="_test.pong")
    seen = 0
    try:
        while answers.next(0.5):
            seen += 1
    except Exception:  # nothing more came
        pass
    answers.close()
    return seen


# ---- strategies ----

def test_least_loaded_spreads_what_is_long(system):
    # The first of all: what a router sent within the last moment counts as waiting still.
    got = many(system, "ll", 18, body="500ms", task_type="sleep", task_balance="least-loaded")
    assert set(got) == {"node-1", "node-2", "node-3"} and max(got.values()) <= 8, got


def test_round_robin_gives_each_the_same(system):
    got = many(system, "rr", 60, task_balance="round-robin")
    assert got == {"node-1": 20, "node-2": 20, "node-3": 20}


def test_random_gives_each_its_part(system):
    got = many(system, "rnd", 300, task_balance="random")
    assert set(got) == {"node-1", "node-2", "node-3"} and min(got.values()) > 60, got


def test_a_lane_has_a_strategy_by_configuration(own_system):
    system = own_system(nodes=2, env={**ROUTER, "MILLRACE_BALANCE_LANES": "hash=round-robin"})
    got = many(system, "conf", 20, task_type="hash")
    assert got == {"node-1": 10, "node-2": 10}
    assert "node-1" in consumers(system) and "node-2" in consumers(system)


def test_weights_and_capabilities_count(system):
    heavy = system.start_node("heavy", "--weight", "3", "--capabilities", "red,blue", "--slots", "8")
    light = system.start_node("light", "--weight", "1", "--capabilities", "red", "--slots", "8")
    try:
        got = many(system, "weighted", 80, task_balance="weighted", task_requires="red")
        assert 55 <= got["heavy"] <= 65 and got["heavy"] + got["light"] == 80
        # Who can do less is taken, so that who can do more stays free for it.
        assert many(system, "match", 12, task_balance="capability-match", task_requires="red") == {"light": 12}
    finally:
        for node in (heavy, light):
            node.send_signal(signal.SIGTERM)
            assert node.wait(30) == 0


def test_a_word_that_is_no_strategy_is_told(system):
    task = system.finished(system.submit("echo", "x", task_balance="fastest"), "dead")
    assert "Task-Balance" in task["error"] and "round-robin" in task["error"]


# ---- affinity ----

def test_a_required_node_runs_it(system):
    for node in ("node-1", "node-2", "node-3"):
        assert many(system, f"on-{node}", 10, task_node=node) == {node: 10}


def test_a_spec_can_say_it_too(system):
    spec = {"id": "affine", "type": "echo", "text": "x", "affinity": {"requiredWorker": "node-2", "excludedWorkers": ["node-1"]}}
    system.nats.js_publish("tasks", json.dumps(spec))
    assert system.finished("affine", "completed")["node"] == "node-2"


def test_classes_hold_on_a_nodes_own_queue(system):
    """Behind a backlog of low ones a high one does not wait."""
    acks = system.nats.js_publish_many(("tasks.sleep", "200ms", {"Task-Id": f"low-{i}", "Task-Node": "node-1", "Task-Priority": "low"})
                                       for i in range(80))
    assert all(acks)
    system.submit("sleep", "1ms", task_id="first", task_node="node-1", task_priority="high")
    urgent = system.finished("first", "completed")
    nodes_of(system, "low", 80)
    later = system.sql("select count(*) as n from millrace.tasks where id like 'low-%' "
                       f"and started_at > '{urgent['started_at']}'")[0]["n"]
    assert later > 30, later
    assert {"node-1", "node-1--low", "node-1--high"} & set(consumers(system)) >= {"node-1--low", "node-1--high"}


def test_the_same_node_as_another_task(system):
    system.finished(system.submit("echo", "x", task_id="lead", task_node="node-3"), "completed")
    assert many(system, "follow", 10, task_same_node_as="lead") == {"node-3": 10}
    assert many(system, "perhaps", 5, task_same_node_as="lead?") == {"node-3": 5}
    # A task that is not known, when that is no condition.
    system.finished(system.submit("echo", "x", task_same_node_as="nobody-knows?"), "completed")


def test_excluded_nodes_are_left_out(system):
    got = many(system, "ex", 40, task_not_nodes="node-1, node-2")
    assert got == {"node-3": 40}


def test_a_node_hands_back_what_excludes_it(system):
    """By a shared lane it can come all the same: the node came after the router had looked."""
    system.nats.js_publish("work.echo.normal", "x", {"Task-Id": "stray", "Task-Attempt": "1", "Task-Epoch": "1",
                                                    "Task-Not-Nodes": "node-1,node-3"})
    task = system.finished("stray", "completed", timeout=40)
    assert task["node"] == "node-2" and task["attempt"] == 1
    handed = [a for a in task.get("history", []) if a["outcome"] == "returned"]
    assert all(a["reason"] == "excluded" for a in handed), task


def test_with_everybody_excluded_it_waits_and_says_so(system):
    system.submit("echo", "x", task_id="nobody", task_not_nodes="node-1,node-2,node-3")
    task = until(lambda: (lambda t: t and t["state"] == "scheduled" and t)(system.task("nobody")), 20, "it waits")
    assert task["reason"] == "no-node" and "none of node-1,node-2,node-3" in task["error"]
    done = system.cli("doctor", check=False)
    assert "no-node" in done.out or "waits for a node" in done.out, done.out
    task = system.finished("nobody", "dead", timeout=40)
    assert task["reason"] == "no-node" and "waited for 4s" in task["error"]


def test_a_project_stays_on_its_node(system):
    got = {}
    for i in range(12):
        task = system.finished(system.submit("echo", "x", task_id=f"proj-{i}", task_project="atlas"), "completed")
        got[task["node"]] = got.get(task["node"], 0) + 1
    assert len(got) == 1, got


def test_an_unknown_node_is_waited_for(system):
    system.submit("echo", "x", task_id="late-node", task_node="latecomer")
    task = until(lambda: (lambda t: t and t["state"] == "scheduled" and t)(system.task("late-node")), 20, "it waits")
    assert "waits for node latecomer, which is not there" in task["error"]
    node = system.start_node("latecomer")
    try:
        task = system.finished("late-node", "completed", timeout=30)
        assert task["node"] == "latecomer" and not task.get("error")
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0


def test_a_preferred_node_that_is_not_there_costs_nothing(system):
    task = system.finished(system.submit("echo", "x", task_node="nowhere?"), "completed", timeout=10)
    assert task["node"]


def test_what_waits_for_a_node_is_shown(system):
    acks = system.nats.js_publish_many(("tasks.sleep", "700ms", {"Task-Id": f"shown-{i}", "Task-Node": "node-2"})
                                       for i in range(40))
    assert all(acks)
    told = until(lambda: system.nats.request("api.node.get", "node-2").json().get("direct"), 10, "what waits")
    assert 0 < told <= 40
    assert consumers(system)["node-2"]["num_ack_pending"] > 0
    assert "direct" in system.cli_json("node", "show", "node-2")[0]
    assert nodes_of(system, "shown", 40) == {"node-2": 40}


def test_a_type_with_a_limit_keeps_it_for_direct_tasks(system, tmp_path):
    handlers = tmp_path / "handlers.yaml"
    handlers.write_text("handlers:\n  - type: narrow\n    kind: exec\n    slots: 1\n    command: [sh, -c, 'sleep 0.1']\n")
    node = system.start_node("narrow-1", "--handlers", str(handlers), "--slots", "4")
    try:
        many(system, "narrow", 12, task_type="narrow", task_node="narrow-1")
        assert many(system, "narrow-lane", 3, task_type="narrow") == {"narrow-1": 3}
        rows = system.sql("select a.id from millrace.tasks a join millrace.tasks b on a.id < b.id and a.id like 'narrow-%' "
                          "and b.id like 'narrow-%' and a.started_at < b.finished_at - interval '20 ms' "
                          "and b.started_at < a.finished_at - interval '20 ms'")
        assert not rows, rows
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0


# ---- nodes that go ----

def test_a_killed_nodes_direct_tasks_run_elsewhere(system):
    victim = system.start_node("victim", "--slots", "2")
    for i in range(6):
        system.submit("sleep", "5s", task_id=f"moved-{i}", task_node="victim?")
    until(lambda: consumers(system).get("victim", {}).get("num_ack_pending") == 2, 20, "two run")
    killed = time.time()
    victim.kill()
    victim.wait()
    for i in range(6):
        assert system.finished(f"moved-{i}", "completed", timeout=60)["node"] != "victim"
    late = system.sql(f"select id from millrace.tasks where id like 'moved-%' and started_at > to_timestamp({killed + 10})")
    assert not late, late
    # What it ran was begun twice, nothing else was.
    counts = system.sql("select id, epoch >> 32 as published from millrace.tasks where id like 'moved-%'")
    assert all(r["published"] == 2 for r in counts), counts


def test_a_draining_nodes_direct_tasks_run_elsewhere(system):
    node = system.start_node("drained", "--slots", "1")
    for i in range(4):
        system.submit("sleep", "1s", task_id=f"drain-{i}", task_node="drained?")
    until(lambda: consumers(system).get("drained", {}).get("num_ack_pending") == 1, 20, "one runs")
    node.send_signal(signal.SIGTERM)
    assert node.wait(30) == 0
    got = nodes_of(system, "drain", 4)
    assert 1 <= got["drained"] < 4, got


def test_a_required_node_that_dies_is_waited_for_and_then_it_is_over(system):
    node = system.start_node("mortal", "--slots", "1")
    ids = [system.submit("sleep", "300s", task_id=f"hard-{i}", task_node="mortal") for i in range(2)]
    until(lambda: consumers(system).get("mortal", {}).get("num_ack_pending") == 1, 20, "one runs")
    node.kill()
    node.wait()
    for task_id in ids:
        task = system.finished(task_id, "dead", timeout=60)
        assert task["reason"] == "no-node" and "waits for node mortal, which is lost" in task["error"]
    assert system.nats.stream_message("DEAD", last_on="dead.sleep").header("Outcome-Reason") == "no-node"


def test_two_routers_lose_and_double_nothing(system):
    second = system.run([BIN / "millrace-router"], env=ROUTER)
    try:
        until(lambda: routers(system) == 2, 20, "two routers")
        got = many(system, "two", 600, task_balance="round-robin")
        assert min(got.values()) > 150, got
        twice = system.sql("select id from millrace.tasks where id like 'two-%' and epoch >> 32 > 1")
        assert not twice
        until(lambda: system.drained("DIRECT"), 20, "DIRECT empty")
    finally:
        second.terminate()
        assert second.wait(30) == 0


def test_a_router_killed_in_the_middle_loses_nothing(system):
    system.allow(r"level=error")
    pids = []
    acks = system.nats.js_publish_many(("tasks.sleep", "10ms", {"Task-Id": f"cut-{i}", "Task-Balance": "round-robin"})
                                       for i in range(1500))
    assert all(acks)
    for share in (100, 600):
        until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'cut-%' and state = 4")[0]["n"] > share,
              60, "progress")
        pids.append(system.kill("router"))
        system.wait_ready("router", not_pid=pids[-1])
    assert sum(nodes_of(system, "cut", 1500).values()) == 1500
    until(lambda: all(system.drained(s) for s in ("TASKS", "DIRECT", "LANE_sleep", "EVENTS")), 40, "streams empty")


def test_the_durable_of_a_node_that_went_is_removed(system):
    node = system.start_node("brief")
    try:
        assert many(system, "brief", 3, task_node="brief") == {"brief": 3}
        assert "brief" in consumers(system)
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0
    until(lambda: "brief" not in consumers(system), 40, "its durable is gone")
    # It comes back, and so does its durable.
    node = system.start_node("brief")
    try:
        assert many(system, "again", 3, task_node="brief") == {"brief": 3}
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0


def test_a_frozen_broker_makes_no_node_look_lost(own_system):
    system = own_system(nodes=2, slots=2, env=ROUTER)
    system.finished(system.submit("echo", "x"), "completed")
    system.allow(r"level=error|ERROR: ")
    for i in range(6):
        system.submit("sleep", "12s", task_id=f"ice-{i}", task_node="node-1?" if i % 2 else "node-2?")
    until(lambda: sum(c["num_ack_pending"] for c in consumers(system).values()) == 4, 20, "four run")
    broker = system.pid("broker")
    os.kill(broker, signal.SIGSTOP)
    time.sleep(10)  # longer than a node may be silent
    os.kill(broker, signal.SIGCONT)
    for i in range(6):
        system.finished(f"ice-{i}", "completed", timeout=90)
    assert "go elsewhere" not in system.log("router"), system.log("router")
