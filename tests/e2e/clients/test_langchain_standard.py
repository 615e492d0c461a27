"""LangChain's own standard suites, each in a pytest of its own, whose plugins would disturb ours."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.compat.landscape import KEY, VENDORS

SUITES = Path(__file__).parent / "standard"


def run(world, folder, suite, model):
    """Outcomes by test: passed, failed with their text, and skipped with their reason."""
    report = folder / "report.xml"
    settings = {
        "NINEFOLD_URL": world.url,
        "NINEFOLD_KEY": KEY,
        "NINEFOLD_MODELS": model,
        "PYTHONPATH": str(SUITES),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(SUITES / "pytest.ini"),
        f"--junitxml={report}",
        str(SUITES / f"standard_{suite}.py"),
    ]
    done = subprocess.run(command, env=os.environ | settings, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    found = {"passed": [], "failed": [], "skipped": []}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
        outcome = next((each for each in case if each.tag in {"failure", "error", "skipped"}), None)
        kind = "passed" if outcome is None else "skipped" if outcome.tag == "skipped" else "failed"
        found[kind].append((name, "" if outcome is None else f"{outcome.get('message')}\n{outcome.text}"[-1500:]))
    return found


SUITES_OF = [*[(suite, f"on-{name}") for suite in ("openai", "anthropic") for name in VENDORS], ("embeddings", "local/embed")]
# Fewer would mean that tests went missing: what ChatOpenAI is asked twice, once for each of its protocols.
AT_LEAST = {"openai": 80, "anthropic": 40, "embeddings": 4}
# What neither client declares, each for its reason.
SKIPPED = {
    "test_audio_inputs": "no vendor here takes sound from these clients",
    "test_stream_time": "there are no recordings to measure",
    "test_image_tool_message": "pictures in tool results are for vendors whose tool results hold them",
    "test_pdf_tool_message": "files in tool results are for vendors whose tool results hold them",
    "test_anthropic_inputs": "blocks of Anthropic's own for other vendors",
    "test_message_with_name": "expected to fail where the vendor has no names: Anthropic, Gemini, Bedrock",
    "test_structured_output_pydantic_2_v1": "expected to fail where parallel calls cannot be kept off: Gemini, Bedrock",
    "test_json_mode": "no JSON without a schema: Anthropic, Bedrock",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("suite", "model"), SUITES_OF)
def test_the_standard_suite_passes(world, tmp_path, suite, model):
    found = run(world, tmp_path, suite, model)
    assert not found["failed"], "\n\n".join(f"{name}: {text}" for name, text in found["failed"])
    assert len(found["passed"]) >= AT_LEAST[suite]
    assert {name.partition(".")[2].partition("[")[0] for name, _ in found["skipped"]} <= SKIPPED.keys()
