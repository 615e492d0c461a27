"""Who a request is booked to, as callers write it in `metadata`."""

from __future__ import annotations

import msgspec

from ninefold.wire.json_members import Members, raw

# The names a request may be attributed under; the same as the `x-ninefold-<name>` headers, with `_` for `-`.
NAMES = ("product", "workflow", "environment", "feature", "task_id")
_TASK_CLASS = "task_class"
_names = frozenset({*NAMES, _TASK_CLASS})
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)


def read(metadata: msgspec.Raw) -> tuple[tuple[str, str], ...]:
    """The attribution among the members of a `metadata` object; anything else in it is none of our business."""
    try:
        found = _object.decode(metadata)
    except msgspec.MsgspecError:
        return ()  # the vendor's own validation speaks about a malformed metadata member
    result: list[tuple[str, str]] = []
    for name in NAMES:
        if name in found:
            try:
                result.append((name, _string.decode(found[name])))
            except msgspec.MsgspecError:
                continue
    return tuple(result)


def task_class(metadata: msgspec.Raw) -> str:
    """The task class that a `metadata` object names, "" where it names none."""
    try:
        return _string.decode(_object.decode(metadata).get(_TASK_CLASS, msgspec.Raw(b'""')))
    except msgspec.MsgspecError:
        return ""


def without(fields: Members) -> None:
    """`fields` has no attribution and no task class of ours in its metadata any more: vendors refuse names they do not know."""
    metadata = fields.get("metadata")
    if metadata is None:
        return
    try:
        found = _object.decode(metadata)
    except msgspec.MsgspecError:
        return
    kept = {name: value for name, value in found.items() if name not in _names}
    if len(kept) == len(found):
        return
    if kept:
        fields["metadata"] = raw(kept)
    else:
        del fields["metadata"]
