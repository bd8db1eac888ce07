"""Handlers as nobody wants them, beside others that go on: their tasks end, their node does not, nothing of them stays."""
import json
from pathlib import Path

from lib.wait import until

from kit.arena import HANDLERS, PYTHON
from kit.keeper import program
from kit.trial import Trial

MARK = "7391.25"
ROUGH = "".join(f"""
  - {{type: {how}, kind: exec, command: [{PYTHON}, -S, {HANDLERS / 'rough.py'}, {how}], env: {{MARK: '{MARK}'}},
     timeout: 3s, limits: {{grace: 1s, processes: 32, output: 1MiB}}}}""" for how in
                ("dies", "ignores_term", "prints", "forks", "escapes")) + "\n"
ARENA = {"nodes": 1, "bridge": False, "more_handlers": ROUGH}
RUN_DELIVERIES_MAX = 10


def left_behind():
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"sleep\0" + MARK.encode()):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def rss_mib(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2 ** 20


def test_rough_handlers(arena):
    pid = arena.pid("node-1")
    with Trial(arena, "handlers that die, ignore TERM, print 1 GB, fork without end, escape") as trial:
        trial.under_load(30)
        before = rss_mib(pid)
        for how in ("dies", "ignores_term", "prints", "forks"):
            trial.submit(f"tasks.{how}", "x", state="dead", task_attempts="2", task_backoff="100ms")
        trial.submit("tasks.escapes", "x", result=b"answered")
        trial.finish(times=5)
    assert arena.pid("node-1") == pid, "the node died of a handler"
    until(lambda: not left_behind(), 10, "nothing that a handler started is left")
    assert rss_mib(pid) - before < 400, "a gigabyte of output was kept"  # a sanitizer's quarantine is 256 MiB
    errors = {r["type"]: r["error"] for r in arena.sql(f"select type, error from millrace.tasks where id like '{trial.prefix}x%'")}
    assert "output" in errors["prints"] or "MiB" in errors["prints"] or "bytes" in errors["prints"], errors
    assert "time" in errors["ignores_term"], errors


def test_poison_task_ends_as_a_dead_letter(arena):
    """Delivered over and over (its nodes died of it): not run any more, but told."""
    trial = Trial(arena, "poison task", rate=0, mix=((1, "echo"),))
    with trial:
        task_id = trial.submit("tasks.poison", "x", state="dead", ledgered=True)
        nats = trial.nats()
        until(lambda: "LANE_poison" in trial.streams() and nats.stream_state("LANE_poison")["messages"] == 1, 20, "on its lane")
        for _ in range(RUN_DELIVERIES_MAX):
            got = nats.request("$JS.API.CONSUMER.MSG.NEXT.LANE_poison.normal", json.dumps({"batch": 1, "expires": 3_000_000_000}))
            assert got.header("Task-Id") == task_id
            nats.publish(got.reply, b"-NAK")
        handlers = arena.dir / "poison.yaml"
        handlers.write_text(f"handlers:\n  - {{type: poison, kind: exec, command: [touch, {arena.dir / 'was-run'}]}}\n")
        arena.keep("poisoned", [*program("node"), "poisoned", "--handlers", handlers])
        trial.finish(tail=0)
        arena.drop("poisoned")
    row = arena.sql(f"select reason, deliveries from millrace.tasks where id = '{task_id}'")[0]
    assert row["reason"] == "deliveries", row
    assert not (arena.dir / "was-run").exists()
