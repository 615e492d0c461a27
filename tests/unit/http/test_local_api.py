from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.domain.chat import ChatRequest, Finished, FinishReason
from ninefold.domain.errors import TooLarge, Unavailable
from ninefold.domain.usage import Usage
from ninefold.http.local_model import LocalModel, ReaderModel, Say, count_tokens
from ninefold.http.local_openai import LocalApi, LocalModels, with_annotations
from ninefold.http.local_stop import StopFilter
from ninefold.http.local_work import LocalWork
from ninefold.knowledge.answer import Citation

CITATION = Citation(number=1, source="a", start=0, end=3, text="abc")


class Told:
    """An exchange that remembers what it was told."""

    def __init__(self, path: str, body: object, method: str = "POST") -> None:
        self.method = method
        self.path = path
        self.query = ""
        self.headers: Mapping[str, str] = {}
        self.peer = ""
        self.status = 0
        self.lines = b""
        self.sent = b""
        self.finished = False
        self._body = json.dumps(body).encode()

    async def body(self, max_bytes: int) -> bytes:
        if len(self._body) > max_bytes:
            raise TooLarge("too large")
        return self._body

    def reply(self, status: int, headers: bytes, body: bytes) -> None:
        self.start(status, headers)
        self.sent = body
        self.finished = True

    def start(self, status: int, headers: bytes) -> None:
        assert not self.status, "a reply is begun once"
        self.status, self.lines = status, headers

    async def write(self, data: bytes) -> None:
        self.sent += data

    def finish(self) -> None:
        self.finished = True

    def abort(self) -> None:
        self.finished = True


class Fake:
    """A model that does what the test wants of it."""

    quotes = False

    def __init__(self, *pieces: str, fails: Exception | None = None, gate: threading.Event | None = None) -> None:
        self.pieces = pieces
        self.fails = fails
        self.gate = gate
        self.began = threading.Event()
        self.stopped = threading.Event()

    def answer(self, request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
        self.began.set()
        if self.gate is not None:
            self.gate.wait(10)
        for piece in self.pieces:
            if not say(piece, (CITATION,) if piece == "abc" else ()):
                self.stopped.set()
                break
        if self.fails is not None:
            raise self.fails
        return Finished(reason=FinishReason.STOP), Usage(input_tokens=3, output_tokens=len(self.pieces))


def api(model: LocalModel, work: LocalWork) -> LocalApi:
    models = LocalModels(find=lambda name: model if name == "fake" else None, names=lambda: ["fake"], embedder=None)
    return LocalApi(models, work, wall=lambda: 1.5, new_id=lambda: "x")


def body(**members: object) -> dict[str, object]:
    return {"model": "fake", "messages": [{"role": "user", "content": "hi"}]} | members


def handled(model: LocalModel, **members: object) -> Told:
    async def run() -> Told:
        work = LocalWork()
        exchange = Told("/v1/chat/completions", body(**members))
        await api(model, work).handle(exchange)
        work.close()
        return exchange

    return asyncio.run(run())


def test_a_failure_before_the_first_text_has_its_own_status() -> None:
    for stream in (False, True):
        told = handled(Fake(fails=Unavailable("no model", retry_after_s=2)), stream=stream)
        assert told.status == 503
        assert b"retry-after: 2" in told.lines
        assert json.loads(told.sent)["error"]["message"] == "no model"


def test_a_failure_in_mid_stream_is_an_event_and_never_a_clean_end() -> None:
    told = handled(Fake("one ", fails=Unavailable("the model fell over")), stream=True)
    assert told.status == 200
    assert told.finished
    assert b'"content":"one "' in told.sent
    assert b"the model fell over" in told.sent
    assert b"[DONE]" not in told.sent
    assert b'"finish_reason":"stop"' not in told.sent


def test_a_defect_is_opaque() -> None:
    told = handled(Fake(fails=ZeroDivisionError("secret detail")))
    assert told.status == 500
    assert b"secret detail" not in told.sent


def test_annotations_travel_with_the_text_they_belong_to() -> None:
    told = handled(Fake("x", "abc"), stream=True)
    chunks = [json.loads(line[6:]) for line in told.sent.decode().split("\n\n") if line.startswith("data: {")]
    (delta,) = [chunk["choices"][0]["delta"] for chunk in chunks if "annotations" in chunk["choices"][0]["delta"]]
    assert delta == {"content": "abc", "annotations": [{"type": "citation", "source": "a", "start": 0, "end": 3, "text": "abc"}]}


def test_text_that_looks_like_the_end_of_a_chunk_is_left_alone() -> None:
    text = '},"logprobs":null,"finish_reason":null}]'
    told = handled(Fake(text), stream=True)
    event = next(line for line in told.sent.split(b"\n\n") if b"logprobs" in line and b"content" in line and b'""' not in line)
    found: dict[str, Any] = json.loads(with_annotations(event, (CITATION,))[6:])
    assert found["choices"][0]["delta"]["content"] == text
    assert found["choices"][0]["delta"]["annotations"][0]["text"] == "abc"


def test_a_caller_who_leaves_stops_the_model() -> None:
    async def run() -> Fake:
        work = LocalWork(threads=1)
        model = Fake(*["word "] * 1000, gate=threading.Event())
        serving = asyncio.create_task(api(model, work).handle(Told("/v1/chat/completions", body(stream=True))))
        await asyncio.to_thread(model.began.wait, 10)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert model.gate is not None
        model.gate.set()
        assert await asyncio.to_thread(model.stopped.wait, 10)
        while work.pending:
            await asyncio.sleep(0.01)
        work.close()
        return model

    asyncio.run(run())


def test_what_does_not_fit_into_the_queue_is_told_to_come_back() -> None:
    async def run() -> None:
        work = LocalWork(threads=1, queued=1)
        gate = threading.Event()
        model = Fake("x", gate=gate)
        surface = api(model, work)
        running = [asyncio.create_task(surface.handle(Told("/v1/chat/completions", body()))) for _ in range(2)]
        while work.pending < 2:
            await asyncio.sleep(0.01)
        refused = Told("/v1/chat/completions", body())
        await surface.handle(refused)
        assert refused.status == 503
        assert b"retry-after: 1" in refused.lines
        gate.set()
        await asyncio.gather(*running)
        again = Told("/v1/chat/completions", body())
        await surface.handle(again)
        assert again.status == 200
        work.close()

    asyncio.run(run())


def test_without_the_embedding_model_embeddings_are_unavailable_and_unlisted() -> None:
    async def run() -> None:
        work = LocalWork()
        surface = api(Fake(), work)
        listed = Told("/v1/models", None, "GET")
        await surface.handle(listed)
        assert [each["id"] for each in json.loads(listed.sent)["data"]] == ["fake"]
        refused = Told("/v1/embeddings", {"model": "embed", "input": "x"})
        await surface.handle(refused)
        assert refused.status == 503
        work.close()

    asyncio.run(run())


class BrokenEmbedder:
    """An embedder whose model cannot be loaded."""

    model_id = "broken"
    dimensions = 384

    def embed(self, texts: object) -> Any:
        raise Unavailable("not built")

    def count_tokens(self, texts: object) -> int:
        raise Unavailable("not built")


def test_the_reader_goes_on_by_words_when_the_embedder_is_out_of_order() -> None:
    model = ReaderModel(BrokenEmbedder(), len)
    told = handled(model, messages=[{"role": "system", "content": "The fee is 8 EUR."}, {"role": "user", "content": "What is the fee?"}])
    message = json.loads(told.sent)["choices"][0]["message"]
    assert message["annotations"][0]["text"] == "The fee is 8 EUR."


def test_long_texts_are_counted_by_their_beginning() -> None:
    assert count_tokens("ab " * 10, lambda text: len(text.split())) == 10
    assert count_tokens("ab " * 100_000, lambda text: len(text.split())) == pytest.approx(100_000, rel=0.001)


@given(st.lists(st.text("abx", max_size=5)), st.lists(st.text("ab", max_size=3), max_size=3))
def test_stop_strings_cut_the_same_however_the_text_comes_in_pieces(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    wanted = [whole.find(stop) for stop in stops if stop and stop in whole]
    stopping = StopFilter(tuple(stops))
    shown = "".join(stopping.feed(piece) for piece in pieces) + stopping.flush()
    if wanted:
        # A longer stop string that began earlier may be completed only after a shorter one inside it was found.
        assert stopping.hit is not None
        assert whole.startswith(shown + stopping.hit)
        assert min(wanted) <= len(shown)
        assert not any(stop and stop in shown for stop in stops)
    else:
        assert (shown, stopping.hit) == (whole, None)
