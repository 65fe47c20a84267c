"""Whatever is sent: a clear error in the documented form, no crash, nothing lost."""
import pytest

from harness import until
from nats_raw import NatsError

GARBAGE = {"protobuf": b"\xff\xff\xff\xff\xff", "json_cut": b'{"instance_id":', "json_list": b"[1,2]",
           "types": b'{"instance_id":5,"profile":{}}', "utf8": b'{"instance_id":"\xff"}', "deep": b'{"a":' * 2000,
           "other_id": b'{"instance_id":"zi_other","profile":"idle"}',
           "id": b'{"instance_id":"a b","profile":"idle"}', "zeros": b"\0" * 1000}
VERBS = ("start", "stop", "restart", "signal", "purge")


def code(msg):
    """Error code of a JSON answer; of a protobuf one, found in its bytes."""
    if msg.data.startswith(b"{"):
        return msg.json()["error"]["code"]
    return next((c for c in ("INVALID", "TOO_LARGE", "NOT_FOUND") if c.encode() in msg.data), msg.data)


@pytest.mark.parametrize("verb", VERBS)
def test_malformed_commands_are_rejected(whole, verb):
    """On the command stream: a `rejected` event with INVALID, a copy with the reason aside, and the queue goes on."""
    with whole.nats.connect() as n:
        for name, data in GARBAGE.items():
            n.js_publish(f"lifecycle.v1.cmd.default.{verb}.zi_{name}", data)
        until(lambda: n.stream_info("LIFECYCLE_CMD")["state"]["messages"] == 0, "all are decided", 20)
        for name in GARBAGE:
            events = list(n.stream_all("LIFECYCLE_EVT", f"lifecycle.v1.evt.default.zi_{name}.rejected"))
            assert events, name
        assert n.stream_info("LIFECYCLE_DLQ")["state"]["messages"] >= 1
    whole.start("zi_fine", "idle")


def test_malformed_requests_are_answered(whole):
    """On every verb with an answer: INVALID in the request's own encoding; an unknown verb too."""
    verbs = (*VERBS, "get", "list", "wait", "runners", "scale", "no_such_verb")
    with whole.nats.connect() as n:
        for verb in verbs:
            for name in ("protobuf", "json_cut", "types", "utf8", "deep"):
                if name == "types" and verb in ("list", "runners", "scale"):
                    continue  # these have no such field: unknown ones are ignored
                msg = n.request(f"lifecycle.v1.api.{verb}.default", GARBAGE[name])
                assert code(msg) == "INVALID", (verb, name, msg)
                assert msg.data.startswith(b"{") == GARBAGE[name].startswith(b"{"), (verb, name)
    whole.start("zi_fine", "idle")


def test_garbage_on_the_quiet_subjects(whole):
    """Heartbeats, doorbells, logs and subjects nobody defined: ignored."""
    with whole.nats.connect() as n:
        for data in GARBAGE.values():
            for subject in ("hb.r1", "hb.nobody", "bell.r1", "log.default.zi_1.out.r1", "dlv.cmd", "peer", "feed.x",
                            "api.start", "api", "x.y"):
                n.publish("lifecycle.v1." + subject, data)
            with pytest.raises(NatsError):
                n.js_publish("lifecycle.v1.nothing", data)
    whole.start("zi_fine", "idle")


def test_commands_may_be_protobuf(whole):
    """The same start as protobuf: stored, carried out, and its answer is protobuf."""
    def field(number, text):
        return bytes([number << 3 | 2, len(text)]) + text.encode()
    with whole.nats.connect() as n:
        reply = n.request("lifecycle.v1.api.start.default", field(2, "zi_pb") + field(5, "idle"))
        assert b"zi_pb" in reply.data and not reply.data.startswith(b"{")
    whole.ctl("wait", "zi_pb", "--for", "RUNNING", "--timeout", "30000")


BODIES = [(b"{", 400), (b"[]", 400), (b'"x"', 400), (b'{"message":5}', 400), (b"\xff", 400), (b"", 400)]


@pytest.mark.parametrize("body,status", BODIES)
def test_bad_http_bodies(whole, body, status):
    """Malformed JSON and wrong types: 400 in the documented form, and the session is as before."""
    session = whole.ctl("session", "new").out.strip()
    a = whole.http.post(f"/api/v1/sessions/{session}/messages", body, headers={"Content-Type": "application/json"})
    assert a.status == status and a.json()["error"]["code"] == "INVALID" and a.json()["error"]["message"], a
    assert whole.http.get(f"/api/v1/sessions/{session}/interactions").json()["interactions"] == []


def test_http_outside_of_json(whole):
    """Other types 415, too much 413, unknown paths 404, unknown methods 405, lies about the length 400."""
    session = whole.ctl("session", "new").out.strip()
    path = f"/api/v1/sessions/{session}/messages"
    http = whole.http
    assert http.post(path, "x=1", headers={"Content-Type": "text/plain"}).status == 415
    assert http.post(path, {"message": "x" * (256 * 1024 + 1)}).status == 413
    assert http.post(path, {"message": "x" * (2 << 20)}).status == 413
    assert http.get("/api/v1/nothing").status == 404
    assert http("TRACE", path).status == 405
    assert http.get("/api/v1/sessions/ses_nobody").status == 404
    both = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert http.raw(both.encode()).startswith(b"HTTP/1.1 400")
    assert http.get("/healthz").status == 200
