"""What requests that share a vendor's cache have in common: their beginning."""

from __future__ import annotations

from hashlib import blake2b

from ninefold.domain.call import ModelCall
from ninefold.wire.json_members import members
from ninefold.wire.prompts.conversation import conversation

_MEMBERS = ("tools", "system", "instructions", "systemInstruction", "cachedContent", "prompt_cache_key")


def prefix_digest(call: ModelCall) -> bytes:
    """A digest of tools, system text and first turns (system turns and the one after them); of the whole body where there are no turns.

    Raises: InvalidRequest.
    """
    digest = blake2b(digest_size=16)
    found = conversation(call)
    fields = members(call.body) if found is None else found.fields
    for name in _MEMBERS:
        if name in fields:
            digest.update(name.encode() + b"\0" + bytes(fields[name]) + b"\0")
    if found is None:
        digest.update(call.body)
        return digest.digest()
    for unit in found.units:
        for turn in found.turns[unit.start : unit.end]:
            digest.update(turn + b"\0")
        if unit.opens:
            break
    return digest.digest()
