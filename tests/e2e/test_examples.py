"""The examples run as their README says, against a platform with their configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.platform import Platform

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*/*.py"))
Run = Callable[..., str]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("examples"), (EXAMPLES / "ninefold.yaml").read_text()) as running:
        yield running


@pytest.fixture(scope="module")
def keys(platform: Platform) -> dict[str, str]:
    made = {tenant: platform.cli("keys", "create", "--tenant", tenant, "--json") for tenant in ("demo", "thrifty")}
    return {tenant: json.loads(each.stdout)["secret"] for tenant, each in made.items()}


@pytest.fixture
def run(platform: Platform, keys: dict[str, str]) -> Run:
    def run(name: str, tenant: str = "demo") -> str:
        environ = os.environ | {
            "NINEFOLD_URL": platform.url,
            "NINEFOLD_KEY": keys[tenant],
            "NINEFOLD_ADMIN_KEY": (platform.data_dir / "admin.key").read_text().strip(),
        }
        done = subprocess.run([sys.executable, str(EXAMPLES / name)], env=environ, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_question_with_the_openai_client(run: Run):
    said = run("01_openai_client/ask.py")
    assert '"Refunds take five days."' in said
    assert re.search(r"answered by local/reader for \$0\.000000000, trace [0-9a-f]{32}", said)


def test_a_stream_with_the_anthropic_client(run: Run):
    said = run("02_anthropic_stream/stream.py")
    assert '"Support is open from 9 to 17 on weekdays."' in said
    assert re.search(r"[1-9]\d* tokens by local/reader for \$0\.000000000, trace [0-9a-f]{32}", said)


def test_a_dead_vendor_is_passed_over(run: Run):
    lines = run("03_failover/failover.py").splitlines()
    assert len(lines) == 7
    assert all("answered by local/reader after" in line for line in lines)
    assert "after 1 attempts" in lines[-1]
    assert "cooling down, so last: vendor-eu" in lines[-1]


def test_a_budget_refuses_what_does_not_fit(run: Run):
    said = run("04_hard_budget/refused.py", "thrifty")
    assert said.startswith("429 budget_exceeded: ")
    assert "x-should-retry is false" in said


def test_a_trace_tells_what_was_decided_and_what_it_cost(run: Run):
    said = run("05_what_it_cost/trace.py")
    assert "decision allow: fast is on the list of tenant demo." in said
    assert re.search(r"at local/reader: completed, [1-9]\d* in, [1-9]\d* out, \$0\.000000000", said)
    assert "together $" in said


def test_every_example_is_short_run_here_and_listed():
    tested = Path(__file__).read_text()
    listed = (EXAMPLES / "README.md").read_text()
    assert PROGRAMS
    for program in PROGRAMS:
        name = str(program.relative_to(EXAMPLES))
        assert len(program.read_text().splitlines()) <= 60, name
        assert f'"{name}"' in tested, name
        assert f"({name})" in listed, name
