"""settings-sync-daemon's own HTTP: who may ask what, by which method, and what the answers say."""
import http.client
import json
import socket

import pytest

from harness import until
from sidecar import Sidecar

TOKEN = "t0ken"
BASE = {"language_models": {"openai": {"api_key": "sk-1"}}, "theme": "Ayu Dark"}
MASKED = {"language_models": {"openai": {"api_key": "***"}}, "theme": "Ayu Dark"}
BEARER = {"Authorization": "Bearer " + TOKEN}


@pytest.fixture
def sidecar(bed, server):
    s = Sidecar(bed, server.url).start().wait_healthy()
    until(lambda: s.status()["state"] == "ok", "all is in step")
    return s


def own_address():
    """An address of this machine that is not loopback; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            address = s.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


@pytest.mark.parametrize("path, fits", [
    ("/health", "GET"), ("/settings", "GET"), ("/status", "GET"), ("/reload", "GET POST"), ("/confirm", "POST"),
    ("/undo", "POST"), ("/restore", "POST"), ("/healthz", "GET"), ("/readyz", "GET"), ("/metrics", "GET")])
def test_methods(sidecar, path, fits):
    """405 for every other one; nothing waits, so an answer to it is 404."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        want = 405 if method not in fits.split() else 404 if path in ("/confirm", "/undo", "/restore") else 200
        a = sidecar.http(method, path)
        assert a.status == want, (method, path, a)
        if want == 405:
            assert a.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


def test_nothing_else_is_served(sidecar):
    """Other paths, a WebSocket, a body that makes no sense."""
    assert sidecar.http.get("/").status == sidecar.http.get("/settings/x").status == 404
    for body in ("{", "[]", json.dumps({"id": 7})):
        a = sidecar.http.post("/restore", body)
        assert a.status == 400 and a.json()["error"]["message"], a
    a = sidecar.http.post("/confirm", {"id": "w_none"})
    assert a.status == 404 and "that id" in a.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{"Origin": "http://evil"}, {"Origin": "http://127.0.0.1"}, {"Host": "evil:9877"}])
def test_pages_in_a_browser_are_nobody(sidecar, headers):
    """Neither a page of another site nor a name that was pointed here gets anything."""
    for method, path in (("GET", "/settings"), ("GET", "/status"), ("POST", "/reload"), ("POST", "/undo")):
        assert sidecar.http(method, path, headers=headers).status == 403, path


def test_secrets_are_for_who_shows_the_token(bed, server, sidecar):
    """Without USER_API_TOKEN nobody can show it; with it, it must be the right one."""
    assert sidecar.http.get("/settings").json() == MASKED
    assert sidecar.http.get("/settings", headers=BEARER).json() == MASKED
    server.token = TOKEN
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": TOKEN}, home=bed.path / "h2", name="second").start()
    s.wait_healthy()
    assert s.http.get("/settings").json() == MASKED
    assert s.http.get("/settings", headers={"Authorization": "Bearer other"}).json() == MASKED
    for shown in (BEARER, {"x-api-key": TOKEN}, {"api-key": TOKEN}):
        assert s.http.get("/settings", headers=shown).json() == BASE
    for text in (s.log(), s.http.get("/status").body.decode(), s.http.get("/metrics").body.decode()):
        assert "sk-1" not in text and TOKEN not in text


@pytest.mark.skipif(not own_address(), reason="this machine has no other address")
def test_from_elsewhere_the_token_is_needed(bed, server):
    """Health is everybody's; secrets, state and what changes something are not."""
    server.token = TOKEN
    s = Sidecar(bed, server.url, "--listen", f"0.0.0.0:{bed.port()}", env={"USER_API_TOKEN": TOKEN})
    s.http.port = s.port = int(s.argv[-1].split(":")[1])
    s.start().wait_healthy()

    def ask(method, path, headers=None):
        conn = http.client.HTTPConnection(own_address(), s.port, timeout=10)
        conn.request(method, path, headers=headers or {})
        r = conn.getresponse()
        return r.status, r.read()

    assert ask("GET", "/health") == (200, b"OK")
    assert json.loads(ask("GET", "/settings")[1]) == MASKED
    for method, path, status in (("GET", "/status", 200), ("POST", "/reload", 200), ("POST", "/undo", 404)):
        assert ask(method, path)[0] == 401 and ask(method, path, BEARER)[0] == status, path


def test_status_says_what_it_should(server, sidecar):
    """State, revisions, what waits, last error, write mode and why, whether Zed watches, latencies."""
    sidecar.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1} and not sidecar.status()["upload"]["waiting"], "an upload was taken")
    server.put_base({**BASE, "n": 1})
    sidecar.until_value(lambda v: v.get("n") == 1, "the change is in the file")
    st = sidecar.status()
    assert st["state"] == "ok" and st["session_id"] == "ses_1" and st["last_error"] is None and st["pending"] == []
    assert st["revisions"] == {"base": server.base_revision, "overrides": server.user_revision}
    assert st["write"]["mode"] == "lease" and st["write"]["why"] and st["invalid"] is None
    assert st["zed_watch"] in ("unknown", "alive", "dead") and st["pin"]["state"] == "in_place"
    assert st["file"]["path"] == str(sidecar.path) and st["file"]["watch"] == "inotify"
    assert st["file"]["state_dir"].endswith("helix-settings") and st["file"]["state_problem"] is None
    for stage in ("event_to_read", "read_to_planned", "planned_to_visible", "visible_to_synced", "server_to_visible",
                  "save_to_posted", "posted_to_acked"):
        assert st["latencies"][stage]["count"] > 0 and st["latencies"][stage]["mean_ms"] > 0, stage


def test_readyz_names_what_is_missing(bed, server):
    """503 and the reason, as long as the server is away or the file is not in step."""
    server.stop()
    s = Sidecar(bed, server.url).start()
    s.wait_alive()
    ready, why = until(lambda: (r := s.ready())[1] and r, "it says why")
    assert not ready and "settings server" in why
    server.start()
    s.wait_ready()
    s.save("{")
    until(lambda: "invalid" in s.ready()[1] and not s.ready()[0], "the file is named")
