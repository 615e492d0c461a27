# ruff: noqa: E501 - events read best whole
"""Laws of `Upstream` and its streams, over real sockets, with a vendor that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from ninefold.adapters.http1.client import Http1Client
from ninefold.adapters.vendor_http.upstream import HttpUpstream
from ninefold.domain.answer import Splice, Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import DeadlineExceeded, StreamInterrupted, Unavailable, Unsupported, UpstreamRejected
from ninefold.domain.snapshot import Deployment, SecretRef
from ninefold.ports.http_client import Deadlines
from ninefold.ports.upstream import AttemptFailed, AttemptLimits, Stream
from ninefold.wire.dialects.anthropic import AnthropicDialect
from ninefold.wire.dialects.dialect import Outbound
from ninefold.wire.dialects.openai import OpenAiDialect

from .http_client.scripted import Peer, Script, Server, scripted

PATIENT = Deadlines(connect_s=20, first_byte_s=20, idle_s=20, total_s=40)
BODY = b'{"model":"fast","messages":[{"role":"user","content":"hello"}],"stream":true}'
CALL = ModelCall(
    operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=BODY, stream=True, include_usage=True, traceparent="00-ab-cd-01"
)
WHOLE = replace(CALL, body=BODY.replace(b',"stream":true', b""), stream=False)
MESSAGE_BODY = b'{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hello"}],"stream":true}'
MESSAGE = replace(CALL, wire=Wire.ANTHROPIC, body=MESSAGE_BODY, max_output_tokens=9)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
COMMENT = b": working on it\n\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini-2025", "choices": [choice]}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


OPENING = chunk({"role": "assistant", "content": ""})
WORDS = [chunk({"content": "You "}), chunk({"content": "said"})]
END = [chunk({}, "stop"), b"data: [DONE]\n\n"]
BEGUN = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m1","model":"claude-x","usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"You"}}\n\n'
)
ANSWER = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini-2025",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}  # fmt: skip


def sized(*parts: bytes) -> list[bytes]:
    """Pieces of a chunked body."""
    return [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]


def document(status: str, body: object, *lines: str) -> bytes:
    raw = json.dumps(body).encode()
    head = "".join(
        f"{line}\r\n" for line in (f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(raw)}", *lines)
    )
    return head.encode() + b"\r\n" + raw


class Place:
    """A deployment at the scripted server, and what asks it."""

    def __init__(self, server: Server, client: Http1Client, **more: Any) -> None:
        dialects = {"openai": OpenAiDialect(), "anthropic": AnthropicDialect()} | more.pop("dialects", {})
        base = f"http://{server.origin.host}:{server.origin.port}"
        self.deployment = Deployment(**({"name": "d", "provider": "openai", "base_url": base + "/v1", "model": "gpt-5-mini"} | more))
        self.upstream = HttpUpstream(client, dialects, lambda reference: reference.where, wall=lambda: 1_760_000_000.0)

    async def open(self, call: ModelCall = CALL, deadlines: Deadlines = PATIENT, answer_model: str | None = None) -> Whole | Stream:
        limits = AttemptLimits(deadlines=deadlines, max_output_tokens=100, answer_model=answer_model)
        return await self.upstream.open(self.deployment, call, limits)

    async def stream(self, call: ModelCall = CALL, deadlines: Deadlines = PATIENT) -> Stream:
        got = await self.open(call, deadlines)
        assert not isinstance(got, Whole)
        return got

    async def failed(self, call: ModelCall = CALL, deadlines: Deadlines = PATIENT) -> AttemptFailed:
        with pytest.raises(AttemptFailed) as failure:
            await self.open(call, deadlines)
        return failure.value


def at(script: Script, body: Any, **more: Any) -> None:
    """Runs `body(place, server)` against `script`."""

    async def play() -> None:
        async with scripted(script) as server:
            client = Http1Client()
            try:
                await body(Place(server, client, **more), server)
            finally:
                await client.close()

    uvloop.run(play())


def saying(*parts: bytes, then: bytes = b"", every_s: float = 0.0) -> Script:
    """Answers with the parts, then with `then` again and again until the caller has gone (with nothing, if it is empty)."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(*parts)
        while then:
            await peer.say(then, pause_s=every_s)
        await peer.gone()

    return script


async def all_of(stream: Stream) -> bytes:
    out = b""
    while (data := await stream.next()) is not None:
        assert data.endswith(b"\n\n")
        out += data
    return out + stream.tail.plain()


def test_a_stream_begins_with_its_first_content():
    released = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD, *sized(COMMENT, OPENING))
        await released.wait()
        await peer.say(*sized(*WORDS, *END), b"0\r\n\r\n")

    async def body(place: Place, _: Server) -> None:
        opening = asyncio.create_task(place.stream())
        done, _pending = await asyncio.wait([opening], timeout=0.1)
        assert not done
        released.set()
        out = await all_of(await opening)
        assert b'"content":"said"' in out
        assert out.endswith(b"data: [DONE]\n\n")
        assert b'"model":"fast"' in out
        assert b"gpt-5-mini" not in out

    at(script, body)


@pytest.mark.parametrize(
    "script",
    [
        saying(),
        saying(HEAD),
        saying(HEAD, then=sized(COMMENT)[0]),
        saying(HEAD, *sized(OPENING), then=sized(OPENING)[0]),
        saying(b"HTTP/1.1 200 OK\r\n", then=b"x-more: 1\r\n", every_s=0.02),
        saying(b"HTTP/1.1 200 OK\r\nx-long: ", then=b"a", every_s=0.02),
        saying(then=b"HTTP/1.1 102 Processing\r\n\r\n", every_s=0.02),
    ],
    ids=["nothing", "head", "comments", "openings", "header-lines", "dribbled-head", "informational"],
)
@pytest.mark.parametrize("limit", [{"first_byte_s": 0.3}, {"total_s": 0.3}], ids=["first", "total"])
def test_no_first_token(script, limit):
    async def body(place: Place, _: Server) -> None:
        failure = await place.failed(deadlines=replace(PATIENT, **limit))
        assert isinstance(failure.error, DeadlineExceeded)
        assert failure.elsewhere
        assert failure.usage.input_tokens > 0
        assert failure.usage.estimated

    at(script, body)


def test_pings_are_no_first_token_in_messages():
    async def body(place: Place, _: Server) -> None:
        failure = await place.failed(MESSAGE, replace(PATIENT, first_byte_s=0.3))
        assert isinstance(failure.error, DeadlineExceeded)

    at(saying(HEAD, then=sized(PING)[0]), body, provider="anthropic")


@pytest.mark.parametrize("limit", [{"idle_s": 0.3}, {"total_s": 0.6}], ids=["idle", "total"])
@pytest.mark.parametrize("then", [b"", sized(COMMENT)[0]], ids=["silence", "comments"])
def test_silence_after_the_first_content(then, limit):
    async def body(place: Place, _: Server) -> None:
        stream = await place.stream(deadlines=replace(PATIENT, **limit))
        with pytest.raises(DeadlineExceeded):
            await all_of(stream)
        assert stream.usage.output_tokens >= 2

    at(saying(HEAD, *sized(OPENING, *WORDS), then=then), body)


def test_pings_after_the_first_content_reach_the_caller_and_still_run_out():
    seen: list[bytes] = []

    async def listen(stream: Stream) -> None:
        while (data := await stream.next()) is not None:
            seen.append(data)

    async def body(place: Place, _: Server) -> None:
        stream = await place.stream(MESSAGE, replace(PATIENT, idle_s=0.4))
        with pytest.raises(DeadlineExceeded):
            await listen(stream)

    at(saying(HEAD, *sized(BEGUN), then=sized(PING)[0]), body, provider="anthropic")
    assert any(PING in data for data in seen)


def test_a_slow_caller_does_not_use_up_the_idle_time():
    async def body(place: Place, _: Server) -> None:
        stream = await place.stream(deadlines=replace(PATIENT, idle_s=0.3))
        await asyncio.sleep(0.5)
        assert (await all_of(stream)).endswith(b"[DONE]\n\n")

    at(saying(HEAD, *sized(OPENING, *WORDS, *END), b"0\r\n\r\n"), body)


def test_content_that_trickles_is_no_silence():
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD, *sized(OPENING, *(chunk({"content": f"w{i} "}) for i in range(8)), *END), b"0\r\n\r\n", pause_s=0.15)

    async def body(place: Place, _: Server) -> None:
        out = await all_of(await place.stream(deadlines=replace(PATIENT, idle_s=0.6)))
        assert b"w7" in out

    at(script, body)


@pytest.mark.parametrize("call", [WHOLE, CALL], ids=["whole", "stream"])
def test_a_body_that_never_ends_is_cut_by_the_total_deadline(call):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"
    dribble = saying(head, then=b" ") if call is WHOLE else saying(HEAD, then=sized(b"data: ")[0])

    async def body(place: Place, _: Server) -> None:
        failure = await place.failed(call, replace(PATIENT, total_s=0.4))
        assert isinstance(failure.error, DeadlineExceeded)

    at(dribble, body)


@pytest.mark.parametrize("kept", range(3))
def test_a_stream_that_breaks_is_never_a_clean_end(kept):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD, *sized(OPENING, *WORDS[:kept]))
        await asyncio.sleep(0.05)
        peer.reset()

    async def body(place: Place, _: Server) -> None:
        if kept == 0:
            failure = await place.failed()
            assert isinstance(failure.error, Unavailable)
            return
        with pytest.raises(StreamInterrupted):
            await all_of(await place.stream())

    at(script, body)


def test_a_stream_that_ends_too_early_was_interrupted():
    async def body(place: Place, _: Server) -> None:
        with pytest.raises(StreamInterrupted):
            await all_of(await place.stream())

    at(saying(HEAD, *sized(OPENING, *WORDS), b"0\r\n\r\n"), body)


def test_what_the_vendor_cannot_express_is_refused_before_a_connection_is_opened():
    asked = replace(CALL, body=BODY.replace(b'"stream"', b'"logit_bias":{"1":2},"stream"'))

    async def body(place: Place, server: Server) -> None:
        failure = await place.failed(asked)
        assert isinstance(failure.error, Unsupported)
        assert failure.error.param == "logit_bias"
        assert server.opened == 0

    at(saying(), body, provider="anthropic")


def test_a_stream_in_another_media_type_is_refused():
    async def body(place: Place, _: Server) -> None:
        assert isinstance((await place.failed()).error, UpstreamRejected)

    at(saying(document("200 OK", ANSWER)), body)


def test_the_answer_has_the_name_it_was_given():
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(document("200 OK", ANSWER))

    async def body(place: Place, _: Server) -> None:
        for name, expected in ((None, "fast"), ("gpt-5-mini", "gpt-5-mini")):
            got = await place.open(WHOLE, answer_model=name)
            assert isinstance(got, Whole)
            assert json.loads(got.body.plain())["model"] == expected

    at(script, body)


class _Uploads(OpenAiDialect):
    """A dialect whose requests are no JSON, and whose answers are neither."""

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        return Outbound(
            target=b"/audio?x=1", body=b"--b", method=b"PUT", content_type=b"multipart/form-data; boundary=b", headers=b"x-own: 1\r\n"
        )

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        return Whole(body=Splice(before=body, after=b""), content_type="application/octet-stream")


def test_method_and_content_type_are_the_dialects():
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        head, body = await peer.request()
        heads.append(head.lower())
        assert body == b"--b"
        await peer.say(b"HTTP/1.1 201 Created\r\ncontent-type: audio/mpeg\r\ncontent-length: 3\r\n\r\nmp3")

    async def body(place: Place, _: Server) -> None:
        got = await place.open(WHOLE)
        assert isinstance(got, Whole)
        assert (got.content_type, got.body.plain()) == ("audio/mpeg", b"mp3")

    at(script, body, dialects={"openai": _Uploads()})
    assert heads[0].startswith(b"put /v1/audio?x=1 http/1.1")
    assert heads[0].count(b"content-type:") == 1
    assert b"content-type: multipart/form-data; boundary=b\r\n" in heads[0]


KEYS = tuple(SecretRef(kind="env", where=name) for name in ("one", "two", "three"))


class Doorman:
    """A vendor that answers each key as it is told: a status line's number, with a `Retry-After` where one is given."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def script(self, peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head, _ = await peer.request()
                key = head.lower().partition(b"authorization: bearer ")[2].partition(b"\r\n")[0].decode()
                self.asked.append(key)
                status, wait = self.answers.get(key, (200, ""))
                error = {"error": {"message": "no", "code": "insufficient_quota" if wait == "broke" else None}}
                lines = [f"retry-after: {wait}"] if wait.isdigit() else []
                await peer.say(document("200 OK", ANSWER) if status == 200 else document(f"{status} No", error, *lines))


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_a_key_that_is_refused_rests_and_the_next_one_is_asked(status):
    vendor = Doorman(one=(status, ""))

    async def body(place: Place, _: Server) -> None:
        failure = await place.failed(WHOLE)
        assert failure.other_key
        assert failure.elsewhere
        await place.open(WHOLE)
        await place.open(WHOLE)
        assert vendor.asked == ["one", "two", "two"]
        vendor.answers.clear()
        place.upstream.refresh()
        await place.open(WHOLE)
        assert vendor.asked[-1] == "one"

    at(vendor.script, body, api_key=KEYS[0], api_keys=KEYS)


def test_the_last_key_has_no_other():
    vendor = Doorman(one=(401, ""), two=(429, ""), three=(429, "broke"))

    async def body(place: Place, _: Server) -> None:
        said = [(await place.failed(WHOLE)).other_key for _ in range(3)]
        assert said == [True, True, False]
        assert vendor.asked == ["one", "two", "three"]
        # All rest: the one that was merely limited is the first to be tried again, rather than nobody.
        assert not (await place.failed(WHOLE)).other_key
        assert vendor.asked[-1] == "two"

    at(vendor.script, body, api_key=KEYS[0], api_keys=KEYS)


def test_a_limited_key_comes_back_when_its_vendor_said_so():
    vendor = Doorman(one=(429, "0"))

    async def body(place: Place, _: Server) -> None:
        assert (await place.failed(WHOLE)).other_key
        assert (await place.failed(WHOLE)).other_key
        assert vendor.asked == ["one", "one"]

    at(vendor.script, body, api_key=KEYS[0], api_keys=KEYS)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_what_is_not_about_the_key_lets_it_stand(status):
    vendor = Doorman(one=(status, ""))

    async def body(place: Place, _: Server) -> None:
        assert not (await place.failed(WHOLE)).other_key
        assert not (await place.failed(WHOLE)).other_key
        assert vendor.asked == ["one", "one"]

    at(vendor.script, body, api_key=KEYS[0], api_keys=KEYS)


def test_a_single_key_has_no_other():
    vendor = Doorman(one=(401, ""))

    async def body(place: Place, _: Server) -> None:
        assert not (await place.failed(WHOLE)).other_key

    at(vendor.script, body, api_key=KEYS[0], api_keys=KEYS[:1])


def test_a_rate_limit_inside_a_stream_rests_its_key():
    asked: list[bytes] = []
    error = b'data: {"error":{"message":"slow down","type":"rate_limit_error"}}\n\n'

    async def script(peer: Peer) -> None:
        head, _ = await peer.request()
        asked.append(head.lower().partition(b"authorization: bearer ")[2].partition(b"\r\n")[0])
        parts = sized(OPENING, error) if asked[-1] == b"one" else sized(OPENING, *WORDS, *END)
        await peer.say(HEAD, *parts, b"0\r\n\r\n")

    async def body(place: Place, _: Server) -> None:
        assert (await place.failed()).other_key
        await all_of(await place.stream())
        assert asked == [b"one", b"two"]

    at(script, body, api_key=KEYS[0], api_keys=KEYS)
