"""The worker process over its Unix socket: real process, real models, a plain HTTP client."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tiny_gguf import write_tiny_gguf
from tests.unit.knowledge.handbook import HANDBOOK

ROOT = Path(__file__).parents[2]
DOCUMENT = {
    "type": "file",
    "file": {"filename": "handbook.md", "file_data": "data:text/markdown;base64," + base64.b64encode(HANDBOOK.encode()).decode()},
}


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Worker:
    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def socket(self) -> Path:
        return self.data_dir / "run" / "worker.sock"

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
        connection = UnixConnection(self.socket)
        try:
            data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def post(self, path: str, body: object) -> tuple[int, Any]:
        status, _, data = self.call("POST", path, body)
        return status, json.loads(data)

    def events(self, body: dict[str, Any]) -> list[str]:
        status, headers, data = self.call("POST", "/v1/chat/completions", body | {"stream": True})
        assert status == 200, data
        assert headers["content-type"].startswith("text/event-stream")
        return [line.removeprefix("data: ") for line in data.decode().split("\n\n") if line]


def start(data_dir: Path, **members: object) -> Worker:
    models = ROOT / "build" / "test-models" / "models"
    models.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(exist_ok=True)
    if not (data_dir / "models").exists():
        (data_dir / "models").symlink_to(models)
    reader, writer = os.pipe()
    boot = {"data_dir": str(data_dir), "database": "", "drain_s": 5, "ready_fd": writer} | members
    command = [sys.executable, "-m", "ninefold.app.worker_process", "--boot", json.dumps(boot)]
    with (data_dir / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, pass_fds=(writer,), stderr=log)
    os.close(writer)
    with os.fdopen(reader, "rb") as ready:
        said = ready.read()
    assert said == b"1", (data_dir / "worker.log").read_text()
    return Worker(process=process, data_dir=data_dir)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short: a socket's path has at most 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="nf-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[Worker]:
    gguf = write_tiny_gguf(folder / "tiny.gguf")
    running = start(folder / "a", gguf={"tiny": str(gguf)})
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=20) == 0


def chat(question: str, **members: object) -> dict[str, Any]:
    return {"model": "reader", "messages": [{"role": "user", "content": [DOCUMENT, {"type": "text", "text": question}]}]} | members


def test_it_is_healthy_and_lists_its_models(worker: Worker) -> None:
    assert worker.call("GET", "/healthz")[0] == 200
    status, _, body = worker.call("GET", "/v1/models")
    assert status == 200
    assert [model["id"] for model in json.loads(body)["data"]] == ["reader", "tiny", "embed"]
    assert worker.socket.stat().st_mode & 0o777 == 0o600


def test_the_reader_quotes_with_offsets_and_counts_tokens(worker: Worker) -> None:
    status, answer = worker.post("/v1/chat/completions", chat("How many days do I have to return a product?"))
    assert status == 200
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    message = choice["message"]
    citation = message["annotations"][0]
    assert citation["type"] == "citation"
    assert citation["source"] == "handbook.md"
    assert citation["text"] == "Customers may return an unused meter within 45 days of delivery."
    assert HANDBOOK[citation["start"] : citation["end"]] == citation["text"]
    assert f'[1] "{citation["text"]}" (handbook.md, characters' in message["content"]
    usage = answer["usage"]
    assert len(HANDBOOK) / 6 < usage["prompt_tokens"] < len(HANDBOOK) / 2
    assert 20 < usage["completion_tokens"] < 80
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_the_reader_says_when_the_answer_is_not_there(worker: Worker) -> None:
    status, answer = worker.post("/v1/chat/completions", chat("Who won the football world cup?"))
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "The answer is not in the text you gave me."
    assert "annotations" not in answer["choices"][0]["message"]


def test_the_stream_says_the_same_in_chunks(worker: Worker) -> None:
    body = chat("What do you need to open a site after hours?", stream_options={"include_usage": True})
    events = worker.events(body)
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    finish, usage = chunks[-2], chunks[-1]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] > 20
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:-2]]
    assert len(deltas) >= 5
    _, whole = worker.post("/v1/chat/completions", body | {"stream_options": None})
    message = whole["choices"][0]["message"]
    assert "".join(delta["content"] for delta in deltas) == message["content"]
    assert [each for delta in deltas for each in delta.get("annotations", [])] == message["annotations"]
    assert "usage" not in json.loads(worker.events(chat("Who won the football world cup?"))[-2])


def test_a_token_cap_cuts_and_a_stop_string_stops(worker: Worker) -> None:
    question = "How many days do I have to return a product?"
    _, cut = worker.post("/v1/chat/completions", chat(question, max_tokens=7))
    assert cut["choices"][0]["finish_reason"] == "length"
    assert 0 < cut["usage"]["completion_tokens"] <= 7
    _, stopped = worker.post("/v1/chat/completions", chat(question, stop=["unused", "never"]))
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert stopped["choices"][0]["message"]["content"].endswith("Customers may return an ")
    assert "annotations" not in stopped["choices"][0]["message"]


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"n": 2}, 400, "n"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"model": "gpt-9"}, 404, "model"),
        ({"messages": None}, 400, "messages"),
        ({"audio": {"voice": "x"}}, 400, "audio"),
    ],
)
def test_what_it_cannot_do_is_refused_in_openais_envelope(worker: Worker, change: dict[str, object], status: int, param: str) -> None:
    for stream in (False, True):
        found, answer = worker.post("/v1/chat/completions", chat("Who pays?", **change, stream=stream))
        assert found == status
        assert answer["error"]["param"] == param


def test_nonsense_gets_an_answer_and_the_next_request_too(worker: Worker) -> None:
    assert worker.call("POST", "/v1/chat/completions", b"{")[0] == 400
    assert worker.call("GET", "/nowhere")[0] == 404
    assert worker.call("GET", "/healthz")[0] == 200


def test_a_real_embedding(worker: Worker) -> None:
    texts = ["A man is eating food.", "A man is eating a piece of bread.", "A monkey is playing drums."]
    status, answer = worker.post("/v1/embeddings", {"model": "embed", "input": texts})
    assert status == 200
    food, bread, monkey = (each["embedding"] for each in answer["data"])
    assert len(food) == 384
    assert sum(a * b for a, b in zip(food, bread, strict=True)) == pytest.approx(0.755, abs=0.02)
    assert sum(a * b for a, b in zip(food, monkey, strict=True)) < 0.2
    assert answer["usage"] == {"prompt_tokens": 27, "total_tokens": 27}
    _, packed = worker.post("/v1/embeddings", {"model": "embed", "input": texts[0], "encoding_format": "base64"})
    assert list(struct.unpack("<384f", base64.b64decode(packed["data"][0]["embedding"]))) == pytest.approx(food, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "embed", "input": "x", "dimensions": 128}, 400, "dimensions"),
        ({"model": "embed", "input": [1, 2]}, 400, "input"),
        ({"model": "embed", "input": ["x"] * 2049}, 400, "input"),
        ({"model": "other", "input": "x"}, 404, "model"),
    ],
)
def test_embeddings_it_cannot_make_are_refused(worker: Worker, body: object, status: int, param: str) -> None:
    found, answer = worker.post("/v1/embeddings", body)
    assert (found, answer["error"]["param"]) == (status, param)


def test_a_model_file_streams_by_name_and_by_path(worker: Worker, folder: Path) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 24, "seed": 4, "temperature": 1}
    by_name = worker.post("/v1/chat/completions", body | {"model": "tiny"})[1]
    assert by_name["usage"] == by_name["usage"] | {"prompt_tokens": 21, "completion_tokens": 24}
    assert by_name["choices"][0]["finish_reason"] == "length"
    chunks = [json.loads(event) for event in worker.events(body | {"model": str(folder / "tiny.gguf")})[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == by_name["choices"][0]["message"]["content"]
    status, missing = worker.post("/v1/chat/completions", body | {"model": "/gone/away.gguf", "stream": True})
    assert status == 503
    assert "/gone" not in missing["error"]["message"]


def test_the_loop_stays_free_while_models_work(worker: Worker) -> None:
    """Health is answered while a megabyte is being read."""
    text = "The weather in the valley was mild and the river ran slowly past the mill. " * 14_000
    body = {"model": "reader", "messages": [{"role": "system", "content": text}, {"role": "user", "content": "Where is the mill?"}]}
    answers: list[tuple[int, Any]] = []
    busy = threading.Thread(target=lambda: answers.append(worker.post("/v1/chat/completions", body)))
    busy.start()
    healthy = 0
    while busy.is_alive():
        assert worker.call("GET", "/healthz")[0] == 200
        healthy += 1
    busy.join()
    assert answers[0][0] == 200
    assert healthy >= 3


def test_idle_models_leave_and_come_back(folder: Path) -> None:
    worker = start(folder / "b", idle_unload_s=0.1)
    try:
        first = worker.post("/v1/embeddings", {"model": "embed", "input": "bread"})[1]
        log = worker.data_dir / "worker.log"
        deadline = time.monotonic() + 30
        while "model.unloaded" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "model.unloaded" in log.read_text()
        assert worker.post("/v1/embeddings", {"model": "embed", "input": "bread"})[1] == first
    finally:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(timeout=20) == 0


def test_a_new_worker_takes_over_the_path_of_a_dead_one(folder: Path) -> None:
    first = start(folder / "c")
    first.process.kill()
    first.process.wait(timeout=20)
    second = start(folder / "c")
    assert second.call("GET", "/healthz")[0] == 200
    second.process.terminate()
    assert second.process.wait(timeout=20) == 0


def test_it_ends_with_its_parent(folder: Path) -> None:
    boot = json.dumps({"data_dir": str(folder / "d"), "database": ""})
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'ninefold.app.worker_process', '--boot', {boot!r}], stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    (folder / "d").mkdir()
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    path = folder / "d" / "run" / "worker.sock"
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()
    parent.kill()
    parent.communicate(timeout=10)
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
