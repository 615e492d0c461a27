"""Streams that are kept back until their deployment has finished them."""

import asyncio
from dataclasses import replace

import pytest
from tests.unit.gateway.scripted import Act, Scene, ScriptedStream, chunk, model, texts

from ninefold.domain.errors import DeadlineExceeded, InvalidRequest, StreamInterrupted, Unavailable, UpstreamRejected
from ninefold.domain.snapshot import BreakerRules, Retries
from ninefold.gateway import held
from ninefold.gateway.held import HeldStream

CUT = Act(breaks_at=2, breaks_with=StreamInterrupted("cut"))


def broken(error):
    return Act(breaks_at=2, breaks_with=error)


@pytest.mark.parametrize(
    "error",
    [StreamInterrupted("cut"), DeadlineExceeded("silent"), UpstreamRejected("rubbish"), Unavailable("overloaded")],
    ids=lambda e: e.code,
)
def test_a_stream_that_breaks_unseen_is_had_from_the_next_deployment(error):
    async def work():
        scene = Scene(model("a", "b", commit="complete"), {"a": [broken(error)]})
        won = await scene.run(stream=True)
        assert (won.deployment.name, won.attempts, await texts(won)) == ("b", 2, "one two three")
        assert scene.settled() == {"r1.1": ("cut_short", 10, 2)}
        assert scene.health().in_flight.get("a", 0) == 0

    asyncio.run(work())


def test_without_it_a_stream_is_passed_on_and_never_replaced():
    async def work():
        scene = Scene(model("a", "b"), {"a": [CUT]})
        won = await scene.run(stream=True)
        with pytest.raises(StreamInterrupted):
            await texts(won)
        assert scene.asked == ["a"]

    asyncio.run(work())


def test_nothing_leaves_before_the_last_word_and_then_the_pieces_as_they_came():
    async def work():
        scene = Scene(model("a", commit="complete"), {"a": [Act(pace_s=0.005)]})
        won = await scene.run(stream=True)
        stream = won.got
        assert stream.usage.output_tokens == 3
        assert [await stream.next() for _ in range(4)] == [chunk("one "), chunk("two "), chunk("three"), None]
        assert stream.tail.plain() == b"{}"

    asyncio.run(work())


def test_where_nobody_finishes_the_error_tells_the_text_so_far_and_its_usage():
    async def work():
        scene = Scene(model("a", commit="complete", retries=Retries(max_attempts=2)), {"a": [CUT]})
        with pytest.raises(StreamInterrupted) as caught:
            await scene.run(stream=True)
        partial = caught.value.partial
        assert (partial.text, partial.usage.output_tokens) == ("one two ", 2)
        assert "2 attempts" in caught.value.detail

    asyncio.run(work())


def test_what_the_request_is_to_blame_for_is_not_tried_again():
    async def work():
        scene = Scene(model("a", "b", commit="complete"), {"a": [broken(InvalidRequest("never"))]})
        with pytest.raises(InvalidRequest):
            await scene.run(stream=True)
        assert scene.asked == ["a"]
        assert scene.settled()["r1.1"][0] == "cut_short"

    asyncio.run(work())


def test_a_caller_who_leaves_while_it_is_held_stops_the_upstream_and_pays_for_what_there_was():
    async def work():
        scene = Scene(model("a", "b", commit="complete"), {"a": [Act(pace_s=0.05, breaks_at=2)]})
        running = asyncio.create_task(scene.run(stream=True))
        await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert scene.upstream.openings[0].stream.aborted
        assert scene.settled() == {"r1.1": ("cancelled", 10, 1)}
        assert scene.health().in_flight.get("a", 0) == 0

    asyncio.run(work())


def test_an_answer_longer_than_what_is_kept_back_is_a_typed_error(monkeypatch):
    monkeypatch.setattr(held, "MAX_HELD_BYTES", len(chunk("one ")) + 1)

    async def work():
        scene = Scene(model("a", "b", commit="complete"))
        with pytest.raises(UpstreamRejected, match="held back"):
            await scene.run(stream=True)
        assert scene.upstream.openings[0].stream.aborted
        assert (scene.asked, scene.settled()["r1.1"][0]) == (["a"], "cut_short")

    asyncio.run(work())


def test_exactly_as_much_as_is_kept_back_is_no_error(monkeypatch):
    monkeypatch.setattr(held, "MAX_HELD_BYTES", sum(len(chunk(word)) for word in ("one ", "two ", "three")))

    async def work():
        assert await texts(await Scene(model("a", commit="complete")).run(stream=True)) == "one two three"

    asyncio.run(work())


def test_a_held_stream_that_is_stopped_says_so():
    async def work():
        stream = HeldStream(ScriptedStream(Act()))
        await stream.fill()
        await stream.next()
        stream.abort()
        with pytest.raises(StreamInterrupted):
            await stream.next()

    asyncio.run(work())


def test_failures_while_it_is_held_open_the_breaker():
    async def work():
        scene = Scene(model("a", commit="complete", retries=Retries(max_attempts=1)), {"a": [CUT]})
        for _ in range(5):
            with pytest.raises(StreamInterrupted):
                await scene.run(stream=True)
        assert scene.health().open == {"a"}

    asyncio.run(work())


def test_first_words_do_not_make_up_for_a_stream_that_breaks():
    async def work():
        rules = BreakerRules(failures_in_a_row=2, min_attempts=1000)
        scene = Scene(model("a", commit="complete", retries=Retries(max_attempts=1)), {"a": [CUT]})
        scene.deployments = (replace(scene.deployments[0], breaker=rules),)
        for _ in range(2):
            with pytest.raises(StreamInterrupted):
                await scene.run(stream=True)
        assert scene.health().open == {"a"}

    asyncio.run(work())
