from __future__ import annotations

import pytest

from ninefold.knowledge.expectation import Expected, expected, holds
from ninefold.knowledge.terms import content_terms, terms


@pytest.mark.parametrize(
    "family",
    [
        "return returns returned returning",
        "approve approved approval approves",
        "cancel cancelled cancellation cancels",
        "policy policies",
        "ship shipped shipping",
        "calibrate calibrated calibration",
        "five 5",
    ],
)
def test_forms_of_one_word_compare_equal(family: str) -> None:
    assert len(set(terms(family))) == 1


def test_different_words_stay_different() -> None:
    assert len(set(terms("station state market marker badge budget process procession"))) >= 7


def test_only_words_that_say_something_are_asked_for() -> None:
    assert content_terms("How many days do I have to return it?") == terms("days return")
    assert content_terms("Who is it?") == terms("who is it"), "a question of stop words alone keeps them"
    assert content_terms("") == []


def test_accents_width_and_case_do_not_matter() -> None:
    assert terms("RÜCKGABE Ｆｅｅ") == terms("ruckgabe fee")
    assert terms("Straße") == terms("STRASSE")


def test_east_asian_text_compares_by_pairs() -> None:
    assert set(terms("返品期間")) & set(terms("返品は三十日"))


@pytest.mark.parametrize(
    ("question", "kind", "fits", "misfits"),
    [
        ("When was it founded?", Expected.TIME, "Founded in 1987.", "Founded by Greta."),
        ("How many people work there?", Expected.NUMBER, "It employs 412 people.", "It employs people."),
        ("Who leads the desk?", Expected.PERSON, "It is led by Tomas Berg.", "It is led well."),
        ("Where is it?", Expected.PLACE, "It lies in Uppsala.", "It is big."),
        ("Why is it so?", Expected.REASON, "Because pipes burst.", "Pipes burst."),
        ("How do I ask for leave?", Expected.METHOD, "Open the portal and press Send, using the form.", "Leave is nice."),
        ("What is a lease?", Expected.DEFINITION, "A lease is a slice.", "A slice, once more"),
        ("Wann beginnt es?", Expected.TIME, "Es beginnt im März.", "Es beginnt bald"),
    ],
)
def test_question_words_announce_the_kind_of_answer(question: str, kind: Expected, fits: str, misfits: str) -> None:
    assert expected(question) is kind
    assert holds(kind, fits)
    assert not holds(kind, misfits)


def test_without_a_question_word_anything_will_do() -> None:
    assert expected("the restocking fee") is Expected.ANY
    assert holds(Expected.ANY, "")
