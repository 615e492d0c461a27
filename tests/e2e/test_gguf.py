"""OpenVINO GenAI on a model file made here: the real library, a real (if meaningless) model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ninefold.adapters.openvino.gguf import GgufModel
from ninefold.adapters.openvino.gguf_header import read_header
from ninefold.domain.chat import (
    ChatRequest,
    Document,
    FinishReason,
    OutputFormat,
    OutputKind,
    Role,
    Sampling,
    Text,
    Tool,
    Turn,
)
from ninefold.domain.errors import InvalidRequest, Unavailable, Unsupported
from tests.e2e.tiny_gguf import CONTEXT, write_tiny_gguf


def asked(text: str = "hi", **members: object) -> ChatRequest:
    fields: dict[str, object] = {"max_output_tokens": 24, "sampling": Sampling(temperature=1.0, seed=4)} | members
    return ChatRequest(model="tiny", turns=(Turn(role=Role.USER, parts=(Text(text=text),)),), **fields)  # pyright: ignore[reportArgumentType]  # keywords by name


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path: Path) -> GgufModel:
    return GgufModel(path)


def run(model: GgufModel, request: ChatRequest) -> tuple[str, FinishReason, int, int]:
    pieces: list[str] = []

    def say(text: str) -> bool:
        pieces.append(text)
        return True

    finished, usage = model.answer(request, say)
    return "".join(pieces), finished.reason, usage.input_tokens, usage.output_tokens


def test_it_streams_counts_and_repeats_itself_with_a_seed(model: GgufModel) -> None:
    text, reason, given, produced = run(model, asked())
    assert text
    assert (reason, produced) == (FinishReason.LENGTH, 24)
    # One token a byte, but "he" and " t": <|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n
    assert given == 21
    assert run(model, asked())[0] == text
    assert run(model, asked(sampling=Sampling(temperature=1.0, seed=5)))[0] != text
    greedy = asked(sampling=Sampling(temperature=0.0))
    assert run(model, greedy)[0] == run(model, greedy)[0]


def test_it_stops_when_nobody_listens(model: GgufModel) -> None:
    heard = 0

    def say(text: str) -> bool:
        nonlocal heard
        heard += 1
        return heard < 6

    _, usage = model.answer(asked(max_output_tokens=200), say)
    assert usage.output_tokens <= 7
    assert run(model, asked())[1] is FinishReason.LENGTH, "the next request is not disturbed"


def test_a_conversation_longer_than_the_model_reads_is_refused(model: GgufModel) -> None:
    with pytest.raises(InvalidRequest, match=str(CONTEXT)):
        run(model, asked("x" * CONTEXT))
    _, _, given, produced = run(model, asked("x" * 180, max_output_tokens=10_000))
    assert given + produced <= CONTEXT


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": (Tool(name="f", parameters="{}"),)}, "tools"),
        ({"output": OutputFormat(kind=OutputKind.JSON_OBJECT)}, "response_format"),
        ({"choices": 2}, "n"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"turns": (Turn(role=Role.USER, parts=(Document(text="x"),)),)}, "messages"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(model: GgufModel, members: dict[str, object], param: str) -> None:
    request = asked()
    refused = ChatRequest(**({name: getattr(request, name) for name in ("model", "turns")} | members))  # pyright: ignore[reportArgumentType]  # keywords by name
    with pytest.raises(Unsupported) as caught:
        run(model, refused)
    assert caught.value.param == param


def test_it_gives_its_memory_back_when_idle(path: Path) -> None:
    now_s = 0.0
    model = GgufModel(path, clock=lambda: now_s)
    before = run(model, asked())[0]
    assert model.is_loaded
    now_s = 599.0
    assert not model.unload_idle(600.0)
    now_s = 600.0
    assert model.unload_idle(600.0)
    assert not model.is_loaded
    assert run(model, asked())[0] == before


def test_a_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no model file gone\.gguf") as caught:
        run(GgufModel(tmp_path / "gone.gguf"), asked())
    assert str(tmp_path) not in caught.value.detail


def test_without_the_extra_the_error_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino_genai", None)
    with pytest.raises(Unavailable, match=r"ninefold\[local\]"):
        run(GgufModel(path), asked())


def test_the_header_is_read(path: Path) -> None:
    header = read_header(path)
    assert (header.architecture, header.context_tokens) == ("llama", CONTEXT)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "another kind": lambda whole: b"PK\x03\x04" + whole[4:],
    "future version": lambda whole: whole[:4] + b"\x09\0\0\0" + whole[8:],
    "counts": lambda whole: whole[:8] + b"\xff" * 16 + whole[24:],
    "no tensors": lambda whole: whole[:8] + b"\0" * 8 + whole[16:],
    "header cut": lambda whole: whole[:700],
    "weights cut": lambda whole: whole[:-4096],
    "noise": lambda whole: whole[:24] + bytes(range(256)) * 40,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_never_reaches_the_native_reader(tmp_path: Path, path: Path, damage: str) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(Unavailable, match=r"broken\.gguf cannot be used"):
        run(GgufModel(broken), asked())
