"""The caller's cap has the name that the model behind the alias takes."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.wire.openai.chat import passthrough


def sent(given, model):
    body = json.dumps({"model": "alias", "messages": [], **given}).encode()
    call = ModelCall(
        operation=Operation.CHAT, wire=Wire.OPENAI, model="alias", body=body, max_output_tokens=next(iter(given.values()), None)
    )
    found = json.loads(passthrough.request(call, model, 50))
    return {name: found[name] for name in found if name.startswith("max_")}


@pytest.mark.parametrize(
    ("given", "model", "expected"),
    [
        ({"max_tokens": 7}, "gpt-5-mini", {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 7}, "gpt-5-mini", {"max_completion_tokens": 7}),
        ({"max_tokens": 7}, "qwen-3", {"max_tokens": 7}),
        ({}, "gpt-5-mini", {"max_completion_tokens": 50}),
        ({}, "qwen-3", {"max_tokens": 50}),
    ],
)
def test_the_name(given, model, expected):
    assert sent(given, model) == expected
