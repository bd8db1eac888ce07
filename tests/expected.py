#!/usr/bin/env python3
"""What the handlers must answer for the files of examples/data, computed independently of them.

Only hashlib, statistics and csv of the standard library. Writes examples/data/expected.json, or with
--check fails where that file differs.
"""
import csv
import hashlib
import io
import json
import statistics
import sys
from fractions import Fraction
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "examples" / "data"
MISSING = {"", "-", "na", "n/a", "nan", "null"}


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def describe(cells):
    values = [number(c) for c in cells if c.strip().lower() not in MISSING]
    cuts = statistics.quantiles(values, n=20, method="inclusive")  # 5 %, 10 %, … 95 %
    p5, p25, p75, p95 = cuts[0], cuts[4], cuts[14], cuts[18]
    reach = 1.5 * (p75 - p25)
    outliers = [v for v in values if v < p25 - reach or v > p75 + reach]
    return {
        "count": len(values),
        "missing": len(cells) - len(values),
        "sum": float(sum(map(Fraction, values))),
        "mean": statistics.mean(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "stddev": statistics.stdev(values),
        "quantiles": {"p5": p5, "p25": p25, "p75": p75, "p95": p95},
        "outliers": outliers[:100],
        "outliers_total": len(outliers),
    }


def is_numeric(cells):
    known = [c for c in cells if c.strip().lower() not in MISSING]
    return bool(known) and all(number(c) is not None for c in known)


def stats(text):
    first = text.splitlines()[0]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    header = any(number(c) is None for c in rows[0])
    if not header and len(rows[0]) == 1:
        return describe([row[0] for row in rows])
    names = rows.pop(0) if header else [str(i + 1) for i in range(len(rows[0]))]
    columns = {name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(names)}
    return {
        "rows": len(rows),
        "columns": {name: describe(cells) for name, cells in columns.items() if is_numeric(cells)},
        "text_columns": [name for name, cells in columns.items() if not is_numeric(cells)],
    }


def expected():
    files = {}
    for path in sorted(DATA.glob("t*/*")):
        body = path.read_bytes()
        answers = {"hash": hashlib.sha256(body).hexdigest(), "words": len(body.split())}
        if path.suffix == ".csv":
            answers["stats"] = stats(body.decode())
        files[path.relative_to(DATA).as_posix()] = answers
    return {"files": files}


def main():
    text = json.dumps(expected(), indent=1, ensure_ascii=False) + "\n"
    target = DATA / "expected.json"
    if sys.argv[1:] == ["--check"]:
        if target.read_text() != text:
            sys.exit(f"{target} is not what the files say: run {sys.argv[0]}")
        return
    target.write_text(text)


if __name__ == "__main__":
    main()
