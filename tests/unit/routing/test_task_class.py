"""Which class a call begins in."""

from __future__ import annotations

import json

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import ApprovalRequired, InvalidRequest
from ninefold.domain.snapshot import Promotion, Snapshot, TaskClass
from ninefold.routing.task_class import MAX_TEXT_CHARS, TaskClasses, last_user_text

CLASSES = TaskClasses(
    Snapshot(
        version=1,
        digest="",
        compiled_at=0.0,
        policy_version="",
        task_classes=(
            TaskClass(name="faq", patterns=("hours",), promotion=Promotion(to="expert", on=("high_risk",), high_risk=("lawsuit",))),
            TaskClass(name="hours", patterns=("hours",)),
            TaskClass(name="expert", promotion=Promotion(to="faq", on=("ambiguous", "failures"), ambiguous=("maybe",))),
            TaskClass(name="money", patterns=("transfer",), approval=True),
            TaskClass(name="pays", promotion=Promotion(to="money", on=("failures",))),
        ),
    )
)


def call(*said: tuple[str, str], task_class: str = "", operation: Operation = Operation.CHAT) -> ModelCall:
    body = json.dumps({"model": "m", "messages": [{"role": role, "content": text} for role, text in said]}).encode()
    return ModelCall(operation=operation, wire=Wire.OPENAI, model="m", body=body, task_class=task_class)


def begun(*said: tuple[str, str], task_class: str = "") -> str:
    found, _ = CLASSES.begin(call(*said, task_class=task_class))
    return "" if found is None else found.name


def test_the_first_pattern_that_is_in_the_last_user_text_counts():
    assert begun(("user", "which hours?")) == "faq"
    assert begun(("user", "which hours?"), ("assistant", "nine"), ("user", "thanks")) == ""
    assert begun(("user", "thanks"), ("assistant", "hours")) == ""


def test_what_the_caller_names_comes_before_patterns():
    assert begun(("user", "which hours?"), task_class="hours") == "hours"
    with pytest.raises(InvalidRequest, match="expert, faq, hours, money, pays"):
        begun(("user", "hi"), task_class="nope")


def test_a_doubtful_text_begins_in_the_better_class_and_goes_round_no_circle():
    assert begun(("user", "hours, or a lawsuit")) == "expert"
    assert begun(("user", "hours, or a lawsuit, maybe")) == "expert"
    assert "high risk" in CLASSES.begin(call(("user", "hours, or a lawsuit")))[1]


def test_approval_is_asked_for_however_the_class_was_found():
    for wanted in (call(("user", "transfer it")), call(("user", "hi"), task_class="money")):
        with pytest.raises(ApprovalRequired):
            CLASSES.begin(wanted)


def test_a_chain_ends_before_approval_and_before_a_class_that_is_in_it():
    chains = {name: [each.name for each in CLASSES.chain(found)] for name in ("faq", "pays") if (found := CLASSES.get(name))}
    assert chains == {"faq": ["faq", "expert"], "pays": ["pays"]}


def test_only_a_conversation_has_a_text():
    assert CLASSES.begin(call(("user", "hours"), operation=Operation.EMBEDDINGS)) == (None, "")
    assert last_user_text(ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="m", body=b'{"messages": 7}')) == ""
    assert len(last_user_text(call(("user", "x" * 99_999)))) == MAX_TEXT_CHARS
