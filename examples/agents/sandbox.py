"""A program in a subprocess with limits: its own process group and fresh directory, a clean environment, bounded time, memory,
files and output. It keeps mistakes small; it is no wall against malice: what the node's user may read, it may read
(node/handlers/README.md). Run nodes with such agents as a user of their own.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

OUTPUT_MAX = 256 << 10
LIMITED = str(Path(__file__).with_name("limited.py"))


class _Sink(threading.Thread):
    """Reads a pipe to its end and keeps the beginning."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.kept, self.total = pipe, b"", 0
        self.start()

    def run(self):
        while chunk := self.pipe.read1(65536):
            self.total += len(chunk)
            self.kept += chunk[:max(OUTPUT_MAX - len(self.kept), 0)]


def write_files(directory, files):
    for name, text in files.items():
        path = Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(argv, task, timeout_s, stdin="", files=None):
    """Runs argv; never raises for what the program does. FileNotFoundError: there is no such program."""
    with tempfile.TemporaryDirectory(prefix="agent-") as directory:
        write_files(directory, files or {})
        env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": directory, "TMPDIR": directory,
               "PYTHONDONTWRITEBYTECODE": "1"}
        if "/" not in argv[0] and not shutil.which(argv[0], path=env["PATH"]):
            raise FileNotFoundError(f"there is no program {argv[0]}")
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, "-I", "-S", "-B", LIMITED, str(int(timeout_s) + 1), *argv], cwd=directory,
                                 env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 start_new_session=True)

        def end():
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        out, err = _Sink(child.stdout), _Sink(child.stderr)
        feeder = threading.Thread(target=_feed, args=(child.stdin, stdin.encode()), daemon=True)
        feeder.start()
        task.on_cancel(end)
        timed_out = False
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            end()  # whatever it left behind in its group, too
            child.wait()
            task.forget(end)
        for each in (out, err, feeder):
            each.join(2)
        return {"exit_code": None if timed_out else child.returncode, "timed_out": timed_out,
                "stdout": out.kept.decode("utf-8", "replace"), "stderr": err.kept.decode("utf-8", "replace"),
                "truncated": out.total > OUTPUT_MAX or err.total > OUTPUT_MAX,
                "duration_ms": round((time.monotonic() - began) * 1000)}


def _feed(pipe, data):
    try:
        pipe.write(data)
        pipe.close()
    except OSError:
        pass  # it did not want it


def run_python(code, task, timeout_s, stdin="", files=None):
    return run([sys.executable, "-E", "-s", "-B", "main.py"], task, timeout_s, stdin, {**(files or {}), "main.py": code})
