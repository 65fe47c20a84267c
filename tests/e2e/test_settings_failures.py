"""What goes wrong with settings, and what then holds: the failure table, row by row, on real parts.

Between the settings daemon and sessiond is a wire that can be cut; beside the file is zed-sim, which reads it as Zed
does and counts what Zed would choke on.
"""
import json
import os
import random
import select
import threading

import pytest

from fake_settings import FakeSettings
from harness import until
from proxy import Proxy
from sidecar import Sidecar

SESSION = "ses_fail"
API = f"/api/v1/sessions/{SESSION}"
BASE = {"context_servers": {"helix-rag": {"url": "http://h/rag"}}, "theme": "Ayu Dark", "format_on_save": "off"}


class World:
    """sessiond with a base, the wire, the daemon (not started) and its file."""

    def __init__(self, bed):
        self.bed = bed
        bed.nats().start()
        self.sessiond = bed.sessiond().start().wait_ready()
        self.wire = Proxy(bed.port(), self.sessiond.port)
        self.sidecar = Sidecar(bed, self.wire.url, session=SESSION)
        assert self.put().status == 200

    def put(self, **changes):
        return self.sessiond.http.put(f"{API}/zed-config", {"settings": {**BASE, **changes}})

    def user(self):
        return self.sessiond.http.get(f"{API}/zed-config/user").json()

    def merged(self):
        return self.sessiond.http.get(f"{API}/zed-settings").json()

    def zed(self):
        """zed-sim beside the file, its own connection to nobody."""
        sim = self.bed.sim(SESSION)
        sim.env["HOME"] = str(self.sidecar.home)
        sim.start()
        sim.control.wait_stats(lambda s: True, "Zed runs")
        return sim.control

    def up(self):
        self.sidecar.start().wait_healthy().wait_ready()
        self.sidecar.until_value(lambda v: v == self.merged(), "file and server say the same")
        return self.sidecar

    def until_offline(self):
        status = until(lambda: (st := self.sidecar.status())["state"] == "offline" and st,
                       "the daemon says it is offline", 60)
        assert status["server"]["problem"] and status["settings"] == "last_known"
        return status

    def until_same(self, value):
        """File, server's merged view and what the daemon says are @value."""
        self.sidecar.until_value(lambda v: v == value, f"the file says {value}")
        until(lambda: self.merged() == value, f"the server says {value}", 20)
        until(lambda: (st := self.sidecar.status())["state"] == "ok" and not st["upload"]["waiting"],
              "the daemon is in step", 20)


@pytest.fixture
def world(bed):
    return World(bed)


def never_choked(zed):
    stats = zed.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == 0, stats


def edit(sidecar, **changes):
    """As Zed changes and saves it; what it read is what is there when its own file is ready."""
    new, text = sidecar.path.with_name(".zed-new"), None
    while text != sidecar.text():
        text = sidecar.text()
        new.write_text(json.dumps({**json.loads(text), **changes}, indent=2))
    new.rename(sidecar.path)


# ---- the API cannot be reached

@pytest.mark.parametrize("how", ["cut", "hold"])
def test_api_unreachable_at_first_start(world, how):
    """Nothing is known yet, the connection refused or silent: a valid file stands before /health says OK, Zed starts
    and is edited; when the API appears, both sides are in step."""
    getattr(world.wire, how)()
    s = world.sidecar.start()
    until(lambda: healthy(s), "it is healthy without a server", 20)
    assert s.value() == {} and s.status()["settings"] == "none" and s.status()["state"] == "offline"
    assert s.ready()[0] is False
    zed = world.zed()
    zed.save({"vim_mode": True})
    world.wire.mend()
    world.until_same({**BASE, "vim_mode": True})
    assert s.status()["settings"] == "current"
    never_choked(zed)


def healthy(sidecar):
    try:
        ok = sidecar.http.get("/health", timeout=2).body == b"OK"
    except OSError:
        return False
    if ok:
        assert isinstance(json.loads(sidecar.text()), dict)  # before it is said
    return ok


@pytest.mark.parametrize("left", ["file", "no file", "empty file"])
def test_api_unreachable_at_a_later_start(world, left):
    """The last known settings are in the file, and /status says that this is what they are."""
    s = world.up()
    edit(s, vim_mode=True)
    world.until_same({**BASE, "vim_mode": True})
    s.stop()
    if left != "file":
        s.path.unlink() if left == "no file" else s.path.write_text("")
    world.wire.cut()
    s.start()
    until(lambda: healthy(s), "it is healthy", 10)
    status = s.status()
    assert s.value() == {**BASE, "vim_mode": True}
    assert (status["state"], status["settings"], status["server"]["state"]) == ("offline", "last_known", "waiting")
    assert status["revisions"] == {"base": 1, "overrides": 2}
    world.put(tab_size=3)
    world.wire.mend()
    world.until_same({**BASE, "vim_mode": True, "tab_size": 3})


def test_api_lost_while_running(world):
    """sessiond dies: settings stay, are said to be the last known, and edits wait; it returns, all is in step."""
    s, zed = world.up(), world.zed()
    world.sessiond.kill()
    edit(s, vim_mode=True)
    world.until_offline()
    until(lambda: s.status()["upload"]["waiting"], "the edit waits")
    assert s.value() == {**BASE, "vim_mode": True} and s.http.get("/health").body == b"OK"
    assert s.http.get("/settings").json() == s.value()
    world.sessiond.start().wait_ready()
    world.until_same({**BASE, "vim_mode": True})
    never_choked(zed)


# ---- the daemon crashes

def test_daemon_killed_and_both_sides_change(world):
    """The file stays byte for byte; the next start tells what the user did from what the server did."""
    s, zed = world.up(), world.zed()
    edit(s, vim_mode=True, gone=1)
    world.until_same({**BASE, "vim_mode": True, "gone": 1})
    before = s.path.read_bytes()
    s.kill()
    assert s.path.read_bytes() == before
    world.put(tab_size=3, theme="One Light")
    zed.save({k: v for k, v in {**s.value(), "mine": 2}.items() if k not in ("gone", "format_on_save")})
    s.start().wait_healthy()
    world.until_same({"context_servers": BASE["context_servers"], "theme": "One Light", "vim_mode": True, "tab_size": 3,
                      "mine": 2})
    assert world.user()["del"] == ["/format_on_save"]
    zed.wait_stats(lambda st: st["settings"]["value"].get("tab_size") == 3, "Zed has it too")
    never_choked(zed)


def test_daemon_killed_again_and_again(world):
    """Killed at any moment of a change from either side: the file is always a whole document, nothing is lost."""
    s, zed = world.up(), world.zed()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    want = dict(BASE)
    for i in range(25):
        want[f"base{i}"] = i
        change = threading.Thread(target=world.put, kwargs={k: v for k, v in want.items() if k.startswith("base")})
        change.start()
        if i % 2:
            want[f"user{i}"] = i
            edit(s, **{f"user{i}": i})
        select.select([], [], [], rng.random() * 0.012)  # somewhere in the middle of carrying it out
        s.kill()
        change.join()
        assert isinstance(json.loads(s.text()), dict)
        s.start().wait_healthy()
    world.until_same(want)
    never_choked(zed)


# ---- partition

def test_partition_then_both_sides_converge(world):
    """Cut off, each side goes on with what it has; joined again, disjoint changes are all kept, each once."""
    s, zed = world.up(), world.zed()
    world.wire.cut()
    for i in range(5):
        world.put(tab_size=i, server=[i])
        edit(s, mine=i)
        until(lambda: s.http.get("/settings").json().get("mine") == i, "the edit is seen")  # noqa: B023
    world.until_offline()
    assert s.value() == {**BASE, "mine": 4} and world.user()["set"] == {}
    world.wire.mend()
    world.until_same({**BASE, "tab_size": 4, "server": [4], "mine": 4})
    history = world.sessiond.http.get(f"{API}/zed-config/history").json()["history"]
    assert [(e["kind"], [c["path"] for c in e["changes"]]) for e in history[:1]] == [("user", ["/mine"])]
    assert not [e for e in s.status()["events"] if e["type"] == "conflict"]
    never_choked(zed)


def test_silent_partition_is_noticed(world):
    """The connection stays, but nothing comes through: stale is said, and joined again it catches up."""
    s = world.up()
    world.wire.hold()
    world.put(tab_size=3)
    edit(s, mine=1)
    world.until_offline()
    assert s.value() == {**BASE, "mine": 1}
    world.wire.mend()
    world.until_same({**BASE, "tab_size": 3, "mine": 1})


def test_broker_lost_behind_sessiond(world):
    """The store is away: sessiond refuses, the daemon keeps what it has and what the user does, then all is stored."""
    s = world.up()
    world.bed.broker.kill()
    edit(s, mine=1)
    until(lambda: s.status()["upload"]["problem"] or s.status()["server"]["problem"], "the refusal is told", 30)
    assert s.value() == {**BASE, "mine": 1} and s.http.get("/health").body == b"OK"
    world.bed.broker.start()
    until(lambda: world.put(tab_size=3).status == 200, "sessiond stores again", 30)
    world.until_same({**BASE, "tab_size": 3, "mine": 1})


# ---- concurrent writes

def test_disjoint_changes_at_once_are_both_kept(world):
    """Server and user at the same moment, twenty times."""
    s, zed = world.up(), world.zed()
    for i in range(20):
        change = threading.Thread(target=world.put, kwargs={"server": i})
        change.start()
        edit(s, mine=i)
        change.join()
        world.until_same({**BASE, "server": i, "mine": i})
    assert world.user()["set"] == {"/mine": 19}
    never_choked(zed)


@pytest.mark.parametrize("policy, winner, event, stored", [
    (None, "Mine", "conflict", {"/theme": "Mine"}),
    ({"rules": [{"path": "/theme", "class": "helix-owned"}]}, "Theirs", "rejected", {})],
    ids=["user-wins", "helix-owned"])
def test_same_path_on_both_sides(world, policy, winner, event, stored):
    """The class of the path decides, and an event says so; the other's change stays in the history."""
    if policy:
        world.sessiond.http.put(f"{API}/zed-config", {"policy": policy})
    s = world.up()
    until(lambda: s.status()["revisions"]["base"] == (2 if policy else 1), "the policy is known")
    world.wire.cut()
    world.put(theme="Theirs")
    edit(s, theme="Mine")
    judged = "Ayu Dark" if policy else "Mine"
    until(lambda: (st := s.status())["state"] == "offline" and s.value()["theme"] == judged and
          s.http.get("/settings").json()["theme"] == judged, "the edit is judged")
    world.wire.mend()
    world.until_same({**BASE, "theme": winner})
    assert world.user()["set"] == stored
    until(lambda: [e for e in s.status()["events"] if (e["type"], e["path"]) == (event, "/theme")], f"{event} is told")
    history = world.sessiond.http.get(f"{API}/zed-config/history").json()["history"]
    assert any(c.get("new") == "Theirs" for e in history for c in e["changes"])


def test_same_path_from_two_instances(world):
    """Two Zeds of one session, both cut off: the later accepted change stands in both files, the other in history."""
    a = world.up()
    other_wire = Proxy(world.bed.port(), world.sessiond.port)
    b = Sidecar(world.bed, other_wire.url, session=SESSION, name="other", home=world.bed.path / "h2")
    b.start().wait_healthy().wait_ready()
    b.until_value(lambda v: v == BASE, "the other has the base")
    world.wire.cut()
    other_wire.cut()
    edit(a, theme="A", only_a=1)
    edit(b, theme="B", only_b=1)
    for s in (a, b):
        until(lambda: s.status()["upload"]["waiting"], "the edit waits")  # noqa: B023
    world.wire.mend()
    until(lambda: world.user()["set"] == {"/theme": "A", "/only_a": 1}, "the first is stored", 20)
    other_wire.mend()
    both = {**BASE, "theme": "B", "only_a": 1, "only_b": 1}
    world.until_same(both)
    b.until_value(lambda v: v == both, "the second's file has both")
    history = world.sessiond.http.get(f"{API}/zed-config/history").json()["history"]
    assert [c.get("new") for e in history for c in e["changes"] if c["path"] == "/theme"] == ["B", "A", "Ayu Dark"]


# ---- invalid settings

def test_invalid_base_is_refused_whole(world):
    """What Zed would reject never gets past sessiond: 422 with each path, nothing stored; the next good one counts."""
    s, zed = world.up(), world.zed()
    answer = world.put(tab_size=9, context_servers={"x": {"command": "c", "args": None}, "y": {"enabled": False}})
    assert answer.status == 422
    assert [p["path"] for p in answer.json()["error"]["paths"]] == ["/context_servers/x/args", "/context_servers/y"]
    assert world.merged() == BASE == s.value()
    world.put(tab_size=3)
    world.until_same({**BASE, "tab_size": 3})
    never_choked(zed)


def test_invalid_entry_of_helix_is_left_out(bed):
    """Helix itself checks nothing: the entry is quarantined with its path, the rest goes on; repaired, it is there."""
    server = FakeSettings(bed.port(), helix=True)
    servers = {"bad": {"command": "x", "args": None}, "helix-session": {"url": "http://api:8080/x"}}
    server.put_base({"context_servers": servers, "theme": "Ayu Dark"}, push=False)
    server.start()
    s = Sidecar(bed, server.url).start().wait_healthy().wait_ready()
    s.until_value(lambda v: v.get("theme") == "Ayu Dark", "the rest is in the file")
    assert s.value()["context_servers"].keys() == {"helix-session"}
    event = next(e for e in s.status()["events"] if e["type"] == "base_invalid")
    assert event["path"] == "/context_servers/bad/args"
    server.put_base({"context_servers": {**servers, "bad": {"command": "x", "args": []}}, "theme": "Ayu Dark"})
    s.until_value(lambda v: v["context_servers"].get("bad") == {"command": "x", "args": []}, "the repaired is there")
    server.stop()


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "killed meanwhile"])
def test_broken_file_is_the_users(world, restarted):
    """Left alone byte for byte, told with line and column, not uploaded; repaired, it catches up both ways."""
    s = world.up()
    broken = '{\n  "theme": "Mine",\n  oops\n}\n'
    s.save(broken, rename=True)
    if restarted:
        s.kill()
        s.start()
        until(lambda: alive(s) and s.http.get("/health").body == b"OK", "Zed may start", 20)
    where = until(lambda: (st := s.status())["state"] == "invalid" and st["invalid"], "it is told")
    assert (where["line"], where["column"]) == (3, 3)
    world.put(tab_size=3)
    until(lambda: s.status()["revisions"]["base"] == 2, "the base was fetched")
    assert s.text() == broken and world.user()["set"] == {}
    s.save({**BASE, "theme": "Mine"}, rename=True)
    world.until_same({**BASE, "theme": "Mine", "tab_size": 3})


def alive(sidecar):
    try:
        return sidecar.http.get("/healthz", timeout=2).status == 200
    except OSError:
        return False


def test_invalid_entry_of_the_user_stays_the_users(world):
    """Valid JSON that Zed would choke on: kept in this file, told at the server, in nobody else's file."""
    s = world.up()
    edit(s, context_servers={**BASE["context_servers"], "mine": {"command": "c"}}, vim_mode=True)
    until(lambda: world.user()["set"] == {"/context_servers/mine/command": "c", "/vim_mode": True}, "it is stored")
    b = Sidecar(world.bed, world.sessiond.url, session=SESSION, name="other", home=world.bed.path / "h2")
    b.start().wait_healthy()
    b.until_value(lambda v: v == {**BASE, "vim_mode": True}, "the other has the rest")
    assert s.value()["context_servers"]["mine"] == {"command": "c"}


# ---- and Zed starts

def test_zed_starts_with_nothing_to_reach(bed):
    """An instance whose settings daemon has no server: it runs, with a valid file from before its start; the daemon
    killed, it runs on, and the daemon is back alone."""
    bed.nats().start()
    lifecycled = bed.lifecycled().start()
    sessiond = bed.sessiond()  # not started
    runner = bed.runner(sessiond=sessiond).start()
    for d in (lifecycled, runner):
        d.wait_ready()
    ctl = bed.ctl(sessiond)
    until(lambda: any(r["state"] == "ready" for r in ctl.json("runners")["runners"]), "the runner is seen", 20)
    ctl("start", "zi_1", "--profile", "sim", "--session", SESSION, "--wait")
    pid = ctl.json("get", "zi_1")["pid"]
    env = dict(e.split("=", 1) for e in open(f"/proc/{pid}/environ").read().split("\0") if "=" in e)
    path = env["HOME"] + "/.config/zed/settings.json"
    assert isinstance(json.load(open(path)), dict)
    assert os.stat(path).st_mtime_ns < started_ns(pid)
    old = daemon_of(env["HOME"])
    os.kill(old, 9)
    until(lambda: daemon_of(env["HOME"]) not in (None, old), "the daemon is started again", 60)
    assert ctl.json("get", "zi_1")["pid"] == pid
    sessiond.start().wait_ready()
    sessiond.http.put(f"{API}/zed-config", {"settings": {"tab_size": 3}})
    until(lambda: json.load(open(path)).get("tab_size") == 3, "settings arrive after all", 30)


def started_ns(pid):
    ticks = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19])
    boot = next(int(line.split()[1]) for line in open("/proc/stat") if line.startswith("btime"))
    return boot * 10**9 + ticks * 10**9 // os.sysconf("SC_CLK_TCK") + 2 * 10**9  # btime is in whole seconds


def daemon_of(home):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"settings-sync-daemon" in open(f"/proc/{pid}/cmdline", "rb").read() and \
                    f"HOME={home}\0".encode() in open(f"/proc/{pid}/environ", "rb").read():
                return int(pid)
        except OSError:
            pass
    return None


@pytest.mark.parametrize("trouble", ["state folder", "broken file", "folder that cannot be", "file is a folder"])
def test_zed_may_start_whatever_is_wrong_here(world, trouble):
    """What the daemon itself cannot do never keeps /health from saying OK; /status says what it is."""
    s = world.sidecar
    if trouble == "state folder":
        (s.home / ".local").write_text("in the way")
        s.argv += ["--state-dir", str(s.home / ".local/state")]
    elif trouble == "broken file":
        s.save("{ oops")
    elif trouble == "file is a folder":
        s.path.mkdir()
    else:
        s.argv += ["--settings", "/proc/zed/settings.json"]
    s.start()
    until(lambda: alive(s) and s.http.get("/health").body == b"OK", "Zed may start", 20)
    status = s.status()
    assert status["last_error"] or status["file"]["state_problem"] or status["invalid"], status
