"""Stand-ins that answer as a test tells them to, where the real daemon would not do what is to be shown."""
import http.server
import json
import threading

import nats_raw


class FakeLifecycled:
    """Answers lifecycle.v1.api.> on a real broker.

    answers: verb -> value, or function(body) -> value; None is silence.
    """

    def __init__(self, broker):
        self.answers, self.asked = {}, []
        self.nats = broker.connect()
        self.sid = self.nats.subscribe("lifecycle.v1.api.>")
        self.nats.flush()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                msg = self.nats.next(self.sid, 3600)
            except (nats_raw.NatsError, OSError, ValueError):
                return
            verb, tenant = msg.subject.split(".")[3:5]
            body = msg.json()
            self.asked.append((verb, tenant, body))
            answer = self.answers.get(verb)
            if callable(answer):
                answer = answer(body)
            if answer is not None:
                self.nats.publish(msg.reply, answer if isinstance(answer, str) else json.dumps(answer))

    def close(self):
        # Its thread ends before the socket is closed: one that still waits would take up whatever file gets the
        # number next, and hold the pipe of a program that is run then open.
        self.nats.wake()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.nats.close()


class FakeHttp:
    """answers: "METHOD /path" -> (status, headers, body) or function(handler, body) that answers by itself."""

    def __init__(self, port):
        self.answers, self.asked = {}, []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.split("?")[0]
                fake.asked.append((self.command, self.path, dict(self.headers), body))
                found = fake.answers.get(f"{self.command} {path}", (404, {}, error("NOT_FOUND", path)))
                if callable(found):
                    found = found(self, body)
                if found is not None:
                    self.reply(*found)

            def reply(self, status, headers, body):
                text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # clients that leave are no news

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def error(code, message="because"):
    return {"error": {"code": code, "message": message}}


def event_stream(handler, events):
    """Send (event, id, data) as server-sent events, then cut the connection."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for event, event_id, data in events:
        handler.wfile.write(f"id: {event_id}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode())
        handler.wfile.flush()
    handler.close_connection = True
