"""What was submitted, and what the submitter was told: a file of its own, apart from the system under test.

A line a fact, on the disk (fsync) before anything follows from it: `invoke` before the message leaves, then one of

    ok       the broker acknowledged it: from here on it may not be lost
    fail     the broker refused it: it may never appear
    unknown  nothing came, or the connection broke: it may appear, whole, or not at all

A timeout is unknown, and stays it whatever comes later.
"""
import hashlib
import json
import os
import time
from collections import Counter


def digest(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


class Submit:
    """One invoke and how it ended. state: what the task must end as; result: the digest of its result."""

    def __init__(self, task_id, kind, state, result, ledgered):
        self.id, self.kind, self.state, self.result, self.ledgered = task_id, kind, state, result, ledgered
        self.outcome = "unknown"
        self.acked_at = None

    def facts(self):
        return {"id": self.id, "kind": self.kind, "state": self.state, "result": self.result, "ledgered": self.ledgered}


class Journal:
    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.submits = {}
        self.told = Counter()  # how many ended so; read by other threads than the one that writes

    def _write(self, lines):
        os.write(self.fd, "".join(json.dumps(line) + "\n" for line in lines).encode())
        os.fdatasync(self.fd)

    def invoke(self, submits):
        """Before the first byte of any of them leaves."""
        self._write({"op": "invoke", **s.facts()} for s in submits)
        for s in submits:
            assert s.id not in self.submits, f"{s.id} was submitted before"
            self.submits[s.id] = s

    def end(self, outcomes):
        """(id, "ok" | "fail" | "unknown") each."""
        outcomes = list(outcomes)
        self._write({"op": outcome, "id": task_id} for task_id, outcome in outcomes)
        for task_id, outcome in outcomes:
            self.submits[task_id].outcome = outcome
            self.submits[task_id].acked_at = time.time() if outcome == "ok" else None
            self.told[outcome] += 1

    def count(self, outcome):
        return self.told[outcome]

    def close(self):
        os.close(self.fd)


def load(path):
    """The submits as the file has them: an invoke without an end is unknown."""
    submits = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            fact = json.loads(line)
            op = fact.pop("op")
            if op == "invoke":
                fact["task_id"] = fact.pop("id")
                submits[fact["task_id"]] = Submit(**fact)
            else:
                submits[fact["id"]].outcome = op
    return submits
