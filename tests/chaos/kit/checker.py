"""Sets, after quiescence: what was acknowledged, stored, executed and changed, held against each other.

Pure: facts in, a report out. Each field of the report that is in BAD must be empty; the others inform. What each means:

    lost          acknowledged, and there is no row                                                    (invariant L)
    unfinished    acknowledged or stored, and in no terminal state though everything is quiet          (L, R)
    phantom       a row nobody submitted, or whose submit was refused                                  (U)
    strangers     executions of what nobody submitted, or of what was refused                          (U)
    doubled       two rows of one id, or two transitions to a terminal state                           (U)
    changed       a terminal row that was written again with other contents, or removed                (U)
    unexecuted    completed, and no execution came to its end                                          (U)
    wrong_state   another terminal state than the task must have
    wrong_result  completed with another result than its body makes
    same_epoch    two executions of one task with one epoch: nothing could be fenced with it. (A lower one is in order: a
                  delivery that was begun late.) Where the broker itself was killed it counts its last deliveries anew:
                  then these are only told, as repeated_epochs
    letters       dead without a dead letter, or completed with one                                    (U)
    recovered     unknown to the submitter, and it is there: allowed
    vanished      unknown to the submitter, and it is not there: allowed
"""
from collections import Counter
from dataclasses import dataclass, field

FINAL = {4: "completed", 5: "dead", 6: "cancelled"}
BAD = ("lost", "unfinished", "phantom", "strangers", "doubled", "changed", "unexecuted", "wrong_state", "wrong_result",
       "same_epoch", "letters")


@dataclass
class Facts:
    submits: dict                                   # id → journal.Submit
    rows: list                                      # dicts: id, state (number), digest (of the result, or None), error
    executions: list = field(default_factory=list)  # of ledger.Ledger.executions
    changes: list = field(default_factory=list)     # (id, what): final, changed, removed; of watch.Watch
    letters: list = field(default_factory=list)     # ids in DEAD
    broker_died: bool = False                       # then it may number deliveries anew (docs/reliability.md)


@dataclass
class Report:
    tasks: int = 0
    acked: int = 0
    refused: int = 0
    unknown: int = 0
    lost: list = field(default_factory=list)
    unfinished: list = field(default_factory=list)
    phantom: list = field(default_factory=list)
    strangers: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    unexecuted: list = field(default_factory=list)
    wrong_state: list = field(default_factory=list)
    wrong_result: list = field(default_factory=list)
    same_epoch: list = field(default_factory=list)
    letters: list = field(default_factory=list)
    repeated_epochs: list = field(default_factory=list)
    recovered: list = field(default_factory=list)
    vanished: list = field(default_factory=list)
    executions: dict = field(default_factory=dict)  # how often → how many tasks

    def faults(self):
        return {name: getattr(self, name) for name in BAD if getattr(self, name)}

    def clean(self):
        return not self.faults()

    def __str__(self):
        words = [f"{self.tasks} submitted: {self.acked} acknowledged, {self.refused} refused, {self.unknown} unknown "
                 f"({len(self.recovered)} of them stored)",
                 "executions a task: " + (", ".join(f"{n}: {k}" for n, k in sorted(self.executions.items())) or "not told")]
        for name, what in self.faults().items():
            words.append(f"{name.upper()} {len(what)}: {what[:5]}")
        return "; ".join(words)


def check(facts):
    submits, report = facts.submits, Report(tasks=len(facts.submits))
    outcome = Counter(s.outcome for s in submits.values())
    report.acked, report.refused, report.unknown = outcome["ok"], outcome["fail"], outcome["unknown"]
    rows = {row["id"]: row for row in facts.rows}
    _check_sets(submits, rows, report)
    _check_ends(submits, rows, set(facts.letters), report)
    _check_log(facts, report)
    _check_executions(facts, rows, report)
    return report


def _check_sets(submits, rows, report):
    for task_id, s in submits.items():
        row = rows.get(task_id)
        if s.outcome == "ok" and not row:
            report.lost.append(task_id)
        elif s.outcome == "unknown":
            (report.recovered if row else report.vanished).append(task_id)
        if row and row["state"] not in FINAL:
            report.unfinished.append(task_id)
    for task_id in rows:
        if task_id not in submits or submits[task_id].outcome == "fail":
            report.phantom.append(task_id)


def _check_ends(submits, rows, letters, report):
    for task_id, row in rows.items():
        state, s = FINAL.get(row["state"]), submits.get(task_id)
        if not state or not s:
            continue
        if s.state and state != s.state:
            report.wrong_state.append((task_id, state, str(row.get("error"))[:160]))
        elif state == "completed" and s.result and row["digest"] != s.result:
            report.wrong_result.append(task_id)
        if (state == "dead" and task_id not in letters) or (state == "completed" and task_id in letters):
            report.letters.append((task_id, state))


def _check_log(facts, report):
    times = Counter(row["id"] for row in facts.rows)
    finals = Counter(task_id for task_id, what in facts.changes if what == "final")
    report.doubled = sorted({i for i, n in times.items() if n > 1} | {i for i, n in finals.items() if n > 1})
    report.changed = [(task_id, what) for task_id, what in facts.changes if what != "final"]


def _check_executions(facts, rows, report):
    begun = Counter(x["id"] for x in facts.executions)
    ended = {x["id"] for x in facts.executions if x["end"] is not None}
    epochs = Counter((x["id"], x["epoch"]) for x in facts.executions)
    same = sorted({task_id for (task_id, _), n in epochs.items() if n > 1})
    report.executions = dict(Counter(begun.values()))
    report.same_epoch, report.repeated_epochs = ([], same) if facts.broker_died else (same, [])
    report.strangers = [i for i in begun if i not in facts.submits or facts.submits[i].outcome == "fail"]
    for task_id, row in rows.items():
        s = facts.submits.get(task_id)
        if s and s.ledgered and s.outcome != "fail" and FINAL.get(row["state"]) == "completed" and task_id not in ended:
            report.unexecuted.append(task_id)
