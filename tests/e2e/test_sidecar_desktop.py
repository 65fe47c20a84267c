"""settings-sync-daemon --helix-desktop against Helix's own API: what Helix's daemon does beside the settings."""
import json
import os
import shutil
import stat
import subprocess
import sys
import time

import pytest

from fake_settings import FakeSettings, reply
from fake_zed import FakeZed
from harness import BIN, until
from sidecar import Sidecar

SESSION = f"ses_desktop_{os.getpid()}"  # no editor of anything else that runs here is of this one
BASE = {"context_servers": {}, "theme": "Ayu Dark"}
CLAUDE = {"runtime": "claude_code", "model": "opus", "base_url": "", "api_type": ""}


def oauth(expires, token="a"):
    return {"accessToken": token, "refreshToken": "r", "expiresAt": expires, "scopes": ["user:inference"],
            "subscriptionType": "max", "rateLimitTier": "t"}


def claude(expires, token="a"):
    return {"credential_type": "oauth", "oauth_credentials": oauth(expires, token)}


def codex(when, token="a"):
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "last_refresh": when,
            "tokens": {"id_token": "i", "access_token": token, "refresh_token": "r", "account_id": "acc"}}


class Desktop(Sidecar):
    """A desktop of its own: home, /etc, /tmp, and a gsettings that writes down how it was called."""

    def __init__(self, bed, server, *flags, gsettings=None, name=None, token="t0"):
        self.root, self.bin, self.calls = bed.path / "root", bed.path / "bin", bed.path / "calls"
        self.bin.mkdir(exist_ok=True)
        if gsettings is not False:
            program = self.bin / "gsettings"
            program.write_text(gsettings or f'#!/bin/sh\necho "$@" >> {self.calls}\n')
            program.chmod(0o755)
        super().__init__(bed, server.url, "--helix-desktop", "--helix-root", self.root, *flags, name=name,
                         session=SESSION,
                         env={"USER_API_TOKEN": token,
                              "PATH": "/none" if gsettings is False else f"{self.bin}:/bin"})
        self.claude = self.home / ".claude/.credentials.json"
        self.codex = self.home / ".codex/auth.json"

    def go(self):
        return self.start().wait_healthy().wait_ready()

    def called(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def server(bed):
    with FakeSettings.as_helix(bed, BASE, SESSION) as s:
        yield s


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def save(path, value):
    """As the agents do: a new file takes the old one's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(value))
    os.rename(fresh, path)


def puts(server, what):
    return [json.loads(a[3]) for a in server.asked_for("PUT", what)]


def test_keymap_is_there_before_the_server_is_asked(bed, server):
    """Terminal copy and paste, as Helix's desktop has them, even while nobody answers."""
    server.stop()
    d = Desktop(bed, server).start()
    keymap = until(lambda: read(d.path.with_name("keymap.json")), "it is there")
    assert keymap == [{"context": "Terminal && selection", "bindings": {"ctrl-c": "terminal::Copy"}},
                      {"context": "Terminal", "bindings": {"ctrl-v": "terminal::Paste"}}]
    assert server.asked == []


def test_without_the_flag_none_of_it_happens(bed, server):
    """No file but settings.json, no program, no credentials asked for, no editor ended; a switch is reported."""
    server.claude, server.codex = claude(5), codex("2026-01-02T03:04:05Z")
    server.put_base({**BASE, "color_scheme": "light", "_helix": {"code_agent_config": CLAUDE}})
    s = Sidecar(bed, server.url, env={"USER_API_TOKEN": "t0"}, session=SESSION).start().wait_healthy().wait_ready()
    zed = editor(bed, s)
    until(lambda: server.pushes, "the push is connected")
    server.push({"type": "config_changed", "field": "agent_restart"})
    server.push({"type": "config_changed", "field": "agent"})
    until(lambda: server.asked_for("POST", "agent-config-applied"), "the switch is reported")
    assert zed.poll() is None and not server.asked_for("GET", "claude-credentials")
    assert sorted(p.name for p in s.path.parent.iterdir()) == ["settings.json", "themes"]
    assert not (s.home / ".claude").exists() and not (s.home / ".codex").exists()
    zed.kill()
    zed.wait()


def test_sign_ins_are_written_for_the_agents(bed, server):
    """Wrapped for claude, as it is for codex, readable by its owner alone; the agents start as who is signed in."""
    server.claude, server.codex = claude(1760003600000), codex("2026-01-02T03:04:05Z")
    server.put_base({**BASE, "_helix": {"code_agent_config": CLAUDE}}, push=False)
    d = Desktop(bed, server).go()
    assert read(d.claude) == {"claudeAiOauth": oauth(1760003600000)} and read(d.codex) == server.codex
    for path in (d.claude, d.codex):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    agent = d.value()["agent_servers"]["claude-acp"]
    assert agent["env"] == {"ANTHROPIC_BASE_URL": "https://api.anthropic.com"} and agent["default_model"] == "opus"
    assert (d.root / "tmp/helix-claude-subscription-mode").read_text() == "1"
    assert read(d.root / "etc/claude-code/managed-settings.json") == {"model": "opus"}
    assert not puts(server, "claude-credentials") and not puts(server, "codex-credentials")
    assert "a1" not in d.log()


@pytest.mark.parametrize("which", ["claude", "codex"])
def test_the_newer_sign_in_wins_at_the_start(bed, server, which):
    """The agent's file is newer: the server hears of it, and the file stays. It is older: the file gives way."""
    server.claude, server.codex = claude(100, "old"), codex("2026-01-02T03:04:05Z", "old")
    d = Desktop(bed, server)
    newer = {"claude": {"claudeAiOauth": oauth(200, "new")}, "codex": codex("2026-01-02T03:04:06.5Z", "new")}[which]
    path, name = getattr(d, which), f"{which}-credentials"
    save(path, newer)
    d.go()
    told = until(lambda: puts(server, name), "the server is told")
    assert told == [oauth(200, "new") if which == "claude" else newer] and read(path) == newer
    server.claude, server.codex = claude(300, "newest"), codex("2026-01-03T00:00:00+01:00", "newest")
    server.push({"type": "config_changed"})
    until(lambda: "newest" in path.read_text(), "the file follows")
    assert len(puts(server, name)) == 1


@pytest.mark.parametrize("which", ["claude", "codex"])
def test_a_refresh_by_the_agent_is_told_once(bed, server, which):
    """Only what has grown, and nothing of what was written here: contents are compared, not times."""
    server.claude, server.codex = claude(100, "first"), codex("2026-01-02T03:04:05Z", "first")
    d = Desktop(bed, server).go()
    path, name = getattr(d, which), f"{which}-credentials"
    mine = read(path)

    def at(n):
        if which == "claude":
            return {"claudeAiOauth": oauth(100 + n, f"t{n}")}
        return codex(f"2026-01-02T03:04:{5 + n:02}Z", f"t{n}")

    save(path, mine)  # the same again
    save(path, at(-1))  # older
    path.write_text("{")  # half a file
    save(path, at(1))
    until(lambda: len(puts(server, name)) == 1, "the newer one is told")
    save(path, at(1))
    save(path, at(2))
    until(lambda: len(puts(server, name)) == 2, "and the one after it, at once")
    save(path, {"claudeAiOauth": None} if which == "claude" else {"auth_mode": "apikey"})
    save(path, at(3))
    until(lambda: len(puts(server, name)) == 3, "and the next")
    tokens = [p["accessToken"] if which == "claude" else p["tokens"]["access_token"] for p in puts(server, name)]
    assert tokens == ["t1", "t2", "t3"]


def test_a_refused_refresh_is_told_again(bed, server):
    """200 alone is yes; with the server's next answer the two are compared again."""
    server.claude = claude(100)
    d = Desktop(bed, server).go()
    server.wrong["PUT claude-credentials"] = lambda h: reply(h, 201, {"status": "ok"})
    save(d.claude, {"claudeAiOauth": oauth(200, "new")})
    d.expect_log("credentials_trouble", detail="PUT: HTTP 201")
    server.wrong.clear()
    server.push({"type": "config_changed"})
    until(lambda: server.claude == claude(200, "new"), "the server has it")
    assert read(d.claude) == {"claudeAiOauth": oauth(200, "new")}


def test_stale_is_looked_at_again_once(bed, server):
    """codex: the server says that it has a newer one; what it gives then is written, and nobody goes in circles."""
    server.codex = codex("2026-01-02T03:04:05Z", "first")
    d = Desktop(bed, server).go()
    server.codex = codex("2026-01-02T05:00:00Z", "elsewhere")
    save(d.codex, codex("2026-01-02T04:00:00Z", "here"))
    until(lambda: "elsewhere" in d.codex.read_text(), "the newer one is here")
    server.wrong["PUT codex-credentials"] = lambda h: reply(h, 200, {"status": "stale"})
    n = len(server.asked_for("PUT", "codex-credentials"))
    save(d.codex, codex("2026-01-02T06:00:00Z", "refused"))
    until(lambda: len(server.asked_for("PUT", "codex-credentials")) == n + 2, "told, compared, told")
    assert d.http.get("/reload").status == 200
    assert len(server.asked_for("PUT", "codex-credentials")) <= n + 4


def test_a_half_written_sign_in_is_given_time(bed, server):
    """What nobody understands may be on its way: the server's comes over it only if it stays."""
    server.claude = claude(100)
    d = Desktop(bed, server).go()
    d.claude.write_text('{"claudeAiOauth": {"acc')
    assert d.http.get("/reload").status == 200
    assert d.claude.read_text() == '{"claudeAiOauth": {"acc'
    save(d.claude, {"claudeAiOauth": oauth(200, "whole")})
    until(lambda: server.claude == claude(200, "whole"), "it was a refresh")
    d.claude.write_text("garbage")
    server.push({"type": "config_changed"})
    until(lambda: read(d.claude) == {"claudeAiOauth": oauth(200, "whole")}, "this was none")


@pytest.mark.parametrize("bad", ["404", "500", "html", "types", "closed"])
def test_sign_ins_that_cannot_be_had_hold_nothing_up(bed, server, bad):
    """The settings are written without the agent that needs them; it comes with the sign-in."""
    server.claude = claude(100)
    server.put_base({**BASE, "_helix": {"code_agent_config": CLAUDE}}, push=False)
    server.wrong["GET claude-credentials"] = {
        "404": lambda h: reply(h, 404, b""), "500": lambda h: reply(h, 500, b""),
        "html": lambda h: reply(h, 200, b"<p>"),
        "types": lambda h: reply(h, 200, {"oauth_credentials": {"accessToken": 1}}),
        "closed": lambda h: setattr(h, "close_connection", True)}[bad]
    d = Desktop(bed, server).go()
    assert d.value()["theme"] == "Ayu Dark" and "agent_servers" not in d.value() and not d.claude.exists()
    d.expect_log("credentials_trouble")
    assert d.status()["desktop"]["claude-credentials"]["problem"] and d.status()["state"] == "ok"
    server.wrong.clear()
    server.push({"type": "config_changed"})
    d.until_value(lambda v: "claude-acp" in v.get("agent_servers", {}), "the agent can be started")
    assert d.status()["desktop"]["claude-credentials"] == {
        "wanted": True, "looked_at": True, "setup_token": False, "problem": None}


def test_a_setup_token_is_in_the_agent_s_environment_alone(bed, server):
    """No credential file; before the settings are written for the first time, and gone with the subscription."""
    server.claude = {"credential_type": "setup_token", "setup_token": "sk-ant-oat01-secret"}
    server.put_base({**BASE, "_helix": {"code_agent_config": CLAUDE}}, push=False)
    d = Desktop(bed, server).go()
    assert d.value()["agent_servers"]["claude-acp"]["env"]["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-oat01-secret"
    assert not d.claude.exists() and read(d.home / ".claude.json") == {"hasCompletedOnboarding": True}
    assert (d.root / "tmp/helix-claude-setup-token-mode").exists()
    assert "sk-ant-oat01-secret" not in d.log() + d.http.get("/settings").body.decode() + json.dumps(d.status())
    before = os.stat(d.path).st_mtime_ns
    d.stop()
    d.go()
    assert os.stat(d.path).st_mtime_ns == before, "a restart takes nothing away to bring it back"
    server.claude = None
    server.push({"type": "config_changed"})
    d.until_value(lambda v: "agent_servers" not in v, "the token is gone")


def test_a_switch_to_a_signed_in_agent_is_reported_when_it_can_start(bed, server):
    """agent-config-applied comes after sign-in and agent are both written."""
    d = Desktop(bed, server).go()
    until(lambda: server.pushes, "the push is connected")
    server.claude = claude(100)
    seen = []
    answer = server.POST_agent_config_applied
    server.POST_agent_config_applied = lambda h, b: (seen.append((d.claude.exists(), d.value())), answer(h, b))
    server.put_base({**BASE, "_helix": {"code_agent_config": CLAUDE}}, push=False)
    server.push({"type": "config_changed", "field": "agent"})
    signed_in, value = until(lambda: seen, "it is reported")[0]
    assert signed_in and "claude-acp" in value["agent_servers"]


# ---- colours

LIGHT = ["set org.gnome.desktop.interface color-scheme prefer-light", "set org.gnome.desktop.interface gtk-theme Yaru",
         "set org.gnome.desktop.background picture-uri file:///usr/share/backgrounds/helix-logo.png",
         "set org.gnome.desktop.background picture-uri-dark file:///usr/share/backgrounds/helix-logo.png"]
DARK = [LIGHT[0].replace("light", "dark"), LIGHT[1] + "-dark", *LIGHT[2:]]


def test_the_desktop_follows_the_colour_scheme(bed, server):
    """Colours, theme of windows and wallpaper, with each answer; what is no "light" is dark."""
    d = Desktop(bed, server).go()
    until(lambda: d.called()[-4:] == DARK, "dark at the start")
    for scheme, calls in (("light", LIGHT), ("dark", DARK)):
        server.put_base({**BASE, "_helix": {"color_scheme": scheme}}, push=False)
        server.push({"type": "config_changed", "field": "color_scheme", "color_scheme": scheme})
        until(lambda: d.called()[-4:] == calls, scheme)  # noqa: B023
    assert sum("light" in c for c in d.called()) >= 1 and "colours_failed" not in d.log()


@pytest.mark.parametrize("program", [False, "#!/bin/sh\nexit 1\n", "#!/nowhere\n"], ids=["none", "fails", "no program"])
def test_a_desktop_without_colours_has_its_settings(bed, server, program):
    """No gsettings, or no desktop to speak to: said once, and nothing else is the matter."""
    d = Desktop(bed, server, gsettings=program).go()
    d.expect_log("colours_failed")
    for _ in range(3):
        assert d.http.get("/reload").status == 200
    assert d.log().count('"colours_failed"') == 1 and d.value()["theme"] == "Ayu Dark"


# ---- the editor

def editor(bed, sidecar, name="zed", env=None, trap=False):
    """A process of the editor's name: a copy of sleep, or of a program that will not go."""
    path = bed.path / f"p{len(list(bed.path.glob('p*')))}" / name
    path.parent.mkdir()
    shutil.copy(os.path.realpath(sys.executable) if trap else shutil.which("sleep"), path)
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    argv = [path, "-c", stubborn] if trap else [path, "1000"]
    p = subprocess.Popen(argv, env={**os.environ, "HELIX_SESSION_ID": SESSION, **(env or {})}, stdout=subprocess.PIPE)
    until(lambda: open(f"/proc/{p.pid}/comm").read() == name[:15] + "\n", "it runs")
    if trap:
        p.stdout.readline()
    return p


def test_agent_restart_ends_the_editor_after_the_settings_are_written(bed, server):
    """By exact name and session; the settings that the next one reads are there when it ends."""
    d = Desktop(bed, server).go()
    zed, other = editor(bed, d), [editor(bed, d, "zed-editor"), editor(bed, d, "zedd"),
                                  editor(bed, d, env={"HELIX_SESSION_ID": "ses_2"})]
    until(lambda: server.pushes, "the push is connected")
    server.put_base({**BASE, "agent": {"new": True}}, push=False)
    server.push({"type": "config_changed", "field": "agent_restart"})
    assert zed.wait(10) == -15 and d.value()["agent"]["new"] is True
    again = editor(bed, d)
    server.wrong["GET zed-config"] = lambda h: reply(h, 500, b"")
    server.push({"type": "config_changed", "field": "agent_restart"})
    assert again.wait(10) == -15, "though the settings could not be fetched"
    assert all(p.poll() is None for p in other) and d.running()
    server.wrong.clear()
    for p in other:
        p.kill()
        p.wait()


def test_an_editor_that_does_not_end_is_made_to(bed, server):
    """SIGTERM first; five seconds later SIGKILL."""
    d = Desktop(bed, server).go()
    zed = editor(bed, d, trap=True)
    until(lambda: server.pushes, "the push is connected")
    began = time.monotonic()
    server.push({"type": "config_changed", "field": "agent_restart"})
    assert zed.wait(15) == -9 and time.monotonic() - began > 4


def test_no_editor_is_no_trouble(bed, server):
    """It may not have been started yet; one that ended and was not waited for is none."""
    d = Desktop(bed, server).go()
    zed = editor(bed, d)
    zed.kill()
    until(lambda: open(f"/proc/{zed.pid}/stat").read().split()[2] == "Z", "it has ended")
    until(lambda: server.pushes, "the push is connected")
    server.push({"type": "config_changed", "field": "agent_restart"})
    d.expect_log("editor_not_found")
    assert d.running()
    zed.wait()


# ---- files of the agents

def test_the_agents_files_follow_their_configuration(bed, server):
    """goose: slash commands and the recipe that comes along; qwen, codex: what Helix has a say in, the rest stays."""
    goose = {"runtime": "goose_code", "model": "m", "goose_recipes": [{"name": "fix", "path": "/r/fix.yaml"}],
             "goose_baked_recipe": {"name": "spec", "content": "version: 1\n"}}
    d = Desktop(bed, server)
    save(d.home / "work/.qwen-state/settings.json", {"mine": 1, "telemetry": {"enabled": True}})
    d.codex.parent.mkdir()
    dotfile = bed.path / "codex.toml"
    dotfile.write_text('model = "mine"\n[profiles.x]\nmodel = "kept"\n')
    dotfile.chmod(0o600)
    (d.codex.parent / "config.toml").symlink_to(dotfile)
    d.go()
    until(lambda: server.pushes, "the push is connected")
    server.put_base({**BASE, "_helix": {"code_agent_config": goose}})
    d.until_value(lambda v: "goose" in v.get("agent_servers", {}), "goose")
    folder = d.home / ".config/helix-goose/goose"
    assert (folder / "baked-recipes/spec.yaml").read_text() == "version: 1\n"
    text = (folder / "config.yaml").read_text()
    assert 'command: "fix"' in text and 'recipe_path: "/r/fix.yaml"' in text
    assert f'recipe_path: "{folder}/baked-recipes/spec.yaml"' in text
    server.put_base({**BASE, "_helix": {"code_agent_config": {"runtime": "qwen_code", "reasoning_effort": "low"}}})
    d.until_value(lambda v: "qwen" in v["agent_servers"], "qwen")
    qwen = read(d.home / "work/.qwen-state/settings.json")
    assert qwen["mine"] == 1 and qwen["telemetry"] == {"enabled": False}
    assert qwen["model"]["generationConfig"]["extra_body"] == {"reasoning_effort": "low"}
    server.put_base({**BASE, "_helix": {"code_agent_config": {
        "runtime": "codex_cli", "model": "gpt", "base_url": "http://localhost:8080/v1"}}})
    d.until_value(lambda v: "codex-acp" in v["agent_servers"], "codex")
    assert (d.codex.parent / "config.toml").is_symlink() and stat.S_IMODE(dotfile.stat().st_mode) == 0o600
    toml = dotfile.read_text()
    assert 'approval_policy = "never"' in toml and f'base_url = "{server.url}/v1"' in toml
    assert '[profiles.x]\nmodel = "kept"' in toml and '"mine"' not in toml


def test_files_that_cannot_be_written_are_said_and_left(bed, server):
    """A folder in the way, a file that is no JSON: the settings come all the same."""
    server.claude = claude(100)
    server.put_base({**BASE, "_helix": {"code_agent_config": CLAUDE}}, push=False)
    d = Desktop(bed, server)
    settings = d.root / "etc/claude-code/managed-settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text("not JSON")
    d.claude.mkdir(parents=True)
    d.go()
    assert settings.read_text() == "not JSON" and d.claude.is_dir()
    d.expect_log("desktop_file_failed", path=str(settings))
    d.expect_log("credentials_trouble")
    assert d.value()["theme"] == "Ayu Dark"


def test_a_relative_root_is_refused(bed):
    """Said with the setting's name, exit 2."""
    r = subprocess.run([BIN / "settings-sync-daemon", "--helix-desktop", "--helix-root", "x"], capture_output=True,
                       env={"HELIX_SESSION_ID": "s", "HOME": str(bed.path)}, timeout=10)
    assert r.returncode == 2 and b"--helix-root" in r.stderr
    r = subprocess.run([BIN / "settings-sync-daemon", "--helix-desktop", "--settings", "/x/y"], capture_output=True,
                       env={"HELIX_SESSION_ID": "s"}, timeout=10)
    assert r.returncode == 2 and b"HOME" in r.stderr


def test_a_desktop_with_sessiond_behind_it(bed):
    """The same with this project's own server: sign-ins, colours, a switch of the agent that is picked up, an end."""
    bed.nats().start()
    sessiond = bed.sessiond().start().wait_ready()
    api = f"/api/v1/sessions/{SESSION}"
    d = Desktop(bed, sessiond, token="tok").go()
    assert sessiond.http.put(f"{api}/claude-credentials", oauth(100)).status == 200
    assert sessiond.http.put(f"{api}/codex-credentials", codex("2026-01-02T03:04:05Z")).status == 200
    assert sessiond.http.put(f"{api}/zed-config", {"settings": BASE, "helix": {
        "color_scheme": "light", "claude_subscription_available": True, "codex_subscription_available": True,
        "code_agent_config": {**CLAUDE, "base_url": "http://localhost:1"}}}).status == 200
    until(lambda: read(d.claude) == {"claudeAiOauth": oauth(100)}, "claude is signed in")
    until(lambda: read(d.codex) == codex("2026-01-02T03:04:05Z"), "codex is")
    until(lambda: d.called()[-4:] == LIGHT, "colours")
    assert read(d.root / "etc/claude-code/managed-settings.json") == {"model": "opus"}
    save(d.claude, {"claudeAiOauth": oauth(200, "new")})
    save(d.codex, codex("2026-01-02T03:04:06Z", "new"))
    until(lambda: sessiond.http.get(f"{api}/claude-credentials").json() == claude(200, "new"), "claude's refresh")
    until(lambda: sessiond.http.get(f"{api}/codex-credentials").json() == codex("2026-01-02T03:04:06Z", "new"), "codex")
    zed = FakeZed(sessiond, SESSION)
    assert sessiond.http.post(f"{api}/messages", {"message": "one"}).status == 202
    zed.complete(zed.begin("one"))
    until(lambda: sessiond.http.get(api).json()["state"] == "idle", "the turn has ended")
    assert sessiond.http("PATCH", api, {"agent_name": "claude"}).status == 200
    assert sessiond.http.post(f"{api}/messages", {"message": "two"}).status == 202
    assert zed.prompt("two")["agent_name"] == "claude"
    token = {"credential_type": "setup_token", "setup_token": "sk-ant-oat01-x"}
    assert sessiond.http.put(f"{api}/claude-credentials", token).json() == {"status": "ok"}
    assert d.http.get("/reload").status == 200
    until(lambda: (d.root / "tmp/helix-claude-setup-token-mode").exists(), "the token is known")
    assert read(d.claude) == {"claudeAiOauth": oauth(200, "new")}, "a file is never taken away"
