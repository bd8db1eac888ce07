"""Lag is one number, whoever is asked: the nats CLI, millrace, the scaler, the usual exporter, our Grafana board in a real Prometheus."""
import json
import re
import subprocess

import pytest

from lib import lag
from lib.scaler import Scaler, pool
from lib.system import ROOT
from lib.wait import until

SYSTEM = {"nodes": 1, "slots": 4, "bridge": False}

ADVISERS = """
pools:
  - {name: sleepers, driver: advise, types: sleep, min: 0, max: 9, slots: 4}
  - {name: paused, driver: advise, types: hash, min: 0, max: 9, slots: 4}
"""


def consumers(system, stream):
    return {c["name"]: c for c in system.nats.api(f"CONSUMER.LIST.{stream}", {}).get("consumers") or []}


@pytest.fixture(scope="module")
def known(system):
    """Makes lag, and tells it: {stream: {consumer: [waiting, running]}}. A paused lane, one whose slots are all taken,
    one that nobody serves, a node's own queue; beside them dead letters and delayed tasks."""
    for i in range(3):
        system.submit("echo", "warm")
    system.submit("hash", "warm", task_id="lag-hash")
    system.finished("lag-hash", "completed")
    for i in range(2):
        system.submit("fail", "x", task_attempts="1", task_id=f"lag-dead-{i}")
    for i in range(2):
        system.finished(f"lag-dead-{i}", "dead")
    system.cli("lane", "pause", "hash")
    # A pull request that was parked before the pause would still be given a task, only to hand it back.
    until(lambda: all(c["num_waiting"] == 0 for c in consumers(system, "LANE_hash").values()), 40, "no node asks for more of it")
    for priority, count in (("high", 3), ("normal", 20), ("low", 6)):
        for i in range(count):
            system.submit("hash", "x", task_priority=priority, task_id=f"lag-{priority}-{i}")
    system.submit("sleep", "280s", task_id="lag-direct", task_node="node-1")
    until(lambda: (system.task("lag-direct") or {}).get("state") == "running", 20, "it runs")
    for i in range(10):
        system.submit("sleep", "280s", task_id=f"lag-sleep-{i}")
    for i in range(5):
        system.submit("echo", "x", task_requires="nobody", task_id=f"lag-nobody-{i}")
        system.submit("echo", "x", task_delay="1h", task_id=f"lag-delayed-{i}")
    expected = {
        "TASKS": {"router": [0, 0]},
        "LANE_hash": {"high": [3, 0], "normal": [20, 0], "low": [6, 0]},
        "LANE_sleep": {"high": [0, 0], "normal": [7, 3], "low": [0, 0]},
        "LANE_echo--nobody": {"high": [0, 0], "normal": [5, 0], "low": [0, 0]},
        "LANE_echo": {"high": [0, 0], "normal": [0, 0], "low": [0, 0]},
        "DIRECT": {"node-1": [0, 1]},
    }
    settle(system, expected)
    until(lambda: system.nats.stream_state("DELAYED")["messages"] == 5, 20, "delayed")
    until(lambda: system.drained("EVENTS"), 20, "all is stored")
    yield expected
    for name in ["lag-direct"] + [f"lag-sleep-{i}" for i in range(10)]:
        system.cli("task", "cancel", name)
    until(lambda: system.drained("LANE_sleep") and system.drained("DIRECT"), 30, "the sleepers are ended")


def settle(system, expected):
    def told():
        return {stream: {name: [c["num_pending"], c["num_ack_pending"]] for name, c in consumers(system, stream).items()}
                for stream in expected}
    try:
        until(lambda: told() == expected, 30, "the lag that was made")
    except AssertionError:
        assert told() == expected


def sums(expected, stream):
    return tuple(sum(pair[i] for pair in expected[stream].values()) for i in (0, 1))


# ---- what a user types ----

@pytest.fixture(scope="module")
def nats(system, nats_cli, tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))

    def run(*words):
        done = subprocess.run([nats_cli, *words], env={**system.env, "HOME": home, "XDG_CONFIG_HOME": home},
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run


def test_nats_stream_report_tells_waiting_and_running_of_each_lane(known, nats):
    rows = {row["Stream"]: row for row in lag.table(nats("stream", "report", "--raw"))}
    assert {s: int(rows[s]["Messages"]) for s in known} == {s: sum(sums(known, s)) for s in known}
    assert (rows["DELAYED"]["Messages"], rows["DEAD"]["Messages"]) == ("5", "2")
    for stream in known:
        info = json.loads(nats("stream", "info", stream, "--json"))
        assert info["state"]["messages"] == sum(sums(known, stream)), stream


def test_nats_consumer_report_tells_them_apart(known, nats):
    for stream, expected in known.items():
        rows = {row["Consumer"]: row for row in lag.table(nats("consumer", "report", stream, "--raw"))}
        assert {name: [int(r["Unprocessed"]), int(r["Ack Pending"])] for name, r in rows.items()} == expected, stream
        for name, pair in expected.items():
            info = json.loads(nats("consumer", "info", stream, name, "--json"))
            assert [info["num_pending"], info["num_ack_pending"]] == pair, (stream, name)


def test_millrace_lane_list_tells_the_same(system, known):
    def told():
        return {f"LANE_{lane['name']}": lane for lane in system.cli_json("lane", "list")}
    lanes = [s for s in known if s.startswith("LANE_")]
    until(lambda: all((told()[s]["queued"], told()[s]["running"]) == sums(known, s) for s in lanes), 20, "lane list")
    for stream in lanes:
        lane = told()[stream]
        assert {c: lane[c] for c in ("high", "normal", "low")} == {c: pair[0] for c, pair in known[stream].items()}, stream
        assert lane["paused"] == (stream == "LANE_hash")


def test_a_lane_tells_what_ever_came_to_it_and_since_when_its_oldest_lies_there(system, known):
    told = {lane["name"]: lane for lane in system.cli_json("lane", "list")}
    # One warm task, and those that wait; three that ended; those that run or wait; those that nobody takes.
    assert {n: told[n]["came"] for n in ("hash", "echo", "sleep", "echo--nobody")} == {
        "hash": 30, "echo": 3, "sleep": 10, "echo--nobody": 5}
    assert told["echo"]["oldest_at"] is None  # it is empty, though three have come
    assert told["hash"]["oldest_at"][:23] == system.nats.stream_state("LANE_hash")["first_ts"][:23]


def test_the_scaler_counts_what_waits_where_a_node_would_help(system, known):
    scaler = Scaler(system, ADVISERS).start()
    try:
        until(lambda: pool(system, "sleepers")["waiting"] == sums(known, "LANE_sleep")[0] == 7, 20, "the pool's waiting tasks")
        assert pool(system, "paused")["waiting"] == 0, "nodes for a paused lane"
    finally:
        scaler.stop()


# ---- what a dashboard shows ----

def real_exporter(system):
    path = lag.program("prometheus-nats-exporter")
    if not path:
        pytest.skip("no prometheus-nats-exporter on PATH or in .run/bin (github.com/nats-io/prometheus-nats-exporter)")
    return lag.Exporter(path, system.status()["nats_monitor_url"], system.dir / "log" / "exporter.log")


def like_exporter(system):
    return lag.LikeExporter(system.status()["nats_monitor_url"])


@pytest.fixture(scope="module", params=[real_exporter, like_exporter])
def exporter(request, system, known):
    one = request.param(system)
    yield one
    one.stop()


def test_the_exporter_tells_the_same(exporter, known):
    values, _ = lag.samples(lag.fetch(f"http://{exporter.address}/metrics").decode())
    for stream, expected in known.items():
        assert values["jetstream_stream_total_messages", stream, None] == sum(sums(known, stream)), stream
        told = {name: [values["jetstream_consumer_num_pending", stream, name],
                       values["jetstream_consumer_num_ack_pending", stream, name]] for name in expected}
        assert told == expected, stream


def test_what_is_told_like_the_exporter_is_what_it_tells(system, known):
    theirs = real_exporter(system)
    ours = like_exporter(system)
    try:
        def both():
            their, their_names = lag.samples(lag.fetch(f"http://{theirs.address}/metrics").decode())
            mine, my_names = lag.samples(lag.fetch(f"http://{ours.address}/metrics").decode())
            assert {name: their_names.get(name) for name in my_names} == my_names
            return still(mine), {k: v for k, v in still(their).items() if k[0] in my_names}

        def still(values):  # nodes' keys and parked pulls change by the second
            return {k: v for k, v in values.items() if not k[0].endswith(("_seconds", "_waiting")) and
                    not (k[1] or "").startswith("KV_")}
        until(lambda: (lambda a, b: a == b)(*both()), 10, "the same numbers")
    finally:
        ours.stop()
        theirs.stop()


@pytest.fixture(scope="module")
def prometheus(exporter, system, known):
    path = lag.program("prometheus")
    if not path:
        pytest.skip("no prometheus (deploy/deps.sh test takes it from Debian's package)")
    one = lag.Prometheus(path, system.dir / f"prometheus-{type(exporter).__name__}", exporter.address)
    try:
        until(lambda: one.query("jetstream_stream_total_messages"), 20, "a first scrape")
        # The paused lane grows before its eyes.
        for i in range(4):
            system.submit("hash", "x", task_priority="low")
        known["LANE_hash"]["low"][0] += 4
        settle(system, known)
        yield one
    finally:
        one.stop()


def shown(prometheus, title):
    """What a panel shows: {legend: value}."""
    panel = next(p for p in lag.panels() if p["title"] == title)
    found = {}
    for target in panel["targets"]:
        for labels, value in prometheus.query(lag.filled_in(target["expr"])):
            found[re.sub(r"\{\{(\w+)\}\}", lambda m: labels[m[1]], target["legendFormat"])] = value
    return found


def test_the_board_sees_tasks_come_and_go(system, prometheus, known):
    # A lane of its own and a node for it alone: what comes goes.
    handlers = system.dir / "passing.yaml"
    handlers.write_text("handlers:\n  - {type: passing, kind: echo}\n")
    node = system.start_node("node-lag", "--handlers", handlers)
    try:
        def work():
            for i in range(20):
                system.submit("passing", "x")
            come, go = shown(prometheus, "Arrivals by lane"), shown(prometheus, "Completions by lane")
            return come.get("LANE_passing", 0) > 1 and go.get("LANE_passing", 0) > 1 and (come, go)
        come, go = until(work, 30, "rates", every=0.5)
        assert come["LANE_echo--nobody"] == go["LANE_echo--nobody"] == go["LANE_hash"] == 0
        until(lambda: system.drained("LANE_passing"), 20, "all of them are done")
    finally:
        node.terminate()
        assert node.wait(40) == 0


def test_every_expression_of_the_board_has_an_answer(prometheus):
    for panel in lag.panels():
        assert panel["targets"] and panel["description"].strip(), panel["title"]
        for target in panel["targets"]:
            expr = lag.filled_in(target["expr"])
            until(lambda: prometheus.query(expr), 20, f"data for panel '{panel['title']}': {expr}")


def test_the_board_shows_the_lag_that_there_is(system, prometheus, known):
    lanes = {s: sums(known, s) for s in known if s.startswith("LANE_")}
    others = {f"LANE_{n}": (0, 0) for n in ("fail", "passing")}  # had tasks, and are empty
    every = {**others, **lanes}
    right = {s: sum(pair) for s, pair in every.items()}
    until(lambda: shown(prometheus, "Lag by lane") == right, 20, f"{right}")
    assert shown(prometheus, "Lag") == {"lag": sum(right.values())}
    assert shown(prometheus, "Waiting") == {"waiting": sum(pair[0] for pair in every.values())}
    assert shown(prometheus, "Running") == {"running": 3}
    assert shown(prometheus, "Running by lane") == {s: pair[1] for s, pair in every.items()}
    classes = shown(prometheus, "Waiting by lane and class")
    for stream in lanes:
        assert {c: classes[f"{stream} {c}"] for c in known[stream]} == {c: pair[0] for c, pair in known[stream].items()}
    assert shown(prometheus, "Outside of the consumers") == {"messages": 0}
    assert shown(prometheus, "TASKS: before the router") == {"messages": 0, "in a router": 0}
    assert shown(prometheus, "EVENTS: before the store") == {"store": 0, "act": 0}
    assert shown(prometheus, "DELAYED: not due yet") == {"messages": 5}
    assert shown(prometheus, "DIRECT: by node") == {"node-1": 1}
    assert shown(prometheus, "DEAD: dead letters") == {"dead letters": 2}
    fill = shown(prometheus, "How full")
    assert fill["LANE_hash messages"] == right["LANE_hash"] / 2_000_000 and 0 < fill["LANE_hash bytes"] < 0.001


def test_the_board_sees_who_stands_still_and_how_old_the_oldest_is(system, prometheus):
    # Grown since the first scrape, and nothing of that class was ever acknowledged; the others did not grow.
    until(lambda: list(shown(prometheus, "Consumers that stand still")) == ["LANE_hash low"], 20, "the paused lane")
    ages = until(lambda: (lambda a: a if a.get("LANE_sleep", 0) >= 15 else None)(shown(prometheus, "Age of the oldest task")),
                 40, "a task that is older than a step")
    assert ages["LANE_sleep"] <= 300 and ages["LANE_echo"] == 0
    pending = [rule["alerts"] for rule in prometheus.rules() if rule["name"] == "MillraceConsumerStandsStill"][0]
    assert [(a["labels"]["stream_name"], a["labels"]["consumer_name"]) for a in pending] == [("LANE_hash", "low")]
    assert [rule["lastError"] for rule in prometheus.rules() if rule.get("lastError")] == []


def test_the_board_sees_a_message_that_no_consumer_has(system, prometheus):
    def alarms():
        rule = next(r for r in prometheus.rules() if r["name"] == "MillraceMessagesOutsideConsumers")
        return [a["labels"]["stream_name"] for a in rule["alerts"]]
    assert alarms() == []
    subject = "work.echo--nobody.strange"
    system.nats.js_publish(subject, b"x")
    try:
        until(lambda: shown(prometheus, "Outside of the consumers") == {"messages": 1}, 20, "the message")
        by_stream = shown(prometheus, "Outside of the consumers, by stream")
        assert {s: n for s, n in by_stream.items() if n} == {"LANE_echo--nobody": 1}
        until(lambda: alarms() == ["LANE_echo--nobody"], 20, "an alarm that is pending")
    finally:
        system.nats.api("STREAM.PURGE.LANE_echo--nobody", {"filter": subject})
    until(lambda: shown(prometheus, "Outside of the consumers") == {"messages": 0}, 20, "none again")
    until(lambda: alarms() == [], 20, "no alarm")


def test_the_board_can_be_imported_anywhere(known):
    lag.check_board(lag.board())


# ---- the files, by Prometheus' own checker ----

@pytest.mark.parametrize("words", [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"),
                                   ("test", "rules", "rules_test.yml")], ids=" ".join)
def test_promtool_has_nothing_to_say(words):
    path = lag.program("promtool")
    if not path:
        pytest.skip("no promtool (deploy/deps.sh test takes it from Debian's package prometheus)")
    done = subprocess.run([path, *words], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
