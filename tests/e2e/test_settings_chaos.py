"""Settings under everything at once: changes from all sides while parts are killed, cut off and started again.

Each side writes values of its own, counted up, so that what is found can be told from what was lost. A save made from a
text that was just replaced takes back what it did not know of, as with any editor; so of the others' keys only that the
value is one they gave is sure, of the user's own that it is the last.
"""
import json
import os
import random
import select

import pytest

from harness import until
from proxy import Proxy
from sidecar import Sidecar

SESSION = "ses_chaos"
API = f"/api/v1/sessions/{SESSION}"
OWNED = {"agent": {"default_model": {"provider": "p", "model": "m"}},
         "context_servers": {"helix-a": {"url": "http://a"}}}
LONG = bool(os.environ.get("ZEDBUS_LONG"))
ROUNDS = 2000 if LONG else 150


class Chaos:
    def __init__(self, bed, rng):
        self.bed, self.rng = bed, rng
        bed.nats().start()
        self.sessiond = bed.sessiond().start().wait_ready()
        self.wire = Proxy(bed.port(), self.sessiond.port)
        self.sidecar = Sidecar(bed, self.wire.url, session=SESSION)
        self.base, self.user, self.n = {}, {}, 0
        self.given = {}  # key -> every value it was given
        self.put()
        self.sidecar.start().wait_healthy()
        self.sidecar.until_value(lambda v: "agent" in v, "the base is there")

    def value(self, key):
        self.n += 1
        self.given.setdefault(key, []).append(self.n)
        return self.n

    # ---- what sides do

    def put(self):
        return self.sessiond.http.put(f"{API}/zed-config", {"settings": {**OWNED, **self.base}}).status == 200

    def helix_changes(self):
        key = f"base{self.rng.randrange(4)}"
        before = dict(self.base)
        if self.rng.random() < 0.2:
            self.base.pop(key, None)
        else:
            self.base[key] = self.value(key)
        if not self.put():
            self.base = before

    def other_changes(self):
        key = f"other{self.rng.randrange(4)}"
        ops = {"set": {"/" + key: self.value(key)}} if self.rng.random() < 0.8 else {"clear": ["/" + key]}
        self.sessiond.http.post(f"{API}/zed-config/user", {"ops": ops})

    def user_saves(self):
        """In place or by rename; sometimes against what is owned, which must come to nothing."""
        document = self.sidecar.value()
        if document is None:
            return
        key = f"mine{self.rng.randrange(4)}"
        if self.rng.random() < 0.2:
            self.user.pop(key, None)
            document.pop(key, None)
        else:
            document[key] = self.user[key] = self.value(key)
        if self.rng.random() < 0.2:
            document["agent"] = {"default_model": {"provider": "evil", "model": "x"}}
            document["context_servers"] = {}
        self.sidecar.save(document, rename=self.rng.random() < 0.7)
        if self.sidecar.running() and self.rng.random() < 0.7:
            until(lambda: self.sidecar.value() is not None, "the file is whole")

    # ---- what happens to them

    def daemon_dies(self):
        self.sidecar.kill()
        self.sidecar.start()

    def wire_breaks(self):
        self.wire.cut()
        self.moment(0.1)
        self.wire.mend()

    def answers_get_lost(self):
        self.wire.lose_answers(self.rng.randrange(1, 4))

    def sessiond_dies(self):
        self.sessiond.kill()
        self.moment(0.05)
        self.sessiond.start().wait_ready()

    def broker_dies(self):
        self.bed.broker.kill()
        self.bed.broker.start()
        self.sessiond.wait_ready()

    def moment(self, at_most):
        select.select([], [], [], self.rng.random() * at_most)

    def step(self):
        acts = [(self.helix_changes, 30), (self.other_changes, 20), (self.user_saves, 40), (self.daemon_dies, 6),
                (self.wire_breaks, 5), (self.answers_get_lost, 4), (self.sessiond_dies, 2), (self.broker_dies, 1)]
        act = self.rng.choices([a for a, _ in acts], [w for _, w in acts])[0]
        act()
        if self.rng.random() < 0.5:
            self.moment(0.02)

    # ---- what must hold

    def merged(self):
        return self.sessiond.http.get(f"{API}/zed-settings").json()

    def settle(self):
        self.wire.lose_answers(0)
        self.sidecar.wait_alive()

        def in_step():
            status = self.sidecar.status()
            return (status["state"] == "ok" and not status["upload"]["waiting"] and not status["pending"] and
                    self.sidecar.value() == self.merged())
        try:
            until(in_step, "file and server say the same", 40)
        except AssertionError:
            print("status", json.dumps(self.sidecar.status()))
            print("file  ", json.dumps(self.sidecar.value()))
            print("merged", json.dumps(self.merged()))
            print("user  ", json.dumps(self.sessiond.http.get(f"{API}/zed-config/user").json()))
            print("daemon", json.dumps(self.sidecar.http.get("/settings").json()))
            raise
        return self.sidecar.value()

    def check(self):
        v = self.settle()
        assert {k: x for k, x in v.items() if k.startswith("mine")} == self.user
        for key in v.keys() & self.given.keys():
            assert v[key] in self.given[key], (key, v[key], self.given[key])
        assert v["agent"] == OWNED["agent"] and v["context_servers"] == OWNED["context_servers"]


def history(chaos):
    return chaos.sessiond.http.get(f"{API}/zed-config/history?limit=1").json()["history"][0]["revision"]


@pytest.mark.parametrize("run", range(8 if LONG else 2))
def test_whatever_happens_it_converges(bed, run):
    """After every twenty or so events all is in step, nothing of the user's is lost, and nobody writes any more."""
    seed = int(os.environ.get("ZEDBUS_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    chaos = Chaos(bed, random.Random(seed))
    for i in range(ROUNDS):
        chaos.step()
        if i % 20 == 19:
            chaos.check()
    chaos.check()
    revision, text = history(chaos), chaos.sidecar.path.read_bytes()
    writes = chaos.sidecar.metric("settings_sync_writes_total")
    chaos.sidecar.http.post("/reload")
    chaos.check()
    assert (history(chaos), chaos.sidecar.path.read_bytes()) == (revision, text)
    assert chaos.sidecar.metric("settings_sync_writes_total") == writes
    chaos.base = {f"base{i}": chaos.value(f"base{i}") for i in range(4)}
    chaos.put()
    ops = {"clear": [f"/base{i}" for i in range(4)]}
    assert chaos.sessiond.http.post(f"{API}/zed-config/user", {"ops": ops}).status == 200
    chaos.sidecar.until_value(lambda v: chaos.base.items() <= v.items(), "both ways are open")
    assert json.loads(chaos.sidecar.text()) == chaos.merged()
