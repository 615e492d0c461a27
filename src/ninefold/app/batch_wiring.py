"""What files and batches are bound to in a gateway worker."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from ninefold.adapters.blobs.folder import FolderBlobStore
from ninefold.adapters.blobs.line_folder import FolderLineLog
from ninefold.adapters.sql.batches import SqlBatchStore
from ninefold.adapters.sql.engine import Database
from ninefold.app.batch_calls import BatchCalls
from ninefold.app.batch_run import BatchTools
from ninefold.app.batch_runner import MAX_CALLS, BatchRunner
from ninefold.app.logging import Log
from ninefold.http.file_shelf import FileShelf

BLOBS_FOLDER = "blobs"
BATCHES_FOLDER = "batches"


def make_shelf(database: Database, data_dir: Path) -> FileShelf:
    """Tenants' files: rows in the database, bytes below the data directory, which workers on several machines have to share."""
    blobs = FolderBlobStore(data_dir / BLOBS_FOLDER)
    return FileShelf(store=SqlBatchStore(database), blobs=blobs, wall=time.time, new_id=lambda: secrets.token_hex(16))


def make_runner(shelf: FileShelf, data_dir: Path, calls: BatchCalls, worker: str, log: Log) -> BatchRunner:
    """The runner of this worker."""
    tools = BatchTools(
        store=shelf.store,
        shelf=shelf,
        log=FolderLineLog(data_dir / BATCHES_FOLDER),
        calls=calls,
        slots=asyncio.Semaphore(MAX_CALLS),
        wall=time.time,
    )
    return BatchRunner(tools, worker, log, time.time)
