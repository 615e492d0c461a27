"""Answers as response objects and as their events: the one holds what the others tell, and goes back as it came."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import (
    ChatResult,
    Choice,
    Finished,
    FinishReason,
    Opened,
    Refusal,
    RefusalDelta,
    Role,
    Text,
    TextDelta,
    ToolCallDelta,
    ToolCallOpened,
)
from ninefold.domain.errors import StreamInterrupted, UpstreamRejected
from ninefold.wire.openai.responses import response
from ninefold.wire.openai.responses.request import decode
from ninefold.wire.openai.responses.stream import Encoder
from ninefold.wire.sse import EventReader

from .answers import deltas, relaxed, results, written

TRACE, SPAN = "ab" * 16, "cd" * 8
NAME = f"resp_nf_{TRACE}{SPAN}"


def call(**members):
    body = json.dumps({"model": "fast", "input": "x"} | members).encode()
    parent = f"00-{TRACE}-{SPAN}-01"
    return ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI_RESPONSES, model="fast", body=body, received_at=7.5, traceparent=parent)


def whole(result, **members):
    return json.loads(response.encode(call(**members), result))


def events(data):
    return [(name, json.loads(payload)) for name, payload in EventReader().feed(data)]


def streamed(found, **members):
    opened = next((d for d in found if isinstance(d, Opened)), Opened(result_id="", model=""))
    return events(written(Encoder(call(**members), opened), found))


@relaxed
@given(data=st.data(), result=results(), interleave=st.booleans())
def test_the_events_tell_the_answer_that_the_last_one_holds(data, result, interleave):
    seen = streamed(deltas(data.draw, result, interleave=interleave))
    assert [name for name, _ in seen] == [payload["type"] for _, payload in seen]
    assert [payload["sequence_number"] for _, payload in seen] == list(range(len(seen)))
    last = seen[-1][1]["response"]
    assert last.pop("ninefold") == {"cost_usd": "0.000000001"}
    built = assembled(seen)
    assert built == last["output"]
    expected = whole(result)
    expected.pop("created_at"), last.pop("created_at")
    # A stream does not say where one text ends and the next begins, nor in which order calls end: the parts are joined.
    assert _joined(last) == _joined(expected)


def assembled(seen):
    """What a client makes of the events; every rule of their order is checked on the way."""
    items, ended = [], set()
    for name, event in seen[2:-1]:
        kind, at = name.removeprefix("response."), event["output_index"]
        assert at not in ended
        if kind == "output_item.added":
            assert at == len(items)
            assert ended >= {n for n, item in enumerate(items) if item["type"] != "function_call"}
            items.append(event["item"])
            continue
        item = items[at]
        if kind == "output_item.done":
            ended.add(at)
            assert {k: v for k, v in item.items() if k not in {"status", "encrypted_content"}} == {
                k: v for k, v in event["item"].items() if k not in {"status", "encrypted_content"}
            }
            items[at] = event["item"]
            continue
        assert event["item_id"] == item["id"]
        match kind.split("."):
            case ["content_part", "added"]:
                assert event["content_index"] == len(item["content"])
                item["content"].append(event["part"])
            case ["output_text" | "refusal" as part, "delta"]:
                item["content"][event["content_index"]]["text" if part == "output_text" else part] += event["delta"]
            case ["output_text" | "refusal" as part, "done"]:
                key = "text" if part == "output_text" else part
                assert item["content"][event["content_index"]][key] == event[key]
            case ["content_part", "done"]:
                assert item["content"][event["content_index"]] == event["part"]
            case ["reasoning_summary_part", "added"]:
                assert event["summary_index"] == len(item["summary"])
                item["summary"].append(event["part"])
            case ["reasoning_summary_text", "delta"]:
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case ["reasoning_summary_text", "done"]:
                assert item["summary"][event["summary_index"]]["text"] == event["text"]
            case ["reasoning_summary_part", "done"]:
                assert item["summary"][event["summary_index"]] == event["part"]
            case ["function_call_arguments", "delta"]:
                item["arguments"] += event["delta"]
            case ["function_call_arguments", "done"]:
                assert item["arguments"] == event["arguments"]
            case _:
                pytest.fail(f"unknown event {name}")
    assert ended == set(range(len(items)))
    return items


def _joined(answer):
    for item in answer["output"]:
        if item["type"] == "message":
            item["content"] = "".join(part.get("text", part.get("refusal")) for part in item["content"])
    return answer


EVENT = TypeAdapter(ResponseStreamEvent)


@relaxed
@given(data=st.data(), result=results())
def test_everything_is_what_the_client_of_the_protocol_declares(data, result):
    answer = Response.model_validate(whole(result), strict=True)
    assert len(answer.output) == len(whole(result)["output"])
    for name, event in streamed(deltas(data.draw, result)):
        assert EVENT.validate_python(event).type == name


@relaxed
@given(result=results())
def test_an_answer_goes_back_as_it_came(result):
    answer = whole(result)
    turns = decode(json.dumps({"model": "m", "input": answer["output"]}).encode()).turns
    parts = tuple(part for part in result.choices[0].parts if not (isinstance(part, Text | Refusal) and not part.text))
    if not parts:
        assert turns == ()
        return
    (turn,) = turns
    assert turn.role is Role.ASSISTANT
    assert turn.parts == parts


def said(finish, *parts):
    return ChatResult(result_id="r", model="m", choices=(Choice(parts=parts, finish=finish),), created=9)


@pytest.mark.parametrize(
    ("finish", "parts", "status", "reason"),
    [
        (FinishReason.STOP, (Text(text="a"),), "completed", None),
        (FinishReason.TOOL_CALLS, (), "completed", None),
        (FinishReason.STOP_SEQUENCE, (Text(text="a"),), "completed", None),
        (FinishReason.LENGTH, (Text(text="a"),), "incomplete", "max_output_tokens"),
        (FinishReason.PAUSE, (Text(text="a"),), "incomplete", "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, (Text(text="a"),), "incomplete", "content_filter"),
        (FinishReason.REFUSAL, (), "incomplete", "content_filter"),
        (FinishReason.REFUSAL, (Refusal(text="no"),), "completed", None),
    ],
)
def test_how_an_answer_ended(finish, parts, status, reason):
    answer = whole(said(finish, *parts))
    assert (answer["status"], answer["incomplete_details"]) == (status, None if reason is None else {"reason": reason})
    if parts:
        assert answer["output"][-1]["status"] == status
    found = [TextDelta(text=p.text) if isinstance(p, Text) else RefusalDelta(text=p.text) for p in parts]
    name, last = streamed([Opened(result_id="r", model="m"), *found, Finished(reason=finish)])[-1]
    assert (name, last["response"]["status"]) == (f"response.{status}", status)
    assert [item["status"] for item in last["response"]["output"]] == [status] * (1 if parts else 0)


def test_what_was_asked_stands_around_the_answer():
    tools = [{"type": "function", "name": "f", "parameters": {}}]
    answer = whole(
        said(FinishReason.STOP, Text(text="a")),
        tools=tools,
        temperature=0.5,
        instructions="Be brief.",
        reasoning={"effort": "low"},
        metadata={"a": "b"},
        store=False,
        previous_response_id="resp_nf_0",
        text={"format": {"type": "json_object"}},
    )
    assert answer["id"] == NAME
    assert answer["created_at"] == 9
    assert answer["tools"] == [{"description": None, "strict": None, **tools[0]}]
    assert {k: answer[k] for k in ("temperature", "top_p", "instructions", "reasoning", "metadata", "store", "previous_response_id")} == {
        "temperature": 0.5,
        "top_p": 1.0,
        "instructions": "Be brief.",
        "reasoning": {"effort": "low", "summary": None},
        "metadata": {"a": "b"},
        "store": False,
        "previous_response_id": "resp_nf_0",
    }
    assert (answer["text"], answer["tool_choice"], answer["truncation"]) == ({"format": {"type": "json_object"}}, "auto", "disabled")
    assert answer["output"][0]["id"] == f"msg_{TRACE}{SPAN}_0"


def test_texts_and_refusals_that_alternate_are_parts_of_one_message():
    found = [TextDelta(text="a"), TextDelta(text="b"), RefusalDelta(text="no"), TextDelta(text="c")]
    seen = streamed([Opened(result_id="r", model="m"), *found, Finished(reason=FinishReason.STOP)])
    (message,) = assembled(seen)
    assert [part.get("text", part.get("refusal")) for part in message["content"]] == ["ab", "no", "c"]
    parts = (Text(text="ab"), Refusal(text="no"), Text(text="c"))
    assert whole(said(FinishReason.STOP, *parts))["output"] == [message]


def test_what_is_said_after_a_call_is_a_message_of_its_own():
    call_, text = ToolCallOpened(index=0, call_id="c", name="f"), TextDelta(text="a")
    late = ToolCallDelta(index=0, arguments="{}")
    seen = streamed([Opened(result_id="r", model="m"), text, call_, text, late, Finished(reason=FinishReason.TOOL_CALLS)])
    assert [item["type"] for item in assembled(seen)] == ["message", "function_call", "message"]


def test_an_answer_that_never_finished_has_no_last_event():
    encoder = Encoder(call(), Opened(result_id="r", model="m"))
    encoder.encode(TextDelta(text="half"))
    with pytest.raises(StreamInterrupted):
        encoder.finish()


def test_arguments_belong_to_a_call():
    encoder = Encoder(call(), Opened(result_id="r", model="m"))
    encoder.encode(ToolCallOpened(index=0, call_id="c", name="f"))
    with pytest.raises(UpstreamRejected):
        encoder.encode(ToolCallDelta(index=1, arguments="{}"))
