"""Our Grafana boards and Prometheus' rules on a real Prometheus that scrapes a real gateway while there is work."""
import math
import re
import subprocess
import threading

import pytest

from lib import lag
from lib.natsraw import Client
from lib.system import ROOT
from lib.wait import until

SYSTEM = {"nodes": 2, "slots": 4, "gateway": True, "scaler": ["--max-nodes", "3"]}
BOARDS = ("orchestrator-overview", "task-metrics", "agent-metrics")
# What this system has none of: handlers that speak HTTP, agents that are hosted by name.
MAY_BE_EMPTY = {"millrace_node_http_breaker_state", "millrace_node_http_requests_total", "millrace_node_agents"}
NAME = re.compile(r"\b(?:millrace|tasks?|queue|agent|process)_[a-z_]+|\b[a-z]+:millrace_[a-z]+:\w+|\bmillrace:\w+:\w+")
EVERY_EXPRESSION = [(name, p["title"], t["expr"]) for name in BOARDS for p in lag.panels(name) for t in p["targets"]]


def metrics_of(expr):
    """Names that an expression asks for: without its labels, and what it groups by."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"|(?:by|on) \([^)]*\)", "", expr)
    return set(NAME.findall(bare))


class Work(threading.Thread):
    """Tasks of many kinds, until it is stopped."""
    KINDS = (("echo", b"x", {}), ("hash", b"x" * 100, {}), ("sleep", b"20ms", {}), ("flaky", b"1", {"Task-Backoff": "100ms"}),
             ("fail", b"no", {"Task-Attempts": "1"}))

    def __init__(self, url):
        super().__init__(daemon=True)
        self.client, self.ending = Client(url), threading.Event()

    def run(self):
        turn = 0
        while not self.ending.wait(0.05):
            kind, body, headers = self.KINDS[turn % 4 if turn % 20 else 4]
            self.client.publish(f"tasks.{kind}", body, headers)
            turn += 1

    def stop(self):
        self.ending.set()
        self.join()
        self.client.close()


@pytest.fixture(scope="module")
def prometheus(system):
    path = lag.program("prometheus")
    if not path:
        pytest.skip("no prometheus (deploy/deps.sh test takes it from Debian's package)")
    work = Work(system.nats_url)
    work.start()
    one = None
    try:
        one = lag.Prometheus(path, system.dir / "prometheus", gateway=system.http.removeprefix("http://"))
        until(lambda: one.query('up{job="millrace"} == 1'), 20, "a first scrape")
        until(lambda: one.query("sum(rate(tasks_failed_total[20s])) > 0 and sum(rate(tasks_completed_total[20s])) > 0"), 60, "rates")
        yield one
    finally:
        if one:
            one.stop()
        work.stop()


def test_prometheus_takes_all_of_a_scrape(prometheus):
    def numbers():
        found = {name: prometheus.query(name + '{job="millrace"}')[0][1]
                 for name in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling")}
        assert len(set(found.values())) == 1 and found["scrape_samples_scraped"] > 500, found
        return True
    until(numbers, 10, "samples")
    for name in ("prometheus_target_scrapes_sample_duplicate_timestamp_total", "prometheus_target_scrapes_sample_out_of_order_total"):
        assert name in lag.fetch(f"{prometheus.url}/metrics").decode()
        value = re.search(rf"^{name} (\S+)$", lag.fetch(f"{prometheus.url}/metrics").decode(), re.M)[1]
        assert float(value) == 0, name


def test_the_labels_are_those_of_the_components(prometheus):
    told = {(labels["component"], labels["instance"]) for labels, _ in prometheus.query("millrace_up")}
    assert {("node", "node-1"), ("node", "node-2")} <= told
    assert {c for c, _ in told} == {"router", "store", "node", "scaler", "gateway"}
    assert not any("exported_instance" in labels for labels, _ in prometheus.query("millrace_node_slots"))


@pytest.mark.parametrize("board", BOARDS)
def test_every_expression_of_a_board_has_an_answer(prometheus, board):
    for name, title, expr in EVERY_EXPRESSION:
        if name != board:
            continue
        asked = lag.filled_in(expr, name)
        if metrics_of(expr) & MAY_BE_EMPTY:
            prometheus.query(asked)  # it is understood
            continue
        found = until(lambda: prometheus.query(asked), 40, f"data for panel '{title}': {asked}")
        if "histogram_quantile" not in expr or "by (le)" in expr:
            assert not all(math.isnan(v) for _, v in found), (title, asked, found)


def test_every_metric_that_is_asked_for_is_there(prometheus):
    """A board or an alarm on a name that nobody tells shows nothing, and nobody notices."""
    asked = {m for _, _, expr in EVERY_EXPRESSION for m in metrics_of(expr)}
    rules = [r for r in prometheus.rules() if "jetstream_" not in r["query"]]
    assert len(rules) > 25
    asked |= {m for r in rules for m in metrics_of(r["query"])}
    assert len(asked) > 60
    try:
        until(lambda: asked - prometheus.names() <= MAY_BE_EMPTY, 30, "all names")
    except AssertionError:
        assert asked - prometheus.names() - MAY_BE_EMPTY == set()


def test_every_rule_is_evaluated(prometheus):
    def evaluated():
        return all(r["health"] == "ok" and not r.get("lastError") for r in prometheus.rules())
    until(evaluated, 30, "each was evaluated, without an error")
    for rule in prometheus.rules():
        if rule["type"] == "recording":
            until(lambda: prometheus.query(rule["name"]), 30, f"data of {rule['name']}")


def test_alarms_that_no_cause_has_are_quiet_and_the_others_are_not(system, prometheus):
    def alarms():
        return {r["name"] for r in prometheus.rules() if r["type"] == "alerting" and r["alerts"] and "jetstream_" not in r["query"]}
    caused = {"MillraceErrorRate", "MillraceTypeFails"}  # by our failing tasks
    until(lambda: alarms() >= caused, 30, "pending alarms")
    assert alarms() <= caused | {"MillraceDeadLettersCome", "MillraceSlaMissed", "MillraceUnhealthy"}  # a busy machine may be ill and slow
    system.submit("unserved", "x", task_requires="nobody")
    try:
        until(lambda: "MillraceTypeUnserved" in alarms(), 30, "it is noticed")
    finally:
        system.cli("lane", "purge", "unserved--nobody", "--yes")
    until(lambda: "MillraceTypeUnserved" not in alarms(), 30, "it is over")


@pytest.mark.parametrize("board", BOARDS)
def test_the_choices_of_a_board_are_there(prometheus, board):
    for v in lag.board(board)["templating"]["list"]:
        if v["type"] != "query":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", v["definition"]).groups()
        assert v["query"]["query"] == v["definition"]
        values = {labels.get(label) for labels, _ in prometheus.query(series)}
        assert values and None not in values, v["definition"]


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_can_be_imported_anywhere(board):
    lag.check_board(lag.board(board))
    assert "millrace" in lag.board(board)["tags"]


def test_boards_and_sources_are_provisioned():
    provisioning = ROOT / "deploy/grafana/provisioning"
    boards = (provisioning / "dashboards/millrace.yml").read_text()
    source = (provisioning / "datasources/prometheus.yml").read_text()
    assert re.search(r"^apiVersion: 1$", boards, re.M) and re.search(r"^apiVersion: 1$", source, re.M)
    # Grafana puts its environment in; a board is a JSON file beside the folder, and titles tell them apart.
    assert "path: $MILLRACE_BOARDS" in boards and "url: $MILLRACE_PROMETHEUS" in source
    titles = [lag.board(p.stem)["title"] for p in sorted((ROOT / "deploy/grafana").glob("*.json"))]
    assert len(set(titles)) == len(titles) == 4


@pytest.mark.parametrize("words", [("check", "rules", "millrace.yml"), ("test", "rules", "millrace_test.yml")], ids=" ".join)
def test_promtool_has_nothing_to_say(words):
    path = lag.program("promtool")
    if not path:
        pytest.skip("no promtool (deploy/deps.sh test takes it from Debian's package prometheus)")
    done = subprocess.run([path, *words], cwd=ROOT / "deploy/prometheus", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
