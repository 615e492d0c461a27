"""The faults of the public Failover Bench, against a vendor that really does these things to its sockets."""

from __future__ import annotations

import json
import time

import openai
import pytest

from tests.e2e.platform import Platform
from tests.fault.raw_vendor import TEXT, USAGE, WELL, Act, Part, RawVendor, gaps, waited

KEY = "test-key-acme"
ALONE = "only"
NAMES = (
    "limited-once", "limited", "failed-once", "failed", "reset-once", "silent", "late", "cut", "stall", "rubbish", "no-done", "open-end",
    "too-long", "policy", "prefill", "flapping", "accounts", ALONE,
)  # fmt: skip


def config(port: int) -> str:
    deployments, models = [], []
    for name in NAMES:
        own = [f"{name}-{role}" for role in ("primary", "fallback") if role == "primary" or name != ALONE]
        deployments += [{
            "name": each, "provider": "openai", "base_url": f"http://127.0.0.1:{port}/{each}/v1",
            "api_key": {"env": "VENDOR_KEY"}, "model": "vendor-" + each.rpartition("-")[2],
            "price": {"input_per_million": 1.0, "output_per_million": 2.0},
            "breaker": {"failures_in_a_row": 4 if name == "flapping" else 100, "min_attempts": 1000, "cool_down_s": 0.5},
        } for each in own]  # fmt: skip
        models.append({
            "name": name, "route": {"strategy": "priority", "deployments": own},
            "timeouts": {"connect_s": 1, "first_token_s": 0.4, "idle_s": 0.4, "total_s": 6},
            "retries": {"max_attempts": 5, "per_deployment": 2, "max_wait_s": 3, "budget_ratio": 1.0, "budget_floor": 1000},
            "streams": {"commit": "complete"},
            "answers_as": "vendor",
        })  # fmt: skip
    tenants = [{"name": "acme", "keys": [{"name": "ci", "secret": {"env": "ACME_KEY"}}], "models": list(NAMES)}]
    return "\n".join(
        f"{name}: {json.dumps(value)}" for name, value in (("deployments", deployments), ("models", models), ("tenants", tenants))
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    env = {"VENDOR_KEY": "sk-vendor", "ACME_KEY": KEY}
    with RawVendor() as vendor, Platform(tmp_path_factory.mktemp("faults"), config(vendor.port), env=env) as platform:
        yield vendor, platform


class Bench:
    """One fault: what its deployments do, and one caller."""

    def __init__(self, vendor: RawVendor, platform: Platform, name: str) -> None:
        self.name, self.platform = name, platform
        self.primary, self.fallback = Part([WELL]), Part([WELL])
        vendor.parts[f"{name}-primary"], vendor.parts[f"{name}-fallback"] = self.primary, self.fallback
        self.client = openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=0)
        self.trace_id = ""
        self.model = ""
        self.usage: object = None
        self.extra: dict = {}

    def ask(self, *, stream: bool = True) -> str:
        """The text of the answer, which ended properly."""
        said = [{"role": "user", "content": "Tell me sixty words."}]
        if not stream:
            reply = self.client.chat.completions.with_raw_response.create(model=self.name, messages=said)
            answer = reply.parse()
            self._note(reply.headers, answer)
            assert answer.choices[0].finish_reason == "stop"
            return answer.choices[0].message.content
        with self.client.chat.completions.create(
            model=self.name, messages=said, stream=True, stream_options={"include_usage": True}
        ) as reply:
            chunks = list(reply)
            self._note(reply.response.headers, chunks[-1])
        assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    def _note(self, headers, last) -> None:
        self.trace_id = headers["x-ninefold-trace-id"]
        self.model, self.usage, self.extra = last.model, last.usage, last.model_extra["ninefold"]

    @property
    def attempts(self) -> tuple[int, int]:
        """How many the primary saw, and how many the fallback."""
        return len(self.primary.seen), len(self.fallback.seen)

    def lines(self, count: int) -> list[dict]:
        """The cost lines of the answer, in the order of its attempts."""
        found: list[dict] = []

        def there() -> bool:
            nonlocal found
            status, _, document = self.platform.admin(f"/api/v1/traces/{self.trace_id}")
            found = document.get("lines", []) if status == 200 else []
            return len(found) >= count

        assert waited(there, 15), found
        return sorted(found, key=lambda line: line["attempt_id"])


@pytest.fixture
def bench(world, request):
    vendor, platform = world
    return Bench(vendor, platform, request.param)


def on(name: str):
    return pytest.mark.parametrize("bench", [name], indirect=True)


both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@both
@on("limited-once")
def test_a_rate_limit_is_waited_out_as_long_as_it_says(bench, stream):
    bench.primary.acts = [Act("status", status=429, retry_after="1"), WELL]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (2, 0)
    assert 1.0 <= next(gaps(bench.primary)) < 2.5


@both
@on("limited")
def test_a_lasting_rate_limit_is_left(bench, stream):
    bench.primary.acts = [Act("status", status=429)]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (2, 1)


@both
@on("failed-once")
def test_one_failure_is_tried_again_where_it_was(bench, stream):
    bench.primary.acts = [Act("status", status=500), WELL]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (2, 0)


@both
@on("failed")
def test_a_lasting_failure_is_left(bench, stream):
    bench.primary.acts = [Act("status", status=503)]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (2, 1)
    assert next(gaps(bench.primary)) < 2


@both
@on("reset-once")
def test_a_reset_before_the_head_is_tried_again(bench, stream):
    bench.primary.acts = [Act("reset"), WELL]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (2, 0)


@on("silent")
def test_a_vendor_that_accepts_and_says_nothing_is_left_in_time_and_stopped(bench):
    bench.primary.acts = [Act("silent")]
    assert bench.ask() == TEXT
    assert bench.attempts[0] in {1, 2}
    assert bench.attempts[1] == 1
    assert waited(lambda: all(seen.left_at for seen in bench.primary.seen))
    assert all(0.3 < seen.left_at - seen.at < 5 for seen in bench.primary.seen)


@on("late")
def test_a_head_without_content_is_no_answer(bench):
    bench.primary.acts = [Act("late", after_s=5)]
    began = time.monotonic()
    assert bench.ask() == TEXT
    assert time.monotonic() - began < 4
    assert bench.attempts[1] == 1
    assert waited(lambda: all(seen.left_at for seen in bench.primary.seen))


@on("cut")
def test_a_stream_cut_after_forty_words_is_had_again_from_another(bench):
    bench.primary.acts = [Act("cut", at=40)]
    assert bench.ask() == TEXT
    assert bench.attempts[1] == 1
    lines = bench.lines(sum(bench.attempts))
    assert [line["outcome"] for line in lines] == ["cut_short"] * bench.attempts[0] + ["completed"]
    assert all(line["output_tokens"] >= 40 and line["estimated"] for line in lines[:-1])


@on("stall")
def test_a_stream_that_falls_silent_is_had_again_from_another(bench):
    bench.primary.acts = [Act("stall", at=20)]
    assert bench.ask() == TEXT
    assert bench.attempts[1] == 1
    assert waited(lambda: all(seen.left_at for seen in bench.primary.seen))


@on("rubbish")
def test_an_event_that_is_no_json_costs_the_deployment_the_answer(bench):
    bench.primary.acts = [Act("rubbish", at=30)]
    assert bench.ask() == TEXT
    assert bench.attempts[1] == 1


@pytest.mark.parametrize("kind", ["no_done", "open_end"])
@on("no-done")
def test_an_answer_without_its_last_word_ends_promptly_with_its_usage(bench, kind):
    bench.primary.acts = [Act(kind)]
    began = time.monotonic()
    assert bench.ask() == TEXT
    assert time.monotonic() - began < 4
    assert bench.attempts == (1, 0)
    assert bench.usage.completion_tokens == USAGE["completion_tokens"]


@both
@on("too-long")
def test_a_prompt_too_long_for_one_is_taken_to_another(bench, stream):
    bench.primary.acts = [Act("status", status=400, code="context_length_exceeded")]
    assert bench.ask(stream=stream) == TEXT
    assert bench.attempts == (1, 1)


@both
@on("policy")
def test_what_the_vendors_policy_refuses_is_told_after_one_attempt(bench, stream):
    bench.primary.acts = [Act("status", status=400, code="content_policy_violation")]
    with pytest.raises(openai.BadRequestError, match="content_policy_violation"):
        bench.ask(stream=stream)
    assert bench.attempts == (1, 0)


@on("prefill")
def test_another_deployment_begins_anew_and_is_never_given_half_an_answer(bench):
    bench.primary.acts = [Act("cut", at=40)]
    bench.fallback.prefill = False
    assert bench.ask() == TEXT
    assert bench.attempts[1] == 1
    assert bench.fallback.seen[0].body["messages"] == [{"role": "user", "content": "Tell me sixty words."}]


@on("flapping")
def test_a_flapping_primary_rests_and_is_used_again_once_it_is_well(bench):
    bench.primary.acts = [*[Act("status", status=503)] * 4, WELL]
    assert bench.ask() == TEXT
    assert bench.ask() == TEXT
    assert bench.attempts == (4, 2)
    assert bench.ask() == TEXT  # it rests
    assert bench.attempts == (4, 3)
    assert waited(lambda: bench.ask() == TEXT and bench.attempts[0] > 4)
    asked = bench.attempts
    assert bench.ask() == TEXT
    assert bench.attempts == (asked[0] + 1, asked[1])


@both
@on("accounts")
def test_the_books_tell_who_answered_and_what_it_used(bench, stream):
    bench.primary.acts = [Act("status", status=500)]
    assert bench.ask(stream=stream) == TEXT
    assert bench.model == "vendor-fallback"
    assert (bench.usage.prompt_tokens, bench.usage.completion_tokens) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    assert bench.extra["deployment"] == "accounts-fallback"
    assert bench.extra["route"]["attempts"] == 3
    assert bench.extra["cost_usd"] == 0.000127
    lines = bench.lines(3)
    assert [(line["deployment"], line["outcome"], line["cost_nanos"]) for line in lines] == [
        ("accounts-primary", "failed", 0),
        ("accounts-primary", "failed", 0),
        ("accounts-fallback", "completed", 127_000),
    ]


@on("only")
def test_where_nobody_finishes_the_error_has_the_text_so_far(bench):
    bench.primary.acts = [Act("cut", at=40)]
    with pytest.raises(openai.InternalServerError) as caught:
        bench.ask()
    error = caught.value.body
    assert (error["code"], error["partial"]) == ("stream_interrupted", True)
    assert TEXT.startswith(error["partial_text"])
    assert error["partial_text"].count("word") >= 35
    assert error["usage"]["output_tokens"] >= 35
