"""The lines of a batch: what is asked, and what came of it.

Source: platform.openai.com/docs/api-reference/batch/request-input and request-output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from ninefold.domain.batch import BatchProblem
from ninefold.wire.json_members import encode

MAX_LINES = 50_000
_MAX_PROBLEMS = 100


class _Line(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Told(msgspec.Struct):
    custom_id: str


_line = msgspec.json.Decoder(_Line)
_told = msgspec.json.Decoder(_Told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call of a batch; `number` counts from 1, `custom_id` is the caller's and stands once."""

    number: int
    custom_id: str
    body: bytes


def parse(data: bytes, endpoint: str) -> tuple[list[Line], list[BatchProblem]]:
    """The calls, or what is wrong with them; empty lines are read over."""
    lines: list[Line] = []
    problems: list[BatchProblem] = []
    seen: set[str] = set()
    for number, text in enumerate(data.split(b"\n"), 1):
        if not text.strip():
            continue
        problem: BatchProblem | None = None
        try:
            found = _line.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            problem = BatchProblem(code="invalid_json_line", message=f"This line is no request: {error}.", line=number)
        else:
            problem = _problem(found, endpoint, seen, number)
            seen.add(found.custom_id)
            lines.append(Line(number=number, custom_id=found.custom_id, body=bytes(found.body)))
        if problem is not None:
            problems.append(problem)
        if len(problems) >= _MAX_PROBLEMS:
            break
    if not lines and not problems:
        problems.append(BatchProblem(code="empty_file", message="The input file holds no request."))
    if len(lines) > MAX_LINES:
        problems.append(BatchProblem(code="too_many_tasks", message=f"A batch has at most {MAX_LINES:,} requests."))
    return lines, problems


def _problem(found: _Line, endpoint: str, seen: set[str], number: int) -> BatchProblem | None:
    if found.url != endpoint:
        return BatchProblem(code="mismatched_url", message=f"The batch is for {endpoint}, this line for another url.", line=number)
    if found.method != "POST":
        return BatchProblem(code="invalid_method", message="The method must be POST.", line=number)
    if not found.custom_id:
        return BatchProblem(code="missing_custom_id", message="`custom_id` must not be empty.", line=number)
    if found.custom_id in seen:
        return BatchProblem(code="duplicate_custom_id", message="This `custom_id` stands in an earlier line.", line=number)
    return None


def answered(batch_id: str, line: Line, status: int, request_id: str, body: bytes) -> bytes:
    """A line of the output, or, for an error that a caller would have had as an answer, of the error file."""
    if body.find(b"\n") >= 0 or body.find(b"\r") >= 0:
        body = msgspec.json.format(body, indent=-1)
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)}
    return _written(batch_id, line, response, None)


def not_asked(batch_id: str, line: Line, code: str, message: str) -> bytes:
    """A line of the error file for a call that was never made."""
    return _written(batch_id, line, None, {"code": code, "message": message})


def _written(batch_id: str, line: Line, response: object, error: object) -> bytes:
    told = {"id": f"{batch_id.replace('batch', 'batch_req', 1)}_{line.number}", "custom_id": line.custom_id}
    return encode(told | {"response": response, "error": error}) + b"\n"


def merged(logs: Iterable[bytes], known: set[str]) -> list[bytes]:
    """The whole lines of `logs`, the first of each `custom_id` that is not `known`, which then knows it: what a crash has torn, or what
    two have written, is not told twice."""
    found: list[bytes] = []
    for log in logs:
        for text in log.split(b"\n")[:-1]:
            try:
                name = _told.decode(text).custom_id
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # no line of ours: the disk was full, or somebody else has written here
            if name not in known:
                known.add(name)
                found.append(text + b"\n")
    return found
