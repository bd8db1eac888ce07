"""millrace.fence: of a task's executions the stale one is refused, inside the handler's own transaction."""
import subprocess
import threading

import pytest


HANDLERS = """\
handlers:
  - type: fenced
    kind: exec
    command: [sh, -c, 'cat >/dev/null; echo "$MILLRACE_TASK_ID $MILLRACE_EPOCH"']
  - type: asked
    kind: service
"""


@pytest.fixture(scope="module", autouse=True)
def effects(system):
    system.psql("create table public.effects (task text, by bigint, at timestamptz default clock_timestamp());"
                "create role billing login; grant usage on schema millrace to billing;"
                "grant execute on function millrace.fence(text, bigint) to billing;"
                "grant insert on public.effects to billing")


class Session:
    """A psql of its own, as the role that may do nothing but call the fence."""

    def __init__(self, system, level="read committed"):
        self.child = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", system.database_url], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines, self.more = [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.do("\\set VERBOSITY verbose")
        self.do(f"set role billing; begin isolation level {level}")

    def _read(self):
        for line in self.child.stdout:
            with self.more:
                self.lines.append(line.strip())
                self.more.notify_all()

    def send(self, sql):
        self.child.stdin.write(sql if sql.startswith("\\") else sql + ";\n")
        self.child.stdin.write("\n\\echo =done=\n")
        self.child.stdin.flush()

    def answer(self, timeout=10):
        """What came until the statement was done; None: it has not come to an end."""
        with self.more:
            if not self.more.wait_for(lambda: "=done=" in self.lines, timeout):
                return None
            end = self.lines.index("=done=")
            said, self.lines = self.lines[:end], self.lines[end + 1:]
            return "\n".join(said)

    def do(self, sql):
        self.send(sql)
        return self.answer()

    def effect(self, task, epoch):
        self.send(f"select coalesce(millrace.fence('{task}', {epoch}), 0); "
                  f"insert into public.effects (task, by) values ('{task}', {epoch})")

    def close(self):
        self.child.stdin.close()
        self.child.wait(10)


def effects_of(system, task):
    return [r["by"] for r in system.sql(f"select by from public.effects where task = '{task}' order by at")]


def test_the_later_one_first_refuses_the_stale_one(system):
    system.allow(r"is stale|current transaction is aborted")
    stale, fresh = Session(system), Session(system)
    fresh.effect("f-1", 4294967302)
    assert fresh.answer() == "0"
    stale.effect("f-1", 4294967301)
    assert stale.answer(0.5) is None, "it must wait for the other's end"
    fresh.do("commit")
    said = stale.answer()
    assert "MRF01" in said and "execution 4294967301 is stale" in said, said
    stale.do("commit")  # of a transaction that failed: a rollback
    assert effects_of(system, "f-1") == [4294967302]
    stale.close()
    fresh.close()


def test_who_rolls_back_has_not_been_there(system):
    stale, fresh = Session(system), Session(system)
    fresh.effect("f-2", 12)
    assert fresh.answer() == "0"
    stale.effect("f-2", 11)
    assert stale.answer(0.3) is None
    fresh.do("rollback")
    assert stale.answer() == "0"
    stale.do("commit")
    assert effects_of(system, "f-2") == [11]
    stale.close()
    fresh.close()


def test_the_next_one_is_told_that_an_effect_is_there(system):
    first, second = Session(system), Session(system)
    first.effect("f-3", 21)
    assert first.answer() == "0"
    second.effect("f-3", 22)
    assert second.answer(0.3) is None
    first.do("commit")
    assert second.answer() == "21"  # so it knows that its effect would be the second
    second.do("rollback")
    assert effects_of(system, "f-3") == [21]
    again = Session(system)
    again.effect("f-3", 21)  # the same execution once more
    assert again.answer() == "21"
    for s in (first, second, again):
        s.close()


def test_a_snapshot_does_not_deceive_it(system):
    system.allow(r"could not serialize")
    stale, fresh = Session(system, "repeatable read"), Session(system)
    assert stale.do("select 1 from pg_class limit 1") == "1"  # its snapshot is taken
    fresh.effect("f-4", 32)
    fresh.answer()
    fresh.do("commit")
    stale.effect("f-4", 31)
    assert "40001" in stale.answer()
    stale.do("commit")
    assert effects_of(system, "f-4") == [32]
    stale.close()
    fresh.close()


def test_the_record_refuses_too(system):
    """An execution that never met another one at the fence, but whose task is over by another's word."""
    task = system.finished(system.submit("echo", b"x", task_id="f-5"), "completed")
    for epoch, ok in ((task["epoch"], True), (task["epoch"] - 1, False), (task["epoch"] + 1, False)):
        s = Session(system)
        s.effect("f-5", epoch)
        assert ("MRF01" not in s.answer()) == ok, epoch
        s.do("rollback")
        s.close()


def test_what_is_no_execution_is_said(system):
    system.allow(r"millrace.fence:|is no epoch")
    s = Session(system)
    for args, word in (("null, 1", "id is missing"), ("'', 1", "id is missing"), ("'x', null", "no epoch"),
                       ("'x', 0", "no epoch"), ("'x', -5", "no epoch")):
        said = s.do(f"savepoint a; select millrace.fence({args})")
        assert word in said and "22023" in said, said
        s.do("rollback to a")
    assert "42501" in s.do("select * from millrace.fences")
    system.allow(r"permission denied")
    s.close()


def test_the_epoch_comes_to_every_kind_of_handler(system, tmp_path):
    path = tmp_path / "handlers.yaml"
    path.write_text(HANDLERS)
    node = system.start_node("fencer", "--handlers", str(path))
    done = system.finished(system.submit("fenced", b"", task_id="f-exec"), "completed")
    assert done["result"].split() == ["f-exec", str(done["epoch"])]
    answers = system.nats.subscribe("handle.asked", "q")
    system.nats.flush()
    system.submit("asked", b"", task_id="f-asked")
    request = answers.next(20)
    system.nats.publish(request.reply, request.header("Task-Execution-Epoch"))
    done = system.finished("f-asked", "completed")
    assert int(done["result"]) == done["epoch"] > 4294967296
    answers.close()
    node.terminate()
    assert node.wait(30) == 0
