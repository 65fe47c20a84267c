"""What was changed, by whom, and how to go back; what must not be readable anywhere."""
import hashlib
import json

import ws_raw
from harness import b64, until

API = "/api/v1/sessions/ses_t"
USER = API + "/zed-config/user"
BASE = {"theme": "Ayu Dark", "tabs": 2, "context_servers": {
    "helix-rag": {"url": "http://h", "headers": {"Authorization": "Bearer S3cretBase"}},
    "team": {"command": "c", "args": [], "env": {"GH_TOKEN_X": "S3cretEnv"}}}}


def put(http, **parts):
    answer = http.put(API + "/zed-config", parts)
    assert answer.status == 200, answer
    return answer.json()["version"]


def ops(http, op_id=None, **what):
    answer = http.post(USER, {"ops": what, **({"op_id": op_id} if op_id else {})})
    assert answer.status == 200, answer
    return answer.json()


def history(http, limit=200):
    """All pages."""
    entries, cursor = [], ""
    while cursor is not None:
        page = http.get(f"{API}/zed-config/history?limit={limit}" + (f"&cursor={cursor}" if cursor else "")).json()
        entries, cursor = entries + page["history"], page["next_cursor"]
    return entries


def rollback(http, revision, path=None):
    return http.post(API + "/zed-config/rollback", {"revision": revision, **({"path": path} if path else {})})


def merged(http):
    return http.get(API + "/zed-settings").json()


def explain(http, path):
    return http.get(API + "/zed-settings?explain=" + path).json()


def test_the_trail_is_a_chain(bed, http):
    """Each record names the hash of the one before and of its documents, as they are in the stream."""
    put(http, settings=BASE)
    ops(http, "o1", set={"/theme": "X"})
    put(http, policy={"rules": [{"path": "/theme", "class": "helix-owned"}]})
    ops(http, "o2", set={"/vim_mode": True})
    assert rollback(http, 2).status == 200
    with bed.broker.connect() as n:
        stored = {m["seq"]: {**m, "data": b64(m["data"])} for m in n.stream_all("SESSION_SETTINGS")}
    records = [(m["seq"], m["data"]) for m in stored.values() if ".commit.ses.ses_t" in m["subject"]]
    prev_seq, prev_hash, seen = 0, "", {}
    for i, (seq, data) in enumerate(sorted(records), 1):
        record = json.loads(data)
        assert record["revision"] == i
        assert (record.get("prev_seq", 0), record.get("prev", "")) == (prev_seq, prev_hash)
        for kind in ("base", "user"):
            if record[f"{kind}_seq"]:
                sealed = stored[record[f"{kind}_seq"]]["data"]
                assert record[f"{kind}_hash"] == hashlib.sha256(sealed).hexdigest()
        prev_seq, prev_hash = seq, hashlib.sha256(data).hexdigest()
        seen[i] = prev_hash
    assert {e["revision"]: e["hash"] for e in history(http)} == seen


def test_secrets_are_nowhere(bed, http):
    """Not in history, logs, metrics, answers to bad requests or events, nor in what the broker stores on its disk."""
    secrets = ["S3cretBase", "S3cretEnv", "S3cretUser", "S3cretNew", "S3cretBad", "S3cretClaude", "S3cretCodex",
               "S3cretPlain", "S3cretApp"]
    ws = ws_raw.connect(http.port, "/api/v1/ws/user?session_id=ses_t")
    with http.events(API + "/events") as events:
        put(http, settings=BASE)
        http.put("/api/v1/apps/a/zed-settings", {"settings": {"x": {"api_key": "S3cretApp"}}})
        ops(http, "a", set={"/context_servers/helix-rag/headers/Authorization": "Bearer S3cretUser",
                            "/lm/api_key": "S3cretUser"})
        ops(http, "b", set={"/context_servers/helix-rag/headers": {"Authorization": "Bearer S3cretNew"},
                            "/lm": {"list": [{"api_key": "S3cretNew"}]}})
        bad = [http.post(USER, {"ops": {"set": {"bad": "S3cretBad", "/telemetry": "S3cretBad"}}}),
               http.post(USER, '{"ops":{"set":{"/a":"S3cretBad"}', headers={"Content-Type": "application/json"}),
               http.put(API + "/zed-config", {"settings": {"context_servers": {"x": {"command": "S3cretBad"}}}}),
               http.put(API + "/zed-config", {"policy": {"rules": [{"path": "S3cretBad", "class": "S3cretBad"}]}}),
               http.put(API + "/zed-config", {"helix": {"color_scheme": "S3cretBad"}}),
               http.put(API + "/claude-credentials", {"accessToken": "S3cretBad"})]
        assert {b.status for b in bad} == {400, 422}
        http.post(USER, {"lm": {"api_key": "S3cretPlain"}})
        http.put(API + "/claude-credentials", {"accessToken": "S3cretClaude", "refreshToken": "r", "expiresAt": 1})
        http.put(API + "/codex-credentials", {"tokens": {"access_token": "S3cretCodex"}})
        http.post(API + "/zed-config/pending", {"client": "c", "held": [
            {"id": "h", "kind": "bulk_delete", "paths": ["/lm/api_key"]}]})
        assert rollback(http, 2).json()["revision"] == 5
        told = [json.dumps(next(events)[2])]
        while '"revision": 5' not in told[-1]:
            told.append(json.dumps(next(events)[2]))
    told_ws = [json.dumps(ws.json())]
    while '"revision": 5' not in told_ws[-1]:
        told_ws.append(json.dumps(ws.json()))
    ws.close()
    assert merged(http)["lm"]["api_key"] == "S3cretUser", "sealed, and opened for the rollback"
    texts = {"history": json.dumps(history(http)), "metrics": http.get("/metrics").body.decode(),
             "events": "".join(told + told_ws), "errors": "".join(b.body.decode() for b in bad)}
    assert "secret:" in texts["history"]
    with bed.broker.connect() as n:
        for stream in ("SESSION_SETTINGS", "KV_session_settings"):
            for m in n.stream_all(stream):
                texts[f"{stream} {m['subject']} {m['seq']}"] = b64(m["data"]).decode("latin-1")
    bed.broker.kill()
    for path in bed.path.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("latin-1")
    assert any("nats" in name and ".blk" in name for name in texts), "the broker's files were looked at"
    assert [(name, s) for name, text in texts.items() for s in secrets if s in text] == []


def test_pages_stay_in_place(http):
    """New changes between two pages move nothing: each is told once, none is left out."""
    for i in range(25):
        ops(http, set={"/n": i})
    first = http.get(API + "/zed-config/history?limit=10").json()
    for i in range(5):
        ops(http, set={"/m": i})
    second = http.get(f"{API}/zed-config/history?limit=10&cursor={first['next_cursor']}").json()
    third = http.get(f"{API}/zed-config/history?limit=10&cursor={second['next_cursor']}").json()
    told = [e["revision"] for page in (first, second, third) for e in page["history"]]
    assert told == list(range(25, 0, -1)) and third["next_cursor"] is None
    assert len(http.get(API + "/zed-config/history").json()["history"]) == 30
    for query in ("limit=0", "limit=201", "limit=x", "limit=-1", "limit=", "limit=1.5", "cursor=", "cursor=zz",
                  "cursor=" + first["next_cursor"][:-1]):
        assert http.get(f"{API}/zed-config/history?{query}").status == 400, query
    assert http.get(f"/api/v1/sessions/ses_u/zed-config/history?cursor={first['next_cursor']}").status == 404
    http.get("/api/v1/sessions/ses_u/zed-config")
    assert http.get(f"/api/v1/sessions/ses_u/zed-config/history?cursor={first['next_cursor']}").status == 400
    assert http.get("/api/v1/sessions/ses_u/zed-config/history").json() == {"history": [], "next_cursor": None}


def test_an_entry_of_history(http):
    """Kind, actor, time, and each path with before and after; null where there was or is nothing."""
    put(http, settings={"a": 1, "o": {"x": 1, "y": None}})
    ops(http, set={"/a": 2, "/new": {"deep": True}}, **{"del": ["/o/x"]})
    put(http, settings={"a": 1, "o": {"y": None}}, helix={"color_scheme": "dark"})
    put(http, policy={"rules": []})
    put(http, settings={"a": 1, "o": {"y": None}})  # nothing changes, nothing is recorded
    entries = history(http)
    assert [(e["revision"], e["kind"], e["actor"]) for e in entries] == [
        (4, "policy", "local"), (3, "base", "local"), (2, "user", "local"), (1, "base", "local")]
    assert all(e["at"].endswith("Z") and len(e["at"]) == 24 for e in entries)
    assert sorted((c["path"], c["old"], c["new"]) for c in entries[2]["changes"]) == [
        ("/a", 1, 2), ("/new/deep", None, True), ("/o/x", 1, None)]
    assert [(c["path"], c["old"], c["new"]) for c in entries[3]["changes"]] == [
        ("/a", None, 1), ("/o/x", None, 1), ("/o/y", None, None)]
    assert {c["path"] for c in entries[1]["changes"]} == {"/o/x", "/color_scheme"}


def test_rollback_of_everything(http):
    """Base, policy, Helix fields and overrides as of then, as a new revision; to nothing at all as well."""
    put(http, settings=BASE, helix={"color_scheme": "dark"})
    ops(http, set={"/theme": "X", "/k": 1}, **{"del": ["/tabs"]})
    then = (merged(http), http.get(USER).json()["set"], http.get(USER).json()["del"])
    put(http, settings={"other": 1}, helix={"color_scheme": "light"},
        policy={"rules": [{"path": "/z", "class": "protected"}]})
    ops(http, clear=["/theme", "/k", "/tabs"])
    assert rollback(http, 2).json() == {"revision": 5}
    assert (merged(http), http.get(USER).json()["set"], http.get(USER).json()["del"]) == then
    config = http.get(API + "/zed-config").json()
    assert config["color_scheme"] == "dark" and "policy" not in config and config["version"] == 5
    assert rollback(http, 5).json() == rollback(http, 2).json() == {"revision": 5}, "it is so already"
    assert rollback(http, 0).json() == {"revision": 6}
    assert merged(http) == {} and http.get(API + "/zed-config").json()["settings"] == {}
    assert [e["kind"] for e in history(http)][:2] == ["rollback", "rollback"]
    for body in ({"revision": 7}, {"revision": 10**12}):
        assert http.post(API + "/zed-config/rollback", body).status == 404, body
    for body in ({}, {"revision": -1}, {"revision": "x"}, {"revision": 1.5}, {"revision": None},
                 {"revision": 1, "path": "theme"}, {"revision": 1, "path": ""}, {"revision": 1, "path": 5}):
        assert http.post(API + "/zed-config/rollback", body).status == 400, body


def test_rollback_of_one_path(http):
    """The path alone, in base and overrides; a path that was not there then is not there afterwards."""
    put(http, settings=BASE)
    ops(http, set={"/context_servers/team/env/A": "1", "/theme": "X"})
    put(http, settings={**BASE, "tabs": 8, "context_servers": {"team": {"command": "d", "args": []}}})
    ops(http, set={"/context_servers/team/env/A": "2", "/theme": "Y", "/late": 1})
    assert rollback(http, 2, "/context_servers/team").json() == {"revision": 5}
    now = merged(http)
    assert now["context_servers"] == {"team": {**BASE["context_servers"]["team"], "env": {
        "GH_TOKEN_X": "S3cretEnv", "A": "1"}}}
    assert (now["theme"], now["tabs"], now["late"]) == ("Y", 8, 1)
    assert rollback(http, 2, "/late").json() == {"revision": 6}
    assert "late" not in merged(http)
    assert rollback(http, 2, "/never/there").json() == {"revision": 6}
    assert rollback(http, 2, "/tabs").json() == {"revision": 7} and merged(http)["tabs"] == 2


def test_rollback_keeps_what_is_owned_now(http):
    """A path that has become Helix's is not given back to the user."""
    put(http, settings=BASE)
    ops(http, set={"/theme": "X", "/free": 1})
    ops(http, clear=["/theme", "/free"])
    put(http, policy={"rules": [{"path": "/theme", "class": "helix-owned"}]})
    assert rollback(http, 2, "/theme").json() == {"revision": 4}
    assert rollback(http, 2, "/free").json() == {"revision": 5}
    assert http.get(USER).json()["set"] == {"/free": 1} and merged(http)["theme"] == "Ayu Dark"


def test_far_back(bed, http):
    """Hundreds of revisions, broker and sessiond restarted: any of them is found, and history is whole."""
    put(http, settings=BASE)
    for i in range(2, 301):
        ops(http, set={"/n": i})
    sessiond = next(p for p in bed.processes if p.name == "sessiond")
    sessiond.kill()
    bed.broker.restart()
    sessiond.start().wait_ready()
    assert [e["revision"] for e in history(http)] == list(range(300, 0, -1))
    for to in (2, 255, 256, 257, 299, 128, 3):
        assert rollback(http, to).status == 200
        assert merged(http)["n"] == to


def test_explain_every_side(http):
    """User, base, app, default; covered values, deletions, what a user chose and the base says too."""
    http.post("/api/v1/sessions", {"id": "ses_t", "app_id": "app_1"})
    http.put("/api/v1/apps/app_1/zed-settings", {"settings": {"app": 1, "tabs": 4}})
    put(http, settings=BASE)
    ops(http, set={"/theme": "X", "/o/x": 1}, **{"del": ["/tabs"]})
    ops(http, set={"/elsewhere": 1})

    def at(path):
        e = explain(http, path)
        assert e["path"] == path
        return e["side"], e["value"], e["rule"], e["revision"], e["actor"], e.get("shadowed")
    assert at("/theme") == ("user", "X", "user-wins", 2, "local", "Ayu Dark")
    assert at("/tabs") == ("user", None, "user-wins", 2, "local", 2)
    assert at("/o") == ("user", {"x": 1}, "user-wins", 2, "local", None)
    assert at("/context_servers/helix-rag/url") == ("base", "http://h", "no-delete", 1, "local", None)
    assert at("/app") == ("base", 1, "user-wins", 1, "local", None)
    assert at("/nothing/here") == ("default", None, "user-wins", None, None, None)
    assert at("/telemetry")[2] == "protected"
    put(http, settings={**BASE, "theme": "X"})
    assert at("/theme") == ("user", "X", "user-wins", 2, "local", "X")
    ops(http, clear=["/theme"])
    assert at("/theme") == ("base", "X", "user-wins", 4, "local", None)
    for path in ("theme", "/~2", "x"):
        assert http.get(API + "/zed-settings?explain=" + path).status == 400
    assert explain(http, "/theme")["at"].endswith("Z")


def test_an_app_and_its_sessions(bed, http):
    """Its change is told to its sessions and no other; conditions, and the session's own over it."""
    other = bed.sessiond(name="other").start().wait_ready().http
    app = "/api/v1/apps/app_1/zed-settings"
    assert http.get(app).json()["version"] == 0
    for i, app_id in enumerate(("app_1", "app_1", "app_2")):
        http.post("/api/v1/sessions", {"id": f"ses_{i}", "app_id": app_id})
    put_own = http.put("/api/v1/sessions/ses_1/zed-config", {"settings": {"o": {"mine": 1}}})
    assert put_own.status == 200
    until(lambda: other.get("/api/v1/sessions/ses_2").status == 200, "the other replica knows them")
    sockets = [ws_raw.connect(other.port, f"/api/v1/ws/user?session_id=ses_{i}") for i in range(3)]
    assert http.put(app, {"settings": {"o": {"theirs": 2}, "context_servers": {"x": {"url": "u"}}},
                          "policy": {"rules": [{"path": "/o", "class": "helix-owned"}]},
                          "helix": {"color_scheme": "dark"}}).status == 200
    for ws in sockets[:2]:
        event = ws.json()
        assert event["type"] == "config_changed" and event["app_id"] == "app_1"
    configs = [http.get(f"/api/v1/sessions/ses_{i}/zed-config").json() for i in range(3)]
    assert configs[0]["settings"]["o"] == {"theirs": 2} and configs[1]["settings"]["o"] == {"theirs": 2, "mine": 1}
    assert configs[0]["context_servers"] == {"x": {"url": "u"}} and configs[0]["color_scheme"] == "dark"
    assert configs[2]["settings"] == {} and configs[2]["version"] == 0
    rejected = http.post("/api/v1/sessions/ses_0/zed-config/user", {"ops": {"set": {"/o/theirs": 3}}}).json()
    assert rejected["rejected"] == [{"path": "/o/theirs", "rule": "helix-owned"}]
    tag = http.get(app).headers["ETag"]
    assert http.get(app, headers={"If-None-Match": tag}).status == 304
    assert http.put(app, {"settings": {}}, headers={"If-Match": '"77"'}).status == 412
    # a part of an entry is no entry, but over the app's it is one
    part = {"settings": {"context_servers": {"x": {"enabled": False}}}}
    assert http.put("/api/v1/sessions/ses_2/zed-config", part).status == 422
    assert http.put("/api/v1/sessions/ses_0/zed-config", part).status == 200
    assert merged_of(http, "ses_0")["context_servers"] == {"x": {"url": "u", "enabled": False}}
    # nothing was told to the third until its own came
    http.put("/api/v1/sessions/ses_2/zed-config", {"settings": {"a": 1}})
    assert sockets[2].json()["revision"] == 1
    for ws in sockets:
        ws.close()


def merged_of(http, session):
    return http.get(f"/api/v1/sessions/{session}/zed-settings").json()


def test_fields_of_the_base(http):
    """A session nobody configured; the flat fields by type; absent keeps, null resets, unknown is refused."""
    h = {"Content-Type": "application/json"}
    empty = http.get(API + "/zed-config")
    assert empty.status == 200 and empty.json() == {
        "settings": {}, "version": 0, "session_id": "ses_t", "context_servers": {}, "theme": ""}
    assert empty.headers["ETag"] == '"0"'
    put(http, settings={"theme": {"mode": "system", "light": "L", "dark": "D"}, "agent": "no",
                        "assistant": {"version": "2"}},
        helix={"color_scheme": "light", "code_agent_config": {"runtime": "codex_cli", "max_tokens": 1},
               "claude_subscription_available": True})
    ops(http, set={"/assistant/mine": 1, "/context_servers/x": {"url": "u"}})
    first, second = http.get(API + "/zed-config"), http.get(API + "/zed-config")
    assert first.body == second.body
    got = first.json()
    assert got["theme"] == "" and "agent" not in got and got["assistant"] == {"version": "2"}
    assert got["context_servers"] == {} and got["color_scheme"] == "light" and got["claude_subscription_available"]
    put(http, helix={"color_scheme": None})
    got = http.get(API + "/zed-config").json()
    assert "color_scheme" not in got and got["code_agent_config"]["runtime"] == "codex_cli"
    assert put(http) == got["version"], "nothing said, nothing changed"
    put(http, settings=None, helix=None)
    assert set(http.get(API + "/zed-config").json()) == set(empty.json())
    for body in ({"setings": {}}, {"settings": []}, {"settings": "x"}, {"policy": 1}, {"helix": []}):
        assert http.put(API + "/zed-config", body).status == 400, body
    for body in ({"helix": {"colour": "x"}}, {"helix": {"code_agent_config": {"max_tokens": "many"}}},
                 {"policy": {"rules": [{"path": "/a", "class": "nobodys"}]}}, {"policy": {"rulez": []}}):
        assert http.put(API + "/zed-config", body).status == 422, body
    for text in ("", "{", "[]", "1", '{"settings":{}} x', '{"settings":{"a":1,}}'):
        assert http.put(API + "/zed-config", text, headers=h).status == 400, text
    assert http.put(API + "/zed-config", "{}", headers={"Content-Type": "text/plain"}).status == 415
    all_bad = http.put(API + "/zed-config", {"settings": {"context_servers": {f"s{i}": {"command": "c"}
                       for i in range(150)}}, "policy": {"rules": 1}, "helix": {"color_scheme": "x"}})
    assert all_bad.status == 422 and len(all_bad.json()["error"]["paths"]) == 152
