#!/usr/bin/env python3
"""The work of quickstart: submits every file of examples/data to its handlers and checks each answer.

    quickstart_work.py MILLRACE        (NATS_URL and DATABASE_URL tell where; MILLRACE_HTTP: one task over HTTP, too)

What is right is computed here, by tests/expected.py, which shares nothing with the handlers. Exit status 0 only if
every answer was right.
"""
import http.client
import json
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from expected import DATA, expected  # noqa: E402


def same(a, b):
    """Equal, numbers to 1e-9."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


def read(kind, result):
    """A handler's bytes as what expected() has."""
    if kind == "words":
        return int(result)
    return json.loads(result) if kind == "stats" else result.strip()


def brief(kind, value):
    if kind == "stats":
        columns = value.get("columns")
        if columns is None:
            return f"mean {value['mean']:.4g}, {value['count']} values"
        name, column = next(iter(columns.items()))
        return f"{value['rows']} rows; {name}: mean {column['mean']:.4g}"
    return str(value) if kind == "words" else value[:16] + "…"


def run(millrace, name, kind, want):
    started = time.perf_counter()
    done = subprocess.run([millrace, "submit", kind, "--file", DATA / name, "--wait=60s", "--json"],
                          capture_output=True, text=True)
    took_ms = (time.perf_counter() - started) * 1000
    row = {"name": name, "kind": kind, "took_ms": took_ms, "ok": False, "task": {}}
    try:
        task = json.loads(done.stdout)
        got = read(kind, task["result"])
        row.update(task=task, ok=task["state"] == "completed" and same(got, want), brief=brief(kind, got))
    except (ValueError, KeyError, TypeError) as error:
        row["brief"] = f"{error!r}: {done.stdout[:80]} {done.stderr[:200]}".strip()
    return row


def over_http(url):
    """One task by the gateway, in one request. Whether its result was right; it is told with its time."""
    path, body = "/api/v1/tasks?wait=30s", json.dumps({"type": "echo", "payload": "hello over HTTP"})
    started = time.perf_counter()
    try:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
        took_ms = (time.perf_counter() - started) * 1000
        task = json.loads(text)
        ok = status == 200 and task["state"] == "completed" and task["result"] == "hello over HTTP"
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        print(f"\nover HTTP: POST {url}{path}: {error!r}   WRONG")
        return False
    print(f"\nover HTTP: POST {path} -> {task['state']}, its result in {took_ms:.1f} ms{'' if ok else '   WRONG'}")
    return ok


def percentile(values, fraction):
    return sorted(values)[min(len(values) - 1, math.ceil(fraction * len(values)) - 1)]


def main():
    millrace = sys.argv[1]
    jobs = [(name, kind, want) for name, answers in expected()["files"].items() for kind, want in answers.items()]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda job: run(millrace, *job), jobs))
    print(f"{'FILE':24} {'TYPE':6} {'RESULT':34} {'NODE':8} {'HANDLER ms':>10} {'IN ALL ms':>10}")
    for row in rows:
        duration = row["task"].get("duration_ms")
        print(f"{row['name']:24} {row['kind']:6} {row['brief']:34} {row['task'].get('node') or '-':8} "
              f"{duration if duration is not None else float('nan'):10.2f} {row['took_ms']:10.1f}"
              f"{'' if row['ok'] else '   WRONG'}")
    wrong = sum(not row["ok"] for row in rows)
    took = [row["took_ms"] for row in rows]
    print(f"\n{len(rows)} results, {wrong} wrong; submit to result, process start included: "
          f"P50 {percentile(took, 0.5):.1f} ms, P95 {percentile(took, 0.95):.1f} ms, max {max(took):.1f} ms")
    gateway = os.environ.get("MILLRACE_HTTP")
    if gateway and not over_http(gateway):
        wrong += 1
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
