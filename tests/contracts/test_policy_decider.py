"""The laws of `ports.policy_decider`, for every decider."""

from __future__ import annotations

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.decision import Verdict
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Model, Snapshot, Tenant
from ninefold.policy.decide import AllowListPolicy
from ninefold.ports.policy_decider import PolicyDecider


@pytest.fixture(params=[AllowListPolicy])
def decider(request: pytest.FixtureRequest) -> PolicyDecider:
    return request.param()


def snapshot(*tenants: Tenant, policy_version: str = "p1") -> Snapshot:
    models = (
        Model(name="fast", strategy="priority", deployments=("d",)),
        Model(name="local/reader", strategy="priority", deployments=("d",)),
    )
    return Snapshot(version=1, digest="", compiled_at=0.0, policy_version=policy_version, models=models, tenants=tenants)


def who(tenant: str = "acme") -> Principal:
    return Principal(tenant=tenant, key_id="k", key_name="k")


def call(model: str = "fast", *, body: bytes = b"{}", max_output_tokens: int | None = None, choices: int = 1) -> ModelCall:
    return ModelCall(
        operation=Operation.CHAT, wire=Wire.OPENAI, model=model, body=body, max_output_tokens=max_output_tokens, choices=choices
    )


def test_the_same_call_gets_the_same_verdict_however_often_it_is_asked(decider: PolicyDecider):
    world = snapshot(Tenant(name="acme", models=("fast",), max_request_bytes=10))
    for asked, verdict in ((call(), Verdict.ALLOW), (call("slow"), Verdict.DENY), (call(body=b"x" * 11), Verdict.DENY)):
        decisions = [decider.decide(world, who(), asked, f"d{n}") for n in range(3)]
        assert {each.verdict for each in decisions} == {verdict}
        assert len({each.reasons for each in decisions}) == 1
        assert [each.decision_id for each in decisions] == ["d0", "d1", "d2"]


def test_a_denial_carries_every_rule_that_denied(decider: PolicyDecider):
    world = snapshot(Tenant(name="acme", models=("fast",), max_request_bytes=10, max_output_tokens=100))
    found = decider.decide(world, who(), call("slow", body=b"x" * 11, max_output_tokens=101), "d")
    assert not found.allowed
    assert [(reason.rule, reason.code) for reason in found.reasons] == [
        ("models", "model_not_allowed"),
        ("max_request_bytes", "request_too_large"),
        ("max_output_tokens", "output_limit_exceeded"),
    ]
    assert {reason.verdict for reason in found.reasons} == {Verdict.DENY}
    assert all(reason.detail for reason in found.reasons)


def test_an_unknown_tenant_is_denied(decider: PolicyDecider):
    found = decider.decide(snapshot(Tenant(name="acme", models=("fast",))), who("gone"), call(), "d")
    assert not found.allowed
    assert [reason.code for reason in found.reasons] == ["unknown_tenant"]


def test_a_tenant_with_no_list_may_do_nothing(decider: PolicyDecider):
    assert not decider.decide(snapshot(Tenant(name="acme")), who(), call(), "d").allowed


def test_a_decision_names_the_policies_it_was_made_under(decider: PolicyDecider):
    tenant = Tenant(name="acme", models=("fast",))
    versions = [decider.decide(snapshot(tenant, policy_version=each), who(), call(), "d").policy_version for each in ("p1", "p2", "p1")]
    assert versions == ["p1", "p2", "p1"]


def test_a_new_snapshot_counts_from_its_first_call(decider: PolicyDecider):
    allowed, emptied = snapshot(Tenant(name="acme", models=("fast",))), snapshot(Tenant(name="acme"))
    assert [decider.decide(world, who(), call(), "d").allowed for world in (allowed, emptied, allowed)] == [True, False, True]


@pytest.mark.parametrize(("size", "tokens", "allowed"), [(10, 100, True), (11, 100, False), (10, 101, False)])
def test_what_is_exactly_at_a_limit_is_allowed(decider: PolicyDecider, size: int, tokens: int, allowed: bool):
    world = snapshot(Tenant(name="acme", models=("fast",), max_request_bytes=10, max_output_tokens=100))
    for _ in range(2):
        assert decider.decide(world, who(), call(body=b"x" * size, max_output_tokens=tokens), "d").allowed is allowed
