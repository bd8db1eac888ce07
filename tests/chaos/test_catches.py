"""The whole checker on a real system that is made to break its promise: each breach must be found."""
import json

import pytest

from lib.wait import until

from kit.trial import Trial

ARENA = {"nodes": 1, "bridge": False}


@pytest.fixture
def done(arena):
    """A trial that ended well, to be spoilt afterwards."""
    with Trial(arena, "(none: the checker's own test)", mix=((3, "worked"), (1, "doomed"))) as trial:
        trial.under_load(20)
        trial.publisher.stop()
        until(trial.quiet, 40, "quiet")
    report = trial.check()
    assert report.clean() and report.acked >= 20, str(report)
    return trial


def a_completed(trial):
    return next(i for i, s in trial.journal.submits.items() if s.state == "completed" and s.outcome == "ok")


def test_a_row_that_is_removed(arena, done):
    task_id = a_completed(done)
    arena.psql(f"delete from millrace.tasks where id = '{task_id}'")
    report = done.check()
    assert report.lost == [task_id] and report.changed == [(task_id, "removed")], str(report)


def test_a_row_that_is_there_twice(arena, done):
    task_id = a_completed(done)
    arena.psql("alter table millrace.tasks drop constraint tasks_pkey")
    try:
        columns = arena.psql("select string_agg(column_name, ',') from information_schema.columns where table_schema = 'millrace' "
                             "and table_name = 'tasks' and is_generated = 'NEVER'").strip()
        arena.psql(f"insert into millrace.tasks ({columns}) select {columns} from millrace.tasks where id = '{task_id}'")
        assert done.check().doubled == [task_id]
    finally:
        arena.psql(f"delete from millrace.tasks where id = '{task_id}'; alter table millrace.tasks add primary key (id)")


def test_a_terminal_state_reached_twice(arena, done):
    task_id = a_completed(done)
    arena.psql(f"update millrace.tasks set state = 3 where id = '{task_id}'")
    arena.psql(f"update millrace.tasks set state = 4 where id = '{task_id}'")
    report = done.check()
    assert report.doubled == [task_id] and report.changed == [(task_id, "changed")], str(report)


def test_a_result_that_is_another(arena, done):
    task_id = a_completed(done)
    arena.psql(f"update millrace.tasks set result = 'forged' where id = '{task_id}'")
    report = done.check()
    assert report.wrong_result == [task_id] and report.changed == [(task_id, "changed")], str(report)


def test_a_store_that_acks_before_it_commits(arena):
    """Its place is taken by one that acks what it was given, and is never heard of again."""
    with Trial(arena, "(none: the checker's own test)", mix=((1, "worked"),)) as trial:
        trial.under_load(20)
        arena.hold("store")
        nats = trial.nats()
        taken = until(lambda: take_and_ack(nats, "EVENTS", "store", trial.prefix), 10, "events to lose")
        arena.release("store")
        trial.under_load(20)
        trial.publisher.stop()
        # What it lost never comes: the rest is quiet when nothing waits.
        until(lambda: nats.stream_state("EVENTS")["messages"] == 0 and nats.stream_state("LANE_worked")["messages"] == 0, 40, "quiet")
    report = trial.check()
    assert set(report.faults()) & {"lost", "unfinished"}, f"{taken} messages lost: {report}"


def take_and_ack(nats, stream, consumer, mark):
    """How many messages of one batch spoke of the trial's tasks; they are acked and thrown away."""
    subject = f"{nats.prefix}.steal"
    sub = nats.subscribe(subject)
    taken = 0
    try:
        nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", '{"batch":50,"no_wait":true}', reply=subject)
        while True:
            message = sub.next(2)
            if message.status:
                return taken
            taken += mark.encode() in message.data or (message.header("Task-Id") or "").startswith(mark)
            nats.publish(message.reply, b"+ACK")
    except TimeoutError:
        return taken
    finally:
        sub.close()


def test_a_node_that_acks_before_it_runs(arena):
    with Trial(arena, "(none: the checker's own test)", mix=((1, "worked"),)) as trial:
        trial.under_load(20)
        arena.hold("node-1")
        taken = until(lambda: take_and_ack(trial.nats(), "LANE_worked", "normal", trial.prefix), 10, "tasks to lose")
        arena.release("node-1")
        trial.publisher.stop()
        until(lambda: trial.nats().stream_state("LANE_worked")["messages"] == 0
              and trial.nats().stream_state("EVENTS")["messages"] == 0, 40, "quiet")
    report = trial.check()
    assert len(report.unfinished) >= taken, f"{taken} messages lost: {report}"


def late_outcome(trial, task_id):
    """What an execution that was given up says of it after all: a higher epoch, another result."""
    outcome = {"id": task_id, "type": "worked", "lane": "worked", "state": "completed", "attempt": 1, "node": "late",
               "epoch": 2 ** 40, "started_at": "2026-01-02T03:04:05Z", "finished_at": "2026-01-02T03:04:06Z", "result": "late"}
    trial.nats().js_publish("events.done", json.dumps(outcome), {"Content-Type": "application/json"})
    until(lambda: trial.nats().stream_state("EVENTS")["messages"] == 0, 20, "the late outcome is stored")


def test_a_late_outcome_with_the_fence_and_without(arena, done):
    task_id = a_completed(done)
    late_outcome(done, task_id)
    assert done.check().clean(), "the first terminal state stored wins"
    honest = arena.psql("select pg_get_functiondef('millrace.put_tasks'::regproc)")
    assert honest.count("t.state < 4 AND ") >= 10
    arena.psql(honest.replace("t.state < 4 AND ", "") + ";")
    try:
        late_outcome(done, task_id)
    finally:
        arena.psql(honest + ";")
    report = done.check()
    assert (task_id, "changed") in report.changed and report.wrong_result == [task_id], str(report)
