"""Each component killed in mid-batch, at each failpoint, and stopped for longer than any ack_wait; two of each."""
from lib.wait import until

from kit.trial import Trial

ARENA = {"nodes": 2, "routers": 2, "stores": 2}
LONGER_THAN_ACK_WAIT_S = 12

# Of builds with failpoints: the place, and how often it is passed before.
POINTS = (("router.on_lane", 5), ("router.stored_task", 5), ("router.stored_delayed", 1), ("router.stored_act", 0),
          ("node.finished", 5), ("node.stored", 5), ("node.failed", 0), ("store.taken", 2), ("store.writing", 2),
          ("store.committed", 2))


def killed(arena, fault, *names, **more):
    with Trial(arena, fault) as trial:
        for name in names:
            trial.under_load(30)
            pid = arena.kill(name)
            arena.wait_ready(name, not_pid=pid)
        trial.finish(times=len(names), **more)


def test_processes_killed_in_mid_batch(arena):
    killed(arena, "router, node, store: SIGKILL in mid-batch", "router", "node-1", "store", "router-2", "node-2", "store-2",
           "router", "store", "node-1")


def test_broker_killed_in_mid_batch(arena):
    killed(arena, "broker: SIGKILL in mid-batch", "broker", "broker", broker_died=True)


def test_postgresql_killed_in_mid_batch(arena):
    killed(arena, "PostgreSQL: SIGKILL of its postmaster (crash restart)", "postgresql", "postgresql")


def test_killed_at_each_failpoint(arena):
    """After publish before ack, after commit before ack, and the like: common/failpoint.h."""
    with Trial(arena, "killed at a failpoint") as trial:
        for point, skip in POINTS:
            arena.arm(point, skip)
            until(lambda: not arena.armed(point), 30, f"a death at {point} (are failpoints built in? preset dev)")
        trial.finish(times=len(POINTS))


def test_stopped_for_longer_than_ack_wait(arena):
    """One of two routers, nodes and stores at once: the others take over, and what wakes up late changes nothing."""
    with Trial(arena, "router, node, store: SIGSTOP for 12 s") as trial:
        trial.under_load(30)
        arena.pause("router", "node-1", "store", seconds=LONGER_THAN_ACK_WAIT_S)
        trial.finish(times=3)
