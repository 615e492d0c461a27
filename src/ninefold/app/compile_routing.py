"""Compiles what the configuration says of routing."""

from __future__ import annotations

from ninefold.app import config_routing as written
from ninefold.domain.call import CAPABILITIES
from ninefold.domain.snapshot import (
    Abilities,
    BreakerRules,
    ClassRoute,
    Hedge,
    LoadRules,
    Model,
    Promotion,
    Retries,
    TaskClass,
    Timeouts,
    Truncation,
)


def abilities(each: written.Capabilities) -> Abilities:
    """What a deployment can do, as the router reads it."""
    lacks = tuple(name for name in CAPABILITIES if getattr(each, name) is False)
    return Abilities(lacks=lacks, context_tokens=each.context_tokens, prefill=each.prefill, caching=each.caching)


def breaker_rules(each: written.BreakerLimits) -> BreakerRules:
    """When a deployment rests."""
    return BreakerRules(
        failures_in_a_row=each.failures_in_a_row,
        min_attempts=each.min_attempts,
        cool_down_s=each.cool_down_s,
        max_cool_down_s=max(each.max_cool_down_s, each.cool_down_s),
    )


def model(each: written.Model) -> Model:
    """A model and its routes."""
    times, retries = each.timeouts, each.retries
    return Model(
        name=each.name,
        strategy=each.route.strategy,
        deployments=each.route.deployments,
        timeouts=Timeouts(connect_s=times.connect_s, first_token_s=times.first_token_s, idle_s=times.idle_s, total_s=times.total_s),
        retries=Retries(
            max_attempts=retries.max_attempts,
            per_deployment=retries.per_deployment,
            max_wait_s=retries.max_wait_s,
            budget_ratio=retries.budget_ratio,
            budget_floor=retries.budget_floor,
        ),
        weights=each.route.weights,
        classes=tuple(
            ClassRoute(task_class=name, strategy=route.strategy, deployments=route.deployments, weights=route.weights)
            for name, route in each.classes.items()
        ),
        hedge=None if each.hedge is None else Hedge(after_s=each.hedge.after_s, budget_ratio=each.hedge.budget_ratio),
        commit=each.streams.commit,
        answers_as=each.answers_as,
        cache_ttl_s=0.0 if each.cache is None else each.cache.ttl_s,
        coalesce=each.coalesce,
        truncation=Truncation(strategy=each.truncate.strategy, summarise_with=each.truncate.summarise_with),
        slim_prompts=each.slim_prompts,
        prompt_cache=each.prompt_cache,
        affinity=each.affinity,
        micro_batch_ms=each.micro_batch_ms,
        regions=each.regions,
    )


def task_class(each: written.TaskClass) -> TaskClass:
    """A task class and its promotion."""
    rules = each.promotion
    promotion = (
        None
        if rules is None
        else Promotion(
            to=rules.to,
            on=rules.on,
            min_support=rules.min_support,
            failures=rules.failures,
            ambiguous=rules.ambiguous,
            high_risk=rules.high_risk,
        )
    )
    return TaskClass(
        name=each.name,
        patterns=each.patterns,
        quality_floor=each.quality_floor,
        first_token_s=each.first_token_s,
        approval=each.approval,
        promotion=promotion,
    )


def load_rules(each: written.Load) -> LoadRules:
    """What holds where more comes than can be served."""
    return LoadRules(max_in_flight=each.max_in_flight, queue_s=(each.queue_s.low, each.queue_s.normal, each.queue_s.high))
