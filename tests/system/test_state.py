"""Shared state with compare-and-set, and locks with a fencing token: by api, by the CLI, and by plain `nats kv`."""
import json
import socket
import subprocess
import threading
import time

from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 0, "bridge": False}


def ask(system, subject, **request):
    """(answer, None) or (None, code)."""
    reply = system.nats.request(f"api.{subject}", json.dumps(request), timeout=10)
    code = reply.header("Nats-Service-Error-Code")
    return (None, int(code)) if code else (reply.json(), None)


def test_set_get_list_delete(system):
    entry, _ = ask(system, "state.set", key="app/colour", value="blue")
    assert entry["key"] == "app/colour" and entry["version"] > 0
    got, _ = ask(system, "state.get", key="app/colour")
    assert got["value"] == "blue" and got["version"] == entry["version"] and got["updated_at"]
    assert system.nats.request("api.state.get", "app/colour").json()["value"] == "blue"
    ask(system, "state.set", key="app/limits", value={"rate": 5})
    ask(system, "state.set", key="apple", value_base64="AP8=")
    page, _ = ask(system, "state.list", prefix="app/", with_value=True)
    assert [(e["key"], e["value"]) for e in page["entries"]] == [("app/colour", "blue"), ("app/limits", '{"rate":5}')]
    page, _ = ask(system, "state.list", prefix="app", limit=2)
    assert len(page["entries"]) == 2
    rest, _ = ask(system, "state.list", prefix="app", limit=2, cursor=page["next_cursor"])
    assert [e["key"] for e in rest["entries"]] == ["apple"] and not rest["next_cursor"]
    rows = system.sql("select key, value from millrace.distributed_state where key like 'app%' order by key")
    assert rows == [{"key": "app/colour", "value": "blue"}, {"key": "app/limits", "value": {"rate": 5}},
                    {"key": "apple", "value": None}]
    assert ask(system, "state.delete", key="apple")[0]
    assert ask(system, "state.get", key="apple") == (None, 404) and ask(system, "state.delete", key="apple") == (None, 404)
    assert [e["key"] for e in ask(system, "state.list", prefix="apple")[0]["entries"]] == []


def test_a_list_has_what_was_set_before_it(system):
    """Whatever the broker's consumer says that it knows of: each of many is asked for at once, while others are set."""
    from lib.natsraw import Client
    missed = []

    def pairs(who):
        client = Client(system.nats_url)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the list is right behind the answer
        for i in range(50):
            key = f"pair/{who}/{i % 3}"
            version = client.request("api.state.set", json.dumps({"key": key, "value": str(i)})).json()["version"]
            page = client.request("api.state.list", json.dumps({"prefix": key})).json()
            if [e["version"] for e in page["entries"]] != [version]:
                missed.append((key, version, page))
        client.close()

    threads = [threading.Thread(target=pairs, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not missed, f"{len(missed)} of 400, the first {missed[0]}"


def test_a_list_does_not_wait_for_what_is_gone(system):
    """What was taken out of the bucket before the table had it: the consumer never gets as far as the bucket's last sequence."""
    system.hold("store")
    system.nats.js_publish("$KV.state.gone/a", b"1")
    system.nats.js_publish("$KV.state.gone/z", b"2")
    system.nats.api("STREAM.PURGE.KV_state", {"filter": "$KV.state.gone/z"})
    system.release("store")

    def listed():
        start = time.monotonic()
        page, _ = ask(system, "state.list", prefix="gone/")
        return time.monotonic() - start, [e["key"] for e in page["entries"]]
    until(lambda: listed()[1] or system.nats.version < (2, 10), 20, "the table")  # 2.9 passes over what is left, too
    assert min(listed()[0] for _ in range(5)) < 1, "each list took all the time that it may wait"


def test_compare_and_set(system):
    first, _ = ask(system, "state.set", key="cas", value="1", create=True)
    assert ask(system, "state.set", key="cas", value="2", create=True) == (None, 409)
    second, _ = ask(system, "state.set", key="cas", value="2", version=first["version"])
    assert ask(system, "state.set", key="cas", value="3", version=first["version"]) == (None, 409)
    assert ask(system, "state.delete", key="cas", version=first["version"]) == (None, 409)
    assert ask(system, "state.delete", key="cas", version=second["version"])[0]
    assert ask(system, "state.set", key="cas", value="x", version=second["version"]) == (None, 409)
    assert ask(system, "state.set", key="cas", value="again", create=True)[0]  # over its deletion


def test_many_writers_lose_no_increment(system):
    ask(system, "state.set", key="counter", value="0")
    from lib.natsraw import Client

    def count():
        client = Client(system.nats_url)
        for _ in range(25):
            while True:
                now = client.request("api.state.get", "counter").json()
                reply = client.request("api.state.set", json.dumps({"key": "counter", "value": str(int(now["value"]) + 1),
                                                                    "version": now["version"]}))
                if not reply.header("Nats-Service-Error-Code"):
                    break
                assert reply.header("Nats-Service-Error-Code") == "409", reply
        client.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert ask(system, "state.get", key="counter")[0]["value"] == "100"


def test_bad_requests_are_told(system):
    for subject, request in (("state.get", {}), ("state.get", {"key": "a b"}), ("state.set", {"key": "..", "value": "x"}),
                             ("state.set", {"key": "k", "value": "x", "create": True, "version": 3}),
                             ("state.set", {"key": "k", "wert": "x"}), ("state.list", {"limit": 5000}),
                             ("lock.acquire", {"name": "a b", "owner": "me"}), ("lock.acquire", {"name": "a"}),
                             ("lock.acquire", {"name": "a", "owner": "me", "ttl_ms": 10}),
                             ("lock.acquire", {"name": "a", "owner": "me", "ttl_ms": 10 ** 9}),
                             ("lock.renew", {"name": "a"}), ("lock.release", {"name": "a"})):
        assert ask(system, subject, **request) == (None, 400), (subject, request)


def test_the_table_is_true_whoever_writes(system, nats_cli):
    def kv(*words):
        done = subprocess.run([nats_cli, "kv", *words, "-s", system.nats_url], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout
    kv("put", "state", "by-nats", '{"a": [1, 2]}')
    assert ask(system, "state.get", key="by-nats")[0]["value"] == '{"a": [1, 2]}'
    row = "select value, version from millrace.distributed_state where key = 'by-nats'"
    until(lambda: system.sql(row), 20, "the row")
    assert system.sql(row)[0]["value"] == {"a": [1, 2]}
    ask(system, "state.set", key="by-api", value="text")
    assert kv("get", "state", "by-api", "--raw").strip() == "text"
    # Not while the store is away, and then all the same.
    system.hold("store")
    kv("put", "state", "by-nats", "7")
    kv("del", "state", "by-api", "--force")
    for i in range(20):
        kv("put", "state", f"away-{i}", str(i))
    system.release("store")
    until(lambda: system.sql("select count(*) as n from millrace.distributed_state where key like 'away-%'")[0]["n"] == 20,
          20, "20 rows")
    assert system.sql(row)[0]["value"] == 7
    assert system.sql("select * from millrace.distributed_state where key = 'by-api'") == []


def test_a_lock_is_one_holders(system):
    mine, _ = ask(system, "lock.acquire", name="deploy", owner="a", ttl_ms=5000)
    assert mine["token"] > 0 and mine["owner"] == "a" and 0 < mine["left_ms"] <= 5000
    assert ask(system, "lock.acquire", name="deploy", owner="b") == (None, 409)
    again, _ = ask(system, "lock.acquire", name="deploy", owner="a", ttl_ms=5000)
    assert again["token"] == mine["token"]  # an answer that was lost is asked for again
    held, _ = ask(system, "lock.list", prefix="dep")
    assert [(x["name"], x["owner"], x["token"]) for x in held["locks"]] == [("deploy", "a", mine["token"])]
    assert ask(system, "lock.release", name="deploy", token=mine["token"] + 1) == (None, 409)
    assert ask(system, "lock.release", name="deploy", token=mine["token"])[0]
    assert ask(system, "lock.release", name="deploy", token=mine["token"]) == (None, 404)
    other, _ = ask(system, "lock.acquire", name="deploy", owner="b")
    assert other["token"] > mine["token"]
    assert ask(system, "lock.renew", name="deploy", token=mine["token"]) == (None, 409)
    ask(system, "lock.release", name="deploy", token=other["token"])


def test_a_lock_runs_out_unless_renewed(system):
    mine, _ = ask(system, "lock.acquire", name="short", owner="a", ttl_ms=1500)
    end = time.monotonic() + 3
    while time.monotonic() < end:  # twice its time, renewed
        renewed, _ = ask(system, "lock.renew", name="short", token=mine["token"])
        assert renewed and renewed["token"] == mine["token"]
        assert ask(system, "lock.acquire", name="short", owner="b") == (None, 409)
        time.sleep(0.3)
    start = time.monotonic()
    taken = until(lambda: ask(system, "lock.acquire", name="short", owner="b")[0], 10, "the lock")
    assert 0.9 < time.monotonic() - start < 5, "about its time to live after the last renewal"
    assert taken["token"] > mine["token"]
    assert ask(system, "lock.renew", name="short", token=mine["token"]) == (None, 409)
    assert ask(system, "lock.release", name="short", token=mine["token"]) == (None, 409)


def test_a_restart_lets_nobody_in_early(system):
    mine, _ = ask(system, "lock.acquire", name="over-restart", owner="a", ttl_ms=20000)
    system.kill("store")
    system.wait_ready("store")
    until(lambda: ask_or_none(system, "lock.list"), 30, "a store that answers")
    assert ask(system, "lock.acquire", name="over-restart", owner="b") == (None, 409)
    assert ask(system, "lock.renew", name="over-restart", token=mine["token"])[0]["token"] == mine["token"]


def ask_or_none(system, subject):
    from lib.natsraw import Error
    try:
        return ask(system, subject)[0]
    except Error:
        return None


def test_one_of_many_gets_it(system):
    """Two stores, many askers at once: one holder at a time, tokens that grow."""
    second = system.run([BIN / "millrace-store"])
    from lib.natsraw import Client
    tokens, inside, worst = [], [0], [0]
    guard = threading.Lock()

    def work(name):
        client = Client(system.nats_url)
        done = 0
        while done < 5:
            reply = client.request("api.lock.acquire", json.dumps({"name": "busy", "owner": name, "ttl_ms": 10000}))
            if reply.header("Nats-Service-Error-Code"):
                assert reply.header("Nats-Service-Error-Code") in ("409",), reply
                time.sleep(0.005)
                continue
            with guard:
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                tokens.append(reply.json()["token"])
            time.sleep(0.002)
            with guard:
                inside[0] -= 1
            client.request("api.lock.release", json.dumps({"name": "busy", "token": reply.json()["token"]}))
            done += 1
        client.close()

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(90)
    assert worst[0] == 1 and len(tokens) == 30 and tokens == sorted(set(tokens))
    second.terminate()
    assert second.wait(30) == 0


def test_by_the_operators_program(system):
    assert system.cli("state", "set", "cli/a", "one").out.strip().isdigit()
    version = system.cli_json("state", "get", "cli/a")[0]["version"]
    assert system.cli("state", "get", "cli/a").out == "one"
    assert system.cli("state", "set", "cli/a", "two", "--version", version).returncode == 0
    lost = system.cli("state", "set", "cli/a", "three", "--version", version, check=False)
    assert lost.returncode == 1 and "is at version" in lost.err
    assert system.cli("state", "set", "cli/a", "x", "--create", check=False).returncode == 1
    system.cli("state", "set", "cli/b", "-", input=b"\x00\xff")
    assert system.cli("state", "get", "cli/b").stdout == b"\x00\xff"
    assert [r["key"] for r in system.cli_json("state", "list", "cli/")] == ["cli/a", "cli/b"]
    assert "cli/a" in system.cli("state", "list").out
    assert system.cli("state", "delete", "cli/a").returncode == 0
    assert system.cli("state", "get", "cli/a", check=False).returncode == 3
    token = system.cli("state", "lock", "cli", "--ttl", "20s", "--owner", "me").out.strip()
    assert system.cli("state", "lock", "cli", "--owner", "you", check=False).returncode == 1
    waited = system.cli("state", "lock", "cli", "--owner", "you", "--wait=500ms", check=False)
    assert waited.returncode == 124, waited.err
    assert system.cli("state", "lock", "cli", "--token", token, "--ttl", "30s").out.strip() == token
    assert [r["name"] for r in system.cli_json("state", "locks")].count("cli") == 1
    assert system.cli("state", "unlock", "cli", "--token", token).returncode == 0
    assert system.cli("state", "unlock", "cli", "--token", token, check=False).returncode == 3
