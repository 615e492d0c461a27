from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.knowledge.handbook import ANSWERABLE, HANDBOOK, UNANSWERABLE

from ninefold.knowledge.answer import NO_QUESTION, NO_TEXT, NOT_THERE, Answer
from ninefold.knowledge.question import Asked
from ninefold.knowledge.reader import answer, stream
from ninefold.knowledge.sources import Source
from ninefold.ports.embedder import Embedder


def ask(question: str, *texts: str, embedder: Any = None, unread: tuple[str, ...] = ()) -> Answer:
    sources = tuple(Source(name=f"text {number}", text=text) for number, text in enumerate(texts))
    return answer(Asked(question=question, sources=sources, unread=unread), embedder)


def quoted(found: Answer) -> list[str]:
    return [citation.text for citation in found.citations]


def test_the_sentence_that_answers_is_quoted_with_its_place() -> None:
    found = ask("What is the restocking fee for custom orders?", "Nothing here.", HANDBOOK)
    (citation,) = found.citations
    assert citation.text == "A restocking fee of 8 percent applies to custom orders."
    assert citation.source == "text 1"
    assert HANDBOOK[citation.start : citation.end] == citation.text
    assert found.text == f'The text answers this:\n\n[1] "{citation.text}" (text 1, characters {citation.start}–{citation.end})'
    assert found.found


def test_what_is_not_there_is_said_to_be_missing() -> None:
    found = ask("Who won the football world cup?", HANDBOOK)
    assert found.text == NOT_THERE
    assert not found.found
    assert found.citations == ()


def test_no_question_and_no_text_are_said_plainly() -> None:
    assert ask("", HANDBOOK).text == NO_QUESTION
    assert ask("What is the fee?").text == NO_TEXT
    assert ask("What is the fee?", "  \n").text == NO_TEXT
    assert not ask("", HANDBOOK).found


def test_files_that_were_not_read_are_named_after_the_answer() -> None:
    found = ask("Who won the football world cup?", HANDBOOK, unread=("fees.pdf",))
    assert found.text.startswith(NOT_THERE)
    assert "fees.pdf" in found.text


def test_a_name_that_the_text_never_mentions_is_no_answer() -> None:
    assert ask("What is the hotel limit in Japan?", HANDBOOK).found
    assert not ask("What is the hotel limit in Brazil?", HANDBOOK).found


def test_a_list_is_quoted_with_the_line_that_announces_it() -> None:
    found = ask("What do you need to open a site after hours?", HANDBOOK)
    assert quoted(found) == [
        "To open a site after hours you need:",
        "a badge with the night mark",
        "a colleague on the same shift",
        "an entry in the guard's log",
    ]


def test_the_question_itself_is_never_quoted_back() -> None:
    text = "What is the restocking fee?\n\nThe restocking fee is 8 percent."
    source = Source(name="your message", text=text, leave_out=((0, 27),))
    found = answer(Asked(question="What is the restocking fee?", sources=(source,)), None)
    assert quoted(found) == ["The restocking fee is 8 percent."]


def test_several_questions_get_an_answer_each_numbered_through() -> None:
    found = ask("Who leads the service desk? Who is the king? When are taxi rides paid?", HANDBOOK)
    assert [citation.number for citation in found.citations] == [1, 2]
    assert found.text.count(NOT_THERE) == 1
    assert "When are taxi rides paid?\n\nThe text answers this:\n\n[2]" in found.text


def test_the_answer_comes_in_pieces_that_make_up_the_whole() -> None:
    asked = Asked(question="Who leads the service desk?", sources=(Source(name="h", text=HANDBOOK),))
    pieces = list(stream(asked, None))
    assert len(pieces) >= 2
    assert "".join(piece.text for piece in pieces) == answer(asked, None).text


@pytest.mark.parametrize(
    ("question", "text", "wanted"),
    [
        (
            "Wie lange ist die Rückgabefrist?",
            "Der Versand ist frei. Die Rückgabefrist beträgt 30 Tage. Wir danken.",
            "Die Rückgabefrist beträgt 30 Tage.",
        ),
        ("返品期間は何日ですか？", "送料は五百円です。返品期間は三十日です。", "返品期間は三十日です。"),
        (
            "Quel est le délai de retour ?",
            "La livraison est gratuite. Le délai de retour est de 30 jours.",
            "Le délai de retour est de 30 jours.",
        ),
    ],
)
def test_other_languages_are_answered_in_their_own_words(question: str, text: str, wanted: str) -> None:
    assert quoted(ask(question, text))[0] == wanted


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from([
            "The fee is 8 EUR.", "\r\n", "\n\n", "| fee | 9 |", "- fee: 3", "# Fee\n", "👩‍👩‍👧 pays a fee. ",
            "Gebühr? ", "费用是八元。", "e\u0301 ", " fee",
        ]), max_size=30),
    st.sampled_from(["What is the fee?", "fee", "费用？", "Who pays the fee? And when?", "?"]),
)  # fmt: skip
def test_every_quotation_is_found_at_its_offsets(parts: list[str], question: str) -> None:
    text = "".join(parts)
    found = ask(question, text, "Another fee is here.")
    originals = {"text 0": text, "text 1": "Another fee is here."}
    assert [citation.number for citation in found.citations] == list(range(1, len(found.citations) + 1))
    for citation in found.citations:
        assert originals[citation.source][citation.start : citation.end] == citation.text
        assert f'"{citation.text}" ({citation.source}, characters {citation.start}–{citation.end})' in found.text
    assert found.text == ask(question, text, "Another fee is here.").text


class CountingEmbedder:
    """Vectors without meaning: counts how much it was asked to embed."""

    model_id = "counting"
    dimensions = 2

    def __init__(self) -> None:
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np

        self.texts += len(texts)
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))

    def count_tokens(self, texts: Sequence[str]) -> int:
        return len(texts)


def test_a_megabyte_is_read_but_only_the_best_of_it_embedded() -> None:
    filler = "The weather in the valley was mild and the river ran slowly past the mill. "
    text = filler * 7_000 + "The restocking fee is 8 percent. " + filler * 7_000
    assert len(text) > 1_000_000
    embedder = CountingEmbedder()
    found = ask("What is the restocking fee?", text, embedder=embedder)
    assert quoted(found)[0] == "The restocking fee is 8 percent."
    assert embedder.texts <= 65


def test_beyond_its_bound_it_says_that_it_stopped_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninefold.knowledge.reader.MAX_READ_CHARS", 2_000)
    filler = "The river ran past the mill.\n" * 100
    found = ask("What is the restocking fee?", filler, "The restocking fee is 8 percent.")
    assert found.text.startswith(NOT_THERE)
    assert "Read only the first 2,000 characters" in found.text
    assert "Read only" not in ask("What is the restocking fee?", "The restocking fee is 8 percent.").text


@pytest.mark.parametrize("hostile", ["-", ".", "|", "'", " ", "\t", "#", "?", ". ", "a.", "- ", "\n", "。", "a|b\t", "۔", ":", "```\n"])
def test_no_text_makes_splitting_slow(hostile: str) -> None:
    """Quadratic patterns would take minutes here, and the suite's own time limit would end them."""
    found = ask("What is the fee?", hostile * (1_000_000 // len(hostile)) + "x\n\nThe fee is 8 EUR.")
    assert "The fee is 8 EUR." in quoted(found)


def test_the_handbook_is_answered_and_what_it_lacks_is_not(embedder: Embedder) -> None:
    first = [question for question, wanted in ANSWERABLE if wanted in " ".join(quoted(ask(question, HANDBOOK, embedder=embedder))[:1])]
    missed = [
        question
        for question, wanted in ANSWERABLE
        if not any(wanted in text for text in quoted(ask(question, HANDBOOK, embedder=embedder)))
    ]
    invented = [question for question in UNANSWERABLE if ask(question, HANDBOOK, embedder=embedder).found]
    # Measured: 26 right first, 27 right at all, 26 of 28 declined. One of slack, so that a new build of the model may differ a little.
    assert len(first) >= 25
    assert len(missed) <= 4, missed
    assert len(invented) <= 3, invented


def test_words_alone_answer_less_but_invent_nothing_more() -> None:
    right = [question for question, wanted in ANSWERABLE if any(wanted in text for text in quoted(ask(question, HANDBOOK)))]
    invented = [question for question in UNANSWERABLE if ask(question, HANDBOOK).found]
    assert len(right) >= 17
    assert len(invented) <= 2
