"""An error after an answer had begun, in every envelope."""

import json

import pytest

from ninefold.domain.errors import Partial, StreamInterrupted
from ninefold.domain.usage import Usage
from ninefold.http import errors

USED = {"input_tokens": 3, "output_tokens": 2, "estimated": True}


def cut(text: str | None) -> StreamInterrupted:
    error = StreamInterrupted("cut")
    error.partial = Partial(usage=Usage(input_tokens=3, output_tokens=2, estimated=True), text=text)
    return error


@pytest.mark.parametrize("body", [errors.openai_body, errors.anthropic_body, errors.gemini_body])
def test_a_body_has_the_text_so_far(body):
    error = json.loads(body(cut("one two"), "r-1"))["error"]
    assert (error["partial"], error["partial_text"], error["usage"]) == (True, "one two", USED)


@pytest.mark.parametrize(
    "event", [errors.openai_event, errors.anthropic_event, errors.gemini_event, lambda error: errors.responses_event(error, 1)]
)
def test_an_event_has_the_usage_and_not_the_text_that_left_already(event):
    said = event(cut(None))
    error = json.loads(said[said.index(b"{") :])["error"]
    assert (error["partial"], error["usage"]) == (True, USED)
    assert "partial_text" not in error


@pytest.mark.parametrize("body", [errors.openai_body, errors.anthropic_body, errors.gemini_body])
def test_an_error_before_any_answer_says_nothing_of_it(body):
    assert "partial" not in json.loads(body(StreamInterrupted("cut"), "r-1"))["error"]
