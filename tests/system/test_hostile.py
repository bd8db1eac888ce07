"""What strangers send: ten thousand requests that no client would make. Each is answered or its connection ends, and the gateway goes on as it was."""
import os
import random
import selectors
import socket
import struct
import time

import pytest

from lib.gateway import Gateway
from lib.wait import until

SYSTEM = {"nodes": 1, "slots": 10, "bridge": False}
SEED = int(os.environ.get("MILLRACE_SEED", "7"))
REQUESTS = 10_000
PATIENCE_S = 15  # for a first byte, or an end: receive_timeout, twice the sweep, and a loaded machine
HOST = b"Host: localhost\r\n"
PATHS = [b"/", b"/livez", b"/readyz", b"/health", b"/metrics", b"/docs", b"/events", b"/openapi.json", b"/api/v1/me", b"/api/v1/tasks", b"/api/v1/tasks/x",
         b"/api/v1/tasks/x/result", b"/api/v1/submit/echo", b"/api/v1/run/echo", b"/api/v1/lanes", b"/api/v1/lanes/echo", b"/api/v1/nodes",
         b"/api/v1/dead", b"/api/v1/state/a/b", b"/api/v1/schedules", b"/api/v1/scaler/history", b"/api/v1/locks/a/acquire", b"/nowhere"]
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"G\x00T", b"", b"A" * 300, b"P\xd6ST"]
TYPES = [b"application/json", b"application/x-ndjson", b"text/plain", b"multipart/form-data; boundary=x", b"", b"\xff"]


class Stranger:
    """Makes one request of each kind from a seed that repeats it."""

    def __init__(self, rng):
        self.rng = rng

    def some(self, most):
        return self.rng.randbytes(self.rng.randrange(1, most))

    def line(self, method=None, path=None):
        return (method or b"GET") + b" " + (path or self.rng.choice(PATHS)) + b" HTTP/1.1\r\n" + HOST

    def sent(self, method=b"POST", body=b"", more=b"", path=None):
        return self.line(method, path) + more + b"Content-Length: %d\r\n\r\n" % len(body) + body

    # Each of these is one kind; the last word of the method's name is not looked at.

    def kind_bytes(self):
        return self.some(600)

    def kind_paths(self):
        base = self.rng.choice(PATHS)
        return self.line(path=base + self.rng.choice([b"/../../../../etc/passwd", b"/%2e%2e/%2e%2e/x", b"/%00", b"%00", b"/%", b"/%4", b"/%zz", b"/%ff%fe",
                                                      b"//", b"/.", b"/..", b"/\\..\\x", b"?", b"??", b"?=&&=&", b"?limit=%00", b"?type=%ff", b"?limit=-1",
                                                      b"?limit=99999999999999999999", b"?cursor=%27%3B--", b"?state=" + b"a," * 2000, b"?a" * 500,
                                                      b"?" + b"a=1&" * 2000, b"/" + b"a" * 3000, b"/" + b"a/" * 3000, b"/%c0%ae%c0%ae/x", b"#x", b"*", b";x=1",
                                                      b"?wait=99h", b"?wait=-1", b"?after=yesterday", b"/*", b"/>", b"/$JS.API.INFO", b"/a%0d%0aPUB%20x"])) + b"\r\n"

    def kind_methods(self):
        return self.line(self.rng.choice(METHODS)) + b"\r\n"

    def kind_lines(self):
        return self.rng.choice([b"GET", b"GET /", b"GET / HTTP/0.9\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1 x\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n",
                                b"GET / HTTP/1.1\n\n", b"\r\n" * 500, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET http://evil.example/ HTTP/1.1\r\n\r\n",
                                b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", b" GET / HTTP/1.1\r\n\r\n", b"GET\t/\tHTTP/1.1\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
                                b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"GET /" + b"x" * 40_000, b"x" * 60_000])

    def kind_headers(self):
        h = self.rng.choice([b"X: " + self.some(60).replace(b"\n", b"") + b"\r\n", b"no colon\r\n", b": none\r\n", b"X : y\r\n", b" folded: y\r\n", b"X: a\r\n b\r\n c\r\n",
                             b"X: " + b"y" * 40_000 + b"\r\n", b"X\x00Y: z\r\n", b"X: \x00\r\n", b"Cookie: " + b"a=b; " * 800 + b"\r\n", b"Cookie: \"\r\n",
                             b"Cookie: ==;;,,\"x\r\n", b"Authorization: Bearer " + b"x" * 5000 + b"\r\n", b"Host: evil.example\r\n", b"Range: bytes=0-,9-1,-5\r\n",
                             b"Accept-Encoding: gzip;q=9\r\n", b"If-None-Match: \"\xff\r\n", b"Last-Event-ID: 99999999999999999999999\r\n", b"Origin: null\r\n",
                             b"".join(b"H%d: x\r\n" % i for i in range(self.rng.choice([50, 300, 2000]))), b"Content-Type: \xff\xfe\r\n",
                             b"Idempotency-Key: " + b"k" * 3000 + b"\r\n", b"Task-Id: *.>\r\n", b"Task-Requires: " + b"a," * 500 + b"\r\n",
                             b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
                             b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", b"Connection: close, keep-alive\r\n",
                             b"Expect: 200-maybe\r\n"])
        return self.line(self.rng.choice([b"GET", b"POST"])) + h + b"\r\n"

    def kind_lengths(self):
        n = self.rng.choice([b"-1", b"abc", b"0x10", b"1e3", b"99999999999999999999999", b"18446744073709551615", b"9223372036854775808", b"5, 5", b"5\r\nContent-Length: 6",
                             b"", b" ", b"+5", b"1000000000000", b"70000000", b"4"])
        return self.line(b"POST") + b"Content-Length: " + n + b"\r\n\r\n" + b"hello world"

    def kind_encodings(self):
        e = self.rng.choice([b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
                             b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding : chunked\r\n",
                             b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: \tchunked\r\n"])
        return self.line(b"POST") + e + b"\r\n5\r\nhello\r\n0\r\n\r\n"

    def kind_chunks(self):
        c = self.rng.choice([b"zz\r\nhello\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"FFFFFFFFFFFFFFFFF\r\nx", b"FFFFFFFFFFFFFFFF\r\nx", b"5;" + b"e" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
                             b"5\nhello\n0\n\n", b"\r\n", b"5", b"5\r\nhel", b"1\r\nx\r\n" * 800 + b"0\r\n\r\n", b"0\r\nTrailer: " + b"x" * 3000 + b"\r\n\r\n", b"0\r\nbad trailer\r\n\r\n",
                             b"5\r\n\x00\x00\x00\x00\x00\r\n0\r\n\r\n", b"5;" + b"e" * 40_000])
        return self.line(b"POST", self.rng.choice([b"/api/v1/submit/echo", b"/api/v1/tasks", b"/api/v1/heal", b"/nowhere"])) + b"Transfer-Encoding: chunked\r\n\r\n" + c

    def kind_json(self):
        b = self.rng.choice([b"[" * 50_000, b'{"a":' * 20_000, b'{"type":"echo","text":"\\ud800"}', b'{"type":"\xff"}', b'{"type":"*"}', b'{"type":"a b"}', b"null", b"[]", b"[[[]]]", b'""', b"{}",
                             b'{"type":"echo","type":"echo"}', b'{"limit":1e999}', b'{"x":"\\u0000"}', b'[{"type":"echo"},7,null,{"type":"%s"}]', b"{" + b'"k":1,' * 5000 + b'"z":2}',
                             b'{"id":"x","states":["' + b"a" * 5000 + b'"]}', b'{"rate_per_s":-1}', b"\xef\xbb\xbf{}", b'{"type":"echo"}\n\n{"type":\n\x00', self.some(400)])
        return self.sent(self.rng.choice([b"POST", b"PUT", b"DELETE"]), b, b"Content-Type: " + self.rng.choice(TYPES) + b"\r\n")

    def kind_pipelines(self):
        return b"".join(self.rng.choice([self.line() + b"\r\n", self.sent(body=b"{}"), self.line(b"HEAD") + b"\r\n", self.line(path=b"/%zz") + b"\r\n"])
                        for _ in range(self.rng.randrange(2, 20)))

    def kind_expectations(self):
        return self.line(b"POST") + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % self.rng.choice([0, 2, 2_000_000, 10**12]) + self.rng.choice([b"", b"{}"])

    def kind_tls(self):
        return self.rng.choice([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.rng.randbytes(200), b"\x80\x2e\x01\x00\x02", b"\x15\x03\x01\x00\x02\x02\x28", b"SSH-2.0-x\r\n",
                                b"INFO {}\r\nCONNECT {}\r\n"])

    def kind_bodies(self):
        return self.sent(body=self.rng.randbytes(self.rng.randrange(20_000)), path=self.rng.choice([b"/api/v1/submit/none-such", b"/api/v1/heal", b"/nowhere", b"/api/v1/tasks"]))


KINDS = sorted(name for name in dir(Stranger) if name.startswith("kind_"))


class Visit:
    """A request on its way: sent as the dice say, and looked after until it is answered or its connection ends."""

    def __init__(self, address, data, rng):
        self.data, self.answer, self.last = data, b"", time.monotonic()
        self.socket = s = socket.create_connection(address, 20)
        how = rng.randrange(10)
        self.over = how < 3
        try:
            if how == 0:  # cut off in the middle, half of them by a reset
                s.sendall(data[:rng.randrange(len(data) + 1)])
                if rng.random() < 0.5:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == 1:  # sent whole; the client does not wait for its answer
                s.sendall(data)
            else:  # in two pieces, and whole; some say that nothing more will come
                cut = rng.randrange(len(data) + 1) if how == 3 else len(data)
                s.sendall(data[:cut])
                s.sendall(data[cut:])
                if how > 6:
                    s.shutdown(socket.SHUT_WR)
        except ConnectionError:
            self.over = True  # refused before all was sent
        s.setblocking(False)

    def read(self):
        try:
            more = self.socket.recv(65536)
            self.answer += more
            self.over = self.over or not more
        except BlockingIOError:
            return
        except ConnectionError:
            self.over = True
        self.last = time.monotonic()

    def wrong(self):
        """None, or what is wrong with it; it is over when its connection is, or it was answered and nothing more comes."""
        quiet = time.monotonic() - self.last
        if self.answer and quiet > 0.3:
            self.over = True
        if not self.answer and quiet > PATIENCE_S and not self.over:
            return f"neither an answer nor an end to {self.data[:200]!r}"
        if len(self.answer) >= 12 and not (self.answer.startswith(b"HTTP/1.1 ") and 100 <= int(self.answer[9:12]) <= 599):
            return f"no HTTP to {self.data[:200]!r}: {self.answer[:200]!r}"
        if self.answer.startswith(b"HTTP/1.1 500"):
            return f"500 to {self.data[:200]!r}: {self.answer[:600]!r}"
        return None


def storm(address, requests, seed, at_once=300):
    """Yields now and then, until all of them are over."""
    rng = random.Random(seed)
    stranger, selector = Stranger(rng), selectors.DefaultSelector()
    visits, made = set(), 0
    while made < requests or visits:
        while made < requests and len(visits) < at_once:
            visit = Visit(address, getattr(stranger, KINDS[made % len(KINDS)])(), rng)
            selector.register(visit.socket, selectors.EVENT_READ, visit)
            visits.add(visit)
            made += 1
        for key, _ in selector.select(0.05):
            key.data.read()
        for visit in list(visits):
            wrong = visit.wrong()
            assert not wrong, wrong
            if visit.over:
                selector.unregister(visit.socket)
                visit.socket.close()
                visits.remove(visit)
        yield made


@pytest.fixture(scope="module")
def gateway(system):
    g = Gateway(system, "--http-receive-timeout", "2s", "--http-idle-timeout", "2s", "--http-body-max", "64MiB", "--http-connections", "512",
                env={"ASAN_OPTIONS": "quarantine_size_mb=8:malloc_context_size=8"})
    yield g
    assert g.end() == 0
    assert "Sanitizer" not in g.log and "runtime error" not in g.log


def test_ten_thousand_requests(system, gateway):
    """Prints its seed; MILLRACE_SEED=n repeats another."""
    web = gateway.web()
    for path in ("/", "/api/v1/me", "/api/v1/nodes"):
        assert web.get(path).status == 200
    descriptors, begun, slowest, most = gateway.descriptors, time.monotonic(), 0, 0
    slow = [socket.create_connection(gateway.address) for _ in range(40)]  # slow in their headers and bodies, all the while
    for i, s in enumerate(slow):
        s.sendall(b"POST /api/v1/submit/echo HTTP/1.1\r\n" + HOST + (b"X-" if i % 2 else b"Content-Length: 100000\r\n\r\n{"))
    looked = 0
    for _ in storm(gateway.address, REQUESTS, SEED):
        if time.monotonic() - looked > 0.5:
            looked = time.monotonic()
            assert web.get("/api/v1/me").status == 200, "it serves the others meanwhile"
            slowest = max(slowest, time.monotonic() - looked)
            most = max(most, gateway.rss_mib)
    print(f"seed {SEED}: {time.monotonic() - begun:.1f} s, at most {most:.0f} MiB, slowest honest request {slowest * 1000:.0f} ms")
    for s in slow:
        s.close()
    assert gateway.process.poll() is None, gateway.log[-3000:]
    assert slowest < 5
    assert most < 300, f"{most} MiB"
    until(lambda: gateway.descriptors <= descriptors + 2, 30, f"{descriptors} descriptors again")
    answer = web.post("/api/v1/run/echo?wait=30s", body=b"still here")
    assert (answer.status, answer.body) == (200, b"still here")


def test_memory_stays_over_storms(gateway):
    """The third thousand costs what the second did."""
    def thousand(number):
        for _ in storm(gateway.address, 1000, f"{SEED}/{number}"):
            pass
        return gateway.rss_mib
    before = max(thousand(0), thousand(1))
    after = max(thousand(2), thousand(3))
    assert after < before + 30, (before, after)


def test_uploads_and_downloads_that_break_off_leave_nothing(system, gateway):
    web = gateway.web()
    answer = web.post("/api/v1/submit/echo?wait=60s", body=b"x" * 900_000)
    task = answer.headers["Task-Id"]
    descriptors = gateway.descriptors
    for i in range(60):
        s = socket.create_connection(gateway.address)
        if i % 3 == 0:  # a large body, in a file by now
            s.sendall(b"POST /api/v1/submit/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 30000000\r\n\r\n" + b"y" * 2_000_000)
        elif i % 3 == 1:  # an answer that is not read
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /api/v1/tasks/%s/result HTTP/1.1\r\n" % task.encode() + HOST + b"\r\n")
            s.recv(100)
        else:  # a wait
            s.sendall(b"POST /api/v1/submit/sleep?wait=60s HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n6s")
        if i % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    until(lambda: gateway.descriptors <= descriptors + 2, 30, f"{descriptors} descriptors again")
    assert web.get("/api/v1/me").status == 200


def test_a_filter_that_is_no_text_is_no_filter_for_all(gateway):
    """What a NUL or bad UTF-8 cut off was ignored once: "cancel all of type X" could be "cancel all"."""
    web = gateway.web()
    for query in ("type=%ff", "type=echo%00x", "%ff=1", "x%00y=1", "state=%c3"):
        answer = web.get(f"/api/v1/tasks?{query}")
        assert answer.status == 400 and "UTF-8" in answer.json()["detail"], (query, answer)


def test_a_query_of_many_parameters_ends_no_process(gateway):
    """libmicrohttpd refuses it twice, and closes the connection without a word to us."""
    sockets = []
    for _ in range(20):
        s = socket.create_connection(gateway.address)
        s.sendall(b"GET /livez?" + b"a&" * 3000 + b" HTTP/1.1\r\n")
        sockets.append(s)
    for s in sockets:
        s.settimeout(15)
        try:
            while s.recv(4096):
                pass
        except ConnectionError:
            pass
        s.close()
    assert gateway.web().get("/livez").status == 200
