"""Three brokers that keep three copies of each stream, with each route through a proxy: they can be killed, and parted from each other."""
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from lib.natsraw import Client
from lib.system import BIN, ROOT, clean_env
from lib.wait import until

from lib.proxy import Proxy, refuse

CONF = """
include ./server.conf
server_name: chaos-{number}
host: 127.0.0.1
port: {client}
http: "127.0.0.1:{monitor}"
jetstream {{
  store_dir: "{store}"
  max_file_store: 8TB
  max_memory_store: 64MB
}}
cluster {{
  name: chaos
  listen: "127.0.0.1:{route}"
  no_advertise: true
  routes: [{routes}]
}}
"""


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    def __init__(self, directory, server, n=3):
        self.dir, self.server, self.n = directory, server, n
        ports = free_ports(3 * n)
        self.client, self.route, self.monitor = ports[:n], ports[n:2 * n], ports[2 * n:]
        # links[i][j]: what server i takes for server j's address.
        self.links = [[Proxy(self.route[j]) if i != j else None for j in range(n)] for i in range(n)]
        self.servers = [None] * n
        (directory / "server.conf").write_text((ROOT / "broker-config/server.conf").read_text())
        for i in range(n):
            self.configure(i)

    def configure(self, i):
        routes = ", ".join(f'"nats://127.0.0.1:{link.port}"' for link in self.links[i] if link)
        (self.dir / f"{i}.conf").write_text(CONF.format(number=i, client=self.client[i], monitor=self.monitor[i],
                                                        store=self.dir / f"data-{i}", route=self.route[i], routes=routes))

    @property
    def urls(self):
        return [f"nats://127.0.0.1:{port}" for port in self.client]

    def start(self, *which):
        for i in which or range(self.n):
            with open(self.dir / f"{i}.log", "ab") as log:
                self.servers[i] = subprocess.Popen([self.server, "-c", self.dir / f"{i}.conf"], stdout=log,
                                                   stderr=subprocess.STDOUT, env=clean_env(), start_new_session=True)

    def kill(self, *which):
        for i in which:
            self.servers[i].kill()
        for i in which:
            self.servers[i].wait()

    def pause(self, i, on=True):
        os.kill(self.servers[i].pid, signal.SIGSTOP if on else signal.SIGCONT)

    def part(self, i, on=True):
        """Cuts a server off from the others: the routes are reset, and none is made. Clients still reach it."""
        refuse([self.links[a][b] for a in range(self.n) for b in range(self.n) if self.links[a][b] and i in (a, b)], on)

    def api(self, verb, body=None, timeout=5, but=None):
        """Of the first server that answers, the one of that number apart."""
        last = None
        for url in (u for i, u in enumerate(self.urls) if i != but):
            try:
                client = Client(url, timeout=2)
                try:
                    return client.api(verb, body, timeout=timeout)
                finally:
                    client.close()
            except Exception as error:  # refused, silent, no leader: the next one
                last = error
        raise ConnectionError(f"no server answers {verb}: {last!r}")

    def wait_ready(self, timeout=60):
        until(lambda: self.api("INFO"), timeout, "JetStream of the cluster", every=0.2)
        until(self.met, timeout, "all servers known to JetStream's leader", every=0.2)

    def met(self):
        """Until then it finds no place for three copies."""
        for port in self.monitor:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/jsz", timeout=5) as answer:
                    copies = (json.load(answer).get("meta_cluster") or {}).get("replicas")  # its leader tells them, nobody else
            except urllib.error.URLError:  # just started: it does not listen yet
                continue
            if copies and len(copies) == self.n - 1 and all(c.get("current") and not c.get("offline") for c in copies):
                return True
        return False

    def leader(self, stream, but=None):
        """The number of the server that leads the stream, None while there is none; as all but one see it."""
        name = (self.api(f"STREAM.INFO.{stream}", but=but).get("cluster") or {}).get("leader")
        return int(name.rsplit("-", 1)[1]) if name else None

    def wait_leader(self, stream, other_than=None, timeout=60):
        """Its number; other_than: somebody else's, whatever that one (killed, or parted from the others) says itself."""
        found = []
        until(lambda: found.append(self.leader(stream, other_than)) or found[-1] not in (None, other_than), timeout, f"a leader of {stream}",
              every=0.2)
        return found[-1]

    def settled(self, streams, allowed=0):
        """True once every copy of every stream, so many apart, is current; until then a ConnectionError that names the first."""
        for stream in streams:
            cluster = self.api(f"STREAM.INFO.{stream}").get("cluster") or {}
            copies = cluster.get("replicas", [])
            behind = [r for r in copies if not r.get("current") or r.get("offline")]
            if not cluster.get("leader") or len(copies) < self.n - 1 or len(behind) > allowed:
                raise ConnectionError(f"{stream}: {cluster}")
        return True

    def setup(self, env):
        done = subprocess.run([BIN / "millrace", "setup", "--replicas", str(self.n)], env=env, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self):
        for s in self.servers:
            if s and s.poll() is None:
                s.send_signal(signal.SIGCONT)
                s.terminate()
        for s in self.servers:
            if s:
                try:
                    s.wait(20)
                except subprocess.TimeoutExpired:
                    s.kill()
                    s.wait()
        for link in (x for row in self.links for x in row if x):
            link.close()


