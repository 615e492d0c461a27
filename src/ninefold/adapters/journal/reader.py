"""The journals of all workers, as a reader in another process sees them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from ninefold.adapters.journal.frames import MAX_FRAME_BYTES, decode_frames, decode_header, file_name, parse_name
from ninefold.adapters.journal.lock import proof_of_death
from ninefold.domain.errors import Unavailable
from ninefold.ports.journal import Piece, PieceEnd, Segment

_HEADER_BYTES = 512


class JournalReader:
    """Implements `ninefold.ports.journal.JournalFolder` over a folder that writers use at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def segments(self) -> tuple[Segment, ...]:
        found: list[Segment] = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    parsed = parse_name(entry.name)
                    if parsed is not None:
                        worker, epoch, number = parsed
                        stat = entry.stat()
                        segment = Segment(worker=worker, epoch=epoch, number=number, size_bytes=stat.st_size, modified_at=stat.st_mtime)
                        found.append(segment)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Unavailable(f"the journal folder cannot be read: {error.strerror}") from error
        return tuple(sorted(found, key=lambda s: (s.worker, s.epoch, s.number)))

    def highest_epoch(self, worker: str) -> int:
        """The newest epoch `worker` has written here, 0 for none: a lost database must not give the same number again."""
        return max((segment.epoch for segment in self.segments() if segment.worker == worker), default=0)

    def read(self, segment: Segment, offset: int, max_bytes: int) -> Piece:
        path = self._path(segment)
        try:
            with path.open("rb") as file:
                if offset == 0:
                    header = decode_header(file.read(_HEADER_BYTES))
                    if isinstance(header, PieceEnd):
                        return Piece(payloads=(), offset=0, end=header)
                    if (header[0].worker, header[0].epoch, header[0].number) != (segment.worker, segment.epoch, segment.number):
                        return Piece(payloads=(), offset=0, end=PieceEnd.CORRUPT)
                    offset = header[1]
                file.seek(offset)
                data = file.read(max_bytes)
                payloads, end, why = decode_frames(data, 0)
                if not payloads and why is PieceEnd.TORN and len(data) == max_bytes:
                    # The first frame is larger than the piece that was asked for.
                    data += file.read(MAX_FRAME_BYTES)
                    payloads, end, why = decode_frames(data, 0)
                at_end = len(data) < max_bytes or file.read(1) == b""
        except OSError as error:
            raise Unavailable(f"the journal {path.name} cannot be read: {error.strerror}") from error
        if why is not PieceEnd.CORRUPT and not at_end:
            why = PieceEnd.FULL
        return Piece(payloads=tuple(payloads), offset=offset + end, end=why)

    def proof_of_death(self, worker: str, epoch: int) -> AbstractContextManager[bool]:
        return proof_of_death(self._folder, worker, epoch)

    def delete(self, segment: Segment) -> None:
        try:
            self._path(segment).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the journal {segment.number} cannot be deleted: {error.strerror}") from error

    def _path(self, segment: Segment) -> Path:
        return self._folder / file_name(segment.worker, segment.epoch, segment.number)
