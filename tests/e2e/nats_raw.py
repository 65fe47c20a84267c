"""A small blocking NATS client: raw payloads, headers, requests, and the JetStream calls tests need.

Debian has no NATS client for Python, and tests want to send what no client library would.
"""
import contextlib
import json
import secrets
import socket
import time


class NatsError(Exception):
    pass


class Msg:
    def __init__(self, subject, reply, headers, status, data):
        self.subject, self.reply, self.headers = subject, reply, headers
        self.status, self.data = status, data

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"Msg({self.subject!r}, {self.data[:200]!r})"


def parse_headers(block):
    lines = block.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return lines[0][len("NATS/1.0"):].strip(), headers


class Nats:
    def __init__(self, port, timeout=5):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.pending = {}  # sid -> [Msg]
        self.next_sid = 1
        self.info = json.loads(self._line(time.monotonic() + timeout)[len("INFO "):])
        options = {"verbose": False, "pedantic": False, "headers": True,
                   "no_responders": True, "lang": "test", "version": "0"}
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        self.inbox = "_INBOX." + secrets.token_hex(8)
        self.inbox_sid = self.subscribe(self.inbox + ".*")
        self.flush()

    def wake(self):
        """End a read in another thread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- wire

    def _send(self, data):
        self.sock.sendall(data)

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came from the broker")
        self.sock.settimeout(left)
        chunk = self.sock.recv(1 << 16)
        if not chunk:
            raise NatsError("the broker closed the connection")
        self.buffer += chunk

    def _line(self, deadline):
        while b"\r\n" not in self.buffer:
            self._fill(deadline)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def _bytes(self, n, deadline):
        while len(self.buffer) < n + 2:
            self._fill(deadline)
        data, self.buffer = self.buffer[:n], self.buffer[n + 2:]
        return data

    def _message(self, words, deadline):
        with_headers = words[0] == "HMSG"
        total = int(words[-1])
        n_headers = int(words[-2]) if with_headers else 0
        reply = words[3] if len(words) == (6 if with_headers else 5) else ""
        data = self._bytes(total, deadline)
        status, headers = parse_headers(data[:n_headers].rstrip()) if with_headers else ("", {})
        self.pending[int(words[2])].append(
            Msg(words[1], reply, headers, status, data[n_headers:]))

    def _step(self, deadline):
        """Handle one protocol line; returns its first word."""
        line = self._line(deadline)
        words = line.split(" ")
        if words[0] in ("MSG", "HMSG"):
            self._message(words, deadline)
        elif words[0] == "PING":
            self._send(b"PONG\r\n")
        elif words[0] == "-ERR":
            raise NatsError(line)
        return words[0]

    def flush(self, timeout=5):
        deadline = time.monotonic() + timeout
        self._send(b"PING\r\n")
        while self._step(deadline) != "PONG":
            pass

    # ---- core

    def subscribe(self, subject):
        sid, self.next_sid = self.next_sid, self.next_sid + 1
        self.pending[sid] = []
        self._send(f"SUB {subject} {sid}\r\n".encode())
        return sid

    def next(self, sid, timeout=5):
        deadline = time.monotonic() + timeout
        while not self.pending[sid]:
            self._step(deadline)
        return self.pending[sid].pop(0)

    def publish(self, subject, data=b"", headers=None, reply=""):
        if isinstance(data, (dict, list)):
            data = json.dumps(data)
        if isinstance(data, str):
            data = data.encode()
        block = b""
        if headers:
            block = b"NATS/1.0\r\n" + b"".join(
                f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"
        head = ("HPUB" if block else "PUB") + f" {subject} " + (reply + " " if reply else "")
        sizes = f"{len(block)} {len(block) + len(data)}" if block else f"{len(data)}"
        self._send(head.encode() + sizes.encode() + b"\r\n" + block + data + b"\r\n")

    def request(self, subject, data=b"", headers=None, timeout=10):
        reply = f"{self.inbox}.{secrets.token_hex(6)}"
        self.publish(subject, data, headers, reply)
        deadline = time.monotonic() + timeout
        while True:
            msg = self.next(self.inbox_sid, deadline - time.monotonic())
            if msg.subject == reply:
                break
        if msg.status.startswith("503"):
            raise NatsError(f"no responders on {subject}")
        return msg

    def ask(self, subject, data=b"", timeout=10):
        """A request whose answer is JSON."""
        return self.request(subject, data, timeout=timeout).json()

    # ---- JetStream

    def js(self, verb, data=None):
        return self.ask("$JS.API." + verb, data or b"")

    def js_publish(self, subject, data, headers=None):
        ack = self.request(subject, data, headers).json()
        if "error" in ack:
            raise NatsError(ack["error"]["description"])
        return ack

    def stream_info(self, stream):
        return self.js("STREAM.INFO." + stream)

    def stream_get(self, stream, **how):
        """One stored message, {"subject","seq","data","hdrs"...}, or None."""
        reply = self.js("STREAM.MSG.GET." + stream, how)
        return reply.get("message")

    def stream_all(self, stream, subject=">"):
        """Every message on a subject, oldest first."""
        seq = 1
        while True:
            msg = self.stream_get(stream, seq=seq, next_by_subj=subject)
            if msg is None:
                return
            yield msg
            seq = msg["seq"] + 1

    def kv_put(self, bucket, key, data):
        return self.js_publish(f"$KV.{bucket}.{key}", data)

    def kv_get(self, bucket, key):
        return self.stream_get("KV_" + bucket, last_by_subj=f"$KV.{bucket}.{key}")
