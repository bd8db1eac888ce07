"""Each component with a user of its own and no subject more than broker-config/accounts gives it: everything works, nothing is refused."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from lib.http import Http
from lib.natsraw import Client
from lib.system import BIN, ROOT
from lib.wait import until

SYSTEM = {"nodes": 0, "bridge": False}
USERS = ("setup", "router", "store", "node", "scaler", "gateway", "worker", "publisher", "operator", "sys")
HANDLERS = """handlers:
  - type: echo
  - type: sleep
  - type: stats
  - type: big
    kind: exec
    command: [head, -c, "3000000", /dev/zero]
    limits: {output: 8MiB}
  - type: critic
    kind: worker
    spawned: true
    command: [python3, -B, agent.py, critic]
    directory: examples/agents
"""


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Guarded:
    """A broker with accounts, and one of each component at it, on the database of a system that has no other use."""

    def __init__(self, system):
        self.system, self.port = system, free_port()
        self.dir = system.dir / "guarded"
        (self.dir / "accounts").mkdir(parents=True)
        conf = (ROOT / "broker-config/server.conf").read_text()
        conf = re.sub(r"(?m)^port: \d+", f"port: {self.port}", conf)
        conf = re.sub(r"(?m)^http: .*", "", conf)
        (self.dir / "server.conf").write_text(conf + "\ninclude ./accounts/millrace.conf\n")
        shutil.copy(ROOT / "broker-config/accounts/millrace.conf", self.dir / "accounts")
        self.url = f"nats://127.0.0.1:{self.port}"
        server = next(p for p in (os.environ.get("MILLRACE_DEV_NATS_SERVER"), str(ROOT / ".run/bin/nats-server"), shutil.which("nats-server"), "/usr/sbin/nats-server")
                                if p and os.access(p, os.X_OK))
        passwords = {f"MILLRACE_{u.upper()}_PASSWORD": f"secret-of-{u}" for u in USERS}
        self.broker = self.start([server, "-c", self.dir / "server.conf", "-sd", self.dir / "data"], passwords)
        self.nats = until(lambda: self.client("operator", inbox="_INBOX"), 20, "the broker")
        done = subprocess.run([BIN / "millrace", "setup"], capture_output=True, text=True, env={**system.env, **self.user("setup")},
                              timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        (self.dir / "handlers.yaml").write_text(HANDLERS)
        self.logs = {}
        self.component("router")
        self.component("store")
        for name in ("n1", "n2"):
            self.component("node", name, "--handlers", self.dir / "handlers.yaml", "--bridge",
                           "--orphan-after", "1h", as_name=name)
        for name in ("n1", "n2"):
            until(lambda: self.nats.stream_message("KV_nodes", last_on=f"$KV.nodes.{name}"), 30, f"node {name}")

    def user(self, name):
        return {"NATS_URL": self.url, "NATS_USER": name, "NATS_PASSWORD": f"secret-of-{name}",
                "MILLRACE_NATS_INBOX_PREFIX": f"_INBOX_{name}"}

    def client(self, name, inbox=None):
        return Client(f"nats://{name}:secret-of-{name}@127.0.0.1:{self.port}", inbox=inbox or f"_INBOX_{name}")

    def start(self, argv, env=None):
        return self.system.run(argv, env=env or {}, cwd=ROOT)

    def component(self, program, *words, as_name=None):
        self.logs[as_name or program] = self.system.dir / "log" / f"test-{len(self.system.children)}.log"
        return self.start([BIN / f"millrace-{program}", *words], self.user(program))

    def cli(self, *words, check=True, input=None):
        return self.system.cli(*words, env={k: v for k, v in self.user("operator").items() if "PREFIX" not in k}, check=check, timeout=60,
                               input=input)

    def refusals(self):
        return [line for log in self.logs.values() for line in log.read_text().splitlines()
                if re.search(r"[Pp]ermission|refuse|denied", line)]


@pytest.fixture(scope="module")
def guarded(system):
    system.hold("store")  # the database is the guarded one's
    g = Guarded(system)
    system._nats = g.nats  # and whom the system asks is the guarded one's store
    yield g
    for child in reversed(system.children):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(40)
    assert not g.refusals(), "\n".join(g.refusals())


def done(system, task, state="completed"):
    return system.finished(task, state, timeout=30)


def test_the_path_and_the_callers(system, guarded):
    assert guarded.cli("submit", "echo", "--data", "hello", "--wait").out == "hello"
    publisher = guarded.client("publisher")
    assert publisher.request("run.echo", "quick").data == b"quick"
    publisher.publish("tasks.echo", "plain", {"Task-Id": "plain-1"})
    assert done(system, "plain-1")["result"] == "plain"
    publisher.close()
    for kind, headers in (("high", ["-H", "Task-Priority:high"]), ("later", ["-H", "Task-Delay:1s"]), ("keyed", ["-H", "Task-Unique-Key:k"]),
                          ("mine", ["-H", "Task-Node:n2"]), ("round", ["-H", "Task-Balance:round-robin"])):
        guarded.cli("submit", "echo", "--data", kind, "--id", kind, *headers)
        row = done(system, kind)
        assert kind != "mine" or row["node"] == "n2"


def test_an_agent_is_placed_on_a_node(system, guarded):
    scaler = guarded.client("scaler")
    scaler.js_publish("$KV.agents.critic-1", json.dumps({"agent_id": "critic-1", "role_type": "critic", "node": "n1"}))
    scaler.js_publish("$KV.leases.leader.scaler", b"{}")  # which nodes that wait for a scaler look at
    system.submit("critic", "def f(a):\n    return a\n", task_id="judged")
    row = done(system, "judged")
    assert row["node"] == "n1" and json.loads(row["result"])["verdict"] == "approve"
    scaler.js_publish("$KV.agents.critic-1", b"", {"KV-Operation": "DEL"})
    scaler.close()


def test_a_plain_subscriber_is_asked_by_a_bridge(system, guarded):
    worker = guarded.client("worker")
    asked = worker.subscribe("handle.shout", "nodes")
    worker.flush()
    guarded.cli("submit", "shout", "--data", "x", "--id", "shouted")
    request = asked.next(20)
    worker.publish(request.reply, request.data.upper())
    assert done(system, "shouted")["result"] == "X"
    worker.close()


def test_a_scaler_leads_and_heals(system, guarded):
    (guarded.dir / "scaler.yaml").write_text(
        "pools:\n  - {name: none, min: 0, max: 1, types: nothing}\n"
        "heal: {interval: 1s, looks: 2, heartbeat: 10s, memory: 1, cpu: 100, disk: 100, failure_rate: 100}\n")
    stopped = guarded.component("node", "hangs", as_name="hangs")
    until(lambda: guarded.nats.stream_message("KV_nodes", last_on="$KV.nodes.hangs"), 30, "node hangs")
    guarded.component("scaler", "--scaler-dir", guarded.dir / "scaler", "--config", guarded.dir / "scaler.yaml")
    until(lambda: guarded.cli("heal", "status", check=False).returncode == 0, 30, "a scaler that leads")
    stopped.send_signal(signal.SIGSTOP)
    try:
        until(lambda: "remove_stale" in guarded.cli("heal", "history", "--json").out, 60, "the node that hangs is taken off")
    finally:
        stopped.send_signal(signal.SIGCONT)
    acts = [json.loads(line) for line in guarded.cli("heal", "history", "--json").out.splitlines()]
    assert {a["result"] for a in acts} <= {"done", "none"}, acts
    assert "lead" in guarded.cli("scaler", "history", "--json").out
    checks = json.loads(guarded.cli("heal", "status", "--json").out)["checks"]
    assert {c["check"]: c["level"] for c in checks if c["check"] in ("broker", "database")} == {"broker": "ok", "database": "ok"}


def test_a_gateway_submits_asks_and_orders(system, guarded):
    guarded.component("gateway", "--http-listen", "127.0.0.1:0")
    log = guarded.logs["gateway"]

    def url():
        found = re.search(r"event=listening url=(\S+)", log.read_text())
        return found and "event=connected" in log.read_text() and found[1]
    web = Http(until(url, 30, "the gateway listens"))
    assert web.get("/readyz").status == 200
    assert web.post("/api/v1/run/echo", body=b"over HTTP").body == b"over HTTP"
    assert web.post("/api/v1/tasks?wait=30s", json={"type": "echo", "text": "x", "id": "spelled"}).json()["state"] == "completed"
    large = web.post("/api/v1/submit/hash?wait=60s", body=os.urandom(3 << 20))
    assert large.status == 200, large
    assert len(web.get(f"/api/v1/tasks/{large.headers['Task-Id']}/body").body) == 3 << 20
    made = web.post("/api/v1/submit/big?wait=60s", body=b"")  # a result in the object store
    assert len(web.get(f"/api/v1/tasks/{made.headers['Task-Id']}/result").body) == 3000000
    for path in ("tasks", "stats", "lanes", "lanes/echo", "nodes", "nodes/n1", "performance", "pools", "dead", "dead/groups", "schedules", "scaler", "scaler/history",
                 "heal", "heal/history", "audit", "state", "locks", "overview", "agents"):
        assert web.get(f"/api/v1/{path}").status == 200, path
    for path in ("/metrics", "/health", "/api/cluster/status", "/api/cluster/metrics", "/agents/nodes", "/tasks/queued"):
        assert web.get(path).status == 200, path
    next(web.events("/events", timeout=20))
    feed = web.connect(20)  # says nothing before a task goes by
    feed.request("GET", "/events?feed=tasks")
    assert feed.getresponse().status == 200
    web.post("/api/v1/submit/echo", body=b"by")
    assert feed.sock.recv(10)
    feed.close()
    for method, path, body in (("POST", "lanes/echo/pause", {}), ("POST", "lanes/echo/resume", {}), ("PUT", "state/shade", {"value": "dark"}), ("DELETE", "state/shade", None),
                               ("POST", "nodes/n1/drain", None), ("POST", "nodes/n1/undrain", None), ("POST", "locks/gate/acquire", {"owner": "me", "ttl": "5s"})):
        answer = web.request(method, f"/api/v1/{path}", json=body)
        assert answer.status < 500 and answer.status not in (401, 403), (path, answer)


def test_failures_and_what_follows(system, guarded):
    guarded.cli("submit", "stats", "--data", "no numbers", "--id", "bad")
    done(system, "bad", "dead")
    assert "bad" in guarded.cli("dead", "list").out
    guarded.cli("dead", "replay", "bad", "--yes")
    done(system, "bad.r1", "dead")
    guarded.cli("dead", "discard", "--all", "--yes")
    guarded.cli("task", "retry", "bad")
    guarded.cli("submit", "sleep", "--data", "60s", "--id", "slow", "-H", "Task-Timeout:90s")
    until(lambda: (system.task("slow") or {}).get("state") == "running", 20, "it runs")
    guarded.cli("task", "reassign", "slow")
    until(lambda: len(system.sql("select 1 as x from millrace.attempts where task_id = 'slow'")) >= 1, 20, "it moved")
    guarded.cli("task", "cancel", "slow")
    done(system, "slow", "cancelled")


def test_lanes_and_nodes(system, guarded):
    guarded.cli("lane", "pause", "echo")
    for n in range(3):
        guarded.cli("submit", "echo", "--data", "x", "--id", f"wait-{n}")
    until(lambda: guarded.nats.stream_state("LANE_echo")["messages"] == 3, 10, "they wait")
    guarded.cli("lane", "purge", "echo", "--yes")
    done(system, "wait-0", "cancelled")
    guarded.cli("lane", "limit", "echo", "--rate", "50", "--concurrency", "2", "--per-key", "1", "--depth", "1000")
    guarded.cli("lane", "resume", "echo")
    for n in range(6):
        guarded.cli("submit", "echo", "--data", "x", "--id", f"limited-{n}", "-H", "Task-Project:p")
    for n in range(6):
        done(system, f"limited-{n}")
    guarded.cli("lane", "limit", "echo", "--rate", "none", "--concurrency", "none", "--per-key", "none", "--depth", "none")
    guarded.cli("node", "drain", "n1")
    guarded.cli("node", "undrain", "n1")
    assert "n1" in guarded.cli("node", "list").out


def test_schedules_state_locks_outbox_and_objects(system, guarded):
    guarded.cli("schedule", "add", "often", "--cron", "@every 1s", "echo", "-d", "tick")
    until(lambda: system.sql("select count(*) as n from millrace.tasks where id like '%often%' and state = 4")[0]["n"] >= 2, 20, "ticks")
    guarded.cli("schedule", "run", "often")
    guarded.cli("schedule", "remove", "often")
    guarded.cli("state", "set", "colour", "blue")
    assert guarded.cli("state", "get", "colour").out.strip() == "blue"
    guarded.cli("state", "lock", "door", "--ttl", "10s", "--owner", "me", check=False)
    guarded.cli("state", "locks")
    system.psql("insert into millrace.outbox (id, type, body) values ('boxed', 'echo', 'x')")
    done(system, "boxed")
    big = guarded.dir / "big"
    big.write_bytes(os.urandom(3 << 20))
    guarded.cli("submit", "echo", "--file", big, "--id", "large")
    done(system, "large")
    guarded.cli("submit", "big", "--id", "made")
    assert done(system, "made")["result_bytes"] == 3000000
    guarded.cli("audit", check=False)
    assert guarded.cli("doctor", check=False).out
