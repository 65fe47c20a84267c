"""Helix's own settings daemon against sessiond: its requests as they stand on the wire, and what it makes of answers.

The bytes are those of Go's HTTP client and WebSocket dialer as that program uses them; what is asserted of an answer
is what it needs: the status it compares with, a Content-Length, and types that decode into its structures.
"""
import json
import re
import socket
import time

import pytest

from fake_zed import FakeZed
from harness import SLOWER, until
from ws_raw import Closed, WebSocket, read_head

SESSION = "ses_go"
API = f"/api/v1/sessions/{SESSION}"
OAUTH = {"accessToken": "a", "refreshToken": "r", "expiresAt": 1760003600000, "scopes": ["user:inference"],
         "subscriptionType": "max", "rateLimitTier": "t"}
CODEX = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None,
         "tokens": {"id_token": "i", "access_token": "a", "refresh_token": "r", "account_id": "acc"},
         "last_refresh": "2026-01-02T03:04:05Z"}
AGENT = {"provider": "anthropic", "model": "m", "agent_name": "claude", "base_url": "", "api_type": "",
         "runtime": "claude_code", "max_tokens": 200000, "max_output_tokens": 0, "uses_subscription": True}


class Go:
    """One kept-alive connection, as http.Transport keeps it."""

    def __init__(self, port, token="tok"):
        self.port, self.token, self.sock = port, token, None

    def head(self, method, path, length=None, content=False):
        """Go's order of headers."""
        return "".join([
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUser-Agent: Go-http-client/1.1\r\n",
            f"Content-Length: {length}\r\n" if length is not None else "",
            f"Authorization: Bearer {self.token}\r\n" if self.token else "",
            "Content-Type: application/json\r\n" if content else "", "Accept-Encoding: gzip\r\n\r\n"])

    def send(self, text, body=b""):
        if not self.sock:
            self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(text.encode() + body)
        line, headers, rest = read_head(self.sock)
        need = int(headers["content-length"])
        while len(rest) < need:
            rest += self.sock.recv(65536)
        assert len(rest) == need, "nothing but the answer"
        assert "content-encoding" not in headers and "transfer-encoding" not in headers
        assert line.startswith("HTTP/1.1 ")
        if headers.get("connection") == "close":
            self.sock.close()
            self.sock = None
        return int(line.split()[1]), rest

    def get(self, what):
        return self.send(self.head("GET", f"{API}/{what}"))

    def config(self):
        status, body = self.get("zed-config")
        assert status == 200, body
        return decoded(json.loads(body))

    def body(self, method, what, value):
        body = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
        return self.send(self.head(method, f"{API}/{what}", len(body), True), body)

    def user(self, value):
        return self.body("POST", "zed-config/user", value)

    def applied(self):
        """No body, and no type of one."""
        return self.send(self.head("POST", f"{API}/agent-config-applied", 0))

    def events(self):
        """The dialer's handshake: no subprotocol, no extension, no origin."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        token = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        sock.sendall((f"GET /api/v1/ws/user?session_id={SESSION} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                      f"User-Agent: Go-http-client/1.1\r\n{token}Connection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                      "Upgrade: websocket\r\n\r\n").encode())
        line, headers, rest = read_head(sock)
        assert line == "HTTP/1.1 101 Switching Protocols", line
        assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert headers["upgrade"].lower() == "websocket" and headers["connection"].lower() == "upgrade"
        assert not {"sec-websocket-protocol", "sec-websocket-extensions"} & set(headers)
        return WebSocket(sock, True, rest)


def decoded(answer):
    """encoding/json into its structures: one wrong type and the sync fails; an absent map is null in the file."""
    kinds = {"context_servers": dict, "language_models": dict, "assistant": dict, "external_sync": dict, "agent": dict,
             "theme": str, "color_scheme": str, "version": int, "code_agent_config": dict,
             "claude_subscription_available": bool, "codex_subscription_available": bool}
    assert isinstance(answer["context_servers"], dict), "null would be written into settings.json"
    for key, kind in kinds.items():
        value = answer.get(key)
        assert value is None or (type(value) is kind), (key, value)
    inner = {"max_tokens": int, "max_output_tokens": int, "goose_recipes": list, "goose_baked_recipe": dict}
    for key, value in (answer.get("code_agent_config") or {}).items():
        assert key == "uses_subscription" or type(value) is inner.get(key, str), (key, value)
    return answer


def config_changed(ws, timeout=10):
    """The next event it acts on; all others it skips, if they are JSON or not."""
    deadline = time.monotonic() + timeout
    while True:
        message = json.loads(ws.receive(max(0.01, deadline - time.monotonic())))
        if message.get("type") == "config_changed":
            assert type(message.get("field", "")) is str and type(message.get("color_scheme", "")) is str
            return message


def no_config_changed(ws, seconds=0.5):
    try:
        return config_changed(ws, seconds)
    except TimeoutError:
        return None


@pytest.fixture
def go(sessiond):
    return Go(sessiond.port)


def put(sessiond, **parts):
    a = sessiond.http.put(f"{API}/zed-config", parts)
    assert a.status == 200, a.body
    return a.json()["version"]


def test_boot_without_a_base(go):
    """An unknown session is made at first contact: 200 at the first try, four times alike, at once."""
    began = time.monotonic()
    answers = [go.get("zed-config") for _ in range(4)]
    assert time.monotonic() - began < 2
    assert {a[0] for a in answers} == {200} and len({a[1] for a in answers}) == 1
    answer = decoded(json.loads(answers[0][1]))
    assert answer["context_servers"] == {} and answer["theme"] == "" and answer["version"] == 0
    assert go.get("claude-credentials")[0] == 404 and go.get("codex-credentials")[0] == 404


@pytest.mark.parametrize("settings", [
    {"theme": {"mode": "dark", "light": "a", "dark": "b"}}, {"theme": "X", "agent": {"dock": "right"}},
    {"context_servers": {"a": {"url": "http://x"}}, "language_models": {"openai": {}}, "assistant": {"version": "2"}},
    {"assistant": None}, {}], ids=["theme object", "agent", "objects", "null", "empty"])
def test_every_base_decodes(sessiond, go, settings):
    """Whatever is PUT: flat fields are objects or not there, the theme a string, context_servers never null."""
    version = put(sessiond, settings=settings, helix={"color_scheme": "dark", "code_agent_config": AGENT})
    answer = go.config()
    assert answer["version"] == version and answer["color_scheme"] == "dark"
    assert answer["theme"] == (settings["theme"] if isinstance(settings.get("theme"), str) else "")
    assert answer["context_servers"] == settings.get("context_servers", {})
    assert answer.get("agent") == settings.get("agent") and answer["code_agent_config"] == AGENT
    assert go.get("zed-config") == go.get("zed-config"), "canonical JSON is compared at each poll"


def test_an_edit_goes_up_whole(sessiond, go):
    """POST user: below 300; a full replacement; in the merged view, never in zed-config; {} takes it back."""
    put(sessiond, settings={"theme": "Ayu Dark", "agent": {"default_model": {"provider": "openai", "model": "m"}}})
    before = go.get("zed-config")
    status, body = go.user({"agent": {"dock": "right"}, "context_servers": {"mine": {"args": ["x"], "command": "npx"}},
                            "vim_mode": True})
    assert (status, json.loads(body)["status"]) == (200, "ok")
    merged = sessiond.http.get(f"{API}/zed-settings").json()
    assert merged["vim_mode"] is True and merged["agent"]["dock"] == "right" and merged["theme"] == "Ayu Dark"
    assert merged["agent"]["default_model"]["model"] == "m" and merged["context_servers"]["mine"]["command"] == "npx"
    assert go.get("zed-config") == before
    assert go.user({"tab_size": 2})[0] == 200
    assert sessiond.http.get(f"{API}/zed-config/user").json()["set"] == {"/tab_size": 2}
    assert go.user(b"{}")[0] == 200
    assert sessiond.http.get(f"{API}/zed-config/user").json()["set"] == {}
    assert go.user(b"[]")[0] == 400 and go.user(b"{")[0] == 400


def test_events_it_acts_on(sessiond, go):
    """Base, colours and agent are told; an override is not: it would reset what the user just changed."""
    ws = go.events()
    go.config()
    put(sessiond, settings={"theme": "Ayu Dark"})
    assert config_changed(ws)
    go.user({"vim_mode": True})
    go.user({"vim_mode": True, "tab_size": 2})
    assert no_config_changed(ws) is None
    put(sessiond, helix={"color_scheme": "light"})
    assert config_changed(ws) and go.config()["color_scheme"] == "light"
    assert sessiond.http("PATCH", API, {"agent_name": "claude"}).status == 200
    assert config_changed(ws)["field"] == "agent"
    chat = sessiond.http.post(f"{API}/messages", {"message": "hello"})
    assert chat.status == 202 and no_config_changed(ws) is None


def switched(sessiond, go):
    """A turn with one agent has ended, another agent was chosen and told, and a prompt for it waits."""
    ws, zed = go.events(), FakeZed(sessiond, SESSION)
    assert sessiond.http.post(f"{API}/messages", {"message": "one"}).status == 202
    zed.complete(zed.begin("one"))
    until(lambda: sessiond.http.get(API).json()["state"] == "idle", "the turn has ended")
    assert sessiond.http("PATCH", API, {"agent_name": "claude"}).status == 200
    assert config_changed(ws)["field"] == "agent"
    assert sessiond.http.post(f"{API}/messages", {"message": "two"}).status == 202
    return ws, zed


def test_an_agent_switch_is_picked_up(sessiond, go):
    """agent-config-applied: nothing in it, 200 each time; the prompt that waited goes out for the new agent."""
    _, zed = switched(sessiond, go)
    for _ in range(2):
        status, body = go.applied()
        assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert zed.prompt("two")["agent_name"] == "claude"


def test_an_agent_that_does_not_begin_is_started_anew(sessiond, go):
    """Nine seconds after the prompt went out without a thread: agent_restart, once; not if it has begun, nor before."""
    ws, zed = switched(sessiond, go)
    got, began = zed.prompt("two"), time.monotonic()
    assert config_changed(ws, 15 * SLOWER)["field"] == "agent_restart" and time.monotonic() - began > 8
    zed.event("thread_created", acp_thread_id="T2", request_id=got["request_id"])
    zed.say(got["request_id"], 1, "here", thread="T2")
    zed.complete(got["request_id"], thread="T2")
    until(lambda: sessiond.http.get(API).json()["zed_thread_id"] == "T2", "it has begun after all")
    assert sessiond.http("PATCH", API, {"agent_name": "codex"}).status == 200
    assert config_changed(ws)["field"] == "agent"
    assert sessiond.http.post(f"{API}/messages", {"message": "three"}).status == 202
    zed.event("thread_created", acp_thread_id="T3", request_id=zed.prompt("three")["request_id"])
    assert no_config_changed(ws, 10) is None


def test_a_prompt_long_after_the_switch_shows_it_too(sessiond, go):
    """Nothing was asked of the new agent for longer than that: the first prompt for it counts from when it went out."""
    ws, zed = go.events(), FakeZed(sessiond, SESSION)
    assert sessiond.http("PATCH", API, {"agent_name": "claude"}).status == 200
    assert config_changed(ws)["field"] == "agent" and no_config_changed(ws, 10) is None
    assert sessiond.http.post(f"{API}/messages", {"message": "one"}).status == 202
    zed.prompt("one")
    assert config_changed(ws, 15 * SLOWER)["field"] == "agent_restart"


def test_claude_credentials_both_ways(sessiond, go):
    """GET gives the type and the inner object, PUT takes the inner one; exactly 200; what is no sign-in is 400."""
    go.config()
    status, body = go.body("PUT", "claude-credentials", OAUTH)
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    status, body = go.get("claude-credentials")
    assert (status, json.loads(body)) == (200, {"credential_type": "oauth", "oauth_credentials": OAUTH})
    assert go.body("PUT", "claude-credentials", {**OAUTH, "expiresAt": 5, "accessToken": "old"})[0] == 200
    assert json.loads(go.get("claude-credentials")[1])["oauth_credentials"] == OAUTH, "an older one changes nothing"
    assert go.body("PUT", "claude-credentials", {**OAUTH, "refreshToken": ""})[0] == 400


def test_a_setup_token_is_chosen_and_unchosen(sessiond, go):
    """Given by a service: it takes the place of a sign-in, which an agent's refresh does not take back."""
    token = {"credential_type": "setup_token", "setup_token": "sk-ant-oat01-x"}
    go.config()
    go.body("PUT", "claude-credentials", OAUTH)
    assert sessiond.http.put(f"{API}/claude-credentials", token).json() == {"status": "ok"}
    assert json.loads(go.get("claude-credentials")[1]) == token
    assert go.body("PUT", "claude-credentials", {**OAUTH, "expiresAt": 1790003600000})[0] == 200
    assert json.loads(go.get("claude-credentials")[1]) == token
    back = {"credential_type": "oauth", "oauth_credentials": OAUTH}
    assert sessiond.http.put(f"{API}/claude-credentials", back).json() == {"status": "ok"}
    assert json.loads(go.get("claude-credentials")[1]) == back


def test_codex_credentials_both_ways(go):
    """The newest last_refresh stays, to the nanosecond's text; an older one is answered stale, with 200."""
    newer = {**CODEX, "last_refresh": "2026-01-02T03:05:05.123456789Z"}
    go.config()
    for value, said in ((CODEX, "ok"), (newer, "ok"), (CODEX, "stale"), (newer, "ok")):
        status, body = go.body("PUT", "codex-credentials", value)
        assert (status, json.loads(body)) == (200, {"status": said})
    assert go.get("codex-credentials") == (200, json.dumps(newer, separators=(",", ":")).encode())


def test_it_comes_back_after_a_restart(sessiond, go):
    """The socket is closed, which it reads as an end; connected anew, all is as it was, and changes are told again."""
    put(sessiond, settings={"theme": "Ayu Dark"}, helix={"color_scheme": "dark"})
    go.user({"vim_mode": True})
    before, ws = go.get("zed-config"), go.events()
    sessiond.stop()
    with pytest.raises((Closed, OSError)):
        while True:
            ws.receive(10)
    sessiond.start().wait_ready()
    go.sock = None
    ws = go.events()
    assert go.get("zed-config") == before
    assert sessiond.http.get(f"{API}/zed-config/user").json()["set"] == {"/vim_mode": True}
    put(sessiond, settings={"theme": "One Light"})
    assert config_changed(ws) and go.config()["theme"] == "One Light"


def test_a_url_that_ends_in_a_slash(go):
    """It puts /api/v1 behind whatever it is given."""
    for path in (f"/{API}/zed-config", f"//{API}/zed-config"):
        assert go.send(go.head("GET", path))[0] == 200
    assert go.send(go.head("GET", "//"))[0] in (200, 404)


def test_the_session_s_token_is_enough(bed):
    """An agent's token opens all of it for its own session, nothing of another's, and an unknown one nothing."""
    bed.nats().start()
    tokens = bed.path / "tokens"
    ctl = bed.ctl()

    def secret(role, sub, *more):
        return ctl("token", "new", "--role", role, "--sub", sub, "--append", tokens, *more).out.strip()

    agent, service = secret("agent", "zi_1", "--session", SESSION), secret("service", "helix")
    other = secret("agent", "zi_2", "--session", "ses_other")
    sessiond = bed.sessiond("--tokens", tokens).start().wait_ready()
    go = Go(sessiond.port, agent)
    assert go.config()["context_servers"] == {}
    assert go.user({"vim_mode": True})[0] == 200 and go.applied()[0] == 200
    assert go.body("PUT", "claude-credentials", OAUTH)[0] == 200 and go.get("claude-credentials")[0] == 200
    assert go.body("PUT", "codex-credentials", CODEX)[0] == 200 and go.get("codex-credentials")[0] == 200
    ws = go.events()
    sessiond.http("PUT", f"{API}/zed-config", {"settings": {"a": 1}}, headers={"Authorization": f"Bearer {service}"})
    assert config_changed(ws)
    for token, status in ((other, 403), ("wrong", 401), (None, 401)):
        stranger = Go(sessiond.port, token)
        assert {stranger.get("zed-config")[0], stranger.user({})[0], stranger.applied()[0],
                stranger.get("claude-credentials")[0]} == {status}


def test_nothing_waits_for_ever(go):
    """It has no timeouts: each answer comes at once, an idle connection may be used again, and a burst is served."""
    go.config()
    began = time.monotonic()
    for _ in range(50):
        go.config()
    assert time.monotonic() - began < 5
    assert re.match(rb'^\{"settings":', go.get("zed-config")[1])
