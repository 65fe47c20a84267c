"""zedctl settings on a real sessiond and nats-server: what each verb shows, changes, refuses and exits with."""
import json
import os
import pty
import subprocess

import pytest

from harness import BIN, until
from proxy import Proxy

SESSION = "ses_ctl"
API = f"/api/v1/sessions/{SESSION}"
BASE = {"theme": "Ayu Dark", "format_on_save": "off", "agent": {"default_model": {"provider": "openai", "model": "m1"}},
        "context_servers": {"helix-rag": {"url": "http://h/rag", "headers": {"Authorization": "Bearer hush"}}}}


class Ctl:
    """zedctl settings VERB SESSION ..., on a session with a base."""

    def __init__(self, bed, sessiond, url=None):
        self.bed, self.http = bed, sessiond.http
        self.ctl = bed.ctl(server=url or sessiond.url)
        assert self.put(settings=BASE).status == 200

    def put(self, **parts):
        return self.http.put(f"{API}/zed-config", parts)

    def run(self, verb, *args, **kw):
        return self.ctl.run("settings", verb, SESSION, *args, **kw)

    def __call__(self, verb, *args, **kw):
        return self.ctl("settings", verb, SESSION, *args, **kw).out

    def json(self, verb, *args):
        return json.loads(self(verb, *args, "-o", "json"))

    def user(self):
        return self.http.get(f"{API}/zed-config/user").json()

    def refused(self, code, text, verb, *args, **kw):
        r = self.run(verb, *args, **kw)
        assert r.code == code and text in r.err, r


@pytest.fixture
def ctl(bed, sessiond):
    return Ctl(bed, sessiond)


def rows(text):
    return [line.split() for line in text.splitlines()]


# ---- set, unset, get, merged

def test_values_are_json_or_words(ctl):
    """JSON when it is JSON, else a string; --string, --json and standard input; several at once is one revision."""
    assert ctl("set", "/theme", "One Dark") == "revision 2\n"
    assert ctl("set", "/n", "1.50", "/s", "17px", "/o", '{"a": [1]}', "/b", "true", "/z", "null") == "revision 3\n"
    ctl("set", "/t", "17", "--string")
    ctl("set", "/in", "-", stdin="two\nlines\n")
    ctl("set", "/doc", "-", "--json", stdin='{"x":\n 12345678901234567890}\n')
    assert ctl.user()["set"] == {"/theme": "One Dark", "/n": 1.5, "/s": "17px", "/o/a": [1], "/b": True, "/z": None,
                                 "/t": "17", "/in": "two\nlines", "/doc/x": 12345678901234567890}
    assert ctl("get", "/n", "-o", "json") == "1.50\n" and ctl("get", "/doc/x") == "12345678901234567890\n"
    assert ctl("get", "/in", "--raw") == "two\nlines\n" and ctl("get", "/theme") == '"One Dark"\n'


@pytest.mark.parametrize("args, text", [
    (("set", "theme", "x"), "theme: a pointer begins with / (is /theme meant?)"),
    (("set", "/a~b", "x"), "/a~b: in a pointer ~ is written ~0"),
    (("set", "/a", "{bad"), "/a: the value is not JSON"),
    (("set", "/a", "word", "--json"), "/a: the value is not JSON"),
    (("set", "/a", "1", "/b"), "/b has no value"), (("set", "/a", "1", "/a", "2"), "/a is given twice"),
    (("set", "/a", "1", "--json", "--string"), "exclude each other"), (("set", "/a", "-"), "standard input is empty"),
    (("unset", "/a", "b"), "b: a pointer begins with /"), (("unset", "/a", "--base", "--delete"), "--delete is about"),
    (("diff", "3..1"), "3..1: not a revision"), (("diff", "/a", "/b"), "/a: not a revision"),
    (("rollback", "x"), "x: not a revision"), (("rollback", "1..2"), "1..2: not a revision"),
    (("resolve", "id", "maybe"), "maybe: not confirm, undo or restore"),
    (("explain",), "usage: zedctl settings explain"),
])
def test_usage_is_2_and_changes_nothing(ctl, args, text):
    """What cannot be meant is said in one line that names the place, before anything is asked."""
    ctl.refused(2, text, *args, stdin="")
    assert ctl.user()["revision"] == 0


def test_what_is_not_taken_is_told(ctl):
    """A path the policy holds is named with its rule, the rest is done; what Zed would reject is stored and told; a
    request that makes no sense changes nothing and names each path. All exit 1."""
    r = ctl.run("set", "/agent/default_model/model", "m2", "/telemetry/x", "1", "/vim_mode", "true")
    assert r.code == 1 and r.out == "revision 2\n"
    assert "/agent/default_model/model was not taken: rule helix-owned" in r.err
    assert "/telemetry/x was not taken: rule protected" in r.err
    assert ctl.user()["set"] == {"/vim_mode": True}
    ctl.refused(1, "/context_servers/x is stored, but left out of files", "set", "/context_servers/x/command", "c")
    assert ctl("set", "/other", "1") == "revision 4\n"  # that entry is none of its business
    ctl.refused(1, "/a/b: overlaps another path", "set", "/a", "1", "/a/b", "2")
    ctl.refused(1, "/context_servers/q: needs", "set", "/context_servers/q", "{}", "--base")
    assert ctl.user()["revision"] == 4


def test_unset_and_delete(ctl):
    """unset drops an override or a deletion, --delete deletes the base's value; of / all overrides go."""
    ctl("set", "/theme", "X", "/a/b", "1", "/a/c", "2")
    ctl("unset", "/format_on_save", "--delete")
    assert rows(ctl("get")) == [["PATH", "OVERRIDE"], ["/theme", '"X"'], ["/a/b", "1"], ["/a/c", "2"],
                                ["/format_on_save", "(deleted)"]]
    ctl.refused(1, "/format_on_save is deleted by an override", "get", "/format_on_save")
    ctl.refused(1, "/nothing has no override", "get", "/nothing")
    ctl("unset", "/a", "/format_on_save")
    assert ctl.user()["set"] == {"/theme": "X"} and ctl.user()["del"] == []
    ctl("set", "/b", "1")
    ctl("unset", "/agent/show_onboarding", "--delete")
    ctl("unset", "/")
    assert ctl.user()["set"] == {} and ctl.user()["del"] == []


def test_base_and_merged(ctl):
    """--base is Helix's side; merged is what Zed gets; -o json of both is what sessiond answers."""
    ctl("set", "/vim_mode", "true")
    assert ctl("set", "/theme", "B", "/new/deep", "1", "--base") == "version 3\n"
    assert ctl("unset", "/format_on_save", "/new", "--base") == "version 4\n"
    base = {"theme": "B", **{k: BASE[k] for k in ("agent", "context_servers")}}
    assert json.loads(ctl("get", "--base")) == ctl.json("get", "--base")["settings"] == base
    assert json.loads(ctl("merged")) == ctl.json("merged") == {**base, "vim_mode": True}
    assert ctl("merged", "/theme", "--raw") == "B\n"
    ctl.refused(1, "/nothing is not set", "merged", "/nothing")
    ctl.refused(1, "/vim_mode is not set in the base", "get", "/vim_mode", "--base")


def test_base_of_an_app_is_not_copied(bed, sessiond):
    """What the app gives stays the app's when the session's own base is changed."""
    assert sessiond.http.put("/api/v1/apps/app_1/zed-settings", {"settings": {"from_app": 1}}).status == 200
    sessiond.http.post("/api/v1/sessions", {"id": SESSION, "app_id": "app_1"})
    ctl = Ctl(bed, sessiond)
    ctl("set", "/own", "2", "--base")
    assert json.loads(ctl("get", "--base"))["from_app"] == 1
    sessiond.http.put("/api/v1/apps/app_1/zed-settings", {"settings": {}})
    assert "from_app" not in json.loads(ctl("merged")) and json.loads(ctl("merged", "/own")) == 2


def test_reading_makes_no_session(ctl):
    """A session that is not there is told, not created by looking."""
    for verb in ("get", "diff", "merged", "history", "pending"):
        r = ctl.ctl.run("settings", verb, "ses_nobody")
        assert r.code == 1 and "NOT_FOUND" in r.err, (verb, r)
    assert "ses_nobody" not in ctl.ctl("session", "ls").out


# ---- diff, explain

def test_diff_says_which_rule_decides(ctl):
    """Each override beside the base, with sign, rule and author; a deletion; one without effect; JSON is stable."""
    ctl("set", "/theme", "Mine", "/vim_mode", "true")
    ctl("unset", "/format_on_save", "--delete")
    assert ctl.run("set", "/context_servers/gone/enabled", "false").code == 1
    out = ctl("diff")
    assert '~ /theme\n  - "Ayu Dark"\n  + "Mine"\n    rule user-wins; local, revision 2, ' in out
    assert '+ /vim_mode\n  + true\n' in out and '- /format_on_save\n  - "off"\n' in out
    assert "dormant: the override has no effect now" in out
    doc = ctl.json("diff")
    by_path = {c["path"]: c for c in doc["changes"]}
    assert doc["revision"] == 4 and by_path["/theme"].pop("at").endswith("Z")
    assert by_path["/theme"] == {"path": "/theme", "change": "changed", "base": "Ayu Dark", "value": "Mine",
                                 "rule": "user-wins", "actor": "local", "revision": 2}
    assert {p: c["change"] for p, c in by_path.items()} == {
        "/theme": "changed", "/vim_mode": "added", "/format_on_save": "deleted",
        "/context_servers/gone/enabled": "dormant"}
    ctl.put(settings={**BASE, "theme": "Mine"})
    assert '= /theme\n    "Mine"\n    the base says the same now' in ctl("diff", "/theme")
    assert rows(ctl("diff", "/vim_mode", "-o", "wide"))[1][:4] == ["added", "/vim_mode", "-", "true"]


def test_diff_between_revisions(ctl):
    """Net changes of a range, by path; what came back is left out; a revision that is not there is refused."""
    ctl("set", "/theme", "One", "/x", "1")
    ctl("set", "/theme", "Two")
    ctl("unset", "/x")
    changes = ctl.json("diff", "1")["changes"]
    assert [(c["path"], c["change"], c["old"], c["new"]) for c in changes] == [("/theme", "changed", "Ayu Dark", "Two")]
    assert ctl("diff", "1..2", "/x").startswith("+ /x\n  + 1\n    last changed by local, revision 2, ")
    assert [c["path"] for c in ctl.json("diff", "0..1", "/agent")["changes"]] == \
        ["/agent/default_model/model", "/agent/default_model/provider"]
    ctl.refused(1, "there is no revision 9; the newest is 4", "diff", "9")


def test_explain_in_words(ctl):
    """From whom, since when, by which rule, and what it hides."""
    ctl("set", "/theme", "Mine")
    ctl("unset", "/format_on_save", "--delete")
    out = ctl("explain", "/theme")
    assert '/theme is "Mine".\n  An override: local, revision 2, ' in out and 'the base\'s "Ayu Dark"' in out
    assert "Rule user-wins: the user's value stands" in out
    assert "/format_on_save is not set.\n  An override deletes it: " in ctl("explain", "/format_on_save")
    assert "From the base Helix manages: local, revision 1" in ctl("explain", "/agent/default_model/model")
    assert "Rule helix-owned" in ctl("explain", "/agent/default_model/model")
    assert "Zed's own default counts" in ctl("explain", "/nothing")
    assert ctl.json("explain", "/theme")["shadowed"] == "Ayu Dark"


# ---- history, rollback

def test_history_goes_to_the_end(ctl):
    """All pages, newest first; --limit; one path with old and new; wide a row a change."""
    for i in range(205):
        ctl.http.post(f"{API}/zed-config/user", {"ops": {"set": {"/a" if i % 100 else "/b": i}}})
    entries = ctl.json("history")["history"]
    assert [e["revision"] for e in entries] == list(range(206, 0, -1))
    assert [e["revision"] for e in ctl.json("history", "--limit", "3")["history"]] == [206, 205, 204]
    assert [e["revision"] for e in ctl.json("history", "/b", "--limit", "2")["history"]] == [202, 102]
    table = rows(ctl("history", "/b"))
    assert table[0] == ["REVISION", "AT", "ACTOR", "KIND", "PATH", "OLD", "NEW"]
    assert [[r[0], *r[2:]] for r in table[1:]] == [
        ["202", "local", "user", "/b", "100", "200"], ["102", "local", "user", "/b", "0", "100"],
        ["2", "local", "user", "/b", "-", "0"]]
    assert len(ctl("history", "-n", "2").splitlines()) == 3
    assert rows(ctl("history", "/agent", "-o", "wide"))[1][4:] == ["/agent/default_model/provider", "-", '"openai"']


def test_rollback(ctl):
    """--dry-run shows what would change and changes nothing; then all of it or one path goes back, forward."""
    ctl("set", "/theme", "Mine", "/vim_mode", "true")
    ctl("set", "/theme", "B", "--base")
    preview = ctl.json("rollback", "1", "--dry-run")
    assert {(c["path"], c["change"], c.get("old"), c.get("new")) for c in preview["changes"]} == {
        ("/theme", "changed", "Mine", "Ayu Dark"), ("/theme", "changed", "B", "Ayu Dark"),
        ("/vim_mode", "deleted", True, None)}
    assert ctl.user()["revision"] == 2
    assert ctl("rollback", "1", "/vim_mode").startswith("revision 4\n- /vim_mode\n  - true\n")
    assert ctl.json("rollback", "1") == {"revision": 5}
    assert json.loads(ctl("merged")) == BASE
    assert ctl("rollback", "1") == "revision 5: nothing was to be changed\n"
    assert "rollback to 1" in ctl("history", "--limit", "1")
    ctl.refused(1, "there is no revision 77", "rollback", "77")


def test_secrets_stay_masked(ctl):
    """History, diff and dry run show no secret the server masks; a person may ask for one's own."""
    pointer = "/context_servers/helix-rag/headers/Authorization"
    ctl("set", pointer, "Bearer quiet")
    for args in (("history",), ("history", "-o", "wide"), ("history", "-o", "json"), ("diff",), ("diff", "-o", "json"),
                 ("diff", "-o", "wide"), ("diff", "0"), ("diff", "1", "-o", "json"), ("rollback", "1", "--dry-run")):
        out = ctl(*args)
        assert "quiet" not in out and "hush" not in out, args
        assert pointer in out or args == ("history",)
    assert "Bearer quiet" in ctl("diff", "--show-secrets")


# ---- pending, resolve

def test_pending_and_resolve(ctl):
    """What an instance holds is listed with its paths and decided; an unknown id is refused."""
    paths = ["/a", "/b", "/c"]
    ctl.http.post(f"{API}/zed-config/pending", {"client": "i1", "held": [
        {"id": "h1", "kind": "bulk_delete", "paths": paths}]})
    row = rows(ctl("pending"))[1]
    assert row[:2] == ["h1", "bulk_delete"] and row[3:] == ["-", "/a", "and", "2", "more"]
    assert rows(ctl("pending", "-o", "wide"))[1][3:] == ["-", *paths, "i1"]
    assert ctl("resolve", "h1", "undo") == "h1: undo, carried out by the instance\n"
    assert ctl.json("pending")["pending"][0]["action"] == "undo"
    ctl.refused(1, "NOT_FOUND", "resolve", "h2", "confirm")


# ---- others at the same time, lost answers, terminals

def test_if_revision_and_other_writers(ctl):
    """--if-revision refuses what was changed meanwhile; without it, writers at once are all kept."""
    ctl("set", "/a", "1")
    ctl.refused(1, "STALE", "set", "/a", "2", "--if-revision", "1")
    assert ctl("set", "/a", "3", "--if-revision", "2") == "revision 3\n"
    ctl.refused(1, "STALE", "set", "/theme", "C", "--base", "--if-revision", "9")
    env = ctl.bed.environment(ctl.ctl.env)
    writers = [subprocess.Popen([BIN / "zedctl", "settings", "set", SESSION, f"/{side}{i}", "1", *flags], env=env,
                                stdout=subprocess.PIPE)
               for i in range(4) for side, flags in (("user", ()), ("base", ("--base",)))]
    assert all(w.wait(60) == 0 for w in writers)
    for w in writers:
        w.stdout.close()
    assert ctl.user()["set"].keys() == {"/a", *(f"/user{i}" for i in range(4))}
    assert ctl.json("get", "--base")["settings"].keys() >= {f"base{i}" for i in range(4)}
    assert len(ctl.json("history")["history"]) == 3 + 8


def test_a_lost_answer_doubles_nothing(bed, sessiond):
    """Answers are lost on the way: zedctl asks again, sessiond did it once and says so. Nobody there at all: exit 4."""
    proxy = Proxy(bed.port(), sessiond.port)
    ctl = Ctl(bed, sessiond, proxy.url)
    proxy.lose_answers(2)
    assert ctl("set", "/a", "1") == "revision 2\n"
    assert [e["revision"] for e in ctl.json("history")["history"]] == [2, 1]
    proxy.lose_answers(1)
    assert ctl("set", "/theme", "B", "--base") == "version 3\n"
    proxy.lose_answers(2)
    assert ctl.json("rollback", "2") == {"revision": 4}
    proxy.cut()
    r = ctl.run("set", "/a", "2", timeout=5)
    assert r.code == 4 and "cannot reach sessiond" in r.err


def test_control_characters_never_reach_a_terminal(ctl):
    """A value and a name made to drive terminals come out harmless on one, and whole in JSON elsewhere."""
    evil = {"/x\u001b[2J": "a\u001b]0;t\u0007\u009b1m\u202ez\u007f"}
    ctl.http.post(f"{API}/zed-config/user", {"ops": {"set": evil}})
    assert ctl.json("get")["set"] == evil
    pointer = next(iter(evil))
    for args in (("get",), ("get", "-o", "json"), ("get", "--raw", pointer), ("merged",), ("diff",), ("diff", "1"),
                 ("diff", "-o", "wide"), ("history", "-o", "wide"), ("explain", pointer), ("unset", "x" + pointer)):
        text = on_terminal(ctl, *args).decode()
        left = text.replace("\033[2m", "").replace("\033[0m", "").replace("\033[32m", "").replace("\033[31m", "")
        assert not any(c in left for c in "\033\007\u009b\u202e\u007f"), (args, text)
    assert b"\033[32m  + \"a" in on_terminal(ctl, "diff")


def on_terminal(ctl, verb, *args):
    """What zedctl writes when its output is a terminal."""
    master, slave = pty.openpty()
    p = subprocess.Popen([BIN / "zedctl", "settings", verb, SESSION, *args], env=ctl.bed.environment(ctl.ctl.env),
                         stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    out = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        out += chunk
    os.close(master)
    p.wait(20)
    return out


def test_watch_shows_changes_as_they_come(ctl):
    """--watch prints again at a change, told by the session's events."""
    watcher = ctl.bed.process("watcher", ["zedctl", "--server", ctl.ctl.env["ZEDBUS_SERVER"], "settings", "get",
                                          SESSION, "--watch"])
    watcher.stop_code = None
    until(lambda: "PATH" in watcher.log(), "it shows what is there")
    ctl("set", "/seen", "42")
    until(lambda: "/seen  42" in watcher.log(), "it shows the change")


def test_help_and_completion_know_the_verbs(bed):
    """Every verb of the contract, its flags and notes, in --help and in the scripts of three shells."""
    ctl = bed.ctl()
    verbs = "get merged set unset diff history rollback explain pending resolve".split()
    everything = ctl("--help").out
    for verb in verbs:
        assert f"settings {verb} SESSION" in everything
        assert ctl("settings", verb, "--help").out.startswith(f"Usage: zedctl settings {verb} SESSION")
    assert "--dry-run" in ctl("settings", "rollback", "--help").out
    assert "What is no JSON is a string" in ctl("settings", "set", "--help").out
    for shell in ("bash", "zsh", "fish"):
        script = ctl("completion", shell).out
        assert all(verb in script for verb in verbs)
    script = ctl("completion", "bash").out + """
        COMP_WORDS=(zedctl settings resolve ses_1 h1 ''); COMP_CWORD=5; _zedctl; echo "${COMPREPLY[@]}"
        COMP_WORDS=(zedctl settings ro); COMP_CWORD=2; _zedctl; echo "${COMPREPLY[@]}"
        COMP_WORDS=(zedctl settings rollback ses_1 --dr); COMP_CWORD=4; _zedctl; echo "${COMPREPLY[@]}"
    """
    out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"confirm", "undo", "restore"} <= set(out[0].split()) and out[1:] == ["rollback", "--dry-run"]
