"""What a GGUF file says about itself, checked before a native reader that crashes on damaged files gets to see it.

Source: github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ninefold.domain.errors import Unavailable

# Bytes of each scalar type by its number; 8 is a string, 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# (values a block, bytes a block) of the tensor types that OpenVINO GenAI reads.
_TENSORS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34), 12: (256, 144), 14: (256, 210), 30: (1, 2)}
MAX_ENTRIES = 1_000_000
MAX_STRING_BYTES = 16 * 1024 * 1024

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """`architecture` is the model family ("llama", "qwen2" …); `context_tokens` is 0 where the file does not say."""

    architecture: str
    context_tokens: int
    metadata: dict[str, Scalar]


def read_header(path: Path) -> GgufHeader:
    """The header of a whole file. Raises: Unavailable with the reason where the file is missing, damaged, cut short or of another kind."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _Header(file, size, path.name).read()
    except OSError as failure:
        raise Unavailable(f"The model file {path.name} cannot be read: {failure.strerror}.") from failure


@dataclass(slots=True)
class _Header:
    file: BinaryIO
    size: int
    name: str

    def read(self) -> GgufHeader:
        if self._take(4) != b"GGUF":
            raise self._wrong("it does not begin as GGUF does")
        version = self._number("I")
        if version not in {2, 3}:
            raise self._wrong(f"its version {version} is not one of 2 and 3")
        tensors, entries = self._number("Q"), self._number("Q")
        if not 0 < tensors <= MAX_ENTRIES or entries > MAX_ENTRIES:
            raise self._wrong("its counts of tensors and entries make no sense")
        metadata: dict[str, Scalar] = {}
        for _ in range(entries):
            key = self._text()
            value = self._value(self._number("I"))
            if value is not None:
                metadata[key] = value
        ends = [self._tensor_end() for _ in range(tensors)]
        alignment = int(metadata.get("general.alignment", 32)) or 32
        begin = -(-self.file.tell() // alignment) * alignment
        if begin + max(ends) > self.size:
            raise self._wrong("it is cut short")
        architecture = str(metadata.get("general.architecture", ""))
        return GgufHeader(
            architecture=architecture,
            context_tokens=int(metadata.get(f"{architecture}.context_length", 0)),
            metadata=metadata,
        )

    def _tensor_end(self) -> int:
        name = self._text()
        dimensions = self._number("I")
        if not 0 < dimensions <= 8:
            raise self._wrong(f"tensor {name[:60]!r} has {dimensions} dimensions")
        values = 1
        for _ in range(dimensions):
            values *= self._number("Q")
        kind = self._number("I")
        offset = self._number("Q")
        if kind not in _TENSORS:
            raise self._wrong(f"tensor {name[:60]!r} is quantised in a way that OpenVINO GenAI does not read (type {kind})")
        block, block_bytes = _TENSORS[kind]
        return offset + -(-values // block) * block_bytes

    def _value(self, kind: int) -> Scalar | None:
        """A scalar or a string; None for an array, which is passed over."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._scalar(kind)
        inner, count = self._number("I"), self._number("Q")
        if inner == _STRING:
            for _ in range(count):
                self._skip(self._number("Q"))
        elif inner in _SCALARS:
            self._skip(count * struct.calcsize("<" + _SCALARS[inner]))
        else:
            raise self._wrong("it holds an array of an unknown type")
        return None

    def _scalar(self, kind: int) -> int | float | bool:
        if kind not in _SCALARS:
            raise self._wrong("it holds a value of an unknown type")
        letter = _SCALARS[kind]
        value: int | float | bool = struct.unpack("<" + letter, self._take(struct.calcsize("<" + letter)))[0]
        return value

    def _number(self, letter: str) -> int:
        value: int = struct.unpack("<" + letter, self._take(struct.calcsize("<" + letter)))[0]
        return value

    def _text(self) -> str:
        length = self._number("Q")
        if length > MAX_STRING_BYTES:
            raise self._wrong("it holds a text of an impossible length")
        return self._take(length).decode("utf-8", "replace")

    def _skip(self, count: int) -> None:
        if count > self.size - self.file.tell():
            raise self._wrong("it is cut short")
        self.file.seek(count, 1)

    def _take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) != count:
            raise self._wrong("it is cut short")
        return data

    def _wrong(self, reason: str) -> Unavailable:
        return Unavailable(f"The model file {self.name} cannot be used: {reason}.")
