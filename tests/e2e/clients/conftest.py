"""One platform with a model for every vendor, for all suites of clients."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.compat.landscape import Landscape


@pytest.fixture(scope="session")
def landscape(tmp_path_factory):
    with Landscape(tmp_path_factory.mktemp("landscape")) as made:
        yield made


@pytest.fixture
def world(landscape):
    landscape.reset()
    yield landscape
    landscape.reset()


@pytest.fixture(scope="session")
def loop():
    """One event loop for clients that keep their connections from one model to the next."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def collected():
    """What LangChain leaves open is closed by the collector here, where its warning is expected, and not in the middle of another test."""
    yield
    gc.collect()
