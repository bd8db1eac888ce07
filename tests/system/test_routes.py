"""Every route of the five systems that this one replaces, used as their clients use it: paths, keys, meaning."""
import concurrent.futures
import time

import pytest

from lib.crew import crew
from lib.http import Http
from lib.wait import until

SYSTEM = {"nodes": 1, "gateway": True, "scaler": crew(max=6), "bridge": False}


@pytest.fixture(scope="module")
def http(system):
    h = Http(system.http)
    until(lambda: h.get("/readyz").status == 200, 60, "the gateway is ready")
    until(lambda: h.get("/api/v1/pools").status == 200, 60, "a scaler leads")
    return h


def good(answer, status=200):
    assert answer.status == status, answer
    return answer.json()


def find(http, path, task_id, key="tasks"):
    """The task of that id in a list, None where it is not there."""
    return next((t for t in good(http.get(path))[key] if t["task_id"] == task_id), None)


# ---- one queue and its nodes ----

def test_a_submitted_task_is_found_among_the_results(http):
    task = good(http.post("/tasks/submit", {"text": "hello", "type": "echo", "required": {}}), 202)
    assert task["task_id"] and task["status"] == "queued" and task["type"] == "echo"
    result = until(lambda: (r := find(http, "/tasks/results", task["task_id"])) and r.get("text") and r, 30, "its result")
    assert (result["status"], result["result"], result["text"], result["type"]) == ("completed", "hello", "hello", "echo")
    assert result["node"] == "node-1" and result["finished_at"] and result["error"] is None
    assert not find(http, "/tasks/queued", task["task_id"]) and not find(http, "/tasks/in_progress", task["task_id"])


def test_a_task_without_a_type_has_the_default_type(http):
    task = good(http.post("/tasks/submit", {"text": "what am I?"}), 202)
    assert task["type"] == "default"
    assert until(lambda: find(http, "/tasks/queued", task["task_id"]), 30, "it waits for a node")["type"] == "default"


def test_a_task_waits_for_a_node_that_has_what_it_requires(system, http):
    task = good(http.post("/tasks/submit", {"text": "hello", "type": "echo", "required": {"gpu": True, "tpu": False}}), 202)
    waiting = until(lambda: find(http, "/tasks/queued", task["task_id"]), 30, "it waits")
    assert waiting["status"] == "queued" and waiting["required"] == {"gpu": True} and waiting["node"] is None
    node = system.start_node("gpu-1", "--capabilities", "gpu")
    done = until(lambda: find(http, "/tasks/results", task["task_id"]), 30, "it ran")
    assert done["node"] == "gpu-1"
    listed = {n["name"]: n for n in good(http.get("/agents/nodes"))["nodes"]}
    assert listed["gpu-1"]["capabilities"] == ["gpu"] and listed["node-1"]["capabilities"] == []
    assert {"status", "healthy", "slots", "used", "load", "process_id", "tasks_completed", "errors", "uptime_s"} <= set(listed["gpu-1"])
    assert listed["gpu-1"]["process_id"] == node.pid
    # By capability, as operators ask.
    assert [n["name"] for n in good(http.get("/api/v1/nodes?capability=gpu"))["nodes"]] == ["gpu-1"]
    assert [lane["name"] for lane in good(http.get("/api/v1/lanes?capability=gpu"))["lanes"]] == ["echo--gpu"]
    node.terminate()


def test_what_runs_is_in_progress(http):
    task = good(http.post("/tasks/submit", {"text": "8s", "type": "sleep"}), 202)
    running = until(lambda: find(http, "/tasks/in_progress", task["task_id"]), 30, "it runs")
    assert running["status"] == "running" and running["node"] == "node-1" and running["started_at"]
    busy = next(n for n in good(http.get("/agents/nodes"))["nodes"] if n["name"] == "node-1")
    assert busy["status"] in ("busy", "idle") and busy["healthy"] is True
    until(lambda: find(http, "/tasks/results", task["task_id"]), 30, "it ends")


def test_failed_and_binary_results_are_results(http):
    failed = good(http.post("/tasks/submit?wait=30s", {"text": "boom", "type": "fail", "attempts": 1}))
    assert failed["status"] == "failed" and "boom" in failed["error"] and failed["result"] is None
    assert find(http, "/tasks/results", failed["task_id"])["status"] == "failed"
    good(http.post("/api/v1/submit/echo?wait=30s", body=b"\x00\xff", headers={"Task-Id": "binary-1"}))
    # Of a quick task the outcome may be stored a moment before what was submitted.
    binary = until(lambda: (b := find(http, "/tasks/results", "binary-1")) and b.get("text_base64") and b, 10)
    assert binary["result"] is None and binary["result_base64"] == binary["text_base64"] == "AP8="


def test_what_is_no_task_is_refused_with_a_sentence(http):
    for body in ({"type": "echo!", "text": "x"}, {"type": "echo", "required": 7}, {"type": "echo", "priority": "urgent"}):
        answer = http.post("/tasks/submit", body)
        assert answer.status == 400 and answer.json()["field"] in body and answer.headers["content-type"] == "application/problem+json"
    for raw in (b"", b"hello", b"[1]", b'{"text":'):
        assert http.post("/tasks/submit", body=raw).status == 400


# ---- orchestrator ----

def test_a_task_in_the_orchestrators_words(http):
    spec = {"task_id": "job-1", "task_type": "echo", "inputs": [{"type": "text", "data": "hello"}, {"type": "binary", "data": "AP8="}],
            "execution_mode": "parallel", "priority": 7, "timeout_ms": 20000, "metadata": {"report_title": "Q3"}}
    assert good(http.post("/api/v1/tasks", spec), 202)["task_id"] == "job-1"
    task = good(http.get("/api/v1/tasks/job-1?wait=30s"))
    assert (task["task_id"], task["status"]) == ("job-1", "completed")
    assert task["output"]["inputs"] == spec["inputs"]  # an echo of the whole spec
    execution, = task["agent_executions"]
    assert execution["agent_id"] == "node-1" and execution["status"] == "completed" and execution["duration_ms"] >= 0
    assert task["metrics"]["agents_used"] == ["node-1"] and task["metrics"]["retry_count"] == 0 and task["metrics"]["total_duration_ms"] > 0
    again = good(http.post("/api/v1/tasks", spec), 202)
    assert again["task_id"] == "job-1" and again["duplicate"] is True


def test_a_failed_task_is_failed_with_its_retries(http):
    task = good(http.post("/api/v1/tasks?wait=60s", {"task_type": "fail", "text": "no", "attempts": 2, "backoff": "100ms"}))
    assert task["status"] == "failed" and task["state"] == "dead" and task["metrics"]["retry_count"] == 1
    assert [e["attempt"] for e in task["agent_executions"]] == [1, 2] and task["output"] is None


# ---- pool of agents ----

def agent(http, agent_id):
    return good(http.get(f"/api/v1/agents/{agent_id}"))


def test_spawn_look_work_terminate(http):
    spawned = good(http.post("/api/v1/agents/spawn", {"project_id": "p1", "role_type": "coder", "pool_name": "crew", "heartbeat_interval": 20,
                                                      "max_idle_time": 120}), 201)
    assert spawned["role_type"] == "coder" and spawned["project_id"] == "p1" and spawned["pool_name"] == "crew"
    assert (spawned["heartbeat_interval"], spawned["max_idle_time"]) == (20, 120)
    a = spawned["agent_id"]
    until(lambda: agent(http, a)["state"] == "idle", 60, "it is there")
    told = agent(http, a)
    assert told["process_id"] > 1 and told["healthy"] is True and told["node"].startswith("crew-")
    done = good(http.post("/api/v1/tasks?wait=30s", {"type": "coder", "text": "a b. c d.", "project": "p1"}))
    assert done["status"] == "completed" and done["node"] == told["node"]
    until(lambda: agent(http, a)["status"]["tasks"] == 1, 30, "it is counted")
    mine = good(http.get("/api/v1/agents?project_id=p1"))
    assert [x["agent_id"] for x in mine["agents"]] == [a] and mine["total"] == 1
    assert good(http.get("/api/v1/agents?project_id=p2"))["agents"] == []
    assert good(http.post(f"/api/v1/agents/{a}/terminate")) == {"agent_id": a, "status": "terminated"}
    until(lambda: http.get(f"/api/v1/agents/{a}").status == 404, 30, "it is gone")
    assert http.delete(f"/api/v1/agents/{a}").status == 404


def test_defaults_of_a_spawn(http):
    spawned = good(http.post("/api/v1/agents/spawn", {"role_type": "critic"}), 201)
    assert (spawned["heartbeat_interval"], spawned["max_idle_time"], spawned["pool_name"]) == (30, 300, "crew")
    assert good(http.post("/api/v1/agents/terminate", {"agent_id": spawned["agent_id"]}))["status"] == "terminated"


def test_what_cannot_be_spawned_says_why(http):
    for body, status, field in (({}, 400, "role_type"), ({"role_type": "coder", "heartbeat_interval": 0.01}, 400, "heartbeat_interval"),
                                ({"role_type": "nobody"}, 404, None), ({"role_type": "coder", "colour": "red"}, 400, None)):
        answer = http.post("/api/v1/agents/spawn", body)
        assert answer.status == status and (field is None or answer.json()["field"] == field), answer


def test_fifty_spawns_at_once_and_what_the_pool_says_of_them(http):
    def spawn(i):
        return good(http.post("/api/v1/agents/spawn", {"role_type": "coder", "project_id": f"crowd-{i % 2}"}, timeout=60), 201)["agent_id"]
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        crowd = list(threads.map(spawn, range(50)))
    assert len(set(crowd)) == 50
    pool = until(lambda: (p := good(http.get("/api/v1/agents/pools/crew")))["process_count"] == 5 and p["total_capacity"] == 50 and p, 60,
                 "five processes of ten, none is being started")
    assert pool["pool_name"] == "crew" and pool["agent_count"] == pool["used_capacity"] == 50
    assert pool["total_capacity"] == pool["used_capacity"] + pool["available_capacity"] and pool["utilization"] == 1.0
    until(lambda: good(http.get("/api/v1/agents/pools/crew"))["active_worker_processes"] == 5, 60, "all of them have agents")
    assert [p["pool_name"] for p in good(http.get("/api/v1/agents/pools"))["pools"]] == ["crew"]
    until(lambda: good(http.get("/api/v1/agents/health"))["healthy_agents"] == 50, 60, "all are well")
    health = good(http.get("/api/v1/agents/health?limit=3"))
    assert health["status"] == "healthy" and health["total_agents"] == 50 and len(health["agents"]) == 3 and health["next_cursor"]
    monitor = good(http.get("/api/v1/agents/monitor/system"))
    assert monitor["problems"] == []
    assert monitor["agents"]["total"] == 50 and monitor["agents"]["by_role"] == {"coder": 50} and monitor["pools"]["process_count"] == 5
    assert monitor["system"]["workers"] >= 6 and monitor["system"]["slots"] > 0 and monitor["tasks"]["completed"] > 0
    assert 0 < monitor["tasks"]["success_rate"] <= 1 and "echo" in {q["name"] for q in monitor["queues"]}
    assert {"name", "state", "success_rate", "avg_duration_ms", "running"} <= set(monitor["workers"][0])
    for a in crowd:
        assert http.delete(f"/api/v1/agents/{a}").status == 200
    until(lambda: good(http.get("/api/v1/agents"))["total"] == 0, 60, "all are gone")


# ---- cluster that heals itself ----

def test_cluster_task_of_a_role(http):
    a = good(http.post("/api/v1/agents/spawn", {"role_type": "coder", "agent_id": "coder-x"}), 201)["agent_id"]
    task = good(http.post("/api/cluster/task/submit?agent_type=coder&description=One+sentence.+And+another."), 202)
    assert task["task_id"] and task["status"] == "queued" and task["agent_type"] == "coder"
    seen = good(http.get(f"/api/cluster/task/{task['task_id']}"))
    assert seen["task_id"] == task["task_id"] and seen["agent_type"] == "coder"
    done = until(lambda: (t := good(http.get(f"/api/cluster/task/{task['task_id']}")))["status"] == "completed" and t, 60, "it is done")
    assert done["description"] == "One sentence. And another." and done["result"] is not None and done["error"] is None
    assert done["created_at"] <= done["started_at"] <= done["completed_at"] and done["worker"].startswith("crew-")
    until(lambda: good(http.get("/api/cluster/agents/live"))["agents"][0]["tasks_completed"] == 1, 30, "it is counted")
    live = good(http.get("/api/cluster/agents/live"))
    assert live["problems"] == [] and live["total"] == 1
    one, = live["agents"]
    assert one["agent_id"] == "coder-x" and one["agent_type"] == "coder" and one["errors"] == 0 and one["healthy"] is True
    assert one["process_id"] > 1 and one["uptime_s"] > 0 and one["status"] in ("idle", "busy")
    assert {w["name"] for w in live["workers"]} >= {"node-1", one["worker"]}
    assert http.delete(f"/api/v1/agents/{a}").status == 200


def test_cluster_submit_says_what_is_missing(http):
    assert http.post("/api/cluster/task/submit?description=x").json()["field"] == "agent_type"
    assert http.post("/api/cluster/task/submit?agent_type=coder").json()["field"] == "description"
    assert http.post("/api/cluster/task/submit?agent_type=no+good&description=x").json()["field"] == "type"
    assert http.get("/api/cluster/task/nobody").status == 404


def test_cluster_status_healing_and_metrics(http):
    status = until(lambda: (s := good(http.get("/api/cluster/status")))["system_metrics"] and s["system_metrics"]["memory_percent"] is not None
                   and s, 60, "machines were looked at")
    assert status["status"] in ("healthy", "degraded") and status["cluster_initialized"] is True and status["healing_initialized"] is True
    assert status["worker_health"]["total"] >= 1 and status["worker_health"]["healthy"] >= 1
    assert next(w for w in status["workers"] if w["name"] == "node-1")["healthy"] is True
    assert all(type(allowed) is bool for allowed in status["infrastructure_permissions"].values())
    assert "clean_temp" in status["infrastructure_permissions"]
    healed = good(http.post("/api/cluster/heal", timeout=60))
    assert healed["status"] == "completed" and isinstance(healed["events"], list)
    history = until(lambda: (h := good(http.get("/api/cluster/infrastructure/healing-history")))["count"] and h, 30, "it is remembered")
    assert {"at", "check", "level", "action", "result", "reason"} <= set(history["history"][0])
    assert good(http.get("/api/cluster/infrastructure/healing-history?limit=1"))["count"] == 1
    metrics = good(http.get("/api/cluster/metrics"))
    assert metrics["problems"] == []
    assert metrics["system"]["cpu_percent"] is not None and metrics["broker"]["connected"] is True and metrics["broker"]["streams"] > 5
    assert metrics["workers"]["tasks_completed"] > 0 and metrics["workers"]["performance"] and metrics["queues"]["lanes"] > 0


# ---- what operators of a queue do ----

def test_a_pending_task_is_assigned(system, http):
    good(http.post("/api/v1/tasks", {"id": "assign-1", "type": "echo", "text": "x", "requires": ["nowhere"]}), 202)
    until(lambda: find(http, "/tasks/queued", "assign-1"), 30, "it waits")
    answer = good(http.post("/api/v1/tasks/assign-1/reassign", {"node": "node-1"}))
    assert answer["id"] == "assign-1" and answer["node"] == "node-1"


def test_lanes_tell_what_waits_for_its_time(http):
    good(http.post("/api/v1/tasks", {"type": "echo", "text": "x", "delay": "1h"}), 202)
    lane = until(lambda: next((x for x in good(http.get("/api/v1/lanes?type=echo"))["lanes"] if x["name"] == "echo" and x["scheduled"]), None),
                 30, "it is counted")
    assert lane["scheduled"] >= 1 and lane["paused"] is False


# ---- pages of other origins ----

def test_other_origins_are_allowed_where_configured(own_system):
    system = own_system(nodes=0, gateway=["--http-cors-origins", "https://app.example,http://localhost:3000"])
    h = Http(system.http)
    preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
    answer = h.request("OPTIONS", "/api/v1/tasks/x", headers=preflight)
    assert answer.status == 204 and answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "DELETE" in answer.headers["access-control-allow-methods"] and "authorization" in answer.headers["access-control-allow-headers"].lower()
    answer = h.get("/livez", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example" and "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    for origin in ("https://app.example.evil", "https://evil", "null", "https://app.example:444"):
        assert "access-control-allow-origin" not in h.get("/livez", headers={"Origin": origin}).headers
        assert h.request("OPTIONS", "/api/v1/tasks/x", headers={**preflight, "Origin": origin}).status in (403, 405)


def test_no_other_origin_by_default(http):
    answer = http.request("OPTIONS", "/livez", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"})
    assert answer.status in (403, 405) and not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert "access-control-allow-origin" not in http.get("/livez", headers={"Origin": "https://app.example"}).headers


# ---- a dependency is away ----

READS = ["/api/v1/tasks", "/api/v1/tasks/nobody", "/api/v1/stats", "/tasks/queued", "/tasks/in_progress", "/tasks/results", "/api/cluster/task/nobody",
         "/api/v1/performance", "/api/v1/scaler/history", "/api/v1/heal/history", "/api/cluster/infrastructure/healing-history"]
OTHERS = ["/api/v1/lanes", "/api/v1/nodes", "/agents/nodes", "/api/v1/pools", "/api/v1/agents", "/api/v1/agents/pools", "/api/v1/agents/health",
          "/api/v1/agents/monitor/system", "/api/cluster/status", "/api/cluster/agents/live", "/api/cluster/metrics", "/api/v1/dead",
          "/api/v1/schedules", "/api/v1/heal", "/api/v1/scaler"]
SOON_S = 3


def away(h, paths):
    """All say 503, with a sentence and when to try again, soon."""
    for path in paths:
        since = time.monotonic()
        answer = h.get(path)
        took = time.monotonic() - since
        assert answer.status == 503, f"{path}: {answer}"
        assert int(answer.headers["retry-after"]) >= 1 and answer.json()["detail"], path
        assert took < SOON_S, f"{path}: {took:.1f} s"


@pytest.fixture
def ill(own_system):
    system = own_system(nodes=1, gateway=True, scaler=crew())
    system.allow(r"level=error|FATAL|ERROR: ")
    h = Http(system.http)
    until(lambda: h.get("/readyz").status == 200, 60, "the gateway is ready")
    until(lambda: h.get("/api/v1/pools").status == 200, 60, "a scaler leads")
    return system, h


def test_the_broker_is_away(ill):
    system, h = ill
    system.hold("broker", kill=True)
    until(lambda: h.get("/readyz").status == 503, 20, "it is noticed")
    away(h, [*READS, *OTHERS, "/readyz"])
    answer = h.post("/tasks/submit", {"type": "echo", "text": "x"})
    assert answer.status == 503 and answer.headers["retry-after"]
    assert h.get("/livez").status == 200 and h.get("/docs").status == 200 and h.get("/openapi.json").status == 200
    system.release("broker")
    until(lambda: h.get("/readyz").status == 200, 60, "it is back by itself")
    assert until(lambda: h.post("/tasks/submit?wait=20s", {"type": "echo", "text": "x"}).status == 200, 60, "tasks run again")


def test_postgresql_is_away(ill):
    system, h = ill
    system.hold("postgresql", kill=True)
    until(lambda: h.get("/readyz").status == 503, 20, "it is noticed")
    away(h, [*READS, "/readyz"])
    assert h.get("/livez").status == 200
    # What needs no database is told, and tasks are taken and run.
    for path in OTHERS:
        since = time.monotonic()
        assert h.get(path).status == 200, path
        assert time.monotonic() - since < SOON_S, path
    monitor = h.get("/api/v1/agents/monitor/system").json()
    assert monitor["tasks"] is None and monitor["system"]["workers"] >= 1 and len(monitor["problems"]) == 2
    lanes = h.get("/api/v1/lanes").json()
    assert len(lanes["problems"]) == 1 and all(lane["scheduled"] is None for lane in lanes["lanes"])
    assert h.post("/tasks/submit", {"type": "echo", "text": "x", "task_id": "meanwhile"}).status == 202
    system.release("postgresql")
    until(lambda: h.get("/readyz").status == 200, 60, "it is back by itself")
    assert until(lambda: h.get("/api/v1/tasks/meanwhile").json().get("status") == "completed", 60, "it ran")


def test_the_store_is_away(ill):
    system, h = ill
    system.hold("store", kill=True)
    away(h, [*READS, "/readyz"])
    assert "store" in h.get("/api/v1/stats").json()["detail"]
    system.release("store")
    until(lambda: h.get("/readyz").status == 200, 60, "it is back by itself")
