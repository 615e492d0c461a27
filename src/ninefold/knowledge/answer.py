"""What the reader says, in pieces that can be streamed, with each quotation's place in its source."""

from __future__ import annotations

from dataclasses import dataclass

NOT_THERE = "The answer is not in the text you gave me."
NO_TEXT = "There is no text for me to answer from: give me documents, a system text, tool results or a pasted text with your question."
NO_QUESTION = "I found no question in your message: put it last, in a paragraph of its own."


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A quotation: `text` is exactly `source_text[start:end]` of the source named, counted in Unicode code points."""

    number: int
    source: str
    start: int
    end: int
    text: str

    def rendered(self) -> str:
        """The quotation as one numbered paragraph."""
        return f'[{self.number}] "{self.text}" ({self.source}, characters {self.start}–{self.end})'  # noqa: RUF001 - an en dash between figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next text to show, and the quotations that stand in it."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The whole answer; `found` is False where the text does not answer (any of) what was asked."""

    pieces: tuple[Piece, ...]
    found: bool

    @property
    def text(self) -> str:
        """All pieces as one text."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """All quotations in the order of their numbers."""
        return tuple(citation for piece in self.pieces for citation in piece.citations)
