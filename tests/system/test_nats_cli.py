"""The lines that users type, by the real nats CLI."""
import hashlib
import json
import os
import pty
import re
import select
import subprocess

import pytest

from lib.system import ROOT
from lib.wait import until


@pytest.fixture
def nats(system, nats_cli, tmp_path):
    """nats("pub", …) → what it printed, on stdout and stderr."""
    def run(*words, input=b"", timeout=30):
        env = {**system.env, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        done = subprocess.run([nats_cli, *words], input=input, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout)
        text = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, text
        return text
    run.path = nats_cli
    return run


def completed(system, condition, count, timeout=30):
    until(lambda: system.sql(f"select count(*) as n from millrace.tasks where state = 4 and {condition}")[0]["n"] == count,
          timeout, f"{count} completed tasks where {condition}")


def test_pub_one(system, nats):
    nats("pub", "tasks.echo", "hello from the cli")
    completed(system, "convert_from(body, 'UTF8') = 'hello from the cli'", 1)


def test_pub_count_is_as_many_tasks(system, nats):
    nats("pub", "tasks.echo", "job {{Count}}", "--count", "1000", timeout=60)
    completed(system, "convert_from(body, 'UTF8') like 'job %'", 1000)
    assert system.sql("select count(distinct result) as n from millrace.tasks "
                      "where convert_from(body, 'UTF8') like 'job %'")[0]["n"] == 1000


def test_pub_binary_from_stdin(system, nats):
    picture = b"\x89PNG\r\n\x1a\n" + os.urandom(3000)
    nats("pub", "tasks.hash", "--force-stdin", "-H", "Task-Id:cli-picture", input=picture)
    assert system.finished("cli-picture", "completed")["result"].strip() == hashlib.sha256(picture).hexdigest()


def test_pub_with_headers(system, nats):
    nats("pub", "tasks.echo", "x", "-H", "Nats-Msg-Id:order-42", "-H", "Task-Priority:high", "-H", "Task-Timeout:30s")
    task = system.finished("order-42", "completed")
    assert task["priority"] == "high"


def test_pub_empty_body(system, nats):
    nats("pub", "tasks.hash", "", "-H", "Task-Id:cli-empty")
    assert system.finished("cli-empty", "completed")["result"].strip() == hashlib.sha256(b"").hexdigest()


def test_pub_bare_spec_with_requirement_waits_for_a_capable_node(system, nats):
    nats("pub", "tasks", '{"id":"cli-gpu","type":"echo","text":"…","required":{"gpu":true}}')
    until(lambda: (system.task("cli-gpu") or {}).get("state") == "queued", what="queued")
    assert system.task("cli-gpu")["lane"] == "echo--gpu"
    node = system.start_node("gpu-1", "--capabilities", "gpu")
    assert system.finished("cli-gpu", "completed")["node"] == "gpu-1"
    node.terminate()
    assert node.wait(40) == 0


def test_request_run_prints_the_result(system, nats):
    assert "hello at once" in nats("request", "run.echo", "hello at once", "--raw")
    assert re.search(r"Task-Id: \S+", nats("request", "run.echo", "hello"))


def test_stream_and_consumer_reports(system, nats):
    nats("pub", "tasks.echo", "x", "-H", "Task-Id:cli-report")
    system.finished("cli-report", "completed")
    report = nats("stream", "report")
    assert "TASKS" in report and "LANE_echo" in report and "EVENTS" in report
    report = nats("consumer", "report", "LANE_echo")
    assert "high" in report and "normal" in report and "low" in report


def test_sub_sees_results(system, nats, tmp_path):
    out = open(tmp_path / "sub.txt", "wb")
    listener = subprocess.Popen([nats.path, "sub", "results.>", "--count", "1"], env=system.env, stdout=out, stderr=out)
    try:
        def subscribed():
            return "results.>" in (tmp_path / "sub.txt").read_text(errors="replace")
        until(subscribed, 10, "nats sub listening")
        until(lambda: system.nats.publish("tasks.echo", "seen by sub") or listener.poll() is not None, 20, "a result", every=0.3)
    finally:
        listener.kill()
        listener.wait()
    assert "seen by sub" in (tmp_path / "sub.txt").read_text(errors="replace")


def test_micro_ls_shows_the_components(system, nats):
    listing = nats("micro", "ls")
    for name in ("millrace-router", "millrace-store", "millrace-node"):
        assert name in listing


def test_consumer_next_takes_a_task_by_hand(system, nats):
    # Nobody serves this capability: it waits.
    nats("pub", "tasks.echo", "by hand", "-H", "Task-Id:cli-hand", "-H", "Task-Requires:nobody")
    until(lambda: (system.task("cli-hand") or {}).get("state") == "queued", what="queued")
    shown = nats("consumer", "next", "LANE_echo--nobody", "normal", "--ack")
    assert "by hand" in shown and "cli-hand" in shown
    assert system.nats.stream_state("LANE_echo--nobody")["messages"] == 0


def test_reply_is_a_node_of_its_own(system, nats, tmp_path):
    log = open(tmp_path / "reply.txt", "wb")
    child = subprocess.Popen([nats.path, "reply", "handle.shout", "--queue", "nodes", "--command",
                              str(ROOT / "examples/nodes/shell/up.sh")],
                             env=system.env, stdout=log, stderr=log)
    try:
        nats("pub", "tasks.shout", "louder please", "-H", "Task-Id:cli-shout")
        assert system.finished("cli-shout", "completed", timeout=60)["result"].strip() == "LOUDER PLEASE"
    finally:
        child.terminate()
        child.wait(10)


def test_stream_view_shows_dead_letters(system, nats):
    nats("pub", "tasks.fail", "dead on purpose", "-H", "Task-Attempts:1", "-H", "Task-Id:cli-dead")
    system.finished("cli-dead", "dead")
    # It pages, and insists on a terminal.
    ours, its = pty.openpty()
    viewer = subprocess.Popen([nats.path, "stream", "view", "DEAD", "10"], stdin=its, stdout=its, stderr=its, env=system.env)
    os.close(its)
    shown = b""
    try:
        while b"dead on purpose" not in shown:
            ready, _, _ = select.select([ours], [], [], 20)
            assert ready, shown
            shown += os.read(ours, 4096)
    finally:
        viewer.kill()
        viewer.wait()
        os.close(ours)


def test_kv_shows_nodes(system, nats):
    value = json.loads(nats("kv", "get", "nodes", "node-1", "--raw"))
    assert value["state"] == "ready" and value["slots"] == 10
    assert "node-1" in nats("kv", "ls", "nodes")


def test_declared_streams_are_what_the_cli_reads(system, nats):
    # The declarations are in the CLI's own format: `stream add --config` of an existing one is refused as existing, not as unread.
    for path in sorted((ROOT / "broker-config/streams").glob("*.json")):
        json.loads(path.read_text())
    nats("stream", "info", "TASKS")


def test_object_store_holds_payloads(system, nats, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(300_000))
    nats("obj", "put", "payloads", str(big), "--name", "big.bin", "-f")
    nats("obj", "get", "payloads", "big.bin", "-O", str(tmp_path / "back.bin"), "-f")
    assert (tmp_path / "back.bin").read_bytes() == big.read_bytes()


def test_a_megabyte_at_the_limit(system, nats):
    body = os.urandom(1 << 20)
    nats("pub", "tasks.hash", "--force-stdin", "-H", "Task-Id:cli-megabyte", input=body)
    assert system.finished("cli-megabyte", "completed")["result"].strip() == hashlib.sha256(body).hexdigest()
