"""Tasks over HTTP: one, many, as they are, large ones, and waiting for their end."""
import hashlib
import json
import os
import signal
import socket
import threading
import time

import pytest

from lib.gateway import Gateway
from lib.lag import free_port, program
from lib.wait import until

SYSTEM = {"nodes": 2, "slots": 20, "gateway": True}
SPEC = {"type": "echo", "text": "hello"}


@pytest.fixture(scope="module")
def http(system):
    return system.web


def ended(http, task, within=20):
    return until(lambda: (t := http.request("GET", f"/api/v1/tasks/{task}").json())["state"] in
                 ("completed", "dead", "cancelled") and t, within, f"the end of {task}")


def whole(http, task):
    """The task once what was submitted is stored, too: of a quick one the outcome may be a moment before it."""
    return until(lambda: (t := http.request("GET", f"/api/v1/tasks/{task}").json())["queued_at"] and t, 10, f"all of {task}")


def test_a_submit_is_answered_when_it_is_durable(http):
    answer = http.request("POST", "/api/v1/tasks", json=SPEC)
    task = answer.json()
    assert answer.status == 202 and task["id"] == task["task_id"] and task["status"] == task["state"] == "queued"
    assert task["duplicate"] is False and answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert ended(http, task["id"])["result"] == "hello"


def test_a_task_is_found_at_once_by_who_submitted_it(http):
    """Its row comes some milliseconds later; a 404 would be a lie."""
    for i in range(40):
        task = http.request("POST", "/api/v1/tasks", json=SPEC).json()["id"]
        answer = http.request("GET", f"/api/v1/tasks/{task}")
        assert answer.status == 200 and answer.json()["id"] == task, i


def test_both_vocabularies(http):
    task = http.request("POST", "/api/v1/tasks?wait=10s", json={
        "task_id": "words-1", "task_type": "stats", "execution_mode": "sequential", "timeout_ms": 5000, "priority": 8,
        "text": "1,2,3", "metadata": {"report_title": "r"}}).json()
    task = whole(http, task["id"])
    assert task["id"] == task["task_id"] == "words-1" and task["state"] == task["status"] == "completed"
    assert task["priority"] == "high" and task["output"]["mean"] == 2 and task["headers"]["Task-Timeout"] == "5000ms"
    assert [e["status"] for e in task["agent_executions"]] == ["completed"]
    assert task["metrics"]["agents_used"] == [task["node"]] and task["metrics"]["retry_count"] == 0
    assert task["metrics"]["total_duration_ms"] > 0


def test_a_failure_is_failed_here_and_dead_there(http):
    task = http.request("POST", "/api/v1/tasks?wait=10s", json={"type": "fail", "text": "no luck", "attempts": 1}).json()
    assert task["state"] == "dead" and task["status"] == "failed" and task["error"] == "no luck"
    assert task["agent_executions"][0]["status"] == "failed"


@pytest.mark.parametrize("spec, field", [
    ({"type": "ec ho"}, "type"), ({"type": "echo", "priority": "urgent"}, "priority"),
    ({"type": "echo", "timeout": "soon"}, "timeout"), ({"type": "echo", "attempts": 0}, "attempts"),
    ({"type": "echo", "required": {"a b": True}}, "required"), ({"type": 7}, "type"),
    ({"type": "echo", "execution_mode": "sideways"}, "execution_mode"),
    ({"type": "echo", "inputs": [{"type": "smell", "data": "x"}]}, "inputs"), ({"type": "echo", "inputs": "x"}, "inputs"),
    ({"type": "echo", "id": "a b"}, "id"), ({"type": "echo", "run_at": "tomorrow"}, "run_at"),
    ({"type": "echo", "payload_base64": "%%%"}, "payload_base64"), ({"type": "echo", "backoff": "x"}, "backoff"),
])
def test_what_would_be_a_dead_letter_is_refused_with_its_field(http, system, spec, field):
    before = system.nats.api("STREAM.INFO.TASKS")["state"]["last_seq"]
    answer = http.request("POST", "/api/v1/tasks", json=spec)
    problem = answer.json()
    assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json", problem
    assert problem["status"] == 400 and problem["title"] and problem["detail"] and problem.get("field") == field, problem
    assert system.nats.api("STREAM.INFO.TASKS")["state"]["last_seq"] == before


def test_no_task_at_all(http):
    for body in (b"", b"  ", b"7", b"{", b'"x"', b'{"type":"echo"} x'):
        assert http.request("POST", "/api/v1/tasks", body=body).status == 400, body
    assert http.request("POST", "/api/v1/tasks?wiat=3s", json=SPEC).json()["field"] == "wiat"
    assert http.request("POST", "/api/v1/tasks?wait=soon", json=SPEC).json()["field"] == "wait"
    assert http.request("POST", "/api/v1/tasks?wait=6m", json=SPEC).status == 400


def test_the_same_key_is_the_same_task(http, system):
    key = {"Idempotency-Key": "order 42/b"}
    first = http.request("POST", "/api/v1/tasks", json=SPEC, headers=key).json()
    again = http.request("POST", "/api/v1/tasks", json=SPEC, headers=key).json()
    raw = http.request("POST", "/api/v1/submit/echo", body=b"hello", headers=key).json()
    assert first["id"] == again["id"] == raw["id"] and not first["duplicate"] and again["duplicate"] and raw["duplicate"]
    task = ended(http, first["id"])
    assert http.request("POST", "/api/v1/tasks?wait=5s", json=SPEC, headers=key).json()["finished_at"] == task["finished_at"]
    assert system.sql("select count(*) as n from millrace.tasks where id = '%s'" % first["id"]) == [{"n": 1}]
    assert http.request("POST", "/api/v1/tasks", json=SPEC, headers={"Idempotency-Key": "k" * 256}).status == 400


def test_waiting_ends_with_the_task_or_with_the_time(http):
    began = time.monotonic()
    answer = http.request("POST", "/api/v1/tasks?wait=20s", json={"type": "sleep", "text": "300ms"})
    assert answer.status == 200 and answer.json()["state"] == "completed" and 0.3 <= time.monotonic() - began < 15
    began = time.monotonic()
    answer = http.request("POST", "/api/v1/tasks?wait=300ms", json={"type": "sleep", "text": "6s"})
    assert answer.status == 202 and answer.json()["state"] == "queued" and time.monotonic() - began < 5
    task = answer.json()["id"]
    assert http.request("GET", f"/api/v1/tasks/{task}?wait=50ms").json()["state"] in ("queued", "running")
    assert http.request("GET", f"/api/v1/tasks/{task}?wait=20s").json()["state"] == "completed"
    assert http.request("GET", f"/api/v1/tasks/{task}?wait=20s").json()["state"] == "completed"


def test_many_wait_for_the_same(http):
    task = http.request("POST", "/api/v1/tasks", json={"type": "sleep", "text": "500ms"}).json()["id"]
    states = []

    def wait():
        states.append(http.request("GET", f"/api/v1/tasks/{task}?wait=20s").json()["state"])

    threads = [threading.Thread(target=wait) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert states == ["completed"] * 20


def test_who_waits_is_told(http):
    """Nobody has to find out by looking again every few seconds, however many wait, and whichever word comes first."""
    def wait(n):
        for i in range(10):
            answer = http.request("POST", "/api/v1/tasks?wait=30s", json={"type": "echo", "text": f"{n}.{i}"})
            assert answer.status == 200 and answer.json()["result"] == f"{n}.{i}"
        done.append(n)

    done = []
    threads = [threading.Thread(target=wait, args=(n,)) for n in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 60
    text = http.request("GET", "/metrics").text
    assert not [line for line in text.split("\n") if line.startswith("millrace_gateway_notices_missed_total")
                and float(line.rsplit(" ", 1)[1]) > 0]


def test_a_batch_tells_of_each(http):
    specs = [{"type": "echo", "text": str(i)} for i in range(500)]
    specs[7] = {"type": "echo", "priority": "x"}
    specs[9] = 3
    answer = http.request("POST", "/api/v1/tasks", json=specs)
    told = answer.json()
    assert answer.status == 200 and (told["accepted"], told["refused"]) == (498, 2)
    assert [t["index"] for t in told["tasks"]] == list(range(500))
    assert told["tasks"][7]["field"] == "priority" and "id" not in told["tasks"][9]
    assert len({t["id"] for t in told["tasks"] if "id" in t}) == 498
    assert ended(http, told["tasks"][499]["id"])["result"] == "499"


def test_a_batch_by_lines_with_a_key(http):
    lines = b'{"type":"echo","text":"a"}\n\n{"type":"echo","text":"b"}\r\nnonsense\n'
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "lines"}
    first = http.request("POST", "/api/v1/tasks", body=lines, headers=headers).json()
    again = http.request("POST", "/api/v1/tasks", body=lines, headers=headers).json()
    assert (first["accepted"], first["refused"]) == (2, 1)
    assert [t.get("id") for t in first["tasks"]] == [t.get("id") for t in again["tasks"]]
    assert all(t["duplicate"] for t in again["tasks"][:2])


def test_a_batch_has_its_most(http):
    lines = {"Content-Type": "application/x-ndjson"}
    for body, headers, refused in ((b"x\n" * 10_000, lines, 10_000), (b"x\n" * 9_999 + b"x", lines, 10_000), (b"x\n" * 10_001, lines, None),
                                   (b"[" + b"3," * 9_999 + b"3]", {}, 10_000), (b"[" + b"3," * 10_000 + b"3]", {}, None)):
        answer = http.request("POST", "/api/v1/tasks", body=body, headers=headers)
        assert (answer.status, answer.json().get("refused")) == ((400, refused) if refused else (413, None)), (body[:4], len(body))


def test_a_payload_as_it_is(http):
    body = bytes(range(256)) * 3
    answer = http.request("POST", "/api/v1/submit/echo?wait=10s", body=body, headers={
        "Content-Type": "image/png", "Task-Priority": "low", "Task-Project": "p1", "X-Mine": "no"})
    assert answer.json()["state"] == "completed"
    task = whole(http, answer.json()["id"])
    assert task["priority"] == "low" and task["project"] == "p1"
    assert task["headers"]["Content-Type"] == "image/png" and "X-Mine" not in task["headers"]
    for part in ("result", "body"):
        got = http.request("GET", f"/api/v1/tasks/{task['id']}/{part}")
        assert got.status == 200 and got.body == body, part
        assert "sandbox" in got.headers["Content-Security-Policy"] and got.headers["Content-Disposition"] == "attachment"
    assert http.request("POST", "/api/v1/submit/echo", body=b"x", headers={"Task-Timeout": "x"}).json()["field"] == "Task-Timeout"
    assert http.request("POST", "/api/v1/submit/ec.ho", body=b"x").json()["field"] == "type"


def test_run_answers_with_the_result(http):
    answer = http.request("POST", "/api/v1/run/hash", body=b"abc")
    assert answer.status == 200 and answer.text == hashlib.sha256(b"abc").hexdigest()
    assert answer.headers["Task-State"] == "completed" and answer.headers["Task-Id"]
    failed = http.request("POST", "/api/v1/run/fail", body=b"boom", headers={"Task-Attempts": "1"})
    assert failed.status == 422 and "boom" in failed.json()["detail"] and failed.headers["Task-State"] == "dead"
    late = http.request("POST", "/api/v1/run/sleep?wait=200ms", body=b"2s")
    assert late.status == 202 and late.json()["id"] == late.headers["Task-Id"]


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def test_a_large_payload_goes_there_and_back_with_bounded_memory(http, system):
    """12 MiB, four at once, six times: by a file to the object store, and from there to the client."""
    pid = system.pid("gateway")
    body = os.urandom(12 << 20)
    digest = hashlib.sha256(body).hexdigest()
    before, most, over = rss_mib(pid), [0], threading.Event()

    def watch():
        while not over.wait(0.02):
            most[0] = max(most[0], rss_mib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    got = []

    def send():
        for _ in range(6):
            answer = http.request("POST", "/api/v1/run/echo?wait=60s", body=body, timeout=90)
            got.append((answer.status, hashlib.sha256(answer.body).hexdigest()))

    try:
        threads = [threading.Thread(target=send) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        over.set()
        watcher.join()
    assert got == [(200, digest)] * 24, [status for status, _ in got]
    # 576 MiB went through. The sanitizers keep up to 256 MiB of what was freed.
    assert most[0] - before < 320, (before, most[0])


def test_a_repeat_does_not_replace_a_large_payload(http):
    """The same key makes the same task, whose bytes lie in the object store and are those that came first."""
    first, second = os.urandom(2 << 20), os.urandom(2 << 20)
    headers = {"Idempotency-Key": "large", "Task-Delay": "2s"}
    task = http.request("POST", "/api/v1/submit/hash", body=first, headers=headers).json()
    again = http.request("POST", "/api/v1/submit/hash", body=second, headers=headers).json()
    assert again["id"] == task["id"] and again["duplicate"] and not task["duplicate"]
    assert ended(http, task["id"])["result"] == hashlib.sha256(first).hexdigest()
    assert http.request("GET", f"/api/v1/tasks/{task['id']}/body").body == first


@pytest.mark.parametrize("size", [1, 2 << 20])
def test_a_task_has_a_body_or_an_object(http, size):
    both = http.request("POST", "/api/v1/submit/echo", body=b"x" * size, headers={"Task-Object": "payloads/x"})
    assert both.status == 400 and both.json()["field"] == "Task-Object", both
    both = http.request("POST", "/api/v1/tasks", json={"type": "echo", "text": "x" * size, "object": "payloads/x"})
    assert both.status == 400 and both.json()["field"] == "object", both


def test_what_waiting_tasks_keep_counts(system):
    """A spec that came by a file is read into memory: http.memory holds for that, too."""
    g = Gateway(system, "--http-memory", "8MiB", "--http-body-memory", "64k")
    spec, answers = b"{" + b" " * (5 << 20) + b'"type":"sleep","text":"4s"}', []
    waiting = threading.Thread(target=lambda: answers.append(g.web().post("/api/v1/tasks?wait=20s", body=spec)))
    waiting.start()
    until(lambda: g.web().get("/api/v1/tasks?type=sleep&state=running").json()["tasks"], 10, "the first runs")
    refused = g.web().post("/api/v1/tasks?wait=20s", body=spec)
    assert refused.status == 503 and "http.memory" in refused.json()["detail"] and refused.headers["Retry-After"], refused
    waiting.join()
    assert answers[0].json()["state"] == "completed", answers
    assert g.web().post("/api/v1/tasks", body=spec).status == 202
    assert g.end() == 0


def test_a_spec_that_is_too_large_says_where_it_may_go(http):
    answer = http.request("POST", "/api/v1/tasks", body=b'{"type":"echo","text":"' + b"x" * (9 << 20) + b'"}')
    assert answer.status == 413 and "/api/v1/submit/" in answer.json()["detail"]
    # Under that, and over what a message can carry: by the object store.
    task = http.request("POST", "/api/v1/tasks?wait=20s", json={"type": "hash", "text": "x" * (3 << 20)}).json()
    assert task["state"] == "completed" and task["result"] == hashlib.sha256(b"x" * (3 << 20)).hexdigest()


def test_list_filters_and_cursors(http):
    made = [http.request("POST", "/api/v1/tasks?wait=10s", json={"type": "echo", "project": "listing"}).json()["id"]
            for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = http.request("GET", f"/api/v1/tasks?project=listing&state=completed,dead&limit=2&cursor={cursor}").json()
        seen += [t["id"] for t in page["tasks"]]
        assert len(page["tasks"]) <= 2
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == made[::-1]
    assert http.request("GET", "/api/v1/tasks?project=listing&state=running&state=dead").json()["tasks"] == []
    assert http.request("GET", "/api/v1/tasks?limit=x").json()["field"] == "limit"
    assert http.request("GET", "/api/v1/tasks?state=lost").status == 400
    assert http.request("GET", "/api/v1/tasks?type=a&type=b").json()["field"] == "type"


def test_cancel_retry_and_what_is_not_there(http):
    task = http.request("POST", "/api/v1/tasks", json={"type": "echo", "delay": "1h"}).json()["id"]
    until(lambda: http.request("GET", f"/api/v1/tasks/{task}").json()["state"] == "scheduled", 10)
    assert http.request("DELETE", f"/api/v1/tasks/{task}").json()["tasks"][0]["what"] == "cancelled"
    assert ended(http, task)["state"] == "cancelled"
    again = http.request("POST", f"/api/v1/tasks/{task}/retry")
    assert again.status == 202 and again.json()["id"] == f"{task}.r1"
    assert http.request("POST", "/api/v1/tasks/cancel", json={"ids": [f"{task}.r1"]}).status == 200
    for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/retry")):
        assert http.request(method, f"/api/v1/tasks/nobody-knows{path}").status == 404, path
    assert http.request("GET", "/api/v1/tasks/a..b").status == 404


def test_methods(http):
    head = http.request("HEAD", "/api/v1/tasks")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 0
    wrong = http.request("PUT", "/api/v1/tasks", json={})
    assert wrong.status == 405 and "POST" in wrong.headers["Allow"] and "GET" in wrong.headers["Allow"]


def test_connections_are_kept(http):
    connection = http.connect()
    for i in range(50):
        connection.request("POST", "/api/v1/run/echo", str(i).encode(), {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, str(i).encode())
    connection.close()


def test_a_broker_that_is_not_set_up_is_no_fault_of_the_client(system, tmp_path):
    port = free_port()
    system.run([program("nats-server"), "-js", "-sd", tmp_path, "-a", "127.0.0.1", "-p", port])
    g = Gateway(system, env={"NATS_URL": f"nats://127.0.0.1:{port}"})
    for size in (1, 2 << 20):
        answer = g.web().post("/api/v1/submit/echo", body=b"x" * size)
        assert answer.status == 503 and answer.headers["Retry-After"] and "set up" in answer.json()["detail"], answer
    assert g.end() == 0


def test_who_would_wait_is_answered_at_the_end(system):
    """A body that is whole only after SIGTERM: what it asks for is done, but nobody is waited for any more."""
    g = Gateway(system)
    with socket.create_connection(g.address) as s:
        s.settimeout(20)
        s.sendall(b"POST /api/v1/submit/sleep?wait=60s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n2")
        time.sleep(0.3)  # the headers must have been read; nothing tells
        g.process.terminate()
        until(lambda: "event=stopping" in g.log, 10, "it ends")
        s.sendall(b"0s")
        assert b" 202 " in s.recv(4096)
    assert g.process.wait(10) == 0


def test_the_end_does_not_wait_for_questions(system):
    """/metrics is told without a router that is silent; its question is still open when the gateway ends."""
    g, router = Gateway(system), system.pid("router")
    os.kill(router, signal.SIGSTOP)
    try:
        assert g.web().get("/metrics").status == 200
        assert g.end(10) == 0
    finally:
        os.kill(router, signal.SIGCONT)


def test_the_end_answers_who_waits(system, http):
    """SIGTERM: who waits for a task hears that it goes on; then the gateway ends, and dev starts another."""
    pid, answers = system.pid("gateway"), []
    thread = threading.Thread(target=lambda: answers.append(
        http.request("POST", "/api/v1/tasks?wait=60s", json={"type": "sleep", "text": "4s"})))
    thread.start()
    until(lambda: http.get("/api/v1/tasks?type=sleep&state=running").json()["tasks"], 10)
    os.kill(pid, signal.SIGTERM)
    thread.join(20)
    assert answers and answers[0].status == 202
    until(lambda: system.pid("gateway") not in (0, None, pid), 20, "another gateway")
    until(lambda: http.request("GET", "/readyz").status == 200, 20)
    assert ended(http, answers[0].json()["id"])["state"] == "completed"
