"""A killed node's running task is running elsewhere in under ten seconds."""
import os
import signal
import time

from lib.natsraw import Client
from lib.wait import until

from kit.keeper import program
from kit.journal import Submit, digest
from kit.trial import Trial

KILLS = int(os.environ.get("CHAOS_MOVES", "8"))
AT_ONCE = 8
ARENA = {"nodes": 0, "bridge": False}


def body(number):
    return '{"n":%d,"ms":5000}' % number


def test_a_killed_nodes_task_runs_elsewhere_within_ten_seconds(arena):
    """Nodes of one slot, each killed while it runs a task, a tenth of a second after the other; the ledger tells the rest."""
    words = program("node"), ("--handlers", str(arena.handlers))
    taken = []
    trial = Trial(arena, "node: SIGKILL while it runs a task", mix=((1, "worked"),), rate=0)
    with trial:
        for first in range(0, KILLS, AT_ONCE):
            taken += move(arena, trial, words, first, min(AT_ONCE, KILLS - first))
        trial.finish(times=len(taken), tail=0, moved_s=[round(t, 2) for t in taken])
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    print(f"{len(taken)} kills: elsewhere after {taken[0]:.1f} to {taken[-1]:.1f} s, P50 {taken[len(taken) // 2]:.1f} s, P99 {p99:.1f} s")
    assert p99 < 10, taken


def move(arena, trial, words, first, n):
    """n nodes with a task each, killed. Returns how long each task took from the kill to its next beginning."""
    names = [f"victim-{first + i}" for i in range(n)]
    victims = {}
    for name in names:  # all first, then all awaited
        victims[name] = arena.run([*words[0], name, "--slots", "1", *words[1]])
    for name in names:
        arena.wait_node(name)
    ids = [f"{trial.prefix}{first + i}" for i in range(n)]
    submits = [Submit(i, "worked", "completed", digest(digest(body(first + k))), True) for k, i in enumerate(ids)]
    trial.journal.invoke(submits)
    nats = Client(arena.nats_url)
    for k, task_id in enumerate(ids):
        nats.js_publish("tasks.worked", body(first + k), {"Task-Id": task_id})
        trial.journal.end([(task_id, "ok")])
    running = {}

    def all_run():
        running.update({x["node"]: x for x in arena.ledger.executions(trial.prefix) if x["id"] in ids and x["end"] is None})
        return len([name for name in names if name in running]) == n
    until(all_run, 20, "a task on each node", every=0.02)
    rescue = arena.run([*words[0], f"rescue-{first}", "--slots", str(4 * n), *words[1]])
    arena.wait_node(f"rescue-{first}")
    killed = {}
    for name in names:
        killed[running[name]["id"]] = time.time()
        os.kill(victims[name].pid, signal.SIGKILL)
        victims[name].wait()
        time.sleep(0.1)
    moved = {}

    def all_moved():
        for x in arena.ledger.executions(trial.prefix):
            if x["id"] in killed and x["node"] not in names:
                moved.setdefault(x["id"], x["begin"] - killed[x["id"]])
        return len(moved) == n
    until(all_moved, 30, "each task begun elsewhere")
    until(lambda: all(arena.sql(f"select state from millrace.tasks where id = '{i}' and state >= 4") for i in ids), 30, "all done")
    nats.close()
    rescue.terminate()
    assert rescue.wait(40) == 0
    return list(moved.values())
