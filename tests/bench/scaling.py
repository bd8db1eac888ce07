#!/usr/bin/python3
"""Load that comes and goes: do nodes follow, does the promise hold, what does each decision say.

    MILLRACE_BIN=build/release/bin tests/bench/scaling.py [--rate 500] [--seconds 60] [--body 200ms] [--wait 1s] [--max 30]

Starts a system of its own with a scaler that may make of nothing up to --max nodes of 10 slots, submits --rate tasks a second of
type `sleep` for --seconds, and then nothing. Prints one JSON object: the wait of tasks (submit to begin) by fives of seconds, nodes over time,
when the nodes were as many as the load needs, when they were back at the minimum, tasks lost or executed twice, and the decisions.
"""
import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from lib.natsraw import Client  # noqa: E402
from lib.scaler import Scaler, pool  # noqa: E402
from lib.system import System  # noqa: E402
from lib.wait import until  # noqa: E402


def load(url, rate, seconds, body, began):
    """Open loop: as many as are due every 20 ms, however slow the system is."""
    client, sent = Client(url), 0
    while time.time() < began + seconds:
        due = int((time.time() - began) * rate)
        for i in range(sent, due):
            client.publish("tasks.sleep", body.encode(), {"Nats-Msg-Id": f"load-{i}"})
        sent = max(sent, due)
        time.sleep(0.02)
    client.flush()
    client.close()
    return sent


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rate", type=int, default=500)
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--body", default="200ms")
    words.add_argument("--wait", default="1s")
    words.add_argument("--max", type=int, default=30)
    words.add_argument("--min", type=int, default=1)
    a = words.parse_args()
    system = System(tempfile.mkdtemp(prefix="millrace-bench-"), nodes=0, bridge=False)
    system.start()
    report = {"rate": a.rate, "seconds": a.seconds, "body": a.body, "promise": a.wait}
    scaler = Scaler(system, f"pools:\n  - {{name: p, min: {a.min}, max: {a.max}, slots: 10, wait: {a.wait}, down: 5s, idle: 10s}}\n")
    try:
        scaler.start()
        until(lambda: pool(system, "p")["process_count"] >= a.min, 30, "the minimum")
        nodes, stop = [], threading.Event()
        began = time.time()

        def watch():
            while not stop.is_set():
                nodes.append((round(time.time() - began, 1), len(scaler.children())))
                stop.wait(0.5)
        threading.Thread(target=watch, daemon=True).start()
        sent = load(system.nats_url, a.rate, a.seconds, a.body, began)
        ended = time.time() - began
        until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'load-%' and state = 4")[0]["n"] == sent, 120, "all done", every=0.5)
        until(lambda: len(scaler.children()) == a.min, 180, "back to the minimum", every=0.2)
        back = time.time() - began
        stop.set()
        rows = system.sql("""select bucket, count(*) as tasks, percentile_disc(array[0.5, 0.95, 1]) within group (order by wait) as wait from
            (select 5 * floor(extract(epoch from submitted_at - min(submitted_at) over ()) / 5) as bucket,
             extract(epoch from started_at - submitted_at) as wait from millrace.tasks where id like 'load-%') t group by bucket order by bucket""")
        kept = [r["bucket"] for r in rows if r["wait"][1] <= float(a.wait.rstrip("s"))]
        most = max(n for _, n in nodes)
        report.update({
            "tasks": sent, "executed_twice_or_failed": system.sql("select count(*) as n from millrace.attempts")[0]["n"],
            "wait_s": {f"{int(r['bucket'])}-{int(r['bucket']) + 5} s": [round(w, 3) for w in r["wait"]] for r in rows},
            "promise_kept_from_s": min(kept) if kept else None,
            "nodes_most": most, "nodes_most_at_s": next(t for t, n in nodes if n == most),
            "back_at_minimum_after_s": round(back - ended, 1),
            "node_minutes": round(sum(n for _, n in nodes) * 0.5 / 60, 1),
            "nodes": nodes[::4],
            "decisions": [line.split("event=")[1] for line in scaler.log().splitlines() if "event=target" in line],
        })
    finally:
        if scaler.process:
            scaler.stop()
        system.failed = False
        try:
            system.stop()
        finally:
            system.remove()
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
