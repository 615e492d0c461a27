"""What a tenant may use, in accounts that workers lease slices of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What an account counts. NANOS belongs to budgets, the others to limits."""

    NANOS = "nanos"
    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CONCURRENT = "concurrent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One budget in one window, or one limit.

    `source_id` is the budget's or limit's id. A budget has a `window` with `starts_at` and `ends_at` (seconds since the epoch, UTC;
    None for a budget without end). A limit with `period_s` is a token bucket that refills `capacity` in that time.
    """

    account_id: str
    tenant: str
    source_id: str
    measure: Measure
    capacity: int
    period_s: int = 0
    window: str = ""
    starts_at: int = 0
    ends_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A worker in one of its lives. Of one worker only the newest epoch can lease anything."""

    worker: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a holder did with its lease of an account so far: totals since the epoch began, so that repeating one changes nothing.

    `overrun` is what was spent beyond everything it had leased; `recall_seen` the last recall it has answered.
    """

    account_id: str
    spent: int
    returned: int
    overrun: int
    recall_seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskItem:
    """A wish for at least `minimum` more of one account, `wanted` if there is plenty. A minimum of 0 is never refused.

    `whole` is what the request needs altogether, where the holder has a part of it already.
    """

    account: Account
    minimum: int
    wanted: int
    whole: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Items that are granted all together or not at all. `recall` asks that unspent slices of others be called back where it fails."""

    items: tuple[AskItem, ...]
    recall: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which account does not hold the minimum, and whether waiting helps.

    `left` is what nobody holds; `recalling` while other workers have been asked for their unspent slices and have not all answered;
    `may_return` where requests in flight could still give enough back.
    """

    account: Account
    minimum: int
    left: int
    recalling: bool
    may_return: bool
    retry_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A holder's lease of one account as the store sees it, in totals since the epoch began, and the account's last recall.

    `tight` says that slices are exact now: what is unspent belongs back into the store.
    """

    account_id: str
    granted: int
    spent: int
    returned: int
    overrun: int
    recall_seen: int
    recall_seq: int
    tight: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The store's answer: leases of every account that was named, and for each ask its refusal or None.

    All leases of the holder end `remaining_s` after the call was made.
    """

    remaining_s: float
    leases: tuple[Lent, ...] = ()
    refusals: tuple[Refusal | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One account as the store sees it. `suspense` is the part of `outstanding` that belongs to dead workers with unreadable journals."""

    account: Account
    spent: int
    outstanding: int
    overrun: int
    suspense: int

    @property
    def left(self) -> int:
        """What can still be leased; negative after an overrun or a lowered limit."""
        return self.account.capacity - self.spent - self.outstanding


class WorkerState(StrEnum):
    """LIVE may lease; FENCED has a successor and not yet been settled; CLOSED was settled from its journal; SUSPENSE could not be."""

    LIVE = "live"
    FENCED = "fenced"
    CLOSED = "closed"
    SUSPENSE = "suspense"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """One epoch of one worker. `expires_at` is in seconds since the epoch, UTC."""

    holder: Holder
    state: WorkerState
    expires_at: float
