"""Prometheus' text format, read as strictly as can be: whatever a reader could stumble over is an AssertionError."""
import math
import re
from typing import NamedTuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
PAIR = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({PAIR}(?:,{PAIR})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


class Series(NamedTuple):
    name: str  # with its suffix
    labels: dict
    value: float


class Family(NamedTuple):
    name: str
    kind: str
    help: str
    series: list

    def sum(self, suffix="", **labels):
        return sum(s.value for s in self.series if s.name == self.name + suffix and labels.items() <= s.labels.items())


def read(text):
    """{name: Family} of the whole text."""
    assert text.endswith("\n") and "\r" not in text and "\n\n" not in text
    families, helps, seen, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in helps and name not in families, f"a second head of {name}"
            helps[name] = words
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert re.fullmatch(NAME, name) and kind in ("counter", "gauge", "histogram", "summary", "untyped"), line
            assert name not in families, f"a second head of {name}"
            family = families[name] = Family(name, kind, helps.get(name, ""), [])
        else:
            assert not line.startswith("#"), line
            found = SAMPLE.fullmatch(line)
            assert found, f"no sample: {line}"
            pairs = re.findall(PAIR, found[2] or "")
            assert len(dict(pairs)) == len(pairs), f"a label twice: {line}"
            key = found[1], frozenset(pairs)
            assert key not in seen, f"a series twice: {line}"
            seen.add(key)
            assert family and found[1] in {family.name + s for s in SUFFIXES.get(family.kind, ("",))}, f"not with its family: {line}"
            family.series.append(Series(found[1], dict(pairs), float(found[found.lastindex])))
    for family in families.values():
        check(family)
    return families


def check(family):
    assert family.help and family.series, f"{family.name}: without HELP, or empty"
    if family.kind == "counter":
        assert family.name.endswith("_total"), family.name
        assert all(s.value >= 0 for s in family.series), family.name
    if family.kind != "histogram":
        return
    apart = {}
    for s in family.series:
        rest = frozenset((k, v) for k, v in s.labels.items() if k != "le")
        apart.setdefault(rest, []).append(s)
    for labels, series in apart.items():
        buckets = [(float(s.labels["le"]), s.value) for s in series if s.name.endswith("_bucket")]
        assert buckets == sorted(buckets) and len({le for le, _ in buckets}) == len(buckets), (family.name, labels)
        assert [v for _, v in buckets] == sorted(v for _, v in buckets), f"{family.name}: buckets fall: {labels}"
        assert buckets[-1][0] == math.inf, f"{family.name}: no +Inf: {labels}"
        counts = [s.value for s in series if s.name.endswith("_count")]
        assert counts == [buckets[-1][1]], f"{family.name}: _count is not +Inf: {labels}"
        assert sum(s.name.endswith("_sum") for s in series) == 1, (family.name, labels)
