"""The settings daemon as tests start it, and its settings file as editors save it."""
import json
import os
import time

from harness import Daemon, until


class Sidecar(Daemon):
    program = "settings-sync-daemon"
    has_broker = False

    def __init__(self, bed, server_url, *flags, session="ses_1", name=None, env=None, home=None):
        self.home = home or bed.path / "h"
        self.path = self.home / ".config/zed/settings.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(bed, *flags, name=name, env={
            "HOME": str(self.home), "HELIX_API_URL": server_url, "HELIX_SESSION_ID": session, **(env or {})})

    def status(self):
        return self.http.get("/status").json()

    def text(self):
        return self.path.read_text()

    def value(self):
        try:
            return json.loads(self.text())
        except (OSError, ValueError):
            return None

    def save(self, value, rename=False):
        """As an editor saves: in place, or as Zed does by a new file."""
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        to = self.path.with_name(".zed-new") if rename else self.path
        to.write_text(text)
        if rename:
            os.rename(to, self.path)

    def until_value(self, check, what):
        """... and an editor can have seen it: a save within 10 ms of a write is taken for one that had not."""
        value = until(lambda: (v := self.value()) is not None and check(v), what)
        until(lambda: time.time_ns() - self.path.stat().st_mtime_ns > 10_000_000, "the write is not just now")
        return value

    def wait_healthy(self):
        self.wait_alive()
        until(lambda: self.http.get("/health").body == b"OK", "the sidecar is healthy", 20)
        return self
