"""Agents that are placed on a node by name: entries of the bucket `agents`, real nodes, real agent processes."""
import json
import os
import re
import signal
import sys
import time

import pytest

from lib.system import BIN, ROOT
from lib.wait import until

SYSTEM = {"nodes": 1, "bridge": False}

# An agent that does what it is told: the body is a JSON object.
AGENT = '''
import os, signal, sys, time
sys.path.insert(0, {examples!r})
sys.dont_write_bytecode = True
from frames import Agent, Later, Never

class Role:
    name, wants = "tester", "an object"
    def looks_like_json(self, text):
        return True
    def work(self, request, task):
        if request.get("stop"):
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(60)  # other threads may run for a moment yet
        if request.get("fail"):
            raise RuntimeError(request["fail"])
        if request.get("later"):
            raise Later("the model is away", request["later"])
        end = time.monotonic() + request.get("sleep", 0)
        until = request.get("until")  # a file that ends the wait
        while time.monotonic() < end and not (until and os.path.exists(until)):
            task.check()
            time.sleep(0.01)
        return {{"pid": os.getpid(), "id": os.environ["MILLRACE_AGENT_ID"], "role_of": os.environ["MILLRACE_AGENT_ROLE"],
                "for": os.environ["MILLRACE_PROJECT_ID"]}}

Agent(Role()).serve()
'''


@pytest.fixture(scope="module")
def handlers(tmp_path_factory):
    """A node's file with three roles of its own, so that no test meets the tasks of another."""
    directory = tmp_path_factory.mktemp("agents")
    program = directory / "agent.py"
    program.write_text(AGENT.format(examples=str(ROOT / "examples/agents")))
    entries = "".join(f"  - type: {role}\n    kind: worker\n    spawned: true\n    command: [{sys.executable}, '{program}']\n"
                      f"    backoff_min: 100ms\n    backoff_max: 1s\n    limits: {{grace: 2s}}\n"
                      for role in (f"role{n}" for n in range(1, 12)))
    path = directory / "handlers.yaml"
    path.write_text("handlers:\n" + entries)
    return path


def put(system, agent, node, role, **more):
    value = {"agent_id": agent, "role_type": role, "node": node, "heartbeat_interval_ms": 30000, **more}
    put_raw(system, agent, json.dumps(value))


def put_raw(system, key, value):
    system.nats.js_publish(f"$KV.agents.{key}", value)


def delete(system, agent):
    system.nats.js_publish(f"$KV.agents.{agent}", b"", {"KV-Operation": "DEL"})


def status(system, node):
    reply = system.nats.stream_message("KV_nodes", last_on=f"$KV.nodes.{node}")
    return json.loads(reply.data) if reply and reply.data else None


def agents(system, node):
    return {a["agent_id"]: a for a in (status(system, node) or {}).get("agents", [])}


def idle(system, node, agent):
    """Waits until the node's status tells that agent with nothing to do; returns what it tells."""
    def look():
        a = agents(system, node).get(agent)
        return a if a and a["state"] == "idle" else None
    return until(look, 30, f"agent {agent} idle on {node}")


def gone(system, node, agent):
    until(lambda: status(system, node) and agent not in agents(system, node), 30, f"agent {agent} gone from {node}")


def ask(system, role, timeout=30, **request):
    task = system.finished(system.submit(role, json.dumps(request), content_type="application/json"), "completed", timeout)
    return json.loads(task["result"]), task


def stop(node):
    node.send_signal(signal.SIGTERM)
    assert node.wait(30) == 0


def clear(system, *names):
    for name in names:
        delete(system, name)


def test_a_type_is_served_once_an_agent_is_placed_and_no_longer_than_that(system, handlers):
    node = system.start_node("spawn-1", "--handlers", handlers)
    try:
        s = status(system, "spawn-1")
        assert s["types"] == [] and s["agents"] == [] and s["agents_max"] == 10 and s["slots"] == 0 and not s["scaled"]
        assert 0 < s["disk_percent"] <= 100
        waits = system.submit("role1", "{}", task_id="waits-for-an-agent", content_type="application/json")
        until(lambda: (system.task(waits) or {}).get("state") == "queued", 20, "it waits on its lane")

        put(system, "first", "spawn-1", "role1", project_id="atlas")
        task = system.finished(waits, "completed")
        result = json.loads(task["result"])
        assert result["id"] == "first" and result["role_of"] == "role1" and result["for"] == "atlas"
        a = idle(system, "spawn-1", "first")
        s = status(system, "spawn-1")
        assert s["types"] == ["role1"] and s["slots"] == 1
        assert a["role_type"] == "role1" and a["pid"] == result["pid"] and a["errors"] == 0
        assert a["started_at"] and a["last_active_at"] and a["heartbeat_at"]
        until(lambda: agents(system, "spawn-1")["first"]["tasks"] == 1, 10, "its task is counted")

        # Deleted while it works: what it has is finished first, and nothing new begins.
        lets_go = system.dir / "let-go"
        busy = system.submit("role1", json.dumps({"sleep": 60, "until": str(lets_go)}), task_id="drained", content_type="application/json")
        until(lambda: agents(system, "spawn-1")["first"]["state"] == "busy", 20, "it works")
        delete(system, "first")
        until(lambda: status(system, "spawn-1")["types"] == [], 20, "its type is not served")
        later = system.submit("role1", "{}", task_id="after-it", content_type="application/json")
        assert system.task(busy)["state"] != "completed"
        lets_go.touch()
        assert system.finished(busy, "completed")["attempt"] == 1
        gone(system, "spawn-1", "first")
        until(lambda: not os.path.exists(f"/proc/{a['pid']}"), 10, "its process is gone")
        assert system.task(later)["state"] == "queued"
        put(system, "second", "spawn-1", "role1")
        assert json.loads(system.finished(later, "completed")["result"])["id"] == "second"
    finally:
        clear(system, "first", "second")
        stop(node)


def overlapping(system, prefix):
    """The most that ran at the same time, by the rows."""
    rows = system.sql("select extract(epoch from started_at)::float8 as a, extract(epoch from finished_at)::float8 as b "
                      f"from millrace.tasks where id like '{prefix}-%' and state = 4")
    edges = sorted([(r["a"] + 0.005, 1) for r in rows] + [(r["b"] - 0.005, -1) for r in rows], key=lambda e: (e[0], e[1]))
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most, len(rows)


def test_two_agents_do_two_tasks_at_once_and_never_three(system, handlers):
    node = system.start_node("pair", "--handlers", handlers, "--slots", "20")
    try:
        put(system, "pair-a", "pair", "role2")
        put(system, "pair-b", "pair", "role2")
        idle(system, "pair", "pair-a")
        idle(system, "pair", "pair-b")
        assert status(system, "pair")["slots"] == 2
        body = json.dumps({"sleep": 0.15})
        acks = system.nats.js_publish_many(("tasks.role2", body, {"Task-Id": f"pair-{i}", "Content-Type": "application/json"})
                                           for i in range(24))
        assert all(acks)
        until(lambda: overlapping(system, "pair")[1] == 24, 60, "all done")
        assert overlapping(system, "pair")[0] == 2
        both = agents(system, "pair")
        until(lambda: sum(a["tasks"] for a in agents(system, "pair").values()) == 24, 10, "all counted")
        assert all(a["tasks"] > 3 for a in agents(system, "pair").values()), both

        # One of them goes while both work: from then on one at a time, and nothing is lost or failed.
        acks = system.nats.js_publish_many(("tasks.role2", body, {"Task-Id": f"fewer-{i}", "Content-Type": "application/json"})
                                           for i in range(16))
        assert all(acks)
        until(lambda: overlapping(system, "fewer")[1] >= 4, 30, "some done")
        delete(system, "pair-a")
        gone(system, "pair", "pair-a")
        until(lambda: overlapping(system, "fewer")[1] == 16, 60, "all done")
        assert overlapping(system, "fewer")[0] == 2
        spent = system.sql("select max(attempt) as n from millrace.tasks where id like 'fewer-%' or id like 'pair-%'")
        assert spent[0]["n"] == 1
    finally:
        clear(system, "pair-a", "pair-b")
        stop(node)


def test_agents_come_back_with_their_node_and_move_with_their_entry(system, handlers):
    node = system.start_node("homecoming", "--handlers", handlers)
    other = system.start_node("elsewhere", "--handlers", handlers)
    try:
        put(system, "home-a", "homecoming", "role3")
        put(system, "home-b", "homecoming", "role3")
        before = {idle(system, "homecoming", n)["pid"] for n in ("home-a", "home-b")}
        assert agents(system, "elsewhere") == {}
        node.kill()
        node.wait()
        until(lambda: not any(os.path.exists(f"/proc/{p}") for p in before), 20, "no agent outlives its node")
        was = status(system, "homecoming")["instance"]
        node = system.start_node("homecoming", "--handlers", handlers)
        until(lambda: status(system, "homecoming")["instance"] != was, 20, "the new node's status")
        after = {idle(system, "homecoming", n)["pid"] for n in ("home-a", "home-b")}
        assert not before & after
        assert ask(system, "role3")[1]["node"] == "homecoming"

        put(system, "home-a", "elsewhere", "role3")
        idle(system, "elsewhere", "home-a")
        gone(system, "homecoming", "home-a")
        put(system, "home-b", "elsewhere", "role3")
        gone(system, "homecoming", "home-b")
        assert status(system, "homecoming")["types"] == []
        assert ask(system, "role3")[1]["node"] == "elsewhere"

        # A router that was told the types knows: what is for the node alone goes where its type is served.
        task = system.finished(system.submit("role3", "{}", task_node="elsewhere", content_type="application/json"), "completed")
        assert task["node"] == "elsewhere"
    finally:
        clear(system, "home-a", "home-b")
        stop(node)
        stop(other)


def test_a_task_for_a_node_waits_for_its_agent(system, handlers):
    """Given to the very node while it has no agent of the type: it goes back unspent until there is one."""
    node = system.start_node("asked-for", "--handlers", handlers)
    try:
        task = system.submit("role4", "{}", task_node="asked-for", content_type="application/json")
        until(lambda: (system.task(task) or {}).get("state") in ("scheduled", "queued"), 20, "it waits")
        put(system, "asked", "asked-for", "role4")
        done = system.finished(task, "completed", timeout=40)
        assert done["node"] == "asked-for" and done["attempt"] == 1
    finally:
        clear(system, "asked")
        stop(node)


def test_a_process_that_dies_is_started_again_and_counted(system, handlers):
    node = system.start_node("mortal", "--handlers", handlers)
    try:
        put(system, "phoenix", "mortal", "role5")
        first = idle(system, "mortal", "phoenix")
        os.kill(first["pid"], signal.SIGKILL)
        until(lambda: agents(system, "mortal")["phoenix"]["errors"] == 1, 20, "its end is counted")
        second = idle(system, "mortal", "phoenix")
        assert second["pid"] != first["pid"]

        # In the middle of a task: that attempt failed, the next one comes.
        task = system.submit("role5", json.dumps({"sleep": 60, "until": str(system.dir / "phoenix")}), content_type="application/json",
                             task_backoff="100ms")
        until(lambda: agents(system, "mortal")["phoenix"]["state"] == "busy", 20, "it works")
        os.kill(second["pid"], signal.SIGKILL)
        (system.dir / "phoenix").touch()
        done = system.finished(task, "completed")
        assert done["attempt"] == 2
        until(lambda: agents(system, "mortal")["phoenix"]["errors"] == 2, 20, "counted")
        until(lambda: agents(system, "mortal")["phoenix"]["tasks"] == 1, 20, "counted")

        # A task that fails is an error as well; one that the agent hands back is none, and spends no attempt.
        dead = system.finished(system.submit("role5", '{"fail": "no luck"}', task_attempts="1", content_type="application/json"), "dead")
        assert dead["error"] == "no luck"
        until(lambda: agents(system, "mortal")["phoenix"]["errors"] == 3, 20, "counted")
        back = system.submit("role5", '{"later": 1.5}', task_attempts="2", content_type="application/json")
        waits = until(lambda: (lambda t: t and t["state"] == "scheduled" and t)(system.task(back)), 20, "it waits")
        assert waits["attempt"] == 1
        assert system.cli("task", "cancel", back).returncode == 0
        system.finished(back, "cancelled")
        assert agents(system, "mortal")["phoenix"]["errors"] == 3
    finally:
        clear(system, "phoenix")
        stop(node)


def test_who_answers_no_pings_is_started_again(system, handlers):
    node = system.start_node("pulse", "--handlers", handlers)
    try:
        put(system, "sleeper", "pulse", "role6", heartbeat_interval_ms=400)
        put(system, "control", "pulse", "role6", heartbeat_interval_ms=400)
        first, control = idle(system, "pulse", "sleeper"), idle(system, "pulse", "control")
        heard = agents(system, "pulse")["control"]["heartbeat_at"]
        until(lambda: agents(system, "pulse")["control"]["heartbeat_at"] > heard, 20, "a heartbeat")
        assert all(a["errors"] == 0 for a in agents(system, "pulse").values())
        os.kill(first["pid"], signal.SIGSTOP)
        until(lambda: agents(system, "pulse")["sleeper"]["errors"] == 1, 20, "it hangs, and that is counted")
        assert idle(system, "pulse", "sleeper")["pid"] != first["pid"]
        assert agents(system, "pulse")["control"]["pid"] == control["pid"]
        log = (system.dir / "log" / f"test-{system.children.index(node)}.log").read_text()
        assert re.search(r"agent process ended, starting it again.*agent=sleeper.*hung: it answered no ping for two intervals", log)

        # It hangs with a task: that attempt failed as by a crash.
        task = system.finished(system.submit("role6", '{"stop": true}', task_attempts="1", content_type="application/json"), "dead", 40)
        assert "answered no ping" in task["error"] and task["reason"] == "crash"
    finally:
        clear(system, "sleeper", "control")
        stop(node)


def test_a_project_prefers_its_own_agent(system, handlers):
    node = system.start_node("projects", "--handlers", handlers)
    try:
        put(system, "for-atlas", "projects", "role7", project_id="atlas")
        put(system, "for-zeus", "projects", "role7", project_id="zeus")
        put(system, "for-any", "projects", "role7")
        for name in ("for-atlas", "for-zeus", "for-any"):
            idle(system, "projects", name)

        def of(project):
            headers = {"task_project": project} if project else {}
            task = system.finished(system.submit("role7", "{}", content_type="application/json", **headers), "completed")
            return json.loads(task["result"])["id"]
        for _ in range(4):
            assert of("atlas") == "for-atlas"
            assert of("zeus") == "for-zeus"
            assert of("other") == "for-any"
            assert of(None) == "for-any"
        # Its own is busy: any of the role, at once.
        lets_go = system.dir / "atlas"
        busy = system.submit("role7", json.dumps({"sleep": 60, "until": str(lets_go)}), task_project="atlas", content_type="application/json")
        until(lambda: agents(system, "projects")["for-atlas"]["state"] == "busy", 20, "it works")
        assert of("atlas") == "for-any"
        lets_go.touch()
        system.finished(busy, "completed")
        # Another project in its entry is another process with another environment.
        put(system, "for-any", "projects", "role7", project_id="hera")
        until(lambda: of("hera") == "for-any", 20, "it is hera's now")
    finally:
        clear(system, "for-atlas", "for-zeus", "for-any")
        stop(node)


def test_what_is_held_for_its_turn_begins_when_a_request_on_the_lane_ends(system, handlers):
    """Tasks for one node come by its own queue, and requests on the lane count against the type's limit: when
    such a request ends with nothing, what was held because of it has its turn."""
    node = system.start_node("turns", "--handlers", handlers)
    try:
        put(system, "turn-a", "turns", "role10")
        idle(system, "turns", "turn-a")
        system.finished(system.submit("role10", "{}", content_type="application/json"), "completed")  # makes the lane
        slow = []
        ends = time.monotonic() + 12  # requests on the lane come and go a thousandth of the time: so many tasks meet one
        while time.monotonic() < ends:
            began = time.monotonic()
            reply = system.nats.request("run.role10", "{}", {"Task-Node": "turns", "Content-Type": "application/json", "Task-Wait": "20s"}, timeout=30)
            assert reply.json()["id"] == "turn-a"
            slow.append(time.monotonic() - began)
        assert max(slow) < 5, sorted(slow)[-5:]
    finally:
        clear(system, "turn-a")
        stop(node)


def test_garbage_and_too_many_cost_a_line_each(system, handlers):
    node = system.start_node("crowded", "--handlers", handlers, "--agents-max", "2")
    names = ["garbage-1", "garbage-2", "garbage-3", "garbage-4", "no-role", "crowd-a", "crowd-b", "crowd-c"]
    try:
        put_raw(system, "garbage-1", "hello")
        put_raw(system, "garbage-2", b"\xff\x00{")
        put_raw(system, "garbage-3", json.dumps({"agent_id": "another", "role_type": "role8", "node": "crowded"}))
        put_raw(system, "garbage-4", json.dumps({"role_type": "role8", "node": "crowded", "project_id": "x\ny"}))
        put(system, "no-role", "crowded", "astronaut")
        for name in ("crowd-a", "crowd-b"):
            put(system, name, "crowded", "role8")
            idle(system, "crowded", name)
        put(system, "crowd-c", "crowded", "role8")
        path = system.dir / "log" / f"test-{system.children.index(node)}.log"
        for key in names[:4]:
            until(lambda k=key: re.search(rf"level=warn .*not an agent; ignored.*key={k}", path.read_text()), 10, key)
        until(lambda: re.search(r"no handler with spawned: true has its role.*agent=no-role role=astronaut", path.read_text()), 10, "role")
        until(lambda: re.search(r"all places are taken.*agent=crowd-c", path.read_text()), 10, "places")
        assert set(agents(system, "crowded")) == {"crowd-a", "crowd-b"}
        assert status(system, "crowded")["agents_max"] == 2
        # What becomes unreadable stays as it is; a place that becomes free is for who waits.
        put_raw(system, "crowd-b", "{")
        until(lambda: "not an agent any more; the one that is here stays as it was" in path.read_text(), 10, "said")
        delete(system, "crowd-a")
        idle(system, "crowded", "crowd-c")
        gone(system, "crowded", "crowd-a")
        assert set(agents(system, "crowded")) == {"crowd-b", "crowd-c"}
        assert ask(system, "role8")[0]["id"] in ("crowd-b", "crowd-c")
        assert len(re.findall("not an agent; ignored", path.read_text())) == 4
    finally:
        clear(system, *names)
        stop(node)


def test_agents_outlast_a_broker_that_is_away(own_system, handlers):
    system = own_system(nodes=1, bridge=False)
    node = system.start_node("patient", "--handlers", handlers)
    put(system, "patient-a", "patient", "role1")
    put(system, "patient-b", "patient", "role1")
    pids = {n: idle(system, "patient", n)["pid"] for n in ("patient-a", "patient-b")}
    system.kill("broker")
    until(lambda: ask(system, "role1", timeout=60)[1]["node"] == "patient", 60, "work goes on")
    assert {n: idle(system, "patient", n)["pid"] for n in pids} == pids
    delete(system, "patient-a")
    gone(system, "patient", "patient-a")
    delete(system, "patient-b")
    stop(node)


def lease(system, epoch):
    system.nats.js_publish("$KV.leases.leader.scaler", json.dumps({"owner": "test", "ttl_ms": 6000, "epoch": epoch}))


def test_a_node_without_a_scaler_ends_in_order(system, handlers):
    """Its lease is renewed for longer than the node would wait, then no more: it finishes its task, and ends."""
    lease(system, 1)
    node = system.start_node("orphan", "--handlers", handlers, "--orphan-after", "4s", "--scaled")
    assert status(system, "orphan")["scaled"]
    put(system, "orphan-a", "orphan", "role9")
    idle(system, "orphan", "orphan-a")
    ends = time.monotonic() + 10
    epoch = 2
    while time.monotonic() < ends:
        lease(system, epoch)
        epoch += 1
        assert node.poll() is None
        time.sleep(0.5)  # what a leader does; nothing is waited for
    task = system.submit("role9", '{"sleep": 8}', task_id="last-of-orphan", content_type="application/json")
    assert node.wait(40) == 0
    done = system.finished(task, "completed")
    assert done["attempt"] == 1 and done["node"] == "orphan"
    log = (system.dir / "log" / f"test-{system.children.index(node)}.log").read_text()
    assert "no scaler leads any more" in log and "level=error" not in log
    assert status(system, "orphan") is None
    delete(system, "orphan-a")


def test_a_node_that_no_scaler_started_stays(system):
    until(lambda: system.component("node-1")["state"] == "ready", 10, "the system's own node, without a lease of anybody")


def test_the_pool_of_the_example_works(system):
    """README.md of examples/agents: the node by hand, one agent of each role, and each role's example."""
    node = system.start_node("agents-1", "--pool", "agents", "--handlers", ROOT / "examples/agents/handlers.yaml", cwd=ROOT)
    roles = ("architect", "coder", "executor", "critic", "deployer")
    try:
        for role in roles:
            put(system, f"{role}-1", "agents-1", role, pool_name="agents")
        for role in roles:
            idle(system, "agents-1", f"{role}-1")
        plan, _ = ask(system, "architect", description="Design the schema, then implement the importer and test it.")
        assert [s["role"] for s in plan["steps"]] == ["architect", "coder", "executor"] and plan["mode"] == "offline"
        code, _ = ask(system, "coder", description="add two numbers", examples=[{"args": [1, 2], "result": 3}])
        assert code["verified"] and code["agent"] == "coder-1"
        ran, _ = ask(system, "executor", code=code["code"] + "\nprint(add(40, 2))")
        assert ran["stdout"] == "42\n" and ran["exit_code"] == 0
        verdict, _ = ask(system, "critic", code=code["code"])
        assert verdict["verdict"] == "approve"
        dead = system.finished(system.submit("deployer", '{"name": "x"}', content_type="application/json"), "dead")
        assert dead["attempt"] == 1 and "one of files, rollback and status" in dead["error"]
    finally:
        clear(system, *(f"{role}-1" for role in roles))
        stop(node)
