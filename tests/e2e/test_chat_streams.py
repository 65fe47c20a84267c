"""Event streams and user WebSockets: deltas, resume, snapshots, Helix's frontend events, slow readers."""
import json
import socket
import threading

import pytest
import ws_raw
from fake_zed import FakeZed, new_chat
from harness import until


class Texts:
    """What a client of the stream has: entries by interaction and message id, kept by the rule for deltas."""

    def __init__(self):
        self.text = {}

    def apply(self, d):
        key = (d["interaction_id"], d["message_id"])
        old = self.text.get(key, "").encode("utf-16-le")
        new = old[:2 * d["offset_utf16"]] + d["append"].encode("utf-16-le")
        self.text[key] = new[:2 * d["total_utf16"]].decode("utf-16-le")

    def snapshot(self, s):
        for i in s["interactions"]:
            for e in i["entries"]:
                self.text[(i["id"], e["message_id"])] = e["content"]

    def take(self, event, data):
        if event == "delta":
            self.apply(data)
        elif event == "snapshot":
            self.snapshot(data)


def until_complete(events, texts, seen=None):
    for event, event_id, data in events:
        texts.take(event, data)
        if seen is not None:
            seen.append((event, event_id, data))
        if event == "interaction" and data["state"] in ("complete", "error", "interrupted"):
            return event_id


def test_deltas_make_the_text(sessiond):
    """Appends, rewrites, astral characters, shrinking: deltas in order lead to the final text."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    texts, seen = Texts(), []
    with sessiond.http.events(chat.path + "/events") as events:
        first = next(events)
        assert first[0] == "snapshot" and first[2]["recovered"] is False
        assert first[2]["session"]["id"] == "ses_1" and [i["id"] for i in first[2]["interactions"]] == [req]
        for text in ("He", "Hello 😀", "Hello 😀 world", "Hello 😁", "Jello", "", "Jello again ✅"):
            zed.say(req, 1, text)
            zed.say(req, 2, text[::-1], entry_type="tool_call", tool_name="t", tool_status=f"s{len(text)}")
        zed.complete(req)
        until_complete(events, texts, seen)
    assert texts.text == {(req, "1"): "Jello again ✅", (req, "2"): "✅ niaga olleJ"}
    assert [e for e, _, _ in seen if e in ("delta", "interaction")][-1] == "interaction"
    epochs = {i.split(".")[0] for _, i, _ in seen}
    numbers = [int(i.split(".")[1]) for _, i, _ in seen]
    assert len(epochs) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    last = [d for e, _, d in seen if e == "delta" and d["message_id"] == "2"][-1]
    assert (last["type"], last["tool_name"], last["tool_status"]) == ("tool_call", "t", "s13")


def test_resume_goes_on_without_loss(sessiond):
    """A stream cut anywhere and resumed by Last-Event-ID or since gives the same text as one that was not cut."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    texts, last_id, words = Texts(), None, [f"word{i} " for i in range(12)]
    for i in range(len(words)):
        path = chat.path + "/events" + (f"?since={last_id}" if last_id and i % 2 else "")
        with sessiond.http.events(path, last_id=last_id if i % 2 == 0 else None) as events:
            if last_id is None:
                event, last_id, data = next(events)
                texts.take(event, data)
            zed.say(req, 1, "".join(words[:i + 1]))
            while texts.text.get((req, "1")) != "".join(words[:i + 1]):
                event, last_id, data = next(events)
                assert i == 0 or event != "snapshot"
                texts.take(event, data)
    zed.complete(req)
    with sessiond.http.events(chat.path + "/events", last_id=last_id) as events:
        until_complete(events, texts)
    assert texts.text[(req, "1")] == "".join(words)


@pytest.mark.parametrize("since", ["", "x", "01J.5", "{epoch}.999999", "{epoch}.-1", "{epoch}.",
                                   "{epoch}.18446744073709551617"])
def test_unknown_positions_get_a_snapshot(sessiond, since):
    """A position that is unknown, foreign or in the future is answered by a snapshot, never by silence."""
    chat = new_chat(sessiond, "ses_1")
    chat.send("one")
    with sessiond.http.events(chat.path + "/events") as events:
        epoch = next(events)[1].split(".")[0]
    with sessiond.http.events(chat.path + "/events", last_id=since.format(epoch=epoch) or " ") as events:
        event, _, data = next(events)
        assert event == "snapshot" and data["recovered"] is False and len(data["interactions"]) == 1


def test_resume_after_a_restart_is_a_snapshot(sessiond):
    """Numbers of an earlier process mean nothing: the first event is a snapshot with the last interaction."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    for i, text in enumerate(("one", "two")):
        req = chat.send(text)["request_id"]
        zed.answer(zed.begin() if i == 0 else zed.prompt()["request_id"], f"a{i}", message_id=i * 2 + 1)
        chat.wait(req, "complete")
    with sessiond.http.events(chat.path + "/events") as events:
        event, last_id, data = next(events)
        assert [i["response"] for i in data["interactions"]] == ["a1"]
    sessiond.restart().wait_ready()
    open_req = chat.send("three")["request_id"]
    with sessiond.http.events(chat.path + "/events", last_id=last_id) as events:
        event, _, data = next(events)
        assert event == "snapshot" and [i["id"] for i in data["interactions"]] == [req, open_req]


def test_service_stream(sessiond):
    """The service-wide stream tells of all sessions, and that a prompt waits with no Zed, to late comers too."""
    a, b = new_chat(sessiond, "ses_a"), new_chat(sessiond, "ses_b")
    with sessiond.http.events("/api/v1/events") as events:
        event, last_id, data = next(events)
        assert event == "snapshot" and data["session"] is None and data["interactions"] == []
        req = a.send("anybody?")["request_id"]
        wanted = next(d for e, _, d in events if e == "wanted")
        assert (wanted["session_id"], wanted["queue_depth"]) == ("ses_a", 1)
    with sessiond.http.events("/api/v1/events") as events:
        data = next(events)[2]
        assert [(i["id"], i["session_id"]) for i in data["interactions"]] == [(req, "ses_a")]
        assert next(events)[0] == "wanted"
    with sessiond.http.events("/api/v1/events", last_id=last_id) as events:
        zed = FakeZed(sessiond, "ses_a")
        zed.answer(zed.begin(), "here")
        seen = []
        until_complete(events, Texts(), seen)
        assert {"interaction", "session", "wanted", "delta"} == {e for e, _, _ in seen}
        b.send("me too")
        assert next(d for e, _, d in events if e == "interaction")["session_id"] == "ses_b"


def open_socket(sessiond, session="ses_1"):
    ws = ws_raw.connect(sessiond.port, f"/api/v1/ws/user?session_id={session}")
    assert not isinstance(ws, tuple), ws
    return ws


def test_frontend_events(sessiond):
    """ws/user speaks Helix's events: update, patches with all three numbers, update, session_update, in that order."""
    chat = new_chat(sessiond, "ses_1", name="n")
    zed = FakeZed(sessiond, "ses_1")
    ws = open_socket(sessiond)
    req = chat.send("one")["request_id"]
    got, text = [], {}
    zed.begin()
    zed.say(req, 1, "Hel")
    zed.say(req, 1, "Hello 😀")
    zed.say(req, 1, "Jello")
    zed.complete(req)
    while not (got and got[-1]["type"] == "session_update" and any(
            g["type"] == "interaction_update" and g["interaction"]["state"] == "complete" for g in got)):
        got.append(ws.json())
        assert {"session_id", "interaction_id", "owner"} <= set(got[-1]) and got[-1]["session_id"] == "ses_1"
        assert all(k in got[-1] and got[-1][k] is None for k in
                   ("worker_task_response", "inference_response", "step_info"))
        for p in got[-1].get("entry_patches", []):
            assert {"index", "message_id", "type", "patch", "patch_offset", "total_length"} <= set(p)
            old = text.get(p["index"], "").encode("utf-16-le")
            text[p["index"]] = (old[:2 * p["patch_offset"]] + p["patch"].encode("utf-16-le"))[
                :2 * p["total_length"]].decode("utf-16-le")
    assert text == {0: "Jello"}
    states = [g["interaction"]["state"] for g in got if g["type"] == "interaction_update"]
    assert states[0] == "waiting" and states[-1] == "complete" and set(states) == {"waiting", "complete"}
    order = [g["type"] for g in got]
    assert order.index("interaction_update") < order.index("interaction_patch")
    final = [g for g in got if g["type"] == "interaction_update"][-1]["interaction"]
    assert (final["prompt_message"], final["response_message"], final["id"]) == ("one", "Jello", req)
    session = [g for g in got if g["type"] == "session_update"][-1]["session"]
    assert (session["name"], session["config"]["zed_thread_id"], session["config"]["agent_type"]) == \
        ("n", "T1", "zed_external")


def test_late_viewer_gets_the_whole_text_first(sessiond):
    """Who opens ws/user in the middle of an answer gets one full patch, and patches that fit it after."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "first ")
    zed.say(req, 2, "second ")
    until(lambda: (chat.one(req) or {}).get("response") == "first \n\nsecond ", "both are there")
    ws = open_socket(sessiond)
    first = ws.json()
    assert first["type"] == "interaction_patch" and first["entry_count"] == 2
    assert [(p["index"], p["patch"], p["patch_offset"]) for p in first["entry_patches"]] == \
        [(0, "first ", 0), (1, "second ", 0)]
    zed.say(req, 2, "second one")
    patch = ws.json()["entry_patches"]
    assert [(p["index"], p["patch"], p["patch_offset"], p["total_length"]) for p in patch] == [(1, "one", 7, 10)]


def test_empty_entry_that_fills_shifts_the_others(sessiond):
    """An earlier entry that was empty and is not any more moves the indexes behind it: those are told whole."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    ws = open_socket(sessiond)
    req = chat.send("one")["request_id"]
    zed.begin()
    zed.say(req, 1, "")
    zed.say(req, 2, "two")
    zed.say(req, 3, "three")
    zed.say(req, 1, "one")
    zed.complete(req)
    text = {}
    while True:
        msg = ws.json()
        for p in msg.get("entry_patches", []):
            text[p["index"]] = text.get(p["index"], "")[:p["patch_offset"]] + p["patch"]
            text[p["index"]] = text[p["index"]][:p["total_length"]]
        if msg["type"] == "interaction_update" and msg["interaction"]["state"] == "complete":
            break
    assert text == {0: "one", 1: "two", 2: "three"}


def test_settings_events_reach_streams_and_sockets(sessiond):
    """config_changed and user_settings_changed are told, on the stream as config_changed and overrides."""
    chat = new_chat(sessiond, "ses_1")
    ws = open_socket(sessiond)
    with sessiond.http.events(chat.path + "/events") as events:
        next(events)
        a = sessiond.http.put(chat.path + "/zed-config", {"settings": {"theme": "One Dark"}})
        assert a.status == 200, a
        assert next(d for e, _, d in events if e == "config_changed")["session_id"] == "ses_1"
        assert ws.expect("config_changed") is not None
        a = sessiond.http.post(chat.path + "/zed-config/user", {"vim_mode": True})
        assert a.status == 200, a
        told = next(d for e, _, d in events if e == "overrides")
        assert told["revision"] == a.json()["revision"]
        while True:
            msg = ws.json()
            if msg["type"] == "user_settings_changed":
                assert msg["revision"] == a.json()["revision"]
                break


def test_one_slow_reader_holds_nobody_up(sessiond):
    """A reader that does not read costs bounded memory; others are told everything, and it gets the newest state."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    req = chat.send("one")["request_id"]
    zed.begin()
    slow = socket.create_connection(("127.0.0.1", sessiond.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
    slow.sendall(f"GET {chat.path}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    until(lambda: sessiond.metric("sessiond_subscribers") == 1, "the slow one is there")
    texts = Texts()
    with sessiond.http.events(chat.path + "/events") as events:
        reader = threading.Thread(target=until_complete, args=(events, texts))
        reader.start()
        text = ""
        for i in range(60):
            text += f"{i:04d} " + "x" * 60000
            zed.say(req, 1, text[-2_000_000:])
        zed.say(req, 1, "the end")
        zed.complete(req)
        reader.join(60)
        assert not reader.is_alive() and texts.text[(req, "1")] == "the end"
    slow.settimeout(10)
    data = b""
    while b'"state":"complete"' not in data[-200000:]:
        chunk = slow.recv(1 << 20)
        assert chunk, "the slow one was cut off"
        data += chunk
    assert len(data) < 40_000_000
    slow.close()
    until(lambda: sessiond.metric("sessiond_subscribers") == 0, "all are gone")


def test_subscribers_are_limited(sessiond):
    """The 65th subscriber of a session is 429."""
    chat = new_chat(sessiond, "ses_1")
    sockets = [open_socket(sessiond) for _ in range(64)]
    until(lambda: sessiond.metric("sessiond_subscribers") == 64, "64 are there")
    a = sessiond.http.get(chat.path + "/events")
    assert a.status == 429 and json.loads(a.body)["error"]["code"] == "RATE_LIMITED"
    for ws in sockets:
        ws.close()
