"""What was run, a line a trial, and the table of docs/reliability.md made of it.

    python3 -m kit.record FILE     the table, in Markdown

FILE is what CHAOS_RESULTS named when the tests ran (build/chaos-results.ndjson unless told).
"""
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def append(fault, report, kills, recovery_s, **more):
    path = Path(os.environ.get("CHAOS_RESULTS") or ROOT / "build/chaos-results.ndjson")
    path.parent.mkdir(exist_ok=True)
    fact = {"fault": fault, "kills": kills, "recovery_s": round(recovery_s, 2), "tasks": report.tasks, "acked": report.acked,
            "refused": report.refused, "unknown": report.unknown, "recovered": len(report.recovered), "lost": len(report.lost),
            "doubled": len(report.doubled) + len(report.changed), "repeated_epochs": len(report.repeated_epochs),
            "faults": sorted(report.faults()), "repeated": sum(k for n, k in report.executions.items() if n > 1), **more}
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps(fact) + "\n")


def table(facts):
    groups = {}
    for fact in facts:
        groups.setdefault(fact["fault"], []).append(fact)
    yield "| fault | trials | times | acknowledged | unknown (stored) | lost | twice or changed | longest recovery |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for fault, of in groups.items():
        def total(key):
            return sum(f[key] for f in of)
        yield (f"| {fault} | {len(of)} | {total('kills')} | {total('acked')} | {total('unknown')} ({total('recovered')}) | "
               f"{total('lost')} | {total('doubled')} | {max(f['recovery_s'] for f in of):.1f} s |")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as lines:
        print("\n".join(table([json.loads(line) for line in lines])))
