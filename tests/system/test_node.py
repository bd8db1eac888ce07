"""What a node owes to those around it: subscribers that die or lie, programs that pry."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lib.natsraw import Client
from lib.system import BIN

SYSTEM = {"nodes": 1}


@pytest.fixture
def open_dir():
    """A directory that every user may look into."""
    path = Path(tempfile.mkdtemp(prefix="millrace-open-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def subscribe(system, task_type):
    client = Client(system.nats_url)
    sub = client.subscribe(f"handle.{task_type}", "nodes")
    client.flush()
    return client, sub


def test_a_subscriber_that_dies_over_a_task_is_followed_by_another(system):
    mortal, asked = subscribe(system, "mortal")
    task_id = system.submit("mortal", "carry on", task_id="mortal-1", task_timeout="1s")
    assert asked.next(30).data == b"carry on"
    mortal.close()
    heir, asked = subscribe(system, "mortal")
    try:
        message = asked.next(60)
        heir.publish(message.reply, message.data)
        task = system.finished(task_id, "completed", timeout=60)
        assert task["attempt"] == 2 and task["result"] == "carry on"
    finally:
        heir.close()


@pytest.mark.parametrize("name,content_type", [
    ("bytes", "text/\udcff\udcfe"), ("controls", "text/\x01plain"), ("long", "x" * 3000)])
def test_a_subscribers_strange_content_type_costs_nobody_the_result(system, name, content_type):
    client, asked = subscribe(system, f"strange_{name}")
    try:
        task_id = system.submit(f"strange_{name}", "x", task_id=f"strange-{name}")
        message = asked.next(30)
        client.publish(message.reply, b"kept", {"Content-Type": content_type})
        task = system.finished(task_id, "completed", timeout=60)
        assert task["result"] == "kept"
        assert system.sql(f"select result_type from millrace.tasks where id = 'strange-{name}'") == [{"result_type": None}]
    finally:
        client.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to be another user")
def test_a_program_cannot_read_the_nodes_environment(system, open_dir):
    """Root may read everything: so the node runs as nobody, as do its programs."""
    shutil.copy(BIN / "millrace-node", open_dir)
    handlers = open_dir / "handlers.yaml"
    handlers.write_text("handlers:\n- type: pry\n  kind: exec\n  command: [sh, -c, '"
                        "for p in /proc/[0-9]*; do tr \"\\0\" \"\\n\" < $p/environ; done 2>/dev/null | "
                        "grep -c ^PROBE_SECRET=; exit 0']\n")
    node = system.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", open_dir / "millrace-node", "pried",
                       "--handlers", handlers], env={"PROBE_SECRET": "1"}, cwd="/")
    system.wait_node("pried")
    assert "PROBE_SECRET" in Path(f"/proc/{node.pid}/environ").read_text(), "root sees it"
    task = system.finished(system.submit("pry", "", task_id="pry-1"), "completed", timeout=60)
    assert task["result"].strip() == "0"
    node.terminate()
    assert node.wait(30) == 0
