"""Any request that both vendors can express, as hypothesis makes it."""

from __future__ import annotations

from hypothesis import strategies as st

from ninefold.domain.chat import (
    ChatRequest,
    Document,
    Image,
    OutputFormat,
    OutputKind,
    ReasoningEffort,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
    Turn,
)

from .answers import ids, json_objects, redacted, signed, words

texts = st.builds(lambda t: Text(text=t), words)
base64 = st.sampled_from(["iVBORw0KGgo=", "AAAA", "JVBERi0xLjc="])
images = st.builds(lambda u: Image(url="https://example.org/" + u), ids) | st.builds(
    lambda d: Image(data=d, media_type="image/png"), base64
)
documents = st.builds(lambda d, t: Document(data=d, media_type="application/pdf", title=t), base64, words)
fractions = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def turns(draw):
    """A system prompt, then users who are answered, some of the answers calling tools whose results follow."""
    found: list[Turn] = []
    if draw(st.booleans()):
        found.append(Turn(role=Role.SYSTEM, parts=tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
    number = 0
    for _ in range(draw(st.integers(0, 3))):
        found.append(Turn(role=Role.USER, parts=tuple(draw(st.lists(texts | images | documents, min_size=1, max_size=3)))))
        said = [*draw(st.lists(signed | redacted, max_size=2)), *draw(st.lists(texts, max_size=2))]
        calls = [
            ToolCall(call_id=f"call_{number + i}", name=name, arguments=text)
            for i, (name, text) in enumerate(draw(st.lists(st.tuples(ids, json_objects()), min_size=0 if said else 1, max_size=3)))
        ]
        number += len(calls)
        found.append(Turn(role=Role.ASSISTANT, parts=(*said, *calls)))
        # One turn a result, as chat completions have a message each.
        found += [
            Turn(role=Role.TOOL, parts=(ToolResult(call_id=c.call_id, parts=tuple(draw(st.lists(texts, max_size=2)))),)) for c in calls
        ]
    found.append(Turn(role=Role.USER, parts=tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
    return tuple(found)


tools = st.builds(
    lambda n, p, d, s: Tool(name=n, parameters=p, description=d, strict=s),
    ids,
    json_objects().filter(lambda t: t.strip() != "{}"),
    st.none() | words,
    st.none() | st.booleans(),
)
modes = st.sampled_from([ToolMode.AUTO, ToolMode.NONE, ToolMode.REQUIRED])
tool_choices = st.builds(lambda m, p: ToolChoice(mode=m, parallel=p), modes, st.none() | st.booleans()) | st.builds(
    lambda n, p: ToolChoice(mode=ToolMode.NAMED, name=n, parallel=p), ids, st.none() | st.booleans()
)
schemas = st.builds(lambda s: OutputFormat(kind=OutputKind.JSON_SCHEMA, name="response", schema=s, strict=True), json_objects())
efforts = st.builds(lambda level: ReasoningEffort(level=level), st.sampled_from(["low", "medium", "high", "xhigh", "max"])) | st.just(
    ReasoningEffort(disabled=True)
)
samplings = st.builds(
    lambda t, p, s: Sampling(temperature=t, top_p=p, stop=tuple(s)),
    st.none() | fractions,
    st.none() | fractions,
    st.lists(words, max_size=2),
)


@st.composite
def requests(draw):
    """A request in the words that both vendors share."""
    found = tuple(draw(st.lists(tools, max_size=2)))
    stream = draw(st.booleans())
    return ChatRequest(
        model="m",
        turns=draw(turns()),
        tools=found,
        tool_choice=draw(st.none() | tool_choices) if found else None,
        output=draw(st.just(OutputFormat()) | schemas),
        sampling=draw(samplings),
        reasoning=draw(st.none() | efforts),
        max_output_tokens=draw(st.integers(1, 10**6)),
        stream=stream,
        include_usage=stream,
        user=draw(st.none() | words),
    )
