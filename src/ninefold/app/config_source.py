"""Reads YAML and environment variables into plain values that remember where each was written.

The scalars follow YAML 1.2's core schema rather than 1.1: `no`, `on` and `12:30` are text, and numbers with a point are exact decimals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import yaml

from ninefold.app.config_problem import ConfigInvalid, Place, Problem, Steps, problem

PREFIX = "NINEFOLD__"
MAX_FILE_BYTES = 8 * 1024 * 1024
_MAX_VALUES = 500_000  # a few aliases of aliases could otherwise unfold a short file without bound
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Value = str | int | bool | Decimal | dict[str, "Value"] | tuple["Value", ...] | None


@dataclass(slots=True)
class Document:
    """`root` holds the values; `values` and `keys` say where a value, and the key it stands under, was written."""

    source: str
    root: dict[str, Value] = field(default_factory=dict[str, Value])
    values: dict[Steps, Place] = field(default_factory=dict[Steps, Place])
    keys: dict[Steps, Place] = field(default_factory=dict[Steps, Place])
    problems: list[Problem] = field(default_factory=list[Problem])

    def place(self, steps: Steps) -> Place:
        """Where the value at `steps` was written, or else the nearest thing around it."""
        for end in range(len(steps), -1, -1):
            found = self.values.get(steps[:end])
            if found is not None:
                return found
        return Place(source=self.source)

    def key_place(self, steps: Steps) -> Place:
        """Where the key of `steps` was written."""
        return self.keys.get(steps) or self.place(steps)


if TYPE_CHECKING:
    _Parser = yaml.SafeLoader
else:
    _Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as fast, where it was built in


class _Loader(_Parser):
    """Tells a plain scalar (tag "?") from one whose tag was written or quoted."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool] | bool) -> str:  # noqa: FBT001  # PyYAML's
        del value
        if kind is yaml.ScalarNode:
            return "?" if isinstance(implicit, tuple) and implicit[0] else f"{_TAG}str"
        return f"{_TAG}seq" if kind is yaml.SequenceNode else f"{_TAG}map"


class _Builder:
    """Turns nodes into values, noting places and problems in one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node, steps: Steps) -> Value:
        place = self._at(node)
        self._document.values[steps] = place
        self._count += 1
        if self._count > _MAX_VALUES:
            raise ConfigInvalid([problem(place, steps, f"aliases unfold to more than {_MAX_VALUES:,} values")])
        if id(node) in self._open:
            self._refuse(node, steps, "this alias contains itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, steps)
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, steps, "seq")
                return tuple(self.build(item, (*steps, index)) for index, item in enumerate(node.value))
            assert isinstance(node, yaml.MappingNode)
            self._check_tag(node, steps, "map")
            return self._mapping(node, steps)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, steps: Steps) -> dict[str, Value]:
        result: dict[str, Value] = {}
        first: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, steps, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key == "<<" and key_node.tag == "?":
                merged.append(value_node)
                continue
            here = (*steps, key)
            if key in first:
                self._refuse(key_node, here, f"duplicate key; it stands already in line {first[key]}")
                continue
            first[key] = key_node.start_mark.line + 1
            self._document.keys[here] = self._at(key_node)
            result[key] = self.build(value_node, here)
        for value_node in merged:
            self._merge(value_node, steps, result)
        return result

    def _merge(self, node: yaml.Node, steps: Steps, into: dict[str, Value]) -> None:
        """What `<<` names stands in `into` wherever it has no key of that name."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or id(source) in self._open:
                self._refuse(source, steps, "'<<' takes a mapping or a list of mappings")
                continue
            fresh = [pair for pair in source.value if not isinstance(pair[0], yaml.ScalarNode) or str(pair[0].value) not in into]
            for key, value in self._mapping(yaml.MappingNode(source.tag, fresh, source.start_mark, source.end_mark), steps).items():
                into.setdefault(key, value)

    def _scalar(self, node: yaml.ScalarNode, steps: Steps) -> Value:
        text = str(node.value)
        if node.tag == "?":
            return plain(text)
        self._check_tag(node, steps, "str")
        return text

    def _check_tag(self, node: yaml.Node, steps: Steps, expected: str) -> None:
        if node.tag not in {f"{_TAG}{expected}", "!"}:
            self._refuse(node, steps, f"the tag {node.tag.replace(_TAG, '!!')} is not taken here; write a plain value")

    def _refuse(self, node: yaml.Node, steps: Steps, message: str) -> None:
        self._document.problems.append(problem(self._at(node), steps, message))

    def _at(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(source=self._document.source, line=mark.line + 1, column=mark.column + 1)


def plain(text: str) -> Value:
    """The value of an unquoted scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _DECIMAL.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    return text


def read_yaml(data: bytes, source: str) -> Document:
    """The document in `data`; what is wrong with single values stands in its `problems`. Raises: ConfigInvalid for broken YAML."""
    document = Document(source=source)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigInvalid([problem(Place(source=source), (), f"the file is larger than {MAX_FILE_BYTES:,} bytes")])
    root = _compose(data, source)
    if root is None:
        return document
    value = _Builder(document).build(root, ())
    if isinstance(value, dict):
        document.root = value
    elif value is not None:
        document.problems.append(problem(document.place(()), (), "the file must hold a mapping of sections (server:, deployments:, …)"))
    return document


def _compose(data: bytes, source: str) -> yaml.Node | None:
    try:
        loader = _Loader(data)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source=source, line=mark.line + 1, column=mark.column + 1) if mark is not None else Place(source=source)
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigInvalid([problem(place, (), f"not valid YAML: {message}")]) from None
    except yaml.reader.ReaderError as error:
        # Its text quotes the file's bytes: only the position is taken from it.
        line = data.count(b"\n", 0, error.position) + 1
        column = error.position - (data.rfind(b"\n", 0, error.position) + 1) + 1
        message = "not valid YAML: a byte that is not UTF-8 or a character that YAML does not allow"
        raise ConfigInvalid([problem(Place(source=source, line=line, column=column), (), message)]) from None
    except (RecursionError, yaml.YAMLError):
        raise ConfigInvalid([problem(Place(source=source), (), "not valid YAML")]) from None


def override_from_environment(document: Document, environ: Mapping[str, str]) -> None:
    """Every `NINEFOLD__SECTION__KEY` in `environ` stands in `document` in place of what the file says there.

    A number walks into a list: `NINEFOLD__DEPLOYMENTS__0__BASE_URL`. Values are read as YAML (`[a, b]` is a list).
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        place = Place(source=f"env {name}")
        steps: Steps = tuple(int(part) if part.isdigit() else part.lower() for part in name[len(PREFIX) :].split("__"))
        try:
            part = _from_text(environ[name], place, steps)
            _put(document, steps, part.root[""], place)
            document.values.update(dict.fromkeys(part.values, place))
        except ConfigInvalid as error:
            document.problems.extend(error.problems)


def override(document: Document, values: Mapping[str, object], source: str) -> None:
    """Every `section.key` of `values` stands in `document`."""
    for name, value in values.items():
        assert value is None or isinstance(value, str | int | bool | Decimal), name
        _put(document, tuple(name.split(".")), value, Place(source=source))


def _from_text(text: str, place: Place, steps: Steps) -> Document:
    """The value of a variable, under the key "", and the places of what is in it."""
    part = Document(source=place.source)
    node = _compose(text.encode("utf-8", "replace"), place.source) if text[:1] in {"[", "{", '"', "'"} else None
    part.root[""] = _Builder(part).build(node, steps) if node is not None else plain(text)
    if part.problems:
        raise ConfigInvalid(part.problems)
    return part


def _put(document: Document, steps: Steps, value: Value, place: Place) -> None:
    """`value` stands at `steps`; what stood below has gone. Raises: ConfigInvalid where the way there does not exist."""
    document.root = _replaced(document.root, steps, value, place, steps)
    for known in (document.values, document.keys):
        for below in [each for each in known if each[: len(steps)] == steps]:
            del known[below]
    document.values[steps] = place
    document.keys[steps] = place


def _replaced(container: dict[str, Value], steps: Steps, value: Value, place: Place, whole: Steps) -> dict[str, Value]:
    head = steps[0] if steps else ""
    if not isinstance(head, str) or not head:
        raise ConfigInvalid([problem(place, whole, "this name leads nowhere; write NINEFOLD__SECTION__KEY")])
    return {**container, head: _inside(container.get(head), steps[1:], value, place, whole)}


def _inside(current: Value, steps: Steps, value: Value, place: Place, whole: Steps) -> Value:
    if not steps:
        return value
    head = steps[0]
    if isinstance(current, tuple) and isinstance(head, int):
        if head < len(current):
            inner = _inside(current[head], steps[1:], value, place, whole)
            return (*current[:head], inner, *current[head + 1 :])
        raise ConfigInvalid([problem(place, whole, f"the list has {len(current)} entries, numbered from 0")])
    if isinstance(current, tuple) or isinstance(head, int):
        raise ConfigInvalid([problem(place, whole, "a number must name an entry of a list that the file has")])
    return _replaced(current if isinstance(current, dict) else {}, steps, value, place, whole)
