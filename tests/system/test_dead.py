"""Dead letters: what they tell, finding them, replaying and discarding them, once each, whoever asks and however often."""
import base64
import json
import re
import subprocess
import threading

import pytest

from lib.natsraw import Client, Error
from lib.wait import until

SYSTEM = {"nodes": 1}


def kill_with(system, task_id, body="no good", kind="fail", **headers):
    """A task that died of its first attempt."""
    system.submit(kind, body, task_id=task_id, task_attempts="1", **headers)
    return system.finished(task_id, "dead")


def ask(system, verb, body, timeout=10):
    reply = system.nats.request(f"api.dead.{verb}", body if isinstance(body, (str, bytes)) else json.dumps(body), timeout=timeout)
    code = reply.header("Nats-Service-Error-Code")
    if code:
        return int(code), reply.header("Nats-Service-Error")
    return 200, reply.json()


def done(system, verb, body):
    code, answer = ask(system, verb, body)
    assert code == 200, answer
    return answer


def letters(system, **select):
    found, cursor = [], None
    while True:
        page = done(system, "list", {"limit": 1000, **select, **({"cursor": cursor} if cursor else {})})
        found += page["letters"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def answers_of_all(system, subject):
    """Every component's answer."""
    inbox = system.nats.subscribe(f"{system.nats.prefix}all.{next(system.nats.tokens)}")
    system.nats.publish(subject, reply=f"{system.nats.prefix}all.{next(system.nats.tokens) - 1}")
    found = []
    until(lambda: found.extend(inbox.drain()) or len(found) >= 3, what="answers")
    inbox.close()
    return found


def test_a_letter_tells_all_that_is_known(system):
    task = kill_with(system, "tell-1", "row 17 of 'x.csv' is bad", x_mine="1", task_project="p", content_type="text/plain")
    letter = until(lambda: [x for x in letters(system, type="fail") if x["id"] == "tell-1"], what="the letter")[0]
    assert letter["reason"] == "error" and letter["error"] == "row 17 of 'x.csv' is bad" and letter["attempts"] == 1
    assert letter["node"] and letter["lane"] == "fail" and letter["submitted_at"] and letter["died_at"]
    assert letter["retry_id"] == "tell-1.r1" and letter["body_bytes"] == 24
    # the fingerprint is the same wherever one looks, and that of the same failure of another row
    assert len(letter["fingerprint"]) == 10 and task["fingerprint"] == letter["fingerprint"]
    assert kill_with(system, "tell-2", "row 9000 of 'other one' is bad")["fingerprint"] == letter["fingerprint"]
    row = system.sql("select fingerprint, dead_seq from millrace.dead_letter_queue where task_id = 'tell-1'")[0]
    assert row == {"fingerprint": letter["fingerprint"], "dead_seq": letter["seq"]}
    raw = system.nats.stream_message("DEAD", seq=letter["seq"])
    assert raw.header("Outcome-Fingerprint") == letter["fingerprint"] and raw.data == b"row 17 of 'x.csv' is bad"
    whole = done(system, "get", "tell-1")
    assert whole["body"] == "row 17 of 'x.csv' is bad" and whole["headers"]["X-Mine"] == "1"
    assert done(system, "get", f"seq:{letter['seq']}")["id"] == "tell-1"
    assert ask(system, "get", "tell-none")[0] == 404


def test_replay_by_id_runs_it_once_more(system):
    kill_with(system, "again-1", "2", kind="flaky")
    answer = done(system, "replay", "again-1")
    assert answer["replayed"] == 1 and answer["items"][0]["retry_id"] == "again-1.r1"
    task = system.finished("again-1.r1", "dead")  # its one attempt, of the three that it takes
    assert task["headers"]["Task-Retry-Of"] == "again-1"
    assert system.task("again-1")["state"] == "dead"
    # its letter is gone, and asking again says what became of it
    assert not [x for x in letters(system, type="flaky") if x["id"] == "again-1"]
    answer = done(system, "replay", "again-1")
    assert (answer["replayed"], answer["already"]) == (0, 1) and answer["items"][0]["outcome"] == "already"
    # the next one's next
    assert done(system, "replay", "again-1.r1")["items"][0]["retry_id"] == "again-1.r2"
    system.finished("again-1.r2", "dead")
    assert ask(system, "replay", "never-was")[0] == 404


def test_a_sequence_without_a_letter_is_404(system):
    kill_with(system, "seq-1", "discarded by its sequence")
    seq = done(system, "get", "seq-1")["seq"]
    assert done(system, "discard", f"seq:{seq}")["discarded"] == 1
    for absent in (seq, 10**9):
        for verb in ("replay", "discard", "get"):
            code, why = ask(system, verb, f"seq:{absent}")
            assert code == 404 and "no such dead letter" in why, (verb, code, why)
    assert system.task("seq-1.r1") is None


def test_replay_drops_what_spoke_of_the_first_time(system):
    system.nats.js_publish("tasks.fail", "late", {"Task-Id": "once-1", "Task-Attempts": "1",
                                                  "Task-Priority": "high", "X-Kept": "yes"})
    system.finished("once-1", "dead")
    letter = done(system, "get", "once-1")
    # as if it had been published with all that: the letter of a task that expired
    system.nats.js_publish("dead.echo", "body", {"Task-Id": "once-2", "Task-Type": "echo", "Outcome": "failed", "Outcome-Reason": "expired",
                                                 "Outcome-Error": "too late", "Task-Expires": "2020-01-01T00:00:00Z",
                                                 "Task-Delay": "1h", "Task-Attempt": "3", "X-Kept": "yes"})
    assert done(system, "replay", "once-2")["replayed"] == 1
    task = system.finished("once-2.r1", "completed")
    assert task["result"] == "body" and task["attempt"] == 1 and task["headers"]["X-Kept"] == "yes"
    assert "Task-Expires" not in task["headers"] and "Task-Delay" not in task["headers"]
    assert letter["headers"].get("Task-Priority") == "high", letter


def test_replaying_twice_runs_once(system):
    """Two operators, the same letter back in DEAD as if its removal had been lost, and beyond the dedupe window."""
    n = system.nats
    letter = {"Task-Id": "twice-1", "Task-Type": "echo", "Outcome": "failed", "Outcome-Error": "x"}
    n.js_publish("dead.echo", "once only", letter)
    answers = []

    def one():
        client = Client(system.nats_url)
        answers.append(json.loads(client.request("api.dead.replay", "twice-1").data))
        client.close()
    threads = [threading.Thread(target=one) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sum(a.get("replayed", 0) for a in answers) == 1, answers
    assert system.finished("twice-1.r1", "completed")["result"] == "once only"
    tap = n.subscribe("results.echo.>")
    n.flush()
    # Outside every dedupe window a second message of TASKS has its own Nats-Msg-Id, or none that is remembered.
    n.js_publish("tasks.echo", "once only", {"Task-Id": "twice-1.r1", "Task-Retry-Of": "twice-1", "Nats-Msg-Id": "another"})
    n.js_publish("dead.echo", "once only", letter)
    assert done(system, "replay", "twice-1")["already"] == 1
    assert n.stream_message("DEAD", last_on="dead.echo") is None or done(system, "list", {"type": "echo"})["letters"] == []
    system.finished(system.submit("echo", "after", task_id="twice-after"))
    until(lambda: n.stream_state("TASKS")["messages"] == 0, what="TASKS empty")
    assert [m.subject for m in tap.drain()] == ["results.echo.twice-after"]
    tap.close()
    metrics = "".join(m.data.decode() for m in answers_of_all(system, "ctl.metrics"))
    assert re.search(r"^millrace_router_replays_dropped_total [1-9]", metrics, re.M), metrics
    assert system.sql("select count(*) as n from millrace.tasks where id = 'twice-1.r1'")[0]["n"] == 1


def test_a_publisher_who_fakes_a_retry_is_a_publisher(system):
    """The header alone makes no claim: the id has to be the next one of the task that it names."""
    for i in range(2):
        system.nats.js_publish("tasks.echo", f"{i}", {"Task-Id": f"fake-{i}", "Task-Retry-Of": "another"})
        assert system.finished(f"fake-{i}", "completed")["result"] == f"{i}"
    system.nats.js_publish("tasks.echo", "x", {"Task-Id": "fake-2", "Task-Retry-Of": "*.> \x7f"})
    # what no id could be is refused, as in any header of ours
    assert "Task-Retry-Of" in system.finished("fake-2", "dead")["error"]
    done(system, "discard", "fake-2")


def test_selections_and_groups(system):
    for i in range(3):
        kill_with(system, f"sel-a{i}", f"disk {i} is full")
    for i in range(2):
        kill_with(system, f"sel-b{i}", f"host h{i} refused")
    first = done(system, "get", "sel-a0")["fingerprint"]
    second = done(system, "get", "sel-b0")["fingerprint"]
    groups = {g["fingerprint"]: g for g in done(system, "groups", {"type": "fail"})["groups"]}
    assert groups[first]["count"] == 3 and groups[second]["count"] == 2
    assert groups[first]["error"] == "disk 2 is full" and groups[first]["id"] == "sel-a2"
    assert [x["id"] for x in letters(system, fingerprint=second)] == ["sel-b0", "sel-b1"]
    # pages
    page = done(system, "list", {"fingerprint": first, "limit": 2})
    assert [x["id"] for x in page["letters"]] == ["sel-a0", "sel-a1"]
    page = done(system, "list", {"fingerprint": first, "limit": 2, "cursor": page["next_cursor"]})
    assert [x["id"] for x in page["letters"]] == ["sel-a2"] and not page["next_cursor"]
    # one, then the rest, in plain words
    answer = done(system, "replay", {"fingerprint": first, "limit": 1})
    assert answer["replayed"] == 1 and answer["items"][0]["id"] == "sel-a0"
    system.finished("sel-a0.r1", "dead")
    # … which died again meanwhile: what was there at the beginning is meant
    answer = done(system, "replay", {"fingerprint": first, "limit": 1000, "cursor": answer["next_cursor"]})
    assert sorted(i["id"] for i in answer["items"]) == ["sel-a1", "sel-a2"] and not answer["next_cursor"]
    assert done(system, "discard", f"fingerprint:{second}")["discarded"] == 2
    for i in range(3):
        system.finished(f"sel-a{i}.r1", "dead")
    assert system.task("sel-b0")["state"] == "dead" and system.task("sel-b0.r1") is None
    # type:, and what died of the replays
    assert done(system, "discard", "type:fail")["discarded"] >= 3
    assert letters(system, type="fail") == []


@pytest.mark.parametrize("body, fault", [
    ("", "which"), ("type:", "type"), ("type:a b", "type"), ("type:*", "type"), ("fingerprint:xyz", "fingerprint"),
    ("seq:-1", "seq"), ("seq:0", "seq"), ("../etc", "id"), ("a\r\nb", "id"), ("\xff\xfe", None), ("{", None), ('{"nope":1}', "nope"),
    ('{"cursor":"x","all":true}', "cursor"), ('{"id":"a","all":true}', "id"), ('{"type":">"}', "type"), ("x" * 5000, None),
])
def test_requests_without_sense_are_refused(system, body, fault):
    for verb in ("replay", "discard"):
        code, why = ask(system, verb, body.encode("latin1"))
        assert code == 400 and (not fault or fault in why), (code, why)


def test_hostile_errors_and_bodies(system, tmp_path):
    """What a node says of a failure is bytes of a stranger: control characters, a megabyte, broken UTF-8."""
    n = system.nats
    huge = kill_with(system, "bad-mega", "x " * 500000)
    letter = done(system, "get", "bad-mega")
    assert letter["fingerprint"] == huge["fingerprint"] and len(letter["error"]) <= 2047 and letter["body_bytes"] == 1000000
    done(system, "discard", "bad-mega")
    base = {"Task-Type": "echo", "Task-Attempts": "1", "Outcome": "failed", "Outcome-Reason": "error"}
    hostile = {"bad-ctl": "a\x01\x02\x1b[31m\tb", "bad-utf8": "\udcff\udcfe\udc80 x \udcc3", "bad-long": "7 " * 30000 + "end",
               "bad-quote": "'" * 3000, "bad-none": None}
    for task_id, error in hostile.items():
        headers = {**base, "Task-Id": task_id, "Nats-Msg-Id": task_id}
        if error is not None:
            headers["Outcome-Error"] = error
        ack = n.js_publish("events.act", b"\x00\xff body of " + task_id.encode(), headers)
        assert ack["seq"]
    for task_id in hostile:
        task = system.finished(task_id, "dead")
        assert task["fingerprint"], task
        letter = done(system, "get", task_id)
        assert letter["fingerprint"] == task["fingerprint"] and len(letter["error"]) < 5000
        assert base64.b64decode(letter["body_base64"]) == b"\x00\xff body of " + task_id.encode()
    # an unreadable letter is one all the same
    n.js_publish("dead.x.y", b"", {"Task-Id": "../../x", "Outcome-Fingerprint": "no\x01ne"})
    n.js_publish("dead.echo", b"no headers at all")
    listed = letters(system)
    assert {"bad-ctl", "bad-utf8", "bad-long", "bad-quote", "bad-none"} <= {x["id"] for x in listed}
    assert [x for x in listed if not x["id"]]
    answer = done(system, "replay", "type:echo")
    assert answer["replayed"] == 5 and answer["failed"] == 1 and ["no id" in i["error"] for i in answer["items"] if i["outcome"] == "failed"] == [True]
    for task_id in hostile:
        task = system.finished(task_id + ".r1", "completed")
        assert base64.b64decode(task["result_base64"]) == b"\x00\xff body of " + task_id.encode()
    assert done(system, "discard", "all")["discarded"] >= 2
    assert n.stream_state("DEAD")["messages"] == 0


def test_invalid_tasks_are_told_and_stay(system):
    ack = system.nats.js_publish("tasks.bad--type", "body", {})
    task = system.finished(system.id_of(ack["seq"]), "dead")
    code, why = ask(system, "get", task["id"])
    assert code == 200 and not why["type"] and why["retry_id"] in (None, "")
    answer = done(system, "replay", task["id"])
    assert answer["failed"] == 1 and "no type" in answer["items"][0]["error"]
    assert done(system, "discard", "type:_invalid")["discarded"] >= 1


def test_plain_nats_replays(system, nats_cli):
    kill_with(system, "plain-1", "by hand")
    shown = subprocess.run([nats_cli, "-s", system.nats_url, "request", "api.dead.replay", "plain-1"], capture_output=True, text=True, timeout=20)
    assert shown.returncode == 0 and "plain-1.r1" in shown.stdout, shown
    system.finished("plain-1.r1", "dead")
    # by publishing the body again: a task like any other
    seq = done(system, "get", "plain-1.r1")["seq"]
    got = subprocess.run([nats_cli, "-s", system.nats_url, "stream", "get", "DEAD", str(seq), "--json"], capture_output=True, text=True, timeout=20)
    body = base64.b64decode(json.loads(got.stdout)["data"])
    assert body == b"by hand"
    subprocess.run([nats_cli, "-s", system.nats_url, "pub", "tasks.echo", body.decode(), "-H", "Task-Id:plain-2"], check=True, capture_output=True, timeout=20)
    assert system.finished("plain-2", "completed")["result"] == "by hand"
    done(system, "discard", "all")


def test_without_postgresql_letters_are_found_and_replayed(system):
    """The row is a hint; DEAD is the truth."""
    kill_with(system, "pgless-1", "x")
    system.hold("store")
    try:
        assert done(system, "get", "pgless-1")["id"] == "pgless-1"
        assert done(system, "replay", "pgless-1")["replayed"] == 1
        until(lambda: [x for x in letters(system, type="fail") if x["id"] == "pgless-1.r1"], 20, "its second death")
        assert done(system, "replay", "pgless-1")["already"] == 1
    finally:
        system.release("store")
    system.finished("pgless-1.r1", "dead")
    done(system, "discard", "all")


def test_many_thousands_in_bounded_memory_and_time(system):
    """20,000 letters: groups and a look-up by a walk within the answer's time, a replay in several answers, nothing lost."""
    n = 20000
    acks = system.nats.js_publish_many((("dead.echo", f"b{i}", {
        "Task-Id": f"bulk-{i}", "Task-Type": "echo", "Outcome": "failed", "Outcome-Reason": "error",
        "Outcome-Error": f"row {i} of {n} is bad" if i % 10 else f"host {i} refused"}) for i in range(n)), timeout=60)
    assert all(a and "error" not in a for a in acks)
    groups = []
    cursor = None
    while True:
        page = done(system, "groups", {"cursor": cursor} if cursor else {})
        groups += page["groups"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(g["count"] for g in groups) == [n // 10, n - n // 10]
    assert done(system, "get", f"bulk-{n - 1}")["id"] == f"bulk-{n - 1}"  # no row knows it
    small = min(groups, key=lambda g: g["count"])["fingerprint"]

    def rss():
        return int(open(f"/proc/{system.pid('router')}/statm").read().split()[1]) * 4096
    before = rss()
    total, answers = 0, 0
    while True:
        answer = done(system, "replay", f"fingerprint:{small}")
        total, answers = total + answer["replayed"], answers + 1
        assert answer["failed"] == 0, answer["items"][:3]
        if not answer["next_cursor"]:
            break
    assert total == n // 10, (total, answers)
    if b"asan" not in open(f"/proc/{system.pid('router')}/maps", "rb").read():  # it keeps what was freed
        assert rss() - before < 64 << 20
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'bulk-%.r1' and state = 4")[0]["n"] == total, 60, "all done")
    left = total
    while left:
        answer = done(system, "discard", "all")
        left = answer["next_cursor"]
    assert system.nats.stream_state("DEAD")["messages"] == 0
