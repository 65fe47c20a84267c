"""settings-sync-daemon plan: the step on files, as people preview it."""
import json
import os
import subprocess

import pytest

PLAN = os.path.join(os.environ["ZEDBUS_BIN_DIR"], "settings-sync-daemon")
B0 = {"context_servers": {"helix-rag": {"url": "http://h/rag", "headers": {"Authorization": "Bearer T1"}},
                          "helix-session": {"url": "http://h/ses"}, "team-x": {"command": "tx", "args": ["a"]}},
      "agent": {"default_model": {"provider": "openai", "model": "m1"}, "show_onboarding": False},
      "theme": "Ayu Dark", "format_on_save": "off", "languages": {"Go": {"format_on_save": "on"}}}
NONE = {"set": {}, "del": []}


def call(tmp_path, *flags, **texts):
    """Each text goes into a file of its own and becomes a flag."""
    argv = [PLAN, "plan", *flags]
    for name, text in texts.items():
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode() if isinstance(text, str)
                         else json.dumps(text).encode())
        argv += ["--" + name.replace("_", "-"), str(path)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def plan(tmp_path, **texts):
    r = call(tmp_path, **texts)
    assert r.returncode == 0 and not r.stderr, r.stderr
    return json.loads(r.stdout)


EDITS = [  # before, what it shall say, after
    ('{\n  // my theme\n  "theme": "A", // dark\n}\n', {"theme": "B"},
     '{\n  // my theme\n  "theme": "B", // dark\n}\n'),
    ('{\n  "a": 1 // c\n}', {"a": 1, "b": 2}, '{\n  "a": 1, // c\n  "b": 2\n}'),
    ('{\n  "a": 1, // c\n}', {"a": 1, "b": 2}, '{\n  "a": 1, // c\n  "b": 2,\n}'),
    ('{\n\t"a": 1\n}', {"a": 1, "o": {"x": 1}}, '{\n\t"a": 1,\n\t"o": {\n\t\t"x": 1\n\t}\n}'),
    ('{\r\n    "a": 1\r\n}\r\n', {"a": 1, "b": 2}, '{\r\n    "a": 1,\r\n    "b": 2\r\n}\r\n'),
    ('{"a":1,"b":2}', {"a": 1, "b": 2, "c": 3}, '{"a":1,"b":2,"c":3}'),
    ('{ "a": 1, "b": 2 }', {"a": 1, "b": 2, "c": 3}, '{ "a": 1, "b": 2, "c": 3 }'),
    ('{}', {"a": 1}, '{\n  "a": 1\n}'),
    ('', {"a": 1}, '{\n  "a": 1\n}\n'),
    ('// hi\n', {"a": 1}, '// hi\n{\n  "a": 1\n}\n'),
    ('{\n  // only\n}', {"a": 1}, '{\n  // only\n  "a": 1\n}'),
    ('{\n  "a": 1,\n  // about b\n  "b": 2, // tb\n  "c": 3\n}', {"a": 1, "c": 3},
     '{\n  "a": 1,\n  // about b\n  // tb\n  "c": 3\n}'),
    ('{\n  "a": 1,\n  "b": 2\n}', {"a": 1}, '{\n  "a": 1\n}'),
    ('{\n  "a": 1,\n  "b": 2,\n}', {"a": 1}, '{\n  "a": 1,\n}'),
    ('{\n  "b": 2\n}', {}, '{}'),
    ('{\n  "a": 1, // x, y\n  "b": 2\n}', {"a": 1}, '{\n  "a": 1 // x, y\n}'),
    ('{"we\\"ird": 1, "b": 2}', {"b": 2}, '{"b": 2}'),
    ('{"\\u0074heme":"A"}', {"theme": "B"}, '{"\\u0074heme":"B"}'),
    ('{"u":"http://x,}//y"}', {"u": "http://x,}//y", "a": 1}, '{"u":"http://x,}//y","a":1}'),
    ('{\n  // 27" display\n  "glob": "*.{ts,}"\n}', {"glob": "*.{ts,}", "a": 1},
     '{\n  // 27" display\n  "glob": "*.{ts,}",\n  "a": 1\n}'),
    ('{"a"/*k*/:/*v*/1/*w*/}', {"a": 2}, '{"a"/*k*/:/*v*/2/*w*/}'),
    ('{"a":1,"a":2}', {"a": 3}, '{"a":1,"a":3}'),
    ('{"a":1,"a":2}', {}, '{}'),
    (b'\xef\xbb\xbf{"a":1}'.decode(), {"a": 2}, '\ufeff{"a":2}'),
]


@pytest.mark.parametrize("before, says, after", EDITS)
def test_edits_are_exact(tmp_path, before, says, after):
    """A file nobody touched comes to say what the base says, in the fewest bytes."""
    p = plan(tmp_path, file=before, last=before, base=says, overrides=NONE, policy={"rules": []})
    assert (p["state"], p["changed"], p["file"]) == ("ok", True, after)
    assert p["overrides"] == NONE and p["error"] is None


@pytest.mark.parametrize("text", [
    b"[]", b"{", b"{} x", b"{'a':1}", b"{a:1}", b'{"a":NaN}', b"{,}", b'{"a":"x\ny"}', b'{"a":"\\v"}', b'{"a":"\\x41"}',
    b'{"a":"\xff"}', b"{\x0b}", b"{\x00}", b"/* {}", b'{"a":01}'])
def test_what_is_no_settings_file_is_left_alone(tmp_path, text):
    """invalid, with the place; nothing to write, overrides as they were."""
    u = {"set": {"/x": 1}, "del": ["/y"]}
    p = plan(tmp_path, file=text, last=B0, base=B0, overrides=u)
    assert (p["state"], p["changed"], p["file"], p["overrides"], p["events"]) == ("invalid", False, None, u, [])
    assert p["error"]["line"] >= 1 and p["error"]["column"] >= 1 and p["error"]["message"]


def test_limits(tmp_path):
    """Larger than 1 MiB, deeper than 100: too_large."""
    assert plan(tmp_path, file="{}" + " " * 1024 * 1024)["state"] == "too_large"
    assert plan(tmp_path, file='{"a":' + "[" * 100 + "]" * 100 + "}")["state"] == "too_large"


def test_missing_parts(tmp_path):
    """No file, no last, no overrides: each has its meaning."""
    gone = call(tmp_path, "--file", str(tmp_path / "none"), last=B0, overrides=NONE)
    assert json.loads(json.loads(gone.stdout)["file"]) == B0
    assert plan(tmp_path, file={"mine": 1}, base=B0)["overrides"] == {"set": {"/mine": 1}, "del": []}
    fresh = plan(tmp_path, file="", base=B0, overrides={"set": {"/theme": "X"}, "del": ["/format_on_save"]})
    said = json.loads(fresh["file"])
    assert said["theme"] == "X" and "format_on_save" not in said
    assert plan(tmp_path, file=B0, last={**B0, "theme": "T"}, base=B0)["overrides"] == NONE
    assert plan(tmp_path, file={"x": 1}, last={"x": 1}, base={"y": 2})["overrides"] == {"set": {"/x": 1}, "del": ["/y"]}


@pytest.mark.parametrize("entry, verdict", [
    ({"command": "x"}, "invalid"), ({"command": "x", "args": None}, "invalid"), ({"url": "u"}, None),
    ({"url": "u", "headers": {}}, None), ({"enabled": False}, "invalid"),
    ({"command": "x", "args": [], "url": "u"}, "warning"), ({"settings": {}}, None),
    ({"command": {"path": "x", "args": []}}, "warning"), ({"url": "u", "headers": {"n": 1}}, "invalid")])
def test_entries_are_checked_as_zed_reads_them(tmp_path, entry, verdict):
    """What the user wrote stays and goes up; elsewhere an entry that cannot stand is not written."""
    mine = {**B0, "context_servers": {**B0["context_servers"], "mine": entry}}
    p = plan(tmp_path, file=mine, last=B0, base=B0, overrides=NONE)
    assert not p["changed"] and [e["type"] for e in p["events"]] == ([verdict] if verdict else [])
    other = plan(tmp_path, file=B0, last=B0, base=B0, overrides=p["overrides"])
    assert other["overrides"] == p["overrides"]
    said = json.loads(other["file"])["context_servers"] if other["changed"] else B0["context_servers"]
    assert ("mine" in said) == (verdict != "invalid")


def test_bulk_deletion_is_held(tmp_path):
    """Five overrides gone in one save: kept, and told; one fewer is an ordinary save."""
    for n, held in ((5, True), (4, False)):
        u = {"set": {f"/k{i}": i for i in range(n)}, "del": []}
        p = plan(tmp_path, file=B0, last={**B0, **{f"k{i}": i for i in range(n)}}, base=B0, overrides=u)
        assert not p["changed"] and p["overrides"] == (u if held else NONE)
        assert [e["type"] for e in p["events"]] == (["held"] * n if held else [])


def test_bad_usage(tmp_path):
    """Unreadable inputs and unknown flags are exit 2, with one line."""
    good = {"file": B0, "last": B0}
    for bad in ({"last": "{"}, {"base": "["}, {"overrides": '{"set":1}'}, {"overrides": '{"x":1}'},
                {"policy": '{"rules":[{}]}'}, {"base": ""}):
        r = call(tmp_path, **{**good, **bad})
        assert r.returncode == 2 and r.stdout == "" and len(r.stderr.splitlines()) == 1, (bad, r)
    assert call(tmp_path, "--nonsense", **good).returncode == 2
    assert call(tmp_path, last=B0).returncode == 2
    assert call(tmp_path, "--base", str(tmp_path / "none"), **good).returncode == 2
