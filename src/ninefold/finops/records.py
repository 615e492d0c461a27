"""What stands in a journal: one tagged msgpack array for each fact of a request."""

from __future__ import annotations

import msgspec

Pairs = tuple[tuple[str, str], ...]


class Held(msgspec.Struct, array_like=True, tag="h", gc=False):
    """A request may cost `nanos` at worst; `accounts` are the (account id, measure's number) that it draws on."""

    request_id: str
    trace_id: str
    decision_id: str
    tenant: str
    key_id: str
    model: str
    operation: str
    attribution: Pairs
    admitted_at: float
    nanos: int
    accounts: msgspec.Raw


class Intended(msgspec.Struct, array_like=True, tag="i", gc=False):
    """An attempt begins. If nothing is heard of it again it counts as `nanos` and the two token bounds."""

    attempt_id: str
    request_id: str
    deployment: str
    at: float
    nanos: int
    input_tokens: int
    output_tokens: int
    price_version: str
    unpriced: bool
    currency: str


class Settled(msgspec.Struct, array_like=True, tag="s", gc=False):
    """What an attempt really used; `unpriced` where the vendor bills it by something else than tokens."""

    attempt_id: str
    request_id: str
    at: float
    outcome: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_nanos: int
    overrun_nanos: int
    unpriced: bool = False


class Closed(msgspec.Struct, array_like=True, tag="c", gc=False):
    """Nothing is held for the request any more."""

    request_id: str
    at: float


class Decided(msgspec.Struct, array_like=True, tag="d", gc=False):
    """What policy said, with every reason as (rule, verdict, detail, code)."""

    decision_id: str
    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    verdict: str
    reasons: tuple[tuple[str, str, str, str], ...]
    policy_version: str


class Refused(msgspec.Struct, array_like=True, tag="r", gc=False):
    """The request was not answered, and why."""

    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    code: str
    detail: str


class Answered(msgspec.Struct, array_like=True, tag="a", gc=False):
    """How the request was answered. `route` and `tool_calls` are JSON texts as they stand in the answer."""

    request_id: str
    trace_id: str
    tenant: str
    key_id: str
    model: str
    surface: str
    at: float
    deployment: str
    attempts: int
    status: str
    route: str
    tool_calls: str
    first_token_ms: float
    duration_ms: float
    cost_nanos: int


Record = Held | Intended | Settled | Closed | Decided | Refused | Answered


def record_decoder() -> msgspec.msgpack.Decoder[Record]:
    """Reads any record; raises msgspec.DecodeError for anything else."""
    return msgspec.msgpack.Decoder(Record)
