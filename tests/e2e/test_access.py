"""Who may: tokens, roles, Host and Origin."""
import pytest

from harness import Http


@pytest.fixture
def guarded(bed):
    """sessiond with tokens: an Http for each of admin, alice, bob, and one without."""
    bed.nats().start()
    ctl, tokens = bed.ctl(), bed.path / "tokens"

    def secret(role, sub, *more):
        return ctl("token", "new", "--role", role, "--sub", sub, "--append", tokens, *more).out.strip()
    secrets = {"admin": secret("admin", "root"), "service": secret("service", "helix"),
               "alice": secret("user", "alice"),
               "bob": secret("user", "bob"), "agent": secret("agent", "zi_1", "--session", "ses_alice"),
               "old": secret("user", "carol", "--expires-at", "2020-01-01T00:00:00Z")}
    sessiond = bed.sessiond("--tokens", tokens).start().wait_ready()
    who = {name: Http(sessiond.port, token) for name, token in secrets.items()}
    who["nobody"] = Http(sessiond.port)
    who["stranger"] = Http(sessiond.port, "wrong")
    assert who["alice"].post("/api/v1/sessions", {"id": "ses_alice"}).status == 201
    return who


def test_tokens_are_asked_for(guarded):
    """None, an unknown one and an expired one: 401 in the documented form; health needs none."""
    for name in ("nobody", "stranger", "old"):
        a = guarded[name].get("/api/v1/sessions")
        assert a.status == 401 and a.json()["error"]["code"] == "UNAUTHORIZED", (name, a)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert guarded["nobody"].get(path).status == 200


def test_sessions_are_their_owners(guarded):
    """A user sees its own, service and admin see all, an agent reads what its token is for and no more."""
    path = "/api/v1/sessions/ses_alice"
    assert [guarded[w].get(path).status for w in ("alice", "bob", "admin", "service", "agent")] == \
        [200, 403, 200, 200, 403]
    assert guarded["bob"].get("/api/v1/sessions").json()["sessions"] == []
    assert [guarded[w].get(path + "/zed-config").status for w in ("agent", "alice", "bob")] == [200, 200, 403]
    assert [guarded[w].put(path + "/zed-config", {"settings": {}}).status for w in ("alice", "agent", "service")] == \
        [403, 403, 200]
    assert guarded["agent"].post(path + "/messages", {"message": "x"}).status == 403


def test_other_ways_to_carry_a_token(guarded):
    """x-api-key and api-key count as Authorization does; ?access_token= does not, but on ws/user."""
    secret, port = guarded["alice"].token, guarded["alice"].port
    for header in ("x-api-key", "api-key"):
        assert Http(port).get("/api/v1/sessions", headers={header: secret}).status == 200
    assert Http(port).get("/api/v1/sessions?access_token=" + secret).status == 401


def test_foreign_origins_and_hosts(guarded, bed):
    """An Origin that is not ours is 403; without tokens the Host must be loopback."""
    assert guarded["alice"].get("/api/v1/sessions", headers={"Origin": "http://evil.example"}).status == 403
    free = bed.sessiond(name="free").start().wait_ready()
    assert free.http.get("/api/v1/sessions").status == 200
    assert free.http.get("/api/v1/sessions", headers={"Host": "evil.example"}).status == 403
    assert free.http.get("/api/v1/sessions", headers={"Origin": "http://evil.example"}).status == 403
    assert free.http.get("/api/v1/sessions", headers={"Authorization": "Bearer whatever"}).status == 200


def test_secrets_are_not_logged(guarded, bed):
    """No log holds a token, wherever it was sent."""
    secret = guarded["alice"].token
    guarded["alice"].get("/api/v1/sessions?access_token=" + secret)
    for process in bed.processes:
        assert secret not in process.log(), process.name
