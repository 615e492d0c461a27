"""Reads YAML into a tree that forgets neither order nor repeated keys.

The scalars follow YAML 1.2's core schema, as those of the configuration do.
"""

from __future__ import annotations

from decimal import Decimal

import yaml

from ninefold.app.config_problem import ConfigInvalid, Place, problem
from ninefold.app.config_source import plain
from ninefold.wire.policy.written import Entry, Leaf, Node, Row, Table

MAX_FILE_BYTES = 1024 * 1024
_MAX_NODES = 50_000  # a few aliases of aliases could otherwise unfold a short file without bound
# What PyYAML makes of plain values, by YAML 1.1: they are read again from their text. Any other tag was written.
_TAGS = frozenset(
    f"tag:yaml.org,2002:{each}" for each in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map")
)


def read_tree(data: bytes, source: str) -> Table:
    """The mapping in `data`. Raises: ConfigInvalid, with the place."""
    if len(data) > MAX_FILE_BYTES:
        raise _refused(source, 0, f"the file is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        loader = yaml.SafeLoader(data)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise _refused(source, mark.line + 1 if mark is not None else 0, f"not valid YAML: {said}") from None
    except (RecursionError, yaml.YAMLError):
        raise _refused(source, 0, "not valid YAML") from None
    if not isinstance(node, yaml.MappingNode):
        raise _refused(source, 1, "the file must hold a mapping (policy: NAME, …)")
    tree = _Reader(source).read(node)
    assert isinstance(tree, Table)
    return tree


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._open: set[int] = set()
        self._count = 0

    def read(self, node: yaml.Node) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > _MAX_NODES:
            raise _refused(self._source, line, f"aliases unfold to more than {_MAX_NODES:,} values")
        if id(node) in self._open:
            raise _refused(self._source, line, "this alias contains itself")
        if node.tag not in _TAGS:
            raise _refused(self._source, line, "tags are not taken here; write a plain value")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.ScalarNode):
                return _leaf(node, line)
            if isinstance(node, yaml.SequenceNode):
                return Row(items=tuple(self.read(each) for each in node.value), line=line)
            assert isinstance(node, yaml.MappingNode)
            return Table(entries=tuple(self._entry(key, value) for key, value in node.value), line=line)
        finally:
            self._open.discard(id(node))

    def _entry(self, key: yaml.Node, value: yaml.Node) -> Entry:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _refused(self._source, line, "a key must be plain text")
        if key.value == "<<" and key.style is None:
            raise _refused(self._source, line, "'<<' is not taken here: the order of the keys counts")
        return Entry(key=str(key.value), value=self.read(value), line=line)


def _leaf(node: yaml.ScalarNode, line: int) -> Leaf:
    text = str(node.value)
    if node.style is not None:
        return Leaf(value=text, line=line, quoted=True)
    value = plain(text)
    if isinstance(value, Decimal):
        value = float(value)
    assert value is None or isinstance(value, bool | int | float | str)
    return Leaf(value=value, line=line)


def _refused(source: str, line: int, message: str) -> ConfigInvalid:
    return ConfigInvalid([problem(Place(source=source, line=line, column=1 if line else 0), (), message)])
