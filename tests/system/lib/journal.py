"""What was acknowledged, apart from the system under test; and the check that none of it is lost or doubled."""
import time

from .natsraw import Client, Error
from .wait import until


class Journal:
    """Publishes tasks and notes which of them the broker acknowledged."""

    def __init__(self, system):
        self.system = system
        self.acked = {}  # id → body

    def publish(self, messages, timeout=90):
        """(type, id, body) each. What gets no PubAck is published again, with the same id, until it is acknowledged."""
        left = list(messages)
        end = time.monotonic() + timeout
        while left:
            assert time.monotonic() < end, f"{len(left)} submits were never acknowledged"
            try:
                client = Client(self.system.nats_url)
                acks = client.js_publish_many(((f"tasks.{t}", body, {"Task-Id": i, "Nats-Msg-Id": i})
                                               for t, i, body in left), window=200, timeout=10)
                client.close()
            except (OSError, ValueError, Error):
                time.sleep(0.1)  # the broker went; what it did with these is unknown
                continue
            again = []
            for message, ack in zip(left, acks):
                if ack and "error" not in ack:
                    self.acked[message[1]] = message[2]
                else:
                    again.append(message)
            left = again

    def check(self, prefix, timeout=120):
        """Every acknowledged task is completed, once, with the right result; nothing else bears the prefix."""
        count = f"select count(*) as n from millrace.tasks where id like '{prefix}%' and state >= 4"
        until(lambda: self.system.sql(count)[0]["n"] >= len(self.acked), timeout,
              f"{len(self.acked)} tasks in a final state", every=0.3)
        rows = self.system.sql("select id, millrace.state_name(state) as state, error, "
                               f"convert_from(result, 'UTF8') as result from millrace.tasks where id like '{prefix}%'")
        found = {row["id"]: row for row in rows}
        assert len(found) == len(rows), "a task has two rows"
        lost = self.acked.keys() - found.keys()
        phantom = found.keys() - self.acked.keys()
        assert not lost, f"lost: {sorted(lost)[:10]}"
        assert not phantom, f"never submitted: {sorted(phantom)[:10]}"
        wrong = [row for row in rows if row["state"] != "completed" or row["result"] != self.acked[row["id"]]]
        assert not wrong, f"{len(wrong)} ended wrong: {wrong[:5]}"
