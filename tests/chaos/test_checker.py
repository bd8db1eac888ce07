"""The checker is tested itself: each fault that it is there for is put into good facts, and must be found, and alone."""
import dataclasses
import os

import pytest

from kit.checker import BAD, Facts, check
from kit.journal import Journal, Submit, digest, load
from kit.ledger import Ledger

COMPLETED, DEAD, RUNNING = 4, 5, 3


def submit(task_id, outcome="ok", state="completed", ledgered=True):
    s = Submit(task_id, "worked", state, digest(task_id) if state == "completed" else None, ledgered)
    s.outcome = outcome
    return s


def row(task_id, state=COMPLETED, result=None):
    return {"id": task_id, "state": state, "digest": (result or digest(task_id)) if state == COMPLETED else None, "error": None}


def run(task_id, epoch=1, ended=True, begin=None):
    return {"id": task_id, "attempt": 1, "epoch": epoch, "node": "n", "begin": begin or float(epoch), "end": 9.0 if ended else None}


def good():
    """Five tasks: done, done after a killed execution, dead, unknown and stored, unknown and gone; one refused."""
    submits = [submit("a"), submit("b"), submit("d", state="dead"), submit("u", "unknown"), submit("v", "unknown"),
               submit("r", "fail")]
    return Facts(
        submits={s.id: s for s in submits},
        rows=[row("a"), row("b"), row("d", DEAD), row("u")],
        executions=[run("a"), run("b", 1, ended=False), run("b", 2), run("d"), run("u")],
        changes=[("a", "final"), ("b", "final"), ("d", "final"), ("u", "final")],
        letters=["d"])


def test_good_facts_have_no_fault():
    report = check(good())
    assert report.clean(), str(report)
    assert (report.tasks, report.acked, report.refused, report.unknown) == (6, 3, 1, 2)
    assert report.recovered == ["u"] and report.vanished == ["v"] and report.executions == {1: 3, 2: 1}


def without(items, **match):
    return [i for i in items if not all(i[k] == v for k, v in match.items())]


FAULTS = {
    "lost": [lambda f: f.rows.remove(row("a"))],
    "unfinished": [lambda f: f.rows[0].update(state=RUNNING, digest=None)],
    "phantom": [lambda f: f.rows.append(row("nobody's")), lambda f: f.rows.append(row("r"))],
    "strangers": [lambda f: f.executions.append(run("nobody's")), lambda f: f.executions.append(run("r"))],
    "doubled": [lambda f: f.rows.append(row("a")), lambda f: f.changes.append(("a", "final"))],
    "changed": [lambda f: f.changes.append(("a", "changed")), lambda f: f.changes.append(("v", "removed"))],
    "unexecuted": [lambda f: setattr(f, "executions", without(f.executions, id="a")),
                   lambda f: setattr(f, "executions", without(f.executions, id="b", epoch=2))],
    "wrong_state": [lambda f: (f.rows[0].update(state=DEAD, digest=None), f.letters.append("a"))],
    "wrong_result": [lambda f: f.rows[0].update(digest=digest("other"))],
    "same_epoch": [lambda f: f.executions.append(run("a", 1))],
    "letters": [lambda f: f.letters.clear(), lambda f: f.letters.append("a")],
}


def test_each_kind_of_fault_has_its_case():
    assert set(FAULTS) == set(BAD)


@pytest.mark.parametrize("name,number", [(n, i) for n in FAULTS for i in range(len(FAULTS[n]))])
def test_a_fault_is_found_and_nothing_else(name, number):
    facts = good()
    FAULTS[name][number](facts)
    report = check(facts)
    assert set(report.faults()) == {name}, str(report)


def test_a_delivery_that_is_begun_late_is_no_fault():
    facts = good()
    facts.executions.append(run("a", 3))
    facts.executions.append(run("a", 2, begin=4.0))
    assert check(facts).clean()


def test_a_killed_brokers_repeated_epochs_are_told_but_no_fault():
    facts = good()
    facts.executions.append(run("a", 1))
    facts.broker_died = True
    report = check(facts)
    assert report.clean() and report.repeated_epochs == ["a"]


def test_a_report_names_what_it_found():
    facts = good()
    facts.rows.clear()
    text = str(check(facts))
    assert "LOST 3" in text and "'a'" in text


def test_an_unknown_submit_may_not_be_half_there():
    facts = good()
    facts.rows[3].update(state=RUNNING, digest=None)
    assert set(check(facts).faults()) == {"unfinished"}


def test_the_journal_is_on_disk_before_anything_leaves(tmp_path, monkeypatch):
    synced = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd))[1])
    journal = Journal(tmp_path / "journal")
    journal.invoke([submit("a"), submit("b"), submit("c")])
    assert synced == [os.path.getsize(tmp_path / "journal")]
    journal.end([("a", "ok"), ("b", "fail")])
    assert len(synced) == 2
    journal.close()
    read = load(tmp_path / "journal")
    assert {i: s.outcome for i, s in read.items()} == {"a": "ok", "b": "fail", "c": "unknown"}
    assert dataclasses.asdict(check(Facts(read, [])))["lost"] == ["a"]


def test_no_id_is_submitted_twice_unnoticed(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.invoke([submit("a")])
    with pytest.raises(AssertionError):
        journal.invoke([submit("a")])
    journal.close()


def test_the_ledger_tells_a_begun_execution_from_an_ended_one(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    with open(ledger.path, "a") as f:
        for what, run_number in (("begin", 1), ("begin", 2), ("end", 2)):
            f.write('{"what":"%s","id":"p-1","attempt":1,"epoch":%d,"node":"n","pid":1,"run":%d,"at":5}\n'
                    % (what, run_number, run_number))
    assert [(x["epoch"], x["end"]) for x in ledger.executions("p-")] == [(1, None), (2, 5)]
    assert ledger.executions("q-") == []
