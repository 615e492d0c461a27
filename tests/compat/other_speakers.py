"""Anthropic's and Gemini's protocols: how a wish is written in them, and how an answer is read."""

from __future__ import annotations

import base64
import json

from tests.compat.openai_speakers import events
from tests.compat.wish import CALLS, PARAMETERS, PDF, PICTURE_URL, PIXEL, SCHEMA, Asked, Heard, Wish

# What Gemini's server signs its calls with.
SIGNATURE = base64.b64encode(b"signed by gemini \xff\xfe\xfa").decode()
# Members that say nothing about what was refused.
_EVERYWHERE = {"model", "messages", "type", "role", "text", "name", "content", "source", "data", "stream", "city", "a", "object"}


def keys(document: object) -> list[str]:
    """Every member's name, at any depth, in order."""
    if isinstance(document, dict):
        return [name for key, each in document.items() for name in (key, *keys(each))]
    return [name for each in document for name in keys(each)] if isinstance(document, list) else []


class Messages:
    """`/v1/messages`."""

    title = "Anthropic messages"

    def ask(self, model: str, wish: Wish) -> Asked | None:
        if wish.logprobs or wish.n > 1 or wish.seed:
            return None
        messages: list[dict] = [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(wish.history)]
        parts = [
            *([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}] if wish.image else []),
            *([{"type": "image", "source": {"type": "url", "url": PICTURE_URL}}] if wish.image_url else []),
            *([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}] if wish.file else []),
        ]
        messages.append({"role": "user", "content": [{"type": "text", "text": wish.text}, *parts] if parts else wish.text})
        if wish.results:
            made = [{"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments} for n, (name, arguments) in enumerate(CALLS)]
            results = [
                {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": f"result of {name}"} for n, (name, _) in enumerate(CALLS)
            ]
            messages += [{"role": "assistant", "content": made}, {"role": "user", "content": results}]
        body: dict = {"model": model, "max_tokens": wish.cap or 2000, "messages": messages}
        if wish.system:
            body["system"] = wish.system
        if wish.tools:
            body["tools"] = [{"name": name, "description": "A tool.", "input_schema": PARAMETERS} for name, _ in CALLS]
        if wish.choice:
            body["tool_choice"] = {"type": "tool", "name": wish.choice}
        if wish.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if wish.effort:
            body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if wish.stop:
            body["stop_sequences"] = [wish.stop]
        if wish.stream:
            body["stream"] = True
        return Asked(path="/v1/messages", body=body)

    def read(self, document: dict) -> Heard:
        heard = Heard(
            stop={"end_turn": "natural", "max_tokens": "length", "tool_use": "tools", "stop_sequence": "sequence"}[document["stop_reason"]],
            output_tokens=document["usage"]["output_tokens"],
            cached_tokens=document["usage"]["cache_read_input_tokens"] or 0,
        )
        for block in document["content"]:
            if block["type"] == "text":
                heard.text += block["text"]
            elif block["type"] == "tool_use":
                heard.calls.append((block["name"], block["input"]))
            elif block["type"] == "thinking":
                heard.thoughts += block["thinking"]
        return heard

    def read_stream(self, raw: str) -> Heard:
        found = events(raw)
        assert found[-1]["type"] == "message_stop", found[-1]
        message = found[0]["message"]
        for event in found[1:]:
            if event["type"] == "content_block_start":
                message["content"].append(event["content_block"] | {"partial": ""})
            elif event["type"] == "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                for kind, member in (("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial")):
                    if delta["type"] == kind:
                        block[member] += delta["partial_json" if member == "partial" else member]
            elif event["type"] == "content_block_stop":
                block = message["content"][event["index"]]
                if block["type"] == "tool_use":
                    block["input"] = json.loads(block["partial"] or "{}")
            elif event["type"] == "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
        return self.read(message)

    def refusal(self, document: dict) -> tuple[str, str]:
        """The envelope has no place for a field: it stands in the message, and the code is not told."""
        error = document["error"]
        return ("unsupported" if error["type"] == "invalid_request_error" else error["type"]), error["message"]


class Gemini:
    """`/v1beta/models/…:generateContent` and `:streamGenerateContent`."""

    title = "Gemini generateContent"

    def ask(self, model: str, wish: Wish) -> Asked | None:
        contents: list[dict] = [
            {"role": "user" if n % 2 == 0 else "model", "parts": [{"text": text}]} for n, text in enumerate((*wish.history, wish.text))
        ]
        contents[-1]["parts"] += [
            *([{"inlineData": {"mimeType": "image/png", "data": PIXEL}}] if wish.image else []),
            *([{"fileData": {"mimeType": "image/png", "fileUri": PICTURE_URL}}] if wish.image_url else []),
            *([{"inlineData": {"mimeType": "application/pdf", "data": PDF}}] if wish.file else []),
        ]
        if wish.results:
            made = [{"functionCall": {"id": f"fc-{n}", "name": name, "args": arguments}} for n, (name, arguments) in enumerate(CALLS)]
            made[0]["thoughtSignature"] = SIGNATURE
            results = [
                {"functionResponse": {"id": f"fc-{n}", "name": name, "response": {"output": f"result of {name}"}}}
                for n, (name, _) in enumerate(CALLS)
            ]
            contents += [{"role": "model", "parts": made}, {"role": "user", "parts": results}]
        body: dict = {"contents": contents}
        if wish.system:
            body["systemInstruction"] = {"parts": [{"text": wish.system}]}
        if wish.tools:
            declared = [{"name": name, "description": "A tool.", "parametersJsonSchema": PARAMETERS} for name, _ in CALLS]
            body["tools"] = [{"functionDeclarations": declared}]
        if wish.choice:
            body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [wish.choice]}}
        config: dict = {}
        if wish.schema:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
        if wish.effort:
            config["thinkingConfig"] = {"includeThoughts": True, "thinkingLevel": "low"}
        if wish.stop:
            config["stopSequences"] = [wish.stop]
        if wish.cap:
            config["maxOutputTokens"] = wish.cap
        if wish.logprobs:
            config |= {"responseLogprobs": True, "logprobs": 2}
        if wish.n > 1:
            config["candidateCount"] = wish.n
        if wish.seed:
            config["seed"] = wish.seed
        if config:
            body["generationConfig"] = config
        method = "streamGenerateContent?alt=sse" if wish.stream else "generateContent"
        return Asked(path=f"/v1beta/models/{model}:{method}", body=body)

    def read(self, document: dict) -> Heard:
        candidate, usage = document["candidates"][0], document["usageMetadata"]
        heard = Heard(
            stop={"STOP": "natural", "MAX_TOKENS": "length"}[candidate["finishReason"]],
            choices=len(document["candidates"]),
            output_tokens=usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
            cached_tokens=usage.get("cachedContentTokenCount", 0),
            logprobs="logprobsResult" in candidate,
        )
        for part in candidate.get("content", {}).get("parts", []):
            if "functionCall" in part:
                heard.calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))
            elif part.get("thought"):
                heard.thoughts += part["text"]
            else:
                heard.text += part.get("text", "")
        heard.stop = "tools" if heard.calls else heard.stop
        return heard

    def read_stream(self, raw: str) -> Heard:
        found = events(raw)
        candidates: dict[int, dict] = {}
        for event in found:
            for candidate in event.get("candidates", []):
                whole = candidates.setdefault(candidate.get("index", 0), {"content": {"parts": []}})
                whole["content"]["parts"] += candidate.get("content", {}).get("parts", [])
                whole |= {name: each for name, each in candidate.items() if name != "content"}
        return self.read({"candidates": [candidates[n] for n in sorted(candidates)], "usageMetadata": found[-1]["usageMetadata"]})

    def refusal(self, document: dict) -> tuple[str, str]:
        details = document["error"]["details"]
        field = next((d["fieldViolations"][0]["field"] for d in details if "fieldViolations" in d), "")
        return details[0]["reason"].lower(), field


def named_field(said: str, body: dict) -> str:
    """The caller's own field that a refusal names, "" where it names none: `said` is a path, or a sentence with the name in it."""
    own = [name for name in keys(body) if name not in _EVERYWHERE] + (["n"] if "n" in body else [])
    if " " not in said:
        return said if any(name in said.replace("[", ".").replace("]", "").split(".") for name in [*own, *body]) else ""
    opening = said.partition(":")[0]
    if opening.replace("[", ".").split(".")[0] in body:
        return opening
    return next((name for name in own if f"`{name}`" in said or f" {name}" in said or f"{name}:" in said or f".{name}" in said), "")
