"""A vendor's JSON, which is either its protocol or a reason to refuse its answer."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ninefold.domain.errors import UpstreamRejected

_T = TypeVar("_T")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(decoder: msgspec.json.Decoder[_T], data: bytes, what: str) -> _T:
    """`data` in the decoder's type. Raises: UpstreamRejected saying `what` it was meant to be."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise UpstreamRejected(f"The upstream sent something that is not {what}: {error}.") from None
    except UnicodeDecodeError:
        raise UpstreamRejected(f"The upstream sent something that is not {what}: invalid UTF-8.") from None
    except RecursionError:
        raise UpstreamRejected(f"The upstream sent something that is not {what}: nested too deeply.") from None


def is_object(text: str) -> bool:
    """Whether `text` is one JSON object, complete and well formed."""
    try:
        _OBJECT.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return False
    return True
