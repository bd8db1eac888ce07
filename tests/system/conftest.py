"""Fixtures: a private system a test file (or a test), real nats CLI where it is there."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lib.system import BIN, ROOT, System  # noqa: E402


def pytest_report_header():
    return f"programs: {BIN}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.session.millrace_failed = True
        for name in ("system", "own_system"):
            system = getattr(item, "funcargs", {}).get(name)
            if system:
                system.failed = True


def make(**options):
    base = os.environ.get("MILLRACE_TEST_DIR") or tempfile.gettempdir()
    return System(tempfile.mkdtemp(prefix="millrace-test-", dir=base), **options)


def end(system):
    """Stops it and checks what it left. After a failure the directory stays, to be looked at."""
    failed = getattr(system, "failed", False)
    try:
        system.stop()
    except BaseException:
        print(f"logs are kept in {system.dir}", file=sys.stderr)
        raise
    if failed:
        print(f"logs are kept in {system.dir}", file=sys.stderr)
    else:
        system.remove()


@pytest.fixture(scope="module")
def system(request):
    """One system for all tests of a file. A file may set SYSTEM = {...} (options of System)."""
    s = make(**getattr(request.module, "SYSTEM", {}))
    s.start()
    yield s
    end(s)


@pytest.fixture
def own_system(request):
    """A system of this test alone: own_system(nodes=1, …) starts it."""
    made = []

    def start(env=None, **options):
        s = make(**options)
        made.append(s)
        request.node.funcargs["own_system"] = s
        s.failed = False
        return s.start(env)
    yield start
    for s in made:
        end(s)


@pytest.fixture(scope="session")
def nats_cli():
    """The path of the real nats CLI, or the test is skipped (and counted as such)."""
    path = shutil.which("nats") or str(ROOT / ".run/bin/nats")
    if not os.access(path, os.X_OK):
        pytest.skip("no nats CLI (deploy/deps.sh test builds it where there is Go)")
    return path
