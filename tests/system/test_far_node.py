"""A node on another machine joins by configuration alone: here one with a network of its own."""
import os
import shutil
import subprocess

import pytest

from lib.proxy import Proxy
from lib.scaler import pool
from lib.system import BIN
from lib.wait import until
from test_scaler import scalers  # noqa: F401  the fixture

SYSTEM = {"nodes": 0, "bridge": False}


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


@pytest.fixture
def far():
    """A network namespace that reaches us by 10.231.<n>.1 alone."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2")
    name, n = f"mr{os.getpid() % 100000}", os.getpid() % 250
    if ip("netns", "add", name, check=False).returncode != 0:
        pytest.skip("no network namespaces here")
    try:
        if ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name, check=False).returncode != 0:
            pytest.skip("no virtual network cards here")
        ip("addr", "add", f"10.231.{n}.1/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "addr", "add", f"10.231.{n}.2/24", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        yield name, f"10.231.{n}.1"
    finally:
        ip("netns", "del", name, check=False)
        ip("link", "del", f"{name}a", check=False)


def test_a_far_node_counts_works_and_is_left_alone(system, scalers, far):
    name, address = far
    s = scalers("pools:\n  - {name: wide, min: 0, max: 3, slots: 2, down: 2s, idle: 3s}\n")
    port = int(system.nats_url.rsplit(":", 1)[1])
    relay = Proxy(port, listen_host=address)  # the broker listens on loopback alone
    try:
        system.run(["ip", "netns", "exec", name, BIN / "millrace-node", "far-1", "--pool", "wide", "--slots", "4",
                    "--nats-url", f"nats://{address}:{relay.port}"], env={"NATS_URL": ""})
        system.wait_node("far-1")
        until(lambda: pool(system, "wide")["total_capacity"] == 4, 20, "it counts")
        done = system.finished(system.submit("echo", b"from afar"), "completed")
        assert done["node"] == "far-1" and done["result"] == "from afar"
        # More than it can do: nodes of the scaler's own machine beside it; then these end, and it stays.
        for i in range(40):
            system.submit("sleep", b"500ms", task_id=f"far-{i}")
        until(lambda: len(s.children()) > 0, 20, "help")
        nodes = {system.finished(f"far-{i}", "completed", timeout=60)["node"] for i in range(40)}
        assert "far-1" in nodes and len(nodes) > 1
        until(lambda: not s.children(), 60, "help ended")
        assert pool(system, "wide")["nodes"] == ["far-1"]
    finally:
        relay.close()
