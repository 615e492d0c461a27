"""What operators see of routing over real sockets: `/metrics` to the letter, and the route of a trace as the command line tells it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from tests.e2e.platform import Platform
from tests.exposition import Metric, parse
from tests.fault.raw_vendor import Act, Part, RawVendor, waited

KEY = "test-key-acme"
ENV = {"VENDOR_KEY": "sk-vendor", "ACME_KEY": KEY}


def config(port: int) -> str:
    deployments = [{
        "name": each, "provider": "openai", "base_url": f"http://127.0.0.1:{port}/{each}/v1", "api_key": {"env": "VENDOR_KEY"},
        "model": "v", "price": {"input_per_million": 1.0, "output_per_million": 2.0}, "region": region,
        "breaker": {"failures_in_a_row": 1, "cool_down_s": 600, "max_cool_down_s": 600},
    } for each, region in (("one", "eu"), ("two", "eu"), ("far", "us"))]  # fmt: skip
    retries = {"max_attempts": 3, "budget_ratio": 1.0, "budget_floor": 1000}
    models = [
        {"name": "m", "route": {"strategy": "priority", "deployments": ["one", "two", "far"]}, "regions": ["eu"], "retries": retries},
        {"name": "kept", "route": {"strategy": "priority", "deployments": ["two"]}, "cache": {"ttl_s": 600}},
        {"name": "late", "route": {"strategy": "priority", "deployments": ["two", "far"]}, "retries": retries,
         "hedge": {"after_s": 0.1, "budget_ratio": 1.0}},
        {"name": "nowhere", "route": {"strategy": "priority", "deployments": ["far"]}, "regions": ["eu"]},
    ]  # fmt: skip
    tenants = [{"name": "acme", "keys": [{"name": "ci", "secret": {"env": "ACME_KEY"}}], "models": [each["name"] for each in models]}]
    return "\n".join(
        f"{name}: {json.dumps(value)}" for name, value in (("deployments", deployments), ("models", models), ("tenants", tenants))
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with RawVendor() as vendor, Platform(tmp_path_factory.mktemp("metrics"), config(vendor.port), env=ENV) as platform:
        vendor.parts |= {"one": Part([Act(kind="status", status=500)]), "two": Part([Act()]), "far": Part([Act()])}
        yield vendor, platform


def metrics(platform: Platform) -> dict[str, Metric]:
    with urllib.request.urlopen(platform.url + "/metrics", timeout=10) as reply:
        assert reply.headers["content-type"].startswith("text/plain")
        return parse(reply.read())


def test_routing_and_shared_answers_are_seen(world) -> None:
    vendor, platform = world
    assert platform.chat(KEY, "Hello.", model="m")[0] == 200
    assert [platform.chat(KEY, "Once.", model="kept")[1]["x-ninefold-cache"] for _ in range(2)] == ["miss", "exact"]
    vendor.parts["two"] = Part([Act(kind="silent")])
    assert platform.chat(KEY, "Hurry.", model="late")[1]["x-ninefold-deployment"] == "far"
    vendor.parts["two"] = Part([Act()])
    assert platform.chat(KEY, "Hello.", model="made-up")[0] == 404
    assert platform.chat(KEY, "Hello.", model="nowhere")[0] == 404
    found = metrics(platform)
    requests, attempts = found["ninefold_requests_total"], found["ninefold_attempts_total"]
    assert requests.value(surface="openai.chat", model="m", status="200", cache="bypass") == 1
    assert requests.value(model="kept", cache="exact") == requests.value(model="kept", cache="miss") == 1
    assert requests.value(model="", status="404") == requests.value(model="nowhere", status="404") == 1
    assert attempts.value(deployment="one", outcome="unavailable") == 1
    assert attempts.value(deployment="two", outcome="completed") == 2
    assert attempts.value(deployment="far", outcome="completed") == 1
    assert found["ninefold_retries_total"].value(model="m") == 1
    assert [found["ninefold_hedges_total"].value(model="late", result=each) for each in ("sent", "won", "lost")] == [1, 1, 0]
    assert found["ninefold_hedge_cost_usd_total"].value(model="late") > 0
    assert found["ninefold_breaker_open"].value(deployment="one") == 1
    assert found["ninefold_breaker_open"].value(deployment="two") == 0
    assert found["ninefold_answer_cache_entries"].value() == 1
    assert found["ninefold_deployment_in_flight"].value() == 0
    tokens = found["gen_ai_client_token_usage_tokens"]
    assert tokens.value(gen_ai_token_type="input", gen_ai_request_model="m", gen_ai_provider_name="openai") == 1


def test_names_that_callers_make_up_add_no_series(world) -> None:
    _, platform = world
    before = {key for each in metrics(platform).values() for key in each.samples}
    for number in range(30):
        headers = dict.fromkeys(("x-ninefold-product", "x-ninefold-task-class", "x-ninefold-region", "x-made-up"), f"x{number}")
        body = {"model": f"made-up-{number}", "messages": [{"role": "user", "content": "x"}]}
        assert platform.get("/v1/chat/completions", key=KEY, method="POST", body=body, headers=headers)[0] in {400, 404}
        assert platform.get(f"/made-up-{number}", key=KEY)[0] == 404
    added = {key for each in metrics(platform).values() for key in each.samples} - before
    assert {dict(labels).get("model", "") for _, labels in added} <= {""}
    assert len(added) <= 3, added


def test_the_route_of_a_trace_is_what_the_command_line_tells(world) -> None:
    _, platform = world
    trace_id = platform.chat(KEY, "And again.", model="m")[1]["x-ninefold-trace-id"]
    path = f"/api/v1/traces/{trace_id}/route"
    assert waited(lambda: platform.admin(path)[0] == 200, 15)
    _, _, document = platform.admin(path)
    told = subprocess.run(
        [sys.executable, "-m", "ninefold", "route", "explain", trace_id, "--json", "--config", str(platform.config)],
        capture_output=True, check=True, env=platform.env, timeout=60,
    )  # fmt: skip
    assert document == json.loads(told.stdout)
    (request,) = document["requests"]
    assert {each["deployment"]: each["taken"] for each in request["considered"]} == {"one": True, "two": True, "far": False}
    assert (request["deployment"], request["class"], request["strategy"]) == ("two", "chat", "priority")
    assert [each["deployment"] for each in request["attempts"]] == ["two"]
    assert platform.admin(f"/api/v1/traces/{'a' * 32}/route")[0] == 404
    assert platform.admin("/api/v1/traces/nope/route")[0] == 400
    assert platform.get(path)[0] == 401
