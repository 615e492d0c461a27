"""The allow-list: names and patterns, remembered without growing."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Model, Snapshot, Tenant
from ninefold.policy.decide import AllowListPolicy

WHO = Principal(tenant="t", key_id="k", key_name="k")


def snapshot(*patterns: str) -> Snapshot:
    models = tuple(Model(name=name, strategy="priority", deployments=("d",)) for name in ("fast", "local/reader", "local/embed"))
    return Snapshot(version=1, digest="", compiled_at=0.0, policy_version="p", models=models, tenants=(Tenant(name="t", models=patterns),))


def call(model: str) -> ModelCall:
    return ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model=model, body=b"{}")


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        (("local/*",), "local/reader", True),
        (("local/*",), "fast", False),
        (("local/*",), "xlocal/reader", False),
        (("local/re?der",), "local/reader", True),
        (("[fg]ast",), "fast", True),
        (("*",), "fast", True),
        (("fast",), "FAST", False),
        (("fast",), "fast\n", False),
        (("fast", "local/*"), "local/embed", True),
        (("local.*",), "local/reader", False),
    ],
)
def test_names_and_patterns(patterns: tuple[str, ...], model: str, allowed: bool):
    found = AllowListPolicy().decide(snapshot(*patterns), WHO, call(model), "d")
    assert found.allowed is allowed
    assert found.reasons


def test_the_reason_names_the_entry_that_allowed():
    (reason,) = AllowListPolicy().decide(snapshot("local/*"), WHO, call("local/reader"), "d").reasons
    assert "local/*" in reason.detail


def test_an_allowed_call_is_answered_with_the_same_reasons_object():
    policy, world = AllowListPolicy(), snapshot("fast")
    first, second = (policy.decide(world, WHO, call("fast"), str(n)).reasons for n in range(2))
    assert first is second


def test_a_call_that_was_allowed_once_is_still_measured():
    tenant = Tenant(name="t", models=("fast",), max_request_bytes=10, max_output_tokens=100)
    policy, world = AllowListPolicy(), replace(snapshot(), tenants=(tenant,))

    def codes(size: int, tokens: int) -> list[str]:
        asked = replace(call("fast"), body=b"x" * size, max_output_tokens=tokens)
        return [reason.code for reason in policy.decide(world, WHO, asked, "d").reasons]

    assert codes(10, 100) == [""]
    assert codes(11, 100) == ["request_too_large"]
    assert codes(10, 101) == ["output_limit_exceeded"]
    assert codes(10, 100) == [""]


def test_made_up_names_cost_no_memory():
    policy, world = AllowListPolicy(), snapshot("*")
    for n in range(1000):
        policy.decide(world, WHO, call(f"made-up-{n}"), "d")
        policy.decide(world, WHO, call("fast"), "d")
    assert len(policy._permits) == 1


def test_a_refused_name_is_not_repeated_to_the_caller():
    found = AllowListPolicy().decide(snapshot("fast"), WHO, call("<script>"), "d")
    assert not any("<script>" in reason.detail for reason in found.reasons)


NAMES = st.text(alphabet="ab/*?", min_size=1, max_size=5)


@given(st.lists(NAMES, max_size=4), NAMES)
def test_a_call_is_allowed_exactly_where_an_entry_matches(patterns: list[str], model: str):
    found = AllowListPolicy().decide(snapshot(*patterns), WHO, call(model), "d")
    assert found.allowed is any(fnmatchcase(model, pattern) for pattern in patterns)
