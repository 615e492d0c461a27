"""Regular expressions of an operator, which are looked for in what anybody writes: none whose search could take for ever."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ninefold.app.config_types import wrong

# `re` shows nothing of what it has read; its own parser does.
_parser: Any = import_module("re._parser")
_words: Any = import_module("re._constants")
_UNBOUNDED = 100
_OFTEN = 10
_BACKTRACKING = (_words.MAX_REPEAT, _words.MIN_REPEAT)
_GROUPS = (_words.SUBPATTERN, _words.ATOMIC_GROUP)
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    _words.CATEGORY_DIGIT: str.isdecimal,
    _words.CATEGORY_SPACE: str.isspace,
    _words.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
}
_NOT_CATEGORIES = {
    _words.CATEGORY_NOT_DIGIT: _words.CATEGORY_DIGIT,
    _words.CATEGORY_NOT_SPACE: _words.CATEGORY_SPACE,
    _words.CATEGORY_NOT_WORD: _words.CATEGORY_WORD,
}
# One of every kind of character that patterns tell apart without naming it; those that a pattern names join them.
_KINDS = frozenset(map(chr, range(128))) | frozenset("éß٣\u00a0€中")


def _checked(value: str) -> str:
    try:
        re.compile(value)
        read = _parser.parse(value)
    except re.error as error:
        raise wrong(f"is not a regular expression: {error}") from None
    except RecursionError:
        raise wrong("is nested too deep") from None
    if _Repeats(value).nested(read, None):
        raise wrong(
            "repeats something that is itself repeated without a bound and could match the same text, as (a+)+ does: some texts would "
            "take for ever; bound the inner repeat, or part its rounds by a character that it cannot match"
        )
    return value


Pattern = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_checked)]


class _Repeats:
    """Finds repeats within repeats whose rounds could be told apart in more than one way: their number grows with every character.

    Rounds are told apart where each has a character that the inner repeat cannot match. Not found are alternatives that overlap.
    """

    def __init__(self, pattern: str) -> None:
        named = frozenset(pattern)
        self._kinds = _KINDS | named | {each for char in named for each in (char.lower(), char.upper()) if len(each) == 1}

    def nested(self, items: Any, parted_by: list[frozenset[str]] | None) -> bool:
        """Whether there is such a pair in `items`, which stand in a round `parted_by` what must come in each (None: in no round)."""
        here = None if parted_by is None else parted_by + [self._chars(item) for item in _needed(items)]
        return any(self._nested_in(item, here) for item in items)

    def _nested_in(self, item: Any, here: list[frozenset[str]] | None) -> bool:
        word, value = item
        if word in _BACKTRACKING:
            _, most, body = value
            if most > _UNBOUNDED and here is not None and not any(self._all(body).isdisjoint(part) for part in here):
                return True
            return self.nested(body, [] if most > _OFTEN else here)
        if word is _words.BRANCH:
            return any(self.nested(each, here) for each in value[1])
        if word is _words.SUBPATTERN:
            return self.nested(value[-1], here)
        # What matches without going back into itself is a world of its own.
        return any(self.nested(each, None) for each in _bodies(item))

    def _all(self, items: Any) -> frozenset[str]:
        return frozenset[str]().union(*(self._chars(item) for item in items))

    def _chars(self, item: Any) -> frozenset[str]:
        """The characters that can stand in what `item` matches, in any case."""
        word = item[0]
        if word in {_words.AT, _words.ASSERT, _words.ASSERT_NOT}:
            return frozenset()
        if word in {_words.LITERAL, _words.NOT_LITERAL, _words.IN}:
            one = partial(_matches, item)
            return frozenset(char for char in self._kinds if one(char) or one(char.lower()) or one(char.upper()))
        bodies = list(_bodies(item))
        return self._all(part for body in bodies for part in body) if bodies else self._kinds


def _bodies(item: Any) -> Iterator[Any]:
    """The sequences inside `item`."""
    word, value = item
    if word in _BACKTRACKING or word is _words.POSSESSIVE_REPEAT:
        yield value[2]
    elif word is _words.BRANCH:
        yield from value[1]
    elif word is _words.SUBPATTERN:
        yield value[-1]
    elif word is _words.ATOMIC_GROUP:
        yield value
    elif word in {_words.ASSERT, _words.ASSERT_NOT}:
        yield value[1]
    elif word is _words.GROUPREF_EXISTS:
        yield from (each for each in value[1:] if each is not None)


def _needed(items: Any) -> Iterator[Any]:
    """The items without which `items` do not match, those of plain groups one by one."""
    for item in items:
        if item[0] in _GROUPS:
            yield from _needed(next(_bodies(item)))
        elif _parser.SubPattern(items.state, [item]).getwidth()[0] > 0:
            yield item


def _matches(item: Any, char: str) -> bool:
    """Whether `item`, which matches one character, matches this one."""
    word, value = item
    if word is _words.LITERAL:
        return len(char) == 1 and ord(char) == value
    if word is _words.NOT_LITERAL:
        return len(char) == 1 and ord(char) != value
    negated = bool(value) and value[0][0] is _words.NEGATE
    return any(_in_set(each, char) for each in value) is not negated


def _in_set(item: Any, char: str) -> bool:
    word, value = item
    if word is _words.LITERAL:
        return len(char) == 1 and ord(char) == value
    if word is _words.RANGE:
        return len(char) == 1 and value[0] <= ord(char) <= value[1]
    if word is _words.CATEGORY:
        opposite = _NOT_CATEGORIES.get(value)
        return _CATEGORIES[value](char) if opposite is None else not _CATEGORIES[opposite](char)
    return False
