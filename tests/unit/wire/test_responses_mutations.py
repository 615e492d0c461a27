"""Any request, however damaged, is read or refused in words: nothing else is raised on the way."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.chat import ChatResult, Choice, FinishReason, Opened, Text
from ninefold.domain.errors import InvalidRequest
from ninefold.wire.openai.completions import envelope as completions_envelope
from ninefold.wire.openai.completions import passthrough as completions_passthrough
from ninefold.wire.openai.completions import request as completions_request
from ninefold.wire.openai.responses import conversation, envelope, passthrough, request, response
from ninefold.wire.openai.responses.stream import Encoder

from .answers import json_values, relaxed

SEED = {
    "model": "m",
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://x", "detail": "low"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "nf1.signature.x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_data": "data:a/b;base64,AA"}]},
    ],
    "instructions": "i",
    "previous_response_id": "resp_nf_1",
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "metadata": {"product": "p"},
    "stream_options": {"include_obfuscation": False},
    "store": True,
}
KEPT_ITEMS = conversation.input_items(json.dumps(SEED).encode())
ANSWER = json.dumps({"id": "resp_nf_1", "output": SEED["input"][1:4]}).encode()
RESULT = ChatResult(result_id="r", model="m", choices=(Choice(parts=(Text(text="a"),), finish=FinishReason.STOP),))


@st.composite
def damaged(draw, seed):
    """The seed with some values anywhere in it replaced or gone."""
    document = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(1, 3))):
        at, path = document, []
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            path.append(key)
            if isinstance(at[key], dict | list) and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                del at[key]
            else:
                at[key] = draw(json_values)
            break
    return json.dumps(document).encode()


@relaxed
@given(body=damaged(SEED))
def test_a_damaged_responses_request(body):
    with suppress(InvalidRequest):
        call = envelope.read(body)
        previous, _ = conversation.asked(body)
        if previous is not None:
            body = conversation.continued(body, KEPT_ITEMS, ANSWER)
        passthrough.request(call, "gpt", 9)
        decoded = request.decode(body)
        assert decoded.model == call.model
        # Whoever can be translated can be answered, and kept.
        json.loads(response.encode(call, RESULT))
        Encoder(call, Opened(result_id="r", model="m"))
        json.loads(conversation.input_items(body))


@relaxed
@given(
    body=damaged({"model": "m", "prompt": ["a"], "n": 2, "stop": ["x"], "stream_options": {"include_usage": True}, "logit_bias": {"1": 2}})
)
def test_a_damaged_completions_request(body):
    with suppress(InvalidRequest):
        call = completions_envelope.read(body)
        completions_passthrough.request(call, "gpt")
        assert completions_request.decode(body).model == call.model
