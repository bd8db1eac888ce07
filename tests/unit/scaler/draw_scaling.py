#!/usr/bin/env python3
"""Draws what the simulator of scalers printed: nodes above, the oldest wait below.

    scaling_report csv step | draw_scaling.py "0 to 500 tasks/s and back" > docs/scaling-step.svg

Standard library only. It brings its own background, so that it reads the same on light and dark pages.
"""
import csv
import sys

WIDTH, LEFT, RIGHT = 920, 64, 20
PLOT = WIDTH - LEFT - RIGHT
PANELS = {"nodes": (64, 200), "oldest": (316, 150)}  # top, height
HEIGHT = 520
STYLES = {  # colours that colour-blind eyes tell apart, and dashes for paper
    "ideal": ("#8a8a8a", ""),
    "millrace": ("#0072b2", ""),
    "threshold": ("#d55e00", "7 3"),
    "proportional": ("#009e73", "2 3"),
}


def read(stream):
    """{scaler: [(second, ideal, nodes, oldest)]}"""
    runs = {}
    for row in csv.DictReader(stream):
        runs.setdefault(row["scaler"], []).append(
            (int(row["second"]), int(row["ideal"]), int(row["nodes"]), float(row["oldest_s"])))
    return runs


def ticks(most, about):
    """Round steps from 0 to at least most."""
    step = next(s * 10 ** e for e in range(-1, 6) for s in (1, 2, 5) if most / (s * 10 ** e) <= about)
    return [step * i for i in range(int(-(-most // step)) + 1)]


class Panel:
    def __init__(self, name, most, duration):
        self.top, self.height = PANELS[name]
        self.scale = ticks(most, 5)
        self.duration = duration

    def x(self, second):
        return LEFT + PLOT * second / self.duration

    def y(self, value):
        return self.top + self.height * (1 - value / self.scale[-1])

    def axes(self, label):
        for value in self.scale:
            y = self.y(value)
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        for minute in ticks(self.duration / 60, 12):
            if minute * 60 > self.duration:
                break
            x = self.x(minute * 60)
            bottom = self.top + self.height
            yield f'<path d="M{x:.1f} {bottom}v5" stroke="#555"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{minute:g}</text>'
        middle = self.top + self.height / 2
        yield f'<path d="M{LEFT} {self.top}V{self.top + self.height}H{WIDTH - RIGHT}" fill="none" stroke="#555"/>'
        yield (f'<text x="18" y="{middle:.0f}" text-anchor="middle" '
               f'transform="rotate(-90 18 {middle:.0f})">{label}</text>')

    def line(self, points, name):
        """Highest value of each half pixel, as steps."""
        path, last = [], None
        columns = {}
        for second, value in points:
            column = round(self.x(second) * 2) / 2
            columns[column] = max(columns.get(column, 0), value)
        for column, value in columns.items():
            if last is None:
                path.append(f"M{column:g} {self.y(value):.1f}")
            elif value != last:
                path.append(f"H{column:g}V{self.y(value):.1f}")
            last = value
        path.append(f"H{self.x(self.duration):g}")
        colour, dash = STYLES[name]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def draw(runs, title):
    duration = max(r[-1][0] for r in runs.values()) + 1
    nodes = Panel("nodes", max(max(p[2] for p in r) for r in runs.values()), duration)
    oldest = Panel("oldest", max(max(p[3] for p in r) for r in runs.values()), duration)

    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="13" fill="#222" role="img">')
    yield f"<title>{title}</title>"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fff" stroke="#ccc"/>'
    yield f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">{title}</text>'
    x = LEFT
    for name in STYLES:
        colour, dash = STYLES[name]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<path d="M{x} 44h28" stroke="{colour}" stroke-width="3"{dashes}/>'
        label = "needed, if the future were known" if name == "ideal" else name
        yield f'<text x="{x + 34}" y="48">{label}</text>'
        x += 60 + 7 * len(label)
    yield from nodes.axes("nodes (starting, ready, draining)")
    yield nodes.line([(p[0], p[1]) for p in next(iter(runs.values()))], "ideal")
    yield from oldest.axes("oldest wait, s")
    yield f'<text x="{LEFT + PLOT / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">minutes</text>'
    for name in reversed(list(runs)):  # ours on top
        yield nodes.line([(p[0], p[2]) for p in runs[name]], name)
        yield oldest.line([(p[0], p[3]) for p in runs[name]], name)
    yield "</svg>"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(draw(read(sys.stdin), sys.argv[1])))
