"""The laws of `ports.policy_decider`, for every decider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.decision import Verdict
from ninefold.domain.policy import Branch, Condition, Policy
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


CAUTION = Policy(
    name="caution",
    version="v1",
    scope=(Condition(fact="tenant", op="==", values=("acme",)),),
    deny_if=(Condition(fact="max_output_tokens", op=">", values=(100,)), Condition(fact="stream", op="==", values=(True,))),
    require_approval_for=(Condition(fact="choices", op=">", values=(1,)),),
    ignore_missing=("max_output_tokens",),
)
ROUTING = Policy(
    name="routing",
    version="v2",
    branches=(Branch(match=(Condition(fact="task_class", op="==", values=("faq",)),), route_to="cheap"),),
    ignore_missing=("task_class",),
)


def ruled(*policies: Policy) -> Snapshot:
    return replace(snapshot(Tenant(name="acme", models=("fast",)), Tenant(name="globex", models=("fast",))), policies=policies)


def test_policies_are_asked_after_the_list_and_every_one_of_their_rules_speaks(decider: PolicyDecider):
    asked = replace(call(max_output_tokens=101), stream=True)
    for _ in range(2):  # a call that was allowed once is asked about again
        found = decider.decide(ruled(CAUTION), who(), asked, "d")
        assert [reason.rule for reason in found.reasons] == ["caution.deny_if.max_output_tokens", "caution.deny_if.stream"]
        assert decider.decide(ruled(CAUTION), who("globex"), asked, "d").allowed
        assert [each.code for each in decider.decide(ruled(CAUTION), who(), replace(asked, model="slow"), "d").reasons] == [
            "model_not_allowed"
        ]


def test_consent_names_the_list_and_the_policies_that_spoke(decider: PolicyDecider):
    found = decider.decide(ruled(CAUTION), who(), call(max_output_tokens=100), "d")
    assert [reason.rule for reason in found.reasons] == ["models", "caution"]
    assert found.ruling is not None
    assert [(each.policy, each.version) for each in found.ruling.policies] == [("caution", "v1")]
    assert ("max_output_tokens", 100) in found.ruling.facts


def test_a_call_for_approval_is_no_consent(decider: PolicyDecider):
    found = decider.decide(ruled(CAUTION), who(), call(choices=2), "d")
    assert (found.allowed, found.verdict) == (False, Verdict.REQUIRE_APPROVAL)


def test_a_route_is_an_obligation(decider: PolicyDecider):
    asked = replace(call(), task_class="faq")
    found = decider.decide(ruled(ROUTING), who(), asked, "d")
    assert found.ruling is not None
    assert found.ruling.route_to == "cheap"
    other = decider.decide(ruled(ROUTING), who(), call(), "d")
    assert other.ruling is not None
    assert other.ruling.route_to == ""


def test_policies_of_other_things_are_not_asked_and_gone_ones_are_forgotten(decider: PolicyDecider):
    assert decider.decide(ruled(replace(CAUTION, subjects=("model_version",))), who(), call(choices=2), "d").ruling is None
    worlds = [ruled(CAUTION), ruled(), ruled(CAUTION, ROUTING)]
    assert [decider.decide(world, who(), call(choices=2), "d").allowed for world in (*worlds, *worlds)] == [False, True, False] * 2


def test_a_key_s_own_attribution_counts_before_the_request_s(decider: PolicyDecider):
    policy = Policy(name="p", version="v", deny_if=(Condition(fact="product", op="==", values=("payments",)),))
    bound = Principal(tenant="acme", key_id="k", key_name="k", attribution=(("product", "payments"),))
    for claimed in ((), (("product", "shop"), ("tenant", "globex"))):
        assert not decider.decide(ruled(policy), bound, replace(call(), attribution=claimed), "d").allowed
