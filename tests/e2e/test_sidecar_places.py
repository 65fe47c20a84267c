"""settings-sync-daemon where files cannot be had: mounts, owners, full disks, a state folder that is none, watches that
tell nothing. Whatever is missing, the editor can start, and /status says what cannot be done."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness import until
from sidecar import Sidecar
from tracer import Tracer, permitted

BASE = {"theme": "Ayu Dark", "n": 0}
UNSHARE = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
own_mounts = pytest.mark.skipif(
    subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False).returncode != 0,
    reason="no mounts of our own here")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def with_mounts(sidecar, script):
    """Started in a mount namespace of its own, after @script; $D is the settings folder, $F the file, $H the home."""
    sidecar.argv = [*UNSHARE, "sh", "-ec", f"D={sidecar.path.parent}; F={sidecar.path}; H={sidecar.home}; {script}; "
                    "exec \"$@\"", "sh", *sidecar.argv]
    return sidecar


def seen_by(sidecar, path):
    """A path as the daemon sees it."""
    return pathlib.Path(f"/proc/{sidecar.pid}/root{path}")


def change_is_pending(server, sidecar, word):
    """The server's change cannot be written; that is said, nothing is tried all the time, the editor could start."""
    server.put_base({**BASE, "n": 1})
    status = until(lambda: (st := sidecar.status())["state"] == "not_writable" and st, "it is said")
    assert word in status["last_error"] and sidecar.http.get("/health").body == b"OK", status
    assert sidecar.metric("settings_sync_writes_failed_total") < 5


# ---- files that cannot be written

@own_mounts
def test_C18_read_only_mount(bed, server):
    """EROFS: what others change there goes up all the same."""
    s = with_mounts(Sidecar(bed, server.url), "mount --bind $D $D; mount -o remount,bind,ro $D")
    s.save(BASE)
    s.start().wait_healthy()
    change_is_pending(server, s, "Read-only")
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    s.http.post("/reload")
    assert s.value() == {**BASE, "mine": 1} and s.status()["state"] == "not_writable"


@as_root
def test_C18_file_of_another_user(bed, server):
    """A daemon that is not root, and a file that is not its own."""
    bed.path.chmod(0o711)
    s = Sidecar(bed, server.url)
    s.save(BASE)
    for path in (s.home, *s.home.rglob("*")):
        shutil.chown(path, 65534, 65534)
    os.chown(s.path, 0, 0)
    s.path.chmod(0o644)
    s.argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *s.argv]
    s.start().wait_healthy()
    change_is_pending(server, s, "Permission denied")
    os.chown(s.path, 65534, 65534)
    assert s.http.post("/reload").status == 200
    assert s.value() == {**BASE, "n": 1} and s.status()["state"] == "ok"


@own_mounts
def test_no_file_can_be_made(bed, server):
    """A read-only folder without one: an editor on its defaults is better than none."""
    s = with_mounts(Sidecar(bed, server.url), "mount --bind $D $D; mount -o remount,bind,ro $D").start().wait_healthy()
    assert not s.path.exists()
    status = s.status()
    assert status["state"] == "not_writable" and "Read-only" in status["last_error"]
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "a file that appears is read")


@own_mounts
@pytest.mark.parametrize("mode", ["auto", "exchange"])
def test_file_mounted_alone(bed, server, mode):
    """No rename can replace it: in place it is written; by exchange it cannot be, and that is said."""
    s = with_mounts(Sidecar(bed, server.url, "--write-mode", mode), "mount --bind $H/real.json $F")
    s.save(BASE)
    real = s.home / "real.json"
    real.write_text(json.dumps(BASE))
    s.start().wait_healthy()
    if mode == "exchange":
        change_is_pending(server, s, "exchange")
        return
    server.put_base({**BASE, "n": 1})
    until(lambda: json.loads(real.read_text())["n"] == 1, "the change is in the file")
    status = s.status()
    assert status["pin"]["state"] == "none" and "no hard link" in status["pin"]["why"] and status["state"] == "ok"


@own_mounts
def test_disk_full(bed, server):
    """No room: the file stays whole, what is saved goes up; with room again, /reload writes what waits."""
    s = with_mounts(Sidecar(bed, server.url), "mount -t tmpfs -o size=256k x $H; mkdir -p $D").start().wait_healthy()
    until(lambda: s.status()["state"] == "ok", "all is written")
    s.path, fill = seen_by(s, s.path), seen_by(s, s.home / "fill")
    with contextlib.suppress(OSError), open(fill, "wb", 0) as f:
        while True:
            f.write(b"x" * 4096)
    server.put_base({**BASE, "n": 1, "long": "x" * 20000})
    status = until(lambda: (st := s.status())["state"] == "not_writable" and st, "it is said")
    assert "No space" in status["last_error"] and s.value() == BASE
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    fill.unlink()
    assert s.http.post("/reload").status == 200
    assert s.value() == {**BASE, "n": 1, "long": "x" * 20000, "mine": 1} and s.status()["last_error"] is None


@own_mounts
def test_disk_full_from_the_start(bed, server):
    """Not even the folders: the daemon runs, says why, and the editor may start."""
    s = with_mounts(Sidecar(bed, server.url), "mount -t tmpfs -o size=4k,nr_inodes=2 x $H; : > $H/fill")
    s.start().wait_healthy()
    status = s.status()
    assert "No space" in status["last_error"] and "No space" in status["file"]["state_problem"]
    seen_by(s, s.home / "fill").unlink()


# ---- a state folder that cannot be had, or only elsewhere

def test_state_folder_that_cannot_be_had(bed, server):
    """Written and uploaded as ever; what a restart would cost is said; once it can be had it is."""
    parent = bed.path / "later"
    parent.write_text("not a folder")
    s = Sidecar(bed, server.url, "--state-dir", parent / "state").start().wait_healthy()
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    server.put_base({**BASE, "n": 1})
    s.until_value(lambda v: v == {**BASE, "n": 1, "mine": 1}, "the change is in the file")
    status = s.status()
    assert "Not a directory" in status["file"]["state_problem"] and "Not a directory" in status["last_error"]
    assert status["state"] == "ok" and status["pin"]["state"] == "none"
    parent.unlink()
    s.save({**BASE, "n": 1, "mine": 2})
    until(lambda: s.status()["file"]["state_problem"] is None, "it is had")
    s.kill()
    s.start().wait_healthy()
    assert s.value() == {**BASE, "n": 1, "mine": 2}


@pytest.mark.skipif(os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev, reason="one file system only")
def test_state_folder_on_another_file_system(bed, server, request):
    """No inode can be held there: that the editor no longer hears after its own save is said."""
    state = pathlib.Path("/dev/shm") / bed.path.name
    request.addfinalizer(lambda: shutil.rmtree(state, ignore_errors=True))
    s = Sidecar(bed, server.url, "--state-dir", state).start().wait_healthy()
    zed = bed.sim("ses_1", env={"HOME": str(s.home)}).start()
    until(lambda: s.status()["zed_watch"] == "alive", "the editor watches")
    assert "hard link" in s.status()["pin"]["why"]
    zed.control.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    until(lambda: s.status()["zed_watch"] == "dead", "it is said to be deaf")
    zed.stop()
    until(lambda: s.status()["zed_watch"] == "unknown", "nobody is there to hear")


def test_state_folder_removed_under_it(bed, server):
    """It is made again with the next thing worth remembering."""
    s = Sidecar(bed, server.url).start().wait_healthy()
    shutil.rmtree(s.home / ".local")
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is at the server")
    until(lambda: not s.status()["upload"]["waiting"], "that is known")
    s.kill()
    server.stop()
    s.start().wait_healthy()
    assert s.value() == {**BASE, "mine": 1} and not s.status()["upload"]["waiting"]


# ---- watches

@pytest.mark.parametrize("limit, word", [("max_inotify_instances", "inotify"), ("max_inotify_watches", "watch")])
def test_without_inotify_it_is_polled(bed, server, limit, word):
    """No instance, or no watch, can be had: /status says so, and changes are noticed all the same."""
    s = Sidecar(bed, server.url)
    own_limits = ["unshare", "-Ur", "sh", "-c", f"echo 0 > /proc/sys/user/{limit} && exec \"$@\"", "sh"]
    if subprocess.run([*own_limits, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    s.argv = [*own_limits, *s.argv]
    s.start().wait_healthy()
    assert s.status()["file"]["watch"].startswith(f"poll ({word}")
    s.save({**BASE, "mine": True})
    until(lambda: server.set == {"/mine": True}, "the save is noticed")


class Elsewhere:
    """Watches are taken on a folder in which nothing happens: the argument is another path during the call."""

    def __init__(self):
        self.was, self.n = None, 0

    def __call__(self, call):
        if self.was:
            self.write(call, *self.was)
            self.was = None
        if call.name == "inotify_add_watch":
            self.was = call.args[1], call.text(1).encode() + b"\0"
            self.write(call, call.args[1], b"/\0")
            self.n += 1

    @staticmethod
    def write(call, at, data):
        with open(f"/proc/{call.pid}/mem", "r+b", 0) as mem:
            mem.seek(at)
            mem.write(data)


@pytest.mark.skipif(not permitted(), reason="ptrace is not permitted here")
def test_a_watch_that_tells_nothing_is_found_out(bed, server):
    """Taken and silent, as on some emulated kernels: our own reading is not told either, so it is polled."""
    s = Sidecar(bed, server.url)
    s.argv = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh", *s.argv]
    s.start()
    until(lambda: "T (stopped)" in open(f"/proc/{s.pid}/status", encoding="ascii").read(), "it stands still")
    elsewhere = Elsewhere()
    tracer = Tracer(s.pid, elsewhere).attach()
    os.kill(s.pid, signal.SIGCONT)
    s.wait_healthy()
    until(lambda: "does not tell" in s.status()["file"]["watch"], "it is found out", 30)
    assert elsewhere.n > 0
    s.save({**BASE, "mine": 1})
    until(lambda: server.set == {"/mine": 1}, "the save is noticed")
    tracer.detach()


def test_queue_of_events_overflows(bed, server):
    """More happens in the folder than the kernel keeps: it is looked at again."""
    s = Sidecar(bed, server.url).start().wait_healthy()
    until(lambda: s.status()["state"] == "ok", "all is quiet")
    most = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100000:
        pytest.skip("the queue is too long here")
    s.signal(signal.SIGSTOP)
    for i in range(most // 2 + 10):
        (s.path.parent / f"x{i}").touch()
        (s.path.parent / f"x{i}").unlink()
    s.save({**BASE, "mine": 1}, rename=True)
    s.signal(signal.SIGCONT)
    until(lambda: server.set == {"/mine": 1}, "the save is noticed")
    s.save({**BASE, "mine": 2})
    until(lambda: server.set == {"/mine": 2}, "so is the next")
