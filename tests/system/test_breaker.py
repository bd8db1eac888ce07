"""A wave of the same failure pauses its lane instead of burning retries; half-open; several routers; operators win."""
import json
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib.system import BIN
from lib.wait import until

MENDED = Path(tempfile.mkdtemp(prefix="millrace-breaker-")) / "mended"
HANDLERS = MENDED.parent / "handlers.yaml"
RUNS = MENDED.parent / "runs"
HANDLERS.write_text(f"""
handlers:
""" + "".join(f"""  - type: {kind}
    kind: exec
    command: [/bin/sh, -c, 'read n; echo {kind} $n >> {RUNS}; test -e {MENDED} || {{ echo "backend $n is down" >&2; exit 1; }}; echo done $n']
""" for kind in ("backend", "other", "manual", "once", "several")) + """  - type: echo
    kind: echo
  - type: flaky
    kind: flaky
""")
SYSTEM = {"nodes": 1, "slots": 4, "handlers": HANDLERS}
FAILURES = 12


@pytest.fixture(scope="module")
def system():
    from conftest import end, make
    s = make(**SYSTEM)
    s.start({"MILLRACE_BREAKER_FAILURES": str(FAILURES), "MILLRACE_BREAKER_PAUSE": "2s", "MILLRACE_BREAKER_WINDOW": "30s",
             "MILLRACE_RETRY_BASE": "200ms", "MILLRACE_RETRY_MAX": "400ms"})
    yield s
    end(s)
    subprocess.run(["rm", "-rf", MENDED.parent], check=True)


@pytest.fixture(autouse=True)
def broken():
    MENDED.unlink(missing_ok=True)
    RUNS.write_text("")


def setting(system, lane):
    reply = system.nats.stream_message("KV_settings", last_on=f"$KV.settings.lane.{lane}")
    return json.loads(reply.data) if reply and reply.data else {}


def breaker(system, lane):
    return setting(system, lane).get("breaker", {}).get("state", "closed")


def wave(system, kind, n, **headers):
    acks = system.nats.js_publish_many((f"tasks.{kind}", f"{i}\n", {"Task-Id": f"{kind}-{i}", **headers}) for i in range(n))
    assert all(acks)


def count(system, kind, state):
    return system.sql(f"select count(*) as n from millrace.tasks where id like '{kind}-%' and state = {state}")[0]["n"]


def executions(kind):
    return sum(line.startswith(kind + " ") for line in RUNS.read_text().splitlines())


def metric(system, pattern):
    inbox = system.nats.subscribe(f"{system.nats.prefix}m{next(system.nats.tokens)}")
    system.nats.publish("ctl.metrics", reply=f"{system.nats.prefix}m{next(system.nats.tokens) - 1}")
    text = []
    until(lambda: text.extend(m.data.decode() for m in inbox.drain()) or re.search(pattern, "\n".join(text), re.M), 10, pattern)
    inbox.close()
    return float(re.search(pattern + r" (\S+)", "\n".join(text), re.M).group(1))


def test_a_wave_pauses_the_lane_and_burns_no_retries(system):
    told = system.nats.subscribe("router.breaker.>")
    system.nats.flush()
    wave(system, "backend", 60)
    until(lambda: breaker(system, "backend") == "open", 30, "the breaker opens")
    s = setting(system, "backend")
    assert s["paused"] and s["reason"].startswith("breaker: ") and "backend" in s["reason"] and s["until"], s
    message = told.next()
    assert message.subject == "router.breaker.backend" and message.json()["state"] == "open"
    assert metric(system, r'^millrace_router_breaker_state\{lane="backend"\}') == 2
    # it comes back, and stays paused for longer each time; nothing dies of it
    until(lambda: setting(system, "backend")["breaker"]["trips"] >= 3, 40, "opened again and again")
    assert count(system, "backend", 5) == 0
    ran = executions("backend")
    assert ran < 60 * 4, "as many executions as without a breaker"
    until(lambda: metric(system, r"^millrace_router_attempts_spared_total") > 0, 5)
    # mended: a few pass, it closes, all complete, and the setting is as it was
    MENDED.touch()
    until(lambda: count(system, "backend", 4) == 60, 60, "all completed")
    until(lambda: breaker(system, "backend") == "closed", 10)
    assert setting(system, "backend") == {}
    assert metric(system, r'^millrace_router_breaker_state\{lane="backend"\}') == 0
    states = [message.json()["state"]] + [m.json()["state"] for m in told.drain()]
    assert states[:3] == ["open", "half-open", "open"] and states[-1] == "closed", states
    told.close()
    attempts = system.sql("select max(attempt) as a, count(*) as n from millrace.tasks where id like 'backend-%'")[0]
    assert attempts["n"] == 60 and attempts["a"] <= 4, attempts


def test_other_lanes_and_other_failures_go_on(system):
    wave(system, "other", 40)
    until(lambda: breaker(system, "other") == "open", 30, "the breaker opens")
    assert system.finished(system.submit("echo", "unharmed"), "completed", timeout=10)["result"] == "unharmed"
    MENDED.touch()
    until(lambda: count(system, "other", 4) == 40, 60, "all completed")


def test_an_operator_who_resumes_wins(system):
    wave(system, "manual", 40)
    until(lambda: breaker(system, "manual") == "open", 30, "the breaker opens")
    MENDED.touch()
    s = setting(system, "manual")
    for key in ("paused", "reason", "until"):
        s.pop(key, None)
    s["limit"] = 1000
    system.nats.js_publish("$KV.settings.lane.manual", json.dumps(s))
    until(lambda: count(system, "manual", 4) == 40, 60, "all completed")
    until(lambda: breaker(system, "manual") == "closed", 15)
    assert setting(system, "manual") == {"limit": 1000}, "what the operator set stays"


def test_successes_in_between_are_no_wave(system):
    """Half of the tasks fail once, of the same failure; the others complete all the time."""
    tasks = [("tasks.flaky", "1" if i % 2 else "0", {"Task-Id": f"mixed-{i}"}) for i in range(120)]
    for i in range(0, 120, 6):
        assert all(system.nats.js_publish_many(tasks[i:i + 6]))
        until(lambda: system.nats.stream_state("LANE_flaky")["messages"] == 0 if i else True, 20)
    until(lambda: count(system, "mixed", 4) == 120, 60, "all completed")
    assert breaker(system, "flaky") == "closed"


def test_tasks_of_one_attempt_die_as_told(system):
    """Who allows one attempt burns no retries: such a wave is dead letters, not a pause."""
    wave(system, "once", 40, **{"Task-Attempts": "1"})
    until(lambda: count(system, "once", 5) == 40, 30, "all dead")
    assert breaker(system, "once") == "closed"


def test_several_routers_count_together_and_one_moves_it(system):
    others = [system.run([BIN / "millrace-router"], env={"MILLRACE_BREAKER_FAILURES": str(FAILURES), "MILLRACE_BREAKER_PAUSE": "2s",
                                                        "MILLRACE_RETRY_BASE": "200ms", "MILLRACE_RETRY_MAX": "400ms"}) for _ in range(2)]
    until(lambda: (system.dir / "log" / "test-1.log").read_text().count("ready") >= 1
          and (system.dir / "log" / "test-0.log").read_text().count("ready") >= 1, 20, "three routers")
    told = system.nats.subscribe("router.breaker.several")
    system.nats.flush()
    wave(system, "several", 60)
    until(lambda: breaker(system, "several") == "open", 30, "the breaker opens")
    # whoever opened it may die: the others go on with it
    pid = system.kill("router")
    system.wait_ready("router", not_pid=pid)
    until(lambda: setting(system, "several").get("breaker", {}).get("trips", 0) >= 2, 40, "opened again")
    MENDED.touch()
    until(lambda: count(system, "several", 4) == 60, 60, "all completed")
    until(lambda: breaker(system, "several") == "closed", 15)
    assert setting(system, "several") == {}
    states = [m.json()["state"] for m in told.drain()]
    assert all(a != b for a, b in zip(states, states[1:])), f"moved twice: {states}"
    told.close()
    assert count(system, "several", 5) == 0
    for child in others:
        child.terminate()
