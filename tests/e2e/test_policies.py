"""Policy files in a running platform: a request is routed, refused, sent to somebody who has to agree, and on record."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform

CONFIG = """
deployments:
  - {{name: one, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini}}
  - {{name: two, provider: anthropic, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5}}
task_classes: [{{name: cached_context_model}}]
models:
  - name: fast
    route: {{deployments: [one]}}
    classes: {{cached_context_model: {{deployments: [two]}}}}
tenants:
  - {{name: acme, keys: [{{name: ci, secret: {{env: ACME_KEY}}}}], models: [fast]}}
policies: [policies/*.yaml]
"""
ROUTING = """
policy: routing
owner: platform
match: {task_class: faq_stable}
route_to: cached_context_model
if_missing: {task_class: ignore}
"""
CAUTION = """
policy: caution
owner: security
match: {tenant: acme}
deny_if: [max_output_tokens > 1000]
require_approval_for: [{product: payments}]
if_missing: {product: ignore, max_output_tokens: ignore}
"""


@pytest.fixture(scope="module")
def platform(vendors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    (folder / "policies").mkdir()
    (folder / "policies" / "routing.yaml").write_text(ROUTING, encoding="utf-8")
    (folder / "policies" / "caution.yaml").write_text(CAUTION, encoding="utf-8")
    ports = {"openai": vendors.openai.port, "anthropic": vendors.anthropic.port}
    with Platform(folder, CONFIG.format(**ports), env=SECRETS) as running:
        yield running


def ask(platform, *, headers=None, **more):
    body = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]} | more
    return platform.get("/v1/chat/completions", key=KEY, method="POST", body=body, headers=headers)


def test_a_policy_sends_a_class_of_work_to_its_route(platform):
    assert ask(platform)[1]["x-ninefold-deployment"] == "one"
    status, headers, body = ask(platform, headers={"x-ninefold-task-class": "faq_stable"})
    assert (status, headers["x-ninefold-deployment"]) == (200, "two"), body


def test_a_policy_refuses_with_its_reason(platform):
    status, _, body = ask(platform, max_tokens=1001)
    assert status == 403
    assert body["error"]["code"] == "policy_denied"
    assert "max_output_tokens > 1000" in body["error"]["message"]
    assert ask(platform, max_tokens=1000)[0] == 200


def test_a_policy_asks_for_somebody_s_consent(platform):
    status, _, body = ask(platform, headers={"x-ninefold-product": "payments"})
    assert (status, body["error"]["code"]) == (403, "approval_required")


def test_the_ledger_names_the_rule(platform):
    _, headers, _ = ask(platform, max_tokens=2000)
    deadline = time.monotonic() + 60
    while True:
        _, _, trace = platform.admin(f"/api/v1/traces/{headers['x-ninefold-trace-id']}")
        if isinstance(trace, dict) and trace.get("decisions"):
            break
        assert time.monotonic() < deadline, trace
        time.sleep(0.2)
    (decision,) = trace["decisions"]
    assert decision["verdict"] == "deny"
    assert [reason["rule"] for reason in decision["reasons"]] == ["caution.deny_if.max_output_tokens"]


def test_a_changed_policy_is_in_force_without_a_restart(platform):
    file = platform.folder / "policies" / "caution.yaml"
    file.write_text(CAUTION.replace("1000", "500"), encoding="utf-8")
    deadline = time.monotonic() + 60
    while ask(platform, max_tokens=501)[0] != 403:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    file.write_text(CAUTION.replace("deny_if", "deny_iff"), encoding="utf-8")
    while "deny_iff" not in platform.logs():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ask(platform, max_tokens=501)[0] == 403
