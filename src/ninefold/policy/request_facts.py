"""What policies can know of a request."""

from __future__ import annotations

from ninefold.domain.call import CAPABILITIES, ModelCall
from ninefold.domain.money import NANOS_PER_USD
from ninefold.domain.policy import REQUEST, Scalar
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Tenant

TEXT, NUMBER, BOOLEAN = "text", "number", "boolean"
_NEEDS = {each: f"needs_{each}" for each in CAPABILITIES}
_OWNERS = ("product", "workflow", "environment", "feature", "task_id")
# Name → kind and meaning; the guide's table says the same. No fact is more than what stands here: anything else is a mistake.
REQUEST_FACTS: dict[str, tuple[str, str]] = {
    "subject": (TEXT, "request"),
    "tenant": (TEXT, "who pays"),
    "key": (TEXT, "the name of the key that was shown"),
    "model": (TEXT, "the model that was asked for"),
    "operation": (TEXT, "chat, embeddings, rerank …"),
    "task_class": (TEXT, "the class the request names; missing where it names none"),
    "priority": (TEXT, "high, normal or low: the request's, else its tenant's"),
    "region": (TEXT, "the one region that request and tenant allow; missing where that is not exactly one"),
    "stream": (BOOLEAN, "whether the answer is asked for as a stream"),
    "input_tokens_bound": (NUMBER, "input tokens, at most"),
    "max_output_tokens": (NUMBER, "the request's own cap of output tokens; missing where it has none"),
    "choices": (NUMBER, "answers asked for at once"),
    "request_bytes": (NUMBER, "the size of the body"),
    **{name: (BOOLEAN, f"whether the request needs {each}") for each, name in _NEEDS.items()},
    **dict.fromkeys(_OWNERS, (TEXT, "the request's attribution")),
    "daily_budget_by_workload": (NUMBER, "dollars of the tenant's budget by the day; missing where it has none"),
    "per_request_token_cap": (NUMBER, "the cap of output tokens that request or tenant set; missing where neither does"),
    "per_task_cost_cap": (NUMBER, "nobody can set one yet, so that it is always missing"),
    "budget_breach": (BOOLEAN, "never said before a request runs: holds refuse what a budget does not cover"),
}


def request_facts(tenant: Tenant, who: Principal, call: ModelCall) -> dict[str, Scalar]:
    """The facts of one request; what is not known is not there.

    What a key fixes of the attribution counts before the request's own words: those it may not contradict.
    """
    facts: dict[str, Scalar] = {
        "subject": REQUEST,
        "tenant": who.tenant,
        "key": who.key_name,
        "model": call.model,
        "operation": call.operation.value,
        "priority": call.priority or tenant.priority,
        "stream": call.stream,
        "input_tokens_bound": call.input_tokens_bound,
        "choices": call.choices,
        "request_bytes": len(call.body),
    }
    for each, name in _NEEDS.items():
        facts[name] = each in call.needs
    for pairs in (tenant.attribution or (), call.attribution, who.attribution):
        facts.update((name, value) for name, value in pairs if name in _OWNERS)
    if call.task_class:
        facts["task_class"] = call.task_class
    if call.max_output_tokens is not None:
        facts["max_output_tokens"] = call.max_output_tokens
    cap = call.max_output_tokens if call.max_output_tokens is not None else tenant.max_output_tokens
    if cap is not None:
        facts["per_request_token_cap"] = cap
    regions = set(call.regions) & set(tenant.regions) if call.regions and tenant.regions else {*call.regions, *tenant.regions}
    if len(regions) == 1:
        facts["region"] = regions.pop()
    for budget in tenant.budgets:
        if budget.window == "day":
            facts["daily_budget_by_workload"] = budget.limit_nanos / NANOS_PER_USD
    return facts
