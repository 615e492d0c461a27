"""Turns the journals of one machine, and the acts of administrators, into leaves of the audit log."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from ninefold.audit.checkpoint import Checkpoint, LogKey, Sign, sign_note
from ninefold.audit.continuity import Continuity
from ninefold.audit.entry import Entry, act_leaf, encode_leaf
from ninefold.audit.frontier import Frontier
from ninefold.audit.proofs import Proofs
from ninefold.audit.state import Epoch, State, load_state, save_state
from ninefold.domain.errors import Conflict, InvalidRequest, Unavailable
from ninefold.ports.act_log import ActLog
from ninefold.ports.audit_log import AuditLog, Standing
from ninefold.ports.journal import JournalFolder, PieceEnd, Segment
from ninefold.ports.witness import Witness

# What is committed to a journal stands under a signed checkpoint within this time, while the sequencer keeps up.
MERGE_DELAY_S = 2.0
_PIECE_BYTES = 128 * 1024
_BATCH_LEAVES = 4096
_ACTS = 500
_GAPS = 1000
# As the projector does: whoever answers requests goes before.
_REST_SHARE = 0.5
_LONGEST_REST_S = 0.05
_Key = tuple[str, int]
# What a record means. Raises: InvalidRequest where it is none of ours.
ReadRecord = Callable[[bytes], Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The log's name and key, and how it signs."""

    key: LogKey
    sign: Sign


class Sequencer:
    """Call `step` every half a second, from one process of each data directory.

    It may be killed at any moment: leaves and cursors move together, so that a record, named by (worker, epoch, sequence), becomes a
    leaf once. `alarm(event, **fields)` hears of each gap once.
    """

    def __init__(
        self,
        log: AuditLog,
        journals: JournalFolder,
        acts: ActLog,
        read: ReadRecord,
        signer: Signer,
        *,
        alarm: Callable[..., None],
        witness: Witness | None = None,
    ) -> None:
        self._log, self._journals, self._acts, self._read, self._signer = log, journals, acts, read, signer
        self._alarm = alarm
        self._witness = witness
        self.witness_behind = False
        self.size = 0
        self._state: State | None = None
        self._tree = Frontier()
        self._epochs: dict[_Key, tuple[Epoch, Continuity]] = {}
        self._leaves: list[bytes] = []
        self._note = self._remembered = ""
        self._saved = b""

    @property
    def gaps(self) -> dict[str, str]:
        """What does not add up, by what it is about."""
        return {} if self._state is None else self._state.gaps

    async def step(self) -> int:
        """Everything committed so far is in the log, under a signed checkpoint that the witness has. Returns how many leaves are new.

        Raises: Unavailable; Conflict where another process writes the log, or where less is left of it than was written.
        """
        before = self.size
        try:
            state = self._state
            if state is None:
                state = self._state = await asyncio.to_thread(self._open)
                before = self.size
            segments = self._journals.segments()
            for key, group in itertools.groupby(segments, key=lambda segment: (segment.worker, segment.epoch)):
                await self._follow(state, key, list(group))
            self._forget(state, {(segment.worker, segment.epoch) for segment in segments})
            await self._follow_acts(state)
            await self._commit(state)
        except BaseException:
            self._state = None  # what is in the log is read again
            raise
        await self._tell_witness()
        return self.size - before

    def has(self, segment: Segment) -> bool:
        """Whether every record of the segment, as it was listed, is in the log."""
        found = self._epochs.get((segment.worker, segment.epoch))
        if self._state is None or found is None:
            return False
        return (found[0].segment, found[0].offset) >= (segment.number, segment.size_bytes)

    def _open(self) -> State:
        standing = self._log.open()
        state = load_state(standing.state)
        try:
            self._tree = Proofs(self._log.hashes).frontier(standing.size)
        except LookupError as error:
            raise Conflict(f"the audit log is damaged: {error}; `ninefold audit verify` says where") from error
        if standing.note and standing.note != self._sign(self._tree):
            raise Conflict("the audit log's tiles or its key are not those that signed its newest checkpoint: see `ninefold audit verify`")
        self._epochs = {(epoch.worker, epoch.epoch): (epoch, Continuity(epoch)) for epoch in state.epochs}
        self.size, self._note, self._leaves, self._saved = standing.size, standing.note, [], standing.state
        return state

    async def _follow(self, state: State, key: _Key, segments: list[Segment]) -> None:
        """The epoch is sequenced up to what can be read."""
        epoch, continuity = self._epoch(state, key, segments)
        if epoch.segment < segments[0].number:
            self._gap(state, f"{key[0]}/{key[1]}", f"segments {epoch.segment} to {segments[0].number - 1} went before they were sequenced")
            epoch.segment, epoch.offset, epoch.whole = segments[0].number, 0, False
        for segment in segments:
            if segment.number < epoch.segment:
                continue
            if segment.number > epoch.segment + 1:
                self._gap(state, f"{key[0]}/{key[1]}", f"segment {epoch.segment + 1} is missing")
                return
            if segment.number == epoch.segment + 1:
                epoch.segment, epoch.offset = segment.number, 0
            if not await self._follow_segment(state, epoch, continuity, segment):
                return

    async def _follow_segment(self, state: State, epoch: Epoch, continuity: Continuity, segment: Segment) -> bool:
        """False where the segment is damaged."""
        about = f"{epoch.worker}/{epoch.epoch}/{epoch.segment}"
        while epoch.offset < segment.size_bytes:
            began = time.monotonic()
            piece = self._journals.read(segment, epoch.offset, _PIECE_BYTES)
            try:
                entries = [self._read(payload) for payload in piece.payloads]
            except InvalidRequest:
                self._gap(state, about, f"a record behind byte {epoch.offset} is none of this version's")
                return False
            for entry in entries:
                self._take(state, epoch, continuity, entry)
            epoch.offset = piece.offset
            if piece.end is PieceEnd.CORRUPT:
                self._gap(state, about, f"the journal is damaged at byte {piece.offset}")
                return False
            state.gaps.pop(about, None)
            if len(self._leaves) >= _BATCH_LEAVES:
                await self._commit(state)
            if piece.end is not PieceEnd.FULL:
                break
            await asyncio.sleep(min((time.monotonic() - began) * _REST_SHARE, _LONGEST_REST_S))
        return True

    def _take(self, state: State, epoch: Epoch, continuity: Continuity, entry: Entry) -> None:
        epoch.sequence += 1
        wrong = continuity.follow(entry)
        if wrong:
            self._gap(state, entry.request_id, wrong)
        if entry.kind is not None and entry.facts is not None:
            self._leaves.append(encode_leaf(entry.kind, epoch.worker, epoch.epoch, epoch.sequence, entry.facts))
            state.counts[entry.kind] = state.counts.get(entry.kind, 0) + 1

    async def _follow_acts(self, state: State) -> None:
        while True:
            acts = await self._acts.since(state.acts, _ACTS)
            for act in acts:
                if act.seq != state.acts + 1:
                    self._gap(state, f"admin/{act.seq}", f"administrative acts {state.acts + 1} to {act.seq - 1} are missing")
                self._leaves.append(act_leaf(act))
                state.counts["admin"] = state.counts.get("admin", 0) + 1
                state.acts = act.seq
            if len(acts) < _ACTS:
                return

    async def _commit(self, state: State) -> None:
        """The leaves that were collected are in the log, and so is how far their journals were read."""
        saved = save_state(state)
        if saved == self._saved and not self._leaves:
            return
        leaves, self._leaves = self._leaves, []
        self._note = await asyncio.to_thread(self._append, leaves, saved)
        self.size, self._saved = self._tree.size, saved

    def _append(self, leaves: list[bytes], saved: bytes) -> str:
        hashes = self._tree.extend(leaves)
        note = self._sign(self._tree) if self._tree.size else ""
        self._log.append(leaves, hashes, Standing(size=self._tree.size, note=note, state=saved))
        return note

    def _sign(self, tree: Frontier) -> str:
        return sign_note(Checkpoint(origin=self._signer.key.name, size=tree.size, root=tree.root()), self._signer.key, self._signer.sign)

    async def _tell_witness(self) -> None:
        if self._witness is None or self._note == self._remembered:
            return
        try:
            await asyncio.to_thread(self._witness.remember, self._note)
        except Unavailable as error:
            if not self.witness_behind:
                self._alarm("audit.witness_behind", reason=error.detail)
            self.witness_behind = True
        else:
            self._remembered, self.witness_behind = self._note, False

    def _epoch(self, state: State, key: _Key, segments: list[Segment]) -> tuple[Epoch, Continuity]:
        found = self._epochs.get(key)
        if found is None:
            first = segments[0].number
            epoch = Epoch(worker=key[0], epoch=key[1], segment=first, whole=first == 1)
            state.epochs.append(epoch)
            found = self._epochs[key] = (epoch, Continuity(epoch))
        return found

    def _forget(self, state: State, there: set[_Key]) -> None:
        """Epochs whose journals have been deleted do not come back."""
        state.epochs = [epoch for epoch in state.epochs if (epoch.worker, epoch.epoch) in there]
        self._epochs = {key: value for key, value in self._epochs.items() if key in there}

    def _gap(self, state: State, about: str, what: str) -> None:
        if state.gaps.get(about) == what or len(state.gaps) >= _GAPS:
            return
        state.gaps[about] = what
        self._alarm("audit.gap", about=about, what=what)
