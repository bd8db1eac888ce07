"""millrace.outbox: a row inserted in somebody's own transaction becomes exactly one task, whatever dies meanwhile."""
import os
import random
import signal
import subprocess
import time

from lib.system import BIN
from lib.wait import until
from test_pgbouncer import bouncer  # noqa: F401 (a fixture)

SYSTEM = {"nodes": 2}


def empty(system, timeout=60):
    until(lambda: system.sql("select count(*) as n from millrace.outbox where error is null")[0]["n"] == 0, timeout,
          "an empty outbox")


def test_a_row_is_a_task_with_all_its_facts(system):
    system.psql("""begin; create table public.orders (id int, task text);
        with t as (insert into millrace.outbox (type, body, priority, project, headers)
            values ('echo', 'C:\\new "ü"', 'high', 'shop', '{"Task-Timeout": "7s", "X-Mine": "yes", "Task-Attempts": 2}')
            returning id) insert into public.orders select 1, id from t; commit""")
    task = system.finished(system.sql("select task from public.orders")[0]["task"], "completed")
    assert task["result"] == 'C:\\new "ü"' and task["priority"] == "high" and task["project"] == "shop"
    assert task["attempts"] == 2 and task["headers"]["X-Mine"] == "yes" and task["headers"]["Task-Timeout"] == "7s"
    empty(system)


def test_binary_bodies_own_ids_and_later(system):
    system.psql("""insert into millrace.outbox (id, type, body_bytes) values ('ob-bin', 'hash', '\\x00ff00');
        insert into millrace.outbox (id, type) values ('ob-empty', 'echo');
        insert into millrace.outbox (id, type, run_at) values ('ob-later', 'echo', now() + '1 hour');
        insert into millrace.outbox (id, type, body) values (null, 'echo', 'made an id')""")
    import hashlib
    assert system.finished("ob-bin", "completed")["result"] == hashlib.sha256(b"\x00\xff\x00").hexdigest()
    assert not system.finished("ob-empty", "completed")["result"]
    until(lambda: (system.task("ob-later") or {}).get("state") == "scheduled", 20, "the scheduled one")
    empty(system)
    assert system.sql("select count(*) as n from millrace.tasks where body = 'made an id' and state < 7") == [{"n": 1}]


def test_what_is_rolled_back_was_never_there(system):
    system.psql("begin; insert into millrace.outbox (id, type) values ('ob-undone', 'echo'); rollback;"
                "insert into millrace.outbox (id, type) values ('ob-done', 'echo')")
    system.finished("ob-done", "completed")
    assert system.task("ob-undone") is None


def test_an_idle_store_is_woken(system):
    """LISTEN tells it: this store looks by itself only every ten seconds."""
    system.hold("store")
    store = system.run([BIN / "millrace-store", "--outbox-poll", "10s"])
    system.psql("insert into millrace.outbox (id, type) values ('ob-first', 'echo')")
    system.finished("ob-first", "completed")
    took = []
    for i in range(8):
        empty(system)
        time.sleep(0.6)  # longer than it goes on looking after the last row: it is idle now
        said = system.psql(f"insert into millrace.outbox (id, type) values ('ob-idle-{i}', 'echo');"
                           "select extract(epoch from clock_timestamp())")
        system.finished(f"ob-idle-{i}", "completed")
        seen = system.sql("select extract(epoch from submitted_at)::float8 as at from millrace.tasks "
                          f"where id = 'ob-idle-{i}'")[0]["at"]
        took.append(seen - float(said))
    print("from commit to TASKS, ms:", [round(t * 1000) for t in took])
    assert sorted(took)[4] < 2, took
    store.terminate()
    assert store.wait(30) == 0
    system.release("store")


def test_bad_rows_stand_aside(system):
    bad = {"('ob-b1', 'not a type!', null, null)": "type",
           "('ob b2', 'echo', null, null)": "id",
           "('ob-b3', 'echo', '[1]', null)": "object",
           "('ob-b4', 'echo', '{\"Task-Epoch\": \"7\"}', null)": "only the system",
           "('ob-b5', 'echo', '{\"Task-Timeout\": \"soon\"}', null)": "Task-Timeout",
           "('ob-b6', 'echo', '{\"X\": \"a\\r\\nb\"}', null)": "one line",
           "('ob-b7', 'echo', '{\"Task-Priority\": \"high\"}', null)": "column priority",
           "('ob-b8', 'echo', null, 'urgent')": "Task-Priority",
           "('ob-b9', 'echo', '{\"a b\": \"c\"}', null)": "name of a header"}
    rows = ", ".join([*bad, "('ob-good', 'echo', null, null)"])
    system.psql(f"insert into millrace.outbox (id, type, headers, priority) values {rows};"
                "insert into millrace.outbox (id, type, body, body_bytes) values ('ob-b10', 'echo', 'a', 'b');"
                "insert into millrace.outbox (id, type, body) values ('ob-b11', 'echo', repeat('x', 3000000))")
    system.finished("ob-good", "completed")
    empty(system)
    aside = {r["id"]: r["error"] for r in system.sql("select id, error from millrace.outbox")}
    assert len(aside) == len(bad) + 2, aside
    for values, word in bad.items():
        assert word in aside[values.split("'")[1]], (values, aside)
    assert "exclude" in aside["ob-b10"] and "ob-b11" in aside
    # Mended, it goes.
    system.psql("update millrace.outbox set type = 'echo', error = null where id = 'ob-b1'")
    system.finished("ob-b1", "completed")
    system.psql("delete from millrace.outbox")


def test_an_id_that_is_a_task_already_makes_no_second_one(system):
    system.submit("echo", b"first", task_id="ob-twice")
    system.finished("ob-twice", "completed")
    before = system.nats.stream_state("TASKS")["last_seq"]
    system.psql("insert into millrace.outbox (id, type, body) values ('ob-twice', 'echo', 'second')")
    empty(system)
    assert system.nats.stream_state("TASKS")["last_seq"] == before
    assert system.task("ob-twice")["result"] == "first"


def test_stores_are_killed_all_the_while(system):
    """Two stores, inserts from several sessions, kills at any moment: each row is one task, submitted once."""
    seed = int(os.environ.get("MILLRACE_SEED", time.time_ns() % 1000000))
    print(f"MILLRACE_SEED={seed}")
    rng = random.Random(seed)
    second = system.run([BIN / "millrace-store", "--outbox-batch", "50"])
    writers = [subprocess.Popen(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", system.database_url], text=True,
                                stdin=subprocess.PIPE, env=system.env) for _ in range(3)]
    total = 0
    for k, w in enumerate(writers):
        for i in range(200):
            w.stdin.write("insert into millrace.outbox (id, type, body) select "
                          f"'obk-{k}-{i}-' || n, 'echo', 'body ' || n from generate_series(1, 10) n;\n")
            total += 10
    for w in writers:
        w.stdin.close()
    for _ in range(6):
        time.sleep(rng.random() * 0.8)
        if rng.random() < 0.5:
            system.kill("store")
        else:
            os.kill(second.pid, signal.SIGKILL)
            second.wait()
            second = system.run([BIN / "millrace-store", "--outbox-batch", "50"])
    assert all(w.wait(60) == 0 for w in writers)
    count = "select count(*) as n from millrace.tasks where id like 'obk-%' and state = 4"
    until(lambda: system.sql(count)[0]["n"] == total, 90, f"{total} tasks completed", every=0.3)
    empty(system)
    assert system.sql("select count(*) as n from millrace.tasks where id like 'obk-%'") == [{"n": total}]
    wrong = system.sql("select id from millrace.tasks where id like 'obk-%' and convert_from(result, 'UTF8') <> "
                       "'body ' || split_part(id, '-', 4)")
    assert not wrong
    second.terminate()
    assert second.wait(30) == 0


def test_behind_pgbouncer_it_polls(system, bouncer):  # noqa: F811
    """A store that knows the database through a pooler only; no LISTEN is left on the pooler's connections."""
    system.hold("store")
    pooled = system.run([BIN / "millrace-store", "--database-url", bouncer, "--outbox-poll", "100ms"])
    system.psql("insert into millrace.outbox (id, type) select 'obp-' || n, 'echo' from generate_series(1, 300) n",
                url=bouncer)
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'obp-%' and state = 4")[0]["n"] == 300,
          60, "300 tasks")
    assert system.psql("select count(*) from pg_listening_channels()", bouncer).strip() == "0"
    pooled.terminate()
    assert pooled.wait(30) == 0
    system.release("store")


def test_a_role_of_an_application_may_insert_and_nothing_else(system):
    system.psql("create role shop login; grant millrace_app to shop; grant connect on database agentsys to shop")
    as_shop = "set role shop; "
    system.psql(as_shop + "insert into millrace.outbox (id, type, body) values ('ob-shop', 'echo', 'mine') returning id")
    system.finished("ob-shop", "completed")
    for forbidden in ("select body from millrace.outbox", "delete from millrace.outbox", "select * from millrace.tasks",
                      "insert into millrace.outbox (type, claimed_by) values ('echo', 'me')",
                      "update millrace.outbox set type = 'x'", "insert into millrace.tasks (id) values ('x')"):
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", system.database_url, "-c", as_shop + forbidden],
                              capture_output=True, text=True)
        assert done.returncode != 0 and "permission denied" in done.stderr, (forbidden, done.stderr)
    system.allow(r"permission denied for")


def test_a_full_stream_is_waited_for(system):
    """TASKS refuses: rows wait in the outbox, none is set aside, none is lost."""
    config = system.nats.api("STREAM.INFO.TASKS")["config"]
    system.nats.api("STREAM.UPDATE.TASKS", {**config, "max_bytes": 1})
    try:
        system.psql("insert into millrace.outbox (id, type) select 'obf-' || n, 'echo' from generate_series(1, 20) n")
        time.sleep(1)  # it tries and is refused; what matters is what stands afterwards
        assert system.sql("select count(*) as n from millrace.outbox where error is null") == [{"n": 20}]
    finally:
        system.nats.api("STREAM.UPDATE.TASKS", config)
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'obf-%' and state = 4")[0]["n"] == 20,
          60, "20 tasks")
    empty(system)
