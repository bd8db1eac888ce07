"""Bad input: a clear error to whoever can be told, a dead letter otherwise; nothing crashes, nothing else is delayed."""
import hashlib
import json
import os
import threading
import time

import pytest

from lib.natsraw import Client, Error
from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 1}

LIMIT = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def heartbeat(system):
    """Good tasks go through all the while, and none of them is held up."""
    system.finished(system.submit("echo", "warm"), "completed")
    over, slow, done = threading.Event(), [], [0]

    def beat():
        client = Client(system.nats_url)
        while not over.wait(0.2):
            started = time.monotonic()
            reply = client.request("run.echo", "still here", timeout=20)
            assert reply.data == b"still here"
            done[0] += 1
            if time.monotonic() - started > 5:
                slow.append(time.monotonic() - started)
        client.close()
    thread = threading.Thread(target=beat)
    thread.start()
    yield
    over.set()
    thread.join()
    assert not slow, f"good tasks were delayed: {slow}"
    assert done[0] > 5
    restarts = {c["name"]: c["restarts"] for c in system.status()["components"]}
    assert not any(restarts.values()), f"something crashed: {restarts}"


def buried(system, ack, timeout=30):
    """The dead letter of the message with that PubAck, by its id; checks that the record says so as well."""
    task_id = system.id_of(ack["seq"])
    task = system.finished(task_id, "dead", timeout)
    assert task["reason"] == "invalid" and task["error"], task
    return task


HEADERS = [
    ("Task-Priority", "urgent"), ("Task-Priority", "10"), ("Task-Timeout", "soon"), ("Task-Timeout", "-5s"),
    ("Task-Attempts", "many"), ("Task-Attempts", "-1"), ("Task-Delay", "tomorrow"), ("Task-At", "noon"),
    ("Task-Requires", "g p u"), ("Task-Requires", "a.b"), ("Task-Requires", "-edge"), ("Task-Requires", "x" * 65),
    ("Task-Requires", ",".join(f"c{i}" for i in range(9))), ("Task-Requires", "$JS.API"), ("Task-Requires", "a>"),
    ("Task-Requires", "a--b"), ("Task-Backoff", "?"),
]


@pytest.mark.parametrize("name,value", HEADERS)
def test_header_that_cannot_be_understood(system, name, value):
    ack = system.nats.js_publish("tasks.echo", "x", {name: value})
    task = buried(system, ack)
    assert name.lower() in task["error"].lower() or "capabilit" in task["error"].lower(), task["error"]


@pytest.mark.parametrize("headers", [
    {"Task-Delay": "1h", "X-Last": ""}, {"X-First": "", "Task-Delay": "1h"}, {"X-First": "", "Nats-Msg-Id": "swallowed", "Task-Delay": "1h"},
    {"Task-Id": "lost-with-the-rest", "Task-Delay": "1h", "X-Spaces": "  "}, {"X-First": "", "Content-Type": "image/png"},
])
def test_a_header_without_a_value_does_not_cost_the_others_silently(system, headers):
    task = buried(system, system.nats.js_publish("tasks.echo", "x", headers))
    assert "value" in task["error"] and not task["started_at"], task
    reply = system.nats.request("run.echo", "x", headers)
    assert reply.header("Nats-Service-Error-Code") == "400" and "value" in reply.header("Nats-Service-Error"), reply
    # one of the publisher's own between others is no harm to ours
    harmless = system.nats.js_publish("tasks.echo", "x", {"Task-Priority": "high", "X-First": "", "X-Next": "y"})
    assert system.finished(system.id_of(harmless["seq"]), "completed")["priority"] == "high"


def test_our_own_publishers_leave_out_a_header_without_a_value(system):
    system.cli("submit", "echo", "-d", "x", "--id", "blank-cli", "--delay", "1h", "-H", "X-A:", "-H", "X-Z:  ", "-H", "X-Mine:y")
    system.psql("insert into millrace.outbox (type, id, run_at, headers) "
                """values ('echo', 'blank-sql', now() + interval '1 hour', '{"X-A": "", "X-Z": " ", "X-Mine": "y"}')""")
    for task_id in ("blank-cli", "blank-sql"):
        until(lambda task_id=task_id: (system.task(task_id) or {}).get("state") == "scheduled", what="it waits for its time")
        task = system.task(task_id)
        assert task["headers"]["X-Mine"] == "y" and not {"X-A", "X-Z"} & task["headers"].keys(), task


@pytest.mark.parametrize("bad", ["has space", "a..b", ".edge", "x" * 129, "dollar$", "star*", "more>", "sl/ash", "ümlaut"])
def test_id_that_cannot_be_one(system, bad):
    ack = system.nats.js_publish("tasks.echo", "x", {"Task-Id": bad})
    task = buried(system, ack)
    assert "Task-Id" in task["error"] or "id" in task["error"]


def test_message_id_that_cannot_be_an_id_is_hashed(system):
    odd = "order/42 of Jürgen"
    system.nats.js_publish("tasks.echo", "x", {"Nats-Msg-Id": odd})
    wanted = "h" + hashlib.sha256(odd.encode()).hexdigest()[:32]
    system.finished(wanted, "completed")


@pytest.mark.parametrize("bad", ["a--b", "-edge", "edge-", "x" * 65, "x" * 300, "dollar$", "ümlaut", "semi;drop", "a/b", "per%cent"])
def test_type_in_the_subject_that_cannot_be_one(system, bad):
    ack = system.nats.js_publish(f"tasks.{bad}", "x")
    task = buried(system, ack)
    assert task["error"]


@pytest.mark.parametrize("bad", ["*", ">", "has space", "a.b", "$JS.API.STREAM.DELETE.TASKS", "x" * 300, "cr\r\nlf", "nul\0"])
def test_type_in_a_spec_that_cannot_be_one(system, bad):
    ack = system.nats.js_publish("tasks", json.dumps({"type": bad, "payload": "x"}))
    task = buried(system, ack)
    assert "type" in task["error"].lower()


SPECS = [
    b"{", b"", b"[]", b'{"type":"echo","payload":', b'{"type":"echo","text":"\xff\xfe"}', b'{"type":["echo"]}',
    b'{"type":"echo","timeout_ms":"soon"}', b'{"type":"echo","attempts":-3}',
    b'{"type":"echo","required":{"a b":true}}', b'{"type":"echo"} trailing', b"[" * 100_000, b'{"a":' * 50_000,
    b"\x00\x01\x02\x03", b"\x0a\xff\xff\xff\xff\x0f", b"not json",
]


@pytest.mark.parametrize("number", range(len(SPECS)))
def test_spec_that_cannot_be_read(system, number):
    ack = system.nats.js_publish("tasks", SPECS[number])
    assert buried(system, ack)["error"]


def test_corrupt_protobuf_spec(system):
    ack = system.nats.js_publish("tasks", b"\x0a\x05ab", {"Content-Type": "application/x-protobuf"})
    buried(system, ack)


def test_dead_letter_says_why_and_keeps_the_body(system):
    system.nats.js_publish("tasks.echo", "keep me", {"Task-Priority": "urgent", "X-Mine": "too"})
    letter = until(lambda: system.nats.stream_message("DEAD", last_on="dead.echo"), 20, "the letter")
    assert letter.data == b"keep me" and letter.header("X-Mine") == "too"
    assert letter.header("Outcome-Reason") == "invalid" and "urgent" in letter.header("Outcome-Error")


@pytest.mark.parametrize("extra", [-1, 0])
def test_body_at_the_limit(system, extra):
    body = os.urandom(LIMIT + extra)
    task_id = system.submit("hash", body, task_id=f"limit{extra}".replace("-", "m"))
    system.finished(task_id, "completed")
    # The submission's own event may come after the outcome's.
    until(lambda: int(system.task(task_id)["body_bytes"]) == LIMIT + extra, 20, "the body's size in the record")


def test_body_one_byte_over_the_limit(system):
    try:
        ack = system.nats.js_publish("tasks.hash", os.urandom(LIMIT + 1))
    except Error as error:
        assert "size" in str(error) or "exceeds" in str(error)
        return
    task = system.finished(system.id_of(ack["seq"]), "dead")
    assert task["reason"] == "invalid" and str(LIMIT) in task["error"]


def test_body_over_what_the_server_takes(system):
    client = Client(system.nats_url)
    with pytest.raises((Error, TimeoutError, OSError)):
        client.js_publish("tasks.hash", b"x" * (LIMIT + (128 << 10)), timeout=3)
    assert client.errors and "Maximum Payload" in client.errors[0]
    client.close()


def test_headers_that_only_the_router_may_set_are_stripped(system):
    tap = system.nats.subscribe("evil.>")
    forged = {"Task-Epoch": "4000000000", "Task-Attempt": "7", "Task-Reply-To": "evil.reply", "Task-Id": "forged",
              "Nats-Expected-Stream": "TASKS", "Outcome": "failed", "Task-Flow": "x"}
    system.nats.js_publish("tasks.echo", "x", forged)
    task = system.finished("forged", "completed")
    assert task["attempt"] == 1
    # A publish with an expectation that another stream could never meet still passed the router.
    assert not tap.drain()
    tap.close()


def test_run_tells_what_is_wrong(system):
    for headers, body, subject in [({"Task-Priority": "urgent"}, b"x", "run.echo"), ({}, b"x", "run.a--b"),
                                   ({}, b"x" * (LIMIT + 1), "run.echo")]:
        reply = system.nats.request(subject, body, headers)
        assert reply.header("Nats-Service-Error-Code") in ("400", "413"), reply
        assert reply.header("Nats-Service-Error")


def test_events_that_are_none_are_set_aside(system):
    before = system.sql("select count(*) as n from millrace.rejected_events")[0]["n"]
    for subject in ("events.done", "events.queued", "events.started", "events.node", "events.what"):
        system.nats.js_publish(subject, b"\xff\xff\xff\xff rubbish")
        system.nats.js_publish(subject, b"{\"outcomes\": [")
    system.nats.js_publish("events.act", b"no headers at all")
    until(lambda: system.sql("select count(*) as n from millrace.rejected_events")[0]["n"] >= before + 6, 30, "set aside")
    until(lambda: system.nats.stream_state("EVENTS")["messages"] == 0, 30, "events taken")


def test_one_bad_row_in_a_batch_costs_no_other(system):
    outcomes = [{"id": f"batch-{i}", "type": "echo", "lane": "echo", "state": "completed", "attempt": 1, "epoch": 1 << 32,
                 "submitted_at": "2026-01-02T03:04:05Z", "finished_at": "2026-01-02T03:04:06Z", "result": "x"}
                for i in range(20)]
    outcomes[7]["id"] = "not an id"
    outcomes[11]["type"] = "a--b"
    system.nats.js_publish("events.done", json.dumps({"outcomes": outcomes}), {"Content-Type": "application/json"})
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'batch-%' and state = 4")[0]["n"] >= 18,
          30, "the good ones")


def test_exec_whose_program_is_missing(system, tmp_path):
    handlers = tmp_path / "handlers.yaml"
    handlers.write_text("handlers:\n  - type: missing\n    kind: exec\n    command: [/no/such/program]\n")
    node = system.run([BIN / "millrace-node", "missing-1", "--handlers", handlers])
    # Refused at the start with a sentence, or every task of it fails with one.
    started = until(lambda: node.poll() is not None or ready(system, "missing-1"), 30, "the node's start")
    if node.poll() is not None:
        assert node.returncode != 0 and "/no/such/program" in system.log(f"test-{len(system.children) - 1}")
        return
    assert started
    task = system.finished(system.submit("missing", "x", task_attempts="1"), "dead")
    assert "/no/such/program" in task["error"]


def ready(system, name):
    reply = system.nats.stream_message("KV_nodes", last_on=f"$KV.nodes.{name}")
    return bool(reply and reply.data)


def test_garbage_in_the_buckets_is_passed_over(system):
    for bucket in ("nodes", "lanes", "settings"):
        for key, value in [("rubbish", b"\xff\xfe"), ("half", b'{"name":'), ("list", b"[1,2]"), ("lane.x", b'{"paused":"maybe"}')]:
            system.nats.js_publish(f"$KV.{bucket}.{key}", value)
    system.finished(system.submit("echo", "after the garbage"), "completed")
    system.cli("node", "list")
    system.cli("lane", "list")
    for bucket in ("nodes", "lanes", "settings"):
        for key in ("rubbish", "half", "list", "lane.x"):
            system.nats.js_publish(f"$KV.{bucket}.{key}", b"", {"KV-Operation": "DEL"})


def test_requests_to_the_services_with_rubbish(system):
    for subject in ("api.task.get", "api.task.list", "api.task.stats", "api.lane.get", "api.lane.list", "api.node.list", "api.node.get"):
        for body in (b"{", b"\xff" * 50, b'{"nonsense":1}', b"x" * 5000):
            reply = system.nats.request(subject, body)
            code = reply.header("Nats-Service-Error-Code")
            assert code is None or 400 <= int(code) < 500, (subject, body[:20], reply)


def test_submit_refuses_on_the_spot(system):
    for words in (["a--b"], ["has space"], ["echo", "--priority", "urgent"], ["echo", "--id", "a b"], ["echo", "--timeout", "soon"],
                  ["echo", "--requires", "a.b"], ["echo", "--attempts", "0"]):
        done = system.cli("submit", *words, "--data", "x", check=False)
        assert done.returncode in (1, 2) and done.err.strip(), words
