"""`millrace bench` says what contract and comparison need. (How fast it is depends on the machine and the build.)"""
import os
import signal
import subprocess

from lib.system import BIN
from lib.wait import until


def test_pipeline(system):
    figures, = system.cli_json("bench", "pipeline", "--dir", system.dir, "--count", "3000", timeout=200)
    assert {"tasks_per_s", "p50_ms", "p95_ms", "p99_ms", "errors", "broker_only_per_s", "bare_pipeline_per_s", "fsync_us",
            "cpu_us_per_task", "rss_mib"} <= figures.keys()
    assert figures["errors"] == 0 and figures["rows"] == 3000 and figures["tasks_per_s"] > 0
    assert figures["start_p50_ms"] <= figures["p50_ms"]
    for key in ("cpu_us_per_task", "rss_mib"):
        assert {"broker", "postgresql", "router", "store", "node"} <= figures[key].keys()
    assert all(v > 0 for v in figures["rss_mib"].values())


def test_it_leaves_nothing_in_the_broker(system):
    names = [s["config"]["name"] for s in system.nats.api("STREAM.LIST", {})["streams"]]
    assert not [n for n in names if n.startswith(("BENCH", "BARE"))]


def test_an_earlier_run_is_not_told_again(system):
    (system.dir / "log" / "bare.log").write_text("bare_pipeline_per_s=1.0\n")
    figures, = system.cli_json("bench", "pipeline", "--dir", system.dir, "--count", "500", timeout=100)
    assert figures["bare_pipeline_per_s"] > 1


def test_ctrl_c_leaves_nothing_in_the_broker(system):
    def messages():
        return [s["state"]["messages"] for s in system.nats.api("STREAM.LIST", {})["streams"] if s["config"]["name"] == "BENCH_BROKER"]
    child = subprocess.Popen([BIN / "millrace", "bench", "pipeline", "--dir", system.dir, "--count", "30000", "--size", "20000"],
                             env=system.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    while b"the broker alone" not in child.stderr.readline():
        assert child.poll() is None
    until(lambda: sum(messages()) > 0, 20, "its stream", every=0.002)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert not messages()


def test_latency(system):
    figures, = system.cli_json("bench", "latency", "--dir", system.dir, "--rate", "100", "--duration", "2s", timeout=120)
    assert figures["errors"] == 0 and figures["tasks"] == 200
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] and 0 < figures["run_p50_ms"] <= figures["run_p99_ms"]


def test_submit(system):
    figures, = system.cli_json("bench", "submit", "--dir", system.dir, "--count", "2000", timeout=120)
    assert figures["errors"] == 0 and figures["p50_ms"] > 0


def test_its_own_system_is_removed(system, tmp_path):
    figures, = system.cli_json("bench", "pipeline", "--dir", tmp_path / "own", "--count", "500", "--nodes", "1", "--alone", timeout=120)
    assert figures["errors"] == 0 and "broker_only_per_s" not in figures
    assert not os.path.exists(tmp_path / "own")


def test_a_directory_that_was_there_stays(system, tmp_path):
    (tmp_path / "mine").write_text("x")
    figures, = system.cli_json("bench", "submit", "--dir", tmp_path, "--count", "100", "--nodes", "1", timeout=120)
    assert figures["errors"] == 0 and (tmp_path / "mine").read_text() == "x"
    assert system.cli("dev", "status", "--dir", tmp_path, check=False).returncode == 3


def test_backlog(system):
    figures, = system.cli_json("bench", "backlog", "--dir", system.dir, "--backlog", "2000", "--count", "500", "--rate", "100",
                               "--duration", "1s", "--rest", "0", timeout=200)
    assert {"tasks_per_s", "p50_ms", "p99_ms", "errors", "idle_tasks_per_s", "idle_p50_ms", "rss_mib", "rss_mib_idle",
            "cpu_us_per_task", "of_idle_percent"} <= figures.keys()
    assert figures["errors"] == 0 and figures["backlog"] == 2000
    # What runs on is left as it was found.
    until(lambda: system.nats.stream_state("LANE_backlog")["messages"] == 0, 30, "the lane is purged")
    until(lambda: not system.cli_json("lane", "show", "backlog")[0]["paused"], 10, "and resumed")


def test_lanes(tmp_path, system):
    figures, = system.cli_json("bench", "lanes", "--dir", tmp_path / "lanes", "--lanes", "12", "--count", "500", "--rate", "100",
                               "--duration", "1s", "--rest", "0", "--nodes", "1", timeout=200)
    assert figures["errors"] == 0 and figures["lanes"] == 12 and figures["all_lanes_tasks_per_s"] > 0
    assert figures["tasks_per_s"] > 0 and figures["idle_p50_ms"] > 0
    done = system.cli("bench", "lanes", "--dir", system.dir, check=False)
    assert done.returncode == 2 and "its own" in done.err
