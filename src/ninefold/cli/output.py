"""What a verb says: one JSON document with `--json`, else lines for people; failures go to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from ninefold.domain.errors import InvalidRequest, NinefoldError

DONE, FAILED, WRONG_USE = 0, 1, 2


class WrongUse(InvalidRequest):
    """The command line itself is wrong."""

    code = "wrong_use"
    title = "The command is not used this way"


def say(document: object, *, text: str, as_json: bool) -> None:
    """`document` stands on standard output as one line of JSON, or `text` does."""
    print(json.dumps(document, ensure_ascii=False) if as_json else text)


def complain(error: NinefoldError, *, as_json: bool) -> None:
    """`error` stands on standard error, as RFC 9457 problem details or as a sentence."""
    problem: dict[str, object] = {
        "type": f"https://ninefold.dev/errors/{error.code}",
        "title": error.title,
        "detail": error.detail,
        "code": error.code,
    }
    if error.param is not None:
        problem["param"] = error.param
    # A refused configuration names every problem with its line.
    found = getattr(error, "problems", ())
    if found:
        problem["errors"] = [{"source": each.source, "line": each.line, "path": each.path, "message": each.message} for each in found]
    if error.retry_after_s is not None:
        problem["retry_after_s"] = error.retry_after_s
    print(json.dumps(problem, ensure_ascii=False) if as_json else f"ninefold: {error.detail}", file=sys.stderr)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell, left-aligned; numbers right-aligned."""
    cells = [[str(name) for name in head], *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    right = [bool(rows) and all(isinstance(row[column], int | float) for row in rows) for column in range(len(head))]
    lines = (
        "  ".join(cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def pairs(document: Mapping[str, object]) -> str:
    """One `name: value` line a member."""
    width = max((len(name) for name in document), default=0)
    return "\n".join(f"{name + ':':<{width + 1}} {value}" for name, value in document.items())
