"""Pools of agents: spawned by role, placed in processes, back after any death, ended when they idle."""
import concurrent.futures
import json
import os
import signal

import pytest

from lib.natsraw import Client
from lib.scaler import ask, pool, refused
from lib.system import ROOT
from lib.wait import until
from test_scaler import scalers  # noqa: F401  the fixture

SYSTEM = {"nodes": 0, "bridge": False}


def config(system, **more):
    handlers = system.dir / "agents-handlers.yaml"
    agent = ROOT / "examples/nodes/python/worker_agent.py"
    handlers.write_text("handlers:\n" + "".join(
        f"  - {{type: {role}, kind: worker, command: [python3, {agent}], spawned: true}}\n" for role in ("coder", "critic")))
    keys = {"name": "crew", "agents": 10, "min": 0, "max": 8, "handlers": handlers, "down": "2s", **more}
    return "pools:\n  - {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n"


def agents(system):
    return ask(system, "api.agent.list").get("agents", [])


@pytest.fixture(autouse=True)
def none_left(system):
    yield
    for key in system.nats.api("STREAM.INFO.KV_agents", {"subjects_filter": "$KV.agents.>"})["state"].get("subjects", {}):
        system.nats.js_publish(key, b"", {"KV-Operation": "DEL"})


def test_fifty_spawns_at_once_are_five_processes_of_ten(system, scalers):
    s = scalers(config(system))

    def spawn(i):
        client = Client(system.nats_url)
        try:
            return client.request("api.agent.spawn", json.dumps({"role_type": "coder", "project_id": f"p{i % 3}"}).encode(), timeout=20).json()
        finally:
            client.close()
    until(lambda: pool(system, "crew")["process_count"] == 0, 10, "the pool is there")
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        spawned = list(threads.map(spawn, range(50)))
    assert len({a["agent_id"] for a in spawned}) == 50 and all(a["heartbeat_interval_ms"] == 30000 and a["max_idle_ms"] == 300000 for a in spawned)
    until(lambda: pool(system, "crew")["process_count"] == 5, 30, "five processes")
    p = pool(system, "crew")
    assert (p["total_capacity"], p["used_capacity"], p["available_capacity"], p["agent_count"], p["utilization"]) == (50, 50, 0, 50, 1.0)
    until(lambda: pool(system, "crew")["active_worker_processes"] == 5, 20, "all of them busy")
    assert len(s.children()) == 5
    on = [a["node"] for a in agents(system)]
    assert sorted(on.count(n) for n in set(on)) == [10] * 5
    until(lambda: all(a["status"] and a["status"]["pid"] for a in agents(system)), 30, "all of them run", every=0.5)
    # A full pool starts a process; the end of an agent makes room; the pool's bound holds.
    until(lambda: len(s.children()) == 5, 5, "still five")
    ask(system, "api.agent.spawn", {"role_type": "coder"})
    until(lambda: pool(system, "crew")["process_count"] == 6, 20, "a sixth")
    for a in agents(system):
        ask(system, "api.agent.terminate", {"agent_id": a["agent_id"]})
    until(lambda: not s.children(), 60, "none is needed", every=0.3)
    assert "event=lost" not in s.log() and "event=crash" not in s.log()


def test_agents_do_tasks_of_their_role_and_come_back(system, scalers):
    s = scalers(config(system))
    a = ask(system, "api.agent.spawn", {"role_type": "coder", "agent_id": "ada", "project_id": "shop"})
    assert a["agent_id"] == "ada" and a["pool_name"] == "crew" and a["node"] == "crew-1"
    first = system.finished(system.submit("coder", b"one"), "completed")
    assert first["node"] == "crew-1"
    until(lambda: agents(system)[0]["status"]["tasks"] == 1, 10, "it is counted")
    # Its process dies; its node dies; its scaler dies.
    pid = agents(system)[0]["status"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: (agents(system)[0]["status"] or {}).get("pid") not in (0, None, pid), 20, "another process")
    assert agents(system)[0]["status"]["errors"] == 1
    os.kill(s.children()["crew-1"], signal.SIGKILL)
    system.finished(system.submit("coder", b"two"), "completed", timeout=40)
    s.kill()
    s.start()
    until(s.leads, 20, "it leads again")
    assert [x["agent_id"] for x in agents(system)] == ["ada"]
    system.finished(system.submit("coder", b"three"), "completed", timeout=40)
    assert refused(system, "api.agent.spawn", {"role_type": "coder", "agent_id": "ada"}) == ("409", "agent ada is there already")
    system.cli("pool", "terminate", "ada")
    until(lambda: not agents(system), 10, "ended")
    done = system.cli("pool", "terminate", "ada", check=False)
    assert done.returncode == 3 and "no agent 'ada'" in done.err
    # The name is free again, though the bucket remembers that it was somebody's.
    again = ask(system, "api.agent.spawn", {"role_type": "critic", "agent_id": "ada"})
    assert again["agent_id"] == "ada" and again["role_type"] == "critic"
    assert refused(system, "api.agent.spawn", {"role_type": "coder", "agent_id": "ada"}) == ("409", "agent ada is there already")
    system.finished(system.submit("critic", b"four"), "completed", timeout=40)


def test_an_idle_agent_ends_and_the_pool_goes_to_its_minimum(system, scalers):
    s = scalers(config(system))
    ids = system.cli("pool", "spawn", "--role", "critic", "--max-idle", "3s", "--count", "2").out.split()
    assert len(ids) == 2
    keeps = system.cli("pool", "spawn", "crew", "-r", "critic", "--max-idle", "never").out.strip()
    until(lambda: [a["agent_id"] for a in agents(system)] == [keeps], 40, "the others ended", every=0.3)
    assert s.log().count("event=idle") == 2
    system.cli("pool", "terminate", keeps)
    until(lambda: not s.children(), 40, "no process is needed", every=0.3)


def test_a_number_of_nodes_ends_no_agent(system, scalers):
    s = scalers(config(system, agents=2))
    until(lambda: pool(system, "crew")["process_count"] == 0, 10, "the pool is there")
    ids = system.cli("pool", "spawn", "--role", "coder", "--max-idle", "never", "--count", "3").out.split()
    until(lambda: all((a["status"] or {}).get("pid") for a in agents(system)), 30, "all of them run")
    on = {a["agent_id"]: a["node"] for a in agents(system)}
    system.cli("pool", "scale", "crew", "0")
    until(lambda: "its agents, 3, need 2" in pool(system, "crew")["reason"], 10, "it is told why there are two")
    system.finished(system.submit("coder", b"served all the same"), "completed")
    assert {a["agent_id"]: a["node"] for a in agents(system)} == on and "event=drain" not in s.log()
    for agent in ids:
        system.cli("pool", "terminate", agent)
    until(lambda: not s.children(), 40, "the number that was asked for", every=0.3)


def test_agents_of_a_project_stay_together(system, scalers):
    s = scalers(config(system, agents=4))
    ask(system, "api.pool.scale", {"name": "crew", "nodes": 2})
    until(lambda: pool(system, "crew")["process_count"] == 2 and pool(system, "crew")["starting"] == 0, 20, "two")
    for project in ("a", "b", "a", "b"):
        ask(system, "api.agent.spawn", {"role_type": "coder", "project_id": project})
    by = {}
    for a in agents(system):
        by.setdefault(a["project_id"], set()).add(a["node"])
    assert all(len(nodes) == 1 for nodes in by.values()), by
    assert len(s.children()) == 2

    def told():  # by the nodes, to the store, every ten seconds
        rows = [a for a in system.cli_json("node", "performance", "--agents", "--pool", "crew") if a["state"] in ("idle", "busy")]
        return sorted(a["project_id"] or "" for a in rows) == ["a", "a", "b", "b"]
    until(told, 40, "four agents with their projects", every=0.5)


def test_who_waits_when_the_broker_hangs_is_told_and_nothing_is_used_twice(system, scalers):
    """A spawn and a termination are under way when the lease is lost: their answers come after the askers were answered."""
    s = scalers(config(system))
    until(lambda: pool(system, "crew")["pool_name"] == "crew", 10, "it leads")
    broker = system.pid("broker")
    s.process.send_signal(signal.SIGSTOP)
    try:
        for subject, words in (("spawn", {"role_type": "coder", "agent_id": "stays"}), ("spawn", {"role_type": "coder", "agent_id": "goes"}),
                               ("terminate", {"agent_id": "goes"})):
            system.nats.publish(f"api.agent.{subject}", json.dumps(words).encode())
        system.nats.flush()
        os.kill(broker, signal.SIGSTOP)
        s.process.send_signal(signal.SIGCONT)
        until(lambda: s.log().count("event=spawn") == 2 and "event=terminate" in s.log(), 10, "all are under way")
        until(lambda: not s.leads(), 20, "nobody leads")
        until(lambda: "entry was not deleted" in s.log(), 20, "the questions are over")
    finally:
        s.process.send_signal(signal.SIGCONT)
        os.kill(broker, signal.SIGCONT)
    until(s.leads, 20, "it leads again")
    until(lambda: [a["agent_id"] for a in agents(system)] == ["stays"], 20, "what the broker had in hand holds")
    assert s.process.poll() is None
    # The other's id is free.
    assert ask(system, "api.agent.spawn", {"role_type": "coder", "agent_id": "goes"})["agent_id"] == "goes"


def test_pools_whose_names_begin_alike_do_not_share_places(system, scalers):
    """crew-1-1, while it is started, is a process of crew-1 with its two places, though crew's processes begin alike."""
    file = config(system, max=1, agents=5)
    s = scalers(file + file.splitlines()[1].replace("name: crew", "name: crew-1").replace("agents: 5", "agents: 2").replace("max: 1", "max: 2") + "\n")
    until(lambda: pool(system, "crew-1")["pool_name"] == "crew-1", 10, "it leads")
    for i in range(4):
        ask(system, "api.agent.spawn", {"role_type": "coder", "pool_name": "crew-1", "agent_id": f"b{i}"})
    assert refused(system, "api.agent.spawn", {"role_type": "coder", "pool_name": "crew-1"})[0] == "429"
    ask(system, "api.agent.spawn", {"role_type": "coder", "pool_name": "crew", "agent_id": "a"})
    on = [a["node"] for a in agents(system)]
    assert sorted(on) == ["crew-1", "crew-1-1", "crew-1-1", "crew-1-2", "crew-1-2"]
    until(lambda: all(x["status"] and x["status"]["pid"] for x in agents(system)), 30, "all of them run", every=0.3)
    assert len(s.children()) == 3


def test_underused_processes_become_fewer_and_their_agents_move(system, scalers):
    s = scalers(config(system, agents=4))
    ids = [ask(system, "api.agent.spawn", {"role_type": "coder"})["agent_id"] for _ in range(8)]
    until(lambda: pool(system, "crew")["process_count"] == 2 and all(a["status"] for a in agents(system)), 30, "two full ones")
    mine = system.start_node("mine", "--pool", "crew", "--agents-max", "4", "--handlers", system.dir / "agents-handlers.yaml")
    by = {}
    for a in agents(system):
        by.setdefault(a["node"], []).append(a["agent_id"])
    for gone in [x for some in by.values() for x in some[:3]]:
        ask(system, "api.agent.terminate", {"agent_id": gone})
    until(lambda: not s.children(), 60, "the node of somebody else has room for both", every=0.3)
    left = agents(system)
    assert len(left) == 2 and {a["agent_id"] for a in left} < set(ids)
    assert system.finished(system.submit("coder", b"still here"), "completed", timeout=40)
    assert mine.poll() is None and "node=mine" not in "".join(x for x in s.log().splitlines() if "event=drain" in x)
    mine.terminate()


@pytest.mark.parametrize("request_, code, words", [
    ({}, "400", "role_type: which role?"),
    ({"role_type": "juggler"}, "404", "no pool of agents has the role 'juggler'"),
    ({"role_type": "coder", "pool_name": "nowhere"}, "404", "no pool 'nowhere'"),
    ({"role_type": "a.b"}, "400", "role_type"),
    ({"role_type": "coder", "project_id": "x y"}, "400", "project_id"),
    ({"role_type": "coder", "heartbeat_interval": -3}, "400", "heartbeat_interval"),
    ({"role_type": "coder", "heartbeat_interval": 7200}, "400", "heartbeat_interval"),  # more than nodes take
    ({"role_type": "coder", "heartbeat_interval": 0.0001}, "400", "heartbeat_interval"),
    ({"role_type": "coder", "max_idle_time": 1e12}, "400", "max_idle_time"),
    ({"role_type": "coder", "mood": "good"}, "400", "mood"),
])
def test_what_cannot_be_spawned_is_told(system, scalers, request_, code, words):
    scalers(config(system))
    until(lambda: pool(system, "crew")["pool_name"] == "crew", 10, "it leads")
    got = refused(system, "api.agent.spawn", request_)
    assert got[0] == code and words in got[1], got
