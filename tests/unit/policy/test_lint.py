"""What a look at policies that can be read still finds."""

from __future__ import annotations

import pytest
from tests.unit.policy.written import reading

from ninefold.policy.lint import Placed, look_at


def kinds(*texts: str) -> list[list[tuple[str, int]]]:
    placed = []
    for each in texts:
        found = reading(each)
        assert found.policy is not None, found.remarks
        placed.append(Placed(policy=found.policy, lines=found.lines))
    return [[(one.kind, one.line) for one in remarks if one.kind != "ownerless"] for remarks in look_at(placed)]


def test_a_policy_without_an_owner_is_a_warning():
    found = reading("policy: p\ndeny_if: [stream]")
    assert found.policy is not None
    (remark,) = look_at([Placed(policy=found.policy, lines=found.lines)])[0]
    assert (remark.kind, remark.error) == ("ownerless", False)


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ("require:\n  - stream\ndeny_if:\n  - stream", [("conflict", 5)]),
        ("require:\n  - input_tokens_bound <= 5\n  - input_tokens_bound > 5", [("conflict", 4)]),
        ("require:\n  - input_tokens_bound <= 5\n  - input_tokens_bound >= 5", []),
        ("require:\n  - region: [eu, us]\n  - region: ap", [("conflict", 4)]),
        ("require:\n  - region: [eu, us]\ndeny_if:\n  - region: eu", []),
        ("require:\n  - region: eu\ndeny_if:\n  - region: [eu, us]", [("conflict", 5)]),
        ("require:\n  - choices <= max_output_tokens\ndeny_if:\n  - choices <= max_output_tokens", [("conflict", 5)]),
        ("deny_if:\n  - choices > 5\n  - choices <= 5", []),
        ("match: {tenant: a}\nroute_to: x\nelse_if: {tenant: a, model: b}\nroute_to: y", [("unreachable", 4)]),
        ("match: {tenant: a, model: b}\nroute_to: x\nelse_if: {tenant: a}\nroute_to: y", []),
        ("match: [choices > 1]\nroute_to: x\nelse_if: [choices > 5]\nroute_to: y", [("unreachable", 4)]),
        ("match: [choices > 5]\nroute_to: x\nelse_if: [choices > 1]\nroute_to: y", []),
        ("match: {tenant: [a, b]}\nroute_to: x\nelse_if: {tenant: b}\nroute_to: y", [("unreachable", 4)]),
        ("match: [choices > 5, choices < 3]\nroute_to: x", [("unreachable", 2)]),
        ("applies_to: [{tenant: a}]\nmatch: {tenant: b}\nroute_to: x", [("unreachable", 3)]),
        ("route_to: x\nelse_if: {tenant: b}\nroute_to: y", [("unreachable", 3)]),
        ("require: [tenannt]", [("unknown_fact", 2)]),
        ("require: [choices <= chioces]", [("unknown_fact", 2)]),
        ("require: [tenant]", [("wrong_kind", 2)]),
        ("require: [{choices: many}]", [("wrong_kind", 2)]),
        ("require: [tenant > 5]", [("wrong_kind", 2)]),
        ("applies_to: request\nverifiers: [a]", [("wrong_subject", 3)]),
        ("applies_to: step\nrequire: [anything]", []),
    ],
)
def test_one_policy(clauses, expected):
    assert kinds(f"policy: p\n{clauses}") == [expected]


def test_policies_of_the_same_scope_are_looked_at_together_and_others_are_not():
    first = "policy: a\nmatch: {tenant: acme}\nrequire: [stream]"
    assert kinds(first, "policy: b\nmatch: {tenant: acme}\ndeny_if: [stream]") == [[], [("conflict", 3)]]
    assert kinds(first, "policy: b\nmatch: {tenant: globex}\ndeny_if: [stream]") == [[], []]
    assert kinds(first, "policy: b\napplies_to: [step, {tenant: acme}]\ndeny_if: [stream]") == [[], []]
    assert kinds(first, first) == [[], [("duplicate", 1)]]


def test_the_same_match_is_not_routed_to_two_places():
    first = "policy: a\nmatch: {tenant: acme}\nroute_to: x"
    assert kinds(first, "policy: b\nmatch: {tenant: acme}\nroute_to: y") == [[], [("conflict", 2)]]
    assert kinds(first, "policy: b\nmatch: {tenant: acme}\nroute_to: x") == [[], []]
