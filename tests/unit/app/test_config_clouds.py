"""Deployments at Bedrock and Azure: where they are, and what they sign with."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.app.config import load_config
from ninefold.app.config_problem import ConfigInvalid

KEYS = "credentials: {access_key_id: {env: A}, secret_access_key: {env: B}}"


def said(tmp_path: Path, row: str) -> list[str]:
    file = tmp_path / "ninefold.yaml"
    file.write_text(f"deployments:\n  - {{name: d, model: m, {row}}}\n", encoding="utf-8")
    try:
        load_config(file, {"A": "a", "B": "b"})
    except ConfigInvalid as refused:
        return [str(each) for each in refused.problems]
    return []


@pytest.mark.parametrize(
    "row",
    [
        f"provider: bedrock, region: eu-central-1, {KEYS}",
        f"provider: bedrock, base_url: 'https://bedrock.example.org', {KEYS}",
        "provider: bedrock, region: eu-central-1, api_keys: [{env: A}, {env: B}]",
        "provider: azure, base_url: 'https://acme.openai.azure.com', api_key: {env: A}, api_version: '2024-10-21'",
    ],
)
def test_what_is_enough(tmp_path, row):
    assert said(tmp_path, row) == []


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (f"provider: bedrock, {KEYS}", "region is missing"),
        ("provider: bedrock, region: eu-central-1, credentials: {access_key: {env: A}}", "access_key_id"),
        ("provider: azure, api_key: {env: A}", "base_url is missing"),
    ],
)
def test_what_is_missing_is_named(tmp_path, row, word):
    (problem,) = said(tmp_path, row)
    assert word in problem
