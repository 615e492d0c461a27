"""What is asked of every pair of protocol and vendor, and what a good answer to it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.compat.wish import CALLS, OSLO, PDF, PICTURE_URL, PIXEL, SCHEMA, Heard, Wish

TWO_CALLS = "\n".join(f"call {name} {json.dumps(arguments, ensure_ascii=False)}" for name, arguments in CALLS)
# Source: OpenAI's chat completions count what a model thought and do not show it.
SILENT_THINKERS = {"openai", "azure"}
SOURCE = "The office in Oslo opened in 1998.\nIts director is Ingrid Berg.\nLunch is served at noon."
QUESTION = "Who is the director of the Oslo office?"


@dataclass(frozen=True, kw_only=True)
class Told:
    """An answer, the request that the vendor had for it (None: our own worker, which nobody listens to), and whose it was."""

    heard: Heard
    sent: dict | None
    vendor: str


@dataclass(frozen=True, kw_only=True)
class Feature:
    """`check` raises AssertionError. `local` is whether the reader that comes along can take it, which answers from texts alone; None
    where the feature is the model's own doing, and not one of its. `told` are the words by which its answer says that it did not."""

    name: str
    wish: Wish
    check: Callable[[Told], None]
    local: bool | None = False
    told: str = ""

    def wish_on(self, vendor: str) -> Wish:
        """The wish, in words that the local reader can answer where it is asked."""
        if vendor != "local":
            return self.wish
        # The cap: legacy completions stop at 16 tokens unless told otherwise.
        return replace(self.wish, text=f"{SOURCE}\n\n{QUESTION}", cap=self.wish.cap or 500)

    def judge(self, told: Told) -> None:
        """Raises: AssertionError where the answer is not what was asked for."""
        if told.vendor == "local":
            assert self.local or self.told, "the local reader took what it cannot do"
            assert self.told in told.heard.text
            if self.name == "max tokens":
                assert (told.heard.stop, told.heard.output_tokens) == ("length", 3)
            else:
                assert "Ingrid Berg" in told.heard.text
        else:
            self.check(told)


def values(document: object) -> Iterator[object]:
    """Everything inside the document, JSON inside its strings too."""
    yield document
    if isinstance(document, str) and document[:1] in {"{", "["}:
        try:
            yield from values(json.loads(document))
        except ValueError:
            return
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for each in inner:
        yield from values(each)


def reached(told: Told, wanted: object) -> bool:
    """Whether the vendor was sent it, as it is or inside a data URL."""
    return any(each == wanted or (isinstance(each, str) and each.endswith(f";base64,{wanted}")) for each in values(told.sent))


def _said(text: str) -> Callable[[Told], None]:
    def check(told: Told) -> None:
        assert told.heard.text == text
        assert told.heard.stop == "natural"
        assert told.heard.output_tokens == len(text.split())

    return check


def _sent(*wanted: object, text: str = "You said: hello") -> Callable[[Told], None]:
    def check(told: Told) -> None:
        for each in wanted:
            assert reached(told, each), f"{each!r} did not reach the vendor: {told.sent}"
        assert told.heard.text.startswith(text), told.heard.text

    return check


def _calls(*wanted: tuple[str, object]) -> Callable[[Told], None]:
    def check(told: Told) -> None:
        assert told.heard.calls == list(wanted)
        assert told.heard.stop == "tools"

    return check


def _in_order(told: Told) -> None:
    texts = [each for each in values(told.sent) if isinstance(each, str) and each in {"one", "You said: one", "two"}]
    assert texts == ["one", "You said: one", "two"]
    assert told.heard.text == "You said: two"


def _results(told: Told) -> None:
    for name, arguments in CALLS:
        assert any(each == f"result of {name}" for each in values(told.sent)), told.sent
        assert any(each == arguments for each in values(told.sent)), told.sent
    assert "result of clock" in told.heard.text


def _object(told: Told) -> None:
    assert json.loads(told.heard.text) == {"a": 1}
    assert any(isinstance(each, dict) and each.get("properties") == SCHEMA["properties"] for each in values(told.sent)), told.sent


def _thought(told: Told) -> None:
    sent = [key for each in values(told.sent) if isinstance(each, dict) for key in each]
    assert any("reasoning" in key.lower() or "think" in key.lower() or key == "effort" for key in sent), told.sent
    assert told.heard.text == "Done."
    if told.vendor not in SILENT_THINKERS:
        assert told.heard.thoughts.replace(" ", "") == "deepthoughts"


def _stopped(told: Told) -> None:
    assert reached(told, ["END"]) or reached(told, "END")
    assert told.heard.text.strip() == "You said: one"
    assert told.heard.stop in {"natural", "sequence"}


def _cut(told: Told) -> None:
    assert (told.heard.stop, told.heard.output_tokens) == ("length", 3)
    assert told.heard.text == "word word word "


def _logprobs(told: Told) -> None:
    assert told.heard.logprobs


def _two(told: Told) -> None:
    assert told.heard.choices == 2


def _cached(told: Told) -> None:
    assert told.heard.cached_tokens == 8


HELLO = Wish()
FEATURES = (
    Feature(name="text", wish=HELLO, check=_said("You said: hello"), local=True),
    Feature(name="system prompt", wish=Wish(system="Be brief."), check=_sent("Be brief."), local=True),
    Feature(name="several turns", wish=Wish(history=("one", "You said: one"), text="two"), check=_in_order, local=True),
    Feature(name="tool call", wish=Wish(tools=True, text=TWO_CALLS.split("\n")[0]), check=_calls(CALLS[0]), local=None),
    Feature(name="parallel tool calls", wish=Wish(tools=True, text=TWO_CALLS), check=_calls(*CALLS), local=None),
    Feature(name="tool results", wish=Wish(tools=True, text=TWO_CALLS, results=True), check=_results, local=None),
    Feature(name="forced tool", wish=Wish(tools=True, choice="clock", text="It is 'Oslo'"), check=_calls(("clock", OSLO))),
    Feature(name="image", wish=Wish(image=True), check=_sent(PIXEL), told="Not read"),
    Feature(name="image by URL", wish=Wish(image_url=True), check=_sent(PICTURE_URL), told="Not read"),
    Feature(name="file", wish=Wish(file=True), check=_sent(PDF), told="Not read"),
    Feature(name="JSON schema", wish=Wish(schema=True, text='json {"a": 1}'), check=_object),
    Feature(name="reasoning", wish=Wish(effort=True, text="think deep thoughts"), check=_thought),
    Feature(name="stop sequence", wish=Wish(stop="END", text="one END two"), check=_stopped, local=True),
    Feature(name="max tokens", wish=Wish(cap=3, text="long 50"), check=_cut, local=True),
    Feature(name="log probabilities", wish=Wish(logprobs=True), check=_logprobs),
    Feature(name="several choices", wish=Wish(n=2), check=_two),
    Feature(name="seed", wish=Wish(seed=7), check=_sent(7), local=True),
    Feature(name="cached-token usage", wish=Wish(text="this is cached"), check=_cached, local=None),
)
