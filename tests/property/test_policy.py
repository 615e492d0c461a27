"""Whatever a policy says and whatever is known: the generated function says what the rules say, read one by one."""

from __future__ import annotations

import math
import operator

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.domain.decision import Verdict
from ninefold.domain.policy import Condition, Policy, Scalar
from ninefold.policy.engine import PolicyEngine

NAMES = ("a", "b", "tenant")
OPS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "in": lambda value, values: value in values,
}
NUMBERS = st.integers(-2, 2) | st.sampled_from([0.5, -1.5])
TEXTS = st.sampled_from(["x", "y", "'); #", ""])
VALUES = st.booleans() | NUMBERS | TEXTS
FACTS = st.dictionaries(st.sampled_from(NAMES), VALUES | st.just(math.nan))


@st.composite
def conditions(draw) -> Condition:
    fact = draw(st.sampled_from(NAMES))
    kind = draw(st.sampled_from(["order", "equal", "in", "than"]))
    if kind == "order":
        return Condition(fact=fact, op=draw(st.sampled_from([">=", "<=", ">", "<"])), values=(draw(NUMBERS),))
    if kind == "equal":
        return Condition(fact=fact, op=draw(st.sampled_from(["==", "!="])), values=(draw(VALUES),))
    if kind == "in":
        return Condition(fact=fact, op="in", values=tuple(draw(st.lists(draw(st.sampled_from([NUMBERS, TEXTS])), min_size=1, max_size=3))))
    return Condition(fact=fact, op=draw(st.sampled_from([each for each in OPS if each != "in"])), than=draw(st.sampled_from(NAMES)))


LISTS = st.lists(conditions(), max_size=3).map(tuple)


@st.composite
def policies(draw) -> Policy:
    return Policy(
        name=f"p{draw(st.integers(0, 99))}",
        version="v",
        scope=draw(LISTS),
        require=draw(LISTS),
        deny_if=draw(LISTS),
        require_approval_for=draw(LISTS),
        ignore_missing=tuple(draw(st.sets(st.sampled_from(NAMES)))),
    )


def kind(value: Scalar) -> str:
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def told(condition: Condition, facts: dict[str, Scalar]) -> str:
    """yes, no, missing or strange."""
    names = [condition.fact, *([condition.than] if condition.than else [])]
    if any(name not in facts for name in names):
        return "missing"
    value = facts[condition.fact]
    others = [facts[condition.than]] if condition.than else list(condition.values)
    kinds = {kind(value), *(kind(each) for each in others)}
    if (
        len(kinds) > 1
        or any(isinstance(each, float) and math.isnan(each) for each in (value, *others))
        or (condition.op in {">=", "<=", ">", "<"} and kinds != {"number"})
    ):
        return "strange"
    return "yes" if OPS[condition.op](value, condition.values if condition.op == "in" else others[0]) else "no"


def passed_over(policy: Policy, condition: Condition, facts: dict[str, Scalar]) -> bool:
    """Whether the first fact that is missing may be."""
    names = [name for name in (condition.fact, condition.than) if name and name not in facts]
    return bool(names) and names[0] in policy.ignore_missing


def read(policy: Policy, facts: dict[str, Scalar]) -> Verdict | None:
    """What the rules say, None where the policy does not speak."""
    unknown = False
    for condition in policy.scope:
        found = told(condition, facts)
        if found == "no" or (found == "missing" and passed_over(policy, condition, facts)):
            return None
        unknown |= found in {"missing", "strange"}
    if unknown:
        return Verdict.DENY
    verdict = Verdict.ALLOW
    for clause, bad in ((policy.require, "no"), (policy.deny_if, "yes"), (policy.require_approval_for, "yes")):
        for condition in clause:
            found = told(condition, facts)
            if found == "missing" and passed_over(policy, condition, facts):
                continue
            if found in {"missing", "strange"} or (found == bad and clause is not policy.require_approval_for):
                verdict = Verdict.DENY
            elif found == bad and verdict is Verdict.ALLOW:
                verdict = Verdict.REQUIRE_APPROVAL
    return verdict


@settings(deadline=None)
@given(st.lists(policies(), max_size=5), FACTS)
def test_generated_functions_say_what_the_rules_say(made, facts):
    said = [each for policy in made if (each := read(policy, facts)) is not None]
    expected = next((each for each in (Verdict.DENY, Verdict.REQUIRE_APPROVAL) if each in said), Verdict.ALLOW)
    found = PolicyEngine(made).judge({"subject": "request", **facts})
    assert found.verdict is expected
    assert len(found.ruling.policies) == len(said)


@settings(deadline=None)
@given(st.lists(policies(), max_size=4), FACTS, FACTS)
def test_what_was_asked_before_changes_nothing(made, before, facts):
    engine = PolicyEngine(made)
    engine.judge({"subject": "request", **before})
    again, fresh = (each.judge({"subject": "request", **facts}) for each in (engine, PolicyEngine(made)))
    assert (again.verdict, again.reasons, again.ruling.obligations) == (fresh.verdict, fresh.reasons, fresh.ruling.obligations)
