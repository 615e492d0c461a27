"""Policies as their authors write them, and the questions that are put to them."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from ninefold.app.policy_source import read_tree
from ninefold.domain.policy import Policy, Scalar
from ninefold.policy.engine import Judgement, PolicyEngine
from ninefold.policy.read import Reading, read_policy

DATA = Path(os.environ.get("NINEFOLD_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "policies"


def reading(text: str) -> Reading:
    return read_policy(read_tree(textwrap.dedent(text).encode(), "p.yaml"))


def policy(text: str) -> Policy:
    found = reading(text)
    assert found.policy is not None, found.remarks
    return found.policy


def given(name: str) -> Policy:
    file = DATA / f"{name}.yaml"
    if not file.exists():
        pytest.skip(f"{file} is not on this machine; NINEFOLD_TEST_DATA says where it is")
    found = read_policy(read_tree(file.read_bytes(), file.name))
    assert found.policy is not None, found.remarks
    assert found.remarks == ()
    return found.policy


def judged(of: Policy | str | list[Policy], **facts: Scalar) -> Judgement:
    policies = of if isinstance(of, list) else [policy(of) if isinstance(of, str) else of]
    return PolicyEngine(policies).judge({"subject": policies[0].subjects[0], **facts})


def rules(judgement: Judgement) -> list[tuple[str, str]]:
    return [(reason.rule.partition(".")[2], reason.code) for reason in judgement.reasons]


def owed(judgement: Judgement, kind: str) -> list[str]:
    return [each.name for each in judgement.ruling.obligations if each.kind == kind]
