"""A new type and a new capability need nothing but a node's configuration."""
import json
import time

from lib.wait import until

HANDLERS = """\
handlers:
  - type: upper
    kind: exec
    command: [tr, "a-z", "A-Z"]
    content_type: text/plain
"""


def start(system, tmp_path, name, *words):
    path = tmp_path / f"{name}.yaml"
    path.write_text(HANDLERS)
    return system.start_node(name, "--handlers", str(path), *words)


def others(system):
    return {c["name"]: (c["pid"], c["restarts"]) for c in system.status()["components"]}


def test_new_type(system, tmp_path):
    before = others(system)
    waiting = system.submit("upper", "first it waits", task_id="new-waits")
    until(lambda: (system.task(waiting) or {}).get("state") == "queued", what="queued")
    node = start(system, tmp_path, "upper-1")
    assert system.finished(waiting, "completed")["result"] == "FIRST IT WAITS"
    assert system.nats.request("run.upper", "at once").data == b"AT ONCE"
    assert others(system) == before, "another component was touched"
    assert "upper-1" in [n["name"] for n in system.cli_json("node", "list") if "upper" in n["types"]]
    node.terminate()
    assert node.wait(40) == 0


def test_a_node_that_was_waited_for_does_the_first_task(system, tmp_path):
    """As README's "A new type of task" has it: no bridge takes it to subscribers that are not there."""
    for i in range(5):
        path = tmp_path / f"count-{i}.yaml"
        path.write_text(f"handlers:\n  - {{type: wordcount{i}, kind: exec, command: [wc, -w]}}\n")
        node = system.start_node(f"count-{i}", "--handlers", str(path))
        assert system.cli("node", "wait", f"count-{i}").returncode == 0
        began = time.monotonic()
        assert system.cli("submit", f"wordcount{i}", "--data", "three short words", "--wait").out.strip() == "3"
        assert time.monotonic() - began < 2
        node.terminate()
        assert node.wait(40) == 0
    late = system.cli("node", "wait", "nobody-1", "--wait", "200ms", check=False)
    assert late.returncode == 124 and "nobody-1 is not ready" in late.err


def test_new_capability(system, tmp_path):
    before = others(system)
    plain = start(system, tmp_path, "plain-1")
    task_id = system.submit("upper", "special", task_id="new-special", task_requires="plugin-x")
    until(lambda: (system.task(task_id) or {}).get("state") == "queued", what="queued")
    assert system.task(task_id)["lane"] == "upper--plugin-x"
    # A node without the capability leaves it alone, and does the rest.
    assert system.finished(system.submit("upper", "plain", task_id="new-plain"), "completed")["node"] == "plain-1"
    assert system.task(task_id)["state"] == "queued"
    able = start(system, tmp_path, "able-1", "--capabilities", "plugin-x,other")
    assert system.finished(task_id, "completed")["node"] == "able-1"
    assert others(system) == before
    for node in (plain, able):
        node.terminate()
        assert node.wait(40) == 0


def test_requirements_in_a_spec_and_in_any_order_are_one_lane(system):
    system.nats.js_publish("tasks", json.dumps({"id": "lane-a", "type": "echo", "payload": "x", "required": {"b": True, "a": True}}))
    system.submit("echo", "x", task_id="lane-b", task_requires="b, a,b")
    for task_id in ("lane-a", "lane-b"):
        assert until(lambda: system.task(task_id), what=task_id)["lane"] == "echo--a--b"


def test_drained_node_takes_nothing_new_and_ends_cleanly(system, tmp_path):
    node = start(system, tmp_path, "drain-1")
    system.finished(system.submit("upper", "a"), "completed")
    system.cli("node", "drain", "drain-1", "--wait=20s")
    waiting = system.submit("upper", "after the drain", task_id="drain-waits")
    until(lambda: (system.task(waiting) or {}).get("state") == "queued", what="queued")
    system.cli("node", "undrain", "drain-1")
    system.finished(waiting, "completed")
    system.cli("node", "stop", "drain-1")
    assert node.wait(40) == 0
    until(lambda: "drain-1" not in [n["name"] for n in system.cli_json("node", "list") if n["state"] == "ready"], 20, "gone")
