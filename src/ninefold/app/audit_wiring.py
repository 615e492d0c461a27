"""The audit log of one data directory: every binding, on one page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ninefold.adapters.audit_files.log import FolderAuditLog
from ninefold.adapters.audit_files.witness import FileWitness
from ninefold.adapters.ed25519.key import SigningKey
from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.sql.acts import SqlActLog
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.record_book import SqlRecordBook
from ninefold.app.audit_entries import entry_of
from ninefold.app.process_boot import JOURNAL_FOLDER
from ninefold.app.process_node import node_id
from ninefold.audit.checkpoint import LogKey
from ninefold.audit.crosscheck import compare, is_booked
from ninefold.audit.sequencer import Sequencer, Signer
from ninefold.audit.state import load_state
from ninefold.ports.audit_log import Standing
from ninefold.ports.journal import Segment
from ninefold.ports.witness import Witness

AUDIT_FOLDER = "audit"
KEY_FILE = "signing.key"
PUBLIC_FILE = "signing.pub"
SEQUENCE_S = 0.5
CHECK_S = 2.0
# Leaves that are compared at once; what was there before this process started is compared by `ninefold audit verify`.
_CHECK_LEAVES = 2000


class AuditTrail:
    """Sequences this machine's records, and compares what it sequenced with the ledger.

    `alarm(event, **fields)` hears of each gap once.
    """

    def __init__(self, database: Database, data_dir: Path, *, alarm: Callable[..., None], witness: str = "") -> None:
        self._log = FolderAuditLog(data_dir / AUDIT_FOLDER)
        self._book = SqlRecordBook(database)
        self._data_dir = data_dir
        self._database = database
        self._alarm = alarm
        self._witness = witness
        self._sequencer: Sequencer | None = None
        self._mark: Standing | None = None
        self._checked: int | None = None
        self.differences = 0

    async def step(self) -> int:
        """See `Sequencer.step`; the key is made with the first one. Raises: Unavailable; Conflict."""
        if self._sequencer is None:
            self._sequencer = await asyncio.to_thread(self._make)
        return await self._sequencer.step()

    async def check(self) -> None:
        """Leaves whose rows must be in the ledger by now have been compared with them. Raises: Unavailable."""
        if self._mark is None:
            self._mark = await asyncio.to_thread(self._log.standing)
            if self._mark is None:
                return
        if self._checked is None:
            self._checked = self._mark.size
        if not is_booked(load_state(self._mark.state), await self._book.places()):
            return  # the projector is behind; its own loop says why
        stop = min(self._mark.size, self._checked + _CHECK_LEAVES)
        for difference in await compare(self._book, self._log.leaves(self._checked, stop), self._checked):
            self.differences += 1
            self._alarm("audit.ledger_differs", leaf=difference.index, what=difference.what)
        self._checked = stop
        if stop == self._mark.size:
            self._mark = None

    def may_delete(self, segment: Segment) -> bool:
        """Whether every record of a journal's segment has its leaf."""
        return self._sequencer is not None and self._sequencer.has(segment)

    def metrics(self) -> list[str]:
        """Lines of Prometheus text."""
        sequencer = self._sequencer
        values = {
            "ninefold_audit_leaves": sequencer.size if sequencer is not None else 0,
            "ninefold_audit_gaps": len(sequencer.gaps) if sequencer is not None else 0,
            "ninefold_audit_ledger_differences": self.differences,
            "ninefold_audit_witness_behind": int(sequencer is not None and sequencer.witness_behind),
        }
        return [line for name, value in values.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")]

    def _make(self) -> Sequencer:
        folder = self._data_dir / AUDIT_FOLDER
        key = SigningKey.ensure(folder / KEY_FILE)
        named = LogKey(name=log_name(self._data_dir), public=key.public)
        public = folder / PUBLIC_FILE
        if not public.exists():
            public.write_text(named.text() + "\n", encoding="ascii")
        return Sequencer(
            self._log,
            JournalReader(self._data_dir / JOURNAL_FOLDER),
            SqlActLog(self._database),
            entry_of,
            Signer(key=named, sign=key.sign),
            alarm=self._alarm,
            witness=witness_of(self._witness, self._data_dir),
        )


def log_name(data_dir: Path) -> str:
    """How the log of this data directory is called in its checkpoints."""
    return f"ninefold/{node_id(data_dir)}"


def witness_of(path: str, data_dir: Path) -> Witness | None:
    """The witness that the configuration names, None where it names none."""
    return FileWitness(Path(path), f"{node_id(data_dir)}.checkpoints") if path else None
