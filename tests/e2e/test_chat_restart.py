"""sessiond and the broker killed in the middle: what was accepted is not lost, and nothing is asked of Zed twice."""
import contextlib
import http.client
import signal
import threading

import pytest
from fake_zed import Chat, FakeZed, Refused, new_chat
from harness import until
from nats_raw import NatsError
from ws_raw import Closed


@pytest.fixture
def broker(bed):
    return bed.nats().start()


@pytest.fixture
def sessiond(bed, broker):
    return bed.sessiond().start().wait_ready()


def reconnect(sessiond, session, **kw):
    """As Zed does: again and again until it is let in."""
    def attempt():
        with contextlib.suppress(OSError, Refused):
            return FakeZed(sessiond, session, **kw)
    return until(attempt, "Zed is let in again")


def test_killed_in_the_middle_of_an_answer(sessiond):
    """Half an answer, kill -9, restart: the half is there, the rest is appended, the prompt goes out only once."""
    chat = new_chat(sessiond, "ses_1", name="kept", metadata={"k": [1, "x"]})
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "first half")
    chat.wait(req, "streaming")
    later = chat.send("two")["request_id"]
    until(lambda: sessiond.metric("sessiond_live_bytes_total") > 0, "the text is stored")
    sessiond.kill()
    with pytest.raises(Closed):
        zed.ws.receive()
    sessiond.start().wait_ready()
    assert (chat.get()["name"], chat.get()["metadata"]) == ("kept", {"k": [1, "x"]})
    assert [(i["state"], i["response"]) for i in chat.list()] == [("streaming", "first half"), ("queued", "")]
    zed = FakeZed(sessiond, "ses_1", ready=False)
    assert zed.expect("open_thread")["acp_thread_id"] == "T1"
    zed.ready(thread_id="T1")
    assert zed.silent()
    zed.say(req, 1, "first half, second half")
    zed.complete(req)
    assert chat.wait(req, "complete")["response"] == "first half, second half"
    zed.answer(zed.prompt("two")["request_id"], "2", message_id=3)
    chat.wait(later, "complete")


def test_real_habits_of_zed_survive_a_restart(bed, sessiond):
    """zed-sim answers for seconds; sessiond is killed in the middle; the turn completes with the whole text."""
    chat = new_chat(sessiond, "ses_1")
    sim = bed.sim("ses_1", sessiond, "--answer", "story", "--rate", "150").start()
    req = chat.send("tell me")["request_id"]
    until(lambda: len((chat.one(req) or {}).get("response", "")) > 150, "some of it is there", 30)
    sessiond.kill()
    sessiond.start().wait_ready()
    done = chat.wait(req, "complete", 60)
    assert done["response"].endswith("You asked: tell me") and done["response"].startswith("Let me look")
    stats = sim.control.stats()
    assert (stats["commands_malformed"], stats["requests_repeated"], stats["turns_started"]) == (0, 0, 1), stats
    again = chat.send("and now")["request_id"]
    assert chat.wait(again, "complete", 60)["response"].endswith("You asked: and now")


def test_completion_while_we_were_away(sessiond):
    """Zed finished while sessiond was down and kept its events: they complete the turn."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "almost")
    chat.wait(req, "streaming")
    sessiond.kill()
    sessiond.start().wait_ready()
    zed = FakeZed(sessiond, "ses_1", ready=False)
    zed.say(req, 1, "almost done")
    zed.complete(req)  # before agent_ready: never dropped
    assert chat.wait(req, "complete")["response"] == "almost done"
    assert zed.expect("open_thread")["acp_thread_id"] == "T1"


@pytest.mark.parametrize("spoke,state", [(True, "complete"), (False, "again")])
def test_newest_zed_says_what_it_has(sessiond, spoke, state):
    """active_turns without the turn: it is concluded if it spoke, sent again if it did not."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    if spoke:
        zed.say(req, 1, "words")
        chat.wait(req, "streaming")
    until(lambda: chat.get()["zed_thread_id"] == "T1", "the thread is bound")
    sessiond.kill()
    sessiond.start().wait_ready()
    zed = FakeZed(sessiond, "ses_1", active_turns=[])
    if state == "again":
        got = zed.prompt("one")
        assert (got["request_id"], got["acp_thread_id"]) == (req, "T1")
        zed.answer(req, "words")
    assert chat.wait(req, "complete")["response"] == "words"


def test_active_turn_is_attached(sessiond):
    """active_turns with the turn: nothing is sent, what comes is its answer."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    until(lambda: chat.get()["zed_thread_id"] == "T1", "the thread is bound")
    zed.close()
    zed = reconnect(sessiond, "ses_1", active_turns=[{"request_id": req, "state": "running"}])
    zed.expect("open_thread")
    assert zed.silent()
    zed.answer(req, "words")
    chat.wait(req, "complete")


def test_accepted_prompts_survive(sessiond):
    """Prompts accepted and not handed over are there after kill -9, in order, and go out once each."""
    chat = new_chat(sessiond, "ses_1")
    sent = [chat.send(f"p{i}", request_id=f"r:{i}")["request_id"] for i in range(5)]
    sessiond.kill()
    sessiond.start().wait_ready()
    assert [i["id"] for i in chat.list()] == sent == [f"r:{i}" for i in range(5)]
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed.begin("p0"), "a0")
    for i in range(1, 5):
        got = zed.prompt(f"p{i}")
        zed.answer(got["request_id"], f"a{i}", message_id=2 * i + 1)
    chat.wait("r:4", "complete")
    assert [i["response"] for i in chat.list()] == [f"a{i}" for i in range(5)]


def test_replayed_history_after_a_restart_is_history(sessiond):
    """Zed replays its thread into the next turn: old entries stay out, a new one under an old id does not."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    zed.answer((chat.send("one"), zed.begin())[1], "old words")
    until(lambda: chat.list()[0]["state"] == "complete", "the first turn is over")
    sessiond.kill()
    sessiond.start().wait_ready()
    zed = FakeZed(sessiond, "ses_1", ready=False)
    zed.ready()
    req = chat.send("two")["request_id"]
    zed.prompt("two")
    zed.say(req, 1, "old words")
    zed.say(req, 1, "new words under the old id")
    zed.complete(req)
    assert chat.wait(req, "complete")["response"] == "new words under the old id"


def test_broker_killed_in_the_middle_of_an_answer(broker, sessiond):
    """Broker gone: Zed stays, text streams on, new prompts are 503; when it is back, the end is stored and told."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "some")
    chat.wait(req, "streaming")
    with sessiond.http.events(chat.path + "/events") as events:
        assert next(events)[0] == "snapshot"
        broker.kill()
        until(lambda: not sessiond.ready()[0], "sessiond says that the broker is gone")
        zed.say(req, 1, "some more")
        assert next(d for e, _, d in events if e == "delta")["append"] == " more"
        a = sessiond.http.post(chat.path + "/messages", {"message": "two"})
        assert a.status == 503 and int(a.headers["Retry-After"]) > 0 and a.json()["error"]["code"] == "UNAVAILABLE"
        assert chat.http.post("/api/v1/sessions", {}).status == 503
        zed.complete(req)
        until(lambda: chat.get()["agent"]["state"] == "ready", "sessiond has heard the end")
        with sessiond.http.events(chat.path + "/events") as late:
            now = next(d for e, _, d in late if e == "snapshot")
        assert [(i["id"], i["state"], i["completed_at"]) for i in now["interactions"]] == [(req, "streaming", None)]
        assert now["session"]["state"] == "busy"
        broker.start()
        ended = next(d for e, _, d in events if e == "interaction" and d["state"] == "complete")
        assert ended["id"] == req
    sessiond.wait_ready()
    assert chat.wait(req, "complete")["response"] == "some more"
    second = chat.send("two")["request_id"]
    zed.answer(zed.prompt("two")["request_id"], "2", message_id=3)
    chat.wait(second, "complete")


def test_both_killed(broker, sessiond):
    """Broker and sessiond killed at once with a prompt accepted: both come back, and so does the prompt."""
    chat = new_chat(sessiond, "ses_1")
    sent = chat.send("one")["request_id"]
    sessiond.kill()
    broker.restart()
    sessiond.start().wait_ready()
    zed = FakeZed(sessiond, "ses_1")
    assert zed.begin("one") == sent
    zed.answer(sent, "1")
    chat.wait(sent, "complete")


def test_broker_absent_at_start(bed):
    """sessiond waits for its broker, refuses clearly meanwhile, and serves when it appears."""
    broker, sessiond = bed.nats(), bed.sessiond()
    sessiond.start().wait_alive()
    a = sessiond.http.get("/api/v1/sessions/ses_1")
    assert a.status == 503 and a.json()["error"]["code"] == "UNAVAILABLE"
    assert sessiond.http.post("/api/v1/sessions", {"id": "ses_1"}).status == 503
    with pytest.raises(Refused) as e:
        FakeZed(sessiond, "ses_1")
    assert e.value.status == 503
    broker.start()
    sessiond.wait_ready()
    assert new_chat(sessiond, "ses_1").get()["state"] == "idle"


def test_orderly_stop_keeps_everything(sessiond):
    """SIGTERM in the middle of an answer: Zed is told to come back (1012), exit code 0, and the turn goes on after."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "some")
    chat.wait(req, "streaming")
    sessiond.signal(signal.SIGTERM)
    with pytest.raises(Closed) as e:
        zed.ws.receive()
    assert e.value.code == 1012
    assert sessiond.wait() == 0
    sessiond.popen = None
    sessiond.start().wait_ready()
    zed = FakeZed(sessiond, "ses_1")
    zed.say(req, 1, "some more")
    zed.complete(req)
    assert chat.wait(req, "complete")["response"] == "some more"


def test_delete_survives_a_restart(sessiond):
    """A deleted session is not back after a restart."""
    chat = new_chat(sessiond, "ses_1")
    chat.send("one")
    assert sessiond.http("DELETE", chat.path).status == 204
    sessiond.kill()
    sessiond.start().wait_ready()
    assert sessiond.http.get(chat.path).status == 404
    assert Chat(sessiond, new_chat(sessiond, "ses_1").id).list() == []


def test_found_by_service_discovery(broker, sessiond):
    """$SRV.PING and its named forms are answered by sessiond, also after the broker was killed."""
    def found():
        with contextlib.suppress(TimeoutError, OSError, NatsError):  # nobody answers until it has reconnected
            with broker.connect() as nats:
                return nats.request("$SRV.PING.sessiond").data
    assert b'"sessiond"' in until(found, "sessiond is found")
    broker.restart()
    assert b'"sessiond"' in until(found, "sessiond is found again")


def test_stop_with_everything_under_way(broker, sessiond):
    """SIGTERM while the broker hangs and requests of every kind wait for it: exit code 0, nothing leaks or dangles."""
    chat, gone = new_chat(sessiond, "ses_1"), new_chat(sessiond, "ses_2")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "some")
    chat.wait(req, "streaming")
    queued = chat.send("two")["request_id"]
    broker.signal(signal.SIGSTOP)
    key = {"Idempotency-Key": "k"}
    calls = [("POST", chat.path + "/messages", {"message": "a", "request_id": "r"}, {}),
             ("POST", chat.path + "/messages", {"message": "b"}, key),
             ("POST", chat.path + "/messages", {"message": "c"}, {}),
             ("POST", "/api/v1/sessions", {"message": "d"}, key), ("POST", "/api/v1/sessions", {"id": "ses_3"}, {}),
             ("PATCH", chat.path, {"name": "x"}, {}), ("DELETE", gone.path, None, {}),
             ("POST", chat.path + "/cancel", {"request_id": queued}, {}), ("POST", chat.path + "/cancel", None, {}),
             ("GET", chat.path + "/interactions", None, {}), ("GET", gone.path + "/events", None, {}),
             ("DELETE", f"{chat.path}/queue/{queued}", None, {}), ("POST", chat.path + "/agent-token", None, {})]

    def call(method, path, body, headers):
        with contextlib.suppress(OSError, http.client.HTTPException):
            sessiond.http(method, path, body, headers=headers, timeout=20)
    threads = [threading.Thread(target=call, args=c) for c in calls]
    for t in threads:
        t.start()
    zed.say(req, 1, "some more")
    zed.complete(req)
    zed.event("user_created_thread", acp_thread_id="U1", title=None)
    until(lambda: sessiond.metric("sessiond_http_requests_total") >= len(calls), "all of them have arrived")
    sessiond.signal(signal.SIGTERM)
    assert sessiond.wait() == 0
    sessiond.popen = None
    broker.signal(signal.SIGCONT)
    for t in threads:
        t.join(30)
        assert not t.is_alive()
