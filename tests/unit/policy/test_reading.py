"""What a policy file may say, and how it is told what it may not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tests.unit.policy.written import policy, reading

from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.policy_source import read_tree
from ninefold.domain.policy import Branch, Condition


def test_repeated_branches_keep_their_order_and_everything_else_may_stand_once():
    found = policy("policy: p\nmatch: {a: x}\nroute_to: r1\nelse_if: {a: y}\nroute_to: r2\nelse_if: [b > 1]\nroute_to: r1")
    assert found.branches == (
        Branch(match=(Condition(fact="a", op="==", values=("x",)),), route_to="r1"),
        Branch(match=(Condition(fact="a", op="==", values=("y",)),), route_to="r2"),
        Branch(match=(Condition(fact="b", op=">", values=(1,)),), route_to="r1"),
    )
    assert [each.message for each in reading("policy: p\nrequire: [a]\nrequire: [b]").remarks] == [
        "stands already in line 2; only else_if and route_to may be repeated"
    ]


@pytest.mark.parametrize(
    ("written", "condition"),
    [
        ("a", Condition(fact="a", op="==", values=(True,))),
        ("a: false", Condition(fact="a", op="==", values=(False,))),
        ("{a: [1, 2.5]}", Condition(fact="a", op="in", values=(1, 2.5))),
        ("a>=0.99", Condition(fact="a", op=">=", values=(0.99,))),
        ("a <= b.c", Condition(fact="a", op="<=", than="b.c")),
        ("a == 'b c'", Condition(fact="a", op="==", values=("b c",))),
        ("a != true", Condition(fact="a", op="!=", values=(True,))),
        ('a: "*"', Condition(fact="a", op="==", values=("*",))),
    ],
)
def test_conditions(written, condition):
    assert policy(f"policy: p\nrequire:\n  - {written}").require == (condition,)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("policy: p\nrequires: [a]", 2, "did you mean 'require'?"),
        ("require: [a]", 1, "is missing"),
        ("policy: p\nwhen: a > 1", 2, "not built yet"),
        ("policy: p\nrequire:\n  - a >> 1", 3, "neither a number"),
        ("policy: p\nrequire:\n  - a > b c", 3, "neither a number"),
        ("policy: p\nrequire:\n  - a b", 3, "is no condition"),
        ("policy: p\nrequire:\n  - a == 'b", 3, "has no end"),
        ("policy: p\nrequire:\n  - a >= true", 3, "compares numbers"),
        ("policy: p\nrequire:\n  - 5", 3, "the name of a fact"),
        ("policy: p\nrequire: [{a: null}]", 2, "needs a value"),
        ("policy: p\nrequire: [{a: 1e999}]", 2, "needs a value"),
        ("policy: p\nrequire: [{a: [x, 1]}]", 2, "of one kind"),
        ("policy: p\nrequire: [{a: []}]", 2, "of one kind"),
        ("policy: p\nrequire: [{a: {b: c}}]", 2, "needs a value"),
        ("policy: p\nrequire: [{a: '>= 1'}]", 2, "stands by itself"),
        ("policy: p\nmatch: {model: gpt-*}", 2, "patterns are not taken"),
        ("policy: p\nelse_if: {a: b}\nroute_to: c", 2, "there is no branch before"),
        ("policy: p\nmatch: {a: b}\nroute_to: c\nroute_to: d", 4, "has no else_if"),
        ("policy: p\nmatch: {a: b}\nroute_to: c\nelse_if: {a: d}", 4, "without a route_to"),
        ("policy: p\nroute_to: [c]", 2, "name of a task class"),
        ("policy: p\nlimits: {a: maybe}", 2, "a number, or 'required'"),
        ("policy: p\nlimits: [a]", 2, "mapping"),
        ("policy: p\ndefaults: {a: 1, a: 2}", 2, "stands here already"),
        ("policy: p\nverifiers: [{a: b}]", 2, "must be a name"),
        ("policy: p\nfallback: {on_verifier_fails: x}", 2, "did you mean 'on_verifier_fail'?"),
        ("policy: p\nactions: {on_budget_breach: [downgrade]}", 2, "did you mean 'downgrade_model'?"),
        ("policy: p\naction: {on_pass: a}\nactions: {on_fail: b}", 3, "means the same"),
        ("policy: p\nif_missing: {a: allow}", 2, "deny or ignore"),
        ("policy: [p]", 1, "must be text"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, line, message):
    found = reading(text)
    assert found.policy is None
    assert [(each.line, message in each.message) for each in found.remarks if each.error][:1] == [(line, True)], found.remarks


def test_every_mistake_is_told_at_once():
    found = reading("policy: p\nfoo: 1\nrequire: [5]\nlimits: 3\nwhen: x")
    assert [each.line for each in found.remarks] == [2, 5, 3, 4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"- a", "mapping"),
        (b"", "mapping"),
        (b"a: [", "not valid YAML"),
        (b"a: \xff", "not valid YAML"),
        (b"a: &x [*x]", "contains itself"),
        (b"a: !!python/object:os.system x", "tags are not taken"),
        (b"a: !secret x", "tags are not taken"),
        (b"a: &x {b: c}\nd:\n  <<: *x", "'<<' is not taken"),
        (b"? [a]\n: b", "plain text"),
        (
            b"a: &a [%s]\nb: &b [%s]\nc: &c [%s]\nd: &d [%s]\ne: [%s]"
            % tuple(b",".join([each] * 10) for each in (b"x", b"*a", b"*b", b"*c", b"*d")),
            "unfold",
        ),
    ],
)
def test_files_that_are_no_policies(data, message):
    with pytest.raises(ConfigInvalid, match=message):
        read_tree(data, "p.yaml")


def test_the_guide_s_policies_are_policies():
    page = (Path(__file__).parents[3] / "docs" / "guides" / "policies.md").read_text(encoding="utf-8")
    blocks = [each.split("```")[0] for each in page.split("```yaml\n")[1:]]
    policies = [each for each in blocks if each.startswith("policy:")]
    assert len(policies) >= 3
    for each in policies:
        policy(textwrap.dedent(each))
