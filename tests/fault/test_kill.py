"""kill -9 in the middle of 200 requests, half of them streams: nothing that was said is forgotten, nothing is billed twice.

Afterwards every attempt whose intent stands in a journal is in the ledger exactly once, settled or `interrupted`; every answer that a
caller has seen the end of stands there as completed, at the cost it was told; no budget is overshot, and each still counts.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from ninefold.adapters.journal.reader import JournalReader
from ninefold.finops.records import Intended, record_decoder
from ninefold.ports.journal import PieceEnd
from tests.e2e.conftest import KEY, SECRETS
from tests.fault.callers import CHAT, Crowd, said
from tests.fault.conftest import budget_of, lines_of, until

TIGHT = SECRETS["GLOBEX_KEY"]
TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [on-openai, on-legacy, on-anthropic]
    budgets: [{limit_usd: 5.00, window: month}]
    limits: {requests_per_minute: 60000, concurrent_requests: 500}
  - name: globex
    keys: [{name: ci, secret: {env: GLOBEX_KEY}}]
    models: [on-openai, on-legacy, on-anthropic]
    budgets: [{limit_usd: 0.004, window: total}]
"""
TIMEOUTS = "{first_token_s: 20, idle_s: 20, total_s: 60}"


def requests(chance: random.Random):
    """200, of which every fourth draws on the small budget; answers take from 0.1 s to some seconds."""
    for number in range(200):
        key = TIGHT if number % 4 == 3 else KEY
        model = chance.choice(["on-openai", "on-legacy", "on-anthropic"])
        text = f"long {chance.randrange(2, 60)}"
        cap = "max_completion_tokens" if model == "on-openai" else "max_tokens"
        yield key, said(text, model=model, stream=number % 2 == 0) | {cap: 60}, chance.uniform(0, 0.3)


def intents_of(data_dir) -> dict[str, str]:
    """The attempts of all journals, and the tenant's deployment of each."""
    folder = JournalReader(data_dir / "journal")
    decode = record_decoder().decode
    found: dict[str, str] = {}
    for segment in folder.segments():
        offset = 0
        while True:
            piece = folder.read(segment, offset, 1 << 20)
            for record in map(decode, piece.payloads):
                if isinstance(record, Intended):
                    assert record.attempt_id not in found
                    found[record.attempt_id] = record.deployment
            offset = piece.offset
            if piece.end is not PieceEnd.FULL:
                assert piece.end is not PieceEnd.CORRUPT
                break
    return found


def slow(scene):
    scene.openai.first_delay_s, scene.legacy.first_delay_s, scene.anthropic.first_delay_s = 0.2, 0.7, 1.5
    scene.openai.delay_s = scene.legacy.delay_s = scene.anthropic.delay_s = 0.04


def quick(scene):
    for vendor in (scene.openai, scene.legacy, scene.anthropic):
        vendor.first_delay_s = vendor.delay_s = 0.0


@pytest.mark.parametrize("whole_house", [False, True], ids=["gateway", "house"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_what_was_acknowledged_outlives_kill_9(scene, start, seed, whole_house):
    chance = random.Random(seed)
    platform = start(scene.config(TENANTS, TIMEOUTS))
    slow(scene)
    with Crowd(platform.port, requests(chance)) as crowd:
        time.sleep(chance.uniform(0.8, 3.0))
        if whole_house:
            platform.kill()
            killed = time.monotonic()
            platform.start()
        else:
            os.kill(platform.children()["gateway_process"], signal.SIGKILL)
            killed = time.monotonic()
        quick(scene)
        until(lambda: platform.chat(KEY, "back?", model="on-openai")[0] == 200)
        print(f"answers again {time.monotonic() - killed:.2f} s after kill -9")
    check(scene, platform, crowd.told)
    drain(platform)


def test_no_vendor_is_asked_before_the_intent_is_on_record(scene, start):
    platform = start(scene.config(TENANTS, TIMEOUTS))
    scene.anthropic.first_delay_s = 20.0
    asked = [(KEY, said("hi", model="on-anthropic", stream=number % 2 == 0, max_tokens=60), 0.0) for number in range(40)]
    with Crowd(platform.port, asked) as crowd:
        until(lambda: len(scene.anthropic.seen) == 40)
        os.kill(platform.children()["gateway_process"], signal.SIGKILL)
    assert [each.status for each in crowd.told] == [0] * 40
    lines = until(lambda: (found := lines_of(platform, "acme")) and len(found) == 40 and found)
    assert {line["outcome"] for line in lines} == {"interrupted"}
    assert {line["trace_id"] for line in lines} == {headers["traceparent"].split("-")[1] for _, headers, _ in scene.anthropic.seen}
    until(lambda: budget_of(platform, "acme")["outstanding"] == 0)
    assert budget_of(platform, "acme")["spent"] == sum(line["cost_nanos"] for line in lines) > 0


def check(scene, platform, told):
    complete = [each for each in told if each.extra is not None]
    cut = [each for each in told if each.status in (0, 200) and each.extra is None]
    print(f"{len(complete)} complete, {len(cut)} cut, {Counter(each.status for each in told)}")
    assert complete, "the kill came before anything was answered"
    assert cut, "the kill came after everything was answered"
    intents = until(lambda: (found := intents_of(platform.data_dir)) and booked(platform) >= found.keys() and found)
    lines = {tenant: lines_of(platform, tenant) for tenant in ("acme", "globex")}
    everything = [line for tenant in lines.values() for line in tenant]
    assert {line["kind"] for line in everything} == {"settle"}
    assert Counter(line["attempt_id"] for line in everything) == Counter(intents.keys())
    outcomes = Counter(line["outcome"] for line in everything)
    print(outcomes)
    assert outcomes["interrupted"] > 0
    assert set(outcomes) <= {"completed", "cancelled", "cut_short", "failed", "interrupted"}
    by_trace: dict[str, list[dict]] = {}
    for line in everything:
        by_trace.setdefault(line["trace_id"], []).append(line)
    for each in complete:
        (line,) = by_trace[each.trace_id]
        assert (line["outcome"], line["cost_nanos"]) == ("completed", each.cost_nanos)
    reached = {headers["traceparent"].split("-")[1] for v in (scene.openai, scene.legacy, scene.anthropic) for _, headers, _ in v.seen}
    assert reached <= by_trace.keys(), "a vendor was asked without an intent on record"
    for tenant, mine in lines.items():
        check_budget(platform, tenant, sum(line["cost_nanos"] for line in mine))


def check_budget(platform, tenant, cost_nanos):
    assert until(lambda: budget_of(platform, tenant)["spent"] == cost_nanos)
    budget = budget_of(platform, tenant)
    assert budget["spent"] + budget["outstanding"] <= budget["limit"]
    assert (budget["overrun"], budget["suspense"]) == (0, 0)


def booked(platform) -> set[str]:
    return {line["attempt_id"] for tenant in ("acme", "globex") for line in lines_of(platform, tenant)}


def drain(platform):
    """What is left of the small budget can be used, and not a nano-dollar more."""
    for _ in range(200):
        status, headers, answer = platform.get(CHAT, key=TIGHT, method="POST", body=said("long 60", model="on-anthropic", max_tokens=60))
        if status != 200:
            break
    assert (status, answer["error"]["code"], headers["x-should-retry"]) == (429, "budget_exceeded", "false")
    budget = budget_of(platform, "globex")
    assert budget["spent"] + budget["outstanding"] <= budget["limit"]
    assert platform.chat(KEY, "still?", model="on-openai")[0] == 200
    assert until(lambda: sum(line["cost_nanos"] for line in lines_of(platform, "globex")) == budget_of(platform, "globex")["spent"])
    spent = budget_of(platform, "globex")["spent"]
    assert 0.8 * budget["limit"] <= spent <= budget["limit"]
