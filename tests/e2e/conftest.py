# ruff: noqa: E501 - the configuration reads best with a deployment a line
"""Vendors and platforms for the end-to-end tests."""

from __future__ import annotations

import pytest

from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai import OpenAiVendor

KEY = "test-key-acme"
SECRETS = {"OPENAI_KEY": "sk-vendor", "ANTHROPIC_KEY": "ant-vendor", "ACME_KEY": KEY, "GLOBEX_KEY": "test-key-globex"}

DEPLOYMENTS = """
deployments:
  - name: oai
    provider: openai
    base_url: http://127.0.0.1:{openai}/v1
    api_key: {{env: OPENAI_KEY}}
    model: gpt-5-mini
    price: {{input_per_million: 0.25, cached_input_per_million: 0.025, output_per_million: 2.00}}
  - {{name: legacy, provider: openai, base_url: "http://127.0.0.1:{legacy}/v1", api_key: {{env: OPENAI_KEY}}, model: qwen-3, price: {{input_per_million: 0.1, output_per_million: 0.4}}}}
  - {{name: ant, provider: anthropic, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1.0, cached_input_per_million: 0.1, output_per_million: 5.0}}}}
models:
  - {{name: on-openai, route: {{strategy: priority, deployments: [oai]}}, timeouts: {timeouts}}}
  - {{name: on-legacy, route: {{strategy: priority, deployments: [legacy]}}, timeouts: {timeouts}}}
  - {{name: on-anthropic, route: {{strategy: priority, deployments: [ant]}}, timeouts: {timeouts}}}
  - {{name: fast, route: {{strategy: priority, deployments: [oai, ant]}}, timeouts: {timeouts}, retries: {{max_attempts: 3}}}}
"""
TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [on-openai, on-legacy, on-anthropic, fast, "local/*"]
    budgets: [{limit_usd: 5.00, window: month}]
    limits: {requests_per_minute: 60000, tokens_per_minute: 200000000, concurrent_requests: 500}
  - name: globex
    keys: [{name: ci, secret: {env: GLOBEX_KEY}}]
    models: [fast]
"""
TIMEOUTS = "{first_token_s: 1.0, idle_s: 1.0, total_s: 6}"


class Scene:
    """The vendors and the platform in front of them."""

    def __init__(self, openai: OpenAiVendor, legacy: OpenAiVendor, anthropic: AnthropicVendor) -> None:
        self.openai, self.legacy, self.anthropic = openai, legacy, anthropic
        self.platform: Platform

    def config(self, tenants: str = TENANTS, timeouts: str = TIMEOUTS) -> str:
        ports = {"openai": self.openai.port, "legacy": self.legacy.port, "anthropic": self.anthropic.port, "timeouts": timeouts}
        return DEPLOYMENTS.format(**ports) + tenants

    def reset(self) -> None:
        for vendor in (self.openai, self.legacy, self.anthropic):
            vendor.fault, vendor.delay_s, vendor.first_delay_s, vendor.cancelled = None, 0.0, 0.0, 0
            vendor.seen.clear()


@pytest.fixture(scope="session")
def vendors():
    with OpenAiVendor() as openai, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as anthropic:
        yield Scene(openai, legacy, anthropic)


@pytest.fixture(scope="session")
def running(vendors, tmp_path_factory):
    """One platform for all tests that do not change it."""
    with Platform(tmp_path_factory.mktemp("platform"), vendors.config(), env=SECRETS) as platform:
        vendors.platform = platform
        yield vendors


@pytest.fixture
def scene(running):
    running.reset()
    yield running
    running.reset()
