"""A broker that stops in the midst of a login: it has said INFO, and says nothing to CONNECT."""
import signal
import socket
import threading
import time
from urllib.parse import urlparse

import pytest

from lib.proxy import Proxy
from lib.system import BIN
from lib.wait import until
from test_away import cpu_s

SYSTEM = {"nodes": 0, "bridge": False}

INFO = (b'INFO {"server_id":"S","server_name":"s","version":"2.10.0","proto":1,"host":"127.0.0.1","port":4222,"headers":true,'
        b'"max_payload":1114112}\r\n')


@pytest.fixture
def mute():
    """Such a broker: its port, and the connections it has got."""
    listener, held = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                held.append(listener.accept()[0])
                held[-1].sendall(INFO)
            except OSError:
                return
    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], held
    listener.close()
    for s in held:
        s.close()


@pytest.mark.parametrize("program", ["router", "node", "store"])
def test_a_program_that_starts_there_waits_and_obeys(system, mute, program):
    port, connections = mute
    words = ["waiting"] if program == "node" else []
    child = system.run([BIN / f"millrace-{program}", *words], env={"NATS_URL": f"nats://127.0.0.1:{port}"})
    until(lambda: len(connections) >= 3, 20, "it tries anew")
    before = cpu_s(child.pid)
    time.sleep(5)
    # The library spins from its deadline (2 s) on; the guard ends that half a second later, or a whole one.
    assert cpu_s(child.pid) - before < 3
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0


def test_a_command_says_so(system, mute):
    url = f"nats://127.0.0.1:{mute[0]}"
    done = system.cli("task", "list", "--timeout", "4s", env={"NATS_URL": url}, check=False, timeout=20)
    assert done.returncode == 5 and url in done.err


def test_a_reconnect_that_is_stuck_there_goes_on(system):
    where = urlparse(system.nats_url)
    proxy = Proxy(where.port)
    try:
        node = system.start_node("behind", env={"NATS_URL": f"nats://127.0.0.1:{proxy.port}"})
        system.finished(system.submit("echo", "before"), "completed")
        proxy.hold(up=True, down=False)  # the broker's INFO comes through, our CONNECT does not
        proxy.cut()
        before = cpu_s(node.pid)
        time.sleep(10)
        assert cpu_s(node.pid) - before < 6
        task = system.submit("echo", "meanwhile")
        proxy.release()
        assert system.finished(task, "completed", timeout=20)["node"] == "behind"
        node.send_signal(signal.SIGTERM)
        assert node.wait(20) == 0
    finally:
        proxy.close()
