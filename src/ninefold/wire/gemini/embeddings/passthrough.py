"""Embeddings from Google to a Gemini caller: the bytes pass, the model's name changes."""

from __future__ import annotations

import msgspec

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall
from ninefold.wire.gemini.embeddings import response as embeddings
from ninefold.wire.json_members import encode, members, raw

_list = msgspec.json.Decoder(list[msgspec.Raw])


def is_batch(call: ModelCall) -> bool:
    """Whether the caller asked for several contents at once; its path says so."""
    return call.path.find(":batchEmbedContents") >= 0


def request(call: ModelCall, model: str) -> bytes:
    """The caller's body; where it repeats the model, under the vendor's name."""
    fields = members(call.body)
    fields.pop("model", None)
    if "requests" in fields:
        named = {"model": raw(f"models/{model}")}
        fields["requests"] = raw([members(bytes(each)) | named for each in _list.decode(fields["requests"])])
    return encode(fields)


def response(call: ModelCall, body: bytes) -> Whole:
    """The vendor's vectors as they are."""
    usage = embeddings.usage(body, len(call.body))
    return Whole(body=Splice(before=body.rstrip()[:-1], after=b"}"), usage=usage)
