"""Settings at the server: revisions, conditions, operations, history, rollback, what is held."""
import base64
import json
import shutil
import threading

import ws_raw
from harness import Http, until
from proxy import Proxy

API = "/api/v1/sessions/ses_s"
BASE = {"theme": "Ayu Dark", "context_servers": {
    "helix-rag": {"url": "http://h", "headers": {"Authorization": "Bearer T1"}},
    "team": {"command": "c", "args": []}}}


def put(http, **parts):
    return http.put(API + "/zed-config", parts)


def ops(http, op_id=None, headers=None, **what):
    body = {"ops": what}
    if op_id:
        body["op_id"] = op_id
    return http.post(API + "/zed-config/user", body, headers=headers)


def test_numbers_keep_their_text(http):
    """Number and string text comes back as it was sent, through base, overrides and merged view."""
    h = {"Content-Type": "application/json"}
    base = '{"settings":{"big":9007199254740993,"x":1.50e+2,"s":"\\u0041"}}'
    assert http.put(API + "/zed-config", base, headers=h).status == 200
    assert http.post(API + "/zed-config/user", '{"ops":{"set":{"/y":0.10}}}', headers=h).status == 200
    for part in ('"big":9007199254740993', '"x":1.50e+2', '"s":"\\u0041"', '"y":0.10'):
        assert part in http.get(API + "/zed-settings").body.decode()
    assert '"x":1.50e+2' in http.get(API + "/zed-config").body.decode()


def test_one_counter_and_its_conditions(http):
    """Base and overrides share a counter; ETags answer 304 and stale ones 412."""
    assert http.get(API + "/zed-config").json()["version"] == 0
    assert put(http, settings=BASE).json() == {"version": 1}
    assert ops(http, set={"/a": 1}).json()["revision"] == 2
    assert put(http, helix={"color_scheme": "dark"}).json() == {"version": 3}
    got = http.get(API + "/zed-config")
    assert got.headers["ETag"] == '"3"' and got.json()["color_scheme"] == "dark"
    assert http.get(API + "/zed-config", headers={"If-None-Match": '"3"'}).status == 304
    assert http.put(API + "/zed-config", {"settings": {}}, headers={"If-Match": '"1"'}).status == 412
    assert ops(http, set={"/a": 2}, headers={"If-Match": '"1"'}).status == 412
    assert ops(http, set={"/a": 2}, headers={"If-Match": '"2"'}).json()["revision"] == 4
    assert http.get(API + "/zed-config").json() == got.json()


def test_what_zed_would_reject_is_refused_whole(http):
    """422 names every path, and nothing is stored."""
    r = put(http, settings={"theme": "x", "context_servers": {"a": {"command": "c"}, "b": 5}, "languages": {"Go": 1}})
    assert r.status == 422
    assert [p["path"] for p in r.json()["error"]["paths"]] == [
        "/context_servers/a/args", "/context_servers/b", "/languages/Go"]
    assert http.get(API + "/zed-config").json()["version"] == 0
    for bad in ({"settings": []}, {"unknown": 1}):
        assert http.put(API + "/zed-config", bad).status == 400
    for bad in ({"policy": {"rules": [{"path": "x", "class": "protected"}]}}, {"helix": {"color_scheme": "blue"}}):
        assert http.put(API + "/zed-config", bad).status == 422


def test_an_operation_is_done_once(http):
    """The same op_id again gets the same answer, however many came in between."""
    put(http, settings=BASE)
    first = ops(http, "o1", set={"/a": 1}, **{"del": ["/context_servers/helix-rag"]})
    assert first.json()["rejected"] == [{"path": "/context_servers/helix-rag", "rule": "no-delete"}]
    ops(http, "o2", set={"/a": 2})
    assert ops(http, "o1", set={"/a": 1}, **{"del": ["/context_servers/helix-rag"]}).json() == first.json()
    assert http.get(API + "/zed-config/user").json()["set"] == {"/a": 2}


def test_writers_at_once_lose_nothing(http):
    """Disjoint operations of many writers are all there, with dense revisions."""
    threads = [threading.Thread(target=ops, args=(http, f"w{i}"), kwargs={"set": {f"/k{i}": i}}) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert http.get(API + "/zed-config/user").json()["set"] == {f"/k{i}": i for i in range(8)}
    revisions = [e["revision"] for e in http.get(API + "/zed-config/history").json()["history"]]
    assert revisions == list(range(8, 0, -1))


def test_history_tells_changes_and_no_secret(http):
    """Newest first, page by page, before and after; a secret is a hash, also where another policy came later."""
    put(http, settings=BASE)
    put(http, settings={**BASE, "theme": "One"}, policy={"rules": [{"path": "/theme", "class": "user-wins"}]})
    ops(http, set={"/theme": "X"})
    page = http.get(API + "/zed-config/history?limit=2").json()
    assert [e["revision"] for e in page["history"]] == [3, 2]
    assert page["history"][0]["changes"] == [{"path": "/theme", "old": "One", "new": "X"}]
    rest = http.get(API + "/zed-config/history?limit=2&cursor=" + page["next_cursor"]).json()
    assert [e["kind"] for e in rest["history"]] == ["base"] and rest["next_cursor"] is None
    assert "Bearer T1" not in json.dumps(page) + json.dumps(rest) and "secret:" in json.dumps(rest)
    assert http.get(API + "/zed-config/history?cursor=x").status == 400


def test_history_tells_absent_from_null(http):
    """Both sides are always there; what is absent is null, and a side that really is null is named."""
    ops(http, set={"/a": None})
    ops(http, set={"/a": 1})
    ops(http, clear=["/a"])
    changes = [e["changes"][0] for e in http.get(API + "/zed-config/history").json()["history"]]
    assert changes == [{"path": "/a", "old": 1, "new": None},
                       {"path": "/a", "old": None, "new": 1, "nulls": ["old"]},
                       {"path": "/a", "old": None, "new": None, "nulls": ["new"]}]


def test_rollback_goes_forward(http):
    """To a revision, or one path of it; what was is a new revision, and history stays."""
    put(http, settings=BASE)
    ops(http, set={"/theme": "X", "/vim_mode": True})
    put(http, settings={"theme": "One"})
    ops(http, clear=["/theme", "/vim_mode"])
    assert http.post(API + "/zed-config/rollback", {"revision": 2, "path": "/theme"}).json() == {"revision": 5}
    assert http.get(API + "/zed-settings").json() == {"theme": "X"}
    assert http.post(API + "/zed-config/rollback", {"revision": 2}).json() == {"revision": 6}
    assert http.get(API + "/zed-settings").json() == {**BASE, "theme": "X", "vim_mode": True}
    assert http.post(API + "/zed-config/rollback", {"revision": 77}).status == 404
    assert len(http.get(API + "/zed-config/history").json()["history"]) == 6


def test_explain_names_side_and_revision(http):
    """Who gives a value, since when, and what it covers."""
    put(http, settings=BASE)
    ops(http, set={"/theme": "X"})
    ops(http, set={"/other": 1})
    why = http.get(API + "/zed-settings?explain=/theme").json()
    assert (why["side"], why["value"], why["shadowed"], why["revision"]) == ("user", "X", "Ayu Dark", 2)
    assert http.get(API + "/zed-settings?explain=/context_servers/team/command").json()["side"] == "base"
    assert http.get(API + "/zed-settings?explain=/nothing").json()["side"] == "default"


def test_apps_pass_their_base_on(http):
    """A session's base lies over its app's, and its version moves with both."""
    http.post("/api/v1/sessions", {"id": "ses_s", "app_id": "app_1"})
    assert http.put("/api/v1/apps/app_1/zed-settings", {"settings": {"a": 1, "o": {"x": 1}}}).status == 200
    before = http.get(API + "/zed-config").json()
    put(http, settings={"o": {"y": 2}})
    after = http.get(API + "/zed-config").json()
    assert before["settings"] == {"a": 1, "o": {"x": 1}}
    assert after["settings"] == {"a": 1, "o": {"x": 1, "y": 2}} and after["version"] > before["version"]


def test_what_is_held_can_be_decided(http):
    """An instance reports, a user decides, the instance finds the decision."""
    put(http, settings=BASE)
    held = {"client": "i1", "held": [{"id": "h1", "kind": "bulk_delete", "paths": ["/a"]}]}
    assert http.post(API + "/zed-config/pending", held).status == 200
    assert http.post(API + "/zed-config/pending/h2", {"action": "undo"}).status == 404
    assert http.post(API + "/zed-config/pending/h1", {"action": "undo"}).status == 200
    assert [p["action"] for p in http.get(API + "/zed-config/pending").json()["pending"]] == ["undo"]
    http.post(API + "/zed-config/pending", {"client": "i1", "held": []})
    assert http.get(API + "/zed-config/pending").json() == {"pending": []}


def test_settings_survive_the_broker(bed):
    """Killed and started again: what was acknowledged is there, and the counter goes on."""
    broker = bed.nats().start()
    http = bed.sessiond().start().wait_ready().http
    put(http, settings=BASE)
    ops(http, set={"/a": 1})
    broker.kill()
    until(lambda: put(http, settings={}).status == 503, "503 without a broker")
    broker.start()
    until(lambda: http.get(API + "/zed-config/user").status == 200, "the broker is back")
    assert http.get(API + "/zed-config/user").json()["set"] == {"/a": 1}
    assert ops(http, set={"/b": 2}).json()["revision"] == 3


def test_a_broker_that_forgot_everything_is_believed(bed):
    """Revisions and documents begin anew at it: nothing of what was remembered is mixed in."""
    broker = bed.nats().start()
    http = bed.sessiond().start().wait_ready().http
    for i in range(5):
        put(http, settings={**BASE, "old": i})
        ops(http, set={"/mine": i})
    broker.kill()
    shutil.rmtree(bed.path / "nats")
    broker.start()
    until(lambda: put(http, settings={"theme": "new"}).status == 200, "the broker is back")
    for i in range(5):
        assert put(http, settings={"theme": str(i)}).status == 200
        assert http.get(API + "/zed-config").json()["settings"] == {"theme": str(i)}
        assert ops(http, set={"/new": i}).status == 200
        assert http.get(API + "/zed-config/user").json()["set"] == {"/new": i}


def test_replicas_take_turns(bed):
    """Each writes after what the other has just written, under its condition, and is never told that it is late."""
    bed.nats().start()
    a, b = (bed.sessiond(name=n).start().wait_ready().http for n in "ab")
    etag = put(a, settings={"n": 0}).headers["ETag"]
    user = ops(a, set={"/u": 0}).headers["ETag"]
    for i in range(1, 41):
        one, other = (a, b) if i % 2 else (b, a)
        answer = one.put(API + "/zed-config", {"settings": {"n": i}}, headers={"If-Match": etag})
        assert answer.status == 200
        assert other.get(API + "/zed-config").json()["settings"] == {"n": i}
        etag = answer.headers["ETag"]
        answer = ops(other, set={"/u": i}, headers={"If-Match": user})
        assert answer.status == 200
        assert one.get(API + "/zed-config/user").json()["set"] == {"/u": i}
        user = answer.headers["ETag"]
        assert one.put(API + "/zed-config", {"settings": {}}, headers={"If-Match": '"1"'}).status == 412


def test_a_deleted_session_leaves_nothing(http):
    """Another session of that id begins at nothing."""
    put(http, settings=BASE)
    ops(http, set={"/a": 1})
    assert http("DELETE", API).status == 204
    until(lambda: http.get(API + "/zed-config").json().get("version") == 0, "nothing is left")
    assert http.get(API + "/zed-config/user").json()["revision"] == 0


def test_who_may_what(bed):
    """Base and policy are the service's; history its owner's; an agent reads and reports."""
    bed.nats().start()
    ctl, tokens = bed.ctl(), bed.path / "tokens"

    def secret(role, sub, *more):
        return ctl("token", "new", "--role", role, "--sub", sub, "--append", tokens, *more).out.strip()
    secrets = {"service": secret("service", "helix"), "alice": secret("user", "alice"),
               "bob": secret("user", "bob"), "agent": secret("agent", "zi", "--session", "ses_s")}
    sessiond = bed.sessiond("--tokens", tokens).start().wait_ready()
    who = {name: Http(sessiond.port, token) for name, token in secrets.items()}
    who["service"].post("/api/v1/sessions", {"id": "ses_s", "owner": "alice"})
    for name, expected in {"service": 200, "alice": 403, "bob": 403, "agent": 403}.items():
        assert put(who[name], settings=BASE).status == expected, name
    for name, expected in {"service": 200, "alice": 200, "bob": 403, "agent": 200}.items():
        assert who[name].get(API + "/zed-config").status == expected, name
        assert ops(who[name], set={"/" + name: 1}).status == expected, name
    for name, expected in {"service": 200, "alice": 200, "bob": 403, "agent": 403}.items():
        assert who[name].get(API + "/zed-config/history").status == expected, name
    assert who["alice"].get("/api/v1/apps/a/zed-settings").status == 403
    # a user's rollback moves the user's overrides alone
    assert who["alice"].post(API + "/zed-config/rollback", {"revision": 0}).status == 200
    assert who["alice"].get(API + "/zed-settings").json() == BASE


def test_a_replica_tells_what_it_missed(bed):
    """Cut off from the broker while another replica changes settings, then back: its subscribers are told."""
    broker = bed.nats().start()
    relay = Proxy(bed.port(), broker.port)
    near = bed.sessiond(name="near").start().wait_ready()
    far = bed.sessiond(name="far", nats=f"nats://127.0.0.1:{relay.port}").start().wait_ready()
    put(near.http, settings=BASE)
    ws = ws_raw.connect(far.port, "/api/v1/ws/user?session_id=ses_s")
    put(near.http, settings={**BASE, "a": 1})
    while ws.json().get("revision") != 2:
        pass  # base and first change; what comes later was missed
    relay.cut()
    until(lambda: not far.ready()[0], "the far replica notices")
    put(near.http, settings={**BASE, "a": 2})
    ops(near.http, set={"/b": 1})
    relay.mend()
    told = []
    while {"config_changed", "user_settings_changed"} - {event["type"] for event in told}:
        told.append(ws.json())
    assert [e["revision"] for e in told if e["type"] == "config_changed"] == [3]
    assert far.http.get(API + "/zed-config").json()["settings"]["a"] == 2
    ws.close()
    relay.cut()


def test_what_was_dropped_on_the_way_is_told(bed):
    """More comes from the broker than can be taken, and messages are dropped: each revision is told all the same, once,
    in order."""
    broker = bed.nats().start()
    sessiond = bed.sessiond().start().wait_ready()
    put(sessiond.http, settings=BASE)
    for i in range(25):
        sessiond.http.post("/api/v1/sessions", {"id": f"ses_f{i}", "app_id": "app_f"})
    ws = ws_raw.connect(sessiond.port, "/api/v1/ws/user?session_id=ses_s")
    record = b'{"revision":1,"base_rev":1}'
    one = b"PUB session.v1.feed.settings.app.app_f %d\r\n%s\r\n" % (len(record), record)
    with broker.connect() as flood, broker.connect() as n:
        commit = "session.v1.settings.commit.ses.ses_s"
        last = json.loads(base64.b64decode(n.stream_get("SESSION_SETTINGS", last_by_subj=commit)["data"]))
        last_revision = 1
        while last_revision < 11 or (not sessiond.logged("broker_gap") and last_revision < 100):
            last_revision += 1
            flood.sock.sendall(one * 30000)
            n.js_publish(commit, json.dumps({**last, "revision": last_revision, "base_rev": last_revision}).encode())
        flood.flush(timeout=60)
    told = []
    while last_revision not in told:
        told.append(ws.json(timeout=60)["revision"])
    assert told == list(range(2, last_revision + 1))
    sessiond.expect_log("broker_gap")
    ws.close()
