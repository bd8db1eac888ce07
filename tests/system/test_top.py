"""`millrace top`: the whole system on one screen; a terminal that is left as it was found."""
import json
import os
import re
import signal
import subprocess

import pytest

from lib.system import BIN
from lib.terminal import Terminal
from lib.wait import until

SYSTEM = {"nodes": 1, "scaler": ["--max-nodes", "2"]}


@pytest.fixture
def top(system):
    made = []

    def start(*words, **more):
        env = {**system.env, "TERM": "xterm-256color", **more.pop("env", {})}
        terminal = Terminal([BIN / "millrace", "top", "--interval", "1s", *words], env, **more)
        made.append(terminal)
        return terminal
    yield start
    for terminal in made:
        terminal.close()


def test_without_a_terminal_it_is_one_plain_picture(system):
    for _ in range(20):
        system.finished(system.submit("echo", "x"), "completed")
    done = system.cli("top")
    assert "\x1b" not in done.out and re.search(r"^submitted \S+/s   started", done.out, re.M)
    for table in ("LANE", "NODE", "POOL", "DECIDED"):
        assert re.search(rf"^{table}", done.out, re.M), done.out
    assert re.search(r"^echo +0 +0 +[12]", done.out, re.M) and re.search(r"^node-1 +ready", done.out, re.M)
    assert "router 1 store 1 node 2 scaler 1" in done.out


def test_json_is_an_object_a_refresh(system):
    snapshot, = system.cli_json("top", "--once")
    assert {"at", "overview", "components", "lanes", "nodes", "pools", "scaler", "health", "decisions", "dead"} <= snapshot.keys()
    assert {"rates", "depths", "totals", "wait", "run", "nodes", "sla"} <= snapshot["overview"].keys()
    assert snapshot["health"]["problems"] == [] and snapshot["health"]["ok"] or "processors" in str(snapshot["health"]), snapshot["health"]
    assert snapshot["dead"] is None and system.cli_json("top", "--once", "--view", "dead")[0]["dead"] is not None
    child = subprocess.Popen([BIN / "millrace", "top", "--json", "--interval", "1s"], env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(child.stdout.readline()) for _ in range(3)]
    assert lines[0]["at"] < lines[1]["at"] < lines[2]["at"]
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    child = subprocess.Popen([BIN / "millrace", "top", "--json", "--interval", "1s"], env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()  # the reader leaves: it ends by itself
    assert child.wait(20) == 0, child.stderr.read()


def test_rates_and_percentiles_are_those_of_the_work(system):
    """A known rate of tasks of a known time: what is shown is that."""
    load = system.run([BIN / "millrace", "dev", "load", "50"])
    try:
        def settled():
            o = system.cli_json("top", "--once", "--interval", "3s")[0]["overview"]
            return 40 <= o["rates"]["submitted"] <= 60 and 40 <= o["rates"]["completed"] <= 60 and o
        o = until(settled, 60, "50 tasks a second")
        assert 0 < o["wait"]["p50_ms"] <= o["wait"]["p95_ms"] <= o["wait"]["p99_ms"]
        assert 0 < o["run"]["p50_ms"] < 100
        assert o["sla"]["target_ms"] == 500 and 0 < o["sla"]["compliance"] <= 1
        assert o["totals"]["submitted"] >= o["totals"]["completed"] > 0
    finally:
        load.terminate()
        load.wait(20)
    slow = [system.submit("sleep", "300ms") for _ in range(5)]
    for task in slow:
        system.finished(task, "completed")
    # Since a first look is where its window begins, the slow ones have to run while it looks.
    child = subprocess.Popen([BIN / "millrace", "top", "--json", "--interval", "1s"], env=system.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        child.stdout.readline()
        for _ in range(10):
            system.submit("sleep", "300ms")
        until(lambda: 250 <= (json.loads(child.stdout.readline())["overview"]["run"]["p50_ms"] or 0) <= 500, 30, "300 ms in the handler")
    finally:
        child.kill()
        child.wait()


def test_keys_choose_what_is_seen(system, top):
    t = top()
    t.sees("LANE")
    t.sees(re.compile(r"^submitted \d", re.M))
    t.sees(re.compile(r"^POOL .*TARGET", re.M))
    t.keys("n")
    t.sees(re.compile(r"^node-1 +ready", re.M))
    t.keys("s")
    t.sees("STATE▴")
    t.keys("ss")
    t.sees("SLOTS▾")
    t.keys("r")
    t.sees("SLOTS▴")
    t.keys("?")
    t.sees("page up, page down")
    t.keys("?d")
    t.sees("COUNT▾")
    t.keys("\x1b[5~\x1b[Bl")
    t.sees("QUEUED▾")
    t.keys("q")
    assert t.end() == 0


def test_the_terminal_is_left_as_it_was(top):
    for leave, code in (("q", 0), ("\x03", 130), (None, 130)):
        t = top()
        before = t.modes()
        t.sees("LANE")
        assert t.modes() == (False, False) and {1049} <= t.screen.modes and 25 not in t.screen.modes
        if leave:
            t.keys(leave)
        else:
            os.kill(t.pid, signal.SIGTERM)
        assert t.end() == code
        assert t.modes() == before == (True, True)
        assert 1049 not in t.screen.modes and {7, 25} <= t.screen.modes


def test_stopped_and_continued(top):
    """Ctrl-Z gives the terminal back; fg takes it again and draws all of it."""
    t = top()
    t.sees("LANE")
    t.keys("\x1a")
    until(lambda: t.look() and os.waitpid(t.pid, os.WNOHANG | os.WUNTRACED)[1] & 0xff == 0x7f, 20, "it is stopped")
    assert t.modes() == (True, True) and 1049 not in t.screen.modes
    t.screen.cells.clear()
    os.kill(t.pid, signal.SIGCONT)
    t.sees("LANE")
    assert t.modes() == (False, False) and 1049 in t.screen.modes
    t.keys("q")
    assert t.end() == 0 and t.modes() == (True, True)


def test_size_and_colour(system, top):
    t = top()
    t.sees("SCHEDULED")
    t.resize(24, 40)
    t.sees(lambda s: "LANE" in s.text and "SCHEDULED" not in s.text)  # columns give way whole
    t.resize(8, 20)
    t.sees(lambda s: s.lines()[0].startswith("millrace top"))
    t.resize(40, 160)
    t.sees("SCHEDULED")
    t.keys("n")
    t.sees("CAPABILITIES")
    assert t.screen.colours > 0
    t.keys("q")
    t.end()
    for more in ({"env": {"NO_COLOR": "1"}}, {"env": {"TERM": "dumb"}}):
        t = top(**more)
        t.sees("LANE")
        assert t.screen.colours == 0
        t.keys("q")
        assert t.end() == 0


def test_only_what_changed_is_drawn(top):
    t = top("--view", "nodes")
    t.sees("node-1")
    at = len(t.raw)
    t.look(3.5)
    frames = t.raw[at:].split("\x1b[?2026h")[1:]
    assert len(frames) >= 2 and all("\x1b[2J" not in f and len(f) < 2500 for f in frames), frames


def test_what_is_wrong_is_said(system, top):
    task = system.submit("echo", "x", task_requires="gpu")
    t = top("--view", "lanes", columns=150)
    t.sees(re.compile(r"critical no node serves lane echo--gpu, where 1 tasks wait: .*gpu.* -> "))
    snapshot, = system.cli_json("top", "--once")
    assert not snapshot["health"]["ok"] and snapshot["health"]["problems"][0]["level"] == "critical"
    system.cli("task", "cancel", task, "--yes")
    t.sees(lambda s: "serves lane echo--gpu" not in s.text)
    assert system.cli("lane", "pause", "hash", "--reason", "new model", check=False).returncode == 0
    waiting = system.submit("hash", "x")
    t.sees("lane hash is paused: new model; 1 tasks wait")
    system.cli("lane", "resume", "hash")
    system.finished(waiting, "completed")
    t.keys("q")
    assert t.end() == 0


def test_task_watch_at_a_terminal(system):
    """A line for what happens, its word in its colour; none without colours."""
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        t = Terminal([BIN / "millrace", "task", "watch", "--type", "echo"], {**system.env, "TERM": "xterm", **env}, columns=150)
        try:
            t.sees("watching")
            task = system.submit("echo", "x")
            t.sees(re.compile(rf"^\d\d:\d\d:\d\d\.\d\d\d  completed  echo +{task} +1 ", re.M))
            assert ("\x1b[32mcompleted \x1b[0m" in t.raw) == coloured
            t.keys("\x03")
            assert t.end() == 130
        finally:
            t.close()


def test_dead_letters_by_what_failed(system, top):
    dead = system.submit("fail", "out of paper", task_attempts="1")
    system.finished(dead, "dead")
    t = top("--view", "dead")
    t.sees(re.compile(r"^ +1  fail +error .*out of paper", re.M))


def test_a_broker_that_leaves_is_waited_for(own_system):
    s = own_system(nodes=1)
    s.allow("level=error|FATAL|ERROR: ")
    t = Terminal([BIN / "millrace", "top", "--interval", "1s"], {**s.env, "TERM": "xterm"}, columns=120)
    try:
        t.sees("LANE")
        s.hold("broker", kill=True)
        t.sees("critical the broker is away")
        assert "lost nats" not in t.screen.text, "words for stderr do not reach the screen"
        s.release("broker")
        t.sees(lambda screen: "the broker is away" not in screen.text, 60)
        s.hold("store")
        t.sees("critical no store answers")
        s.release("store")
        t.sees(lambda screen: "no store answers" not in screen.text, 60)
        t.keys("q")
        assert t.end() == 0
    finally:
        t.close()


def test_without_a_broker(system):
    done = system.cli("top", check=False, env={"NATS_URL": "nats://127.0.0.1:1"})
    assert done.returncode == 5 and "cannot reach NATS" in done.err


@pytest.mark.parametrize("words,said", [(["--interval", "100ms"], "1s is the shortest"), (["--view", "gpus"], "none of lanes, nodes, dead"),
                                        (["--sort", "colour"], "none of name, queued"), (["--interval", "often"], "--interval")])
def test_words_that_do_not_fit(system, words, said):
    done = system.cli("top", *words, check=False)
    assert done.returncode == 2 and said in done.err
