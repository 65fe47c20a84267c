"""A settings server for the sidecar alone: as sessiond speaks, or as Helix itself, and wrong when told to be."""
import base64
import contextlib
import hashlib
import http.server
import json
import socket
import threading

from ws_raw import GUID, WebSocket


class FakeSettings:
    """Base and overrides of one session, with one counter; what was asked is in `asked`.

    helix: as Helix's API of the same paths. Then base is given in parts, stored overrides never come back, nothing is
    conditional, and a request that Helix's own daemon would not make is refused and noted in `faults`.

    wrong: "METHOD what" (as "GET zed-config") -> function(handler), called instead of an answer until removed.
    """

    def __init__(self, port, session="ses_1", helix=False, tls=None):
        self.port, self.session, self.helix, self.tls = port, session, helix, tls
        self.revision, self.base, self.base_revision, self.policy = 0, {}, 0, None
        self.set, self.dels, self.user_revision = {}, [], 0
        self.plain = None  # what Helix would have stored
        self.claude = self.codex = None  # credentials, as GET gives them
        self.faults = []
        self.seen_ops, self.asked, self.wrong, self.token = {}, [], {}, None
        self.lock, self.server, self.sockets, self.pushes = threading.Lock(), None, set(), []

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    # ---- its life: an outage cuts every connection

    def start(self):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                fake.sockets.add(self.connection)
                if fake.server is not self.server:  # stopped since it was accepted
                    self.connection.shutdown(socket.SHUT_RDWR)

            def finish(self):
                fake.sockets.discard(self.connection)
                super().finish()

            def log_message(self, *_):
                pass

            def serve(self):
                fake.serve(self)

            do_GET = do_POST = do_PUT = serve

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self):
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        for s in list(self.sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pushes = []

    @classmethod
    @contextlib.contextmanager
    def as_helix(cls, bed, base, session="ses_1"):
        """Helix's API with token t0 and @base; what its own daemon would not ask is a failure."""
        s = cls(bed.port(), session, helix=True)
        s.token = "t0"
        s.put_base(base, push=False)
        s.start()
        yield s
        s.stop()
        assert s.faults == []

    # ---- what a test does at the server

    def put_base(self, settings, push=True, policy=None):
        with self.lock:
            self.revision += 1
            self.base, self.base_revision = settings, self.revision
            self.policy = policy or self.policy
        if push:
            self.push({"type": "config_changed", "revision": self.base_revision})

    def put_user(self, sets=None, dels=(), push=True):
        with self.lock:
            self.revision += 1
            self.user_revision = self.revision
            self.set.update(sets or {})
            self.dels = sorted({*self.dels, *dels} - set(self.set))
            for p in dels:
                self.set.pop(p, None)
        if push:
            self.push({"type": "user_settings_changed", "revision": self.user_revision})

    def push(self, event):
        with self.lock:
            pushes = list(self.pushes)
        for ws in pushes:
            try:
                ws.send(event)
            except OSError:
                self.pushes.remove(ws)

    def asked_for(self, method, what):
        return [a for a in self.asked if a[0] == method and a[1].endswith("/" + what)]

    # ---- answers

    def serve(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        path = h.path.split("?")[0]
        what = path.split(f"/sessions/{self.session}/")[-1] if "/sessions/" in path else path
        self.asked.append((h.command, path, dict(h.headers), body))
        wrong = self.wrong.get(f"{h.command} {what}")
        if wrong:
            wrong(h)
        elif self.token and h.headers.get("Authorization") != "Bearer " + self.token:
            reply(h, 401, {"error": {"code": "UNAUTHORIZED", "message": "who?"}})
        elif path.endswith("/api/v1/ws/user"):
            self.upgrade(h)
        else:
            fault = self.helix and helix_fault(h, what, body)
            if fault:
                self.faults.append(fault)
                reply(h, 400, {"error": {"code": "INVALID", "message": fault}})
                return
            with self.lock:
                getattr(self, f"{h.command}_{what}".replace("-", "_").replace("/", "_"), missing)(h, body)

    def upgrade(self, h):
        key = h.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        h.send_response(101)
        for k, v in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            h.send_header(k, v)
        ws = WebSocket(h.connection, masks=False)
        with self.lock:  # who sees it open is told of every change from then on
            h.end_headers()
            self.pushes.append(ws)
        try:
            while True:
                ws.receive(3600)
        except Exception:  # noqa: BLE001 whatever ends it ends it
            h.close_connection = True
        finally:
            if ws in self.pushes:
                self.pushes.remove(ws)

    def conditional(self, h, revision, body):
        tag = f'"{revision}"'
        if h.headers.get("If-None-Match") == tag:
            reply(h, 304, None, {"ETag": tag})
        else:
            reply(h, 200, body, {"ETag": tag})

    def GET_zed_config(self, h, _):
        flat = {"context_servers": self.base.get("context_servers", {}), "theme": self.base.get("theme", ""),
                "version": self.base_revision}
        for key in ("agent", "language_models", "assistant"):
            if isinstance(self.base.get(key), dict):
                flat[key] = self.base[key]
        if self.helix:
            flags = {"claude_subscription_available": self.claude is not None,
                     "codex_subscription_available": self.codex is not None}
            reply(h, 200, {"color_scheme": "", **flat, "version": 1760000000, **flags, **self.base.get("_helix", {})})
            return
        policy = {"policy": self.policy} if self.policy else {}
        self.conditional(h, self.base_revision, {"settings": self.base, "session_id": self.session, **policy, **flat})

    def GET_zed_config_user(self, h, _):
        if self.helix:
            missing(h, None)
            return
        self.conditional(h, self.user_revision, {"overrides": {}, "set": self.set, "del": self.dels,
                                                 "revision": self.user_revision, "updated_at": None})

    def POST_zed_config_user(self, h, body):
        doc = json.loads(body)
        if self.helix:
            self.plain = doc
            reply(h, 200, {"status": "ok"})
            return
        match = h.headers.get("If-Match")
        if doc["op_id"] in self.seen_ops:
            reply(h, 200, self.seen_ops[doc["op_id"]])
        elif match and match != f'"{self.user_revision}"':
            reply(h, 412, {"error": {"code": "STALE", "message": "read again"}})
        else:
            self.apply(doc["ops"])
            answer = {"status": "ok", "revision": self.user_revision, "rejected": [], "invalid": []}
            self.seen_ops[doc["op_id"]] = answer
            reply(h, 200, answer)

    def apply(self, ops):
        gone = [*ops.get("clear", []), *ops.get("set", {}), *ops.get("del", [])]
        for p in gone:
            self.set = {k: v for k, v in self.set.items() if k != p and not k.startswith(p + "/")}
            self.dels = [k for k in self.dels if k != p and not k.startswith(p + "/")]
        self.set.update(ops.get("set", {}))
        self.dels = sorted({*self.dels, *ops.get("del", [])})
        self.revision += 1
        self.user_revision = self.revision

    def GET_claude_credentials(self, h, _):
        reply(h, 200, self.claude) if self.claude else missing(h, None)

    def PUT_claude_credentials(self, h, body):
        new = json.loads(body)
        if not new.get("accessToken") or not new.get("refreshToken"):
            reply(h, 400, b"access and refresh token required")
            return
        self.claude = {"credential_type": "oauth", "oauth_credentials": new}
        reply(h, 200, {"status": "ok"})

    def GET_codex_credentials(self, h, _):
        reply(h, 200, self.codex) if self.codex else missing(h, None)

    def PUT_codex_credentials(self, h, body):
        new = json.loads(body)
        stale = bool(self.codex) and new["last_refresh"] < self.codex["last_refresh"]
        if not stale:
            self.codex = new
        reply(h, 200, {"status": "stale" if stale else "ok"})

    def POST_agent_config_applied(self, h, _):
        reply(h, 200, {"status": "ok"})


def helix_fault(h, what, body):
    """What of a request Helix's own daemon never does; None if it could be its."""
    method, headers = h.command, {k.lower(): v for k, v in h.headers.items()}
    known = {"GET zed-config", "POST zed-config/user", "GET claude-credentials", "PUT claude-credentials",
             "GET codex-credentials", "PUT codex-credentials", "POST agent-config-applied"}
    if f"{method} {what}" not in known:
        return f"{method} {h.path}: Helix's API is not asked that"
    if {"if-match", "if-none-match"} & set(headers):
        return f"{method} {what} has a condition"
    bodied = method == "PUT" or what == "zed-config/user"
    if bodied and headers.get("content-type") != "application/json":
        return f"{method} {what} is not JSON"
    if not bodied and (body or "content-type" in headers):
        return f"{method} {what} has a body"
    if bodied and not isinstance(json.loads(body), dict):
        return f"{method} {what} is no object"
    return None


def missing(h, _):
    reply(h, 404, {"error": {"code": "NOT_FOUND", "message": h.path}})


def reply(h, status, body, headers=None):
    text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    h.send_response(status)
    for k, v in {"Content-Type": "application/json", **(headers or {})}.items():
        h.send_header(k, v)
    if status != 304:
        h.send_header("Content-Length", str(len(text)))
    h.end_headers()
    if status != 304:
        h.wfile.write(text)
