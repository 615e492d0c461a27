"""What a chat request asks, and the texts it carries to answer from."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ninefold.domain.chat import ChatRequest, Document, Image, Part, Role, Text, ToolCall, ToolResult
from ninefold.knowledge.sentences import split
from ninefold.knowledge.sources import Source

MAX_QUESTION_CHARS = 500
MAX_QUESTIONS = 4
_PARAGRAPH = re.compile(r"\S(?:(?!\r?\n[ \t]*\r?\n|\r[ \t]*\r).)*", re.DOTALL)
_LINE = re.compile(r"\S[^\r\n]*")
_ASKING = re.compile(
    r"\A\W*(?:question\s*:|q\s*:|frage\s*:|(?:please\s+|bitte\s+)?(?:answer|explain|tell|list|give|name|find|describe|define|show|quote|say|extract|which|what|who|whom"
    r"|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|may|must|should|has|have|nenne|erkläre|was|wer|wann|wo|wie|warum|welche\w*)\b)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\A\W*(?:question|q|frage)\s*:\s*", re.IGNORECASE)
# A sentence that ends with a question mark; a full stop between digits does not begin it.
_ASKED = re.compile(r"(?:(?<=[.!?:;\n]\s)|(?<=[。？！])|\A)[ \t]*([^\s.!?？][^.!?？。\r\n]*(?:\.\d[^.!?？。\r\n]*)*[?？]+)")  # noqa: RUF001 - full-width marks
_TEXTUAL = (
    "text/",
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/markdown",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`question` is empty where none was found; `unread` names what is no plain text."""

    question: str
    sources: tuple[Source, ...]
    unread: tuple[str, ...] = ()


def read_request(request: ChatRequest) -> Asked:
    """The question of the last user turn, and every text that the request carries but the assistant's, in order."""
    last = max((place for place, turn in enumerate(request.turns) if turn.role is Role.USER), default=-1)
    question = ""
    names = _Names()
    sources: list[Source] = []
    unread: list[str] = []
    calls = {part.call_id: part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall)}
    for place, turn in enumerate(request.turns):
        if turn.role is Role.ASSISTANT:
            continue
        asking = _asking_part(turn.parts) if place == last else -1
        for number, part in enumerate(turn.parts):
            if number == asking and isinstance(part, Text):
                question, rest = _separate(part.text, names)
                sources += rest
            else:
                _collect(part, turn.role, names, calls, sources, unread)
    return Asked(question=question, sources=tuple(sources), unread=tuple(unread))


def single_questions(text: str) -> list[str]:
    """The questions of a short text one by one; the text itself where it holds one at most."""
    found = [match.group(1) for match in _ASKED.finditer(text.strip())]
    if len(found) < 2:
        return [text.strip()]
    return found[:MAX_QUESTIONS]


@dataclass(slots=True)
class _Names:
    """Gives every source a name of its own."""

    taken: set[str] | None = None

    def free(self, wanted: str) -> str:
        taken = self.taken = self.taken or set()
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted} ({count})"
        taken.add(name)
        return name


def _asking_part(parts: tuple[Part, ...]) -> int:
    """Which part of a user turn holds the question: the last text that seems to ask, else the last text."""
    texts = [(number, part.text) for number, part in enumerate(parts) if isinstance(part, Text) and part.text.strip()]
    asking = [number for number, text in texts if find_question(text) is not None]
    return asking[-1] if asking else texts[-1][0] if texts else -1


def _separate(text: str, names: _Names) -> tuple[str, list[Source]]:
    span = find_question(text)
    if span is None:
        return "", [Source(name=names.free("your message"), text=text)]
    question = _LABEL.sub("", text[slice(*span)]).strip()
    if not (text[: span[0]].strip() or text[span[1] :].strip()):
        return question, []
    return question, [Source(name=names.free("your message"), text=text, leave_out=(span,))]


def find_question(text: str) -> tuple[int, int] | None:
    """Where the question stands in a user's text: all of a short one; of a longer one the last paragraph or else the first that asks,
    else the last sentence with a question mark in either; a short one whole; None where a long text asks nothing."""
    trimmed = text.strip()
    if not trimmed:
        return None
    first = text.index(trimmed)
    if len(trimmed) <= MAX_QUESTION_CHARS and not re.search(r"[\r\n]", trimmed):
        return _last_sentences(text, first, first + len(trimmed))
    paragraphs = [match.span() for match in _PARAGRAPH.finditer(text)]
    if len(paragraphs) == 1:
        paragraphs = [match.span() for match in _LINE.finditer(text)]
    for start, end in (paragraphs[-1], paragraphs[0]):
        if end - start <= MAX_QUESTION_CHARS and (_has_mark(text[start:end]) or _ASKING.match(text[start:end])):
            return start, end
    for start, end in (paragraphs[-1], paragraphs[0]):
        if found := _marked_sentence(text, start, end):
            return found
    return (first, first + len(trimmed)) if len(trimmed) <= MAX_QUESTION_CHARS else None


def _last_sentences(text: str, start: int, end: int) -> tuple[int, int]:
    """A short text whole, unless it states something first and asks at its end: then the part that asks."""
    asking = [(start + found.start(1), start + found.end()) for found in _ASKED.finditer(text[start:end])]
    pasted = len(split(text[start:end])) >= 2
    return (asking[0][0], end) if asking and pasted and text[asking[-1][1] : end].strip() == "" else (start, end)


def _marked_sentence(text: str, start: int, end: int) -> tuple[int, int] | None:
    marks = [match.span(1) for match in _ASKED.finditer(text[start:end])]
    return (start + marks[-1][0], start + marks[-1][1]) if marks else None


def _has_mark(text: str) -> bool:
    return text.rstrip("\"'”’)*_` \r\n").endswith(("?", "？"))  # noqa: RUF001 - the full-width mark


def _collect(part: Part, role: Role, names: _Names, calls: dict[str, str], sources: list[Source], unread: list[str]) -> None:
    if isinstance(part, ToolResult):
        tool = calls.get(part.call_id) or part.call_id
        for inner in part.parts:
            if isinstance(inner, Text):
                _keep(sources, names, f"result of {tool}", inner.text)
            else:
                _collect(inner, role, names, calls, sources, unread)
    elif isinstance(part, Document):
        _document(part, names, sources, unread)
    elif isinstance(part, Image):
        unread.append(names.free("an image"))
    elif isinstance(part, Text):
        _keep(sources, names, "your earlier message" if role is Role.USER else f"{role.value} text", part.text)


def _document(part: Document, names: _Names, sources: list[Source], unread: list[str]) -> None:
    name = part.title or part.file_id or part.url or "document"
    text = part.text if part.text is not None else _decoded(part)
    if text is None:
        unread.append(names.free(name))
    else:
        _keep(sources, names, name, text)
    if part.context:
        _keep(sources, names, f"context of {name}", part.context)


def _decoded(part: Document) -> str | None:
    kind = (part.media_type or "").lower()
    if part.data is None or (kind and not kind.startswith(_TEXTUAL)):
        return None
    try:
        return base64.b64decode(part.data, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _keep(sources: list[Source], names: _Names, name: str, text: str) -> None:
    if text.strip():
        sources.append(Source(name=names.free(name), text=text))


def texts_of(request: ChatRequest) -> Iterator[str]:
    """Every text of the request, once: what usage counts as its input."""
    for turn in request.turns:
        for part in turn.parts:
            yield from _texts(part)


def _texts(part: Part) -> Iterator[str]:
    if isinstance(part, Text):
        yield part.text
    elif isinstance(part, Document):
        yield from (text for text in (part.text if part.text is not None else _decoded(part), part.context) if text)
    elif isinstance(part, ToolResult):
        for inner in part.parts:
            yield from _texts(inner)
    elif isinstance(part, ToolCall):
        yield part.arguments
