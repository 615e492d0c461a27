"""Every part dies once, and the others go on: control, the local models, the database, the disk.

Without control requests are answered; without the local models callers wait for their successor, as long as they may; without the
database valid keys stay valid and requests go on from their leases until these end, then 503, and all of it heals by itself; without
room for its journal nothing is answered, since nothing may be answered without a record.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import time
from collections import Counter

import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.fault.callers import Crowd, Load, said
from tests.fault.conftest import budget_of, lines_of, until

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

LOCAL = """
models:
  - {name: reads, route: {strategy: priority, deployments: [near, legacy]}, timeouts: {first_token_s: 0.5, total_s: 2}}
  - {name: hurried, route: {strategy: priority, deployments: [near]}, timeouts: {first_token_s: 0.5, total_s: 0.8}}
"""
TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [on-openai, on-legacy, on-anthropic, reads, hurried, "local/*"]
    budgets: [{limit_usd: 5.00, window: month}]
    limits: {concurrent_requests: 500}
"""
TIMEOUTS = "{first_token_s: 5, idle_s: 5, total_s: 20}"


def config_of(scene) -> str:
    text = scene.config(TENANTS, TIMEOUTS)
    text = text.replace("models:\n", "  - {name: near, provider: local, model: reader}\nmodels:\n" + LOCAL.removeprefix("\nmodels:\n"), 1)
    assert "near" in text
    return text


def all_there(platform) -> None:
    until(lambda: "house.ready" in platform.logs())
    until(lambda: platform.admin("/api/v1/health")[2]["status"] == "ok")


def test_requests_go_on_without_control_and_it_comes_back(scene, start):
    platform = start(config_of(scene))
    all_there(platform)
    with Load(platform.port, KEY, [said("hi", model="on-openai", stream=n % 2 == 0) for n in range(4)]) as load:
        time.sleep(0.3)
        os.kill(platform.children()["control_process"], signal.SIGKILL)
        killed = time.monotonic()
        status, _, problem = until(lambda: (reply := platform.admin("/api/v1/health"))[0] != 200 and reply, patience_s=5)
        assert (status, problem["code"]) == (503, "unavailable")
        until(lambda: platform.admin("/api/v1/health")[0] == 200)
        print(f"control is back after {time.monotonic() - killed:.2f} s")
    assert Counter((each.status, each.failure) for each in load.told) == Counter({(200, ""): len(load.told)})
    until(lambda: len(lines_of(platform, "acme")) == len(load.told))
    assert sum(line["cost_nanos"] for line in lines_of(platform, "acme")) == sum(each.cost_nanos for each in load.told)


@pytest.mark.slow
def test_without_the_local_models_callers_wait_for_the_successor_or_another_deployment_answers(scene, start):
    platform = start(config_of(scene))
    all_there(platform)
    asked = "The sky is blue.\n\nWhat colour is the sky?"
    assert platform.chat(KEY, asked, model="local/reader")[0] == 200
    assert platform.chat(KEY, asked, model="reads")[2]["ninefold"]["deployment"] == "near"
    with Load(platform.port, KEY, [said(asked, model="local/reader", stream=n % 2 == 0) for n in range(4)]) as load:
        time.sleep(0.3)
        # Four times in a row, so that the supervisor waits 2 s before the next start.
        for _ in range(4):
            pid = until(lambda: platform.children().get("worker_process"))
            os.kill(pid, signal.SIGKILL)
            until(lambda gone=pid: platform.children().get("worker_process") != gone)
        killed = time.monotonic()
        status, headers, error = platform.chat(KEY, asked, model="hurried")
        assert (status, error["error"]["code"]) == (504, "deadline_exceeded")
        assert time.monotonic() - killed < 1.5
        assert headers["x-ninefold-trace-id"]
        status, headers, _ = platform.chat(KEY, asked, model="reads")
        assert (status, headers["x-ninefold-deployment"]) == (200, "legacy")
        assert platform.chat(KEY, "hi", model="on-openai")[0] == 200
        until(lambda: platform.chat(KEY, asked, model="hurried")[0] == 200)
        print(f"the local models are back after {time.monotonic() - killed:.2f} s")
    until(lambda: platform.chat(KEY, asked, model="reads")[1].get("x-ninefold-deployment") == "near")
    # Nobody who can wait was refused; a stream that had begun when its server died says so.
    assert {each.status for each in load.told} == {200}
    assert all(each.extra is not None or each.error["code"] == "stream_interrupted" for each in load.told)


@pytest.mark.slow
def test_a_database_file_that_goes_away_and_comes_back_refuses_nobody(scene, start):
    platform = start(config_of(scene))
    all_there(platform)
    file, away = platform.data_dir / "ninefold.db", platform.data_dir / "away.db"
    until(lambda: platform.chat(KEY, "hi", model="on-openai")[0] == 200)
    with Load(platform.port, KEY, [said("hi", model="on-openai") for _ in range(3)]) as load:
        file.rename(away)
        time.sleep(1.5)
        assert platform.chat("wrong", "hi", model="on-openai")[0] == 401
        away.rename(file)
        time.sleep(0.5)
    assert Counter((each.status, each.failure) for each in load.told) == Counter({(200, ""): len(load.told)})
    made = json.loads(platform.cli("keys", "create", "--tenant", "acme", "--json").stdout)
    until(lambda: platform.chat(made["secret"], "hi", model="on-openai")[0] == 200, patience_s=5)
    until(lambda: platform.admin("/api/v1/health")[2]["status"] == "ok")


@pytest.mark.slow
def test_a_locked_database_ends_the_leases_and_nothing_else(scene, start):
    platform = start(config_of(scene))
    all_there(platform)
    until(lambda: platform.chat(KEY, "hi", model="on-openai")[0] == 200)
    lock = sqlite3.connect(platform.data_dir / "ninefold.db", isolation_level=None, timeout=20)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        outlast_the_leases(platform, scene)
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    healed(platform)


def outlast_the_leases(platform, scene) -> None:
    """The database is gone: answers from leases first, then 503, and never a 401 for a valid key."""
    gone = time.monotonic()
    answered = refused = 0
    while refused < 3:
        assert time.monotonic() - gone < 60, "the leases never end"
        status, headers, answer = platform.chat(KEY, "hi", model="on-openai")
        if status == 200:
            assert refused == 0
            answered += 1
        else:
            assert (status, answer["error"]["code"]) == (503, "unavailable")
            assert int(headers["retry-after"]) >= 1
            refused += 1
        time.sleep(0.3)
    print(f"{answered} answers from leases over {time.monotonic() - gone:.0f} s without a database")
    assert answered > 10
    assert platform.chat(SECRETS["OPENAI_KEY"], "hi", model="on-openai")[0] == 401
    assert platform.get("/healthz")[0] == 200
    asked = len(scene.openai.seen)
    assert platform.chat(KEY, "hi", model="on-openai")[0] == 503
    assert len(scene.openai.seen) == asked


def healed(platform) -> None:
    """Requests, keys and books work again by themselves."""
    began = time.monotonic()
    until(lambda: platform.chat(KEY, "hi", model="on-openai")[0] == 200)
    print(f"answers again {time.monotonic() - began:.2f} s after the database came back")
    until(lambda: platform.admin("/api/v1/health")[2].get("status") == "ok", patience_s=15)
    made = until(lambda: (done := platform.cli("keys", "create", "--tenant", "acme", "--json")).returncode == 0 and json.loads(done.stdout))
    until(lambda: platform.chat(made["secret"], "hi", model="on-openai")[0] == 200, patience_s=5)
    lines = until(lambda: lines_of(platform, "acme"))
    assert {line["outcome"] for line in lines} == {"completed"}
    until(lambda: budget_of(platform, "acme")["spent"] == sum(line["cost_nanos"] for line in lines_of(platform, "acme")))


def test_nothing_is_answered_that_cannot_be_recorded(scene, start):
    """A limit on the size of files stands in for a full disk: the gateway's next write to its journal fails."""
    platform = start(config_of(scene))
    all_there(platform)
    assert platform.chat(KEY, "hi", model="on-openai")[0] == 200
    until(lambda: len(lines_of(platform, "acme")) == 1)
    (line,) = lines_of(platform, "acme")
    spent = line["cost_nanos"]
    pid = platform.children()["gateway_process"]
    journal = max((file.stat().st_size for file in (platform.data_dir / "journal").iterdir()), default=0)
    asked = len(scene.openai.seen)
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal, hard))
    try:
        for stream in (False, True):
            status, headers, error = platform.chat(KEY, "hi", model="on-openai", stream=stream)
            assert (status, error["error"]["code"]) == (503, "unavailable")
            assert "journal" in error["error"]["message"]
            assert headers["x-ninefold-trace-id"]
        assert len(scene.openai.seen) == asked, "a vendor was asked without an intent on record"
        assert platform.get("/healthz")[0] == 200
        assert platform.chat("wrong", "hi", model="on-openai")[0] == 401
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    status, _, answer = until(lambda: (reply := platform.chat(KEY, "hi", model="on-openai"))[0] == 200 and reply)
    assert platform.children()["gateway_process"] == pid
    cost = round(answer["ninefold"]["cost_usd"] * 1e9)
    # What never reached a vendor costs nothing.
    until(lambda: any(line["trace_id"] == answer["ninefold"]["trace_id"] for line in lines_of(platform, "acme")))
    lines = lines_of(platform, "acme")
    assert sum(line["cost_nanos"] for line in lines) == spent + cost
    until(lambda: budget_of(platform, "acme")["spent"] == spent + cost)


def test_an_answer_whose_cost_cannot_be_recorded_does_not_end_cleanly(scene, start):
    platform = start(config_of(scene))
    all_there(platform)
    scene.anthropic.delay_s = 0.05
    assert platform.chat(KEY, "hi", model="on-anthropic", max_tokens=20)[0] == 200
    pid = platform.children()["gateway_process"]
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    scene.anthropic.seen.clear()
    asked = [(KEY, said("long 30", model="on-anthropic", stream=True, max_tokens=50), 0.0) for _ in range(4)]
    try:
        with Crowd(platform.port, asked) as crowd:
            until(lambda: len(scene.anthropic.seen) >= 4)
            time.sleep(0.3)
            journal = max(file.stat().st_size for file in (platform.data_dir / "journal").iterdir())
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal, hard))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert [each.status for each in crowd.told] == [200] * 4
    assert all(each.whole and each.extra is None for each in crowd.told)
    assert {each.error["code"] for each in crowd.told} == {"unavailable"}
    # Once there is room, what was used stands there, once.
    until(lambda: platform.chat(KEY, "hi", model="on-anthropic", max_tokens=20)[0] == 200)
    until(lambda: {each.trace_id for each in crowd.told} <= {line["trace_id"] for line in lines_of(platform, "acme")})
    lines = [line for line in lines_of(platform, "acme") if line["trace_id"] in {each.trace_id for each in crowd.told}]
    assert [(line["outcome"], line["output_tokens"]) for line in lines] == [("completed", 30)] * 4
