"""SIGKILL of any one component in mid-run: every acknowledged submit completes once."""
import threading

import pytest

from lib.journal import Journal
from lib.wait import until

SYSTEM = {"slots": 40}

TASKS = 2500


def load(prefix):
    """Echoes and short sleeps: at any moment some wait, some run, some are being recorded."""
    for number in range(TASKS):
        if number % 5 == 0:
            yield "sleep", f"{prefix}{number}", f"{10 + number % 40}ms"
        else:
            yield "echo", f"{prefix}{number}", f"body {number}"


@pytest.mark.parametrize("component", ["router", "store", "node-1", "broker", "postgresql"])
def test_kill_in_mid_run(system, component):
    system.allow(r"level=error|PANIC|FATAL|ERROR: ")  # what components say about the missing one; sanitizers still count
    prefix = f"kill-{component}-"
    journal = Journal(system)
    publisher = threading.Thread(target=journal.publish, args=(load(prefix),))
    publisher.start()
    killed = 0
    for share in (0.15, 0.5):
        # Mid-run by what is recorded, or (with the database away) by what is acknowledged.
        until(lambda: len(journal.acked) > TASKS * share or not publisher.is_alive() or done(system, prefix) > TASKS * share,
              60, "progress")
        pid = system.kill(component)
        killed += 1
        system.wait_ready(component, not_pid=pid)
    publisher.join(120)
    assert not publisher.is_alive() and len(journal.acked) == TASKS
    journal.check(prefix)
    # The promise has nothing left to do.
    until(lambda: all(system.drained(s) for s in ("TASKS", "LANE_echo", "LANE_sleep", "EVENTS")), 40, "streams empty")
    assert killed == 2


def done(system, prefix):
    try:
        return system.sql(f"select count(*) as n from millrace.tasks where id like '{prefix}%' and state >= 4")[0]["n"]
    except (ConnectionError, AssertionError):
        return 0


def test_a_killed_nodes_tasks_run_elsewhere_within_ten_seconds(own_system):
    system = own_system(nodes=2, slots=4)
    ids = [system.submit("sleep", "3s", task_id=f"moved-{i}") for i in range(8)]
    until(lambda: system.nats.stream_state("LANE_sleep")["messages"] == 8, what="all are on the lane")
    # Not all eight: a slot may be lent to a long poll on another class for up to 3 s.
    until(lambda: system.nats.api("CONSUMER.INFO.LANE_sleep.normal")["num_ack_pending"] >= 5, what="both nodes run some")
    system.hold("node-1", kill=True)
    for task_id in ids:
        assert system.finished(task_id, "completed", timeout=40)["node"]
    late = system.sql("select id, extract(epoch from finished_at - submitted_at)::float8 as s from millrace.tasks "
                      "where id like 'moved-%' and finished_at - submitted_at > interval '20 s'")
    assert not late, late  # 10 s to move, and two rounds of 3 s on the node that is left


def test_no_child_outlives_a_killed_node(own_system, tmp_path):
    handlers = tmp_path / "handlers.yaml"
    handlers.write_text("handlers:\n  - type: linger\n    kind: exec\n    command: [sleep, '61.5']\n")
    system = own_system(nodes=0)
    node = system.start_node("lone", "--handlers", str(handlers))
    system.submit("linger", "", task_id="lingers")

    def lingering():
        return [p for p in system_processes(b"sleep\x0061.5")]
    until(lingering, 30, "the handler's process")
    node.kill()
    node.wait()
    until(lambda: not lingering(), 10, "no child left")


def system_processes(command):
    from pathlib import Path
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().startswith(command):
                    yield int(entry.name)
            except OSError:
                pass


def test_stopped_node_does_not_strand_its_tasks(own_system):
    """SIGSTOP for longer than ack_wait, then SIGCONT: done elsewhere, and once in the table."""
    import signal
    import os
    system = own_system(nodes=2, slots=4)
    system.finished(system.submit("echo", "warm"))
    pid = system.pid("node-1")
    os.kill(pid, signal.SIGSTOP)
    try:
        ids = [system.submit("echo", f"s{i}", task_id=f"stopped-{i}") for i in range(40)]
        for task_id in ids:
            system.finished(task_id, "completed", timeout=40)
    finally:
        os.kill(pid, signal.SIGCONT)
    system.wait_node("node-1")
    assert system.sql("select count(*) as n from millrace.tasks where id like 'stopped-%' and state = 4")[0]["n"] == 40
