"""`millrace dead …`: people's way to dead letters; canaries; replays that are cut and run again."""
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib.system import BIN
from lib.wait import until

# A handler whose backend is down until somebody mends it; it says so in other words each time.
MENDED = Path(tempfile.mkdtemp(prefix="millrace-dead-")) / "mended"
HANDLERS = MENDED.parent / "handlers.yaml"
HANDLERS.write_text(f"""
handlers:
  - type: backend
    kind: exec
    version: "1.0"
    command: [/bin/sh, -c, 'read n; test -e {MENDED} || {{ echo "backend $n is down" >&2; exit 1; }}; echo "$MILLRACE_TASK_ID $MILLRACE_EPOCH" >> {MENDED}.runs; case $n in *7) echo "seven" >&2; exit 1;; esac; echo done $n']
  - type: echo
    kind: echo
""")
SYSTEM = {"nodes": 1, "handlers": HANDLERS}


def teardown_module():
    subprocess.run(["rm", "-rf", MENDED.parent], check=True)


def break_down(system, prefix, n, kind="backend"):
    """n dead letters, all of one failure."""
    MENDED.unlink(missing_ok=True)
    acks = system.nats.js_publish_many((f"tasks.{kind}", f"{i}\n", {"Task-Id": f"{prefix}-{i}", "Task-Attempts": "1"}) for i in range(n))
    assert all(acks)
    until(lambda: system.sql(f"select count(*) as n from millrace.tasks where id like '{prefix}-%' and state = 5")[0]["n"] == n, 40, "all dead")
    found = {row["fingerprint"] for row in system.cli_json("dead", "list", "--type", kind)}
    assert len(found) == 1, found
    return found.pop()


def states(system, prefix):
    rows = system.sql(f"select millrace.state_name(state) as state, count(*) as n from millrace.tasks where id like '{prefix}-%.r1' group by 1")
    return {row["state"]: row["n"] for row in rows}


@pytest.fixture(autouse=True)
def clear(system):
    """Each test begins with an empty DEAD."""
    if system.nats.stream_state("DEAD")["messages"]:
        system.cli("dead", "discard", "--all", "--yes")


def test_list_groups_show(system):
    fingerprint = break_down(system, "look", 3)
    assert len(fingerprint) == 15, "the handler's version is part of it"
    rows = system.cli_json("dead", "list")
    assert [r["id"] for r in rows] and {r["version"] for r in rows} == {"1.0"}
    group, = system.cli_json("dead", "groups")
    assert group["count"] == 3 and group["fingerprint"] == fingerprint
    assert len(system.cli_json("dead", "list", "--fingerprint", fingerprint[:10], "--limit", 2)) == 2
    table = system.cli("dead", "groups").out
    assert fingerprint in table and "is down" in table
    assert "look-1" in system.cli("dead", "show", "look-1").out
    assert system.cli("dead", "show", "look-1", "--body").out == "1\n"
    assert system.cli("dead", "show", "nobody", check=False).returncode == 3
    assert system.cli("dead", "list", "--fingerprint", "xyz", check=False).returncode == 2
    assert system.cli("dead", "list", "--type", "a b", check=False).returncode == 2
    system.cli("dead", "discard", "--all", "--yes")
    assert system.cli_json("dead", "list") == []


def test_replay_by_ids(system):
    break_down(system, "ids", 3)
    MENDED.touch()
    shown = system.cli("dead", "replay", "ids-0", "--id", "ids-1").out
    assert "ids-0.r1" in shown and "ids-1.r1" in shown
    for i in range(2):
        assert system.finished(f"ids-{i}.r1", "completed")["result"] == f"done {i}\n"
    # again: it is told, and runs nothing
    item, = system.cli_json("dead", "replay", "ids-0")
    assert item["outcome"] == "already" and item["retry_id"] == "ids-0.r1"
    assert system.cli("dead", "replay", "no-such", check=False).returncode == 3
    for words in (["replay"], ["replay", "x", "--all"], ["replay", "a b"], ["replay", "--all", "--rate", "0"], ["discard"]):
        assert system.cli("dead", *words, check=False).returncode == 2, words
    # what can't be undone asks for a word
    refused = system.cli("dead", "discard", "--all", check=False)
    assert refused.returncode == 1 and "--yes" in refused.err and system.nats.stream_state("DEAD")["messages"] == 1
    assert system.cli("dead", "discard", "ids-2").returncode == 0
    assert system.nats.stream_state("DEAD")["messages"] == 0
    assert system.cli("dead", "discard", "ids-2", check=False).returncode == 3


def test_canary_goes_all_the_way(system):
    fingerprint = break_down(system, "good", 60)
    MENDED.touch()
    done = system.cli("dead", "replay", "--fingerprint", fingerprint, "--canary", "--rate", "400", "--yes")
    assert "stage 1 (1 task): 1 of 1 completed" in done.err and "stage 2 (10 %)" in done.err, done.err
    assert "replayed 60" in done.err
    # those that fail of something else now are few, and do not stop it
    assert states(system, "good") == {"completed": 54, "dead": 6}


def test_canary_stops_at_the_first_when_nothing_was_mended(system):
    fingerprint = break_down(system, "bad", 30)
    done = system.cli("dead", "replay", "--fingerprint", fingerprint, "--canary", "--yes", check=False)
    assert done.returncode == 4 and "stage 1" in done.err and "the failure is back" in done.err, done.err
    assert states(system, "bad") == {"dead": 1}
    # all are there: 29 that were not touched, and the one that died again
    assert len(system.cli_json("dead", "list", "--fingerprint", fingerprint)) == 30
    # mended, the same command goes on with the rest
    MENDED.touch()
    done = system.cli("dead", "replay", "--fingerprint", fingerprint[:10], "--canary", "--yes")
    assert "replayed 30" in done.err, done.err


def test_canary_stops_when_the_failure_returns_in_between(system):
    """Mended for one, and broken again before the tenth."""
    fingerprint = break_down(system, "half", 40)
    MENDED.touch()
    child = subprocess.Popen([BIN / "millrace", "dead", "replay", "--fingerprint", fingerprint, "--canary", "--rate", "2", "--yes"],
                             env=system.env, stderr=subprocess.PIPE, text=True)
    until(lambda: states(system, "half").get("completed"), 20, "the first one")
    MENDED.unlink()
    _, words = child.communicate(timeout=60)
    assert child.returncode == 4 and "stopped at stage" in words and "the failure is back" in words, words
    tried = sum(states(system, "half").values())
    assert 2 <= tried <= 10, words
    left = [r["id"] for r in system.cli_json("dead", "list", "--fingerprint", fingerprint)]
    assert len([i for i in left if not i.endswith(".r1")]) == 40 - tried


def test_a_cut_replay_is_run_again_and_loses_nothing(system):
    fingerprint = break_down(system, "cut", 300)
    MENDED.touch()
    Path(f"{MENDED}.runs").unlink(missing_ok=True)
    before = system.nats.stream_state("LANE_backend")["last_seq"]
    words = [BIN / "millrace", "dead", "replay", "--fingerprint", fingerprint, "--rate", "200", "--yes"]
    child = subprocess.Popen(words, env=system.env, stderr=subprocess.PIPE, text=True)
    until(lambda: sum(states(system, "cut").values()) > 20, 20, "some of them")
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=30)
    assert child.returncode == 130 and "interrupted" in told and "replayed" in told, told
    # killed, this time, and the router too
    child = subprocess.Popen([str(w).replace("200", "2000") if w == "200" else w for w in words], env=system.env, stderr=subprocess.DEVNULL)
    until(lambda: sum(states(system, "cut").values()) > 80 or child.poll() is not None, 20, "some more")
    child.kill()
    child.wait()
    pid = system.kill("router")
    system.wait_ready("router", not_pid=pid)
    system.cli("dead", "replay", "--fingerprint", fingerprint, "--yes")
    until(lambda: sum(states(system, "cut").values()) == 300, 40, "all of them")
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'cut-%.r1' and state >= 4")[0]["n"] == 300, 30)
    assert states(system, "cut") == {"completed": 270, "dead": 30}
    assert system.sql("select count(*) as n from millrace.tasks where id like 'cut-%.r2'")[0]["n"] == 0
    # and each was put on its lane once, whatever was cut: what a node runs again is the lane's same message
    ran = [line.split() for line in Path(f"{MENDED}.runs").read_text().splitlines()]
    assert {task for task, _ in ran if task.endswith(".r1")} == {f"cut-{i}.r1" for i in range(300)}
    state = system.nats.stream_state("LANE_backend")
    assert state["last_seq"] - before == 300, [x for x in ran if sum(x[0] == y[0] for y in ran) > 1]


def test_discard_by_type_with_json(system):
    break_down(system, "gone", 5)
    rows = system.cli_json("dead", "discard", "--type", "backend", "--limit", 2, "--yes")
    assert len(rows) == 2 and {r["outcome"] for r in rows} == {"discarded"}
    assert len(system.cli_json("dead", "list", "--type", "backend")) == 3
    system.cli("dead", "discard", "--type", "backend", "--yes")
    assert system.nats.stream_state("DEAD")["messages"] == 0
    assert system.task("gone-0")["state"] == "dead"
