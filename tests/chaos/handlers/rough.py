#!/usr/bin/env python3
"""Handlers as nobody wants them: rough.py HOW, one task on stdin (kind exec).

    dies           by SIGKILL, in the middle of its result
    ignores_term   never ends, and ignores the order to
    prints         a gigabyte
    forks          until it is not allowed any more (each child lives on)
    escapes        leaves a child in a session of its own behind, twice forked, and answers

What it leaves behind is a `sleep` of a length that the test knows: MARK seconds.
"""
import os
import signal
import sys
import time


def sleeper():
    os.execvp("sleep", ["sleep", os.environ["MARK"]])


def dies():
    os.write(1, b"half of a res")
    os.kill(os.getpid(), signal.SIGKILL)


def ignores_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.fork() == 0:
        sleeper()
    while True:
        time.sleep(1)


def prints():
    chunk = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, chunk)


def forks():
    while True:
        try:
            if os.fork() == 0:
                sleeper()
        except OSError:
            time.sleep(0.01)


def escapes():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            sleeper()
        os._exit(0)
    os.wait()
    os.write(1, b"answered")


if __name__ == "__main__":
    sys.stdin.buffer.read()
    {"dies": dies, "ignores_term": ignores_term, "prints": prints, "forks": forks, "escapes": escapes}[sys.argv[1]]()
