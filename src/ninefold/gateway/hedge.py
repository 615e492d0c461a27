"""Two attempts at one answer: the second begins where the first is late, and the first to bring content wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TypeVar

from ninefold.domain.errors import NinefoldError
from ninefold.ports.upstream import AttemptFailed

_log = logging.getLogger("ninefold.gateway.hedge")

Got = TypeVar("Got")


class HedgeRefused(Exception):
    """The second attempt never began: there was no money or no record for it."""


async def race(
    first: Coroutine[None, None, Got],
    after_s: float,
    second: Callable[[], Coroutine[None, None, Got] | None],
    drop: Callable[[Got], None],
) -> Got:
    """What the winner brought; the loser has been cancelled and has ended, and what it brought all the same was handed to `drop`.

    `second` is asked once, after `after_s` without content; None means no second attempt. An attempt that fails leaves the race to the
    other. Raises: the last AttemptFailed where both failed; that of a request which is at fault itself, at once.
    """
    running = [asyncio.create_task(first)]
    try:
        done, _ = await asyncio.wait(running, timeout=after_s)
        if not done:
            other = second()
            if other is not None:
                running.append(asyncio.create_task(other))
        won = await _first_content(running)
    except BaseException:
        await _called_off(running, drop)
        raise
    try:
        await _called_off(running, drop)
    except BaseException:
        drop(won)
        raise
    return won


async def _first_content(running: list[asyncio.Task[Got]]) -> Got:
    """`running` keeps those that have not been heard."""
    failure: AttemptFailed | None = None
    while running:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for each in [each for each in running if each.done()]:
            running.remove(each)
            try:
                return each.result()
            except HedgeRefused:
                continue
            except AttemptFailed as error:
                if not error.elsewhere:
                    raise
                failure = error
    assert failure is not None
    raise failure


async def _called_off(running: list[asyncio.Task[Got]], drop: Callable[[Got], None]) -> None:
    if not running:
        return
    for each in running:
        each.cancel()

    def heard(each: asyncio.Task[Got]) -> None:
        if each.cancelled():
            return
        error = each.exception()
        if error is None:
            drop(each.result())
        elif not isinstance(error, AttemptFailed | NinefoldError | HedgeRefused):
            # The request is decided without it; a defect of ours must be seen all the same.
            _log.error("hedge.broken", exc_info=error)

    try:
        await asyncio.wait(running)
    finally:
        for each in running:
            if each.done():
                heard(each)
            else:  # a second cancellation: nobody waits any more for the end that comes all the same
                each.add_done_callback(heard)
