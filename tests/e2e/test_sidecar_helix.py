"""settings-sync-daemon against Helix's own API, as Helix's Go daemon meets it."""
import json

import pytest

from fake_settings import FakeSettings, reply
from harness import until
from sidecar import Sidecar

SERVERS = {"helix-session": {"url": "http://api:8080/x"}, "kodit": {"url": "http://localhost:8080/api/v1/mcp/kodit"}}
BASE = {"context_servers": SERVERS, "theme": "Ayu Dark",
        "agent": {"default_model": {"provider": "openai", "model": "m1"}}}


@pytest.fixture
def server(bed):
    s = FakeSettings(bed.port(), helix=True)
    s.token = "t0"
    s.put_base(BASE, push=False)
    s.start()
    yield s
    s.stop()


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
    sidecar.save({**sidecar.value(), "theme": "Mine"})
    until(lambda: server.plain == {"vim_mode": True, "tab_size": 2, "theme": "Mine"}, "all three are")
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


def test_only_200_is_an_answer(server, sidecar):
    """304 included: Helix's API has no conditions, and the daemon makes none that it did not offer."""
    assert not any("If-None-Match" in a[2] for a in server.asked_for("GET", "zed-config"))
    server.wrong["GET zed-config"] = lambda h: reply(h, 422, b"agent has no model")
    server.put_base({**BASE, "theme": "One Light"})
    until(lambda: sidecar.status()["server"]["problem"] == "HTTP 422", "it is told")
    server.wrong.clear()
    sidecar.until_value(lambda v: v["theme"] == "One Light", "the next good answer counts")


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


def test_number_text_survives(server, sidecar):
    """Numbers go up as they were written."""
    text = sidecar.text().rstrip().rstrip("}").rstrip() + ',\n  "big": 12345678901234567890, "f": 1.50e3\n}\n'
    sidecar.save(text)
    until(lambda: server.plain is not None, "it is at the server")
    body = server.asked_for("POST", "zed-config/user")[-1][3].decode()
    assert '"big":12345678901234567890' in body and '"f":1.50e3' in body
    assert sidecar.text() == text and json.loads(body)["big"] == 12345678901234567890
