"""Every pair of protocol and vendor does what the page of compatibility says, and the page says all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.landscape import Landscape
from tests.compat.matrix import COLUMNS, SPEAKERS, column, parse, render

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
AGAIN = "run: python -m tests.compat.matrix docs/reference/compatibility.md"


pytestmark = pytest.mark.slow  # some 1,500 requests to seven vendors; CI runs them


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    with Landscape(tmp_path_factory.mktemp("landscape")) as made:
        yield made


@pytest.mark.parametrize("vendor", COLUMNS)
@pytest.mark.parametrize("surface", SPEAKERS)
def test_every_feature_comes_through_or_is_refused_by_name(world, surface, vendor):
    assert column(world, surface, vendor) == parse(PAGE.read_text(encoding="utf-8"))[surface, vendor], AGAIN


def test_the_page_is_whole():
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(parse(page)), AGAIN
