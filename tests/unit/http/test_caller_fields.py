"""A refusal names the field in the caller's own protocol, wherever it was found."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.chat import ChatRequest, ReasoningEffort
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.http import errors
from ninefold.http.local_model import check_plain
from ninefold.wire.openai.failures import failure


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("messages[0].content[1].image_url.url", "input"),
        ("response_format.json_schema.strict", "text.format"),
        ("reasoning_effort", "reasoning.effort"),
        ("max_tokens", "max_output_tokens"),
        ("input[0].role", "input[0].role"),
        ("tool_choice", "tool_choice"),
        (None, None),
    ],
)
def test_callers_of_responses(param, field):
    assert json.loads(errors.responses_body(Unsupported("No.", param=param)))["error"]["param"] == field


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Unsupported("Bedrock takes no URLs.", param="messages[0].content[1].image_url.url"), "messages: Bedrock takes no URLs."),
        (Unsupported("The reader writes no JSON.", param="response_format"), "output_config.format: The reader writes no JSON."),
        (Unsupported("There is no `top_k` here.", param="top_k"), "There is no `top_k` here."),
        (InvalidRequest("Something is missing.", param="messages[2].content"), "messages[2].content: Something is missing."),
        (InvalidRequest("No.", param=None), "No."),
    ],
)
def test_callers_of_anthropics_protocol(error, message):
    assert json.loads(errors.anthropic_body(error, "req-1"))["error"]["message"] == message


def test_what_our_own_worker_refuses_is_unsupported():
    body = errors.openai_body(Unsupported("The reader calls no tools.", param="tool_choice"))
    error, onward = failure(400, {}, body)
    assert isinstance(error, Unsupported)
    assert (error.param, onward) == ("tool_choice", False)


@pytest.mark.parametrize(
    ("effort", "refused"),
    [
        (None, False),
        (ReasoningEffort(disabled=True), False),
        (ReasoningEffort(level="minimal"), False),
        (ReasoningEffort(level="low"), True),
        (ReasoningEffort(budget_tokens=1024), True),
    ],
)
def test_the_reader_does_not_reason(effort, refused):
    request = ChatRequest(model="reader", turns=(), reasoning=effort)
    if not refused:
        check_plain(request, "The reader")
        return
    with pytest.raises(Unsupported) as found:
        check_plain(request, "The reader")
    assert found.value.param == "reasoning_effort"
