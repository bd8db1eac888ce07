#!/usr/bin/env python3
"""The handler that chaos tests give their tasks to: keeps the ledger, and answers with the digest of the body.

    worker.py            an agent process (kind worker)
    worker.py exec       one task on stdin (kind exec)

The body is a JSON object: ms (how long it works), fails (so many attempts fail first), permanent (it fails for good). Environment:
CHAOS_LEDGER, the file that each execution appends to: a line when it begins, and one when it ended well.
"""
import hashlib
import itertools
import json
import os
import sys
import time
from pathlib import Path

AGENT = Path(__file__).resolve().parents[3] / "examples/nodes/python"

ledger = os.open(os.environ["CHAOS_LEDGER"], os.O_WRONLY | os.O_APPEND)
runs = itertools.count(1)


def note(what, task, run):
    fact = {"what": what, "id": task["id"], "attempt": int(task["attempt"]), "epoch": int(task["epoch"]), "run": run,
            "node": os.environ.get("MILLRACE_NODE", ""), "pid": os.getpid(), "at": time.time()}
    os.write(ledger, json.dumps(fact).encode() + b"\n")


class Failed(Exception):
    permanent = False


def execute(task, body, sleep=time.sleep):
    """The result. Raises Failed."""
    told, run = json.loads(body), next(runs)
    note("begin", task, run)
    sleep(told.get("ms", 0) / 1000)
    if told.get("permanent") or int(task["attempt"]) <= told.get("fails", 0):
        failed = Failed("as asked")
        failed.permanent = bool(told.get("permanent"))
        raise failed
    note("end", task, run)
    return hashlib.sha256(body).hexdigest().encode()


def agent():
    sys.path.insert(0, str(AGENT))
    import worker_agent

    def work(task, body, cancelled):
        try:
            return "text/plain", execute(task, body, cancelled.wait)
        except Failed as failed:
            raise (worker_agent.Permanent if failed.permanent else RuntimeError)(str(failed)) from failed

    worker_agent.work = work
    worker_agent.Agent().serve()


def one():
    task = {"id": os.environ["MILLRACE_TASK_ID"], "attempt": os.environ["MILLRACE_ATTEMPT"], "epoch": os.environ["MILLRACE_EPOCH"]}
    try:
        sys.stdout.buffer.write(execute(task, sys.stdin.buffer.read()))
    except Failed as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    one() if sys.argv[1:] == ["exec"] else agent()
