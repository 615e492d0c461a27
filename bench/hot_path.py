# Steps are measured one by one, which their owners offer to nobody else.
# pyright: reportPrivateUsage=false
"""Nanoseconds of each step of a request, in this process and without sockets: `python bench/hot_path.py`.

CPU time of this thread, the least of several repetitions: what a neighbour takes away makes a repetition longer, never shorter. The
last lines are whole requests and streams through the real wiring, with memory in the places of the two sockets; what they cost beyond
the sum of the steps is tasks, futures and the loop.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from ninefold.adapters.http1.server_head import parse_head
from ninefold.domain.cost import Outcome
from ninefold.domain.usage import Usage
from ninefold.finops.records import Closed
from ninefold.gateway.complete import Asked
from ninefold.identity.authenticate import authenticate
from ninefold.ports.recorder import RequestFacts
from ninefold.wire.dialects.openai import OpenAiDialect
from ninefold.wire.openai.chat import envelope, passthrough
from ninefold.wire.openai.chat.scan import ChatScan
from rig import machine, report
from rig.inside import Inside, inside, request
from rig.mock_upstream import CHUNKS, REPLY, STEPS

Row = tuple[str, float]


def least_ns(call: Callable[[], object], loops: int, repetitions: int, each: int = 1) -> float:
    """CPU nanoseconds of one call (of one of `each` things that a call does)."""
    best = float("inf")
    for _ in range(repetitions):
        began = time.thread_time_ns()
        for _ in range(loops):
            call()
        best = min(best, (time.thread_time_ns() - began) / loops)
    return best / each


def payload(step: bytes) -> bytes:
    """An event without its chunk's frame."""
    return step[step.index(b"data:") : step.rindex(b"\n\n") + 2]


def steps(made: Inside, loops: int, repetitions: int) -> list[Row]:
    """The steps of the spine, in the order of a request."""
    wiring, rows = made.wiring, list[Row]()
    plane, journal, meter = wiring.data_plane, wiring.journal, wiring.meter
    gateway = plane.gateway
    parts, snapshot = gateway._parts, gateway.snapshot
    whole, streamed = request(stream=False), request(stream=True)
    head_end = whole.index(b"\r\n\r\n") + 4
    head, body = whole[:head_end], whole[head_end:]

    def row(name: str, call: Callable[[], object], *, each: int = 1, share: int = 1) -> None:
        rows.append((name, least_ns(call, max(loops // share, 1), repetitions, each)))

    row("parse the request's head", lambda: parse_head(head, 100))
    headers = parse_head(head, 100).headers
    row("authenticate", lambda: authenticate(plane.keys, headers, 1e9))
    who = authenticate(plane.keys, headers, 1e9)
    row("read the envelope", lambda: envelope.read(body))
    call = envelope.read(body)
    row("decide", lambda: parts.policy.decide(snapshot, who, call, "dec-1"))
    decision = parts.policy.decide(snapshot, who, call, "dec-1")
    tenant = gateway._tenants[who.tenant]
    row("plan, with the board's health", lambda: parts.router.plan(snapshot, tenant, call, parts.board.health(1.0), 0.5))
    plan = parts.router.plan(snapshot, tenant, call, parts.board.health(1.0), 0.5)
    facts = RequestFacts(
        request_id="bench-1",
        trace_id="0" * 32,
        tenant=who.tenant,
        key_id=who.key_id,
        model=call.model,
        surface="openai.chat",
        started_at=1e9,
    )

    def decided() -> None:
        parts.recorder.decided(facts, decision)
        journal._pending.clear()
        journal._pending_bytes = 0

    row("record the decision (one frame)", decided)
    wanted = gateway._worst_case(Asked(who=who, call=call, facts=facts, decision_id="dec-1", began=0.0), plan)
    usage, deployment = Usage(input_tokens=57, output_tokens=141), plan.deployments[0]

    def money() -> None:
        hold = meter.try_hold(wanted)
        assert hold is not None
        meter.begin(hold, "bench-1.1", deployment)
        meter.settle(hold, "bench-1.1", usage, Outcome.COMPLETED)
        meter.close(hold)
        journal._pending.clear()
        journal._pending_bytes = 0

    def hold_only() -> None:
        hold = meter.try_hold(wanted)
        assert hold is not None
        state = hold.state
        state.closed = True  # type: ignore[attr-defined]  # the meter's own object
        meter._open.discard(state)  # type: ignore[arg-type]  # as above
        for one in state.slices:  # type: ignore[attr-defined]  # as above
            one.free += state.held[one.code]  # type: ignore[attr-defined]  # as above
        journal._pending.clear()
        journal._pending_bytes = 0

    row("try_hold (one frame)", hold_only)
    row("try_hold, begin, settle, close (four frames)", money)
    closed = Closed("bench-1", 1e9)

    def write() -> None:
        journal.append(closed)
        journal.append(closed)
        journal.commit()

    row("journal: append two frames, commit", write, share=4)
    row("request for the same vendor", lambda: passthrough.request(call, deployment.model, 8192))
    dialect = OpenAiDialect()
    answered = REPLY[REPLY.index(b"\r\n\r\n") + 4 :]
    row("answer from the same vendor", lambda: dialect.whole(call, answered))
    row("route for the answer", lambda: gateway._teller.routes.text(plan, "mock", 1, decision))
    stream_call = envelope.read(streamed[streamed.index(b"\r\n\r\n") + 4 :])
    events = [payload(step) for step in STEPS[:CHUNKS]]

    def scan() -> None:
        reader = ChatScan(stream_call)
        for event in events:
            reader.feed(event)

    row("scan of a stream, an event", scan, each=len(events), share=50)
    return rows


async def measured(loops: int, repetitions: int, only: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="ninefold-hot-") as folder:
        async with inside(Path(folder)) as made:
            await made.lease_for_ever()
            gc.collect()
            gc.freeze()
            rows = steps(made, loops, repetitions) if only != "whole" else []
            if only == "steps":
                return rows
            for name, count, stream in (("whole request", loops // 5, False), ("whole stream of 52 events", loops // 100, True)):
                best = float("inf")
                for _ in range(repetitions):
                    began = time.thread_time_ns()
                    await made.requests(count, at_once=16, stream=stream)
                    best = min(best, (time.thread_time_ns() - began) / count)
                rows.append((name + ", no sockets", best))
                if stream:
                    rows.append(("… an event of it", best / len(STEPS)))
            return rows


def main(argv: list[str]) -> int:
    """0 once everything was measured."""
    parser = argparse.ArgumentParser(description="Nanoseconds of each step of a request.")
    parser.add_argument("--loops", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--only", choices=("all", "steps", "whole"), default="all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rows = uvloop.run(measured(options.loops, options.repetitions, options.only))
    facts = machine.facts()
    if options.json:
        print(json.dumps({"facts": facts, "ns": dict(rows)}))
    else:
        print(f"{facts['cpu']}, Python {facts['python']}, revision {facts['revision']}, {facts['date']}\n")
        print(report.table(("step", "ns"), [(name, f"{ns:,.0f}") for name, ns in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
