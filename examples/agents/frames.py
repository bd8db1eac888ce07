"""Frames between millrace-node and an agent process (docs/protocol.md, section 2), and the life of one task.

It goes well: a task comes, the role's work(request, task) returns a value, which is answered as JSON. It fails: Never (trying
again cannot help), Later (nothing was begun, again after a while, no attempt is spent), any other exception (a failed attempt).
Pings are answered by the thread that reads, so that only a process that hangs as a whole is silent. A cancelled task is
answered at once, and what it started is ended.
"""
import json
import os
import struct
import sys
import threading
import time
import traceback

MAX_FRAME = 64 << 20
MAX_BODY = 16 << 20


class Never(Exception):
    """The task can't be done as it is: it becomes a dead letter at once."""


class Later(Exception):
    """What the role needs is away: the task goes back as it came, to be begun again after retry_after_s."""

    def __init__(self, words, retry_after_s):
        super().__init__(words)
        self.retry_after_s = retry_after_s


class Cancelled(Exception):
    pass


class Task:
    """What a role gets beside the request: facts, the time that is left, and what is to happen should it be cancelled."""

    def __init__(self, header):
        self.header = header
        self.run = header["run"]
        self.id = header.get("id", "")
        self.content_type = header.get("content_type", "")
        self.project = os.environ.get("MILLRACE_PROJECT_ID", "")
        self.deadline = time.monotonic() + header.get("timeout_ms", 300000) / 1000
        self._lock = threading.Lock()
        self._undo = []
        self._cancelled = False
        self._answered = False

    def time_left(self):
        return self.deadline - time.monotonic()

    @property
    def cancelled(self):
        return self._cancelled

    def check(self):
        if self._cancelled:
            raise Cancelled("it was called off")

    def on_cancel(self, undo):
        """undo() is called when the task is cancelled; at once where it is already."""
        with self._lock:
            self._undo.append(undo)
            late = self._cancelled
        if late:
            undo()

    def forget(self, undo):
        with self._lock:
            self._undo.remove(undo)

    def cancel(self):
        with self._lock:
            self._cancelled = True
            undo = list(self._undo)
        for each in undo:
            each()

    def claim_answer(self):
        """True for the one who may answer: each task is answered once."""
        with self._lock:
            mine, self._answered = not self._answered, True
        return mine


class Agent:
    def __init__(self, role):
        self.role = role
        self.inp = sys.stdin.buffer
        # Frames alone may go to stdout: what anything prints goes to stderr from here on.
        self.out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.writing = threading.Lock()
        self.tasks = {}
        self.knows_return = False

    # ---- frames ----

    def read(self):
        """The next (header, body), or None at the end of stdin."""
        prefix = self.inp.read(4)
        if len(prefix) < 4:
            return None
        (length,) = struct.unpack(">I", prefix)
        if length > MAX_FRAME:
            raise ValueError(f"a frame of {length} bytes")
        frame = self.inp.read(length)
        if len(frame) < length:
            return None
        line, _, body = frame.partition(b"\n")
        return json.loads(line), body

    def write(self, header, body=b""):
        line = json.dumps(header).encode() + b"\n"
        with self.writing:
            self.out.write(struct.pack(">I", len(line) + len(body)) + line + body)
            self.out.flush()

    # ---- one task ----

    def request_of(self, task, body):
        """A JSON object as it is; any other text as {"description": text}."""
        if "file" in task.header:
            if task.header.get("file_bytes", 0) > MAX_BODY:
                raise Never(f"the body has {task.header['file_bytes']} bytes, {MAX_BODY} is the most")
            with open(task.header["file"], "rb") as f:
                body = f.read()
        try:
            text = body.decode()
        except UnicodeDecodeError as e:
            raise Never(f"the body is no text: {e}") from e
        says_json = "json" in task.content_type
        if says_json or text.lstrip().startswith("{"):
            try:
                value = json.loads(text)
            except ValueError as e:
                if says_json or self.role.looks_like_json(text):
                    raise Never(f"the body is no JSON: {e}") from e
                value = text
        else:
            value = text
        if isinstance(value, str):
            if not value.strip():
                raise Never(f"the body is empty; the {self.role.name} wants {self.role.wants}")
            return {"description": value}
        if not isinstance(value, dict):
            raise Never(f"the body is a JSON {type(value).__name__}, not an object; the {self.role.name} wants {self.role.wants}")
        return value

    def answer(self, task, header, body=b""):
        if task.claim_answer():
            self.tasks.pop(task.run, None)
            self.write({"run": task.run, **header}, body)

    def fail(self, task, error, **more):
        self.answer(task, {"op": "fail", "error": str(error) or type(error).__name__, **more})

    def execute(self, task, body):
        began = time.monotonic()
        try:
            request = self.request_of(task, body)
            result = self.role.work(request, task)
            task.check()
        except Never as e:
            self.fail(task, e, permanent=True)
        except Later as e:
            after_ms = max(int(e.retry_after_s * 1000), 1)
            if self.knows_return:
                self.answer(task, {"op": "return", "error": str(e), "retry_after_ms": after_ms})
            else:
                self.fail(task, e, retry_after_ms=after_ms)
        except Exception as e:  # whatever it is, it is told; the process goes on
            if not task.cancelled and not isinstance(e, (RuntimeError, OSError)):
                traceback.print_exc()
            self.fail(task, e)
        else:
            whole = {"role": self.role.name, "agent": os.environ.get("MILLRACE_AGENT_ID", ""), "project": task.project,
                     **result, "took_ms": round((time.monotonic() - began) * 1000)}
            self.answer(task, {"op": "result", "content_type": "application/json"},
                        json.dumps(whole, ensure_ascii=False).encode())

    # ---- the process ----

    def take(self, header, body):
        op = header.get("op")
        if op == "hello":
            self.knows_return = bool(header.get("returns"))
            if "heartbeat_interval_ms" in header:
                self.write({"op": "ready", "ping": True})
        elif op == "ping":
            self.write({"op": "pong"})
        elif op == "task":
            task = self.tasks[header["run"]] = Task(header)
            threading.Thread(target=self.execute, args=(task, body), name=f"task-{task.run}").start()
        elif op == "cancel" and (task := self.tasks.get(header.get("run"))):
            task.cancel()
            self.fail(task, "it was called off")

    def serve(self):
        while (frame := self.read()) is not None:
            self.take(*frame)
        # stdin ended: threads that still work keep the process until they are done
