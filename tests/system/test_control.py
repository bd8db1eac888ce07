"""Cancel, reassign, retry by hand, unique keys, results that expire: each race decided."""
import json
import time

import pytest

from lib.system import BIN
from lib.wait import until

HANDLERS = """
handlers:
  - {type: echo, kind: echo}
  - {type: sleep, kind: sleep}
  - {type: fail, kind: fail}
  - {type: long, kind: sleep}
  - {type: stuck, kind: exec, command: [sh, -c, 'trap "" TERM; sleep 600 & wait; wait'], limits: {grace: 500ms}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    from conftest import end, make
    handlers = tmp_path_factory.mktemp("control") / "handlers.yaml"
    handlers.write_text(HANDLERS)
    s = make(nodes=2, handlers=handlers, bridge=False)
    s.start(env={"MILLRACE_KEEP_CANCELS": "2s", "MILLRACE_KEEP_RESULTS": "6s", "MILLRACE_RECORD_BODY_MAX": "1KiB"})
    yield s
    end(s)


def ask(system, what, **request):
    """The answer, or (code, sentence) of a refusal."""
    reply = system.nats.request(f"api.task.{what}", json.dumps(request))
    code = reply.header("Nats-Service-Error-Code")
    return (int(code), reply.header("Nats-Service-Error")) if code else reply.json()


def state(system, task_id):
    return (system.task(task_id) or {}).get("state")


def running(system, task_id):
    until(lambda: state(system, task_id) == "running", 20, f"{task_id} runs")
    return system.task(task_id)["node"]


def markers(system):
    subjects = system.nats.api("STREAM.INFO.KV_cancels", {"subjects_filter": ">"})["state"].get("subjects") or {}
    return [s.split(".", 2)[2] for s in subjects
            if not system.nats.stream_message("KV_cancels", last_on=s).header("KV-Operation")]


def lane_pause(system, lane, paused):
    system.nats.js_publish(f"$KV.settings.lane.{lane}", json.dumps({"paused": paused}))


# ---- cancel ----

def test_a_running_task_is_ended_and_its_waiter_told(system):
    tap = system.nats.subscribe("results.long.c-run")
    system.submit("long", "60s", task_id="c-run")
    running(system, "c-run")
    assert ask(system, "cancel", id="c-run", by="me")["tasks"][0]["what"] == "ending"
    task = system.finished("c-run", "cancelled", timeout=10)
    assert task["reason"] == "cancelled" and task["attempt"] == 1
    assert tap.next().header("Task-State") == "cancelled"
    tap.close()
    until(lambda: system.nats.stream_state("LANE_long")["messages"] == 0, 10, "lane empty")


def test_a_program_that_ignores_term_is_killed(system):
    system.submit("stuck", "", task_id="c-stuck")
    running(system, "c-stuck")
    assert ask(system, "cancel", id="c-stuck")["tasks"][0]["what"] == "ending"
    system.finished("c-stuck", "cancelled", timeout=20)
    until(lambda: system.nats.stream_state("LANE_stuck")["messages"] == 0, 20, "its node let go of it")


def test_a_scheduled_task_is_cancelled_at_once_and_never_runs(system):
    system.submit("echo", "x", task_id="c-later", task_delay="4s")
    until(lambda: state(system, "c-later") == "scheduled", 10, "it waits")
    assert ask(system, "cancel", id="c-later")["tasks"][0]["what"] == "cancelled"
    system.finished("c-later", "cancelled", timeout=5)
    until(lambda: system.nats.stream_state("DELAYED")["messages"] == 0, 30, "DELAYED let go of it")
    assert state(system, "c-later") == "cancelled" and system.task("c-later")["node"] is None


def test_a_queued_task_of_a_lane_that_nobody_serves(system):
    # Requested as run.<type>: whoever waits for it is told although no node ever meets it.
    tap = system.nats.subscribe("results.nobody.>")
    inbox = system.nats.subscribe("waiting.here")
    system.nats.send(system.nats.frame("run.nobody", b"x", {"Task-Id": "c-nobody", "Task-Wait": "30s"}, reply="waiting.here"))
    until(lambda: state(system, "c-nobody") == "queued", 10, "it waits")
    assert ask(system, "cancel", id="c-nobody")["tasks"][0]["what"] == "cancelled"
    system.finished("c-nobody", "cancelled", timeout=5)
    assert tap.next().header("Task-State") == "cancelled"
    assert inbox.next(15).header("Task-State") == "cancelled"
    until(lambda: system.nats.stream_state("LANE_nobody")["messages"] == 0, 15, "its message is gone")
    tap.close()
    inbox.close()


def test_cancel_before_the_router_took_it(system):
    system.hold("router")
    system.submit("echo", "x", task_id="c-early")
    code, words = ask(system, "cancel", id="c-early")
    assert code == 404 and "on its way" in words
    system.release("router")
    task = system.finished("c-early", "cancelled")
    assert task["node"] is None
    assert system.sql("select body is null as nobody from millrace.tasks where id = 'c-early'")[0]["nobody"]
    # What is submitted later under an unknown id that was cancelled runs.
    assert ask(system, "cancel", id="c-never")[0] == 404
    time.sleep(0.02)  # the broker's clock is told in its messages; this is no wait for anybody
    system.submit("echo", "new", task_id="c-never")
    system.finished("c-never", "completed")


def test_cancel_of_what_has_ended_is_refused_with_its_state(system):
    system.finished(system.submit("echo", "x", task_id="c-done"), "completed")
    code, words = ask(system, "cancel", id="c-done")
    assert code == 409 and "completed" in words
    assert state(system, "c-done") == "completed"


def test_cancelled_twice_is_one_end(system):
    system.submit("long", "60s", task_id="c-twice")
    running(system, "c-twice")
    ask(system, "cancel", id="c-twice")
    ask(system, "cancel", id="c-twice")
    first = system.finished("c-twice", "cancelled")
    assert ask(system, "cancel", id="c-twice")[0] == 409
    counts = system.sql("select sum(n)::int as n from millrace.task_counts where type = 'long' and state = 6")
    ended = system.sql("select count(*)::int as n from millrace.tasks where type = 'long' and state = 6")
    assert counts == ended and system.task("c-twice")["finished_at"] == first["finished_at"]


def test_cancel_against_completion_ends_as_one_of_both(system):
    ids = [f"c-race-{i}" for i in range(40)]
    for i, task_id in enumerate(ids):
        system.submit("sleep", f"{i * 5}ms", task_id=task_id)
    ask(system, "cancel", ids=ids)
    ends = [system.finished(task_id)["state"] for task_id in ids]
    assert set(ends) <= {"completed", "cancelled"}
    for task_id, was in zip(ids, ends):
        assert state(system, task_id) == was
    results = system.sql("select state, result is null and result_expired_at is null as none from millrace.tasks where id like 'c-race-%'")
    assert all((r["state"] == 4) != r["none"] for r in results)


def test_cancel_against_a_retry_that_waits(system):
    system.submit("fail", "no", task_id="c-retry", task_attempts="5", task_backoff="30s")
    until(lambda: state(system, "c-retry") == "scheduled", 10, "its second attempt waits")
    ask(system, "cancel", id="c-retry")
    task = system.finished("c-retry", "cancelled")
    assert task["attempt"] == 2 and [a["outcome"] for a in task["history"]] == ["failed"]


def test_a_lane_of_thousands_is_cancelled_by_one_marker(system):
    system.finished(system.submit("echo", "x", task_id="c-lane"))
    lane_pause(system, "echo", True)
    until(lambda: any(lane["name"] == "echo" and lane["paused"] for lane in
                      system.nats.request("api.lane.list").json()["lanes"]), 10, "paused")
    acks = system.nats.js_publish_many(("tasks.echo", "x", {"Task-Id": f"bulk-{i}", "Task-Project": "p"}) for i in range(3000))
    assert all(acks)
    until(lambda: system.sql("select count(*)::int as n from millrace.tasks where id like 'bulk-%'")[0]["n"] == 3000, 30)
    assert ask(system, "cancel", lane="echo", max=100)[0] == 409
    before = len(markers(system))
    done = system.cli("task", "cancel", "--lane", "echo", "--project", "p", "--yes")
    assert "3000" in done.err and len(markers(system)) <= before + 1
    until(lambda: system.sql("select count(*)::int as n from millrace.tasks where id like 'bulk-%' and state = 6")[0]["n"] == 3000,
          30, "all are cancelled")
    lane_pause(system, "echo", False)
    system.submit("echo", "after", task_id="bulk-after", task_project="p")
    system.finished("bulk-after", "completed")
    # What is left of them is dropped as it is met; then the marker goes.
    until(lambda: system.nats.stream_state("DELAYED")["messages"] == 0 and
          system.nats.stream_state("LANE_echo")["messages"] == 0, 90, "no message is left")
    assert system.sql("select count(*)::int as n from millrace.tasks where id like 'bulk-%' and state <> 6")[0]["n"] == 1


def test_cli_codes_and_words(system):
    system.submit("long", "60s", task_id="cli-1")
    running(system, "cli-1")
    assert system.cli("task", "cancel", "cli-1").out.split() == ["cli-1", "ending"]
    system.finished("cli-1", "cancelled")
    assert system.cli("task", "cancel", "cli-1", check=False).returncode == 1
    assert system.cli("task", "cancel", "cli-none", check=False).returncode == 3
    assert system.cli("task", "cancel", "b d", check=False).returncode == 2
    assert system.cli("task", "cancel", check=False).returncode == 2
    many = system.cli("task", "cancel", "cli-1", "cli-none", check=False)
    assert "is cancelled already" in many.out and many.returncode in (1, 3)
    asked = system.cli("task", "cancel", "--type", "long", input=b"", check=False)
    assert asked.returncode == 2 and "--yes" in asked.err


def test_bad_requests_name_the_field(system):
    assert ask(system, "cancel")[0] == 400
    code, words = ask(system, "cancel", type="a b")
    assert code == 400 and "type" in words
    code, words = ask(system, "cancel", ids=["ok", "not ok"])
    assert code == 400 and "ids" in words
    assert ask(system, "cancel", id="x", lane="echo")[0] == 400
    assert ask(system, "reassign", id="x", node="a", not_node="b")[0] == 400


# ---- reassign ----

def test_a_running_task_moves_without_an_attempt_spent(system):
    system.submit("long", "3s", task_id="m-run")
    was = running(system, "m-run")
    answer = ask(system, "reassign", id="m-run")
    assert answer["not_node"] == was
    task = system.finished("m-run", "completed", timeout=40)
    assert task["node"] != was and task["attempt"] == 1
    assert task["epoch"] >> 32 >= 2


def test_a_task_is_sent_to_one_node(system):
    system.submit("long", "2s", task_id="m-to")
    was = running(system, "m-to")
    other = "node-2" if was == "node-1" else "node-1"
    assert system.cli("task", "reassign", "m-to", "--node", other).returncode == 0
    assert system.finished("m-to", "completed", timeout=60)["node"] == other


def test_what_cannot_be_moved(system):
    system.finished(system.submit("echo", "x", task_id="m-done"))
    assert ask(system, "reassign", id="m-done")[0] == 409
    assert ask(system, "reassign", id="m-unknown")[0] == 404
    system.submit("echo", "x", task_id="m-later", task_delay="20s")
    until(lambda: state(system, "m-later") == "scheduled", 10)
    assert ask(system, "reassign", id="m-later")[0] == 400
    assert ask(system, "reassign", id="m-later", node="no-such-node")[0] == 404
    ask(system, "cancel", id="m-later")


# ---- retry by hand ----

def test_a_dead_task_is_retried_as_a_new_one_linked_both_ways(system):
    system.submit("fail", "no good", task_id="r-dead", task_attempts="1", task_project="blue", x_mine="yes")
    system.finished("r-dead", "dead")
    assert system.cli("task", "retry", "r-dead").out.strip() == "r-dead.r1"
    new = system.finished("r-dead.r1", "dead")
    assert new["retry_of"] == "r-dead" and new["body"] == "no good" and new["project"] == "blue"
    assert new["headers"]["X-Mine"] == "yes"
    assert system.task("r-dead")["retried_as"] == "r-dead.r1"
    # The retry of a retry counts on.
    assert ask(system, "retry", id="r-dead.r1")["id"] == "r-dead.r2"
    assert system.finished("r-dead.r2")["retry_of"] == "r-dead.r1"
    assert system.task("r-dead")["retried_as"] == system.task("r-dead.r1")["retried_as"] == "r-dead.r2"


def test_asked_twice_it_is_one_retry(system):
    system.submit("long", "1ms", task_id="r-twice")
    system.finished("r-twice")
    lane_pause(system, "long", True)
    answers = [ask(system, "retry", id="r-twice") for _ in range(3)]
    assert [a["id"] for a in answers] == ["r-twice.r1"] * 3
    lane_pause(system, "long", False)
    system.finished("r-twice.r1", "completed", timeout=60)
    assert ask(system, "retry", id="r-twice")["id"] == "r-twice.r2"


def test_what_cannot_be_retried(system):
    assert ask(system, "retry", id="r-unknown")[0] == 404
    system.submit("long", "20s", task_id="r-running")
    running(system, "r-running")
    assert ask(system, "retry", id="r-running")[0] == 409
    ask(system, "cancel", id="r-running")
    system.finished("r-running", "cancelled")
    assert ask(system, "retry", id="r-running")["id"] == "r-running.r1"  # a cancelled one may be
    ask(system, "cancel", id="r-running.r1")
    system.submit("fail", "y" * 2000, task_id="r-large", task_attempts="1")
    system.finished("r-large", "dead")
    code, words = ask(system, "retry", id="r-large")
    assert code == 409 and "2000 bytes" in words and "dead letter" in words


def test_a_retry_that_was_named_but_not_published_is_published_when_asked_again(system):
    system.finished(system.submit("echo", "once more", task_id="r-named"), "completed")
    # A store that died between the two.
    assert system.psql("select new_id from millrace.begin_retry('r-named')").strip() == "r-named.r1"
    assert ask(system, "retry", id="r-named", reserve=True)["id"] == "r-named.r1"
    assert ask(system, "retry", id="r-named")["id"] == "r-named.r1"
    assert system.finished("r-named.r1", "completed")["result"] == "once more"


# ---- unique keys ----

def test_a_second_task_with_the_key_ends_at_once_and_names_the_first(system):
    system.submit("long", "60s", task_id="u-1", task_unique="monthly report")
    running(system, "u-1")
    system.submit("long", "1ms", task_id="u-2", task_unique="monthly report")
    second = system.finished("u-2", "cancelled")
    assert second["reason"] == "duplicate" and "u-1" in second["error"]
    waited = system.cli("submit", "long", "-d", "1ms", "--unique", "monthly report", "--wait=20s", check=False)
    assert waited.returncode == 4 and "u-1" in waited.err
    system.submit("sleep", "1ms", task_id="u-other", task_unique="monthly report")  # another type
    system.finished("u-other", "completed")
    ask(system, "cancel", id="u-1")
    system.finished("u-1", "cancelled")
    system.submit("long", "1ms", task_id="u-3", task_unique="monthly report")
    system.finished("u-3", "completed")


def test_a_key_in_json_and_in_a_batch(system):
    system.nats.js_publish("tasks", b'{"type":"long","id":"j-1","text":"60s","unique":"from json","result_expires":"never"}')
    running(system, "j-1")
    batch = b'{"type":"long","id":"j-2","text":"1ms","unique":"from json"}\n'
    system.cli("submit", "--batch", "-", input=batch)
    second = system.finished("j-2", "cancelled")
    assert second["reason"] == "duplicate" and "j-1" in second["error"]
    ask(system, "cancel", id="j-1")
    system.finished("j-1", "cancelled")


def test_a_key_is_held_for_its_time(system):
    system.submit("echo", "x", task_id="u-ttl", task_unique="k", task_unique_for="10m")
    system.finished("u-ttl", "completed")
    reply = system.nats.request("run.echo", "y", {"Task-Unique": "k"})
    assert reply.header("Outcome-Fingerprint") is None, "what did not fail has none"
    assert reply.header("Task-State") == "cancelled" and "u-ttl" in reply.header("Nats-Service-Error")
    system.psql("update millrace.unique_keys set until = now() where task_id = 'u-ttl'")
    assert system.nats.request("run.echo", "y", {"Task-Unique": "k"}).header("Task-State") == "completed"


def test_of_many_at_once_one_runs_with_two_routers_and_a_killed_one(system):
    second = system.run([BIN / "millrace-router", "--nats-url", system.nats_url])
    until(lambda: system.nats.api("CONSUMER.INFO.TASKS.router")["num_waiting"] >= 2, 20, "two routers ask")
    acks = system.nats.js_publish_many(("tasks.long", "3s", {"Task-Id": f"u-many-{i}", "Task-Unique": "many", "Task-Unique-For": "2m"}) for i in range(50))
    assert all(acks)
    system.kill("router")
    ended = "select state, count(*)::int as n from millrace.tasks where id like 'u-many-%' and state >= 4 group by 1 order by 1"
    until(lambda: sum(r["n"] for r in system.sql(ended)) == 50, 60, "all have ended")
    assert [(r["state"], r["n"]) for r in system.sql(ended)] == [(4, 1), (6, 49)]
    second.terminate()
    second.wait(20)


def put_off(system, task_id):
    """Whether it lies in DELAYED, perhaps beside others that a killed router left there."""
    state = system.nats.stream_state("DELAYED")
    found = (system.nats.stream_message("DELAYED", seq) for seq in range(max(1, state["first_seq"]), state["last_seq"] + 1))
    return any(m and m.header("Task-Id") == task_id for m in found)


def test_without_a_store_a_unique_task_waits_and_is_not_guessed(system):
    system.hold("store")
    system.submit("echo", "x", task_id="u-away", task_unique="away")
    system.submit("echo", "x", task_id="u-plain")
    until(lambda: put_off(system, "u-away"), 20, "it is put off")
    system.release("store")
    system.finished("u-plain", "completed")
    assert system.finished("u-away", "completed", timeout=60)["attempt"] == 1


# ---- results expire ----

def test_results_expire_by_default_by_header_or_never(system):
    system.finished(system.submit("echo", "default", task_id="x-default"), "completed")
    system.finished(system.submit("echo", "soon", task_id="x-soon", task_result_expires="0s"), "completed")
    system.finished(system.submit("echo", "never", task_id="x-never", task_result_expires="never"), "completed")
    system.finished(system.submit("echo", "long", task_id="x-long", task_result_expires="1h"), "completed")
    # One that outlives the default before it ends expires after its own end.
    system.submit("long", "8s", task_id="x-slow")
    until(lambda: system.task("x-soon")["result_expired"], 10, "by header")
    until(lambda: system.task("x-default")["result_expired"], 15, "by default")
    gone = system.task("x-default")
    assert gone["state"] == "completed" and gone["result"] is None and gone["body"] is None and gone["body_bytes"] == 7
    system.finished("x-slow", "completed")
    assert not system.task("x-slow")["result_expired"]
    until(lambda: system.task("x-slow")["result_expired"], 15, "after its end")
    for kept in ("x-never", "x-long"):
        assert system.task(kept)["result"] and not system.task(kept)["result_expired"]
    code, words = ask(system, "retry", id="x-default")
    assert code == 409 and "Task-Result-Expires" in words
    # no bytes are not an empty result
    done = system.cli("task", "get", "x-default", "--result", check=False)
    assert done.returncode == 3 and done.out == "" and "has expired" in done.err, done
    assert system.cli("task", "get", "x-never", "--result").out == "never"


def test_a_result_expiry_that_is_none_is_a_dead_letter_that_says_so(system):
    system.submit("echo", "x", task_id="x-bad", task_result_expires="soonish")
    assert "Task-Result-Expires" in system.finished("x-bad", "dead")["error"]


def test_whole_rows_go_where_that_is_asked_for(system):
    for i in range(5):
        system.finished(system.submit("fail", "x", task_id=f"old-{i}", task_attempts="1"), "dead")
    system.psql("update millrace.tasks set submitted_at = now() - interval '9 days', finished_at = now() - interval '9 days' "
                "where id like 'old-%'")
    counted = "select sum(n)::int as n from millrace.task_counts where type = 'fail' and state = 5"
    before = system.sql(counted)[0]["n"]
    assert system.sql("select millrace.forget_tasks('8 days', 3) as n")[0]["n"] == 3
    assert system.sql("select millrace.forget_tasks('8 days', 3) as n")[0]["n"] == 2
    assert system.sql("select count(*)::int as n from millrace.tasks where id like 'old-%'")[0]["n"] == 0
    assert system.sql("select count(*)::int as n from millrace.attempts where task_id like 'old-%'")[0]["n"] == 0
    assert system.sql(counted)[0]["n"] == before - 5


# ---- at the end: nothing is left ----

def test_markers_go_when_nothing_of_their_tasks_is_left(system):
    until(lambda: not [m for m in markers(system) if m.startswith("task.c-") and not m.endswith("never")
                       and not m.endswith("early")], 60, "markers of cancelled tasks are gone")
    until(lambda: not [m for m in markers(system) if m.startswith(("move.", "group."))], 90, "the others too")
