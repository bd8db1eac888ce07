"""Submits tasks at a rate until it is stopped, and journals each: the publisher whose acknowledgements are the promise.

What is submitted follows from the seed alone. It never submits again what is unknown: that is the caller's right, not his duty.
Of several servers it leaves one that acknowledges nothing: one that was parted from the others keeps its clients, and serves them nothing.
"""
import json
import random
import threading
import time

from lib.natsraw import Client

from .journal import Submit, digest

PATIENCE_S = 6.0
TICK_S = 0.05
# Refusals that say for certain that nothing was stored (JetStream's err_code): a stream's limits.
SURE = {10077, 10047, 10054, 10122}

# (weight, name): what is submitted.
MIX = ((55, "worked"), (20, "echo"), (9, "later"), (6, "flaky"), (5, "doomed"), (5, "ran"))


def draft(rng, task_id, kind):
    """(Submit, subject, body, headers)"""
    told = {"n": task_id, "ms": rng.choice((0, 0, 5, 20, 60))}
    headers = {"Task-Id": task_id, "Nats-Msg-Id": task_id}
    if rng.random() < 0.1:
        headers["Task-Priority"] = rng.choice(("high", "low"))
    if kind == "echo":
        body = json.dumps(told)
        return Submit(task_id, kind, "completed", digest(body), False), "tasks.echo", body, headers
    if kind == "later":
        headers["Task-Delay"] = f"{rng.randint(500, 4000)}ms"
    elif kind == "flaky":
        told["fails"] = rng.choice((1, 1, 2))
        headers["Task-Backoff"] = "300ms"
    elif kind == "doomed":
        told["permanent"] = True
    body = json.dumps(told)
    state, result = ("dead", None) if kind == "doomed" else ("completed", digest(digest(body)))
    return Submit(task_id, kind, state, result, True), "tasks.ran" if kind == "ran" else "tasks.worked", body, headers


class Publisher(threading.Thread):
    def __init__(self, urls, journal, prefix, rate, seed, mix=MIX):
        super().__init__(daemon=True)
        self.urls, self.journal, self.prefix, self.rate, self.mix = list(urls), journal, prefix, rate, mix
        self.rng = random.Random(seed)
        self.over = threading.Event()
        self.failure = None
        self.client = self.inbox = None
        self.waiting = {}  # reply token → (id, when it is given up)
        self.heard = 0.0  # when the server acknowledged last, or was connected to
        self.made = 0

    def run(self):
        try:
            due = time.monotonic()
            while not self.over.is_set():
                due = max(due + TICK_S, time.monotonic() - 1)  # a second of arrears is made up for, not more
                self._collect(max(0.0, due - time.monotonic()))
                self._submit(self._share())
            end = time.monotonic() + PATIENCE_S
            while self.waiting and time.monotonic() < end:
                self._collect(0.05)
            self._give_up(list(self.waiting))
            if self.client:
                self.client.close()
        except BaseException as failure:  # told by stop()
            self.failure = failure
            raise

    def stop(self):
        self.over.set()
        self.join(PATIENCE_S + 30)
        assert not self.is_alive() and self.failure is None, f"the publisher ended badly: {self.failure!r}"

    def _share(self):
        exact = self.rate * TICK_S
        return int(exact) + (self.rng.random() < exact % 1)

    def _connected(self):
        if self.client and not self.client.closed:
            return True
        self._give_up(list(self.waiting))
        for url in self.urls:
            try:
                self.client = Client(url, timeout=2)
                self.inbox = self.client.subscribe(f"{self.client.prefix}p.*")
                self.heard = time.monotonic()
                return True
            except Exception:  # refused; or it took the connection and says nothing
                self.client = None
        return False

    def _submit(self, n):
        if n == 0 or not self._connected():
            return
        kinds = self.rng.choices([k for _, k in self.mix], [w for w, _ in self.mix], k=n)
        drafts = [draft(self.rng, f"{self.prefix}{self.made + i}", kind) for i, kind in enumerate(kinds)]
        self.made += n
        self.journal.invoke([d[0] for d in drafts])
        frames, now = [], time.monotonic()
        for submit, subject, body, headers in drafts:
            self.waiting[submit.id] = now + PATIENCE_S
            frames.append(Client.frame(subject, body, headers, f"{self.client.prefix}p.{submit.id}"))
        try:
            self.client.send(b"".join(frames))
        except OSError:
            self.client.closed = True

    def _collect(self, seconds):
        ends, until = [], time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            if not self.client:
                time.sleep(max(0.0, left))
                break
            try:
                reply = self.inbox.next(max(0.0, left)) if left > 0 else self.inbox.messages.get_nowait()
            except Exception:  # TimeoutError, queue.Empty: nothing more
                break
            task_id = reply.subject.rsplit(".", 1)[1]
            if self.waiting.pop(task_id, None) is None:
                continue  # too late: it stays unknown
            ends.append((task_id, self._judge(reply)))
        now = time.monotonic()
        late = [i for i, when in self.waiting.items() if when < now]
        if self.client and self.client.closed:
            late = list(self.waiting)
        if ends:
            self.journal.end(ends)
        self._give_up(late)
        if any(end == "ok" for _, end in ends):
            self.heard = now
        elif self.client and now - self.heard > PATIENCE_S and len(self.urls) > 1:
            self._move_on()

    def _move_on(self):
        self.urls.append(self.urls.pop(0))
        self.client.close()
        self.client = None

    @staticmethod
    def _judge(reply):
        if reply.status.startswith("503"):
            return "fail"  # no stream took it: nobody has it
        ack = reply.json()
        if "error" not in ack:
            return "ok"
        return "fail" if ack["error"].get("err_code") in SURE else "unknown"

    def _give_up(self, ids):
        for task_id in ids:
            self.waiting.pop(task_id, None)
        if ids:
            self.journal.end((i, "unknown") for i in ids)
