"""What a request asks for and what its answer says, in no protocol's words."""

from __future__ import annotations

from dataclasses import dataclass, field

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE_URL = "https://example.org/cat.png"
PDF = "JVBERi0xLjcKJUVPRgo="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
KOELN, OSLO = {"city": 'Köln "am" Rhein'}, {"city": "Oslo"}
CALLS = [("weather", KOELN), ("clock", OSLO)]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """`history` are texts of user and assistant by turns; with `results`, two calls were made and answered; `choice` is a tool's name."""

    text: str = "hello"
    system: str = ""
    history: tuple[str, ...] = ()
    results: bool = False
    tools: bool = False
    choice: str = ""
    image: bool = False
    image_url: bool = False
    file: bool = False
    schema: bool = False
    effort: bool = False
    stop: str = ""
    cap: int = 0
    logprobs: bool = False
    n: int = 1
    seed: int = 0
    stream: bool = False


@dataclass
class Heard:
    """`stop` is natural, length, tools or sequence; a protocol that does not tell a sequence from a natural end says natural."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, object]] = field(default_factory=list)
    stop: str = ""
    choices: int = 1
    output_tokens: int = 0
    cached_tokens: int = 0
    logprobs: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it goes over the wire."""

    path: str
    body: dict
