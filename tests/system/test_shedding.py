"""Load shedding: near the limit of a stream that every task needs, low submissions are refused first, high ones go on."""

from lib.wait import until

SYSTEM = {"nodes": 1, "bridge": False}


def limit_delayed(system, most):
    config = system.nats.api("STREAM.INFO.DELAYED")["config"]
    system.nats.api("STREAM.UPDATE.DELAYED", {**config, "max_msgs": most})


def fill_to(system, count):
    """So many tasks in DELAYED."""
    have = system.nats.stream_state("DELAYED")["messages"]
    for n in range(have, count):
        system.submit("echo", "later", task_id=f"fill-{n}", task_delay="1h", task_priority="high")
    until(lambda: system.nats.stream_state("DELAYED")["messages"] == count, 10, f"{count} delayed")


def level(system):
    text = system.metrics("millrace_router_shed_level")
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("millrace_router_shed_level"))


def refused(system, priority):
    """Submits one; True where it was refused."""
    task = system.submit("echo", "x", task_priority=priority)
    row = system.finished(task)
    assert (row["state"], row["reason"]) in (("completed", None), ("dead", "shed")), row
    return row["state"] == "dead"


def test_low_before_normal_and_high_never(system):
    assert not any(refused(system, p) for p in ("low", "normal", "high"))
    limit_delayed(system, 100)
    fill_to(system, 82)
    until(lambda: level(system) == 1, 10, "low ones are refused")
    assert [refused(system, p) for p in ("low", "normal", "high")] == [True, False, False]
    fill_to(system, 92)
    until(lambda: level(system) == 2, 10, "normal ones too")
    assert [refused(system, p) for p in ("low", "normal", "high")] == [True, True, False]


def test_the_publisher_is_told(system):
    until(lambda: level(system) == 2, 10, "the level")
    tap = system.nats.subscribe("results.echo.>")
    system.nats.flush()
    task = system.submit("echo", "body", task_id="told", **{"X-Mine": "1"})
    notice = tap.next()
    tap.close()
    assert notice.header("Task-Id") == task and notice.header("Task-State") == "dead"
    assert notice.header("Nats-Service-Error-Code") == "503" and int(notice.header("Retry-After")) > 0
    assert "DELAYED is 92 % full" in notice.header("Nats-Service-Error")
    # Nothing is lost of it: body and headers are in DEAD, and replay is a publish of the same.
    letter = until(lambda: system.nats.stream_message("DEAD", last_on="dead.echo"), 5, "the dead letter")
    assert letter.header("Task-Id") == task and letter.data == b"body" and letter.header("X-Mine") == "1"
    assert letter.header("Outcome-Reason") == "shed"
    assert system.finished(task, "dead")["error"].startswith("refused to keep room")


def test_run_answers_503_with_retry_after(system):
    until(lambda: level(system) == 2, 10, "the level")
    reply = system.nats.request("run.echo", "x")
    assert reply.header("Nats-Service-Error-Code") == "503" and int(reply.header("Retry-After")) > 0
    assert "stream DELAYED" in reply.header("Nats-Service-Error")
    assert system.nats.request("run.echo", "x", {"Task-Priority": "high"}).data == b"x"


def test_what_was_accepted_is_not_refused(system):
    """A retry of a normal task goes on."""
    system.submit("flaky", "1", task_id="retried", task_backoff="0", task_priority="high")
    assert system.finished("retried", "completed")["attempt"] == 2
    limit_delayed(system, 4000000)
    until(lambda: level(system) == 0, 10, "all are taken again")
    assert not refused(system, "low")


def test_config_says_what_is_wrong(system):
    import subprocess
    from lib.system import BIN
    done = subprocess.run([BIN / "millrace-router", "--check-config", "--shed-low", "90", "--shed-normal", "50"],
                          capture_output=True, text=True, env=system.env)
    assert done.returncode == 2 and "shed.normal" in done.stderr
