"""A running program under the test's eyes: stopped before each of its system calls, so that something can be done at
that very moment, or the program killed. Linux ptrace, on all of its threads. As long as it is traced nothing may ask
its Popen how it is: that would take the tracer's news."""
import ctypes
import os
import platform
import queue
import signal
import struct
import threading

SEIZE, INTERRUPT, SYSCALL, DETACH, SYSCALL_INFO = 0x4206, 0x4207, 24, 17, 0x420e
SYSGOOD, FOLLOW_THREADS = 1, 8
WALL, WNOTHREAD = 0x40000000, 0x20000000
ENTRY = 1

CALLS = {
    "x86_64": {"write": 1, "fstat": 5, "pwrite64": 18, "fdatasync": 75, "fsync": 74, "ftruncate": 77, "fcntl": 72,
               "openat": 257, "renameat2": 316, "mkdir": 83, "mkdirat": 258, "pread64": 17, "linkat": 265,
               "inotify_add_watch": 254},
    "aarch64": {"write": 64, "fstat": 80, "pwrite64": 68, "fdatasync": 83, "fsync": 82, "ftruncate": 46, "fcntl": 25,
                "openat": 56, "renameat2": 276, "mkdir": -1, "mkdirat": 34, "pread64": 67, "linkat": 37,
                "inotify_add_watch": 27},
}.get(platform.machine())

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def ptrace(request, tid, address=0, data=0):
    r = LIBC.ptrace(request, tid, address, data)
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


def permitted():
    """May a child of ours be traced here?"""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        ptrace(SEIZE, pid)
        return CALLS is not None
    except OSError:
        return False
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, WALL)


class Call:
    """A system call that is about to be made."""

    def __init__(self, pid, tid, number, args):
        self.pid, self.tid, self.number, self.args = pid, tid, number, args

    def __repr__(self):
        return f"{self.name or self.number}{self.args[:3]}"

    @property
    def name(self):
        return next((n for n, number in CALLS.items() if number == self.number), None)

    def file(self, fd=None):
        """What an open descriptor (the first argument) is."""
        try:
            return os.readlink(f"/proc/{self.pid}/fd/{self.args[0] if fd is None else fd}")
        except OSError:
            return ""

    def text(self, argument):
        """A string that is passed, as a path."""
        with open(f"/proc/{self.pid}/mem", "rb", 0) as mem:
            try:
                mem.seek(self.args[argument])
                return mem.read(4096).split(b"\0")[0].decode(errors="replace")
            except OSError:
                return ""


class Tracer:
    """hook(call) is called before every system call; if it returns True the program is killed there. It runs while the
    program stands still, in a thread of its own."""

    def __init__(self, pid, hook):
        self.pid, self.hook, self.killed, self.error = pid, hook, None, None
        self.done, self.attached, self.leave = threading.Event(), queue.Queue(), False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def attach(self):
        self.thread.start()
        error = self.attached.get(timeout=20)
        if error:
            raise error
        return self

    def detach(self):
        """Let the program go on unwatched (if it lives)."""
        self.leave = True
        if not self.done.is_set():
            for tid in self.tids():
                try:
                    os.kill(tid, 0)
                    LIBC.syscall(234 if platform.machine() == "x86_64" else 131, self.pid, tid, signal.SIGCONT)
                    break
                except OSError:
                    pass
        self.done.wait(20)
        if self.error:
            raise self.error

    # ---- in the tracer's thread

    def tids(self):
        try:
            return [int(t) for t in os.listdir(f"/proc/{self.pid}/task")]
        except OSError:
            return []

    def run(self):
        try:
            for tid in self.tids():
                ptrace(SEIZE, tid, 0, SYSGOOD | FOLLOW_THREADS)
                ptrace(INTERRUPT, tid)
            self.attached.put(None)
            while self.step():
                pass
        except Exception as e:  # noqa: BLE001 told to whoever waits
            self.error = e
            self.attached.put(e)
        self.done.set()

    def step(self):
        try:
            tid, status = os.waitpid(-1, WALL | WNOTHREAD)
        except ChildProcessError:
            return False
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            return tid != self.pid
        try:
            return self.stopped(tid, os.WSTOPSIG(status), status >> 16)
        except ProcessLookupError:
            return True

    def stopped(self, tid, signo, event):
        if self.leave:
            return self.let_go(tid)
        if signo == signal.SIGTRAP | 0x80:
            call = self.call_of(tid)
            if call and self.hook(call):
                self.killed = call
                os.kill(self.pid, signal.SIGKILL)
                return True
            signo = 0
        elif event:
            signo = 0
        ptrace(SYSCALL, tid, 0, signo)
        return True

    def let_go(self, tid):
        """One thread stands still: the others are stopped too, and all are left alone."""
        ptrace(DETACH, tid)
        for other in set(self.tids()) - {tid}:
            try:
                ptrace(INTERRUPT, other)
                os.waitpid(other, WALL)
                ptrace(DETACH, other)
            except OSError:
                pass
        return False

    def call_of(self, tid):
        info = ctypes.create_string_buffer(88)
        ptrace(SYSCALL_INFO, tid, len(info), ctypes.addressof(info))
        op, number, *args = struct.unpack_from("<B23xQ6Q", info.raw)
        return Call(self.pid, tid, number, args) if op == ENTRY else None
