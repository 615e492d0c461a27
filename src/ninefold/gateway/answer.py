"""An answer on its way to the caller, settled exactly once however it ends."""

from __future__ import annotations

from collections.abc import Callable

from ninefold.domain.answer import Splice, Whole
from ninefold.domain.chat import ToolCall
from ninefold.domain.cost import CostLine, Outcome
from ninefold.domain.errors import Killed, NinefoldError, Partial
from ninefold.domain.money import usd
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.ports.upstream import Stream

# Books an ended attempt: (usage, outcome, status, tool calls) -> the cost line, the route and the tool envelopes as JSON.
Book = Callable[[Usage, Outcome, str, tuple[ToolCall, ...]], tuple[CostLine, str, str]]


class Answer:
    """Bytes in the caller's protocol: `body` at once for a whole answer, or `next` until None for a stream.

    The cost is in the journal before the final event leaves. `abandon` books what was produced for a caller that has gone; it does
    nothing once the answer has ended.
    """

    # What most answers keep stands here once, not in each of them.
    cost_nanos = 0
    cost_usd = ""
    content_type = "application/json"
    status = 200
    # How it came to be: bypass, miss, exact, coalesced or replay; and the trace in which a replayed answer was made.
    cache = "bypass"
    original_trace_id = ""
    body: bytes | None = None
    usage = NO_USAGE
    _stream: Stream | None = None
    _ended = False
    _killed: str | None = None

    def __init__(self, deployment: str, trace_id: str, book: Book, got: Whole | Stream, first_content_s: float) -> None:
        self.first_content_s = first_content_s
        self.deployment = deployment
        self._trace_id = trace_id
        self._book = book
        if isinstance(got, Whole):
            self.content_type = got.content_type
            self.status = got.status
            outcome = Outcome.COMPLETED if got.status < 400 else Outcome.FAILED
            self.body = self._end(got.usage, outcome, str(got.status), got.tool_calls, got.body)
        else:
            self._stream = got

    @property
    def streams(self) -> bool:
        """Whether the answer comes in pieces."""
        return self._stream is not None

    async def next(self) -> bytes | None:
        """The next whole events, None after the last. Raises: the error that cut the stream short, once everything is booked."""
        stream = self._stream
        if stream is None or self._ended:
            return None
        try:
            data = await stream.next()
            if self._killed is not None:  # what is there already must not leave either
                raise Killed(self._killed)
        except NinefoldError as error:
            cause = error if self._killed is None else Killed(self._killed)
            outcome = Outcome.CUT_SHORT if self._killed is None else Outcome.CANCELLED
            self._end(stream.usage, outcome, cause.code, stream.tool_calls, None)
            cause.partial = Partial(usage=self.usage)  # the text itself has left already
            raise cause from error
        if data is not None:
            return data
        return self._end(stream.usage, Outcome.COMPLETED, "200", stream.tool_calls, stream.tail)

    def kill(self, detail: str) -> None:
        """The upstream is stopped; the caller of `next` gets a Killed error."""
        if self._stream is not None and not self._ended:
            self._killed = detail
            self._stream.abort()

    def abandon(self) -> None:
        """The caller has gone: the upstream is stopped at once and what was produced is booked."""
        if self._stream is not None and not self._ended:
            self._stream.abort()
            self._end(self._stream.usage, Outcome.CANCELLED, "client_closed", self._stream.tool_calls, None)

    def _end(self, usage: Usage, outcome: Outcome, status: str, calls: tuple[ToolCall, ...], tail: Splice | None) -> bytes:
        self._ended = True
        line, route, envelopes = self._book(usage, outcome, status, calls)
        self.cost_nanos = line.cost_nanos
        self.cost_usd = usd(line.cost_nanos)
        self.usage = line.usage
        if tail is None:
            return b""
        if self.content_type != "application/json":
            return tail.plain()
        member = (
            f'"ninefold":{{"cost_usd":{self.cost_usd},"trace_id":"{self._trace_id}","deployment":"{self.deployment}","route":{route}'
        ).encode()
        if calls:
            member += b',"tool_calls":' + envelopes.encode()
        return tail.with_member(member + b"}")
