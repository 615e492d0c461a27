# ruff: noqa: E501 - the configuration reads best with a deployment a line
"""A platform with one model for every vendor there is, each in front of that vendor's server."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.azure import AzureVendor
from tests.vendors.bedrock import BedrockVendor
from tests.vendors.gemini import GeminiVendor
from tests.vendors.openai import OpenAiVendor
from tests.vendors.serving import Vendor

KEY, POOR_KEY = "test-key-clients", "test-key-poor"
SECRETS = {
    "OPENAI_KEY": "sk-vendor",
    "ANTHROPIC_KEY": "ant-vendor",
    "AZURE_KEY": "azure-vendor",
    "GEMINI_KEY": "goog-vendor",
    "AWS_ID": "AKIDTEST",
    "AWS_SECRET": "aws-vendor",
    "CLIENTS_KEY": KEY,
    "POOR_KEY": POOR_KEY,
}

# By vendor: what makes its server, and its deployment.
VENDORS = {
    "openai": (OpenAiVendor, '{{provider: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini}}'),
    "compatible": (lambda: OpenAiVendor(legacy=True), '{{provider: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: {{env: OPENAI_KEY}}, model: qwen-3}}'),
    "azure": (AzureVendor, '{{provider: azure, base_url: "http://127.0.0.1:{port}", api_key: {{env: AZURE_KEY}}, api_version: "2024-10-21", model: prod-chat}}'),
    "anthropic": (AnthropicVendor, '{{provider: anthropic, base_url: "http://127.0.0.1:{port}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5}}'),
    "gemini": (GeminiVendor, '{{provider: gemini, base_url: "http://127.0.0.1:{port}", api_key: {{env: GEMINI_KEY}}, model: gemini-3-pro}}'),
    "bedrock": (BedrockVendor, '{{provider: bedrock, base_url: "http://127.0.0.1:{port}", region: eu-central-1, credentials: {{access_key_id: {{env: AWS_ID}}, secret_access_key: {{env: AWS_SECRET}}}}, model: anthropic.claude-haiku-4-5-20251001-v1:0}}'),
}  # fmt: skip
PRICE = "price: {input_per_million: 1.0, cached_input_per_million: 0.1, output_per_million: 4.0}"
TENANTS = """
tenants:
  - name: clients
    keys: [{name: ci, secret: {env: CLIENTS_KEY}}]
    models: ["on-*", "embed-*", "local/*"]
  - name: poor
    keys: [{name: ci, secret: {env: POOR_KEY}}]
    models: ["on-*"]
    budgets: [{limit_usd: 0.000001, window: total}]
"""


class Landscape:
    """The vendors' servers by name, and the platform; models are called `on-<vendor>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vendors: dict[str, Vendor] = {}
        self.platform: Platform
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        deployments, models = ["deployments:"], ["models:"]
        for name, (make, deployment) in VENDORS.items():
            self.vendors[name] = self._opened.enter_context(make())
            row = deployment.format(port=self.vendors[name].port)
            deployments.append(f"  - {row[:-1]}, name: {name}, {PRICE}}}")
            models.append(
                f"  - {{name: on-{name}, route: {{strategy: priority, deployments: [{name}]}}, timeouts: {{first_token_s: 5, idle_s: 5, total_s: 20}}}}"
            )
        azure = VENDORS["azure"][1].format(port=self.vendors["azure"].port).replace("prod-chat", "prod-embed")
        deployments.append(f"  - {azure[:-1]}, name: azure-embed, {PRICE}}}")
        models.append("  - {name: embed-azure, route: {strategy: priority, deployments: [azure-embed]}}")
        config = "\n".join([*deployments, *models]) + TENANTS
        self.platform = self._opened.enter_context(Platform(self.folder, config, env=SECRETS))
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    @property
    def url(self) -> str:
        return self.platform.url

    def sent(self, model: str) -> dict:
        """What the vendor behind `model` was last asked."""
        return self.vendors[model.removeprefix("on-")].seen[-1][2]

    def reset(self) -> None:
        for vendor in self.vendors.values():
            vendor.fault, vendor.delay_s, vendor.first_delay_s, vendor.cancelled = None, 0.0, 0.0, 0
            vendor.seen.clear()
