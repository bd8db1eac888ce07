"""Scalers beside a private system: started, killed, paused and ended by tests; the nodes that they started."""
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .system import BIN
from .wait import until


class Scaler:
    """One millrace-scaler. Several of one directory share it, as on one machine."""

    def __init__(self, system, config, name="scaler-a", directory=None):
        self.system, self.name = system, name
        self.dir = Path(directory or system.dir / "scaler")
        self.config = Path(system.dir / f"{name}.yaml")
        self.config.write_text(config)
        self.log_path = system.dir / "log" / f"{name}.log"
        self.from_byte = self.log_path.stat().st_size if self.log_path.exists() else 0  # what others of that name said
        self.process = None

    def start(self, *words):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BIN / "millrace-scaler", "--config", self.config, "--scaler-dir", self.dir,
                                             "--scaler-name", self.name, "--scaler-lease", "3s", *words],
                                            env=self.system.env, stdout=log, stderr=log)
        self.system.children.append(self.process)
        until(lambda: f"pid={self.process.pid}" in self.log(), 30, f"{self.name} ready")
        return self

    def log(self):
        return self.log_path.read_bytes()[self.from_byte:].decode(errors="replace") if self.log_path.exists() else ""

    def leads(self):
        lines = [line for line in self.log().splitlines() if "event=leads" in line or "leads no more" in line]
        return bool(lines) and "event=leads" in lines[-1]

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        if sig == signal.SIGKILL:
            self.process.wait(10)
            with open(self.log_path, "a") as log:
                log.write("killed by the test: leads no more\n")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log()[-2000:]

    def children(self, pool=None):
        """Nodes that live and that a scaler of this directory started: name -> pid."""
        found = {}
        nodes = self.dir / "nodes"
        for path in nodes.iterdir() if nodes.exists() else []:
            try:
                with open(path) as f:
                    try:
                        fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                        continue  # nobody holds it: a dead one's
                    except BlockingIOError:
                        words = f.read().split()
            except FileNotFoundError:
                continue
            if len(words) == 2 and pool in (None, words[0]) and alive(int(words[1])):
                found[path.name] = int(words[1])
        return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def ask(system, subject, body=None, timeout=10):
    """The leader's answer as JSON. Between two leaders nobody answers: asked again."""
    reply = until(lambda: system.nats.request(subject, json.dumps(body or {}).encode(), timeout=5), timeout,
                  f"an answer on {subject}", every=0.2)
    assert not reply.header("Nats-Service-Error"), reply.header("Nats-Service-Error")
    return reply.json()


def pool(system, name):
    return ask(system, "api.pool.get", {"name": name})


def refused(system, subject, body=None):
    """The words of a refusal."""
    reply = system.nats.request(subject, json.dumps(body or {}).encode(), timeout=5)
    assert reply.header("Nats-Service-Error"), reply.data
    return reply.header("Nats-Service-Error-Code"), reply.header("Nats-Service-Error")


def end_all(scaler, seconds=30):
    """Ends what is left of the scaler's nodes, whoever led."""
    for pid in scaler.children().values():
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    end = time.monotonic() + seconds
    while scaler.children() and time.monotonic() < end:
        time.sleep(0.1)
