"""Broker and PostgreSQL stopped, and away: nothing is lost, all goes on by itself."""
import pytest

from lib.wait import until

from kit.trial import Trial

ARENA = {"nodes": 2, "bridge": False}


@pytest.mark.parametrize("name", ["broker", "postgresql"])
def test_stopped_for_longer_than_ack_wait(arena, name):
    with Trial(arena, f"{name}: SIGSTOP for 12 s".replace("postgresql", "PostgreSQL")) as trial:
        trial.under_load(30)
        arena.pause(name, seconds=12)
        trial.finish()


def test_postgresql_away_for_a_minute(arena):
    """Acknowledged and executed all the same; stored when it is back."""
    import time
    with Trial(arena, "PostgreSQL: away for 60 s") as trial:
        trial.under_load(30)
        arena.hold("postgresql", kill=True)
        away = time.monotonic()
        before = trial.journal.count("ok")
        until(lambda: time.monotonic() - away > 60, 70, "a minute", every=1)
        assert trial.journal.count("ok") - before > 60 * 60 / 2, "submits stopped while PostgreSQL was away"
        arena.release("postgresql")
        trial.finish()
