"""settings-sync-daemon and the file system: the editor's saves, links, folders that go, files that cannot be had."""
import json
import os
import shutil

import pytest

from harness import until
from sidecar import Sidecar

BASE = {"theme": "Ayu Dark", "format_on_save": "off"}
ROUNDS = 100


@pytest.fixture
def sidecar(bed, server):
    return Sidecar(bed, server.url).start().wait_healthy()


@pytest.fixture
def zed(bed, sidecar):
    """A zed-sim on the same file: it watches the inode, and saves by rename."""
    sim = bed.sim("ses_1", env={"HOME": str(sidecar.home)}).start()
    sim.control.wait_stats(lambda st: st["settings"]["value"] == BASE, "Zed has loaded the file")
    return sim


def test_C08_editor_never_goes_deaf(server, sidecar, zed):
    """Its own saves put a new inode in place each time; it goes on hearing what the server changes."""
    inode = sidecar.path.stat().st_ino
    for i in range(ROUNDS):
        zed.control.save({**sidecar.value(), "mine": i})
        until(lambda: server.set.get("/mine") == i, f"save {i} is at the server")  # noqa: B023
        server.put_base({**BASE, "n": i})
        zed.control.wait_stats(lambda st: st["settings"]["value"].get("n") == i and  # noqa: B023
                               st["settings"]["value"].get("mine") == i, f"Zed has heard of change {i}")  # noqa: B023
    stats = zed.control.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == 0, stats
    until(lambda: sidecar.path.stat().st_ino == inode, "the inode it watches is in place")
    until(lambda: sidecar.status()["zed_watch"] == "alive", "it is seen to watch")
    assert sidecar.metric("settings_sync_rehomed_total") >= ROUNDS
    assert sidecar.metric("settings_sync_visible_to_read_seconds_count") > 0


def test_editor_that_came_later_is_not_made_deaf(bed, server, sidecar):
    """A save by rename before it started: the inode it found is the one that is kept."""
    sidecar.save({**BASE, "mine": 1}, rename=True)
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    zed = bed.sim("ses_1", env={"HOME": str(sidecar.home)}).start()
    zed.control.wait_stats(lambda st: st["settings"]["value"] == {**BASE, "mine": 1}, "Zed has loaded the file")
    sidecar.kill()
    sidecar.start().wait_healthy()
    server.put_base({**BASE, "n": 1})
    zed.control.wait_stats(lambda st: st["settings"]["value"].get("n") == 1, "Zed hears of the change")


def test_C09_write_into_the_inode_put_aside(server, sidecar, zed):
    """Who still had the replaced file open writes into it a moment later: that is a save too."""
    zed.control.save({**BASE, "mine": 1})
    with open(sidecar.path, "r+", encoding="utf-8"):
        pass
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    orphan = sidecar.home / ".local/state/helix-settings/orphan"
    until(orphan.exists, "the replaced inode is kept for a while")
    orphan.write_text(json.dumps({**BASE, "mine": 2}))
    sidecar.until_value(lambda v: v.get("mine") == 2, "the file says it")
    until(lambda: server.set == {"/mine": 2}, "the server has it")


def test_C14_folder_removed_and_made_again(server, sidecar):
    """Nothing of the user's is lost when the whole folder goes, and the new one is watched."""
    sidecar.save({**BASE, "vim_mode": True})
    until(lambda: server.set == {"/vim_mode": True}, "the override is at the server")
    shutil.rmtree(sidecar.path.parent)
    sidecar.until_value(lambda v: v == {**BASE, "vim_mode": True}, "file and folder are back")
    assert (sidecar.path.parent / "themes").is_dir()
    sidecar.save({**BASE, "vim_mode": False})
    until(lambda: server.set == {"/vim_mode": False}, "the new folder is watched")


def test_C14_folder_replaced_by_a_symlink(bed, server, sidecar):
    """A dotfiles manager moves the folder away and links to it: the file there is edited."""
    real = bed.path / "dotfiles-zed"
    os.rename(sidecar.path.parent, real)
    sidecar.path.parent.symlink_to(real)
    server.put_base({**BASE, "n": 1})
    until(lambda: json.loads((real / "settings.json").read_text()).get("n") == 1, "the file behind the link has it")
    (real / "settings.json").write_text(json.dumps({**BASE, "n": 1, "mine": True}))
    until(lambda: server.set == {"/mine": True}, "a save there is seen")


def test_C17_configuration_volume_is_read_only_but_heard(bed, server):
    """A k8s volume: the ..data swap is a change of the file; the file cannot be written, the edit goes up."""
    s = Sidecar(bed, server.url)
    volume = s.path.parent

    def publish(name, value):
        (volume / name).mkdir()
        (volume / name / "settings.json").write_text(json.dumps(value))
        (volume / name / "settings.json").chmod(0o444)
        (volume / "..tmp").symlink_to(name)
        os.rename(volume / "..tmp", volume / "..data")

    publish("..1", BASE)
    s.path.symlink_to("..data/settings.json")
    s.start().wait_healthy()
    publish("..2", {**BASE, "mine": True})
    until(lambda: server.set == {"/mine": True}, "the new content is the user's")
    server.put_base({**BASE, "n": 1})
    status = until(lambda: (st := s.status())["state"] == "not_writable" and st, "it is said that it cannot be written")
    assert "read-only" in status["last_error"] and s.http.get("/health").body == b"OK"


def test_C18_read_only_file_is_written_once_it_may_be(server, sidecar):
    """No retry storm; what the user changes still goes up; what the server changed arrives when the mode allows it."""
    sidecar.path.chmod(0o444)
    server.put_base({**BASE, "n": 1})
    until(lambda: sidecar.status()["state"] == "not_writable", "it is said that it cannot be written")
    sidecar.save({**BASE, "mine": True}, rename=True)
    until(lambda: server.set == {"/mine": True}, "a save by rename goes up")
    sidecar.until_value(lambda v: v.get("n") == 1 and v.get("mine"), "the new file may be written")
    assert sidecar.metric("settings_sync_writes_failed_total") < 10


def test_slow_saver_is_waited_for(server, sidecar):
    """Truncated, then written piece by piece: nothing is taken from in between, nothing is written into it."""
    text = json.dumps({**BASE, "mine": "x" * 5000}, indent=2)
    with open(sidecar.path, "w", encoding="utf-8") as f:
        for i in range(0, len(text), 1000):
            f.write(text[i:i + 1000])
            f.flush()
            until(lambda: sidecar.status()["file"]["state"] in ("settling", "invalid", "ok"), "looked at", 5)
    until(lambda: len(server.set.get("/mine", "")) == 5000, "the whole save is at the server")
    assert not server.dels and len(server.asked_for("POST", "zed-config/user")) == 1


def test_write_mode_is_known_before_the_first_write(bed, server):
    """What the file system can do is tried at the start, also when there is nothing to write."""
    s = Sidecar(bed, server.url)
    s.save(BASE)
    s.start().wait_healthy()
    write = until(lambda: (w := s.status()["write"])["mode"] != "auto" and w, "it is known")
    assert write["configured"] == "auto" and write["mode"] == "lease" and write["why"], write
    assert s.metric("settings_sync_writes_total") == 0


@pytest.mark.parametrize("mode", ["pad", "exchange", "lease"])
def test_write_modes(bed, server, mode):
    """Each mode writes the whole text, and says which one it was."""
    s = Sidecar(bed, server.url, "--write-mode", mode).start().wait_healthy()
    until(lambda: s.status()["write"] == {"configured": mode, "mode": mode, "why": "configured"}, "it is said")
    server.put_base({**BASE, "n": 1})
    s.until_value(lambda v: v.get("n") == 1, "the change is in the file")
    server.put_base({"theme": "x"})
    s.until_value(lambda v: v == {"theme": "x"}, "a shorter text too")
    assert s.status()["write"]["mode"] == mode and not server.asked_for("POST", "zed-config/user")


def test_editor_hears_of_exchanges_too(bed, server):
    """A new inode with each write; the one the editor watches goes back into its place, with the new text."""
    s = Sidecar(bed, server.url, "--write-mode", "exchange").start().wait_healthy()
    zed = bed.sim("ses_1", env={"HOME": str(s.home)}).start()
    zed.control.wait_stats(lambda st: st["settings"]["value"] == BASE, "Zed has loaded the file")
    inode = s.path.stat().st_ino
    for i in range(10):
        server.put_base({**BASE, "n": i})
        zed.control.wait_stats(lambda st: st["settings"]["value"].get("n") == i, f"Zed hears of {i}")  # noqa: B023
    until(lambda: s.path.stat().st_ino == inode, "the inode it watches is in place")
    stats = zed.control.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == 0 and not server.set, stats


def test_C15_C16_chain_of_links(bed, server):
    """Every link on the way is watched where it stands; the file at the end is edited, the links stay."""
    s = Sidecar(bed, server.url)
    for name in ("a", "b", "c"):
        (bed.path / name).mkdir()
    (bed.path / "b/real.json").write_text(json.dumps(BASE))
    (bed.path / "c/real.json").write_text(json.dumps({**BASE, "mine": 1}))
    (bed.path / "a/link.json").symlink_to("../b/real.json")
    s.path.symlink_to(bed.path / "a/link.json")
    s.start().wait_healthy()
    server.put_base({**BASE, "n": 1})
    until(lambda: json.loads((bed.path / "b/real.json").read_text()).get("n") == 1, "the end of the chain is edited")
    (bed.path / "a/new").symlink_to("../c/real.json")
    os.rename(bed.path / "a/new", bed.path / "a/link.json")
    until(lambda: server.set.get("/mine") == 1, "the middle link leads elsewhere")
    (bed.path / "c/real.json").write_text(json.dumps({**BASE, "n": 1, "mine": 2}))
    until(lambda: server.set == {"/mine": 2}, "the new end is watched")
    assert s.path.is_symlink() and (bed.path / "a/link.json").is_symlink()
