"""The fixtures of the system tests, and a system with handlers that keep a ledger."""
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SYSTEM_TESTS = HERE.parent / "system"
sys.path[:0] = [str(HERE), str(SYSTEM_TESTS)]

_spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM_TESTS / "conftest.py")
_theirs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_theirs)

from kit.arena import Arena  # noqa: E402

pytest_report_header = _theirs.pytest_report_header


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    arena = getattr(item, "funcargs", {}).get("arena")
    if arena and outcome.get_result().failed:
        arena.failed = True


def make(**options):
    base = os.environ.get("MILLRACE_TEST_DIR") or tempfile.gettempdir()
    return Arena(tempfile.mkdtemp(prefix="millrace-chaos-", dir=base), **options)


@pytest.fixture(scope="module")
def arena(request):
    """One for all tests of a file, which may set ARENA = {…} (options of Arena)."""
    a = make(**getattr(request.module, "ARENA", {}))
    try:
        a.start()
        yield a
    finally:
        _theirs.end(a)


@pytest.fixture
def own_arena():
    """An arena of this test alone: own_arena(nodes=1, …) makes it, and starts it unless told start=False."""
    made = []

    def begin(start=True, env=None, **options):
        a = make(**options)
        made.append(a)
        return a.start(env) if start else a
    try:
        yield begin
    finally:
        for a in made:
            _theirs.end(a)
