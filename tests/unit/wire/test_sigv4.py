"""Our signatures are those of AWS's own SDK, and of AWS's published example."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from ninefold.wire.bedrock.sigv4 import Credentials, Request, sign

AT = 1_760_000_000.0
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"


def theirs(path, query, body, token, headers):
    request = AWSRequest("POST", f"https://{HOST}{path}" + (f"?{query}" if query else ""), data=body, headers=dict(headers))
    now = datetime.fromtimestamp(AT, UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=now.replace(tzinfo=None)):
        auth.SigV4Auth(TheirCredentials("AKID", SECRET, token), "bedrock", "eu-central-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def ours(path, query, body, token, headers):
    request = Request(method="POST", path=path, query=query, body=body, headers=[("host", HOST), *headers])
    credentials = Credentials(access_key_id="AKID", secret_access_key=SECRET, session_token=token)
    return dict(sign(request, credentials, region="eu-central-1", service="bedrock", at=AT))


MODELS = [
    "anthropic.claude-haiku-4-5-20251001-v1%3A0",
    "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.x",
    "a/../b//c",
    "",
]
segments = st.text("abcXYZ019-_.~%3A/", max_size=30)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", [None, "session+token/=="])
def test_the_signature_is_botocores(model, token):
    headers = [("content-type", "application/json")]
    arguments = (f"/model/{model}/converse", "", b'{"messages":[]}', token, headers)
    found, expected = ours(*arguments), theirs(*arguments)
    assert found["authorization"] == expected["authorization"]
    assert found["x-amz-date"] == expected["x-amz-date"] == "20251009T085320Z"
    assert found.get("x-amz-security-token") == expected.get("x-amz-security-token") == token


@given(path=segments, body=st.binary(max_size=50))
def test_any_path_and_body(path, body):
    arguments = ("/" + path, "", body, None, [])
    assert ours(*arguments)["authorization"] == theirs(*arguments)["authorization"]


@pytest.mark.parametrize("query", ["b=2&a=1", "a=x%20y&a=%C3%BC", "empty=&flag=1", "t=a%2Fb~c"])
def test_queries_are_put_in_order(query):
    arguments = ("/x", query, b"", None, [])
    assert ours(*arguments)["authorization"] == theirs(*arguments)["authorization"]


def test_the_published_example():
    # Source: AWS General Reference, "Signature Version 4 complete example", ListUsers of IAM on 30 August 2015.
    headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "iam.amazonaws.com")]
    request = Request(method="GET", path="/", query="Action=ListUsers&Version=2010-05-08", body=b"", headers=headers)
    credentials = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET)
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    signed = dict(sign(request, credentials, region="us-east-1", service="iam", at=at))
    assert signed["authorization"].endswith("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


def test_a_secret_is_not_shown():
    shown = repr(Credentials(access_key_id="AKID", secret_access_key=SECRET, session_token="tok"))
    assert SECRET not in shown
    assert "tok" not in shown.replace("session_token", "")
