"""A wire between two programs that a test can cut."""
import contextlib
import select
import socket
import threading


class Proxy:
    """Listens on @port and passes bytes to @target and back, until told otherwise."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.lock = threading.Lock()
        self.listener = None
        self.pairs = set()
        self.answers_to_lose = 0
        self.held = threading.Event()  # set: bytes stay where they are
        self.mend()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def mend(self):
        """Connections are taken (again)."""
        self.held.clear()
        if self.listener:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def cut(self):
        """Nobody listens any more, and what was open is closed."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)  # or it would wait on whatever file gets the number next
        assert not self.thread.is_alive()
        self.listener.close()
        self.listener = None
        with self.lock:
            for pair in self.pairs:
                for s in pair:
                    with contextlib.suppress(OSError):
                        s.shutdown(socket.SHUT_RDWR)

    def hold(self):
        """Connections stay open, but nothing comes through."""
        self.held.set()

    def lose_answers(self, n):
        """The next @n answers are taken from the target and thrown away, with the connection."""
        self.answers_to_lose = n

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        pair = (near, far)
        with self.lock:
            self.pairs.add(pair)
        with contextlib.suppress(OSError):
            self.shuffle(near, far)
        with self.lock:
            self.pairs.discard(pair)
        near.close()
        far.close()

    def shuffle(self, near, far):
        while True:
            ready, _, _ = select.select([near, far], [], [], 0.05 if self.held.is_set() else 1)
            if self.held.is_set():
                select.select([], [], [], 0.05)
                continue
            for s in ready:
                data = s.recv(65536)
                if not data:
                    return
                if s is far and self.answers_to_lose > 0:
                    self.answers_to_lose -= 1
                    return
                (far if s is near else near).sendall(data)
