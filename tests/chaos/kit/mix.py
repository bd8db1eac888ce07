"""Faults at random, from a seed that repeats them.

The plan is made beforehand, of the seed alone: what happens, to whom, after which pause. What the machine makes of it (how far each process
was) is its own affair, and the reason to run many. A plan is a list of Step; play() carries it out.
"""
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass

from .arena import children, signal_to

# (weight, what, to whom). Kills are what counts; the rest makes them meet something.
FAULTS = (
    (16, "kill", "router"), (16, "kill", "store"), (12, "kill", "node-1"), (12, "kill", "node-2"), (8, "kill", "router-2"),
    (8, "kill", "store-2"), (9, "kill", "broker"), (7, "kill", "postgresql"),
    (2, "stop", "router"), (2, "stop", "store"), (2, "stop", "node-1"), (1, "stop", "broker"), (1, "stop", "postgresql"),
    (4, "backend", "store"), (3, "agent", "node-2"),
    (1, "point", "router.on_lane"), (1, "point", "router.stored_task"), (1, "point", "router.stored_act"),
    (1, "point", "router.stored_delayed"), (1, "point", "node.finished"), (1, "point", "node.stored"), (1, "point", "node.failed"),
    (1, "point", "store.taken"), (1, "point", "store.writing"), (1, "point", "store.committed"),
)
DEATHS = ("kill", "point")


@dataclass
class Step:
    pause_s: float  # before it
    what: str
    whom: str
    seconds: float  # of a stop

    def __str__(self):
        return f"{self.what} {self.whom}" + (f" {self.seconds:.1f} s" if self.what == "stop" else "")


def plan(seed, steps=None, seconds=None, every_s=1.5):
    """So many steps, or as many as fit so many seconds."""
    rng, made, at = random.Random(seed), [], 0.0
    weights = [f[0] for f in FAULTS]
    while (steps is None or len(made) < steps) and (seconds is None or at < seconds):
        _, what, whom = rng.choices(FAULTS, weights)[0]
        step = Step(rng.uniform(0.2, 2 * every_s - 0.2), what, whom, rng.choice((0.5, 2.0, 9.0, 13.0)))
        at += step.pause_s
        made.append(step)
    return made


class Player:
    def __init__(self, arena, steps, say=print):
        self.arena, self.steps, self.say = arena, steps, say
        self.done = Counter()
        self.waking = []

    def play(self, until=None):
        """until: monotonic time at which no further step is begun."""
        for number, step in enumerate(self.steps, 1):
            time.sleep(step.pause_s)
            if until and time.monotonic() > until:
                break
            self.say(f"{number}: {step}")
            getattr(self, "_" + step.what)(step)
            self.done[step.what, step.whom.split("-")[0]] += 1
        return self

    def heal(self):
        """Nothing is stopped, nothing is armed, everything runs."""
        for thread in self.waking:
            thread.join()
        for point in list(self.arena.points.iterdir()):
            point.unlink(missing_ok=True)
        for name in ("broker", "postgresql", "router", "store", "node-1", "node-2", *self.arena.keepers):
            self.arena.wait_ready(name)

    def deaths(self):
        return sum(n for (what, _), n in self.done.items() if what in DEATHS)

    def _kill(self, step):
        self.arena.kill(step.whom)

    def _stop(self, step):
        """Meanwhile the plan goes on: a stopped one may be killed."""
        pid = self.arena.pid(step.whom)
        pids = [pid, *(children(pid) if step.whom == "postgresql" else [])] if pid else []
        for p in pids:
            signal_to(p, signal.SIGSTOP)
        thread = threading.Timer(step.seconds, lambda: [signal_to(p, signal.SIGCONT) for p in pids])
        thread.start()
        self.waking.append(thread)

    def _point(self, step):
        self.arena.arm(step.whom)

    def _backend(self, step):
        try:
            self.arena.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'millrace-store%'",
                            check=False)
        except Exception:  # it is away just now: then there is no backend to end
            pass

    def _agent(self, step):
        """The handlers' own processes: a failed attempt each."""
        pid = self.arena.pid(step.whom)
        for launcher in children(pid) if pid else []:
            for child in children(launcher)[:1]:
                signal_to(child, signal.SIGKILL)
