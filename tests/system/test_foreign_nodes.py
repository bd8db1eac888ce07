"""Nodes that are not ours: a plain subscriber behind the bridge, an agent process, a whole node in another language."""
import json
import subprocess
import threading

import pytest

from lib.natsraw import Client
from lib.system import ROOT
from lib.wait import until

SYSTEM = {"handlers": ROOT / "examples/nodes/handlers.yaml"}
PYTHON = "/usr/bin/python3"


class Subscriber:
    """A plain NATS subscriber that answers requests on handle.<type>, in a queue group."""

    def __init__(self, system, task_type, answer):
        self.client = Client(system.nats_url)
        self.sub = self.client.subscribe(f"handle.{task_type}", "nodes")
        self.answer, self.seen, self.over = answer, [], False
        self.client.flush()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.over:
            try:
                message = self.sub.next(0.2)
            except TimeoutError:
                continue
            self.seen.append(message)
            data, headers = self.answer(message)
            self.client.publish(message.reply, data, headers)

    def close(self):
        self.over = True
        self.thread.join()
        self.client.close()


def test_plain_subscribers_share_the_work_as_one_queue_group(system):
    two = [Subscriber(system, "reverse_text", lambda m: (m.data[::-1], None)) for _ in range(2)]
    try:
        ids = [system.submit("reverse_text", f"abc{i}", task_id=f"plain-{i}") for i in range(60)]
        for number, task_id in enumerate(ids):
            task = system.finished(task_id, "completed", timeout=60)
            assert task["result"] == f"abc{number}"[::-1] and task["node"] == "bridge"
        assert all(s.seen for s in two), "one of them did everything"
        assert sum(len(s.seen) for s in two) == 60
        first = two[0].seen[0]
        assert first.header("Task-Id") and first.header("Task-Execution-Epoch") and not first.header("Nats-Msg-Id")
    finally:
        for s in two:
            s.close()


def test_a_subscribers_error_is_a_failed_attempt(system):
    s = Subscriber(system, "picky", lambda m: (b"", {"Nats-Service-Error-Code": "422", "Nats-Service-Error": "not like this"}))
    try:
        task = system.finished(system.submit("picky", "x", task_id="picky-1"), "dead", timeout=60)
        assert "not like this" in task["error"] and task["attempt"] == 1  # 4xx: trying again cannot help
    finally:
        s.close()


def test_an_error_without_words_is_no_success(system):
    """A last header without a value makes all of them unreadable to the client library."""
    s = Subscriber(system, "wordless", lambda m: (b"a traceback", {"Nats-Service-Error-Code": "500", "Nats-Service-Error": ""}))
    try:
        task = system.finished(system.submit("wordless", "x", task_attempts="1"), "dead")
        assert "headers can't be read" in task["error"], task
    finally:
        s.close()


def test_without_a_subscriber_no_attempt_is_spent(system):
    task_id = system.submit("nobody_home", "x", task_id="nobody-1", task_attempts="1")
    until(lambda: system.task(task_id), what="row")
    assert system.task(task_id)["state"] in ("queued", "scheduled", "running")
    s = Subscriber(system, "nobody_home", lambda m: (b"here I am", None))
    try:
        task = system.finished(task_id, "completed", timeout=90)
        assert task["result"] == "here I am" and task["attempt"] == 1
    finally:
        s.close()


def test_agent_process_in_python(system):
    ids = [system.submit("summarize", f"One sentence. Number {i}. And a third one.", task_id=f"agent-{i}") for i in range(30)]
    for task_id in ids:
        assert system.finished(task_id, "completed", timeout=60)["result"]


def native(task_type):
    for python in (PYTHON, ROOT / ".run/venv/bin/python3"):
        try:
            if subprocess.run([python, "-c", "import nats"], capture_output=True).returncode == 0:
                return [python, ROOT / "examples/nodes/python/native_node.py", task_type]
        except OSError:
            pass
    pytest.skip("no nats-py (deploy/deps.sh test installs it where the network is there)")


def test_native_node_in_python(system):
    argv = native("reverse")
    node = system.run([*argv, "--name", "py-1"])
    system.wait_node("py-1")
    ids = [system.submit("reverse", f"desserts {i}", task_id=f"py-{i}") for i in range(50)]
    for number, task_id in enumerate(ids):
        task = system.finished(task_id, "completed", timeout=60)
        assert task["result"] == f"desserts {number}"[::-1] and task["node"] == "py-1"
    assert system.nats.request("run.reverse", "desserts").data == b"stressed"
    task = system.finished(system.submit("reverse", "x", task_id="py-fails", task_attempts="1", **{"X-Fail": "as asked"}), "dead")
    assert "as asked" in task["error"]
    assert any(n["name"] == "py-1" and n["state"] == "ready" for n in system.cli_json("node", "list"))
    node.terminate()
    assert node.wait(30) == 0
    until(lambda: not any(n["name"] == "py-1" and n["state"] == "ready" for n in system.cli_json("node", "list")), 20, "gone")


def test_protocol_by_hand(own_system):
    """docs/protocol.md, section 3, with nothing but raw NATS: pull, record as JSON, PubAck, ack."""
    system = own_system(nodes=0, bridge=False)
    task_id = system.submit("by_hand", "bytes", task_id="hand-1")
    until(lambda: (system.task(task_id) or {}).get("state") == "queued", what="queued")
    nats = system.nats
    got = nats.request("$JS.API.CONSUMER.MSG.NEXT.LANE_by_hand.normal", json.dumps({"batch": 1, "expires": 3_000_000_000}))
    assert got.data == b"bytes" and got.header("Task-Id") == task_id and got.header("Task-Attempt") == "1"
    words = got.reply.split(".")
    delivered, lane_seq, consumer_seq = (int(w) for w in words[-5:-2])
    outcome = {"id": task_id, "type": "by_hand", "lane": "by_hand", "state": "completed", "attempt": 1, "node": "hand",
               "epoch": (int(got.header("Task-Epoch")) << 32) + consumer_seq, "lane_seq": lane_seq, "deliveries": delivered,
               "submitted_at": got.header("Task-Submitted-At"), "started_at": "2026-01-02T03:04:05Z",
               "finished_at": "2026-01-02T03:04:06Z", "content_type": "text/plain", "result": "by hand"}
    nats.js_publish("events.done", json.dumps(outcome), {"Content-Type": "application/json", "Nats-Msg-Id": "hand-1-done"})
    nats.publish(got.reply, b"+ACK")
    task = system.finished(task_id, "completed")
    assert task["result"] == "by hand" and task["node"] == "hand" and task["duration_ms"] == 1000
    until(lambda: nats.stream_state("LANE_by_hand")["messages"] == 0, 10, "lane empty")
