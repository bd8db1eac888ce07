"""A NATS client in a few lines: what the tests need, and nothing that hides the protocol.

One socket, one reader thread, one queue a subscription. Tests use it where the
nats CLI would be too slow or too polite (headers with wrong values, binary
bodies, thousands of messages).
"""
import itertools
import json
import os
import queue
import socket
import threading
import time
from urllib.parse import urlparse


class Message:
    def __init__(self, subject, reply, headers, status, data):
        self.subject, self.reply, self.headers, self.status, self.data = subject, reply, headers, status, data

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"Message({self.subject!r}, {self.headers!r}, {self.data[:200]!r})"


class Subscription:
    def __init__(self, client, sid):
        self.client, self.sid, self.messages = client, sid, queue.Queue()

    def next(self, timeout=10.0):
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("no message in time") from None

    def drain(self):
        """What has come so far."""
        got = []
        while not self.messages.empty():
            got.append(self.messages.get_nowait())
        return got

    def close(self):
        self.client.send(f"UNSUB {self.sid}\r\n".encode())
        self.client.subs.pop(self.sid, None)


class Error(Exception):
    pass


class NoResponders(Error, ConnectionError):
    """Whoever serves it has not come back yet, as far as a waiting test is concerned; see wait.until."""


def parse_headers(raw):
    first, *lines = raw.decode("utf-8", "surrogateescape").split("\r\n")
    status = first[len("NATS/1.0"):].strip()
    headers = []
    for line in lines:
        if ":" in line:
            key, value = line.split(":", 1)
            headers.append((key, value.strip()))
    return headers, status


class Client:
    def __init__(self, url, timeout=10.0, inbox="_INBOX"):
        where = urlparse(url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout)
        self.socket.settimeout(None)
        self.lock = threading.Lock()
        self.subs = {}
        self.sids = itertools.count(1)
        self.pongs = queue.Queue()
        self.errors = []
        self.closed = False
        self.reader = self.socket.makefile("rb")
        self.info = json.loads(self.reader.readline()[len("INFO "):])
        options = {"verbose": False, "headers": True, "no_responders": True, "lang": "python-raw", "version": "1", "protocol": 1}
        if where.username:
            options |= {"user": where.username, "pass": where.password}
        self.send(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        threading.Thread(target=self._read, daemon=True).start()
        self.pongs.get(timeout=timeout)
        self.prefix = f"{inbox}.{os.getpid()}.{id(self)}.{time.time_ns()}"
        self.tokens = itertools.count(1)
        self.waiting = {}
        self.inbox = self.subscribe(self.prefix + ".*")

    def send(self, data):
        with self.lock:
            self.socket.sendall(data)

    def _read(self):
        try:
            while True:
                line = self.reader.readline()
                if not line:
                    break
                verb = line.split(None, 1)[0].upper()
                if verb == b"PING":
                    self.send(b"PONG\r\n")
                elif verb == b"PONG":
                    self.pongs.put(True)
                elif verb == b"-ERR":
                    self.errors.append(line.decode().strip())
                elif verb in (b"MSG", b"HMSG"):
                    self._message(verb, line.decode().split())
        except (OSError, ValueError):
            pass
        self.closed = True

    def _message(self, verb, words):
        headers, status = [], ""
        subject, sid = words[1], int(words[2])
        sizes = [int(w) for w in (words[-2:] if verb == b"HMSG" else words[-1:])]
        reply = words[3] if len(words) - len(sizes) == 4 else None
        raw = self.reader.read(sizes[-1] + 2)[:-2]
        if verb == b"HMSG":
            headers, status = parse_headers(raw[:sizes[0]])
            raw = raw[sizes[0]:]
        sub = self.subs.get(sid)
        if sub:
            sub.messages.put(Message(subject, reply, headers, status, raw))

    def publish(self, subject, data=b"", headers=None, reply=None):
        self.send(self.frame(subject, data, headers, reply))

    @staticmethod
    def frame(subject, data=b"", headers=None, reply=None):
        if isinstance(data, str):
            data = data.encode()
        reply = reply + " " if reply else ""
        if not headers:
            return f"PUB {subject} {reply}{len(data)}\r\n".encode() + data + b"\r\n"
        pairs = headers.items() if isinstance(headers, dict) else headers
        head = "NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in pairs) + "\r\n"
        head = head.encode("utf-8", "surrogateescape")
        return f"HPUB {subject} {reply}{len(head)} {len(head) + len(data)}\r\n".encode() + head + data + b"\r\n"

    def subscribe(self, subject, queue_group=None):
        sub = Subscription(self, next(self.sids))
        self.subs[sub.sid] = sub
        group = queue_group + " " if queue_group else ""
        self.send(f"SUB {subject} {group}{sub.sid}\r\n".encode())
        return sub

    def flush(self, timeout=10.0):
        self.send(b"PING\r\n")
        self.pongs.get(timeout=timeout)

    def request(self, subject, data=b"", headers=None, timeout=10.0):
        """One reply. Error where nobody listens."""
        inbox = f"{self.prefix}.{next(self.tokens)}"
        sub = self.subscribe(inbox)
        try:
            self.publish(subject, data, headers, inbox)
            reply = sub.next(timeout)
        finally:
            sub.close()
        if reply.status.startswith("503"):
            raise NoResponders(f"no responders on {subject}")
        return reply

    def js_publish(self, subject, data=b"", headers=None, timeout=10.0):
        """Publishes and returns the PubAck as a dict; Error where the stream refuses."""
        ack = self.request(subject, data, headers, timeout).json()
        if "error" in ack:
            raise Error(ack["error"]["description"])
        return ack

    def js_publish_many(self, messages, window=2000, timeout=60.0):
        """messages: (subject, data, headers) each. Returns the list of PubAcks (dict, or None: none came)."""
        messages = list(messages)
        acks = [None] * len(messages)
        prefix = f"{self.prefix}m{next(self.tokens)}"
        sub = self.subscribe(prefix + ".*")
        until = time.monotonic() + timeout
        sent = got = 0
        while got < len(messages):
            if sent < len(messages) and sent - got < window:
                upto = min(len(messages), got + window)
                try:
                    self.send(b"".join(self.frame(*messages[i], reply=f"{prefix}.{i}") for i in range(sent, upto)))
                except OSError:
                    break
                sent = upto
            try:
                reply = sub.next(0.2)
            except TimeoutError:
                if self.closed or time.monotonic() > until:
                    break
                continue
            if not reply.status:
                acks[int(reply.subject.rsplit(".", 1)[1])] = reply.json()
            got += 1
        if not self.closed:
            sub.close()
        return acks

    def api(self, verb, body=None, timeout=10.0):
        """A JetStream API request: the answer as a dict, Error where it is one."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.request("$JS.API." + verb, data, timeout=timeout).json()
        if "error" in answer:
            raise Error(answer["error"]["description"])
        return answer

    def stream_message(self, stream, seq=None, last_on=None):
        """A stored message by sequence or the last on a subject (direct get); None: there is none."""
        body = {"seq": seq} if seq else {"last_by_subj": last_on}
        reply = self.request(f"$JS.API.DIRECT.GET.{stream}", json.dumps(body))
        return None if reply.status.startswith("404") else reply

    def stream_state(self, stream):
        return self.api(f"STREAM.INFO.{stream}")["state"]

    def left(self, stream, consumer, unacked=True):
        """Whether there is something left to deliver to a consumer (its info), or to be acked by it. Since 2.10 servers tell consumers of
        a message after its PubAck, so where none waits by num_pending the stream itself is asked."""
        if consumer["num_pending"] or (unacked and consumer["num_ack_pending"]):
            return True
        if self.version < (2, 10):
            return False
        next_one = {"seq": consumer["delivered"]["stream_seq"] + 1, "next_by_subj": consumer["config"].get("filter_subject") or ">"}
        try:
            return bool(self.api(f"STREAM.MSG.GET.{stream}", next_one))
        except Error as e:
            if "no message found" in str(e):
                return False
            raise

    @property
    def version(self):
        """Of the server: (2, 9, 10)."""
        return tuple(int(n) for n in self.info["version"].split("-")[0].split(".")[:3])

    def close(self):
        self.closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
