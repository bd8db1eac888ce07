"""Schedules: each tick is one task, however many routers tick, however late they are."""
import datetime
import json
import random
import signal
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/router"))

from cron_ticks import Cron  # noqa: E402
from lib.system import BIN  # noqa: E402
from lib.wait import until  # noqa: E402


def entry(system, name):
    reply = system.nats.stream_message("KV_schedules", last_on=f"$KV.schedules.{name}")
    return json.loads(reply.data) if reply and reply.data else None


def tasks(system, name):
    return [r["id"] for r in system.sql(f"select id from millrace.tasks where id like '{name}.%' order by id")]


def put(system, name, **value):
    """As an operator might by `nats kv put`."""
    system.nats.js_publish(f"$KV.schedules.{name}", json.dumps(value))


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(seconds):
    return iso(seconds).replace("-", "").replace(":", "")


def add(system, name, *words, **more):
    return system.cli("schedule", "add", name, *words, **more)


def test_every_second_is_a_task_with_its_body_and_headers(system):
    add(system, "second", "--cron", "@every 1s", "echo", "--data", "tick", "-p", "high", "-H", "X-Colour:green")
    try:
        until(lambda: len(tasks(system, "second")) >= 3, 20, "three ticks")
    finally:
        system.cli("schedule", "remove", "second")
    task = system.finished(tasks(system, "second")[0], "completed")
    assert task["result"] == "tick" and task["priority"] == "high"
    headers = system.sql(f"select headers from millrace.tasks where id = '{task['id']}'")[0]["headers"]
    assert "green" in headers and '"Task-Schedule":"second"' in headers and "Task-Tick" in headers
    waited = datetime.datetime.fromisoformat(task["submitted_at"].replace("Z", "+00:00")).timestamp()
    tick = datetime.datetime.strptime(task["id"], "second.%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    assert 0 <= waited - tick < 2


def test_many_routers_make_each_tick_one_task(system):
    """Three routers; one sleeps through ticks and is woken, one is killed."""
    extra = [system.run([BIN / "millrace-router"]) for _ in range(2)]
    until(lambda: sum(b"millrace-router" == s["name"].encode() for s in services(system)) == 3, 30, "three routers")
    before = system.nats.stream_state("TASKS")["last_seq"]
    add(system, "many", "--cron", "@every 1s", "--catch-up", "all", "echo", "-d", "x")
    until(lambda: (entry(system, "many") or {}).get("ticks", 0) >= 2, 20, "two ticks")
    os.kill(extra[0].pid, signal.SIGSTOP)
    until(lambda: entry(system, "many")["ticks"] >= 6, 20, "more while one sleeps")
    os.kill(extra[0].pid, signal.SIGCONT)
    extra[1].kill()
    extra[1].wait()
    until(lambda: entry(system, "many")["ticks"] >= 12, 30, "more after that")
    system.cli("schedule", "pause", "many")
    last = entry(system, "many")
    until(lambda: len(tasks(system, "many")) >= last["ticks"], 20, "all are stored")
    ids = tasks(system, "many")
    # Nothing twice in TASKS either (its own count), and nothing left out between the first and the last.
    assert system.nats.stream_state("TASKS")["last_seq"] - before == len(ids) == last["ticks"]
    first, final = (datetime.datetime.strptime(i, "many.%Y%m%dT%H%M%SZ") for i in (ids[0], ids[-1]))
    assert (final - first).total_seconds() == len(ids) - 1
    system.cli("schedule", "remove", "many")
    extra[0].terminate()


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="no libfaketime")
def test_a_router_whose_clock_is_late_submits_no_tick_again(system):
    """By an hour, so that it comes to each tick long after TASKS has forgotten the id: the last tick decides."""
    name = "late"
    late = system.run([BIN / "millrace-router"], env={
        "LD_PRELOAD": FAKETIME, "FAKETIME": "-1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
    try:
        until(lambda: len([s for s in services(system) if s["name"] == "millrace-router"]) >= 2, 30, "two routers")
        now = int(time.time())
        before = system.nats.stream_state("TASKS")["last_seq"]
        # For the late one nearly all of these are in the future, and some are due while the others are long noted.
        put(system, name, cron="@every 1s", type="echo", catch_up="all", since_at=iso(now - 3603))
        until(lambda: (entry(system, name) or {}).get("ticks", 0) >= 105, 60, "caught up, and a few more")
        system.cli("schedule", "pause", name)
        last = entry(system, name)
        # No tick twice: one message of TASKS for each task.
        submitted = lambda: system.nats.stream_state("TASKS")["last_seq"] - before  # noqa: E731
        until(lambda: len(tasks(system, name)) >= max(last["ticks"], submitted()), 30, "all are stored")
        done = tasks(system, name)
        assert submitted() == len(done) == len(set(done))
        # What the late one submitted while another noted a later tick is not counted in `ticks`; it was due by its clock.
        early = [t for t in done if t <= f"{name}.{stamp(int(time.time()) - 3600)}"]
        assert 0 <= len(done) - last["ticks"] <= len(early), (len(done), last["ticks"], early)
        system.cli("schedule", "remove", name)
    finally:
        late.terminate()


def services(system):
    inbox = system.nats.subscribe("_INBOX.ping.test")
    system.nats.publish("$SRV.PING", b"", reply="_INBOX.ping.test")
    time.sleep(0.3)  # as long as `nats micro ls` gathers, roughly
    found = [m.json() for m in inbox.drain()]
    inbox.close()
    return found


@pytest.mark.parametrize("policy,expected", [("none", 0), ("last", 1), ("all", 4), (None, 0)])
def test_catch_up_after_an_outage(system, policy, expected):
    """The last tick was over four hours ago, and it ticks each hour on the hour that is not now."""
    now = int(time.time())
    minute = (datetime.datetime.fromtimestamp(now, datetime.timezone.utc).minute + 30) % 60
    name = f"out-{policy}".lower()
    ticks = Cron(f"{minute} * * * *").ticks("UTC", now - 5 * 3600, now)
    put(system, name, cron=f"{minute} * * * *", type="echo", since_at=iso(now - 86400), last_tick_at=iso(ticks[-5]),
        **({"catch_up": policy} if policy else {}))
    until(lambda: entry(system, name)["last_tick_at"].startswith(iso(ticks[-1])[:-1]), 20, "caught up")
    wanted = [f"{name}.{stamp(t)}" for t in (ticks[-4:] if policy == "all" else ticks[-1:])[:expected or None]]
    if not expected:
        wanted = []
    until(lambda: tasks(system, name) == wanted, 20, wanted)
    assert entry(system, name).get("ticks", 0) == expected
    system.cli("schedule", "remove", name)


def test_catching_up_is_bounded(system):
    now = int(time.time())
    put(system, "bounded", cron="0 * * * * *", type="echo", catch_up="all", since_at=iso(now - 40 * 86400))
    until(lambda: entry(system, "bounded").get("ticks", 0) >= 100, 40, "a hundred ticks")
    system.cli("schedule", "remove", "bounded")
    assert 100 <= len(tasks(system, "bounded")) <= 102


def test_a_tick_that_was_submitted_but_not_noted_is_not_submitted_again(system):
    """As a router leaves it that dies between the two writes, found when TASKS has forgotten the id."""
    now = int(time.time())
    tick = now - 3600
    name = "dying"
    system.finished(system.submit("echo", "first", task_id=f"{name}.{stamp(tick)}"), "completed")
    before = system.nats.stream_state("TASKS")["last_seq"]
    at = datetime.datetime.fromtimestamp(tick, datetime.timezone.utc)
    put(system, name, cron=f"{at.second} {at.minute} {at.hour} * * *", type="echo", catch_up="last",
        since_at=iso(tick - 100))
    until(lambda: "last_tick_at" in entry(system, name), 20, "noted")
    assert system.nats.stream_state("TASKS")["last_seq"] == before
    system.cli("schedule", "remove", name)


def test_a_paused_schedule_does_not_tick_nor_make_up_for_it(system):
    add(system, "lazy", "--cron", "@every 1s", "--catch-up", "all", "--paused", "echo")
    system.cli("schedule", "resume", "lazy")
    until(lambda: entry(system, "lazy").get("ticks", 0) >= 1, 20, "it ticks")
    system.cli("schedule", "pause", "lazy")
    paused = entry(system, "lazy")
    assert paused["paused"] and "next_tick_at" not in system.cli_json("schedule", "show", "lazy")[0]
    time.sleep(3.2)  # ticks that must not come
    assert entry(system, "lazy") == paused
    system.cli("schedule", "resume", "lazy")
    until(lambda: entry(system, "lazy")["ticks"] > paused["ticks"], 20, "it ticks again")
    assert entry(system, "lazy")["ticks"] <= paused["ticks"] + 2
    system.cli("schedule", "remove", "lazy")


def test_run_now_and_the_list(system):
    add(system, "yearly", "--cron", "@yearly", "--tz", "Asia/Tokyo", "hash", "--data", "abc")
    task_id = system.cli("schedule", "run", "yearly").out.strip()
    assert task_id.startswith("yearly.run-")
    assert system.finished(task_id, "completed")["result"].startswith("ba7816bf")
    row = next(r for r in system.cli_json("schedule", "list") if r["name"] == "yearly")
    assert row["type"] == "hash" and row["next_tick_at"].endswith("-12-31T15:00:00.000000Z")
    shown = system.cli("schedule", "show", "yearly").out
    assert "Asia/Tokyo" in shown and "then" in shown
    system.cli("schedule", "remove", "yearly")
    assert system.cli("schedule", "show", "yearly", check=False).returncode == 3
    assert "yearly" not in system.cli("schedule", "list").out


def test_a_name_that_was_removed_can_be_added_again(system):
    for number in range(2):
        add(system, "again", "--cron", "@yearly", "echo")
        refused = add(system, "again", "--cron", "@yearly", "echo", check=False)
        assert refused.returncode == 1 and "--replace" in refused.err
        add(system, "again", "--cron", "@monthly", "--replace", "echo", "--data", str(number))
        assert entry(system, "again")["cron"] == "@monthly" and entry(system, "again")["body"] == str(number)
        system.cli("schedule", "remove", "again")


@pytest.mark.parametrize("words,sentence", [
    (["--cron", "61 * * * *", "echo"], "cron: minute: \"61\""),
    (["--cron", "0 0 30 2 *", "echo"], "never come"),
    (["--cron", "@daily", "--tz", "Mars/Olympus", "echo"], "tz: there is no time zone"),
    (["--cron", "@daily", "--tz", "../../etc/passwd", "echo"], "tz:"),
    (["--cron", "@daily", "--tz", "Europe", "echo"], "tz: \"Europe\" is a region"),
    (["--cron", "@daily", "--catch-up", "some", "echo"], "catch_up:"),
    (["--cron", "@daily", "e cho"], "type"),
    (["--cron", "@daily", "echo", "-H", "Task-At:2030-01-01T00:00:00Z"], "Task-At"),
    (["--cron", "@daily", "echo", "-H", "Task-Backoff:often"], "Task-Backoff"),
    (["echo"], "--cron"),
])
def test_what_is_wrong_is_refused_with_a_sentence(system, words, sentence):
    done = add(system, "wrong", *words, check=False)
    assert done.returncode == 2 and sentence in done.err, done.err
    assert entry(system, "wrong") is None


def test_an_entry_put_by_hand_that_is_wrong_is_shown_as_such(system):
    put(system, "hand", cron="* * * *", type="echo")
    system.nats.js_publish("$KV.schedules.garbage", b"{nothing")
    rows = until(lambda: (lambda r: r if {"hand", "garbage"} <= set(r) else None)(
        {r["name"]: r for r in system.cli_json("schedule", "list")}), 10, "both are listed")
    assert "no cron expression" in rows["hand"]["error"] and rows["garbage"]["error"]
    system.cli("schedule", "remove", "hand")
    system.cli("schedule", "remove", "garbage")


def test_ticks_are_those_of_a_brute_force_search(system):
    """Random expressions around the clocks' changes, against Python's zoneinfo."""
    seed = int(os.environ.get("MILLRACE_SEED", time.time()))
    print("MILLRACE_SEED =", seed)
    dice = random.Random(seed)
    changes = [("Europe/Berlin", 2026, 3, 29), ("Europe/Berlin", 2026, 10, 25), ("America/New_York", 2027, 3, 14),
               ("America/New_York", 2027, 11, 7), ("Australia/Lord_Howe", 2026, 10, 4), ("America/Santiago", 2026, 4, 5),
               ("Africa/Cairo", 2026, 4, 24), ("Pacific/Apia", 2011, 12, 30), ("Antarctica/Troll", 2026, 3, 29),
               ("Asia/Kolkata", 2026, 1, 1), ("Europe/Dublin", 2045, 3, 26), ("America/Havana", 2026, 11, 1)]

    def field(low, high):
        first, second = sorted(dice.sample(range(low, high + 1), 2))
        return dice.choice(["*", "*", f"*/{dice.randint(2, 7)}", str(first), f"{first}-{second}", f"{first},{second}",
                            f"{first}-{second}/{dice.randint(1, 3)}"])
    for _ in range(60):
        zone, *day = dice.choice(changes)
        text = " ".join([field(0, 59), dice.choice([field(0, 23), field(0, 4)]), dice.choice(["*", field(1, 31)]), "*",
                         dice.choice(["*", field(0, 6)])])
        begin = int(datetime.datetime(*day, tzinfo=datetime.timezone.utc).timestamp()) - 86400 - dice.randint(0, 1000) * 60
        expected = Cron(text).ticks(zone, begin, begin + 3 * 86400)[:300]
        body = {"cron": text, "tz": zone, "after_at": iso(begin), "count": max(len(expected), 1)}
        answer = system.nats.request("api.schedule.next", json.dumps(body)).json()
        found = [int(datetime.datetime.fromisoformat(t.replace("Z", "+00:00")).timestamp()) for t in answer["ticks_at"]]
        assert found[:len(expected)] == expected, (seed, body)
        if len(expected) < 300:
            assert len(expected) == len(found) or found[-1] > begin + 3 * 86400, (seed, body)
