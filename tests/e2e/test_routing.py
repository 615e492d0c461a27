# ruff: noqa: E501 - the configuration reads best with a deployment a line
"""Residency, classes and strategies as callers meet them, and what `ninefold route explain` says of it afterwards."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform
from tests.vendors.script import Fault

CONFIG = """
deployments:
  - {{name: eu, provider: openai, region: eu, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini, price: {{input_per_million: 0.25, output_per_million: 2.00}}, capabilities: {{context_tokens: 4000}}}}
  - {{name: us, provider: openai, region: us, base_url: "http://127.0.0.1:{legacy}/v1", api_key: {{env: OPENAI_KEY}}, model: qwen-3, price: {{input_per_million: 0.1, output_per_million: 0.4}}, quality: {{default: 0.4}}}}
  - {{name: ant, provider: anthropic, region: eu, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1.0, output_per_million: 5.0}}, quality: {{planning: 0.9}}}}
task_classes:
  - {{name: faq, patterns: ["(?i)opening hours"], promotion: {{to: planning, on: [failures, high_risk], failures: 1, high_risk: ["(?i)lawsuit"]}}}}
  - {{name: planning, quality_floor: 0.8}}
  - {{name: payments, approval: true}}
models:
  - name: anywhere
    route: {{strategy: priority, deployments: [us, ant]}}
    classes:
      faq: {{deployments: [us]}}
      planning: {{strategy: cheapest, deployments: [us, ant]}}
  - {{name: at-home, regions: [eu], route: {{deployments: [us, eu, ant]}}}}
  - {{name: only-us, route: {{deployments: [us]}}}}
  - {{name: small, route: {{deployments: [eu]}}}}
  - {{name: spread, route: {{strategy: weighted, deployments: [us, ant], weights: [1, 1]}}}}
tenants:
  - {{name: acme, keys: [{{name: ci, secret: {{env: ACME_KEY}}}}], models: [anywhere, at-home, only-us, small, spread], regions: [eu, us]}}
"""


@pytest.fixture(scope="module")
def platform(vendors, tmp_path_factory):
    ports = {"openai": vendors.openai.port, "legacy": vendors.legacy.port, "anthropic": vendors.anthropic.port}
    with Platform(tmp_path_factory.mktemp("routing"), CONFIG.format(**ports), env=SECRETS) as running:
        yield running


@pytest.fixture(autouse=True)
def calm(vendors):
    vendors.reset()
    yield
    vendors.reset()


def ask(platform, model, text="hi", *, headers=None, **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
    return platform.get("/v1/chat/completions", key=KEY, method="POST", body=body, headers=headers)


def explained(platform, trace_id):
    """What the command line says, once the ledger has it."""
    deadline = time.monotonic() + 60
    while True:
        done = platform.cli("route", "explain", trace_id, "--json")
        found = json.loads(done.stdout)["requests"][0] if done.returncode == 0 else {}
        if found.get("status") or found.get("refusals"):
            return found
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)


def test_a_model_stays_in_its_regions_whatever_fails(platform, vendors):
    vendors.openai.fault = Fault("status", status=500)
    vendors.anthropic.fault = Fault("status", status=500)
    status, headers, _ = ask(platform, "at-home")
    assert status == 503
    assert vendors.legacy.seen == []
    vendors.reset()
    status, headers, answer = ask(platform, "at-home")
    assert status == 200
    assert answer["ninefold"]["deployment"] in {"eu", "ant"}
    told = explained(platform, headers["x-ninefold-trace-id"])
    assert {"deployment": "us", "taken": False, "why": "is in us, and only eu is allowed"} in told["considered"]
    assert "considered" not in answer["ninefold"]["route"]


def test_no_route_rather_than_a_wrong_one_and_a_sentence_why(platform, vendors):
    status, headers, answer = ask(platform, "only-us", headers={"x-ninefold-region": "eu"})
    assert status == 404
    assert answer["error"]["code"] == "no_route"
    assert "is in us, and only eu is allowed" in answer["error"]["message"]
    assert vendors.legacy.seen == []
    told = explained(platform, headers["x-ninefold-trace-id"])
    assert [refusal["code"] for refusal in told["refusals"]] == ["no_route"]


def test_a_failover_is_explained_attempt_by_attempt(platform, vendors):
    vendors.legacy.fault = Fault("status", status=500)
    status, headers, _ = ask(platform, "anywhere")
    assert status == 200
    told = explained(platform, headers["x-ninefold-trace-id"])
    assert [(each["deployment"], each["outcome"]) for each in told["attempts"]] == [("us", "failed"), ("ant", "completed")]
    assert (told["class"], told["strategy"], told["deployment"]) == ("chat", "priority", "ant")
    assert told["facts"]["failures"] == [{"deployment": "us", "error": "unavailable"}]
    people = platform.cli("route", "explain", headers["x-ninefold-trace-id"]).stdout
    assert "attempt 2 at ant: completed" in people


def test_classes_by_name_by_pattern_and_by_promotion(platform, vendors):
    _, _, named = ask(platform, "anywhere", headers={"x-ninefold-task-class": "planning"})
    assert (named["ninefold"]["deployment"], named["ninefold"]["route"]["class"]) == ("ant", "planning")
    _, _, matched = ask(platform, "anywhere", "What are your opening hours?")
    assert (matched["ninefold"]["deployment"], matched["ninefold"]["route"]["class"]) == ("us", "faq")
    _, _, risky = ask(platform, "anywhere", "Opening hours, or I file a lawsuit")
    assert (risky["ninefold"]["deployment"], risky["ninefold"]["route"]["class"]) == ("ant", "planning")
    assert "high risk" in risky["ninefold"]["route"]["reason"]
    vendors.legacy.fault = Fault("status", status=500)
    _, headers, promoted = ask(platform, "anywhere", "opening hours?")
    assert promoted["ninefold"]["deployment"] == "ant"
    told = explained(platform, headers["x-ninefold-trace-id"])
    assert told["facts"]["promotions"][0]["to"] == "planning"


def test_an_unknown_class_names_those_there_are_and_approval_is_asked_for(platform):
    status, _, answer = ask(platform, "anywhere", headers={"x-ninefold-task-class": "plannin"})
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert "faq, payments, planning" in answer["error"]["message"]
    status, _, answer = ask(platform, "anywhere", headers={"x-ninefold-task-class": "payments"})
    assert (status, answer["error"]["code"]) == (403, "approval_required")


def test_a_conversation_too_long_for_every_deployment_is_refused_before_it_is_sent(platform, vendors):
    status, _, answer = ask(platform, "small", "word " * 6_000)
    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert "4000" in answer["error"]["message"]
    assert vendors.openai.seen == []
    assert ask(platform, "small", "word " * 900)[0] == 200


def test_weights_spread_requests(platform):
    found = {ask(platform, "spread")[2]["ninefold"]["deployment"] for _ in range(40)}
    assert found == {"us", "ant"}
