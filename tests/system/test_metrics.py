"""/metrics of a gateway: the whole system's, strictly well-formed, whatever some component says or does not say."""
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import exposition, lag
from lib.wait import until

SYSTEM = {"nodes": 2, "slots": 4, "gateway": ["--sla-target", "10s"], "scaler": ["--max-nodes", "2"]}
TYPE = "text/plain; version=0.0.4; charset=utf-8"


def scrape(system):
    answer = system.web.get("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, TYPE)
    return exposition.read(answer.text)


def ups(families):
    return {(s.labels["component"], s.labels["instance"]): s.value for s in families["millrace_up"].series}


def left_out(families, reason):
    return families["millrace_gateway_metrics_left_out_total"].sum(reason=reason)


def total(families, name, suffix="", **labels):
    return families[name].sum(suffix, **labels) if name in families else 0


@pytest.fixture(scope="module", autouse=True)
def everybody(system):
    """Who is new may answer too late for one scrape; the next waits for him."""
    until(lambda: {c for (c, _), up in ups(scrape(system)).items() if up} == {"router", "store", "node", "scaler", "gateway"}, 30,
          "all components")


def test_every_component_and_instance_is_there(system):
    told = ups(scrape(system))
    assert {"node-1", "node-2", "bridge"} <= {i for c, i in told if c == "node"}
    assert sorted(c for c, _ in told if c != "node") == ["gateway", "router", "scaler", "store"]


def test_each_series_says_whose_it_is(system):
    of_the_system = {"queue_depth", "agent_healthy", "millrace_type_nodes", "millrace_type_running_tasks"}
    for family in scrape(system).values():
        for s in family.series:
            assert ({"component", "instance"} <= s.labels.keys()) == (family.name not in of_the_system), s
            assert not s.labels.keys() & {"id", "task", "task_id"}, s


def test_promtool_only_minds_the_name_in_milliseconds(system):
    path = lag.program("promtool")
    if not path:
        pytest.skip("no promtool (deploy/deps.sh test takes it from Debian's package prometheus)")
    done = subprocess.run([path, "check", "metrics"], input=system.web.get("/metrics").text, capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).strip().splitlines()
    assert all(line.startswith("task_execution_time_ms ") for line in said), said


def test_tasks_are_counted_once_by_type(system):
    before = scrape(system)
    for i in range(20):
        system.submit("echo", "x")
    for i in range(4):
        system.submit("fail", "x", task_attempts="1")
    system.submit("flaky", "2", task_backoff="50ms")  # two failed attempts, one task
    names = ("tasks_submitted_total", "tasks_completed_total", "tasks_failed_total")

    def grown(name, suffix="", **labels):
        return total(now, name, suffix, **labels) - total(before, name, suffix, **labels)

    def all_there():
        nonlocal now
        now = scrape(system)
        return grown("tasks_completed_total") + grown("tasks_failed_total") == 25
    now = before
    until(all_there, 30, "all have ended")
    assert [grown(n, type="echo") for n in names] == [20, 20, 0]
    assert [grown(n, type="fail") for n in names] == [4, 0, 4]
    assert [grown(n, type="flaky") for n in names] == [1, 1, 0]
    assert grown("task_execution_time_ms", "_count", type="echo") == 20
    assert grown("task_execution_time_ms", "_count", type="flaky") == 3  # attempts
    assert grown("millrace_node_wait_seconds", "_count", lane="flaky") == 1  # tasks
    assert grown("millrace_node_completion_seconds", "_count", lane="flaky") == 1
    assert grown("millrace_node_completion_seconds", "_count", lane="fail") == 0


def test_the_wait_is_until_the_first_start_and_what_was_wished_for_is_no_wait(system):
    handlers = system.dir / "waits.yaml"
    handlers.write_text("handlers:\n  - {type: waits, kind: echo}\n  - {type: wished, kind: echo}\n")
    node = system.start_node("node-waits", "--handlers", handlers)
    try:
        system.submit("waits", "warm", task_id="waits-warm")
        system.submit("wished", "warm", task_id="wished-warm")
        system.finished("waits-warm", "completed")
        system.finished("wished-warm", "completed")
        until(lambda: ups(scrape(system)).get(("node", "node-waits")) == 1, 20, "it is told")
        before = scrape(system)
        system.cli("lane", "pause", "waits")
        system.submit("waits", "x", task_id="waits-1")
        system.submit("wished", "x", task_id="wished-1", task_delay="12s")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2, 5, "two seconds of waiting")
        system.cli("lane", "resume", "waits")
        system.finished("waits-1", "completed")
        system.finished("wished-1", "completed", timeout=60)
        now = scrape(system)

        def took(name, lane):
            n, s = (total(now, name, suffix, lane=lane) - total(before, name, suffix, lane=lane) for suffix in ("_count", "_sum"))
            assert n == 1, (name, lane, n)
            return s
        assert took("millrace_node_wait_seconds", "waits") > 2
        assert took("millrace_node_completion_seconds", "waits") > 2
        # Delays come in steps of ten seconds: it is begun late, not twelve seconds and more.
        assert took("millrace_node_wait_seconds", "wished") < 11.5
        assert took("millrace_node_completion_seconds", "wished") < 11.5
    finally:
        node.terminate()
        assert node.wait(40) == 0


def test_depth_and_health_by_type(system):
    for i in range(3):
        system.submit("lonely", "x", task_requires="nobody")
    try:
        def told():
            families = scrape(system)
            return (total(families, "queue_depth", type="lonely"), total(families, "agent_healthy", type="lonely"),
                    total(families, "agent_healthy", type="echo"), total(families, "millrace_type_nodes", type="echo"))
        until(lambda: told() == (3, 0, 1, 2), 20, "three wait, and nobody serves them")
    finally:
        system.cli("lane", "purge", "lonely--nobody", "--yes")


def test_the_promise_is_measured(system):
    before = scrape(system)
    tasks = {met: total(before, "millrace_sla_tasks_total", met=met) for met in ("yes", "no")}
    assert total(before, "millrace_sla_target_seconds") == 10
    for i in range(9):
        system.submit("echo", "x")
    for i in range(3):
        system.submit("fail", "x", task_attempts="1")

    def grown():
        families = scrape(system)
        return {met: total(families, "millrace_sla_tasks_total", met=met) - n for met, n in tasks.items()}
    until(lambda: grown() == {"yes": 9, "no": 3}, 30, "twelve that ended")
    families = scrape(system)
    # Of the window, which began before this test.
    assert 0.5 < total(families, "millrace_sla_compliance_ratio") < 1
    assert 0 < total(families, "millrace_error_ratio") < 0.5


def test_scrapes_at_once_share_one_collection(system):
    asked = system.nats.subscribe("ctl.metrics")
    system.nats.flush()
    try:
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: system.web.get("/metrics"), range(200)))
        assert {a.status for a in answers} == {200}
        for a in answers[::50]:
            exposition.read(a.text)
        system.nats.flush()
        assert 0 < asked.messages.qsize() < 100, asked.messages.qsize()
    finally:
        asked.close()


class Strange:
    """A component of the test's own, that answers ctl.metrics with whatever it is given."""

    def __init__(self, system, *answers):
        self.client, self.answers = system.nats, answers
        self.sub = system.nats.subscribe("ctl.metrics")
        system.nats.flush()
        self.ending = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ending:
            try:
                asked = self.sub.next(0.2)
            except TimeoutError:
                continue
            for headers, body in self.answers:
                self.client.publish(asked.reply, body, headers)

    def stop(self):
        self.ending = True
        self.thread.join()
        self.sub.close()


def who(component="node", instance="strange", part=None):
    return {"Millrace-Component": component, "Millrace-Instance": instance, **({"Millrace-Part": part} if part else {})}


def test_broken_words_spoil_nothing(system):
    before = scrape(system)
    strange = Strange(
        system,
        (who(), b"# HELP good_total Fine.\n# TYPE good_total counter\ngood_total 1\ngood_total 2\nbad{ 1\n\xff\xfe\nx{component=\"y\"} 1\n"
                b"# HELP millrace_node_slots Stolen.\n# TYPE millrace_node_slots untyped\nmillrace_node_slots 5\n"),
        (who(instance='a"} 1'), b"x 1\n"),
        (who(component="no de"), b"x 1\n"),
        ({}, b"x 1\n"),  # an older version, that does not say who it is
        (who(), b"# HELP good_total Fine.\n# TYPE good_total counter\ngood_total 7\n"))  # twice
    try:
        def there():
            nonlocal now
            now = scrape(system)
            return "good_total" in now
        now = before
        until(there, 10, "what was well said of it")
        assert [s.labels for s in now["good_total"].series] == [{"component": "node", "instance": "strange"}]
        assert total(now, "good_total") == 1
        # Whoever names a type first in a round is believed: where that was the node, the stranger's is left out.
        until(lambda: "strange" not in {s.labels["instance"] for s in scrape(system)["millrace_node_slots"].series}, 20, "the node is first")
        assert not {s.labels["instance"] for f in now.values() for s in f.series if "instance" in s.labels} & {'a"} 1', 'a\\"} 1'}
        # What was left out of a scrape is told in one of the next: a round may end before the stranger has said all.
        for reason, least in (("broken", 6), ("answer", 4)):
            until(lambda: left_out(scrape(system), reason) >= left_out(before, reason) + least, 10, f"{least} more that are {reason}")
    finally:
        strange.stop()
    until(lambda: ups(scrape(system))["node", "strange"] == 0, 10, "it does not answer any more")
    assert left_out(scrape(system), "missing") > 0


def test_an_answer_in_parts_is_one(system):
    text = b"# HELP parts_total Of many.\n# TYPE parts_total counter\n" + b"".join(b'parts_total{n="%d"} 1\n' % i for i in range(500))
    cut = text.index(b"\n", 6000) + 1
    strange = Strange(system, (who(instance="whole", part="1/2"), text[:cut]), (who(instance="whole", part="2/2"), text[cut:]),
                      (who(instance="half", part="2/2"), text[cut:]), (who(instance="wrong", part="3/2"), text))
    try:
        until(lambda: total(scrape(system), "parts_total") == 500, 10, "all of it")
        assert {s.labels["instance"] for s in scrape(system)["parts_total"].series} == {"whole"}
    finally:
        strange.stop()


def test_a_node_of_many_lanes_tells_them_all(system):
    """More than one message may have: 250 lanes with three histograms each."""
    handlers = system.dir / "many.yaml"
    handlers.write_text("handlers:\n" + "".join(f"  - {{type: many-{i}, kind: echo}}\n" for i in range(250)))
    node = system.start_node("node-many", "--handlers", handlers)
    try:
        for i in range(250):
            system.submit(f"many-{i}", "x")

        def lanes():
            families = scrape(system)
            return {s.labels["lane"] for s in families["millrace_node_completion_seconds"].series
                    if s.labels["instance"] == "node-many" and s.name.endswith("_count") and s.value}
        until(lambda: len(lanes()) == 250, 120, "all its lanes", every=0.5)
        inbox = system.nats.subscribe("parts.of.metrics")
        system.nats.publish("ctl.metrics", b"", reply="parts.of.metrics")
        parts = []
        while len(parts) < 2:
            m = inbox.next(10)
            parts += [m.header("Millrace-Part")] if m.header("Millrace-Instance") == "node-many" else []
        inbox.close()
        assert parts[0].startswith("1/") and parts[1].startswith("2/"), parts
        assert total(scrape(system), "agent_healthy", type="many-7") == 1
    finally:
        node.terminate()
        assert node.wait(40) == 0


def test_a_component_that_is_away_is_told_as_such(system):
    told = ups(scrape(system))
    router = next(i for c, i in told if c == "router")
    system.hold("router")
    try:
        families = scrape(system)
        assert ups(families)["router", router] == 0
        assert "millrace_router_lanes" not in families
        # Not known is not nothing.
        assert "queue_depth" not in families and "agent_healthy" not in families
        assert "tasks_submitted_total" not in families and total(families, "tasks_completed_total") > 0
        began = time.monotonic()
        assert ups(scrape(system))["router", router] == 0
        assert time.monotonic() - began < 5, "who was missed once is not waited for"
    finally:
        system.release("router")
    until(lambda: [up for (c, i), up in ups(scrape(system)).items() if c == "router" and i != router] == [1], 20, "the new one")
    assert ups(scrape(system))["router", router] == 0  # remembered for some minutes


def test_without_a_broker_it_tells_its_own(system):
    system.hold("broker", kill=True)
    try:
        families = until(lambda: (lambda f: f if f["millrace_broker_up"].sum() == 0 else None)(scrape(system)), 20, "it is noticed")
        assert {s.labels["component"] for f in families.values() for s in f.series} == {"gateway"}
        assert families["process_resident_memory_bytes"].sum() > 0
        assert families["millrace_gateway_requests_total"].sum(method="GET", status="2xx") > 0
    finally:
        system.release("broker")
    until(lambda: {c for (c, _), up in ups(scrape(system)).items() if up} == {"router", "store", "node", "scaler", "gateway"}, 60,
          "all of them are back")


def test_its_own_requests_are_counted(system):
    before = scrape(system)
    assert system.web.get("/nothing-here").status == 404
    assert system.web.request("DELETE", "/metrics").status == 405
    assert system.web.post("/api/v1/tasks", body=b"x", headers={"Content-Length": str(1 << 50)}).status == 413
    name = "millrace_gateway_requests_total"

    def grown(**labels):
        return total(now, name, **labels) - total(before, name, **labels)
    now = scrape(system)
    until(lambda: grown(status="4xx") == 3, 5, "three") if grown(status="4xx") != 3 else None
    assert grown(method="DELETE", status="4xx") == grown(method="POST", status="4xx") == 1
    assert grown(method="GET", status="2xx") >= 1
    assert total(now, "millrace_gateway_refused_total", reason="size") - total(before, "millrace_gateway_refused_total", reason="size") == 1
    assert total(now, "millrace_gateway_request_seconds", "_count") > total(before, "millrace_gateway_request_seconds", "_count")
    assert total(now, "millrace_gateway_connections") >= 1
