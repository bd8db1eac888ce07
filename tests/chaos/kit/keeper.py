"""Second routers and stores, nodes behind a proxy: processes of the test's own that are started again when they die."""
import os
import signal
import subprocess
import threading

from lib.system import BIN
from lib.wait import until


class Keeper:
    """Keeps one process up. kill() and signal() as System has them for its components."""

    def __init__(self, system, name, argv, env=None):
        self.system, self.name, self.argv = system, name, [str(a) for a in argv]
        self.env = {**system.env, **(env or {})}
        self.process, self.said, self.starts = None, 0, 0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()
        until(self.is_ready, 60, f"{name} ready")

    def _keep(self):
        while not self.over.is_set():
            with self.lock:
                if self.over.is_set():
                    return
                with open(self.log, "ab") as log:
                    self.said = log.tell()
                    self.process = subprocess.Popen(self.argv, env=self.env, stdout=log, stderr=subprocess.STDOUT,
                                                    start_new_session=True)
                self.starts += 1
            self.process.wait()
            self.over.wait(0.2)

    @property
    def log(self):
        return self.system.dir / "log" / f"{self.name}.log"

    @property
    def pid(self):
        process = self.process
        return process.pid if process and process.poll() is None else 0

    def is_ready(self):
        """It said so since it was started last."""
        if not self.pid:
            return False
        return "event=ready" in self.log.read_text(errors="replace")[self.said:]

    def stop(self):
        self.over.set()
        with self.lock:
            process = self.process
        if process and process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.thread.join(5)


def program(name, *words):
    return [BIN / f"millrace-{name}", *words]
