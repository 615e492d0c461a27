"""What operators see: series with names of the configuration only, in Prometheus' format to the letter."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.exposition import parse
from tests.unit.gateway.one_worker import Worker, model, snapshot

from ninefold.adapters.memory.events import MemoryEventLog
from ninefold.app.observe import Observer
from ninefold.domain.errors import ModelNotFound, NinefoldError, RateLimited, Unavailable
from ninefold.domain.trace import TraceContext
from ninefold.gateway.answer import Answer
from ninefold.gateway.counts import LOST, SENT, WON
from ninefold.http.metrics import TOKENS, Family, Metrics, observe, render
from ninefold.http.openai_chat import OPENAI_CHAT
from ninefold.http.visit import Visit
from ninefold.ports.upstream import AttemptFailed


def test_what_is_written_is_the_format_to_the_letter() -> None:
    metrics = Metrics()
    metrics.requests.add(("openai.chat", 'a"b\\c\nd', "200", "miss"))
    metrics.shed.put((), 3)
    sample = metrics.tokens.sample(("chat", "openai", "m", "input"))
    for tokens in (0, 1, 5, 10**9):
        observe(sample, TOKENS, tokens)
    found = parse(render(metrics, []))
    assert {name: each.kind for name, each in found.items()} == {each.name: each.kind for each in metrics.families()}
    assert found["ninefold_requests_total"].value(model='a"b\\c\nd') == 1
    assert found["ninefold_requests_shed_total"].value() == 3
    usage = found["gen_ai_client_token_usage_tokens"].samples
    labels = (("gen_ai_operation_name", "chat"), ("gen_ai_provider_name", "openai"), ("gen_ai_request_model", "m"))
    labels += (("gen_ai_token_type", "input"),)
    buckets = {dict(have)["le"]: number for (name, have), number in usage.items() if name.endswith("_bucket")}
    assert (buckets["1.0"], buckets["4.0"], buckets["16.0"], buckets["67108864.0"], buckets["+Inf"]) == (2, 2, 3, 3, 4)
    assert usage["gen_ai_client_token_usage_tokens_sum", labels] == 10**9 + 6


@pytest.mark.parametrize(
    "text",
    [
        "# HELP a_total x\n# TYPE a_total counter\na_total 1",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 1\n",
        "# HELP a x\n# TYPE a counter\na 1\n",
        '# HELP a x\n# TYPE a gauge\na{b="c\\d"} 1\n',
        '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
        '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n',
        '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_reader_refuses_what_is_not_the_format(text: str) -> None:
    with pytest.raises(AssertionError):
        parse(text.encode())


def test_the_sum_of_all_workers_leaves_out_what_another_version_laid_out_otherwise() -> None:
    mine, other = Metrics(), Metrics()
    for each in (mine, other):
        each.attempts.add(("a", "completed"), 2)
    old = {"ninefold_requests_total": [(("chat", "m", "200"), [7.0])], "gen_ai_server_request_duration_seconds": [(("a", "b", "c"), [1.0])]}
    found = parse(render(mine, [other.dump(), old]))
    assert found["ninefold_attempts_total"].value(deployment="a") == 4
    assert not found["ninefold_requests_total"].samples
    assert not found["gen_ai_server_request_duration_seconds"].samples


def test_a_family_has_a_wall_behind_its_configuration() -> None:
    family = Family("a_total", "counter", "x", ("b",))
    for number in range(10_000):
        family.add((str(number),))
    assert len(family.samples) == 2_001
    assert family.samples["other",] == [8_000.0]


class Nobody:
    """An exchange that nobody looks at."""


class House:
    """A worker and its observer, inside a loop."""

    def __init__(self, folder: Path, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        self.worker = worker
        self.observer = Observer(
            MemoryEventLog(), folder, "w", worker.board, worker.gateway, worker.parts.dispatch.counts,
            monotonic=loop.time, wall=loop.time,
        )  # fmt: skip

    def visit(self, name: str, **more) -> Visit:
        trace = TraceContext(trace_id="0" * 32, span_id="0" * 16)
        now = asyncio.get_running_loop().time()
        given = {
            "exchange": Nobody(),
            "trace": trace,
            "request_id": "r",
            "decision_id": "d",
            "began": now,
            "started_at": now,
            "status": 200,
        }
        return Visit(**(given | {"model": name} | more))

    async def ask(self, name: str, *, status: int = 0, **more) -> Answer | NinefoldError:
        """As a surface does it."""
        visit = self.visit(name)
        asked = self.worker.asked(model=name, **more)
        visit.who = asked.who
        answer, error = None, None
        try:
            answer = await self.worker.gateway.complete(asked)
        except NinefoldError as caught:
            error, visit.status = caught, status
        else:
            visit.deployment = answer.deployment
            while answer.streams and await answer.next() is not None:
                pass
            visit.outcome = "completed" if answer.streams else ""
        self.observer.observe(visit, OPENAI_CHAT, answer, error)
        return answer or error


def test_names_that_callers_make_up_are_nobodys_series(tmp_path: Path) -> None:
    async def work() -> None:
        worker = await Worker(snapshot(model("a", "b"))).begin()
        house = House(tmp_path, worker)
        await house.ask("m")
        house.observer.observe(house.visit("made-up", status=404), OPENAI_CHAT, None, ModelNotFound("no"))
        before = {(name, key) for name, each in parse(house.observer.text()).items() for key in each.samples}
        for number in range(10_000):
            visit = house.visit(f"made-up-{number}", status=404, deployment=f"d{number}", outcome="")
            house.observer.observe(visit, OPENAI_CHAT, None, ModelNotFound(f"no {number}"))
        text = house.observer.text()
        assert {(name, key) for name, each in parse(text).items() for key in each.samples} == before
        assert parse(text)["ninefold_requests_total"].value(model="", status="404") == 10_001
        assert b"made-up" not in text

    asyncio.run(work())


def test_a_request_is_counted_in_every_series_it_belongs_to(tmp_path: Path) -> None:
    async def work() -> None:
        worker = await Worker(snapshot(model("a", "b", cache_ttl_s=60.0))).begin()
        house = House(tmp_path, worker)
        await house.ask("m")
        await house.ask("m")
        await house.ask("m", stream=True)
        house.observer.observe(house.visit("m", status=429), OPENAI_CHAT, None, RateLimited("later"))
        found = parse(house.observer.text())
        requests = found["ninefold_requests_total"]
        assert requests.value(model="m", cache="miss", status="200", surface="openai.chat") == 2
        assert requests.value(model="m", cache="exact", status="200") == 1
        assert requests.value(model="m", cache="", status="429") == 1
        assert found["ninefold_attempts_total"].value(deployment="a", outcome="completed") == 2
        call = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "m"}
        assert found["gen_ai_server_request_duration_seconds"].value(**call) == 3
        assert found["gen_ai_server_time_to_first_token_seconds"].value(**call) == 1
        assert found["gen_ai_client_token_usage_tokens"].value(**call, gen_ai_token_type="output") == 3
        assert found["ninefold_answer_cache_entries"].value() == 2
        assert found["ninefold_answer_cache_bytes"].value() > 2_000
        assert found["ninefold_breaker_open"].samples == {("ninefold_breaker_open", (("deployment", name),)): 0 for name in "ab"}
        assert found["ninefold_deployment_in_flight"].value(deployment="a") == 0

    asyncio.run(work())


def test_what_was_out_of_the_ordinary_is_counted_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async def work() -> None:
        worker = await Worker(snapshot(model("a", "b"))).begin()

        async def fails_at_a(deployment, call, limits):
            if deployment.name == "a":
                raise AttemptFailed(Unavailable("down"))
            worker.vendor.answers = None
            return await worker.vendor.open(deployment, call, limits)

        worker.vendor.answers = fails_at_a
        house = House(tmp_path, worker)
        await house.ask("m")
        counts = worker.parts.dispatch.counts
        counts.hedges["m", SENT] += 2
        counts.raced("m", WON, 1_500_000_000)
        counts.raced("m", LOST, 0)
        counts.promoted("deterministic", "complex", "failures", 250_000_000)
        worker.gateway.gate.shed = 4
        house.observer.text()
        found = parse(house.observer.text())
        attempts = found["ninefold_attempts_total"]
        assert attempts.value(deployment="a", outcome="unavailable") == 1
        assert attempts.value(deployment="b", outcome="completed") == 1
        assert attempts.value() == 2
        assert found["ninefold_retries_total"].value(model="m") == 1
        assert [found["ninefold_hedges_total"].value(result=result) for result in (SENT, WON, LOST)] == [2, 1, 1]
        assert found["ninefold_hedge_cost_usd_total"].value(model="m") == 1.5
        assert found["ninefold_promotions_total"].value(to="complex", why="failures") == 1
        assert found["ninefold_promotion_cost_usd_total"].value() == 0.25
        assert found["ninefold_requests_shed_total"].value() == 4
        assert found["ninefold_requests_queued"].value() == 0

    asyncio.run(work())
