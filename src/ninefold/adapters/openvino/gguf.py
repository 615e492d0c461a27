"""A model file that the user named, run in this process by OpenVINO GenAI: GGUF, or a folder in OpenVINO's own format."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.adapters.openvino.gguf_header import read_header
from ninefold.domain.chat import ChatRequest, Finished, FinishReason, OutputKind, Role, Text, Turn
from ninefold.domain.errors import InvalidRequest, Unavailable, Unsupported
from ninefold.domain.usage import Usage

DEFAULT_MAX_TOKENS = 1024
Say = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    pipeline: Any
    tokenizer: Any
    context_tokens: int


class GgufModel:
    """One model; answers one request after the other, because the library refuses a second beside the first.

    Loaded at the first use and given back by `unload_idle`. Nothing is downloaded: `path` must exist.
    On failure: Unavailable where the file or the extra `local` is missing or the library fails; Unsupported, InvalidRequest.
    """

    quotes = False

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._turn = threading.Lock()
        self._loaded: _Loaded | None = None
        self._used_s = clock()

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory now."""
        return self._loaded is not None

    def answer(self, request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
        """The model's answer, said piece by piece; it stops within a token once `say` returns False. Blocks: run it in a thread."""
        history = [_message(turn) for turn in _checked(request).turns]
        with self._turn:
            self._used_s = self._clock()
            model = self._loaded or _load(self._path)
            self._loaded = model
            try:
                return _generate(model, history, request, say)
            finally:
                self._used_s = self._clock()

    def unload_idle(self, idle_s: float) -> bool:
        """Whether the weights were given back now, because nobody used them for `idle_s`."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self._loaded is None or self._clock() - self._used_s < idle_s:
                return False
            self._loaded = None
            return True
        finally:
            self._turn.release()


def _checked(request: ChatRequest) -> ChatRequest:
    if request.tools:
        raise Unsupported("Local model files take no tools.", param="tools")
    if request.output.kind is not OutputKind.TEXT:
        raise Unsupported("Local model files write text, not a given JSON shape.", param="response_format")
    if request.sampling.logprobs:
        raise Unsupported("Local model files report no log probabilities.", param="logprobs")
    if request.choices != 1:
        raise Unsupported("Local model files give one answer at a time.", param="n")
    return request


def _message(turn: Turn) -> dict[str, str]:
    texts: list[str] = []
    for part in turn.parts:
        if not isinstance(part, Text):
            raise Unsupported(f"Local model files read text only, not {type(part).__name__.lower()} parts.", param="messages")
        texts.append(part.text)
    role = Role.SYSTEM if turn.role is Role.DEVELOPER else turn.role
    return {"role": role.value, "content": "\n".join(texts)}


def _generate(model: _Loaded, history: list[dict[str, str]], request: ChatRequest, say: Say) -> tuple[Finished, Usage]:
    import openvino_genai as genai  # noqa: PLC0415 - the extra `local`, loaded by `_load` already

    try:
        prompt = model.tokenizer.apply_chat_template(genai.ChatHistory(history), add_generation_prompt=True)
    except RuntimeError as failure:
        raise InvalidRequest("The model's chat template does not take this order of roles.", param="messages") from failure
    tokens = model.tokenizer.encode(prompt, add_special_tokens=False)
    given = int(tokens.input_ids.get_size())
    room = model.context_tokens - given if model.context_tokens else DEFAULT_MAX_TOKENS
    if room <= 0:
        raise InvalidRequest(f"The conversation has {given} tokens; the model reads {model.context_tokens}.", param="messages")
    streamer = _streamer(genai, model.tokenizer, say)
    try:
        result = model.pipeline.generate(tokens, _config(model, request, room), streamer)
    except RuntimeError as failure:
        raise Unavailable("The local model failed; its file may need more memory than there is.") from failure
    reason = result.finish_reasons[0] if result.finish_reasons else None
    cut = reason == genai.GenerationFinishReason.LENGTH
    usage = Usage(input_tokens=given, output_tokens=streamer.tokens)
    return Finished(reason=FinishReason.LENGTH if cut else FinishReason.STOP), usage


def _config(model: _Loaded, request: ChatRequest, room: int) -> Any:
    config = model.pipeline.get_generation_config()
    wanted = request.sampling
    cap = DEFAULT_MAX_TOKENS if request.max_output_tokens is None else request.max_output_tokens
    config.max_new_tokens = max(1, min(cap, room))
    # The chat template was applied above.
    config.apply_chat_template = False
    config.do_sample = wanted.temperature is None or wanted.temperature > 0
    if config.do_sample:
        config.temperature = 1.0 if wanted.temperature is None else wanted.temperature
        config.top_p = 1.0 if wanted.top_p is None else wanted.top_p
        if wanted.top_k is not None:
            config.top_k = wanted.top_k
        if wanted.seed is not None:
            config.rng_seed = wanted.seed % 2**63
    if wanted.frequency_penalty is not None:
        config.frequency_penalty = wanted.frequency_penalty
    if wanted.presence_penalty is not None:
        config.presence_penalty = wanted.presence_penalty
    return config


def _streamer(genai: Any, tokenizer: Any, say: Say) -> Any:
    """A streamer that counts every token and asks after each whether to go on, also where a token shows no text."""
    base: Any = genai.StreamerBase

    class Counting(base):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = 0
            self.go_on = True
            self._text = genai.TextStreamer(tokenizer, self._said)

        def _said(self, text: str) -> Any:
            if text and self.go_on:
                self.go_on = say(text)
            return genai.StreamingStatus.RUNNING

        def write(self, token: int | list[int]) -> Any:
            self.tokens += 1 if isinstance(token, int) else len(token)
            self._text.write(token)
            if self.go_on:
                self.go_on = say("")
            return genai.StreamingStatus.RUNNING if self.go_on else genai.StreamingStatus.CANCEL

        def end(self) -> None:
            self._text.end()

    return Counting()


def _load(path: Path) -> _Loaded:
    try:
        import openvino_genai as genai  # noqa: PLC0415 - the extra `local`
    except ImportError as missing:
        raise Unavailable("Model files need the extra `local`: pip install 'ninefold[local]'.") from missing
    context_tokens = 0
    if not path.exists():
        raise Unavailable(f"There is no model file {path.name} where the configuration says.")
    if path.is_file():
        context_tokens = read_header(path).context_tokens
    try:
        # One thread: with two on a shared two-core machine generation was ten times slower.
        pipeline = genai.LLMPipeline(str(path), "CPU", INFERENCE_NUM_THREADS=1)
    except RuntimeError as failure:
        raise Unavailable(f"OpenVINO GenAI cannot load {path.name}: {_reason(failure)}") from failure
    return _Loaded(pipeline=pipeline, tokenizer=pipeline.get_tokenizer(), context_tokens=context_tokens)


def _reason(failure: RuntimeError) -> str:
    """The library's last line, which says what; the lines before it say where in its source."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason given."
