"""The Vercel `ai` package over a real socket, through every protocol it speaks, on every vendor."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.compat.landscape import KEY, POOR_KEY
from tests.compat.wish import PIXEL
from tests.e2e.clients import node
from tests.e2e.clients.tasks import CALLED, MODELS
from tests.vendors.script import Fault

PROTOCOLS = ("chat", "responses", "compatible", "anthropic", "google")
pytestmark = pytest.mark.slow  # a node process for each protocol and model


@pytest.fixture(scope="session", autouse=True)
def packages():
    node.installed()


def seen_by(world, protocol, model, *, scenarios="all"):
    """What the suite saw, by scenario."""
    command = [str(node.NODE), "suite.mjs", world.url, KEY, POOR_KEY, protocol, model, scenarios]
    env = os.environ | {"NODE_NO_WARNINGS": "1"}
    done = subprocess.run(command, cwd=node.FOLDER, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", MODELS)
def test_every_scenario(world, protocol, model):
    seen = seen_by(world, protocol, model)
    text = {"text": "You said: hello there", "finish": "stop", "usage": {"output": 4, "cached": 0}}
    assert seen["text"] == text
    pieces = seen["stream"].pop("pieces")
    assert pieces > 1
    assert seen["stream"] == text
    called = [list(each) for each in CALLED]
    for scenario in ("tools", "streamedTools"):
        assert seen[scenario].get("calls") == called, seen[scenario]
        assert "result of clock in Oslo" in seen[scenario]["text"]
    assert seen["tools"]["finishes"] == ["tool-calls", "stop"]
    assert seen["streamedTools"]["fragments"] == [arguments for _, arguments in CALLED]
    assert seen["forced"] == {"calls": [["clock", {"city": "Oslo"}]]}
    if protocol == "anthropic" and model in {"on-gemini", "on-bedrock"}:
        # To models it does not know the client asks for an object by a forced tool, and for one call at a time.
        assert "tool_choice.disable_parallel_tool_use" in seen["object"]["failed"]
    else:
        assert seen["object"] == {"object": {"a": 1}}
    assert seen["image"].get("text", "").startswith("You said: what is this"), seen["image"]
    assert any(has_been_sent(world, model, PIXEL))
    assert seen["cached"].get("cached") == 8, seen["cached"]
    assert seen["length"] == {"finish": "length", "usage": {"output": 7, "cached": 0}}
    errors = seen["errors"]
    assert [(errors[each]["typed"], errors[each]["status"]) for each in ("key", "model", "budget")] == [
        (True, 401),
        (True, 404),
        (True, 429),
    ]
    assert "poor" in errors["budget"]["body"]


def has_been_sent(world, model, wanted):
    """For each of the requests that the vendor had, whether it held this."""
    vendor = world.vendors[model.removeprefix("on-")]
    return [wanted in json.dumps(body) for _, _, body in vendor.seen]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", MODELS)
def test_a_cut_stream_is_an_error(world, protocol, model):
    vendor = world.vendors[model.removeprefix("on-")]
    vendor.delay_s, vendor.fault = 0.02, Fault("cut_after", at=6)
    seen = seen_by(world, protocol, model, scenarios="cut")["cut"]
    assert seen["pieces"] > 0
    assert seen["failed"], seen


def test_what_is_asked_of_another_vendor_is_refused_by_name(world):
    seen = seen_by(world, "chat", "on-anthropic", scenarios="unsupported")["unsupported"]
    assert (seen["typed"], seen["status"]) == (True, 400)
    error = json.loads(seen["body"])["error"]
    assert (error["code"], error["param"]) == ("unsupported", "seed")
    assert not has_sent_anything(world, "on-anthropic")


def has_sent_anything(world, model):
    return bool(world.vendors[model.removeprefix("on-")].seen)
