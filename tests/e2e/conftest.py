"""The fixture every end-to-end test stands on. See harness.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402
from fake_settings import FakeSettings  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)


@pytest.fixture
def bed(request):
    b = harness.Bed()
    yield b
    b.close()
    report = getattr(request.node, "report_call", None)
    failed = b.complaints or report is None or report.failed
    if failed:
        b.print_logs()
    if failed and os.environ.get("ZEDBUS_KEEP_FILES"):
        print("files kept in", b.path)
    else:
        b.remove()
    assert not b.complaints, "\n".join(b.complaints)


@pytest.fixture
def whole(bed):
    """Broker, lifecycled, sessiond and a runner, ready."""
    return bed.all()


@pytest.fixture
def sessiond(bed):
    """A broker and sessiond, ready."""
    bed.nats().start()
    return bed.sessiond().start().wait_ready()


@pytest.fixture
def http(sessiond):
    return sessiond.http


@pytest.fixture
def server(bed, request):
    """A settings server that can be told to misbehave, with the BASE of the test's file."""
    s = FakeSettings(bed.port())
    s.put_base(request.module.BASE, push=False)
    s.start()
    yield s
    s.stop()
