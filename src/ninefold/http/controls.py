"""What a caller's `x-ninefold-*` headers ask of routing and of caches."""

from __future__ import annotations

from collections.abc import Mapping

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import InvalidRequest

HEADERS = frozenset({"x-ninefold-task-class", "x-ninefold-priority", "x-ninefold-region", "idempotency-key", "cache-control"})
PRIORITIES = ("high", "normal", "low")
_MAX_CHARS = 256


def controls(call: ModelCall, headers: Mapping[str, str]) -> None:
    """`call` carries what the headers ask for; a class in the metadata must be the same. Raises: InvalidRequest."""
    task_class = headers.get("x-ninefold-task-class")
    if task_class is not None:
        if call.task_class not in {"", task_class}:
            raise InvalidRequest("The task class is given twice, in a header and in metadata, with different values.", param="task_class")
        call.task_class = _short(task_class, "x-ninefold-task-class")
    priority = headers.get("x-ninefold-priority")
    if priority is not None:
        if priority not in PRIORITIES:
            raise InvalidRequest("The priority is high, normal or low.", param="x-ninefold-priority")
        call.priority = priority
    region = headers.get("x-ninefold-region")
    if region is not None:
        call.regions = tuple(each.strip() for each in _short(region, "x-ninefold-region").split(",") if each.strip())
        if not call.regions:
            raise InvalidRequest("Name at least one region.", param="x-ninefold-region")
    key = headers.get("idempotency-key")
    if key is not None:
        call.idempotency_key = _short(key, "idempotency-key")
    cache_control = headers.get("cache-control")
    if cache_control is not None and ("no-cache" in cache_control or "no-store" in cache_control):
        call.fresh = True
        call.keep = "no-store" not in cache_control


def _short(value: str, name: str) -> str:
    if not 0 < len(value) <= _MAX_CHARS or not value.isprintable():
        raise InvalidRequest(f"{name} must be 1 to {_MAX_CHARS} printable characters.", param=name)
    return value
