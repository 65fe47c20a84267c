"""The simulator keeps to the habits of real Zed: nothing here involves our own daemons."""
import json
import os
import time

import pytest

import ws_raw
from harness import until


@pytest.fixture
def server(bed):
    port = bed.port()
    s = ws_raw.Server(port)
    s.port = port
    yield s
    s.close()


def chat(request, message="hello", thread=None, **more):
    data = {"message": message, "request_id": request, "acp_thread_id": thread, **more}
    return {"type": "chat_message", "data": data}


def turn(ws, request, thread=None, message="hello", **more):
    """Send a prompt and take its events up to message_completed."""
    ws.send(chat(request, message, thread, **more))
    return take_turn(ws, request)


def take_turn(ws, request):
    events = []
    while not events or events[-1]["event_type"] != "message_completed" or \
            events[-1]["data"]["request_id"] != request:
        events.append(ws.json())
    return events


def kinds(events):
    return [e["event_type"] for e in events]


def text(events):
    """Entries as the server would keep them: by id, last content wins."""
    entries = {}
    for e in events:
        if e["event_type"] == "message_added" and e["data"]["role"] == "assistant":
            entries[e["data"]["message_id"]] = e["data"]["content"]
    return "\n\n".join(entries.values())


def test_handshake_is_zeds(bed, server):
    """The URL is pasted together, Host has no port, the token is a bearer, and the first event is a ping."""
    bed.sim("ses_a/b&c=%d20", server, token="tok").start()
    ws = server.accept()
    assert ws.request == "GET /api/v1/external-agents/sync?session_id=ses_a/b&c=020 HTTP/1.1"
    assert ws.headers["host"] == "127.0.0.1"
    assert ws.headers["authorization"] == "Bearer tok"
    assert not {"origin", "sec-websocket-protocol", "sec-websocket-extensions", "cookie"} & set(ws.headers)
    assert ws.json()["event_type"] == "ping"


@pytest.mark.parametrize("value,connects", [("true", True), ("TRUE", False), ("1", False), ("false", False)])
def test_switch_is_a_rust_bool(bed, server, value, connects):
    """ZED_EXTERNAL_SYNC_ENABLED counts only as the literal true."""
    sim = bed.sim("ses_a", server, env={"ZED_EXTERNAL_SYNC_ENABLED": value}).start()
    if connects:
        assert server.accept()
    else:
        sim.expect_log("sim_offline")
        assert sim.control.stats()["handshake_failures"] == 0


def test_first_turn_of_a_thread(bed, server):
    """agent_ready comes right before thread_created, entries start at 1, all nine keys are there, then completed 0."""
    bed.sim("ses_a", server).start()
    ws = server.accept()
    events = turn(ws, "int_1", message="grüße 🚢")
    assert kinds(events)[:3] == ["ping", "agent_ready", "thread_created"]
    thread = events[2]["data"]["acp_thread_id"]
    assert events[1]["data"] == {"agent_name": "zed-agent", "thread_id": thread}
    added = [e["data"] for e in events if e["event_type"] == "message_added"]
    assert {tuple(sorted(a)) for a in added} == {tuple(sorted([
        "acp_thread_id", "message_id", "role", "content", "request_id", "timestamp", "entry_type", "tool_name",
        "tool_status"]))}
    assert {a["message_id"] for a in added} == {"1"} and text(events) == "grüße 🚢"
    done = events[-1]["data"]
    assert done["message_id"] == "0" and done["acp_thread_id"] == thread and done["usage"]["output_tokens"] > 0


def test_follow_up_continues_the_ids(bed, server):
    """The user's entry takes an index too: the second answer of a thread has id 3."""
    bed.sim("ses_a", server).start()
    ws = server.accept()
    thread = turn(ws, "int_1")[-1]["data"]["acp_thread_id"]
    second = turn(ws, "int_2", thread, "again")
    assert "thread_created" not in kinds(second)
    assert {e["data"]["message_id"] for e in second if e["event_type"] == "message_added"} == {"3"}


def test_story_sends_earlier_entries_again(bed, server):
    """A new entry sends the earlier ones again, corrected; the end sends all, so ids go backwards."""
    bed.sim("ses_a", server, "--answer", "story", "--rate", "0").start()
    ws = server.accept()
    events = turn(ws, "int_1")
    added = [e["data"] for e in events if e["event_type"] == "message_added"]
    ids = [a["message_id"] for a in added]
    assert ids[-3:] == ["1", "2", "3"] and "1" in ids[ids.index("2") - 1]
    statuses = [a["tool_status"] for a in added if a["entry_type"] == "tool_call"]
    assert statuses[0] == "Pending" and statuses[-1] == "Completed" and "In Progress" in statuses
    first = [a["content"] for a in added if a["message_id"] == "1"]
    assert first[0].endswith("\n\n") and first[-1] == first[0].rstrip()
    assert "**Tool Call: Read file `notes.md`**\nStatus: Completed\n" in text(events)


def test_stream_is_throttled(bed, server):
    """One entry is sent at most every 100 ms, whole each time, and the last text is not lost."""
    bed.sim("ses_a", server, "--rate", "400").start()
    ws = server.accept()
    ws.send(chat("int_1", "x" * 200))
    seen = []
    while True:
        e = ws.json()
        if e["event_type"] == "message_added":
            seen.append((time.monotonic(), e["data"]["content"]))
        if e["event_type"] == "message_completed":
            break
    assert 3 <= len(seen) <= 8, len(seen)  # 0.5 s
    assert all(b[1].startswith(a[1]) for a, b in zip(seen, seen[1:])) and seen[-1][1] == "x" * 200


def test_ready_after_five_seconds_unless_a_thread_is_opened(bed, server):
    """Without open_thread agent_ready comes at 5 s; any open_thread, even one that fails, suppresses it."""
    bed.sim("ses_a", server).start()
    ws = server.accept()
    started = time.monotonic()
    assert ws.expect("agent_ready") == {"agent_name": "zed-connection", "thread_id": None}
    assert 4.5 < time.monotonic() - started < 7
    ws.close()
    ws = server.accept()
    ws.expect("ping")
    ws.send({"type": "open_thread", "data": {"acp_thread_id": "nobody"}})
    assert ws.silent(6)


def test_what_zed_cannot_parse_is_lost(bed, server):
    """No answer to malformed commands, unknown types and role user; the connection stays."""
    sim = bed.sim("ses_a", server).start()
    ws = server.accept()
    for bad in ("{", "[]", '{"type":"chat_message"}', {"type": "chat_message", "data": {"message": "x"}},
                chat(None), chat("r", interrupt=None), chat("r", thread=5), {"type": "create_thread", "data": {}},
                chat("r", role="user")):
        ws.send(bad)
    ws.send_frame(ws_raw.BINARY, json.dumps(chat("r")).encode())
    assert text(turn(ws, "int_1", message="fine")) == "fine"
    stats = sim.control.stats()
    assert (stats["commands_malformed"], stats["commands_unknown"], stats["commands_role_user"],
            stats["frames_binary"], stats["turns_started"]) == (7, 1, 1, 1, 1)


def test_open_thread(bed, server):
    """A live thread is ready at once; one that cannot be loaded is an error only with a request id."""
    bed.sim("ses_a", server).start()
    ws = server.accept()
    thread = turn(ws, "int_1")[-1]["data"]["acp_thread_id"]
    ws.send({"type": "open_thread", "data": {"acp_thread_id": thread, "agent_name": "claude"}})
    assert ws.expect("agent_ready") == {"agent_name": "claude", "thread_id": thread}
    ws.send({"type": "open_thread", "data": {"acp_thread_id": "gone", "request_id": "int_9"}})
    error = ws.expect("thread_load_error", request_id="int_9")
    assert 'no thread found with ID: SessionId("gone")' in error["error"]


def test_threads_survive_a_restart(bed, server):
    """A restarted Zed finds its threads, tells their history again, and only then is ready."""
    sim = bed.sim("ses_a", server).start()
    thread = turn(server.accept(), "int_1", message="first")[-1]["data"]["acp_thread_id"]
    sim.kill()
    sim.start()
    ws = server.accept()
    ws.send({"type": "open_thread", "data": {"acp_thread_id": thread, "request_id": "int_2"}})
    events = [ws.json() for _ in range(4)]
    assert kinds(events) == ["ping", "message_added", "message_added", "agent_ready"]
    assert [(e["data"]["role"], e["data"]["content"]) for e in events[1:3]] == \
        [("user", "first"), ("assistant", "first")]
    assert {e["data"]["message_id"] for e in turn(ws, "int_2", thread) if e["event_type"] == "message_added"} == {"3"}


def test_follow_ups_run_one_at_a_time(bed, server):
    """Two follow-ups to two threads: the second begins when the first has completed. New threads run beside."""
    bed.sim("ses_a", server, "--rate", "500").start()
    ws = server.accept()
    threads = [turn(ws, f"int_{i}", message="a")[-1]["data"]["acp_thread_id"] for i in (1, 2)]
    ws.send(chat("int_3", "b" * 150, threads[0]))
    ws.send(chat("int_4", "c" * 50, threads[1]))
    ws.send(chat("int_5", "d" * 50))
    order = []
    while len(order) < 3:
        order.append(ws.expect("message_completed")["request_id"])
    assert order.index("int_5") < order.index("int_3") < order.index("int_4")


def test_cancel(bed, server):
    """turn_cancelled comes before message_completed; an unknown request is a noop."""
    bed.sim("ses_a", server, "--rate", "50").start()
    ws = server.accept()
    ws.send(chat("int_1", "y" * 5000))
    ws.expect("message_added")
    ws.send({"type": "cancel_current_turn", "data": {"request_id": "int_1"}})
    ws.send({"type": "cancel_current_turn", "data": {}})
    rest = [e for e in (ws.json() for _ in range(4)) if e["event_type"] != "message_added"]
    assert kinds(rest)[:2] == ["turn_cancelled", "message_completed"] and rest[0]["data"]["status"] == "cancelled"
    assert rest[2]["data"] == {"request_id": "unknown", "status": "noop"}


def test_interrupt_ends_what_runs(bed, server):
    """interrupt:true on a busy thread completes the running turn, then runs the message."""
    bed.sim("ses_a", server, "--rate", "50").start()
    ws = server.accept()
    ws.send(chat("int_1", "y" * 5000))
    thread = ws.expect("message_added")["acp_thread_id"]
    ws.send(chat("int_2", "z", thread, interrupt=True))
    assert ws.expect("message_completed")["request_id"] == "int_1"
    assert ws.expect("message_completed")["request_id"] == "int_2"


def test_backlog_waits_for_the_connection(bed, server):
    """Events of a turn that goes on while disconnected come after the next handshake; retries are 1, 2, 4 s apart."""
    sim = bed.sim("ses_a", server, "--rate", "100").start()
    ws = server.accept()
    ws.send(chat("int_1", "w" * 300))
    ws.expect("message_added")
    ws.close()
    times = [time.monotonic()]
    for _ in range(3):
        server.accept(timeout=10, status=503)
        times.append(time.monotonic())
    gaps = [round(b - a) for a, b in zip(times, times[1:])]
    assert gaps == [1, 2, 4], gaps
    ws = server.accept(timeout=12)
    assert ws.json()["event_type"] == "ping"
    events = take_turn(ws, "int_1")
    assert text(events) == "w" * 300
    assert sim.control.stats()["events_lost"] <= 1


def test_drop_and_type(bed, server):
    """drop cuts the connection without a close frame; type is a user in Zed's own window."""
    sim = bed.sim("ses_a", server).start()
    ws = server.accept()
    ws.expect("ping")
    thread = sim.control("type new hi there")["thread"]
    assert ws.expect("user_created_thread") == {"acp_thread_id": thread, "title": None}
    assert ws.expect("message_added")["role"] == "user"
    assert ws.expect("message_completed")["request_id"] == ""
    assert not sim.control("type nowhere x")["ok"]
    assert sim.control("drop")["dropped"] == 1
    with pytest.raises((ws_raw.Closed, ConnectionError)) as closed:
        ws.receive()
    assert not isinstance(closed.value, ws_raw.Closed) or closed.value.code == 1006
    assert server.accept()


def test_unknown_agent_server_is_given_up_silently(bed, server):
    """A custom agent must be in settings.json; Zed tries ten times, a second apart, and then says nothing."""
    sim = bed.sim("ses_a", server).start()
    ws = server.accept()
    ws.send(chat("int_1", agent_name="qwen"))
    until(lambda: sim.control.stats()["commands"] == 1, "the command is there")
    sim.control.save({"agent_servers": {"qwen": {"type": "custom", "command": "q", "args": []}}})
    created = ws.expect("thread_created", timeout=5)
    assert created["request_id"] == "int_1"
    assert ws.expect("message_completed")["agent_name"] == "qwen"


def test_many_agents_have_ids_of_their_own(bed, server):
    """%d in the session id is the number; without it the number is appended."""
    bed.sim("ses_%d_x", server, "--agents", "3").start()
    got = sorted(server.accept().request.split("session_id=")[1].split()[0] for _ in range(3))
    assert got == ["ses_0_x", "ses_1_x", "ses_2_x"]


def test_crash(bed, server):
    """--crash-after ends it by a signal, with nothing tidied up."""
    sim = bed.sim("ses_a", server, "--crash-after", "1turns")
    sim.start()
    server.accept().send(chat("int_1"))
    assert sim.wait() == -6
    sim.stop_code = None


@pytest.mark.parametrize("flags", [["--rate", "x"], ["--crash-after", "5"], ["--answer", "/nowhere"], ["--bogus"]])
def test_wrong_flags_are_one_line(bed, flags):
    """Exit 2 and one line that names the flag."""
    sim = bed.sim("ses_a", None, *flags)
    sim.start()
    assert sim.wait() == 2
    sim.stop_code = 2
    assert len(sim.log().splitlines()) == 1 and flags[0] in sim.log()


# ---- settings.json

def rewrite(path, content):
    """In place, as our daemon does: the inode stays."""
    with open(path, "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


def settings_of(sim, content="{}"):
    rewrite(sim.settings_path, content)
    sim.start()
    sim.control.wait_stats(lambda s: s["settings"]["watch"] == "alive", "watching")
    return sim


def test_settings_are_watched_by_inode(bed):
    """A write in place is seen; after a rename over the file Zed is deaf."""
    sim = settings_of(bed.sim("ses_a"), {"a": 1})
    rewrite(sim.settings_path, {"a": 2})
    sim.control.wait_stats(lambda s: s["settings"]["value"] == {"a": 2}, "reloaded")
    other = sim.home / "other"
    rewrite(other, {"a": 3})
    os.rename(other, sim.settings_path)
    sim.control.wait_stats(lambda s: s["settings"]["watch"] == "dead", "deaf")
    sim.control.wait_stats(lambda s: s["settings"]["value"] == {"a": 3}, "the dying watch reads once more")
    n = sim.control.stats()["settings_reloads"]
    rewrite(sim.settings_path, {"a": 4})
    time.sleep(0.4)  # nothing must happen, and there is no event for that
    assert sim.control.stats()["settings_reloads"] == n


def test_a_second_name_keeps_the_watch_alive(bed):
    """With another link to its inode Zed's own rename does not kill the watch, and the old inode is still heard."""
    sim = settings_of(bed.sim("ses_a"), {"a": 1})
    pin = sim.home / "pin"
    os.link(sim.settings_path, pin)
    sim.control.save({"a": 2})
    assert sim.control.stats()["settings"]["watch"] == "alive"
    rewrite(pin, {"a": 2})
    os.rename(pin, sim.settings_path)
    until(lambda: sim.control.settings() == {"a": 2}, "still its own value")
    rewrite(sim.settings_path, {"a": 5})
    sim.control.wait_stats(lambda s: s["settings"]["value"] == {"a": 5}, "heard")


@pytest.mark.parametrize("text_,ok", [
    ('// c\n{"a": [1, 2,], /* x */ "b": "//",}', True), ("", True), ("  // nothing\n", True),
    ("{'a': 1}", False), ("{a: 1}", False), ("[]", False), ("{,}", False), ('{"a": 1,,}', False), ('{"a": NaN}', False),
    ('{"a": 1} x', False), ('{"a": "\t"}', False), ("{ /* open", False), ('{"a": "\\x41"}', False),
    ('{"context_servers": {"x": {"command": "c"}}}', False),
    ('{"context_servers": {"x": {"command": "c", "args": null}}}', False),
    ('{"context_servers": {"x": {"command": "c", "args": []}}}', True),
    ('{"context_servers": {"x": {"url": "u", "headers": {"a": 1}}}}', False),
    ('{"context_servers": {"x": {"url": "u"}, "y": {"settings": {}}, "z": {"enabled": false}}}', True),
    ('{"context_servers": null}', False), ('{"languages": {"Go": 1}}', False), ('{"theme": 5}', True),
])
def test_what_zed_takes(bed, text_, ok):
    """Lenient about comments and trailing commas; one bad context server and the whole file counts for nothing."""
    sim = bed.sim("ses_a")
    rewrite(sim.settings_path, text_)
    sim.start()
    stats = sim.control.wait_stats(lambda s: s["settings_reloads"] + s["settings_errors"] == 1, "read")
    assert (stats["settings_errors"] == 0) == ok, stats["settings"]["last_error"]
    if not ok:
        assert stats["settings"]["value"] == {} and stats["settings"]["last_error"]


def test_missing_file_is_found_later(bed):
    """Zed looks for a missing file every two seconds."""
    sim = bed.sim("ses_a").start()
    sim.control.wait_stats(lambda s: s["settings"]["watch"] == "missing", "missing")
    rewrite(sim.settings_path, {"late": True})
    sim.control.wait_stats(lambda s: s["settings"]["value"] == {"late": True}, "found")


def test_save_is_by_rename(bed):
    """Zed's own save makes a new inode and is in force at once; what it would not write is refused."""
    sim = settings_of(bed.sim("ses_a"), {"a": 1})
    inode = sim.settings_path.stat().st_ino
    sim.control.save({"a": 9})
    assert sim.control.settings() == {"a": 9}
    assert sim.settings_path.stat().st_ino != inode and json.loads(sim.settings_path.read_text()) == {"a": 9}
    assert not sim.control("save {oops")["ok"] and json.loads(sim.settings_path.read_text()) == {"a": 9}
