"""Turns the journals of one machine into the ledger, and settles the leases of workers that died."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import msgspec

from ninefold.domain.allowance import Holder, WorkerState
from ninefold.finops.projection import Joined, bury, join, load_state, save_state
from ninefold.finops.records import record_decoder
from ninefold.ports.journal import JournalFolder, Piece, PieceEnd, Segment
from ninefold.ports.lease_store import LeaseStore
from ninefold.ports.ledger import Booking, Cursor, Ledger, LedgerLine

_PIECE_BYTES = 256 * 1024
# After each piece the store is left alone for this share of the time it took: the projector can wait, a request that needs a lease
# cannot, and SQLite's writers are not served in the order in which they came.
_REST_SHARE = 0.5
_LONGEST_REST_S = 0.1
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """The journals read from the beginning, against the ledger: lines that are right, missing there, or different."""

    lines: int
    missing: tuple[LedgerLine, ...]
    different: tuple[LedgerLine, ...]


class Projector:
    """Call `step` every few hundred milliseconds, from one process of each machine.

    It may be killed at any moment: rows and cursor move together, and settling a dead worker's leases may be repeated.
    `is_mine` tells this machine's workers by name: another machine's lock files are not here, so nobody here can prove a death there.
    `may_delete` is asked before an old segment goes: who else reads the journals may not have read it yet.
    `unreadable` names the journals that are damaged, and why; what they have leased stays charged, in suspense.
    """

    def __init__(
        self,
        journals: JournalFolder,
        ledger: Ledger,
        leases: LeaseStore,
        *,
        wall: Callable[[], float],
        keep_s: float = 7 * 86_400,
        is_mine: Callable[[str], bool] = lambda _: True,
        may_delete: Callable[[Segment], bool] = lambda _: True,
    ) -> None:
        self._is_mine = is_mine
        self._may_delete = may_delete
        self.unreadable: dict[_Key, str] = {}
        self._journals, self._ledger, self._leases = journals, ledger, leases
        self._suspended: set[_Key] = set()
        self._wall = wall
        self._keep_s = keep_s
        self._decode = record_decoder().decode
        self._cursors: dict[_Key, Cursor] | None = None

    async def step(self) -> int:
        """Everything committed so far is in the ledger, and workers whose death is proved are settled. Returns how many records it read.

        Raises: Unavailable; Conflict where another projector works on the same journals.
        """
        if self._cursors is None:
            self._cursors = {(cursor.worker, cursor.epoch): cursor for cursor in await self._ledger.cursors()}
        read = 0
        try:
            segments = self._journals.segments()
            for key, group in itertools.groupby(segments, key=lambda segment: (segment.worker, segment.epoch)):
                mine = list(group)
                read += await self._advance(key, mine)
                self._retire(self._cursors.get(key), mine)
            await self._settle_without_journal({(segment.worker, segment.epoch) for segment in segments})
        except BaseException:
            self._cursors = None  # what the database took is read again
            raise
        return read

    async def replay(self) -> ReplayReport:
        """Reads every journal from its beginning up to where it is projected, writes nothing, and compares with the ledger."""
        known = {(cursor.worker, cursor.epoch): cursor for cursor in await self._ledger.cursors()}
        right, missing, different = 0, list[LedgerLine](), list[LedgerLine]()
        for key, group in itertools.groupby(self._journals.segments(), key=lambda segment: (segment.worker, segment.epoch)):
            cursor = known.get(key)
            if cursor is None:
                continue
            state = Joined()
            lines: list[LedgerLine] = []
            for segment in group:
                if segment.number > cursor.segment:
                    break
                for piece in self._pieces(segment):
                    lines += join(state, map(self._decode, piece.payloads)).lines
            if cursor.closed:
                lines += bury(state)
            booked = _by_attempt(await self._ledger.lines([line.attempt_id for line in lines]))
            for line in lines:
                found = booked.get(line.attempt_id)
                if found is None:
                    missing.append(line)
                elif found != (line.cost_nanos, line.input_tokens, line.output_tokens):
                    different.append(line)
                else:
                    right += 1
        return ReplayReport(lines=right, missing=tuple(missing), different=tuple(different))

    async def _advance(self, key: _Key, segments: list[Segment]) -> int:
        """The epoch is projected up to what can be read, and settled if it is dead."""
        cursor = self._cursor(key, segments)
        last = segments[-1]
        if cursor.closed and (cursor.segment, cursor.offset) == (last.number, last.size_bytes):
            return 0
        # Proved before the last read: what is read after that is all there will ever be.
        with self._journals.proof_of_death(*key) as dead:
            pass
        read, end = await self._read(cursor, segments)
        cursor = self._cursor(key, segments)
        if end is PieceEnd.CORRUPT:
            self.unreadable[key] = f"segment {cursor.segment} is damaged at byte {cursor.offset}"
            if dead and not cursor.closed and key not in self._suspended:
                await self._leases.reap(Holder(worker=key[0], epoch=key[1]), None)
                self._suspended.add(key)
            return read
        self.unreadable.pop(key, None)
        if dead and (read or not cursor.closed):
            await self._bury(key, cursor)
        return read

    async def _read(self, cursor: Cursor, segments: list[Segment]) -> tuple[int, PieceEnd]:
        read, end = 0, PieceEnd.CLEAN
        expected = cursor.segment
        for segment in segments:
            if segment.number < cursor.segment:
                continue
            if segment.number != expected:
                return read, PieceEnd.CORRUPT
            expected += 1
            offset = cursor.offset if segment.number == cursor.segment else 0
            while True:
                piece = self._journals.read(segment, offset, _PIECE_BYTES)
                end = piece.end
                if piece.offset != offset:
                    began = time.monotonic()
                    cursor, whole = await self._project(cursor, segment, piece)
                    await asyncio.sleep(min((time.monotonic() - began) * _REST_SHARE, _LONGEST_REST_S))
                    read += len(piece.payloads)
                    if not whole:
                        return read, PieceEnd.CORRUPT
                offset = piece.offset
                if end is not PieceEnd.FULL:
                    break
            if end is PieceEnd.CORRUPT:
                break
        return read, end

    async def _project(self, cursor: Cursor, segment: Segment, piece: Piece) -> tuple[Cursor, bool]:
        """The piece is booked; False where a frame is sound and its record is not one of ours."""
        state = load_state(cursor.state)
        try:
            records = [self._decode(payload) for payload in piece.payloads]
        except msgspec.DecodeError:
            return cursor, False
        booking = join(state, records)
        moved = replace(cursor, segment=segment.number, offset=piece.offset, state=save_state(state))
        return await self._book(booking, moved), True

    async def _bury(self, key: _Key, cursor: Cursor) -> None:
        state = load_state(cursor.state)
        lines = bury(state)
        # First the lines, then the leases, then the mark: whatever is repeated after a crash changes nothing.
        if lines or not cursor.closed:
            cursor = await self._book(Booking(lines=lines), replace(cursor, state=save_state(state)))
        await self._leases.reap(Holder(worker=key[0], epoch=key[1]), state.spent)
        if not cursor.closed:
            await self._book(Booking(), replace(cursor, closed=True))

    async def _settle_without_journal(self, seen: set[_Key]) -> None:
        """A worker of this machine that died before its first record had leased nothing; one whose journal is lost is in suspense."""
        for row in await self._leases.workers():
            key = (row.holder.worker, row.holder.epoch)
            if key in seen or row.state is WorkerState.SUSPENSE or not self._is_mine(row.holder.worker):
                continue
            with self._journals.proof_of_death(*key) as dead:
                pass
            if dead:
                await self._leases.reap(row.holder, None)

    async def _book(self, booking: Booking, cursor: Cursor) -> Cursor:
        moved = await self._ledger.book(booking, cursor)
        assert self._cursors is not None
        self._cursors[moved.worker, moved.epoch] = moved
        return moved

    def _cursor(self, key: _Key, segments: list[Segment]) -> Cursor:
        assert self._cursors is not None
        found = self._cursors.get(key)
        if found is not None:
            return found
        return Cursor(worker=key[0], epoch=key[1], segment=segments[0].number, offset=0, state=b"", closed=False, revision=0)

    def _pieces(self, segment: Segment) -> list[Piece]:
        pieces: list[Piece] = []
        offset = 0
        while True:
            piece = self._journals.read(segment, offset, _PIECE_BYTES)
            pieces.append(piece)
            offset = piece.offset
            if piece.end is not PieceEnd.FULL:
                return pieces

    def _retire(self, cursor: Cursor | None, segments: list[Segment]) -> None:
        """Segments that are projected to their end, and older than is kept, are deleted."""
        if cursor is None or (cursor.worker, cursor.epoch) in self.unreadable:
            return
        for segment in segments:
            done = segment.number < cursor.segment or (cursor.closed and segment.number == cursor.segment)
            if done and self._wall() - segment.modified_at > self._keep_s and self._may_delete(segment):
                self._journals.delete(segment)


def _by_attempt(lines: Iterable[LedgerLine]) -> dict[str, tuple[int, int, int]]:
    """Cost and tokens of each attempt, adjustments included."""
    sums: dict[str, tuple[int, int, int]] = {}
    for line in lines:
        cost, inputs, outputs = sums.get(line.attempt_id, (0, 0, 0))
        sums[line.attempt_id] = (cost + line.cost_nanos, inputs + line.input_tokens, outputs + line.output_tokens)
    return sums
