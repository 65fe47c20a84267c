"""A Zed under the test's command: says only what the test says, and keeps what it was told."""
import ws_raw
from harness import SLOWER, until


class Refused(Exception):
    def __init__(self, line, headers, body):
        super().__init__(line)
        self.status = int(line.split()[1])
        self.headers, self.body = headers, body


class FakeZed:
    def __init__(self, sessiond, session, token=None, query="session_id", ready=True, hello=True, **ready_data):
        headers = {"Authorization": "Bearer " + token} if token else {}
        path = "/api/v1/external-agents/sync" + (f"?{query}={session}" if session is not None else "")
        ws = ws_raw.connect(sessiond.port, path, headers)
        if isinstance(ws, tuple):
            raise Refused(*ws)
        self.ws = ws
        if hello:
            self.event("ping", timestamp=1760000000)
        if ready:
            self.ready(**ready_data)

    def event(self, event_type, **data):
        self.ws.send({"event_type": event_type, "data": data})

    def ready(self, **data):
        self.event("agent_ready", **{"agent_name": "zed-connection", "thread_id": None, **data})

    def expect(self, kind, timeout=10, **data):
        return self.ws.expect(kind, timeout * SLOWER, **data)

    def silent(self, seconds=0.3):
        return self.ws.silent(seconds)

    def prompt(self, text=None, timeout=10):
        """The next chat_message."""
        got = self.expect("chat_message", timeout)
        assert text is None or got["message"] == text, got
        return got

    def begin(self, text=None, thread="T1"):
        """Take the first prompt of a session: a thread is made for it."""
        got = self.prompt(text)
        assert got["acp_thread_id"] is None
        self.event("agent_ready", agent_name="zed-agent", thread_id=thread)
        self.event("thread_created", acp_thread_id=thread, request_id=got["request_id"])
        return got["request_id"]

    def say(self, request_id, message_id, content, thread="T1", role="assistant", **more):
        self.event("message_added", **{
            "acp_thread_id": thread, "message_id": str(message_id), "role": role, "content": content,
            "request_id": request_id, "timestamp": 1760000001, "entry_type": "text", "tool_name": "",
            "tool_status": "", **more})

    def complete(self, request_id, thread="T1", **more):
        self.event("message_completed", **{"acp_thread_id": thread, "message_id": "0", "request_id": request_id,
                                           "agent_name": "zed-agent", "usage": None, **more})

    def answer(self, request_id, text, message_id=1, thread="T1"):
        self.say(request_id, message_id, text, thread)
        self.complete(request_id, thread)

    def close(self):
        self.ws.close()


class Chat:
    """A session over HTTP."""

    def __init__(self, sessiond, session, http=None):
        self.http, self.id = http or sessiond.http, session
        self.path = f"/api/v1/sessions/{session}"

    def send(self, text, status=202, headers=None, **more):
        a = self.http.post(self.path + "/messages", {"message": text, **more}, headers=headers)
        assert a.status == status, a
        return a.json()

    def cancel(self, request_id=None):
        a = self.http.post(self.path + "/cancel", {"request_id": request_id} if request_id else None)
        return a.status, a.json()["status"]

    def get(self):
        return self.http.get(self.path).json()

    def list(self, query="order=asc"):
        """All of them, page by page."""
        out, cursor = [], ""
        while cursor is not None:
            a = self.http.get(f"{self.path}/interactions?{query}{cursor}")
            assert a.status == 200, a
            out += a.json()["interactions"]
            cursor = a.json()["next_cursor"] and "&cursor=" + a.json()["next_cursor"]
        return out

    def one(self, request_id):
        return next((i for i in self.list() if i["id"] == request_id), None)

    def wait(self, request_id, state, timeout=10):
        def check():
            i = self.one(request_id)
            return i if i and i["state"] == state else None
        return until(check, f"{request_id} is {state} (it is {self.one(request_id)})", timeout)


def new_chat(sessiond, session=None, **body):
    a = sessiond.http.post("/api/v1/sessions", {**({"id": session} if session else {}), **body})
    assert a.status == 201, a
    return Chat(sessiond, a.json()["id"])
