"""A short mix of random faults, and of the plan that it is what its seed says."""
import os
import random
import time

from kit.mix import FAULTS, Player, plan
from kit.trial import Trial

ARENA = {"nodes": 2, "routers": 2, "stores": 2, "bridge": False}
SECONDS = 30


def test_a_seed_repeats_its_faults():
    assert [str(s) for s in plan(7, steps=50)] == [str(s) for s in plan(7, steps=50)] != [str(s) for s in plan(8, steps=50)]


def test_a_long_plan_has_every_fault():
    assert {(s.what, s.whom) for s in plan(1, steps=3000)} == {(what, whom) for _, what, whom in FAULTS}


def test_short_mix(arena):
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10 ** 6))
    said = [f"seed {seed}"]
    try:
        with Trial(arena, "random faults", rate=60, seed=seed) as trial:
            player = Player(arena, plan(seed, seconds=SECONDS), said.append).play(until=time.monotonic() + SECONDS)
            player.heal()
            trial.finish(times=player.deaths(), within=90, broker_died=True, seed=seed)
    except BaseException:
        print("\n".join(said))
        raise
