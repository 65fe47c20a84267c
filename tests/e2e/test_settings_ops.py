"""Operations on overrides: done once, by whoever and wherever they are sent; nothing is lost on the way."""
import json
import threading

from harness import Http, until

API = "/api/v1/sessions/ses_o"
USER = API + "/zed-config/user"
BASE = {"theme": "Ayu Dark", "list": [1, 2], "context_servers": {"helix-rag": {"url": "http://h"}}}


def put(http, **parts):
    return http.put(API + "/zed-config", parts)


def ops(http, op_id=None, client=None, headers=None, **what):
    body = {"ops": what, **({"op_id": op_id} if op_id else {}), **({"client": client} if client else {})}
    return http.post(USER, body, headers=headers)


def at_once(calls):
    """What each of @calls returns, all begun together."""
    answers, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(i):
        gate.wait()
        answers[i] = calls[i]()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_an_old_operation_is_still_known(bed, http):
    """After hundreds of others and a restart of everything: the first answer again, and nothing is done."""
    put(http, settings=BASE)
    first = ops(http, "old", set={"/a": 1, "/telemetry": {}}, **{"del": ["/context_servers/helix-rag"]})
    assert first.json()["rejected"]
    for i in range(200):
        assert ops(http, f"n{i}", set={"/n": i}).status == 200
    sessiond = next(p for p in bed.processes if p.name == "sessiond")
    sessiond.kill()
    bed.broker.restart()
    sessiond.start().wait_ready()
    ops(http, set={"/a": 2})
    again = ops(http, "old", set={"/a": 1, "/telemetry": {}}, **{"del": ["/context_servers/helix-rag"]})
    assert again.body == first.body and again.headers["ETag"] == first.headers["ETag"]
    assert http.get(USER).json()["set"]["/a"] == 2


def test_an_operation_without_effect_is_not_done_later(http):
    """It said what was so already. Told again, after it is so no more, it changes nothing either."""
    ops(http, "x", set={"/a": 1})
    first = ops(http, "y", set={"/a": 1})
    assert first.json()["revision"] == 1
    ops(http, "z", set={"/a": 2})
    assert ops(http, "y", set={"/a": 1}).json() == first.json()
    assert http.get(USER).json()["set"] == {"/a": 2}


def test_an_op_id_is_for_one_body(http):
    """Other operations under a used op_id are refused; the same ones in another layout are the same."""
    ops(http, "x", set={"/a": 1})
    assert ops(http, "x", set={"/a": 2}).status == 409
    assert http.get(USER).json()["set"] == {"/a": 1}
    spaced = http.post(USER, '{ "op_id" : "x",\n "ops" : { "set" : { "/a" : 1 } } }',
                       headers={"Content-Type": "application/json"})
    assert spaced.json()["revision"] == 1
    # a refused one has used nothing up
    assert ops(http, "y", set={"/list/0/x": 1, "/list/0": 2}).status == 422
    assert ops(http, "y", set={"/b": 1}).status == 200


def test_a_lost_answer_with_a_stale_condition(http):
    """The repeat of what was done is answered, though its If-Match is stale by its own doing."""
    put(http, settings=BASE)
    tag = http.get(USER).headers["ETag"]
    first = ops(http, "x", set={"/a": 1}, headers={"If-Match": tag})
    assert first.status == 200
    assert ops(http, "x", set={"/a": 1}, headers={"If-Match": tag}).json() == first.json()
    assert ops(http, "y", set={"/a": 1}, headers={"If-Match": tag}).status == 412


def test_one_operation_sent_many_times_at_once(bed, http):
    """Through two replicas: one revision, and everybody gets its answer."""
    other = bed.sessiond(name="other").start().wait_ready().http
    put(http, settings=BASE)
    until(lambda: other.get(USER).status == 200, "the other replica knows the session")
    for n in range(5):
        calls = [lambda h=h, n=n: ops(h, f"op{n}", set={f"/k{n}": n}) for h in (http, other) * 6]
        answers = at_once(calls)
        assert {a.status for a in answers} == {200}
        assert len({a.body for a in answers}) == 1
    history = http.get(API + "/zed-config/history").json()["history"]
    assert [e["revision"] for e in history] == [6, 5, 4, 3, 2, 1]


def test_many_writers_through_two_replicas(bed, http):
    """Sixty at once: all accepted, all there, dense numbers, each answer its own."""
    other = bed.sessiond(name="other").start().wait_ready().http
    put(http, settings=BASE)
    until(lambda: other.get(USER).status == 200, "the other replica knows the session")
    answers = at_once([lambda h=h, i=i: ops(h, f"w{i}", set={f"/k{i}": i})
                       for i, h in enumerate((http, other) * 30)])
    assert {a.status for a in answers} == {200}
    assert sorted(a.json()["revision"] for a in answers) == list(range(2, 62))
    assert http.get(USER).json()["set"] == {f"/k{i}": i for i in range(60)}


def test_the_replaced_is_named(http):
    """Two containers set one path: the later wins and hears whose it replaced; history has both."""
    ops(http, "a1", client="A", set={"/theme": "A", "/other": 1})
    ops(http, "a2", client="A", set={"/theme": "A2"})
    answer = ops(http, "b1", client="B", set={"/theme": "B"}).json()
    assert answer["superseded"] == [{"path": "/theme", "revision": 2, "actor": "local"}]
    assert ops(http, "b1", client="B", set={"/theme": "B"}).json() == answer
    assert "superseded" not in ops(http, "b2", client="B", set={"/theme": "B2"}).json()
    gone = ops(http, "c1", client="C", clear=["/theme", "/other"]).json()["superseded"]
    assert [(s["path"], s["revision"]) for s in gone] == [("/other", 1), ("/theme", 4)]
    changes = [c for e in http.get(API + "/zed-config/history").json()["history"] for c in e["changes"]]
    assert [c["new"] for c in changes if c["path"] == "/theme"] == [None, "B2", "B", "A2", "A"]
    assert "recent" not in http.get(USER).body.decode()


def test_accepted_means_stored(bed):
    """sessiond killed again and again under writers that repeat what was not answered: each is done once."""
    bed.nats().start()
    sessiond = bed.sessiond().start().wait_ready()
    http, done, stop = sessiond.http, [], threading.Event()

    def write(worker):
        n = 0
        while not stop.is_set():
            op = f"w{worker}-{n}"
            try:
                answer = ops(http, op, set={f"/w{worker}": n})
            except OSError:
                continue
            except Exception as e:  # noqa: BLE001 a connection cut in the middle of an answer
                assert "http" in type(e).__module__, e
                continue
            if answer.status == 200:
                done.append((op, answer.json()["revision"]))
                n += 1
            else:
                assert answer.status == 503 and answer.headers["Retry-After"], answer
    workers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for w in workers:
        w.start()
    for _ in range(5):
        before = len(done)
        until(lambda n=before: len(done) > n + 20, "writers get on")
        sessiond.kill()
        sessiond.start()
    stop.set()
    sessiond.wait_ready()
    for w in workers:
        w.join()
    trail, cursor = [], ""
    while cursor is not None:
        page = http.get(f"{API}/zed-config/history?limit=200" + (f"&cursor={cursor}" if cursor else "")).json()
        trail, cursor = trail + page["history"], page["next_cursor"]
    assert [e["revision"] for e in trail] == list(range(len(trail), 0, -1))
    made = [e["op_id"] for e in trail]
    assert len(set(made)) == len(made), "an operation was done twice"
    assert {(e["op_id"], e["revision"]) for e in trail} >= set(done)


def test_malformed_operations(http):
    """400 for what is no request, 422 naming every path for operations that cannot be; nothing is stored."""
    put(http, settings=BASE)
    h = {"Content-Type": "application/json"}
    for body in ("", "[]", "{", '{"ops":{}', "nonsense", '{"a":1,}', "/* c */ {}", '{"a":[1,]}', '{"a":1} x',
                 "\ufeff{}".encode(), b'{"a":"\xff"}', '{"a":01}', "{'a':1}", '{"a":"\t"}', "{a:1}", "// c"):
        answer = http.post(USER, body, headers=h)
        assert (answer.status, answer.json()["error"]["message"]) == (400, "invalid request body"), body
    assert http.post(USER, "{}").status == 415
    for op_id in ("", 5, "x" * 129, ["a"]):
        assert http.post(USER, {"ops": {"set": {"/a": 1}}, "op_id": op_id}).status == 400, op_id
    r = http.post(USER, {"ops": {"set": {"a": 1, "": 2, "/x": 1, "/x/y": 2, "/list/0": 5}, "del": ["/~2"],
                                 "clear": ["/list/1"]}})
    assert r.status == 422
    assert {p["path"] for p in r.json()["error"]["paths"]} >= {"a", "", "/x/y", "/~2"}
    r = http.post(USER, {"ops": {"set": {"/list/0": 5}, "del": ["/list/1"], "clear": ["/list/2/x"]}})
    assert r.status == 422 and len(r.json()["error"]["paths"]) == 3
    many = {f"/list/{i}": i for i in range(300)}
    assert len(http.post(USER, {"ops": {"set": many}}).json()["error"]["paths"]) == 300
    assert http.get(USER).json()["revision"] == 0
    # not an object of set, del, clear: settings by the names of ops and more
    assert http.post(USER, {"ops": {"up": 1}, "op_id": "x"}).json()["revision"] == 2
    assert http.get(USER).json()["set"] == {"/ops/up": 1, "/op_id": "x"}


def test_sizes(http):
    """512 KiB of base, of overrides, of an app's base; more is 413 and nothing is stored."""
    fits, big = "x" * (511 * 1024), "x" * (513 * 1024)
    assert put(http, settings={"a": fits}).status == 200
    assert put(http, settings={"a": big}).status == 413
    assert ops(http, set={"/b": fits}).status == 200
    assert ops(http, set={"/b": big}).status == 413
    assert ops(http, set={"/c": "x" * 2000}).status == 413
    assert http.post(USER, {"b": big}).status == 413
    assert http.put("/api/v1/apps/a/zed-settings", {"settings": {"a": big}}).status == 413
    assert http.put(API + "/zed-config", {"settings": {"a": "x" * 1100000}}).status == 413
    merged = http.get(API + "/zed-settings").json()
    assert len(merged["a"]) == len(merged["b"]) == len(fits) and "c" not in merged


def test_conditions(http):
    """Lists, *, weak tags; a write whose condition fails stores nothing."""
    put(http, settings=BASE)
    ops(http, set={"/a": 1})
    for tag, status in (('"2"', 304), ('W/"2"', 304), ('"7", W/"2"', 304), ("*", 304), ('"1"', 200), ('"22"', 200),
                        ("2", 200), ('"x","y"', 200), ('"1\\"2"', 200)):
        assert http.get(USER, headers={"If-None-Match": tag}).status == status, tag
    for tag, status in (('"1"', 412), ('W/"2"', 412), ("2", 412), ('"22", "12"', 412), ('"9", "2"', 200)):
        assert ops(http, set={"/b": tag}, headers={"If-Match": tag}).status == status, tag
    assert ops(http, set={"/b": 2}, headers={"If-Match": "*"}).status == 200
    # the plain document of Helix's daemon knows no conditions
    assert http.post(USER, {"a": 3}, headers={"If-Match": '"1"'}).status == 200
    version = http.get(API + "/zed-config").headers["ETag"]
    for tag, status in ((version[:-1] + '0"', 412), ("W/" + version, 412), (version, 200), ("*", 200)):
        assert http.put(API + "/zed-config", {"settings": {"t": tag}}, headers={"If-Match": tag}).status == status, tag
    assert http.put("/api/v1/sessions/ses_new/zed-config", {"settings": {}},
                    headers={"If-None-Match": "*"}).status == 200
    assert http.put(API + "/zed-config", {"settings": {}}, headers={"If-None-Match": "*"}).status == 412


def test_number_text_of_overrides(http):
    """The same number in other words is kept in those words; a base's number too."""
    h = {"Content-Type": "application/json"}
    for text in ("1", "1.0", "1e0", "10e-1", "1e400", "-0", "0.1e-999", '"\\ud800"', "9" * 400):
        assert http.post(USER, '{"ops":{"set":{"/n":%s}}}' % text, headers=h).status == 200
        assert f'"/n":{text}' in http.get(USER).body.decode()
        assert f'"n":{text}' in http.get(API + "/zed-settings").body.decode()
    assert http.put(API + "/zed-config", '{"settings":{"m":1}}', headers=h).json() == {"version": 10}
    assert http.put(API + "/zed-config", '{"settings":{"m":1.0}}', headers=h).json() == {"version": 11}
    assert '"old":1,"new":1.0' in http.get(API + "/zed-config/history").body.decode()


def test_what_a_del_and_a_set_mean(http):
    """del of what the base lacks and set to what it says forget the override; clear forgets all below."""
    put(http, settings={"o": {"x": 1, "y": 2}, "theme": "A"})
    ops(http, set={"/o/x": 5, "/o/z": 3, "/theme": "B", "/new": 1}, **{"del": ["/o/y"]})
    assert http.get(USER).json()["del"] == ["/o/y"]
    assert ops(http, set={"/theme": "A"}, **{"del": ["/new"]}).json()["rejected"] == []
    got = http.get(USER).json()
    assert got["set"] == {"/o/x": 5, "/o/z": 3} and got["del"] == ["/o/y"]
    assert got["overrides"] == {"o": {"x": 5, "z": 3}}
    ops(http, clear=["/o"])
    assert http.get(USER).json()["set"] == {} and http.get(API + "/zed-settings").json()["o"] == {"x": 1, "y": 2}
    ops(http, **{"del": ["/o"]})
    assert "o" not in http.get(API + "/zed-settings").json()


def test_what_no_user_may_set(http):
    """Protected and owned paths are rejected with their rule, the rest is taken; in plain documents left out."""
    put(http, settings={**BASE, "agent": {"default_model": {"provider": "p", "model": "m"}}})
    answer = ops(http, set={"/telemetry/metrics": True, "/agent/default_model/model": "mine", "/vim_mode": True}).json()
    assert answer["rejected"] == [{"path": "/telemetry/metrics", "rule": "protected"},
                                  {"path": "/agent/default_model/model", "rule": "helix-owned"}]
    assert http.get(USER).json()["set"] == {"/vim_mode": True}
    assert http.post(USER, {"telemetry": {"metrics": True}, "agent": {"default_model": {"model": "x"}},
                            "theme": "Ayu Dark", "tab_size": 3}).status == 200
    assert http.get(USER).json()["set"] == {"/tab_size": 3}


def test_roles_at_the_letter(bed):
    """Each role at each route of settings: as the contract has it, and nothing more."""
    bed.nats().start()
    ctl, tokens = bed.ctl(), bed.path / "tokens"

    def secret(role, sub, *more):
        return ctl("token", "new", "--role", role, "--sub", sub, "--append", tokens, *more).out.strip()
    secrets = {"admin": secret("admin", "root"), "service": secret("service", "helix"), "user": secret("user", "alice"),
               "other": secret("user", "bob"), "operator": secret("operator", "op"),
               "agent": secret("agent", "zi", "--session", "ses_o"),
               "elsewhere": secret("agent", "zj", "--session", "ses_else")}
    sessiond = bed.sessiond("--tokens", tokens).start().wait_ready()
    who = {name: Http(sessiond.port, token) for name, token in secrets.items()}
    who["service"].post("/api/v1/sessions", {"id": "ses_o", "owner": "alice"})
    all_users, owner = {"admin", "service", "user", "agent"}, {"admin", "service", "user"}
    service = {"admin", "service"}
    claude = {"accessToken": "a", "refreshToken": "r", "expiresAt": 1}
    codex = {"OPENAI_API_KEY": None, "tokens": {"access_token": "a"}, "last_refresh": "2026-01-02T03:04:05Z"}
    table = [
        ("GET", "/zed-config", None, all_users), ("PUT", "/zed-config", {}, service),
        ("GET", "/zed-config/user", None, all_users), ("POST", "/zed-config/user", {}, all_users),
        ("GET", "/zed-settings", None, all_users), ("GET", "/zed-settings?explain=/a", None, all_users),
        ("GET", "/zed-config/history", None, owner), ("POST", "/zed-config/rollback", {"revision": 0}, owner),
        ("GET", "/zed-config/pending", None, owner),
        ("PUT", "/claude-credentials", claude, all_users), ("GET", "/claude-credentials", None, all_users),
        ("PUT", "/codex-credentials", codex, all_users), ("GET", "/codex-credentials", None, all_users),
        ("POST", "/agent-config-applied", None, all_users),
    ]
    for method, path, body, allowed in table:
        for name, http in who.items():
            status = http(method, API + path, body).status
            assert status == (200 if name in allowed else 403), (method, path, name, status)
        assert Http(sessiond.port)(method, API + path, body).status == 401
    for name, http in who.items():
        for method, body in (("GET", None), ("PUT", {})):
            assert http(method, "/api/v1/apps/a/zed-settings", body).status == (200 if name in service else 403), name
    assert who["service"]("DELETE", API + "/zed-config").status == 405
    assert who["service"].get("/api/v1/sessions/nowhere/zed-config").status == 404
    assert who["user"].get("/api/v1/sessions/ses_unknown/zed-config").status == 403
    assert json.loads(who["agent"].get(API + "/zed-config").body)["version"] == 0


def test_many_small_overrides(http):
    """A hundred thousand in 512 KiB, in several requests: all are there, and one more is not one less."""
    http.get(API + "/zed-config")
    for part in range(4):
        sets = {f"/{part}{i:x}": 1 for i in range(11000)}
        assert ops(http, set=sets).status == 200
    assert ops(http, set={"/one/more": 1}).status == 200
    assert len(http.get(USER).json()["set"]) == 44001
    assert len(merged := http.get(API + "/zed-settings").json()) == 44001 and merged["one"] == {"more": 1}
