"""The reader on public questions it was not tuned on: floors a little below what was measured on 150 of each.

Measured with vectors: SciFact right sentence first .49, among three .79, unrelated abstracts declined 1.00; COVID-QA .61, .81, unrelated
texts declined 1.00, but only .18 of the questions whose answer was taken out of a page about the same matter.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninefold.knowledge.ranking import THRESHOLD, Candidate, rank
from ninefold.knowledge.sources import Source
from ninefold.ports.embedder import Embedder

DATA = Path(os.environ.get("NINEFOLD_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "knowledge"
SAMPLE = 40
Case = tuple[str, str, list[tuple[int, int]]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no evaluation data at {DATA}; set NINEFOLD_TEST_DATA"),
]


def scifact() -> Iterator[Case]:
    """Claims, an abstract that supports or refutes them, and the spans of the sentences that do."""
    with gzip.open(DATA / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = {entry["_id"]: entry["text"] for entry in map(json.loads, lines)}
    for line in (DATA / "scifact" / "queries_train.jsonl").read_text().splitlines():
        claim = json.loads(line)
        for document, evidence in claim["metadata"].items():
            text = texts[document]
            edges = [0, *(match.end() for match in re.finditer(r"[.!?]\s+(?=[A-Z0-9(\[])", text)), len(text)]
            numbers = [number for each in evidence for number in each["sentences"] if number + 1 < len(edges)]
            if numbers:
                yield claim["text"], text, [(edges[number], edges[number + 1]) for number in numbers]


def covidqa() -> Iterator[Case]:
    """Questions of public FAQ pages, the page's answers without their questions, and the span of the right answer."""
    pages: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with (DATA / "covidqa" / "faq_covidbert.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            pages[row["source"]].append((row["question"].strip(), row["answer"].strip()))
    for page in pages.values():
        for begin in range(0, len(page), 12):
            chunk = page[begin : begin + 12]
            text, spans = "", list[tuple[int, int]]()
            for _, answer in chunk:
                spans.append((len(text), len(text) + len(answer)))
                text += answer + "\n\n"
            if len(chunk) >= 4:
                yield from ((question, text, [span]) for (question, _), span in zip(chunk, spans, strict=True))


def sampled(cases: Iterator[Case]) -> list[Case]:
    return random.Random(2).sample(list(cases), SAMPLE)


def right(candidate: Candidate, spans: list[tuple[int, int]]) -> bool:
    middle = (candidate.sentence.start + candidate.sentence.end) / 2
    return any(start <= middle < end for start, end in spans)


def shares(cases: list[Case], embedder: Embedder) -> tuple[float, float, float]:
    """Right at once, right among three, answered at all."""
    ranked = [(rank(question, [Source(name="t", text=text)], embedder).candidates, spans) for question, text, spans in cases]
    first = sum(right(found[0], spans) for found, spans in ranked)
    three = sum(any(right(each, spans) for each in found[:3]) for found, spans in ranked)
    answered = sum(any(each.evidence >= THRESHOLD for each in found) for found, _ in ranked)
    return first / len(cases), three / len(cases), answered / len(cases)


def test_scientific_claims_find_their_evidence(embedder: Embedder) -> None:
    first, three, answered = shares(sampled(scifact()), embedder)
    assert first >= 0.40
    assert three >= 0.70
    assert answered >= 0.85


def test_public_questions_find_their_answer(embedder: Embedder) -> None:
    first, three, answered = shares(sampled(covidqa()), embedder)
    assert first >= 0.50
    assert three >= 0.70
    assert answered >= 0.80


def test_questions_to_a_text_about_something_else_are_declined(embedder: Embedder) -> None:
    claims, questions = sampled(scifact()), sampled(covidqa())
    strange = [(question, text) for (question, _, _), (_, text, _) in zip(questions, claims, strict=True)]
    answered = [
        q for q, text in strange if any(c.evidence >= THRESHOLD for c in rank(q, [Source(name="t", text=text)], embedder).candidates)
    ]
    assert len(answered) <= 2, answered
