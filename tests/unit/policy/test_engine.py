"""What policies mean: scope, branches, missing facts, kinds, and many of them at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.policy.written import judged, owed, policy, rules

from ninefold.domain.decision import Verdict
from ninefold.domain.policy import Condition, Policy
from ninefold.policy.engine import PolicyEngine

ALLOW, DENY, APPROVAL = Verdict.ALLOW, Verdict.DENY, Verdict.REQUIRE_APPROVAL


def test_a_match_without_a_route_narrows_down_what_a_policy_speaks_of():
    text = "policy: p\nmatch: {tenant: acme, model: [big, huge]}\nrequire: [input_tokens_bound <= 100]"
    assert judged(text, tenant="acme", model="big", input_tokens_bound=101).verdict is DENY
    assert judged(text, tenant="acme", model="huge", input_tokens_bound=100).verdict is ALLOW
    for elsewhere in ({"tenant": "globex", "model": "big"}, {"tenant": "acme", "model": "small"}):
        assert judged(text, **elsewhere, input_tokens_bound=101).ruling.policies == ()


def test_a_scope_that_fails_anywhere_is_silent_whatever_is_missing():
    text = "policy: p\nmatch: {tenant: acme, task_class: legal}\ndeny_if: [stream]"
    assert judged(text, tenant="globex", stream=True).verdict is ALLOW
    assert rules(judged(text, tenant="acme", stream=False)) == [("match.task_class", "missing_fact")]
    ignored = text + "\nif_missing: {task_class: ignore}"
    assert judged(ignored, tenant="acme", stream=True).ruling.policies == ()


def test_a_rule_may_declare_that_a_missing_fact_is_no_matter():
    text = "policy: p\nrequire: [{region: eu}, known_delta >= change]\ndeny_if: [stream]\nrequire_approval_for: [needs_tools]\n"
    text += "limits: {cap: required}\nif_missing: {}"
    names = ["region", "known_delta", "change", "stream", "needs_tools", "cap"]
    assert len(judged(text).reasons) == 5
    assert judged(text.replace("{}", "{" + ", ".join(f"{each}: ignore" for each in names) + "}")).verdict is ALLOW
    assert judged(text.replace("{}", "{" + ", ".join(f"{each}: ignore" for each in names) + "}"), region="us").verdict is DENY


@pytest.mark.parametrize(
    ("clause", "fact"),
    [
        ("deny_if: [x]", "yes"),
        ("deny_if: [x]", 1),
        ("deny_if: [x > 5]", float("nan")),
        ("deny_if: [x > 5]", "7"),
        ("deny_if: [x > 5]", True),
        ("deny_if: [{x: 1}]", True),
        ("deny_if: [{x: red}]", 3),
        ("deny_if: [x == y]", "text"),
        ("deny_if: [x > y]", "text"),
        ("require_approval_for: [x]", "no"),
        ("require: [{x: 1}]", True),
        ("match: {x: red}\ndeny_if: [y]", 3),
    ],
)
def test_a_fact_of_another_kind_never_slips_through(clause, fact):
    found = judged(f"policy: p\n{clause}", x=fact, y=0)
    assert found.verdict is DENY
    assert "wrong_kind" in {code for _, code in rules(found)}


@pytest.mark.parametrize(
    ("op", "below", "at", "above"), [(">=", 0, 1, 1), ("<=", 1, 1, 0), (">", 0, 0, 1), ("<", 1, 0, 0), ("==", 0, 1, 0), ("!=", 1, 0, 1)]
)
def test_comparisons(op, below, at, above):
    for value, holds in ((0.5, below), (1, at), (1.5, above)):
        assert judged(f"policy: p\nrequire: [x {op} 1]", x=value).verdict is (ALLOW if holds else DENY)
        assert judged(f"policy: p\nrequire: [x {op} y]", x=value, y=1.0).verdict is (ALLOW if holds else DENY)
        assert judged(f"policy: p\ndeny_if: [x {op} 1]", x=value).verdict is (DENY if holds else ALLOW)


def test_the_first_branch_that_holds_decides_and_one_that_cannot_be_told_stops():
    text = """
        policy: p
        match: {tenant: acme}
        route_to: a
        else_if: [{product: shop}, input_tokens_bound > 10]
        route_to: b
        else_if: {tenant: globex}
        route_to: c
    """
    assert judged(text, tenant="acme").ruling.route_to == "a"
    assert judged(text, tenant="globex", product="shop", input_tokens_bound=11).ruling.route_to == "b"
    assert judged(text, tenant="globex", product="shop", input_tokens_bound=10).ruling.route_to == "c"
    assert judged(text, tenant="globex", product="web").ruling.route_to == "c"
    assert rules(judged(text, tenant="globex", product="shop")) == [("route_to[1].input_tokens_bound", "missing_fact")]
    assert judged(text, tenant="other", product="web").ruling.policies == ()


def test_a_route_without_a_match_is_for_everybody():
    assert judged("policy: p\nroute_to: a").ruling.route_to == "a"


def test_of_two_routes_the_first_policy_s_counts_and_a_denial_has_none():
    first, second = policy("policy: a\nroute_to: x"), policy("policy: b\nroute_to: y")
    assert judged([first, second]).ruling.route_to == "x"
    assert judged([second, first]).ruling.route_to == "y"
    assert judged([first, policy("policy: c\ndeny_if: [stream]")], stream=True).ruling.route_to == ""


def test_whatever_a_policy_says_stays_a_value():
    nasty = "x'); __import__('os').abort() #\n\"\"\"\\"
    made = Policy(name=nasty, version="v", scope=(Condition(fact="tenant", op="==", values=(nasty,)),), verifiers=(nasty,))
    found = PolicyEngine([made]).judge({"subject": "request", "tenant": nasty, nasty: True})
    assert found.verdict is ALLOW
    assert found.ruling.policies[0].policy == nasty


def test_policies_are_found_by_what_they_match_and_speak_in_their_order():
    policies = [
        policy(f"policy: p{n}\nmatch: {{tenant: t{n % 10}}}\ndeny_if: [stream]")
        if n % 2
        else policy(f"policy: p{n}\nmatch: {{model: m{n % 10}}}\ndeny_if: [stream]")
        for n in range(40)
    ] + [policy("policy: everywhere\ndeny_if: [stream]")]
    found = judged(policies, tenant="t3", model="m4", stream=True)
    assert [each.policy for each in found.ruling.policies] == ["p3", "p4", "p13", "p14", "p23", "p24", "p33", "p34", "everywhere"]
    assert [each.rule for each in found.reasons] == [f"{each.policy}.deny_if.stream" for each in found.ruling.policies]
    assert len(judged(policies, model="m4", stream=False).reasons) == 20  # nobody said whose it is: every tenant's policy minds


def test_made_up_values_cost_no_memory():
    engine = PolicyEngine([policy("policy: p\nmatch: {task_class: a}\ndeny_if: [stream]")])
    for n in range(100):
        engine.judge({"subject": "request", "task_class": f"made-up-{n}", "stream": True})
    assert len(engine._known) == 1


def test_a_version_is_of_what_decides():
    one = policy("policy: p\nowner: a\nrequire: [x >= 1]")
    assert policy("owner: b\npolicy: p\n# why\nrequire:\n  - x >= 1").version == one.version
    assert policy("policy: p\nrequire: [x >= 1.5]").version != one.version
    assert policy("policy: p\nrequire: [x >= 1]\nif_missing: {x: ignore}").version != one.version


def test_approval_is_asked_for_by_a_condition_too():
    text = "policy: p\nrequire_approval_for: [max_output_tokens > 1000]"
    found = judged(text, max_output_tokens=1001)
    assert (found.verdict, owed(found, "require_approval")) == (APPROVAL, ["max_output_tokens"])
    assert judged(text, max_output_tokens=1000).verdict is ALLOW


def test_a_policy_of_two_subjects_is_asked_about_both():
    both = replace(policy("policy: p\ndeny_if: [x]"), subjects=("a", "b"))
    assert [judged(both, subject=each, x=True).verdict for each in ("a", "b", "c")] == [DENY, DENY, ALLOW]
    assert PolicyEngine([both]).judge({"x": True}).verdict is DENY  # nobody said what it is
