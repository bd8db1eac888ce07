"""Three brokers, three copies: the leader killed, two of three, all of them; one parted from the others."""
import os
import random
import shutil
import subprocess

import pytest

from lib.system import ROOT
from lib.wait import until

from kit.cluster import Cluster
from kit.keeper import program
from kit.trial import Trial

ARENA = {"nodes": 0, "bridge": False}
KNOWN = ["TASKS", "EVENTS", "LANE_worked", "LANE_echo", "LANE_ran"]


def current_server():
    """Clustering is for 2.10 and newer."""
    for path in (shutil.which("nats-server"), ROOT / ".run/bin/nats-server"):
        if path and os.access(path, os.X_OK):
            said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            major, minor = said.rsplit("v", 1)[1].split(".")[:2]
            if (int(major), int(minor)) >= (2, 10):
                return path
    pytest.skip("no nats-server of 2.10 or newer")


@pytest.fixture(scope="module")
def cluster(arena):
    directory = arena.dir / "cluster"
    directory.mkdir()
    c = Cluster(directory, current_server())
    try:
        c.start()
        c.wait_ready()
        env = {"NATS_URL": ",".join(c.urls)}
        c.setup({**arena.env, **env})
        for name in ("router", "store"):
            arena.hold(name)
            arena.keep(f"{name}-clustered", program(name), env=env)
        for number in (1, 2):
            arena.keep(f"node-clustered-{number}", [*program("node"), f"clustered-{number}", "--slots", "20", "--handlers",
                                                    arena.handlers], env=env)
        yield c
        for name in list(arena.keepers):
            arena.drop(name)
    finally:
        c.close()


def trial(arena, cluster, fault):
    return Trial(arena, f"three brokers: {fault}", rate=40, urls=cluster.urls)


def whole(cluster, behind=0, within=90):
    cluster.wait_ready()
    names = [n for n in cluster.api("STREAM.NAMES", {})["streams"] if n in KNOWN]
    until(lambda: cluster.settled(names, behind), within, "all copies current", every=0.3)


def test_leader_killed(arena, cluster):
    with trial(arena, cluster, "the leader killed") as t:
        t.under_load(30, timeout=60)
        whole(cluster)
        for stream in ("TASKS", "LANE_worked"):
            leader = cluster.wait_leader(stream)
            cluster.kill(leader)
            t.under_load(30, timeout=60)  # the other two are enough
            cluster.start(leader)
            whole(cluster)
        t.finish(times=2, broker_died=True)


def test_two_of_three_killed(arena, cluster):
    """No majority: nothing is acknowledged until one comes back."""
    with trial(arena, cluster, "two of three killed") as t:
        t.under_load(30, timeout=60)
        two = random.Random(5).sample(range(3), 2)
        cluster.kill(*two)
        cluster.start(*two)
        whole(cluster)
        t.finish(times=2, broker_died=True)


def test_all_killed(arena, cluster):
    with trial(arena, cluster, "all killed at once") as t:
        t.under_load(30, timeout=60)
        cluster.kill(0, 1, 2)
        cluster.start()
        whole(cluster)
        t.finish(times=3, broker_died=True)


def test_leader_parted_from_the_others(arena, cluster):
    """It still has its clients, and must not acknowledge to them what the others do not have."""
    with trial(arena, cluster, "the leader parted from the others") as t:
        t.under_load(30, timeout=60)
        leader = cluster.wait_leader("TASKS")
        cluster.part(leader)
        cluster.wait_leader("TASKS", other_than=leader)
        t.under_load(20, timeout=60)
        cluster.part(leader, on=False)
        # nats-server 2.15.2 at times has a deposed leader's copy ask in vain for what it missed, until its new leader makes a
        # snapshot some minutes later ("Expected first catchup entry to be a snapshot and peerstate, will retry"). Two are enough.
        whole(cluster, behind=1)
        t.finish(broker_died=True)
