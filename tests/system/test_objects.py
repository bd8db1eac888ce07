"""Bodies and results that are too large for a message: the object store, both ways with the real nats CLI."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from lib.system import BIN
from lib.wait import until

AGENT = r'''
import json, os, struct, sys
inp, out = sys.stdin.buffer, sys.stdout.buffer
while True:
    prefix = inp.read(4)
    if len(prefix) < 4: break
    line, _, body = inp.read(struct.unpack(">I", prefix)[0]).partition(b"\n")
    task = json.loads(line)
    if task["op"] != "task": continue
    size = os.stat(task["file"]).st_size if "file" in task else -1
    text = json.dumps({"size": size, "told": task.get("file_bytes"), "body": len(body)}).encode()
    head = json.dumps({"op": "result", "run": task["run"]}).encode() + b"\n"
    out.write(struct.pack(">I", len(head) + len(text)) + head + text); out.flush()
'''

MADE = Path(tempfile.mkdtemp(prefix="millrace-test-objects-"))
(MADE / "agent.py").write_text(AGENT)
(MADE / "handlers.yaml").write_text(f"""
handlers:
  - type: echo
  - type: hash
  - type: count
    kind: exec
    command: [wc, -c]
  - type: inspect
    kind: exec
    command: [sh, -c, 'sha256sum < "$1"; echo "$MILLRACE_FILE" | grep -c "$1"; ls -l "$1" | cut -c1-10', sh, "{{file}}"]
    input: file
  - type: linger
    kind: exec
    command: [sh, -c, 'echo "$MILLRACE_FILE" > {MADE}/linger; exec sleep 60']
    timeout: 90s
  - type: agent
    kind: worker
    command: ["{sys.executable}", "{MADE}/agent.py"]
    processes: 1
  - type: big
    kind: exec
    command: [sh, -c, 'head -c "$(cat)" /dev/zero']
    content_type: application/x-zeros
    limits: {{output: 64MiB}}
  - type: brief
    kind: exec
    command: [wc, -c]
    timeout: 2s
""")

SYSTEM = {"nodes": 1, "handlers": MADE / "handlers.yaml"}


@pytest.fixture(scope="module")
def nats(system, nats_cli):
    """The real CLI; its words on stdout."""
    def run(*words, check=True):
        done = subprocess.run([nats_cli, "--server", system.nats_url, *map(str, words)], env=system.env,
                              capture_output=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout
    return run


@pytest.fixture(scope="module")
def large():
    """A file that is no whole number of chunks, over the broker's limit many times."""
    path = MADE / "large.bin"
    path.write_bytes(os.urandom(5 * 1024 * 1024 + 12345))
    return path


@pytest.fixture(scope="module", autouse=True)
def no_litter():
    yield
    shutil.rmtree(MADE, ignore_errors=True)


def sha(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def meta_of(system, name):
    subject = f"$O.payloads.M.{urlsafe_b64encode(name.encode()).decode()}"
    message = system.nats.stream_message("OBJ_payloads", last_on=subject)
    return json.loads(message.data) if message else None


def spooled():
    """What lies on disk for tasks, as long as it does."""
    base = Path(os.environ.get("TMPDIR", "/tmp"))
    return [p for d in base.glob("millrace-objects-node-*") if d.is_dir() for p in d.iterdir() if p.name != ".millrace-lock"]


def test_what_submit_puts_the_nats_cli_gets(system, nats, large):
    done = system.cli("submit", "count", "--file", large, "--id", "big-1", "--wait=60s")
    assert int(done.out) == large.stat().st_size and "object store as payloads/submit/big-1" in done.err
    out = MADE / "got.bin"
    nats("obj", "get", "payloads", "submit/big-1", "--output", out, "--force", "--no-progress")
    assert sha(out) == sha(large)
    assert "submit/big-1" in nats("obj", "ls", "payloads").decode()
    task = system.finished("big-1", "completed")
    assert task["headers"]["Task-Object"] == "payloads/submit/big-1" and not task.get("body")


def test_what_the_nats_cli_puts_a_task_gets(system, nats, large):
    nats("obj", "put", "payloads", large, "--name", "film/big.mp4", "--force", "--no-progress")
    nats("pub", "tasks.count", "", "-H", "Task-Object:payloads/film/big.mp4", "-H", "Nats-Msg-Id:film-1")
    assert int(system.finished("film-1", "completed")["result"]) == large.stat().st_size
    digest, named, mode = system.cli("submit", "inspect", "--object", "payloads/film/big.mp4", "--wait=30s").out.split("\n")[:3]
    assert digest.split()[0] == sha(large) and named == "1" and mode == "-rw-------"


def test_what_is_put_again_is_replaced_and_what_is_removed_is_gone(system, nats, large):
    for size in (300_000, 200_001, 0):
        (MADE / "again.bin").write_bytes(b"x" * size)
        nats("obj", "put", "payloads", MADE / "again.bin", "--name", "again", "--force", "--no-progress")
        done = system.cli("submit", "count", "--object", "payloads/again", "--wait=30s")
        assert int(done.out) == size
    nats("obj", "rm", "payloads", "again", "--force")
    done = system.cli("submit", "count", "--object", "payloads/again", "--wait=30s", check=False)
    assert done.returncode == 4 and "there is no object payloads/again" in done.err


def test_a_missing_object_is_for_good_and_says_so(system):
    task_id = system.submit("count", task_object="payloads/never-was", task_id="missing-1")
    task = system.finished(task_id, "dead")
    assert task["attempt"] == 1 and "there is no object payloads/never-was" in task["error"]
    task = system.finished(system.submit("count", task_object="nowhere/x", task_id="missing-2"), "dead")
    assert task["attempt"] == 1 and "bucket" in task["error"] and "nowhere" in task["error"]
    task = system.finished(system.submit("count", task_object="word", task_id="missing-3"), "dead")
    assert task["attempt"] == 1 and "BUCKET/NAME" in task["error"]


def test_bytes_that_are_not_those_that_were_put_are_tried_again_and_then_dead(system, large):
    system.cli("submit", "count", "--file", large, "--id", "corrupt-1", "--wait=30s")
    meta = meta_of(system, "submit/corrupt-1")
    meta["digest"] = "SHA-256=" + urlsafe_b64encode(bytes(32)).decode()
    system.nats.js_publish(f"$O.payloads.M.{urlsafe_b64encode(b'submit/corrupt-1').decode()}",
                           json.dumps(meta).encode(), {"Nats-Rollup": "sub"})
    task_id = system.submit("count", task_object="payloads/submit/corrupt-1", task_id="corrupt-2", task_attempts="2",
                            task_backoff="100ms")
    task = system.finished(task_id, "dead")
    assert task["attempt"] == 2 and "the SHA-256 differs" in task["error"]


def test_a_worker_gets_a_path_and_built_ins_get_bytes(system, large):
    system.cli("submit", "count", "--file", large, "--id", "shared-1", "--wait=30s")
    told = json.loads(system.cli("submit", "agent", "--object", "payloads/submit/shared-1", "--wait=30s").out)
    assert told == {"size": large.stat().st_size, "told": large.stat().st_size, "body": 0}
    assert system.cli("submit", "hash", "--object", "payloads/submit/shared-1", "--wait=30s").out.strip() == sha(large)


def test_what_is_over_the_limit_for_bytes_is_for_good(system):
    with open(MADE / "huge.bin", "wb") as f:
        f.truncate(17 << 20)
    done = system.cli("submit", "echo", "--file", MADE / "huge.bin", "--wait=30s", check=False)
    assert done.returncode == 4 and "objects.bytes" in done.err


def test_a_pipe_over_the_limit_goes_into_the_store_too(system):
    done = system.cli("submit", "count", "-", "--wait=60s", input=b"y" * 3_000_000)
    assert int(done.out) == 3_000_000 and "object store" in done.err
    assert int(system.cli("submit", "count", "-", "--wait=60s", input=b"y" * 3_000).out) == 3_000


def test_a_large_result_comes_back_whole(system, nats, large):
    size = 9_000_001
    done = system.cli("submit", "big", "--data", str(size), "--id", "result-1", "--wait=60s")
    assert done.stdout == bytes(size)
    task = system.finished("result-1", "completed")
    assert task["result_object"].startswith("payloads/result/result-1/") and task["result_bytes"] == size
    assert task["content_type"] == "application/x-zeros" and not task.get("result")
    assert system.cli("task", "get", "result-1", "--result").stdout == bytes(size)
    assert task["result_object"] in system.cli("task", "get", "result-1").out
    out = MADE / "result.bin"
    nats("obj", "get", "payloads", task["result_object"].split("/", 1)[1], "--output", out, "--force", "--no-progress")
    assert out.read_bytes() == bytes(size)
    # echo lends the bytes that were fetched: both ways at once.
    done = system.cli("submit", "echo", "--file", large, "--id", "result-2", "--wait=60s")
    assert done.stdout == large.read_bytes()


def test_the_caller_of_run_is_told_where_a_large_result_is(system):
    reply = system.nats.request("run.big", b"2000000", timeout=30)
    assert reply.data == b"" and reply.header("Result-Object").startswith("payloads/result/")
    assert reply.header("Result-Bytes") == "2000000"


def test_nothing_stays_on_disk(system):
    until(lambda: not spooled(), 20, "spooled objects are gone")


def test_what_a_killed_node_left_is_removed_by_the_next(system, large):
    system.submit("linger", task_object="payloads/submit/shared-1", task_id="linger-1", task_attempts="1")
    until(lambda: (MADE / "linger").exists() and (MADE / "linger").read_text().strip(), 30, "the program runs")
    path = Path((MADE / "linger").read_text().strip())
    assert path.exists()
    pid = system.kill("node-1", signal.SIGKILL)
    system.wait_ready("node-1", not_pid=pid)
    until(lambda: not path.exists(), 30, "the next node removes what the killed one left")
    (MADE / "linger").unlink()


def test_old_objects_of_ended_tasks_go_and_others_stay(own_system, large):
    s = own_system(nodes=1, handlers=MADE / "handlers.yaml", env={"MILLRACE_KEEP_OBJECTS": "3s"})
    s.cli("submit", "count", "--file", large, "--id", "old-1", "--wait=60s")
    s.cli("submit", "big", "--data", "2000000", "--id", "old-2", "--wait=60s")
    s.cli("submit", "count", "--file", large, "--id", "future-1", "--delay", "1h")
    meta = meta_of(s, "submit/old-1")
    for name in ("film", "submitted"):
        s.nats.js_publish(f"$O.payloads.M.{urlsafe_b64encode(name.encode()).decode()}",
                          json.dumps({**meta, "name": name}).encode(), {"Nats-Rollup": "sub"})
    result = s.finished("old-2")["result_object"].split("/", 1)[1]
    until(lambda: not meta_of(s, "submit/old-1") and not meta_of(s, result), 40, "old objects are gone")
    left = s.nats.api("STREAM.INFO.OBJ_payloads", {"subjects_filter": "$O.payloads.C.>"})["state"]["subjects"]
    assert list(left) == ["$O.payloads.C." + meta_of(s, "submit/future-1")["nuid"]]
    assert meta_of(s, "film") and meta_of(s, "submitted")


def test_a_fetch_counts_in_the_tasks_time(system, nats, large):
    """Chunks that are not there any more, with a record that says so: the broker is asked, and says no."""
    system.cli("submit", "count", "--file", large, "--id", "torn-1", "--wait=30s")
    nuid = meta_of(system, "submit/torn-1")["nuid"]
    system.nats.api("STREAM.PURGE.OBJ_payloads", {"filter": f"$O.payloads.C.{nuid}"})
    task = system.finished(system.submit("brief", task_object="payloads/submit/torn-1", task_id="torn-2",
                                         task_attempts="1"), "dead")
    assert "replaced or removed while it was read" in task["error"]


def test_the_disk_is_bounded_and_waiting_for_it_counts_in_the_tasks_time(system, large):
    """5 MB objects, room for 6 MiB, four slots: one lies there at a time."""
    (MADE / "narrow.yaml").write_text("""
handlers:
  - type: narrow
    kind: exec
    command: [sh, -c, 'ls "$(dirname "$MILLRACE_FILE")" | wc -l; sleep 1.5']
""")
    node = system.start_node("narrow", "--handlers", MADE / "narrow.yaml", "--objects-disk", "6MiB", "--slots", "4")
    ids = [system.submit("narrow", task_object="payloads/submit/shared-1", task_id=f"narrow-{i}", task_attempts="1",
                         task_timeout="60s") for i in range(3)]
    late = system.submit("narrow", task_object="payloads/submit/shared-1", task_id="narrow-late", task_attempts="1",
                         task_timeout="1s")
    assert [system.finished(i, "completed")["result"].strip() for i in ids] == ["1"] * 3
    task = system.finished(late, "dead")
    assert task["reason"] == "timeout"
    with open(MADE / "wide.bin", "wb") as f:
        f.truncate(7 << 20)
    done = system.cli("submit", "narrow", "--file", MADE / "wide.bin", "--wait=30s", check=False)
    assert done.returncode == 4 and "objects.disk" in done.err
    node.terminate()
    assert node.wait(30) == 0


@pytest.mark.parametrize("after", [0.1, 0.5, 1.0])
def test_a_broker_that_is_killed_meanwhile_costs_no_bytes(system, after):
    """Of the put, the fetch, or neither: whichever it meets goes on when the broker is back."""
    path = MADE / "outage.bin"
    path.write_bytes(os.urandom(1 << 20) * 64)
    submit = subprocess.Popen([BIN / "millrace", "submit", "inspect", "--file", path, "--id", f"outage-{after}", "--wait=100s"],
                              env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(after)  # no readiness: a moment somewhere in the transfer
    pid = system.kill("broker")
    system.wait_ready("broker", not_pid=pid)
    out, err = submit.communicate(timeout=120)
    assert submit.returncode == 0, err
    assert out.split()[0] == sha(path)
