"""What was executed: handlers append a line when they begin and a line when they end, in one write each.

The reading side; handlers/worker.py writes. A line that a killed handler left unfinished cannot be: one write(2) of a short line
with O_APPEND is whole or not there.
"""
import json


class Ledger:
    def __init__(self, path):
        self.path = path
        open(path, "ab").close()

    def lines(self, prefix=""):
        with open(self.path, "rb") as f:
            for line in f:
                fact = json.loads(line)
                if fact["id"].startswith(prefix):
                    yield fact

    def executions(self, prefix=""):
        """One dict an execution: id, attempt, epoch, node, begin, end (None: it did not come to its end)."""
        found = {}
        for fact in self.lines(prefix):
            key = (fact["id"], fact["epoch"], fact["pid"], fact["run"])
            if fact["what"] == "begin":
                found[key] = {"id": fact["id"], "attempt": fact["attempt"], "epoch": fact["epoch"], "node": fact["node"],
                              "begin": fact["at"], "end": None}
            elif key in found:
                found[key]["end"] = fact["at"]
        return list(found.values())
