"""/events, /api/v1/overview, /health: what a listener hears, in which order, at what cost, and through every kind of trouble."""
import asyncio
import json
import queue
import socket
import struct
import threading
import time
from datetime import datetime

import pytest

from lib.http import Http
from lib.wait import until

SYSTEM = {"gateway": ["--http-streams", "505"], "nodes": 1}
PIECES = {"at", "overview", "lanes", "nodes", "pools", "scaler", "health", "history", "decisions"}


class Listener:
    """A stream that is read in the background, and kept."""

    def __init__(self, system, path="/events", headers=None):
        self.heard, self.web, self.error, self.over = [], Http(system.http), None, False
        self.queue = queue.Queue()
        self.thread = threading.Thread(target=self._read, args=(path, headers), daemon=True)
        self.thread.start()

    def _read(self, path, headers):
        try:
            for event in self.web.events(path, headers=headers, timeout=120):
                if self.over:
                    return
                self.heard.append(event)
                self.queue.put((time.monotonic(), event))
        except Exception as error:  # the test sees it at its next wait
            self.error = error
        finally:
            self.queue.put(None)

    def next(self, right=lambda event: True, timeout=20):
        """The next event that is right; those before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            try:
                item = self.queue.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"heard only {[(e.name, e.id) for e in self.heard[-5:]]}") from None
            if item is None:
                raise ConnectionError(f"the stream ended: {self.error}")
            if right(item[1]):
                return item[1]

    def close(self):
        self.over = True


@pytest.fixture
def listen(system):
    made = []

    def start(*args, **named):
        made.append(Listener(system, *args, **named))
        return made[-1]
    yield start
    for listener in made:
        listener.close()


def has(path, test):
    """Whether an event's data has something at a.b.c that passes the test."""
    def right(event):
        value = event.data
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        return test(value)
    return right


def rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def streams(system, feed="overview"):
    text = system.metrics("millrace_gateway_streams")
    return next(int(float(line.split()[1])) for line in text.splitlines()
                if line.startswith(f'millrace_gateway_streams{{feed="{feed}"}}'))


@pytest.fixture(scope="module", autouse=True)
def ready(system):
    """A store is there before it has its database: from then on nothing is unknown."""
    until(lambda: system.web.get("/readyz").status == 200 and system.web.get("/health").json()["healthy"], 60, "all of it is ready")


# ---- what is heard ----

def test_a_stream_begins_with_a_whole_snapshot(system, listen):
    first = listen().next()
    assert first.name == "snapshot" and first.id
    assert first.data.keys() == PIECES
    overview = first.data["overview"]
    assert overview.keys() == {"rates", "depths", "totals", "wait", "run", "nodes", "sla"}
    assert overview["rates"].keys() == {"submitted", "started", "completed", "failed", "retried", "dead"}
    assert overview["depths"].keys() == {"scheduled", "queued", "running", "retrying", "dead"}
    assert all(v is not None for v in overview["depths"].values()), overview
    assert overview["totals"].keys() == {"submitted", "completed", "dead", "cancelled"}
    assert overview["nodes"]["ready"] >= 1 and overview["sla"]["target_ms"] == 500
    assert {n["name"] for n in first.data["nodes"]} >= {"node-1"}
    health = first.data["health"]
    assert health["ok"] and health["broker"]["ok"] and health["database"]["ok"], health
    assert (health["router"], health["store"], health["scaler"]) == (1, 1, 0)
    assert any("no scaler" in p["what"] and p["level"] == "warning" and p["remedy"] for p in health["problems"])
    point = first.data["history"][-1]
    assert point.keys() == {"t", "submitted", "completed", "dead", "queued", "running", "nodes", "target",
                            *(f"{k}_p{p}" for k in ("wait", "run") for p in (50, 95, 99))}


def test_the_overview_is_the_same_as_json(system):
    answer = system.web.get("/api/v1/overview")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == PIECES


def test_what_a_task_changes_is_told(system, listen):
    listener = listen()
    before = listener.next().data["overview"]["totals"]
    task = system.submit("echo", b"x")
    system.finished(task, "completed")
    delta = listener.next(has("overview.totals", lambda t: t["completed"] == before["completed"] + 1))
    assert delta.name == "delta"
    assert delta.data["overview"]["totals"]["submitted"] == before["submitted"] + 1
    # The lane is new or has changed at some time since the snapshot; what did not change is not told.
    assert any("echo" in {lane["name"] for lane in e.data.get("lanes", [])} for e in listener.heard)
    for _ in range(20):
        system.submit("echo", b"x")
    listener.next(has("overview.rates", lambda r: r["submitted"] > 0 and r["started"] > 0), 10)
    listener.next(has("overview.wait", lambda w: w["p95_ms"] is not None), 10)
    listener.next(has("overview.sla", lambda s: s["compliance"] is not None), 10)


def test_only_what_changed_is_told(system, listen):
    listener = listen()
    listener.next()
    for _ in range(8):
        delta = listener.next().data
        assert "nodes" not in delta or any(n["cpu_percent"] is not None for n in delta["nodes"])
        assert len(delta.get("history", [])) <= 1
    seconds = [p["t"] for e in listener.heard[1:] for p in e.data.get("history", [])]
    # One a second; a gateway that got no processor for longer than that leaves one out, and repeats none.
    assert seconds == sorted(set(seconds)) and seconds[-1] - seconds[0] <= len(seconds), seconds


def test_at_most_four_events_a_second_under_load(system, listen):
    listener = listen()
    listener.next()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for _ in range(50):
            system.nats.publish("tasks.echo", b"x")
        time.sleep(0.05)
    times = []
    while not listener.queue.empty():
        event = listener.queue.get()[1]
        times.append(datetime.fromisoformat(event.data["at"]).timestamp())  # the gateway's clock: a slow reader hears them in bursts
    assert len(times) >= 5
    for first in times:
        assert sum(first <= t < first + 0.99 for t in times) <= 4


def test_a_lane_that_is_gone_is_removed(system, listen):
    listener = listen()
    listener.next()
    system.submit("vanishing", b"x")
    listener.next(lambda e: any(lane["name"] == "vanishing" for lane in e.data.get("lanes", [])))
    system.nats.api("STREAM.DELETE.LANE_vanishing")
    listener.next(has("removed.lanes", lambda names: "vanishing" in names))


# ---- going on ----

@pytest.mark.parametrize("how", ["header", "query"])
def test_who_comes_back_misses_nothing_and_hears_nothing_twice(system, listen, how):
    steady, brief = listen(), listen()
    brief.next()
    brief.next()
    seen = brief.next()
    brief.close()
    time.sleep(2)  # meanwhile things are told
    back = listen(**({"headers": {"Last-Event-ID": seen.id}} if how == "header" else {"path": f"/events?last_event_id={seen.id}"}))
    last = back.next()
    for _ in range(4):
        last = back.next()
    until(lambda: any(e.id == last.id for e in steady.heard), 10, "the steady one heard it too")
    ids = [e.id for e in steady.heard]
    missed = steady.heard[ids.index(seen.id) + 1:ids.index(last.id) + 1]
    assert [(e.name, e.id, e.data) for e in back.heard[:len(missed)]] == [(e.name, e.id, e.data) for e in missed]
    assert all(e.name == "delta" for e in back.heard)


@pytest.mark.parametrize("last_id", ["0123456789abcdef-5", "x", "-1", "%F0%9F%92%A5"])
def test_an_id_of_another_time_begins_anew(listen, last_id):
    assert listen(f"/events?last_event_id={last_id}").next().name == "snapshot"


def test_an_id_of_the_future_begins_anew(listen):
    ring, number = listen().next().id.split("-")
    assert listen(headers={"Last-Event-ID": f"{ring}-{int(number) + 100000}"}).next().name == "snapshot"


# ---- many, slow, dead ----

def test_a_listener_that_died_is_noticed(system):
    before = streams(system)
    dead = []
    for _ in range(5):
        s = socket.create_connection(("127.0.0.1", Http(system.http).base.port))
        s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in s.recv(100)
        dead.append(s)
    until(lambda: streams(system) >= before + 5, 10, "they listen")
    for i, s in enumerate(dead):
        if i % 2:  # with a reset, and with an orderly end
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    until(lambda: streams(system) <= before, 20, "they are gone")


def test_500_listeners_cost_little_and_one_too_many_is_refused(system):
    """Memory under 64 MiB, whichever build; all hear the same; those over http.streams get 429; who doesn't read costs nothing more."""
    base, pid, wanted = Http(system.http).base, system.pid("gateway"), 500
    # Those of other tests, which did not read, too: there is room for 505.
    until(lambda: streams(system) + streams(system, "tasks") == 0, 45, "the listeners of before have left")

    async def run():
        before, spent, heard, refused = rss(pid), 0.0, [[] for _ in range(wanted)], []

        async def one(i, reads=True):
            reader, writer = await asyncio.open_connection(base.hostname, base.port, limit=16 << 20)
            try:
                writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 429 " in head:
                    refused.append(head)
                    return
                assert b" 200 " in head, head
                while reads and (line := await reader.readline()):
                    if line.startswith(b"id: "):
                        heard[i].append(line)
                await asyncio.sleep(3600)
            finally:
                writer.transport.abort()
        tasks = [asyncio.create_task(one(i, reads=i >= 100)) for i in range(wanted)]
        try:
            end = time.monotonic() + 60
            while not all(len(h) >= 2 for h in heard[100:]):
                failed = [t.exception() for t in tasks if t.done() and t.exception()]
                deaf = sum(len(h) < 2 for h in heard[100:])
                assert time.monotonic() < end and not refused and not failed, (deaf, len(refused), failed[:3])
                await asyncio.sleep(0.1)
            begun, spent = time.monotonic(), cpu_s(pid)
            for _ in range(100):
                for _ in range(20):
                    system.nats.publish("tasks.echo", b"x")
                await asyncio.sleep(0.05)
            spent = (cpu_s(pid) - spent) / (time.monotonic() - begun)
            grown = rss(pid) - before
            more = [asyncio.create_task(one(wanted - 1)) for _ in range(10)]
            end = time.monotonic() + 20
            while len(refused) < 5:
                assert time.monotonic() < end, "http.streams holds nobody back"
                await asyncio.sleep(0.1)
            tasks.extend(more)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        print(f"500 listeners: {grown >> 20} MiB, {spent:.3f} of a processor")
        assert grown < 64 << 20
        assert all(b"\r\nRetry-After: " in head for head in refused)
        last = set.intersection(*(set(h) for h in heard[100:wanted - 1]))
        assert len(last) >= 2, "they hear the same events"
    asyncio.run(run())
    until(lambda: streams(system) < 100, 30, "all have left")


# ---- trouble ----

def test_a_broker_that_goes_is_told_and_its_return_too(system, listen):
    listener = listen()
    listener.next()
    system.hold("broker")
    try:
        gone = listener.next(has("health.broker", lambda b: not b["ok"]))
        assert gone.name == "delta" and not gone.data["health"]["ok"]
        assert gone.data["health"]["problems"][0]["level"] == "critical" and "broker" in gone.data["health"]["problems"][0]["what"]
        assert system.web.get("/livez").status == 200
        ready = system.web.get("/readyz")
        assert ready.status == 503 and ready.headers["retry-after"]
        health = system.web.get("/health").json()
        assert health["healthy"] is False and health["status"] == "degraded" and not health["broker"]["ok"]
        overview = system.web.get("/api/v1/overview")
        assert overview.status == 200 and not overview.json()["health"]["ok"]
        # The charts go on, with nothing in them that nobody knows.
        listener.next(lambda e: any(p["queued"] is None for p in e.data.get("history", [])))
    finally:
        system.release("broker")
    listener.next(has("health", lambda h: h["broker"]["ok"] and h["database"]["ok"] and h["router"] and h["store"]), 60)
    system.finished(system.submit("echo", b"x"), "completed")
    listener.next(has("overview.totals", lambda t: t["completed"]))
    assert [e.name for e in listener.heard].count("snapshot") == 1  # one stream through all of it


def test_a_database_that_goes_is_told_and_its_return_too(system, listen):
    listener = listen()
    listener.next()
    system.hold("postgresql")
    try:
        gone = listener.next(has("health.database", lambda d: not d["ok"]), 30)
        assert gone.data["health"]["broker"]["ok"] and not gone.data["health"]["ok"]
        assert any("database is away" in p["what"] and p["remedy"] for p in gone.data["health"]["problems"])
        assert system.web.get("/livez").status == 200
        assert system.web.get("/readyz").status == 503
        system.submit("echo", b"x")  # tasks run all the same, and are seen to
        listener.next(has("overview.rates", lambda r: r["started"]))
    finally:
        system.release("postgresql")
    listener.next(has("health.database", lambda d: d["ok"]), 60)
    until(lambda: system.web.get("/readyz").status == 200, 30, "ready again")


def test_health_speaks_to_monitoring(system):
    task = system.submit("echo", b"x")
    system.finished(task, "completed")
    health = until(lambda: (h := system.web.get("/health").json())["healthy"] and h["stats"]["workers"] and h, 30, "healthy")
    assert health["status"] == "healthy" and health["version"] and health["uptime_seconds"] >= 0
    assert health["cluster_initialized"] is True and health["healing_initialized"] is False  # there is no scaler here
    stats = health["stats"]
    assert stats["idle_workers"] + stats["busy_workers"] == stats["total_workers"] >= 1
    assert 0 <= stats["average_load"] <= 1 and 0 < stats["success_rate"] <= 1
    assert stats["running_tasks"] >= 0 and stats["queues"]["echo"].keys() == {"pending", "running"}
    worker = next(w for w in stats["workers"] if w["name"] == "node-1")
    assert worker["avg_duration_ms"] >= 0 and worker["state"] in ("idle", "busy")


def test_a_lane_that_no_node_serves_is_a_problem_with_a_remedy(system, listen):
    listener = listen()
    listener.next()
    system.submit("echo", b"x", task_requires="gpu")
    told = listener.next(has("health.problems", lambda ps: any("echo--gpu" in p["what"] for p in ps)))
    problem = next(p for p in told.data["health"]["problems"] if "echo--gpu" in p["what"])
    assert problem["level"] == "critical" and "--capabilities gpu" in problem["remedy"]
    assert system.web.get("/health").json()["status"] == "degraded"
    system.nats.request("api.lane.purge", b"echo--gpu")
    listener.next(has("health", lambda h: not any("echo--gpu" in p["what"] for p in h["problems"])))


# ---- the tail ----

def test_the_tail_tells_what_becomes_of_tasks_by_filter(system, listen):
    everything, some = listen("/events?feed=tasks"), listen("/events?feed=tasks&type=hash&state=completed,dead")
    until(lambda: streams(system, "tasks") == 2, 10, "both listen")
    hashed, echoed = system.submit("hash", b"x"), system.submit("echo", b"y")
    event = some.next()
    assert event.name == "tasks" and event.id
    assert event.data == {"tasks": [{"id": hashed, "type": "hash", "state": "completed"}], "more": 0}
    everything.next(lambda e: any(t["id"] == echoed and t["state"] == "completed" for t in e.data["tasks"]))
    assert all(t["type"] == "hash" for e in some.heard for t in e.data["tasks"])


def test_a_flood_is_told_by_number(system, listen):
    tail = listen("/events?feed=tasks&type=stats&state=completed")
    until(lambda: streams(system, "tasks") >= 1, 10, "it listens")
    n = 2000
    for _ in range(n):
        system.nats.publish("tasks.stats", b"1,2,3")
    until(lambda: sum(len(e.data["tasks"]) + e.data["more"] for e in tail.heard) >= n, 60, "all are counted")
    assert all(0 < len(e.data["tasks"]) <= 100 for e in tail.heard)
    assert any(e.data["more"] for e in tail.heard)


def test_the_tail_goes_on_where_one_was(system, listen):
    first = listen("/events?feed=tasks&type=echo&state=completed")
    until(lambda: streams(system, "tasks") >= 1, 10, "it listens")
    system.submit("echo", b"x")
    seen = first.next()
    first.close()
    missed = system.submit("echo", b"x")
    system.finished(missed, "completed")
    back = listen("/events?feed=tasks&type=echo&state=completed", headers={"Last-Event-ID": seen.id})
    assert back.next().data["tasks"][0]["id"] == missed


@pytest.mark.parametrize("query,field", [("feed=lanes", "feed"), ("feed=tasks&state=failed", "state"),
                                         ("feed=tasks&type=a%20b", "type"), ("feed=tasks&type=--", "type")])
def test_what_makes_no_sense_is_refused(system, query, field):
    answer = system.web.get(f"/events?{query}")
    assert answer.status == 400 and answer.json()["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"


def test_too_many_filters_are_refused(system, listen):
    for i in range(32):
        listen(f"/events?feed=tasks&type=many{i}")
    until(lambda: streams(system, "tasks") >= 28, 20, "they listen")
    refused = until(lambda: (a := _try(system, "/events?feed=tasks&type=another")) and a.status == 429 and a, 20, "429")
    assert refused.headers["retry-after"]


def _try(system, path):
    """The status of a stream without reading it."""
    web = Http(system.http)
    connection = web.connect(5)
    try:
        connection.request("GET", path)
        return connection.getresponse()
    finally:
        connection.close()


def test_streams_end_with_the_gateway(system, listen):
    listener = listen()
    listener.next()
    system.kill("gateway", 15)
    until(lambda: not listener.thread.is_alive(), 15, "the stream ended")
    assert listener.error is None  # orderly: not cut off within a chunk
    system.wait_ready("gateway")
    assert json.loads(system.web.get("/livez").body)["ok"]
