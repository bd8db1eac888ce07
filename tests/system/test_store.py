"""The store on its own: events in, rows out; through PgBouncer; bad input; an older schema."""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlparse

import pytest

from lib.system import BIN, clean_env
from lib.wait import until

SYSTEM = {"nodes": 0}

FINAL = ("completed", "dead", "cancelled")


def epoch(router, delivery=0):
    return router << 32 | delivery


def life(task, kind):
    """The events of one task as (subject, record), in the order in which they happened."""
    def queued(state, attempt, e, at, **more):
        return "events.queued", {"id": task, "type": "t", "lane": "t--gpu", "state": state, "priority": "low",
                                 "attempt": attempt, "attempts": 4, "epoch": e, "submitted_at": "2026-01-01T00:00:00Z",
                                 "queued_at": f"2026-01-01T00:00:{at:02}Z", "body_bytes": 5, **more}

    def started(attempt, e, node):
        return "events.started", {"id": task, "type": "t", "attempt": attempt, "epoch": e, "node": node,
                                  "started_at": "2026-01-01T00:00:30Z"}

    def outcome(state, attempt, e, **more):
        return "events.done", {"id": task, "type": "t", "state": state, "attempt": attempt, "epoch": e,
                               "finished_at": "2026-01-01T00:00:40Z", **more}

    events = [queued("scheduled", 1, epoch(1), 1, body="hello", due_at="2026-01-01T00:00:02Z"),
              queued("queued", 1, epoch(2), 2), started(1, epoch(2, 5), "n1")]
    if kind == "running":
        return events
    events.append(queued("queued", 2, epoch(3), 3, lane_seq=9))
    if kind == "queued":
        return events
    if kind == "dead":
        return events + [outcome("dead", 2, epoch(3, 7), error="no way", reason="error")]
    return events + [started(2, epoch(3, 6), "n2"),
                     outcome("completed", 2, epoch(3, 6), node="n2", result="bye", content_type="text/plain",
                             started_at="2026-01-01T00:00:31Z")]


EXPECTED = {
    "running": {"state": 3, "attempt": 1, "node": "n1", "epoch": epoch(2, 5), "result": None, "lane_seq": None},
    "queued": {"state": 2, "attempt": 2, "node": None, "epoch": epoch(3), "result": None, "lane_seq": 9},
    "dead": {"state": 5, "attempt": 2, "node": None, "epoch": epoch(3, 7), "result": None, "lane_seq": 9},
    "completed": {"state": 4, "attempt": 2, "node": "n2", "epoch": epoch(3, 6), "result": "bye", "lane_seq": 9},
}


def settled(system, timeout=60):
    """Waits until the store has acked all of EVENTS."""
    until(lambda: not system.nats.left("EVENTS", system.nats.api("CONSUMER.INFO.EVENTS.store")), timeout, "EVENTS stored")


def publish(system, messages):
    acks = system.nats.js_publish_many([(s, json.dumps(d) if not isinstance(d, (bytes, str)) else d, h)
                                        for s, d, h in messages])
    assert all(acks) and not any("error" in a for a in acks)


def as_batches(events, rng):
    """Events by subject, some to a message, in messages of any order."""
    messages = []
    for subject, key in (("events.queued", "tasks"), ("events.started", "tasks"), ("events.done", "outcomes")):
        records = [r for s, r in events if s == subject]
        rng.shuffle(records)
        while records:
            n = rng.randint(1, 20)
            messages.append((subject, {key: records[:n]}, {}))
            records = records[n:]
    rng.shuffle(messages)
    return messages


def test_order_of_events_does_not_matter(system):
    seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
    print(f"MILLRACE_SEED={seed}")
    rng = random.Random(seed)
    kinds = list(EXPECTED)
    events = [e for i in range(800) for e in life(f"order-{i}", kinds[i % 4])]
    messages = as_batches(events, rng)
    # In bursts, so that a task's events meet in one batch or in several; and some of it twice.
    while messages:
        n = rng.randint(1, 60)
        publish(system, messages[:n])
        if rng.random() < 0.2:
            publish(system, rng.sample(messages[:n], min(n, 5, len(messages))))
        messages = messages[n:]
    settled(system)
    rows = system.sql("select id, state, attempt, node, epoch, lane_seq, priority, attempts, body_bytes, "
                      "convert_from(body, 'UTF8') as body, convert_from(result, 'UTF8') as result, "
                      "extract(epoch from submitted_at)::bigint as submitted, extract(second from queued_at)::int as queued, "
                      "extract(second from due_at)::int as due from millrace.tasks where id like 'order-%'")
    assert len(rows) == 800
    for row in rows:
        kind = kinds[int(row["id"].split("-")[1]) % 4]
        last = 2 if kind == "running" else 3
        want = {"priority": 2, "attempts": 4, "body": "hello", "body_bytes": 5, "submitted": 1767225600, "queued": last,
                "due": 2, **EXPECTED[kind]}
        assert {k: row[k] for k in want} == want, (seed, row)
    counted = system.sql("select state, sum(n)::int as n from millrace.task_counts where type = 't' group by 1")
    assert {r["state"]: r["n"] for r in counted if r["n"]} == {2: 200, 3: 200, 4: 200, 5: 200}


def test_the_first_final_state_stays(system):
    publish(system, [("events.done", {"id": "first", "type": "f", "state": "completed", "result": "1", "epoch": 7}, {})])
    settled(system)
    publish(system, [("events.done", {"id": "first", "type": "f", "state": "dead", "error": "late", "epoch": 8}, {}),
                     ("events.done", {"id": "first", "type": "f", "state": "completed", "result": "1", "epoch": 7}, {})])
    settled(system)
    task = system.task("first")
    assert task["state"] == "completed" and task["error"] is None and task["result"] == "1"
    metrics = system.nats.request("ctl.metrics").data.decode()
    assert system.sql("select count(*) as n from millrace.tasks where type = 'f'") == [{"n": 1}]
    assert "millrace_" in metrics


def test_failed_attempts_become_rows(system):
    head = {"Task-Id": "acted", "Outcome": "failed", "Outcome-Error": "boom", "Outcome-Node": "n1",
            "Outcome-Reason": "error", "Outcome-Started-At": "2026-01-01T00:00:00Z"}
    publish(system, [("events.act", b"\x00body", {**head, "Task-Attempt": "1", "Nats-Msg-Id": "acted/1/9/act"}),
                     ("events.act", b"\x00body", {**head, "Task-Attempt": "1", "Outcome": "returned",
                                                  "Nats-Msg-Id": "acted/1/10/act"}),
                     ("events.done", {"id": "acted", "type": "a", "state": "completed", "attempt": 2, "node": "n2"}, {})])
    settled(system)
    history = system.task("acted")["history"]
    assert [(a["attempt"], a["outcome"], a["node"], a["error"]) for a in history] == \
        [(1, "failed", "n1", "boom"), (2, "completed", "n2", None)]


def test_bad_events_are_set_aside_and_delay_nothing(system):
    good = {"id": "beside-bad", "type": "b", "state": "completed"}
    publish(system, [("events.done", b"\xff\xfe garbage", {}), ("events.done", '{"id":', {}), ("events.queued", b"", {}),
                     ("events.done", {"outcomes": [good, {"id": "a b", "state": "completed"}]}, {}),
                     ("events.act", b"x", {"Outcome": "failed"}), ("events.unheard-of", b"x", {}),
                     ("events.done", '{"id":"ctrl","type":"b","state":"dead","error":"\\u0001\\ud83d\\ude00"}', {}),
                     ("events.done", b"[" * 100000, {"Content-Type": "application/json"})])
    settled(system)
    assert system.task("beside-bad")["state"] == "completed"
    assert system.task("ctrl")["error"] == "\x01\U0001F600"
    aside = system.sql("select subject, part, task_id, error from millrace.rejected_events order by seq, part")
    assert sorted(r["subject"] for r in aside) == ["events.act"] + ["events.done"] * 4 + ["events.unheard-of"]
    assert [r["task_id"] for r in aside if r["part"]] == ["a b"]


def test_a_row_that_postgresql_refuses_stands_alone(system):
    system.allow(r"violates check constraint|row refused by postgresql")
    system.psql("alter table millrace.tasks add constraint test_bad check (id not like 'refused-%7') not valid")
    publish(system, [("events.done", {"outcomes": [{"id": f"refused-{i}", "type": "r", "state": "completed"}
                                                   for i in range(k, k + 50)]}, {}) for k in range(0, 400, 50)])
    settled(system)
    system.psql("alter table millrace.tasks drop constraint test_bad")
    assert system.sql("select count(*) as n from millrace.tasks where type = 'r'") == [{"n": 360}]
    aside = system.sql("select task_id, error, data from millrace.rejected_events where task_id like 'refused-%'")
    assert len(aside) == 40 and all(r["error"].endswith("(SQLSTATE 23514)") for r in aside)
    # What was set aside can be published again as it is.
    publish(system, [("events.done", bytes.fromhex(r["data"][2:]), {}) for r in aside])
    settled(system)
    assert system.sql("select count(*) as n from millrace.tasks where type = 'r'") == [{"n": 400}]


@pytest.mark.parametrize("when", ["before insert", "at commit"])
def test_no_words_of_the_database_about_a_row_hold_up_the_others(system, when):
    kind = ("create trigger test_refuse before insert on millrace.tasks" if when == "before insert" else
            "create constraint trigger test_refuse after insert on millrace.tasks deferrable initially deferred")
    mark = when.split()[-1]
    system.allow(r"of the test's own trigger|row refused by postgresql")
    system.psql(f"""create function millrace.test_refuse() returns trigger language plpgsql as $$
        begin
            raise exception 'of the test''s own trigger' using errcode = split_part(new.id, '-', 2);
        end $$;
        {kind} for each row when (new.id like 'trigger-%')
            execute function millrace.test_refuse()""")
    publish(system, [("events.done", {"outcomes": [{"id": i, "type": "r", "state": "completed"} for i in
                                                   (f"trigger-P0001-{mark}", f"beside-{mark}", f"trigger-21000-{mark}")]}, {})])
    settled(system)
    system.psql("drop trigger test_refuse on millrace.tasks; drop function millrace.test_refuse()")
    assert system.task(f"beside-{mark}")["state"] == "completed"
    aside = system.sql(f"select task_id from millrace.rejected_events where task_id like 'trigger-%-{mark}' order by 1")
    assert [r["task_id"] for r in aside] == [f"trigger-21000-{mark}", f"trigger-P0001-{mark}"]


def test_attempts_beyond_reason_hold_up_nothing(system):
    publish(system, [("events.done", {"outcomes": [{"id": "many", "type": "r", "state": "completed", "attempt": a}
                                                   for a in (3000000000, 4000000000)]}, {})])
    settled(system)
    assert system.task("many")["attempt"] == 2147483647


def test_pages_filters_and_sums(system):
    publish(system, [("events.queued", {"tasks": [
        {"id": f"page-{i:03}", "type": "p", "lane": "p", "state": "queued", "project": "odd" if i % 2 else "even",
         "submitted_at": f"2026-02-01T00:00:{i // 10:02}Z", "epoch": 1} for i in range(100)]}, {})])
    settled(system)

    def pages(**request):
        seen, cursor = [], None
        while True:
            reply = system.nats.request("api.task.list", json.dumps({**request, **({"cursor": cursor} if cursor else {})}))
            page = reply.json()
            seen += [t["id"] for t in page["tasks"]]
            cursor = page["next_cursor"]
            if not cursor:
                return seen
    everything = [f"page-{i:03}" for i in range(99, -1, -1)]
    assert pages(type="p", limit=7) == everything
    assert pages(type="p", limit=1000) == everything
    assert pages(type="p", limit=3, project="odd", states=["queued"]) == everything[::2]
    assert pages(type="p", limit=3, states=["dead"]) == []
    assert pages(type="p", after_at="2026-02-01T00:00:03Z", before_at="2026-02-01T00:00:04Z") == everything[60:70]
    stats = system.nats.request("api.task.stats", '{"type":"p"}').json()
    assert stats["total"]["queued"] == 100
    for wrong, field in (({"limit": 1001}, "limit"), ({"cursor": "x"}, "cursor"), ({"nosuch": 1}, "nosuch")):
        reply = system.nats.request("api.task.list", json.dumps(wrong))
        assert reply.header("Nats-Service-Error-Code") == "400" and field in reply.header("Nats-Service-Error")
    assert system.nats.request("api.task.get", "no-such-task").header("Nats-Service-Error-Code") == "404"


def test_large_results_do_not_break_an_answer(system):
    big = "\u0001" * 300000  # six bytes each in JSON
    for i in range(5):
        publish(system, [("events.done", {"id": f"big-{i}", "type": "big", "state": "completed", "result": "x" * 300000}, {})])
    publish(system, [("events.done", {"id": "huge", "type": "big", "state": "completed", "result": "y"}, {})])
    settled(system)
    system.psql("update millrace.tasks set result = convert_to(repeat(E'\\x01', 300000), 'UTF8') where id = 'huge'")
    assert len(big) == 300000
    assert system.task("huge")["state"] == "completed"  # its result does not fit
    page = system.nats.request("api.task.list", '{"type":"big","with_body":true}').json()
    assert 0 < len(page["tasks"]) < 6 and page["next_cursor"]


def test_a_page_of_large_bodies_is_not_held_in_memory(system):
    """A thousand tasks with a megabyte each were all had from PostgreSQL, to answer with one of them."""
    system.psql("insert into millrace.tasks (submitted_at, epoch, attempt, state, id, type, body_bytes, body) "
                "select now(), 1, 1, 4, 'fat-' || to_char(i, 'FM000'), 'fat', 600000, convert_to(repeat('x', 600000), 'UTF8') "
                "from generate_series(0, 399) i")
    status = Path(f"/proc/{system.pid('store')}/status")

    def peak_mib():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) >> 10
    before = peak_mib()
    page = system.nats.request("api.task.list", '{"type":"fat","with_body":true,"limit":1000}').json()
    assert [t["id"] for t in page["tasks"]] == ["fat-399"] and len(page["tasks"][0]["body"]) == 600000
    page = system.nats.request("api.task.list", json.dumps({"type": "fat", "with_body": True, "limit": 1000,
                                                            "cursor": page["next_cursor"]})).json()
    assert [t["id"] for t in page["tasks"]] == ["fat-398"] and page["next_cursor"]
    assert peak_mib() - before < 60
    assert len(system.nats.request("api.task.list", '{"type":"fat","limit":1000}').json()["tasks"]) == 400


def test_a_question_that_takes_too_long_ends_in_the_server_too(system):
    """Its backend ran on, for as long as it took, while the store had opened another connection."""
    system.allow(r"canceling statement due to statement timeout")
    of_questions = "select pid, wait_event_type from pg_stat_activity where application_name = 'millrace-store queries'"
    before = system.sql(of_questions)
    assert len(before) == 1
    locker = subprocess.Popen(["psql", "-X", "-q", system.database_url], stdin=subprocess.PIPE, env=clean_env(), text=True)
    locker.stdin.write("begin; lock table millrace.tasks in access exclusive mode;\n")
    locker.stdin.flush()
    try:
        until(lambda: system.sql("select 1 from pg_locks where relation = 'millrace.tasks'::regclass and granted "
                                 "and mode = 'AccessExclusiveLock'"), 20, "the lock")
        reply = system.nats.request("api.task.list", "{}", timeout=30)
        assert reply.header("Nats-Service-Error-Code") == "504"
        after = system.sql(of_questions)
    finally:
        locker.communicate("rollback;\n", timeout=20)
    assert [r["pid"] for r in after] == [before[0]["pid"]] and after[0]["wait_event_type"] != "Lock"
    assert system.nats.request("api.task.list", "{}").json()["tasks"] is not None


def test_counts_are_folded_only_where_there_is_something_to_sum_up(system):
    system.psql("insert into millrace.task_counts (type, state, n) select 'fold-' || i, 4, 1 from generate_series(1, 1500) i; "
                "insert into millrace.task_counts (type, state, n) select 'fold-1', 4, 1 from generate_series(1, 1500) i")
    until(lambda: system.sql("select n from millrace.task_counts where type = 'fold-1'") == [{"n": 1501}], 30, "a fold")
    written = "select max(xmin::text::bigint) as last from millrace.task_counts where type like 'fold-%'"
    before = system.sql(written)
    time.sleep(6)  # over a turn of upkeep: that nothing happens cannot be awaited
    assert system.sql(written) == before
    system.psql("delete from millrace.task_counts where type like 'fold-%'")


def test_a_long_history_does_not_break_an_answer(system):
    publish(system, [("events.done", {"id": "long", "type": "h", "state": "dead", "attempt": 300, "error": "last"}, {})])
    settled(system)
    system.psql("insert into millrace.attempts (task_id, attempt, epoch, outcome, error) "
                "select 'long', i, i, 'failed', repeat('x', 8000) from generate_series(1, 1200) i")
    task = system.task("long")
    assert task is not None and task["error"] == "last"
    assert [a["attempt"] for a in task["history"]] == list(range(task["history"][0]["attempt"], 1201))
    system.psql("delete from millrace.attempts where task_id = 'long'")


def test_an_event_as_large_as_the_operator_allows_is_taken(own_system):
    """Over 4 MiB it was never pulled: the broker refused the request for it, which was asked again at once, for ever."""
    system = own_system(nodes=0)
    if system.nats.version < (2, 10):
        pytest.skip("nats-server 2.9 does not take max_payload from a SIGHUP")
    conf = system.dir / "nats/server.conf"
    conf.write_text(re.sub(r"(?m)^max_payload: \d+", "max_payload: 8388608", conf.read_text()))
    os.kill(system.pid("broker"), signal.SIGHUP)
    config = system.nats.api("STREAM.INFO.EVENTS")["config"]
    system.nats.api("STREAM.UPDATE.EVENTS", {**config, "max_msg_size": 8388608})
    system.wait_ready("store", system.kill("store", signal.SIGTERM))
    system.nats.close()

    def taken():  # the broker reads its file a moment later, and hangs up on whoever is too large for it
        try:
            return system.nats.js_publish("events.act", b"x" * (6 << 20), {
                "Task-Id": "large-act", "Outcome": "failed", "Task-Attempt": "1", "Nats-Msg-Id": "large-act"})
        except (OSError, AssertionError):
            system.nats.close()
    until(taken, 20, "the broker takes it")
    publish(system, [("events.done", {"id": "large-act", "type": "a", "state": "completed", "attempt": 2}, {})])
    settled(system)
    assert [a["attempt"] for a in system.task("large-act")["history"]] == [1, 2]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def pooled_url(system):
    """PgBouncer in transaction pooling before the system's PostgreSQL."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not os.access(program, os.X_OK):
        pytest.skip("no pgbouncer")
    where = urlparse(system.database_url)
    listen = free_port()
    folder = Path(tempfile.mkdtemp(prefix="millrace-pgbouncer-"))  # not in the system's: its user could not look into it
    (folder / "pgbouncer.ini").write_text(f"""[databases]
* = host={where.hostname} port={where.port} user={where.username} password={where.password or ''}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
logfile = {folder}/log
pidfile = {folder}/pid
""")
    command = [program, str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        command[1:1] = ["-u", "postgres"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"postgresql://{where.username}@127.0.0.1:{listen}{where.path}"
    try:
        until(lambda: system.psql("select 1", url).strip() == "1", 20, "pgbouncer answers")
        yield url
    finally:
        child.terminate()
        child.wait(20)
        shutil.rmtree(folder)


def test_everything_works_through_pgbouncer(system, pooled_url):
    system.hold("store")
    store = system.run([BIN / "millrace-store"], env={"DATABASE_URL": pooled_url})
    second = system.run([BIN / "millrace-store"], env={"DATABASE_URL": pooled_url})
    rng = random.Random(5)
    events = [e for i in range(2000) for e in life(f"pooled-{i}", "completed" if i % 2 else "dead")]
    publish(system, as_batches(events, rng))
    settled(system)
    assert system.sql("select state, count(*) as n from millrace.tasks where id like 'pooled-%' group by 1 order by 1") == \
        [{"state": 4, "n": 1000}, {"state": 5, "n": 1000}]
    assert system.task("pooled-1")["state"] == "completed"
    for child in (store, second):
        child.terminate()
        assert child.wait(40) == 0
    system.release("store")


def test_two_migrations_at_once_through_pgbouncer(system, pooled_url):
    system.allow(r"schema_migrations_pkey")  # the second one finds that the first was faster
    system.psql("create database fresh")
    url = pooled_url.rsplit("/", 1)[0] + "/fresh"
    env = clean_env(DATABASE_URL=url)
    both = [subprocess.Popen([BIN / "millrace-store", "--migrate"], env=env, stdout=subprocess.PIPE, text=True)
            for _ in range(2)]
    said = [p.communicate(timeout=60)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0]
    applied = [line for text in said for line in text.splitlines() if "applied" in line]
    assert len(applied) == len(set(applied)) >= 2
    again = subprocess.run([BIN / "millrace-store", "--migrate"], env=env, capture_output=True, text=True, timeout=60)
    assert "nothing to do" in again.stdout


def test_a_migration_that_meets_a_strangers_table_says_so(system):
    system.allow(r'relation "tasks" already exists')
    system.psql("create database taken")
    url = system.database_url.rsplit("/", 1)[0] + "/taken"
    system.psql("create schema millrace; create table millrace.tasks (id text)", url)
    done = subprocess.run([BIN / "millrace-store", "--migrate"], env=clean_env(DATABASE_URL=url), capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and "001_schema.sql" in done.stderr and "already exists" in done.stderr, done.stderr


def test_a_store_waits_for_its_schema(system):
    system.allow(r"the database is not ready")
    system.hold("store")
    system.psql("create database older")
    url = system.psql("select 1") and system.database_url.replace("/agentsys", "/older", 1)
    if "/older" not in url:
        pytest.skip("the database has another name")
    store = system.run([BIN / "millrace-store"], env={"DATABASE_URL": url})
    log = system.dir / "log" / f"test-{len(system.children) - 1}.log"
    until(lambda: "run millrace setup" in log.read_text(), 30, "the refusal")
    publish(system, [("events.done", {"id": "patient", "type": "w", "state": "completed"}, {})])
    done = subprocess.run([BIN / "millrace-store", "--migrate"], env=clean_env(DATABASE_URL=url), capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    settled(system)
    assert system.sql("select state from millrace.tasks where id = 'patient'", url) == [{"state": 4}]
    store.terminate()
    assert store.wait(40) == 0
    system.release("store")


def test_dead_tasks_are_found_by_an_index(system):
    for states in ("5", "5,6", "6"):
        plan = system.psql(f"set enable_seqscan = off; explain select id from millrace.tasks where true and "
                           f"state = any('{{{states}}}'::int2[]) order by submitted_at desc, id desc limit 51")
        assert "tasks_dead" in plan, plan


def test_pending_tasks_are_told_by_urgency(system):
    publish(system, [("events.queued", {"tasks": [{"id": f"urgent-{p}", "type": "urgent", "state": "queued", "priority": p}
                                                  for p in ("low", "normal", "high")]}, {})])
    settled(system)
    rows = system.sql("select priority from (select * from millrace.v_pending_tasks) v where type = 'urgent'")
    assert [r["priority"] for r in rows] == ["high", "normal", "low"]


def test_sql_names_of_dashboards_are_there(system):
    for name in ("workers", "task_queue", "task_results", "worker_assignments", "distributed_state", "dead_letter_queue",
                 "task_dependencies", "worker_metrics", "v_active_workers", "v_pending_tasks", "v_system_health",
                 "v_worker_performance"):
        system.psql(f"select * from millrace.{name} limit 1")
