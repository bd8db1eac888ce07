"""What the scaler promises under load: nodes follow, waits hold, and a storm of deaths costs nothing but a moment."""
import os
import random
import signal
import threading
import time

from lib.natsraw import Client
from lib.scaler import pool
from lib.wait import until
from test_scaler import all_done, scalers  # noqa: F401  the fixture

SYSTEM = {"nodes": 0, "bridge": False}


class Load:
    """So many sleeps a second, due by the clock, until it is stopped. What was acknowledged is counted."""

    def __init__(self, system, prefix, rate, body):
        self.system, self.prefix, self.rate, self.body = system, prefix, rate, body
        self.sent, self.stopping = 0, threading.Event()
        self.began = time.time()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client = Client(self.system.nats_url)
        while not self.stopping.is_set():
            due = int((time.time() - self.began) * self.rate)
            if due > self.sent:
                acks = client.js_publish_many([("tasks.sleep", self.body, {"Task-Id": f"{self.prefix}-{i}"}) for i in range(self.sent, due)])
                assert all("error" not in a for a in acks)
                self.sent = due
            time.sleep(0.02)
        client.close()

    def stop(self):
        self.stopping.set()
        self.thread.join(30)
        return self.sent


class Watch:
    """The children of all scalers of a directory, ten times a second."""

    def __init__(self, scaler):
        self.scaler, self.seen, self.stopping = scaler, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.1):
            self.seen.append((time.time(), len(self.scaler.children())))

    def stop(self):
        self.stopping.set()
        self.thread.join(10)
        return self.seen


def test_nodes_follow_a_step_and_the_promise_holds(system, scalers):
    s = scalers("pools:\n  - {name: step, min: 1, max: 12, slots: 5, wait: 1s, down: 2s, idle: 4s}\n")
    until(lambda: pool(system, "step")["process_count"] == 1, 20, "the minimum")
    watch, load = Watch(s), Load(system, "step", 100, b"200ms")  # 20 slots of work, 5 nodes at 80 %
    until(lambda: len(s.children()) >= 5, 15, "nodes follow within 15 s")
    until(lambda: time.time() - load.began > 14, 20, "some load has passed", every=0.2)
    sent = load.stop()
    all_done(system, "step", sent)
    until(lambda: len(s.children()) == 1, 60, "back to the minimum", every=0.2)
    assert max(n for _, n in watch.stop()) <= 12
    late = system.sql("""select count(*) filter (where started_at - submitted_at > interval '1 s')::float8 / count(*) as share
        from millrace.tasks where id like 'step-%' and submitted_at > (select min(submitted_at) from millrace.tasks where id like 'step-%') + interval '8 s'""")
    assert late[0]["share"] <= 0.05, "95 % were to wait less than a second, but for the first ones"
    assert system.sql("select count(*) as n from millrace.attempts where task_id like 'step-%'")[0]["n"] == 0
    # Each change of the target has a sentence with its figures, in the log and in the history.
    targets = [line for line in s.log().splitlines() if "event=target" in line]
    assert len(targets) >= 3 and all("why=" in t and "node" in t for t in targets)
    stored = until(lambda: system.cli_json("scaler", "history", "--pool", "step", "--action", "target"), 20, "history")
    assert {e["reason"] for e in stored} and all(e["reason"] and e["epoch"] for e in stored)


def test_a_storm_of_deaths_during_load(system, scalers):
    config = "pools:\n  - {name: storm, min: 8, max: 8, slots: 3, wait: 2s}\n"
    a = scalers(config, "scaler-a")
    b = scalers(config, "scaler-b")
    until(lambda: pool(system, "storm")["process_count"] == 8, 30, "eight")
    watch, load, rng = Watch(a), Load(system, "storm", 30, b"300ms"), random.Random(7)
    killed = 0
    while killed < 20:
        victims = a.children()
        if victims:
            os.kill(rng.choice(sorted(victims.values())), signal.SIGKILL)
            killed += 1
        if killed == 10:
            (a if a.leads() else b).kill()
        time.sleep(0.3)
    last = time.time()
    until(lambda: len(a.children()) == 8 and pool(system, "storm")["process_count"] == 8, 15, "capacity is back")
    back = time.time() - last
    print(f"capacity is back {back:.1f} s after the last kill")
    sent = load.stop()
    all_done(system, "storm", sent, timeout=90)
    counts = [n for _, n in watch.stop()]
    assert max(counts) <= 8, f"{max(counts)} children at once"
    assert back < 15
    # Nobody runs who is not known: each node of the pool that lives holds its file.
    known = set(a.children().values())
    alive = {pid for pid, words in system.processes() if b"millrace-node\0storm-" in words}
    assert alive == known, (alive, known)
