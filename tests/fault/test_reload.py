"""Changing everything while it runs: nobody is refused, no stream is cut, and what is invalid changes nothing.

An edit of the configuration is in force within seconds; an invalid one is refused with its line and reason, in the API and in the log,
and the old one stays. SIGHUP replaces the gateways without a refused connection; SIGTERM lets running streams end, and the exit is 0.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.fault.callers import Crowd, Load, said
from tests.fault.conftest import until

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [fast, on-openai, on-legacy, on-anthropic]
    budgets: [{limit_usd: %s, window: total}]
"""
MORE = """
  - name: globex
    keys: [{name: ci, secret: {env: GLOBEX_KEY}}]
    models: [added]
"""
ADDED = "  - {name: added, route: {strategy: priority, deployments: [ant, oai]}}\ntenants:"
TIMEOUTS = "{first_token_s: 20, idle_s: 20, total_s: 60}"


def with_more(scene, limit="5.00"):
    return (scene.config(TENANTS % limit, TIMEOUTS) + MORE).replace("tenants:", ADDED)


def status_of(platform) -> dict:
    return until(lambda: (reply := platform.admin("/api/v1/config/status"))[0] == 200 and reply[2])


def asked_again_and_again():
    return [said("one two three", model=("on-openai", "fast", "on-legacy")[n % 3], stream=n % 2 == 0) for n in range(6)]


def assert_all_well(told):
    assert Counter((each.status, each.failure) for each in told) == Counter({(200, ""): len(told)})
    assert all(each.extra is not None for each in told)


def test_an_edit_is_in_force_and_drops_nothing(scene, start):
    platform = start(scene.config(TENANTS % "5.00", TIMEOUTS))
    scene.anthropic.delay_s = 0.05
    globex = SECRETS["GLOBEX_KEY"]
    assert platform.chat(globex, "hi", model="added")[0] == 401
    running = [(KEY, said("long 80", model="on-anthropic", stream=True, max_tokens=200), 0.0) for _ in range(5)]
    with Crowd(platform.port, running) as streams, Load(platform.port, KEY, asked_again_and_again()) as load:
        until(lambda: len(scene.anthropic.seen) >= 5)
        platform.write(with_more(scene))
        edited = time.monotonic()
        until(lambda: platform.chat(globex, "hi", model="added")[0] == 200, patience_s=10)
        print(f"an edit is in force after {time.monotonic() - edited:.2f} s")
        assert platform.chat(globex, "hi", model="on-openai")[0] == 403
        # A budget that is smaller than what was spent refuses; raised again it admits.
        platform.write(with_more(scene, limit="0.0000001"))
        until(lambda: platform.chat(KEY, "hi", model="on-openai")[2].get("error", {}).get("code") == "budget_exceeded", patience_s=10)
        platform.write(with_more(scene))
        until(lambda: platform.chat(KEY, "hi", model="on-openai")[0] == 200, patience_s=10)
        # A tenant that is gone is unknown.
        platform.write(scene.config(TENANTS % "5.00", TIMEOUTS))
        until(lambda: platform.chat(globex, "hi", model="added")[0] == 401, patience_s=10)
    assert_all_well(streams.told)
    refused = [each for each in load.told if each.status == 429]
    assert {each.error["code"] for each in refused} == {"budget_exceeded"}
    assert_all_well([each for each in load.told if each.status != 429])
    assert status_of(platform)["state"] == "in_force"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda text: text.replace("deployments: [oai, ant]", "deployments: [oai, nowhere]"), "nowhere"),
        pytest.param(lambda text: text.replace("window: total", "windw: total"), "window", marks=pytest.mark.slow),
        pytest.param(lambda text: text.replace("budgets: [{", "budgets: [{{"), "", marks=pytest.mark.slow),
    ],
    ids=["an-unknown-deployment", "a-misspelt-key", "no-yaml"],
)
def test_an_invalid_file_is_refused_by_line_and_the_old_one_stays(scene, start, harm, reason):
    good = scene.config(TENANTS % "5.00", TIMEOUTS)
    platform = start(good)
    before = until(lambda: (found := status_of(platform))["snapshot_version"] and found)
    with Load(platform.port, KEY, asked_again_and_again()[:2]) as load:
        platform.write(harm(with_more(scene)))
        status = until(lambda: (found := status_of(platform))["state"] == "refused" and found)
        problem = next(each for each in status["problems"] if reason in each["message"])
        assert problem["line"] > 1
        assert str(platform.config.name) in problem["source"]
        assert status["snapshot_version"] == before["snapshot_version"]
        entry = until(lambda: next((json.loads(line) for line in platform.logs().splitlines() if '"config.refused"' in line), None))
        assert entry["level"] == "error"
        assert any(f":{problem['line']}" in each and reason in each for each in entry["problems"])
        assert platform.chat(SECRETS["GLOBEX_KEY"], "hi", model="added")[0] == 401
        assert platform.chat(KEY, "hi")[0] == 200
        platform.write(good)
        until(lambda: status_of(platform)["state"] == "in_force")
    assert_all_well(load.told)


def test_hangup_replaces_the_gateways_and_refuses_nobody(scene, start):
    platform = start(scene.config(TENANTS % "5.00", TIMEOUTS), workers=2)
    assert platform.process is not None
    until(lambda: "house.ready" in platform.logs())
    scene.anthropic.delay_s = 0.05
    old = {pid for name, pid in platform.children().items() if name.startswith("gateway")}
    running = [(KEY, said("long 120", model="on-anthropic", stream=True, max_tokens=200), 0.0) for _ in range(10)]
    with Crowd(platform.port, running) as streams, Load(platform.port, KEY, asked_again_and_again()) as load:
        until(lambda: len(scene.anthropic.seen) >= 10)
        began = time.monotonic()
        platform.process.send_signal(signal.SIGHUP)
        until(lambda: "restart.completed" in platform.logs())
        print(f"rolled two gateways in {time.monotonic() - began:.2f} s")
        time.sleep(0.5)
    assert_all_well(streams.told)
    assert_all_well(load.told)
    assert len(load.told) > 20
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old))
    assert platform.chat(KEY, "hi")[0] == 200
    assert len({each.worker for each in load.told}) >= 3


def test_the_end_waits_for_running_streams(scene, start):
    platform = start(scene.config(TENANTS % "5.00", TIMEOUTS))
    assert platform.process is not None
    until(lambda: "house.ready" in platform.logs())
    scene.anthropic.delay_s = 0.05
    scene.openai.first_delay_s = 2.0
    running = [(KEY, said("long 60", model="on-anthropic", stream=True, max_tokens=200), 0.0) for _ in range(10)]
    running += [(KEY, said("hi", model="on-openai"), 0.0) for _ in range(10)]
    with Crowd(platform.port, running) as crowd:
        until(lambda: len(scene.anthropic.seen) >= 10 and len(scene.openai.seen) >= 10)
        platform.process.send_signal(signal.SIGTERM)
    assert_all_well(crowd.told)
    assert platform.process.wait(20) == 0
    assert not any(word in platform.logs() for word in ("Traceback", "process.killed", '"cut": 1'))
    # What was drained is on record: the next start finds nothing to settle at its hold.
    platform.start()
    lines = until(lambda: (reply := platform.admin("/api/v1/ledger/lines?tenant=acme"))[0] == 200 and reply[2]["lines"])
    assert Counter(line["outcome"] for line in lines) == Counter({"completed": 20})
