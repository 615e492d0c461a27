"""A text cut into what can be quoted: sentences, list items, table rows and code lines, each a span of the text as it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MAX_SENTENCE_CHARS = 600
_WORDY = re.compile(r"[^\W_]")  # what has no letter and no digit answers nothing
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})[ \t]+(\S.*)")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦\u2013]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])[ \t]+(?=\S)")
_RULE = re.compile(r"\s*(?:[-=_*]\s?){3,}\s*\Z")
_ROW = re.compile(r"\s*\|.*\||[^|\r\n]+(?:\s\|\s[^|\r\n]*)+|[^\t\r\n]+(?:\t[^\t\r\n]+){1,}")
_PAIR = re.compile(r"\s*[*_\"']{0,3}[^\W\d_][\w ()/&'\u2019-]{0,39}[*_\"']{0,3}:[*_]{0,2}\s+\S")
_TITLE = re.compile(r"[^\W_][^\r\n]{0,78}[^\s.!?:;,。！？]\s*\Z")  # noqa: RUF001 - the full-width marks end sentences too
# An end: Latin marks with what closes after them and white space, or an East Asian mark, which needs none.
# The look-behind keeps a long run of marks linear.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]»*_]*+(?=\s)|[。！？]+[”’」』）]*|(?<![।؟۔])[।؟۔]++(?=\s)")  # noqa: RUF001 - as above
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|etc|e\.g|i\.e|cf|ca|approx|no|nr|fig|sec|art|al|inc|ltd|co|corp|dept|est|z\.b|d\.h|bzw|usw|vgl|ggf|inkl|max|min)"
    r"|\b[A-Za-z]|\b(?:[A-Za-z]\.)+[A-Za-z])\.\Z",
    re.IGNORECASE,
)


class SentenceKind(StrEnum):
    """What a sentence was in the layout of its text."""

    PROSE = "prose"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of one source. `heading` is what stands above it: headings, a question it answers, a table's first row.

    `block` counts paragraphs, lists and tables; sentences of one block belong together. Built by the thousand, hence positional.
    """

    start: int
    end: int
    block: int
    kind: SentenceKind
    heading: str


@dataclass(slots=True)
class _Reader:
    """Where we are in the layout: the headings above, and the paragraph whose lines are being collected."""

    text: str
    out: list[Sentence]
    headings: list[tuple[int, str]]
    block: int = 0
    asked: str = ""
    asked_at: int = 0
    lead: str = ""
    header_row: str = ""
    paragraph: tuple[int, int] | None = None
    paragraph_kind: SentenceKind = SentenceKind.PROSE

    def above(self) -> str:
        parts = [name for _, name in self.headings]
        # A question heads what follows it closely; beyond that it would vouch for sentences about something else.
        asked = self.asked if self.block <= self.asked_at + 2 else ""
        parts += [part for part in (asked, self.lead, self.header_row) if part]
        return " > ".join(parts)

    def add(self, start: int, end: int, kind: SentenceKind) -> None:
        for first, last in _shortened(self.text, start, end):
            if _WORDY.search(self.text, first, last):
                self.out.append(Sentence(first, last, self.block, kind, self.above()))

    def flush(self) -> None:
        """The collected paragraph became sentences; one that asks is the heading of what follows it."""
        if self.paragraph is None:
            return
        start, end = self.paragraph
        self.paragraph = None
        self.block += 1
        if self.paragraph_kind is not SentenceKind.ITEM:
            self.lead = ""
        for first, last in _prose(self.text, start, end):
            if self.text[first:last].rstrip("\"'”’)*_ ").endswith(("?", "？")) and last - first <= 300:  # noqa: RUF001 - the full-width mark
                self.asked, self.asked_at = self.text[first:last], self.block
            else:
                self.add(first, last, self.paragraph_kind)
        if self.text[start:end].rstrip().endswith(":"):
            self.lead = self.text[start:end].strip()[-200:]
        self.paragraph_kind = SentenceKind.PROSE

    def head(self, level: int, name: str) -> None:
        self.headings = [(above, title) for above, title in self.headings if above < level]
        self.headings.append((level, name.strip(" #*_\r\n")))
        self.asked = self.lead = ""


def split(text: str, *, leave_out: tuple[tuple[int, int], ...] = ()) -> list[Sentence]:
    """The sentences of `text` in order, none of them empty, overlapping or inside a span of `leave_out`. Linear in `len(text)`."""
    state = _Reader(text=text, out=[], headings=[])
    lines = [(found.start(), found.end()) for found in _LINE.finditer(text) if found.end() > found.start()]
    fenced = False
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        if line.isspace():
            if not fenced:
                state.header_row = ""
                state.flush()
        elif _FENCE.match(line):
            state.flush()
            state.block += 1
            fenced = not fenced
        elif fenced:
            _code(state, start, end)
        else:
            after = text[slice(*lines[number + 1])] if number + 1 < len(lines) else ""
            before = text[slice(*lines[number - 1])] if number else ""
            _line(state, start, end, before=before, after=after)
    state.flush()
    if not leave_out:
        return state.out
    return [each for each in state.out if all(each.end <= first or each.start >= last for first, last in leave_out)]


def _line(state: _Reader, start: int, end: int, *, before: str, after: str) -> None:
    line = state.text[start:end]
    row = _is_row(line)
    if not row:
        state.header_row = ""
    if heading := _HEADING.match(line):
        state.flush()
        state.head(len(heading.group(1)), heading.group(2))
    elif state.paragraph is None and (level := _underlined(line, after)):
        state.head(level, line)
    elif _RULE.match(line) or _is_table_rule(line):
        state.flush()
    elif row:
        _row(state, start, end, after=after)
    elif marker := _ITEM.match(line):
        state.flush()
        state.paragraph, state.paragraph_kind = (start + marker.end(), end), SentenceKind.ITEM
    elif _PAIR.match(line):
        state.flush()
        state.paragraph, state.paragraph_kind = (start, end), SentenceKind.ITEM
    elif state.paragraph is None and not before.strip() and not after.strip() and _is_title(line):
        state.head(6, line)
    elif state.paragraph is None and line.startswith(("    ", "\t")):
        _code(state, start, end)
    else:
        state.paragraph = (state.paragraph[0] if state.paragraph else start, end)


def _underlined(line: str, after: str) -> int:
    """The level of a heading that is underlined on the next line; 0 where it is none."""
    mark = after.strip()
    if len(mark) < 3 or len(line.strip()) > 120:
        return 0
    return 1 if set(mark) == {"="} else 2 if set(mark) == {"-"} else 0


def _is_title(line: str) -> bool:
    words = line.split()
    return len(words) <= 10 and bool(_TITLE.match(line.strip())) and (words[0][0].isupper() or words[0][0].isdigit())


def _is_table_rule(line: str) -> bool:
    return "-" in line and not line.strip(" \t\r\n|:+=-")


def _is_row(line: str) -> bool:
    return ("|" in line or "\t" in line.strip()) and bool(_ROW.fullmatch(line.strip()))


def _row(state: _Reader, start: int, end: int, *, after: str) -> None:
    if state.paragraph is not None or not state.header_row:
        state.flush()
        state.block += 1
    first, last = _trimmed(state.text, start, end)
    if not state.header_row:
        state.header_row = state.text[first:last][:300]
        if _is_table_rule(after):
            return
    if last > first:
        state.add(first, last, SentenceKind.ROW)


def _code(state: _Reader, start: int, end: int) -> None:
    first, last = _trimmed(state.text, start, end)
    if last > first:
        state.add(first, last, SentenceKind.CODE)


def _prose(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    block = text[start:end]
    caseless = block == block.lower()
    first = 0
    for mark in _END.finditer(block):
        if mark.group()[0] not in "。！？" and not _ends_here(block, mark.start(), mark.end(), caseless=caseless):  # noqa: RUF001 - East Asian marks
            continue
        span = _trimmed(text, start + first, start + mark.end())
        if span[1] > span[0]:
            yield span
        first = mark.end()
    span = _trimmed(text, start + first, end)
    if span[1] > span[0]:
        yield span


def _ends_here(block: str, mark: int, end: int, *, caseless: bool) -> bool:
    """Whether a full stop (or its like) ends a sentence rather than an abbreviation."""
    following = block[end : end + 40].lstrip()[:1]
    if following.islower() and not caseless:
        return False
    if block[mark] != ".":
        return True
    return not _ABBREVIATION.search(block[max(0, mark - 12) : mark + 1]) or block[mark - 1 : mark].isspace()


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _shortened(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span, cut where a clause or a word ends if it is too long to be quoted."""
    while end - start > MAX_SENTENCE_CHARS:
        window = text[start : start + MAX_SENTENCE_CHARS]
        half = MAX_SENTENCE_CHARS // 2
        cut = max(window.rfind(mark, half) for mark in (";", "; ", ", ", "\n")) + 1 or window.rfind(" ", half) + 1 or len(window)
        first, last = _trimmed(text, start, start + cut)
        if last > first:
            yield first, last
        start += cut
    first, last = _trimmed(text, start, end)
    if last > first:
        yield first, last
