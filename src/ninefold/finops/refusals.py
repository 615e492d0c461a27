"""What a caller is told when a budget or limit has no room."""

from __future__ import annotations

from datetime import UTC, datetime

from ninefold.domain.allowance import Account, Measure, Refusal
from ninefold.domain.errors import BudgetExceeded, NeverFits, NinefoldError, RateLimited
from ninefold.domain.money import usd

_PERIODS = {60: "minute", 86_400: "day"}


def refusal_error(refusal: Refusal, need: int) -> NinefoldError:
    """BudgetExceeded or RateLimited, naming the account, what is left of it and what would help. `need` is the whole worst case."""
    account = refusal.account
    if account.measure is Measure.NANOS:
        return BudgetExceeded(
            f"this request may cost up to ${_money(need)}, and ${_money(refusal.left)} is left of the {_budget(account)}: "
            "ask for fewer output tokens, or have the budget raised",
            retry_after_s=refusal.retry_after_s,
        )
    if account.measure is Measure.CONCURRENT:
        return RateLimited(
            f"all {account.capacity} concurrent requests of tenant {account.tenant!r} are in use", retry_after_s=refusal.retry_after_s
        )
    what = account.measure.value.replace("_", " ")
    name = f"the limit of {account.capacity} {what} per {_PERIODS.get(account.period_s, f'{account.period_s} s')}"
    if need > account.capacity:
        return NeverFits(f"this request may use up to {need} {what}, more than {name} can ever hold: set a smaller max_tokens")
    return RateLimited(
        f"{name} of tenant {account.tenant!r} has {refusal.left} left, and this request may use up to {need}",
        retry_after_s=refusal.retry_after_s,
    )


def _budget(account: Account) -> str:
    kind = "budget" if account.window == "total" else f"{account.window}'s budget"
    text = f"{kind} of ${_money(account.capacity)} of tenant {account.tenant!r}"
    if account.ends_at is None:
        return text
    return f"{text} (until {datetime.fromtimestamp(account.ends_at, UTC):%Y-%m-%dT%H:%M:%SZ})"


def _money(nanos: int) -> str:
    """Dollars with at least two digits after the point and no idle zeros."""
    whole, _, rest = usd(nanos).partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"
