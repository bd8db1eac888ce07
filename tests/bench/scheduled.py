#!/usr/bin/python3
"""A million scheduled tasks: what they cost, and whether what is due is on time beside them.

    MILLRACE_BIN=build/release/bin tests/bench/scheduled.py [--tasks 1000000] [--hours 10] [--due 2000] [--burst 5000]

Starts a system of its own, submits tasks whose time is an hour to --hours + 1 hours off, and then, with all of these
waiting, --due tasks over the next half minute and --burst at one moment. Prints one JSON object: rates, resident memory
(MiB) of each component before and with all of them waiting, and how late the due ones began.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from lib.system import System  # noqa: E402
from lib.wait import until  # noqa: E402

SLICE = 50_000


def iso(seconds):
    whole, fraction = divmod(seconds, 1)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int(fraction * 1e6):06d}Z"


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))


def memory(system):
    return {c["name"]: round(rss_mib(c["pid"]), 1) for c in system.status()["components"]
            if c["pid"] and c["name"] in ("router", "broker", "store", "node-1")}


def submit(system, tasks):
    acks = system.nats.js_publish_many(tasks, window=5000, timeout=300)
    assert all(a and "error" not in a for a in acks), next(a for a in acks if not a or "error" in a)


def settled(system):
    state = system.nats.stream_state
    return state("TASKS")["messages"] == 0 and state("EVENTS")["messages"] == 0


def late(system, prefix, wanted):
    def look():
        rows = system.sql("select count(*) as n from millrace.tasks where state = 4 and id like '%s%%'" % prefix)
        return rows[0]["n"] == wanted
    until(look, 180, f"{wanted} of {prefix}", every=0.5)
    # The id ends with the moment that it was due, in microseconds.
    found = {}
    for what in ("queued", "started"):
        rows = system.sql(f"""select percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by late) as late from
            (select extract(epoch from {what}_at) * 1e3 - split_part(id, '-', 3)::float8 / 1e3 as late
             from millrace.tasks where id like '{prefix}%') t""")
        found[what] = dict(zip(("p50", "p95", "p99", "max"), (round(v) for v in rows[0]["late"])))
    return found


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--tasks", type=int, default=1_000_000)
    words.add_argument("--hours", type=float, default=10)
    words.add_argument("--due", type=int, default=2000)
    words.add_argument("--burst", type=int, default=5000)
    a = words.parse_args()
    system = System(tempfile.mkdtemp(prefix="millrace-bench-"), nodes=1, slots=200)
    system.start()
    report = {"tasks": a.tasks, "hours": a.hours}
    try:
        system.finished(system.submit("echo", "warm"), "completed")
        report["rss_mib_idle"] = memory(system)
        began = time.time()
        for first in range(0, a.tasks, SLICE):
            n = min(SLICE, a.tasks - first)
            submit(system, (("tasks.echo", b"x" * 200,
                             {"Task-Id": f"far-{i}", "Task-At": iso(began + 3600 + a.hours * 3600 * i / a.tasks)})
                            for i in range(first, first + n)))
            print(f"{first + n} submitted", file=sys.stderr)
        report["submitted_per_s"] = round(a.tasks / (time.time() - began))
        until(lambda: settled(system), 600, "all are scheduled and stored", every=0.5)
        report["scheduled_per_s"] = round(a.tasks / (time.time() - began))
        report["rss_mib_waiting"] = memory(system)
        delayed = system.nats.stream_state("DELAYED")
        report["delayed"] = {"messages": delayed["messages"], "bytes": delayed["bytes"], "buckets": delayed["num_subjects"]}
        # Beside them: some over half a minute, then many at once.
        start = time.time() + 5
        due = [start + 30 * i / a.due for i in range(a.due)]
        submit(system, [("tasks.echo", b"x", {"Task-Id": f"due-{i}-{int(t * 1e6)}", "Task-At": iso(t)}) for i, t in enumerate(due)])
        report["due_late_ms"] = late(system, "due-", a.due)
        moment = time.time() + 15
        submit(system, [("tasks.echo", b"x", {"Task-Id": f"burst-{i}-{int(moment * 1e6)}", "Task-At": iso(moment)})
                        for i in range(a.burst)])
        report["burst_late_ms"] = late(system, "burst-", a.burst)
        # A router that begins with all of them there.
        pid = system.kill("router")
        system.wait_ready("router", not_pid=pid)
        start = time.time() + 3
        submit(system, [("tasks.echo", b"x", {"Task-Id": f"after-{i}-{int((start + i / 100) * 1e6)}", "Task-At": iso(start + i / 100)})
                        for i in range(1000)])
        report["after_restart_late_ms"] = late(system, "after-", 1000)
        report["rss_mib_end"] = memory(system)
        assert system.sql("select count(*) as n from millrace.tasks where id like 'far-%' and state <> 1")[0]["n"] == 0
    finally:
        system.failed = False
        try:
            system.stop()
        finally:
            system.remove()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
