"""lifecycled on its own: commands and requests in both encodings, order, duplicates, bad input, death of broker and
processes, several replicas."""
import contextlib
import json
import random
import secrets
import socket
import subprocess

import pytest

from control_client import (  # noqa: F401 (control is a fixture)
    API, CMD, ask, control, events, expect_types, field, parse, types, wait_event)
from harness import BIN, until
from nats_raw import NatsError


# ---- commands and requests

def test_start_and_stop_by_request_in_json(control):
    """The record is whole, the same start again is a duplicate, another a conflict; every step is an event."""
    with control.bed.broker.connect() as n:
        r = ask(n, "start", {"instance_id": "zi", "profile": "zed", "session_id": "ses_1"})
        assert set(r) == {"tenant", "instance_id", "session_id", "profile", "desired", "state", "reason", "detail",
                          "generation", "runner", "pid", "exit_code", "signal", "restarts", "attempts", "known",
                          "duplicate", "created_unix_ms", "since_unix_ms"}
        assert (r["state"], r["reason"], r["desired"], r["generation"]) == ("PENDING", "NO_RUNNER", "RUN", 1)
        assert r["known"] and not r["duplicate"] and r["pid"] is None
        again = ask(n, "start.default", {"instance_id": "zi", "profile": "zed", "session_id": "ses_1"})
        assert again == {**r, "duplicate": True}
        other = ask(n, "start", {"instance_id": "zi", "profile": "zed", "session_id": "ses_2"})
        assert other["error"]["code"] == "CONFLICT" and set(other) == {"error"}
        assert ask(n, "get", {"instance_id": "zi"}) == r
        stopped = ask(n, "stop", {"instance_id": "zi", "reason": "enough"})
        assert (stopped["state"], stopped["reason"], stopped["detail"]) == ("STOPPED", "STOP", "enough")
        expect_types(n, "zi", ["accepted", "rejected", "stopped"])


def test_every_default_filled_in_is_the_same_start(control):
    """A start that spells out the defaults is the start that leaves them out."""
    with control.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "zed"})
        full = {"instance_id": "zi", "profile": "zed", "params": {}, "env": {}, "labels": {},
                "restart": {"policy": "on_failure", "max": 5, "window_ms": 600000}, "ready": {"timeout_ms": 60000},
                "stop": {"signal": "TERM", "grace_ms": 10000}, "on_lost": "keep", "lost_after_ms": "300000",
                "start_deadline_ms": 1234567, "idle_timeout_ms": 0, "helix": {"user_id": "", "spec_task_id": ""}}
        assert ask(n, "start", full)["duplicate"]


def test_protobuf_is_answered_in_protobuf(control):
    """Request and command as protobuf; an empty payload is {} unless the header says protobuf."""
    with control.bed.broker.connect() as n:
        r = parse(n.request(API + "start", field(2, "zi") + field(5, "zed")).data)
        assert r[2] == [b"zi"] and r[6] == [1] and r[9] == [1]
        n.js_publish(CMD + "stop.zi", field(2, "zi") + field(3, "c1"))
        assert wait_event(n, "zi", "stopped")["command_id"] == "c1"
        assert n.request(API + "list", b"").data.startswith(b"{")
        assert 1 in parse(n.request(API + "list", b"", {"Content-Type": "application/protobuf"}).data)
        error = parse(n.request(API + "get", field(2, "nobody")).data)
        assert parse(error[100][0])[1] == [b"NOT_FOUND"]


def test_stop_of_the_unknown(control):
    with control.bed.broker.connect() as n:
        r = ask(n, "stop", {"instance_id": "nobody"})
        assert (r["state"], r["known"]) == ("STOPPED", False)
        assert ask(n, "get", {"instance_id": "nobody"})["error"]["code"] == "NOT_FOUND"
        assert ask(n, "list", {})["instances"] == []


def test_command_ids(control):
    """A command stored once is carried out once; its repetition gets the same answer."""
    with control.bed.broker.connect() as n:
        start = {"instance_id": "a", "profile": "zed", "command_id": "c1"}
        assert not ask(n, "start", start)["duplicate"]
        assert ask(n, "start", start)["duplicate"]
        ask(n, "stop", {"instance_id": "a"})
        r = ask(n, "start", start)  # after its end too
        assert r["duplicate"] and r["state"] == "STOPPED"
        other = ask(n, "start", {"instance_id": "b", "profile": "zed", "command_id": "c1"})
        assert other["error"]["code"] == "CONFLICT" and "command_id" in other["error"]["message"]
        assert ask(n, "start", {"instance_id": "a", "profile": "zed", "command_id": "c2"})["generation"] == 2


def test_restart_signal_purge_have_their_conditions(control):
    with control.bed.broker.connect() as n:
        for verb, more in (("restart", {}), ("signal", {"signal": "HUP"}), ("purge", {})):
            assert ask(n, verb, {"instance_id": "zi", **more})["error"]["code"] == "NOT_FOUND"
        ask(n, "start", {"instance_id": "zi", "profile": "zed"})
        assert ask(n, "signal", {"instance_id": "zi", "signal": "HUP"})["error"]["code"] == "CONFLICT"
        assert ask(n, "signal", {"instance_id": "zi", "signal": "SEGV"})["error"]["code"] == "INVALID"
        assert ask(n, "purge", {"instance_id": "zi"})["error"]["code"] == "CONFLICT"
        assert ask(n, "restart", {"instance_id": "zi"})["generation"] == 2
        assert ask(n, "stop", {"instance_id": "zi", "expected_generation": 1})["error"]["code"] == "CONFLICT"
        ask(n, "stop", {"instance_id": "zi", "expected_generation": 2})
        assert not ask(n, "purge", {"instance_id": "zi"})["known"]
        assert ask(n, "get", {"instance_id": "zi"})["error"]["code"] == "NOT_FOUND"
        ask(n, "start", {"instance_id": "zi", "profile": "zed"})
        events(n, "zi")  # numbered on without a gap


def test_list_pages_and_filters(control):
    with control.bed.broker.connect() as n:
        for i in range(25):
            ask(n, "start", {"instance_id": f"zi_{i:02}", "profile": "a" if i % 5 else "b", "labels": {"n": str(i)}})
        ask(n, "start.other", {"instance_id": "zi_x", "profile": "a"})
        seen, cursor = [], None
        while True:
            page = ask(n, "list", {"limit": 10, "cursor": cursor})
            seen += [r["instance_id"] for r in page["instances"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [f"zi_{i:02}" for i in range(25)]
        assert len(ask(n, "list", {"profile": "b"})["instances"]) == 5
        assert len(ask(n, "list", {"labels": {"n": "3"}})["instances"]) == 1
        assert ask(n, "list", {"state": "RUNNING"})["instances"] == []
        assert [r["instance_id"] for r in ask(n, "list.other", {})["instances"]] == ["zi_x"]
        for bad in ({"limit": 0}, {"limit": 501}, {"cursor": "a b"}, {"state": "ASLEEP"}):
            assert ask(n, "list", bad)["error"]["code"] == "INVALID"
        scale = ask(n, "scale", {})
        assert scale["pending_by_reason"] == {"NO_RUNNER": 26} and scale["oldest_pending_ms"] >= 0


def test_wait_reaches_its_state_or_times_out(control):
    with control.bed.broker.connect() as n, control.bed.broker.connect() as other:
        r = ask(n, "wait", {"instance_id": "zi", "states": ["PENDING"], "timeout_ms": 100})
        assert r["error"]["code"] == "TIMEOUT"
        inbox = other.inbox + ".w"
        other.publish(API + "wait", {"instance_id": "zi", "states": ["STOPPED"], "timeout_ms": 20000}, reply=inbox)
        other.flush()
        ask(n, "start", {"instance_id": "zi", "profile": "zed"})
        assert ask(n, "wait", {"instance_id": "zi", "states": ["PENDING"]})["state"] == "PENDING"
        ask(n, "stop", {"instance_id": "zi"})
        assert other.next(other.inbox_sid).json()["state"] == "STOPPED"
        assert ask(n, "wait", {"instance_id": "zi", "states": []})["error"]["code"] == "INVALID"


def test_a_start_that_waits_too_long_expires(control):
    with control.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "zed", "start_deadline_ms": 300})
        r = ask(n, "wait", {"instance_id": "zi", "states": ["FAILED"], "timeout_ms": 20000})
        assert (r["state"], r["reason"]) == ("FAILED", "EXPIRED")
        expect_types(n, "zi", ["accepted", "failed"])
        n.js_publish(CMD + "start.old", {"profile": "zed", "start_deadline_ms": 0})
        assert wait_event(n, "old", "accepted")


# ---- bad input

BAD_BODIES = [b"\xff\xff\xff", b"{", b"{\"profile\":5}", b"[]", b"{\"profile\":\"a b\"}", b"{}",
              b"{\"tenant\":\"other\"}", b"{\"instance_id\":\"other\",\"profile\":\"p\"}", b"\x12\x02\xff\xfe",
              b"{\"env\":{\"PATH\":\"x\"},\"profile\":\"p\"}",
              b"{\"restart\":{\"max\":101},\"profile\":\"p\"}", b"{\"stop\":{\"grace_ms\":600001},\"profile\":\"p\"}",
              b"{\"profile\":\"p\",\"command_id\":\"" + b"x" * 65 + b"\"}", b"\x00" * 1000, b"{" * 10000]


def test_bad_commands_are_rejected_kept_and_lose_nothing(control):
    """Each is a rejected event and a copy in LIFECYCLE_DLQ; good ones around them are carried out."""
    with control.bed.broker.connect() as n:
        for i, body in enumerate(BAD_BODIES):
            n.js_publish(CMD + f"start.bad_{i}", body)
            n.js_publish(CMD + f"start.good_{i}", {"profile": "zed"})
        for subject in (CMD + "explode.zi", "lifecycle.v1.cmd.x", "lifecycle.v1.cmd.a.start.b.c",
                        "lifecycle.v1.cmd.$.start.zi"):
            n.js_publish(subject, {"profile": "zed"})
        for i in range(len(BAD_BODIES)):
            e = wait_event(n, f"bad_{i}", "rejected")
            assert e["error"]["code"] == "INVALID" and e["error"]["message"] and e["command_seq"]
            assert ask(n, "get", {"instance_id": f"bad_{i}"})["error"]["code"] == "NOT_FOUND"
            wait_event(n, f"good_{i}", "accepted")
        wait_event(n, "zi", "rejected")
        until(lambda: n.stream_info("LIFECYCLE_CMD")["state"]["messages"] == 0, "the queue is empty")
        assert n.stream_info("LIFECYCLE_DLQ")["state"]["messages"] == len(BAD_BODIES) + 4
        assert ask(n, "start", {"instance_id": "bad_0", "profile": "zed"})["known"]
        events(n, "bad_0")


def test_bad_requests_are_answered_and_nothing_is_stored(control):
    with control.bed.broker.connect() as n:
        before = n.stream_info("LIFECYCLE_CMD")["state"]["last_seq"]
        for verb in ("start", "stop", "restart", "signal", "purge", "get", "list", "wait", "runners", "scale",
                     "force_lost"):
            for body in BAD_BODIES[:4]:
                data = n.request(API + verb, body).data
                if data.startswith(b"{"):
                    code = json.loads(data).get("error", {}).get("code")
                    assert code == "INVALID" or (code is None and verb in ("list", "runners", "scale"))
                else:
                    assert parse(parse(data)[100][0])[1] == [b"INVALID"]
        assert ask(n, "explode")["error"]["code"] == "INVALID"
        assert ask(n, "get.a.b")["error"]["code"] == "INVALID"
        assert ask(n, "get.other", {"tenant": "default", "instance_id": "x"})["error"]["code"] == "INVALID"
        big = {"instance_id": "x", "profile": "p", "env": {f"N{i}": "v" * 16000 for i in range(50)}}
        assert ask(n, "start", big)["error"]["code"] == "TOO_LARGE"
        assert n.stream_info("LIFECYCLE_CMD")["state"]["last_seq"] == before
        n.publish(API + "start", {"instance_id": "x", "profile": "p"})  # nobody to answer: nothing happens
        assert ask(n, "get", {"instance_id": "x"})["error"]["code"] == "NOT_FOUND"


def test_garbage_on_the_other_subjects(control):
    """Heartbeats, peers, events, deliveries and bucket values that make no sense do no harm."""
    with control.bed.broker.connect() as n:
        for subject in ("lifecycle.v1.hb.r1", "lifecycle.v1.peer", "lifecycle.v1.dlv.cmd",
                        "lifecycle.v1.feed.lifecycle_instance.x"):
            for body in BAD_BODIES:
                n.publish(subject, body)
                n.publish(subject, body, reply="not.an.acknowledgement")
        for bucket in ("instance", "report", "runner", "assignment"):
            for key in ("x", "default.zi", "r1.default.zi", "a.b.c.d"):
                n.kv_put("lifecycle_" + bucket, key, b"\xff\xff")
        control.expect_log("mirror_value_bad")
        assert ask(n, "start", {"instance_id": "ok", "profile": "p"})["known"]
        r = ask(n, "start", {"instance_id": "zi", "profile": "p"})  # its record is garbage
        assert r["error"]["code"] == "UNAVAILABLE"
        assert control.ready()[0]


# ---- death and order

def test_commands_stored_before_anyone_lives_are_decided_in_order(bed):
    """--init makes the streams; commands published then are decided in order by a lifecycled that comes later."""
    bed.nats().start()
    assert bed.process("init", ["lifecycled", "--init", "--nats", bed.nats_url]).wait() == 0
    with bed.broker.connect() as n:
        for verb in ("start", "stop", "start", "stop", "start"):
            n.js_publish(CMD + verb + ".zi", {"profile": "zed"} if verb == "start" else {})
        bed.lifecycled().start()
        until(lambda: n.stream_info("LIFECYCLE_CMD")["state"]["messages"] == 0, "all are decided", 20)
        expect_types(n, "zi", ["accepted", "stopped"] * 2 + ["accepted"])
        assert ask(n, "get", {"instance_id": "zi"})["generation"] == 3


def publish_storm(n, rng, acked, count):
    """Random commands on a few instances, without waiting in between; then what the broker acknowledged."""
    sent = {}
    for i in range(count):
        instance = f"zi_{rng.randrange(12)}"
        verb = rng.choice(["start", "start", "stop", "restart", "purge"])
        spec = rng.choice("ab")
        reply = f"{n.inbox}.{i}"
        sent[reply] = (instance, verb, spec)
        n.publish(CMD + f"{verb}.{instance}", {"profile": spec} if verb == "start" else {}, reply=reply)
    for _ in range(count):
        ack = n.next(n.inbox_sid)
        acked.append((ack.json()["seq"], *sent[ack.subject]))


def expected_events(commands):
    """What commands on one instance lead to when no runner is there: (type, sequence) of each event."""
    state, running, out = "unknown", None, []
    for seq, verb, spec in sorted(commands):
        kind = None
        if verb == "start":
            if state != "pending":
                state, running, kind = "pending", spec, "accepted"
            elif spec != running:
                kind = "rejected"
        elif verb == "stop":
            if state == "pending":
                state, kind = "stopped", "stopped"
        elif verb == "restart":
            kind = "accepted" if state == "pending" else "rejected"
        elif state == "stopped":
            state, kind = "unknown", "accepted"
        else:
            kind = "rejected"
        if kind:
            out.append((kind, seq))
    return out


def check_storm(bed, acked):
    """Everything accepted was decided once and in order: exactly the events that follow, and an empty queue."""
    with bed.broker.connect() as n:
        until(lambda: n.stream_info("LIFECYCLE_CMD")["state"]["messages"] == 0, "all are decided", 60)
        for instance in {i for _, i, _, _ in acked}:
            expected = expected_events([(seq, verb, spec) for seq, i, verb, spec in acked if i == instance])
            until(lambda i=instance, e=expected: len(events(n, i)) >= len(e), f"events of {instance}")
            assert [(e["type"], e["command_seq"]) for e in events(n, instance)] == expected


@pytest.mark.parametrize("seed", [secrets.randbelow(1 << 30)])
def test_broker_killed_in_the_middle(control, seed):
    """kill -9 of the broker while commands come: what it acknowledged is carried out, each once."""
    print("seed", seed)
    rng, acked = random.Random(seed), []
    for _ in range(3):
        with control.bed.broker.connect() as n:
            publish_storm(n, rng, acked, 200)
        control.bed.broker.restart()
    control.wait_ready()
    check_storm(control.bed, acked)


@pytest.mark.parametrize("seed", [secrets.randbelow(1 << 30)])
def test_replicas_killed_in_the_middle(control, seed):
    """Three replicas; one after the other dies by kill -9 and returns while commands come."""
    print("seed", seed)
    bed, rng, acked = control.bed, random.Random(seed), []
    replicas = [control] + [bed.lifecycled(name=f"lifecycled-{i}").start().wait_ready() for i in (2, 3)]
    with bed.broker.connect() as n:
        for turn in range(9):
            publish_storm(n, rng, acked, 150)
            replicas[turn % 3].restart()
    for r in replicas:
        r.wait_ready()
    check_storm(bed, acked)


def test_replicas_answer_alike(control):
    """Requests to whichever replica: one decision, one record; the others' mirrors follow."""
    bed = control.bed
    others = [bed.lifecycled(name=f"lifecycled-{i}").start().wait_ready() for i in (2, 3)]
    with bed.broker.connect() as n:
        for i in range(40):
            first = [ask(n, "start", {"instance_id": f"zi_{i}", "profile": "zed"}) for _ in range(4)]
            assert [r["duplicate"] for r in first] == [False, True, True, True]
            assert ask(n, "get", {"instance_id": f"zi_{i}"})["generation"] == 1
            expect_types(n, f"zi_{i}", ["accepted"])
        until(lambda: all(r.metric("lifecycled_instances") == 40 for r in [control, *others]), "all mirrors agree")


def test_a_full_outbox_waits_for_the_events(control):
    """Many commands on one instance at once: more events than a record holds, none lost."""
    with control.bed.broker.connect() as n:
        for i in range(60):
            n.publish(CMD + ("start" if i % 2 == 0 else "stop") + ".zi", {"profile": "zed"} if i % 2 == 0 else {})
        n.flush()
        until(lambda: len(events(n, "zi")) == 60, "60 events", 30)


# ---- init and what it finds

def test_init_tells_what_differs(bed):
    bed.nats().start()
    with bed.broker.connect() as n:
        n.js("STREAM.CREATE.LIFECYCLE_CMD", json.dumps({"name": "LIFECYCLE_CMD", "subjects": ["lifecycle.v1.cmd.>"],
                                                        "retention": "limits", "storage": "file", "max_age": 0}))
    p = bed.process("init", ["lifecycled", "--init", "--nats", bed.nats_url])
    p.stop_code = 1
    assert p.wait() == 1
    assert "LIFECYCLE_CMD" in p.log() and "retention" in p.log()
    daemon = bed.lifecycled()
    daemon.stop_code = None
    assert daemon.start().wait() == 1


def test_an_operator_s_limits_are_kept(bed):
    bed.nats().start()
    assert bed.process("init", ["lifecycled", "--init", "--nats", bed.nats_url]).wait() == 0
    with bed.broker.connect() as n:
        config = n.stream_info("LIFECYCLE_DLQ")["config"]
        config["max_bytes"] = 1 << 20
        assert "error" not in n.js("STREAM.UPDATE.LIFECYCLE_DLQ", json.dumps(config))
    bed.lifecycled().start().wait_ready()


def test_init_gives_up_without_a_broker(bed):
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        url = f"nats://127.0.0.1:{s.getsockname()[1]}"
        p = bed.process("init", ["lifecycled", "--init", "--init-timeout", "1", "--nats", url])
        p.stop_code = 1
        assert p.wait() == 1 and "gave up" in p.log()


def test_a_broker_without_jetstream_is_said(bed):
    bed.nats()
    bed.broker.argv.remove("-js")
    bed.broker.answers = lambda: connects(bed.broker)
    bed.broker.start()
    daemon = bed.lifecycled().start().wait_alive()
    until(lambda: "etstream" in daemon.ready()[1].lower(), "readyz tells of JetStream")


def connects(broker):
    with contextlib.suppress(OSError, NatsError):
        with broker.connect():
            return True
    return False


def test_replicas_need_a_newer_broker(bed):
    bed.nats().start()
    with bed.broker.connect() as n:
        old = tuple(map(int, n.info["version"].split("-")[0].split("."))) < (2, 9, 21)
    p = bed.process("init", ["lifecycled", "--init", "--replicas", "3", "--nats", bed.nats_url])
    if old:
        p.stop_code = 1
        assert p.wait() == 1 and "2.9.21" in p.log()
    else:
        p.stop_code = None
        p.kill()  # it waits for a cluster that is not there


def test_an_assignment_that_went_missing_is_stored_again(control):
    """A runner that lives but never reports, its assignment gone: after 10 s it is stored again and the bell rung."""
    with control.bed.broker.connect() as n:
        def beat():
            n.publish("lifecycle.v1.hb.r9", field(1, "r9") + field(2, 1) + field(5, 1))
        n.kv_put("lifecycle_runner", "r9", field(1, "r9") + field(3, 1) + field(4, 1) + field(6, field(1, "p")))
        beat()
        until(lambda: [r["state"] for r in ask(n, "runners")["runners"]] == ["ready"], "the runner is seen")
        assert ask(n, "start", {"instance_id": "zi", "profile": "p"})["state"] == "ASSIGNED"
        wait_event(n, "zi", "assigned")
        subject = "$KV.lifecycle_assignment.r9.default.zi"
        assert n.js("STREAM.PURGE.KV_lifecycle_assignment", json.dumps({"filter": subject}))["purged"] == 1
        assert n.kv_get("lifecycle_assignment", "r9.default.zi") is None
        bell = n.subscribe("lifecycle.v1.bell.r9")
        until(lambda: beat() or n.kv_get("lifecycle_assignment", "r9.default.zi"), "it is stored again", 20)
        assert n.next(bell).data == b"default.zi"


def test_print_lists_every_setting():
    out = subprocess.run([BIN / "lifecycled", "--print", "config"], capture_output=True, text=True, check=True).stdout
    for name in ("--replicas", "--init-timeout", "--keep-ended-hours"):
        assert name in out


def test_commands_of_a_stream_made_anew(control):
    """LIFECYCLE_CMD deleted and made again counts from 1: its commands are new ones, not decided ones."""
    with control.bed.broker.connect() as n:
        for _ in range(5):
            ask(n, "start", {"instance_id": "zi", "profile": "zed"})
            ask(n, "stop", {"instance_id": "zi"})
        assert n.js("STREAM.DELETE.LIFECYCLE_CMD")["success"]
        control.bed.broker.restart()
    with control.bed.broker.connect() as n:
        until(lambda: "error" not in n.stream_info("LIFECYCLE_CMD"), "the stream is back", 30)
        control.wait_ready()
        n.js_publish(CMD + "start.zi", {"profile": "other"})
        until(lambda: ask(n, "get", {"instance_id": "zi"}).get("profile") == "other", "it is carried out", 20)
        n.js_publish(CMD + "stop.zi", {})
        until(lambda: types(n, "zi")[-1] == "stopped", "and the next", 20)


def test_discovery(control):
    """NATS micro-service discovery finds lifecycled and what it has answered."""
    with control.bed.broker.connect() as n:
        ask(n, "start", {"instance_id": "zi", "profile": "zed"})
        assert n.ask("$SRV.PING.lifecycled")["name"] == "lifecycled"
        stats = n.ask("$SRV.STATS.lifecycled")
        assert {e["name"]: e["num_requests"] for e in stats["endpoints"]} == {"api": 1, "commands": 1}
