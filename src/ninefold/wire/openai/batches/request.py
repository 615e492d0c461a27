"""A batch as OpenAI's clients ask for it.

Source: platform.openai.com/docs/api-reference/batch/create.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.json_members import members, read

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/moderations", "/v1/rerank")
# Ours, in the metadata: the batch waits until then, for instance for off-peak hours.
START_AFTER = "ninefold_start_after"
_WINDOW = re.compile(r"([1-9]\d{0,2})([hd])")
_SECONDS = {"h": 3_600.0, "d": 86_400.0}
_MAX_WINDOW_S = 7 * 86_400.0
_MAX_PAIRS = 16


class _Request(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Request)
_KNOWN = frozenset(_Request.__struct_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be made of which file. `start_after` is in seconds since the epoch, 0 where the batch may begin at once."""

    input_file_id: str
    endpoint: str
    completion_window: str
    window_s: float
    metadata: tuple[tuple[str, str], ...]
    start_after: float


def decode(body: bytes) -> Wanted:
    """The wish in `body`. Raises: InvalidRequest naming the field; Unsupported for one that nothing here can do."""
    found = read(_decoder, body)
    unknown = next((name for name in members(body) if name not in _KNOWN), None)
    if unknown is not None:
        raise Unsupported(f"`{unknown}` is not known here.", param=unknown)
    if found.endpoint not in ENDPOINTS:
        raise InvalidRequest(f"`endpoint` is one of {', '.join(ENDPOINTS)}.", param="endpoint")
    window = _WINDOW.fullmatch(found.completion_window)
    window_s = 0.0 if window is None else int(window.group(1)) * _SECONDS[window.group(2)]
    if not 0 < window_s <= _MAX_WINDOW_S:
        raise InvalidRequest(
            "`completion_window` is a number of hours or days, as in `24h`, of at most seven days.", param="completion_window"
        )
    metadata = found.metadata or {}
    if len(metadata) > _MAX_PAIRS or any(len(name) > 64 or len(value) > 512 for name, value in metadata.items()):
        raise InvalidRequest(f"At most {_MAX_PAIRS} pairs, names of 64 and values of 512 characters.", param="metadata")
    return Wanted(
        input_file_id=found.input_file_id,
        endpoint=found.endpoint,
        completion_window=found.completion_window,
        window_s=window_s,
        metadata=tuple(metadata.items()),
        start_after=_moment(metadata.get(START_AFTER)),
    )


def _moment(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest("A moment is written as 2026-01-31T22:00:00+01:00, with its zone.", param=f"metadata.{START_AFTER}")
    return at.timestamp()
