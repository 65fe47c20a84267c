"""settings-sync-daemon against sessiond over a wire that fails, and against servers that answer wrongly."""
import json

import pytest

from fake_settings import FakeSettings, reply
from harness import Http, until
from proxy import Proxy
from sidecar import Sidecar

SESSION = "ses_p"
API = f"/api/v1/sessions/{SESSION}"
BASE = {"theme": "Ayu Dark", "format_on_save": "off", "context_servers": {"helix-rag": {"url": "http://h/rag"}}}


class World:
    """Broker, sessiond, a wire, and the daemon at its other end."""

    def __init__(self, bed):
        self.bed = bed
        bed.nats().start()
        self.sessiond = bed.sessiond().start().wait_ready()
        self.http = self.sessiond.http
        assert self.put(settings=BASE).status == 200
        self.wire = Proxy(bed.port(), self.sessiond.port)
        self.sidecar = Sidecar(bed, self.wire.url, session=SESSION).start().wait_healthy()
        self.connected()

    def connected(self):
        until(lambda: self.sidecar.status()["server"]["push"]["connected"], "changes are pushed", 20)

    def put(self, **parts):
        return self.http.put(API + "/zed-config", parts)

    def ops(self, **what):
        assert self.http.post(API + "/zed-config/user", {"ops": what}).status == 200

    def user(self):
        return self.http.get(API + "/zed-config/user").json()

    def history(self):
        return self.http.get(API + "/zed-config/history?limit=200").json()["history"]

    def until_set(self, sets):
        until(lambda: self.user().get("set") == sets, f"the server has {sets}", 20)


@pytest.fixture
def world(bed):
    w = World(bed)
    yield w
    w.wire.cut()


def test_lost_answers_count_once(world):
    """D03. The server took it, the answer got lost, three times over: asked again under its name, it is done once."""
    world.wire.lose_answers(3)
    world.sidecar.save({**BASE, "vim_mode": True})
    world.until_set({"/vim_mode": True})
    until(lambda: not world.sidecar.status()["upload"]["under_way"], "it was told", 20)
    assert world.wire.answers_to_lose == 0
    world.connected()
    world.sidecar.save({**BASE, "vim_mode": True, "tabs": 1})
    world.until_set({"/vim_mode": True, "/tabs": 1})
    assert [(e["kind"], [c["path"] for c in e["changes"]]) for e in world.history()[:2]] == [
        ("user", ["/tabs"]), ("user", ["/vim_mode"])]
    assert len(world.history()) == 3


def test_thirty_saves_offline_are_one_upload(world):
    """D06. What is left of them goes up as one; killed in between, it still does, once; what came back is left out."""
    world.wire.cut()
    until(lambda: world.sidecar.status()["state"] == "offline", "the daemon says it is offline")
    for i in range(30):
        world.sidecar.save({**BASE, "theme": f"T{i}", f"k{i % 3}": i, "format_on_save": "on" if i % 2 == 0 else "off"},
                           rename=i % 5 == 0)
        until(lambda i=i: world.sidecar.http.get("/settings").json()["theme"] == f"T{i}", "the save is taken")
        if i == 15:
            world.sidecar.kill()
            world.sidecar.start().wait_healthy()
    world.sidecar.kill()
    world.ops(set={"/elsewhere": 1})
    world.wire.mend()
    world.sidecar.start().wait_healthy()
    world.until_set({"/theme": "T29", "/k2": 29, "/elsewhere": 1})
    newest = world.history()[0]
    assert (newest["revision"], newest["kind"]) == (3, "user")
    assert sorted((c["path"], c["old"], c["new"]) for c in newest["changes"]) == [
        ("/k2", None, 29), ("/theme", "Ayu Dark", "T29")]
    world.sidecar.until_value(lambda v: v["elsewhere"] == 1 and v["theme"] == "T29", "both are in the file")


def test_killed_with_an_upload_under_way(world):
    """The server may or may not have it when the daemon dies: started again, it is done once."""
    for i in range(4):
        world.wire.lose_answers(1)
        world.sidecar.save({**world.sidecar.value(), f"n{i}": i})
        until(lambda i=i: f"/n{i}" in world.user()["set"], "the server has it, the daemon does not know")
        world.sidecar.kill()
        world.sidecar.start().wait_healthy()
        world.connected()
    world.sidecar.save({**world.sidecar.value(), "last": 1})
    world.until_set({**{f"/n{i}": i for i in range(4)}, "/last": 1})
    assert [e["revision"] for e in world.history()] == [6, 5, 4, 3, 2, 1]
    assert {e["client"] for e in world.history()[:5]} == {world.history()[0]["client"]}


def test_both_keep_what_they_changed(world):
    """D01. Made from an older revision: refused, read again, done anew on what is there."""
    for i in range(10):
        world.wire.hold()
        world.sidecar.save({**world.sidecar.value(), f"mine{i}": i})
        world.ops(set={f"/theirs{i}": i})
        world.wire.cut()
        world.wire.mend()
        world.until_set({f"/{who}{n}": n for n in range(i + 1) for who in ("mine", "theirs")})
        world.sidecar.until_value(lambda v, i=i: v.get(f"theirs{i}") == i and v.get(f"mine{i}") == i, "both are there")
        world.connected()


def test_the_later_of_two_instances_hears_of_it(bed, world):
    """D02. One path from two containers: the later wins in both files, and is told whose change it replaced."""
    other = Sidecar(bed, world.sessiond.url, session=SESSION, name="other", home=bed.path / "h2").start().wait_healthy()
    until(lambda: other.status()["server"]["push"]["connected"], "changes are pushed")
    other.save({**BASE, "theme": "Theirs"})
    world.until_set({"/theme": "Theirs"})
    world.sidecar.until_value(lambda v: v["theme"] == "Theirs", "it is there too")
    world.sidecar.save({**BASE, "theme": "Mine"})
    world.until_set({"/theme": "Mine"})
    other.until_value(lambda v: v["theme"] == "Mine", "the later is in both files")
    world.sidecar.expect_log("overrides_superseded", n=1, revision=3)
    told = [c["new"] for e in world.history() for c in e["changes"] if c["path"] == "/theme"]
    assert told == ["Mine", "Theirs", "Ayu Dark"]


def test_what_was_dropped_on_the_way_is_told(world):
    """D05. Pushes missed while the connection was away are made up for by a look; nothing is applied twice."""
    inode = world.sidecar.path.stat().st_ino
    for i in range(3):
        world.wire.cut()
        for n in range(4):
            world.put(settings={**BASE, "n": 10 * i + n})
        world.ops(set={f"/u{i}": i})
        world.wire.mend()
        world.sidecar.until_value(lambda v, i=i: v.get("n") == 10 * i + 3 and v.get(f"u{i}") == i, "it is up to date")
        world.connected()
    assert world.sidecar.path.stat().st_ino == inode


# ---- servers that are wrong

@pytest.fixture
def fake(bed):
    server = FakeSettings(bed.port()).start()
    server.put_base(BASE, push=False)
    yield server
    server.stop()


def synced(bed, fake):
    sidecar = Sidecar(bed, fake.url).start().wait_healthy()
    sidecar.until_value(lambda v: v == BASE, "the base is in the file")
    until(lambda: sidecar.status()["server"]["push"]["connected"], "changes are pushed")
    return sidecar


def cut_off(h):
    h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    h.close_connection = True


WRONG = {
    "401": lambda h: reply(h, 401, {"error": {"code": "UNAUTHORIZED", "message": "who?"}}),
    "403": lambda h: reply(h, 403, {"error": {"code": "FORBIDDEN", "message": "no"}}),
    "404": lambda h: reply(h, 404, {"error": {"code": "NOT_FOUND", "message": "?"}}),
    "429": lambda h: reply(h, 429, {}, {"Retry-After": "1"}),
    "500": lambda h: reply(h, 500, b"<html>broken</html>"),
    "503": lambda h: reply(h, 503, {}, {"Retry-After": "1"}),
    "html": lambda h: reply(h, 200, b"<html>please log in</html>", {"Content-Type": "text/html"}),
    "garbage": lambda h: reply(h, 200, b'{"settings":{"theme":"x"'),
    "other": lambda h: reply(h, 200, {"message": "maintenance"}),
    "empty": lambda h: reply(h, 200, b""),
    "list": lambda h: reply(h, 200, []),
    "huge": lambda h: reply(h, 200, b"[" + b"0," * (5 * 1024 * 1024) + b"0]"),
    "cut": cut_off,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_loses_nothing(bed, fake, wrong):
    """D07. Whatever comes instead of an answer: file and edits stay, it is tried again under the same name."""
    sidecar = synced(bed, fake)
    before = sidecar.text()
    for what in ("GET zed-config", "GET zed-config/user", "POST zed-config/user"):
        fake.wrong[what] = WRONG[wrong]
    fake.put_base({**BASE, "theme": "New"})
    until(lambda: len(fake.asked_for("GET", "zed-config")) >= 3, "it is asked again")
    assert sidecar.text() == before
    sidecar.save({**BASE, "vim_mode": True})
    del fake.wrong["GET zed-config"], fake.wrong["GET zed-config/user"]
    sidecar.until_value(lambda v: v == {**BASE, "theme": "New", "vim_mode": True}, "it is up to date")
    until(lambda: len(fake.asked_for("POST", "zed-config/user")) >= 3, "the upload is tried again")
    assert sidecar.value()["vim_mode"] is True
    del fake.wrong["POST zed-config/user"]
    until(lambda: fake.set == {"/vim_mode": True}, "the upload is taken", 20)
    tried = {json.loads(body)["op_id"] for _, _, _, body in fake.asked_for("POST", "zed-config/user")}
    assert len(tried) == 1
    until(lambda: sidecar.status()["state"] == "ok", "all is well again")


def test_older_pushes_are_ignored(bed, fake):
    """D04. Told of revision 4 after 5: nothing is fetched, nothing is undone."""
    sidecar = synced(bed, fake)
    for i in range(4):
        fake.put_user({"/n": i}, push=False)
    fake.push({"type": "user_settings_changed", "revision": 5})
    sidecar.until_value(lambda v: v.get("n") == 3, "it is up to date")
    asked = len(fake.asked_for("GET", "zed-config/user"))
    for revision in (4, 2, 5, 1):
        fake.push({"type": "user_settings_changed", "revision": revision})
    fake.put_base({**BASE, "theme": "After"})
    sidecar.until_value(lambda v: v["theme"] == "After", "what came after is there")
    assert len(fake.asked_for("GET", "zed-config/user")) == asked and sidecar.value()["n"] == 3


def test_a_weakened_tag_still_counts(bed, fake):
    """A proxy that weakens ETags: uploads are conditional all the same, and not refused for ever."""
    def weak(h, revision, body):
        if h.headers.get("If-None-Match") in (f'"{revision}"', f'W/"{revision}"'):
            reply(h, 304, None, {"ETag": f'W/"{revision}"'})
        else:
            reply(h, 200, body, {"ETag": f'W/"{revision}"'})
    fake.conditional = weak
    fake.put_user({"/a": 1}, push=False)
    sidecar = Sidecar(bed, fake.url).start().wait_healthy()
    sidecar.until_value(lambda v: v == {**BASE, "a": 1}, "the override is there")
    sidecar.save({**BASE, "a": 2})
    until(lambda: fake.set == {"/a": 2}, "the upload is taken")
    assert fake.asked_for("POST", "zed-config/user")[-1][2]["If-Match"] == '"2"'


def test_conditional_looks(bed, fake):
    """Connected again and nothing new: a 304 each, and the file is not touched."""
    sidecar = synced(bed, fake)
    stat = sidecar.path.stat()
    asked = len(fake.asked_for("GET", "zed-config"))
    fake.stop()
    until(lambda: not sidecar.status()["server"]["push"]["connected"], "the push is lost")
    fake.start()
    until(lambda: sidecar.status()["server"]["push"]["connected"], "it is connected again", 20)
    until(lambda: len(fake.asked_for("GET", "zed-config")) > asked, "it looked")
    for _, _, headers, _ in fake.asked_for("GET", "zed-config")[asked:]:
        assert headers["If-None-Match"] == '"1"'
    assert sidecar.path.stat().st_mtime_ns == stat.st_mtime_ns


def test_what_is_held_with_an_agents_token(bed):
    """The daemon has its session's token and no more: what it holds is seen and decided at the server, also while it,
    or sessiond, is away; decided at the daemon, it is gone at the server."""
    bed.nats().start()
    ctl, tokens = bed.ctl(), bed.path / "tokens"
    secret = ctl("token", "new", "--role", "service", "--sub", "helix", "--append", tokens).out.strip()
    agent = ctl("token", "new", "--role", "agent", "--sub", "zi", "--session", SESSION, "--append", tokens).out.strip()
    sessiond = bed.sessiond("--tokens", tokens).start().wait_ready()
    http = Http(sessiond.port, secret)
    assert http.put(API + "/zed-config", {"settings": BASE}).status == 200
    sidecar = Sidecar(bed, sessiond.url, session=SESSION, env={"USER_API_TOKEN": agent}).start()
    sidecar.http.token = agent
    sidecar.wait_healthy()
    mine = {f"k{i}": i for i in range(6)}

    def user():
        return http.get(API + "/zed-config/user").json()["set"]

    def pending():
        return http.get(API + "/zed-config/pending").json()["pending"]

    def hold():
        sidecar.save({**BASE, **mine})
        until(lambda: user() == {f"/{k}": v for k, v in mine.items()}, "the server has them")
        sidecar.save(BASE)
        return until(pending, "it is seen")[0]

    def restored():
        sidecar.until_value(lambda v: v == {**BASE, **mine}, "it is back in the file")
        until(lambda: pending() == [], "nothing is held any more")
        assert user() == {f"/{k}": v for k, v in mine.items()}
    held = hold()
    assert held["kind"] == "bulk_delete" and sorted(held["paths"]) == sorted(f"/{k}" for k in mine)
    assert http.post(f"{API}/zed-config/pending/{held['id']}", {"action": "undo"}).status == 200
    restored()
    held = hold()  # decided while the daemon is away
    sidecar.kill()
    assert http.post(f"{API}/zed-config/pending/{held['id']}", {"action": "undo"}).status == 200
    sidecar.start().wait_healthy()
    restored()
    held = hold()  # sessiond is away in between
    sessiond.kill()
    sessiond.start().wait_ready()
    assert [h["id"] for h in pending()] == [held["id"]]
    assert http.post(f"{API}/zed-config/pending/{held['id']}", {"action": "undo"}).status == 200
    restored()
    held = hold()  # decided at the daemon
    assert sidecar.http.post("/confirm", {"id": held["id"]}).status == 200
    until(lambda: pending() == [] and user() == {}, "it is carried out, and nothing is held any more")
    for action, status in (("nonsense", 400), ("undo", 404)):
        assert http.post(f"{API}/zed-config/pending/{held['id']}", {"action": action}).status == status


def test_the_broker_is_away(world):
    """Each route says so with 503 and when to come again; nothing accepted is lost, nothing refused is there later."""
    world.bed.broker.kill()
    routes = [("GET", "/zed-config", None), ("PUT", "/zed-config", {"settings": {"lost": 1}}),
              ("GET", "/zed-config/user", None), ("POST", "/zed-config/user", {"ops": {"set": {"/lost": 1}}}),
              ("POST", "/zed-config/user", {"lost": 1}), ("GET", "/zed-settings", None),
              ("GET", "/zed-settings?explain=/theme", None), ("GET", "/zed-config/history", None),
              ("POST", "/zed-config/rollback", {"revision": 0}), ("GET", "/zed-config/pending", None),
              ("GET", "/claude-credentials", None), ("PUT", "/codex-credentials", {"OPENAI_API_KEY": "k"})]
    until(lambda: world.http.get(API + "/zed-config").status == 503, "it is noticed")
    for method, path, body in routes:
        answer = world.http(method, API + path, body)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, (method, path, answer)
        assert answer.json()["error"]["code"] == "UNAVAILABLE"
    world.sidecar.save({**BASE, "kept": 1})
    world.bed.broker.start()
    world.until_set({"/kept": 1})
    assert world.http.get(API + "/zed-config").json()["settings"] == BASE
    assert len(world.history()) == 2
