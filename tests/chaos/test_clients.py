"""Other clients of the same broker that misbehave: thousands that come and go, and one that subscribes to all and reads nothing."""
import json
import socket
import threading
from urllib.parse import urlparse

from lib.natsraw import Client
from lib.wait import until

from kit.trial import Trial

ARENA = {"nodes": 2}
VISITS, AT_ONCE = 4000, 40
NOISE_BYTES, NOISE = 256 << 10, 800  # 200 MB: more than sockets and the server's max_pending (64 MB) take in
CONNECT = b'CONNECT {"verbose":false,"headers":true,"lang":"raw","version":"1","protocol":1}\r\n'


def visit(where, number):
    """Logs in, subscribes, and leaves; every other one without a word."""
    with socket.create_connection((where.hostname, where.port), 30) as s:
        stream = s.makefile("rb")
        stream.readline()
        s.sendall(CONNECT + b"SUB results.> 1\r\nPING\r\n")
        while not stream.readline().startswith(b"PONG"):
            pass
        if number % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def test_thousands_of_reconnects(arena):
    where, failed = urlparse(arena.nats_url), []

    def visits(first):
        try:
            for number in range(first, VISITS, AT_ONCE):
                visit(where, number)
        except OSError as error:
            failed.append(error)
    with Trial(arena, "Broker: 4,000 connections come and go") as t:
        t.under_load(30)
        threads = [threading.Thread(target=visits, args=(n,)) for n in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[:3]
        t.finish(times=VISITS)


def test_a_slow_consumer(arena):
    """The broker holds what it does not read, and hangs up on it; nobody else is to wait."""
    where = urlparse(arena.nats_url)
    with Trial(arena, "Broker: a subscriber that reads nothing") as t:
        t.under_load(30)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((where.hostname, where.port))
        deaf.recv(4096)
        deaf.sendall(CONNECT + b"SUB > 1\r\nPING\r\n")
        noise = Client(arena.nats_url)
        for _ in range(NOISE):
            noise.publish("noise", b"x" * NOISE_BYTES)
        noise.flush(60)
        t.under_load(100)
        until(lambda: slow_consumers(arena) > 0, 30, "the broker hangs up")
        t.finish()
        noise.close()
        deaf.close()


def slow_consumers(arena):
    port = json.loads((arena.dir / "ports.json").read_text())["nats_monitor"]
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"GET /varz HTTP/1.0\r\n\r\n")
        body = b"".join(iter(lambda: s.recv(65536), b"")).split(b"\r\n\r\n", 1)[1]
    return json.loads(body)["slow_consumers"]
