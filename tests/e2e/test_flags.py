"""Wrong usage and wrong configuration: exit 2 and one line that names the setting and the value."""
import json

import pytest

import harness

DAEMONS = ("lifecycled", "sessiond", "zed-runner", "settings-sync-daemon")
WITH_BROKER = DAEMONS[:3]


def run(bed, program, *flags, env=None, timeout=20):
    return harness.run_to_end([harness.BIN / program, *flags], timeout, env=bed.environment(env), cwd=bed.path)


def refused(bed, program, *flags, names, env=None):
    p = run(bed, program, *flags, env=env)
    bed.check_text(program, p.stderr.encode())
    assert p.returncode == 2, (program, flags, p)
    assert len(p.stderr.splitlines()) == 1 and p.stdout == "", p
    assert all(n in p.stderr for n in names), (names, p.stderr)


def usual(bed, program):
    """Flags without which the program would refuse for another reason."""
    if program == "zed-runner":
        return ["--state-dir", bed.path / "state", "--profiles", bed.path]
    return []


@pytest.mark.parametrize("program", DAEMONS)
def test_help_and_version(bed, program):
    """--help, --version and --print print and exit 0."""
    for flag in ("--help", "--version"):
        p = run(bed, program, flag)
        assert p.returncode == 0 and p.stdout, p
    for what in ("config", "events", "metrics", "errors"):
        p = run(bed, program, "--print", what)
        assert p.returncode == 0 and "|" in p.stdout, (what, p)


@pytest.mark.parametrize("program", DAEMONS)
def test_wrong_flags(bed, program):
    """Unknown flags and values out of range are named."""
    env = {"HELIX_SESSION_ID": "ses_1", "HELIX_API_URL": "http://127.0.0.1:1"}
    more = usual(bed, program)
    refused(bed, program, *more, "--bogus", names=["--bogus"], env=env)
    refused(bed, program, *more, "--log-level", "loud", names=["log-level", "loud"], env=env)
    refused(bed, program, *more, "--listen", "nonsense", names=["listen", "nonsense"], env=env)
    refused(bed, program, *more, "--tokens", "/no/such/file", names=["tokens", "/no/such/file"], env=env)
    refused(bed, program, *more, "stray", names=["stray"], env=env)


@pytest.mark.parametrize("program", DAEMONS)
def test_config_file(bed, program):
    """Unknown keys, wrong types and files that are none are named."""
    env = {"HELIX_SESSION_ID": "ses_1", "HELIX_API_URL": "http://127.0.0.1:1"}
    path, more = bed.path / "c.json", usual(bed, program)
    for content, names in (({"surprise": 1}, ["surprise"]), ({"log_level": "loud"}, ["loud"]), ("{", [str(path)])):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        refused(bed, program, *more, "--config", path, names=names, env=env)
    refused(bed, program, *more, "--config", "/no/such/file", names=["/no/such/file"], env=env)


@pytest.mark.parametrize("program", DAEMONS)
def test_open_address_needs_tokens(bed, program):
    """An address other than loopback without tokens is refused."""
    env = {"HELIX_SESSION_ID": "ses_1", "HELIX_API_URL": "http://127.0.0.1:1"}
    refused(bed, program, *usual(bed, program), "--listen", f"0.0.0.0:{bed.port()}", names=["listen", "0.0.0.0"],
            env=env)


@pytest.mark.parametrize("program", WITH_BROKER)
def test_far_broker_needs_credentials(bed, program):
    """A broker that is not on loopback, and no credentials: refused, and no secret of a URL is printed."""
    refused(bed, program, *usual(bed, program), "--nats", "nats://192.0.2.1:4222", names=["nats", "192.0.2.1"])
    refused(bed, program, *usual(bed, program), "--nats", "nonsense://", names=["nats"])
    refused(bed, program, *usual(bed, program), "--nats-user", "u", "--nats-password-file", "/no/such/file",
            names=["/no/such/file"])


def test_sidecar_needs_its_session(bed):
    """settings-sync-daemon without HELIX_SESSION_ID does not start."""
    refused(bed, "settings-sync-daemon", names=["HELIX_SESSION_ID"])
