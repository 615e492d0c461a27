"""The guide "Add a vendor", followed to the letter in a copy of the sources, and then used."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import threading
from pathlib import Path

import anthropic
import openai
import pytest

from tests.e2e.platform import Platform

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "add-a-vendor.md"
KEY = "test-key"
CONFIG = """
deployments:
  - {{name: co, provider: cohere, base_url: "http://127.0.0.1:{port}", api_key: {{env: CO_KEY}}, model: command-a, price: {{input_per_million: 1, output_per_million: 2}}}}
models:
  - {{name: command, route: {{deployments: [co]}}, timeouts: {{first_token_s: 5, idle_s: 2, total_s: 10}}, retries: {{max_attempts: 1}}}}
tenants:
  - {{name: acme, keys: [{{name: ci, secret: {{env: ACME_KEY}}}}], models: [command]}}
"""  # noqa: E501 - a deployment a line


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


class Cohere:
    """A server written from the vendor's documentation; `cut` breaks its streams in the middle."""

    def __init__(self) -> None:
        self.seen: list[dict] = []
        self.keys: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = json.loads(await reader.readexactly(int(re.search(r"content-length: (\d+)", head, re.IGNORECASE).group(1))))
        assert head.startswith("POST /v2/chat HTTP/1.1")
        self.keys.append(re.search(r"authorization: (.*)\r", head, re.IGNORECASE).group(1))
        self.seen.append(body)
        usage = {"billed_units": {"input_tokens": 7, "output_tokens": 3}, "tokens": {"input_tokens": 70, "output_tokens": 3}}
        text = body["messages"][-1]["content"]
        if text == "too many":
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 23\r\n\r\n" + b'{"message":"slow down"}')
            writer.close()
        elif body["stream"]:
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + event("message-start", id="co-1")
            )
            for word in ("You ", "said: ", text):
                writer.write(event("content-delta", index=0, delta={"message": {"content": {"text": word}}}))
            if text != "cut":
                writer.write(event("message-end", delta={"finish_reason": "MAX_TOKENS", "usage": usage}))
            await writer.drain()
            writer.close()
        else:
            answer = {
                "id": "co-1",
                "finish_reason": "COMPLETE",
                "message": {"role": "assistant", "content": [{"type": "text", "text": f"You said: {text}"}]},
                "usage": usage,
            }
            said = json.dumps(answer).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(said) + said
            )
            await writer.drain()
            writer.close()


def follow(guide: str, sources: Path) -> None:
    """Every file that the guide shows is written, and its row put into the table."""
    files = re.findall(r"`src/ninefold/(wire/[\w/]+\.py)`:\n\n```python\n(.*?)```", guide, re.DOTALL)
    assert [name for name, _ in files] == [
        "wire/cohere/chat/request.py",
        "wire/cohere/chat/response.py",
        "wire/cohere/chat/stream.py",
        "wire/dialects/cohere.py",
    ]
    for name, text in files:
        path = sources / name
        for folder in (path.parent, path.parent.parent):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        path.write_text(text)
    (row,) = re.findall(r"^VENDORS\[.*$", guide, re.MULTILINE)
    name, value = re.fullmatch(r'VENDORS\["(\w+)"\] = (.*)', row).groups()
    table = sources / "wire" / "dialects" / "vendors.py"
    text = table.read_text().replace(
        "VENDORS: dict[str, Vendor] = {\n",
        f'from ninefold.wire.dialects.cohere import CohereDialect\n\nVENDORS: dict[str, Vendor] = {{\n    "{name}": {value},\n',
    )
    table.write_text(text)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vendor")
    shutil.copytree(ROOT / "src" / "ninefold", folder / "src" / "ninefold", ignore=shutil.ignore_patterns("__pycache__"))
    follow(GUIDE.read_text(encoding="utf-8"), folder / "src" / "ninefold")
    vendor = Cohere()
    env = {"PYTHONPATH": str(folder / "src"), "CO_KEY": "co-secret", "ACME_KEY": KEY}
    paths = [str(folder / "src"), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    with Platform(folder, CONFIG.format(port=vendor.port), env=env | {"PYTHONPATH": os.pathsep.join(paths)}) as platform:
        yield vendor, platform
    vendor.close()


@pytest.fixture
def chat(added):
    with openai.OpenAI(base_url=added[1].url + "/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_an_openai_caller_gets_a_whole_answer_with_its_cost(added, chat):
    answer = chat.chat.completions.create(
        model="command",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        top_p=0.5,
        stop=["END"],
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason, answer.model) == ("You said: hello", "stop", "command")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)
    assert answer.model_extra["ninefold"]["cost_usd"] == pytest.approx(0.000013)
    sent = added[0].seen[-1]
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert (sent["model"], sent["p"], sent["stop_sequences"]) == ("command-a", 0.5, ["END"])
    assert added[0].keys[-1] == "Bearer co-secret"


def test_an_anthropic_caller_gets_a_stream(added):
    said = [{"role": "user", "content": "hello"}]
    with (
        anthropic.Anthropic(base_url=added[1].url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(model="command", max_tokens=5, messages=said) as stream,
    ):
        message = stream.get_final_message()
    assert (message.content[0].text, message.stop_reason, message.usage.output_tokens) == ("You said: hello", "max_tokens", 3)
    assert added[0].seen[-1]["max_tokens"] == 5


def test_what_it_cannot_do_is_refused_by_name(chat):
    with pytest.raises(openai.BadRequestError) as caught:
        chat.chat.completions.create(model="command", messages=[{"role": "user", "content": "x"}], logprobs=True)
    assert (caught.value.code, caught.value.param) == ("unsupported", "logprobs")


def test_a_stream_that_is_cut_does_not_end_well(chat):
    with pytest.raises(openai.APIError):
        for _ in chat.chat.completions.create(model="command", stream=True, messages=[{"role": "user", "content": "cut"}]):
            pass


def test_its_rate_limit_is_our_unavailability(chat):
    with pytest.raises(openai.InternalServerError) as caught:
        chat.chat.completions.create(model="command", messages=[{"role": "user", "content": "too many"}])
    assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (503, "3")
