"""The same task submitted again, within the dedupe window and beyond it: one row, which the first to end decides."""
import time

from lib.wait import until

from kit.journal import digest
from kit.trial import Trial

ARENA = {"nodes": 2, "bridge": False}
WINDOW_S = 30
BODY = '{"ms":0}'


def test_duplicate_publish_within_and_beyond_the_window(arena):
    with Trial(arena, "duplicate publish, within and beyond the window", rate=10, mix=((1, "worked"),)) as trial:
        begun = time.monotonic()
        ids = []
        for n in range(10):
            task_id = trial.submit("tasks.worked", BODY, result=digest(BODY).encode(), ledgered=True, name=f"-dup{n}")
            ids.append(task_id)
            # By the broker's own id, and by the task's: TASKS lets the second through, the lane does not.
            for _ in range(2):
                trial.nats().js_publish("tasks.worked", BODY, {"Task-Id": task_id, "Nats-Msg-Id": task_id})

        def ended():
            return arena.sql(f"select count(*) as n from millrace.tasks where state = 4 and id like '{trial.prefix}x%'")[0]["n"] == 10
        until(ended, 20, "all ten done")
        counts = runs(arena, ids)
        assert set(counts.values()) == {1}, f"run again within the window: {counts}"
        until(lambda: time.monotonic() - begun > WINDOW_S + 2, WINDOW_S + 5, "the window is over", every=0.5)
        for task_id in ids:
            trial.nats().js_publish("tasks.worked", BODY, {"Task-Id": task_id, "Nats-Msg-Id": task_id})
        until(lambda: set(runs(arena, ids).values()) == {2}, 20, "beyond the window each runs once more")
        trial.finish(times=30)  # … and no terminal row changes: the checker sees


def runs(arena, ids):
    counts = dict.fromkeys(ids, 0)
    for x in arena.ledger.executions():
        if x["id"] in counts:
            counts[x["id"]] += 1
    return counts
