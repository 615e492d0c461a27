"""Malformed, hostile and unlucky requests: a typed error in the caller's own envelope, and the next request works."""

from __future__ import annotations

import json
import random
import socket
import time

import pytest

from ninefold.http.data_plane import SURFACES
from tests.e2e.conftest import KEY, SECRETS

CHAT = "/v1/chat/completions"
GOOD = {"model": "on-openai", "messages": [{"role": "user", "content": "hi"}]}


def raw(scene, data, wait_s=5.0):
    """What the socket says to these bytes until it closes or is quiet."""
    with socket.create_connection(("127.0.0.1", scene.platform.port), timeout=wait_s) as connection:
        connection.sendall(data)
        out = b""
        try:
            while chunk := connection.recv(65536):
                out += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return out


def post(body, *, headers=b"", path=b"/v1/chat/completions"):
    return b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\nconnection: close\r\n%b\r\n%b" % (
        path,
        KEY.encode(),
        headers,
        body,
    )


@pytest.fixture(autouse=True)
def still_alive(scene):
    yield
    assert scene.platform.chat(KEY, "still there?", model="on-openai")[0] == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'"text"', None),
        (b"\xff\xfe{}", None),
        (b'{"model":"on-openai"}', None),
        (b'{"model":5,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"on-openai","messages":"x"}', "messages"),
        (b'{"model":"on-openai","messages":[]}', "messages"),
        (b'{"model":"on-openai","messages":[5]}', "messages[0]"),
        (b'{"model":"on-openai","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream"),
        (b'{"model":"on-openai","messages":[{"role":"user","content":"x"}],"max_tokens":-1}', "max_tokens"),
        (b'{"model":"on-openai","messages":[{"role":"user","content":"x"}],"max_tokens":99999999999999999999}', "max_tokens"),
        (b'{"model":"on-openai","messages":[{"role":"user","content":"x"}],"n":0}', "n"),
        (b"[" * 100_000, None),
    ],
)
def test_malformed_bodies(scene, body, param):
    reply = raw(scene, post(body, headers=b"content-length: %d\r\n" % len(body)))
    head, _, document = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    error = json.loads(document)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "invalid_request"
    if param is not None:
        assert error["param"] == param
    assert b"x-ninefold-trace-id" in head
    assert b"Traceback" not in document


# What decoders choke on in ways of their own: bytes that are no UTF-8 within a text, and depth.
CHOKING = {
    "not utf-8": b'{"model":"on-openai","x":"\xff","input":"\xff","messages":[{"role":"user","content":"\xff"}]}',
    "deep": b'{"x":' + b"[" * 100_000,
}


@pytest.mark.parametrize("choking", CHOKING)
@pytest.mark.parametrize("path", [*sorted(SURFACES), "/v1beta/models/on-openai:generateContent", "/v1beta/models/on-openai:countTokens"])
def test_no_surface_chokes_on_bytes(scene, path, choking):
    body = CHOKING[choking]
    reply = raw(scene, post(body, headers=b"content-length: %d\r\n" % len(body), path=path.encode()))
    head, _, document = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), (head, document)
    assert json.loads(document)["error"]


def test_each_surface_has_its_own_envelope(scene):
    platform = scene.platform
    assert platform.get("/v1/messages", key=KEY, method="POST", body={})[2]["type"] == "error"
    assert "code" in platform.get(CHAT, key=KEY, method="POST", body={})[2]["error"]
    assert platform.get("/api/v1/keys")[2]["title"]
    assert platform.get("/nowhere")[0] == 404


def test_keys(scene):
    platform = scene.platform
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}, {"x-api-key": ""}):
        status, answer_headers, error = platform.get(CHAT, method="POST", body=GOOD, headers=headers)
        assert (status, error["error"]["type"]) == (401, "authentication_error")
        assert answer_headers["x-should-retry"] == "false"
        assert "wrong" not in json.dumps(error)
    for name in ("x-api-key", "x-goog-api-key"):
        assert platform.get(CHAT, method="POST", body=GOOD, headers={name: KEY})[0] == 200


def test_models_that_are_not_there_or_not_for_you(scene):
    platform = scene.platform
    assert platform.chat(KEY, "x", model="no-such-model")[0] == 404
    status, _, error = platform.chat(SECRETS["GLOBEX_KEY"], "x", model="on-openai")
    assert (status, error["error"]["code"]) == (403, "policy_denied")


def test_an_oversize_body_is_refused_before_it_is_read(scene):
    reply = raw(scene, post(b"", headers=b"content-length: 999999999999\r\n"))
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: +5\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"content-length : 5\r\n",
        b"x: a\r\n folded\r\n",
        b"x: a\nb: c\r\n",
        b"x: \x00\r\n",
    ],
)
def test_header_smuggling_is_refused_and_the_connection_closed(scene, head):
    smuggled = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    request = b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%b\r\n0\r\n\r\n" % (CHAT.encode(), KEY.encode(), head)
    reply = raw(scene, request + smuggled)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_random_bytes(scene):
    noise = random.Random(7).randbytes(100_000)
    reply = raw(scene, noise)
    assert reply == b"" or reply.startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in reply


def test_a_slow_client_does_not_hold_up_others(scene):
    slow = [socket.create_connection(("127.0.0.1", scene.platform.port)) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: ")
        began = time.monotonic()
        assert scene.platform.chat(KEY, "hi", model="on-openai")[0] == 200
        assert time.monotonic() - began < 3
        deadline = time.monotonic() + 20
        closed = 0
        for connection in slow:
            connection.settimeout(max(deadline - time.monotonic(), 0.1))
            try:
                reply = connection.recv(65536)
                closed += reply == b"" or reply.startswith(b"HTTP/1.1 4")
            except (TimeoutError, ConnectionResetError):
                pass
        assert closed == 50
    finally:
        for connection in slow:
            connection.close()


def test_secrets_never_reach_logs_or_explanations(scene):
    scene.platform.chat("sk-this-key-is-wrong-and-secret", "hi")
    scene.platform.chat(KEY, "the magic word is xyzzy-prompt", model="on-openai")
    explained = scene.platform.cli("config", "explain", "--json")
    assert explained.returncode == 0, explained.stderr
    time.sleep(0.5)
    data = b"".join(f.read_bytes() for folder in ("events", "journal") for f in (scene.platform.data_dir / folder).glob("*") if f.is_file())
    everything = scene.platform.logs() + explained.stdout + data.decode("latin-1")
    for secret in (*SECRETS.values(), "sk-this-key-is-wrong-and-secret", "xyzzy-prompt"):
        assert secret not in everything
