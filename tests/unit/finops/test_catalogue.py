"""Prices: by date, by tier, and from the packaged list without any network."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.adapters.genai_prices.catalogue import GenaiPrices
from ninefold.domain.money import Price, PriceTier
from ninefold.domain.usage import Usage
from ninefold.finops.catalogue import DatedCatalogue, DatedPrice

NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"


def price(version: str, rate: int = 1) -> Price:
    return Price(
        version=version, input_per_million=rate, output_per_million=rate, cached_input_per_million=rate, cache_write_per_million=rate
    )


def test_the_price_of_the_day_is_the_last_one_that_began():
    entries = [
        DatedPrice(provider="openai", model="m", effective_from=200.0, price=price("new")),
        DatedPrice(provider="openai", model="m", effective_from=100.0, price=price("old")),
    ]
    catalogue = DatedCatalogue(entries)

    def version(at: float) -> str | None:
        found = catalogue.price("openai", "m", base_url=OPENAI, at=at)
        return found.version if found is not None else None

    assert [version(at) for at in (99.9, 100.0, 199.9, 200.0, 1e12)] == [None, "old", "old", "new", "new"]


def test_what_was_not_agreed_on_is_asked_elsewhere():
    fallback = DatedCatalogue([DatedPrice(provider="openai", model="m", effective_from=0.0, price=price("list"))])
    own = DatedCatalogue([DatedPrice(provider="openai", model="m", effective_from=50.0, price=price("own"))], fallback)
    versions = [found.version for at in (49.0, 50.0) if (found := own.price("openai", "m", base_url=OPENAI, at=at)) is not None]
    assert versions == ["list", "own"]
    assert own.price("openai", "unknown", base_url=OPENAI, at=50.0) is None


def test_list_prices_are_exact_nanos(monkeypatch: pytest.MonkeyPatch):
    def no_network(*_: object) -> None:
        raise AssertionError("the catalogue tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    found = GenaiPrices().price("openai", "gpt-5-mini", base_url=OPENAI, at=NOW)
    assert found is not None
    assert (found.input_per_million, found.output_per_million, found.cached_input_per_million, found.cache_write_per_million) == (
        250_000_000,
        2_000_000_000,
        25_000_000,
        250_000_000,
    )
    assert found.version.startswith("genai-prices:")
    assert found.version.endswith(":openai/gpt-5-mini")


def test_the_vendors_own_cache_rates_are_taken():
    found = GenaiPrices().price("anthropic", "claude-haiku-4-5", base_url=ANTHROPIC, at=NOW)
    assert found is not None
    assert (found.cached_input_per_million, found.cache_write_per_million) == (100_000_000, 1_250_000_000)


def test_long_context_prices_become_tiers():
    found = GenaiPrices().price("anthropic", "claude-sonnet-4-5", base_url=ANTHROPIC, at=NOW)
    assert found is not None
    assert [(each.above_input_tokens, each.input_per_million, each.output_per_million) for each in found.tiers] == [
        (200_000, 6_000_000_000, 22_500_000_000)
    ]


def test_an_address_that_is_nobodys_is_priced_as_the_protocols_vendor():
    at_home = GenaiPrices().price("openai", "gpt-5-mini", base_url="http://127.0.0.1:9001/v1", at=NOW)
    assert at_home == GenaiPrices().price("openai", "gpt-5-mini", base_url=OPENAI, at=NOW)


def test_another_vendors_address_is_priced_as_that_vendor():
    found = GenaiPrices().price("openai", "deepseek-chat", base_url="https://api.deepseek.com/v1", at=NOW)
    assert found is not None
    assert ":deepseek/" in found.version
    assert GenaiPrices().price("openai", "gpt-5-mini", base_url="https://api.deepseek.com/v1", at=NOW) is None


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("openai", "whisper-1"), ("local", "embed")])
def test_what_has_no_token_price_is_unknown_rather_than_free(provider: str, model: str):
    assert GenaiPrices().price(provider, model, base_url=OPENAI, at=NOW) is None


def test_prices_of_the_past_are_the_past_ones():
    early, late = (datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (3, 4))
    prices = [GenaiPrices().price("anthropic", "claude-sonnet-4-6", base_url=ANTHROPIC, at=at) for at in (early, late)]
    assert prices[0] != prices[1]


def test_importing_the_adapter_does_not_import_the_package():
    code = "import sys, ninefold.adapters.genai_prices.catalogue; print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


TIERED = Price(
    version="t",
    input_per_million=1_000_000,
    output_per_million=2_000_000,
    cached_input_per_million=100_000,
    cache_write_per_million=1_250_000,
    tiers=(
        PriceTier(
            above_input_tokens=1000,
            input_per_million=3_000_000,
            output_per_million=4_000_000,
            cached_input_per_million=300_000,
            cache_write_per_million=3_750_000,
        ),
    ),
)


def test_a_tier_begins_above_its_threshold_and_counts_for_every_token():
    assert TIERED.cost_nanos(Usage(input_tokens=1000, output_tokens=10)) == 1020
    assert TIERED.cost_nanos(Usage(input_tokens=1001, output_tokens=10)) == 3043


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(bound: int, output: int, share: float, cached: float, written: float):
    tokens = int(bound * share)
    cached_tokens = int(tokens * cached)
    usage = Usage(
        input_tokens=tokens,
        output_tokens=output,
        cached_input_tokens=cached_tokens,
        cache_write_tokens=int((tokens - cached_tokens) * written),
    )
    assert TIERED.cost_nanos(usage) <= TIERED.worst_case_nanos(bound, output)
