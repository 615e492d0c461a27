import asyncio

import pytest

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.errors import StreamInterrupted, Unavailable
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage
from ninefold.gateway.recording import AHEAD_BYTES, BEHIND_BYTES, Recording

OAI = Deployment(name="oai", provider="openai", base_url="", model="m")
USED = Usage(input_tokens=3, output_tokens=4)


class Source:
    """An upstream's stream that a test feeds."""

    tail = Splice(before=b"{", after=b"}")
    usage = USED
    tool_calls = ()


async def feed(recording, pieces, done):
    try:
        recording.begin(OAI, Source())
        for piece in pieces:
            await recording.add(piece)
            done.append(len(piece))
        recording.end()
    except asyncio.CancelledError:
        done.append("cancelled")
        raise


async def read(reader, pause=None):
    said = []
    await reader.begin()
    while (data := await reader.next()) is not None:
        said.append(data)
        if pause:
            await pause()
    return b"".join(said)


async def turns(count=50):
    for _ in range(count):
        await asyncio.sleep(0)


def test_everybody_gets_everything_each_at_its_own_pace():
    async def scene():
        recording, done = Recording(), []
        leader, follower = recording.join(leads=True), recording.join()
        pieces = [b"%d," % n for n in range(100)]
        recording.run(feed(recording, pieces, done))
        slow = asyncio.create_task(read(follower, pause=turns))
        fast = await read(leader)
        assert recording.joinable
        late = await read(recording.join())
        assert fast == late == await slow == b"".join(pieces)
        assert (leader.usage, follower.usage) == (USED, Usage())
        assert leader.tail == follower.tail == Source.tail
        assert recording.kept().said == fast

    asyncio.run(scene())


def test_a_slow_follower_does_not_slow_the_others_and_the_fastest_sets_the_pace():
    async def scene():
        recording, done = Recording(), []
        leader, follower = recording.join(leads=True), recording.join()
        piece = b"x" * (AHEAD_BYTES // 4)
        recording.run(feed(recording, [piece] * 24, done))
        await leader.begin()
        await turns()
        assert len(done) == 4, "the upstream waits for the first reader to read"
        for read_so_far in range(1, 16):
            assert await leader.next() == piece
            await turns(4)
            assert len(done) == read_so_far + 4
        assert await follower.next() == piece, "the follower has read nothing before, and nothing is lost to it"
        leader.abort()
        follower.abort()

    asyncio.run(scene())


def test_who_is_too_far_behind_hears_so_and_the_leader_goes_on():
    async def scene():
        recording, done = Recording(), []
        leader, follower = recording.join(leads=True), recording.join()
        piece = b"x" * AHEAD_BYTES
        count = BEHIND_BYTES // AHEAD_BYTES + 4
        recording.run(feed(recording, [piece] * count, done))
        assert len(await read(leader)) == count * AHEAD_BYTES
        with pytest.raises(Unavailable, match="so slowly"):
            await follower.next()
        assert not recording.joinable
        assert recording.kept() is None

    asyncio.run(scene())


def test_a_lone_reader_may_take_an_answer_of_any_length():
    async def scene():
        recording, done = Recording(), []
        leader = recording.join(leads=True)
        piece = b"x" * AHEAD_BYTES
        recording.run(feed(recording, [piece] * 40, done))
        assert len(await read(leader)) == 40 * AHEAD_BYTES
        assert recording._kept_bytes <= 6 * AHEAD_BYTES

    asyncio.run(scene())


def test_the_upstream_is_stopped_with_the_last_reader_and_not_before():
    async def scene():
        recording, done = Recording(), []
        leader, follower = recording.join(leads=True), recording.join()
        recording.run(feed(recording, [b"x" * AHEAD_BYTES] * 8, done))
        await leader.begin()
        leader.abort()
        await turns()
        assert "cancelled" not in done
        assert await follower.next() is not None
        follower.abort()
        follower.abort()
        await turns()
        assert done[-1] == "cancelled"
        assert not recording.joinable
        with pytest.raises(StreamInterrupted):
            await follower.next()

    asyncio.run(scene())


def test_a_reader_that_is_stopped_while_it_waits_wakes_up():
    async def scene():
        recording = Recording()
        leader, follower = recording.join(leads=True), recording.join()
        recording.begin(OAI, Source())
        waiting = asyncio.create_task(follower.next())
        await turns(3)
        follower.abort()
        with pytest.raises(StreamInterrupted):
            await waiting
        leader.abort()

    asyncio.run(scene())


def test_an_error_reaches_everybody_behind_what_was_said_and_is_their_own():
    async def scene():
        recording = Recording()
        readers = [recording.join(leads=True), recording.join()]
        recording.begin(OAI, Source())
        await recording.add(b"half")
        recording.fail(StreamInterrupted("it broke", retry_after_s=2))
        heard = []
        for reader in readers:
            assert await reader.next() == b"half"
            with pytest.raises(StreamInterrupted, match="it broke") as caught:
                await reader.next()
            heard.append(caught.value)
        assert heard[0] is not heard[1]
        assert {each.retry_after_s for each in heard} == {2}
        assert not recording.joinable

    asyncio.run(scene())


def test_an_error_before_the_first_content_reaches_those_who_wait_for_it():
    async def scene():
        recording = Recording()
        waiting = [asyncio.create_task(recording.join().begin()) for _ in range(2)]
        await turns(3)
        recording.fail(Unavailable("nobody answered"))
        for each in waiting:
            with pytest.raises(Unavailable, match="nobody answered"):
                await each
        assert recording.alone

    asyncio.run(scene())


def test_a_whole_answer_is_had_once_it_is_paid_and_used_by_its_leader_alone():
    async def scene():
        recording = Recording()
        leader, follower = recording.join(leads=True), recording.join()
        recording.begin(OAI, Whole(body=Splice(before=b"{", after=b"}"), usage=USED))
        waiting = [asyncio.create_task(each.begin()) for each in (leader, follower)]
        await turns(3)
        assert not any(each.done() for each in waiting)
        recording.end()
        (_, first), (_, second) = await asyncio.gather(*waiting)
        assert (first.usage, second.usage) == (USED, Usage())
        assert first.body == second.body

    asyncio.run(scene())
