"""The example of the design, which must work as it stands."""

from __future__ import annotations

import pytest

EXAMPLE = """\
server: {host: 127.0.0.1, port: 8080, workers: 1}    # control_port: 8081
data_dir: .ninefold
database: sqlite                    # or postgresql://user@host/name
deployments:                        # where a model really runs
  - name: openai-eu
    provider: openai                # openai (and all that speak it: vLLM, Ollama, OCI …) | azure | anthropic | gemini | bedrock | local
    base_url: http://127.0.0.1:9001/v1
    api_key: {env: OPENAI_API_KEY}
    model: gpt-5-mini               # the vendor's name for it
    region: eu
    price: {input_per_million: 0.25, cached_input_per_million: 0.025, output_per_million: 2.00}   # optional: overrides the catalogue
  - {name: claude-us, provider: anthropic, base_url: "http://127.0.0.1:9002", api_key: {env: ANTHROPIC_API_KEY}, model: claude-haiku-4-5, region: us}
models:                             # what callers ask for
  - name: fast
    route: {strategy: priority, deployments: [openai-eu, claude-us]}    # priority | weighted | cheapest | fastest | least_busy
    timeouts: {first_token_s: 5, idle_s: 20, total_s: 120}
    retries: {max_attempts: 3}
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]     # or made with `ninefold keys create`; any string is accepted here
    models: [fast]                                  # nothing listed = nothing allowed
    budgets: [{limit_usd: 5.00, window: month}]     # hard; hour | day | week | month | total
    limits: {requests_per_minute: 600, tokens_per_minute: 200000, concurrent_requests: 50}   # also *_per_day, input_/output_tokens_*
policies: [policies/*.yaml]
"""  # noqa: E501  # the design's own example, as it stands


@pytest.fixture
def example() -> str:
    return EXAMPLE
