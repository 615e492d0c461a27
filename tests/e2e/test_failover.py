"""Vendors that die, hang, lie or break off; what the caller sees and what is booked."""

from __future__ import annotations

import http.client
import json
import time

import anthropic
import openai
import pytest

from tests.e2e.conftest import KEY
from tests.vendors.script import Fault


@pytest.fixture(autouse=True)
def well(scene):
    """No breaker is open: an answer closes it, and the only deployment of a model is tried even while it cools down."""
    for model in ("on-openai", "on-legacy", "on-anthropic"):
        assert scene.platform.chat(KEY, "hi", model=model)[0] == 200
    scene.reset()


def said(text):
    return [{"role": "user", "content": text}]


def lines(scene, trace_id, count=1):
    """The cost lines of a trace, once the ledger has them."""
    deadline = time.monotonic() + 15
    while True:
        status, _, document = scene.platform.admin(f"/api/v1/traces/{trace_id}")
        found = document.get("lines", []) if status == 200 else []
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [Fault("status", status=500), Fault("status", status=503), Fault("status", status=429), Fault("status", status=401), Fault("garbage")],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_the_next_deployment_answers(scene, fault, stream):
    scene.openai.fault = Fault(fault.kind, status=fault.status)
    client = openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0)
    if stream:
        chunks = list(client.chat.completions.create(model="fast", messages=said("hi"), stream=True))
        extra = chunks[-1].model_extra["ninefold"]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: hi"
    else:
        answer = client.chat.completions.create(model="fast", messages=said("hi"))
        extra = answer.model_extra["ninefold"]
        assert answer.choices[0].message.content == "You said: hi"
    assert extra["deployment"] == "ant"
    assert extra["route"]["attempts"] == 2
    booked = sorted(lines(scene, extra["trace_id"], 2), key=lambda line: line["attempt_id"])
    assert [(line["deployment"], line["outcome"]) for line in booked] == [("oai", "failed"), ("ant", "completed")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_vendor_is_left_in_time_and_stopped(scene, stream):
    scene.openai.fault = Fault("silent")
    began = time.monotonic()
    client = openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0)
    answer = client.chat.completions.create(model="fast", messages=said("hi"), stream=stream)
    if stream:
        assert list(answer)[-1].model_extra["ninefold"]["deployment"] == "ant"
    else:
        assert answer.model_extra["ninefold"]["deployment"] == "ant"
    assert time.monotonic() - began < 6
    deadline = time.monotonic() + 5
    while scene.openai.cancelled == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert scene.openai.cancelled == 1


@pytest.mark.parametrize("kind", ["cut_after", "stall_after", "end_after", "error_after"])
@pytest.mark.parametrize("surface", ["openai", "anthropic"])
@pytest.mark.parametrize("model", ["on-openai", "on-anthropic"])
def test_a_stream_cut_short_never_ends_cleanly(scene, surface, model, kind):
    vendor = scene.openai if model == "on-openai" else scene.anthropic
    vendor.fault = Fault(kind, at=5)
    vendor.delay_s = 0.02  # event by event: what comes in one piece with its failure reaches nobody, and is tried again
    if surface == "openai":
        client = openai.OpenAI(base_url=scene.platform.url + "/v1", api_key=KEY, max_retries=0)
        stream = client.chat.completions.create(model=model, messages=said("one two three four five six"), stream=True)
        expected = openai.APIError
    else:
        client = anthropic.Anthropic(base_url=scene.platform.url, api_key=KEY, max_retries=0)
        stream = client.messages.create(model=model, max_tokens=100, messages=said("one two three four five six"), stream=True)
        expected = anthropic.APIError
    trace_id = stream.response.headers["x-ninefold-trace-id"]
    seen = []
    with pytest.raises(expected):
        seen.extend(stream)
    assert seen
    finishes = [c.choices[0].finish_reason for c in seen if surface == "openai" and c.choices] or [e.type == "message_stop" for e in seen]
    assert not any(finishes)
    booked = lines(scene, trace_id)
    assert [(line["outcome"], line["estimated"]) for line in booked] == [("cut_short", True)]
    assert booked[0]["output_tokens"] >= 1


def test_a_whole_answer_cut_short_fails_over(scene):
    scene.openai.fault = Fault("status", status=502, times=1)
    status, headers, answer = scene.platform.chat(KEY, "hi")
    assert (status, headers["x-ninefold-deployment"], answer["ninefold"]["route"]["attempts"]) == (200, "ant", 2)


def test_when_all_fail_the_error_is_typed_and_names_the_attempts(scene):
    scene.openai.fault = Fault("status", status=500)
    scene.anthropic.fault = Fault("status", status=529)
    status, headers, error = scene.platform.chat(KEY, "hi")
    assert status == 503
    assert error["error"]["code"] == "unavailable"
    assert "attempts" in error["error"]["message"]
    assert headers["x-ninefold-trace-id"]


def test_retry_after_of_the_vendor_reaches_the_caller(scene):
    scene.legacy.fault = Fault("status", status=429, retry_after="40")
    status, headers, _ = scene.platform.chat(KEY, "hi", model="on-legacy")
    assert status == 503
    assert 35 <= int(headers["retry-after"]) <= 41


def test_a_client_that_hangs_up_stops_the_vendor_and_pays_for_what_was_produced(scene):
    scene.anthropic.delay_s = 0.05
    connection = http.client.HTTPConnection("127.0.0.1", scene.platform.port, timeout=10)
    body = json.dumps({"model": "on-anthropic", "max_tokens": 500, "stream": True, "messages": said("long 400")})
    connection.request("POST", "/v1/messages", body, {"x-api-key": KEY, "content-type": "application/json"})
    reply = connection.getresponse()
    trace_id = reply.headers["x-ninefold-trace-id"]
    reply.read(600)
    connection.sock.close() if connection.sock else None
    reply.close()
    connection.close()
    deadline = time.monotonic() + 5
    while scene.anthropic.cancelled == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert scene.anthropic.cancelled == 1
    (line,) = lines(scene, trace_id)
    assert line["outcome"] == "cancelled"
    assert 1 <= line["output_tokens"] < 200
    assert line["cost_nanos"] > 0


def test_the_trace_tells_the_decision_the_route_and_the_tool_envelopes(scene):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    _, headers, _ = scene.platform.chat(KEY, 'call weather {"city": "Oslo"}', model="on-openai", tools=tools)
    trace_id = headers["x-ninefold-trace-id"]
    lines(scene, trace_id)
    _, _, trace = scene.platform.admin(f"/api/v1/traces/{trace_id}")
    text = json.dumps(trace)
    assert headers["x-ninefold-decision-id"] in text
    for needle in ("weather", "arguments_sha256", "priority", "model", "allow"):
        assert needle in text
