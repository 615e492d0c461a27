"""Where Bedrock's requests go, and who they say they come from."""

from __future__ import annotations

import pytest

from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.errors import Unavailable, Unsupported
from ninefold.domain.snapshot import Deployment
from ninefold.wire.dialects.bedrock import BedrockDialect

BODY = b'{"model":"fast","messages":[{"role":"user","content":"hello"}]}'
CALL = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=BODY, traceparent="00-0af7651916cd43dd-b7ad6b71-01")
MODEL = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"
PUBLIC = "https://bedrock-runtime.us-east-1.amazonaws.com"
PAIR = {"access_key_id": "AKID", "secret_access_key": "secret"}


def dialect(base: str = PUBLIC, region: str | None = None) -> BedrockDialect:
    return BedrockDialect().at(Deployment(name="b", provider="bedrock", base_url=base, model=MODEL, region=region))


def scope(of: BedrockDialect, **credentials: str) -> str:
    line = of.signer(PAIR | credentials, "host")(b"POST", b"/model/x/converse?a=1", b"application/json", b"{}", 1_760_000_000.0)
    return line.decode()


@pytest.mark.parametrize(("stream", "verb"), [(False, "converse"), (True, "converse-stream")])
def test_the_model_and_the_verb_stand_in_the_path(stream, verb):
    call = ModelCall(operation=Operation.CHAT, wire=Wire.OPENAI, model="fast", body=BODY, stream=stream)
    sent = dialect().outbound(call, MODEL, 50)
    name = "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0"
    assert sent.target.decode() == f"/model/{name}/{verb}"


@pytest.mark.parametrize(
    ("base", "region", "expected"),
    [
        (PUBLIC, "eu-central-1", "us-east-1"),
        (PUBLIC, None, "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", None, "us-gov-west-1"),
        ("https://gateway.example.org", "eu-central-1", "eu-central-1"),
    ],
)
def test_the_region_is_the_addresss_else_the_deployments(base, region, expected):
    assert f"AKID/20251009/{expected}/bedrock/aws4_request" in scope(dialect(base, region))


def test_a_session_token_is_signed_and_sent():
    lines = scope(dialect(), session_token="tok")
    assert "x-amz-security-token: tok\r\n" in lines
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in lines
    assert lines.endswith("\r\n")
    assert "secret" not in lines


@pytest.mark.parametrize(
    ("region", "credentials", "said"),
    [(None, {}, "region"), ("eu", {}, "region"), ("eu-central-1", {"secret_access_key": ""}, "secret_access_key")],
)
def test_what_a_signature_lacks_is_named(region, credentials, said):
    with pytest.raises(Unavailable, match=said):
        dialect("https://gateway.example.org", region).signer(PAIR | credentials, "host")


def test_an_api_key_stands_for_a_signature():
    assert b"authorization: Bearer k\r\n" in dialect().headers("k")
    assert b"authorization" not in dialect().headers(None)


def test_answers_have_an_id_of_the_trace():
    body = b'{"output":{"message":{"content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1}}'
    assert b'"id":"chatcmpl-0af7651916cd43dd"' in dialect().whole(CALL, body).body.plain()


def test_tokens_are_counted_here_and_nothing_else_is_asked():
    count = ModelCall(operation=Operation.COUNT_TOKENS, wire=Wire.ANTHROPIC, model="fast", body=BODY)
    assert b"input_tokens" in dialect().immediate(count).body.plain()
    assert dialect().immediate(CALL) is None
    with pytest.raises(Unsupported):
        dialect().outbound(ModelCall(operation=Operation.RERANK, wire=Wire.OPENAI, model="fast", body=BODY), MODEL, 5)
