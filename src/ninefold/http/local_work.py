"""Blocking work of local models, done in a few threads so that the event loop stays free; more than fits is refused at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ninefold.domain.chat import ChatRequest, Finished, FinishReason
from ninefold.domain.errors import Unavailable
from ninefold.domain.usage import Usage
from ninefold.http.local_model import LocalModel
from ninefold.http.local_stop import StopFilter
from ninefold.knowledge.answer import Citation

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """More of an answer."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer is complete."""

    finished: Finished
    usage: Usage


class LocalWork:
    """At most `threads` jobs run and `queued` wait; the next is told to come back."""

    def __init__(self, *, threads: int = 2, queued: int = 32) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="local")
        self._room = threads + queued
        self.pending = 0

    def submit(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """The job's result, once a thread has done it. Raises: Unavailable where the queue is full."""
        if self.pending >= self._room:
            raise Unavailable("The local models have more to do than they can; try again soon.", retry_after_s=1)
        self.pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, job)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: asyncio.Future[T]) -> None:
        self.pending -= 1
        if not future.cancelled():
            future.exception()  # whoever waited has seen it; nobody may be left who waits

    async def chat(self, model: LocalModel, request: ChatRequest) -> AsyncGenerator[Said | Ended, None]:
        """The answer as it is said. The model stops soon after the caller has gone."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Said | Ended | None] = asyncio.Queue()
        gone = threading.Event()

        def job() -> None:
            for each in _spoken(model, request, gone, lambda said: _post(loop, queue, said)):
                _post(loop, queue, each)

        future = self.submit(_once_wanted(job, gone))
        future.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (each := await queue.get()) is not None:
                yield each
            await future
        finally:
            gone.set()

    def close(self) -> None:
        """No job is begun any more; those that run are left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _post(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Said | Ended | None], each: Said | Ended) -> None:
    loop.call_soon_threadsafe(queue.put_nowait, each)


def _once_wanted(job: Callable[[], None], gone: threading.Event) -> Callable[[], None]:
    """A job that does nothing if its caller has gone while it waited for a thread."""
    return lambda: None if gone.is_set() else job()


def _spoken(model: LocalModel, request: ChatRequest, gone: threading.Event, post: Callable[[Said], None]) -> tuple[Said | Ended, ...]:
    """What is left to say after everything else was posted: a held-back end of text, and the end."""
    stops = StopFilter(request.sampling.stop)

    def say(text: str, citations: Sequence[Citation] = ()) -> bool:
        shown = stops.feed(text)
        if shown or citations:
            # A quotation that a stop string cut is no quotation any more.
            post(Said(text=shown, citations=tuple(citations) if stops.hit is None else ()))
        return stops.hit is None and not gone.is_set()

    finished, usage = model.answer(request, say)
    rest = stops.flush()
    if stops.hit is not None:
        finished = Finished(reason=FinishReason.STOP_SEQUENCE, stop_sequence=stops.hit)
    end = Ended(finished=finished, usage=usage)
    return (Said(text=rest), end) if rest else (end,)
