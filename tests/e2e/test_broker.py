"""The broker away at start, killed and restarted in the middle: everything goes on by itself."""
import os

from harness import until


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_commands_wait_for_lifecycled(bed):
    """A start published to the stream while no lifecycled runs is carried out when one comes."""
    bed.nats().start()
    first = bed.lifecycled(name="first").start()
    first.wait_ready()
    first.stop()
    with bed.broker.connect() as n:
        n.js_publish("lifecycle.v1.cmd.default.start.zi_1", {"instance_id": "zi_1", "profile": "idle"})
        assert n.stream_info("LIFECYCLE_CMD")["state"]["messages"] == 1
    bed.lifecycled().start()
    bed.runner().start().wait_ready()
    bed.ctl()("wait", "zi_1", "--for", "RUNNING", "--timeout", "30000")


def test_broker_killed_under_a_running_instance(whole):
    """The instance is untouched; daemons say in /readyz what is missing; afterwards all goes on."""
    pid = whole.start("zi_1", "idle")["pid"]
    whole.nats.kill()
    for daemon in (whole.lifecycled, whole.sessiond, whole.runner):
        until(lambda d=daemon: not d.ready()[0], f"{daemon.name} notices")
    assert alive(pid)
    assert whole.ctl.run("ls", "--connect-timeout", "300").code == 4
    assert whole.http.post("/api/v1/sessions", {}).status == 503
    whole.nats.start()
    for daemon in (whole.lifecycled, whole.sessiond, whole.runner):
        daemon.wait_ready()
    assert whole.ctl.json("get", "zi_1")["pid"] == pid and alive(pid)
    whole.ctl("stop", "zi_1", "--wait")
    assert not alive(pid)


def test_accepted_before_is_carried_out_after(whole):
    """Commands stored right before the broker is killed are carried out when it is back."""
    with whole.nats.connect() as n:
        for i in range(10):
            n.js_publish(f"lifecycle.v1.cmd.default.start.zi_{i}", {"instance_id": f"zi_{i}", "profile": "idle"})
    whole.nats.restart()
    for i in range(10):
        whole.ctl("wait", f"zi_{i}", "--for", "RUNNING", "--timeout", "60000")


def test_lifecycled_killed_while_commands_come(whole):
    """kill -9 between accepting and carrying out loses nothing, and no instance is started twice."""
    with whole.nats.connect() as n:
        for i in range(20):
            n.js_publish(f"lifecycle.v1.cmd.default.start.zi_{i}", {"instance_id": f"zi_{i}", "profile": "idle"})
            if i == 10:
                whole.lifecycled.kill()
    whole.lifecycled.start().wait_ready()
    for i in range(20):
        whole.ctl("wait", f"zi_{i}", "--for", "RUNNING", "--timeout", "60000")
    assert {r["generation"] for r in whole.ctl.json("ls")["instances"]} == {1}


def test_a_prompt_accepted_before_the_broker_died(whole):
    """A prompt with its 202 is answered although the broker is killed while the answer streams."""
    session = whole.ctl("session", "new").out.strip()
    whole.bed.sim(session, whole.sessiond, "--rate", "100").start().wait_connected()
    sent = whole.http.post(f"/api/v1/sessions/{session}/messages", {"message": "x" * 300})
    assert sent.status == 202
    until(lambda: state(whole, session) == "streaming", "it streams", 20)
    whole.nats.restart()
    until(lambda: state(whole, session) == "complete", "it completes", 40)


def state(whole, session):
    a = whole.http.get(f"/api/v1/sessions/{session}/interactions")
    return a.json()["interactions"][0]["state"] if a.status == 200 else None


def test_sessiond_killed_in_the_middle_of_an_answer(whole):
    """Zed goes on, sessiond comes back, and the whole answer stands in the interactions."""
    session = whole.ctl("session", "new").out.strip()
    sim = whole.bed.sim(session, whole.sessiond, "--rate", "100").start().wait_connected()
    message = "The answer must be whole. " * 12
    assert whole.http.post(f"/api/v1/sessions/{session}/messages", {"message": message}).status == 202
    until(lambda: state(whole, session) == "streaming", "it streams", 20)
    whole.sessiond.restart()
    whole.sessiond.wait_ready()
    until(lambda: state(whole, session) == "complete", "it completes", 40)
    stored = whole.http.get(f"/api/v1/sessions/{session}/interactions").json()["interactions"]
    assert len(stored) == 1 and stored[0]["response"] == message.strip()
    assert sim.control.stats()["requests_repeated"] == 0
