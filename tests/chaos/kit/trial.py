"""One trial: load, a fault within it, healing, quiescence, the check."""
import itertools
import time

from lib.natsraw import Client, Error
from lib.wait import until

from . import record, watch
from .checker import Facts, check
from .journal import Journal, Submit, digest
from .publisher import MIX, Publisher

# Invariant R: ack_wait (12 s is the longest, of DELAYED) + 2 × backoff (10 s is the supervisor's longest) + 30 s.
DRAINED_WITHIN_S = 62

# These have no wait of their own that would count as recovery.
AT_ONCE = ("worked", "echo", "ran")

numbers = itertools.count(1)


class Trial:
    """with Trial(arena, "router killed") as t: … harm …; t.finish(). The publisher runs inside the with."""

    def __init__(self, arena, fault, rate=60, seed=1, urls=None, mix=MIX):
        self.arena, self.fault = arena, fault
        self.prefix = f"t{next(numbers)}-"
        self.urls = urls or [arena.nats_url]
        self.journal = Journal(arena.dir / f"journal-{self.prefix}")
        self.publisher = Publisher(self.urls, self.journal, self.prefix, rate, seed, mix)
        self.began = time.time()

    def __enter__(self):
        self.publisher.start()
        return self

    def __exit__(self, kind, value, traceback):
        self.publisher.over.set()
        self.publisher.join(30)
        self.journal.close()

    def under_load(self, n=100, timeout=30):
        """Until n more submits are acknowledged: what is broken now is broken in mid-run."""
        before = self.journal.count("ok")
        until(lambda: self.journal.count("ok") >= before + n, timeout, f"{n} more acknowledged submits")

    def submit(self, subject, body, state="completed", result=None, ledgered=False, name=None, **headers):
        """One task of the test's own, acknowledged. result: the bytes that it must end with. Returns its id."""
        task_id = f"{self.prefix}x{next(numbers)}{name or ''}"
        self.journal.invoke([Submit(task_id, subject, state, digest(result) if result is not None else None, ledgered)])
        headers = {"Task-Id": task_id, **{k.replace("_", "-").title(): v for k, v in headers.items()}}
        self.nats().js_publish(subject, body, headers)
        self.journal.end([(task_id, "ok")])
        return task_id

    # ---- the end ----

    def finish(self, times=1, within=DRAINED_WITHIN_S, tail=40, broker_died=False, **more):
        """Healed: some more load, then silence, then the check. Asserts that nothing is wrong; returns the report."""
        healed = time.time()
        if tail:
            self.under_load(tail)
        self.publisher.stop()
        until(self.quiet, within, f"after '{self.fault}': all is terminal and nothing waits", every=0.3)
        report = self.check(broker_died)
        recovery = self.recovery(healed)
        print(f"{self.fault} ×{times}: {report}; recovery {recovery:.1f} s")
        record.append(self.fault, report, times, recovery, seconds=round(time.time() - self.began, 1), **more)
        assert report.clean(), f"{self.fault}: {report}"
        return report

    def quiet(self):
        ok = self.journal.count("ok")
        n = self.arena.sql("select count(*) filter (where state >= 4) as final, count(*) filter (where state < 4) as open "
                           f"from millrace.tasks where id like '{self.prefix}%'")[0]
        if n["final"] < ok or n["open"] > 0:
            return False
        return all(nothing_waits(self.nats(), s) for s in self.streams())

    def nats(self):
        for url in self.urls:
            try:
                return self._client(url)
            except (OSError, ValueError, Error) as error:
                last = error
        raise ConnectionError(last)

    def _client(self, url):
        known = getattr(self, "_nats", None)
        if known is None or known.closed:
            self._nats = Client(url, timeout=3)
        return self._nats

    def streams(self):
        names = self.nats().api("STREAM.NAMES", {})["streams"] or []
        return [n for n in names if n in ("TASKS", "EVENTS", "DELAYED") or n.startswith("LANE_")]

    def check(self, broker_died=False):
        return check(Facts(submits=self.journal.submits, rows=watch.rows(self.arena, self.prefix),
                           executions=self.arena.ledger.executions(self.prefix),
                           changes=watch.changes(self.arena, self.prefix), letters=self.letters(),
                           broker_died=broker_died))

    def letters(self):
        """Ids of this trial in DEAD, which is read from its beginning by a consumer that nothing else knows."""
        nats = self.nats()
        if nats.stream_state("DEAD")["messages"] == 0:
            return []
        name = nats.api("CONSUMER.CREATE.DEAD", {"stream_name": "DEAD", "config": {
            "deliver_policy": "all", "ack_policy": "none", "inactive_threshold": 30_000_000_000}})["name"]
        subject = f"{nats.prefix}.letters{next(numbers)}"
        sub, found = nats.subscribe(subject), set()
        try:
            while True:
                nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.DEAD.{name}", '{"batch":500,"no_wait":true}', reply=subject)
                for _ in range(500):  # a filled request ends without a word
                    message = sub.next(10)
                    if message.status:
                        break
                    found.add(message.header("Task-Id"))
                    if int(message.reply.rsplit(".", 1)[1]) == 0:  # what is still pending
                        return [i for i in found if i and i.startswith(self.prefix)]
        finally:
            sub.close()

    def recovery(self, healed):
        """From the healing until the last task that was acknowledged before it was terminal."""
        before = {i for i, s in self.journal.submits.items() if s.acked_at and s.acked_at <= healed and s.kind in AT_ONCE}
        last = self.arena.sql("select id, extract(epoch from at)::float8 as at from chaos.log where what = 'final' "
                              f"and id like '{self.prefix}%' and at > to_timestamp({healed})")
        return max([row["at"] - healed for row in last if row["id"] in before], default=0.0)


def nothing_waits(nats, stream):
    """Empty; or nothing left to deliver or ack. nats-server 2.9, once it was killed, keeps some acked messages, and some as pending
    that it never delivers again: there the rows alone tell."""
    state, old = nats.stream_state(stream), nats.version < (2, 10)
    if state["messages"] == 0:
        return True
    if stream == "DELAYED":
        return old
    consumers = nats.api(f"CONSUMER.LIST.{stream}", {})["consumers"] or []
    return bool(consumers) and not any(nats.left(stream, c, unacked=not old) for c in consumers)
