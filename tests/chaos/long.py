#!/usr/bin/env python3
"""The long run: random faults under load for so many minutes, in rounds that are each checked, then what takes long by itself.

    tests/run.sh chaos --minutes N [--seed S]

Each round has a seed of its own, printed with it: `--seed` with that repeats the round as the first. A round that is not
clean ends the run, its system kept. After the rounds: fifty kills of nodes at work (P99 of the time until their tasks run
elsewhere), and from 20 minutes on PostgreSQL away for ten minutes and the broker for one, under load; both come on top of
the minutes. --only does one of these. The last line is `N passed, M failed`.
"""
import argparse
import os
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from conftest import make  # noqa: E402
from kit.mix import Player, plan  # noqa: E402
from kit.trial import Trial  # noqa: E402

ROUND_S = 120
RATE = 100
DEGRADED_FROM_MIN = 20
POSTGRESQL_AWAY_S, BROKER_AWAY_S = 600, 60


def say(text):
    print(time.strftime("%H:%M:%S ") + text, flush=True)


def memory(arena):
    """MiB of each component that runs."""
    found = {}
    for name in ("broker", "router", "store", "node-1", "node-2"):
        try:
            pages = int(Path(f"/proc/{arena.pid(name)}/statm").read_text().split()[1])
            found[name] = pages * resource.getpagesize() // 2 ** 20
        except (OSError, ValueError):
            pass
    return found


def one_round(arena, seed, seconds):
    """Returns the deaths."""
    say(f"round of {seconds:.0f} s, seed {seed}")
    with Trial(arena, "random faults", rate=RATE, seed=seed) as trial:
        player = Player(arena, plan(seed, seconds=seconds), lambda text: None).play(until=time.monotonic() + seconds)
        player.heal()
        report = trial.finish(times=player.deaths(), within=120, broker_died=True, seed=seed,
                              what={" ".join(k): n for k, n in sorted(player.done.items())})
    say(f"{player.deaths()} deaths: " + ", ".join(f"{what} {whom} {n}" for (what, whom), n in sorted(player.done.items()))
        + f"; {len(report.repeated_epochs)} repeated epochs; MiB: {memory(arena)}")
    return player.deaths()


def away(arena, name, seconds):
    with Trial(arena, f"{name.replace('postgresql', 'PostgreSQL')}: away for {seconds} s", rate=RATE) as trial:
        trial.under_load(100)
        say(f"{name} away for {seconds} s")
        begun = time.monotonic()
        arena.hold(name, kill=True)
        peak = memory(arena)
        while time.monotonic() - begun < seconds:
            time.sleep(5)
            peak = {k: max(v, peak.get(k, 0)) for k, v in memory(arena).items()}
        arena.release(name)
        # What gathered in the meantime is stored at the store's speed.
        trial.finish(within=62 + seconds, broker_died=name == "broker", peak_mib=peak)
    say(f"{name} was away for {seconds} s; most MiB meanwhile: {peak}")


def with_arena(run, **options):
    arena = make(**options)
    try:
        arena.start()
        run(arena)
    except BaseException:
        say(f"logs are kept in {arena.dir}")
        try:
            arena.stop()
        except AssertionError as error:
            say(str(error))
        raise
    arena.stop()
    arena.remove()


def mixes(minutes, seed):
    def run(arena):
        rng, end, deaths, rounds = random.Random(seed), time.monotonic() + minutes * 60, 0, 0
        this = seed
        while (left := end - time.monotonic()) > 20:
            deaths += one_round(arena, this, min(ROUND_S, left))
            rounds, this = rounds + 1, rng.randrange(10 ** 6)
        say(f"random faults: {rounds} rounds, {deaths} deaths, nothing lost, nothing stored twice")
    with_arena(run, nodes=2, routers=2, stores=2, bridge=False)


def moves():
    say("fifty kills of nodes at work")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "test_move.py"], cwd=HERE, env={**os.environ, "CHAOS_MOVES": "50"})
    assert done.returncode == 0, "a killed node's task was not elsewhere in time"


def degraded():
    def run(arena):
        away(arena, "postgresql", POSTGRESQL_AWAY_S)
        away(arena, "broker", BROKER_AWAY_S)
    with_arena(run, nodes=2, bridge=False)


def main():
    words = argparse.ArgumentParser(usage="long.py --minutes N [--seed S] [--only mix|moves|degraded]")
    words.add_argument("--minutes", type=float, required=True)
    words.add_argument("--seed", type=int, default=None)
    words.add_argument("--only", choices=("mix", "moves", "degraded"))
    told = words.parse_args()
    seed = random.SystemRandom().randrange(10 ** 6) if told.seed is None else told.seed
    say(f"seed {seed}")
    parts = [("random faults", "mix", lambda: mixes(told.minutes, seed)), ("moves", "moves", moves)]
    if told.minutes >= DEGRADED_FROM_MIN or told.only == "degraded":
        parts.append(("degraded", "degraded", degraded))
    passed = failed = 0
    for name, word, part in parts:
        if told.only and told.only != word:
            continue
        try:
            part()
            passed += 1
        except Exception:
            traceback.print_exc()
            say(f"FAILED: {name} (seed {seed})")
            failed += 1
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
