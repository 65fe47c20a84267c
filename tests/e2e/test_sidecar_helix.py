"""settings-sync-daemon against Helix's own API, as Helix's Go daemon meets it."""
import json
import os
import ssl
import subprocess
import time

import pytest

from fake_settings import FakeSettings, reply
from harness import until
from sidecar import Sidecar

SERVERS = {"helix-session": {"url": "http://api:8080/x"}, "kodit": {"url": "http://localhost:8080/api/v1/mcp/kodit"}}
BASE = {"context_servers": SERVERS, "theme": "Ayu Dark",
        "agent": {"default_model": {"provider": "openai", "model": "m1"}}}


@pytest.fixture
def server(bed):
    with FakeSettings.as_helix(bed, BASE) as s:
        yield s


@pytest.fixture
def sidecar(bed, server):
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": "t0"}).start().wait_healthy()
    return s.wait_ready()


def test_base_is_built_from_the_flat_fields(server, sidecar):
    """What every desktop gets, Helix's parts, its own server reached where the API is, with the user's token."""
    v = sidecar.value()
    assert v["format_on_save"] == "off" and v["languages"]["Go"]["format_on_save"] == "on"
    assert v["agent"]["default_model"] == {"provider": "openai", "model": "m1"}
    assert v["agent"]["tool_permissions"]["default"] == "allow"
    assert v["context_servers"]["kodit"] == {"url": f"{server.url}/api/v1/mcp/kodit",
                                             "headers": {"Authorization": "Bearer t0"}}
    assert v["context_servers"]["helix-session"] == SERVERS["helix-session"]
    assert v["theme"] == "Ayu Dark" and "version" not in v
    assert sidecar.status()["server"]["kind"] == "helix" and sidecar.status()["state"] == "ok"


def test_overrides_go_up_as_a_whole_object(server, sidecar):
    """Each upload is the complete set, without condition; {} once everything is as Helix has it again."""
    first = sidecar.value()
    sidecar.save({**first, "vim_mode": True, "tab_size": 2})
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 2}, "both are at the server")
    sidecar.save({**sidecar.value(), "theme": "Mine", "telemetry": {"metrics": False}, "cursor_blink": False})
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 2, "cursor_blink": False}, "what is told is told")
    assert not any("If-Match" in a[2] for a in server.asked_for("POST", "zed-config/user"))
    sidecar.save(first)
    until(lambda: server.plain == {}, "nothing is left")


def test_reconnecting_keeps_what_the_user_changed(server, sidecar):
    """Restart, outage and reload: Helix never gives overrides back, so they are remembered here."""
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: server.plain == {"vim_mode": True}, "it is at the server")
    server.stop()
    server.put_base({**BASE, "theme": "One Light"})
    server.start()
    sidecar.until_value(lambda v: v["theme"] == "One Light" and v.get("vim_mode"), "both sides are in the file")
    sidecar.stop()
    server.put_base({**BASE, "theme": "Ayu Dark"})
    sidecar.start().wait_healthy().wait_ready()
    sidecar.until_value(lambda v: v["theme"] == "Ayu Dark" and v.get("vim_mode"), "still both")
    assert sidecar.http.get("/reload").status == 200 and sidecar.value()["vim_mode"] is True


def redirect(h):
    reply(h, 302, b"", {"Location": h.path + "/elsewhere"})


def drip(h):
    """One byte a second of a good answer."""
    text = json.dumps({"context_servers": {}, "theme": "Dripped"}).encode()
    h.send_response(200)
    h.send_header("Content-Length", str(len(text)))
    h.end_headers()
    try:
        for i in range(len(text)):
            h.wfile.write(text[i:i + 1])
            time.sleep(1)
    except OSError:
        pass


def cut_off(h):
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    h.wfile.write(b'{"context_servers":{}')
    h.close_connection = True


def status(n):
    return lambda h: reply(h, n, {"context_servers": {}, "theme": "Refused"})


def says(body):
    return lambda h: reply(h, 200, body)


BAD = {**{str(n): (status(n), f"HTTP {n}") for n in (201, 204, 304, 401, 403, 404, 422, 500, 502, 503)},
       "redirect": (redirect, "HTTP 302"),
       "html": (says(b"<html><body>Sign in</body></html>"), "line 1"),
       "empty": (says(b""), "empty"),
       "array": (says(b"[]"), "answer"),
       "cut json": (says(b'{"theme":"x"'), "line 1"),
       "something else": (says({"status": "ok"}), "nothing of a configuration"),
       "numeric theme": (says({"context_servers": {}, "theme": 5}), "theme is not a string"),
       "string tokens": (says({"code_agent_config": {"max_tokens": "9"}}), "max_tokens is not"),
       "list of servers": (says({"context_servers": []}), "context_servers is not"),
       "10 MB": (says(b'{"theme":"' + b"x" * 10_000_000 + b'"}'), "limit"),
       "cut off": (cut_off, ""),
       "drip": (drip, "")}


@pytest.mark.parametrize("bad", BAD)
def test_only_a_good_200_is_an_answer(server, sidecar, bad):
    """Anything else: the file as it was to the byte, the last known settings in force and said to be, tried again."""
    answer, problem = BAD[bad]
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: server.plain == {"vim_mode": True}, "the user's change is at the server")
    before, n = sidecar.text(), len(server.asked_for("GET", "zed-config"))
    server.wrong["GET zed-config"] = answer
    server.put_base({**BASE, "theme": "One Light"})
    st = until(lambda: (s := sidecar.status())["state"] == "offline" and s, "it is said", 20)
    assert st["server"]["state"] == "away" and problem in st["server"]["problem"]
    assert len(server.asked_for("GET", "zed-config")) > n and sidecar.text() == before
    assert sidecar.http.get("/readyz").status == 503 and sidecar.http.get("/health").body == b"OK"
    sidecar.save({**sidecar.value(), "vim_mode": True, "tab_size": 3})  # saves are kept, whatever the server does
    server.wrong.clear()
    sidecar.until_value(lambda v: v["theme"] == "One Light" and v["tab_size"] == 3, "the next good answer counts")
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 3}, "and what was saved goes up")


def test_failures_back_off(server, sidecar):
    """Not a request a millisecond: each failure waits longer than the one before."""
    server.wrong["GET zed-config"] = lambda h: reply(h, 500, b"")
    n, began = len(server.asked_for("GET", "zed-config")), time.monotonic()
    server.push({"type": "config_changed"})
    until(lambda: len(server.asked_for("GET", "zed-config")) >= n + 6, "it is tried again and again", 30)
    assert time.monotonic() - began > 0.7


def test_starts_on_the_last_known_settings(bed, server, sidecar):
    """The API away at the next start: the file stays, health says OK, and both sides are brought up when it is back."""
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: server.plain == {"vim_mode": True}, "it is at the server")
    sidecar.stop()
    before = sidecar.text()
    server.stop()
    sidecar.start().wait_healthy()
    assert sidecar.text() == before and sidecar.status()["state"] == "offline"
    sidecar.save({**sidecar.value(), "tab_size": 8})
    server.put_base({**BASE, "theme": "One Light"})
    server.start()
    sidecar.until_value(lambda v: v["theme"] == "One Light" and v["vim_mode"] and v["tab_size"] == 8, "all is there")
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 8}, "both are at the server")


@pytest.mark.parametrize("code", [400, 409, 412, 413, 422])
def test_a_refused_upload_is_not_sent_again(server, sidecar, code):
    """Once: the change stays in the file, is said to be refused, and goes up with the next one."""
    server.wrong["POST zed-config/user"] = lambda h: reply(h, code, b"invalid request body")
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: sidecar.status()["upload"]["refused"], "it is said")
    server.put_base({**BASE, "theme": "One Light"})
    sidecar.until_value(lambda v: v["theme"] == "One Light" and v["vim_mode"], "the other direction goes on")
    assert len(server.asked_for("POST", "zed-config/user")) == 1
    server.wrong.clear()
    sidecar.save({**sidecar.value(), "tab_size": 2})
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 2}, "the next one takes it along")


@pytest.mark.parametrize("code", [401, 403, 404, 500, 503])
def test_an_upload_without_an_answer_is_sent_until_it_has_one(server, sidecar, code):
    """The same whole object, so that one more does no harm."""
    server.wrong["POST zed-config/user"] = lambda h: reply(h, code, b"")
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: len(server.asked_for("POST", "zed-config/user")) >= 2, "it is tried again")
    assert f"HTTP {code}" in sidecar.status()["upload"]["problem"]
    server.wrong.clear()
    until(lambda: server.plain == {"vim_mode": True}, "it is there")


AGENT = {"provider": "openai", "model": "prov/m", "agent_name": "qwen", "base_url": "http://localhost:8080/v1",
         "api_type": "openai", "runtime": "qwen_code", "max_tokens": 1000, "max_output_tokens": 0,
         "uses_subscription": False}


def test_the_agent_is_started_as_helix_configures_it(server, sidecar):
    """agent_servers follows code_agent_config, is Helix's alone, and is never told; the user's own entries stay."""
    server.put_base({**BASE, "language_models": {"openai": {}}, "_helix": {"code_agent_config": AGENT}})
    v = sidecar.until_value(lambda v: "agent_servers" in v, "it is there") and sidecar.value()
    assert v["agent_servers"]["qwen"]["env"]["OPENAI_BASE_URL"] == f"{server.url}/v1"
    assert v["agent_servers"]["qwen"]["env"]["OPENAI_API_KEY"] == "t0"
    assert v["language_models"]["openai"]["available_models"] == [
        {"name": "prov/m", "display_name": "prov/m", "max_tokens": 1000}]
    mine = {"type": "custom", "command": "c", "args": [], "env": {}}
    v["agent_servers"] = {"qwen": {**v["agent_servers"]["qwen"], "command": "evil"}, "mine": mine}
    sidecar.save({**v, "vim_mode": True})
    sidecar.until_value(lambda v: v["agent_servers"]["qwen"]["command"] == "qwen", "Helix's entry is Helix's")
    until(lambda: server.plain == {"vim_mode": True}, "agent_servers is not told")
    server.put_base({**BASE, "_helix": {"code_agent_config": {**AGENT, "runtime": "zed_agent"}}})
    sidecar.until_value(lambda v: v["agent_servers"] == {"mine": mine}, "the user's own stays")


def test_two_answers_alike_write_once(server, sidecar):
    """Injected models, headers and agents make no rewrite of their own (Helix's daemon does one at every poll)."""
    server.put_base({**BASE, "language_models": {"openai": {}}, "_helix": {"code_agent_config": AGENT}})
    sidecar.until_value(lambda v: "agent_servers" in v, "it is there")
    before = os.stat(sidecar.path)
    for _ in range(3):
        assert sidecar.http.get("/reload").status == 200
    after = os.stat(sidecar.path)
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert not server.asked_for("POST", "zed-config/user")


def test_the_theme_goes_with_the_colours_or_stays(server, sidecar):
    """Helix's own themes, and what is none, give way when the colours change; a theme of choice stays, untold."""
    def turn(theme, n):
        server.put_base({**BASE, "theme": theme, "agent": {"turn": n}})
        sidecar.until_value(lambda v: v["theme"] == theme and v["agent"].get("turn") == n, f"{theme}, turn {n}")

    for n, there in enumerate(["One Light", {"mode": "system", "light": "a", "dark": "b"}, ""]):
        sidecar.save({**sidecar.value(), "theme": there})
        turn("One Light", 2 * n)
        turn("Ayu Dark", 2 * n + 1)
    sidecar.save({**sidecar.value(), "theme": "Solarized Dark", "tab_size": 2})
    until(lambda: server.plain == {"tab_size": 2}, "the theme is not told")
    server.put_base({**BASE, "theme": "One Light", "context_servers": {}})
    sidecar.until_value(lambda v: "kodit" not in v["context_servers"], "it was heard")
    assert sidecar.value()["theme"] == "Solarized Dark"


def test_what_was_put_in_here_does_not_go_out(server, sidecar):
    """Helix's own server named as Helix names it, and never with the token it was given here, even when it is left."""
    v = sidecar.value()
    v["context_servers"]["kodit"].update(url=v["context_servers"]["kodit"]["url"] + "?mine", enabled=False)
    sidecar.save(v)
    mine = {"url": "http://localhost:8080/api/v1/mcp/kodit?mine", "enabled": False}
    until(lambda: server.plain == {"context_servers": {"kodit": mine}}, "as Helix would say it")
    server.put_base({**BASE, "context_servers": {}})
    until(lambda: "helix-session" not in sidecar.value()["context_servers"], "Helix has no servers any more")
    assert sidecar.value()["context_servers"]["kodit"]["headers"] == {"Authorization": "Bearer t0"}
    sidecar.save({**sidecar.value(), "vim_mode": True})
    until(lambda: server.plain == {"context_servers": {"kodit": mine}, "vim_mode": True}, "what is left is the user's")
    assert not any(b"t0" in a[3] for a in server.asked)


def test_a_file_of_helix_s_own_daemon_is_taken_over(bed, server):
    """Its retired keys go, a theme of choice and telemetry stay, stale entries of Helix's give way."""
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": "t0"})
    s.save({"default_agent": "qwen", "external_sync": {"enabled": True}, "theme": "Solarized Dark",
            "telemetry": {"metrics": False}, "context_servers": {"helix-session": {"url": "http://old/"}}})
    s.start().wait_healthy().wait_ready()
    v = s.value()
    assert "default_agent" not in v and "external_sync" not in v and v["telemetry"] == {"metrics": False}
    assert v["theme"] == "Solarized Dark" and v["context_servers"]["helix-session"] == SERVERS["helix-session"]
    assert not server.plain


def test_the_user_s_token_is_the_one_that_is_shown(bed, server):
    """HELIX_API_TOKEN serves where there is no other; it is a machine's, and acts as nobody in settings.json."""
    both = Sidecar(bed, server.url, name="both", home=bed.path / "h1",
                   env={"USER_API_TOKEN": "t0", "HELIX_API_TOKEN": "runner"}).start().wait_healthy()
    both.wait_ready()
    assert "runner" not in both.text()
    server.token = "runner"
    only = Sidecar(bed, server.url, name="only", home=bed.path / "h2", env={"HELIX_API_TOKEN": "runner"})
    only.start().wait_healthy()
    only.wait_ready()
    assert only.value()["context_servers"]["kodit"] == {"url": f"{server.url}/api/v1/mcp/kodit"}
    server.token = None
    none = Sidecar(bed, server.url, name="none", home=bed.path / "h3").start().wait_healthy()
    none.wait_ready()
    assert "Authorization" not in server.asked_for("GET", "zed-config")[-1][2]


def test_secrets_are_masked_wherever_they_stand(bed, server):
    """The user's token in an agent's environment is no setting for everybody to see."""
    server.put_base({**BASE, "_helix": {"code_agent_config": AGENT}})
    server.token = "token-of-the-user"
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": server.token}).start().wait_healthy()
    s.wait_ready()
    assert server.token in s.text()
    assert server.token not in s.http.get("/settings").body.decode()
    shown = s.http.get("/settings", headers={"Authorization": f"Bearer {server.token}"})
    assert server.token in shown.body.decode() and server.token not in s.log()


@pytest.mark.parametrize("failing", [False, True], ids=["fetched", "not fetched"])
def test_agent_switch_is_reported_when_the_file_says_so(server, sidecar, failing):
    """config_changed for the agent: fetched, written, then told; told as well when it cannot be fetched."""
    if failing:
        server.wrong["GET zed-config"] = lambda h: reply(h, 500, b"")
    new = {**BASE, "agent": {"default_model": {"provider": "anthropic", "model": "m2"}}}
    server.put_base(new, push=False)
    until(lambda: server.pushes, "the push is connected")
    server.push({"type": "config_changed", "field": "agent"})
    asked = until(lambda: server.asked_for("POST", "agent-config-applied"), "it is reported")
    assert asked[0][3] == b"" and "Content-Type" not in asked[0][2]
    assert failing or sidecar.value()["agent"]["default_model"]["model"] == "m2"


def test_an_applied_switch_is_told_until_it_is_heard(server, sidecar):
    """A server that cannot take it now hears it again, and once it has heard it no more."""
    until(lambda: server.pushes, "the push is connected")
    server.wrong["POST agent-config-applied"] = lambda h: reply(h, 503, b"")
    server.push({"type": "config_changed", "field": "agent"})
    until(lambda: len(server.asked_for("POST", "agent-config-applied")) >= 3, "it is told again")
    heard = []
    server.wrong["POST agent-config-applied"] = lambda h: (heard.append(1), reply(h, 200, {"status": "ok"}))
    until(lambda: heard, "it is heard")
    server.push({"type": "config_changed", "field": "agent"})
    until(lambda: len(heard) == 2, "the next switch is told too")
    assert sidecar.http.get("/reload").status == 200 and len(heard) == 2


def test_chat_on_the_same_socket_is_skipped(server, sidecar):
    """The session's other events, and what is no JSON, are neither here nor there."""
    until(lambda: server.pushes, "the push is connected")
    n = len(server.asked_for("GET", "zed-config"))
    for event in ({"type": "interaction_patch", "entry_patches": []}, "not json config_changed", "[1]",
                  {"type": "session_update", "session": {"name": "config_changed"}}):
        server.push(event)
    server.put_base({**BASE, "theme": "One Light"})
    sidecar.until_value(lambda v: v["theme"] == "One Light", "the real one counts")
    assert len(server.asked_for("GET", "zed-config")) == n + 1


def test_path_in_front_of_the_api(bed, server):
    """HELIX_API_URL with a path and a slash: requests go there, the socket too or where Helix's daemon looks for it."""
    s = Sidecar(bed, server.url + "/helix/", env={"USER_API_TOKEN": "t0"})
    s.start().wait_healthy()
    s.wait_ready()
    assert server.asked_for("GET", "zed-config")[0][1] == "/helix/api/v1/sessions/ses_1/zed-config"
    until(lambda: server.pushes, "the push is connected")
    server.wrong["GET /helix/api/v1/ws/user"] = lambda h: reply(h, 404, b"")
    for ws in server.pushes:
        ws.sock.shutdown(2)
    until(lambda: ("GET", "/api/v1/ws/user") in [a[:2] for a in server.asked], "it looks without the path")


@pytest.fixture
def certificate(bed):
    """A certificate for this address that signs itself, and its key."""
    cert, key = bed.path / "cert.pem", bed.path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=helix",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("how", ["unknown", "known", "skipped", "skipped by environment"])
def test_a_server_with_tls_is_verified_unless_told_otherwise(bed, certificate, how):
    """Requests and socket alike: a certificate nobody vouches for gets no token to see."""
    cert, key = certificate
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    server = FakeSettings(bed.port(), helix=True, tls=tls)
    server.token = "t0"
    server.put_base(BASE, push=False)
    server.start()
    flags = {"known": ("--tls-ca", cert), "skipped": ("--tls-skip-verify",)}.get(how, ())
    env = {"USER_API_TOKEN": "t0", **({"SETTINGS_SYNC_TLS_SKIP_VERIFY": "true"} if "environment" in how else {})}
    try:
        s = Sidecar(bed, server.url, *flags, env=env).start()
        s.wait_alive()
        if how == "unknown":
            problem = until(lambda: s.status()["server"]["problem"], "it is said")
            assert "certificate" in problem.lower()
            until(lambda: s.status()["server"]["push"]["problem"], "of the socket too")
            assert server.asked == []
            return
        s.wait_ready()
        until(lambda: server.pushes, "the socket too")
        server.put_base({**BASE, "theme": "One Light"})
        s.until_value(lambda v: v["theme"] == "One Light", "it is told")
    finally:
        server.stop()
    assert server.faults == []


def test_number_text_survives(server, sidecar):
    """Numbers go up as they were written."""
    text = sidecar.text().rstrip().rstrip("}").rstrip() + ',\n  "big": 12345678901234567890, "f": 1.50e3\n}\n'
    sidecar.save(text)
    until(lambda: server.plain is not None, "it is at the server")
    body = server.asked_for("POST", "zed-config/user")[-1][3].decode()
    assert '"big":12345678901234567890' in body and '"f":1.50e3' in body
    assert sidecar.text() == text and json.loads(body)["big"] == 12345678901234567890
