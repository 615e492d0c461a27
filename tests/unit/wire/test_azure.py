"""Azure OpenAI: where requests go, under which name the cap stands, and what its content filter says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.vendors.azure import PASSED, AzureVendor
from tests.vendors.script import Reply

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import InvalidRequest, RateLimited, UpstreamRejected
from ninefold.domain.snapshot import Deployment
from ninefold.wire.dialects.azure import AzureDialect
from ninefold.wire.openai.chat.scan import ChatScan

BODY = b'{"model":"fast","messages":[{"role":"user","content":"hello"}]}'
CALL = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=BODY)
BASE = "https://acme.openai.azure.com"


def dialect(base: str = BASE, version: str | None = None) -> AzureDialect:
    return AzureDialect().at(Deployment(name="az", provider="azure", base_url=base, model="prod chat", api_version=version))


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("", None, "/openai/v1/chat/completions"),
        ("/", "v1", "/openai/v1/chat/completions"),
        ("/openai/v1", None, "/openai/v1/chat/completions"),
        ("/openai/v1/", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("/openai", None, "/openai/v1/chat/completions"),
        ("", "2024-10-21", "/openai/deployments/prod%20chat/chat/completions?api-version=2024-10-21"),
        ("/openai", "2024-10-21", "/openai/deployments/prod%20chat/chat/completions?api-version=2024-10-21"),
        ("/proxy", "2024-10-21", "/proxy/openai/deployments/prod%20chat/chat/completions?api-version=2024-10-21"),
    ],
)
def test_addresses(path, version, expected):
    found = dialect(BASE + path, version)
    assert path.rstrip("/") + found.address(found.outbound(CALL, "prod chat", 50).target).decode() == expected


@pytest.mark.parametrize(
    ("base", "asked", "expected"),
    [
        (BASE, b"/files?limit=5", b"/openai/deployments/prod%20chat/files?limit=5&api-version=2024-10-21"),
        (BASE, b"/openai/models", b"/openai/models?api-version=2024-10-21"),
        (BASE + "/openai", b"/openai/models", b"/models?api-version=2024-10-21"),
        (BASE + "/openai/v1", b"/openai/v1/models", b"/models?api-version=2024-10-21"),
        (BASE, b"/openai/models?api-version=2024-06-01", b"/openai/models?api-version=2024-06-01"),
    ],
)
def test_queries_and_azures_own_paths_are_kept(base, asked, expected):
    assert dialect(base, "2024-10-21").address(asked) == expected


def test_the_key_has_a_header_of_its_own():
    assert b"api-key: k\r\n" in dialect().headers("k")
    assert b"authorization" not in dialect().headers("k")


@pytest.mark.parametrize(
    ("version", "expected"),
    [(None, "max_completion_tokens"), ("2025-04-01-preview", "max_completion_tokens"), ("2024-06-01", "max_tokens")],
)
def test_the_injected_cap_has_the_versions_name(version, expected):
    sent = json.loads(dialect(version=version).outbound(CALL, "prod chat", 50).body)
    assert sent[expected] == 50
    assert len({"max_tokens", "max_completion_tokens"} & sent.keys()) == 1


def test_the_callers_own_cap_has_the_name_that_every_model_there_takes():
    call = replace(CALL, body=BODY[:-1] + b',"max_tokens":7}', max_output_tokens=7)
    sent = json.loads(dialect().outbound(call, "prod chat", 50).body)
    assert sent["max_completion_tokens"] == 7
    assert "max_tokens" not in sent


def test_a_translated_cap_has_the_versions_name_too():
    body = b'{"model":"fast","max_tokens":7,"messages":[{"role":"user","content":"hello"}]}'
    call = replace(CALL, wire=Wire.ANTHROPIC, body=body, max_output_tokens=7)
    assert json.loads(dialect().outbound(call, "prod chat", 50).body)["max_completion_tokens"] == 7


def test_the_content_filter_says_what_it_found():
    result = PASSED | {"violence": {"filtered": True, "severity": "medium"}, "jailbreak": {"detected": True}, "custom": ["other shape"]}
    error = {"message": "filtered", "code": "content_filter", "param": "prompt", "innererror": {"content_filter_result": result}}
    found, elsewhere = dialect().failure(400, {}, json.dumps({"error": error}).encode())
    assert isinstance(found, InvalidRequest)
    assert "violence (medium), jailbreak" in found.detail
    assert "hate" not in found.detail
    assert found.param == "prompt"
    assert not elsewhere


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": {"code": "400", "message": "bad"}}, InvalidRequest),
        (400, "<html>", InvalidRequest),
        (400, {"error": {"code": "content_filter"}}, InvalidRequest),
        (401, {"error": {"code": "401", "message": "Access denied"}}, UpstreamRejected),
        (404, {"error": {"code": "DeploymentNotFound"}}, UpstreamRejected),
        (429, {"error": {"code": "429"}}, RateLimited),
    ],
)
def test_other_errors_are_openais(status, body, expected):
    assert type(dialect().failure(status, {b"retry-after": b"3"}, json.dumps(body).encode())[0]) is expected


@pytest.mark.parametrize("usage", [False, True])
def test_verdicts_of_the_asynchronous_filter_never_break_the_last_event(usage):
    told = Reply(words=["Hel", "lo"])
    counted = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} if usage else None
    chunks = AzureVendor.chunks(AzureVendor.__new__(AzureVendor), "gpt-5-mini", told, "stop", counted)
    scan = ChatScan(replace(CALL, stream=True, include_usage=usage))
    events = (scan.feed(b"".join(chunks)) + scan.tail.with_member(b'"ninefold":{}')).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    documents = [json.loads(event.removeprefix(b"data: ")) for event in events[:-2]]
    assert "".join(d["choices"][0].get("delta", {}).get("content") or "" for d in documents if d["choices"]) == "Hello"
    assert [d["choices"][0]["finish_reason"] for d in documents if d["choices"]].count("stop") == 1
    assert "ninefold" in documents[-1]
    assert bool(documents[-1].get("usage")) is usage
