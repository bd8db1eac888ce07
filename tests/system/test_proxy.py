"""The proxy between parts keeps what it says: who is refused has no connection, however far it had come."""
import socket
import threading

import pytest

from lib import proxy as proxies
from lib.proxy import Proxy, refuse
from lib.wait import until


class Echo:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        try:
            while data := client.recv(4096):
                client.sendall(data)
        except OSError:
            pass
        client.close()


@pytest.fixture
def echo():
    e = Echo()
    yield e
    e.listener.close()


@pytest.fixture
def proxy(echo):
    p = Proxy(echo.port)
    yield p
    p.close()


def passes(s):
    """False: it has ended. A TimeoutError says that nothing came, and that is no end."""
    s.settimeout(10)
    try:
        s.sendall(b"x")
        return s.recv(1) == b"x"
    except TimeoutError:
        raise
    except OSError:
        return False


def connect(p):
    return socket.create_connection(("127.0.0.1", p.port), 10)


def enters(p):
    try:
        with connect(p) as s:
            return passes(s)
    except TimeoutError:
        raise
    except OSError:  # the reset was there before connect had returned
        return False


def test_refused_and_let_in_again(proxy):
    before = connect(proxy)
    assert passes(before)
    proxy.refuse()
    assert not passes(before) and proxy.resets == 1
    assert not enters(proxy)
    proxy.refuse(False)
    with connect(proxy) as again:
        assert passes(again)


def test_a_connection_that_is_being_made_is_refused_too(proxy, monkeypatch):
    """It was let in, but is not among those that are cut yet."""
    connecting, go_on = threading.Event(), threading.Event()
    real = socket.create_connection

    def slow(address, *rest):
        if address == proxy.target:
            connecting.set()
            go_on.wait(10)
        return real(address, *rest)
    monkeypatch.setattr(proxies.socket, "create_connection", slow)
    with connect(proxy) as client:
        assert connecting.wait(10)
        proxy.refuse()
        go_on.set()
        assert not passes(client)
        assert not proxy.pairs


def test_nobody_comes_back_by_another_link(echo):
    """As brokers do: whoever loses a link tries all of them, at once and all the time."""
    links = [Proxy(echo.port) for _ in range(4)]
    over, inside = threading.Event(), set()

    def come_back():
        at = 0
        while not over.is_set():
            at += 1
            try:
                s = connect(links[at % len(links)])
            except OSError:
                continue
            with s:
                if passes(s):
                    inside.add(s)
                    while passes(s) and not over.is_set():
                        pass
                    inside.discard(s)

    threads = [threading.Thread(target=come_back, daemon=True) for _ in range(6)]
    for t in threads:
        t.start()
    try:
        for _ in range(20):
            until(lambda: len(inside) == len(threads), 30, "all are in")
            refuse(links)
            until(lambda: not inside, 30, "all are out")
            assert not any(link.pairs for link in links)
            refuse(links, False)
    finally:
        over.set()
        for t in threads:
            t.join(10)
        for link in links:
            link.close()
