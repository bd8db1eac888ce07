"""One component's clock an hour off, either way: times in rows are wrong then, and nothing else."""
import glob
import subprocess

import pytest

from kit.keeper import program
from kit.trial import Trial

ARENA = {"nodes": 1, "bridge": False}


def faketime(offset):
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        pytest.skip("no libfaketime (Debian: faketime)")
    env = {"LD_PRELOAD": found[0], "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "0",
           # A sanitizer wants to be the first library of all; that it is not costs it nothing here.
           "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    told = subprocess.run([*map(str, program("router")), "--version"], env={**env, "PATH": "/usr/bin"}, capture_output=True, text=True)
    if told.returncode != 0:
        pytest.skip(f"libfaketime does not work with this build: {told.stderr[-200:]}")
    return env


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
@pytest.mark.parametrize("name", ["router", "node", "store"])
def test_clock_an_hour_off(arena, name, offset):
    env = faketime(offset)
    words = ["wrong", "--slots", "40", "--handlers", arena.handlers] if name == "node" else []
    component = "node-1" if name == "node" else name
    arena.hold(component)
    arena.keep(f"{name}-wrong{offset}", program(name, *words), env=env)
    try:
        # No delayed tasks: a router whose clock is wrong is early or late with them by as much.
        with Trial(arena, f"{name}: clock {offset}", mix=((10, "worked"), (1, "echo"), (1, "doomed"))) as trial:
            trial.under_load(60)
            trial.finish()
    finally:
        arena.drop(f"{name}-wrong{offset}")
        arena.release(component)
