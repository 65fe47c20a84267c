"""The main job from end to end, on real parts: a start, a conversation, a setting both ways, a stop."""
import json
import os
import pathlib
import random

import pytest

from harness import sim_profile, until


def settings_file(home):
    return pathlib.Path(home) / ".config/zed/settings.json"


def test_parts_start_in_any_order(bed):
    """Each part says in /readyz what it waits for, and all become ready whatever came first."""
    nats, lifecycled, sessiond = bed.nats(), bed.lifecycled(), bed.sessiond()
    runner = bed.runner(sessiond=sessiond)
    parts = [lifecycled, sessiond, runner]
    random.shuffle(parts)
    print("order:", [p.name for p in parts])
    for part in parts:
        part.start().wait_alive()
        ready, says = part.ready()
        assert not ready and "broker" in says.lower(), (part.name, says)
    nats.start()
    for part in parts:
        part.wait_ready()


def test_the_whole_way(bed, whole):
    """Start, prompt and answer, a setting down, an edit up, stop with nothing left."""
    session = whole.ctl("session", "new").out.strip()
    record = whole.start("zi_demo", session=session)
    assert (record["state"], record["runner"], record["session_id"]) == ("RUNNING", "r1", session)
    types = [json.loads(line)["type"] for line in whole.ctl("events", "zi_demo", "-o", "json").out.splitlines()]
    assert [t for t in types if t in ("accepted", "assigned", "starting", "running")] == \
        ["accepted", "assigned", "starting", "running"]
    answer = whole.ctl("chat", session, "Which ship comes last?").out
    assert "You asked: Which ship comes last?" in answer
    stored = whole.http.get(f"/api/v1/sessions/{session}/interactions").json()["interactions"]
    assert [i["state"] for i in stored] == ["complete"]
    assert [e["type"] for e in stored[0]["entries"]] == ["text", "tool_call", "text"]
    assert stored[0]["prompt"] == "Which ship comes last?"

    control, path = whole.control("zi_demo"), settings_file(whole.home("zi_demo"))
    whole.ctl("settings", "set", session, "/buffer_font_size", "17", "--base")
    control.wait_stats(lambda s: s["settings"]["value"].get("buffer_font_size") == 17, "Zed has the setting")
    control.save({**json.loads(path.read_text()), "vim_mode": True})
    until(lambda: whole.ctl("settings", "get", session, "-o", "json").json()["set"] == {"/vim_mode": True},
          "the override is at the server")
    merged = whole.ctl.json("settings", "merged", session)
    assert (merged["vim_mode"], merged["buffer_font_size"]) == (True, 17)
    stats = control.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == stats["commands_malformed"] == 0

    home = whole.home("zi_demo")
    whole.ctl("stop", "zi_demo", "--wait")
    assert whole.ctl.json("get", "zi_demo")["state"] == "STOPPED"
    assert not [p for p in bed.leftovers().values() if home in p or "zed-sim" in p or "settings-sync" in p]


def test_instance_runs_in_a_home_of_its_own(whole):
    """HOME, XDG folders, session and server stand in its environment; nothing of the runner's own does."""
    session = whole.ctl("session", "new").out.strip()
    pid = whole.start("zi_1", session=session)["pid"]
    env = dict(e.split("=", 1) for e in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in e)
    home = env["HOME"]
    assert os.path.isdir(home) and str(whole.bed.path) in home
    assert env["XDG_CONFIG_HOME"] == home + "/.config"
    assert env["HELIX_SESSION_ID"] == session and env["ZED_EXTERNAL_SYNC_ENABLED"] == "true"
    assert env["ZED_HELIX_URL"] == f"127.0.0.1:{whole.sessiond.port}"
    assert "ZEDBUS_TEST_MARK" not in env


def test_same_start_again_is_the_same_answer(whole):
    """The same start: the record, marked duplicate. Another one: CONFLICT, and nothing changes."""
    first = whole.start("zi_1", "idle")
    again = whole.ctl.json("start", "zi_1", "--profile", "idle")
    assert again["duplicate"] and again["generation"] == first["generation"] and again["pid"] == first["pid"]
    other = whole.ctl.run("start", "zi_1", "--profile", "idle", "--label", "a=b")
    assert other.code == 1 and "CONFLICT" in other.err
    assert whole.ctl.json("get", "zi_1")["pid"] == first["pid"]


def test_stop_of_nobody(whole):
    """Stopping what was never there says so, and is no error."""
    r = whole.ctl.json("stop", "zi_nobody")
    assert (r["state"], r["known"]) == ("STOPPED", False)


def test_start_after_stop_is_a_new_generation(whole):
    """A stopped instance can be started again, also with another specification."""
    assert whole.start("zi_1", "idle")["generation"] == 1
    whole.ctl("stop", "zi_1", "--wait")
    assert whole.start("zi_1", "idle", "--grace", "5000")["generation"] == 2


@pytest.mark.parametrize("ready", [{"kind": "process", "arg": "50"}, {"kind": "agent", "arg": ""}])
def test_ready_kinds(whole, ready):
    """RUNNING is said when the profile's readiness is reached: alive for a while, or connected to sessiond."""
    whole.runner.profile("sim", sim_profile(ready=ready))
    session = whole.ctl("session", "new").out.strip()
    whole.start("zi_1", session=session)
    if ready["kind"] == "agent":
        agent = whole.ctl.json("session", "get", session)["agent"]
        assert agent["state"] in ("ready", "busy")
