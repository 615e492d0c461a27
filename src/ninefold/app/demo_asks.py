"""What the demo asks, each request through its real client, and what the answers said of themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anthropic
    import openai


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the demo, as its answer told it."""

    title: str
    surface: str
    model: str
    deployment: str
    attempts: int
    first_token_ms: float
    tokens: str
    cost_usd: str
    trace_id: str
    cache: str = ""


class Asks:
    """The requests, each through its real client."""

    def __init__(self, requests: list[Request], findings: list[str], missed: list[str], tell: Callable[[str], None], text: str) -> None:
        self._requests, self._findings, self._missed = requests, findings, missed
        self._tell = tell
        self._text = text
        self._one_speaks = threading.Lock()

    def _record(
        self,
        title: str,
        surface: str,
        model: str,
        told: dict[str, Any],
        tokens: tuple[int, int],
        began: float,
        first: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        said = headers or {}
        request = Request(
            title=title,
            surface=surface,
            model=model,
            deployment=told["deployment"],
            attempts=told["route"]["attempts"],
            first_token_ms=(first - began) * 1000,
            tokens=f"{tokens[0]} + {tokens[1]}",
            cost_usd=f"{Decimal(said.get('x-ninefold-cost-usd') or str(told['cost_usd'])):.9f}",
            trace_id=said.get("x-ninefold-trace-id") or told["trace_id"],
            cache=said.get("x-ninefold-cache", ""),
        )
        self._requests.append(request)

    def _say(self, question: str, answer: str) -> None:
        shown = " ".join(answer.replace("The text answers this:", "").split())
        with self._one_speaks:
            self._tell(f"Q: {question}\nA: {shown[:300]}{' …' if len(shown) > 300 else ''}")

    def chat(
        self,
        client: openai.OpenAI,
        model: str,
        question: str,
        *,
        title: str,
        headers: Mapping[str, str] | None = None,
        expect: str = "",
        expect_from: str = "",
    ) -> None:
        """One question; `expect` is what `x-ninefold-cache` must say, `expect_from` the deployment that must answer."""
        began = time.monotonic()
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "system", "content": self._text}, {"role": "user", "content": question}],
            extra_headers=dict(headers or {}),
        )
        first = time.monotonic()
        answer = raw.parse()
        self._say(question, answer.choices[0].message.content or "")
        usage = answer.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage is not None else (0, 0)
        self._record(title, "openai chat", model, (answer.model_extra or {})["ninefold"], tokens, began, first, raw.headers)
        told = self._requests[-1]
        if (expect and told.cache != expect) or (expect_from and told.deployment != expect_from):
            self._missed.append(f"{title}: expected {expect or expect_from}, got {told.cache or 'nothing'} from {told.deployment}")

    def pair(self, client: openai.OpenAI, model: str, question: str, *, wake: Callable[[], object]) -> None:
        """The same question twice at once, while the vendor cannot answer yet; `wake` lets it."""
        threads = [
            threading.Thread(target=self.chat, args=(client, model, question), kwargs={"title": title})
            for title in ("two at once: the first", "two at once: the second")
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.3)  # both are on their way before the vendor can answer the first
        wake()
        for thread in threads:
            thread.join()
        if sorted(each.cache for each in self._requests[-2:]) != ["coalesced", "miss"]:
            self._missed.append("two identical requests at once share one answer")

    def stream_chat(self, client: openai.OpenAI, model: str, question: str, *, title: str) -> None:
        began, first, text, told, tokens = time.monotonic(), 0.0, "", {}, (0, 0)
        for chunk in client.chat.completions.create(
            model=model,
            stream=True,
            stream_options={"include_usage": True},
            messages=[{"role": "system", "content": self._text}, {"role": "user", "content": question}],
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                first = first or time.monotonic()
                text += chunk.choices[0].delta.content
            if chunk.usage is not None:
                tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            told = (chunk.model_extra or {}).get("ninefold", told)
        self._say(question, text)
        self._record(title, "openai chat, streamed", model, told, tokens, began, first)

    def message(self, client: anthropic.Anthropic, model: str, question: str, *, title: str) -> None:
        began = time.monotonic()
        answer = client.messages.create(model=model, max_tokens=1000, system=self._text, messages=[{"role": "user", "content": question}])
        first = time.monotonic()
        self._say(question, "".join(block.text for block in answer.content if block.type == "text"))
        tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
        self._record(title, "anthropic messages", model, (answer.model_extra or {})["ninefold"], tokens, began, first)

    def stream_message(self, client: anthropic.Anthropic, model: str, question: str, *, title: str) -> None:
        began, first, text, told = time.monotonic(), 0.0, "", {}
        tokens = (0, 0)
        for event in client.messages.create(
            model=model, max_tokens=1000, stream=True, system=self._text, messages=[{"role": "user", "content": question}]
        ):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                first = first or time.monotonic()
                text += event.delta.text
            elif event.type == "message_delta":
                tokens = (event.usage.input_tokens or 0, event.usage.output_tokens)
                told = (event.usage.model_extra or {})["ninefold"]
        self._say(question, text)
        self._record(title, "anthropic messages, streamed", model, told, tokens, began, first)

    def embed(self, client: openai.OpenAI) -> None:
        began = time.monotonic()
        answer = client.embeddings.create(model="local/embed", input=["A man is eating food.", "A man is eating a piece of bread."])
        first = time.monotonic()
        one, two = (row.embedding for row in answer.data)
        cosine = sum(a * b for a, b in zip(one, two, strict=True))
        self._findings.append(f"local/embed: cosine of two sentences about a man eating = {cosine:.3f}.")
        if not 0.6 < cosine < 0.9:
            self._missed.append("the embedding model embeds")
        tokens = (answer.usage.prompt_tokens, 0)
        self._record("embedded", "openai embeddings", "local/embed", (answer.model_extra or {})["ninefold"], tokens, began, first)

    def refused(self, client: openai.OpenAI) -> None:
        import openai  # noqa: PLC0415  # the client belongs to the demo alone

        try:
            client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "hello"}])
        except openai.RateLimitError as error:
            self._findings.append(f"Tenant thrifty has a budget of a micro-dollar: 429 {error.code}, before anything was spent.")
        else:
            self._missed.append("a request that does not fit into its budget is refused")
