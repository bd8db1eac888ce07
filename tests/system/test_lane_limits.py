"""Limits of a lane that all nodes share: rate, concurrency, concurrency per key; and priorities."""
import json
import os
import re
import signal
import threading
import time

from lib.system import BIN
from lib.wait import until

SYSTEM = {"slots": 8, "nodes": 3, "bridge": False}


def limit(system, lane, **limits):
    reply = system.nats.request("api.lane.limit", json.dumps({"name": lane, **limits}))
    assert not reply.header("Nats-Service-Error-Code"), reply.header("Nats-Service-Error")


def unlimited(system, lane):
    limit(system, lane, clear=["limit", "rate_per_s", "concurrency", "key_concurrency"])


def book(system, lane):
    reply = system.nats.stream_message("KV_limits", last_on=f"$KV.limits.{lane}")
    return json.loads(reply.data) if reply and reply.data else {}


def limited(system, lane):
    """Until every node that lives has heard of it."""
    nodes = [c["name"] for c in system.status()["components"] if c["name"].startswith("node-")]
    def knows(node):
        log = system.log(node)
        return log.count(f'"lane limited" lane={lane}\n') > log.count(f'"lane not limited any more" lane={lane}\n')
    until(lambda: all(knows(n) for n in nodes), 10, "all nodes know")
    # Long polls of before: what they brought would be handed back, and would take longer.
    until(lambda: all(system.nats.api(f"CONSUMER.INFO.LANE_{lane}.{c}").get("num_waiting", 0) == 0
                      for c in ("high", "normal", "low")), 10, "no long polls are left")


def submit_many(system, kind, prefix, count, body, **headers):
    acks = system.nats.js_publish_many((f"tasks.{kind}", body, {"Task-Id": f"{prefix}{i}", **headers})
                                       for i in range(count))
    assert all(acks)


def count(system, prefix, state=4):
    return system.sql(f"select count(*) as n from millrace.tasks where id like '{prefix}%' and state = {state}")[0]["n"]


def handed_back(system):
    """Deliveries that the nodes had asked for, and found no place for."""
    nodes = [c["name"] for c in system.status()["components"] if c["name"].startswith("node-")]
    inbox = system.nats.subscribe("test.limits.metrics")
    system.nats.publish("ctl.metrics", b"", reply="test.limits.metrics")
    total, heard = 0, 0
    while heard < len(nodes):
        found = re.search(r"^millrace_node_declined_total (\d+)", inbox.next(10).data.decode(), re.M)
        heard += found is not None
        total += int(found[1]) if found else 0
    inbox.close()
    return total


def spans(system, prefix):
    return system.sql("select id, node, project, extract(epoch from started_at)::float8 as a, "
                      "extract(epoch from finished_at)::float8 as b "
                      f"from millrace.tasks where id like '{prefix}%' and state = 4 order by started_at")


def most_at_once(rows):
    """By the nodes' own clocks, which are one clock here."""
    edges = sorted([(r["a"], 1) for r in rows] + [(r["b"], -1) for r in rows], key=lambda e: (e[0], e[1]))
    now = most = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def test_concurrency_is_exact_over_all_nodes(system):
    system.finished(system.submit("sleep", "1ms"), "completed")
    limit(system, "sleep", concurrency=3)
    limited(system, "sleep")
    submit_many(system, "sleep", "conc-", 60, "50ms")
    until(lambda: count(system, "conc-") == 60, 30, "all completed")
    rows = spans(system, "conc-")
    assert most_at_once(rows) == 3
    took = rows[-1]["b"] - rows[0]["a"]
    assert took < 60 * 0.05 / 3 * 2.5, f"{took} s: places were idle"
    # None of them was sent around, and nothing is held for ever.
    assert system.sql("select count(*) as n from millrace.attempts where task_id like 'conc-%'")[0]["n"] == 0
    until(lambda: not book(system, "sleep").get("holders"), 10, "all places are given back")
    unlimited(system, "sleep")


def test_a_limit_that_comes_while_tasks_run_holds_from_then_on(system):
    submit_many(system, "sleep", "mid-", 150, "60ms")
    until(lambda: count(system, "mid-") > 10, 10, "in full swing")
    limit(system, "sleep", concurrency=2)
    until(lambda: book(system, "sleep").get("holders"), 10, "the limit is kept")
    time.sleep(0.5)  # what ran before has ended
    since = time.time()
    until(lambda: count(system, "mid-") == 150, 30, "all completed")
    assert most_at_once([r for r in spans(system, "mid-") if r["a"] > since]) <= 2
    unlimited(system, "sleep")


def test_a_killed_nodes_places_are_free_within_ten_seconds(own_system):
    system = own_system(nodes=2, slots=4, bridge=False)
    system.finished(system.submit("sleep", "1ms"), "completed")
    limit(system, "sleep", concurrency=2)
    limited(system, "sleep")
    ids = [system.submit("sleep", "9s", task_id=f"hog-{i}", task_timeout="60s") for i in range(2)]
    until(lambda: sum(h["n"] for h in book(system, "sleep").get("holders", {}).values()) == 2, 15, "two run")
    holders = [name for name, h in book(system, "sleep")["holders"].items() if h["n"]]
    for name in {h.rsplit("-", 1)[0] for h in holders}:
        system.hold(name, kill=True)
    killed = time.monotonic()
    if len({h.rsplit("-", 1)[0] for h in holders}) == 2:
        system.release("node-1")
    # Both come again, and never more than two at once.
    until(lambda: not set(holders) & set(book(system, "sleep").get("holders", {})), 12, "struck out")
    until(lambda: system.nats.api("CONSUMER.INFO.LANE_sleep.normal")["num_ack_pending"] == 2 and
          sum(h["n"] for h in book(system, "sleep").get("holders", {}).values()) == 2, 12, "they run again")
    assert time.monotonic() - killed < 15
    for task in ids:
        assert system.finished(task, "completed", timeout=40)["attempt"] == 1


def test_a_killed_nodes_task_runs_elsewhere_though_nothing_else_comes(own_system):
    """It was delivered once: the lane's consumer counts it with those that run, and nobody is woken for it."""
    system = own_system(nodes=2, slots=4, bridge=False)
    system.finished(system.submit("sleep", "1ms"), "completed")
    limit(system, "sleep", concurrency=3)
    limited(system, "sleep")
    task = system.submit("sleep", "4s", task_id="alone", task_timeout="60s")
    node = until(lambda: next((name.rsplit("-", 1)[0] for name, h in book(system, "sleep").get("holders", {}).items() if h["n"]),
                              None), 10, "it runs")
    until(lambda: system.nats.api("CONSUMER.INFO.LANE_sleep.normal")["num_ack_pending"] == 1, 10, "it runs")
    system.hold(node, kill=True)
    row = system.finished(task, "completed", timeout=25)
    assert row["node"] != node and row["attempt"] == 1


def test_a_stopped_node_comes_back_without_breaking_the_limit_for_long(own_system):
    system = own_system(nodes=2, slots=4, bridge=False)
    system.finished(system.submit("sleep", "1ms"), "completed")
    limit(system, "sleep", concurrency=2)
    limited(system, "sleep")
    pid = system.pid("node-1")
    submit_many(system, "sleep", "stop-", 30, "400ms")
    until(lambda: count(system, "stop-") >= 2, 20, "they run")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(10)
    os.kill(pid, signal.SIGCONT)
    until(lambda: count(system, "stop-") == 30, 60, "all completed")
    assert most_at_once([r for r in spans(system, "stop-") if r["b"] - r["a"] < 1]) <= 2
    assert system.sql("select count(*) as n from millrace.tasks where id like 'stop-%' and attempt > 1")[0]["n"] == 0


def test_one_at_a_time_for_each_key_and_no_other_key_waits_for_it(system):
    system.finished(system.submit("sleep", "1ms"), "completed")
    limit(system, "sleep", key_concurrency=1)
    limited(system, "sleep")
    submit_many(system, "sleep", "key-a", 40, "100ms", **{"Task-Project": "acme"})
    submit_many(system, "sleep", "key-b", 6, "100ms", **{"Task-Project": "bell"})
    submit_many(system, "sleep", "key-n", 6, "100ms")
    until(lambda: count(system, "key-b") == 6, 20, "the other key's tasks, behind forty of the first")
    until(lambda: count(system, "key-n") == 6, 20, "those without a key")
    ahead = count(system, "key-a")
    assert ahead < 38, f"{ahead} of 40 went first"
    until(lambda: count(system, "key-a") == 40, 60, "all completed")
    for prefix in ("key-a", "key-b"):
        assert most_at_once(spans(system, prefix)) == 1, prefix
    # No attempt was spent by waiting.
    assert system.sql("select max(attempt) as n from millrace.tasks where id like 'key-%'")[0]["n"] == 1
    unlimited(system, "sleep")


def test_both_limits_and_strange_keys(system):
    limit(system, "sleep", key_concurrency=2, concurrency=5)
    limited(system, "sleep")
    declined = handed_back(system)
    keys = ["ä" * 40, "x" * 200, "a.b > *", "1"]
    for n, key in enumerate(keys):
        submit_many(system, "sleep", f"both-{n}-", 12, "30ms", **{"Task-Project": key})
    until(lambda: count(system, "both-") == 48, 60, "all completed")
    assert most_at_once(spans(system, "both-")) <= 5
    for n in range(len(keys)):
        assert most_at_once(spans(system, f"both-{n}-")) <= 2
    # What was asked for had its place: else it comes again after seconds.
    assert handed_back(system) == declined
    unlimited(system, "sleep")


def test_rate_is_shared_by_all_nodes(system):
    system.finished(system.submit("echo", "warm"), "completed")
    limit(system, "echo", rate_per_s=20)
    limited(system, "echo")
    begun = time.time()
    submit_many(system, "echo", "rate-", 80, "x")
    until(lambda: count(system, "rate-") == 80, 30, "all completed")
    starts = [r["a"] for r in spans(system, "rate-")]
    # Two at once are its burst. Counted from the beginning: how late a start is, is the machine's matter, how early is not.
    for n, start in enumerate(starts, 1):
        assert start - begun >= (n - 2) / 20 - 0.002, f"{n} had begun after {start - begun} s"
    assert starts[-1] - begun < 6, f"80 at 20/s took {starts[-1] - begun} s"
    # High overtakes what waits for its turn.
    submit_many(system, "echo", "slow-", 60, "x")
    urgent = system.submit("echo", "now", task_id="urgent", task_priority="high")
    system.finished(urgent, "completed", timeout=10)
    assert count(system, "slow-") < 50
    until(lambda: count(system, "slow-") == 60, 20, "the others too")
    unlimited(system, "echo")


def test_a_rarely_used_slow_lane_answers_at_once(system):
    """Looking for work costs no token: three idle nodes do not use up one task a second."""
    system.finished(system.submit("hash", "warm"), "completed")
    limit(system, "hash", rate_per_s=0.5)
    limited(system, "hash")
    time.sleep(4)
    for n in range(2):
        begun = time.monotonic()
        reply = system.nats.request("run.hash", f"body {n}")
        assert reply.header("Task-State") == "completed"
        took = time.monotonic() - begun
        assert took < 1.5 if n == 0 else 1 < took < 4, f"task {n} took {took} s"
    unlimited(system, "hash")


def test_low_gets_its_share_under_a_permanent_stream_of_high(own_system):
    system = own_system(nodes=1, slots=2, bridge=False)
    system.finished(system.submit("sleep", "1ms"), "completed")
    over = threading.Event()
    sent = [0]

    def stream_of_high():
        from lib.natsraw import Client
        client = Client(system.nats_url)
        while not over.is_set():
            if client.stream_state("LANE_sleep")["messages"] < 150:
                client.js_publish_many(("tasks.sleep", "4ms", {"Task-Priority": "high"}) for _ in range(100))
                sent[0] += 100
            time.sleep(0.02)
        client.close()
    thread = threading.Thread(target=stream_of_high)
    thread.start()
    try:
        until(lambda: system.nats.api("CONSUMER.INFO.LANE_sleep.high")["num_pending"] > 50, 10, "a stream of high")
        submit_many(system, "sleep", "normal-", 30, "4ms")
        submit_many(system, "sleep", "low-", 30, "4ms", **{"Task-Priority": "low"})
        until(lambda: count(system, "low-") == 30, 40, "low ones, while high ones never ended")
        assert system.nats.api("CONSUMER.INFO.LANE_sleep.high")["num_pending"] > 0
        first, last = spans(system, "low-")[0]["a"], spans(system, "low-")[-1]["b"]
        high = system.sql("select count(*) as n from millrace.tasks where priority = 0 and "
                          f"extract(epoch from started_at) between {first} and {last}")[0]["n"]
        # One refill in eight begins from below; high ones still have by far the most.
        assert 30 * 3 <= high <= 30 * 16, f"{high} high ones beside 30 low ones"
    finally:
        over.set()
        thread.join()


def test_second_router_and_foreign_write_do_not_hurt(system):
    """A book that is nonsense is taken as empty; the lane goes on."""
    system.run([BIN / "millrace-router"])
    limit(system, "stats", concurrency=1)
    system.finished(system.submit("stats", "1\n"), "completed")
    system.nats.js_publish("$KV.limits.stats", "no json")
    submit_many(system, "stats", "odd-", 5, "1\n2\n")
    until(lambda: count(system, "odd-") == 5, 15, "all completed")
    system.nats.js_publish("$KV.limits.stats", b"", {"KV-Operation": "DEL"})
    submit_many(system, "stats", "odd2-", 5, "1\n2\n")
    until(lambda: count(system, "odd2-") == 5, 15, "all completed")
