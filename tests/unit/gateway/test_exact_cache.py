import asyncio

import pytest

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.snapshot import Deployment
from ninefold.gateway.cache import MAX_ENTRY_BYTES, ExactCache, Kept

OAI = Deployment(name="oai", provider="openai", base_url="", model="m")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def kept(size=10, said=None):
    return Kept(deployment=OAI, tail=Splice(before=b"x" * size, after=b"}"), tool_calls=(), content_type="application/json", said=said)


def test_an_answer_stands_for_its_own_time(clock):
    cache = ExactCache(clock)
    cache.put(b"a", kept(), 5.0)
    cache.put(b"b", kept(), 50.0)
    clock.now += 4.999
    assert cache.get(b"a") is not None
    clock.now += 0.001
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None
    assert len(cache) == 1


def test_a_new_answer_takes_the_place_and_the_bytes_of_the_old(clock):
    cache = ExactCache(clock)
    cache.put(b"a", kept(100), 5.0)
    before = cache.size_bytes
    cache.put(b"a", kept(100), 5.0)
    assert cache.size_bytes == before
    cache.put(b"a", kept(MAX_ENTRY_BYTES), 5.0)
    assert (cache.get(b"a"), cache.size_bytes) == (None, 0), "what is too large is not kept, nor is what stood there"


def test_the_one_that_was_not_asked_for_the_longest_goes_first(clock):
    size = kept(1000).size_bytes
    cache = ExactCache(clock, max_bytes=3 * size)
    for key in (b"a", b"b", b"c"):
        cache.put(key, kept(1000), 5.0)
    cache.get(b"a")
    cache.put(b"d", kept(1000), 5.0)
    assert [key for key in (b"a", b"b", b"c", b"d") if cache.get(key) is not None] == [b"a", b"c", b"d"]
    assert cache.size_bytes == 3 * size


def test_a_kept_stream_says_everything_every_time():
    entry = kept(said=b"data: 1\n\ndata: 2\n\n")

    async def told():
        stream = entry.again()
        pieces = []
        while (data := await stream.next()) is not None:
            pieces.append(data)
        return b"".join(pieces), stream.tail.plain(), stream.usage.output_tokens

    assert asyncio.run(told()) == asyncio.run(told()) == (b"data: 1\n\ndata: 2\n\n", b"x" * 10 + b"}", 0)
    assert isinstance(kept().again(), Whole)
