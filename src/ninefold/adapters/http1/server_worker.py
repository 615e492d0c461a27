"""The tasks that handlers run in."""

from __future__ import annotations

import asyncio

from ninefold.adapters.http1.server_exchange import ServerExchange
from ninefold.adapters.http1.server_state import ServerState

# As many tasks as this wait for their next exchange; further ones end with theirs.
_AT_REST = 256


def start(state: ServerState, exchange: ServerExchange) -> None:
    """The exchange's handler runs from the loop's next turn on, in a task that handles nothing else meanwhile.

    A task that is at rest is woken before one is made: making, registering and burying one costs 5 us, waking one 1 us. Tasks belong to
    no connection, so that a handler that goes on after its reply does not hold up the next request and an idle connection costs no task.
    Stepping the coroutine by hand would be cheaper still, but then `asyncio.timeout` finds no current task.
    """
    at_rest = state.at_rest
    while at_rest:
        waiter = at_rest.pop()
        if not waiter.done():
            waiter.set_result(exchange)
            return
    state.running.add(state.loop.create_task(_work(state, exchange), name="exchange"))


async def _work(state: ServerState, first: ServerExchange) -> None:
    """Exchanges are handled until one was cancelled: what was asked of a task for one client must not reach the next."""
    task = asyncio.current_task()
    assert task is not None
    running, at_rest = state.running, state.at_rest
    exchange: ServerExchange | None = first
    del first
    while exchange is not None:
        running.add(task)
        try:
            await exchange.run(state, task)
        finally:
            exchange = None  # its body is not kept while the task rests
            running.discard(task)
            if not running:
                state.left()
        if not state.draining and not task.cancelling() and len(at_rest) < _AT_REST:
            waiter: asyncio.Future[ServerExchange] = state.loop.create_future()
            at_rest.append(waiter)
            exchange = await waiter
