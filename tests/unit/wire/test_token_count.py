"""A count of tokens that no model can have is nobody's: not a caller's limit, and not a vendor's bill."""

import json

import pytest

from ninefold.domain.call import Operation
from ninefold.domain.errors import InvalidRequest, NinefoldError
from ninefold.wire.anthropic.messages import envelope as anthropic_envelope
from ninefold.wire.dialects.anthropic import AnthropicDialect
from ninefold.wire.dialects.openai import OpenAiDialect
from ninefold.wire.openai.chat import envelope as openai_envelope
from ninefold.wire.token_count import MOST_TOKENS

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def read_openai(**more):
    return openai_envelope.read(json.dumps(ASKED | more).encode())


def read_anthropic(**more):
    return anthropic_envelope.read(json.dumps(ASKED | more).encode(), Operation.CHAT)


@pytest.mark.parametrize(
    ("read", "name"), [(read_openai, "max_tokens"), (read_openai, "max_completion_tokens"), (read_anthropic, "max_tokens")]
)
def test_an_output_limit_ends_where_money_would_not_fit_into_64_bits(read, name):
    assert read(**{name: MOST_TOKENS}).max_output_tokens == MOST_TOKENS
    for absurd in (MOST_TOKENS + 1, 10**20, 0, -1):
        with pytest.raises(InvalidRequest) as refused:
            read(**{name: absurd})
        assert refused.value.param == name


def openai_answer(count):
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": 1}
    message = {"role": "assistant", "content": "x"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}


def anthropic_answer(count):
    answer = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "x"}]}
    return answer | {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": count}}


@pytest.mark.parametrize("call", [read_openai(max_tokens=5), read_anthropic(max_tokens=5)], ids=["to-openai", "to-anthropic"])
@pytest.mark.parametrize(
    ("dialect", "answer"), [(OpenAiDialect(), openai_answer), (AnthropicDialect(), anthropic_answer)], ids=["openai", "anthropic"]
)
def test_a_vendor_that_bills_what_cannot_be_is_not_believed(dialect, answer, call):
    assert dialect.whole(call, json.dumps(answer(7)).encode()).usage.output_tokens == 7
    for absurd in (-1, MOST_TOKENS + 1, 10**30):
        with pytest.raises(NinefoldError):
            dialect.whole(call, json.dumps(answer(absurd)).encode())
