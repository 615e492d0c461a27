"""Files and batches with the real `openai` client: a batch really runs, and answers what each of its lines would have had alone."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import openai
import pytest

from tests.e2e.conftest import KEY, SECRETS, TENANTS, Scene
from tests.e2e.platform import Platform
from tests.fault.conftest import lines_of, until
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai import OpenAiVendor

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

OTHER = SECRETS["GLOBEX_KEY"]
FINAL = {"completed", "failed", "expired", "cancelled"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with OpenAiVendor() as vendor, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as anthropic:
        scene = Scene(vendor, legacy, anthropic)
        with Platform(tmp_path_factory.mktemp("batches"), scene.config(TENANTS), env=SECRETS) as platform:
            scene.platform = platform
            yield scene


@pytest.fixture
def client(house):
    house.reset()
    with openai.OpenAI(base_url=house.platform.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made
    house.reset()


def chat(number: int, text: str = "", **more: object) -> dict:
    body = {"model": "on-openai", "messages": [{"role": "user", "content": text or f"line {number}"}]} | more
    return {"custom_id": f"c{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def started(client, requests: list[dict], endpoint: str = "/v1/chat/completions", **more):
    data = "".join(json.dumps(each) + "\n" for each in requests).encode()
    file = client.files.create(file=("in.jsonl", data), purpose="batch")
    return client.batches.create(**{"input_file_id": file.id, "endpoint": endpoint, "completion_window": "24h"} | more)


def over(client, batch):
    return until(lambda: (found := client.batches.retrieve(batch.id)).status in FINAL and found)


def told(client, file_id: str | None) -> dict[str, dict]:
    found = [json.loads(line) for line in client.files.content(file_id).text.splitlines()] if file_id else []
    assert len({each["custom_id"] for each in found}) == len(found)
    return {each["custom_id"]: each for each in found}


def test_files_are_kept_for_their_tenant(house, client):
    data = b"\x00 first\n\xff"
    file = client.files.create(file=("notes ü.txt", data), purpose="user_data")
    assert (file.filename, file.bytes, file.purpose, file.object) == ("notes ü.txt", len(data), "user_data", "file")
    twin = client.files.create(file=("twin.txt", data), purpose="user_data")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == data
    assert [each.id for each in client.files.list(purpose="user_data", limit=1)] == [twin.id, file.id]
    assert [each.id for each in client.files.list(purpose="user_data", order="asc")] == [file.id, twin.id]
    with openai.OpenAI(base_url=house.platform.url + "/v1", api_key=OTHER, max_retries=0) as stranger:
        assert list(stranger.files.list()) == []
        for verb in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
            with pytest.raises(openai.NotFoundError):
                verb(file.id)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)
    assert client.files.content(twin.id).read() == data


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"data": {"purpose": "batch"}}, "file"),
        ({"data": {"purpose": "nothing"}, "files": {"file": b"x"}}, "purpose"),
        ({"data": {"purpose": "batch", "expires_after[seconds]": "60"}, "files": {"file": b"x"}}, "expires_after[seconds]"),
        ({"json": {"purpose": "batch"}}, "content-type"),
    ],
)
def test_a_bad_upload_names_its_field(house, given, param):
    if "json" not in given and "files" not in given:
        given = given | {"files": {"other": ("a", b"x")}}
        param = "other"
    reply = httpx.post(house.platform.url + "/v1/files", headers={"authorization": f"Bearer {KEY}"}, **given)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/files/x", "/v1/files/x/content", "/v1/batches", "/v1/batches/x", "/v1/batches/x/cancel"]
)
def test_nothing_without_a_key(house, path):
    for method in ("GET", "POST", "DELETE"):
        assert house.platform.get(path, method=method)[0] == 401


def test_a_batch_runs_and_tells_every_line(house, client):
    requests = [chat(n) for n in range(40)] + [chat(40, stream=True), chat(41, n=0), chat(42, "x", model="nothing")]
    batch = started(client, requests, metadata={"for": "test"})
    assert (batch.status, batch.object, batch.metadata) == ("validating", "batch", {"for": "test"})
    done = over(client, batch)
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 40, 3)
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at
    output, errors = told(client, done.output_file_id), told(client, done.error_file_id)
    for number in range(40):
        line = output[f"c{number}"]
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"]["choices"][0]["message"]["content"] == f"You said: line {number}"
    assert {name: (line["response"]["status_code"], line["response"]["body"]["error"]["param"]) for name, line in errors.items()} == {
        "c40": (400, "stream"),
        "c41": (400, "n"),
        "c42": (404, "model"),
    }
    assert len(house.openai.seen) == 40
    assert house.openai.most_at_once <= 8
    mine = until(
        lambda: (
            len(found := [each for each in lines_of(house.platform, "acme") if each["attribution"].get("task_id") == batch.id]) == 40
            and found
        )
    )
    assert {each["outcome"] for each in mine} == {"completed"}
    traces = {line["response"]["body"]["ninefold"]["trace_id"] for line in output.values()}
    assert traces == {each["trace_id"] for each in mine}
    assert client.files.retrieve(done.output_file_id).purpose == "batch_output"
    assert client.batches.list(limit=1).data[0].id == batch.id


def test_other_endpoints(house, client):
    requests = [
        {"custom_id": f"e{n}", "method": "POST", "url": "/v1/embeddings", "body": {"model": "on-legacy", "input": f"text {n}"}}
        for n in range(5)
    ]
    done = over(client, started(client, requests, "/v1/embeddings"))
    assert [len(line["response"]["body"]["data"]) for line in told(client, done.output_file_id).values()] == [1] * 5
    requests = [{"custom_id": "r", "method": "POST", "url": "/v1/responses", "body": {"model": "on-anthropic", "input": "hello"}}]
    done = over(client, started(client, requests, "/v1/responses"))
    answer = told(client, done.output_file_id)["r"]["response"]["body"]
    assert client.responses.retrieve(answer["id"]).output_text == "You said: hello"


def test_a_bad_input_fails_with_its_lines(client):
    requests = [chat(1), chat(1), chat(2) | {"url": "/v1/embeddings"}, chat(3) | {"method": "GET"}, {"custom_id": "x"}]
    done = over(client, started(client, requests))
    assert (done.status, done.output_file_id, done.failed_at > 0) == ("failed", None, True)
    assert [(each.line, each.code) for each in done.errors.data] == [
        (2, "duplicate_custom_id"),
        (3, "mismatched_url"),
        (4, "invalid_method"),
        (5, "invalid_json_line"),
    ]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input_file_id": "file-nothing"}, "input_file_id"),
        ({"endpoint": "/v1/messages"}, "endpoint"),
        ({"completion_window": "24"}, "completion_window"),
        ({"completion_window": "99d"}, "completion_window"),
        ({"metadata": {"ninefold_start_after": "tonight"}}, "metadata.ninefold_start_after"),
        ({"extra_body": {"output_expires_after": {"seconds": 5}}}, "output_expires_after"),
    ],
)
def test_a_bad_wish_names_its_field(client, changes, param):
    with pytest.raises(openai.BadRequestError) as refused:
        started(client, [chat(1)], **changes)
    assert refused.value.param == param


def test_a_batch_waits_for_its_hour_and_can_be_cancelled_before(house, client):
    later = datetime.now(UTC) + timedelta(hours=5)
    batch = started(client, [chat(1)], metadata={"ninefold_start_after": later.isoformat()})
    assert batch.expires_at >= int(later.timestamp()) + 86_400
    soon = started(client, [chat(2)], metadata={"ninefold_start_after": (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()})
    done = over(client, soon)
    assert done.completed_at >= int(soon.created_at + 1)
    assert client.batches.retrieve(batch.id).status == "validating"
    assert client.batches.cancel(batch.id).status == "cancelling"
    done = over(client, batch)
    assert (done.status, done.output_file_id, len(house.openai.seen)) == ("cancelled", None, 1)
    assert told(client, done.error_file_id)["c1"]["error"]["code"] == "batch_cancelled"
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_cancelled_batch_keeps_what_was_answered(house, client):
    house.openai.first_delay_s = 0.3
    batch = started(client, [chat(n) for n in range(400)])
    until(lambda: client.batches.retrieve(batch.id).request_counts.completed > 0)
    client.batches.cancel(batch.id)
    done = over(client, batch)
    assert done.status == "cancelled"
    output, errors = told(client, done.output_file_id), told(client, done.error_file_id)
    assert 0 < len(output) < 400
    assert len(output) == done.request_counts.completed == len(house.openai.seen)
    assert len(output) + len(errors) == 400


def test_another_tenant_sees_no_batch(house, client):
    batch = started(client, [chat(1)])
    with openai.OpenAI(base_url=house.platform.url + "/v1", api_key=OTHER, max_retries=0) as stranger:
        for verb in (stranger.batches.retrieve, stranger.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                verb(batch.id)
        with pytest.raises(openai.BadRequestError):
            stranger.batches.create(input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h")
        assert stranger.batches.list().data == []
    assert over(client, batch).status == "completed"


def test_a_revoked_key_ends_its_lines(house):
    made = json.loads(house.platform.cli("keys", "create", "--tenant", "acme", "--name", "batcher", "--json").stdout)
    with openai.OpenAI(base_url=house.platform.url + "/v1", api_key=made["secret"], max_retries=0) as client:
        until(lambda: house.platform.get("/v1/models", key=made["secret"])[0] == 200)
        house.openai.first_delay_s = 0.5
        batch = started(client, [chat(n) for n in range(1000)])
        until(lambda: len(house.openai.seen) > 8)
    house.platform.cli("keys", "revoke", made["key_id"])
    house.reset()
    with openai.OpenAI(base_url=house.platform.url + "/v1", api_key=KEY, max_retries=0) as client:
        done = over(client, batch)
        errors = told(client, done.error_file_id)
        assert done.status == "completed"
        assert done.request_counts.failed == len(errors) > 50
        assert {each["response"]["status_code"] for each in errors.values()} <= {401, 403}


def test_a_vendor_that_is_down_for_a_moment_loses_no_line(house, client):
    from tests.vendors.script import Fault

    house.openai.fault = Fault("status", status=503, times=20)
    done = over(client, started(client, [chat(n) for n in range(6)]))
    assert (done.status, done.request_counts.completed) == ("completed", 6)
    assert time.time() - done.created_at > 0.5
