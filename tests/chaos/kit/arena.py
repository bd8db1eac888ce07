"""A private system to break: two of each where asked, handlers with a ledger, places to die at, and means of harm."""
import json
import os
import signal
import time
from pathlib import Path

from lib.system import System
from lib.wait import until

from . import watch
from .keeper import Keeper, program
from .ledger import Ledger

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"
PYTHON = "/usr/bin/python3"
# What components say of those that are missing, and engines of their own end. Sanitizers' reports count all the same.
SAID_OF_FAULTS = r"level=error|PANIC|FATAL|ERROR: "

# An entry of a handlers file: JSON is YAML.
WORKED = """handlers:
  - {{type: echo}}
  - {{type: worked, kind: worker, command: [{python}, {worker}], processes: 2, agents: 20, env: {{CHAOS_LEDGER: {ledger}}}}}
  - {{type: ran, kind: exec, command: [{python}, -S, {worker}, exec], env: {{CHAOS_LEDGER: {ledger}}}}}
"""


class Arena(System):
    """routers, stores: how many (the first of each is the supervisor's, the others are kept by us)."""

    def __init__(self, directory, routers=1, stores=1, slots=40, more_handlers="", **options):
        super().__init__(directory, slots=slots, **options)
        self.routers, self.stores = routers, stores
        self.keepers = {}
        self.points = self.dir / "failpoints"
        self.points.mkdir()
        self.ledger = Ledger(self.dir / "ledger")
        self.handlers = self.dir / "handlers.yaml"
        self.handlers.write_text(WORKED.format(python=PYTHON, worker=HANDLERS / "worker.py", ledger=self.ledger.path)
                                 + more_handlers)
        self.allow(SAID_OF_FAULTS)

    def start(self, env=None):
        super().start({"MILLRACE_FAILPOINTS": str(self.points), **(env or {})})
        self.env["MILLRACE_FAILPOINTS"] = str(self.points)
        watch.install(self)
        for kind, n in (("router", self.routers), ("store", self.stores)):
            for number in range(2, n + 1):
                self.keep(f"{kind}-{number}", program(kind))
        return self

    def keep(self, name, argv, **more):
        self.keepers[name] = Keeper(self, name, argv, **more)
        return self.keepers[name]

    def drop(self, name):
        self.keepers.pop(name).stop()

    def stop(self):
        for name in list(self.keepers):
            self.drop(name)
        super().stop()

    # ---- harm ----

    def component(self, name):
        """From the supervisor's record itself: `dev status` for each look would be a load of its own."""
        components = json.loads((self.dir / "dev.json").read_text())["components"]
        return next(c for c in components if c["name"] == name)

    def pid(self, name):
        return self.keepers[name].pid if name in self.keepers else super().pid(name)

    def kill(self, name, sig=signal.SIGKILL):
        """To the process, or where there is none just now, to the next one. Returns its pid."""
        while True:
            pid = until(lambda: self.pid(name), 60, f"{name} runs")
            assert pid > 1, pid
            try:
                os.kill(pid, sig)
                return pid
            except ProcessLookupError:  # it ended between the two looks
                continue

    def wait_ready(self, name, not_pid=0, timeout=60):
        if name in self.keepers:
            keeper = self.keepers[name]
            until(lambda: keeper.pid != not_pid and keeper.is_ready(), timeout, f"{name} ready")
        else:
            super().wait_ready(name, not_pid, timeout)

    def pause(self, *names, seconds):
        """SIGSTOP to all of them at once, SIGCONT to all; of PostgreSQL to its backends too."""
        pids = [p for name in names for p in [self.pid(name), *(children(self.pid(name)) if name == "postgresql" else [])]]
        for pid in pids:
            signal_to(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            for pid in pids:
                signal_to(pid, signal.SIGCONT)

    def arm(self, point, skip=0):
        """The next process that comes by this failpoint, after passing it skip times, dies there."""
        fresh = self.dir / "failpoint.new"
        fresh.write_text(f"{skip}\n")
        fresh.rename(self.points / point)

    def armed(self, point):
        return (self.points / point).exists()


def signal_to(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def children(pid):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            pass
    return found
