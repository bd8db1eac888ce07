"""The operator's program: what it prints where, and how it ends."""
import json
import signal
import subprocess

from lib.system import BIN, clean_env
from lib.wait import until

TASK_KEYS = {"id", "type", "state", "attempt", "lane", "node", "priority", "submitted_at", "started_at", "finished_at",
             "duration_ms", "result", "error"}


def test_submit_prints_the_id(system):
    task_id = system.cli("submit", "echo", "--data", "hello").out.strip()
    assert system.finished(task_id, "completed")["result"] == "hello"


def test_submit_wait_prints_the_bytes(system):
    body = bytes(range(256)) * 20
    done = system.cli("submit", "echo", "-", "--wait", input=body)
    assert done.stdout == body


def test_submit_file_and_wait_json(system, tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("from a file")
    task, = system.cli_json("submit", "echo", "--file", path, "--wait=20s", "--priority", "high", "--id", "cli-json")
    assert TASK_KEYS <= task.keys() and task["id"] == "cli-json" and task["state"] == "completed"
    assert task["result"] == "from a file" and task["priority"] == "high"


def test_exit_codes(system):
    def code(*words, **more):
        done = system.cli(*words, check=False, **more)
        if done.returncode:
            assert done.err.strip(), f"{words} said nothing"
        return done.returncode
    assert code("submit", "fail", "--data", "x", "--attempts", "1", "--wait") == 4
    assert code("task", "get", "no-such-task") == 3
    assert code("submit", "sleep", "--data", "30s", "--wait=300ms") == 124
    assert code("submit") == 2
    assert code("nonsense") == 2
    assert code("submit", "echo", "--nonsense") == 2
    assert code("task", "list", env={"NATS_URL": "nats://127.0.0.1:1"}) == 5
    assert code("help") == 0
    assert code("--version") == 0


def test_no_result_is_not_an_empty_one(system):
    empty, dead, waiting = system.submit("echo", ""), system.submit("fail", "why", task_attempts="1"), system.submit("sleep", "60s")
    for task_id, code, words in ((empty, 0, ""), (dead, 4, "is dead and has no result: why"), (waiting, 1, "has no result")):
        until(lambda task_id=task_id, code=code: (system.task(task_id) or {}).get("state") in
              {0: ["completed"], 4: ["dead"], 1: ["queued", "running"]}[code])
        done = system.cli("task", "get", task_id, "--result", check=False)
        assert (done.returncode, done.out) == (code, "") and words in done.err, (task_id, done.err)


def test_watch_says_that_the_store_is_away(system):
    task_id = system.submit("sleep", "300s")
    until(lambda: (system.task(task_id) or {}).get("state") == "running", what="running")
    system.hold("store")
    try:
        child = subprocess.Popen([BIN / "millrace", "task", "watch", task_id], env=system.env, stderr=subprocess.PIPE)
        assert b"millrace-store is not running" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    finally:
        system.release("store")


def test_interrupted_wait_is_130(system):
    child = subprocess.Popen([BIN / "millrace", "submit", "sleep", "--data", "60s", "--wait"], env=system.env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = child.stderr.readline()
    assert b"waiting" in line
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130


def test_batch(system, tmp_path):
    batch = tmp_path / "batch.ndjson"
    with open(batch, "w") as f:
        for number in range(500):
            f.write(json.dumps({"type": "echo", "id": f"cli-batch-{number}", "payload": f"line {number}"}) + "\n")
    ids = system.cli("submit", "--batch", batch).out.split()
    assert sorted(ids) == sorted(f"cli-batch-{n}" for n in range(500))
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'cli-batch-%' and state = 4")[0]["n"] == 500)


def test_batch_with_a_bad_line_says_which(system):
    done = system.cli("submit", "--batch", "-", input=b'{"type":"echo","payload":"a"}\n{"type":"a b"}\n', check=False)
    assert done.returncode != 0 and "2" in done.err


def test_task_list_and_filters(system):
    for number in range(60):
        system.submit("hash", f"{number}", task_id=f"list-{number}")
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like 'list-%' and state = 4")[0]["n"] == 60)
    listed = system.cli_json("task", "list", "--type", "hash", "--state", "completed")
    assert len(listed) == 60 and all(t["type"] == "hash" for t in listed)
    assert len(system.cli_json("task", "list", "--limit", "7")) == 7
    assert len(system.cli("task", "list", "--type", "hash").out.splitlines()) == 51  # a head and 50 rows
    assert system.cli("task", "get", "list-7", "--result").out.strip() == system.task("list-7")["result"].strip()


def test_task_watch_ends_with_the_task(system):
    task_id = system.submit("sleep", "1500ms")
    until(lambda: system.task(task_id))
    done = system.cli("task", "watch", task_id, timeout=30)
    assert "completed" in done.out


def test_lanes_and_nodes(system):
    system.finished(system.submit("echo", "x"), "completed")
    lane = next(item for item in system.cli_json("lane", "list") if item["name"] == "echo")
    assert {"name", "queued", "running", "scheduled", "paused"} <= lane.keys() and lane["paused"] is False
    assert system.cli_json("lane", "show", "echo")[0]["name"] == "echo"
    node = next(item for item in system.cli_json("node", "list") if item["name"] == "node-1")
    assert {"name", "pool", "state", "slots", "used", "capabilities", "heartbeat_age_s"} <= node.keys()
    assert node["state"] == "ready" and node["slots"] == 10
    assert system.cli("lane", "show", "no-such-lane", check=False).returncode == 3
    assert system.cli("node", "show", "no-such-node", check=False).returncode == 3


def test_doctor_is_content_with_a_sound_system(system):
    done = system.cli("doctor", check=False)
    assert done.returncode == 0, done.out + done.err


def test_doctor_on_a_terminal_shows_errors_harmless(system):
    """What a task died of is a stranger's text, and long ones are whole."""
    for number in range(12):
        task = {"id": f"doc-{number}", "type": "doc", "state": "dead", "lane": "doc", "node": "n", "attempt": 1,
                "error": "\x1b]0;owned\x07" + "ä" * 700, "reason": "error"}
        system.nats.js_publish("events.done", json.dumps(task), {"Content-Type": "application/json"})
    until(lambda: (system.task("doc-11") or {}).get("state") == "dead", what="stored")
    env = {**system.env, "TERM": "xterm"}
    done = subprocess.run(["script", "-qec", f"'{BIN}/millrace' doctor", "/dev/null"], env=env, capture_output=True, timeout=30)
    shown = done.stdout.decode()
    assert "of type doc are dead" in shown and "ä" * 200 in shown
    assert "\x1b]" not in shown and "\x07" not in shown
    rows = [json.loads(line) for line in system.cli("doctor", "--json", check=False).out.splitlines()]
    assert any("of type doc are dead" in row["detail"] for row in rows)


def test_doctor_names_the_missing_capability(system):
    task_id = system.submit("echo", "x", task_requires="unheard-of")
    until(lambda: (system.task(task_id) or {}).get("state") == "queued", what="queued")
    done = system.cli("doctor", check=False)
    assert done.returncode == 1 and "unheard-of" in done.out + done.err


def test_doctor_names_the_type_that_nobody_answers(system):
    """The bridge takes it, and gives it back: nothing is queued, nothing runs, and yet it waits."""
    system.submit("unanswered", "x", task_id="unanswered-1")

    def told():
        return [f for f in system.cli_json("doctor", check=False) if "unanswered-1" in f["detail"]]
    finding, = until(told, 30, "doctor tells it")
    assert finding["state"] == "wrong" and "handle.unanswered" in finding["remedy"]


def test_decode_both_ways(system):
    packed = subprocess.run([BIN / "millrace", "decode", "--type", "TaskSpec", "--encode"], input=b'{"id":"a","type":"echo","payload":"x"}',
                            env=clean_env(), capture_output=True, check=True).stdout
    back = subprocess.run([BIN / "millrace", "decode", "--type", "TaskSpec"], input=packed, env=clean_env(), capture_output=True,
                          check=True).stdout
    spec = json.loads(back)
    assert spec["id"] == "a" and spec["payload"] == "x"
    system.nats.js_publish("tasks", packed, {"Content-Type": "application/x-protobuf"})
    assert system.finished("a", "completed")["result"] == "x"


def test_decode_refuses_an_unknown_record_before_it_reads():
    child = subprocess.Popen([BIN / "millrace", "decode", "--type", "Nonsense"], env=clean_env(), stdin=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    assert child.wait(10) == 2 and b"OutcomeBatch" in child.stderr.read()
    child.stdin.close()


def test_programs_answer_without_a_broker():
    for program in ("millrace", "millrace-router", "millrace-node", "millrace-store"):
        for flag in ("--help", "--version"):
            done = subprocess.run([BIN / program, flag], env=clean_env(), capture_output=True, text=True, timeout=20)
            assert done.returncode == 0 and done.stdout.strip(), (program, flag, done.stderr)
        done = subprocess.run([BIN / program, "--no-such-flag"], env=clean_env(), capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and "no-such-flag" in done.stderr, (program, done.returncode, done.stderr)


def test_output_that_cannot_be_written():
    """A full disk is a failure, whichever write met it; a reader that had enough is none."""
    record = json.dumps({"outcomes": [{"id": f"a{n}", "type": "echo"} for n in range(4000)]})
    decode = f"'{BIN}/millrace' decode --type OutcomeBatch"
    for command, code in ((f"{decode} > /dev/full", 1), (f"'{BIN}/millrace' help > /dev/full", 1),
                          (f"{decode} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}", 0)):
        done = subprocess.run(["bash", "-c", command], input=record, env=clean_env(), capture_output=True, text=True, timeout=30)
        assert done.returncode == code, (command, done.stderr)
        assert ("writing the output" in done.stderr) == (code == 1), (command, done.stderr)


def test_configuration_is_checked_shown_and_redacted(tmp_path):
    config = tmp_path / "store.yaml"
    config.write_text("nats:\n  url: nats://127.0.0.1:4333\n  password: geheim\ndatabase:\n  url: postgres://u:geheim@127.0.0.1/x\n")
    done = subprocess.run([BIN / "millrace-store", "--config", config, "--show-config"], env=clean_env(), capture_output=True, text=True)
    assert done.returncode == 0 and "4333" in done.stdout and "geheim" not in done.stdout + done.stderr
    done = subprocess.run([BIN / "millrace-store", "--config", config, "--check-config"], env=clean_env(), capture_output=True, text=True)
    assert done.returncode == 0
    config.write_text("nats:\n  url: nats://127.0.0.1:4333\n  colour: blue\n")
    done = subprocess.run([BIN / "millrace-store", "--config", config, "--check-config"], env=clean_env(), capture_output=True, text=True)
    assert done.returncode == 2 and "colour" in done.stderr and ":3" in done.stderr
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    done = subprocess.run([BIN / "millrace-store", "--show-config"], env=clean_env(NATS_PASSWORD_FILE=str(secret), NATS_URL="nats://h:1"),
                          capture_output=True, text=True)
    assert done.returncode == 0 and "geheim" not in done.stdout and "nats://h:1" in done.stdout
