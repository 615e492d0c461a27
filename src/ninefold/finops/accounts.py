"""Which accounts a tenant's budgets and limits stand for at a moment."""

from __future__ import annotations

from ninefold.domain.allowance import Account, Measure
from ninefold.domain.snapshot import Tenant
from ninefold.finops.windows import window_bounds


def accounts_of(tenant: Tenant, now: float) -> tuple[Account, ...]:
    """One account for each budget in its current window and for each limit, ordered by id."""
    found: list[Account] = []
    for budget in tenant.budgets:
        start, end = window_bounds(budget.window, now)
        account = Account(
            account_id=f"b/{budget.budget_id}/{budget.window}/{start}",
            tenant=tenant.name,
            source_id=budget.budget_id,
            measure=Measure.NANOS,
            capacity=budget.limit_nanos,
            window=budget.window,
            starts_at=start,
            ends_at=end,
        )
        found.append(account)
    for limit in tenant.limits:
        account = Account(
            account_id=f"l/{limit.limit_id}/{limit.measure}/{limit.period_s}",
            tenant=tenant.name,
            source_id=limit.limit_id,
            measure=Measure(limit.measure),
            capacity=limit.amount,
            period_s=limit.period_s,
        )
        found.append(account)
    return tuple(sorted(found, key=lambda account: account.account_id))
