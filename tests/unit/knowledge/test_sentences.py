from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.knowledge.sentences import MAX_SENTENCE_CHARS, SentenceKind, split

LAYOUT = st.lists(
    st.sampled_from(
        [
            "# Head", "Plain words here.", "Dr. Who ", "e.g. this", "| a | b |", "|---|---|", "- item", "1. one",
            "Key: value", "```", "    code()", "===", "\t", "\r\n",
            "\n", "\r", "\u2028",
            "。", "日本語です。", "Really?", "…", "é", "e\u0301", "👩‍👩‍👧", "word " * 40, "x" * 700, "> quoted", "a\tb\tc", "\x00", "   ",
        ]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def texts(text: str) -> list[str]:
    return [text[each.start : each.end] for each in split(text)]


@settings(max_examples=150, deadline=None)
@given(st.one_of(LAYOUT, st.text(max_size=300)))
def test_spans_lie_in_order_in_the_text_and_quote_it(text: str) -> None:
    end = 0
    for each in split(text):
        assert end <= each.start < each.end <= len(text)
        quoted = text[each.start : each.end]
        assert quoted == quoted.strip()
        assert quoted
        assert len(quoted) <= MAX_SENTENCE_CHARS
        end = each.end


@settings(max_examples=60, deadline=None)
@given(LAYOUT, st.integers(0, 200), st.integers(1, 200))
def test_nothing_is_quoted_from_what_is_left_out(text: str, start: int, length: int) -> None:
    for each in split(text, leave_out=((start, start + length),)):
        assert each.end <= start or each.start >= start + length


def test_sentences_end_at_full_stops_but_not_in_abbreviations_or_numbers() -> None:
    found = texts("Dr. Smith pays 3.5 EUR, e.g. by card. He is at No. 7 Main St. in Rome. J. R. Hartley wrote it! Did\nhe? Yes.")
    assert found == ["Dr. Smith pays 3.5 EUR, e.g. by card.", "He is at No. 7 Main St. in Rome.", "J. R. Hartley wrote it!", "Yes."]


def test_a_question_heads_what_follows_it() -> None:
    (answer,) = split("Who pays?\n\nThe buyer does.")
    assert answer.heading == "Who pays?"


def test_windows_and_old_mac_line_ends_keep_offsets() -> None:
    for end in ("\n", "\r\n", "\r"):
        text = f"# Title{end}{end}One is here. Two is{end}there.{end}{end}- item{end}"
        assert texts(text) == ["One is here.", f"Two is{end}there.", "item"]
        assert split(text)[0].heading == "Title"


def test_headings_nest_and_close() -> None:
    found = split("# A\n\none is.\n\n## B\n\ntwo is.\n\n# C\n\nthree is.\n\nPlain Title\n===========\n\nfour is.")
    assert [each.heading for each in found] == ["A", "A > B", "C", "Plain Title"]


def test_tables_become_rows_under_their_header() -> None:
    found = split("| land | pay |\n|---|---|\n| EU | 14 |\n| US | 30 |\n\nName\tAge\nAnn\t7\n")
    assert [each.kind for each in found] == [SentenceKind.ROW] * len(found)
    assert "land" in found[0].heading
    assert "land" not in found[-1].heading
    assert texts("| land | pay |\n|---|---|\n| EU | 14 |\n| US | 30 |") == ["| EU | 14 |", "| US | 30 |"]


def test_items_stand_under_the_line_that_announces_them() -> None:
    lead, *items = split("You need:\n\n- a badge\n- a key\n\nNothing else counts.")
    assert lead.heading == ""
    assert [each.heading for each in items] == ["You need:", "You need:", ""]


def test_code_is_quoted_line_by_line() -> None:
    found = split("Run it:\n\n```sh\nmake up. Now\n\nmake test\n```\nDone is done.")
    assert [each.kind for each in found] == [SentenceKind.PROSE, SentenceKind.CODE, SentenceKind.CODE, SentenceKind.PROSE]


def test_key_and_value_lines_stand_alone() -> None:
    assert texts("Owner: Ann Lee\nPrice: 5 EUR\n**Port:** 8080") == ["Owner: Ann Lee", "Price: 5 EUR", "**Port:** 8080"]


def test_scripts_without_spaces_are_cut_at_their_own_marks() -> None:
    assert texts("返品は三十日以内です。送料は五百円です。") == ["返品は三十日以内です。", "送料は五百円です。"]


def test_lower_case_text_is_cut_too() -> None:
    assert texts("the wing was tested .  the results agree .") == ["the wing was tested .", "the results agree ."]
