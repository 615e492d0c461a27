"""kill -9 at seeded moments: every intent that was committed is in the ledger exactly once, and the accounts agree with it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest

from ninefold.adapters.journal.reader import JournalReader
from ninefold.adapters.sql.engine import open_database
from ninefold.adapters.sql.leases import SqlLeaseStore
from ninefold.adapters.sql.ledger import SqlLedger
from ninefold.adapters.sql.migrate import migrate
from ninefold.finops.projector import Projector
from ninefold.finops.records import Intended, Settled, record_decoder

WORKER = """
    import asyncio, pathlib, random, sys, time
    from ninefold.adapters.journal.lock import WorkerLock
    from ninefold.adapters.journal.reader import JournalReader
    from ninefold.adapters.journal.writer import JournalWriter
    from ninefold.adapters.sql.engine import open_database
    from ninefold.adapters.sql.leases import SqlLeaseStore
    from ninefold.domain.cost import Outcome
    from ninefold.domain.errors import BudgetExceeded
    from ninefold.domain.money import Price
    from ninefold.domain.principal import Principal
    from ninefold.domain.snapshot import Budget, Deployment, Tenant
    from ninefold.domain.usage import Usage
    from ninefold.finops.meter import LeasedMeter
    from ninefold.ports.meter import HoldRequest

    url, folder, seed, limit = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    price = Price(version="v1", input_per_million=10**6, output_per_million=10**6, cached_input_per_million=0, cache_write_per_million=0)
    deployment = Deployment(name="eu", provider="openai", base_url="http://x", model="m", price=price)
    tenant = Tenant(name="acme", budgets=(Budget(budget_id="b", limit_nanos=limit, window="total"),))
    who = Principal(tenant="acme", key_id="k", key_name="ci")

    async def main():
        chance = random.Random(seed)
        store = SqlLeaseStore(open_database(url))
        lock = WorkerLock.acquire(folder, "w0")
        before = time.monotonic()
        opened = await store.open_worker("w0", after_epoch=JournalReader(folder).highest_epoch("w0"))
        epoch = opened.holder.epoch
        journal = JournalWriter(folder, "w0", epoch, lock=lock, segment_bytes=20_000)
        meter = LeasedMeter(journal, store, opened, opened_at=before, monotonic=time.monotonic, wall=time.time)
        running = asyncio.create_task(meter.run())

        async def request(n):
            ask = HoldRequest(
                request_id=f"r{epoch}-{n}", trace_id="t", decision_id="d", principal=who, tenant=tenant, model="fast", operation="chat",
                attribution=(), deployments=(deployment,), input_tokens_bound=60, output_tokens_bound=40, now=time.time(),
            )
            try:
                hold = meter.try_hold(ask) or await meter.hold(ask)
            except BudgetExceeded:
                return
            attempt = f"a{epoch}-{n}"
            meter.begin(hold, attempt, deployment)
            journal.commit()
            print("sent", attempt, flush=True)  # the first upstream byte
            await asyncio.sleep(chance.random() * 0.01)
            used = chance.randrange(50)
            meter.settle(hold, attempt, Usage(input_tokens=used, output_tokens=used), Outcome.COMPLETED)
            meter.close(hold)
            journal.commit()
            print("answered", attempt, 2 * used, flush=True)  # the final event

        for n in range(0, 10**6, 20):
            await asyncio.gather(*(request(n + more) for more in range(20)))

    asyncio.run(main())
"""


@pytest.mark.parametrize(("seed", "limit"), [(1, 10**9), (2, 10**9), (3, 40_000)])
def test_every_intent_is_in_the_ledger_exactly_once(tmp_path, seed, limit):
    chance = random.Random(seed)
    url, folder = f"sqlite:///{tmp_path / 'ninefold.db'}", tmp_path / "journal"
    database = open_database(url)
    migrate(database)
    store, ledger = SqlLeaseStore(database), SqlLedger(database)
    reader = JournalReader(folder)
    sent, answered = [], {}

    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), url, str(folder), str(seed * 10 + life), str(limit)],
            stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        told = []
        for line in process.stdout:
            if line.endswith("\n"):  # the kill may cut the last one
                told.append(line.split())
            if len(told) == 1:
                time.sleep(chance.random() * 0.3)
                os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert told, "the worker did something before it was killed"
        sent += [words[1] for words in told if words[0] == "sent"]
        answered |= {words[1]: int(words[2]) for words in told if words[0] == "answered" and len(words) == 3}
        if life == 1:
            asyncio.run(Projector(reader, ledger, store, wall=time.time).step())

    async def books():
        projector = Projector(reader, ledger, store, wall=time.time)
        await projector.step()
        assert projector.unreadable == {}
        report = await projector.replay()
        assert (report.missing, report.different) == ((), ())
        total = await ledger.total("acme", 0, 2**40)
        lines = await ledger.statement("acme", 0, 2**40, limit=10**6)
        (balance,) = await store.balances("acme")
        assert await store.workers() == ()
        return total, lines, balance

    total, lines, balance = asyncio.run(books())
    database.close()
    decode, intents, settled = record_decoder().decode, Counter(), set()
    for segment in reader.segments():
        for payload in reader.read(segment, 0, 1 << 24).payloads:
            record = decode(payload)
            if isinstance(record, Intended):
                intents[record.attempt_id] += 1
            elif isinstance(record, Settled):
                settled.add(record.attempt_id)
    assert Counter(line.attempt_id for line in lines) == intents
    assert set(sent) <= intents.keys(), "nothing was sent upstream without an intent that survived"
    by_attempt = {line.attempt_id: line for line in lines}
    for attempt, cost in answered.items():
        assert (by_attempt[attempt].cost_nanos, by_attempt[attempt].outcome) == (cost, "completed"), "what was acknowledged stands"
    for attempt, line in by_attempt.items():
        assert line.outcome == ("completed" if attempt in settled else "interrupted")
    assert balance.spent == total.cost_nanos <= limit
    assert (balance.outstanding, balance.overrun) == (0, 0)
