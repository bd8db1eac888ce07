"""What was run, a line a trial, and the table of docs/reliability.md made of it.

    python3 -m kit.record FILE...    the table, in Markdown

A FILE is what CHAOS_RESULTS named when the tests ran (build/chaos-results.ndjson unless told).
"""
import json
import os
import sys
from collections import Counter
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
    for fault, of in sorted(groups.items(), key=lambda item: item[0].lower()):
        yield (f"| {fault} | {len(of)} | {total(of, 'kills'):,} | {total(of, 'acked'):,} | {total(of, 'unknown')} "
               f"({total(of, 'recovered')}) | {total(of, 'lost')} | {total(of, 'doubled')} | {max(max([f['recovery_s'], *f.get('moved_s', [])]) for f in of):.1f} s |")


def total(facts, key):
    return sum(f[key] for f in facts)


def mixes(facts):
    """What the random faults were, all rounds together."""
    what = Counter()
    for fact in facts:
        what.update(fact.get("what", {}))
    return ", ".join(f"{name} {n}" for name, n in sorted(what.items()))


def moves(facts):
    """The times from a node's death until its task ran elsewhere."""
    seconds = sorted(s for fact in facts for s in fact.get("moved_s", []))
    if seconds:
        p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
        yield (f"{len(seconds)} kills of nodes at work: elsewhere after {seconds[0]:.1f} to {seconds[-1]:.1f} s, "
               f"P50 {seconds[len(seconds) // 2]:.1f} s, P99 {p99:.1f} s")


def summary(facts):
    yield from table(facts)
    if mixes(facts):
        yield f"\nRandom faults: {mixes(facts)}."
    yield from moves(facts)


if __name__ == "__main__":
    print("\n".join(summary([json.loads(line) for name in sys.argv[1:] for line in open(name, encoding="utf-8")])))
