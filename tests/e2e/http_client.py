"""HTTP as tests need it: whole answers, raw bytes, server-sent events."""
import contextlib
import http.client
import json
import os
import re
import socket

SLOWER = 4 if os.environ.get("ZEDBUS_SANITIZED") == "1" else 1


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:400]!r})"


class Http:
    def __init__(self, port, token=None):
        self.port, self.token = port, token

    def __call__(self, method, path, body=None, headers=None, timeout=30):
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            conn.request(method, path, body=body, headers=headers)
            r = conn.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            conn.close()

    def get(self, path, **kw):
        return self("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self("POST", path, body, **kw)

    def put(self, path, body=None, **kw):
        return self("PUT", path, body, **kw)

    def raw(self, data, timeout=10):
        """Send bytes as they are; everything that comes back until the peer closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(data)
            out = b""
            with contextlib.suppress(socket.timeout, ConnectionError):
                while chunk := s.recv(65536):
                    out += chunk
                    if b"\r\n\r\n" in out and complete(out):
                        break
            return out

    @contextlib.contextmanager
    def events(self, path, last_id=None, timeout=30):
        """Server-sent events as a generator of (event, id, data)."""
        headers = {"Accept": "text/event-stream"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if last_id:
            headers["Last-Event-ID"] = last_id
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SLOWER)
        try:
            conn.request("GET", path, headers=headers)
            r = conn.getresponse()
            assert r.status == 200, (r.status, r.read())
            yield sse(r)
        finally:
            conn.close()


def complete(response):
    head, _, body = response.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(length) and len(body) >= int(length[1])


def sse(response):
    event, event_id, data = "message", None, []
    for line in response:
        line = line.decode().rstrip("\r\n")
        if not line:
            if data:
                yield event, event_id, json.loads("\n".join(data))
            event, data = "message", []
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "event":
                event = value
            elif name == "id":
                event_id = value
            elif name == "data":
                data.append(value)
