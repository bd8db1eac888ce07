"""Broker away for 20 s, PostgreSQL away for 20 s: everything waits without haste, and resumes by itself."""
import os
import signal
import time

from lib.journal import Journal
from lib.wait import until

AWAY_S = 20
BUSY_S = AWAY_S * 0.1
COMPONENTS = ("router", "store", "node-1", "node-2")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def threads(pid):
    """What each thread has used so far and where it is in the kernel: who reads of a busy loop needs to know whose it is."""
    told = []
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                name, fields = f.read().split("(", 1)[1].rsplit(")", 1)
            with open(f"/proc/{pid}/task/{task}/wchan") as f:
                where = f.read()
        except OSError:  # it ended meanwhile
            continue
        fields = fields.split()
        user, kernel = int(fields[11]) / TICKS, int(fields[12]) / TICKS
        told.append(f"  {task} {name}: user {user} s, kernel {kernel} s, {fields[0]} {where}")
    return "\n".join(told)


def stay_away(system):
    """The time of being away is the subject here. Returns the processor seconds that each component used in it."""
    pids = {name: system.pid(name) for name in COMPONENTS}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(AWAY_S)
    assert pids == {name: system.pid(name) for name in COMPONENTS}, "a component ended"
    used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    for name in (name for name, seconds in used.items() if seconds >= BUSY_S):
        print(f"threads of {name}, while it is busy:\n{threads(pids[name])}")
    return used


def no_busy_loop(used):
    assert all(seconds < BUSY_S for seconds in used.values()), f"busy while waiting: {used}"


def said_since(system, name, length, word):
    assert word in system.log(name)[length:].lower(), f"{name} did not say what it waits for:\n{system.log(name)[length:]}"


def messages(prefix, n, body="body"):
    return (("echo", f"{prefix}{i}", f"{body} {i}") for i in range(n))


def test_broker_away(own_system):
    system = own_system()
    system.allow(r"level=error")
    journal = Journal(system)
    journal.publish(messages("before-", 300))
    running = [system.submit("sleep", "8s", task_id=f"long-{i}") for i in range(4)]
    until(lambda: system.nats.api("CONSUMER.INFO.LANE_sleep.normal")["num_ack_pending"] == 4, what="the long ones run")
    lengths = {name: len(system.log(name)) for name in COMPONENTS}
    system.hold("broker", kill=True)
    used = stay_away(system)
    no_busy_loop(used)
    for name in COMPONENTS:
        said_since(system, name, lengths[name], "broker")
    system.release("broker")
    journal.publish(messages("after-", 300))
    for task_id in running:
        assert system.finished(task_id, "completed", timeout=60)["result"] == "8s"
    before, after = Journal(system), Journal(system)
    before.acked = {k: v for k, v in journal.acked.items() if k.startswith("before-")}
    after.acked = {k: v for k, v in journal.acked.items() if k.startswith("after-")}
    before.check("before-")
    after.check("after-", timeout=30)


def test_broker_frozen(own_system):
    """Its connections stay open and nothing moves: worse than gone."""
    system = own_system()
    system.allow(r"level=error")
    journal = Journal(system)
    journal.publish(messages("frozen-", 500))
    pid = system.pid("broker")
    os.kill(pid, signal.SIGSTOP)
    try:
        used = stay_away(system)
    finally:
        os.kill(pid, signal.SIGCONT)
    no_busy_loop(used)
    journal.publish(messages("frozen-later-", 100))
    journal.check("frozen-")


def test_postgresql_away(own_system):
    system = own_system()
    system.allow(r"level=error|FATAL|ERROR: ")
    journal = Journal(system)
    journal.publish(messages("before-", 200))
    length = len(system.log("store"))
    system.hold("postgresql", kill=True)
    # Tasks still run: their results can be heard, their outcomes wait.
    tap = system.nats.subscribe("results.echo.>")
    system.nats.flush()
    journal.publish(messages("during-", 300))
    heard = {tap.next(30).subject for _ in range(300)}
    assert len(heard) == 300
    tap.close()
    assert system.nats.request("run.echo", "still").data == b"still"
    used = stay_away(system)
    no_busy_loop(used)
    said_since(system, "store", length, "database")
    assert system.nats.stream_state("EVENTS")["messages"] > 0
    system.release("postgresql")
    during = Journal(system)
    during.acked = {k: v for k, v in journal.acked.items() if k.startswith("during-")}
    during.check("during-", timeout=60)
    until(lambda: system.nats.stream_state("EVENTS")["messages"] == 0, 20, "no event waits")


def test_store_away_loses_nothing(own_system):
    system = own_system()
    journal = Journal(system)
    system.hold("store", kill=True)
    journal.publish(messages("nostore-", 1000))
    system.release("store")
    journal.check("nostore-")


def test_everything_restarts_over_waiting_work(own_system):
    """No nodes: tasks wait. The whole system ends and starts again, then nodes come."""
    system = own_system(nodes=0)
    journal = Journal(system)
    journal.publish(messages("later-", 500))
    assert system.dev("stop").returncode == 0
    system.nodes = 2
    system.start()
    journal.check("later-")
