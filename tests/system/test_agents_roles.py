"""The roles of examples/agents: what each does without a model, and with one, in both styles, through all its moods."""
import base64
import json
import os
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib.system import ROOT
from lib.wait import until

EXAMPLES = ROOT / "examples/agents"


class Agent:
    """agent.py as a node runs it, spoken to in frames."""

    def __init__(self, role, tmp_path, hello=None, **env):
        clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8",
                 "MILLRACE_AGENT_ID": f"{role}-1", "MILLRACE_PROJECT_ID": "atlas"}
        self.child = subprocess.Popen([sys.executable, "-B", "agent.py", role], cwd=EXAMPLES, env={**clean, **env},
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.number = 0
        self.send({"op": "hello", "version": 1, "type": role, "node": "n", "agents": 1, "returns": True,
                   "heartbeat_interval_ms": 1000, **(hello or {})})
        if "heartbeat_interval_ms" in (hello or {"heartbeat_interval_ms": 1}):
            assert self.next()[0] == {"op": "ready", "ping": True}

    def send(self, header, body=b""):
        frame = json.dumps(header).encode() + b"\n" + body
        self.child.stdin.write(struct.pack(">I", len(frame)) + frame)
        self.child.stdin.flush()

    def next(self):
        prefix = self.child.stdout.read(4)
        assert len(prefix) == 4, self.child.stderr.read().decode()
        frame = self.child.stdout.read(struct.unpack(">I", prefix)[0])
        line, _, body = frame.partition(b"\n")
        return json.loads(line), body

    def begin(self, body, **more):
        self.number += 1
        body = json.dumps(body) if isinstance(body, (dict, list)) else body
        self.send({"op": "task", "run": self.number, "id": f"task-{self.number}", "type": "x", "attempt": 1, "epoch": 1,
                   "timeout_ms": 60000, "headers": {}, **more}, body if isinstance(body, bytes) else body.encode())
        return self.number

    def ask(self, body, **more):
        """(op, header, result or error)"""
        run = self.begin(body, **more)
        header, data = self.next()
        assert header["run"] == run
        return header["op"], header, json.loads(data) if header["op"] == "result" else header["error"]

    def result(self, body, **more):
        op, _, value = self.ask(body, **more)
        assert op == "result", value
        return value

    def never(self, body, *words, **more):
        op, header, error = self.ask(body, **more)
        assert op == "fail" and header["permanent"] is True, (op, header)
        for word in words:
            assert word in error, error

    def close(self):
        self.child.stdin.close()
        code = self.child.wait(20)
        errors = self.child.stderr.read().decode()
        self.child.stdout.close()
        self.child.stderr.close()
        assert code == 0 and not errors, errors


@pytest.fixture
def agent(tmp_path):
    made = []

    def start(role, **env):
        made.append(Agent(role, tmp_path, **env))
        return made[-1]
    yield start
    for a in made:
        a.close()


# ---- the process ----

def test_pings_are_answered_while_a_task_runs(agent):
    a = agent("executor")
    a.send({"op": "ping"})
    assert a.next()[0] == {"op": "pong"}
    run = a.begin({"code": "import time; time.sleep(1.5)"})
    a.send({"op": "ping"})
    a.send({"op": "what is this", "new": True})  # a later version's: ignored
    assert a.next()[0] == {"op": "pong"}
    header, _ = a.next()
    assert header["op"] == "result" and header["run"] == run


def test_a_node_of_before_gets_nothing_that_it_does_not_know(tmp_path):
    """No heartbeat in the hello, so no "ready"; no "returns", so a plain failure with its time."""
    env = {"MODEL_URL": "http://127.0.0.1:9", "MODEL_BREAKER_FAILURES": "1", "MODEL_RETRIES": "0"}
    a = Agent.__new__(Agent)
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **env}
    a.child = subprocess.Popen([sys.executable, "-B", "agent.py", "architect"], cwd=EXAMPLES, env=clean, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    a.number = 0
    a.send({"op": "hello", "version": 1, "type": "architect", "node": "n", "agents": 1})
    assert a.ask("Build it")[0] == "fail"
    op, header, error = a.ask("Build it")
    assert op == "fail" and not header.get("permanent") and 0 < header["retry_after_ms"] <= 30000 and "breaker" in error
    a.close()


def test_a_cancelled_task_ends_at_once_and_so_does_what_it_started(agent, tmp_path):
    a = agent("executor")
    mark = tmp_path / "pid"
    run = a.begin({"code": f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(50)"})
    until(lambda: mark.exists() and mark.read_text(), 20, "it runs")
    a.send({"op": "cancel", "run": run})
    header, _ = a.next()
    assert header["op"] == "fail" and header["run"] == run
    until(lambda: not os.path.exists(f"/proc/{mark.read_text()}"), 10, "its process is gone")
    assert a.result("print(1)")["stdout"] == "1\n"  # and nothing is answered twice


@pytest.mark.parametrize("role", ["architect", "coder", "executor", "critic", "deployer"])
def test_what_is_no_request_is_refused_for_good(agent, role, tmp_path):
    a = agent(role, DEPLOY_DIR=str(tmp_path / "d"))
    a.never(b"", "empty")
    a.never(b" \n", "empty")
    a.never(b"\xff\xfe\x00", "no text")
    a.never("[1, 2]", "list, not an object", content_type="application/json")
    a.never("{broken", "no JSON", content_type="application/json")
    wrong = {"architect": "description", "coder": "examples", "executor": "command", "critic": "code", "deployer": "name"}[role]
    a.never({wrong: 7, "description": "x y"} if wrong != "description" else {wrong: 7}, wrong)
    a.never({"constraints": "x", "parameters": "x", "stdin": 1, "code": {}, "files": []})
    path = tmp_path / "large"
    path.write_bytes(b"x" * 10)
    a.never(b"", "16777216 is the most", file=str(path), file_bytes=17 << 20)


def test_a_large_body_is_read_from_its_file(agent, tmp_path):
    path = tmp_path / "body"
    path.write_text("def f(a):\n    return a\n")
    assert agent("critic").result(b"", file=str(path), file_bytes=23)["verdict"] == "approve"


def test_a_wrong_setting_ends_the_process_with_a_sentence(tmp_path):
    for env, words in (({"MODEL_URL": "ftp://x"}, "MODEL_URL is not http"), ({"MODEL_URL": "http://u:p@x"}, "MODEL_KEY_FILE"),
                       ({"MODEL_URL": "http://x", "MODEL_API": "magic"}, "openai or anthropic"),
                       ({"MODEL_URL": "http://x", "MODEL_TIMEOUT": "soon"}, "MODEL_TIMEOUT"),
                       ({"MODEL_URL": "http://x", "MODEL_KEY_FILE": str(tmp_path / "none")}, "MODEL_KEY_FILE"),
                       ({"MODEL_URL": "http://x", "MODEL_KEY": "a\nb"}, "no header can hold")):
        done = subprocess.run([sys.executable, "-B", "agent.py", "coder"], cwd=EXAMPLES, env={"PATH": os.environ["PATH"], **env},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and words in done.stderr, (env, done.stderr)
        assert "Traceback" not in done.stderr
    done = subprocess.run([sys.executable, "-B", "agent.py", "poet"], cwd=EXAMPLES, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "usage: agent.py architect|coder|executor|critic|deployer" in done.stderr


# ---- without a model ----

def test_the_architect_plans(agent):
    a = agent("architect")
    plan = a.result("Design the schema. Implement the importer and write the exporter, then test them. Review the code, and finally deploy it.")
    assert plan["mode"] == "offline" and plan["agent"] == "architect-1" and plan["project"] == "atlas"
    assert [(s["role"], s["depends_on"]) for s in plan["steps"]] == [
        ("architect", []), ("coder", ["s1"]), ("coder", ["s1"]), ("executor", ["s1", "s2", "s3"]),
        ("critic", ["s2", "s3", "s4"]), ("deployer", ["s1", "s2", "s3", "s4", "s5"])]
    assert plan["waves"] == [["s1"], ["s2", "s3"], ["s4"], ["s5"], ["s6"]] and plan["longest_path"] == 5
    assert plan["flow"]["tasks"][1] == {"id": "s2", "type": "coder", "payload": {"description": "Implement the importer"}, "dependsOn": ["s1"]}
    # Bullets are as their work is; numbers say an order.
    assert a.result({"description": "- build the client\n- build the server"})["waves"] == [["s1", "s2"]]
    numbered = a.result({"description": "1. build the client\n2. build the server", "constraints": ["no money"]})
    assert numbered["waves"] == [["s1"], ["s2"]]
    assert "code is written that nobody runs or reviews" in numbered["risks"] and "constraint to be kept: no money" in numbered["risks"]
    again = a.result({"description": "1. build the client\n2. build the server", "constraints": ["no money"]})
    assert {**again, "took_ms": 0} == {**numbered, "took_ms": 0}


def test_the_coder_finds_a_function_and_proves_it(agent, tmp_path):
    c = agent("coder")
    made = c.result({"description": "adds two numbers", "name": "plus", "parameters": ["x", "y"], "examples": [{"args": [2, 2], "result": 4},
                                                                                                            {"args": [1, 5], "result": 6}]})
    assert made["verified"] and made["test_output"] == "2 passed" and made["code"].startswith("def plus(x, y):")
    for name, text in made["files"].items():
        (tmp_path / name).write_text(text)
    done = subprocess.run([sys.executable, "-B", "test_plus.py"], cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout == "2 passed\n"
    # The examples decide, not the words.
    assert "a * b" in c.result({"description": "adds two numbers", "examples": [{"args": [3, 4], "result": 12}]})["code"]
    assert c.result("a function that tells whether a word is a palindrome")["name"] == "is_palindrome"
    c.never("conquer the world", "knows no function", "fibonacci")
    c.never("the sum of the squares", "knows no function")
    c.never({"examples": [{"args": [1], "result": 99999}]}, "does what the examples show")
    c.never({"examples": [{"args": [10 ** 9], "result": 1}]}, "10,000 at most")
    c.never({"description": "add", "name": "import"}, "import")
    c.never({"description": "add", "name": "x; print(1)"}, "is no name")
    c.never({"description": "add", "language": "cobol"}, "writes Python")
    c.never({"examples": [{"args": [1], "result": 1}, {"args": [1, 2], "result": 1}]}, "agree")


def test_the_executor_runs_and_tells(agent):
    e = agent("executor")
    ran = e.result({"command": ["wc", "-l"], "stdin": "a\nb\n"})
    assert (ran["exit_code"], ran["stdout"], ran["timed_out"]) == (0, "2\n", False)
    ran = e.result({"code": "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"})
    assert (ran["exit_code"], ran["stdout"], ran["stderr"]) == (3, "out\n", "err\n")
    assert e.result({"command": ["cat", "a/b.txt"], "files": {"a/b.txt": "hello"}})["stdout"] == "hello"
    ran = e.result({"code": "import time; print('began', flush=True); time.sleep(60)", "timeout_s": 0.6})
    assert ran["timed_out"] and ran["exit_code"] is None and ran["stdout"] == "began\n" and ran["duration_ms"] < 20000
    ran = e.result({"code": "print('x' * 1000000)"})
    assert ran["truncated"] and len(ran["stdout"]) == 256 << 10
    ran = e.result({"code": "x = bytearray(4 << 30)"})
    assert ran["exit_code"] != 0 and "MemoryError" in ran["stderr"]
    ran = e.result({"code": "import os; print(sorted(k for k in os.environ if 'MODEL' in k or 'MILLRACE' in k))"})
    assert ran["stdout"] == "[]\n"
    op, header, error = e.ask({"code": "raise SystemExit('no luck')", "check": True})
    assert op == "fail" and not header.get("permanent") and "ended with exit code 1: no luck" in error
    e.never({"command": ["rm", "-rf", "/"]}, "none of the commands that are allowed here")
    e.never({"command": ["ls"], "code": "1"}, "both")
    e.never({"command": []}, "program first")
    e.never("make me a sandwich", "no Python")
    e.never({"code": "print(1)", "timeout_s": -1}, "timeout_s")
    e.never({"code": "print(1)", "files": {"../x": "y"}}, "not a path below")
    # What it leaves running in its group ends with it.
    ran = e.result({"code": "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"})
    until(lambda: not os.path.exists(f"/proc/{ran['stdout'].strip()}") or
          open(f"/proc/{ran['stdout'].strip()}/stat").read().split(")")[1].split()[0] == "Z", 10, "its child is gone")


def test_the_executor_is_allowed_what_its_node_says(agent):
    assert agent("executor", EXECUTOR_COMMANDS="*").result({"command": ["expr", "1", "+", "1"]})["stdout"] == "2\n"
    e = agent("executor", EXECUTOR_COMMANDS="expr, no-such-program")
    e.never({"command": ["wc"]}, "expr")
    e.never({"command": ["no-such-program"]}, "there is no program no-such-program")


BAD = """import os
import re as regex
def f(items=[], *, more={}):
    unused = 1
    try:
        eval("1")
    except:
        pass  # TODO: later
    return items
"""


def test_the_critic_judges(agent):
    c = agent("critic")
    verdict = c.result({"code": BAD})
    rules = [(f["line"], f["rule"]) for f in verdict["findings"]]
    assert rules == [(1, "unused"), (2, "unused"), (3, "mutable-default"), (3, "mutable-default"), (4, "unused"), (6, "eval"),
                     (7, "bare-except"), (8, "todo")]
    assert verdict["verdict"] == "reject" and verdict["score"] < 20
    good = c.result("def add(a, b):\n    return a + b\n")
    assert (good["verdict"], good["score"], good["findings"]) == ("approve", 100, [])
    assert good["measures"] == {"lines": 2, "functions": 1, "max_complexity": 1}
    broken = c.result({"code": "def f(:\n"})
    assert broken["verdict"] == "reject" and broken["findings"][0]["rule"] == "syntax"
    branchy = "def f(x):\n" + "".join(f"    if x == {n}:\n        return {n}\n" for n in range(12))
    verdict = c.result({"code": branchy})
    assert verdict["measures"]["max_complexity"] == 13 and verdict["verdict"] == "changes"
    assert c.result({"code": "{1, 2}"})["verdict"] == "approve" and c.result("{1, 2}")["verdict"] == "approve"


def test_the_deployer_releases_whole_or_not_at_all(agent, tmp_path):
    base = tmp_path / "deploy"
    d = agent("deployer", DEPLOY_DIR=str(base))
    one = d.result({"name": "site", "version": "1", "files": {"index.html": "one", "img/x.bin": {"base64": base64.b64encode(b"\0\1").decode()}}})
    assert one["changed"] and one["version"] == "1" and one["previous"] is None
    assert (base / "site/current/index.html").read_text() == "one" and (base / "site/current/img/x.bin").read_bytes() == b"\0\1"
    assert not d.result({"name": "site", "version": "1", "files": {"index.html": "one", "img/x.bin": {"base64": "AAE="}}})["changed"]
    d.never({"name": "site", "version": "1", "files": {"index.html": "other"}}, "never changed")
    two = d.result({"name": "site", "version": "2", "files": {"index.html": "two"}})
    assert two["previous"] == "1" and os.readlink(base / "site/current") == "releases/2"
    # The same task again goes back no further.
    back = d.result({"name": "site", "rollback": True}, id="undo")
    assert back["version"] == "1" and back["rolled_back_from"] == "2" and (base / "site/current/index.html").read_text() == "one"
    assert not d.result({"name": "site", "rollback": True}, id="undo")["changed"]
    assert d.result({"name": "site", "rollback": "2"})["version"] == "2"
    for n in range(3, 9):
        last = d.result({"name": "site", "version": str(n), "files": {"n": str(n)}, "keep": 3})
    assert last["releases"] == ["6", "7", "8"] and last["version"] == "8"
    history = d.result({"name": "site", "status": True})["history"]
    assert [h["version"] for h in history][:4] == ["1", "2", "1", "2"]
    # Without a version the content is its name.
    named = d.result({"name": "other", "files": {"a": "b"}})
    assert named["version"] == named["digest"][:12]
    for files, words in (({"../x": "y"}, "no path below"), ({"/x": "y"}, "no path below"), ({"a//b": "y"}, "no path below"),
                         ({"a": 1}, "neither a text"), ({"a": {"base64": "!"}}, "a:"), ({"a": "x", "a/b": "y"}, "below another")):
        d.never({"name": "site", "files": files}, words)
    for name in ("..", "a/b", "", ".hidden", "x" * 101):
        d.never({"name": name, "status": True}, "name")
    d.never({"name": "fresh", "rollback": True}, "no release")
    d.never({"name": "site", "files": {"a": "b"}, "status": True}, "one of files")
    assert not list(base.rglob(".new-*"))


def test_two_deployers_at_once_leave_one_whole_release(agent, tmp_path):
    base = tmp_path / "deploy"
    both = [agent("deployer", DEPLOY_DIR=str(base)) for _ in range(2)]
    for n in range(10):
        for k, d in enumerate(both):
            d.begin({"name": "race", "version": f"{n}-{k}", "files": {f"{i}.txt": f"{n}-{k}" for i in range(20)}})
        assert all(d.next()[0]["op"] == "result" for d in both)
        shown = {(base / f"race/current/{i}.txt").read_text() for i in range(20)}
        assert len(shown) == 1


def test_a_deployer_without_a_place_says_so(agent):
    op, header, error = agent("deployer").ask({"name": "site", "files": {"a": "b"}})
    assert op == "fail" and not header.get("permanent") and "DEPLOY_DIR is not set" in error


# ---- with a model ----

class Endpoint:
    """A model's HTTP server, in both styles. script: what it answers, in turn; then the last again."""

    def __init__(self):
        endpoint = self
        self.script, self.seen, self.lock = [], [], threading.Lock()
        self.release = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint.lock:
                    endpoint.seen.append((self.path, dict(self.headers), body))
                    step = endpoint.script.pop(0) if len(endpoint.script) > 1 else endpoint.script[0]
                endpoint.answer(self, step)

            def log_message(self, *words):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who was cancelled hangs up
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def answer(self, handler, step):
        status, headers, data = 200, {}, b""
        if isinstance(step, str):
            anthropic = handler.path.endswith("/messages")
            data = json.dumps({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": step}]} if anthropic
                              else {"choices": [{"message": {"role": "assistant", "content": step}}]}).encode()
        elif step == -1:  # says nothing for long
            self.release.wait(30)
            handler.close_connection = True
            return
        elif step == -2:  # hangs up
            handler.close_connection = True
            return
        elif isinstance(step, tuple):
            status, headers, data = step
        else:
            status, data = step, b'{"error": "so it is"}'
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint():
    e = Endpoint()
    yield e
    e.close()


PLAN = {"summary": "an importer", "risks": ["time"], "steps": [
    {"id": "a", "title": "Decide", "role": "architect", "depends_on": []},
    {"id": "b", "title": "Write", "role": "coder", "depends_on": ["a"], "delivers": "code"}]}


def settings(endpoint, api, **more):
    return {"MODEL_URL": endpoint.url, "MODEL_API": api, "MODEL_NAME": "test-model", "MODEL_BACKOFF": "0.01", **more}


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_the_architect_asks_in_either_style(agent, endpoint, api, tmp_path):
    key = tmp_path / "key"
    key.write_text("secret-key\nnot this\n")
    endpoint.script = ["Here it is:\n```json\n" + json.dumps(PLAN) + "\n```\nGood luck!"]
    a = agent("architect", **settings(endpoint, api, MODEL_KEY_FILE=str(key), MODEL_MAX_TOKENS="77"))
    plan = a.result({"description": "an importer", "constraints": ["cheap"]})
    assert plan["mode"] == "model" and plan["model"] == "test-model" and plan["waves"] == [["a"], ["b"]] and plan["risks"] == ["time"]
    assert plan["flow"]["tasks"][1]["dependsOn"] == ["a"]
    path, headers, body = endpoint.seen[0]
    assert body["model"] == "test-model" and body["max_tokens"] == 77
    assert body["messages"][-1]["role"] == "user" and "cheap" in body["messages"][-1]["content"]
    if api == "openai":
        assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret-key"
        assert body["messages"][0]["role"] == "system" and "software architect" in body["messages"][0]["content"]
    else:
        assert path == "/v1/messages" and headers["x-api-key"] == "secret-key" and headers["anthropic-version"]
        assert "software architect" in body["system"] and len(body["messages"]) == 1


def test_the_address_may_end_where_it_likes():
    sys.path.insert(0, str(EXAMPLES))
    try:
        from model import Model
    finally:
        sys.path.remove(str(EXAMPLES))
    for url, api, path in (("http://h", "openai", "/v1/chat/completions"), ("http://h/", "anthropic", "/v1/messages"),
                           ("http://h/v1", "openai", "/v1/chat/completions"), ("http://h/v1/", "anthropic", "/v1/messages"),
                           ("http://h/proxy/x", "openai", "/proxy/x/v1/chat/completions"),
                           ("http://h/a/chat/completions", "openai", "/a/chat/completions")):
        assert Model(url, api).path == path


def test_an_answer_that_can_not_be_used_goes_back_once(agent, endpoint):
    circle = json.dumps({"steps": [{"id": "a", "title": "x", "role": "coder", "depends_on": ["b"]},
                                   {"id": "b", "title": "y", "role": "coder", "depends_on": ["a"]}]})
    endpoint.script = [circle, json.dumps(PLAN)]
    a = agent("architect", **settings(endpoint, "openai"))
    assert a.result("x y")["longest_path"] == 2
    again = endpoint.seen[1][2]["messages"]
    assert [m["role"] for m in again] == ["system", "user", "assistant", "user"] and "in a circle" in again[-1]["content"]
    endpoint.script = ["I would rather not."]
    op, header, error = a.ask("x y")
    assert op == "fail" and not header.get("permanent") and "no JSON object" in error
    assert len(endpoint.seen) == 4


def test_the_coder_hands_over_what_passes_its_test(agent, endpoint):
    def both(body, test):
        return f"```python\ndef twice(n):\n    return {body}\n```\nand\n```python\nfrom solution import twice\n{test}\n```"
    endpoint.script = [both("n + 2", "assert twice(3) == 6"), both("2 * n", "assert twice(3) == 6")]
    c = agent("coder", **settings(endpoint, "anthropic"))
    made = c.result({"description": "twice a number", "name": "twice", "examples": [{"args": [4], "result": 8}]})
    assert made["verified"] and "2 * n" in made["code"] and "from twice import twice" in made["test"]
    assert "AssertionError" in endpoint.seen[1][2]["messages"][-1]["content"]
    # A test that passes does not help against the request's own example.
    endpoint.script = [both("n + 2", "assert twice(2) == 4")]
    op, _, error = c.ask({"description": "twice a number", "name": "twice", "examples": [{"args": [4], "result": 8}]})
    assert op == "fail" and "no code that passes its test" in error and "is 6, not 8" in error


def test_the_executor_turns_words_into_a_program(agent, endpoint):
    endpoint.script = ["```python\nprint(6 * 7)\n```"]
    e = agent("executor", **settings(endpoint, "openai"))
    ran = e.result("multiply six by seven")
    assert ran["stdout"] == "42\n" and ran["code"] == "print(6 * 7)\n" and ran["mode"] == "model"
    assert e.result({"command": ["echo", "hi"]})["stdout"] == "hi\n"
    assert e.result("print(1)")["stdout"] == "1\n"
    assert len(endpoint.seen) == 1  # what can be run as it is needs no model


def test_the_critic_listens_to_the_model_but_not_against_the_checks(agent, endpoint):
    endpoint.script = [json.dumps({"summary": "off by one", "findings": [{"line": 2, "level": "error", "message": "it returns one too many"}]})]
    c = agent("critic", **settings(endpoint, "anthropic"))
    verdict = c.result({"code": "def f(n):\n    return n + 1\n", "description": "the same number"})
    assert verdict["verdict"] == "reject" and verdict["findings"][0]["rule"] == "model" and verdict["summary"] == "off by one"
    assert "   2     return n + 1" in endpoint.seen[0][2]["messages"][0]["content"]
    endpoint.script = [json.dumps({"summary": "wonderful", "findings": []})]
    assert c.result({"code": BAD})["verdict"] == "reject"


def test_the_deployer_holds_what_the_model_would_not_release(agent, endpoint, tmp_path):
    endpoint.script = [json.dumps({"go": False, "risk": "high", "reason": "there is a key in it", "notes": ""}),
                       json.dumps({"go": True, "risk": "low", "reason": "fine", "notes": "A new page."})]
    d = agent("deployer", **settings(endpoint, "openai", DEPLOY_DIR=str(tmp_path / "deploy")))
    held = d.result({"name": "site", "version": "1", "files": {"x": "API_KEY=abc"}})
    assert held["held"] and held["version"] is None and held["assessment"]["reason"] == "there is a key in it"
    out = d.result({"name": "site", "version": "1", "files": {"x": "hello"}})
    assert not out["held"] and out["version"] == "1" and out["assessment"]["notes"] == "A new page."
    assert "nothing" in endpoint.seen[0][2]["messages"][1]["content"]


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_what_passes_is_tried_again(agent, endpoint, api):
    endpoint.script = [500, -2, json.dumps(PLAN)]
    assert agent("architect", **settings(endpoint, api)).result("x y")["longest_path"] == 2
    assert len(endpoint.seen) == 3


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_the_breaker_opens_and_closes(agent, endpoint, api):
    endpoint.script = [503]
    a = agent("architect", **settings(endpoint, api, MODEL_RETRIES="0", MODEL_BREAKER_FAILURES="3", MODEL_BREAKER_OPEN="2"))
    for _ in range(3):
        op, header, error = a.ask("x y")
        assert op == "fail" and "the model answered 503" in error and not header.get("permanent")
    began = time.monotonic()
    op, header, error = a.ask("x y")
    assert op == "return" and "breaker" in error and 0 < header["retry_after_ms"] <= 2000  # fails fast, no attempt is wasted
    assert len(endpoint.seen) == 3 and time.monotonic() - began < 1.5

    def half_open():  # the probe fails: open again
        op, _, error = a.ask("x y")
        return op == "fail" and "503" in error
    until(half_open, 20, "a probe")
    assert len(endpoint.seen) == 4 and a.ask("x y")[0] == "return"
    endpoint.script = [json.dumps(PLAN)]
    until(lambda: a.ask("x y")[0] == "result", 20, "it has recovered")
    for _ in range(3):
        assert a.ask("x y")[0] == "result"


def test_a_server_that_says_when_is_heeded_and_spends_no_attempt(agent, endpoint):
    endpoint.script = [(429, {"Retry-After": "120"}, b"slow down")]
    a = agent("architect", **settings(endpoint, "openai"))
    op, header, error = a.ask("x y")
    assert op == "return" and header["retry_after_ms"] == 120000 and "429" in error and len(endpoint.seen) == 1


def test_refusals_are_not_tried_again(agent, endpoint):
    a = agent("architect", **settings(endpoint, "anthropic", MODEL_BREAKER_FAILURES="1"))
    for status, final in ((400, True), (422, True), (401, False), (404, False), (301, False)):
        endpoint.script, endpoint.seen = [status], []
        op, header, error = a.ask("x y")
        assert op == "fail" and bool(header.get("permanent")) == final and f"the model answered {status}" in error
        assert len(endpoint.seen) == 1


def test_nonsense_and_silence_are_failed_attempts(agent, endpoint):
    a = agent("architect", **settings(endpoint, "openai", MODEL_TIMEOUT="0.5", MODEL_RETRIES="0", MODEL_BREAKER_FAILURES="0"))
    for step, words in (((200, {}, b"<html>"), "not in the style of openai"), ((200, {}, b'{"choices": []}'), "not in the style"),
                        ((200, {}, b'{"choices": [{"message": {"content": null}}]}'), "is empty"), ("", "is empty"),
                        (-1, "can't be reached: timed out"), (-2, "can't be reached"), ((200, {}, b"x" * (9 << 20)), "longer than")):
        endpoint.script = [step]
        op, header, error = a.ask("x y")
        assert op == "fail" and not header.get("permanent") and words in error, (step if step != 200 else "", error)


def test_a_call_that_waits_is_cancelled(agent, endpoint):
    endpoint.script = [-1]
    a = agent("architect", **settings(endpoint, "openai"))
    run = a.begin("x y")
    until(lambda: endpoint.seen, 10, "the call")
    a.send({"op": "cancel", "run": run})
    header, _ = a.next()
    assert header["op"] == "fail" and header["run"] == run
    endpoint.script = [json.dumps(PLAN)]
    assert a.result("x y")["longest_path"] == 2


def test_a_task_without_time_left_fails_in_time(agent, endpoint):
    endpoint.script = [-1]
    a = agent("architect", **settings(endpoint, "openai", MODEL_RETRIES="50"))
    began = time.monotonic()
    assert a.ask("x y", timeout_ms=1200)[0] == "fail"
    assert time.monotonic() - began < 10
