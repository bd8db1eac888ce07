"""A daemon may be told to stop at any moment of its start: it ends with 0, soon, and leaves nothing behind.

With a sanitizer build a leak is an exit code and a report: what was allocated for an answer that never came shows here.
"""
import random
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.system import BAD, BIN

SYSTEM = {"nodes": 0}

STOPS = 60
AT_ONCE = 4
START_MS = 60  # connecting, looking what is there and asking for work take about so long


def stop_early(argv, env, after_ms):
    """Starts it, ends it so many milliseconds after its first word; what was wrong with that end, or None."""
    with tempfile.TemporaryFile() as out:
        def text():
            out.seek(0)
            return out.read().decode("utf-8", "replace")
        child = subprocess.Popen([str(a) for a in argv], env=env, stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while not out.tell() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
            out.seek(0, 2)
        time.sleep(after_ms / 1000)
        child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(40)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            code = "none, it did not end"
        if code == 0 and not BAD.search(text()):
            return None
        return f"SIGTERM {after_ms:.1f} ms after the first word: exit code {code}\n{text()[-3000:]}"


@pytest.mark.parametrize("program", ["store", "router", "node"])
def test_an_end_while_starting_leaves_nothing(system, program):
    rng = random.Random(7)
    env = {**system.env, "ASAN_OPTIONS": "detect_leaks=1"}

    def one(i):
        words = [f"early-{i}"] if program == "node" else []
        # Most of it happens early.
        return stop_early([BIN / f"millrace-{program}", *words], env, START_MS * rng.random() ** 2)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = [f for f in pool.map(one, range(STOPS)) if f]
    assert not faults, f"{len(faults)} of {STOPS} ends:\n" + "\n".join(faults[:3])
