"""Base64 in either alphabet from a Gemini caller, in the usual one to other vendors."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.chat import Document, Image
from ninefold.wire.gemini.generate import request


@pytest.mark.parametrize("data", ["+/+/AA==", "-_-_AA==", "-_-_AA"])
@pytest.mark.parametrize("kind", ["image/png", "application/pdf"])
def test_inline_data(data, kind):
    contents = [{"role": "user", "parts": [{"text": "?"}, {"inlineData": {"mimeType": kind, "data": data}}]}]
    part = request.decode(json.dumps({"contents": contents}).encode(), "m", stream=False).turns[0].parts[1]
    assert isinstance(part, Image | Document)
    assert part.data == "+/+/AA=="
