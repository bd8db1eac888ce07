"""A full stream, a full disk, a stalled disk: refusals that the publisher hears of, and no loss."""
import os
import subprocess
import time

import pytest

from lib.wait import until

from kit.trial import Trial

ARENA_OPTIONS = {"nodes": 2, "bridge": False}
DISK_MIB = 96


def test_streams_full(own_arena):
    """EVENTS fills, then the lanes, then TASKS; then the publisher is refused, and what was refused never appears."""
    # Nothing is shed: that would end what was acknowledged as dead, and in time keep the streams from filling.
    arena = own_arena(env={"MILLRACE_SHED_LOW": "101", "MILLRACE_SHED_NORMAL": "101"}, **ARENA_OPTIONS)
    with Trial(arena, "EVENTS, lanes and TASKS full", rate=100, mix=((1, "worked"),)) as trial:
        trial.under_load(50)
        honest = {s: trial.nats().api(f"STREAM.INFO.{s}")["config"] for s in ("EVENTS", "LANE_worked", "TASKS", "DELAYED")}
        arena.hold("store")
        for stream, most in (("EVENTS", 60), ("LANE_worked", 40), ("TASKS", 100), ("DELAYED", 50)):
            trial.nats().api(f"STREAM.UPDATE.{stream}", {**honest[stream], "max_msgs": most})
        until(lambda: trial.journal.count("fail") > 100, 60, "a hundred refusals")
        for stream, config in honest.items():
            trial.nats().api(f"STREAM.UPDATE.{stream}", config)
        arena.release("store")
        report = trial.finish()
    assert report.refused > 100


class Disk:
    """A small ext4 of its own, mounted where the broker keeps its streams."""

    def __init__(self, directory, mib):
        self.image, self.point = directory / "disk.img", directory / "nats" / "data"
        self.point.mkdir(parents=True)
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-m", "0", self.image)
        run("mount", "-o", "loop", self.image, self.point)
        self.frozen = False

    def fill(self):
        """To the last block, also what was freed since."""
        with open(self.point / "filler", "ab", buffering=0) as f:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        f.write(b"\0" * size)
                except OSError:
                    pass

    def free(self):
        (self.point / "filler").unlink()

    def freeze(self, on=True):
        run("fsfreeze", "-f" if on else "-u", self.point)
        self.frozen = on

    def close(self):
        if self.frozen:
            self.freeze(False)
        run("umount", self.point)


def run(*argv):
    subprocess.run([str(a) for a in argv], check=True, capture_output=True, timeout=60)


@pytest.fixture
def on_disk(own_arena):
    """An arena whose broker has a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    arena = own_arena(start=False, **ARENA_OPTIONS)
    try:
        arena.disk = Disk(arena.dir, DISK_MIB)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no loop mount here: {getattr(error, 'stderr', error)}")
    try:
        arena.start()
        yield arena
        arena.hold("broker", kill=True)  # it would not let go of the disk
    finally:
        arena.disk.close()


def test_disk_stalled(on_disk):
    with Trial(on_disk, "broker's disk stalled for 12 s") as trial:
        trial.under_load(30)
        on_disk.disk.freeze()
        time.sleep(12)
        on_disk.disk.freeze(False)
        trial.finish()


def test_disk_full(on_disk):
    """The broker turns JetStream off when it cannot write; with room again it is started anew."""
    with Trial(on_disk, "broker's disk full") as trial:
        trial.under_load(30)

        def felt():
            on_disk.disk.fill()  # acked messages make room; it is taken again
            return trial.journal.count("fail") + len(trial.journal.submits) - trial.journal.count("ok") > 200
        until(felt, 60, "two hundred submits that got no PubAck", every=0.2)
        on_disk.disk.free()
        pid = on_disk.kill("broker")
        on_disk.wait_ready("broker", not_pid=pid)
        trial.finish(broker_died=True)
