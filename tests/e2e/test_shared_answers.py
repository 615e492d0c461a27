"""Answers that are given more than once: kept ones, those under way, and those of an idempotency key; the vendor is paid once."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import time

import anthropic
import httpx
import openai
import pytest

from tests.e2e.conftest import KEY, SECRETS, Scene
from tests.e2e.platform import Platform
from tests.fault.conftest import lines_of, until
from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai import OpenAiVendor
from tests.vendors.script import Fault

pytestmark = pytest.mark.slow  # runs in make test-all and CI, so that make test stays under five minutes

MODELS = """
  - {{name: kept, route: {{strategy: priority, deployments: [oai]}}, timeouts: {timeouts}, cache: {{ttl_s: 600}}}}
  - {{name: kept-ant, route: {{strategy: priority, deployments: [ant]}}, timeouts: {timeouts}, cache: {{ttl_s: 600}}}}
  - {{name: joined, route: {{strategy: priority, deployments: [oai]}}, timeouts: {timeouts}, coalesce: true, retries: {{max_attempts: 1}}}}
  - name: batched
    route: {{strategy: priority, deployments: [oai]}}
    timeouts: {timeouts}
    micro_batch_ms: 50
    retries: {{max_attempts: 1}}
"""
TENANTS = """
tenants:
  - name: acme
    keys: [{name: ci, secret: {env: ACME_KEY}}, {name: cd, secret: {env: ACME_OTHER_KEY}}]
    models: [kept, kept-ant, joined, batched, on-openai, on-legacy]
    budgets: [{limit_usd: 5.00, window: month}]
  - name: globex
    keys: [{name: ci, secret: {env: GLOBEX_KEY}}]
    models: [kept, kept-ant, joined, batched, on-openai]
  - name: slow
    keys: [{name: ci, secret: {env: SLOW_KEY}}]
    models: [kept]
    limits: {requests_per_minute: 3}
"""
MORE_SECRETS = SECRETS | {"ACME_OTHER_KEY": "test-key-acme-2", "SLOW_KEY": "test-key-slow"}
TIMEOUTS = "{first_token_s: 10.0, idle_s: 10.0, total_s: 20}"


def config(scene: Scene) -> str:
    ports = {"timeouts": TIMEOUTS}
    return scene.config(MODELS.format(**ports) + TENANTS, TIMEOUTS)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with OpenAiVendor() as oai, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as ant:
        scene = Scene(oai, legacy, ant)
        with Platform(tmp_path_factory.mktemp("shared"), config(scene), env=MORE_SECRETS) as platform:
            scene.platform = platform
            yield scene


@pytest.fixture
def scene(house):
    house.reset()
    yield house
    house.reset()


def client(scene, key=KEY):
    return openai.OpenAI(base_url=f"{scene.platform.url}/v1", api_key=key, max_retries=0, timeout=30)


def user(text):
    return [{"role": "user", "content": text}]


def ask(scene, text, *, model="kept", key=KEY, headers=None, **more):
    """Headers and answer of a whole chat."""
    with client(scene, key) as speak:
        raw = speak.chat.completions.with_raw_response.create(model=model, messages=user(text), extra_headers=headers or {}, **more)
        return raw.headers, raw.parse()


def stream(scene, text, *, model="kept", key=KEY, headers=None):
    """Headers, text and the ninefold member of a streamed chat."""
    said, member = "", None
    with client(scene, key) as speak:
        raw = speak.chat.completions.with_raw_response.create(model=model, messages=user(text), extra_headers=headers or {}, stream=True)
        for chunk in raw.parse():
            member = getattr(chunk, "ninefold", member)
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
    return raw.headers, said, member


def post(platform, asked, *, key=KEY, headers=None, path="/v1/chat/completions"):
    """The reply to plain bytes."""
    return httpx.post(
        platform.url + path, json=asked, headers={"authorization": f"Bearer {key}"} | (headers or {}), timeout=30, trust_env=False
    )


def answered_lines(platform, count, tenant="acme", *, since=()):
    return until(
        lambda: (
            (found := [line for line in lines_of(platform, tenant) if line["attempt_id"] not in since]) and len(found) == count and found
        )
    )


def known(platform, tenant="acme"):
    """The attempts that are in the books already, once nothing new comes."""
    seen = -1
    while (now := len(lines_of(platform, tenant))) != seen:
        seen = now
        time.sleep(0.5)
    return {line["attempt_id"] for line in lines_of(platform, tenant)}


def test_the_second_answer_comes_from_the_cache_and_costs_nothing(scene):
    before = known(scene.platform)
    first_headers, first = ask(scene, "cache me whole")
    headers, second = ask(scene, "cache me whole")
    assert (first_headers["x-ninefold-cache"], headers["x-ninefold-cache"]) == ("miss", "exact")
    assert len(scene.openai.seen) == 1
    assert second.choices == first.choices
    assert second.usage == first.usage
    assert headers["x-ninefold-cost-usd"] == "0.000000000"
    assert second.ninefold["cost_usd"] == 0
    assert second.ninefold["route"]["cache"] == "exact"
    assert second.ninefold["trace_id"] == headers["x-ninefold-trace-id"] != first.ninefold["trace_id"]
    assert headers["x-ninefold-decision-id"] != first_headers["x-ninefold-decision-id"]
    lines = answered_lines(scene.platform, 2, since=before)
    by_outcome = {line["outcome"]: line for line in lines}
    assert by_outcome["completed"]["cost_nanos"] == round(first.ninefold["cost_usd"] * 1e9) > 0
    reused = by_outcome["reused"]
    assert (reused["cost_nanos"], reused["input_tokens"], reused["output_tokens"], reused["unpriced"]) == (0, 0, 0, False)
    status, _, trace = scene.platform.admin(f"/api/v1/traces/{headers['x-ninefold-trace-id']}")
    assert status == 200
    assert len(trace["decisions"]) == 1
    assert json.loads(trace["answers"][0]["route"])["attempts"] == 0 if isinstance(trace["answers"][0]["route"], str) else True


def test_a_streamed_answer_is_kept_as_a_stream(scene):
    ask(scene, "one of each form")
    _, said, _ = stream(scene, "one of each form")
    headers, again, member = stream(scene, "one of each form")
    assert headers["x-ninefold-cache"] == "exact"
    assert again == said == "You said: one of each form"
    assert member["cost_usd"] == 0
    assert len(scene.openai.seen) == 2, "a whole answer and a stream, each once"


def test_an_anthropic_client_hits_its_own_cache_whole_and_streamed(scene):
    speak = anthropic.Anthropic(base_url=scene.platform.url, api_key=KEY, max_retries=0)
    asked = {"model": "kept-ant", "max_tokens": 100, "messages": user("ant cache")}
    whole = [speak.messages.with_raw_response.create(**asked) for _ in range(2)]
    assert [each.headers["x-ninefold-cache"] for each in whole] == ["miss", "exact"]
    assert whole[0].parse().content == whole[1].parse().content
    texts = []
    for _ in range(2):
        with speak.messages.stream(**asked) as events:
            texts.append(events.get_final_message().content[0].text)
    assert texts[0] == texts[1] == "You said: ant cache"
    assert len(scene.anthropic.seen) == 2


def test_no_other_tenant_and_every_key_of_the_same_one_gets_it(scene):
    canary = "canary 7f3a"
    ask(scene, canary)
    assert ask(scene, canary, key=SECRETS["GLOBEX_KEY"])[0]["x-ninefold-cache"] == "miss"
    assert ask(scene, canary, key=MORE_SECRETS["ACME_OTHER_KEY"])[0]["x-ninefold-cache"] == "exact"
    assert len(scene.openai.seen) == 2


def test_attribution_is_no_part_of_the_question_and_everything_else_is(scene):
    ask(scene, "attributed", store=True, metadata={"product": "a", "keep": "x"})
    assert ask(scene, "attributed", store=True, metadata={"product": "b", "keep": "x"})[0]["x-ninefold-cache"] == "exact"
    for more in ({"metadata": {"keep": "y"}}, {"temperature": 0.5}, {"seed": 1}, {"max_completion_tokens": 50}):
        assert ask(scene, "attributed", store=True, **more)[0]["x-ninefold-cache"] == "miss"


def test_fresh_answers_are_asked_for_and_no_store_keeps_nothing(scene):
    ask(scene, "fresh", headers={"cache-control": "no-store"})
    assert ask(scene, "fresh")[0]["x-ninefold-cache"] == "miss"
    assert ask(scene, "fresh", headers={"cache-control": "no-cache"})[0]["x-ninefold-cache"] == "miss"
    assert ask(scene, "fresh")[0]["x-ninefold-cache"] == "exact"
    assert len(scene.openai.seen) == 3


def test_errors_and_broken_streams_are_not_kept(scene):
    scene.openai.fault = Fault("status", status=400)
    with pytest.raises(openai.BadRequestError):
        ask(scene, "never kept")
    scene.openai.fault = Fault("cut_after", at=3)
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        stream(scene, "never kept")
    scene.openai.fault = None
    assert ask(scene, "never kept")[0]["x-ninefold-cache"] == "miss"
    assert stream(scene, "never kept")[0]["x-ninefold-cache"] == "miss"


def test_a_kept_answer_counts_against_limits_on_requests(scene):
    got = [post(scene.platform, {"model": "kept", "messages": user("limited")}, key=MORE_SECRETS["SLOW_KEY"]) for _ in range(4)]
    assert [each.status_code for each in got] == [200, 200, 200, 429]
    assert len(scene.openai.seen) == 1


def test_a_model_without_any_of_it_says_bypass(scene):
    assert ask(scene, "plain", model="on-openai")[0]["x-ninefold-cache"] == "bypass"


@pytest.mark.parametrize("streamed", [False, True])
def test_two_at_once_are_one_for_the_vendor(scene, streamed):
    before = known(scene.platform)
    scene.openai.first_delay_s = 2.0
    scene.openai.delay_s = 0.3

    async def one(speak, after_s):
        await asyncio.sleep(after_s)
        raw = await speak.chat.completions.with_raw_response.create(model="joined", messages=user(f"pair {streamed}"), stream=streamed)
        if not streamed:
            return raw.headers["x-ninefold-cache"], raw.parse().choices[0].message.content
        said = ""
        async for chunk in raw.parse():
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
        return raw.headers["x-ninefold-cache"], said

    async def both():
        async with openai.AsyncOpenAI(base_url=f"{scene.platform.url}/v1", api_key=KEY, max_retries=0) as speak:
            return await asyncio.gather(one(speak, 0), one(speak, 0.4), one(speak, 2.4 if streamed else 0.6))

    found = asyncio.run(both())
    assert [how for how, _ in found] == ["miss", "coalesced", "coalesced"]
    assert {said for _, said in found} == {f"You said: pair {streamed}"}
    assert len(scene.openai.seen) == 1
    lines = answered_lines(scene.platform, 3, since=before)
    assert sorted(line["outcome"] for line in lines) == ["completed", "reused", "reused"]
    assert sum(line["cost_nanos"] > 0 for line in lines) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_leader_that_hangs_up_leaves_the_answer_to_the_others(scene, streamed):
    before = known(scene.platform)
    scene.openai.first_delay_s, scene.openai.delay_s = (0.1, 0.15) if streamed else (2.5, 0.0)
    asked = {"model": "joined", "messages": user(f"long {20 + streamed}"), "stream": streamed}
    headers = {"authorization": f"Bearer {KEY}"}

    async def both():
        async with httpx.AsyncClient(base_url=scene.platform.url, timeout=30, trust_env=False) as web:

            async def lead():
                async with web.stream("POST", "/v1/chat/completions", json=asked, headers=headers) as reply:
                    async for _ in reply.aiter_raw():
                        await asyncio.sleep(30)

            leader = asyncio.create_task(lead())
            await asyncio.sleep(0.5)
            follower = asyncio.create_task(web.post("/v1/chat/completions", json=asked, headers=headers))
            await asyncio.sleep(0.8)
            leader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leader
            return await follower

    reply = asyncio.run(both())
    assert reply.status_code == 200
    assert reply.headers["x-ninefold-cache"] == "coalesced"
    assert reply.text.count("word ") == 20 + streamed
    assert not streamed or reply.text.endswith("data: [DONE]\n\n")
    assert len(scene.openai.seen) == 1
    assert scene.openai.cancelled == 0
    lines = answered_lines(scene.platform, 2, since=before)
    assert sorted((line["outcome"], line["output_tokens"]) for line in lines) == [("completed", 20 + streamed), ("reused", 0)]


def test_the_upstream_stops_when_the_last_has_gone_and_is_paid_once(scene):
    before = known(scene.platform)
    scene.openai.delay_s = 0.05
    asked = {"model": "joined", "messages": user("long 400"), "stream": True}

    async def one(web, leave_after_s):
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(leave_after_s),
                web.stream("POST", "/v1/chat/completions", json=asked, headers={"authorization": f"Bearer {KEY}"}) as reply,
            ):
                async for _ in reply.aiter_raw():
                    pass

    async def all_of_them():
        async with httpx.AsyncClient(base_url=scene.platform.url, timeout=30, trust_env=False) as web:
            await asyncio.gather(one(web, 2.0), one(web, 3.5))

    asyncio.run(all_of_them())
    until(lambda: scene.openai.cancelled == 1, patience_s=5)
    assert len(scene.openai.seen) == 1
    lines = answered_lines(scene.platform, 2, since=before)
    assert {line["outcome"] for line in lines} == {"cancelled"}
    assert sum(line["cost_nanos"] > 0 for line in lines) == 1


def test_a_leader_that_fails_fails_for_all_and_each_is_on_record(scene):
    scene.openai.first_delay_s = 2.0
    scene.openai.fault = Fault("status", status=500)
    asked = {"model": "joined", "messages": user("all fail")}

    async def both():
        async with httpx.AsyncClient(base_url=scene.platform.url, timeout=30, trust_env=False) as web:

            async def one(after_s):
                await asyncio.sleep(after_s)
                return await web.post("/v1/chat/completions", json=asked, headers={"authorization": f"Bearer {KEY}"})

            return await asyncio.gather(one(0), one(0.4))

    replies = asyncio.run(both())
    assert len(scene.openai.seen) == 1
    assert len({each.status_code for each in replies}) == 1
    assert {each.json()["error"]["code"] for each in replies} <= {"unavailable", "upstream_rejected"}
    for each in replies:
        path = f"/api/v1/traces/{each.headers['x-ninefold-trace-id']}"
        trace = until(lambda path=path: (reply := scene.platform.admin(path))[0] == 200 and reply[2]["refusals"] and reply[2])
        assert len(trace["refusals"]) == 1


def test_a_key_is_answered_once_and_again_byte_for_byte(scene):
    before = known(scene.platform)
    asked = {"model": "on-openai", "messages": user("idempotent")}
    for streamed in (False, True):
        named = {"idempotency-key": f"same-{streamed}"}
        first, second = (post(scene.platform, asked | {"stream": streamed}, headers=named) for _ in range(2))
        assert (first.headers["x-ninefold-cache"], second.headers["x-ninefold-cache"]) == ("miss", "replay")
        assert second.content == first.content
        assert second.headers["content-type"] == first.headers["content-type"]
        assert second.headers["x-ninefold-original-trace-id"] == first.headers["x-ninefold-trace-id"]
        assert second.headers["x-ninefold-trace-id"] != first.headers["x-ninefold-trace-id"]
        assert second.headers["x-ninefold-deployment"] == "oai"
    assert len(scene.openai.seen) == 2
    lines = answered_lines(scene.platform, 4, since=before)
    assert sorted(line["outcome"] for line in lines) == ["completed", "completed", "reused", "reused"]


def test_the_openai_client_replays_its_own_key(scene):
    texts = [stream(scene, "by client", model="on-openai", headers={"Idempotency-Key": "from-client"})[:2] for _ in range(2)]
    assert [headers["x-ninefold-cache"] for headers, _ in texts] == ["miss", "replay"]
    assert {said for _, said in texts} == {"You said: by client"}
    assert len(scene.openai.seen) == 1


def test_another_body_under_the_same_key_is_a_conflict(scene):
    named = {"idempotency-key": "changed"}
    assert post(scene.platform, {"model": "on-openai", "messages": user("a")}, headers=named).status_code == 200
    reply = post(scene.platform, {"model": "on-openai", "messages": user("b")}, headers=named)
    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "conflict"
    assert reply.headers["x-should-retry"] == "false"
    other = post(scene.platform, {"model": "on-openai", "messages": user("b")}, headers=named, key=MORE_SECRETS["ACME_OTHER_KEY"])
    assert other.status_code == 200, "a key belongs to the credential that sent it"
    assert len(scene.openai.seen) == 2


def test_an_error_and_a_broken_stream_free_the_key(scene):
    named = {"idempotency-key": "freed"}
    asked = {"model": "joined", "messages": user("freed")}
    scene.openai.fault = Fault("status", status=500, times=1)
    assert post(scene.platform, asked, headers=named).status_code == 503
    assert post(scene.platform, asked, headers=named).status_code == 200
    named, asked = {"idempotency-key": "freed-stream"}, asked | {"stream": True}
    scene.openai.fault = Fault("cut_after", at=3, times=1)
    with contextlib.suppress(httpx.HTTPError):
        assert "[DONE]" not in post(scene.platform, asked, headers=named).text
    again = post(scene.platform, asked, headers=named)
    assert again.headers["x-ninefold-cache"] == "miss"
    assert again.text.endswith("data: [DONE]\n\n")


def test_the_same_key_at_once_is_one_request(scene):
    scene.openai.first_delay_s = 2.0
    asked = {"model": "on-openai", "messages": user("at once")}

    async def both():
        async with httpx.AsyncClient(base_url=scene.platform.url, timeout=30, trust_env=False) as web:

            async def one(after_s):
                await asyncio.sleep(after_s)
                headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "at-once"}
                return await web.post("/v1/chat/completions", json=asked, headers=headers)

            return await asyncio.gather(one(0), one(0), one(0.4))

    replies = asyncio.run(both())
    assert [each.status_code for each in replies] == [200] * 3
    assert sorted(each.headers["x-ninefold-cache"] for each in replies) == ["coalesced", "coalesced", "miss"]
    assert len(scene.openai.seen) == 1


def sent_embeddings(scene, wanted):
    """Connections on which embedding requests, (key, input) each, have just left, one right behind the other."""
    ready = [http.client.HTTPConnection("127.0.0.1", scene.platform.port, timeout=30) for _ in wanted]
    for connection in ready:
        connection.connect()
    for connection, (key, texts) in zip(ready, wanted, strict=True):
        body = json.dumps({"model": "batched", "input": texts})
        connection.request("POST", "/v1/embeddings", body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
    return ready


def embed_all(scene, wanted):
    """Status and answer of embedding requests that are sent at once."""
    found = []
    for connection in sent_embeddings(scene, wanted):
        reply = connection.getresponse()
        found.append((reply.status, json.loads(reply.read())))
        connection.close()
    return found


def warmed(scene, wanted):
    """The worker has what a batch of this size holds: until then its members go alone."""

    def one_request():
        scene.openai.seen.clear()
        embed_all(scene, wanted)
        return len(scene.openai.seen) == 1

    until(one_request, patience_s=10)
    scene.openai.seen.clear()


def vectors(answer):
    return [(each["index"], each["embedding"][0]) for each in answer["data"]]


def test_small_embeddings_at_once_are_one_request_and_each_pays_its_share(scene):
    texts = ["a", ["bb", "ccc"], "dddd" * 10, ["e"]]
    warmed(scene, [(KEY, each) for each in texts])
    before = known(scene.platform)
    answers = [answer for _, answer in embed_all(scene, [(KEY, each) for each in texts])]
    assert len(scene.openai.seen) == 1
    for asked, answer in zip(texts, answers, strict=True):
        assert vectors(answer) == [(n, float(len(text))) for n, text in enumerate([asked] if isinstance(asked, str) else asked)]
    lines = answered_lines(scene.platform, 4, since=before)
    billed = sum(len(text) // 4 + 1 for text in scene.openai.seen[0][2]["input"])
    assert sum(line["input_tokens"] for line in lines) == sum(answer["usage"]["prompt_tokens"] for answer in answers) == billed
    assert sum(line["cost_nanos"] for line in lines) == billed * 250
    assert {line["outcome"] for line in lines} == {"completed"}
    assert len({line["trace_id"] for line in lines}) == 4
    assert sorted(line["cost_nanos"] for line in lines) == sorted(round(answer["ninefold"]["cost_usd"] * 1e9) for answer in answers)


def test_the_openai_client_does_not_notice_a_batch(scene):
    with client(scene) as speak:
        answer = speak.embeddings.create(model="batched", input=["one", "three"])
    assert [each.embedding[0] for each in answer.data] == [3.0, 5.0]


def test_no_batch_crosses_tenants_and_one_alone_is_sent_as_it_is(scene):
    answers = embed_all(scene, [(KEY, "mine"), (SECRETS["GLOBEX_KEY"], "theirs")])
    assert [vectors(answer) for _, answer in answers] == [[(0, 4.0)], [(0, 6.0)]]
    assert sorted(body["input"] for _, _, body in scene.openai.seen) == ["mine", "theirs"]


def test_a_batch_that_is_at_fault_is_taken_apart(scene):
    warmed(scene, [(KEY, "one"), (KEY, "three")])
    before = known(scene.platform)
    scene.openai.fault = Fault("status", status=400, times=1)
    answers = embed_all(scene, [(KEY, "one"), (KEY, "three")])
    assert [vectors(answer) for _, answer in answers] == [[(0, 3.0)], [(0, 5.0)]]
    assert len(scene.openai.seen) == 3
    lines = answered_lines(scene.platform, 3, since=before)
    assert sorted(line["outcome"] for line in lines) == ["completed", "completed", "failed"]
    assert sum(line["input_tokens"] for line in lines) == 1 + 2


def test_a_batch_whose_upstream_is_down_fails_once_for_all(scene):
    warmed(scene, [(KEY, "one"), (KEY, "three")])
    scene.openai.fault = Fault("status", status=500, times=1)
    failed = embed_all(scene, [(KEY, "one"), (KEY, "three")])
    assert [(status, answer["error"]["code"]) for status, answer in failed] == [(503, "unavailable")] * 2
    assert len(scene.openai.seen) == 1, "an upstream that is down is not asked again by each of them"


def test_one_that_hangs_up_does_not_stop_the_batch_and_pays_its_share(scene):
    warmed(scene, [(KEY, "one"), (KEY, "three")])
    before = known(scene.platform)
    scene.openai.first_delay_s = 2.0
    leaves, stays = sent_embeddings(scene, [(KEY, "leaves"), (KEY, "stays")])
    time.sleep(0.8)
    leaves.close()
    assert stays.getresponse().status == 200
    stays.close()
    assert len(scene.openai.seen) == 1
    lines = answered_lines(scene.platform, 2, since=before)
    assert sorted(line["outcome"] for line in lines) == ["cancelled", "completed"]
    assert sum(line["input_tokens"] for line in lines) == 4


def test_an_answer_is_given_again_by_another_worker_and_after_kill_9(tmp_path):
    with OpenAiVendor() as oai, OpenAiVendor(legacy=True) as legacy, AnthropicVendor() as ant:
        scene = Scene(oai, legacy, ant)
        with Platform(tmp_path, config(scene), env=MORE_SECRETS, workers=2) as platform:
            asked = {"model": "on-openai", "messages": user("survives"), "stream": True}
            named = {"idempotency-key": "survives"}
            first = post(platform, asked, headers=named)
            workers, replies = set(), []
            while len(workers) < 2:
                replies.append(post(platform, asked, headers=named))
                workers.add(replies[-1].headers["x-request-id"].rsplit("-", 2)[0])
                assert len(replies) < 200, "one worker never answered"
            assert {each.content for each in replies} == {first.content}
            platform.kill()
            platform.start(within_s=120)
            after = post(platform, asked, headers=named)
            assert (after.headers["x-ninefold-cache"], after.content) == ("replay", first.content)
            assert len(oai.seen) == 1
            # A key whose worker dies in mid-answer is answered anew.
            oai.first_delay_s = 20.0
            with pytest.raises(httpx.TimeoutException):
                httpx.post(
                    f"{platform.url}/v1/chat/completions",
                    json=asked,
                    headers={"authorization": f"Bearer {KEY}", "idempotency-key": "orphan"},
                    timeout=1.0,
                    trust_env=False,
                )
            assert oai.seen
            platform.kill()
            oai.first_delay_s = 0.0
            platform.start(within_s=120)
            assert post(platform, asked, headers={"idempotency-key": "orphan"}).headers["x-ninefold-cache"] == "miss"
