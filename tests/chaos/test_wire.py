"""Connections that break, acknowledgements that never arrive, transactions that end in mid-commit: through proxies of our own."""
import json
import random
import subprocess
import time
from urllib.parse import urlparse

import pytest

from lib.wait import until

from kit.keeper import program
from lib.proxy import Proxy, loses
from kit.trial import Trial

ARENA = {"nodes": 0, "bridge": False}
SEED = 20


class Wired:
    """Router, store and node of our own, each with the broker behind a proxy, the store with PostgreSQL behind another."""

    def __init__(self, arena):
        self.arena = arena
        self.broker = Proxy(urlparse(arena.nats_url).port)
        database = urlparse(arena.database_url)
        self.database = Proxy(database.port)
        env = {"NATS_URL": f"nats://127.0.0.1:{self.broker.port}",
               "DATABASE_URL": arena.database_url.replace(f":{database.port}/", f":{self.database.port}/")}
        for name in ("router", "store"):
            arena.hold(name)
            arena.keep(f"{name}-wired", program(name), env=env)
        arena.keep("node-wired", [*program("node"), "wired", "--slots", "40", "--handlers", arena.handlers], env=env)

    def close(self):
        for name in list(self.arena.keepers):
            self.arena.drop(name)
        self.broker.close()
        self.database.close()


@pytest.fixture(scope="module")
def wired(arena):
    w = Wired(arena)
    yield w
    w.close()


def test_connections_reset(arena, wired):
    rng = random.Random(SEED)
    with Trial(arena, "connections to the broker reset") as trial:
        for _ in range(10):
            trial.under_load(5)
            wired.broker.cut()
            time.sleep(rng.uniform(0.0, 0.5))  # sometimes in the midst of coming back
        trial.finish(times=10)


@pytest.mark.parametrize("fault,what", [("PubAcks lost, one in four", {"pubacks": True}), ("acks lost, one in four", {"acks": True})])
def test_lost_acknowledgements(arena, wired, fault, what):
    """A lost PubAck is repeated under its id, a lost ack is another delivery: neither is a second row."""
    wired.broker.filter = loses(random.Random(SEED), 0.25, **what)
    wired.broker.cut()  # so that both directions are read from the beginning of a frame
    dropped = wired.broker.dropped
    with Trial(arena, fault) as trial:
        trial.under_load(200)
        until(lambda: wired.broker.dropped > dropped + 20, 30, "twenty of them lost")
        wired.broker.filter = None
        trial.finish(times=wired.broker.dropped - dropped)


def test_silent_connections(arena, wired):
    """Nothing breaks, nothing arrives: a partition as the network makes it."""
    with Trial(arena, "silence between components and broker for 10 s") as trial:
        trial.under_load(20)
        wired.broker.hold()
        time.sleep(10)
        wired.broker.release()
        trial.finish()


def test_answers_of_commits_lost(arena, wired):
    """Committed, and the store never hears of it: written once more, the same rows."""
    with Trial(arena, "PostgreSQL's answers to commits lost") as trial:
        for _ in range(4):
            trial.under_load(10)
            wired.database.hold(up=False)
            trial.under_load(20)  # committed meanwhile
            wired.database.cut()
            wired.database.release()
        trial.finish(times=4)


def test_backends_ended(arena, wired):
    with Trial(arena, "PostgreSQL: the store's backend ended") as trial:
        for _ in range(6):
            trial.under_load(10)
            arena.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'millrace-store%'")
        trial.finish(times=6)


# Fires in the transaction's commit, before it is one; so often as the sequence is told, which no rollback takes back.
IN_COMMIT = """
CREATE SEQUENCE IF NOT EXISTS chaos.left INCREMENT -1 MINVALUE -9000000000000000000 MAXVALUE 1000 START 1000;
SELECT setval('chaos.left', {times} + 1);
CREATE OR REPLACE FUNCTION chaos.in_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('chaos.left') > 0 THEN
		{harm};
	END IF;
	RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS chaos_in_commit ON millrace.tasks;
CREATE CONSTRAINT TRIGGER chaos_in_commit AFTER INSERT OR UPDATE ON millrace.tasks DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION chaos.in_commit();
"""


@pytest.mark.parametrize("fault,harm", [
    ("PostgreSQL: backend ended in mid-commit", "PERFORM pg_terminate_backend(pg_backend_pid())"),
    ("PostgreSQL: serialization failure in the commit", "RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'"),
    ("PostgreSQL: deadlock in the commit", "RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'")])
def test_harm_in_mid_commit(arena, wired, fault, harm):
    times = 5
    with Trial(arena, fault) as trial:
        trial.under_load(20)
        arena.psql(IN_COMMIT.format(times=times, harm=harm))
        until(lambda: arena.sql("select last_value as left from chaos.left")[0]["left"] <= 0, 30, "all of them fired")
        arena.psql("DROP TRIGGER chaos_in_commit ON millrace.tasks")
        trial.finish(times=times)


def test_a_real_deadlock(arena, wired):
    """Another session holds the second row that the store wants, then wants the first, which the store has."""
    with Trial(arena, "PostgreSQL: a real deadlock with another session", rate=0) as trial:
        nats = trial.nats()
        ids = sorted(trial.submit("tasks.by_hand", "x", result=b"by hand") for _ in range(2))  # as the store takes them
        until(lambda: len(arena.sql(f"select 1 from millrace.tasks where id like '{trial.prefix}%'")) == 2, 20, "both queued")
        got = [nats.request("$JS.API.CONSUMER.MSG.NEXT.LANE_by_hand.normal", '{"batch":1,"expires":3000000000}') for _ in ids]
        before = deadlocks(arena)
        other = subprocess.Popen(["psql", "-X", "-q", arena.database_url], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, text=True)
        other.stdin.write(f"begin; select 1 from millrace.tasks where id = '{ids[1]}' for update; select pg_advisory_lock(1);\n")
        other.stdin.flush()
        until(lambda: arena.sql("select 1 from pg_locks where locktype = 'advisory'"), 10, "the other one holds its row")
        outcome = {"type": "by_hand", "lane": "by_hand", "state": "completed", "attempt": 1, "epoch": 1, "node": "hand",
                   "result": "by hand"}
        nats.js_publish("events.done", json.dumps({"outcomes": [{"id": i, **outcome} for i in ids]}),
                        {"Content-Type": "application/json"})
        until(lambda: arena.sql("select 1 from pg_stat_activity where wait_event_type = 'Lock' and "
                                "application_name like 'millrace-store%'"), 20, "the store waits for that row")
        other.communicate(f"update millrace.tasks set prev_state = prev_state where id = '{ids[0]}'; commit;\n", timeout=30)
        for message in got:
            nats.publish(message.reply, b"+ACK")
        until(lambda: deadlocks(arena) > before, 10, "PostgreSQL saw a deadlock", every=0.3)
        trial.finish(tail=0)


def deadlocks(arena):
    return arena.sql("select deadlocks as n from pg_stat_database where datname = current_database()")[0]["n"]
