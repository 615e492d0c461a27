"""Where a request goes after an attempt that came to nothing."""

from __future__ import annotations

import pytest

from ninefold.domain import errors
from ninefold.domain.errors import (
    ContextTooLong,
    DeadlineExceeded,
    NinefoldError,
    NoRuleMatched,
    RateLimited,
    Unavailable,
    UpstreamRejected,
)
from ninefold.domain.snapshot import Abilities, Deployment, Model, Promotion, Retries
from ninefold.ports.router import Failure, Plan, Stage
from ninefold.routing.onward import onward
from ninefold.wire.openai.failures import failure as openai_failure

DOWN = Unavailable("x")


def deployment(name: str, context: int | None = None) -> Deployment:
    return Deployment(name=name, provider="openai", base_url="http://h", model="m", abilities=Abilities(context_tokens=context))


def plan(*deployments: Deployment, stages: tuple[Stage, ...] = (), **retries: float) -> Plan:
    rules = Retries(**({"max_attempts": 9} | retries))
    model = Model(name="m", strategy="priority", deployments=tuple(each.name for each in deployments), retries=rules)
    return Plan(model=model, deployments=deployments, strategy="priority", task_class="chat", reason="", stages=stages)


def after(of: Plan, *failed: tuple[str, NinefoldError], **more: bool) -> tuple[str, float] | None:
    found = onward(of, [Failure(deployment=name, error=error, elsewhere=True, **more) for name, error in failed], 0.0, 0.5)
    return None if found is None else (found[0].name, found[1])


A, B, C = deployment("a"), deployment("b"), deployment("c")


def test_a_deployment_has_its_tries_before_the_next():
    of = plan(A, B, per_deployment=2)
    assert after(of, ("a", DOWN)) == ("a", 0.125)
    assert after(of, ("a", DOWN), ("a", DOWN)) == ("b", 0.0)


def test_its_own_retry_after_is_waited_for_unless_that_is_too_long():
    of = plan(A, B, per_deployment=2, max_wait_s=5.0)
    assert after(of, ("a", RateLimited("x", retry_after_s=4.0))) == ("a", 4.0)
    assert after(of, ("a", RateLimited("x", retry_after_s=6.0))) == ("b", 0.0)


@pytest.mark.parametrize("error", [DeadlineExceeded("x"), UpstreamRejected("x"), errors.Unsupported("x")])
def test_who_kept_silent_or_refused_is_left_at_once(error):
    assert after(plan(A, B, per_deployment=3), ("a", error)) == ("b", 0.0)


def test_who_kept_silent_is_asked_again_only_when_nobody_else_is_left():
    of = plan(A, B)
    assert after(of, ("a", DeadlineExceeded("x")), ("b", UpstreamRejected("x"))) == ("a", 0.125)
    assert after(of, ("a", UpstreamRejected("x")), ("b", UpstreamRejected("x"))) is None


def test_another_key_is_tried_at_once_within_the_attempts():
    of = plan(A, B, max_attempts=2)
    assert after(of, ("a", UpstreamRejected("x")), other_key=True) == ("a", 0.0)
    assert after(of, ("a", UpstreamRejected("x")), ("a", UpstreamRejected("x")), other_key=True) is None


def test_a_long_conversation_goes_to_a_larger_or_unknown_context():
    small, same, large = deployment("small", 4_000), deployment("same", 4_000), deployment("large", 9_000)
    too_long = ContextTooLong("x")
    assert after(plan(small, same, large), ("small", too_long)) == ("large", 0.0)
    assert after(plan(small, same, A), ("small", too_long)) == ("a", 0.0)
    assert after(plan(small, same), ("small", too_long)) is None


def staged(*on: str, failures: int = 2) -> Plan:
    promotion = Promotion(to="hard", on=on, failures=failures)
    stages = (Stage(task_class="easy", start=0, end=1, promotion=promotion), Stage(task_class="hard", start=1, end=3))
    return plan(A, B, C, stages=stages)


def test_a_rule_that_did_not_match_promotes_only_where_that_is_declared():
    assert after(staged("no_rule_matched"), ("a", NoRuleMatched("x"))) == ("b", 0.0)
    assert after(staged("failures"), ("a", NoRuleMatched("x"))) is None
    assert after(plan(A, B), ("a", NoRuleMatched("x"))) is None


def test_failures_promote_after_as_many_as_declared():
    assert after(staged("failures", failures=1), ("a", DOWN)) == ("b", 0.0)
    assert after(staged("failures", failures=2), ("a", DOWN)) == ("a", 0.125)
    assert after(staged("failures", failures=2), ("a", DOWN), ("a", DOWN)) == ("b", 0.0)
    assert after(staged("failures", failures=3), ("a", UpstreamRejected("x"))) == ("b", 0.0)


def test_without_the_trigger_a_class_stays_with_its_own():
    of = staged("no_rule_matched")
    assert after(of, ("a", DOWN)) == ("a", 0.125)
    assert after(of, ("a", UpstreamRejected("x"))) is None


def test_a_promoted_request_never_goes_back():
    of = staged("failures", failures=1)
    assert after(of, ("a", DOWN), ("b", UpstreamRejected("x")), ("c", UpstreamRejected("x"))) is None


def test_the_words_of_our_own_rules_deployment_are_understood():
    body = b'{"error":{"message":"No rule","type":"invalid_request_error","code":"no_rule_matched"}}'
    error, elsewhere = openai_failure(404, {}, body)
    assert (type(error), elsewhere) == (NoRuleMatched, True)
    other, elsewhere = openai_failure(404, {}, b'{"error":{"message":"No such model","code":"model_not_found"}}')
    assert (type(other), elsewhere) == (UpstreamRejected, True)
