# ruff: noqa: E501 - the configuration reads best with a deployment a line
"""Rerank, moderations, images, audio and the pass-through, with the real `openai` client: the same enforcement as everywhere."""

from __future__ import annotations

import io
import json

import httpx
import openai
import pytest

from ninefold.http.data_plane import PREFIXES, SURFACES
from tests.e2e.conftest import KEY, SECRETS
from tests.e2e.platform import Platform
from tests.fault.conftest import lines_of, until
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai_endpoints import SOUND, OpenAiEndpoints
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

CONFIG = """
deployments:
  - {{name: oai, provider: openai, passthrough: true, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: gpt-5-mini, price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: ears, provider: openai, base_url: "http://127.0.0.1:{openai}/v1", api_key: {{env: OPENAI_KEY}}, model: whisper-1, price: {{input_per_million: 1.0, output_per_million: 2.0}}}}
  - {{name: ant, provider: anthropic, passthrough: true, base_url: "http://127.0.0.1:{anthropic}", api_key: {{env: ANTHROPIC_KEY}}, model: claude-haiku-4-5, price: {{input_per_million: 1.0, output_per_million: 5.0}}}}
  - {{name: embed, provider: local, model: embed}}
models:
  - {{name: any, route: {{strategy: priority, deployments: [oai]}}, timeouts: {{first_token_s: 2.0, idle_s: 2.0, total_s: 6}}, retries: {{max_attempts: 2, per_deployment: 2}}}}
  - {{name: ears, route: {{strategy: priority, deployments: [ears]}}}}
  - {{name: claude, route: {{strategy: priority, deployments: [ant]}}}}
  - {{name: near, route: {{strategy: priority, deployments: [embed]}}}}
tenants:
  - name: acme
    keys: [{{name: ci, secret: {{env: ACME_KEY}}}}]
    models: [any, ears, claude, near]
    budgets: [{{limit_usd: 50.00, window: month}}]
  - name: globex
    keys: [{{name: ci, secret: {{env: GLOBEX_KEY}}}}]
    models: [any]
    budgets: [{{limit_usd: 0.00001, window: total}}]
"""
POOR = SECRETS["GLOBEX_KEY"]


class Place:
    """The platform and its vendors."""

    def __init__(self, platform: Platform, vendor: OpenAiEndpoints, anthropic: AnthropicVendor) -> None:
        self.platform, self.vendor, self.anthropic = platform, vendor, anthropic

    def send(self, path: str, *, key: str = KEY, method: str = "POST", **more: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} | dict(more.pop("headers", {}))
        return httpx.request(method, self.platform.url + path, headers=headers, timeout=20, **more)

    def line(self, reply: httpx.Response) -> dict:
        """The only cost line of an answer."""
        trace = reply.headers["x-ninefold-trace-id"]
        (line,) = until(lambda: [line for line in lines_of(self.platform, "acme") if line["trace_id"] == trace])
        return line


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with OpenAiEndpoints() as vendor, AnthropicVendor() as anthropic:
        config = CONFIG.format(openai=vendor.port, anthropic=anthropic.port)
        with Platform(tmp_path_factory.mktemp("endpoints"), config, env=SECRETS) as platform:
            yield Place(platform, vendor, anthropic)


@pytest.fixture
def place(running):
    running.vendor.seen.clear()
    running.anthropic.seen.clear()
    yield running
    running.vendor.fault = None


@pytest.fixture
def client(place):
    with openai.OpenAI(base_url=place.platform.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


DOCUMENTS = ["The office is in Oslo.", {"text": "A fee of 8 euros applies to each transfer."}, "Lunch is at noon."]


def test_rerank_by_a_vendor(place):
    reply = place.send(
        "/v1/rerank", json={"model": "any", "query": "which fee applies", "documents": DOCUMENTS, "top_n": 2, "truncate": "END"}
    )
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert next(each["index"] for each in answer["results"]) == 1
    assert (answer["model"], len(answer["results"])) == ("any", 2)
    assert answer["ninefold"]["deployment"] == "oai"
    assert place.vendor.seen[-1][2]["truncate"] == "END"
    line = place.line(reply)
    assert (line["operation"], line["input_tokens"], line["estimated"]) == ("rerank", answer["usage"]["total_tokens"], False)


def test_rerank_by_meaning_says_how_it_scores(place):
    query = "How much money do I pay for sending a payment?"
    reply = place.send("/v1/rerank", json={"model": "near", "query": query, "documents": DOCUMENTS, "return_documents": True})
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer["results"][0]["document"]["text"] == DOCUMENTS[1]["text"]
    assert answer["scorer"].startswith("cosine of minilm-l6-v2")
    assert answer["usage"]["total_tokens"] > 10
    refused = place.send("/v1/rerank", json={"model": "near", "query": "x", "documents": ["y"], "truncate": "END"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "truncate")


def test_moderations(place, client):
    answer = client.moderations.create(model="any", input=["a hit", "fine"])
    assert [each.flagged for each in answer.results] == [True, False]
    assert answer.model == "any"
    assert answer.model_extra["ninefold"]["route"]["attempts"] == 1


def test_pictures(place, client):
    raw = client.images.with_raw_response.generate(model="any", prompt="a cat", n=2)
    assert len(raw.parse().data) == 2
    assert place.vendor.seen[-1][2] == {"model": "gpt-5-mini", "prompt": "a cat", "n": 2}
    line = place.line(raw)
    assert (line["operation"], line["output_tokens"], line["cost_nanos"], line["unpriced"]) == ("images", 4000, 8_011_000, False)
    edited = client.images.edit(model="any", prompt="blue", image=("a.png", b"\x89PNG\r\n--x", "image/png"))
    assert edited.data[0].b64_json == "aGk="
    assert place.vendor.seen[-1][2]["image"] == ("a.png", "image/png", b"\x89PNG\r\n--x")


def test_transcriptions(place, client):
    sound = io.BytesIO(b"RIFF" + bytes(range(256)))
    sound.name = "a.wav"
    raw = client.audio.transcriptions.with_raw_response.create(model="any", file=sound, language="en")
    assert raw.parse().text == "260 bytes of sound"
    fields = place.vendor.seen[-1][2]
    assert (fields["model"], fields["language"], fields["file"][0]) == ("gpt-5-mini", "en", "a.wav")
    line = place.line(raw)
    assert (line["operation"], line["input_tokens"], line["output_tokens"], line["unpriced"]) == ("transcription", 14, 5, False)
    translated = place.send("/v1/audio/translations", data={"model": "any"}, files={"file": ("b.wav", b"RIFF", "audio/wav")})
    assert translated.json()["text"] == "4 bytes of sound"
    text = client.audio.transcriptions.create(model="any", file=("b.wav", b"RIFF", "audio/wav"), response_format="srt")
    assert text == "1\n00:00 --> 00:01\n4 bytes of sound\n"


def test_a_streamed_transcription(place, client):
    events = list(client.audio.transcriptions.create(model="any", file=("b.wav", b"RIFF", "audio/wav"), stream=True))
    assert [each.type for each in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].usage.input_tokens == 14


def test_what_is_billed_by_the_second_is_unpriced_not_free(place, client):
    raw = client.audio.transcriptions.with_raw_response.create(model="ears", file=("b.wav", b"RIFF", "audio/wav"))
    line = place.line(raw)
    assert (line["unpriced"], line["cost_nanos"], line["estimated"]) == (True, 0, True)


def test_speech(place, client):
    with client.audio.speech.with_streaming_response.create(model="any", voice="alloy", input="hello") as reply:
        assert reply.headers["content-type"] == "audio/mpeg"
        assert reply.read() == SOUND
        assert reply.headers["x-ninefold-deployment"] == "oai"
        assert place.line(reply)["unpriced"] is True


def test_a_bad_form_is_refused(place):
    reply = place.send("/v1/audio/transcriptions", json={"model": "any"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "content-type")
    reply = place.send("/v1/audio/transcriptions", files={"file": b"x"}, data={"model": ["any", "ears"]})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")


# ── the pass-through ──


def test_a_vendors_own_endpoint(place):
    reply = place.send(
        "/passthrough/any/own/thing?x=1&y=a%20b", content=b'{"model":"any","z":1}', headers={"openai-beta": "b=1", "cookie": "c"}
    )
    assert reply.status_code == 201, reply.text
    assert json.loads(reply.json()["echo"]) == {"model": "gpt-5-mini", "z": 1}
    assert "ninefold" not in reply.json()
    url, headers, sent = place.vendor.seen[-1]
    assert url.endswith("/v1/own/thing?x=1&y=a%20b")
    assert (headers["authorization"], headers["openai-beta"]) == (f"Bearer {SECRETS['OPENAI_KEY']}", "b=1")
    assert KEY not in str(headers)
    assert "cookie" not in headers
    assert sent["method"] == "POST"
    line = place.line(reply)
    assert (line["operation"], line["input_tokens"], line["output_tokens"], line["cost_nanos"]) == ("passthrough", 7, 3, 13_000)


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [("GET", 200, "image/png"), ("DELETE", 204, None), ("PUT", 201, "application/json"), ("PATCH", 201, "application/json")],
)
def test_every_method(place, method, status, kind):
    reply = place.send("/passthrough/any/v1/own/thing", method=method)
    assert reply.status_code == status
    assert place.vendor.seen[-1][2]["method"] == method
    if kind:
        assert reply.headers["content-type"] == kind


def test_a_vendors_refusal_is_given_on_and_costs_nothing(place):
    reply = place.send("/passthrough/any/own/missing", json={"a": "b" * 400})
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "there is no such thing")
    line = place.line(reply)
    assert (line["cost_nanos"], line["outcome"]) == (0, "failed")


def test_a_failing_vendor_is_tried_again_and_then_ours_to_explain(place):
    place.vendor.fault = Fault("status", status=503, times=1)
    assert place.send("/passthrough/any/own/x", json={}).status_code == 201
    place.vendor.fault = Fault("status", status=401)
    refused = place.send("/passthrough/any/own/x", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "upstream_rejected")


def test_a_stream_passes_and_is_counted(place):
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}], "stream": True, "stream_options": {"include_usage": True}}
    reply = place.send("/passthrough/any/chat/completions", json=body)
    assert reply.text.endswith("data: [DONE]\n\n")
    assert '"ninefold"' not in reply.text
    usage = json.loads(reply.text.split("\n\n")[-3].removeprefix("data: "))["usage"]
    line = place.line(reply)
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (usage["prompt_tokens"], usage["completion_tokens"], False)


def test_a_cut_stream_does_not_end_well(place):
    place.vendor.fault = Fault("end_after", at=2)
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    reply = place.send("/passthrough/any/chat/completions", json=body)
    assert "[DONE]" not in reply.text
    assert "stream_interrupted" in reply.text


def test_anthropics_own_endpoint(place):
    body = {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    reply = place.send("/passthrough/claude/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["content"][0]["text"] == "You said: hello"
    assert place.anthropic.seen[-1][1]["x-api-key"] == SECRETS["ANTHROPIC_KEY"]
    line = place.line(reply)
    assert (line["output_tokens"], line["deployment"]) == (reply.json()["usage"]["output_tokens"], "ant")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/passthrough/any/../admin", {}, 400),
        ("/passthrough/any/%2e%2e/admin", {}, 400),
        ("/passthrough/any/own/x", {"model": "gpt-5-pro"}, 400),
        ("/passthrough/any/batches", {}, 400),
        ("/passthrough/nothing/own/x", {}, 404),
        ("/passthrough/near/own/x", {}, 404),
        ("/passthrough/ears/own/x", {}, 404),  # its operator has not opened the vendor's own endpoints
        ("/passthrough/any", {}, 404),
    ],
)
def test_where_it_does_not_go(place, path, body, status):
    # httpx would resolve the dots itself.
    reply = place.platform.get(path, key=KEY, method="POST", body=body)
    assert reply[0] == status, reply[2]
    assert place.vendor.seen == []


# A path of every route that begins so.
EXAMPLES = {"/passthrough/": "/passthrough/any/own/x", "/v1beta/models/": "/v1beta/models/any:generateContent"}
# Enough of everything for every endpoint to read it.
BODY = {
    "model": "any", "messages": [{"role": "user", "content": "m" * 90}], "max_tokens": 50, "query": "q", "documents": ["d" * 90],
    "input": "i" * 90, "prompt": "p" * 90, "voice": "alloy",
}  # fmt: skip


def wanted(path: str, model: str) -> dict:
    if path.endswith(("transcriptions", "translations")):
        return {"data": {"model": model}, "files": {"file": b"x" * 90}}
    if path.endswith("generateContent"):
        return {"json": {"contents": [{"role": "user", "parts": [{"text": "c" * 90}]}]}}
    return {"json": BODY | {"model": model}}


@pytest.mark.parametrize("path", [*SURFACES, *(EXAMPLES[prefix] for prefix in PREFIXES)])
def test_no_route_answers_without_a_key_a_decision_or_money(place, path):
    assert place.send(path, key="wrong", **wanted(path, "any")).status_code == 401
    refused = place.send(path, key=POOR, **wanted(path, "any"))
    assert refused.status_code == 429, refused.text
    assert "budget" in refused.text
    denied = place.send(path.replace("/any", "/ears"), key=POOR, **wanted(path, "ears"))
    assert denied.status_code == 403, denied.text
    for reply in (refused, denied):
        assert reply.headers["x-ninefold-decision-id"].startswith("dec-")
    trace = refused.headers["x-ninefold-trace-id"]
    shown = until(lambda: (found := place.platform.admin(f"/api/v1/traces/{trace}"))[0] == 200 and found[2])
    assert "budget_exceeded" in json.dumps(shown)
    assert place.vendor.seen == []
