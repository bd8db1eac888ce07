"""The path of a task: published, routed, run, stored; what comes out is what the record says."""
import hashlib
import json
import os

from lib.system import ROOT
from lib.wait import until

SYSTEM = {"handlers": ROOT / "examples/nodes/handlers.yaml"}


def row(system, task_id):
    rows = system.sql("select id, type, millrace.state_name(state) as state, attempt, node, lane, encode(body, 'hex') as body, "
                      f"encode(result, 'hex') as result, error from millrace.tasks where id = '{task_id}'")
    assert len(rows) == 1
    return rows[0]


def test_echo_is_stored_with_body_and_result(system):
    task = system.finished(system.submit("echo", "hello", task_id="path-echo"), "completed")
    assert task["result"] == "hello" and task["attempt"] == 1 and task["lane"] == "echo"
    stored = row(system, "path-echo")
    assert bytes.fromhex(stored["body"]) == bytes.fromhex(stored["result"]) == b"hello"
    assert stored["node"] in ("node-1", "node-2")


def test_id_of_a_task_without_one_follows_from_the_puback(system):
    task_id = system.submit("echo", "x")
    assert system.finished(task_id)["id"] == task_id


def test_times_and_durations_are_in_order(system):
    task = system.finished(system.submit("sleep", "120ms"), "completed")
    assert task["result"] == "120ms"
    assert task["submitted_at"] <= task["queued_at"] and task["started_at"] < task["finished_at"]
    assert 100 <= task["duration_ms"] < 5000


def test_hash_of_binary_bodies(system):
    for number, body in enumerate([b"", b"\0", bytes(range(256)), os.urandom(100_000), os.urandom(1 << 20)]):
        task_id = system.submit("hash", body, task_id=f"path-hash-{number}")
        task = system.finished(task_id, "completed")
        assert task["result"].strip() == hashlib.sha256(body).hexdigest()


def test_binary_result_comes_back_as_it_was(system):
    body = os.urandom(5000) + b"\0"
    system.finished(system.submit("echo", body, task_id="path-binary"), "completed")
    assert bytes.fromhex(row(system, "path-binary")["result"]) == body


def test_stats_of_a_table(system):
    answer = json.loads(system.finished(system.submit("stats", "a,b\n1,x\n2,y\n6,z\n"), "completed")["result"])
    column = answer["columns"]["a"]
    assert (column["count"], column["mean"], column["median"]) == (3, 3.0, 2.0) and answer["text_columns"] == ["b"]


def test_exec_gets_the_body_on_stdin(system):
    task = system.finished(system.submit("words", "three short words\n"), "completed")
    assert task["result"].strip() == "3"


def test_bare_tasks_takes_a_spec(system):
    spec = {"id": "path-spec", "type": "echo", "text": "from a spec", "priority": "high", "metadata": {"team": "blue"}}
    system.nats.js_publish("tasks", json.dumps(spec))
    task = system.finished("path-spec", "completed")
    assert task["result"] == "from a spec" and task["priority"] == "high"


def test_structured_cloudevent_is_a_task(system):
    event = {"specversion": "1.0", "id": "path-ce", "source": "/test", "type": "hash", "data": "abc"}
    system.nats.js_publish("tasks", json.dumps(event), {"Content-Type": "application/cloudevents+json"})

    def look():
        return [t for t in system.sql("select id, convert_from(result, 'UTF8') as result from millrace.tasks "
                                      "where type = 'hash' and id like '%path-ce' and state = 4")]
    found = until(look, 20, "the event's task")
    assert found[0]["result"].strip() == hashlib.sha256(b"abc").hexdigest()


def test_a_failing_task_is_retried_and_then_dead(system):
    task_id = system.submit("fail", "this is why", task_id="path-fail", task_attempts="2", task_backoff="100ms")
    task = system.finished(task_id, "dead")
    assert task["attempt"] == 2 and task["error"] == "this is why"
    letter = system.nats.stream_message("DEAD", last_on="dead.fail")
    assert letter.data == b"this is why" and letter.header("Task-Id") == task_id
    assert letter.header("Outcome-Error") == "this is why"


def test_a_flaky_task_succeeds_in_the_end(system):
    task_id = system.submit("flaky", "2", task_attempts="4", task_backoff="50ms")
    assert system.finished(task_id, "completed")["attempt"] == 3
    assert system.sql(f"select count(*) as n from millrace.attempts where task_id = '{task_id}'")[0]["n"] >= 2


def test_a_timeout_is_a_failed_attempt(system):
    task_id = system.submit("sleep", "60s", task_timeout="300ms", task_attempts="1")
    task = system.finished(task_id, "dead")
    assert task["reason"] == "timeout"


def test_same_id_twice_is_one_task(system):
    first = system.nats.js_publish("tasks.echo", "one", {"Nats-Msg-Id": "path-twice"})
    second = system.nats.js_publish("tasks.echo", "one", {"Nats-Msg-Id": "path-twice"})
    assert not first.get("duplicate") and second["duplicate"]
    # Past the broker's own window (here: by another header) the store's key decides.
    system.nats.js_publish("tasks.echo", "again", {"Task-Id": "path-twice"})
    system.finished("path-twice", "completed")
    assert system.sql("select count(*) as n from millrace.tasks where id = 'path-twice'")[0]["n"] == 1


def test_high_priority_overtakes_what_waits(own_system):
    system = own_system(nodes=1, slots=1)
    system.finished(system.submit("sleep", "1ms"))  # the lane is there
    blocker = system.submit("sleep", "1s", task_id="blocker")
    until(lambda: (system.task(blocker) or {}).get("state") == "running" or system.nats.stream_state("LANE_sleep")["messages"] == 1)
    for number in range(10):
        system.submit("sleep", "1ms", task_id=f"normal-{number}")
    system.submit("sleep", "1ms", task_id="urgent", task_priority="high")
    for number in range(10):
        system.finished(f"normal-{number}", "completed")
    urgent = system.finished("urgent", "completed")
    earlier = [n for n in range(10) if system.task(f"normal-{n}")["started_at"] < urgent["started_at"]]
    assert len(earlier) <= 1, f"before the urgent one ran {earlier}"


def test_a_delayed_task_waits(system):
    task_id = system.submit("echo", "later", task_id="path-delay", task_delay="2s")
    scheduled = until(lambda: system.task(task_id), what="the task's row")
    assert scheduled["state"] in ("scheduled", "queued", "completed")
    task = system.finished(task_id, "completed", timeout=40)
    waited = system.sql("select extract(epoch from started_at - submitted_at)::float8 as s from millrace.tasks "
                        f"where id = '{task_id}'")[0]["s"]
    assert waited >= 2.0, task


def test_run_answers_with_the_result(system):
    reply = system.nats.request("run.echo", "at once")
    assert reply.data == b"at once" and reply.header("Task-State") == "completed"
    assert system.finished(reply.header("Task-Id"), "completed")["result"] == "at once"


def test_run_tells_a_failure(system):
    reply = system.nats.request("run.fail", "no good", {"Task-Attempts": "1"})
    assert reply.header("Task-State") == "dead" and reply.header("Nats-Service-Error") == "no good"


def test_run_that_takes_long_says_so_and_goes_on(system):
    reply = system.nats.request("run.sleep", "1500ms", {"Task-Wait": "200ms"})
    answer = reply.json()
    assert reply.header("Task-State") == "running" and answer["status"] == "running"
    assert system.finished(answer["id"], "completed")["result"] == "1500ms"


def test_results_can_be_tapped(system):
    tap = system.nats.subscribe("results.echo.>")
    system.nats.flush()
    system.submit("echo", "tapped", task_id="path-tap")
    message = tap.next()
    tap.close()
    assert message.subject == "results.echo.path-tap" and message.data == b"tapped"
    assert message.header("Task-State") == "completed"


def test_publishers_headers_reach_the_record(system):
    system.submit("echo", "x", task_id="path-headers", **{"X-Colour": "green", "traceparent": "00-abc"})
    assert system.finished("path-headers", "completed")
    headers = system.sql("select headers from millrace.tasks where id = 'path-headers'")[0]["headers"]
    assert "green" in headers and "Traceparent" in headers or "traceparent" in headers


def test_thousands_are_all_completed_once(system):
    acks = system.nats.js_publish_many(("tasks.echo", f"n{i}", {"Task-Id": f"many-{i}"}) for i in range(5000))
    assert all(acks)
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'many-%' and state = 4")[0]["n"] == 5000,
          60, "5000 rows")
    assert system.sql("select count(*) as n from millrace.tasks where id like 'many-%' and "
                      "convert_from(result, 'UTF8') = 'n' || substr(id, 6)")[0]["n"] == 5000
    # Nothing is left behind in the broker.
    until(lambda: all(system.nats.stream_state(s)["messages"] == 0 for s in ("TASKS", "LANE_echo", "EVENTS")), 20,
          "streams empty")


def test_views_for_dashboards(system):
    system.finished(system.submit("echo", "x"))
    for view in ("workers", "task_queue", "task_results", "worker_assignments", "distributed_state", "dead_letter_queue",
                 "task_dependencies", "worker_metrics", "v_active_workers", "v_pending_tasks", "v_system_health",
                 "v_worker_performance"):
        system.sql(f"select * from millrace.{view} limit 5")
    assert until(lambda: system.sql("select * from millrace.v_active_workers"), 20, "active workers in the view")
