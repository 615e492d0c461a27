"""How long a decision takes under a thousand policies, with every reason collected.

`python bench/policy.py`. Two worlds of 1,000 policies: one as platforms have them, where most policies are a tenant's (200 tenants with
five each, less the ten that are for everybody), and one that no index helps, in which all of them speak of every request. CPU time of
this thread, less what the clock itself takes. The first rows are the engine alone, on facts that are there; the last is a whole decision
on a request, with the allow-list and the making of its facts.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.policy import Condition, Policy
from ninefold.domain.principal import Principal
from ninefold.domain.snapshot import Model, Snapshot, Tenant
from ninefold.policy.decide import AllowListPolicy
from ninefold.policy.engine import PolicyEngine
from rig import machine, report

_TENANTS, _POLICIES, _GENERAL = 200, 1_000, 10
_ROUNDS = 20_000


def policy(number: int, scope: tuple[Condition, ...]) -> Policy:
    return Policy(
        name=f"p{number}",
        version=f"{number:016x}",
        scope=scope,
        require=(
            Condition(fact="input_tokens_bound", op="<=", values=(20_000 + number,)),
            Condition(fact="region", op="in", values=("eu", "uk")),
        ),
        deny_if=(Condition(fact="needs_files", op="==", values=(True,)),),
    )


def tenants_own() -> list[Policy]:
    own = _POLICIES - _GENERAL
    made = [policy(n, (Condition(fact="tenant", op="==", values=(f"t{n % _TENANTS}",)),)) for n in range(own)]
    return made + [policy(n, ()) for n in range(own, _POLICIES)]


def everybody_s() -> list[Policy]:
    return [policy(n, ()) for n in range(_POLICIES)]


def timed(ask: Callable[[int], object], rounds: int) -> tuple[float, float]:
    """p50 and p99 in µs."""
    for n in range(rounds // 10):
        ask(n)
    gc.collect()
    gc.freeze()
    took: list[int] = []
    for n in range(rounds):
        began = time.thread_time_ns()
        ask(n)
        took.append(time.thread_time_ns() - began)
    took.sort()
    clock = sorted(-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(2001))[1000]
    return (took[rounds // 2] - clock) / 1000, (took[rounds * 99 // 100] - clock) / 1000


def facts(n: int, *, good: bool) -> dict[str, bool | int | float | str]:
    return {
        "subject": "request",
        "tenant": f"t{n % _TENANTS}",
        "input_tokens_bound": 900,
        "region": "eu" if good else "us",
        "needs_files": not good,
    }


def whole() -> Callable[[int], object]:
    tenants = tuple(Tenant(name=f"t{n}", models=("fast",), regions=("eu",)) for n in range(_TENANTS))
    snapshot = Snapshot(
        version=1,
        digest="",
        compiled_at=0.0,
        policy_version="p",
        models=(Model(name="fast", strategy="priority", deployments=("d",)),),
        tenants=tenants,
        policies=tuple(tenants_own()),
    )
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=b"{}", input_tokens_bound=900)
    callers = [Principal(tenant=each.name, key_id="k", key_name="k") for each in tenants]
    decider = AllowListPolicy()
    return lambda n: decider.decide(snapshot, callers[n % _TENANTS], call, "d")


def main(argv: list[str]) -> int:
    """0 once measured."""
    parser = argparse.ArgumentParser(description="A decision under 1,000 policies.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    began = time.perf_counter()
    indexed = PolicyEngine(tenants_own())
    made_s = time.perf_counter() - began
    flat = PolicyEngine(everybody_s())
    good, bad = ([facts(n, good=each) for n in range(_TENANTS)] for each in (True, False))
    rows = {
        "a tenant's own: 15 speak, allowed": timed(lambda n: indexed.judge(good[n % _TENANTS]), _ROUNDS),
        "a tenant's own: 15 speak, 30 reasons to deny": timed(lambda n: indexed.judge(bad[n % _TENANTS]), _ROUNDS),
        "all 1,000 speak, allowed": timed(lambda n: flat.judge(good[n % _TENANTS]), _ROUNDS // 40),
        "all 1,000 speak, 2,000 reasons to deny": timed(lambda n: flat.judge(bad[n % _TENANTS]), _ROUNDS // 40),
        "a whole decision on a request, 15 speak": timed(whole(), _ROUNDS),
    }
    told = machine.facts()
    if options.json:
        print(json.dumps({"facts": told, "compile_s": made_s, "us": {name: {"p50": p50, "p99": p99} for name, (p50, p99) in rows.items()}}))
    else:
        print(
            f"Python {told['python']}, revision {told['revision']}, {told['date']}; 1,000 policies made into functions in {made_s:.2f} s\n"
        )
        print(
            report.table(("1,000 policies", "p50 µs", "p99 µs"), [(name, f"{p50:.1f}", f"{p99:.1f}") for name, (p50, p99) in rows.items()])
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
