"""settings-sync-daemon while it writes: readers, savers and kills at each of its system calls (vectors C01-C07, C10,
C12 of the settings; C11 is unit/sessiond_sidecar/test_commit)."""
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from harness import until
from sidecar import Sidecar
from tracer import Tracer, permitted

LONG = bool(os.environ.get("ZEDBUS_LONG"))
BASE = {"theme": "Ayu Dark", "n": 0}
needs_ptrace = pytest.mark.skipif(not permitted(), reason="ptrace is not permitted here")


@pytest.fixture
def sidecar(bed, server):
    s = Sidecar(bed, server.url).start().wait_healthy()
    until(lambda: server.pushes, "it listens to the server")
    return s


# ---- readers

def base_of(i):
    """A base whose length tells which it is."""
    return {"n": i, "pad": "x" * (i * 37 % 900)}


HOT_READER = """
import json, os, sys
reads = bad = seen = 0
last = None
while not os.path.exists(sys.argv[2]):
    fd = os.open(sys.argv[1], os.O_RDONLY)
    text = os.read(fd, 1 << 20)
    os.close(fd)
    reads += 1
    if text == last:
        continue
    last = text
    seen += 1
    try:
        v = json.loads(text)
        bad += not (v["n"] == 0 or len(v["pad"]) == v["n"] * 37 % 900)
    except (ValueError, KeyError):
        bad += 1
        print("bad:", text[:200], file=sys.stderr)
print(json.dumps({"reads": reads, "bad": bad, "seen": seen}))
"""


def test_C01_a_hot_reader_sees_only_whole_texts(bed, server, sidecar):
    """Hundreds of changes at the server, one by one; another process reads all the time. The inode stays."""
    n = 1000 if LONG else 300
    inode, stop = sidecar.path.stat().st_ino, bed.path / "stop"
    reader = [sys.executable, "-c", HOT_READER, sidecar.path, stop]
    with subprocess.Popen(reader, stdout=subprocess.PIPE, text=True) as p:
        for i in range(1, n + 1):
            server.put_base(base_of(i))
            until(lambda: f'"n": {i},' in sidecar.text(), f"change {i} is in the file")  # noqa: B023
        stop.touch()
        said = json.loads(p.communicate(timeout=60)[0])
    print(said)
    assert said["bad"] == 0 and said["reads"] > n and said["seen"] > n / 10, said
    assert sidecar.path.stat().st_ino == inode and not server.set


def test_C02_writes_as_far_apart_as_the_editor_waits(bed, server, sidecar):
    """The second write of a pair falls on the moment in which the editor reads because of the first."""
    sim = bed.sim("ses_1", env={"HOME": str(sidecar.home)}).start()
    sim.control.wait_stats(lambda st: st["settings"]["value"] == BASE, "Zed has loaded the file")
    pairs = 500 if LONG else 40
    for i in range(1, 2 * pairs, 2):
        server.put_base(base_of(i))
        until(lambda: f'"n": {i},' in sidecar.text(), f"the first, {i}, is in the file")  # noqa: B023
        time.sleep(random.uniform(0.094, 0.102))  # a distance in time is what is tried here
        server.put_base(base_of(i + 1))
        sim.control.wait_stats(lambda st: st["settings"]["value"].get("n") == i + 1, f"Zed has {i + 1}")  # noqa: B023
    stats = sim.control.stats()
    assert stats["settings_errors"] == stats["settings_empty_reads"] == 0, stats


class Hook:
    """Does something at the first call for which `when` is true, once armed."""

    def __init__(self, sidecar, what):
        self.sidecar, self.what, self.when, self.hit = sidecar, what, None, None

    def __call__(self, call):
        if self.when and self.when(call):
            self.when, self.hit = None, call
            return self.what(call)
        return False


@contextlib.contextmanager
def traced(sidecar, hook):
    tracer = Tracer(sidecar.pid, hook).attach()
    try:
        yield tracer
    finally:
        tracer.detach()


def settings_call(name):
    return lambda call: call.name == name and call.file().endswith("/settings.json")


def blocked_or_done(thread):
    """Until a thread of ours ended, or waits in the kernel."""
    def check():
        try:
            with open(f"/proc/self/task/{thread.native_id}/stat", encoding="ascii") as f:
                return f.read().rpartition(")")[2].split()[0] in "SD"
        except OSError:
            return True
    until(lambda: not thread.is_alive() or check(), "it waits, or is done")


@needs_ptrace
def test_C03_a_reader_that_holds_on_is_waited_for(server, sidecar):
    """15 ms are no reason to give up the lease; who never lets go is written around, and /status says so."""
    fd = os.open(sidecar.path, os.O_RDONLY)
    hook = Hook(sidecar, lambda _: threading.Timer(0.015, os.close, [fd]).start())
    hook.when = settings_call("fcntl")
    with traced(sidecar, hook):
        server.put_base({**BASE, "n": 1})
        sidecar.until_value(lambda v: v["n"] == 1, "the change is in the file")
    until(lambda: sidecar.status()["write"]["mode"] == "lease", "it was written by lease")
    with open(sidecar.path, encoding="utf-8"):
        server.put_base({**BASE, "n": 2})
        sidecar.until_value(lambda v: v["n"] == 2, "the change is in the file")
        write = until(lambda: (w := sidecar.status()["write"])["mode"] == "pad" and w, "it was written in steps")
        assert "open" in write["why"]
    server.put_base({**BASE, "n": 3})
    until(lambda: sidecar.status()["write"]["mode"] == "lease", "by lease again")


@needs_ptrace
def test_C04_who_opens_it_during_the_lease_gets_the_new_text(server, sidecar):
    """The kernel signals the holder, which lives on; the reader waits, and reads all of the new text."""
    got = []

    def read_now(_):
        reader = threading.Thread(target=lambda: got.append(sidecar.text()))
        reader.start()
        blocked_or_done(reader)

    hook = Hook(sidecar, read_now)
    hook.when = settings_call("pwrite64")
    with traced(sidecar, hook):
        server.put_base({**BASE, "n": 1})
        until(lambda: got, "the reader has something")
    assert json.loads(got[0]) == {**BASE, "n": 1}
    assert sidecar.running() and sidecar.status()["state"] == "ok"


# ---- savers and kills at each call of a write

class Write:
    """The calls of one write: those of the thread that notes it, from then on until it reports to the loop."""

    def __init__(self, at, what, begins="/record."):
        self.at, self.what, self.begins, self.n, self.tid, self.over, self.hit = at, what, begins, 0, None, False, None

    def __call__(self, call):
        if self.tid is None and call.name == "pwrite64" and self.begins in call.file() and \
                (self.begins != "/record." or call.text(1).startswith("next ")):
            self.tid = call.tid  # "last ": only remembered
        if call.tid != self.tid or self.over:
            return False
        if call.name == "write" and "eventfd" in call.file():
            self.over = True
            return False
        self.n += 1
        if self.n != self.at:
            return False
        self.hit = call
        return self.what(call)


def each_call(run, least):
    """run(Write for the n-th call) for each n until there is none any more; how many there were."""
    for n in range(1, 200):
        if not run(n):
            assert n > least, f"a write of {n - 1} system calls only?"
            print(f"{n - 1} system calls")
            return
    raise AssertionError("it never ends")


@needs_ptrace
@pytest.mark.parametrize("how", ["C05 C06 by rename", "C07 in place", "C05 C06 by rename, exchange"])
def test_a_save_at_each_call_of_a_write(bed, server, how):
    """Whatever the moment, what was saved is kept; so is the change, unless the save came long after it was written."""
    sidecar = Sidecar(bed, server.url, "--write-mode", "exchange" if "exchange" in how else "auto").start()
    sidecar.wait_healthy()
    until(lambda: server.pushes, "it listens to the server")
    in_time, late = [], []

    def save(i):
        sidecar.save({**BASE, "n": 2 * i, "mine": i}, rename="rename" in how)

    def at(i):
        saver = threading.Thread(target=save, args=[i])
        saver.start()
        blocked_or_done(saver)

    def run(i):
        server.put_base({**BASE, "n": 2 * i})
        sidecar.until_value(lambda v: v["n"] == 2 * i, "the change before is in the file")
        until(lambda: sidecar.status()["state"] == "ok" and not sidecar.status()["upload"]["waiting"], "all is quiet")
        hook = Write(i, lambda _: at(i))
        with traced(sidecar, hook):
            server.put_base({**BASE, "n": 2 * i + 1})
            until(lambda: hook.over, "the write is over")
        if not hook.hit:
            return False
        sidecar.until_value(lambda v: v.get("mine") == i and server.set.get("/mine") == i, f"the save at {hook.hit}")
        until(lambda: sidecar.value()["n"] == 2 * i + 1 or server.set.get("/n") == 2 * i, f"settled after {hook.hit}")
        if sidecar.value()["n"] == 2 * i:
            late.append(i)
            assert any(e["type"] == "stale_buffer" for e in sidecar.status()["events"]), hook.hit
            sidecar.save({**BASE, "n": 2 * i + 1, "mine": i})
            until(lambda: "/n" not in server.set, "it is taken back")
        else:
            in_time.append(i)
        return True

    each_call(run, 10)
    print("in time:", in_time, "late:", late)
    assert len(in_time) > 4 and sidecar.status()["state"] == "ok"


def start_away(bed, server, home, name):
    """One more daemon on that home, whose server does not answer; what the file says once it is healthy."""
    s = Sidecar(bed, server.url, home=home, name=name)
    s.start().wait_healthy()
    text = s.text()
    s.kill()
    return text


@needs_ptrace
@pytest.mark.parametrize("mode", ["auto", "pad", "exchange"])
def test_C10_C12_killed_at_each_call_of_a_write(bed, server, mode):
    """The next start finds the old text or the new one, never a mix; a save after the crash is kept, the change too."""
    old, new = base_of(20), base_of(3)  # shorter: between writing and cutting off there is a mix
    texts = [json.dumps(v, indent=2) + "\n" for v in (old, new)]
    seen = set()

    def run(n):
        home = bed.path / f"h{n}"
        server.stop()
        server.put_base(old, push=False)
        server.start()
        s = Sidecar(bed, server.url, "--write-mode", mode, home=home, name=f"first-{n}").start().wait_healthy()
        until(lambda: server.pushes and s.value() == old, "the old text is there")
        hook = Write(n, lambda _: True)
        tracer = Tracer(s.pid, hook).attach()
        server.put_base(new)
        until(lambda: hook.over or tracer.done.is_set(), "killed, or the write is over")
        if hook.over:
            tracer.detach()
            s.kill()
            return False
        tracer.detach()
        s.kill()
        left = s.text()
        seen.add(texts.index(left) if left in texts else "padded" if s.value() else "mix")
        edited = bed.path / f"e{n}"
        shutil.copytree(home, edited)
        server.stop()
        assert start_away(bed, server, home, f"second-{n}") in texts, hook.hit
        shutil.rmtree(home)
        # C12: somebody saves before the next start
        mine = {**(json.loads(left) if left in texts else old), "mine": n}
        (edited / ".config/zed/settings.json").write_text(json.dumps(mine))
        assert json.loads(start_away(bed, server, edited, f"third-{n}"))["mine"] == n
        server.start()
        s = Sidecar(bed, server.url, home=edited, name=f"fourth-{n}").start().wait_healthy()
        s.until_value(lambda v: v == {**new, "mine": n}, f"both, after {hook.hit}")
        until(lambda: server.set == {"/mine": n}, "the save is at the server")
        s.stop()
        server.put_user(dels=["/mine"], push=False)
        server.dels = []
        shutil.rmtree(edited)
        return True

    each_call(run, 10)
    assert seen == ({0, 1, "mix"} if mode == "auto" else {0, 1, "padded"} if mode == "pad" else {0, 1})


@needs_ptrace
def test_C10_killed_where_nothing_can_be_remembered(bed, server):
    """No state folder, so nothing that could repair the file: after each call it is a whole document."""
    old, new = base_of(20), base_of(3)
    seen = set()

    def run(n):
        server.put_base(old, push=False)
        s = Sidecar(bed, server.url, "--state-dir", "/proc/version/none", home=bed.path / f"n{n}", name=f"n{n}").start()
        s.wait_healthy()
        until(lambda: server.pushes and s.value() == old, "the old text is there")
        hook = Write(n, lambda _: True, begins="/settings.json")
        tracer = Tracer(s.pid, hook).attach()
        server.put_base(new)
        until(lambda: hook.over or tracer.done.is_set(), "killed, or the write is over")
        tracer.detach()
        s.kill()
        assert s.value() in (old, new), (hook.hit, s.text())
        seen.add("padded" if s.text().endswith(" ") else "old" if s.value() == old else "new")
        return hook.hit

    each_call(run, 4)
    assert seen == {"old", "padded", "new"}


# ---- starts

class Start:
    """The calls of a start, of all threads, from the state folder on until it says that it has started."""

    def __init__(self, at):
        self.at, self.n, self.begun, self.over = at, 0, False, False

    def __call__(self, call):
        self.begun = self.begun or call.name in ("openat", "mkdir", "mkdirat") and "helix-settings" in \
            call.text(0 if call.name == "mkdir" else 1)
        self.over = self.over or call.name == "write" and "daemon_started" in call.text(1)
        self.n += self.begun and not self.over
        return self.begun and not self.over and self.n == self.at


def start_traced(sidecar, hook):
    """Traced from its first call on."""
    sidecar.argv = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh", *sidecar.argv]
    sidecar.start()
    until(lambda: "T (stopped)" in open(f"/proc/{sidecar.pid}/status", encoding="ascii").read(), "it stands still")
    tracer = Tracer(sidecar.pid, hook).attach()
    os.kill(sidecar.pid, signal.SIGCONT)
    return tracer


def half_written(bed, server, old, new):
    """A home in which a write was broken off between the new text and the cutting off of the old one's end."""
    home = bed.path / "torn"
    s = Sidecar(bed, server.url, home=home, name="torn").start().wait_healthy()
    until(lambda: server.pushes and s.value() == old, "the old text is there")
    hook = Hook(s, lambda _: True)
    hook.when = settings_call("ftruncate")
    tracer = Tracer(s.pid, hook).attach()
    server.put_base(new)
    until(tracer.done.is_set, "it is killed")
    tracer.detach()
    s.kill()
    assert s.value() is None
    return home


@needs_ptrace
def test_C10_killed_at_each_call_of_a_start_that_repairs(bed, server):
    """A start that finds half a write is killed too: the one after it makes the file whole."""
    old, new = base_of(20), base_of(3)
    server.put_base(old, push=False)
    torn = half_written(bed, server, old, new)
    server.stop()
    n, step = random.randint(1, 4), 1 if LONG else 4
    first = n
    while True:
        home = bed.path / f"s{n}"
        shutil.copytree(torn, home)
        s = Sidecar(bed, server.url, home=home, name=f"killed-{n}")
        hook = Start(n)
        tracer = start_traced(s, hook)
        until(lambda: tracer.done.is_set() or hook.over, "it is killed, or has started")  # noqa: B023
        tracer.detach()
        s.kill()
        text = start_away(bed, server, home, f"after-{n}")
        assert json.loads(text) == new, (n, tracer.killed)
        shutil.rmtree(home)
        if hook.over:
            break
        n += step
    print(f"{hook.n} system calls, each {step}. killed from {first} on")
    assert hook.n > 30


@needs_ptrace
def test_C10_killed_at_each_call_of_the_first_write(bed, server):
    """There was no file: afterwards there is none, or a whole one; the next start has what the server wants."""
    def run(n):
        home = bed.path / f"f{n}"
        s = Sidecar(bed, server.url, home=home, name=f"killed-{n}")
        hook = Write(n, lambda _: True)
        tracer = start_traced(s, hook)
        until(lambda: tracer.done.is_set() or hook.over, "it is killed, or has written")
        tracer.detach()
        s.kill()
        if s.path.exists():
            json.loads(s.text())
        s = Sidecar(bed, server.url, home=home, name=f"after-{n}").start().wait_healthy()
        s.until_value(lambda v: v == BASE, "what the server wants is there")
        assert not server.asked_for("POST", "zed-config/user")
        assert [p.name for p in s.path.parent.iterdir() if p.name.startswith(".helix-")] == [], hook.hit
        s.stop()
        shutil.rmtree(home)
        return hook.hit

    each_call(run, 10)
