"""Lag as others tell it: the nats CLI's tables, the usual exporter (or what speaks like it), a Prometheus of the test's own."""
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from .system import ROOT, clean_env
from .wait import until


def program(name):
    """Its path, of .run/bin or PATH; None where it is not there."""
    own = ROOT / ".run/bin" / name
    return str(own) if os.access(own, os.X_OK) else shutil.which(name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url):
    """The body of a GET. What does not answer is a ConnectionError, as until() wants it."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read()
    except urllib.error.HTTPError as error:
        fault = ConnectionError if error.code == 503 else AssertionError
        raise fault(f"{url}: {error.code} {error.read()[:500]!r}") from None
    except urllib.error.URLError as error:
        raise ConnectionError(f"{url}: {error}") from None


def table(text):
    """The rows of a table of the nats CLI, by heading."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")]
    heading = next(i for i, row in enumerate(rows) if len(row) > 1)
    return [dict(zip(rows[heading], row)) for row in rows[heading + 1:]]


# ---- metrics ----

SAMPLE = re.compile(r'^(\w+)\{(.*)\} (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text, prefix="jetstream_"):
    """{(name, stream, consumer): value} of Prometheus text, and the label names of each metric."""
    values, names = {}, {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found and found[1].startswith(prefix):
            labels = dict(LABEL.findall(found[2]))
            values[found[1], labels.get("stream_name"), labels.get("consumer_name")] = float(found[3])
            names.setdefault(found[1], set()).update(labels)
    return values, names


class LikeExporter:
    """Tells /jsz of one server outside of a cluster under the names and labels that prometheus-nats-exporter gives it:
    the metrics that our board and rules ask for. test_lag.py compares it with the real one where that is there."""
    STREAM = {"total_messages": ("state", "messages"), "total_bytes": ("state", "bytes"), "first_seq": ("state", "first_seq"),
              "last_seq": ("state", "last_seq"), "limit_bytes": ("config", "max_bytes"), "limit_messages": ("config", "max_msgs")}
    CONSUMER = ("num_pending", "num_ack_pending", "num_waiting", "num_redelivered")

    def __init__(self, monitor_url):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = outer.text(json.loads(fetch(f"{monitor_url}/jsz?consumers=true&config=true"))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.monitor_url = monitor_url
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def text(self, jsz):
        lines = []

        def tell(name, value, **labels):
            lines.append(f"jetstream_{name}{{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + f"}} {value}")

        server = dict(server_id=self.monitor_url, server_name="millrace", cluster="", domain="", meta_leader="",
                      is_meta_leader="true")
        tell("server_total_streams", jsz.get("streams", 0), **server)
        tell("server_jetstream_disabled", int(jsz.get("disabled", False)), **server)
        for account in jsz["account_details"]:
            for stream in account["stream_detail"]:
                labels = dict(server, account=account["name"], account_name=account["name"], account_id=account["id"],
                              stream_name=stream["name"], stream_leader=stream.get("cluster", {}).get("leader", ""),
                              is_stream_leader="true", stream_raft_group="")
                for name, (part, key) in self.STREAM.items():
                    tell(f"stream_{name}", stream[part].get(key, 0), **labels)
                for consumer in stream.get("consumer_detail", []):
                    self.consumer(tell, consumer, dict(labels, consumer_name=consumer["name"], consumer_leader="",
                                                       is_consumer_leader="true",
                                                       consumer_desc=consumer["config"].get("description", "")))
        return "\n".join(lines) + "\n"

    def consumer(self, tell, consumer, labels):
        for name in self.CONSUMER:
            tell(f"consumer_{name}", consumer[name], **labels)
        acked = consumer["ack_floor"].get("last_active")
        if acked:
            tell("consumer_last_ack_seconds", seconds(consumer["ts"]) - seconds(acked), **labels)


def seconds(stamp):
    """A moment of the broker's as seconds."""
    from datetime import datetime
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", stamp).replace("Z", "+00:00")).timestamp()


class Exporter:
    """The real one."""

    def __init__(self, path, monitor_url, log_path):
        self.address = f"127.0.0.1:{free_port()}"
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen([path, "-addr", "127.0.0.1", "-port", self.address.split(":")[1], "-jsz=all", monitor_url],
                                            stdout=log, stderr=log, env=clean_env(), start_new_session=True)
        await_or_end(self.process, lambda: b"jetstream_" in fetch(f"http://{self.address}/metrics"), "the exporter's metrics")

    def stop(self):
        end(self.process)


class Prometheus:
    """One with our deploy/prometheus/prometheus.yml, but for its targets (None: nobody) and its haste."""

    def __init__(self, path, directory, exporter=None, gateway=None):
        ours = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
        for words, instead in (('"127.0.0.1:7777"', f'"{exporter}"' if exporter else ""),
                               ('"127.0.0.1:8080"', f'"{gateway}"' if gateway else ""), ("scrape_interval: 15s", "scrape_interval: 500ms"),
                               ("evaluation_interval: 15s", "evaluation_interval: 1s")):
            assert words in ours
            ours = ours.replace(words, instead)
        directory.mkdir()
        (directory / "prometheus.yml").write_text(ours)
        for rules in ("rules.yml", "millrace.yml"):
            shutil.copy(ROOT / "deploy/prometheus" / rules, directory)
        self.url = f"http://127.0.0.1:{free_port()}"
        with open(directory / "log.txt", "ab") as log:
            self.process = subprocess.Popen([path, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                                             f"--web.listen-address={self.url[7:]}"],
                                            stdout=log, stderr=log, env=clean_env(), start_new_session=True)
        await_or_end(self.process, lambda: fetch(f"{self.url}/-/ready"), "Prometheus ready")

    def stop(self):
        end(self.process)

    def query(self, expr):
        """[(labels, value)] of now."""
        words = urllib.parse.urlencode({"query": expr})
        reply = json.loads(fetch(f"{self.url}/api/v1/query?{words}"))
        assert reply["status"] == "success" and reply["data"]["resultType"] == "vector", reply
        return [(one["metric"], float(one["value"][1])) for one in reply["data"]["result"]]

    def names(self):
        """Of all metrics that it has."""
        return set(json.loads(fetch(f"{self.url}/api/v1/label/__name__/values"))["data"])

    def rules(self):
        reply = json.loads(fetch(f"{self.url}/api/v1/rules"))
        return [rule for group in reply["data"]["groups"] for rule in group["rules"]]


def await_or_end(process, condition, what):
    try:
        until(condition, 30, what)
    except BaseException:
        end(process)
        raise


def end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ---- the board ----

def board(name="jetstream-lag"):
    return json.loads((ROOT / f"deploy/grafana/{name}.json").read_text())


def panels(name="jetstream-lag"):
    return [p for p in board(name)["panels"] if p["type"] != "row"]


def check_board(board):
    """What Grafana asks of a board that can be imported or provisioned wherever there is a Prometheus."""
    assert board["id"] is None and board["uid"] is None and 36 <= board["schemaVersion"] <= 39 and board["title"]
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    ids = [p["id"] for p in board["panels"]]
    assert len(set(ids)) == len(ids)
    shown = [p for p in board["panels"] if p["type"] != "row"]
    assert {p["type"] for p in shown} <= {"stat", "timeseries", "bargauge", "heatmap", "state-timeline"}
    for p in shown:
        assert p["targets"] and p["title"].strip() and p["description"].strip(), p["title"]
        assert all(s["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for s in [p, *p["targets"]]), p["title"]
        assert len({t["refId"] for t in p["targets"]}) == len(p["targets"])
        # Values of thresholds ascend, the first is without one.
        steps = p["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [{"value": None}])
        assert steps[0]["value"] is None and [s["value"] for s in steps[1:]] == sorted(s["value"] for s in steps[1:]), p["title"]
    taken = set()
    for p in board["panels"]:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert not cells & taken and g["x"] + g["w"] <= 24, p["title"]
        taken |= cells


def filled_in(expr, name="jetstream-lag"):
    """A panel's expression as Grafana asks it with everything chosen that can be, over a short range."""
    every = {v["name"]: v["allValue"] for v in board(name)["templating"]["list"] if v["type"] == "query"}
    for variable, value in {**every, "__rate_interval": "20s", "__range": "60s"}.items():
        expr = expr.replace(f"${variable}", value)
    assert not re.search(r"\$[A-Za-z_{]", expr), expr
    return expr
