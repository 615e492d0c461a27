"""The part of the configuration that says where requests go: models, their routes, task classes and what holds under load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ninefold.app.config_pattern import Pattern
from ninefold.app.config_types import Count, ModelName, Name, Seconds, Section, Text, as_number, wrong

Share = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1)]
Weight = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=1_000_000)]
Millis = Annotated[float, BeforeValidator(as_number), Field(ge=0, le=50)]
Strategy = Literal["priority", "weighted", "cheapest", "fastest", "least_busy"]
Priority = Literal["high", "normal", "low"]
Trigger = Literal["no_rule_matched", "low_support", "failures", "ambiguous", "high_risk"]


class Capabilities(Section):
    """What a deployment can do. What is not said is presumed: a request that needs it may be sent there."""

    tools: bool = Field(default=True, description="calls tools")
    images: bool = Field(default=True, description="reads pictures")
    files: bool = Field(default=True, description="reads files")
    json_schema: bool = Field(default=True, description="answers in a given JSON schema")
    reasoning: bool = Field(default=True, description="thinks before it answers, and shows it")
    logprobs: bool = Field(default=True, description="gives the probabilities of its tokens")
    audio: bool = Field(default=True, description="hears or speaks")
    caching: bool = Field(default=True, description="keeps prompts and bills them at its cached price")
    prefill: bool = Field(default=False, description="continues an assistant's unfinished sentence")
    context_tokens: Count | None = Field(default=None, description="tokens of input and output together that fit; unknown where not set")


class BreakerLimits(Section):
    """When a deployment that fails is given a rest."""

    failures_in_a_row: int = Field(default=5, ge=1, le=1000, description="failures in a row after which it rests")
    min_attempts: int = Field(
        default=10, ge=1, le=100_000, description="it rests too where half of at least so many within ten seconds fail"
    )
    cool_down_s: Seconds = Field(default=5.0, description="first rest; doubled after each probe that fails")
    max_cool_down_s: Seconds = Field(default=60.0, description="longest rest")


class Route(Section):
    """Which deployments answer, and in which order they are tried."""

    strategy: Strategy = Field(
        default="priority",
        description="`priority`: in the order listed; `weighted`: by `weights`; `cheapest` that meets quality and latency; `fastest` to "
        "its first token; `least_busy`",
    )
    deployments: tuple[ModelName, ...] = Field(min_length=1, description="names of deployments, best first")
    weights: tuple[Weight, ...] = Field(default=(), description="with `weighted`: one a deployment, in the same order")

    @model_validator(mode="after")
    def _weighed(self) -> Route:
        if self.strategy == "weighted" and (len(self.weights) != len(self.deployments) or not any(self.weights)):
            raise wrong("`weighted` takes one weight a deployment, and at least one above 0")
        if self.strategy != "weighted" and self.weights:
            raise wrong("weights go with strategy: weighted")
        return self


class Timeouts(Section):
    """Deadlines of one request."""

    connect_s: Seconds = Field(default=5.0, description="to connect to a deployment")
    first_token_s: Seconds = Field(default=30.0, description="from sending an attempt to its first content")
    idle_s: Seconds = Field(default=30.0, description="between two reads after the first content")
    total_s: Seconds = Field(default=600.0, description="the whole request, all attempts together")


class Retries(Section):
    """How often a request is tried."""

    max_attempts: int = Field(default=3, ge=1, le=20, description="attempts in all, over all deployments")
    per_deployment: int = Field(default=1, ge=1, le=20, description="tries on one deployment before the next one's turn")
    max_wait_s: Seconds = Field(default=10.0, description="longest wait for a deployment that asks for one before another is tried")
    budget_ratio: Share = Field(default=0.2, description="retries and hedges of a worker are at most this share of its requests …")
    budget_floor: int = Field(default=10, ge=0, le=100_000, description="… and so many in any ten seconds beside it")


class Hedge(Section):
    """A second attempt elsewhere where the first is slow; the first to bring content answers, both are billed."""

    after_s: Seconds | None = Field(default=None, description="wait before it; the deployment's own 95th percentile where not set")
    budget_ratio: Share = Field(default=0.05, description="most hedges, as a share of requests")


class Streams(Section):
    """When a streamed answer is let through."""

    commit: Literal["first_content", "complete"] = Field(
        default="first_content",
        description="`first_content`: as it comes, and no other deployment after that; `complete`: held back until it is whole, so that a "
        "stream that breaks is replaced",
    )


class Cache(Section):
    """Whole answers that are given again to the same tenant for exactly the same request."""

    ttl_s: Seconds = Field(description="how long an answer is kept")


class Truncate(Section):
    """What is done with a conversation that no deployment has room for."""

    strategy: Literal["refuse", "drop_oldest", "middle_out", "summarise"] = Field(
        default="refuse", description="turns are never parted from each other where one is the result of the other's tool call"
    )
    summarise_with: ModelName | None = Field(default=None, description="with `summarise`: the model that does it")

    @model_validator(mode="after")
    def _by_somebody(self) -> Truncate:
        if (self.strategy == "summarise") != (self.summarise_with is not None):
            raise wrong("`summarise` and `summarise_with` go together")
        return self


class Model(Section):
    """What callers ask for."""

    name: ModelName = Field(description="the name in the caller's `model`")
    route: Route = Field(description="where it is answered")
    classes: dict[Name, Route] = Field(default_factory=dict, description="routes of single task classes; `route` for all others")
    timeouts: Timeouts = Field(default_factory=Timeouts, description="deadlines")
    retries: Retries = Field(default_factory=Retries, description="bounds of failover")
    hedge: Hedge | None = Field(default=None, description="a second attempt where the first is slow")
    streams: Streams = Field(default_factory=Streams, description="when a stream is let through")
    answers_as: Literal["asked", "vendor"] = Field(default="asked", description="whose name stands in an answer's `model`")
    cache: Cache | None = Field(default=None, description="keep whole answers")
    coalesce: bool = Field(default=False, description="identical requests of a tenant that run at once share one answer")
    truncate: Truncate = Field(default_factory=Truncate, description="conversations that are too long")
    slim_prompts: bool = Field(default=False, description="take out of prompts what carries no meaning: runs of blanks, repeated lines")
    prompt_cache: bool = Field(default=False, description="mark the stable beginning of prompts for the vendor's cache")
    affinity: bool = Field(default=False, description="requests that begin alike go to the same deployment, whose cache knows them")
    micro_batch_ms: Millis = Field(
        default=0.0, description="gather small embedding requests for so long and send them as one; rerank requests go alone"
    )
    regions: tuple[Text, ...] = Field(default=(), description="regions its data may go to; anywhere where empty")


class PromotionRules(Section):
    """When a request is handed on to a more able class."""

    to: Name = Field(description="the class that takes over")
    on: tuple[Trigger, ...] = Field(min_length=1, description="what makes it do so")
    min_support: Share = Field(default=0.5, description="with `low_support`: least support of an answer that stands")
    failures: int = Field(default=2, ge=1, le=20, description="with `failures`: failed attempts")
    ambiguous: tuple[Pattern, ...] = Field(default=(), description="with `ambiguous`: regular expressions over the last user text")
    high_risk: tuple[Pattern, ...] = Field(default=(), description="with `high_risk`: regular expressions over the last user text")


class TaskClass(Section):
    """A kind of work, and what is asked of whoever does it."""

    name: Name = Field(description="the name in `metadata.task_class` or `x-ninefold-task-class`")
    patterns: tuple[Pattern, ...] = Field(default=(), description="regular expressions over the last user text that put a request into it")
    quality_floor: Share | None = Field(default=None, description="least evaluation score of a deployment for it")
    first_token_s: Seconds | None = Field(default=None, description="longest usual wait for its first token")
    approval: bool = Field(default=False, description="somebody has to agree before it is done")
    promotion: PromotionRules | None = Field(default=None, description="when another class takes over")


class QueueBounds(Section):
    """How long a request may wait for its turn, by priority, in seconds; then it is shed with 503."""

    low: Annotated[float, BeforeValidator(as_number), Field(ge=0, le=600)] = Field(default=0.0, description="seconds for low priority")
    normal: Annotated[float, BeforeValidator(as_number), Field(ge=0, le=600)] = Field(
        default=2.0, description="seconds for normal priority"
    )
    high: Annotated[float, BeforeValidator(as_number), Field(ge=0, le=600)] = Field(default=10.0, description="seconds for high priority")


class Load(Section):
    """What holds where more comes than can be served."""

    max_in_flight: Count | None = Field(default=None, description="requests that run at once in one worker; no bound where not set")
    queue_s: QueueBounds = Field(default_factory=QueueBounds, description="longest waits")
