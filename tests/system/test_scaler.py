"""The scaler with real nodes: it grows, shrinks, leads, adopts, and never has a child too many."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lib.scaler import Scaler, alive, ask, end_all, pool, refused
from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 0, "bridge": False}

QUICK = """
pools:
  - name: quick
    min: 1
    max: 6
    slots: 4
    wait: 1s
    up: 500ms
    down: 2s
    idle: 3s
"""


@pytest.fixture
def scalers(system):
    """Makes scalers of a directory of the test's own, and ends them and their nodes."""
    made = []

    def make(config, name="scaler-a", start=True, **more):
        directory = system.dir / f"scaler-{len(list(system.dir.glob('scaler-*/')))}" if not made else made[0].dir
        made.append(Scaler(system, config, name, directory=more.pop("directory", directory)))
        return made[-1].start() if start else made[-1]

    yield make
    for s in made:
        if s.process and s.process.poll() is None:
            s.process.send_signal(signal.SIGCONT)
            s.process.terminate()
            s.process.wait(60)
    end_all(made[0]) if made else None
    assert not made or not made[0].children(), "its nodes outlived it"


def ready(scaler, count, timeout=20):
    until(lambda: len(scaler.children()) == count, timeout, f"{count} nodes, not {scaler.children()}")


def most(scaler, seen):
    """The most children at once, as often as it is called."""
    seen[0] = max(seen[0], len(scaler.children()))
    return seen[0]


def all_done(system, prefix, count, timeout=60):
    def look():
        return system.sql(f"select count(*) as n from millrace.tasks where id like '{prefix}%' and state = 4")[0]["n"] == count
    until(look, timeout, f"{count} of {prefix}", every=0.3)


def sockets(pid):
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        found |= {target} if target.startswith("socket:") else set()
    return found


def submit_many(system, prefix, count, task_type="sleep", body=b"200ms"):
    acks = system.nats.js_publish_many([(f"tasks.{task_type}", body, {"Task-Id": f"{prefix}-{i}"}) for i in range(count)])
    assert all("error" not in a for a in acks)


def test_nodes_follow_load_and_no_running_task_is_ended(system, scalers):
    s = scalers(QUICK)
    ready(s, 1)
    submit_many(system, "follow", 400, body=b"300ms")
    ready(s, 6)
    # Long ones are under way while fewer nodes are wanted again: none of them is executed twice.
    submit_many(system, "long", 6, body=b"8s")
    all_done(system, "follow", 400)
    all_done(system, "long", 6, timeout=60)
    until(lambda: len(s.children()) == 1, 60, "back to the minimum")
    rows = system.sql("select count(*) as n from millrace.attempts where task_id like 'long%' or task_id like 'follow%'")
    assert rows[0]["n"] == 0, "a task was executed more than once, or failed"
    log = s.log()
    assert "event=target" in log and "event=drain" in log and "event=stop" in log and "event=gone" in log
    assert "event=crash" not in log and "event=lost" not in log


def test_a_killed_node_is_replaced_at_once(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 3"))
    ready(s, 3)
    until(lambda: pool(system, "quick")["process_count"] == 3, 20, "all are heard of")
    name, pid = sorted(s.children().items())[0]
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: len(s.children()) == 3 and pid not in s.children().values(), 10, "replaced")
    until(lambda: pool(system, "quick")["process_count"] == 3, 10, "and heard of")
    assert time.monotonic() - killed < 8, "sooner than its silence would have told"
    assert f"node={name}" in next(line for line in s.log().splitlines() if "event=crash" in line)
    assert "signal 9" in s.log()


def test_a_scaler_that_is_killed_leaves_its_nodes_to_the_next(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 4").replace("max: 6", "max: 4"))
    ready(s, 4)
    before = s.children()
    until(lambda: pool(system, "quick")["process_count"] == 4, 20, "all are heard of")
    mine = sockets(s.process.pid)
    assert mine and not any(sockets(pid) & mine for pid in before.values()), "a node holds its scaler's connection"
    s.kill()
    assert s.children() == before, "nodes died with their scaler"
    submit_many(system, "adopt", 200)
    seen = [0]
    s.start()
    until(lambda: most(s, seen) and s.log().count("event=adopt") == 4, 20, "all adopted")
    all_done(system, "adopt", 200)
    assert most(s, seen) == 4 and s.children() == before, "a node was started or ended beside those that lived"
    # They are followed like its own: one that dies is replaced.
    os.kill(before["quick-2"], signal.SIGKILL)
    until(lambda: len(s.children()) == 4 and most(s, seen), 10, "replaced")
    assert seen[0] == 4


def test_nodes_of_a_pool_that_is_in_no_file_any_more_end_in_order(system, scalers):
    other = "  - {name: other, min: 2, max: 2}\n"
    s = scalers(QUICK + other)
    ready(s, 3)
    until(lambda: pool(system, "other")["process_count"] == 2, 20, "both are heard of")
    s.kill()
    s.config.write_text(QUICK)
    s.start()
    until(lambda: not s.children("other"), 30, "nobody would ever have drained them")
    assert s.log().count("event=retire pool=other") == 2 and "event=crash" not in s.log()
    assert len(s.children("quick")) == 1


def test_a_node_that_was_told_to_stop_is_not_told_again(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 0"))
    system.cli("pool", "scale", "quick", "3")
    ready(s, 3)
    until(lambda: pool(system, "quick")["process_count"] == 3, 20, "all are heard of")
    system.cli("pool", "scale", "quick", "0")
    until(lambda: "event=stop " in s.log(), 10, "they are told", every=0.01)
    s.stop()
    assert not s.children()
    for log in (s.dir / "log").glob("quick-*.log"):
        assert "second signal" not in log.read_text(), log


def test_the_end_of_a_scaler_drains_its_nodes(system, scalers):
    s = scalers(QUICK)
    ready(s, 1)
    submit_many(system, "end", 4, body=b"3s")
    until(lambda: pool(system, "quick")["used_capacity"] > 0, 10, "they run")
    s.stop()
    assert not s.children()
    assert system.sql("select count(*) as n from millrace.attempts where task_id like 'end%'")[0]["n"] == 0


def test_a_paused_leader_that_wakes_does_nothing(system, scalers):
    config = QUICK.replace("min: 1", "min: 3").replace("max: 6", "max: 3")
    a = scalers(config, "scaler-a")
    ready(a, 3)
    b = scalers(config, "scaler-b")
    assert a.leads() and not b.leads()
    seen = [len(a.children())]
    a.process.send_signal(signal.SIGSTOP)
    until(b.leads, 20, "the other leads")
    until(lambda: b.log().count("event=adopt") == 3 and most(a, seen), 10, "its nodes are adopted")
    pid = b.children()["quick-1"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: most(a, seen) and len(b.children()) == 3 and pid not in b.children().values(), 15, "replaced by the new leader")
    a.process.send_signal(signal.SIGCONT)
    until(lambda: "leads no more" in a.log(), 10, "it knows")
    acts = [line for line in a.log().splitlines() if "event=start" in line or "event=drain" in line]
    until(lambda: most(a, seen) and ask(system, "api.scaler.status")["leader"] == "scaler-b", 5, "one answers")
    assert len([line for line in a.log().splitlines() if "event=start" in line or "event=drain" in line]) == len(acts)
    assert seen[0] == 3, "a child too many"


def test_a_node_refuses_a_leader_of_the_past(system, scalers):
    s = scalers(QUICK)
    ready(s, 1)
    until(lambda: pool(system, "quick")["process_count"] == 1, 20, "heard of")

    def order(verb, epoch):
        reply = system.nats.request(f"ctl.node.quick-1.{verb}", b"", {"Scaler-Epoch": str(epoch)} if epoch else {}, timeout=5)
        return reply.header("Nats-Service-Error-Code")
    s.process.send_signal(signal.SIGSTOP)  # it gives no orders of its own meanwhile
    assert order("drain", 1000) is None and order("undrain", 1001) is None
    assert order("drain", 1000) == "409" and order("stop", 7) == "409"
    assert order("undrain", None) is None, "people's orders carry no epoch"
    system.wait_node("quick-1")
    assert list(s.children()) == ["quick-1"]


def test_nodes_that_die_at_once_are_a_crash_loop(system, scalers):
    handlers = system.dir / "broken.yaml"
    handlers.write_text("handlers:\n  - {type: x, kind: nonsense}\n")
    s = scalers(f"pools:\n  - {{name: broken, min: 2, max: 2, handlers: {handlers}}}\n")
    until(lambda: "event=suspend" in s.log(), 30, "suspended")
    assert "level=warn name=millrace-scaler event=suspend" in s.log(), "an alarm looks for warnings"
    p = pool(system, "broken")
    assert p["suspended"] and p["process_count"] == 0
    started = s.log().count("event=start")
    assert started <= 11, "five times each, and perhaps one that was on its way"
    handlers.write_text("handlers:\n  - {type: x, kind: echo}\n")
    assert s.log().count("event=start") == started
    ask(system, "api.pool.resume", {"name": "broken"})
    ready(s, 2)
    until(lambda: pool(system, "broken")["process_count"] == 2, 20, "they live")
    assert not pool(system, "broken")["suspended"]


def test_by_hand_and_back(system, scalers):
    s = scalers(QUICK)
    ready(s, 1)
    assert ask(system, "api.pool.scale", {"name": "quick", "nodes": 3, "by": "me"})["fixed"] == 3
    ready(s, 3)
    assert refused(system, "api.pool.scale", {"name": "quick", "nodes": 7})[0] == "400"
    assert refused(system, "api.pool.scale", {"name": "quack", "nodes": 1}) == (
        "404", "no pool 'quack'; millrace pool list tells which there are")
    ask(system, "api.pool.scale", {"name": "quick", "nodes": -1})
    ready(s, 1, timeout=30)


def test_what_was_told_to_drain_is_no_capacity_before_it_says_so(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 0"))
    ask(system, "api.pool.scale", {"name": "quick", "nodes": 5})
    until(lambda: pool(system, "quick")["process_count"] == 5 and pool(system, "quick")["starting"] == 0, 20, "five")
    pids = s.children()
    for pid in pids.values():  # what they are told they do, and say, later
        os.kill(pid, signal.SIGSTOP)
    ask(system, "api.pool.scale", {"name": "quick", "nodes": 4})
    until(lambda: s.log().count("event=drain") == 1, 5, "one is drained", every=0.02)
    looked = ask(system, "api.scaler.status")["observed_at"]
    ask(system, "api.pool.scale", {"name": "quick", "nodes": 4})
    until(lambda: ask(system, "api.scaler.status")["observed_at"] != looked, 5, "another tick", every=0.02)
    for pid in pids.values():
        os.kill(pid, signal.SIGCONT)
    ready(s, 4)
    assert s.log().count("event=drain") == 1 and s.log().count("event=start") == 5


def test_a_scaler_that_leads_no_more_leaves_the_nodes_to_the_leader(system, scalers):
    config = QUICK.replace("min: 1", "min: 2").replace("max: 6", "max: 2")
    a = scalers(config, "scaler-a")
    ready(a, 2)
    until(lambda: pool(system, "quick")["process_count"] == 2, 20, "both are heard of")
    b = scalers(config, "scaler-b")
    before = a.children()
    a.process.send_signal(signal.SIGSTOP)
    until(b.leads, 20, "the other leads")
    until(lambda: b.log().count("event=adopt") == 2, 10, "its nodes are adopted")
    a.process.send_signal(signal.SIGCONT)
    until(lambda: "leads no more" in a.log(), 10, "it knows")
    a.stop()
    assert pool(system, "quick")["process_count"] == 2 and b.children() == before, "it ended the leader's nodes"
    b.stop()
    assert not b.children()


def test_nodes_of_a_pool_that_is_gone_are_drained(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 2"))
    until(lambda: pool(system, "quick")["process_count"] == 2, 20, "both are heard of")
    s.kill()
    s.config.write_text(QUICK.replace("name: quick", "name: other"))
    s.start()
    until(lambda: len(s.children("other")) == 1 and not s.children("quick"), 30, "only the pool of the file is left")
    assert "no pool here has that name any more" in s.log() and "event=lost" not in s.log()


def test_nodes_that_could_not_be_heard_are_not_lost(system, scalers):
    """The broker hangs for longer than a silent node would be left alive; a node comes back later than the scaler."""
    s = scalers(QUICK.replace("min: 1", "min: 2"))
    until(lambda: pool(system, "quick")["process_count"] == 2, 20, "both are heard of")
    before = s.children()
    broker = system.pid("broker")
    stopped = time.monotonic()
    os.kill(broker, signal.SIGSTOP)
    try:
        until(lambda: not s.leads(), 20, "nobody leads")
        until(lambda: time.monotonic() - stopped > 24, 30, "a long silence", every=0.5)
        os.kill(before["quick-1"], signal.SIGSTOP)
    finally:
        os.kill(broker, signal.SIGCONT)
    until(s.leads, 20, "it leads again")
    until(lambda: pool(system, "quick")["process_count"] == 2, 20, "nobody is lost")
    os.kill(before["quick-1"], signal.SIGCONT)
    until(lambda: pool(system, "quick")["process_count"] == 2, 20, "it is heard again")
    assert s.children() == before and s.log().count("event=start") == 2, s.log()[-3000:]
    assert "event=lost" not in s.log()


def test_without_a_node_the_first_task_starts_one(system, scalers):
    s = scalers(QUICK.replace("min: 1", "min: 0"))
    until(lambda: pool(system, "quick")["target"] == 0, 10, "none")
    assert not s.children()
    began = time.monotonic()
    task = system.finished(system.submit("echo", b"hello"), "completed")
    assert task["result"] == "hello" and time.monotonic() - began < 8
    ready(s, 0, timeout=40)


def test_commands_start_and_stop_nodes_elsewhere(system, scalers):
    start = system.dir / "start.sh"
    start.write_text(f"#!/bin/sh\nsetsid {BIN}/millrace-node $1 --pool $2 --scaled --slots 4 </dev/null >>{system.dir}/log/far.log 2>&1 &\necho $! >{system.dir}/$1.pid\n")
    stop = system.dir / "stop.sh"
    stop.write_text(f"#!/bin/sh\nkill $(cat {system.dir}/$1.pid)\n")
    for path in (start, stop):
        path.chmod(0o755)
    s = scalers(f"pools:\n  - {{name: far, driver: exec, min: 2, max: 3, slots: 4, start: [{start}, '{{node}}', '{{pool}}'], stop: [{stop}, '{{node}}']}}\n")
    until(lambda: pool(system, "far")["process_count"] == 2, 20, "both are there")
    pids = [int((system.dir / f"far-{i}.pid").read_text()) for i in (1, 2)]
    assert all(alive(p) for p in pids)
    ask(system, "api.pool.scale", {"name": "far", "nodes": 0})
    until(lambda: not any(alive(p) for p in pids), 30, "both are ended")
    until(lambda: pool(system, "far")["process_count"] == 0, 20, "and gone")
    assert "event=crash" not in s.log()


def test_advice_starts_nothing(system, scalers):
    s = scalers("pools:\n  - {name: wish, driver: advise, types: nobody_does, min: 0, max: 9, slots: 2}\n")
    submit_many(system, "wish", 20, task_type="nobody_does", body=b"x")
    p = until(lambda: (lambda q: q if q["target"] > 0 else None)(pool(system, "wish")), 20, "advice")
    assert p["waiting"] == 20 and p["lanes"] == ["nobody_does"] and p["process_count"] == 0 and not s.children()
    assert "millrace_pool_nodes_target{pool=\"wish\"} " + str(p["target"]) in system.metrics("millrace_pool_nodes_target")
    system.nats.request("api.lane.purge", b"nobody_does")


@pytest.mark.parametrize("config, words", [
    ("pools:\n  - {name: a, min: 5, max: 2}\n", "2: pool a: max (2) is less than min (5)"),
    ("pools:\n  - {name: a}\n  - {name: a}\n", "3: pool a is there twice"),
    ("pools:\n  - {name: a b}\n", "name"),
    ("pools:\n  - {name: a, driver: magic}\n", "\"magic\" is none of process, exec, advise"),
    ("pools:\n  - {name: a, driver: exec}\n", "needs the commands start and stop"),
    ("pools:\n  - {name: a, handlers: nowhere.yaml}\n", "nowhere.yaml"),
    ("pools:\n  - {name: a, agents: 3}\n", "a pool of agents needs `handlers:`"),
    ("pools:\n  - {name: a, agents: 101, handlers: plain.yaml}\n", "agents: must be from 0 to 100"),
    ("pools:\n  - {name: a, agents: 3, handlers: plain.yaml}\n", "plain.yaml: no entry has `spawned: true`"),
    ("pools:\n  - {name: a, mox: 3}\n", "unknown key \"mox\""),
    ("pools: 7\n", "`pools:` is not a list"),
])
def test_a_wrong_file_is_told(tmp_path, config, words):
    (tmp_path / "plain.yaml").write_text("handlers:\n  - {type: count, kind: worker, command: [cat], spawned: no}\n")
    path = tmp_path / "scaler.yaml"
    path.write_text(config)
    done = subprocess.run([BIN / "millrace-scaler", "--config", path, "--check-config"], capture_output=True, text=True)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert str(path) in done.stderr
