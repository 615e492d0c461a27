"""A member that is missing is named, wherever it stands."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.domain.errors import InvalidRequest
from ninefold.wire import json_members
from ninefold.wire.openai.media import passthrough as media
from ninefold.wire.openai.responses import envelope


class Inner(msgspec.Struct):
    role: str


class Outer(msgspec.Struct):
    items: list[Inner]


@pytest.mark.parametrize(("body", "param"), [(b"{}", "items"), (b'{"items":[{"role":"a"},{}]}', "items[1].role")])
def test_it_is_named_by_its_path(body, param):
    with pytest.raises(InvalidRequest, match="is missing") as caught:
        json_members.read(msgspec.json.Decoder(Outer), body)
    assert caught.value.param == param


def test_a_responses_request_and_a_picture_need_a_model():
    with pytest.raises(InvalidRequest) as caught:
        envelope.read(b'{"input":"hello"}')
    assert caught.value.param == "model"
    with pytest.raises(InvalidRequest) as caught:
        media.read_picture(b'{"prompt":"a cat"}', "application/json", "/v1/images/generations")
    assert caught.value.param == "model"
