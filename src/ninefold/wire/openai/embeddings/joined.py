"""Several embedding requests of one shape as one, and its answer taken apart again.

Source: platform.openai.com/docs/api-reference/embeddings/create: `input` is a text, an array of texts, an array of tokens or an array of
those; the vectors come back numbered in the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ninefold.domain.answer import Splice
from ninefold.domain.errors import UpstreamRejected
from ninefold.wire import attribution
from ninefold.wire.json_members import Members, encode, raw

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_texts = msgspec.json.Decoder(str | list[str])


class _Vector(msgspec.Struct):
    index: int
    embedding: msgspec.Raw
    object: str = "embedding"


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: msgspec.Raw


_answer = msgspec.json.Decoder(_Answer)


class Separate(msgspec.Struct):
    """What one request wants: its texts, and everything else it says, which must be the same in all that are joined."""

    texts: list[str]
    rest: Members

    @property
    def shape(self) -> bytes:
        """Equal only for requests that can be joined."""
        return encode(dict(sorted(self.rest.items())))

    @property
    def weight(self) -> int:
        """Bytes of text: by these the tokens of an answer are shared out, of which the vendor tells only the sum."""
        return sum(len(text.encode()) for text in self.texts) or 1


def separate(body: bytes) -> Separate | None:
    """The request in `body`, None where it cannot be joined with others (tokens, or nothing that can be read)."""
    try:
        rest = _object.decode(body)
        texts = _texts.decode(rest.pop("input"))
    except (KeyError, msgspec.MsgspecError):
        return None
    attribution.without(rest)
    found = [texts] if isinstance(texts, str) else texts
    return Separate(texts=found, rest=rest) if found else None


def joined(parts: Sequence[Separate]) -> bytes:
    """One request for the texts of all `parts`, in their order."""
    return encode(parts[0].rest | {"input": raw([text for part in parts for text in part.texts])})


def split(body: bytes, counts: Sequence[int], tokens: Sequence[int]) -> list[Splice]:
    """The answer of each part, which has so many texts and tokens. Raises: UpstreamRejected where vectors are missing."""
    try:
        found = _answer.decode(body)
        rest = _object.decode(body)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream's answer is not a list of embeddings: {error}.") from None
    vectors = sorted(found.data, key=_index)
    if [vector.index for vector in vectors] != list(range(sum(counts))):
        raise UpstreamRejected("The upstream's embeddings are not as many as the texts it was given.")
    answers: list[Splice] = []
    first = 0
    for count, used in zip(counts, tokens, strict=True):
        own = [_Vector(index=place, embedding=vector.embedding) for place, vector in enumerate(vectors[first : first + count])]
        first += count
        answer = encode(rest | {"data": raw(own), "usage": raw({"prompt_tokens": used, "total_tokens": used})})
        answers.append(Splice(before=answer[:-1], after=b"}"))
    return answers


def _index(vector: _Vector) -> int:
    return vector.index
