"""A private Millrace for a test: started by `millrace dev`, reached by everything a user has."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .http import Http
from .natsraw import Client
from .wait import until

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("MILLRACE_BIN", ROOT / "build/dev/bin"))

# What must never stand in a log: a sanitizer's report, an assertion, a logged error.
BAD = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehaviorSanitizer|Assertion .* failed"
                 r"|ThreadSanitizer| level=error |\"level\":\"error\"|^error |  ?(PANIC|FATAL|ERROR):  ")
# PostgreSQL's words about an end that a test (or the harness) asked for.
# "connection to client lost": of a store that a test killed in the middle of a statement.
EXPECTED = re.compile(r"terminating (connection|autovacuum process|background worker.*) due to|the database system is (shutting down|starting up|in recovery|not yet)"
                      r"|FATAL:  connection to client lost")


def clean_env(**more):
    """The environment without anything that leads to another broker or database."""
    env = {k: v for k, v in os.environ.items()
           if not re.match(r"NATS_|PG|DATABASE_URL|MILLRACE_(NATS|DATABASE|HTTP)|NOTIFY_SOCKET", k)}
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.update(more)
    return env


class System:
    def __init__(self, directory, nodes=2, slots=None, handlers=None, bridge=True, scaler=None, gateway=False):
        self.dir = Path(directory)
        self.nodes, self.slots, self.handlers, self.bridge = nodes, slots, handlers, bridge
        self.scaler = scaler  # None: none; else words for `millrace dev`, as ["--max-nodes", "4"]
        self.gateway = gateway  # False: none; True, or words for `millrace-gateway`, as ["--http-rate", "50"]
        self.allowed = []
        self.children = []
        self._nats = None
        self.env = {}
        self.http = ""  # http://127.0.0.1:PORT where there is a gateway

    # ---- life ----

    def start(self, env=None):
        words = ["--nodes", str(self.nodes)]
        if self.slots:
            words += ["--slots", str(self.slots)]
        if not self.bridge:
            words += ["--no-bridge"]
        words += ["--no-scaler"] if self.scaler is None else list(map(str, self.scaler))
        if self.gateway:  # any free port: 8080 is for people
            words += ["--http-port", "0", *(f"--gateway-arg={w}" for w in (self.gateway if self.gateway is not True else []))]
        else:
            words += ["--no-gateway"]
        if self.handlers:
            words += ["--handlers", str(self.handlers)]
        done = subprocess.run([BIN / "millrace", "dev", "--dir", self.dir, "--detach", *words], cwd=ROOT,
                              env=clean_env(**(env or {})), capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, f"millrace dev: {done.stdout}{done.stderr}"
        status = self.status()
        self.nats_url, self.database_url = status["nats_url"], status["database_url"]
        self.http = status["http_url"]
        self.env = clean_env(NATS_URL=self.nats_url, DATABASE_URL=self.database_url, **({"MILLRACE_HTTP": self.http} if self.http else {}))
        return self

    def stop(self):
        """Ends everything; asserts that the logs are clean and that nothing is left."""
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._nats:
            self._nats.close()
            self._nats = None
        done = self.dev("stop")
        assert done.returncode == 0, done.stderr
        left = self.left_over()
        bad = self.bad_lines()
        assert not left, f"outlived the system: {left}"
        assert not bad, "in the logs:\n" + "\n".join(bad[:80])

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def dev(self, *words):
        return subprocess.run([BIN / "millrace", "dev", *words, "--dir", self.dir], env=clean_env(), cwd=ROOT,
                              capture_output=True, text=True, timeout=240)

    def status(self):
        done = self.dev("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def component(self, name):
        return next(c for c in self.status()["components"] if c["name"] == name)

    def pid(self, name):
        return self.component(name)["pid"]

    def kill(self, name, sig=signal.SIGKILL):
        """Sends the signal to a component; its supervisor starts it again."""
        pid = until(lambda: self.pid(name), 60, f"{name} runs")  # none while it is between two starts
        assert pid > 1, pid  # 0 would be everybody in our own process group
        os.kill(pid, sig)
        return pid

    def wait_ready(self, name, not_pid=0, timeout=60):
        until(lambda: self.component(name)["state"] == "ready" and self.component(name)["pid"] != not_pid,
              timeout, f"{name} ready")

    def hold(self, name, kill=False):
        """Ends a component; it stays away until release()."""
        done = self.dev("stop", name, *(["--kill"] if kill else []))
        assert done.returncode == 0, done.stderr
        until(lambda: self.component(name)["state"] == "stopped", 60, f"{name} stopped")

    def release(self, name):
        assert self.dev("start", name).returncode == 0
        self.wait_ready(name)

    def drained(self, stream):
        """Empty; or, as nats-server 2.9 keeps some acked messages after it was killed, with nothing left to deliver or ack.
        It keeps some as pending as well, without ever delivering them again: what is true of them, the rows tell."""
        if self.nats.stream_state(stream)["messages"] == 0:
            return True
        consumers = self.nats.api(f"CONSUMER.LIST.{stream}", {})["consumers"]
        killed_old = self.nats.version < (2, 10)
        return not any(self.nats.left(stream, c, unacked=not killed_old) for c in consumers)

    # ---- what it leaves ----

    def log(self, name):
        path = self.dir / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def allow(self, pattern):
        """Lines that this test provokes and that are no fault."""
        self.allowed.append(re.compile(pattern))

    def bad_lines(self):
        """What must not stand in the logs; of a sanitizer's report the stacks too, as the log may not outlive us."""
        found = []
        for path in sorted((self.dir / "log").glob("*.log")):
            stack = 0
            for line in path.read_text(errors="replace").splitlines():
                bad = BAD.search(line) and not EXPECTED.search(line) and not any(a.search(line) for a in self.allowed)
                if bad and "Sanitizer" in line:
                    stack = 24
                if bad or stack > 0:
                    found.append(f"{path.name}: {line}")
                stack -= 1
        return found

    def processes(self):
        """Processes that have this system's directory or broker in their command or environment."""
        mark = [str(self.dir).encode() + b"/", getattr(self, "nats_url", "?no").encode()]
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            except OSError:
                continue
            if any(m in text for m in mark):
                found.append((int(entry.name), (entry / "cmdline").read_bytes()[:200]))
        return found

    def left_over(self):
        """Processes that do not end. (The supervisor lets go of its lock before its last act, a sanitizer's look for leaks.)"""
        end = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    # ---- how it is used ----

    @property
    def nats(self):
        if self._nats is None or self._nats.closed:
            self._nats = Client(self.nats_url)
        return self._nats

    @property
    def web(self):
        """A client of the gateway (lib/http.py) of one's own: requests, and /events."""
        return Http(self.http)

    def metrics(self, name):
        """The answer to ctl.metrics of whichever component has a metric of that name; all answer, in any order."""
        inbox = self.nats.subscribe(f"{self.nats.prefix}metrics.{next(self.nats.tokens)}")
        self.nats.publish("ctl.metrics", b"", reply=f"{self.nats.prefix}metrics.{next(self.nats.tokens) - 1}")
        try:
            while True:
                text = inbox.next(10).data.decode()
                if f"\n{name}" in text:
                    return text
        finally:
            inbox.close()

    def cli(self, *words, input=None, timeout=60, check=True, env=None):
        """The operator's program; bytes of input on stdin. Returns the finished process (text)."""
        done = subprocess.run([BIN / "millrace", *map(str, words)], env={**self.env, **(env or {})}, input=input,
                              capture_output=True, timeout=timeout)
        done.out, done.err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert not check or done.returncode == 0, f"millrace {words}: {done.returncode}\n{done.out}{done.err}"
        assert not BAD.search(done.err), done.err
        return done

    def cli_json(self, *words, **more):
        """The lines of `--json` as a list."""
        return [json.loads(line) for line in self.cli(*words, "--json", **more).out.splitlines()]

    def sql(self, query, url=None):
        """Rows as a list of dicts."""
        text = self.psql(f"select coalesce(json_agg(row_to_json(q)), '[]') from ({query}) q", url)
        return json.loads(text)

    def psql(self, statement, url=None, check=True):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url or self.database_url],
                              input=statement, env=clean_env(), capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            if "onnect" in done.stderr or "starting up" in done.stderr or "shutting down" in done.stderr:
                raise ConnectionError(done.stderr)
            raise AssertionError(done.stderr)
        return done.stdout

    def task(self, task_id):
        """The task as api.task.get tells it, None where the store does not know it (yet)."""
        reply = self.nats.request("api.task.get", task_id)
        if reply.header("Nats-Service-Error-Code"):
            return None
        return reply.json()

    def finished(self, task_id, state=None, timeout=30):
        """Waits for the terminal state of a task and returns it, with what its submission said where it had one."""
        final = []

        def look():
            task = self.task(task_id)
            if not task or task["state"] not in ("completed", "dead", "cancelled"):
                return None
            final.append(time.monotonic())
            # A quick outcome may be stored before the router's word of the submission.
            return task if task["queued_at"] or time.monotonic() - final[0] > 1 else None
        task = until(look, timeout, f"end of task {task_id}")
        assert state is None or task["state"] == state, task
        return task

    def submit(self, task_type, body=b"", **headers):
        """Publishes tasks.<type>; header names by keyword (task_id → Task-Id). Returns the task's id."""
        named = {k.replace("_", "-").title(): v for k, v in headers.items()}
        ack = self.nats.js_publish(f"tasks.{task_type}", body, named)
        return headers.get("task_id") or headers.get("nats_msg_id") or self.id_of(ack["seq"])

    def id_of(self, seq):
        """The id of a task that was given none: TASKS' creation time in base 36 and the sequence."""
        from datetime import datetime
        created = self.nats.api("STREAM.INFO.TASKS")["created"]
        text = re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", created).replace("Z", "+00:00")
        stamp, digits = int(datetime.fromisoformat(text).timestamp()), ""
        while stamp:
            stamp, rest = divmod(stamp, 36)
            digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
        return f"{digits}-{seq}"

    def run(self, argv, **more):
        """Starts a process of the test's own that knows the system; it is ended with it."""
        log = open(self.dir / "log" / f"test-{len(self.children)}.log", "ab")
        child = subprocess.Popen([str(a) for a in argv], env={**self.env, **more.pop("env", {})}, stdout=log,
                                 stderr=subprocess.STDOUT, start_new_session=True, **more)
        log.close()
        self.children.append(child)
        return child

    def start_node(self, name, *words, **more):
        """A node of the test's own; waits until the broker's bucket shows it."""
        child = self.run([BIN / "millrace-node", name, *words], **more)
        self.wait_node(name)
        return child

    def wait_node(self, name, state="ready", timeout=30):
        def look():
            reply = self.nats.stream_message("KV_nodes", last_on=f"$KV.nodes.{name}")
            return reply and reply.data and json.loads(reply.data)["state"] == state
        until(look, timeout, f"node {name} {state}")
