"""lifecycled with a runner, where placement and reports matter."""
import os
import signal

import pytest

from control_client import CMD, ask, control, events, expect_types, wait_event  # noqa: F401 (fixtures)
from harness import until


@pytest.fixture
def farm(control):
    """... and a runner."""
    control.runner = control.bed.runner(slots=4).start().wait_ready()
    with control.bed.broker.connect() as n:
        until(lambda: [r["state"] for r in ask(n, "runners")["runners"]] == ["ready"], "the runner is seen")
    return control


def test_the_way_up_and_down_in_events(farm):
    with farm.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "idle"})
        r = ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"]})
        assert r["runner"] == "r1" and r["pid"] and r["attempts"] == 1
        ask(n, "stop", {"instance_id": "zi"})
        ask(n, "wait", {"instance_id": "zi", "states": ["STOPPED"]})
        expect_types(n, "zi", ["accepted", "assigned", "starting", "running", "stopping", "stopped"])
        until(lambda: "data" not in n.kv_get("lifecycle_spec", "default.zi"), "the specification is deleted")


def test_profiles_are_checked(farm):
    """Unknown profile, environment not admitted: an error at once by request, a rejected event by command."""
    with farm.bed.broker.connect() as n:
        assert ask(n, "start", {"instance_id": "a", "profile": "none"})["error"]["code"] == "UNKNOWN_PROFILE"
        for more in ({"env": {"X": "1"}}, {"params": {"x": "1"}}):
            assert ask(n, "start", {"instance_id": "a", "profile": "idle", **more})["error"]["code"] == "INVALID"
        n.js_publish(CMD + "start.b", {"profile": "none"})
        assert wait_event(n, "b", "rejected")["error"]["code"] == "UNKNOWN_PROFILE"
        n.js_publish(CMD + "start.c", {"profile": "idle", "env": {"X": "1"}})
        assert wait_event(n, "c", "rejected")["error"]["code"] == "INVALID"
        assert ask(n, "list")["instances"] == []


def test_no_room_then_room(farm):
    """Four slots, six starts: two wait with the reason, and get the first slots that become free."""
    with farm.bed.broker.connect() as n:
        for i in range(6):
            ask(n, "start", {"instance_id": f"zi_{i}", "profile": "idle"})
        waiting = ask(n, "list", {"state": "PENDING"})["instances"]
        assert [r["reason"] for r in waiting] == ["NO_CAPACITY"] * 2
        r = ask(n, "start", {"instance_id": "far", "profile": "idle", "labels": {"region": "eu"}})
        assert r["reason"] == "LABELS"
        for i in range(2):
            ask(n, "stop", {"instance_id": f"zi_{i}"})
        for r in waiting:
            assert ask(n, "wait", {"instance_id": r["instance_id"], "states": ["RUNNING"]})["runner"] == "r1"


def test_a_start_while_stopping_runs_afterwards(farm):
    with farm.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "idle"})
        ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"]})
        ask(n, "stop", {"instance_id": "zi"})
        ask(n, "start", {"instance_id": "zi", "profile": "idle", "session_id": "ses_2"})
        until(lambda: ask(n, "get", {"instance_id": "zi"})["generation"] == 2, "the next generation")
        r = ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"]})
        assert r["session_id"] == "ses_2"
        events(n, "zi")


def test_a_silent_runner(farm):
    """UNKNOWN after 30 s, LOST after lost_after_ms; a start is a conflict then; when it returns all is as before."""
    with farm.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "idle", "lost_after_ms": 32000})
        ask(n, "start", {"instance_id": "gone", "profile": "idle"})
        pid = ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"]})["pid"]
        gone = ask(n, "wait", {"instance_id": "gone", "states": ["RUNNING"]})["pid"]
        farm.runner.signal(signal.SIGSTOP)
        r = ask(n, "wait", {"instance_id": "zi", "states": ["UNKNOWN"], "timeout_ms": 60000}, timeout=70)
        assert r["reason"] == "RUNNER_LOST"
        r = ask(n, "start", {"instance_id": "new", "profile": "idle"})
        assert (r["state"], r["reason"]) == ("PENDING", "NO_RUNNER")
        ask(n, "wait", {"instance_id": "gone", "states": ["UNKNOWN"], "timeout_ms": 60000}, timeout=70)
        r = ask(n, "force_lost", {"instance_id": "gone"})
        assert (r["state"], r["reason"]) == ("FAILED", "RUNNER_LOST")
        ask(n, "wait", {"instance_id": "zi", "states": ["LOST"], "timeout_ms": 60000}, timeout=70)
        assert ask(n, "start", {"instance_id": "zi", "profile": "idle"})["error"]["code"] == "CONFLICT"
        farm.runner.signal(signal.SIGCONT)
        r = ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"], "timeout_ms": 30000}, timeout=40)
        assert r["pid"] == pid
        ask(n, "wait", {"instance_id": "new", "states": ["RUNNING"], "timeout_ms": 30000}, timeout=40)
        assert ask(n, "force_lost", {"instance_id": "zi"})["error"]["code"] == "CONFLICT"
        until(lambda: not os.path.exists(f"/proc/{gone}"), "what was declared lost is stopped by its runner", 30)


def test_lifecycled_killed_while_instances_run(farm):
    """kill -9 and return: nothing is started twice, what runs stays, what comes meanwhile is carried out."""
    with farm.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "idle"})
        pid = ask(n, "wait", {"instance_id": "zi", "states": ["RUNNING"]})["pid"]
        farm.kill()
        n.js_publish(CMD + "start.two", {"profile": "idle"})
        farm.start().wait_ready()
        assert ask(n, "wait", {"instance_id": "two", "states": ["RUNNING"]})["generation"] == 1
        r = ask(n, "get", {"instance_id": "zi"})
        assert (r["pid"], r["state"], r["generation"]) == (pid, "RUNNING", 1)
        events(n, "zi")
