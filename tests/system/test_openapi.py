"""The description of the HTTP api is what the gateway does: its routes, parameters, answers, one by one, on a running system."""
import json
import re
import subprocess
from urllib.parse import quote, urlencode

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from lib.crew import crew
from lib.http import Answer, Http
from lib.system import BIN, ROOT
from lib.wait import until

SYSTEM = {"nodes": 1, "gateway": True, "scaler": crew()}


def once(pairs):
    assert len(pairs) == len({key for key, _ in pairs}), f"a key stands there twice: {[key for key, _ in pairs]}"
    return dict(pairs)


def described():
    """The parts under gateway/api put together, as the gateway does."""
    whole = json.loads((ROOT / "gateway/api/base.json").read_text())
    for path in sorted((ROOT / "gateway/api").glob("*.json")):
        part = json.loads(path.read_text(), object_pairs_hook=once)
        if path.name != "base.json":
            assert set(part) <= {"paths", "components"}, path.name
            for name, item in part["paths"].items():
                assert name not in whole["paths"] or not set(item) & set(whole["paths"][name]), f"{path.name}: {name} is described twice"
                whole["paths"].setdefault(name, {}).update(item)
            for name, schema in part.get("components", {}).get("schemas", {}).items():
                assert name not in whole["components"]["schemas"], f"{path.name}: {name} is described twice"
                whole["components"]["schemas"][name] = schema
    return whole


API = described()
OPERATIONS = {op["operationId"]: (method.upper(), path, op) for path, item in API["paths"].items() for method, op in item.items()}


def validate(schema, value, what):
    errors = sorted(Draft202012Validator({**schema, "components": API["components"]}, format_checker=FormatChecker()).iter_errors(value), key=str)
    assert not errors, f"{what}: " + "; ".join(f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors[:5]) + f"\n{json.dumps(value)[:2000]}"


def resolve(value):
    while "$ref" in value:
        name = value["$ref"].split("/")
        value = API[name[1]][name[2]][name[3]]
    return value


def check(op_id, answer, status):
    """Status, headers and body are described."""
    method, path, op = OPERATIONS[op_id]
    what = f"{method} {path} → {answer.status}"
    assert answer.status == status, f"{what}, not {status}: {answer.body[:1000]}"
    assert str(answer.status) in op["responses"], f"{what} is not described"
    content = resolve(op["responses"][str(answer.status)]).get("content")
    kind = answer.headers["content-type"]
    if not content:
        assert not answer.body, what
        return None
    media = content.get(kind) or content.get("*/*")
    assert media is not None, f"{what} is {kind}, described are {list(content)}"
    if kind and "json" in kind and media.get("schema"):
        validate(media["schema"], answer.json(), what)
        return answer.json()
    return answer.body


# ---- the description by itself ----

def test_the_routes_of_the_program_are_those_that_are_described():
    done = subprocess.run([BIN / "millrace-gateway", "--list-routes"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    routes = [tuple(line.replace("...}", "}").split()) for line in done.stdout.splitlines()]
    assert len(routes) == len(set(routes)), "a route stands there twice"
    told = {(method, path, op["x-scope"].replace("open", "-")) for method, path, op in OPERATIONS.values()}
    assert set(routes) == told


def test_it_is_one_document_that_holds_together():
    assert API["openapi"] == "3.1.0" and len(OPERATIONS) == sum(len(item) for item in API["paths"].values())
    tags = [tag["name"] for tag in API["tags"]]
    for op_id, (method, path, op) in OPERATIONS.items():
        parameters = op.get("parameters", [])
        assert op["summary"] and op["tags"][0] in tags, op_id
        in_path = set(re.findall(r"{([^}]+)}", path))
        assert {p["name"] for p in parameters if p["in"] == "path"} == in_path, op_id
        assert all(p["description"] and (p["in"] != "path" or p["required"]) for p in parameters), op_id
        assert all("example" in p for p in parameters if p.get("required")), f"{op_id}: a required parameter has no example"
        for p in parameters:
            if "example" in p:
                validate(p["schema"], p["example"], f"{op_id}: example of {p['name']}")
        for answer in [op.get("requestBody", {}), *map(resolve, op["responses"].values())]:
            for kind, media in answer.get("content", {}).items():
                if "example" in media and "json" in kind:
                    validate(media["schema"], media["example"], f"{op_id}: example of {kind}")
        if op["x-scope"] != "open":
            assert {"400", "401", "403", "429", "503"} <= set(op["responses"]), op_id
    refs = set(re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(API)))
    assert all(name in API["components"][kind] for kind, name in refs)
    assert {("schemas", name) for name in API["components"]["schemas"]} <= refs, "a record that no route mentions"
    for name, schema in API["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)


# ---- against a running system ----

@pytest.fixture(scope="module")
def http(system):
    """The gateway, and what the examples speak of."""
    h = Http(system.http)
    until(lambda: h.get("/readyz").status == 200, 60, "the gateway is ready")
    until(lambda: h.get("/api/v1/pools").status == 200, 60, "a scaler leads")
    system.start_node("spare")
    assert h.post("/api/v1/tasks", {"id": "order-42", "type": "echo", "text": "hello"}).status == 202
    assert h.post("/api/v1/tasks", {"id": "broken-1", "type": "fail", "text": "boom", "attempts": 1}).status == 202
    assert h.post("/api/v1/tasks", {"id": "later-1", "type": "echo", "text": "hello", "delay": "1h"}).status == 202
    for i in (2, 3):
        assert h.post("/api/v1/tasks", {"id": f"later-{i}", "type": "echo", "text": "hello", "delay": "1h"}).status == 202
    system.finished("order-42", "completed")
    system.finished("broken-1", "dead")
    until(lambda: system.task("later-3"), 30, "it is stored")
    until(lambda: h.get("/api/v1/dead/broken-1").status == 200, 30, "its letter is there")
    assert h.put("/api/v1/state/config/colour", {"value": "red"}).status == 200
    assert h.post("/api/v1/agents/spawn", {"role_type": "coder", "agent_id": "ada", "project_id": "p1"}).status == 201
    until(lambda: (h.get("/api/v1/agents/ada").json()["status"] or {}).get("pid"), 60, "she runs")
    assert h.post("/api/v1/schedules", {"name": "nightly", "cron": "0 3 * * *", "type": "echo"}).status == 201
    h.token_of_lock = h.post("/api/v1/locks/deploy/acquire", {"owner": "anna", "ttl_ms": 300000}).json()["token"]
    return h


def agent_of_its_own(name):
    def make(http):
        assert http.post("/api/v1/agents/spawn", {"role_type": "critic", "agent_id": name}).status == 201
        until(lambda: http.get(f"/api/v1/agents/{name}").status == 200, 10, "it is there")
        return {}
    return make


def with_token(http):
    return {"json": {"token": http.token_of_lock}}


def a_file_of_the_page(http):
    found = re.search(r"/assets/([^\"]+)", http.get("/").text)
    return {"path": {"name": found[1]}} if found else {"status": 404}  # built without npm: there is none


# What a request has beside the examples of the description: path for its parameters, query, json, body, headers, status
# (where it is not the first described), or a function that makes that of the running system. Requests go in the order of
# the description, but what ends something goes last.
CALLS = {
    "submit-raw": {"body": b"\x00\xff raw", "headers": {"Content-Type": "application/octet-stream", "Task-Priority": "low"}},
    "run": {"body": b"hello"},
    "list-tasks": {"query": {"state": "completed,dead", "with_body": "true", "limit": 2}},
    "get-task": {"query": {"wait": "1s"}},
    "reassign-task": {"path": {"id": "later-1"}},
    "delete-task": {"path": {"id": "later-2"}}, "cancel-task": {"path": {"id": "later-3"}},
    "list-lanes": {"query": {"limit": 1}},
    "list-nodes": {"query": {"type": "echo"}},
    "drain-node": {"path": {"name": "spare"}}, "undrain-node": {"path": {"name": "spare"}}, "stop-node": {"path": {"name": "spare"}},
    "performance": {"query": {"agents": "true"}},
    "spawn-agent": {"json": {"role_type": "coder", "project_id": "p2", "heartbeat_interval": 30, "max_idle_time": 300}},
    "terminate-agent-named": {"prepare": agent_of_its_own("ada-1"), "json": {"agent_id": "ada-1"}},
    "terminate-agent": {"prepare": agent_of_its_own("ada-2"), "path": {"id": "ada-2"}},
    "delete-agent": {"prepare": agent_of_its_own("ada-3"), "path": {"id": "ada-3"}},
    "renew-lock": {"prepare": with_token}, "release-lock": {"prepare": with_token},
    "dashboard-file": {"prepare": a_file_of_the_page},
}
LAST = ["dead-groups", "get-dead", "replay-dead", "discard-dead", "remove-schedule", "release-lock", "delete-state", "stop-node"]
ORDER = [op_id for op_id in OPERATIONS if op_id not in LAST] + [op_id for op_id in LAST if op_id in OPERATIONS]


def first_event(http, path):
    """A stream does not end by itself: its status, headers, and what comes until its first event is whole."""
    connection = http.connect(20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = b"" if answer.status == 200 else answer.read()
        while answer.status == 200 and b"\n\n" not in body:
            body += answer.readline()
        return Answer(answer.status, answer.headers, body)
    finally:
        connection.close()


def call(http, op_id):
    """The answer, and the status that it should have."""
    method, path, op = OPERATIONS[op_id]
    more = dict(CALLS.get(op_id, {}))
    more.update(more.pop("prepare", lambda http: {})(http))
    values = {p["name"]: p["example"] for p in op.get("parameters", []) if p["in"] == "path"} | more.get("path", {})
    query = {p["name"]: p["example"] for p in op.get("parameters", []) if p["in"] == "query" and p.get("required")} | more.get("query", {})
    real = re.sub(r"{(\w+)}", lambda m: quote(values[m[1]], safe="/"), path)
    media = op.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = more.get("json", media.get("example") if "body" not in more else None)
    status = more.get("status", int(next(iter(op["responses"]))))
    if "text/event-stream" in json.dumps(op):
        return first_event(http, real), status
    return http.request(method, real + ("?" + urlencode(query) if query else ""), json=body, body=more.get("body"), headers=more.get("headers")), status


@pytest.mark.parametrize("op_id", ORDER)
def test_the_answer_is_as_described(http, op_id):
    check(op_id, *call(http, op_id))


@pytest.mark.parametrize("op_id", [op_id for op_id in ORDER if OPERATIONS[op_id][2]["x-scope"] != "open"])
def test_a_parameter_that_is_not_described_is_refused(http, op_id):
    method, path, op = OPERATIONS[op_id]
    real = re.sub(r"{\w+}", "nobody", path)
    answer = http.request(method, f"{real}?misspelt=1", json={} if "requestBody" in op else None, timeout=10)
    assert check(op_id, answer, 400)["field"] == "misspelt"


def test_further_answers(http):
    """Those that an operation has beside its usual one."""
    check("submit", http.post("/api/v1/tasks?wait=20s", {"type": "echo", "text": "now"}), 200)
    check("submit", http.post("/api/v1/tasks", [{"type": "echo", "text": "a"}, {"type": "no good!"}]), 200)
    check("submit", http.post("/api/v1/tasks", [{"type": "no good!"}]), 400)
    check("submit", http.post("/api/v1/tasks", {"type": "no good!"}), 400)
    check("submit-raw", http.post("/api/v1/submit/echo?wait=20s", body=b"now"), 200)
    check("run", http.post("/api/v1/run/fail", body=b"boom", headers={"Task-Attempts": "1"}), 422)
    check("run", http.post("/api/v1/run/sleep?wait=10ms", body=b"1s"), 202)
    check("queue-submit", http.post("/tasks/submit?wait=20s", {"type": "echo", "text": "now"}), 200)
    check("queue-submit", http.post("/tasks/submit", body=b"no json"), 400)
    check("cluster-submit", http.post("/api/cluster/task/submit?agent_type=echo&description=now&wait=20s"), 200)
    check("cluster-submit", http.post("/api/cluster/task/submit?agent_type=echo"), 400)
    check("get-task", http.get("/api/v1/tasks/nobody"), 404)
    check("get-task", http.get("/api/v1/tasks/order-42"), 200)
    check("cluster-task", http.get("/api/cluster/task/nobody"), 404)
    check("cancel-task", http.post("/api/v1/tasks/order-42/cancel"), 409)
    check("get-lane", http.get("/api/v1/lanes/nobody"), 404)
    check("get-node", http.get("/api/v1/nodes/nobody"), 404)
    check("drain-node", http.post("/api/v1/nodes/nobody/drain"), 404)
    check("get-pool", http.get("/api/v1/pools/nobody"), 404)
    check("get-agent", http.get("/api/v1/agents/nobody"), 404)
    check("get-dead", http.get("/api/v1/dead/nobody"), 404)
    check("get-schedule", http.get("/api/v1/schedules/nobody"), 404)
    check("get-state", http.get("/api/v1/state/nobody"), 404)
    check("spawn-agent", http.post("/api/v1/agents/spawn", {"role_type": "nobody"}), 404)
    check("spawn-agent", http.post("/api/v1/agents/spawn", {"role": "coder"}), 400)
    check("terminate-agent-named", http.post("/api/v1/agents/terminate", {}), 400)
    check("set-state", http.put("/api/v1/state/new", {"value": "x", "create": True}), 200)
    check("set-state", http.put("/api/v1/state/new", {"value": "x", "create": True}), 409)
    check("list-nodes", http.get("/api/v1/nodes?limit=1001"), 400)
    check("list-tasks", http.get("/api/v1/tasks?limit=many"), 400)
    check("list-tasks", http.get("/api/v1/tasks?state=eaten"), 400)


def test_lists_go_on_with_their_cursor(http):
    for path, key in (("/api/v1/tasks?", "tasks"), ("/tasks/results?", "tasks"), ("/api/v1/lanes?", "lanes"), ("/agents/nodes?", "nodes")):
        whole, cursor, pages = http.get(f"{path}limit=1000").json()[key], "", 0
        parts = []
        while cursor is not None:
            page = http.get(f"{path}limit=1" + (f"&cursor={quote(cursor)}" if cursor else "")).json()
            parts += page[key]
            cursor, pages = page["next_cursor"], pages + 1
            assert len(page[key]) <= 1 and pages <= len(whole) + 1
        name = "id" if path.startswith("/api/v1/tasks") else "task_id" if key == "tasks" else "name"
        assert [x[name] for x in parts] == [x[name] for x in whole] and len(parts) > 1, path


def test_what_is_served_is_what_is_described(http):
    served = http.get("/openapi.json").json()
    assert served["info"].pop("version") and API["info"].pop("version")
    assert served == API
    assert http.get("/openapi.json").headers["content-type"] == "application/json"


def test_the_page_tells_every_route_and_asks_nobody_else(http):
    page = http.get("/docs")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    for method, path, op in OPERATIONS.values():
        assert f'id="{op["operationId"]}"' in page.text and path in page.text
    for name in API["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text
    assert "<script" not in page.text and " style=" not in page.text and " on" not in re.sub(r">[^<]*<", "><", page.text)
    assert set(re.findall(r'(?:src|href)="([^"#]+)', page.text)) == {"/docs.css", "/openapi.json", "/"}
    anchors = set(re.findall(r'href="#([^"]+)"', page.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page.text)), "a link that leads nowhere"
    assert "curl -sS" in page.text and "nats request" in page.text
    style = http.get("/docs.css").text
    assert "url(" not in style and "@import" not in style
