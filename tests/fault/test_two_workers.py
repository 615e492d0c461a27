"""Two gateway processes, one truth: budgets, limits, breakers and revocations hold over both of them together.

A hard budget is never overshot and nearly used up; a limit on requests or on concurrent requests is the tenant's, not a worker's; a
deployment that one worker has found dead is left alone by the other within a second; a revoked key is refused by both, and what runs
under it ends with an error within a second.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter

import pytest

from tests.e2e.conftest import KEY
from tests.fault.callers import CHAT, Crowd, said
from tests.fault.conftest import budget_of, lines_of, until
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [fast, on-openai, on-legacy, on-anthropic]
    %s
"""
TIMEOUTS = "{first_token_s: 20, idle_s: 20, total_s: 60}"


class Pinned:
    """A connection that is kept, and with it the worker that accepted it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, key: str, asked: dict) -> tuple[int, dict, dict]:
        self.connection.request("POST", CHAT, json.dumps(asked), {"authorization": f"Bearer {key}", "content-type": "application/json"})
        reply = self.connection.getresponse()
        return reply.status, dict(reply.headers), json.loads(reply.read())

    def begin(self, key: str, asked: dict) -> None:
        """The request is under way at this connection's worker; `end` waits for what becomes of it."""
        self.connection.request("POST", CHAT, json.dumps(asked), {"authorization": f"Bearer {key}", "content-type": "application/json"})

    def end(self) -> tuple[int, bytes]:
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def close(self) -> None:
        self.connection.close()


def one_of_each(port: int, key: str) -> list[Pinned]:
    """A connection to each of the two workers."""
    found: dict[str, Pinned] = {}
    for _ in range(200):
        pinned = Pinned(port)
        worker = pinned.ask(key, said("who?", model="on-legacy"))[1]["x-request-id"].rsplit("-", 2)[0]
        if worker in found:
            pinned.close()
        else:
            found[worker] = pinned
        if len(found) == 2:
            return list(found.values())
    raise AssertionError("one worker never answered")


def test_a_hard_budget_is_shared_and_used_up_and_never_overshot(scene, start):
    # A request holds 60 tokens at $5/M and some 120 bytes at $1/M: 1% of the budget; it costs a part of that.
    platform = start(scene.config(TENANTS % "budgets: [{limit_usd: 0.04, window: total}]", TIMEOUTS), workers=2)
    scene.anthropic.first_delay_s = 0.02
    asked = [
        (KEY, said(f"long {2 + number % 50}", model="on-anthropic", stream=number % 2 == 0, max_tokens=60), 0.005 * number)
        for number in range(900)
    ]
    with Crowd(platform.port, asked) as crowd:
        pass
    by_status = Counter(each.status for each in crowd.told)
    workers = Counter(each.worker for each in crowd.told)
    print(f"longest {max(each.ended - each.began for each in crowd.told):.2f} s")
    assert set(by_status) == {200, 429}
    assert len(workers) == 2
    for each in crowd.told:
        if each.status == 429:
            assert each.error["code"] == "budget_exceeded"
            assert each.headers["x-should-retry"] == "false"
    answered = [each for each in crowd.told if each.status == 200]
    assert all(each.extra is not None for each in answered)
    lines = until(lambda: (found := lines_of(platform, "acme")) and len(found) == len(answered) and found)
    spent = sum(line["cost_nanos"] for line in lines)
    assert spent == sum(each.cost_nanos for each in answered)
    budget = until(lambda: (found := budget_of(platform, "acme"))["spent"] == spent and found)
    assert budget["spent"] + budget["outstanding"] <= budget["limit"]
    assert budget["overrun"] == 0
    print(f"{by_status}, utilisation {spent / budget['limit']:.4f}, {dict(workers)}")
    assert spent > 0.97 * budget["limit"]


def test_requests_per_minute_are_counted_once(scene, start):
    platform = start(scene.config(TENANTS % "limits: {requests_per_minute: 30}", TIMEOUTS), workers=2)
    began = time.monotonic()
    with Crowd(platform.port, [(KEY, said("hi", model="on-openai"), 0.0) for _ in range(120)]) as crowd:
        pass
    took_s = max(each.ended for each in crowd.told) - began
    by_status = Counter(each.status for each in crowd.told)
    print(by_status, f"{took_s:.2f} s")
    assert set(by_status) == {200, 429}
    assert 25 <= by_status[200] <= 30 + took_s / 2 + 1
    assert len(scene.openai.seen) == by_status[200]
    for each in crowd.told:
        if each.status == 429:
            assert each.error["code"] == "rate_limited"
            assert 1 <= int(each.headers["retry-after"]) <= 60
            assert "x-should-retry" not in each.headers


def test_concurrent_requests_are_counted_together(scene, start):
    platform = start(scene.config(TENANTS % "limits: {concurrent_requests: 6}", TIMEOUTS), workers=2)
    scene.openai.first_delay_s, scene.openai.delay_s = 0.05, 0.01
    asked = [(KEY, said("one two three", model="on-openai", stream=number % 2 == 0), 0.01 * number) for number in range(300)]
    with Crowd(platform.port, asked) as crowd:
        pass
    by_status = Counter(each.status for each in crowd.told)
    print(by_status, f"most at once {scene.openai.most_at_once}, {dict(Counter(each.worker for each in crowd.told))}")
    assert set(by_status) <= {200, 429}
    assert scene.openai.most_at_once <= 6
    assert by_status[200] >= 60
    assert {each.error["code"] for each in crowd.told if each.status == 429} <= {"rate_limited"}
    # Nothing is lost: when all have gone, six at once are possible again.
    scene.openai.first_delay_s, scene.openai.most_at_once = 1.0, 0
    with Crowd(platform.port, [(KEY, said("hi", model="on-openai"), 0.1 * number) for number in range(6)]) as crowd:
        pass
    assert [each.status for each in crowd.told] == [200] * 6
    assert scene.openai.most_at_once == 6


def test_what_one_worker_found_dead_the_other_leaves_alone(scene, start):
    platform = start(scene.config(TENANTS % "", TIMEOUTS), workers=2)
    one, other = one_of_each(platform.port, KEY)
    try:
        scene.openai.fault = Fault("status", status=500)
        attempts = [one.ask(KEY, said("hi"))[2]["ninefold"]["route"]["attempts"] for _ in range(5)]
        assert attempts == [2] * 5
        opened = time.monotonic()
        tries = 0
        while (answer := other.ask(KEY, said("hi"))[2]["ninefold"]["route"])["attempts"] == 2:
            tries += 1
            assert tries < 5, "the other worker had to find out by itself"
            time.sleep(0.2)
        told_s = time.monotonic() - opened
        print(f"the other worker knew after {told_s:.2f} s")
        assert told_s < 1.0
        assert "cooling down" in answer["reason"]
        assert until(lambda: 'ninefold_breaker_open{deployment="oai"} 2' in platform.get("/metrics")[2], patience_s=5)
        scene.openai.fault = None
        assert until(lambda: one.ask(KEY, said("hi"))[2]["ninefold"]["deployment"] == "oai", patience_s=15)
        assert until(lambda: other.ask(KEY, said("hi"))[2]["ninefold"]["deployment"] == "oai", patience_s=1.0)
    finally:
        one.close()
        other.close()


def half_a_request(port: int, key: str) -> socket.socket:
    """A request whose key was accepted and whose body is four bytes short."""
    body = json.dumps(said("hi", model="on-legacy"), separators=(",", ":")).replace(',"stream":false', "").encode()
    assert body.endswith(b'"}]}')
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body[:-4]
    )
    return connection


@pytest.mark.parametrize("waiting", [False, True], ids=["in-mid-stream", "before-the-first-token"])
def test_a_revoked_key_is_refused_by_both_workers_and_its_streams_end(scene, start, waiting):
    platform = start(scene.config(TENANTS % "", TIMEOUTS), workers=2)
    made = platform.cli("keys", "create", "--tenant", "acme", "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    until(lambda: all(platform.chat(key["secret"], "hi", model="on-legacy")[0] == 200 for _ in range(10)), patience_s=10)
    one, other = one_of_each(platform.port, KEY)
    # The kernel chooses which worker takes a connection, and may give all twenty callers to one: these two are with one each.
    running = one_of_each(platform.port, KEY)
    if waiting:
        scene.openai.first_delay_s = 15.0
    scene.openai.delay_s = 0.05
    for each in running:
        each.begin(key["secret"], said("long 300", model="on-openai", stream=True))
    offset = time.time() - time.monotonic()
    asked = [(key["secret"], said("long 300", model="on-openai", stream=not waiting or number % 2 == 0), 0.0) for number in range(20)]
    try:
        with Crowd(platform.port, asked) as crowd:
            until(lambda: len(scene.openai.seen) >= 22)
            late = half_a_request(platform.port, key["secret"])
            time.sleep(0.5)
            revoked = platform.cli("keys", "revoke", key["key_id"], "--json")
            assert revoked.returncode == 0, revoked.stderr
            at = json.loads(revoked.stdout)["revoked_at"]
            until(lambda: all(each.ask(key["secret"], said("hi", model="on-legacy"))[0] == 401 for each in (one, other)), patience_s=1.0)
            assert all(each.ask(KEY, said("hi", model="on-legacy"))[0] == 200 for each in (one, other))
        late.sendall(b'"}]}')
        assert b'"code":"killed"' in late.recv(65536)
        late.close()
        latencies = sorted(each.ended + offset - at for each in crowd.told)
        print(f"revocation: median {latencies[10] * 1000:.0f} ms, last {latencies[-1] * 1000:.0f} ms")
        for each in crowd.told:
            assert each.whole
            assert each.error["code"] == "killed"
            assert each.extra is None
            assert each.status == (403 if waiting else 200)
        assert latencies[-1] < 1.0
        for each in running:
            status, ending = each.end()
            assert status == (403 if waiting else 200)
            assert b'"code":"killed"' in ending
        assert until(lambda: scene.openai.at_once == 0, patience_s=5)
    finally:
        for each in (one, other, *running):
            each.close()
