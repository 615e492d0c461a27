"""Tool calls as they come in pieces, from servers that number them well, badly or not at all."""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import Delta, ToolCallDelta, ToolCallOpened


class Piece(msgspec.Struct):
    """What one chunk says of one call: `number` is the server's own, `call_id` and `name` come with the first piece."""

    number: int | None
    call_id: str
    name: str
    arguments: str


class _Call(msgspec.Struct):
    index: int
    number: int | None
    call_id: str
    name: str = ""
    held: str = ""


class ChunkCalls:
    """The calls of one choice. Each gets an index of ours, in the order of their first pieces; what a server says of a call before it
    names it is held back."""

    __slots__ = ("_calls", "_choice")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._calls: list[_Call] = []

    @property
    def nameless(self) -> bool:
        """Whether a call was begun and never named."""
        return any(not call.name for call in self._calls)

    def add(self, piece: Piece) -> list[Delta]:
        """The deltas that `piece` makes known."""
        call = self._find(piece)
        deltas: list[Delta] = []
        if call is None:
            index = len(self._calls)
            call = _Call(index=index, number=piece.number, call_id=piece.call_id or f"call_{self._choice}_{index}")
            self._calls.append(call)
        if not call.name:
            if not piece.name:
                call.held += piece.arguments
                if piece.call_id:
                    call.call_id = piece.call_id
                return deltas
            call.name = piece.name
            call.call_id = piece.call_id or call.call_id
            deltas.append(ToolCallOpened(index=call.index, call_id=call.call_id, name=call.name, choice=self._choice))
        arguments = call.held + piece.arguments
        call.held = ""
        if arguments:
            deltas.append(ToolCallDelta(index=call.index, arguments=arguments, choice=self._choice))
        return deltas

    def _find(self, piece: Piece) -> _Call | None:
        """The call that `piece` belongs to, None for a new one.

        Known deviations: no numbers at all (the id or its absence decides), and the number 0 for every call of a parallel set, with
        an id and a name of its own (Gemini's and older Ollama's compatible servers).
        """
        if piece.number is None:
            if piece.call_id:
                return next((call for call in self._calls if call.call_id == piece.call_id), None)
            return self._calls[-1] if self._calls and not piece.name else None
        same = [call for call in self._calls if call.number == piece.number]
        if not same:
            return None
        call = same[-1]
        if piece.call_id and piece.name and call.name and piece.call_id != call.call_id:
            return next((other for other in same if other.call_id == piece.call_id), None)
        return call
