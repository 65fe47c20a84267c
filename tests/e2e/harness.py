"""Real programs in a temporary folder on free ports.

A test asks the fixture `bed` for its parts (bed.nats(), bed.lifecycled(), ...), polls for what it expects, and leaves
the rest to the teardown, which fails on a sanitizer report, a failed `must`, an unclean exit or a process left over.
"""
import base64
import contextlib
import ctypes
import errno
import fcntl
import http.client
import json
import os
import pathlib
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import nats_raw
from http_client import Answer, Http, sse  # noqa: F401 (tests take them from here)

BIN = pathlib.Path(os.environ.get("ZEDBUS_BIN_DIR", "build/bin")).resolve()
SANITIZED = os.environ.get("ZEDBUS_SANITIZED") == "1"
SLOWER = 4 if SANITIZED else 1  # waits are this much longer; nothing waits for a time to pass
REPORTS = re.compile(rb"ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|must failed:|"
                     rb"WARNING: ThreadSanitizer")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def until(check, what, timeout=10):
    """Poll @check until it returns something true, and return that."""
    deadline = time.monotonic() + timeout * SLOWER
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout * SLOWER} s in vain: {what}")
        select.select([], [], [], 0.02)


# ---- ports

PORTS = pathlib.Path(tempfile.gettempdir()) / "zedbus-test-ports"


def claim_port():
    """A port nobody listens on and no other test run claims, below the range outgoing connections use."""
    PORTS.mkdir(exist_ok=True)
    while True:
        port = 20000 + secrets.randbelow(12000)
        lock = open(PORTS / str(port), "w")
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            return port, lock
        lock.close()


# ---- processes

def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def what_it_does(pid):
    """Where process @pid stands: its state, its times, and where in the kernel it waits."""
    parts = []
    for name in ("stat", "wchan", "syscall", "stack"):
        try:
            parts.append(f"{name}: " + pathlib.Path(f"/proc/{pid}/{name}").read_text().strip())
        except OSError as e:
            parts.append(f"{name}: {e.strerror}")
    return "\n".join(parts)


def run_to_end(argv, timeout, *, input=None, **kw):
    """Run @argv and return what became of it; one that does not end in time fails with what it was doing."""
    argv = [str(a) for a in argv]
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw) as p:
        try:
            out, err = p.communicate(input, timeout * SLOWER)
        except subprocess.TimeoutExpired:
            doing = what_it_does(p.pid)
            p.kill()
            said = p.communicate()
            raise AssertionError(f"{argv} did not end within {timeout * SLOWER} s\n{doing}\n{said}") from None
    return subprocess.CompletedProcess(argv, p.returncode, out, err)


class Process:
    """One program. Its output goes to <folder>/<name>.log."""

    def __init__(self, bed, name, argv, env=None):
        self.bed, self.name, self.argv = bed, name, [str(a) for a in argv]
        self.env = bed.environment(env)
        self.log_path = bed.path / f"{name}.log"
        self.popen = None
        self.stop_code = 0  # what a stop by SIGTERM must give; None: anything
        bed.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, cwd=self.bed.path, preexec_fn=die_with_parent)
        return self

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, signo):
        self.popen.send_signal(signo)

    def wait(self, timeout=20):
        return self.popen.wait(timeout * SLOWER)

    def kill(self):
        if self.running():
            self.popen.kill()
            self.popen.wait()
        self.popen = None

    def stop(self, timeout=30):
        """An orderly stop; its exit code is checked."""
        if self.popen is None:
            return
        if self.running():
            self.popen.terminate()
        try:
            code = self.popen.wait(timeout * SLOWER)
        except subprocess.TimeoutExpired:
            self.bed.complain(f"{self.name} did not stop within {timeout * SLOWER} s")
            self.kill()
            return
        self.popen = None
        if self.stop_code is not None and code != self.stop_code:
            self.bed.complain(f"{self.name} ended with {code}, not {self.stop_code}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def records(self):
        """Log records of the daemon, which are JSON lines."""
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield record

    def logged(self, event):
        return any(r.get("event") == event for r in self.records())

    def expect_log(self, event, timeout=10, **fields):
        """Wait for a record of this event whose fields are as given."""
        def found():
            return next((r for r in self.records() if r.get("event") == event and
                         all(r.get(k) == v for k, v in fields.items())), None)
        return until(found, f"{self.name} logs {event} {fields}", timeout)


class Broker(Process):
    def __init__(self, bed, extra=()):
        self.port = bed.port()
        super().__init__(bed, "nats", [nats_server(), "-a", "127.0.0.1", "-p", self.port, "-js",
                                       "-sd", bed.path / "nats", *extra])
        self.stop_code = None

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        super().start()
        until(self.answers, "the broker listens")
        return self

    def answers(self):
        with contextlib.suppress(OSError, nats_raw.NatsError, TimeoutError):
            with self.connect() as n:
                return n.info.get("jetstream", False)
        return False

    def connect(self):
        return nats_raw.Nats(self.port)

    def restart(self):
        self.kill()
        return self.start()


def nats_server():
    found = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    assert found, "nats-server is not installed"
    return found


class Daemon(Process):
    program = None
    has_broker = True

    def __init__(self, bed, *extra, name=None, nats=None, env=None, listen=None):
        self.port = bed.port()
        self.http = Http(self.port)
        self.nats_url = nats or bed.nats_url
        argv = [BIN / self.program, "--listen", listen or f"127.0.0.1:{self.port}", "--log-format", "json",
                "--log-level", "debug"]
        if self.nats_url and self.has_broker:
            argv += ["--nats", self.nats_url]
        super().__init__(bed, name or self.program, [*argv, *self.flags(bed), *extra], env)

    def flags(self, bed):
        return []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ready(self):
        """(is it ready?, what it says)."""
        try:
            a = self.http.get("/readyz", timeout=5)
        except (OSError, http.client.HTTPException):
            return False, ""
        return a.status == 200, a.body.decode(errors="replace")

    def wait_ready(self, timeout=20):
        def check():
            assert self.running(), f"{self.name} ended with {self.popen.poll()}:\n{self.log()[-2000:]}"
            return self.ready()[0]
        until(check, f"{self.name} is ready (it says: {self.ready()[1]!r})", timeout)
        return self

    def wait_alive(self, timeout=10):
        def check():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.http.get("/healthz", timeout=5).status == 200
        until(check, f"{self.name} answers /healthz", timeout)
        return self

    def metric(self, name):
        """Sum of the samples of one metric."""
        total = 0.0
        for line in self.http.get("/metrics").body.decode().splitlines():
            m = re.match(rf"{re.escape(name)}(\{{[^}}]*\}})? (\S+)", line)
            if m:
                total += float(m[2])
        return total

    def restart(self):
        self.kill()
        return self.start()


class Lifecycled(Daemon):
    program = "lifecycled"


class Sessiond(Daemon):
    program = "sessiond"


class Runner(Daemon):
    program = "zed-runner"

    def __init__(self, bed, *extra, runner_id="r1", slots=200, sessiond_url="http://127.0.0.1:1", on_term="drain",
                 **kw):
        self.id, self.slots, self.sessiond_url, self.on_term = runner_id, slots, sessiond_url, on_term
        self.state = bed.path / f"s-{runner_id}"
        self.profiles = bed.path / f"p-{runner_id}"
        self.workspaces = bed.path / "w"
        self.profiles.mkdir(exist_ok=True)
        self.workspaces.mkdir(exist_ok=True)
        super().__init__(bed, *extra, name=kw.pop("name", f"zed-runner-{runner_id}"), **kw)
        self.profile("sim", sim_profile())
        self.profile("idle", {"command": ["/bin/sleep", "100000"], "ready": {"kind": "process", "arg": "1"}})

    def flags(self, bed):
        return ["--id", self.id, "--state-dir", self.state, "--profiles", self.profiles, "--slots", self.slots,
                "--workspace-root", self.workspaces, "--session-url", self.sessiond_url, "--on-term", self.on_term]

    def profile(self, name, content, mode=0o600):
        """Write a profile file; a str is written as it is."""
        path = self.profiles / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path.chmod(mode)
        return path


def sim_profile(*sim_flags, settings=True, ready=None, **more):
    """A profile that runs zed-sim, its control socket in the instance's home, with the settings daemon beside it."""
    profile = {"command": [str(BIN / "zed-sim"), "--control", "{home}/ctl", *(sim_flags or ("--answer", "story"))],
               "env_allow": ["SIM_*"], "ready": ready or {"kind": "process", "arg": "1"}, **more}
    if settings:
        profile["companions"] = [{
            "name": "settings", "command": [str(BIN / "settings-sync-daemon")],
            "ready_http": "http://127.0.0.1:{port}/health"}]
    return profile


class SimControl:
    """The control socket of a zed-sim, wherever it runs."""

    def __init__(self, path):
        self.path = path

    def __call__(self, line, timeout=10):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout * SLOWER)
            # A path longer than a socket address holds is reached through its open folder.
            folder = os.open(os.path.dirname(self.path), os.O_PATH)
            try:
                path = f"/proc/self/fd/{folder}/{os.path.basename(self.path)}"
                until(lambda: s.connect_ex(path) != errno.ECONNREFUSED, "it listens where it is bound")
                s.getpeername()
            finally:
                os.close(folder)
            s.sendall(line.encode() + b"\n")
            out = b""
            while not out.endswith(b"\n"):
                chunk = s.recv(65536)
                assert chunk, f"zed-sim closed its control socket after {out!r}"
                out += chunk
        return json.loads(out)

    def stats(self):
        return self("stats")

    def wait_stats(self, check, what, timeout=10):
        def ask():
            with contextlib.suppress(OSError):
                stats = self.stats()
                return stats if check(stats) else None
        return until(ask, what, timeout)

    def settings(self):
        return self.stats()["settings"]["value"]

    def save(self, document):
        answer = self("save " + (document if isinstance(document, str) else json.dumps(document)))
        assert answer["ok"], answer


class ZedSim(Process):
    """A zed-sim started by the test itself, with a home of its own."""

    def __init__(self, bed, session, sessiond=None, *flags, name="zed-sim", token=None, env=None):
        self.home = bed.path / f"h-{name}"
        (self.home / ".config/zed").mkdir(parents=True, exist_ok=True)
        self.control = SimControl(str(self.home / "ctl"))
        sim_env = {"HOME": str(self.home), "HELIX_SESSION_ID": session, "ZED_EXTERNAL_SYNC_ENABLED": "true",
                   "ZED_HELIX_URL": f"127.0.0.1:{sessiond.port if sessiond else 1}"}
        if token:
            sim_env["ZED_HELIX_TOKEN"] = token
        super().__init__(bed, name, [BIN / "zed-sim", "--control", self.home / "ctl", "--log-level", "debug", *flags],
                         {**sim_env, **(env or {})})

    @property
    def settings_path(self):
        return self.home / ".config/zed/settings.json"

    def wait_connected(self, n=1):
        self.control.wait_stats(lambda s: s["connected"] >= n, f"{self.name} is connected")
        return self


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"Result({self.code}, out={self.out!r}, err={self.err!r})"


class ZedCtl:
    def __init__(self, bed, nats_url, server_url, token=None):
        self.bed = bed
        self.env = {"ZEDBUS_NATS": nats_url or "", "ZEDBUS_SERVER": server_url or ""}
        if token:
            self.env["ZEDBUS_TOKEN"] = token

    def run(self, *args, stdin=None, timeout=60):
        """Run and return whatever comes of it."""
        p = run_to_end([BIN / "zedctl", *map(str, args)], timeout, env=self.bed.environment(self.env), input=stdin,
                       cwd=self.bed.path)
        self.bed.check_text("zedctl " + " ".join(map(str, args)), (p.stdout + p.stderr).encode())
        return Result(p.returncode, p.stdout, p.stderr)

    def __call__(self, *args, **kw):
        """Run; it must succeed."""
        r = self.run(*args, **kw)
        assert r.code == 0, f"zedctl {' '.join(map(str, args))}: {r}"
        return r

    def json(self, *args, **kw):
        return self(*args, "-o", "json", **kw).json()


# ---- the bed

def belongings(proc):
    """What tells whose a process is: environment, command line, folder, open files."""
    yield (proc / "environ").read_bytes().decode(errors="replace")
    yield (proc / "cmdline").read_bytes().decode(errors="replace")
    for link in (proc / "cwd", *(proc / "fd").iterdir()):
        with contextlib.suppress(OSError):
            yield os.readlink(link) + "/"


class Bed:
    """Everything one test started, and the folder it lives in."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="zb", dir=tempfile.gettempdir()))
        self.mark = "zedbus-test-" + secrets.token_hex(8)
        self.processes, self.locks, self.complaints = [], [], []
        self.nats_url = None
        self.broker = None

    def port(self):
        port, lock = claim_port()
        self.locks.append(lock)
        return port

    def environment(self, more=None):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.path), "LANG": "C.UTF-8", "ZEDBUS_TEST_MARK": self.mark,
               "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:color=never",
               "UBSAN_OPTIONS": "print_stacktrace=1:color=never",
               "LSAN_OPTIONS": "color=never"}
        env.update(more or {})
        return env

    # the parts; made, not started

    def nats(self, *extra):
        self.broker = Broker(self, extra)
        self.nats_url = self.broker.url
        return self.broker

    def lifecycled(self, *extra, **kw):
        return Lifecycled(self, *extra, **kw)

    def sessiond(self, *extra, **kw):
        return Sessiond(self, *extra, **kw)

    def runner(self, *extra, sessiond=None, **kw):
        if sessiond:
            kw["sessiond_url"] = sessiond.url
        return Runner(self, *extra, **kw)

    def sim(self, session, sessiond=None, *flags, **kw):
        return ZedSim(self, session, sessiond, *flags, **kw)

    def ctl(self, sessiond=None, token=None, server=None):
        return ZedCtl(self, self.nats_url, server or (sessiond.url if sessiond else None), token)

    def process(self, name, argv):
        """Any other program of ours, started."""
        return Process(self, name, [BIN / argv[0], *argv[1:]]).start()

    def all(self):
        """The whole: broker, lifecycled, sessiond, runner, ready; and zedctl for it."""
        self.nats().start()
        lifecycled, sessiond = self.lifecycled(), self.sessiond()
        runner = self.runner(sessiond=sessiond)
        for daemon in (lifecycled, sessiond, runner):
            daemon.start()
        for daemon in (lifecycled, sessiond, runner):
            daemon.wait_ready()
        whole = Whole(self, lifecycled, sessiond, runner, self.ctl(sessiond))
        until(lambda: any(r["state"] == "ready" for r in whole.ctl.json("runners")["runners"]),
              "the runner is seen", 20)
        return whole

    # the end

    def complain(self, text):
        self.complaints.append(text)

    def check_text(self, where, text):
        found = REPORTS.search(text)
        if found:
            self.complain(f"{where}: {text[found.start():found.start() + 2000].decode(errors='replace')}")

    def check_files(self):
        for path in self.path.rglob("*"):
            if path.is_file() and "nats" not in path.relative_to(self.path).parts:
                self.check_text(str(path.relative_to(self.path)), path.read_bytes())

    def leftovers(self):
        """Processes of this test that still live: its mark or its folder in their environment, command line, or among
        the files they hold."""
        needles = (self.mark, str(self.path) + "/")
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and any(n in text for text in belongings(entry) for n in needles):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def close(self):
        # The broker last: what stops in good order may still have something to tell it.
        order = sorted(self.processes, key=lambda p: (isinstance(p, Broker), isinstance(p, Lifecycled)))
        for process in order:
            process.stop()
        left = self.leftovers()
        for pid, what in left.items():
            self.complain(f"left over: {pid} {what}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.check_files()
        for lock in self.locks:
            lock.close()

    def print_logs(self):
        for path in sorted(self.path.rglob("*.log")) + sorted(self.path.glob("s-*/**/*out*")):
            if path.is_file() and "nats" not in path.relative_to(self.path).parts:
                print(f"---- {path.relative_to(self.path)} (end)")
                print(path.read_text(errors="replace")[-6000:])

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Whole:
    """Everything up and ready."""

    def __init__(self, bed, lifecycled, sessiond, runner, ctl):
        self.bed, self.nats, self.lifecycled = bed, bed.broker, lifecycled
        self.sessiond, self.runner, self.ctl, self.http = sessiond, runner, ctl, sessiond.http

    def profile(self, name, content):
        """A profile, written and offered."""
        self.runner.profile(name, content)
        self.runner.signal(signal.SIGHUP)
        until(lambda: any(name in r["profiles"] for r in self.ctl.json("runners")["runners"]),
              f"profile {name} is offered", 20)

    def start(self, instance, profile="sim", *flags, session=None):
        args = ["start", instance, "--profile", profile, *flags, "--wait"]
        if session:
            args += ["--session", session]
        self.ctl(*args)
        return self.ctl.json("get", instance)

    def home(self, instance):
        """Home folder of a running instance, as its process knows it."""
        pid = self.ctl.json("get", instance)["pid"]
        env = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return next(e[5:].decode() for e in env if e.startswith(b"HOME="))

    def control(self, instance):
        return SimControl(self.home(instance) + "/ctl")


def b64(text):
    return base64.b64decode(text)
