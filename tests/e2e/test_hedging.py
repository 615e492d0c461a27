"""Hedges, deadlines with the text so far, hang-ups and shed load, over real sockets."""

from __future__ import annotations

import http.client
import json
import threading

import openai
import pytest

from tests.e2e.platform import Platform
from tests.fault.raw_vendor import TEXT, WELL, Act, Part, RawVendor, waited

KEY, LOW_KEY = "test-key-acme", "test-key-batch"
NAMES = ("hedged", "plain", "held")


def config(port: int) -> str:
    deployments, models = [], []
    for name in NAMES:
        own = [f"{name}-one", f"{name}-two"]
        deployments += [{
            "name": each, "provider": "openai", "base_url": f"http://127.0.0.1:{port}/{each}/v1", "api_key": {"env": "VENDOR_KEY"},
            "model": "v", "price": {"input_per_million": 1.0, "output_per_million": 2.0},
            "breaker": {"failures_in_a_row": 1000, "min_attempts": 10000},
        } for each in own]  # fmt: skip
        models.append({
            "name": name, "route": {"strategy": "priority", "deployments": own if name != "plain" else own[:1]},
            "timeouts": {"first_token_s": 5, "idle_s": 0.4, "total_s": 10},
            "retries": {"max_attempts": 2, "budget_ratio": 1.0, "budget_floor": 1000},
        } | ({"hedge": {"after_s": 0.15, "budget_ratio": 1.0}} if name != "plain" else {})
          | ({"streams": {"commit": "complete"}} if name == "held" else {}))  # fmt: skip
    tenants = [
        {"name": "acme", "keys": [{"name": "ci", "secret": {"env": "ACME_KEY"}}], "models": list(NAMES), "priority": "high"},
        {"name": "batch", "keys": [{"name": "ci", "secret": {"env": "BATCH_KEY"}}], "models": list(NAMES), "priority": "low"},
    ]
    return "\n".join(
        f"{name}: {json.dumps(value)}" for name, value in (("deployments", deployments), ("models", models), ("tenants", tenants))
    )


class World:
    """A vendor of six deployments and the platform in front of it."""

    def __init__(self, vendor: RawVendor, platform: Platform) -> None:
        self.vendor, self.platform = vendor, platform
        self.parts: dict[str, Part] = vendor.parts
        self.client = openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=0)

    def begin(self, name: str, one: Act, two: Act = WELL) -> tuple[Part, Part]:
        parts = Part([one]), Part([two])
        self.parts[f"{name}-one"], self.parts[f"{name}-two"] = parts
        return parts

    def lines(self, trace_id: str, count: int) -> list[dict]:
        """The cost lines of a trace in the order of its attempts, once the ledger has so many."""
        found: list[dict] = []

        def there() -> bool:
            nonlocal found
            status, _, document = self.platform.admin(f"/api/v1/traces/{trace_id}")
            found = document.get("lines", []) if status == 200 else []
            return len(found) >= count

        assert waited(there, 15), found
        return sorted(found, key=lambda line: line["attempt_id"])


ENV = {"VENDOR_KEY": "sk-vendor", "ACME_KEY": KEY, "BATCH_KEY": LOW_KEY}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with RawVendor() as vendor, Platform(tmp_path_factory.mktemp("hedging"), config(vendor.port), env=ENV) as platform:
        yield World(vendor, platform)


def said() -> list[dict]:
    return [{"role": "user", "content": "Tell me sixty words."}]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", ["hedged", "held"])
def test_a_late_first_attempt_is_overtaken_stopped_and_booked(world, name, stream):
    one, two = world.begin(name, Act("silent"))
    reply = world.client.chat.completions.create(model=name, messages=said(), stream=stream)
    if stream:
        trace_id = reply.response.headers["x-ninefold-trace-id"]
        chunks = list(reply)
        extra = chunks[-1].model_extra["ninefold"]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    else:
        extra = reply.model_extra["ninefold"]
        trace_id = extra["trace_id"]
        assert reply.choices[0].message.content == TEXT
    assert (extra["deployment"], extra["route"]["attempts"], extra["route"]["hedged"]) == (f"{name}-two", 2, True)
    assert extra["route"]["hedge_cost_usd"] > 0
    assert waited(lambda: one.seen[0].left_at > 0)
    assert len(two.seen) == 1
    assert 0.1 < two.seen[0].at - one.seen[0].at < 2
    lines = world.lines(trace_id, 2)
    assert [(line["deployment"], line["outcome"]) for line in lines] == [(f"{name}-one", "cancelled"), (f"{name}-two", "completed")]
    assert round(extra["route"]["hedge_cost_usd"] * 1e9) == lines[0]["cost_nanos"]


def test_an_attempt_in_time_is_left_alone(world):
    _, two = world.begin("hedged", WELL)
    reply = world.client.chat.completions.create(model="hedged", messages=said())
    assert "hedged" not in reply.model_extra["ninefold"]["route"]
    assert not two.seen


def test_a_client_that_leaves_stops_both_attempts(world):
    one, two = world.begin("hedged", Act("silent"), Act("silent"))
    connection = http.client.HTTPConnection("127.0.0.1", world.platform.port, timeout=10)
    body = json.dumps({"model": "hedged", "messages": said(), "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}", "content-type": "application/json"})
    assert waited(lambda: len(two.seen) == 1)
    connection.close()
    assert waited(lambda: one.seen[0].left_at > 0 and two.seen[0].left_at > 0)


def test_a_stream_that_stalls_says_that_it_is_partial_and_what_it_used(world):
    world.begin("plain", Act("stall", at=20))
    seen = []
    with pytest.raises(openai.APIError) as caught:
        seen.extend(world.client.chat.completions.create(model="plain", messages=said(), stream=True))
    error = caught.value.body
    assert (error["code"], error["partial"], error["usage"]["estimated"]) == ("deadline_exceeded", True, True)
    assert error["usage"]["output_tokens"] >= 20
    assert "partial_text" not in error, "the caller has it"
    assert sum(bool(c.choices[0].delta.content) for c in seen) == 20


def test_where_every_held_stream_stalls_the_error_has_the_text_so_far(world):
    world.begin("held", Act("stall", at=20), Act("stall", at=30))
    status, _, answer = world.platform.chat(KEY, "sixty", model="held", stream=True)
    error = answer["error"]
    assert (status, error["code"], error["partial"]) == (504, "deadline_exceeded", True)
    assert error["partial_text"] == " ".join(TEXT.split(" ")[:30])


def test_a_worker_that_is_full_serves_by_priority_and_sheds_the_rest(tmp_path):
    full = "{max_in_flight: 1, queue_s: {low: 0, normal: 0.1, high: 8}}"
    with RawVendor() as vendor:
        platform = Platform(tmp_path, config(vendor.port), env=ENV)
        platform.config.write_text(platform.config.read_text().replace("server: {", f"server: {{load: {full}, ", 1))
        with platform:
            world = World(vendor, platform)
            one, _ = world.begin("plain", Act("late", after_s=1.0))
            running = threading.Thread(target=lambda: platform.chat(KEY, "hi", model="plain", stream=True))
            running.start()
            assert waited(lambda: len(one.seen) == 1)
            status, headers, answer = platform.chat(LOW_KEY, "hi", model="plain")
            assert (status, answer["error"]["code"]) == (503, "unavailable")
            assert "shed" in answer["error"]["message"]
            assert int(headers["retry-after"]) >= 1
            assert len(one.seen) == 1, "nobody was asked for it"
            one.acts = [WELL]
            assert platform.chat(KEY, "hi", model="plain")[0] == 200
            running.join(10)
            assert platform.chat(LOW_KEY, "hi", model="plain")[0] == 200
