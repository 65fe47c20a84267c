"""settings-sync-daemon and sessiond, both real: what one side changes is at the other."""
import json

import pytest

from harness import until
from sidecar import Sidecar

BASE = {"context_servers": {"helix-rag": {"url": "http://h/rag"}}, "theme": "Ayu Dark", "format_on_save": "off"}


class Pair:
    """A sidecar on a session of a sessiond."""

    def __init__(self, bed, sessiond, session="ses_pair"):
        self.sessiond, self.session = sessiond, session
        self.api = f"/api/v1/sessions/{session}"
        assert self.put(settings=BASE).status == 200
        self.sidecar = Sidecar(bed, sessiond.url, session=session).start().wait_healthy()

    def put(self, **parts):
        return self.sessiond.http.put(f"{self.api}/zed-config", parts)

    def user(self):
        return self.sessiond.http.get(f"{self.api}/zed-config/user").json()

    def merged(self):
        return self.sessiond.http.get(f"{self.api}/zed-settings").json()

    def until_user(self, sets, dels=()):
        until(lambda: (u := self.user())["set"] == sets and u["del"] == list(dels), f"the server has {sets} {dels}")


@pytest.fixture
def pair(bed, sessiond):
    return Pair(bed, sessiond)


def test_both_ways(pair):
    """Down in place, up as operations; file and merged view say the same."""
    s, inode = pair.sidecar, pair.sidecar.path.stat().st_ino
    assert s.value() == BASE
    pair.put(settings={**BASE, "tab_size": 1.50})
    until(lambda: '"tab_size": 1.5' in s.text(), "the base is in the file")
    s.save({**s.value(), "vim_mode": True, "theme": "Mine"})
    pair.until_user({"/vim_mode": True, "/theme": "Mine"})
    assert s.path.stat().st_ino == inode and pair.merged() == s.value()
    status = s.status()
    assert status["state"] == "ok" and status["server"]["push"]["connected"]


def test_override_set_by_zedctl_arrives(bed, pair):
    """settings set and unset at the server change the file at once."""
    ctl = bed.ctl(pair.sessiond)
    ctl("settings", "set", pair.session, "/buffer_font_size", "17")
    pair.sidecar.until_value(lambda v: v.get("buffer_font_size") == 17, "the override is in the file")
    ctl("settings", "unset", pair.session, "/buffer_font_size")
    pair.sidecar.until_value(lambda v: "buffer_font_size" not in v, "it is gone")


def test_policy_is_obeyed(pair):
    """A policy given at the server counts in the file: an owned key is reverted, and not posted."""
    assert pair.put(policy={"rules": [{"path": "/theme", "class": "helix-owned"}]}).status == 200
    s = pair.sidecar
    until(lambda: s.http.get("/status").json()["revisions"]["base"] == 2, "the policy was fetched")
    s.save({**BASE, "theme": "Mine", "vim_mode": True})
    s.until_value(lambda v: v == {**BASE, "vim_mode": True}, "the owned key is as it was")
    pair.until_user({"/vim_mode": True})


def test_two_instances_of_one_session(bed, pair):
    """What is changed beside one is beside the other; changes at the same moment are both kept."""
    other = Sidecar(bed, pair.sessiond.url, session=pair.session, name="other", home=bed.path / "h2")
    other.start().wait_healthy()
    pair.sidecar.save({**BASE, "a": 1})
    other.save({**BASE, "b": 2})
    pair.until_user({"/a": 1, "/b": 2})
    for s in (pair.sidecar, other):
        s.until_value(lambda v: v == {**BASE, "a": 1, "b": 2}, f"{s.name} has both")


def test_sessiond_restarted_in_between(pair):
    """Edits made while it is gone go up once it is back; the push connects again by itself."""
    s = pair.sidecar
    pair.sessiond.kill()
    s.save({**BASE, "vim_mode": True})
    until(lambda: s.status()["state"] == "offline", "the sidecar says it is offline")
    until(lambda: s.http.get("/settings").json().get("vim_mode"), "the save is applied all the same")
    pair.sessiond.start().wait_ready()
    pair.until_user({"/vim_mode": True})
    until(lambda: s.status()["server"]["push"]["connected"], "changes are pushed again")
    pair.put(settings={**BASE, "theme": "One Light"})
    s.until_value(lambda v: v["theme"] == "One Light" and v["vim_mode"], "both sides are in the file")


def test_what_zed_would_choke_on_is_left_out(pair):
    """422 with the path for the base; an override is stored and told, and left out of others' files."""
    answer = pair.put(settings={"context_servers": {"x": {"command": "c"}}})
    assert answer.status == 422 and "/context_servers/x" in answer.body.decode()
    s = pair.sidecar
    s.save({**BASE, "context_servers": {**BASE["context_servers"], "x": {"command": "c"}}})
    pair.until_user({"/context_servers/x/command": "c"})
    assert json.loads(s.text())["context_servers"]["x"] == {"command": "c"}
    assert "x" not in pair.merged()["context_servers"]


def test_zed_keeps_hearing(bed, pair):
    """zed-sim beside the file: every change is loaded, no read is empty, its own saves come up."""
    sim = bed.sim(pair.session, pair.sessiond)
    sim.env["HOME"] = str(pair.sidecar.home)
    sim.start().wait_connected()
    for i in range(5):
        pair.put(settings={**BASE, "tab_size": i})
        sim.control.wait_stats(lambda st: st["settings"]["value"].get("tab_size") == i,  # noqa: B023
                               f"Zed has tab_size {i}")
    sim.control.save({**pair.sidecar.value(), "vim_mode": True})
    pair.until_user({"/vim_mode": True})
    stats = sim.control.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == 0


def test_what_is_held_is_decided_at_the_server(bed, pair):
    """A bulk deletion is seen by zedctl with its paths, and done or taken back from there; first contact likewise."""
    ctl, s = bed.ctl(pair.sessiond), pair.sidecar
    mine = {f"k{i}": i for i in range(6)}
    s.save({**BASE, **mine})
    pair.until_user({f"/{k}": v for k, v in mine.items()})
    for action, left in (("undo", mine), ("confirm", {})):
        s.save(BASE)
        held = until(lambda: ctl.json("settings", "pending", pair.session)["pending"], "it is seen")[0]
        assert (held["kind"], held["paths"]) == ("bulk_delete", [f"/{k}" for k in mine])
        ctl("settings", "resolve", pair.session, held["id"], action)
        s.until_value(lambda v: v == {**BASE, **left}, f"{action} is in the file")  # noqa: B023
        pair.until_user({f"/{k}": v for k, v in left.items()})
        until(lambda: ctl.json("settings", "pending", pair.session)["pending"] == [], "nothing is held any more")


def test_first_contact_is_decided_while_the_daemon_is_away(bed, sessiond):
    """What a file said before is offered; decided while nobody listens, it is carried out at the next start."""
    ctl = bed.ctl(sessiond)
    ctl("session", "new", "--id", "ses_first")
    ctl("settings", "set", "ses_first", "/theme", "Helix", "--base")
    s = Sidecar(bed, sessiond.url, session="ses_first")
    s.save({"theme": "Mine"})
    s.start().wait_healthy()
    held = until(lambda: ctl.json("settings", "pending", "ses_first")["pending"], "it is seen")[0]
    assert (held["kind"], held["paths"]) == ("first_contact", ["/theme"]) and s.value() == {"theme": "Helix"}
    s.kill()
    ctl("settings", "resolve", "ses_first", held["id"], "restore")
    s.start().wait_healthy()
    s.until_value(lambda v: v == {"theme": "Mine"}, "the user's is back")
    until(lambda: ctl.json("settings", "pending", "ses_first")["pending"] == [], "nothing is held any more")


def test_a_base_as_large_as_may_be(bed, sessiond):
    """512 KiB, which an answer holds twice: it is in the file, and a change of it too."""
    pair = Pair(bed, sessiond)
    servers = {f"s{i}": {"command": "c" * 90, "args": ["x" * 100, "y"], "env": {"A": "b" * 50}} for i in range(1786)}
    base = {**BASE, "context_servers": {**BASE["context_servers"], **servers}}
    assert 523000 < len(json.dumps(base, separators=(",", ":"))) < 512 * 1024
    assert pair.put(settings=base).status == 200
    pair.sidecar.until_value(lambda v: v == base, "it is in the file")
    pair.sidecar.save({**base, "vim_mode": True})
    pair.until_user({"/vim_mode": True})
