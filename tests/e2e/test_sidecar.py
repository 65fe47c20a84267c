"""settings-sync-daemon on a real file, with a settings server that can be told to misbehave."""
import json
import os

import pytest

from fake_settings import reply
from harness import until
from sidecar import Sidecar

BASE = {"context_servers": {"helix-rag": {"url": "http://h/rag"}}, "theme": "Ayu Dark", "format_on_save": "off"}


@pytest.fixture
def sidecar(bed, server):
    return Sidecar(bed, server.url).start().wait_healthy()


def settled(server, sidecar):
    """The server has what the user changed, and the sidecar knows it."""
    until(lambda: not sidecar.status()["upload"]["waiting"], "everything is uploaded")


def test_file_is_there_before_it_is_healthy(bed, server):
    """/health says OK once the file says what the server wants, and it is nobody else's to read."""
    s = Sidecar(bed, server.url).start().wait_healthy()
    assert s.value() == BASE
    assert s.path.stat().st_mode & 0o077 == 0
    s.wait_ready()
    assert s.status()["state"] == "ok"


def test_change_at_the_server_is_written_in_place(server, sidecar):
    """A push brings the new base; the inode stays, comments and the user's own keys too."""
    inode = sidecar.path.stat().st_ino
    sidecar.save('// mine\n' + sidecar.text().replace("{", '{\n  "vim_mode": true, // yes', 1))
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")
    server.put_base({**BASE, "theme": "One Light", "tab_size": 3})
    until(lambda: "One Light" in sidecar.text(), "the theme is in the file")
    text = sidecar.text()
    assert "// mine" in text and "// yes" in text and '"tab_size": 3' in text and '"vim_mode": true' in text
    assert sidecar.path.stat().st_ino == inode


@pytest.mark.parametrize("rename", [False, True], ids=["in place", "by rename"])
def test_save_becomes_an_override(server, sidecar, rename):
    """A value changed, one added, one removed: three operations, one upload, with If-Match and op_id."""
    sidecar.save({"context_servers": BASE["context_servers"], "theme": "Mine", "tab_size": 2}, rename)
    until(lambda: server.user_revision, "the overrides are at the server")
    assert server.set == {"/theme": "Mine", "/tab_size": 2} and server.dels == ["/format_on_save"]
    posts = server.asked_for("POST", "zed-config/user")
    assert len(posts) == 1 and posts[0][2]["If-Match"] == '"0"' and json.loads(posts[0][3])["op_id"]
    settled(server, sidecar)
    assert sidecar.value()["theme"] == "Mine"


def test_own_write_is_no_save(server, sidecar):
    """What the sidecar writes does not come back as the user's."""
    for i in range(5):
        server.put_base({**BASE, "tab_size": i})
        sidecar.until_value(lambda v: v.get("tab_size") == i, "the base is in the file")  # noqa: B023
    settled(server, sidecar)
    assert not server.asked_for("POST", "zed-config/user")


def test_override_made_elsewhere_arrives(server, sidecar):
    """What another instance or zedctl sets is in the file at once."""
    server.put_user({"/tab_size": 7})
    sidecar.until_value(lambda v: v.get("tab_size") == 7, "the other's override is in the file")
    server.put_user(dels=["/tab_size"])
    sidecar.until_value(lambda v: "tab_size" not in v, "it is gone again")
    assert not server.asked_for("POST", "zed-config/user")


def test_stale_upload_is_made_anew(server, sidecar):
    """Another's change in between: 412, read again, and both are kept."""
    server.put_user({"/tab_size": 7}, push=False)
    sidecar.save({**BASE, "vim_mode": True})
    until(lambda: server.set == {"/tab_size": 7, "/vim_mode": True}, "both are at the server")
    sidecar.until_value(lambda v: v.get("tab_size") == 7 and v.get("vim_mode"), "both are in the file")
    assert len(server.asked_for("POST", "zed-config/user")) == 2


def test_lost_answer_is_asked_for_again(server, sidecar):
    """The connection is cut after the server took the upload: the same op_id again, and it counts once."""
    def take_and_cut(h):
        server.wrong.clear()
        server.apply(json.loads(server.asked[-1][3])["ops"])
        doc = json.loads(server.asked[-1][3])
        server.seen_ops[doc["op_id"]] = {"status": "ok", "revision": server.user_revision}
        h.connection.shutdown(2)

    server.wrong["POST zed-config/user"] = take_and_cut
    sidecar.save({**BASE, "vim_mode": True})
    until(lambda: len(server.asked_for("POST", "zed-config/user")) == 2, "it is sent again")
    settled(server, sidecar)
    ids = {json.loads(a[3])["op_id"] for a in server.asked_for("POST", "zed-config/user")}
    assert len(ids) == 1 and server.user_revision == 2


def test_invalid_file_is_left_alone(server, sidecar):
    """Neither written nor uploaded; what the server changes meanwhile is merged when it is valid again."""
    broken = '{ "theme": "Mine", oops'
    sidecar.save(broken)
    status = until(lambda: (st := sidecar.status())["state"] == "invalid" and st, "it is said to be invalid")
    assert (status["invalid"]["line"], status["invalid"]["column"]) == (1, 20)
    server.put_base({**BASE, "tab_size": 3})
    until(lambda: sidecar.status()["revisions"]["base"] == server.base_revision, "the base was fetched")
    assert sidecar.text() == broken and not server.asked_for("POST", "zed-config/user")
    assert sidecar.http.get("/settings").json() == BASE
    sidecar.save({**BASE, "theme": "Mine"})
    sidecar.until_value(lambda v: v.get("tab_size") == 3 and v.get("theme") == "Mine", "both sides are in the file")
    until(lambda: server.set == {"/theme": "Mine"}, "the user's change is at the server")


def test_removed_file_is_made_again(server, sidecar):
    """A missing file is no deletion of what was in it, nor is an empty one."""
    sidecar.save({**BASE, "vim_mode": True})
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")
    sidecar.path.unlink()
    sidecar.until_value(lambda v: v == {**BASE, "vim_mode": True}, "the file is back")
    sidecar.path.write_text("")
    sidecar.until_value(lambda v: v == {**BASE, "vim_mode": True}, "the file is full again")
    assert server.set == {"/vim_mode": True} and not server.dels


def test_reserved_entry_comes_back(server, sidecar):
    """A helix-* server can be switched off, not deleted."""
    sidecar.save({k: v for k, v in BASE.items() if k != "context_servers"})
    sidecar.until_value(lambda v: v.get("context_servers") == BASE["context_servers"], "it is back")
    off = {**BASE, "context_servers": {"helix-rag": {"url": "http://h/rag", "enabled": False}}}
    sidecar.save(off)
    until(lambda: server.set == {"/context_servers/helix-rag/enabled": False}, "switched off, says the server")
    assert any(e["type"] == "restored" for e in sidecar.status()["events"])


def test_a_condition_that_never_holds_is_found_out(server, sidecar):
    """An upload is acknowledged under a name the server does not know: what it has is read whole, and both agree."""
    def acknowledge(h):
        server.wrong.clear()
        done = {"status": "ok", "revision": server.user_revision, "rejected": [], "invalid": []}
        reply(h, 200, done, {"ETag": '"odd"'})

    server.wrong["POST zed-config/user"] = acknowledge
    sidecar.save({**BASE, "a": 1})
    until(lambda: not server.wrong and not sidecar.status()["upload"]["waiting"], "it is acknowledged")
    sidecar.save({**sidecar.value(), "b": 2})
    until(lambda: server.set == {"/b": 2} and sidecar.value() == {**BASE, "b": 2}, "both say the same")
    assert len(server.asked_for("POST", "zed-config/user")) <= 4


def test_offline_changes_go_up_once(server, sidecar):
    """Saves while the server is away become one upload when it is back; its own changes come down."""
    server.stop()
    until(lambda: sidecar.status()["server"]["state"] == "away", "the sidecar says the server is away")
    for i in range(10):
        sidecar.save({**BASE, "tab_size": i, f"k{i}": i})
        until(lambda: sidecar.status()["events"] is not None and
              sidecar.http.get("/settings").json().get("tab_size") == i, "the save was seen")  # noqa: B023
    server.put_base({**BASE, "theme": "One Light"})
    server.start()
    until(lambda: server.set == {"/tab_size": 9, "/k9": 9}, "what is left of it is at the server", 20)
    sidecar.until_value(lambda v: v["theme"] == "One Light" and v["k9"] == 9, "both sides are in the file")
    assert len(server.asked_for("POST", "zed-config/user")) == 1


def test_restart_catches_up_both_ways(server, sidecar):
    """What changed on either side while it was not running is neither lost nor taken for the other's."""
    sidecar.save({**BASE, "vim_mode": True})
    settled(server, sidecar)
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")
    sidecar.kill()
    sidecar.save({**BASE, "tab_size": 2})
    server.put_base({**BASE, "theme": "One Light"})
    sidecar.start().wait_healthy()
    sidecar.until_value(lambda v: v == {**BASE, "theme": "One Light", "tab_size": 2}, "both changes are in the file")
    until(lambda: server.set == {"/tab_size": 2} and not server.dels, "the user's are at the server")


@pytest.mark.parametrize("known", [False, True], ids=["nothing known", "known from before"])
def test_server_away_at_start(bed, server, known):
    """A valid file stands and /health says OK all the same; /status says what is missing."""
    s = Sidecar(bed, server.url)
    if known:
        s.start().wait_healthy()
        s.stop()
        s.path.unlink()
    server.stop()
    s.start().wait_healthy()
    assert s.value() == (BASE if known else {})
    assert s.status()["server"]["state"] == "waiting" and s.ready()[0] is False
    s.save({**(BASE if known else {}), "vim_mode": True})
    server.start()
    s.until_value(lambda v: v == {**BASE, "vim_mode": True}, "both sides are in the file")
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")


@pytest.mark.parametrize("status, body", [(401, b"no"), (403, b""), (404, b"{}"), (500, b"oops"), (204, b""),
                                          (200, b"<html>"), (200, b"{"), (200, b"[]"), (200, b"{}" * (3 << 20))])
def test_wrong_answers_change_nothing(server, sidecar, status, body):
    """The file stays, the problem is told, and the next good answer counts."""
    before = sidecar.text()
    server.wrong["GET zed-config"] = lambda h: reply(h, status, body)
    server.put_base({**BASE, "theme": "One Light"})
    until(lambda: sidecar.status()["server"]["problem"], "the problem is told")
    assert sidecar.text() == before
    server.wrong.clear()
    sidecar.until_value(lambda v: v["theme"] == "One Light", "the good answer counts")


def test_refused_upload_is_kept(server, sidecar):
    """422 is not tried for ever; the file keeps what the user wrote, the next change is tried."""
    server.wrong["POST zed-config/user"] = lambda h: reply(h, 422, {"error": {"code": "UNPROCESSABLE"}})
    sidecar.save({**BASE, "tab_size": "x"})
    until(lambda: sidecar.status()["upload"]["refused"], "it is said to be refused")
    n = len(server.asked_for("POST", "zed-config/user"))
    server.wrong.clear()
    sidecar.http.post("/reload")
    assert len(server.asked_for("POST", "zed-config/user")) == n and sidecar.value()["tab_size"] == "x"
    sidecar.save({**BASE, "tab_size": 2})
    until(lambda: server.set == {"/tab_size": 2}, "the next is taken")


def test_server_that_forgot_is_told_again(server, sidecar):
    """Its revisions go back: what the user changed is uploaded anew."""
    sidecar.save({**BASE, "vim_mode": True})
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")
    settled(server, sidecar)
    server.put_user({"/tab_size": 1})
    sidecar.until_value(lambda v: v.get("tab_size") == 1, "revision 3 is known")
    server.stop()
    server.set, server.user_revision, server.seen_ops = {}, 0, {}
    server.start()
    until(lambda: server.set == {"/vim_mode": True, "/tab_size": 1}, "it is there again", 20)
    assert sidecar.value() == {**BASE, "vim_mode": True, "tab_size": 1}


def test_local_api(server, sidecar):
    """Reload, settings, status, metrics; what is asked wrongly is refused."""
    server.put_base({**BASE, "theme": "One Light"}, push=False)
    a = sidecar.http.get("/reload")
    assert (a.status, a.body) == (200, b"Reloaded") and sidecar.value()["theme"] == "One Light"
    assert sidecar.http.get("/settings").json()["theme"] == "One Light"
    assert sidecar.http.get("/nothing").status == 404 and sidecar.http.post("/settings").status == 405
    assert sidecar.http.post("/confirm").status == 404 and sidecar.http.post("/undo", {"id": 1}).status == 400
    assert sidecar.http.get("/settings", headers={"Origin": "http://evil"}).status == 403
    assert sidecar.http.get("/settings", headers={"Host": "evil:80"}).status == 403
    assert sidecar.metric("settings_sync_steps_total") > 0
    server.wrong["GET zed-config"] = lambda h: reply(h, 500, b"")
    a = sidecar.http.post("/reload")
    assert (a.status, a.body) == (500, b"HTTP 500")


def test_secrets_need_the_token(bed, server):
    """/settings shows secret values only to who shows USER_API_TOKEN; the server is shown it too."""
    server.token = "t0ken"
    server.put_base({"language_models": {"openai": {"api_key": "sk-1"}}})
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": "t0ken"}).start().wait_healthy()
    s.wait_ready()
    assert s.http.get("/settings").json() == {"language_models": {"openai": {"api_key": "***"}}}
    shown = s.http.get("/settings", headers={"Authorization": "Bearer t0ken"})
    assert shown.json() == {"language_models": {"openai": {"api_key": "sk-1"}}}
    assert "sk-1" not in s.log() and "t0ken" not in s.log()


def test_bulk_deletion_is_held(server, sidecar):
    """A save that removes most of what the user had waits for a word: undo brings it back, confirm makes it so."""
    mine = {f"k{i}": i for i in range(6)}
    sidecar.save({**BASE, **mine})
    until(lambda: len(server.set) == 6, "six overrides are at the server")
    settled(server, sidecar)
    sidecar.save(BASE)
    held = until(lambda: sidecar.status()["pending"], "the deletion waits")[0]
    assert held["kind"] == "bulk_delete" and len(held["paths"]) == 6 and len(server.set) == 6
    assert sidecar.http.post("/undo", {"id": held["id"]}).status == 200
    assert sidecar.value() == {**BASE, **mine} and not sidecar.status()["pending"]
    sidecar.save(BASE)
    until(lambda: sidecar.status()["pending"], "the deletion waits")
    assert sidecar.http.post("/confirm").status == 200
    until(lambda: not server.set, "the overrides are gone at the server")
    assert sidecar.value() == BASE


def test_first_contact_keeps_what_it_replaced(bed, server):
    """A file from before: the user's own keys become overrides, values Helix gives too are replaced, and can be had."""
    s = Sidecar(bed, server.url)
    s.save({"theme": "Mine", "vim_mode": True})
    s.start().wait_healthy()
    s.until_value(lambda v: v == {**BASE, "vim_mode": True}, "the base is in the file")
    until(lambda: server.set == {"/vim_mode": True}, "the user's own key is an override")
    waiting = s.status()["pending"][0]
    assert waiting["kind"] == "first_contact" and waiting["paths"] == ["/theme"]
    assert s.http.post("/restore", {"id": waiting["id"]}).status == 200
    assert s.value()["theme"] == "Mine"
    until(lambda: server.set == {"/vim_mode": True, "/theme": "Mine"}, "the restored is an override")


def test_C15_C16_symlinked_file_stays_a_symlink(bed, server):
    """The file it leads to is edited in place; a link that leads elsewhere is followed."""
    s = Sidecar(bed, server.url)
    dotfiles = bed.path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "a.json").write_text("{}")
    s.path.symlink_to(dotfiles / "a.json")
    s.start().wait_healthy()
    until(lambda: json.loads((dotfiles / "a.json").read_text()) == BASE, "the file behind the link has the base")
    (dotfiles / "b.json").write_text(json.dumps({**BASE, "vim_mode": True}))
    (dotfiles / "new").symlink_to(dotfiles / "b.json")
    os.rename(dotfiles / "new", s.path)
    until(lambda: server.set == {"/vim_mode": True}, "what the new target says is the user's")
    assert s.path.is_symlink() and s.status()["state"] == "ok"


def test_second_one_is_refused(bed, server, sidecar):
    """Two on one state folder: the second says so and ends."""
    other = Sidecar(bed, server.url, name="second")
    other.stop_code = None
    other.start()
    assert other.wait() == 1 and "another settings-sync-daemon" in other.log()


@pytest.mark.parametrize("env, flags, named", [
    ({"HELIX_SESSION_ID": ""}, (), "HELIX_SESSION_ID"), ({"HELIX_SESSION_ID": "a/b"}, (), "HELIX_SESSION_ID"),
    ({"HELIX_API_URL": "api:8080"}, (), "HELIX_API_URL"), ({}, ("--settings", "x.json"), "--settings"),
    ({}, ("--write-mode", "best"), "--write-mode"), ({}, ("--helix-root", "x"), "--helix-root"),
    ({"SETTINGS_SYNC_PORT": "x"}, (), "SETTINGS_SYNC_PORT")])
def test_bad_configuration_is_exit_2(bed, server, env, flags, named):
    """One line that names the setting."""
    s = Sidecar(bed, server.url, *flags, env=env)
    s.stop_code = None
    s.start()
    assert s.wait() == 2
    assert named in s.log() and len(s.log().splitlines()) == 1, s.log()
