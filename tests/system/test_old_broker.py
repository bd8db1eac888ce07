"""The distribution's old nats-server (2.9.10) serves development: the same path on it."""
import os
import re
import subprocess
import time

import pytest

from lib.journal import Journal
from lib.wait import until

OLD = "/usr/sbin/nats-server"


@pytest.fixture(scope="module")
def old_broker():
    if not os.access(OLD, os.X_OK):
        pytest.skip("the distribution's nats-server is not installed")
    version = subprocess.run([OLD, "--version"], capture_output=True, text=True).stdout
    if not re.search(r"v2\.9\.", version):
        pytest.skip(f"{OLD} is not an old one: {version.strip()}")
    return {"MILLRACE_DEV_NATS_SERVER": OLD}


def test_the_path(own_system, old_broker):
    system = own_system(env=old_broker)
    assert "development only" in system.log("dev")
    assert system.nats.info["version"].startswith("2.9.")
    journal = Journal(system)
    journal.publish(("echo", f"old-{n}", f"body {n}") for n in range(1000))
    journal.check("old-")
    assert system.nats.request("run.hash", "abc").data.startswith(b"ba7816bf")
    task = system.finished(system.submit("fail", "x", task_attempts="2", task_backoff="10ms"), "dead")
    assert task["attempt"] == 2
    delayed = system.submit("echo", "later", task_delay="1s")
    assert system.finished(delayed, "completed", timeout=40)
    assert "0 created, 0 updated" in system.cli("setup").err


def test_killed_node_and_broker_restart(own_system, old_broker):
    system = own_system(env=old_broker, nodes=2, slots=4)
    system.allow("level=error")
    journal = Journal(system)
    journal.publish(("sleep", f"oldkill-{n}", "200ms") for n in range(60))
    pid = system.kill("node-1")
    system.wait_ready("node-1", not_pid=pid)
    pid = system.kill("broker")
    system.wait_ready("broker", not_pid=pid)
    journal.publish(("sleep", f"oldkill-later-{n}", "10ms") for n in range(20))
    journal.check("oldkill-", timeout=90)
    until(lambda: system.drained("EVENTS"), 20, "events taken")


def test_a_node_of_one_slot(own_system, old_broker):
    """A pull from a durable that is not there, as this node's own on DIRECT is at first, is answered by silence, and held the slot."""
    system = own_system(env=old_broker, nodes=0, bridge=False)
    node = system.start_node("solo", "--slots", "1")
    for n in range(5):
        begun = time.monotonic()
        system.finished(system.submit("echo", str(n)), "completed")
        assert time.monotonic() - begun < 2
    directed = system.submit("echo", "mine", task_node="solo")
    assert system.finished(directed, "completed")["node"] == "solo"
    node.terminate()
    assert node.wait(20) == 0


def test_a_lower_limit_drops_nothing(own_system, old_broker):
    """Before 2.10.6 the server drops the oldest of a stream that holds more than its new limit."""
    system = own_system(env=old_broker, nodes=1, bridge=False)
    system.finished(system.submit("echo", "warm"), "completed")
    system.cli("lane", "pause", "echo")
    ids = [system.submit("echo", str(n)) for n in range(8)]
    until(lambda: system.nats.stream_state("LANE_echo")["messages"] == 8, 10, "all wait")
    system.cli("lane", "limit", "echo", "--depth", "4")
    until(lambda: "this broker would drop them" in system.log("router"), 10, "the router waits")
    assert system.nats.stream_state("LANE_echo")["messages"] == 8
    system.cli("lane", "resume", "echo")
    for task in ids:
        system.finished(task, "completed")
    until(lambda: system.nats.api("STREAM.INFO.LANE_echo")["config"]["max_msgs"] == 4, 15, "the limit")
