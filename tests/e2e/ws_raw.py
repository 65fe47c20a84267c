"""WebSocket by hand, both ends: blocking, and able to send what no library would."""
import base64
import hashlib
import json
import os
import socket
import struct
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, sock, masks, buffer=b""):
        self.sock, self.masks, self.buffer = sock, masks, buffer
        self.request, self.headers = "", {}
        self.pings = 0

    def close(self):
        self.sock.close()

    # ---- frames

    def send_frame(self, opcode, payload=b"", fin=True):
        head = bytes([(0x80 if fin else 0) | opcode])
        mask = 0x80 if self.masks else 0
        n = len(payload)
        if n < 126:
            head += bytes([mask | n])
        elif n < 65536:
            head += bytes([mask | 126]) + struct.pack(">H", n)
        else:
            head += bytes([mask | 127]) + struct.pack(">Q", n)
        if self.masks:
            key = os.urandom(4)
            pad = (key * (n // 4 + 1))[:n]
            payload = key + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")
        self.sock.sendall(head + payload)

    def send(self, value):
        text = value if isinstance(value, str) else json.dumps(value)
        self.send_frame(TEXT, text.encode())

    def _read(self, n, deadline):
        while len(self.buffer) < n:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no frame came")
            self.sock.settimeout(left)
            chunk = self.sock.recv(1 << 16)
            if not chunk:
                raise Closed(1006, "no close frame")
            self.buffer += chunk
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def _frame(self, deadline):
        a, b = self._read(2, deadline)
        n = b & 0x7F
        if n == 126:
            n = struct.unpack(">H", self._read(2, deadline))[0]
        elif n == 127:
            n = struct.unpack(">Q", self._read(8, deadline))[0]
        key = self._read(4, deadline) if b & 0x80 else None
        data = self._read(n, deadline)
        if key:
            pad = (key * (n // 4 + 1))[:n]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")
        return a & 0x80, a & 0x0F, data

    def receive(self, timeout=10):
        """The next whole text message; pings are answered. Raises Closed."""
        deadline = time.monotonic() + timeout
        whole = b""
        while True:
            fin, opcode, data = self._frame(deadline)
            if opcode == CLOSE:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                raise Closed(code, data[2:].decode(errors="replace"))
            if opcode == PING:
                self.pings += 1
                self.send_frame(PONG, data)
            elif opcode != PONG:
                whole += data
                if fin:
                    return whole.decode()

    def json(self, timeout=10):
        return json.loads(self.receive(timeout))

    def expect(self, event_type, timeout=10, **data):
        """Skip to the next event of this type whose data are as given; returns its data."""
        deadline = time.monotonic() + timeout
        while True:
            msg = self.json(max(0.01, deadline - time.monotonic()))
            found = msg.get("data", {})
            if msg.get("event_type", msg.get("type")) == event_type and \
                    all(found.get(k) == v for k, v in data.items()):
                return found

    def silent(self, seconds):
        """True if nothing comes in this time."""
        try:
            self.receive(seconds)
            return False
        except TimeoutError:
            return True


def read_head(sock, timeout=10):
    sock.settimeout(timeout)
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            break
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return lines[0], headers, rest


class Server:
    """Accepts WebSockets one by one, as a test asks for them."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port), backlog=200)

    def accept(self, timeout=10, status=None):
        """The next handshake; with @status it is refused. TimeoutError if none comes."""
        self.socket.settimeout(timeout)
        try:
            sock, _ = self.socket.accept()
        except socket.timeout:
            raise TimeoutError("nobody connected") from None
        line, headers, rest = read_head(sock, timeout)
        if status:
            sock.sendall(f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            sock.close()
            return None
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest()).decode()
        sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        ws = WebSocket(sock, False, rest)
        ws.request, ws.headers = line, headers
        return ws

    def close(self):
        self.socket.close()


def connect(port, path, headers=None, timeout=10):
    """A client's handshake. Returns the WebSocket, or (status line, headers, body so far) if it was refused."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    head = {"Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **(headers or {})}
    sock.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n").encode())
    line, got, rest = read_head(sock, timeout)
    if " 101 " not in line:
        sock.settimeout(timeout)
        need = int(got.get("content-length", 0))
        while len(rest) < need:
            rest += sock.recv(65536)
        sock.close()
        return line, got, rest
    ws = WebSocket(sock, True, rest)
    ws.request, ws.headers = line, got
    return ws
