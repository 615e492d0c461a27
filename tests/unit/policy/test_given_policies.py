"""Three policies of customers, byte for byte: each clause allows and denies."""

from __future__ import annotations

import pytest
from tests.unit.policy.written import given, judged, owed, rules

from ninefold.domain.decision import Verdict

ALLOW, DENY, APPROVAL = Verdict.ALLOW, Verdict.DENY, Verdict.REQUIRE_APPROVAL

GOOD_RELEASE = {
    "dataset_lineage_present": True,
    "offline_eval_pass": True,
    "structured_output_conformance": 0.995,
    "safety_eval_pass": True,
    "regression_vs_current": 0.01,
    "allowed_delta": 0.02,
    "sbom_attached": True,
    "provenance_attestation_present": True,
    "unresolved_high_severity_findings": False,
    "pii_redaction_test_fail": False,
    "tenant_boundary_test_fail": False,
}
REQUIRED = ["dataset_lineage_present", "offline_eval_pass", "safety_eval_pass", "sbom_attached", "provenance_attestation_present"]
DENIED = ["unresolved_high_severity_findings", "pii_redaction_test_fail", "tenant_boundary_test_fail"]


@pytest.mark.parametrize("subject", ["model_version", "prompt_version"])
def test_a_good_release_is_promoted(subject):
    found = judged(given("release_promotion"), **(GOOD_RELEASE | {"subject": subject}))
    assert found.verdict is ALLOW
    assert owed(found, "action") == ["promote_to_staging"]
    assert dict(found.ruling.facts) == GOOD_RELEASE | {"subject": subject}


def test_a_release_of_anything_else_is_none_of_its_business():
    found = judged(given("release_promotion"), subject="index_version")
    assert (found.verdict, found.ruling.policies, found.reasons) == (ALLOW, (), ())


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        *(({name: False}, f"require.{name}") for name in REQUIRED),
        *(({name: True}, f"deny_if.{name}") for name in DENIED),
        ({"structured_output_conformance": 0.9899}, "require.structured_output_conformance"),
        ({"regression_vs_current": 0.021}, "require.regression_vs_current"),
        ({"allowed_delta": 0.009}, "require.regression_vs_current"),
    ],
)
def test_each_clause_alone_blocks_a_release(changed, rule):
    found = judged(given("release_promotion"), **(GOOD_RELEASE | changed))
    assert found.verdict is DENY
    assert [name for name, _ in rules(found)] == [rule]
    assert owed(found, "action") == ["block_release"]


@pytest.mark.parametrize("name", sorted(GOOD_RELEASE))
def test_what_nobody_said_of_a_release_denies_it(name):
    found = judged(given("release_promotion"), **{each: value for each, value in GOOD_RELEASE.items() if each != name})
    assert found.verdict is DENY
    assert [code for _, code in rules(found)] == ["missing_fact"]
    assert name in found.reasons[0].detail


@pytest.mark.parametrize(("fact", "value"), [("structured_output_conformance", 0.99), ("regression_vs_current", 0.02)])
def test_what_is_exactly_at_a_bound_passes(fact, value):
    assert judged(given("release_promotion"), **(GOOD_RELEASE | {fact: value})).verdict is ALLOW


def test_all_reasons_are_given_at_once():
    bad = {**dict.fromkeys(REQUIRED, False), **dict.fromkeys(DENIED, True), "structured_output_conformance": 0, "regression_vs_current": 1}
    found = judged(given("release_promotion"), **(GOOD_RELEASE | bad))
    assert len(found.reasons) == 10
    assert found.ruling.alternatives[2] == "structured_output_conformance >= 0.99"


APPROVALS = [
    *("new_dependency", "schema_change", "privilege_change", "public_api_change", "destructive_operation"),
    *("external_network_call", "scope_expansion"),
]
VERIFIERS = ["schema_validator", "static_analysis", "unit_tests", "policy_engine"]
GOOD_STEP = dict.fromkeys(APPROVALS, False) | dict.fromkeys(VERIFIERS, True)
BOUNDS = {
    "network_egress": (False, True),
    "file_write_scope": ("task_workspace_only", "anywhere"),
    "tool_calls": (8, 9),
    "retry_depth": (2, 3),
    "reasoning_budget_tokens": (12_000, 12_001),
}


def test_a_verified_step_runs_under_the_defaults():
    found = judged(given("agent_execution"), **GOOD_STEP)
    assert found.verdict is ALLOW
    assert {each.name: each.value for each in found.ruling.obligations if each.kind == "default"} == {
        "network_egress": "deny",
        "file_write_scope": "task_workspace_only",
        "max_tool_calls": 8,
        "max_retry_depth": 2,
        "max_reasoning_budget_tokens": 12_000,
    }


@pytest.mark.parametrize("fact", BOUNDS)
def test_each_default_allows_up_to_it_and_denies_beyond(fact):
    within, beyond = BOUNDS[fact]
    assert judged(given("agent_execution"), **(GOOD_STEP | {fact: within})).verdict is ALLOW
    found = judged(given("agent_execution"), **(GOOD_STEP | {fact: beyond}))
    assert (found.verdict, rules(found)) == (DENY, [(f"defaults.{fact}", "requirement_not_met")])


@pytest.mark.parametrize("name", APPROVALS)
def test_each_kind_of_change_needs_approval_and_nobody_may_keep_it_back(name):
    found = judged(given("agent_execution"), **(GOOD_STEP | {name: True}))
    assert (found.verdict, rules(found)) == (APPROVAL, [(f"require_approval_for.{name}", "approval_required")])
    assert owed(found, "require_approval") == [name]
    silent = judged(given("agent_execution"), **{each: value for each, value in GOOD_STEP.items() if each != name})
    assert (silent.verdict, rules(silent)) == (DENY, [(f"require_approval_for.{name}", "missing_fact")])


@pytest.mark.parametrize("name", VERIFIERS)
def test_each_verifier_has_to_have_passed(name):
    failed = judged(given("agent_execution"), **(GOOD_STEP | {name: False}))
    assert (failed.verdict, rules(failed)) == (DENY, [(f"verifiers.{name}", "verifier_failed")])
    assert owed(failed, "fallback") == ["escalate_to_human"]
    skipped = judged(given("agent_execution"), **{each: value for each, value in GOOD_STEP.items() if each != name})
    assert (skipped.verdict, rules(skipped)) == (DENY, [(f"verifiers.{name}", "not_verified")])
    assert owed(skipped, "verify") == [name]


def test_a_denial_counts_before_a_call_for_approval():
    found = judged(given("agent_execution"), **(GOOD_STEP | {"schema_change": True, "unit_tests": False}))
    assert found.verdict is DENY
    assert {code for _, code in rules(found)} == {"approval_required", "verifier_failed"}


CAPPED = {"daily_budget_by_workload": 5.0, "per_request_token_cap": 1000, "per_task_cost_cap": 0.5}
ROUTES = {
    "deterministic": "rules_or_search",
    "faq_stable": "cached_context_model",
    "retrieval_fresh": "mid_tier_rag_model",
    "complex_planning": "high_capability_model",
}


@pytest.mark.parametrize("task_class", ROUTES)
def test_each_branch_routes_its_class_and_no_other(task_class):
    found = judged(given("ai_routing_and_budget"), **CAPPED, task_class=task_class)
    assert (found.verdict, found.ruling.route_to) == (ALLOW, ROUTES[task_class])
    assert owed(found, "route_to") == [ROUTES[task_class]]


def test_another_class_is_routed_nowhere_and_an_unnamed_one_is_denied():
    assert judged(given("ai_routing_and_budget"), **CAPPED, task_class="poetry").ruling.route_to == ""
    found = judged(given("ai_routing_and_budget"), **CAPPED)
    assert (found.verdict, rules(found)) == (DENY, [("route_to[0].task_class", "missing_fact")])


@pytest.mark.parametrize("name", CAPPED)
def test_each_limit_has_to_be_there(name):
    assert name in owed(judged(given("ai_routing_and_budget"), **CAPPED, task_class="deterministic"), "limit")
    for kept in ({name: False}, {}):
        facts = {each: value for each, value in CAPPED.items() if each != name} | kept
        found = judged(given("ai_routing_and_budget"), **facts, task_class="deterministic")
        assert (found.verdict, rules(found)) == (DENY, [(f"limits.{name}", "missing_fact")])


def test_a_breach_of_the_budget_asks_a_human_and_names_the_other_ways_in_order():
    calm = judged(given("ai_routing_and_budget"), **CAPPED, task_class="deterministic", budget_breach=False)
    assert (calm.verdict, owed(calm, "on_budget_breach")) == (ALLOW, ["downgrade_model", "reduce_context", "require_human_approval"])
    breached = judged(given("ai_routing_and_budget"), **CAPPED, task_class="deterministic", budget_breach=True)
    assert (breached.verdict, rules(breached)) == (APPROVAL, [("on_budget_breach", "approval_required")])
    assert breached.ruling.alternatives == ("downgrade_model", "reduce_context")
