"""Many instances at once, by one script."""
import concurrent.futures

from harness import SANITIZED, sim_profile

N = 100


def test_a_hundred_instances(whole):
    """All are RUNNING, then all are STOPPED, and nothing of any of them is left."""
    whole.runner.profile("sim", sim_profile(settings=False))
    ids = [f"zi_{i}" for i in range(N)]
    with whole.nats.connect() as n:
        for i in ids:
            n.js_publish(f"lifecycle.v1.cmd.default.start.{i}",
                         {"instance_id": i, "profile": "sim", "session_id": f"ses_{i}"})
        wait_all(whole, ids, "RUNNING")
        assert len(whole.ctl.json("ls", "--state", "RUNNING")["instances"]) == N
        for i in ids:
            n.js_publish(f"lifecycle.v1.cmd.default.stop.{i}", {"instance_id": i})
    wait_all(whole, ids, "STOPPED")
    assert {r["state"] for r in whole.ctl.json("ls")["instances"]} == {"STOPPED"}
    assert not [what for what in whole.bed.leftovers().values() if "zed-sim" in what or "zed-shim" in what]


def wait_all(whole, ids, state):
    with concurrent.futures.ThreadPoolExecutor(2 if SANITIZED else 4) as pool:
        list(pool.map(lambda i: whole.ctl("wait", i, "--for", state, "--timeout", "120000", timeout=150), ids))
