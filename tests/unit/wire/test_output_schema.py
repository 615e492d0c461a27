"""A description beside a schema, for vendors that take none there."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.call import Wire
from ninefold.domain.chat import ChatRequest, OutputFormat, OutputKind, Role, Text, Turn
from ninefold.domain.errors import Unsupported
from ninefold.wire.anthropic.messages import request as anthropic
from ninefold.wire.gemini.generate import request as gemini


def to_anthropic(request):
    return json.loads(anthropic.encode(request, model="m", max_output_tokens=9, stream=False))["output_config"]["format"]["schema"]


def to_gemini(request):
    return json.loads(gemini.encode(request, model="m", max_output_tokens=9, wire=Wire.OPENAI))["generationConfig"]["responseJsonSchema"]


def asked(schema, description):
    output = OutputFormat(kind=OutputKind.JSON_SCHEMA, name="n", schema=schema, description=description)
    return ChatRequest(model="m", turns=(Turn(role=Role.USER, parts=(Text(text="x"),)),), output=output)


@pytest.mark.parametrize("to", [to_anthropic, to_gemini])
def test_it_goes_into_the_schema(to):
    assert to(asked('{"type": "object"}', "A town.")) == {"description": "A town.", "type": "object"}
    assert to(asked('{"description":"A town.","type":"object"}', "A town.")) == {"description": "A town.", "type": "object"}
    assert to(asked('{"description":"A town."}', None)) == {"description": "A town."}
    assert to(asked('{"type":"object"}', "")) == {"type": "object"}


@pytest.mark.parametrize("to", [to_anthropic, to_gemini])
@pytest.mark.parametrize("schema", ['{"description":"A village."}', "true"])
def test_where_there_is_another_one_it_is_refused_by_name(to, schema):
    with pytest.raises(Unsupported) as refused:
        to(asked(schema, "A town."))
    assert refused.value.param == "response_format.json_schema.description"
