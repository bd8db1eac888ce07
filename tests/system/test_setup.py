"""`millrace setup` makes broker and database equal to their declarations, and says what it did."""
import json

from lib.system import BIN
from lib.wait import until


def lines(done):
    return [json.loads(line) for line in done.out.splitlines()]


def changed(system, *words, check=True):
    found = lines(system.cli("setup", "--json", *words, check=check))
    return [item for item in found if item.get("action", item.get("change")) not in ("unchanged", None)]


def test_second_run_changes_nothing(system):
    done = system.cli("setup")
    assert "0 created, 0 updated" in done.err + done.out
    assert system.psql("select max(version) from millrace.schema_migrations").strip() != ""


def test_what_was_removed_is_made_again(system):
    system.nats.api("CONSUMER.DELETE.EVENTS.act")
    done = system.cli("setup")
    assert "EVENTS/act" in done.out and "created" in done.out
    assert system.nats.api("CONSUMER.INFO.EVENTS.act")["config"]["filter_subject"] == "events.act"


def test_what_differs_is_updated(system):
    config = system.nats.api("STREAM.INFO.DEAD")["config"]
    wanted = config["max_age"]
    config["max_age"] = 3600 * 10 ** 9
    system.nats.api("STREAM.UPDATE.DEAD", config)
    dry = system.cli("setup", "--dry-run", check=False)
    assert "DEAD" in dry.out and "max_age" in dry.out + dry.err
    assert system.nats.api("STREAM.INFO.DEAD")["config"]["max_age"] != wanted
    done = system.cli("setup")
    assert "DEAD" in done.out and "updated" in done.out
    assert system.nats.api("STREAM.INFO.DEAD")["config"]["max_age"] == wanted


def test_a_database_that_is_away_is_unreachable(system):
    done = system.cli("setup", check=False, env={"DATABASE_URL": "postgres://127.0.0.1:1/x"})
    assert done.returncode == 5 and "--database-url" in done.err, (done.returncode, done.err)
    assert "TASKS" in done.out and "differs" not in done.out


def test_components_say_what_is_missing(own_system):
    system = own_system(nodes=0, bridge=False)
    system.allow("level=error")
    for name in ("router", "store"):
        system.hold(name)
    system.nats.api("STREAM.DELETE.EVENTS")
    store = system.run([BIN / "millrace-store"])
    log = system.dir / "log" / f"test-{len(system.children) - 1}.log"
    until(lambda: "EVENTS" in log.read_text(), 20, "the store names the missing stream")
    system.cli("setup")
    until(lambda: "taking events" in log.read_text() or store.poll() is not None, 30, "it goes on by itself")
    assert store.poll() is None


def test_from_nothing_and_without_the_database(own_system):
    system = own_system(nodes=0, bridge=False)
    for name in ("router", "store"):
        system.hold(name)
    for stream in [s["config"]["name"] for s in system.nats.api("STREAM.LIST", {})["streams"]]:
        system.nats.api(f"STREAM.DELETE.{stream}")
    done = system.cli("setup", "--no-database")
    assert "TASKS" in done.out and "created" in done.out
    names = {s["config"]["name"] for s in system.nats.api("STREAM.LIST", {})["streams"]}
    assert {"TASKS", "EVENTS", "DEAD", "DELAYED", "DIRECT", "ADVISORIES", "KV_nodes", "KV_lanes", "KV_settings",
            "OBJ_payloads"} <= names
