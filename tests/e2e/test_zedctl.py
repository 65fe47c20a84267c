"""zedctl alone, on a real broker but with stand-ins for the daemons: what it asks, prints and exits with."""
import json
import queue

import pytest

from fakes import FakeHttp, FakeLifecycled, error, event_stream
from harness import until

RECORD = {"tenant": "default", "instance_id": "zi_1", "session_id": "ses_1", "profile": "sim", "desired": "RUN",
          "state": "RUNNING", "reason": None, "detail": None, "generation": 1, "runner": "r1", "pid": 42,
          "exit_code": None, "signal": None, "restarts": 0, "attempts": 1, "known": True, "duplicate": False,
          "created_unix_ms": 1, "since_unix_ms": 1}


@pytest.fixture
def lc(bed):
    fake = FakeLifecycled(bed.nats().start())
    fake.ctl = bed.ctl()
    yield fake
    fake.close()


@pytest.fixture
def web(bed):
    fake = FakeHttp(bed.port())
    fake.ctl = bed.ctl(server=fake.url, token="tok")
    yield fake
    fake.close()


# ---- lifecycle

def test_start_sends_what_the_flags_say(lc):
    """Every flag of start stands in the request, under the tenant given; the record comes back as it is."""
    lc.answers["start"] = RECORD
    r = lc.ctl.json("--tenant", "t2", "start", "zi_1", "--profile", "sim", "--session", "ses_1", "--env", "A=x=y",
                    "--param", "p=1", "--label", "region=eu", "--workspace", "/w", "--restart", "always",
                    "--grace", "7")
    assert r == RECORD
    assert lc.asked == [("start", "t2", {
        "instance_id": "zi_1", "profile": "sim", "session_id": "ses_1", "workspace": "/w", "env": {"A": "x=y"},
        "params": {"p": "1"}, "labels": {"region": "eu"}, "restart": {"policy": "always"}, "stop": {"grace_ms": 7}})]


def test_start_waits_until_it_runs(lc):
    """--wait asks again while time is left, and an instance that fails is a refusal with its reason."""
    states = iter([error("TIMEOUT"), RECORD])
    lc.answers.update(start={**RECORD, "state": "PENDING"}, wait=lambda _: next(states))
    assert "RUNNING" in lc.ctl("start", "zi_1", "--profile", "sim", "--wait").out
    lc.answers["wait"] = {**RECORD, "state": "FAILED", "reason": "EXEC", "detail": "ENOENT: no such file"}
    r = lc.ctl.run("start", "zi_1", "--profile", "sim", "--wait")
    assert r.code == 1 and "FAILED" in r.err and "ENOENT" in r.out
    lc.answers["wait"] = error("TIMEOUT")
    r = lc.ctl.run("start", "zi_1", "--profile", "sim", "--wait", "--timeout", "300")
    assert r.code == 3 and "300 ms" in r.err


def test_exit_codes_say_who_said_no(bed, lc):
    """1 refused, 2 usage, 3 in time undecided, 4 nobody there; each with one line on stderr."""
    lc.answers.update(get=error("NOT_FOUND", "no instance zi_9"),
                      stop={**error("UNAVAILABLE"), "accepted": True, "seq": 5})
    cases = [(("get", "zi_9"), 1, "NOT_FOUND: no instance zi_9"), (("get", "a b"), 2, "not an instance id"),
             (("stop", "zi_1"), 3, "stored (number 5)"), (("start", "zi_1"), 2, "--profile P is required"),
             (("start", "zi_1", "--profile", "p", "--env", "x"), 2, "K=V"), (("-o", "xml", "ls"), 2, "--output xml"),
             (("--tenant", "a.b", "ls"), 2, "--tenant a.b"), (("frobnicate",), 2, "unknown verb")]
    for args, code, text in cases:
        r = lc.ctl.run(*args)
        assert (r.code, text in r.err, len(r.err.splitlines()), r.out) == (code, True, 1, ""), (args, r)
    lc.close()
    r = lc.ctl.run("ls")
    assert r.code == 4 and "no lifecycled answers" in r.err
    bed.broker.kill()
    r = lc.ctl.run("ls", "--connect-timeout", "300")
    assert r.code == 4 and "cannot connect to the broker" in r.err


def test_silence_is_a_timeout(lc):
    """Something listens but does not answer: 3."""
    r = lc.ctl.run("ls", timeout=30)
    assert r.code == 3 and "did not answer" in r.err


def test_ls_reads_all_pages(lc):
    """Pages follow each other by cursor; json is one object, table one row an instance, wide has more columns."""
    pages = {None: (["a", "b"], "c1"), "c1": (["c"], None)}

    def page(body):
        ids, cursor = pages[body.get("cursor")]
        return {"instances": [{**RECORD, "instance_id": i} for i in ids], "next_cursor": cursor}
    lc.answers["list"] = page
    assert [i["instance_id"] for i in lc.ctl.json("ls", "--state", "RUNNING")["instances"]] == ["a", "b", "c"]
    assert lc.asked[0][2]["state"] == "RUNNING"
    table = lc.ctl("ls").out.splitlines()
    assert len(table) == 4 and table[0].split()[:2] == ["INSTANCE", "STATE"] and "\033" not in table[1]
    assert len(lc.ctl("ls", "-o", "wide").out.splitlines()[0].split()) > len(table[0].split())


def test_events_come_from_the_stream_and_then_live(bed, lc):
    """The past from LIFECYCLE_EVT, then what is published; no event twice."""
    with bed.broker.connect() as n:
        n.js("STREAM.CREATE.LIFECYCLE_EVT", {"name": "LIFECYCLE_EVT", "subjects": ["lifecycle.v1.evt.>"]})

        def publish(no, instance="zi_1"):
            n.js_publish(f"lifecycle.v1.evt.default.{instance}.running", {
                "instance_id": instance, "event_no": no, "type": "running", "from": "STARTING", "to": "RUNNING",
                "at_unix_ms": 1700000000000})
        for no in range(1, 6):
            publish(no)
        publish(1, "zi_2")
        lines = lc.ctl("events", "zi_1", "-o", "json").out.splitlines()
        assert [json.loads(line)["event_no"] for line in lines] == [1, 2, 3, 4, 5]
        assert len(lc.ctl("events").out.splitlines()) == 6
        last = lc.ctl("events", "--tail", "2", "-o", "json").out.splitlines()
        assert [json.loads(line)["event_no"] for line in last] == [5, 1]
        follower = bed.process("follower", ["zedctl", "events", "-f", "-o", "json", "zi_1", "--nats", bed.nats_url])
        numbers = lambda: [json.loads(line)["event_no"] for line in follower.log().splitlines()]  # noqa: E731
        until(lambda: numbers() == [1, 2, 3, 4, 5], "the past is shown")
        publish(6)
        until(lambda: numbers() == [1, 2, 3, 4, 5, 6], "the new one is shown")
        bed.broker.restart()
        with bed.broker.connect() as again:
            again.js_publish("lifecycle.v1.evt.default.zi_1.stopped", {"instance_id": "zi_1", "event_no": 7})
        until(lambda: numbers() == [1, 2, 3, 4, 5, 6, 7], "it goes on after the broker came back", 20)
        follower.stop_code = None


def test_why_speaks_words(lc):
    """States and reasons are explained; an unknown instance is looked for among the sessions."""
    lc.answers["get"] = {**RECORD, "state": "PENDING", "reason": "NO_RUNNER", "session_id": None}
    out = lc.ctl("why", "zi_1").out
    assert "waits for a runner" in out and "No runner is alive" in out


# ---- sessions

def test_session_errors_are_told(web):
    """A refusal's message and exit 1; nobody there is 4; the token goes as a bearer."""
    web.answers["GET /api/v1/sessions/ses_1"] = (403, {}, error("FORBIDDEN", "not yours"))
    r = web.ctl.run("session", "get", "ses_1")
    assert r.code == 1 and r.err == "zedctl: FORBIDDEN: not yours\n"
    assert web.asked[0][2]["Authorization"] == "Bearer tok"
    web.answers["GET /api/v1/sessions/ses_1"] = (500, {}, "oops")
    assert "status 500" in web.ctl.run("session", "get", "ses_1").err
    web.close()
    assert web.ctl.run("session", "get", "ses_1").code == 4


def stream(web, parts):
    """GET events answers with the next of these lists of events each time; returns what Last-Event-ID was sent."""
    sent, left = queue.Queue(), iter(parts)

    def events(handler, _):
        sent.put(handler.headers.get("Last-Event-ID"))
        request = None
        for _, path, _, body in web.asked:
            if path.endswith("/messages"):
                request = json.loads(body)["request_id"]
        part = next(left)
        if request is None:  # the prompt is sent once the stream's first event is there
            event_stream_open(handler, part[:1])
            request = wait_request(web)
            part = part[1:]
        else:
            event_stream_open(handler, [])
        event_stream_rest(handler, json.loads(json.dumps(part).replace("REQ", request)))
    web.answers["GET /api/v1/sessions/ses_1/events"] = events
    web.answers["POST /api/v1/sessions/ses_1/messages"] = \
        lambda h, b: (202, {}, {"request_id": json.loads(b)["request_id"]})
    return sent


def wait_request(web):
    def find():
        return next((json.loads(a[3])["request_id"] for a in web.asked if a[1].endswith("/messages")), None)
    return until(find, "the prompt was sent")


def event_stream_open(handler, events):
    event_stream(handler, events)


def event_stream_rest(handler, events):
    for event, event_id, data in events:
        handler.wfile.write(f"id: {event_id}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode())
    handler.wfile.flush()


def delta(offset, append, total, entry="1", kind="text"):
    return {"interaction_id": "REQ", "message_id": entry, "type": kind, "offset_utf16": offset, "append": append,
            "total_utf16": total}


def test_chat_streams_and_resumes(web):
    """Deltas are printed; a stream that is cut is opened again after the last event; foreign deltas are not shown."""
    sent = stream(web, [
        [("snapshot", "e.1", {"session": {}, "interactions": []}),
         ("delta", "e.2", delta(0, "Ahoi ", 5)), ("delta", "e.3", {**delta(0, "not mine", 8), "interaction_id": "x"})],
        [("delta", "e.4", delta(5, "🚢!", 8)), ("delta", "e.5", delta(0, "Second.", 7, "2")),
         ("interaction", "e.6", {"id": "REQ", "state": "complete", "entries": [
             {"message_id": "1", "type": "text", "content": "Ahoi 🚢!"},
             {"message_id": "2", "type": "text", "content": "Second."}]})]])
    r = web.ctl("chat", "ses_1", "hello")
    assert r.out == "Ahoi 🚢!\n\nSecond.\n"
    assert [sent.get(), sent.get()] == [None, "e.3"]
    posted = json.loads(next(a[3] for a in web.asked if a[0] == "POST"))
    assert posted["message"] == "hello" and posted["request_id"].startswith("req_")


def test_chat_that_fails_is_a_refusal(web):
    """A turn that ends in an error: its text on stderr, exit 1, what was said before on stdout."""
    stream(web, [[("snapshot", "e.1", {"session": {}, "interactions": []}), ("delta", "e.2", delta(0, "Half", 4)),
                  ("interaction", "e.3", {"id": "REQ", "state": "error", "error": "it broke", "entries": []})]])
    r = web.ctl.run("chat", "ses_1", "-", stdin="")
    assert (r.code, r.out) == (1, "Half\n") and "it broke" in r.err
    web.answers["GET /api/v1/sessions/ses_2/events"] = (404, {}, error("NOT_FOUND", "no session ses_2"))
    r = web.ctl.run("chat", "ses_2", "hello")
    assert r.code == 1 and "no session ses_2" in r.err


# ---- settings

def test_base_is_changed_by_pointer_and_kept_as_text(web):
    """GET, change one value, PUT with If-Match; a 412 is read again; numbers keep their text."""
    base = '{"settings":{"a": 1.0, "big": 12345678901234567890, "b": {"c": 2}},"version":3}'
    puts = []

    def put(_, body):
        puts.append(body.decode())
        return (412, {}, error("STALE")) if len(puts) == 1 else (200, {}, {"version": 4})
    web.answers["GET /api/v1/sessions/ses_1/zed-config"] = (200, {"ETag": '"3"'}, base)
    web.answers["PUT /api/v1/sessions/ses_1/zed-config"] = put
    assert web.ctl("settings", "set", "ses_1", "/b/c", "[5e0]", "--base").out == "version 4\n"
    assert puts == ['{"settings":{"a": 1.0, "big": 12345678901234567890, "b": {"c": [5e0]}}}'] * 2
    assert [a[2]["If-Match"] for a in web.asked if a[0] == "PUT"] == ['"3"'] * 2
    web.answers["GET /api/v1/sessions/ses_1"] = (200, {}, {"id": "ses_1"})
    assert web.ctl("settings", "get", "ses_1", "/big", "--base", "-o", "json").out == "12345678901234567890\n"


def test_overrides_are_operations(web):
    """set, unset and unset --delete are ops with an op_id; what the policy rejects is a refusal."""
    web.answers["POST /api/v1/sessions/ses_1/zed-config/user"] = (
        200, {}, {"status": "ok", "revision": 9, "rejected": [], "invalid": []})
    assert web.ctl("settings", "set", "ses_1", "/theme", '"x"').out == "revision 9\n"
    web.ctl("settings", "unset", "ses_1", "/theme")
    web.ctl("settings", "unset", "ses_1", "/theme", "--delete")
    sent = [json.loads(a[3]) for a in web.asked]
    assert [s["ops"] for s in sent] == [{"set": {"/theme": "x"}}, {"clear": ["/theme"]}, {"del": ["/theme"]}]
    assert len({s["op_id"] for s in sent}) == 3
    web.answers["POST /api/v1/sessions/ses_1/zed-config/user"] = (
        200, {}, {"status": "ok", "revision": 9, "rejected": [{"path": "/theme", "rule": "protected"}], "invalid": []})
    r = web.ctl.run("settings", "set", "ses_1", "/theme", '"x"')
    assert r.code == 1 and "/theme was not taken: rule protected" in r.err


# ---- alone

def test_token_new(bed):
    """The secret is printed once, the file gets only its hash; -o json has both."""
    import hashlib
    ctl = bed.ctl()
    secret = ctl("token", "new", "--role", "agent", "--sub", "zi_1", "--session", "ses_1", "--append",
                 bed.path / "tokens").out.strip()
    line = json.loads((bed.path / "tokens").read_text())
    assert line == {"sha256": hashlib.sha256(secret.encode()).hexdigest(), "role": "agent", "sub": "zi_1",
                    "sessions": ["ses_1"]}
    made = ctl.json("token", "new", "--role", "user", "--sub", "alice")
    assert made["line"]["sha256"] == hashlib.sha256(made["secret"].encode()).hexdigest()
    assert ctl.run("token", "new", "--role", "king", "--sub", "x").code == 2


def test_help_and_completion(bed):
    """--help of all verbs and of each; completion for three shells is taken by bash -n."""
    ctl = bed.ctl()
    assert "start ID" in ctl("--help").out and "--profile P" in ctl("start", "--help").out
    assert ctl("--version").out.startswith("zedctl ")
    for shell in ("bash", "zsh", "fish"):
        assert "zedctl" in ctl("completion", shell).out
    assert ctl.run().code == 2 and ctl.run("completion", "tcsh").code == 2
