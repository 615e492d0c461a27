from __future__ import annotations

from base64 import b64encode

from ninefold.domain.chat import ChatRequest, Document, Image, Role, Text, ToolCall, ToolResult, Turn
from ninefold.knowledge.question import Asked, find_question, read_request, single_questions

PARAGRAPH = "The fee is eight percent of the price. It is due at once. Nobody is exempt from it, not even staff. " * 6


def asked(*turns: Turn) -> Asked:
    return read_request(ChatRequest(model="reader", turns=turns))


def user(*parts: Text | Document | Image) -> Turn:
    return Turn(role=Role.USER, parts=parts)


def question_in(text: str) -> str | None:
    span = find_question(text)
    return None if span is None else text[slice(*span)]


def test_a_short_message_is_the_question() -> None:
    assert question_in("  What is the fee?  ") == "What is the fee?"
    assert question_in("the restocking fee") == "the restocking fee"
    assert question_in("   ") is None


def test_the_last_paragraph_of_a_pasted_text_asks() -> None:
    for end in ("\n\n", "\r\n\r\n", "\n \n"):
        assert question_in(f"{PARAGRAPH}{end}What is the fee?") == "What is the fee?"
        assert question_in(f"What is the fee?{end}{PARAGRAPH}{end}{PARAGRAPH}") == "What is the fee?"
        assert question_in(f"Please list the fees{end}{PARAGRAPH}") == "Please list the fees"


def test_a_question_at_the_end_of_the_text_itself_is_found() -> None:
    assert question_in(f"{PARAGRAPH}So what is the fee?") == "So what is the fee?"
    assert question_in("The fee is 8 percent. It is due at once. What is the fee?") == "What is the fee?"


def test_a_long_text_that_asks_nothing_has_no_question() -> None:
    assert question_in(f"{PARAGRAPH}\n\n{PARAGRAPH}") is None


def test_the_rest_of_the_message_is_a_source_without_the_question() -> None:
    text = f"{PARAGRAPH}\n\nQuestion: What is the fee?"
    found = asked(user(Text(text=text)))
    assert found.question == "What is the fee?"
    (source,) = found.sources
    assert source.text == text
    ((start, end),) = source.leave_out
    assert text[start:end] == "Question: What is the fee?"


def test_every_text_of_the_request_is_a_source_under_a_name_of_its_own() -> None:
    found = asked(
        Turn(role=Role.SYSTEM, parts=(Text(text="Fees are low."),)),
        user(Text(text="The old fee was 7."), Document(text="The fee is 8.", title="fees.md")),
        Turn(role=Role.ASSISTANT, parts=(Text(text="Noted."), ToolCall(call_id="c1", name="lookup", arguments="{}"))),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="c1", parts=(Text(text="fee: 9"),)),)),
        user(Document(data=b64encode(b"Fee 10.").decode(), media_type="text/plain", title="fees.md"), Text(text="What is the fee?")),
    )
    assert found.question == "What is the fee?"
    assert [(source.name, source.text) for source in found.sources] == [
        ("system text", "Fees are low."),
        ("your earlier message", "The old fee was 7."),
        ("fees.md", "The fee is 8."),
        ("result of lookup", "fee: 9"),
        ("fees.md (2)", "Fee 10."),
    ]


def test_the_question_may_stand_before_or_after_the_pasted_part() -> None:
    for parts in ((Text(text=PARAGRAPH * 2), Text(text="What is the fee?")), (Text(text="What is the fee?"), Text(text=PARAGRAPH * 2))):
        found = asked(user(*parts))
        assert found.question == "What is the fee?"
        assert [source.text for source in found.sources] == [PARAGRAPH * 2]


def test_what_cannot_be_read_is_named() -> None:
    pdf = Document(data="JVBERi0=", media_type="application/pdf", title="fees.pdf")
    broken = Document(data="not base64!", media_type="text/plain", title="broken.txt")
    found = asked(user(pdf, broken, Image(url="https://example.org/a.png"), Text(text="What is the fee?")))
    assert found.unread == ("fees.pdf", "broken.txt", "an image")
    assert found.sources == ()


def test_no_user_turn_no_question() -> None:
    assert asked(Turn(role=Role.SYSTEM, parts=(Text(text="Be kind."),))).question == ""


def test_several_questions_are_taken_one_by_one() -> None:
    assert single_questions("Who pays? And when is it due?") == ["Who pays?", "And when is it due?"]
    assert single_questions("Version 2.1 of it. Who pays?") == ["Version 2.1 of it. Who pays?"]
