"""Responses that pass to a vendor of the same protocol, and what of a conversation is kept."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_item_list import ResponseItemList

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import InvalidRequest, RateLimited, StreamInterrupted, Unavailable, UpstreamRejected
from ninefold.wire.openai.responses import conversation, item_list, passthrough
from ninefold.wire.openai.responses.events import last_number
from ninefold.wire.openai.responses.scan import ResponseScan
from ninefold.wire.sse import EventReader

from .answers import relaxed

NAME = "resp_nf_" + "ab" * 16 + "cd" * 8
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 12,
}
CALL_ITEM = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": '{"x":1}'}
OTHER_ITEM = {"id": "ts_1", "type": "tool_search_call", "call_id": None, "arguments": {"q": "x"}}
ANSWER = {
    "id": "resp_theirs",
    "object": "response",
    "status": "completed",
    "model": "gpt-5-mini-2025",
    "output": [OTHER_ITEM, CALL_ITEM],
    "usage": USAGE,
    "billing": {"payer": "you"},
}


def call(**members):
    body = json.dumps({"model": "fast", "input": "x"} | members).encode()
    return ModelCall(
        operation=Operation.CHAT,
        wire=Wire.OPENAI_RESPONSES,
        model="fast",
        body=body,
        stream=True,
        traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01",
        max_output_tokens=members.get("max_output_tokens"),
    )


def sse(kind, **members):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | members, separators=(',', ':'))}\n\n".encode()


BEGUN = ANSWER | {"status": "in_progress", "output": [], "usage": None}
STREAM = [
    sse("response.created", sequence_number=0, response=BEGUN),
    sse("response.in_progress", sequence_number=1, response=BEGUN),
    sse("response.output_item.added", sequence_number=2, output_index=0, item={"id": "msg", "type": "message", "content": []}),
    sse("response.output_text.delta", sequence_number=3, delta="Köln \n", item_id="msg", obfuscation="xx"),
    sse("response.function_call_arguments.delta", sequence_number=4, delta='{"x"', item_id="fc_1"),
    sse("response.output_item.done", sequence_number=5, output_index=1, item=CALL_ITEM),
    sse("response.web_search_call.searching", sequence_number=6, output_index=2, item_id="ws"),
    sse("response.completed", response=ANSWER, sequence_number=7),
]


def run(scan, data, cuts):
    out = b""
    for a, b in pairwise([0, *sorted(cuts), len(data)]):
        if a < b:
            got = scan.feed(data[a:b])
            assert not got or got.endswith(b"\n\n")
            out += got
    scan.end()
    return out


@relaxed
@given(cuts=st.lists(st.integers(0, 3000), max_size=12), crlf=st.booleans())
def test_any_split_of_a_stream_gives_the_same_answer(cuts, crlf):
    data = b"".join(STREAM)
    if crlf:
        data = data.replace(b"\n", b"\r\n")
    scan = ResponseScan(call(previous_response_id="resp_nf_0"))
    body = run(scan, data, [cut % (len(data) + 1) for cut in cuts]) + scan.tail.with_member(b'"ninefold":{"cost_usd":1}')
    seen = [(name, json.loads(payload)) for name, payload in EventReader().feed(body)]
    assert [payload["sequence_number"] for _, payload in seen] == list(range(8))
    assert seen[3][1]["delta"] == "Köln \n"
    for _, payload in (seen[0], seen[1], seen[7]):
        assert (payload["response"]["id"], payload["response"]["model"], payload["response"]["previous_response_id"]) == (
            NAME,
            "fast",
            "resp_nf_0",
        )
    last = seen[-1][1]["response"]
    assert last["ninefold"] == {"cost_usd": 1}
    assert last["billing"] == {"payer": "you"}
    assert body.count(b"ninefold") == 1
    assert scan.tool_calls == (ToolCall(call_id="c1", name="f", arguments='{"x":1}'),)
    assert (scan.usage.input_tokens, scan.usage.output_tokens, scan.usage.cached_input_tokens, scan.usage.reasoning_tokens) == (9, 3, 4, 1)


def test_nothing_is_sent_before_the_first_content():
    scan = ResponseScan(call())
    for event in STREAM[:3]:
        assert scan.feed(event) == b""
        assert not scan.started
    assert scan.feed(STREAM[3]).count(b"event: ") == 4
    for _ in range(9):
        scan.feed(sse("response.output_text.delta", sequence_number=4, delta="a word of 20 letters", item_id="msg", obfuscation="x" * 90))
    assert (scan.usage.output_tokens, scan.usage.estimated) == ((9 * 20 + len("K\\u00f6ln \\n") + 3) // 4, True)


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_without_its_last_event_is_no_answer(length):
    scan = ResponseScan(call())
    scan.feed(b"".join(STREAM[:length]))
    with pytest.raises(StreamInterrupted):
        scan.end()
    assert not scan.complete


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (sse("error", code="rate_limit_exceeded", message="slow down"), RateLimited),
        (sse("error", code="server_error", message="x"), Unavailable),
        (
            sse("response.failed", response=ANSWER | {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}),
            RateLimited,
        ),
        (b"event: x\ndata: <html>\n\n", UpstreamRejected),
    ],
)
def test_the_vendors_errors_are_ours(event, kind):
    scan = ResponseScan(call())
    scan.feed(STREAM[3])
    with pytest.raises(kind):
        scan.feed(event)


def test_a_payload_over_several_lines_ends_in_one():
    pretty = "".join(f"data: {line}\n" for line in json.dumps({"type": "response.completed", "response": ANSWER}, indent=1).split("\n"))
    scan = ResponseScan(call())
    scan.feed(b"event: response.completed\n" + pretty.encode() + b"\n")
    found = conversation.response_in(scan.tail.plain())
    assert json.loads(found)["id"] == NAME


def test_a_request_changes_where_it_must_and_nowhere_else():
    sent = json.loads(passthrough.request(call(brand_new=[1], metadata={"product": "p"}, previous_response_id="resp_1"), "gpt", 77))
    assert sent == {
        "model": "gpt",
        "input": "x",
        "brand_new": [1],
        "previous_response_id": "resp_1",
        "max_output_tokens": 77,
        "metadata": {"product": "p"},
    }
    mine = {"type": "reasoning", "summary": [], "encrypted_content": "nf1.signature.x"}
    theirs = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    plain = {"type": "reasoning", "id": f"rs_{'ab' * 24}_0", "summary": [{"type": "summary_text", "text": "hm"}]}
    named = {"type": "reasoning", "id": "rs_68af", "summary": []}  # kept by the vendor, which finds it by its id
    sent = json.loads(
        passthrough.request(call(input=[mine, theirs, plain, named, 5], previous_response_id="resp_nf_1", max_output_tokens=5), "gpt", 77)
    )
    assert sent == {"model": "gpt", "input": [theirs, named, 5], "max_output_tokens": 5}


def test_a_whole_answer_is_renamed_and_read():
    found = passthrough.response(call(), json.dumps(ANSWER).encode())
    written = json.loads(found.body.with_member(b'"ninefold":1'))
    assert written == ANSWER | {"id": NAME, "model": "fast", "ninefold": 1}
    assert found.tool_calls == (ToolCall(call_id="c1", name="f", arguments='{"x":1}'),)
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.estimated) == (9, 3, False)
    assert passthrough.response(call(), json.dumps(ANSWER | {"usage": None}).encode()).usage.estimated


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"status": "failed", "error": {"code": "server_error", "message": "x"}}, Unavailable),
        ({"status": "in_progress"}, UpstreamRejected),
        ({"output": 5}, UpstreamRejected),
    ],
)
def test_an_answer_that_is_none_is_an_error(change, kind):
    with pytest.raises(kind):
        passthrough.response(call(), json.dumps(ANSWER | change).encode())


KEPT = {
    "id": NAME,
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "nf1.redacted.x", "status": "completed"},
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "phase": "final_answer",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}],
        },
        CALL_ITEM,
        OTHER_ITEM,
    ],
}


def test_a_conversation_goes_on_without_what_ties_it_to_a_vendor():
    answer = json.dumps(KEPT).encode()
    before = conversation.input_items(call().body)
    body = json.loads(conversation.continued(call(input=[{"role": "user", "content": "go on", "id": "mine"}]).body, before, answer))
    assert body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "nf1.redacted.x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
        OTHER_ITEM,
        {"role": "user", "content": "go on", "id": "mine"},
    ]
    kept = json.loads(conversation.input_items(json.dumps(body).encode()))
    assert kept[-1] == {"type": "message", "role": "user", "content": "go on"}
    assert kept[:-1] == body["input"][:-1]


def test_what_a_request_says_of_keeping():
    assert conversation.asked(call().body) == (None, True)
    assert conversation.asked(call(store=False, previous_response_id="resp_1").body) == (None, False)
    assert conversation.asked(call(store=None, previous_response_id="resp_nf_1").body) == ("resp_nf_1", True)
    assert json.loads(conversation.not_kept(call(store=True).body))["store"] is False
    with pytest.raises(InvalidRequest):
        conversation.asked(b'{"store": 5}')
    with pytest.raises(InvalidRequest):
        conversation.continued(call(input=5).body, b"[]", json.dumps(KEPT).encode())
    with pytest.raises(InvalidRequest):
        conversation.input_items(call(input=[{"role": "user", "content": [5]}]).body)


def test_the_last_event_of_a_stream_is_found_and_no_text_looks_like_it():
    lie = sse("response.output_text.delta", delta='\nevent: response.completed\ndata: {"response":{}}')
    assert conversation.response_in(lie) is None
    assert conversation.response_in(STREAM[0]) is None
    assert json.loads(conversation.response_in(b"".join(STREAM))) == ANSWER
    assert json.loads(conversation.response_in(STREAM[-1].replace(b"completed", b"incomplete")))["id"] == "resp_theirs"
    assert last_number(lie + STREAM[4], 2) == 4
    assert last_number(lie, 2) == 2


def names(page):
    return [item["id"] for item in page["data"]]


def test_items_come_a_page_at_a_time_in_either_order():
    items = json.dumps([{"type": "message", "role": "user", "content": str(n)} for n in range(5)]).encode()

    def page(**asked):
        return json.loads(item_list.encode_list(items, NAME, item_list.Page(**asked)))

    oldest = names(page(newest_first=False))
    assert len(set(oldest)) == 5
    assert names(page()) == oldest[::-1]
    first = page(newest_first=False, limit=2)
    assert (names(first), first["has_more"], first["first_id"], first["last_id"]) == (oldest[:2], True, oldest[0], oldest[1])
    last = page(newest_first=False, limit=3, after=oldest[1])
    assert (names(last), last["has_more"]) == (oldest[2:], False)
    assert page(after=oldest[0])["data"] == []
    with pytest.raises(InvalidRequest):
        page(after="msg_unknown")


def test_listed_items_are_what_the_client_of_the_protocol_declares():
    items = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        CALL_ITEM,
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
    ]
    kept = conversation.input_items(call(input=items).body)
    found = ResponseItemList.model_validate(json.loads(item_list.encode_list(kept, NAME, item_list.Page(newest_first=False))))
    assert [item.type for item in found.data] == ["message", "message", "function_call", "function_call_output"]
    assert [found.data[n].content[0].text for n in (0, 1)] == ["a", "b"]
