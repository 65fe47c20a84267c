"""The runner comes and goes; what it started stays as it should."""
import os
import pathlib
import signal

from harness import until


def test_killed_runner_leaves_instances_running(whole):
    """kill -9 of the runner: the instance lives, is adopted by the next one, and stops cleanly afterwards."""
    pid = whole.start("zi_1", session="ses_1")["pid"]
    whole.runner.restart()
    whole.runner.wait_ready()
    assert os.path.exists(f"/proc/{pid}")
    until(lambda: whole.ctl.json("get", "zi_1")["state"] == "RUNNING", "still running")
    assert whole.ctl.json("get", "zi_1")["pid"] == pid
    whole.ctl("stop", "zi_1", "--wait")
    assert not os.path.exists(f"/proc/{pid}")


def test_leave_lets_instances_run(bed):
    """--on-term leave: an orderly stop of the runner leaves its instances, the next one takes them over."""
    bed.nats().start()
    bed.lifecycled().start()
    runner = bed.runner(on_term="leave").start()
    runner.wait_ready()
    ctl = bed.ctl()
    ctl("start", "zi_1", "--profile", "idle", "--wait", "--timeout", "30000")
    pid = ctl.json("get", "zi_1")["pid"]
    runner.stop()
    assert os.path.exists(f"/proc/{pid}")
    runner.start().wait_ready()
    assert ctl.json("get", "zi_1")["pid"] == pid
    ctl("stop", "zi_1", "--wait")


def test_drain_stops_them_first(bed):
    """--on-term drain: SIGTERM ends the instances before the runner."""
    bed.nats().start()
    bed.lifecycled().start()
    runner = bed.runner().start()
    runner.wait_ready()
    ctl = bed.ctl()
    ctl("start", "zi_1", "--profile", "idle", "--wait", "--timeout", "30000")
    pid = ctl.json("get", "zi_1")["pid"]
    runner.stop()
    assert not os.path.exists(f"/proc/{pid}")


def test_second_runner_on_one_state_dir(whole):
    """The state folder is locked: a second runner exits 2 and says why."""
    second = whole.bed.runner(runner_id="r1", name="second")
    second.start()
    assert second.wait() == 2
    second.stop_code = 2
    assert str(whole.runner.state) in second.log()


def test_a_crashing_instance_is_started_again(whole):
    """on_failure: killed from outside, it is started again with another pid; never: it stays EXITED or FAILED."""
    pid = whole.start("zi_1", "idle", "--restart", "on_failure")["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: whole.ctl.json("get", "zi_1")["restarts"] == 1, "it was restarted", 20)
    whole.ctl("wait", "zi_1", "--for", "RUNNING")
    assert whole.ctl.json("get", "zi_1")["pid"] != pid
    pid = whole.start("zi_2", "idle", "--restart", "never")["pid"]
    os.kill(pid, signal.SIGKILL)
    whole.ctl("wait", "zi_2", "--for", "EXITED,FAILED", "--timeout", "20000")
    assert whole.ctl.json("get", "zi_2")["signal"] == 9


STUBBORN = """#!/bin/bash
trap '' TERM INT HUP
setsid bash -c "trap '' TERM; setsid sleep 100000 & while :; do sleep 1000; done" &
while :; do sleep 1000; done
"""


def test_stop_takes_the_whole_tree(whole):
    """Ignoring signals, leaving the session and the parent: STOPPED is said when all of it is gone."""
    script = whole.bed.path / "stubborn.sh"
    script.write_text(STUBBORN)
    script.chmod(0o755)
    whole.profile("stubborn", {"command": [str(script)], "stop": {"signal": "TERM", "grace_ms": 200}})
    pid = whole.start("zi_1", "stubborn")["pid"]
    home = whole.home("zi_1")

    def tree():
        found = []
        for p in pathlib.Path("/proc").iterdir():
            try:
                if p.name.isdigit() and f"HOME={home}".encode() in (p / "environ").read_bytes().split(b"\0"):
                    found.append(int(p.name))
            except OSError:
                pass
        return found
    until(lambda: len(tree()) >= 4, "grandchildren are there")
    assert pid in tree()
    whole.ctl("stop", "zi_1", "--wait", "--timeout", "60000")
    assert tree() == []


def test_unknown_profile_and_unreadable_profile(whole):
    """Unknown: UNKNOWN_PROFILE. Broken or writable by others: not offered, named as degraded; the rest goes on."""
    r = whole.ctl.run("start", "zi_1", "--profile", "nobody-has-this")
    assert r.code == 1 and "UNKNOWN_PROFILE" in r.err
    whole.runner.profile("broken", '{"command": [')
    whole.runner.profile("extra", '{"command": ["/bin/true"], "surprise": 1}')
    whole.runner.profile("open", '{"command": ["/bin/true"]}', mode=0o666)
    whole.runner.signal(signal.SIGHUP)

    def told():
        me = next(r for r in whole.ctl.json("runners")["runners"] if r["id"] == "r1")
        text = " ".join(me["degraded"])
        return all(name in text for name in ("broken", "extra", "open")) and \
            not {"broken", "extra", "open"} & set(me["profiles"])
    until(told, "the runner tells of its unreadable profiles", 20)
    for name in ("broken", "open"):
        assert "UNKNOWN_PROFILE" in whole.ctl.run("start", "zi_1", "--profile", name).err
    whole.start("zi_2", "idle")


def test_what_cannot_be_executed(whole):
    """A program that is not there: FAILED(EXEC) with errno's name."""
    whole.profile("absent", {"command": ["/no/such/program"]})
    r = whole.ctl.run("start", "zi_1", "--profile", "absent", "--wait", "--timeout", "30000")
    record = whole.ctl.json("get", "zi_1")
    assert r.code == 1 and (record["state"], record["reason"]) == ("FAILED", "EXEC")
    assert "ENOENT" in record["detail"]


def test_environment_rules(whole):
    """A name the profile does not admit, or one never admitted: INVALID, and nothing runs."""
    whole.runner.profile("sim", {"command": ["/bin/sleep", "1000"], "env_allow": ["MINE_*", "*"]})
    whole.runner.profile("idle", {"command": ["/bin/sleep", "1000"], "env_allow": ["MINE_*"]})
    whole.runner.signal(signal.SIGHUP)
    whole.start("zi_ok", "idle", "--env", "MINE_A=1")
    for profile, name in (("idle", "OTHER"), ("sim", "LD_PRELOAD"), ("sim", "HOME"), ("sim", "ZED_HELIX_TOKEN")):
        r = whole.ctl.run("start", "zi_bad", "--profile", profile, "--env", name + "=x")
        assert r.code == 1 and "INVALID" in r.err and name in r.err, (profile, name, r)
    assert "NOT_FOUND" in whole.ctl.run("get", "zi_bad").err
