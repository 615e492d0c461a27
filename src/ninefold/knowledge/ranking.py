"""Every sentence weighed against a question: words it shares, what it means, what kind of thing was asked for.

Words are weighed by BM25 (Robertson and Zaragoza 2009, k1 1.2, b 0.5 since sentences differ little in length) with idf over the given
text alone; meaning is the cosine of sentence vectors. A sentence borrows from its neighbours and its heading at a discount, because
"It takes five days." answers only together with what stands before it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from ninefold.knowledge.expectation import Expected, expected, holds
from ninefold.knowledge.sentences import Sentence, split
from ninefold.knowledge.sources import Source
from ninefold.knowledge.terms import content_terms, terms
from ninefold.ports.embedder import Embedder

EMBEDDED_SENTENCES = 64
K1, B = 1.2, 0.5
TYPICAL_LENGTH = 18.0  # words of a sentence: fixed, so that one very long line elsewhere moves no score
# Chosen on the questions of tests/unit/knowledge/handbook.py, then measured, not tuned, on SciFact, COVID-QA, Cranfield and BEGIN.
THRESHOLD = 0.55
COVERAGE_WEIGHT, LEXICAL_ONLY_WEIGHT, LEXICAL_WEIGHT = 0.5, 1.0, 0.1
STRANGER_COST, MISFIT_COST = 0.35, 0.1
HEADING_SHARE, NEIGHBOUR_SHARE, NAME_SHARE = 0.8, 0.5, 0.4
_PROPER = re.compile(r"(?<=[\w,;:'\u2019\"-]\s)\b(?:[A-Z][\w-]*|[\w-]*\d[\w-]*)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence and what speaks for it, each from 0 to 1.

    `at` is its place among all sentences of all sources. `coverage` is the share of the question's words that it or what stands near
    it holds (idf-weighted), `lexical` its BM25 by the best one's, `cosine` None where nothing embeds, `fits` whether it holds the kind
    of thing asked for, `strangers` the share of the question's names and numbers that stand nowhere in the text.
    """

    at: int
    source: int
    sentence: Sentence
    coverage: float
    lexical: float
    cosine: float | None
    fits: bool
    strangers: float

    @property
    def evidence(self) -> float:
        """How sure we are that this answers; comparable between questions, with or without vectors (see THRESHOLD)."""
        meaning = self.cosine + COVERAGE_WEIGHT * self.coverage if self.cosine is not None else LEXICAL_ONLY_WEIGHT * self.coverage
        return meaning - STRANGER_COST * self.strangers - (0.0 if self.fits else MISFIT_COST)

    @property
    def score(self) -> float:
        """What orders the sentences of one question."""
        return self.evidence + LEXICAL_WEIGHT * self.lexical


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best candidates first, and all sentences as (source, sentence) in the order of the text."""

    candidates: list[Candidate]
    places: list[tuple[int, Sentence]]


@dataclass(slots=True)
class _Corpus:
    """All sentences of all sources with the question's words counted in each; positions run through all sources."""

    places: list[tuple[int, Sentence]]
    lengths: list[int]
    counts: list[dict[str, int]]
    heads: list[frozenset[str]]
    names: list[frozenset[str]]
    idf: dict[str, float]


def rank(question: str, sources: Sequence[Source], embedder: Embedder | None) -> Ranked:
    """The sentences worth a look, best first: of a long text the best by words; deterministic, ties in the order of the text.

    Cost: about 0.8 CPU-s a megabyte, and one embedding for at most 64 sentences and the question.
    """
    asked = content_terms(question)
    corpus = _read(asked, sources)
    if not corpus.places or not asked:
        return Ranked([], corpus.places)
    kind = expected(question)
    words = [_words(corpus, asked, at) for at in range(len(corpus.places))]
    best = max((bm25 for _, bm25 in words), default=0.0) or 1.0
    shortlist = nsmallest(EMBEDDED_SENTENCES, range(len(words)), key=lambda at: (-(words[at][0] + words[at][1] / best), at))
    cosines = _cosines(question, [_with_context(corpus, sources, at) for at in shortlist], embedder)
    strangers = _strangers(question, corpus)
    found = [
        Candidate(
            at=at,
            source=corpus.places[at][0],
            sentence=corpus.places[at][1],
            coverage=words[at][0],
            lexical=words[at][1] / best,
            cosine=cosine,
            fits=kind is Expected.ANY or holds(kind, _text(corpus, sources, at)),
            strangers=strangers,
        )
        for at, cosine in zip(shortlist, cosines, strict=True)
    ]
    return Ranked(sorted(found, key=lambda each: (-each.score, each.at)), corpus.places)


def _read(asked: Sequence[str], sources: Sequence[Source]) -> _Corpus:
    corpus = _Corpus(places=[], lengths=[], counts=[], heads=[], names=[], idf={})
    wanted = frozenset(asked)
    heads: dict[str, frozenset[str]] = {}
    documents: Counter[str] = Counter()
    for number, source in enumerate(sources):
        name = wanted.intersection(terms(source.name))
        for sentence in split(source.text, leave_out=source.leave_out):
            found = terms(source.text[sentence.start : sentence.end])
            counted: dict[str, int] = {}
            for word in found:
                if word in wanted:
                    counted[word] = counted.get(word, 0) + 1
            if sentence.heading not in heads:
                heads[sentence.heading] = wanted.intersection(terms(sentence.heading))
            documents.update(counted.keys())
            corpus.places.append((number, sentence))
            corpus.lengths.append(len(found))
            corpus.counts.append(counted)
            corpus.heads.append(heads[sentence.heading])
            corpus.names.append(name)
    total = len(corpus.places)
    corpus.idf = {word: math.log(1.0 + (total - documents[word] + 0.5) / (documents[word] + 0.5)) for word in asked}
    return corpus


def _words(corpus: _Corpus, asked: Sequence[str], at: int) -> tuple[float, float]:
    """Coverage and BM25 of one sentence, with what it borrows from around it."""
    source, sentence = corpus.places[at]
    counts, heads, names = corpus.counts[at], corpus.heads[at], corpus.names[at]
    near: set[str] = set()
    for other in (at - 2, at - 1, at + 1):
        if (
            0 <= other < len(corpus.places)
            and corpus.places[other][0] == source
            and abs(corpus.places[other][1].block - sentence.block) <= 1
        ):
            near.update(corpus.counts[other])
    covered = bm25 = 0.0
    total = sum(corpus.idf.values()) or 1.0
    damping = K1 * (1.0 - B + B * corpus.lengths[at] / TYPICAL_LENGTH)
    for word in asked:
        count = float(counts.get(word, 0))
        share = (
            1.0 if count else HEADING_SHARE if word in heads else NEIGHBOUR_SHARE if word in near else NAME_SHARE if word in names else 0.0
        )
        weight = corpus.idf[word]
        covered += weight * share
        frequency = count or share
        bm25 += weight * frequency * (K1 + 1.0) / (frequency + damping)
    return covered / total, bm25


def _strangers(question: str, corpus: _Corpus) -> float:
    """The share of the names and numbers in the question that the text never mentions."""
    named = set(terms(" ".join(_PROPER.findall(question)))) & corpus.idf.keys()
    if not named:
        return 0.0
    present: set[str] = set()
    for counts, heads, names in zip(corpus.counts, corpus.heads, corpus.names, strict=True):
        present.update(counts, heads, names)
    return len(named - present) / len(named)


def _text(corpus: _Corpus, sources: Sequence[Source], at: int) -> str:
    number, sentence = corpus.places[at]
    return sources[number].text[sentence.start : sentence.end]


def _with_context(corpus: _Corpus, sources: Sequence[Source], at: int) -> str:
    sentence = corpus.places[at][1]
    text = _text(corpus, sources, at)
    return f"{sentence.heading[-160:]}: {text}" if sentence.heading else text


def _cosines(question: str, texts: Sequence[str], embedder: Embedder | None) -> list[float | None]:
    if embedder is None or not texts:
        return [None] * len(texts)
    rows = embedder.embed([question, *texts])
    return [float(value) for value in rows[1:] @ rows[0]]
