"""What a model of the worker process looks like to its surface: it blocks in a thread, and says its answer piece by piece."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ninefold.domain.chat import ChatRequest, Finished, FinishReason, OutputKind, ToolMode
from ninefold.domain.errors import Unavailable, Unsupported
from ninefold.domain.usage import Usage
from ninefold.knowledge.answer import Citation
from ninefold.knowledge.question import read_request, texts_of
from ninefold.knowledge.reader import stream
from ninefold.ports.embedder import Embedder

# Beyond this many characters of one text tokens are extrapolated: counting a megabyte exactly takes a second.
COUNTED_CHARS = 100_000
# Members that change nothing about an extractive or a local answer.
_HARMLESS = frozenset(
    ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier", "store", "verbosity")
)
_log = logging.getLogger("ninefold.local")


class Say(Protocol):
    """Takes the next text of an answer; False asks the model to stop."""

    def __call__(self, text: str, citations: Sequence[Citation] = ()) -> bool: ...


class LocalModel(Protocol):
    """A chat model in this process. `quotes` tells that an answer without a quotation is none.

    On failure: Unsupported, InvalidRequest, Unavailable, NoRuleMatched.
    """

    quotes: bool

    def answer(self, request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
        """The answer was said; blocks, and stops soon after `say` returned False."""
        ...


def refuse_extras(request: ChatRequest) -> None:
    """Nothing is asked that no local model can do. Raises: Unsupported naming the member."""
    for name, _ in request.extra:
        if name not in _HARMLESS:
            raise Unsupported(f"Local models do not know `{name}`.", param=name)


class ReaderModel:
    """`knowledge.reader` as a chat model: extractive, deterministic, blind to sampling.

    `count` counts the tokens of a text. Where `embedder` is None or out of order sentences are ranked by their words alone.
    """

    quotes = True

    def __init__(self, embedder: Embedder | None, count: Callable[[str], int]) -> None:
        self._embedder = embedder
        self._count = count

    def answer(self, request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
        """The sentences that answer were said, each as soon as it is known."""
        check_plain(request, "The reader")
        cap = request.max_output_tokens
        given = sum(count_tokens(text, self._count) for text in texts_of(request))
        produced = 0
        for piece in stream(read_request(request), self._working_embedder()):
            cost = self._count(piece.text)
            if cap is not None and produced + cost > cap:
                cut = self._cut(piece.text, cap - produced)
                produced += self._count(cut)
                say(cut)
                return Finished(reason=FinishReason.LENGTH), Usage(input_tokens=given, output_tokens=produced)
            produced += cost
            if not say(piece.text, piece.citations):
                break
        return Finished(reason=FinishReason.STOP), Usage(input_tokens=given, output_tokens=produced)

    def _working_embedder(self) -> Embedder | None:
        if self._embedder is None:
            return None
        try:
            self._embedder.count_tokens([""])  # loads the model
        except Unavailable as failure:
            _log.warning("reader.words_only: %s", failure.detail)
            return None
        return self._embedder

    def _cut(self, text: str, tokens: int) -> str:
        """As much of the text's beginning as has at most `tokens` tokens."""
        fits, too_long = 0, len(text) + 1
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if self._count(text[:middle]) <= tokens:
                fits = middle
            else:
                too_long = middle
        return text[:fits]


def check_plain(request: ChatRequest, who: str) -> None:
    """Nothing but one plain text is asked of `who`, which writes none itself. Raises: Unsupported naming the member."""
    if request.choices != 1:
        raise Unsupported(f"{who} has one answer, always the same.", param="n")
    if request.output.kind is not OutputKind.TEXT:
        raise Unsupported(f"{who} gives text; it does not write JSON.", param="response_format")
    if request.tool_choice is not None and request.tool_choice.mode in {ToolMode.REQUIRED, ToolMode.NAMED}:
        raise Unsupported(f"{who} calls no tools.", param="tool_choice")
    if request.sampling.logprobs:
        raise Unsupported(f"{who} has no log probabilities.", param="logprobs")
    thinks = request.reasoning
    if thinks is not None and not thinks.disabled and (thinks.budget_tokens or thinks.level not in {None, "none", "minimal"}):
        raise Unsupported(f"{who} does not reason.", param="reasoning_effort")


def count_tokens(text: str, count: Callable[[str], int]) -> int:
    """The tokens of a text; of a very long one extrapolated from its beginning."""
    if len(text) <= COUNTED_CHARS:
        return count(text)
    return round(count(text[:COUNTED_CHARS]) * len(text) / COUNTED_CHARS)
