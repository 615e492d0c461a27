"""Any answer, as hypothesis makes it; as deltas; and put together again."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count, pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ninefold.domain.chat import (
    ChatResult,
    Choice,
    Delta,
    Finished,
    FinishReason,
    Opened,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallOpened,
    UsageReported,
)
from ninefold.domain.usage import NO_USAGE, Usage
from ninefold.wire.sse import EventReader

# No deadlines: the machine may be busy.
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ids = st.text("abcXYZ019_-", min_size=1, max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | words,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3),
)


@st.composite
def json_objects(draw):
    """The text of one JSON object, in a spelling a model might choose."""
    value = draw(st.dictionaries(words, json_values, max_size=3))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))


@st.composite
def usages(draw):
    cached, written, plain = draw(st.integers(0, 999)), draw(st.integers(0, 999)), draw(st.integers(1, 999))
    reasoning, said = draw(st.integers(0, 99)), draw(st.integers(100, 999))
    return Usage(
        input_tokens=cached + written + plain,
        output_tokens=reasoning + said,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )


signed = st.builds(lambda t, s: Reasoning(text=t, signature=s), words, ids)
redacted = st.builds(lambda d: Reasoning(redacted=d), ids)


@st.composite
def calls(draw):
    found = draw(st.lists(st.tuples(ids, json_objects()), max_size=3))
    return [ToolCall(call_id=f"call_{i}", name=name, arguments=text) for i, (name, text) in enumerate(found)]


@st.composite
def choices(draw):
    """A choice in the order every protocol has, ended by a reason every protocol has."""
    parts = draw(st.lists(signed | redacted, max_size=3))
    if draw(st.booleans()):
        parts.append(Text(text=draw(words)))
    found = draw(calls())
    parts += found
    if found:
        return Choice(parts=tuple(parts), finish=FinishReason.TOOL_CALLS)
    stop = draw(st.none() | words)
    if stop is not None:
        return Choice(parts=tuple(parts), finish=FinishReason.STOP_SEQUENCE, stop_sequence=stop)
    return Choice(parts=tuple(parts), finish=draw(st.sampled_from([FinishReason.STOP, FinishReason.LENGTH])))


def results(*, most_choices: int = 1, created: int = 0):
    found = st.lists(choices(), min_size=1, max_size=most_choices).map(tuple)
    return st.builds(lambda c, u: ChatResult(result_id="id-1", model="m", choices=c, usage=u, created=created), found, usages())


def pieces(draw, text: str) -> list[str]:
    """`text` cut in up to four."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [piece for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if (piece := text[a:b])]


def deltas(draw, result: ChatResult, *, interleave: bool = False) -> list[Delta]:
    """The answer in pieces; with `interleave`, the pieces of its tool calls come in any order that keeps each call's own."""
    out: list[Delta] = [Opened(result_id=result.result_id, model=result.model, created=result.created)]
    for number, choice in enumerate(result.choices):
        index = count()
        streams: list[list[Delta]] = []
        for part in choice.parts:
            match part:
                case Text():
                    out += [TextDelta(text=p, choice=number) for p in pieces(draw, part.text)]
                case Refusal():
                    out += [RefusalDelta(text=p, choice=number) for p in pieces(draw, part.text)]
                case Reasoning(redacted=str()):
                    out.append(ReasoningDelta(redacted=part.redacted, choice=number))
                case Reasoning():
                    out += [ReasoningDelta(text=p, choice=number) for p in pieces(draw, part.text)]
                    if part.signature is not None:
                        out.append(ReasoningDelta(signature=part.signature, choice=number))
                case ToolCall():
                    at = next(index)
                    opened = ToolCallOpened(index=at, call_id=part.call_id, name=part.name, choice=number)
                    more = [ToolCallDelta(index=at, arguments=p, choice=number) for p in pieces(draw, part.arguments)]
                    streams.append([opened, *more])
        # Calls begin in the order of their indexes; what follows may come in any order.
        begun = 0
        while any(streams):
            ready = [s for s in streams[: begun + 1] if s] if interleave else [next(s for s in streams if s)]
            chosen = draw(st.sampled_from(ready)) if len(ready) > 1 else (ready or [next(s for s in streams if s)])[0]
            first = chosen.pop(0)
            if isinstance(first, ToolCallOpened):
                begun = first.index + 1
            out.append(first)
        out.append(Finished(reason=choice.finish, stop_sequence=choice.stop_sequence, choice=number))
    out.append(UsageReported(usage=result.usage))
    return out


def assemble(found: list[Delta]) -> ChatResult:
    """The answer that the deltas tell of."""
    opened = next(d for d in found if isinstance(d, Opened))
    parts: dict[int, list] = {}
    ends: dict[int, Finished] = {}
    tools: dict[tuple[int, int], int] = {}
    usage = NO_USAGE
    sealed: set[int] = set()
    for delta in found:
        if isinstance(delta, UsageReported):
            usage = delta.usage
        if isinstance(delta, Opened | UsageReported):
            continue
        mine = parts.setdefault(delta.choice, [])
        last = mine[-1] if mine else None
        match delta:
            case TextDelta():
                mine[-1:] = [replace(last, text=last.text + delta.text)] if isinstance(last, Text) else [*mine[-1:], Text(text=delta.text)]
            case RefusalDelta():
                mine[-1:] = (
                    [replace(last, text=last.text + delta.text)] if isinstance(last, Refusal) else [*mine[-1:], Refusal(text=delta.text)]
                )
            case ReasoningDelta(redacted=str()):
                mine.append(Reasoning(redacted=delta.redacted))
                sealed.add(id(mine[-1]))
            case ReasoningDelta():
                if not isinstance(last, Reasoning) or last.redacted is not None or last.signature is not None:
                    mine.append(Reasoning())
                mine[-1] = replace(mine[-1], text=mine[-1].text + delta.text, signature=delta.signature or mine[-1].signature)
            case ToolCallOpened():
                tools[delta.choice, delta.index] = len(mine)
                mine.append(ToolCall(call_id=delta.call_id, name=delta.name, arguments=""))
            case ToolCallDelta():
                at = tools[delta.choice, delta.index]
                mine[at] = replace(mine[at], arguments=mine[at].arguments + delta.arguments)
            case Finished():
                ends[delta.choice] = delta
    found_choices = [Choice(parts=tuple(parts[n]), finish=ends[n].reason, stop_sequence=ends[n].stop_sequence) for n in sorted(ends)]
    return ChatResult(result_id=opened.result_id, model=opened.model, choices=tuple(found_choices), usage=usage, created=opened.created)


def written(encoder, found: list[Delta]) -> bytes:
    """The whole stream an encoder writes."""
    body = b"".join(encoder.encode(delta) for delta in found)
    before, after = encoder.finish()
    return body + before + b',"ninefold":{"cost_usd":"0.000000001"}' + after


def read(decoder, data: bytes, cuts: list[int]) -> list[Delta]:
    """What a decoder makes of a stream that is cut at these places."""
    reader = EventReader()
    out: list[Delta] = []
    places = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    for a, b in pairwise(places):
        for name, payload in reader.feed(data[a:b]):
            assert not decoder.done
            out += decoder.feed(name, payload)
    assert decoder.done
    assert not reader.pending
    return out
