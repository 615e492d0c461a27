"""Content blocks as events: one open at a time, though other vendors' tool calls may come in interleaved pieces."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import ReasoningDelta, ToolCallDelta, ToolCallOpened
from ninefold.domain.errors import UpstreamRejected
from ninefold.wire import vendor_json
from ninefold.wire.sse import event

_encode = msgspec.json.Encoder().encode


class _Block(msgspec.Struct):
    """A block that was begun. `kind` is text, thinking or tool; `waiting` holds its deltas while another block is open."""

    kind: str
    start: bytes
    tool: int = -1
    arguments: list[str] = []
    waiting: list[bytes] = []
    closed: bool = False

    def may_close(self) -> bool:
        """Whether nothing more can belong to it once another block has begun: a call's arguments are one JSON object."""
        if self.kind != "tool":
            return True
        text = "".join(self.arguments)
        return text.rstrip().endswith("}") and vendor_json.is_object(text)


class BlockWriter:
    """Writes `content_block_*` events.

    The first block that is not closed is open and streams; those begun after it wait until it may close, the last resort being
    `close_all`. So calls that come one after the other stream as they come, and interleaved ones are put in order.
    """

    __slots__ = ("_blocks", "_number", "_open", "_tools")

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._open = False
        self._number = 0
        self._tools: dict[int, _Block] = {}

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return bool(self._tools)

    def text(self, text: str) -> bytes:
        """Events for more text."""
        block = self._of_kind("text", b'{"type":"text","text":""}')
        return self._add(block, b'{"type":"text_delta","text":' + _encode(text) + b"}") + self._advance()

    def reasoning(self, delta: ReasoningDelta) -> bytes:
        """Events for more reasoning; a signature ends its block, and a redacted block is whole."""
        if delta.redacted is not None:
            self._begin(_Block(kind="redacted", start=_encode({"type": "redacted_thinking", "data": delta.redacted})))
            return self._advance()
        block = self._of_kind("thinking", b'{"type":"thinking","thinking":"","signature":""}')
        out = b""
        if delta.text:
            out += self._add(block, b'{"type":"thinking_delta","thinking":' + _encode(delta.text) + b"}")
        if delta.signature is not None:
            out += self._add(block, b'{"type":"signature_delta","signature":' + _encode(delta.signature) + b"}")
            block.kind = "signed"
        return out + self._advance()

    def call(self, delta: ToolCallOpened) -> bytes:
        """Events for a call that began."""
        start = _encode({"type": "tool_use", "id": delta.call_id, "name": delta.name, "input": {}})
        block = _Block(kind="tool", start=start, tool=delta.index)
        self._tools[delta.index] = block
        self._begin(block)
        return self._advance()

    def arguments(self, delta: ToolCallDelta) -> bytes:
        """Events for more of a call's arguments. Raises: UpstreamRejected for arguments of no call, or after their own end."""
        block = self._tools.get(delta.index)
        if block is None:
            raise UpstreamRejected("The upstream sent arguments of a tool call that it had not begun.")
        if block.closed:
            if delta.arguments.strip():
                raise UpstreamRejected("The upstream sent more arguments after a tool call's arguments were complete.")
            return b""
        if not delta.arguments:
            return b""
        block.arguments.append(delta.arguments)
        out = self._add(block, b'{"type":"input_json_delta","partial_json":' + _encode(delta.arguments) + b"}")
        return out + self._advance()

    def close_all(self) -> bytes:
        """Events for all that waited, every block closed."""
        return self._advance(last=True)

    def _of_kind(self, kind: str, start: bytes) -> _Block:
        """The latest block if it is of this kind and open, else a new one."""
        if self._blocks and self._blocks[-1].kind == kind and not self._blocks[-1].closed:
            return self._blocks[-1]
        return self._begin(_Block(kind=kind, start=start))

    def _begin(self, block: _Block) -> _Block:
        self._blocks.append(block)
        return block

    def _started(self, block: _Block) -> bool:
        return self._open and self._blocks[0] is block

    def _add(self, block: _Block, delta: bytes) -> bytes:
        """The event of a delta if its block is the open one; else it waits."""
        if self._started(block):
            return self._delta(delta)
        block.waiting.append(delta)
        return b""

    def _delta(self, delta: bytes) -> bytes:
        data = b'{"type":"content_block_delta","index":%d,"delta":' % self._number + delta + b"}"
        return event(data, "content_block_delta")

    def _advance(self, *, last: bool = False) -> bytes:
        """Events that let the first block be open, and close it as long as another waits behind it."""
        out: list[bytes] = []
        while self._blocks:
            block = self._blocks[0]
            if not self._open:
                self._open = True
                data = b'{"type":"content_block_start","index":%d,"content_block":' % self._number + block.start + b"}"
                out.append(event(data, "content_block_start"))
                out += map(self._delta, block.waiting)
                block.waiting = []
            if not last and (len(self._blocks) == 1 or not block.may_close()):
                break
            out.append(event(b'{"type":"content_block_stop","index":%d}' % self._number, "content_block_stop"))
            block.closed = True
            del self._blocks[0]
            self._open = False
            self._number += 1
        return b"".join(out)
