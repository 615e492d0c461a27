"""Vendors for platforms that each test starts, and harms, by itself."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import SECRETS, Scene
from tests.e2e.platform import Platform
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai import OpenAiVendor


@pytest.fixture
def scene():
    with OpenAiVendor() as openai, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as anthropic:
        yield Scene(openai, legacy, anthropic)


@pytest.fixture
def start(tmp_path):
    """Starts a platform in the test's own folder; all are ended afterwards."""
    platforms: list[Platform] = []

    def start(config: str, **options) -> Platform:
        options["env"] = SECRETS | options.get("env", {})
        platforms.append(Platform(tmp_path, config, **options))
        platforms[-1].start()
        return platforms[-1]

    yield start
    for platform in platforms:
        platform.stop()


def until(true, *, patience_s: float = 30.0):
    """What `true` returned once it is truthy."""
    deadline = time.monotonic() + patience_s
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def lines_of(platform: Platform, tenant: str) -> list[dict]:
    """The tenant's cost lines, as control tells them; none where it does not answer."""
    found: list[dict] = []
    place = ""
    while True:
        status, _, page = platform.admin(f"/api/v1/ledger/lines?tenant={tenant}&limit=1000{place}")
        if status != 200:
            return []
        found += page["lines"]
        if page["next"] is None:
            return found
        place = f"&after={page['next']}"


def budget_of(platform: Platform, tenant: str) -> dict[str, int]:
    """The tenant's only budget, in nano-dollars."""
    status, _, answer = until(lambda: (reply := platform.admin(f"/api/v1/budgets?tenant={tenant}"))[0] == 200 and reply)
    assert status == 200
    (budget,) = answer["budgets"]
    return {name: round(float(budget[f"{name}_usd"]) * 1e9) for name in ("limit", "spent", "outstanding", "left", "overrun", "suspense")}
