"""kill -9 in the middle of a batch: another process goes on, no acknowledged line is lost, none is told or paid twice."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter

import openai
import pytest

from tests.e2e.conftest import KEY
from tests.fault.conftest import lines_of, until

LINES = 300
TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}]
    models: [on-openai]
    budgets: [{limit_usd: 50.00, window: month}]
"""
TIMEOUTS = "{first_token_s: 20, idle_s: 20, total_s: 60}"


def requests() -> bytes:
    made = [
        {
            "custom_id": f"c{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "on-openai", "messages": [{"role": "user", "content": f"line {number}"}], "max_completion_tokens": 30},
        }
        for number in range(LINES)
    ]
    return "".join(json.dumps(each) + "\n" for each in made).encode()


def acknowledged(platform) -> set[str]:
    """The lines that stand whole in the logs."""
    found = set()
    for path in (platform.data_dir / "batches").glob("*.output"):
        for text in path.read_bytes().split(b"\n")[:-1]:
            found.add(json.loads(text)["custom_id"])
    return found


def paid(platform) -> int:
    """The attempts that reached the vendor, as the ledger has them; answers given again are lines of their own, and free."""
    return sum(each["outcome"] != "reused" for each in lines_of(platform, "acme"))


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "whole_house"), [(1, True), (2, False)], ids=["house", "one-of-two"])
def test_a_batch_outlives_kill_9(scene, start, workers, whole_house):
    chance = random.Random(workers)
    platform = start(scene.config(TENANTS, TIMEOUTS), workers=workers)
    scene.openai.first_delay_s = 0.15
    with openai.OpenAI(base_url=platform.url + "/v1", api_key=KEY, max_retries=5) as client:
        file = client.files.create(file=("in.jsonl", requests()), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        enough = chance.randrange(20, 120)
        until(lambda: len(acknowledged(platform)) >= enough)
        if whole_house:
            platform.kill()
            before = acknowledged(platform)
            platform.start()
        else:
            busy = next(text for text in platform.logs().splitlines() if '"batch.claimed"' in text)
            os.kill(json.loads(busy)["pid"], signal.SIGKILL)
            before = acknowledged(platform)
        assert enough <= len(before) < LINES
        scene.openai.first_delay_s = 0.0
        done = until(lambda: (found := client.batches.retrieve(batch.id)).status == "completed" and found, patience_s=90)
        output = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (LINES, LINES, 0)
    assert Counter(each["custom_id"] for each in output) == Counter(f"c{number}" for number in range(LINES))
    for each in output:
        said = each["response"]["body"]["choices"][0]["message"]["content"]
        assert said == f"You said: line {each['custom_id'][1:]}"
    assert not list((platform.data_dir / "batches").iterdir())
    asked = Counter(sent["messages"][0]["content"] for _, _, sent in scene.openai.seen)
    # Only what was under way when the process died may have been asked again: eight lines at once, and those answered that were not
    # written yet were kept by their idempotency key.
    again = {name for name, times in asked.items() if times > 1}
    print(f"{len(before)} acknowledged, {len(again)} asked again")
    assert max(asked.values()) <= 2
    assert len(again) <= 8
    assert not again & {f"line {name[1:]}" for name in before}
    lines = until(lambda: paid(platform) == sum(asked.values()) and lines_of(platform, "acme"))
    assert LINES <= Counter(each["outcome"] for each in lines)["completed"] <= LINES + len(again)
    assert {each["attribution"].get("task_id") for each in lines} == {batch.id}
