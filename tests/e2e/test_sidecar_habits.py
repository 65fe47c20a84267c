"""settings-sync-daemon and what users and editors do: insisting, leaving a file broken, migrating, saving what they had
not reloaded, moving on to another session."""
import json
import os
import select
import time

import pytest

from fake_settings import FakeSettings
from harness import SLOWER, until
from sidecar import Sidecar

RAG = {"helix-rag": {"url": "http://h/rag"}}
BASE = {"context_servers": RAG, "theme": "Ayu Dark", "n": 0}


@pytest.fixture
def sidecar(bed, server):
    s = Sidecar(bed, server.url, "--offer-restore-ms", 300 * SLOWER).start().wait_healthy()
    until(lambda: server.pushes, "it listens to the server")
    return s


def events(sidecar, kind):
    return [e for e in sidecar.status()["events"] if e["type"] == kind]


def test_who_deletes_three_times_insists(sidecar):
    """The entry comes back each time, told once a save; the third time within a minute that is noticed."""
    for i in range(1, 4):
        assert not events(sidecar, "user_insists")
        sidecar.save({"theme": "Ayu Dark", "n": 0})
        until(lambda: len(events(sidecar, "restored")) == i, f"it is restored, {i}")  # noqa: B023
        sidecar.until_value(lambda v: v.get("context_servers") == RAG, "it is back")
    assert [e["path"] for e in events(sidecar, "user_insists")] == ["/context_servers/helix-rag"]
    assert sidecar.value()["context_servers"] == RAG and len(events(sidecar, "restored")) == 3


def test_last_good_text_is_offered_not_taken(server, sidecar):
    """Long invalid: the last good text is offered; it comes when it is asked for, with what the server changed."""
    broken = "{ \"theme\": \"Mine\", oops"
    sidecar.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    sidecar.save(broken)
    where = until(lambda: sidecar.status()["invalid"], "it is said to be invalid")
    assert (where["line"], where["column"]) == (1, 20) and where["message"] and where["since"]
    assert sidecar.http.post("/restore").status == 404
    server.put_base({**BASE, "n": 1})
    offer = until(lambda: sidecar.status()["pending"], "it is offered", 5)[0]
    assert offer["kind"] == "last_good" and sidecar.text() == broken
    assert sidecar.http.post("/undo", {"id": offer["id"]}).status == 400 and sidecar.text() == broken
    assert sidecar.http.post("/restore", {"id": offer["id"]}).status == 200
    assert sidecar.value() == {**BASE, "n": 1, "mine": 1} and server.set == {"/mine": 1}
    status = sidecar.status()
    assert status["state"] == "ok" and status["invalid"] is None and status["pending"] == []
    kept = sidecar.home / ".local/state/helix-settings/bak"
    assert broken in [p.read_text() for p in kept.iterdir()], "the broken text is kept"


def test_offer_goes_with_the_trouble(sidecar):
    """Repaired by hand: nothing is offered any more."""
    sidecar.save("{")
    until(lambda: sidecar.status()["pending"], "it is offered", 5)
    sidecar.save({**BASE, "mine": 1})
    until(lambda: sidecar.status()["state"] == "ok", "it is valid")
    assert sidecar.status()["pending"] == [] and sidecar.http.post("/restore").status == 404


def test_migration_of_the_editor(server, sidecar):
    """A name that changed while the editor kept its old settings beside the file: renamed, not deleted."""
    server.put_base({**BASE, "old_name": "v"})
    sidecar.until_value(lambda v: v.get("old_name") == "v", "the base is in the file")
    (sidecar.path.parent / "settings_backup.json").write_text(sidecar.text())
    sidecar.save({**BASE, "new_name": "v"}, rename=True)
    told = until(lambda: events(sidecar, "migrated"), "it is told")
    assert told[0]["path"] == "/old_name"
    until(lambda: not sidecar.status()["upload"]["waiting"], "all is quiet")
    assert "/old_name" not in server.dels and sidecar.value() == {**BASE, "new_name": "v"}


def test_the_same_save_without_a_backup_is_no_migration(server, sidecar):
    """The name is deleted, and another one added: both are the user's."""
    server.put_base({**BASE, "old_name": "v"})
    sidecar.until_value(lambda v: v.get("old_name") == "v", "the base is in the file")
    sidecar.save({**BASE, "new_name": "v"}, rename=True)
    until(lambda: server.dels == ["/old_name"] and server.set == {"/new_name": "v"}, "both are at the server")
    assert not events(sidecar, "migrated")


def test_a_stale_buffer_is_suspected(server, sidecar):
    """A save that takes back all of the last write is told; it counts all the same."""
    before = sidecar.value()
    server.put_base({**BASE, "n": 1, "theme": "One Light"})
    sidecar.until_value(lambda v: v["n"] == 1, "the change is in the file")
    sidecar.save({**before, "n": 1, "mine": 1})
    until(lambda: server.set.get("/mine") == 1, "a save that takes back a part")
    assert not events(sidecar, "stale_buffer")
    sidecar.save({**before, "mine": 2})
    until(lambda: events(sidecar, "stale_buffer"), "a save that takes back all")
    until(lambda: server.set == {"/mine": 2, "/n": 0, "/theme": "Ayu Dark"}, "it counts")


def test_what_no_server_has_goes_along_to_another_session(bed, server):
    """Saved while the server was away, then the same file for another session: what was uploaded stays the first
    one's, the rest is the user's there."""
    s = Sidecar(bed, server.url).start().wait_healthy()
    s.save({**BASE, "uploaded": 1})
    until(lambda: server.set == {"/uploaded": 1}, "one is at the server")
    until(lambda: not s.status()["upload"]["waiting"], "that is known")
    server.stop()
    s.save({**BASE, "uploaded": 1, "kept": 2})
    until(lambda: s.status()["upload"]["waiting"], "the other waits")
    until(lambda: s.status()["file"]["state"] == "ok", "it is remembered")
    s.kill()
    other = FakeSettings(bed.port(), session="ses_2")
    other.put_base({**BASE, "theme": "Other"}, push=False)
    other.start()
    t = Sidecar(bed, other.url, session="ses_2", name="second").start().wait_healthy()
    t.until_value(lambda v: v == {**BASE, "theme": "Other", "kept": 2}, "what no server had is still there")
    until(lambda: other.set == {"/kept": 2}, "now this one has it")
    kept = t.home / ".local/state/helix-settings/bak"
    assert any('"uploaded"' in p.read_text() for p in kept.iterdir()), "the text before is kept"
    t.stop()
    other.stop()


def test_C13_a_deleted_file_comes_back(server, sidecar):
    """Soon, and as it was; nothing of it counts as deleted."""
    sidecar.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    took = []
    for _ in range(5):
        until(lambda: sidecar.status()["state"] == "ok", "all is quiet")
        began = time.monotonic()
        sidecar.path.unlink()
        while not sidecar.path.exists():
            assert time.monotonic() < began + 10
            select.select([], [], [], 0.001)
        took.append(time.monotonic() - began)
        assert sidecar.value() == {**BASE, "mine": 1}
    assert min(took) < 0.1, took
    sidecar.expect_log("settings_created")
    assert server.set == {"/mine": 1} and not server.dels


def test_C15_a_dangling_link_gets_its_file(bed, server):
    """The file is made where the link leads; the link stays."""
    s = Sidecar(bed, server.url)
    target = bed.path / "dotfiles" / "zed.json"
    target.parent.mkdir()
    s.path.symlink_to(target)
    s.start().wait_healthy()
    until(lambda: target.exists() and json.loads(target.read_text()) == BASE, "the file is there")
    assert s.path.is_symlink() and os.readlink(s.path) == str(target)
    (s.path.parent / "themes").rmdir()  # it was made before any editor could look
