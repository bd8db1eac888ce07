"""A gateway of a test's own, with flags of its own, beside (or instead of) the system's."""
import os
import re
import signal
from pathlib import Path

from .http import Http
from .system import BIN
from .wait import until


class Gateway:
    def __init__(self, system, *flags, env=None, listen="127.0.0.1:0"):
        self.system = system
        self.process = system.run([BIN / "millrace-gateway", "--http-listen", listen, *flags], env=env or {})
        self.log_path = system.dir / "log" / f"test-{len(system.children) - 1}.log"
        self.url = until(self._url, 30, "the gateway listens")

    def _url(self):
        assert self.process.poll() is None, self.log
        found = re.search(r"event=listening url=(\S+)", self.log)
        return found and "event=connected" in self.log and found[1]

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def web(self, token=None, **more):
        return Http(self.url, token=token, **more)

    @property
    def address(self):
        host, port = self.url.rpartition("/")[2].rsplit(":", 1)
        return host, int(port)

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def rss_mib(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024

    @property
    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, timeout=40):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)
