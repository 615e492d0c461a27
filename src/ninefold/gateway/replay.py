"""One answer for one idempotency key, however often it is sent and to whichever worker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ninefold.domain.allowance import Holder
from ninefold.domain.answer import Splice, Whole
from ninefold.domain.errors import Conflict, Unavailable
from ninefold.gateway.answer import Answer, Book
from ninefold.gateway.answer_key import idempotency_scope, request_digest
from ninefold.gateway.cache import MAX_ENTRY_BYTES, KeptStream
from ninefold.gateway.parts import Asked
from ninefold.gateway.recording import Recording
from ninefold.ports import answer_store
from ninefold.ports.answer_store import AnswerStore, KeptAnswer, Standing
from ninefold.ports.upstream import Stream

WAIT_S = 5.0
_POLL_S = 0.1
_MARGIN_S = 5.0
_SWEPT = 200
# Where the store is down for long the oldest are left to the end of their own time.
MOST_TO_FREE = 10_000


class StillRunning(Conflict):
    """The first request of this idempotency key has no answer yet: the same request may be sent again."""

    title = "Still being answered"
    retryable = True


class Claim:
    """A key that this worker answers. `recording` is the answer that others of the same key can join, once there is one."""

    __slots__ = ("digest", "holders", "moved", "over", "recording", "scope", "token", "trace_id")

    def __init__(self, scope: str, digest: str, token: str, trace_id: str) -> None:
        self.scope = scope
        self.digest = digest
        self.token = token
        self.trace_id = trace_id
        self.holders = 1
        self.over = False
        self.recording: Recording | None = None
        self.moved = asyncio.Event()

    def answered_by(self, recording: Recording) -> None:
        """Who comes with the same key joins `recording`."""
        self.recording = recording
        self.moved.set()


class Claims:
    """The idempotency keys that this worker answers now, and the way to those of others and of the past."""

    def __init__(self, store: AnswerStore, holder: Holder, wall: Callable[[], float], *, wait_s: float = WAIT_S) -> None:
        self._store = store
        self._holder = holder
        self._wall = wall
        self._wait_s = wait_s
        self._claims: dict[str, Claim] = {}
        self._to_free: deque[Claim] = deque(maxlen=MOST_TO_FREE)
        self.ttl_s = 0.0

    async def take(self, asked: Asked, total_s: float) -> Claim | Standing:
        """The claim, alone or together with others of this worker, or the answer that stands.

        An answer under way elsewhere is waited for, a bounded time. Raises: Conflict where something else was asked under this key, or
        its answer was too large to be kept; StillRunning; Unavailable.
        """
        digest = request_digest(asked.call).hex()
        scope = idempotency_scope(asked.facts.key_id, asked.facts.surface, asked.call.idempotency_key)
        try:
            async with asyncio.timeout(self._wait_s):
                while True:
                    found = await self._try(asked, scope, digest, total_s)
                    if found is not None:
                        return found
        except TimeoutError:
            raise StillRunning("The first request of this idempotency key is still being answered.", retry_after_s=1) from None

    async def _try(self, asked: Asked, scope: str, digest: str, total_s: float) -> Claim | Standing | None:
        ours = self._claims.get(scope)
        if ours is not None:
            _same(ours.digest, digest)
            if ours.recording is not None and ours.recording.joinable:
                ours.holders += 1
                return ours
            await (ours.moved.wait() if ours.recording is None else asyncio.sleep(_POLL_S))
            return None
        claim = self._claims[scope] = Claim(scope, digest, asked.facts.request_id, asked.facts.trace_id)
        try:
            standing = await self._store.claim(self._wish(claim, total_s + _MARGIN_S))
        except BaseException:
            self.leave(claim)
            raise
        if standing is None:
            return claim
        self._drop(claim)
        _same(standing.digest, digest)
        if standing.answer is None:
            await asyncio.sleep(_POLL_S)
            return None
        if standing.answer.body is None:
            raise Conflict(
                f"This was answered in trace {standing.trace_id}, and the answer was larger than the {MAX_ENTRY_BYTES >> 20} MiB that are "
                "kept to be given again: use another idempotency key.",
            )
        return standing

    async def keep(self, claim: Claim, answer: KeptAnswer) -> None:
        """The answer outlives this process. Raises: Unavailable, and then it must not be given."""
        if claim.over:
            return
        kept = await self._store.keep(claim.scope, claim.token, answer, self._wall() + self.ttl_s)
        if not kept and await self._store.claim(self._wish(claim, _MARGIN_S)) is None:  # its time was over, and nobody else came
            kept = await self._store.keep(claim.scope, claim.token, answer, self._wall() + self.ttl_s)
        if not kept:
            raise Unavailable("Another worker answers this idempotency key meanwhile: send the request again.", retry_after_s=1)
        claim.over = True
        self._drop(claim)

    def _wish(self, claim: Claim, for_s: float) -> answer_store.Claim:
        at = self._wall()
        return answer_store.Claim(
            scope=claim.scope,
            digest=claim.digest,
            token=claim.token,
            holder=self._holder,
            trace_id=claim.trace_id,
            at=at,
            until=at + for_s,
        )

    def leave(self, claim: Claim) -> None:
        """One of those who share the claim has gone without an answer; after the last the key is free."""
        claim.holders -= 1
        if claim.holders == 0 and not claim.over:
            self._drop(claim)
            self._to_free.append(claim)

    async def step(self) -> None:
        """Keys that were let go are free for the other workers too, and a few that are void are swept. Raises: Unavailable."""
        while self._to_free:
            claim = self._to_free[0]
            await self._store.free(claim.scope, claim.token)
            if self._to_free[0] is claim:
                self._to_free.popleft()

    async def sweep(self) -> None:
        """A few void rows are gone. Raises: Unavailable."""
        await self._store.sweep(self._wall(), _SWEPT)

    def _drop(self, claim: Claim) -> None:
        if self._claims.get(claim.scope) is claim:
            del self._claims[claim.scope]
        claim.moved.set()


class ClaimedAnswer(Answer):
    """An answer under an idempotency key: it is kept before its last byte leaves, and its key is free where there is no last byte."""

    def __init__(
        self, deployment: str, trace_id: str, book: Book, got: Whole | Stream, first_content_s: float, *, claims: Claims, claim: Claim
    ) -> None:
        self._claims = claims
        self._claim: Claim | None = claim
        self._said: list[bytes] = []
        self._said_bytes = 0
        super().__init__(deployment, trace_id, book, got, first_content_s)

    async def next(self) -> bytes | None:
        """See `Answer`. Raises: Unavailable where the answer could not be kept."""
        try:
            data = await super().next()
            if data is None:
                return None
            self._said_bytes += len(data)
            if self._said_bytes <= MAX_ENTRY_BYTES:
                self._said.append(data)
            if self._ended:
                await self._keep(b"".join(self._said), streamed=True)
        except BaseException:
            self.let_go()
            raise
        return data

    async def keep_whole(self) -> None:
        """The body, which is there at once, is kept. Raises: Unavailable."""
        body = self.body or b""
        self._said_bytes = len(body)
        if self.status < 400:
            await self._keep(body, streamed=False)
        else:
            self.let_go()

    def abandon(self) -> None:
        """See `Answer`."""
        super().abandon()
        self.let_go()

    def let_go(self) -> None:
        """Nothing of this is kept for the key, unless it was already."""
        claim, self._claim = self._claim, None
        if claim is not None:
            self._claims.leave(claim)

    async def _keep(self, body: bytes, *, streamed: bool) -> None:
        claim = self._claim
        if claim is None:
            return
        fits = self._said_bytes <= MAX_ENTRY_BYTES
        kept = KeptAnswer(body=body if fits else None, streamed=streamed, content_type=self.content_type, deployment=self.deployment)
        await self._claims.keep(claim, kept)
        self.let_go()


def again(answer: KeptAnswer) -> Whole | KeptStream:
    """The answer byte for byte, to which nothing is added."""
    sealed = Splice(before=answer.body or b"", after=b"", sealed=True)
    if answer.streamed:
        return KeptStream(b"", sealed, ())
    return Whole(body=sealed, content_type=answer.content_type)


def _same(standing: str, digest: str) -> None:
    if standing != digest:
        raise Conflict("Another request was sent under this idempotency key: use a new key for a new request.", param="idempotency-key")
