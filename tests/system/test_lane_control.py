"""Pause, resume, depth and purge of a lane, by the CLI and by api.lane.*."""
import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from lib.system import BIN
from lib.wait import until

SYSTEM = {"slots": 4}


def api(system, verb, **fields):
    reply = system.nats.request(f"api.lane.{verb}", json.dumps(fields))
    error = reply.header("Nats-Service-Error-Code")
    assert not error, reply.header("Nats-Service-Error")
    return reply.json()


def refused(system, verb, body):
    reply = system.nats.request(f"api.lane.{verb}", body if isinstance(body, str) else json.dumps(body))
    assert reply.header("Nats-Service-Error-Code"), reply.data
    return int(reply.header("Nats-Service-Error-Code")), reply.header("Nats-Service-Error")


def setting(system, lane):
    reply = system.nats.stream_message("KV_settings", last_on=f"$KV.settings.lane.{lane}")
    return json.loads(reply.data) if reply and reply.data else {}


def waiting(system, lane):
    return system.nats.stream_state(f"LANE_{lane}")["messages"]


def submit_many(system, kind, prefix, count, body="1ms", **headers):
    acks = system.nats.js_publish_many((f"tasks.{kind}", body, {"Task-Id": f"{prefix}{i}", **headers})
                                       for i in range(count))
    assert all(acks)


def states(system, prefix):
    rows = system.sql("select millrace.state_name(state) as state, count(*) as n from millrace.tasks "
                      f"where id like '{prefix}%' group by 1")
    return {row["state"]: row["n"] for row in rows}


def test_a_paused_lane_fills_and_goes_on_when_resumed(system):
    system.finished(system.submit("hash", "warm"), "completed")
    shown, = system.cli_json("lane", "pause", "hash", "--reason", "the disk is being replaced")
    assert shown["paused"] and shown["reason"] == "the disk is being replaced" and shown["known"]
    time.sleep(0.1)
    submit_many(system, "hash", "pause-", 20)
    until(lambda: waiting(system, "hash") == 20, 10, "all on the lane, none in DELAYED")
    lane, = system.cli_json("lane", "show", "hash")
    assert lane["paused"] and lane["reason"] == "the disk is being replaced" and lane["limit"] == 2000000
    # Another lane is not touched, and nothing is begun of this one.
    system.finished(system.submit("echo", "beside"), "completed")
    until(lambda: states(system, "pause-").get("queued") == 20, 10, "rows of those that wait")
    assert "completed" not in states(system, "pause-")
    shown, = system.cli_json("lane", "resume", "hash")
    assert not shown["paused"] and "paused" not in setting(system, "hash")
    until(lambda: states(system, "pause-") == {"completed": 20}, 20, "all completed")


def test_what_runs_ends_normally_in_a_paused_lane(system):
    task = system.submit("sleep", "700ms", task_id="pause-running")
    until(lambda: (system.task(task) or {}).get("state") == "running", 10, "it runs")
    api(system, "pause", name="sleep")
    assert system.finished(task, "completed")["attempt"] == 1
    api(system, "resume", name="sleep")


def test_a_pause_ends_by_itself(system):
    until_at = datetime.now(timezone.utc) + timedelta(seconds=2)
    shown, = system.cli_json("lane", "pause", "stats", "--until", until_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    assert shown["paused"] and not shown["known"]
    task = system.submit("stats", "1,2\n3,4\n", task_id="until-task")
    row = system.finished(task, "completed", timeout=20)
    assert row["started_at"] >= until_at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    # A node that reads only `paused` sees it too.
    until(lambda: setting(system, "stats") == {}, 10, "the setting is tidied")


def test_a_pause_that_ended_while_everybody_was_away_is_over(own_system):
    system = own_system(nodes=1, bridge=False)
    system.finished(system.submit("echo", "warm"), "completed")
    api(system, "pause", name="echo", duration="1500ms", reason="short")
    system.submit("echo", "x", task_id="later")
    for name in ("node-1", "router"):
        system.hold(name)
    time.sleep(1.5)
    system.release("node-1")
    system.finished("later", "completed", timeout=20)
    system.release("router")
    until(lambda: setting(system, "echo") == {}, 10, "the setting is tidied")


def test_a_pause_holds_across_restarts_and_for_a_second_router(own_system):
    system = own_system(nodes=1, bridge=False)
    system.finished(system.submit("echo", "warm"), "completed")
    api(system, "pause", name="echo")
    second = system.run([BIN / "millrace-router"])
    for name in ("node-1", "router"):
        pid = system.kill(name)
        system.wait_ready(name, not_pid=pid)
    submit_many(system, "echo", "held-", 30)
    until(lambda: waiting(system, "echo") == 30, 15, "all on the lane")
    time.sleep(1)
    assert waiting(system, "echo") == 30
    api(system, "resume", name="echo")
    until(lambda: states(system, "held-") == {"completed": 30}, 20, "all completed")
    assert second.poll() is None


def test_a_full_paused_lane_puts_off_the_rest(system):
    system.finished(system.submit("flaky", "0"), "completed")
    api(system, "pause", name="flaky")
    api(system, "limit", name="flaky", limit=5)
    until(lambda: system.nats.api("STREAM.INFO.LANE_flaky")["config"]["max_msgs"] == 5, 5, "the stream's limit")
    submit_many(system, "flaky", "full-", 8, "0")
    until(lambda: states(system, "full-") == {"queued": 5, "scheduled": 3}, 10, "three in DELAYED")
    # Less than wait there drops nothing.
    api(system, "limit", name="flaky", limit=2)
    if system.nats.version >= (2, 11):
        until(lambda: system.nats.api("STREAM.INFO.LANE_flaky")["config"]["max_msgs"] == 2, 5, "the stream's limit")
    else:  # it would drop the oldest
        until(lambda: "this broker would drop them" in system.log("router"), 5, "the router waits")
    assert waiting(system, "flaky") == 5
    api(system, "resume", name="flaky")
    api(system, "limit", name="flaky", clear=["limit"])
    until(lambda: states(system, "full-") == {"completed": 8}, 40, "all completed")
    assert system.nats.api("STREAM.INFO.LANE_flaky")["config"]["max_msgs"] == 2000000


def test_purge_cancels_what_waits_and_nothing_else(system):
    running = system.submit("sleep", "1500ms", task_id="purge-running")
    until(lambda: (system.task(running) or {}).get("state") == "running", 10, "one runs")
    api(system, "pause", name="sleep")
    submit_many(system, "sleep", "purge-n", 300)
    submit_many(system, "sleep", "purge-h", 20, **{"Task-Priority": "high"})
    submit_many(system, "sleep", "purge-l", 20, **{"Task-Priority": "low"})
    until(lambda: waiting(system, "sleep") == 341, 10, "all on the lane")
    tap = system.nats.subscribe("results.sleep.>")
    assert system.cli("lane", "purge", "sleep", check=False).returncode == 2  # nobody said yes
    done, = system.cli_json("lane", "purge", "sleep", "--yes")
    assert done == {"name": "sleep", "cancelled": 340}
    assert states(system, "purge-n") == {"cancelled": 300} and states(system, "purge-h") == {"cancelled": 20}
    row = system.task("purge-n7")
    assert row["reason"] == "purged" and row["finished_at"] and row["started_at"] is None
    notice = tap.next()
    assert notice.header("Task-State") == "cancelled" and notice.header("Nats-Service-Error-Code") == "409"
    tap.close()
    assert system.finished(running, "completed")
    api(system, "resume", name="sleep")
    system.finished(system.submit("sleep", "1ms", task_id="purge-after"), "completed")
    assert system.cli_json("lane", "purge", "sleep", "--yes")[0]["cancelled"] == 0


def test_purge_of_a_lane_that_is_not_there(system):
    assert system.cli("lane", "purge", "nothing", "--yes", check=False).returncode == 3


def test_a_purge_that_was_broken_off_is_finished(own_system):
    """Routers are killed in its midst: each task is cancelled or was run, none is lost, none stays."""
    system = own_system(nodes=1, slots=2, bridge=False)
    system.allow(r"level=error")
    system.finished(system.submit("echo", "warm"), "completed")
    api(system, "pause", name="echo")
    submit_many(system, "echo", "broken-", 6000, "x")
    until(lambda: waiting(system, "echo") == 6000, 20, "all on the lane")
    system.run([BIN / "millrace-router"])
    api(system, "purge", name="echo")
    pid = system.kill("router")
    system.wait_ready("router", not_pid=pid)
    pid = system.kill("router")
    system.wait_ready("router", not_pid=pid)
    until(lambda: "purge" not in setting(system, "echo"), 60, "the purge is over")
    until(lambda: states(system, "broken-") == {"cancelled": 6000}, 20, "all are cancelled")
    assert waiting(system, "echo") == 0
    assert setting(system, "echo")["purged"]["cancelled"] <= 6000
    api(system, "resume", name="echo")
    system.finished(system.submit("echo", "after"), "completed")


@pytest.mark.parametrize("verb, body, words", [
    ("pause", {"name": "a b"}, "name"),
    ("pause", {}, "name"),
    ("pause", {"name": "echo", "duration": "soon"}, "duration"),
    ("pause", {"name": "echo", "until_at": "2001-01-01T00:00:00Z"}, "until_at"),
    ("pause", {"name": "echo", "duration": "1s", "until_at": "2101-01-01T00:00:00Z"}, "duration and until_at"),
    ("pause", {"name": "echo", "reason": "x" * 300}, "reason"),
    ("limit", {"name": "echo", "rate_per_s": -1}, "rate_per_s"),
    ("limit", {"name": "echo", "concurrency": 4000000000}, "concurrency"),
    ("limit", {"name": "echo", "clear": ["everything"]}, "clear"),
    ("limit", {"name": "echo", "nonsense": 1}, "nonsense"),
    ("resume", "no json {", "name"),
    ("purge", '{"name": 7', "JSON"),
])
def test_bad_requests_name_the_field(system, verb, body, words):
    code, text = refused(system, verb, body)
    assert code == 400 and words.lower() in text.lower(), text


def test_settings_written_by_hand_are_taken_as_far_as_understood(system):
    system.nats.js_publish("$KV.settings.lane.echo", '{"paused": "yes", "concurrency": 3, "mine": 1}')
    until(lambda: system.cli_json("lane", "show", "echo")[0]["concurrency"] == 3, 5, "the limit that is right")
    assert not system.cli_json("lane", "show", "echo")[0]["paused"]
    system.finished(system.submit("echo", "x"), "completed")
    # What we do not know stays where it is.
    api(system, "limit", name="echo", clear=["concurrency"])
    assert setting(system, "echo")["mine"] == 1
    system.nats.js_publish("$KV.settings.lane.echo", b"", {"KV-Operation": "DEL"})
    api(system, "pause", name="echo")  # over a deleted key
    assert setting(system, "echo")["paused"] is True
    api(system, "resume", name="echo")


def test_many_changes_at_once_all_take_place(system):
    lanes = ["concurrency", "key_concurrency", "rate_per_s", "limit"]
    failed = []

    def change(name):
        from lib.natsraw import Client
        client = Client(system.nats_url)
        for n in range(1, 6):
            reply = client.request("api.lane.limit", json.dumps({"name": "contended", name: n}))
            if reply.header("Nats-Service-Error-Code"):
                failed.append(reply.header("Nats-Service-Error"))
        client.close()
    threads = [threading.Thread(target=change, args=(name,)) for name in lanes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and setting(system, "contended") == {name: 5 for name in lanes}


def test_bare_name_is_enough(system):
    assert system.nats.request("api.lane.pause", "echo\n").json()["paused"]
    assert not system.nats.request("api.lane.resume", "echo").json()["paused"]
