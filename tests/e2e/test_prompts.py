"""What is done to prompts on their way, over real sockets: cut, summarised, slimmed, marked, and told on record."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import SECRETS
from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai import OpenAiVendor

KEY = "test-key-acme"
CONFIG = """
deployments:
  - name: small
    provider: openai
    base_url: http://127.0.0.1:{openai}/v1
    api_key: {{env: OPENAI_KEY}}
    model: gpt-5-mini
    capabilities: {{context_tokens: 400}}
    max_output_tokens: 100
    price: {{input_per_million: 1, output_per_million: 1}}
  - name: medium
    provider: openai
    base_url: http://127.0.0.1:{openai}/v1
    api_key: {{env: OPENAI_KEY}}
    model: gpt-5-mini
    capabilities: {{context_tokens: 1500}}
    max_output_tokens: 100
    price: {{input_per_million: 1, output_per_million: 1}}
  - name: large
    provider: openai
    base_url: http://127.0.0.1:{openai}/v1
    api_key: {{env: OPENAI_KEY}}
    model: gpt-5-mini
    price: {{input_per_million: 1, output_per_million: 1}}
  - {{name: ant, provider: anthropic, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1, output_per_million: 1}}}}
models:
  - {{name: refusing, route: {{deployments: [small]}}}}
  - {{name: dropping, route: {{deployments: [small]}}, truncate: {{strategy: drop_oldest}}}}
  - {{name: summing, route: {{deployments: [medium]}}, truncate: {{strategy: summarise, summarise_with: summariser}}}}
  - {{name: summariser, route: {{deployments: [large]}}}}
  - {{name: slim, route: {{deployments: [large]}}, slim_prompts: true}}
  - {{name: kept, route: {{deployments: [ant]}}, prompt_cache: true}}
tenants:
  - {{name: acme, keys: [{{name: ci, secret: {{env: ACME_KEY}}}}], models: [refusing, dropping, summing, summariser, slim, kept]}}
"""  # noqa: E501 - a deployment a line
TURNS = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"{n} " + "word " * 100} for n in range(8)]
LAST = {"role": "user", "content": "and now?"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with OpenAiVendor() as openai, AnthropicVendor() as anthropic:
        config = CONFIG.format(openai=openai.port, anthropic=anthropic.port)
        with Platform(tmp_path_factory.mktemp("prompts"), config, env=SECRETS) as platform:
            yield openai, anthropic, platform


def ask(place, model: str, messages: list[dict], **more: object):
    place[0].seen.clear()
    return place[2].get("/v1/chat/completions", key=KEY, method="POST", body={"model": model, "messages": messages, **more})


def recorded(place, headers: dict[str, str]) -> dict:
    for _ in range(100):
        status, _, trace = place[2].admin(f"/api/v1/traces/{headers['x-ninefold-trace-id']}")
        if status == 200 and trace["answers"]:
            return trace
    raise AssertionError("never on record")


def test_too_long_is_refused_with_what_there_is_room_for(place):
    status, _, body = ask(place, "refusing", [*TURNS, LAST])
    assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
    assert "small" in body["error"]["message"]
    assert place[0].seen == []


def test_the_oldest_turns_are_dropped_and_the_record_says_which(place):
    status, headers, body = ask(place, "dropping", [{"role": "system", "content": "Be brief."}, *TURNS, LAST], max_tokens=50)
    assert (status, body["choices"][0]["message"]["content"]) == (200, "You said: and now?")
    ((_, _, sent),) = place[0].seen
    kept = sent["messages"]
    assert kept[0] == {"role": "system", "content": "Be brief."}
    assert kept[-1] == LAST
    assert 2 < len(kept) < 10
    changes = next(each["route"]["changes"] for each in recorded(place, headers)["answers"])
    assert changes["truncated_by"] == "drop_oldest"
    assert changes["removed_turns"] == list(range(1, 11 - len(kept)))
    assert body["ninefold"]["route"]["changes"] == changes


def test_a_summary_stands_in_for_what_was_left_out_and_is_paid_for(place):
    status, headers, _ = ask(place, "summing", [*TURNS, *TURNS, *TURNS, LAST], max_tokens=50)
    assert status == 200
    (_, _, first), (_, _, second) = place[0].seen
    assert "Summarise" in first["messages"][0]["content"]
    assert "0 word word" in first["messages"][1]["content"]
    noted = next(each for each in second["messages"] if "Summary of the earlier conversation" in str(each["content"]))
    assert "You said:" in noted["content"]
    trace = recorded(place, headers)
    assert sorted(line["model"] for line in trace["lines"]) == ["summariser", "summing"]


def test_slim_prompts_say_what_they_saved(place):
    _, headers, body = ask(place, "slim", [{"role": "user", "content": "hello   there\n\n\n\nfriend   "}])
    assert body["choices"][0]["message"]["content"] == "You said: hello there\n\nfriend"
    changes = recorded(place, headers)["answers"][0]["route"]["changes"]
    assert changes["slimmed_to_bytes"] < changes["slimmed_from_bytes"]


def test_long_beginnings_are_marked_for_the_vendors_cache(place):
    place[1].seen.clear()
    system = "rule " * 1200
    body = {"model": "kept", "max_tokens": 10, "system": system, "messages": [{"role": "user", "content": "hi"}]}
    status, _, _ = place[2].get("/v1/messages", key=KEY, method="POST", body=body)
    assert status == 200
    sent = place[1].seen[-1][2]
    assert sent["system"] == [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
    assert json.dumps(sent["messages"]) == json.dumps(body["messages"])
