"""The store behind a real PgBouncer in transaction pooling: no session state, no named statements."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlparse

import pytest

from lib.journal import Journal
from lib.system import BIN
from lib.wait import until

SYSTEM = {"nodes": 2}


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def bouncer(system):
    """A PgBouncer in front of the system's database: its URL. It does not run as root, as PostgreSQL does not."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not os.access(program, os.X_OK):
        pytest.skip("no pgbouncer")
    where, port = urlparse(system.database_url), free_port()
    home = Path(tempfile.mkdtemp(prefix="millrace-pgbouncer-"))
    home.chmod(0o755)
    (home / "users.txt").write_text(f'"{where.username}" "{where.password}"\n')
    (home / "pgbouncer.ini").write_text(f"""\
[databases]
agentsys = host=127.0.0.1 port={where.port} dbname=agentsys
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {home}/users.txt
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
server_reset_query_always = 0
ignore_startup_parameters = extra_float_digits
""")
    argv = [program, str(home / "pgbouncer.ini")]
    if os.geteuid() == 0:
        argv = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *argv]
    child = system.run(argv)
    url = f"postgres://{where.username}:{where.password}@127.0.0.1:{port}/agentsys?sslmode=disable"

    def answers():
        return subprocess.run(["psql", "-X", "-q", "-c", "select 1", url], capture_output=True).returncode == 0
    until(answers, 20, "pgbouncer")
    yield url
    child.terminate()
    child.wait(20)
    shutil.rmtree(home)


def test_store_and_setup_through_a_transaction_pool(system, bouncer):
    system.hold("store")
    done = system.cli("setup", env={"DATABASE_URL": bouncer})
    assert "0 created, 0 updated" in done.err + done.out
    two = [system.run([BIN / "millrace-store"], env={"DATABASE_URL": bouncer}) for _ in range(2)]
    journal = Journal(system)
    journal.publish(("echo", f"pool-{n}", f"body {n}") for n in range(3000))
    journal.check("pool-")
    # Read through it as well: get, list, statistics, pages.
    assert len(system.cli_json("task", "list", "--limit", "1500")) == 1500
    assert system.task("pool-42")["result"] == "body 42"
    task = system.finished(system.submit("fail", "x", task_attempts="2", task_backoff="10ms"), "dead")
    assert len(task["history"]) >= 1
    left = system.psql("select count(*) from pg_prepared_statements", bouncer).strip()
    assert left == "0"
    for store in two:
        store.terminate()
        assert store.wait(40) == 0
    system.release("store")


def test_pooler_beside_the_database(system, bouncer):
    """PGBOUNCER_URL: rows through the pool, the outbox's notifications from the database itself."""
    system.hold("store")
    env = {"DATABASE_URL": system.database_url, "PGBOUNCER_URL": bouncer}
    shown = subprocess.run([BIN / "millrace-store", "--show-config"], capture_output=True, text=True, env={**os.environ, **env}).stdout
    assert "pooler" in shown and urlparse(bouncer).password not in shown
    log = system.dir / "log" / f"test-{len(system.children)}.log"
    pooled = system.run([BIN / "millrace-store", "--outbox-poll", "1h"], env=env)
    journal = Journal(system)
    journal.publish(("echo", f"beside-{n}", f"body {n}") for n in range(500))
    journal.check("beside-")
    assert f"database=postgresql://millrace@127.0.0.1:{urlparse(bouncer).port}/agentsys" in log.read_text()
    # It hears of them at once, not at the next poll.
    for n in range(3):
        system.psql(f"insert into millrace.outbox (id, type, body) values ('ob-pool-{n}', 'echo', 'x')")
        system.finished(f"ob-pool-{n}", "completed")
    pooled.terminate()
    assert pooled.wait(40) == 0
    system.release("store")


def test_first_migration_through_the_pool(system, bouncer):
    system.psql("create database fresh", system.database_url.replace("/agentsys", "/postgres"))
    direct = system.database_url.replace("/agentsys", "/fresh")
    system.cli("setup", "--no-broker", env={"DATABASE_URL": direct})
    assert system.psql("select count(*) > 0 from millrace.schema_migrations", direct).strip() == "t"
