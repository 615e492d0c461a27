"""The audit log as the command line reads it: verified against itself, its witness and the ledger, and proved leaf by leaf."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ninefold.adapters.audit_files.log import FolderAuditLog
from ninefold.adapters.ed25519.key import verify
from ninefold.adapters.sql.engine import Database
from ninefold.adapters.sql.record_book import SqlRecordBook
from ninefold.app.audit_wiring import AUDIT_FOLDER, PUBLIC_FILE, witness_of
from ninefold.app.config import load_config
from ninefold.app.process_house import boot_of
from ninefold.app.process_node import node_id
from ninefold.app.process_store import with_store
from ninefold.audit.checkpoint import LogKey, parse_key
from ninefold.audit.crosscheck import compare
from ninefold.audit.prove import TraceProof, prove_trace
from ninefold.audit.verify import Report, verify_log
from ninefold.domain.errors import NotFound

# How far each (worker, epoch) is: segment and offset.
Places = Mapping[tuple[str, int], tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The report, and how the comparison with the ledger went: "level", "not asked", or why it could not be whole."""

    report: Report
    ledger: str


def verify_folder(folder: Path, key: str | None, witness: Path | None) -> Verified:
    """A copy of an audit folder, verified with nothing else at hand. `key` is a public key or the file of one, None for the folder's."""
    witnessed = witness.read_text(encoding="utf-8", errors="replace") if witness is not None else ""
    report = verify_log(FolderAuditLog(folder), key_of(folder, key), verify, witnessed=witnessed)
    return Verified(report=report, ledger="not asked")


def verify_house(path: Path | None, key: str | None) -> Verified:
    """The audit log of a configuration, with its witness and the ledger. Raises: ConfigInvalid; Unavailable; NotFound."""
    boot = boot_of(load_config(path, os.environ))
    folder = Path(boot.data_dir) / AUDIT_FOLDER

    async def work(database: Database, data_dir: Path) -> Verified:
        book = SqlRecordBook(database)
        # Before the log is read: what the ledger has now may be in the log by then, and never the other way round.
        counts, places = await book.counts(), await book.places()
        witness = witness_of(boot.witness, data_dir)
        report = verify_log(FolderAuditLog(folder), key_of(folder, key), verify, witnessed=witness.notes() if witness is not None else "")
        log = FolderAuditLog(folder)
        later = await book.places()
        waiting = 0
        for difference in await compare(book, log.leaves(0, report.size), 0):
            if difference.missing and not _is_booked(report, later, (difference.worker, difference.epoch)):
                waiting += 1
            else:
                report.tell("ledger", difference.what)
        ledger = _why_not_counted(report, places, node_id(data_dir))
        if not ledger:
            ledger = "level"
            for kind, count in counts.items():
                if count > report.counts.get(kind, 0):
                    more = count - report.counts.get(kind, 0)
                    report.tell("ledger", f"it has {more} rows of kind {kind} that no leaf covers")
                    ledger = "not level"
        return Verified(report=report, ledger=f"{waiting} leaves are not booked yet" if waiting else ledger)

    return with_store(path, work)


def prove(path: Path | None, trace_id: str, since: int) -> TraceProof:
    """The proof for one trace. Raises: ConfigInvalid; NotFound; Conflict; InvalidRequest."""
    folder = Path(boot_of(load_config(path, os.environ)).data_dir) / AUDIT_FOLDER
    return prove_trace(FolderAuditLog(folder), key_of(folder, None), verify, trace_id, since=since)


def key_of(folder: Path, given: str | None) -> LogKey:
    """The key that was given, as a text or a file, or the folder's own. Raises: NotFound; InvalidRequest."""
    if given is not None and "+" in given:
        return parse_key(given)
    path = Path(given) if given is not None else folder / PUBLIC_FILE
    try:
        return parse_key(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise NotFound(f"there is no public key in {path}: `ninefold up` makes the audit log and its key", param="key") from error


def _is_booked(report: Report, places: Places, key: tuple[str, int]) -> bool:
    epochs = [each for each in report.state.epochs if (each.worker, each.epoch) == key]
    return all(places.get(key, (0, 0)) >= (each.segment, each.offset) for each in epochs)


def _why_not_counted(report: Report, places: Places, node: str) -> str:
    """Why the ledger's rows cannot be counted against the leaves, "" where they can."""
    logged = {(each.worker, each.epoch): (each.segment, each.offset) for each in report.state.epochs}
    if any(not worker.startswith(f"{node}-") for worker, _ in places):
        return "rows are not counted: other machines book into the same ledger"
    if not all(each.whole for each in report.state.epochs) or any(key not in logged and key not in report.epochs for key in places):
        return "rows are not counted: some journals were gone before the log began"
    if any(logged.get(key, place) < place for key, place in places.items()):
        return "rows are not counted: the log is behind the ledger"
    return ""
