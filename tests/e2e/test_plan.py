"""settings-sync-daemon plan: the step on files, as people preview it."""
import json
import os
import subprocess

import pytest

from plan_vectors import B0, CLASSES, DECISIONS, GONE, NEEDS_H0, NONE, P0, TEAM_DELS, VECTORS

PLAN = os.path.join(os.environ["ZEDBUS_BIN_DIR"], "settings-sync-daemon")


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


def nested(levels):
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def keys(n, comma=","):
    """A document of 4n + 1 tokens, or 4n + 2 with a comma at the end."""
    return "{" + ",".join(f'"k{i}":1' for i in range(n)) + comma + "}"


@pytest.mark.parametrize("inside, outside", [
    ("{}" + " " * (1024 * 1024 - 2), "{}" + " " * (1024 * 1024 - 1)), (nested(100), nested(101)),
    ('{"a":' + "[" * 99 + "]" * 99 + "}", '{"a":' + "[" * 100 + "]" * 100 + "}"),
    (keys(24999, ""), keys(25000)), ('{"' + "k" * 4096 + '":1}', '{"' + "k" * 4097 + '":1}'),
    ("{" + "//\n" * 99998 + "}", "{" + "//\n" * 99999 + "}")],
    ids=["bytes", "objects", "arrays", "tokens", "key", "comments"])
def test_limits(tmp_path, inside, outside):
    """Up to the limit a file is read; over it the state is too_large and everything stays as it was."""
    u = {"set": {"/x": 1}, "del": []}
    assert plan(tmp_path, file=inside, last=inside, overrides=NONE, policy={"rules": []})["state"] == "ok"
    p = plan(tmp_path, file=outside, base=B0, overrides=u)
    assert (p["state"], p["changed"], p["file"], p["overrides"], p["events"]) == ("too_large", False, None, u, [])
    assert p["error"]["message"] and p["error"]["line"] >= 1 and p["error"]["column"] >= 1
    r = call(tmp_path, file="{}", last=outside)
    assert r.returncode == 2 and not r.stdout and len(r.stderr.splitlines()) == 1


def test_what_would_grow_over_the_limit(tmp_path):
    """The base would make the file larger than can be read again: nothing to write, and why."""
    mine = {"mine": "x" * 700_000}
    p = plan(tmp_path, file=mine, last=mine, base={"theirs": "y" * 700_000}, overrides={"set": {"/mine": mine["mine"]}})
    assert (p["state"], p["changed"], p["file"]) == ("too_large", False, None) and "limits" in p["error"]["message"]
    assert p["overrides"] == {"set": {"/mine": mine["mine"]}, "del": []}


@pytest.mark.parametrize("text, line, column", [
    ('{"a":1,\n "b":tru}', 2, 6), ('{"\u00e9\u00e9": x}', 1, 8), ("{}\r\n  {}", 2, 3),
    ('{"a":"\t"}', 1, 7), ("[1]", 1, 1)])
def test_the_place_of_an_error(tmp_path, text, line, column):
    p = plan(tmp_path, file=text, last=B0)
    assert p["state"] == "invalid" and (p["error"]["line"], p["error"]["column"]) == (line, column)


@pytest.mark.parametrize("blank", ["", " \n\t", "// nothing\n", "/* a */ // b", "\ufeff"])
def test_a_blank_file_is_a_missing_one(tmp_path, blank):
    """Never a deletion: made again from what was last applied, its comments kept."""
    p = plan(tmp_path, file=blank, last=B0, base=B0, overrides=NONE)
    assert p["changed"] and p["overrides"] == NONE and triples(p) in ([], [("warning", "", "bom")])
    assert p["file"].startswith(blank.rstrip(" \n\t")) and '"theme": "Ayu Dark"' in p["file"]


def test_all_combinations_of_missing_inputs(tmp_path):
    """Each gives a plan; what it would write and the overrides are stable from there on."""
    parts = {"file": {**B0, "theme": "F", "mine": 1}, "last": B0, "base": {**B0, "theme": "H"}, "last_base": B0,
             "overrides": {"set": {"/other": 2}, "del": ["/languages"]}, "policy": P0}
    for mask in range(64):
        given = {k: v for i, (k, v) in enumerate(parts.items()) if mask >> i & 1}
        flags = () if "file" in given else ("--file", str(tmp_path / "none"))
        r = call(tmp_path, *flags, **given)
        assert r.returncode == 0 and not r.stderr, (given, r.stderr)
        p = json.loads(r.stdout)
        assert p["state"] == "ok"
        text = p["file"] if p["changed"] else json.dumps(given["file"])
        base = given.get("base", given.get("last", {}))
        again = plan(tmp_path, file=text, last=text, base=base, overrides=p["overrides"],
                     **({"policy": P0} if "policy" in given else {}))
        assert not again["changed"] and again["overrides"] == p["overrides"], given


def test_overrides_may_name_objects(tmp_path):
    """Pointers to objects, in and out: what comes out names leaves."""
    p = plan(tmp_path, file=B0, last=B0, base=B0, policy=P0, overrides={
        "set": {"/o": {"a": {"b": 1}, "c": {}}}, "del": ["/context_servers/team-x", "/agent"], "revision": 7})
    assert p["overrides"] == {"set": {"/o/a/b": 1, "/o/c": {}},
                              "del": TEAM_DELS + ["/agent/show_onboarding"]}
    said = json.loads(p["file"])
    assert "team-x" not in said["context_servers"] and said["agent"] == {"default_model": B0["agent"]["default_model"]}
    assert said["o"] == {"a": {"b": 1}, "c": {}}


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
    ({"command": {"path": "x", "args": []}}, "warning"), ({"url": "u", "headers": {"n": 1}}, "invalid"),
    ({"args": []}, "invalid"), ({"command": "x", "args": [], "source": "custom"}, "warning"), ({}, "invalid"),
    ({"command": "x", "args": [1]}, "invalid"), ({"command": 1, "args": []}, "invalid"), ({"url": None}, "invalid"),
    ({"url": "u", "enabled": "no"}, "invalid"), ({"url": "u", "timeout": -1}, "invalid"), (5, "invalid"),
    ({"command": "x", "args": [], "env": {"A": None}}, "invalid"), ({"url": "u", "oauth": {"client_id": "c"}}, None)])
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
    for flag in ("--last", "--base", "--last-base", "--overrides", "--policy"):
        for path in (tmp_path / "none", tmp_path):
            r = call(tmp_path, flag, str(path), file=B0)
            assert r.returncode == 2 and not r.stdout and len(r.stderr.splitlines()) == 1 and str(path) in r.stderr
    assert call(tmp_path, "--file", str(tmp_path)).returncode == 2
    assert call(tmp_path, "more", **good).returncode == 2


def follow(doc, pointer):
    for token in pointer.split("/")[1:]:
        if not isinstance(doc, dict) or token not in doc:
            return GONE
        doc = doc[token]
    return doc


def changed(doc, changes):
    """A copy with these pointers set, or removed."""
    doc = json.loads(json.dumps(doc))
    for pointer, value in (changes or {}).items():
        *above, last = pointer.split("/")[1:]
        at = doc
        for token in above:
            at = at.setdefault(token, {})
        if value is GONE:
            at.pop(last, None)
        else:
            at[last] = value
    return doc


class Stepper:
    """A settings file through one plan after the other, as the daemon would carry them out."""

    def __init__(self, tmp_path, policy, base, know_h0):
        self.dir, self.policy, self.know_h0 = tmp_path, policy, know_h0
        self.base = self.base0 = base
        self.text, self.u = json.dumps(base, indent=2), NONE
        self.last = self.text

    def step(self, user=None, helix=None):
        if user:
            self.text = json.dumps(changed(json.loads(self.text), user), indent=2)
        self.base0, self.base = self.base, changed(self.base, helix)
        old = {"last_base": self.base0} if self.know_h0 else {}
        p = plan(self.dir, file=self.text, last=self.last, base=self.base, overrides=self.u, policy=self.policy, **old)
        assert p["state"] == "ok" and p["error"] is None and p["changed"] == (p["file"] is not None)
        self.text = self.last = p["file"] if p["changed"] else self.text
        self.u = p["overrides"]
        return p


def triples(p):
    return [(e["type"], e["path"], e["rule"]) for e in p["events"]]


@pytest.mark.parametrize("know_h0", [True, False], ids=["H0", "no H0"])
@pytest.mark.parametrize("name", VECTORS)
def test_vectors(tmp_path, name, know_h0):
    """Who wins, what is restored, what becomes an override: step by step, from the table."""
    entry = VECTORS[name]
    steps, policy, base = entry if isinstance(entry, tuple) else (entry, P0, B0)
    s = Stepper(tmp_path, policy, base, know_h0)
    for want in steps:
        p = s.step(want.get("F"), want.get("H"))
        said = json.loads(s.text)
        for pointer, value in want.get("at", {}).items():
            assert follow(said, pointer) == value, pointer
        if "u" in want:
            assert p["overrides"]["set"] == want["u"]["set"] and p["overrides"]["del"] == want["u"]["del"]
        if "changed" in want:
            assert p["changed"] == want["changed"]
        shadows = {e for e in triples(p) if e[0] == "shadowed"} if not know_h0 else set()
        if "events" in want:
            assert [e for e in triples(p) if e not in shadows] == [e for e in want["events"] if e not in shadows]
            assert know_h0 or shadows >= {e for e in want["events"] if e[0] == "shadowed"}
        if "order" in want:
            pointer, keys = want["order"]
            assert list(follow(said, pointer))[-len(keys):] == keys
        for side, value in want.get("sides", {}).items():
            assert p["events"][0][side] == value


@pytest.mark.parametrize("know_h0", [True, False], ids=["H0", "no H0"])
@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("row", DECISIONS, ids=lambda r: "-".join("x" if v is GONE else v for v in r[:4]))
def test_decisions(tmp_path, row, cls, know_h0):
    """Each cell of the table of decisions: one leaf of an entry that stays."""
    b, u, h0, h1, *cells = row
    if not know_h0 and (cls, b, u, h1) in NEEDS_H0:
        return
    value, mine, *events = cells[CLASSES.index(cls)]
    policy = {"rules": [{"path": "/e" if cls == "no-delete" else "/e/k", "class": cls}]}
    docs = {k: changed({"e": {"other": 1}}, {"/e/k": v}) for k, v in
            (("file", u), ("last", b), ("base", h1), ("last_base", h0))}
    if not know_h0:
        del docs["last_base"]
    p = plan(tmp_path, overrides=NONE, policy=policy, **docs)
    said = json.loads(p["file"]) if p["changed"] else docs["file"]
    assert follow(said, "/e/k") == value and follow(said, "/e/other") == 1
    assert p["overrides"] == (NONE if mine is None else {"set": {}, "del": ["/e/k"]} if mine is GONE else
                              {"set": {"/e/k": mine}, "del": []})
    assert [e["type"] for e in p["events"]] == events
    docs.update(file=said, last=said, last_base=docs["base"], overrides=p["overrides"])
    again = plan(tmp_path, policy=policy, **docs)
    assert not again["changed"] and again["overrides"] == p["overrides"]
