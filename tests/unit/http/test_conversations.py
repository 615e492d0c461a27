"""What a Responses request finds of earlier ones, and what is kept of its answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from ninefold.adapters.memory.responses import MemoryResponseStore
from ninefold.domain.errors import InvalidRequest, NotFound, StreamInterrupted, TooLarge, Unavailable
from ninefold.domain.principal import Principal
from ninefold.http.openai_responses import Conversations

ANSWER = {
    "id": "resp_nf_1",
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": "yes"}],
}


class Room:
    """Conversations of one tenant over a store in memory, with a clock that stands."""

    def __init__(self, tenant="acme", store=None, ttl_s=60.0, max_bytes=1000):
        self.store = store or MemoryResponseStore()
        self.now = 100.0
        who = Principal(tenant=tenant, key_id="k", key_name="ci")
        self.kept = Conversations(self.store, lambda: self.now)
        self.turn = self.kept.turn(who, ttl_s, max_bytes)

    def prepare(self, **members):
        return json.loads(asyncio.run(self.turn.prepare(json.dumps({"model": "m", "input": "x"} | members).encode())))

    def keep(self, data):
        asyncio.run(self.turn.keep(data))

    def get(self, tenant="acme", at=100.0):
        return asyncio.run(self.store.get(tenant, "resp_nf_1", at))


def event(kind, **members):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | members)}\n\n".encode()


def test_an_answer_is_kept_for_its_time_and_goes_before_the_next_question():
    room = Room()
    room.prepare()
    room.keep(json.dumps(ANSWER).encode())
    assert room.get().expires_at == 160.0
    after = Room(store=room.store).prepare(input="more", previous_response_id="resp_nf_1")
    assert [item["role"] for item in after["input"]] == ["user", "assistant", "user"]
    assert after["previous_response_id"] == "resp_nf_1"


def test_a_stream_is_kept_with_its_last_piece_and_not_before():
    room = Room()
    room.prepare(stream=True)
    for piece in (event("response.created", response=ANSWER, sequence_number=0), event("response.output_text.delta", delta="yes")):
        room.keep(piece)
        with pytest.raises(NotFound):
            room.get()
    room.keep(event("response.completed", response=ANSWER, sequence_number=2))
    assert json.loads(room.get().answer) == ANSWER


@pytest.mark.parametrize(("members", "ttl_s"), [({"store": False}, 60.0), ({}, 0.0)])
def test_nothing_is_kept_where_nothing_shall_be(members, ttl_s):
    room = Room(ttl_s=ttl_s)
    assert room.prepare(**members)["store"] is False
    room.keep(json.dumps(ANSWER).encode())
    assert len(room.store) == 0


def test_another_tenants_conversation_is_none():
    room = Room()
    room.prepare()
    room.keep(json.dumps(ANSWER).encode())
    with pytest.raises(NotFound) as refused:
        Room("globex", room.store).prepare(previous_response_id="resp_nf_1")
    assert refused.value.param == "previous_response_id"


@pytest.mark.parametrize("name", ["resp_nf_", "resp_nf_\x00", "resp_nf_a/b", "resp_nf_\ud83d", "resp_nf_" + "a" * 500])
def test_what_cannot_be_an_id_is_not_looked_for(name):
    room = Room()
    room.store.down = True
    with pytest.raises(NotFound):
        room.prepare(previous_response_id=name) if "\ud83d" not in name else asyncio.run(room.kept.get("acme", name, 1.0))


def test_a_conversation_does_not_grow_without_end():
    room = Room()
    room.prepare(input="x" * 900)
    room.keep(json.dumps(ANSWER).encode())
    with pytest.raises(TooLarge, match="begin a new one"):
        Room(store=room.store).prepare(previous_response_id="resp_nf_1")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"input": "\xff"}', b'{"input": ' + b"[" * 5000, b'{"input": [{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}]}"]
)
def test_what_is_no_request_is_refused_before_anybody_is_asked(body):
    with pytest.raises(InvalidRequest):
        asyncio.run(Room().turn.prepare(body))


def test_a_vendors_id_is_not_looked_for():
    assert Room().prepare(previous_response_id="resp_1") == {"model": "m", "input": "x", "previous_response_id": "resp_1"}


def test_an_answer_that_cannot_be_kept_is_an_error_that_says_what_to_do():
    room = Room()
    room.prepare()
    room.store.down = True
    with pytest.raises(Unavailable, match="`store` false"):
        room.keep(json.dumps(ANSWER).encode())


def test_an_error_is_the_next_event_and_says_what_clients_look_for():
    room = Room()
    room.keep(event("response.created", response=ANSWER, sequence_number=0) + event("x", sequence_number=6))
    lines = room.turn.error_event(StreamInterrupted("cut", param="p")).decode().split("\n")
    assert lines[0] == "event: error"
    said = json.loads(lines[1].removeprefix("data: "))
    assert (said["type"], said["sequence_number"]) == ("error", 7)
    for found in (said, said["error"]):
        assert (found["code"], found["message"], found["param"]) == ("stream_interrupted", "cut", "p")
    assert json.loads(Room().turn.error_event(StreamInterrupted("cut")).split(b"data: ")[1])["sequence_number"] == 0
