"""What the tests of lifecycled share: a broker with one lifecycled, requests, events, protobuf by hand."""
import json

import pytest

from harness import b64, until

API = "lifecycle.v1.api."
CMD = "lifecycle.v1.cmd.default."


@pytest.fixture
def control(bed):
    """Broker and one lifecycled, ready."""
    bed.nats().start()
    return bed.lifecycled().start().wait_ready()


def ask(n, verb, body=None, **kw):
    return n.ask(API + verb, body if body is not None else {}, **kw)


def events(n, instance):
    """All stored events of an instance; their numbers must be 1, 2, 3..."""
    stored = n.stream_all("LIFECYCLE_EVT", f"lifecycle.v1.evt.default.{instance}.*")
    found = [json.loads(b64(m["data"])) for m in stored]
    assert [e["event_no"] for e in found] == list(range(1, len(found) + 1)), found
    return found


def types(n, instance):
    return [e["type"] for e in events(n, instance)]


def expect_types(n, instance, expected):
    """Events come a moment after the answer: what follows from a record is done first."""
    until(lambda: len(types(n, instance)) >= len(expected), f"{instance}: {len(expected)} events")
    assert types(n, instance) == expected


def wait_event(n, instance, kind):
    return until(lambda: next((e for e in events(n, instance) if e["type"] == kind), None), f"{instance}: {kind}")


def field(no, value):
    """One protobuf field: text, or a whole number."""
    if isinstance(value, int):
        return varint(no << 3) + varint(value)
    data = value if isinstance(value, bytes) else value.encode()
    return varint(no << 3 | 2) + varint(len(data)) + data


def varint(v):
    out = b""
    while v > 0x7f:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def parse(data):
    """Fields of a protobuf message: {number: [values]}."""
    out, i = {}, 0

    def number():
        nonlocal i
        v, shift = 0, 0
        while True:
            b = data[i]
            i += 1
            v |= (b & 0x7f) << shift
            shift += 7
            if b < 0x80:
                return v
    while i < len(data):
        key = number()
        if key & 7 == 0:
            out.setdefault(key >> 3, []).append(number())
        else:
            assert key & 7 == 2
            size = number()
            out.setdefault(key >> 3, []).append(data[i:i + size])
            i += size
    return out
