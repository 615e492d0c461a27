"""What the journals' records mean to the audit log."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ninefold.audit.crosscheck import HASHED
from ninefold.audit.entry import Entry, Kind
from ninefold.domain.errors import InvalidRequest
from ninefold.finops.records import Answered, Closed, Decided, Held, Intended, Refused, Settled, record_decoder

_decode = record_decoder().decode
_NOTHING = Entry(kind=None)


def entry_of(payload: bytes) -> Entry:
    """What the record means. Raises: InvalidRequest where it is none of this version's.

    What a tool was asked, and a route with what it says of the request, may be personal: the leaf holds their hashes, so that the ledger
    can forget them and the proof stays true.
    """
    try:
        record = _decode(payload)
    except msgspec.DecodeError as error:
        raise InvalidRequest("the record is none of this version's") from error
    match record:
        case Decided():
            return Entry(
                kind=Kind.DECISION, request_id=record.request_id, decision_id=record.decision_id, facts=msgspec.structs.asdict(record)
            )
        case Held():
            return Entry(kind=None, request_id=record.request_id, rests_on=record.decision_id)
        case Answered():
            return Entry(kind=Kind.ANSWER, request_id=record.request_id, facts=_hashed(msgspec.structs.asdict(record)))
        case Refused():
            return Entry(kind=Kind.REFUSAL, request_id=record.request_id, facts=msgspec.structs.asdict(record))
        case Settled():
            return Entry(kind=Kind.SETTLEMENT, request_id=record.request_id, facts=msgspec.structs.asdict(record))
        case Intended() | Closed():
            return _NOTHING


def _hashed(facts: dict[str, Any]) -> dict[str, Any]:
    for name in HASHED:
        facts[f"{name}_sha256"] = sha256(str(facts.pop(name)).encode()).hexdigest()
    return facts
