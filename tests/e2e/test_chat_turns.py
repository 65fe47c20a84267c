"""Prompts to Zed and answers back, with a Zed that says what the test wants."""
import struct
import threading

import pytest
import ws_raw
from fake_zed import Chat, FakeZed, new_chat
from harness import until
from ws_raw import Closed


def test_first_prompt_makes_a_thread(sessiond):
    """A prompt waits for a Zed, goes out without a thread, and its answer is stored with entries and usage."""
    chat = new_chat(sessiond, "ses_1")
    sent = chat.send("hello")
    assert (sent["state"], sent["position"]) == ("waiting", 0)
    assert sent["request_id"] == sent["interaction_id"] == sent["prompt_id"]
    zed = FakeZed(sessiond, "ses_1")
    req = zed.begin("hello")
    assert req == sent["request_id"]
    zed.say(req, 1, "Hel")
    zed.say(req, 1, "Hello 😀")
    zed.say(req, 2, "**Tool Call: Read**", entry_type="tool_call", tool_name="Read", tool_status="Completed")
    zed.complete(req, usage={"total_tokens": 3, "input_tokens": 2, "output_tokens": 1})
    done = chat.wait(req, "complete")
    assert done["response"] == "Hello 😀\n\n**Tool Call: Read**" and done["error"] is None
    assert [(e["message_id"], e["type"], e["tool_name"]) for e in done["entries"]] == \
        [("1", "text", None), ("2", "tool_call", "Read")]
    assert done["usage"]["total_tokens"] == 3
    session = chat.get()
    assert (session["zed_thread_id"], session["state"]) == ("T1", "idle")
    assert session["agent"] == {"id": "ses_1", "state": "ready"}


def test_follow_up_uses_the_thread(sessiond):
    """The second prompt names the thread; one queued behind it goes when it has ended, not before."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    first = chat.send("one")["request_id"]
    assert zed.begin() == first
    second = chat.send("two")
    assert (second["state"], second["position"]) == ("queued", 1)
    assert zed.silent()
    zed.answer(first, "1")
    got = zed.prompt("two")
    assert got["acp_thread_id"] == "T1" and "role" not in got and got["interrupt"] is False
    zed.answer(got["request_id"], "2", message_id=3)
    chat.wait(second["request_id"], "complete")


def test_nothing_is_sent_before_agent_ready(sessiond):
    """A connected Zed that is not ready gets no prompt; why says so."""
    chat = new_chat(sessiond, "ses_1")
    sent = chat.send("one")
    assert chat.http.get(chat.path + "/why").json()["blocked_by"] == "no_agent"
    zed = FakeZed(sessiond, "ses_1", ready=False)
    until(lambda: chat.http.get(chat.path + "/why").json()["blocked_by"] == "agent_not_ready", "not ready")
    assert zed.silent() and chat.get()["agent"]["state"] == "connected"
    zed.ready()
    assert zed.prompt("one")["request_id"] == sent["request_id"]
    chat.send("two")
    assert chat.http.get(chat.path + "/why").json()["blocked_by"] == "busy"


def test_reconnect_opens_the_thread_first(sessiond):
    """A session with a thread gets open_thread at once, with a request id, and prompts only after agent_ready."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed_begin(zed, chat), "1")
    zed.close()
    until(lambda: chat.get()["agent"] is None, "Zed is gone")
    sent = chat.send("two")["request_id"]
    zed = FakeZed(sessiond, "ses_1", ready=False)
    opened = zed.expect("open_thread")
    assert opened["acp_thread_id"] == "T1" and opened["request_id"] == sent
    zed.say("", 1, "1")  # history is replayed while it loads
    assert zed.silent()
    zed.ready(thread_id="T1", agent_name="zed-agent")
    zed.answer(zed.prompt("two")["request_id"], "2", message_id=3)
    assert chat.wait(sent, "complete")["response"] == "2"


def zed_begin(zed, chat, text="one"):
    chat.send(text)
    return zed.begin(text)


def test_cancel_running(sessiond):
    """Cancel is told to Zed, answered when the end is stored, and keeps the last words."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = zed_begin(zed, chat)
    zed.say(req, 1, "so f")
    chat.wait(req, "streaming")
    result = []
    thread = threading.Thread(target=lambda: result.append(chat.cancel()))
    thread.start()
    assert zed.expect("cancel_current_turn")["request_id"] == req
    zed.event("turn_cancelled", request_id=req, status="cancelled")
    zed.say(req, 1, "so far")
    zed.complete(req)
    thread.join()
    assert result == [(200, "cancelled")]
    got = chat.one(req)
    assert (got["state"], got["response"]) == ("interrupted", "so far")


def test_cancel_queued_sends_nothing(sessiond):
    """What Zed has not got is cancelled without a word to it; what is unknown or over is a noop."""
    chat = new_chat(sessiond, "ses_1")
    queued = chat.send("one")["request_id"]
    assert chat.cancel(queued) == (200, "cancelled")
    assert chat.cancel(queued) == (200, "noop") and chat.cancel("int_unknown") == (200, "noop")
    assert chat.cancel() == (200, "noop")
    zed = FakeZed(sessiond, "ses_1")
    assert zed.silent()
    assert [i["state"] for i in chat.list()] == ["interrupted"]


def test_cancel_unanswered_is_pending(sessiond):
    """A Zed that does not answer a cancel: 202 after three seconds, and the turn still ends by its own word."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = zed_begin(zed, chat)
    assert chat.cancel() == (202, "pending")
    zed.event("turn_cancelled", request_id=req, status="cancelled")
    chat.wait(req, "interrupted")


def test_interrupt(sessiond):
    """An interrupting prompt cancels the running turn, overtakes what is queued, and says interrupt."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    first = zed_begin(zed, chat)
    queued = chat.send("later")["request_id"]
    urgent = chat.send("now", interrupt=True)["request_id"]
    assert zed.expect("cancel_current_turn")["request_id"] == first
    zed.event("turn_cancelled", request_id=first, status="cancelled")
    zed.complete(first)
    got = zed.prompt("now")
    assert got["interrupt"] is True and got["request_id"] == urgent
    zed.answer(urgent, "done", message_id=2)
    assert zed.prompt("later")["request_id"] == queued
    zed.answer(queued, "done too", message_id=4)
    chat.wait(queued, "complete")
    assert [i["state"] for i in chat.list()] == ["interrupted", "complete", "complete"]
    assert [i["prompt"] for i in chat.list("order=desc")] == ["now", "later", "one"]


def test_errors_end_turns(sessiond):
    """chat_response_error fails the turn with its text; the empty completion after it changes nothing."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = zed_begin(zed, chat)
    zed.event("chat_response_error", request_id=req, error="no credit")
    zed.complete(req)
    assert chat.wait(req, "error")["error"] == "no credit"
    second = chat.send("two")["request_id"]
    zed.complete(zed.prompt()["request_id"])
    assert "empty response" in chat.wait(second, "error")["error"]
    third = chat.send("three")["request_id"]
    zed.prompt("three")
    zed.event("thread_load_error", acp_thread_id="T1", request_id=third, error="Failed to load thread: 401")
    assert chat.wait(third, "error")["error"] == "Thread load failed: Failed to load thread: 401"
    assert chat.get()["zed_thread_id"] == "T1"


def test_missing_thread_begins_anew(sessiond):
    """A thread Zed does not know any more is given up, and the prompt goes out once more without one."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed_begin(zed, chat), "1")
    req = chat.send("two")["request_id"]
    zed.prompt("two")
    zed.event("thread_load_error", acp_thread_id="T1", request_id=req,
              error='Failed to load thread: Resource not found: T1: {"uri":"T1"}')
    assert zed.begin("two", thread="T2") == req
    zed.answer(req, "2", thread="T2")
    chat.wait(req, "complete")
    assert chat.get()["zed_thread_id"] == "T2"


def test_two_sessions_on_one_zed(sessiond):
    """agent_id: another session's Zed serves this one too; follow-ups go one at a time, answers by thread."""
    a, b = new_chat(sessiond, "ses_a"), new_chat(sessiond, "ses_b", agent_id="ses_a")
    zed = FakeZed(sessiond, "ses_a")
    ra, rb = a.send("to a")["request_id"], b.send("to b")["request_id"]
    threads = {zed.prompt()["request_id"] for _ in range(2)}
    assert threads == {ra, rb}
    for req, thread in ((ra, "TA"), (rb, "TB")):
        zed.event("thread_created", acp_thread_id=thread, request_id=req)
    zed.answer(rb, "from b", thread="TB")
    zed.answer(ra, "from a", thread="TA")
    assert a.wait(ra, "complete")["response"] == "from a" and b.wait(rb, "complete")["response"] == "from b"
    ra, rb = a.send("a2")["request_id"], b.send("b2")["request_id"]
    assert zed.prompt("a2")["acp_thread_id"] == "TA" and zed.silent()
    zed.answer(ra, "a2", 3, thread="TA")
    assert zed.prompt("b2")["acp_thread_id"] == "TB"
    zed.answer(rb, "b2", 3, thread="TB")
    b.wait(rb, "complete")
    zed.close()
    until(lambda: a.get()["agent"] is None and b.get()["agent"] is None, "both are without a Zed")


def test_newest_connection_wins(sessiond):
    """The same id again: the old connection is closed with 4001, its late close changes nothing."""
    chat = new_chat(sessiond, "ses_1")
    old = FakeZed(sessiond, "ses_1")
    new = FakeZed(sessiond, "ses_1")
    with pytest.raises(Closed) as e:
        old.ws.receive()
    assert e.value.code == 4001
    req = chat.send("one")["request_id"]
    assert new.begin() == req
    old.close()
    new.answer(req, "1")
    chat.wait(req, "complete")
    assert len(sessiond.http.get("/api/v1/external-agents").json()["agents"]) == 1


def test_deleted_session_closes_its_zed(sessiond):
    """DELETE: 204, Zed is closed with 4404, and the session with all that belonged to it is gone."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed_begin(zed, chat), "1")
    chat.send("two")
    assert sessiond.http("DELETE", chat.path).status == 204
    with pytest.raises(Closed) as e:
        while True:
            zed.ws.receive()
    assert e.value.code == 4404
    assert sessiond.http.get(chat.path).status == 404
    again = new_chat(sessiond, "ses_1")
    assert again.list() == [] and again.get()["zed_thread_id"] is None


def test_malformed_events_are_passed_over(sessiond):
    """Bad JSON, missing members, unknown names, binary frames: the connection stays and the turn completes."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = zed_begin(zed, chat)
    for text in ("{", "[]", "7", '{"event_type":7}', '{"event_type":"message_added"}', "null",
                 '{"event_type":"message_added","data":{"acp_thread_id":"T1"}}',
                 '{"event_type":"no_such_event","data":{}}', '{"event_type":"thread_created","data":[]}'):
        zed.ws.send(text)
    zed.ws.send_frame(2, b'{"event_type":"ping","data":{}}')
    zed.ws.send_frame(2, b"\x00\xff\x00")
    zed.answer(req, "still here")
    assert chat.wait(req, "complete")["response"] == "still here"
    assert sessiond.metric("sessiond_agent_malformed_events_total") >= 7


@pytest.mark.parametrize("what,code", [("text", 1007), ("mask", 1002), ("opcode", 1002), ("huge", 1009)])
def test_broken_frames_close_the_connection(sessiond, what, code):
    """Frames no WebSocket may send end the connection with the code that says why; sessiond goes on."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    if what == "text":
        zed.ws.send_frame(1, b'{"event_type":"\xff"}')
    elif what == "mask":
        zed.ws.masks = False
        zed.ws.send_frame(1, b"{}")
    elif what == "opcode":
        zed.ws.send_frame(5, b"{}")
    else:
        zed.ws.sock.sendall(b"\x81\xff" + struct.pack(">Q", 64 * 1024 * 1024 + 1) + b"abcd" + b"x" * 1000)
    with pytest.raises(Closed) as e:
        while True:
            zed.ws.receive()
    assert e.value.code == code
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed_begin(zed, chat), "fine")
    until(lambda: chat.list()[0]["state"] == "complete", "the next connection works")


def test_big_answers_and_their_parts(sessiond):
    """An answer of several megabytes, fragmented on the wire, is stored in parts and comes back whole."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = zed_begin(zed, chat)
    text = "0123456789abcde\n" * (4 * 65536)
    zed.say(req, 1, text[:1 << 20])
    zed.say(req, 1, text)
    zed.complete(req)
    assert chat.wait(req, "complete", 30)["response"] == text
    nxt = chat.send("two")["request_id"]
    zed.answer(zed.prompt()["request_id"], "small", message_id=3)
    chat.wait(nxt, "complete")
    assert [len(i["response"]) for i in chat.list()] == [len(text), 5]
    assert [len(i["response"]) for i in chat.list("order=desc")] == [5, len(text)]


def test_threads_begun_in_zed(sessiond):
    """A thread somebody begins in Zed becomes a session of its own, served by the same Zed."""
    chat = new_chat(sessiond, "ses_1", name="mine")
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed_begin(zed, chat), "1")
    zed.event("user_created_thread", acp_thread_id="U1", title=None)
    zed.say("", 0, "typed in Zed", thread="U1", role="user")
    zed.say("", 1, "answer to that", thread="U1")
    zed.complete("", thread="U1")
    zed.event("thread_title_changed", acp_thread_id="U1", title="A title")
    def child():
        return next((s for s in sessiond.http.get("/api/v1/sessions").json()["sessions"]
                     if s["zed_thread_id"] == "U1"), None)
    until(lambda: child() and child()["name"] == "A title", "the child session has its title")
    other = Chat(sessiond, child()["id"])
    until(lambda: other.list() and other.list()[0]["state"] == "complete", "its turn is stored")
    assert [(i["prompt"], i["response"]) for i in other.list()] == [("typed in Zed", "answer to that")]
    req = other.send("go on")["request_id"]
    got = zed.prompt("go on")
    assert (got["acp_thread_id"], got["request_id"]) == ("U1", req)
    zed.answer(req, "gone on", 3, thread="U1")
    other.wait(req, "complete")


def test_lost_thread_created(sessiond):
    """When thread_created was lost, the first words bind the thread all the same."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    chat.send("one")
    req = zed.prompt()["request_id"]
    zed.answer(req, "words", thread="TX")
    assert chat.wait(req, "complete")["response"] == "words" and chat.get()["zed_thread_id"] == "TX"


def test_older_clients(sessiond):
    """Events named by type, members at top level, chat_response and its kin."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1", ready=False, hello=False)
    zed.ws.send({"type": "agent_ready", "agent_name": "old"})
    chat.send("one")
    req = zed.prompt()["request_id"]
    zed.ws.send({"type": "context_created", "context_id": "C1", "request_id": req, "session_id": "ses_1"})
    for chunk in ("Hel", "lo"):
        zed.ws.send({"type": "chat_response_chunk", "request_id": req, "chunk": chunk})
    zed.ws.send({"type": "chat_response_done", "session_id": "ses_1"})
    assert chat.wait(req, "complete")["response"] == "Hello"
    second = chat.send("two")["request_id"]
    zed.prompt()
    zed.ws.send({"type": "chat_response", "data": {"request_id": second, "content": "whole"}})
    zed.ws.send({"type": "chat_response_done", "data": {"request_id": second}})
    assert chat.wait(second, "complete")["response"] == "whole"
    third = chat.send("three")["request_id"]
    zed.prompt()
    zed.event("message_completed", acp_thread_id="C1", request_id=third, content="only here")
    assert chat.wait(third, "complete")["response"] == "only here"


def test_unknown_agent_gets_nothing(sessiond):
    """An agent whose id no session claims is connected and hears nothing, until a session claims it."""
    zed = FakeZed(sessiond, "zed-agent-7", query="agent_id")
    chat = new_chat(sessiond, "ses_1")
    chat.send("one")
    assert zed.silent()
    agents = sessiond.http.get("/api/v1/external-agents").json()["agents"]
    assert [(a["id"], a["session_id"]) for a in agents] == [("zed-agent-7", None)]
    assert sessiond.http("PATCH", chat.path, {"agent_id": "zed-agent-7"}).status == 200
    zed.answer(zed.begin("one"), "hi")
    until(lambda: chat.list()[0]["state"] == "complete", "answered")


def test_unnamed_connection(sessiond):
    """Without an id the connection gets one, and an empty id counts as none."""
    path = "/api/v1/external-agents/sync"
    sockets = [ws_raw.connect(sessiond.port, path + q) for q in ("", "?session_id=", "?agent_id=")]
    assert not any(isinstance(ws, tuple) for ws in sockets)
    agents = sessiond.http.get("/api/v1/external-agents").json()["agents"]
    assert len({a["id"] for a in agents}) == 3 and all(a["id"].startswith("external-agent-") for a in agents)


def test_queue_is_seen_and_changed(sessiond):
    """Waiting prompts are listed, reordered, edited and removed, guarded by the revision; Zed gets the result."""
    chat = new_chat(sessiond, "ses_1")
    http, path = sessiond.http, chat.path + "/queue"
    ids = [chat.send(text)["request_id"] for text in ("one", "two", "three", "four")]
    queue = http.get(path).json()
    assert [(p["prompt_id"], p["position"]) for p in queue["prompts"]] == list(zip(ids, range(4)))
    assert set(queue["prompts"][0]) == {"prompt_id", "message", "interrupt", "position", "created_at"}
    order = [ids[3], ids[0], ids[1], ids[2]]
    a = http("PATCH", path, {"order": order}, headers={"If-Match": f'"{queue["revision"]}"'})
    assert a.status == 200 and [p["prompt_id"] for p in a.json()["prompts"]] == order
    assert http("PATCH", path, {"order": ids}, headers={"If-Match": f'"{queue["revision"]}"'}).status == 412
    for bad in ([], ids[:3], ids + ids[:1], ids[:3] + ["x"]):
        assert http("PATCH", path, {"order": bad}).status == 409
    assert http("PATCH", f"{path}/{ids[1]}", {"message": "two, edited", "position": 0}).status == 200
    assert http("DELETE", f"{path}/{ids[0]}").status == 204
    assert http("DELETE", f"{path}/nobody").status == 404
    sessiond.restart().wait_ready()
    assert [p["message"] for p in http.get(path).json()["prompts"]] == ["two, edited", "four", "three"]
    zed = FakeZed(sessiond, "ses_1")
    req = zed.begin("two, edited")
    assert http("DELETE", f"{path}/{req}").status == 409
    assert [p["position"] for p in http.get(path).json()["prompts"]] == [1, 2]
    zed.answer(req, "2")
    assert zed.prompt("four")
    assert chat.one(ids[0])["state"] == "interrupted"
