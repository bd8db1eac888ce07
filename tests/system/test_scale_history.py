"""What scalers tell, as the store keeps it: decisions, healing, agents; and how nodes have done."""
import json
import os
import signal
import time
from datetime import datetime, timedelta, timezone

from lib.wait import until

SYSTEM = {"nodes": 1, "bridge": False}
NS = 1_000_000_000


def ask(system, subject, request=None):
    reply = system.nats.request(subject, json.dumps(request or {}))
    assert not reply.header("Nats-Service-Error-Code"), reply.header("Nats-Service-Error")
    return reply.json()


def scale_event(number, **more):
    return {"id": f"7.{number}", "at": time.time_ns(), "epoch": 7, "scaler": "s1", "pool": "p", "action": "target",
            "from": 2, "to": 3, "reason": "5 tasks wait", "waiting": 5, "wait_s": 1.5, **more}


def rows(system, n, where, table="scale_events"):
    until(lambda: system.sql(f"select count(*) as n from millrace.{table} where {where}")[0]["n"] == n, 30,
          f"{n} rows where {where}")


def test_decisions_are_kept_once_and_told_newest_first(system):
    old = time.time_ns() - 3600 * NS
    batch = {"events": [scale_event(1, at=old), scale_event(2, action="start", node="p-1"),
                        scale_event(3, pool="q")]}
    system.nats.js_publish("events.scale", json.dumps(batch))
    system.nats.js_publish("events.scale", json.dumps(batch))  # delivered again
    system.nats.js_publish("events.scale", json.dumps(scale_event(10, action="stop")))  # one alone
    rows(system, 4, "epoch = 7")
    told = ask(system, "api.scaler.history")["events"]
    assert [e["id"] for e in told] == ["7.10", "7.3", "7.2", "7.1"]
    first = told[-1]
    assert (first["from"], first["to"], first["waiting"], first["wait_s"], first["reason"]) == (2, 3, 5, 1.5, "5 tasks wait")
    assert abs(datetime.fromisoformat(first["at"].replace("Z", "+00:00")).timestamp() - old / NS) < 1e-3
    assert [e["id"] for e in ask(system, "api.scaler.history", {"pool": "q"})["events"]] == ["7.3"]
    assert [e["id"] for e in ask(system, "api.scaler.history", {"pool": "p", "action": "start"})["events"]] == ["7.2"]
    assert [e["id"] for e in ask(system, "api.scaler.history", {"limit": 2})["events"]] == ["7.10", "7.3"]
    bound = (datetime.now(timezone.utc) - timedelta(minutes=30)).isoformat()
    assert [e["id"] for e in ask(system, "api.scaler.history", {"before_at": bound})["events"]] == ["7.1"]
    assert "7.1" not in [e["id"] for e in ask(system, "api.scaler.history", {"after_at": bound})["events"]]


def test_the_same_number_at_another_time_is_another_event(system):
    """A broker that is made anew counts its epochs from the start."""
    for at in (time.time_ns() - NS, time.time_ns()):
        system.nats.js_publish("events.scale", json.dumps(scale_event(77, pool="anew", at=at)))
    rows(system, 2, "pool = 'anew'")


def test_healing_is_kept_and_told(system):
    def event(number, **more):
        return {"id": f"3.{number}", "at": time.time_ns(), "epoch": 3, "scaler": "s1", "host": "h", "check": "disk",
                "level": "critical", "subject": "/var", "value": 93.5, "limit": 90, "action": "clean_temp",
                "result": "done", "reason": "4 files, 1 MiB", "took_ms": 12, **more}
    system.nats.js_publish("events.heal", json.dumps({"events": [event(1), event(2, action="alert", by="operator")]}))
    system.nats.js_publish("events.heal", json.dumps(event(3, result="denied")))
    rows(system, 3, "epoch = 3", "heal_events")
    told = ask(system, "api.heal.history")["events"]
    assert [e["id"] for e in told] == ["3.3", "3.2", "3.1"]
    assert (told[2]["check"], told[2]["value"], told[2]["limit"], told[2]["took_ms"]) == ("disk", 93.5, 90, 12)
    assert told[1]["by"] == "operator" and told[0]["result"] == "denied"
    assert [e["id"] for e in ask(system, "api.heal.history", {"action": "alert"})["events"]] == ["3.2"]


def test_a_bad_event_spares_its_neighbours(system):
    """One without an id is refused by the store, one with a count beyond any column by PostgreSQL."""
    before = system.sql("select count(*) as n from millrace.rejected_events")[0]["n"]
    batch = {"events": [scale_event(21, pool="bad"), scale_event(22, pool="bad", waiting=str(2**64 - 1)),
                        scale_event(23, pool="bad", id=""), scale_event(24, pool="bad", action="")]}
    system.nats.js_publish("events.scale", json.dumps(batch))
    system.nats.js_publish("events.scale", b"\xff\xff nothing of the kind")
    system.allow("row refused by postgresql, set aside")
    system.allow("bigint")  # PostgreSQL's own word
    until(lambda: system.sql("select count(*) as n from millrace.rejected_events")[0]["n"] == before + 4, 30, "four set aside")
    rows(system, 1, "pool = 'bad'")
    aside = system.sql("select subject, error, millrace.as_text(data) as data from millrace.rejected_events"
                       " where subject = 'events.scale' order by error")
    assert any("SQLSTATE 22003" in r["error"] and '"7.22"' in (r["data"] or "") for r in aside), aside
    assert sum("an id" in r["error"] for r in aside) == 2


def node_status(name, agents, at=None, **more):
    return {"name": name, "instance": "i1", "pool": "agents", "state": "ready", "slots": 4, "used": 1, "agents_max": 8,
            "heartbeat_at": at or time.time_ns(), "started_at": time.time_ns() - 60 * NS, "agents": agents, **more}


def agent(agent_id, **more):
    return {"agent_id": agent_id, "role_type": "coder", "state": "idle", "pid": 4711, "tasks": 9, "errors": 1,
            "started_at": time.time_ns() - 50 * NS, "last_active_at": time.time_ns(), "heartbeat_at": time.time_ns(), **more}


def test_agents_follow_what_their_nodes_say(system):
    def tell(*words, **more):
        system.nats.js_publish("events.node", json.dumps(node_status(*words, **more)))

    def states():
        return {r["agent_id"]: (r["node"], r["state"]) for r in system.sql("select * from millrace.v_agents")}
    at = time.time_ns()
    tell("an-1", [agent("a1", project_id="shop"), agent("a2", state="busy")], at=at)
    until(lambda: states() == {"a1": ("an-1", "idle"), "a2": ("an-1", "busy")}, 30, "two agents")
    tell("an-2", [agent("a2")], at=at + 1000000)      # a2 moved
    tell("an-1", [agent("a1", state="backoff")], at=at + 2000000)
    until(lambda: states() == {"a1": ("an-1", "backoff"), "a2": ("an-2", "idle")}, 30, "one of them moved")
    tell("an-1", [], at=at - 5)                        # an old word changes nothing
    tell("an-2", [agent("a2")], at=at + 3000000, state="stopped")
    until(lambda: states()["a2"] == ("an-2", "gone"), 30, "the agent of a node that ended")
    assert states()["a1"] == ("an-1", "backoff")
    told = ask(system, "api.node.performance", {"agents": True})["agents"]
    assert [(a["agent_id"], a["completed"], a["failed"], a["success_rate"], a["project_id"]) for a in told] == [
        ("a1", 9, 1, 0.9, "shop")]
    assert len(ask(system, "api.node.performance", {"agents": True, "all": True})["agents"]) == 2


def test_nodes_tell_how_they_have_done(system):
    done = [system.submit("sleep", b"20ms") for _ in range(3)] + [system.submit("fail", b"no", task_attempts="1")]
    for task in done:
        system.finished(task)

    def look():
        nodes = ask(system, "api.node.performance", {"name": "node-1"})["nodes"]
        return nodes and nodes[0]["completed"] >= 3 and nodes[0]["failed"] >= 1 and nodes[0]
    node = until(look, 40, "the node's next word")
    assert node["success_rate"] == node["completed"] / (node["completed"] + node["failed"])
    assert node["avg_duration_ms"] >= 5 and node["slots"] > 0 and node["last_seen_at"]
    shown = system.cli_json("node", "performance")
    assert "node-1" in [n["name"] for n in shown]
    assert system.cli_json("node", "performance", "node-1")[0]["completed"] >= 3
    assert system.cli("node", "performance", "nobody", check=False).returncode == 3
    text = system.cli("node", "performance").out
    assert "SUCCESS" in text and "node-1" in text
    agents = system.cli_json("node", "performance", "--agents")
    assert "a1" in [a["agent_id"] for a in agents]


def test_the_command_line_tells_histories(system):
    shown = system.cli_json("scaler", "history", "--pool", "q")
    assert [e["id"] for e in shown] == ["7.3"]
    assert [e["id"] for e in system.cli_json("scaler", "history", "--action", "stop")] == ["7.10"]
    assert len(system.cli_json("scaler", "history", "--limit", "2")) == 2
    assert "5 tasks wait" in system.cli("scaler", "history").out
    assert [e["id"] for e in system.cli_json("heal", "history", "--action", "alert")] == ["3.2"]
    assert "clean_temp" in system.cli("heal", "history").out
    for words in (["heal", "status"], ["heal", "--yes"], ["scaler", "status"]):
        nobody = system.cli(*words, check=False)
        assert nobody.returncode == 5 and "millrace-scaler" in nobody.err, nobody.err


def test_history_is_forgotten_after_its_time(system):
    system.nats.js_publish("events.scale", json.dumps(scale_event(90, pool="old", at=time.time_ns() - 40 * 86400 * NS)))
    system.nats.js_publish("events.scale", json.dumps(scale_event(91, pool="old")))
    until(lambda: [r["id"] for r in system.sql("select id from millrace.scale_events where pool = 'old'")] == ["7.91"],
          30, "the older one to go")


def ponged(system):
    """The first answer that is one: a store that just began connects for a moment."""
    def look():
        reply = system.nats.request("api.store.ping", timeout=10)
        return not reply.header("Nats-Service-Error-Code") and reply.json()
    return until(look, 30, "a pong")


def test_ping_tells_of_the_database_in_time(own_system):
    system = own_system(nodes=0, bridge=False)
    pong = ponged(system)
    assert pong["ok"] is True and pong["database"] is True and pong["took_ms"] >= 0
    system.hold("postgresql")

    def refused():
        reply = system.nats.request("api.store.ping", timeout=10)
        return reply.header("Nats-Service-Error-Code") == "503" and reply.header("Nats-Service-Error")
    assert "database does not answer" in until(refused, 20, "503 while it is away")
    system.release("postgresql")
    ponged(system)


def test_ping_tells_of_a_database_that_hangs(own_system):
    system = own_system(nodes=0, bridge=False)
    ponged(system)
    backend = int(system.sql("select pid from pg_stat_activity where application_name = 'millrace-store ping'")[0]["pid"])
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        reply = system.nats.request("api.store.ping", timeout=10)
        assert reply.header("Nats-Service-Error-Code") == "503" and time.monotonic() - began < 4
    finally:
        os.kill(backend, signal.SIGCONT)
    ponged(system)
