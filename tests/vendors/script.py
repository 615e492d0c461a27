"""What the vendors' servers answer: decided by the last user text, so that a test can ask for what it needs.

- `call NAME {json}` (once or several times, one a line): tool calls, if tools were offered.
- `json {…}`: that JSON as the answer. - `think TEXT`: reasoning before the answer. - `refuse`: a refusal.
- `long N`: N words.
- Where a tool is forced, or the text asks for one that is offered by its name, or JSON of a schema is wanted: made up from that schema.
- anything else: `You said: …`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

CALL = re.compile(r"^call (\w+) (\{.*\})$", re.MULTILINE)


@dataclass
class Reply:
    words: list[str] = field(default_factory=list)
    thoughts: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""

    @property
    def text(self) -> str:
        return "".join(self.words)

    def stopped_by(self, sequences: list[str]) -> str | None:
        """The first of the sequences that the answer ran into; what came after it is cut off."""
        found = min((s for s in sequences if s in self.text), key=self.text.index, default=None)
        if found is not None:
            self.words = pieces(self.text[: self.text.index(found)])
        return found


@dataclass
class Fault:
    """What goes wrong next: `status` answers with it; `silent` accepts and says nothing; `cut_after` events breaks the connection;
    `stall_after` events says nothing more; `garbage` sends what is no protocol; `end_after` events ends the body properly, too early;
    `error_after` events sends the vendor's error event. `times` is for how many requests it holds (-1: always)."""

    kind: str
    at: int = 0
    status: int = 500
    retry_after: str | None = None
    times: int = -1


@dataclass
class Wanted:
    """What a request demands of its answer: `offered` tools by name with their schemas, `forced` to be called ("any" or a name), a
    `schema` of the answer (`{}`: any JSON object). `answers_tool` is true where tool results were the last word."""

    offered: dict[str, dict] = field(default_factory=dict)
    forced: str = ""
    schema: dict | None = None
    answers_tool: bool = False


def reply_to(text: str, *, tools: bool, wanted: Wanted | None = None) -> Reply:
    calls = CALL.findall(text) if tools else []
    if calls:
        return Reply(calls=calls)
    if text.startswith("json "):
        return Reply(words=pieces(text[5:]))
    if wanted is not None:
        if tools and (name := _called(text, wanted)):
            return Reply(calls=[(name, json.dumps(filled(wanted.offered[name], text), ensure_ascii=False))])
        if wanted.schema is not None:
            keys = re.findall(r"'(\w+)'", text)
            made = filled(wanted.schema, text) if wanted.schema else {key: f"some {key}" for key in keys}
            return Reply(words=pieces(json.dumps(made)))
    if text.startswith("think "):
        return Reply(words=["Done", "."], thoughts=text[6:])
    if text.strip() == "refuse":
        return Reply(refusal="I will not.")
    if text.startswith("long "):
        return Reply(words=["word "] * int(text[5:]))
    return Reply(words=pieces("You said: " + text))


def pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text) or [""]


def fragments(arguments: str) -> list[str]:
    third = max(1, len(arguments) // 3)
    return [arguments[i : i + third] for i in range(0, len(arguments), third)]


def _called(text: str, wanted: Wanted) -> str:
    """The tool to call: the forced one, or one that a question asks for by name."""
    named = [name for name in wanted.offered if re.search(rf"\b{name}\b|\b{name.rpartition('_')[2]}\b", text)]
    if wanted.forced:
        return wanted.forced if wanted.forced != "any" else (named or list(wanted.offered))[0]
    asked = not wanted.answers_tool and text.rstrip().endswith(("?", "Use the tool."))
    return max(named, key=len) if named and asked else ""


def filled(schema: dict, text: str, *, name: str = "", root: dict | None = None):
    """A value that fits the JSON Schema, with the text's own quoted words and numbers where they fit."""
    root = schema if root is None else root
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rpartition("/")[2]], text, name=name, root=root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return filled(schema[key][0], text, name=name, root=root)
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    kind = schema.get("type", "object")
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()  # Gemini writes them in capitals
    if kind == "object":
        return {key: filled(each, text, name=key, root=root) for key, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema.get("items", {"type": "string"}), text, name=name, root=root)]
    if kind in {"integer", "number"}:
        return int((re.findall(r"\d+", text) or ["1"])[0])
    if kind == "boolean":
        return True
    return (re.findall(r"'([^']+)'", text) or [f"some {name}"])[0] if kind == "string" else None
