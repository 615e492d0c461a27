"""Structured logs: one JSON line an event on standard error, named in the past tense, never with a secret in it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET_NAME = re.compile(r"(^|[_-])(secret|password|passwd|authorization|cookie|token|api[_-]?key|credential)s?$", re.IGNORECASE)
_COUNTED = re.compile(r"tokens$", re.IGNORECASE)
# Our own keys, the vendors' keys, bearer credentials, and passwords inside URLs.
_SECRET_TEXT = re.compile(r"\b(?:nf|nfa|sk|sk-ant|rk|pk)[-_][A-Za-z0-9_-]{12,}|(?<=[Bb]earer )\S+|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_HIDDEN = "***"


def redact(text: str) -> str:
    """`text` with everything that looks like a credential replaced by `***`."""
    return _SECRET_TEXT.sub(_HIDDEN, text)


def _clean(name: str, value: object) -> object:
    if isinstance(value, str):
        return _HIDDEN if value and _SECRET_NAME.search(name) and not _COUNTED.search(name) else redact(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _to_stderr(line: bytes) -> None:
    os.write(2, line)


class Log:
    """Writes events of one process. A line is one write(2), so that lines of several processes never mix."""

    def __init__(
        self,
        *,
        process: str,
        level: str = "info",
        write: Callable[[bytes], None] = _to_stderr,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._process = process
        self._threshold = LEVELS[level]
        self._write = write
        self._clock = clock

    def debug(self, event: str, **fields: object) -> None:
        """The event stands in the log if its level is debug."""
        self._emit("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """The event stands in the log."""
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """The event stands in the log, and somebody should look at it some day."""
        self._emit("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """The event stands in the log, and somebody should look at it now. A field `exc` may hold the exception: its stack goes along."""
        exc = fields.pop("exc", None)
        if isinstance(exc, BaseException):
            fields["error"] = f"{type(exc).__name__}: {exc}"
            fields["stack"] = "".join(traceback.format_exception(exc))
        self._emit("error", event, fields)

    def _emit(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        if LEVELS[level] < self._threshold:
            return
        record: dict[str, object] = {
            "ts": round(self._clock(), 3),
            "level": level,
            "event": event,
            "process": self._process,
            "pid": os.getpid(),
        }
        for name, value in fields.items():
            record[name] = _clean(name, value)
        try:
            self._write(json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            # Standard error is gone (a closed terminal, a full disk): a log must never stop the process that writes it.
            self._write = _discard


def _discard(line: bytes) -> None:
    del line


def route_libraries(log: Log, *, level: str = "warning") -> None:
    """What libraries say through the standard library's `logging` stands in `log` too, from `level` up."""
    import logging as std  # noqa: PLC0415  # 10 ms that a gateway worker without libraries of this kind need not pay

    class _Bridge(std.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            name = next((known for known, number in LEVELS.items() if number >= record.levelno), "error")
            fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
            if record.exc_info and record.exc_info[1] is not None:
                fields["exc"] = record.exc_info[1]
                log.error("library.failed", **fields)
                return
            getattr(log, name)("library.logged", **fields)

    root = std.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(LEVELS[level])


def level_from(environ: Mapping[str, str], default: str = "info") -> str:
    """The level named by `NINEFOLD_LOG_LEVEL`, else `default`; an unknown name is `default` too, with a line that says so."""
    name = environ.get("NINEFOLD_LOG_LEVEL", default).strip().lower()
    if name in LEVELS:
        return name
    print(f"NINEFOLD_LOG_LEVEL={name} is not one of {', '.join(LEVELS)}; using {default}", file=sys.stderr)  # noqa: T201  # no log yet
    return default
