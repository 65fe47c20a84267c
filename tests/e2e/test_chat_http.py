"""The HTTP side of sessions and messages: forms, errors, limits, repeats, pages, who may."""
import hashlib
import json
import re

import pytest
import ws_raw
from fake_zed import Chat, FakeZed, Refused, new_chat
from harness import Http, until

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SESSION_KEYS = {"id", "name", "owner", "app_id", "agent_type", "agent_name", "state", "paused", "zed_thread_id",
                "acp_session_id", "agent", "queue_depth", "created_at", "updated_at", "metadata"}


def refused(a, status, code=None):
    """An error in the documented form."""
    assert a.status == status, a
    error = a.json()["error"]
    assert set(error) == {"code", "message"} and error["message"], a
    assert code in (None, error["code"]), a
    assert (a.headers["Retry-After"] is not None) == (status in (429, 503)), dict(a.headers)
    assert int(a.headers["Content-Length"]) == len(a.body)
    return error["message"]


def test_session_form(sessiond):
    """A session has every documented member; times are RFC 3339 with milliseconds; unset ones are null."""
    a = sessiond.http.post("/api/v1/sessions", {"name": "n", "metadata": {"a": [1, {"b": None}]}, "agent_type": "x",
                                                "app_id": "app", "agent_name": "claude", "unknown": 7})
    assert a.status == 201
    s = a.json()
    assert set(s) == SESSION_KEYS
    assert s["id"].startswith("ses_") and s["owner"] == "local" and s["agent_type"] == "zed_external"
    assert (s["state"], s["paused"], s["agent"], s["queue_depth"]) == ("idle", False, None, 0)
    assert s["metadata"] == {"a": [1, {"b": None}]}
    assert RFC3339.fullmatch(s["created_at"]) and RFC3339.fullmatch(s["updated_at"])
    assert sessiond.http.get("/api/v1/sessions/" + s["id"]).json() == s


def test_same_session_again(sessiond):
    """The same id: 200 for its owner, 409 for another one."""
    http = sessiond.http
    assert http.post("/api/v1/sessions", {"id": "ses_1", "owner": "a"}).status == 201
    assert http.post("/api/v1/sessions", {"id": "ses_1", "owner": "a"}).status == 200
    refused(http.post("/api/v1/sessions", {"id": "ses_1", "owner": "b"}), 409, "CONFLICT")
    a = http.post("/api/v1/sessions", {"message": "hello"})
    assert a.status == 201 and a.json()["request_id"].startswith("int_")
    assert Chat(sessiond, a.json()["id"]).list()[0]["prompt"] == "hello"


@pytest.mark.parametrize("body,headers,status", [
    ("{", {"Content-Type": "application/json"}, 400), ("[]", {"Content-Type": "application/json"}, 400),
    ("", {"Content-Type": "application/json"}, 400), ("{}", {"Content-Type": "text/plain"}, 415),
    ("{}", {}, 415), ('{"a":1} x', {"Content-Type": "application/json"}, 400),
    ('{"a":"\xff"}'.encode("latin-1"), {"Content-Type": "application/json"}, 400),
    ("[" * 100 + "]" * 100, {"Content-Type": "application/json; charset=utf-8"}, 400)])
def test_bad_bodies(sessiond, body, headers, status):
    """Bodies that are no JSON object are refused, on every route that takes one."""
    new_chat(sessiond, "ses_1")
    for method, path in (("POST", "/api/v1/sessions"), ("POST", "/api/v1/sessions/ses_1/messages"),
                         ("PATCH", "/api/v1/sessions/ses_1"), ("POST", "/api/v1/external-agents")):
        refused(sessiond.http(method, path, body, headers=headers), status)
    assert Chat(sessiond, "ses_1").list() == []


@pytest.mark.parametrize("body,status", [
    ({}, 400), ({"message": ""}, 400), ({"message": 7}, 400), ({"message": None}, 400),
    ({"message": "x", "request_id": "a b"}, 400), ({"message": "x", "request_id": ""}, 400),
    ({"message": "x", "request_id": "x" * 129}, 400), ({"message": "x", "interrupt": "yes"}, 400),
    ({"message": "x", "agent_name": 1}, 400), ({"message": "x", "fallback": "maybe"}, 400),
    ({"message": "x", "fallback": "internal"}, 422), ({"message": "x" * (256 * 1024 + 1)}, 413),
    ({"message": "x", "fallback": "reject"}, 503)])
def test_bad_messages(sessiond, body, status):
    """Members of a message that cannot be: each is refused, nothing is stored."""
    chat = new_chat(sessiond, "ses_1")
    refused(sessiond.http.post(chat.path + "/messages", body), status)
    assert chat.list() == [] and chat.get()["queue_depth"] == 0


def test_limits(sessiond):
    """256 KiB of prompt are taken, 64 prompts wait, the 65th is 429; a body over 1 MiB is 413."""
    chat = new_chat(sessiond, "ses_1")
    chat.send("x" * (256 * 1024))
    for i in range(63):
        chat.send(f"p{i}")
    refused(sessiond.http.post(chat.path + "/messages", {"message": "one more"}), 429, "RATE_LIMITED")
    assert chat.get()["queue_depth"] == 64
    refused(sessiond.http.post(chat.path + "/messages", {"message": "x", "pad": "y" * (1 << 20)}), 413, "TOO_LARGE")
    refused(sessiond.http("PATCH", chat.path, {"metadata": {"k": "v" * 40000}}), 413)


def test_unknown_paths_and_methods(sessiond):
    """404 and 405 in the documented form; nothing at / but an answer."""
    http = sessiond.http
    refused(http.get("/api/v1/nothing"), 404, "NOT_FOUND")
    refused(http.get("/api/v1/sessions/ses_none"), 404, "NOT_FOUND")
    refused(http.get("/api/v1/sessions/a%20b"), 404)
    refused(http("PUT", "/api/v1/sessions", {}), 405, "METHOD_NOT_ALLOWED")
    refused(http.post("/api/v1/sessions/ses_none/messages", {"message": "x"}), 404)
    refused(http.get("/api/v1/ws/user?session_id=ses_1"), 400)
    assert http.get("/healthz").status == 200


def test_request_id_again(sessiond):
    """The same request_id and message: the same answer, also when it is long over; another message: 409."""
    chat = new_chat(sessiond, "ses_1")
    first = chat.send("one", request_id="my:req.1-x_2")
    assert first["request_id"] == "my:req.1-x_2"
    zed = FakeZed(sessiond, "ses_1")
    zed.answer(zed.begin("one"), "1")
    chat.wait("my:req.1-x_2", "complete")
    assert chat.send("one", request_id="my:req.1-x_2") == first and zed.silent()
    refused(chat.http.post(chat.path + "/messages", {"message": "two", "request_id": "my:req.1-x_2"}), 409, "CONFLICT")
    sessiond.restart().wait_ready()
    assert chat.send("one", request_id="my:req.1-x_2") == first
    assert len(chat.list()) == 1
    other = new_chat(sessiond, "ses_2")  # ids are a session's own
    assert other.send("two", request_id="my:req.1-x_2")["state"] == "waiting"


def test_idempotency_key(sessiond):
    """A key with the same body: the same answer and nothing made twice; with another body: 422."""
    http, key = sessiond.http, {"Idempotency-Key": "k1"}
    a = http.post("/api/v1/sessions", {"name": "n", "message": "hi"}, headers=key)
    b = http.post("/api/v1/sessions", {"name": "n", "message": "hi"}, headers=key)
    assert (a.status, b.status) == (201, 201) and a.json() == b.json() and b.headers["Idempotent-Replay"] == "true"
    refused(http.post("/api/v1/sessions", {"name": "m"}, headers=key), 422, "UNPROCESSABLE")
    assert len(http.get("/api/v1/sessions").json()["sessions"]) == 1
    chat = Chat(sessiond, a.json()["id"])
    first = chat.send("two", headers=key)  # keys are a route's own
    assert chat.send("two", headers=key) == first
    sessiond.restart().wait_ready()
    assert chat.send("two", headers=key) == first
    assert [i["prompt"] for i in chat.list()] == ["hi", "two"]
    refused(http.post(chat.path + "/messages", {"message": ""}, headers={"Idempotency-Key": "k2"}), 400)
    assert chat.send("three", headers={"Idempotency-Key": "k2"})["state"] == "queued"  # a refusal leaves the key free


def test_interactions_pages(sessiond):
    """Pages both ways are whole and without doubles, also while the list grows; foreign cursors are 400."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    for i in range(7):
        chat.send(f"p{i}")
        zed.answer(zed.begin() if i == 0 else zed.prompt()["request_id"], f"a{i}", message_id=2 * i + 1)
        until(lambda: chat.list()[-1]["state"] == "complete", "answered")
    chat.send("open")
    prompts = [f"p{i}" for i in range(7)] + ["open"]
    for order, want in (("asc", prompts), ("desc", prompts[::-1])):
        assert [i["prompt"] for i in chat.list(f"order={order}&limit=3")] == want
        page = chat.http.get(f"{chat.path}/interactions?order={order}&limit=3").json()
        assert len(page["interactions"]) == 3
        other = "desc" if order == "asc" else "asc"
        refused(chat.http.get(f"{chat.path}/interactions?order={other}&cursor={page['next_cursor']}"), 400)
    page = chat.http.get(f"{chat.path}/interactions?limit=3").json()  # newest first
    chat.send("newer")
    rest = chat.http.get(f"{chat.path}/interactions?limit=3&cursor={page['next_cursor']}").json()
    assert [i["prompt"] for i in rest["interactions"]] == ["p4", "p3", "p2"]
    for query in ("limit=0", "limit=201", "limit=x", "order=up", "cursor=abc", "cursor="):
        refused(chat.http.get(f"{chat.path}/interactions?{query}"), 400)


def test_sessions_pages_and_filters(sessiond):
    """Sessions newest first, a page at a time; owner and blocked_by filter."""
    http = sessiond.http
    for i in range(5):
        new_chat(sessiond, f"ses_{i}", owner="even" if i % 2 == 0 else "odd")
    Chat(sessiond, "ses_3").send("waits")
    def ids(query):
        out, cursor = [], ""
        while cursor is not None:
            page = http.get(f"/api/v1/sessions?{query}{cursor}").json()
            out += [s["id"] for s in page["sessions"]]
            cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
        return out
    assert ids("limit=2") == [f"ses_{i}" for i in (4, 3, 2, 1, 0)]
    assert ids("limit=1&owner=even") == ["ses_4", "ses_2", "ses_0"] and ids("owner=nobody") == []
    assert ids("blocked_by=no_agent") == ["ses_3"] and ids("blocked_by=paused") == []
    for query in ("limit=0", "blocked_by=x", "cursor=abc"):
        refused(http.get("/api/v1/sessions?" + query), 400)


def test_patch(sessiond):
    """PATCH changes what it names, all or nothing; paused holds prompts back."""
    chat = new_chat(sessiond, "ses_1")
    zed = FakeZed(sessiond, "ses_1")
    a = sessiond.http("PATCH", chat.path, {"name": "new", "metadata": {"x": 1}, "paused": True})
    assert a.status == 200 and (a.json()["name"], a.json()["metadata"], a.json()["paused"]) == ("new", {"x": 1}, True)
    chat.send("held")
    assert zed.silent() and chat.http.get(chat.path + "/why").json()["blocked_by"] == "paused"
    refused(sessiond.http("PATCH", chat.path, {"name": "other", "paused": "no"}), 400)
    assert chat.get()["name"] == "new"
    sessiond.http("PATCH", chat.path, {"paused": False})
    zed.answer(zed.begin("held"), "hi")
    until(lambda: chat.list()[0]["state"] == "complete", "answered")
    sessiond.http("PATCH", chat.path, {"agent_name": "claude"})
    assert chat.get()["zed_thread_id"] is None
    chat.send("to claude")
    got = zed.prompt("to claude")
    assert got["agent_name"] == "claude" and got["acp_thread_id"] is None


def test_external_agents_post(sessiond):
    """POST external-agents makes the session, stores the message, and tells of the Zed if there is one."""
    a = sessiond.http.post("/api/v1/external-agents", {"message": "hello"})
    assert a.status == 201 and set(a.json()) == {"session_id", "request_id", "agent"} and a.json()["agent"] is None
    zed = FakeZed(sessiond, a.json()["session_id"])
    zed.answer(zed.begin("hello"), "hi")
    b = sessiond.http.post("/api/v1/external-agents", {"session_id": a.json()["session_id"], "message": "again"})
    assert b.status == 201 and b.json()["agent"]["id"] == a.json()["session_id"]
    assert set(b.json()["agent"]) == {"id", "session_id", "state", "agent_name", "replica", "connected_at",
                                      "last_seen_at", "queue_depth"}
    refused(sessiond.http.post("/api/v1/external-agents", {}), 400)


# ---- who may

ROLES = {"admin": "root", "service": "helix", "operator": "ops", "user": "alice", "user2": "bob", "agent": "alice"}


@pytest.fixture
def guarded(bed):
    """sessiond with tokens; http[name] has the token of that name."""
    bed.nats().start()
    lines = [{"sha256": hashlib.sha256(f"secret-{n}".encode()).hexdigest(), "role": n.rstrip("2"), "sub": sub,
              **({"sessions": ["ses_a", "ses_new"]} if n == "agent" else {})} for n, sub in ROLES.items()]
    tokens = bed.path / "tokens"
    tokens.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    tokens.chmod(0o600)
    sessiond = bed.sessiond("--tokens", tokens)
    sessiond.start().wait_ready()
    sessiond.by = {n: Http(sessiond.port, f"secret-{n}") for n in ROLES}
    assert sessiond.by["service"].post("/api/v1/sessions", {"id": "ses_a", "owner": "alice"}).status == 201
    return sessiond


def test_tokens_are_needed(guarded):
    """No token, a wrong one: 401 on everything but health; each way to carry one works."""
    for path in ("/api/v1/sessions", "/api/v1/sessions/ses_a", "/api/v1/events", "/api/v1/nothing"):
        assert refused(guarded.http.get(path), 401, "UNAUTHORIZED") == "Authorization header required"
        assert refused(Http(guarded.port, "wrong").get(path), 401) == "Invalid token"
    for path in ("/healthz", "/readyz", "/metrics"):
        assert guarded.http.get(path).status == 200
    for headers in ({"x-api-key": "secret-user"}, {"api-key": "secret-user"},
                    {"Cookie": "a=b; access_token=secret-user"}):
        assert guarded.http.get("/api/v1/sessions/ses_a", headers=headers).status == 200
    refused(guarded.http.get("/api/v1/sessions/ses_a?access_token=secret-user"), 401)
    a = guarded.by["user"].post("/api/v1/login")
    assert a.status == 200 and "HttpOnly" in a.headers["Set-Cookie"] and "SameSite=Strict" in a.headers["Set-Cookie"]
    cookie = a.headers["Set-Cookie"].split(";")[0]
    assert guarded.http.get("/api/v1/sessions/ses_a", headers={"Cookie": cookie}).status == 200


def test_users_see_their_own(guarded):
    """A user reaches the sessions it owns; others' are 403; lists hold its own alone."""
    alice, bob = guarded.by["user"], guarded.by["user2"]
    assert alice.get("/api/v1/sessions/ses_a").status == 200
    for method, path, body in (("GET", "", None), ("POST", "/messages", {"message": "x"}), ("DELETE", "", None),
                               ("GET", "/interactions", None), ("PATCH", "", {"name": "x"}),
                               ("POST", "/cancel", None), ("GET", "/events", None), ("GET", "/why", None)):
        refused(bob(method, "/api/v1/sessions/ses_a" + path, body), 403, "FORBIDDEN")
    assert bob.post("/api/v1/sessions", {"id": "ses_b"}).json()["owner"] == "bob"
    refused(bob.post("/api/v1/sessions", {"owner": "alice"}), 403)
    refused(bob.post("/api/v1/sessions", {"id": "ses_a"}), 409)
    refused(bob.post("/api/v1/sessions", {"id": "ses_c", "agent_id": "ses_a"}), 403)
    assert [s["id"] for s in bob.get("/api/v1/sessions").json()["sessions"]] == ["ses_b"]
    refused(bob.get("/api/v1/sessions?owner=alice"), 403)
    refused(bob.get("/api/v1/events"), 403)
    refused(alice("PATCH", "/api/v1/sessions/ses_a", {"owner": "bob"}), 403)
    assert guarded.by["service"]("PATCH", "/api/v1/sessions/ses_a", {"owner": "bob"}).status == 200
    refused(alice.get("/api/v1/sessions/ses_a"), 403)
    refused(guarded.by["operator"].get("/api/v1/sessions/ses_a"), 403)


def test_agents_reach_their_socket_alone(guarded):
    """An agent token: the Zed socket and why of its sessions; nothing of chat, nothing of others'."""
    agent = guarded.by["agent"]
    assert agent.get("/api/v1/sessions/ses_a/why").status == 200
    for method, path, body in (("GET", "", None), ("POST", "/messages", {"message": "x"}), ("GET", "/events", None),
                               ("GET", "/interactions", None), ("POST", "/agent-token", None), ("DELETE", "", None)):
        refused(agent(method, "/api/v1/sessions/ses_a" + path, body), 403)
    zed = FakeZed(guarded, "ses_a", token="secret-agent")
    assert guarded.by["user"].get("/api/v1/sessions/ses_a").json()["agent"]["state"] in ("connected", "ready")
    with pytest.raises(Refused) as e:
        FakeZed(guarded, "ses_other", token="secret-agent")
    assert e.value.status == 403
    FakeZed(guarded, "ses_new", token="secret-agent")  # first contact: the token names it
    assert guarded.by["admin"].get("/api/v1/sessions/ses_new").json()["owner"] == "alice"
    with pytest.raises(Refused) as e:
        FakeZed(guarded, "ses_bobs", token="secret-user2")  # a user token does not make sessions by contact
    assert e.value.status == 403
    for token, message in ((None, b"Authorization header required"), ("wrong", b"Invalid token")):
        with pytest.raises(Refused) as e:
            FakeZed(guarded, "ses_a", token=token)
        assert e.value.status == 401 and message in e.value.body
        assert int(e.value.headers["content-length"]) == len(e.value.body)
    zed.close()


def test_agent_tokens(guarded):
    """A service makes agent tokens, which open that session's socket until they are revoked; only hashes are kept."""
    service = guarded.by["service"]
    a = service.post("/api/v1/sessions/ses_z/agent-token")  # an absent session is made
    assert a.status == 201 and set(a.json()) == {"token", "expires_at"} and RFC3339.fullmatch(a.json()["expires_at"])
    token = a.json()["token"]
    zed = FakeZed(guarded, "ses_z", token=token)
    refused(guarded.by["user"].post("/api/v1/sessions/ses_a/agent-token"), 403)
    with pytest.raises(Refused) as e:
        FakeZed(guarded, "ses_a", token=token)
    assert e.value.status == 403
    second = service.post("/api/v1/sessions/ses_z/agent-token").json()["token"]
    assert second != token
    guarded.restart().wait_ready()
    FakeZed(guarded, "ses_z", token=token)
    FakeZed(guarded, "ses_z", token=second)
    assert service("DELETE", "/api/v1/sessions/ses_z/agent-token").status == 204
    with pytest.raises(Refused) as e:
        FakeZed(guarded, "ses_z", token=token)
    assert e.value.status == 401
    zed.close()
    for path in (guarded.bed.path / "nats").rglob("*"):
        assert path.is_dir() or token.encode() not in path.read_bytes(), path
    assert token not in guarded.log() and "secret-" not in guarded.log()


def test_origins(bed):
    """A browser's origin must be the listener's own or allowed; without tokens the host must be loopback."""
    bed.nats().start()
    sessiond = bed.sessiond("--allow-origin", "https://app.example").start().wait_ready()
    http, own = sessiond.http, f"http://127.0.0.1:{sessiond.port}"
    assert http.get("/api/v1/sessions", headers={"Origin": own}).status == 200
    for origin in ("https://evil.example", "null", "", own + "0", "file://", "https://app.example.evil.example"):
        refused(http.get("/api/v1/sessions", headers={"Origin": origin}), 403, "FORBIDDEN")
    a = http.get("/api/v1/sessions", headers={"Origin": "https://app.example"})
    assert a.status == 200 and a.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert http("OPTIONS", "/api/v1/sessions", headers={"Origin": "https://app.example"}).status == 204
    refused(http.get("/api/v1/sessions", headers={"Host": "evil.example"}), 403)
    assert http.get("/api/v1/sessions", headers={"Host": "localhost:99"}).status == 200
    r = ws_raw.connect(sessiond.port, "/api/v1/ws/user?session_id=ses_1", {"Origin": "https://evil.example"})
    assert isinstance(r, tuple) and " 403 " in r[0]


def test_agent_token_without_tokens(sessiond):
    """Where no tokens are configured the agent token is none, and the session is there."""
    a = sessiond.http.post("/api/v1/sessions/ses_x/agent-token")
    assert a.status == 201 and a.json()["token"] == "none"
    assert sessiond.http.get("/api/v1/sessions/ses_x").status == 200
