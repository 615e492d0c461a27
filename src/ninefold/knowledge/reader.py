"""The extractive reader: the sentences of the given text that answer a question, quoted, or plainly that none does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ninefold.knowledge.answer import NO_QUESTION, NO_TEXT, NOT_THERE, Answer, Citation, Piece
from ninefold.knowledge.question import Asked, single_questions
from ninefold.knowledge.ranking import THRESHOLD, Candidate, Ranked, rank
from ninefold.knowledge.sentences import Sentence, SentenceKind
from ninefold.knowledge.sources import Source
from ninefold.ports.embedder import Embedder

MAX_QUOTES = 3
MAX_LISTED = 12
MAX_READ_CHARS = 4_000_000  # about a second a megabyte, so that one request cannot hold a thread for minutes
# A further sentence is quoted if its evidence is nearly that of the best one.
NEARLY = 0.85


def answer(asked: Asked, embedder: Embedder | None) -> Answer:
    """The answer, whole; the same request gets the same answer."""
    pieces = tuple(stream(asked, embedder))
    return Answer(pieces=pieces, found=any(piece.citations for piece in pieces))


def stream(asked: Asked, embedder: Embedder | None) -> Iterator[Piece]:
    """The answer as its sentences become known. `embedder` None ranks by words alone."""
    if not asked.question.strip():
        yield Piece(text=NO_QUESTION)
    elif not any(source.text.strip() for source in asked.sources):
        yield Piece(text=NO_TEXT)
    else:
        sources, cut = _readable(asked.sources)
        questions = single_questions(asked.question)
        numbered = 0
        for place, question in enumerate(questions):
            if len(questions) > 1:
                yield Piece(text=f"{'' if place == 0 else chr(10) * 2}{question}\n\n")
            for piece in _one(question, sources, embedder, numbered):
                numbered += len(piece.citations)
                yield piece
        if cut:
            yield Piece(text=f"\n\nRead only the first {MAX_READ_CHARS:,} characters of what you gave me.")
    if asked.unread:
        yield Piece(text=f"\n\nNot read, because the reader takes plain text only: {', '.join(asked.unread)}.")


def _readable(sources: Sequence[Source]) -> tuple[list[Source], bool]:
    """As much of the sources, from the first on, as is read; and whether something was left out."""
    kept: list[Source] = []
    left = MAX_READ_CHARS
    for source in sources:
        kept.append(source if len(source.text) <= left else replace(source, text=source.text[:left]))
        left -= len(kept[-1].text)
    return kept, sum(len(source.text) for source in sources) > MAX_READ_CHARS


def _one(question: str, sources: Sequence[Source], embedder: Embedder | None, numbered: int) -> Iterator[Piece]:
    ranked = rank(question, sources, embedder)
    chosen = _chosen(ranked, sources)
    if not chosen:
        yield Piece(text=NOT_THERE)
        return
    yield Piece(text="The text answers this:")
    for offset, (number, sentence) in enumerate(chosen):
        source = sources[number]
        citation = Citation(
            number=numbered + offset + 1,
            source=source.name,
            start=sentence.start,
            end=sentence.end,
            text=source.text[sentence.start : sentence.end],
        )
        yield Piece(text=f"\n\n{citation.rendered()}", citations=(citation,))


def _chosen(ranked: Ranked, sources: Sequence[Source]) -> list[tuple[int, Sentence]]:
    """What is quoted: the best sentence if it is good enough, those nearly as good, and the list that one of them announces."""
    chosen: list[tuple[int, Sentence]] = []
    seen: set[str] = set()
    best = ranked.candidates[0].evidence if ranked.candidates else 0.0
    good = (each for each in ranked.candidates if each.evidence >= max(THRESHOLD, NEARLY * best))
    for candidate in islice(good, MAX_QUOTES):
        for place in _with_list(candidate, ranked, sources):
            text = _text(place, sources)
            if text not in seen:
                seen.add(text)
                chosen.append(place)
    return chosen


def _with_list(candidate: Candidate, ranked: Ranked, sources: Sequence[Source]) -> Iterator[tuple[int, Sentence]]:
    place = ranked.places[candidate.at]
    yield place
    if not _text(place, sources).endswith((":", "：")):  # noqa: RUF001 - the full-width colon announces too
        return
    for source, sentence in islice(ranked.places, candidate.at + 1, candidate.at + 1 + MAX_LISTED):
        if source != place[0] or sentence.kind is SentenceKind.PROSE or sentence.heading == place[1].heading:
            return
        yield source, sentence


def _text(place: tuple[int, Sentence], sources: Sequence[Source]) -> str:
    return sources[place[0]].text[place[1].start : place[1].end]
