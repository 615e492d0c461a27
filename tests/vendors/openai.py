"""OpenAI's API as its documentation describes it: chat completions, embeddings, models; strict about what it takes."""

from __future__ import annotations

import base64
import json
import struct

from starlette.requests import Request

from tests.vendors.script import Wanted, fragments, reply_to
from tests.vendors.serving import Vendor

KNOWN = {
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "temperature", "top_p", "stop", "seed",
    "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls",
    "response_format", "reasoning_effort", "user", "metadata", "store", "service_tier", "modalities", "prediction", "prompt_cache_key",
    "safety_identifier", "verbosity", "functions", "function_call",
}  # fmt: skip
PARTS = {"text", "image_url", "input_audio", "file", "refusal"}


class OpenAiVendor(Vendor):
    """`legacy=True` plays a server that merely speaks the protocol: it knows `max_tokens` only and reasons in `reasoning_content`."""

    def __init__(self, *, key: str = "sk-vendor", legacy: bool = False) -> None:
        self.key = key
        self.legacy = legacy
        super().__init__()

    def routes(self):
        return [
            ("/v1/chat/completions", self.chat, ["POST"]),
            ("/v1/embeddings", self.embeddings, ["POST"]),
            ("/v1/models", self.models, ["GET"]),
        ]

    def error(self, status, message, kind="invalid_request_error", param=None, headers=None):
        from starlette.responses import JSONResponse

        kinds = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
        body = {"error": {"message": message, "type": kinds.get(status, kind), "param": param, "code": None}}
        return JSONResponse(body, status_code=status, headers=headers)

    def refused(self, request: Request, body: dict):
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "Incorrect API key provided.")
        if unknown := set(body) - KNOWN:
            return self.error(400, f"Unrecognized request argument supplied: {min(unknown)}", param=min(unknown))
        if not self.legacy and "max_tokens" in body and str(body["model"]).startswith(("gpt-5", "o")):
            return self.error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens")
        if self.legacy and "max_completion_tokens" in body:
            return self.error(400, "extra fields not permitted: max_completion_tokens", param="max_completion_tokens")
        if body.get("metadata") and not body.get("store"):
            return self.error(400, "The 'metadata' parameter is only allowed when 'store' is enabled.", param="metadata")
        if body.get("stream_options") and not body.get("stream"):
            return self.error(400, "'stream_options' is only allowed when 'stream' is enabled.", param="stream_options")
        return self.bad_messages(body["messages"])

    def bad_messages(self, messages: list[dict]):
        open_calls: set[str] = set()
        for number, message in enumerate(messages):
            role, content = message["role"], message.get("content")
            at = f"messages[{number}]"
            if role == "tool":
                if message.get("tool_call_id") not in open_calls:
                    return self.error(
                        400, "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", param=at
                    )
                open_calls.discard(message["tool_call_id"])
                continue
            if open_calls:
                return self.error(400, f"tool_call_ids did not have response messages: {sorted(open_calls)}", param=at)
            if role not in {"system", "developer", "user", "assistant"}:
                return self.error(400, f"Invalid value: '{role}'.", param=f"{at}.role")
            if content is None and not message.get("tool_calls") and not message.get("refusal"):
                return self.error(400, "Invalid value for 'content': expected a string, got null.", param=f"{at}.content")
            for part in content if isinstance(content, list) else []:
                if part.get("type") not in PARTS:
                    return self.error(400, f"Invalid value: '{part.get('type')}'.", param=f"{at}.content")
                if part["type"] == "image_url" and not part["image_url"]["url"].startswith(("http", "data:image/")):
                    return self.error(400, "Invalid image.", param=f"{at}.content")
            for call in message.get("tool_calls") or []:
                json.loads(call["function"]["arguments"])
                open_calls.add(call["id"])
        return None

    async def chat(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        if (reply := self.refused(request, body)) is not None:
            return reply
        last = next((m for m in reversed(body["messages"]) if m["role"] in {"user", "tool"}), {"content": ""})
        content = last.get("content") or ""
        text = content if isinstance(content, str) else " ".join(p.get("text", f"<{p['type']}>") for p in content)
        told = reply_to(text, tools=bool(body.get("tools")) and body.get("tool_choice") != "none", wanted=wanted_of(body, last))
        stops = body.get("stop") or []
        told.stopped_by([stops] if isinstance(stops, str) else stops)
        produced = max(1, len(told.words) + sum(len(a) // 4 + 4 for _, a in told.calls) + len(told.thoughts.split()))
        cap = body.get("max_completion_tokens") or body.get("max_tokens") or 10**9
        finish = "tool_calls" if told.calls else "stop"
        if produced > cap:
            told.words, finish, produced = told.words[:cap], "length", cap
        usage = {
            "prompt_tokens": len(json.dumps(body["messages"])) // 4 + 1,
            "completion_tokens": produced,
            "prompt_tokens_details": {"cached_tokens": 8 if "cached" in text else 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": len(told.thoughts.split()), "audio_tokens": 0},
        }
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        if body.get("stream"):
            wanted = bool((body.get("stream_options") or {}).get("include_usage"))
            events = self.chunks(
                body["model"], told, finish, usage if wanted else None, n=body.get("n") or 1, logs=bool(body.get("logprobs"))
            )
            return self.stream(events, fault, b'data: {"error":{"message":"scripted","type":"server_error"}}\n\n')
        message: dict = {"role": "assistant", "content": told.text or None, "refusal": told.refusal or None, "annotations": []}
        if told.thoughts and self.legacy:
            message["reasoning_content"] = told.thoughts
        if told.calls:
            message["content"] = None
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}} for i, (n, a) in enumerate(told.calls)
            ]
        logprobs = {"content": [logprob(word) for word in told.words], "refusal": None} if body.get("logprobs") else None
        choices = [{"index": i, "message": message, "logprobs": logprobs, "finish_reason": finish} for i in range(body.get("n") or 1)]
        return self.json({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": body["model"] + "-2025-08-07",
            "choices": choices, "usage": usage, "service_tier": "default", "system_fingerprint": "fp_1",
        })  # fmt: skip

    def chunks(self, model, told, finish, usage, *, n=1, logs=False):
        def chunk(delta, reason=None, *, choices=True, index=0, **more):
            logprobs = {"content": [logprob(delta["content"])], "refusal": None} if logs and delta.get("content") else None
            body = {
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model + "-2025-08-07",
                "service_tier": "default", "system_fingerprint": "fp_1",
                "choices": [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}] if choices else [],
            } | more  # fmt: skip
            if usage is not None and "usage" not in more:
                body["usage"] = None
            return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

        yield_ = []
        for number in range(n):
            yield_.append(chunk({"role": "assistant", "content": "" if not told.calls else None, "refusal": None}, index=number))
            if told.thoughts and self.legacy:
                yield_ += [chunk({"reasoning_content": w}, index=number) for w in told.thoughts.split(" ")]
            if told.refusal:
                yield_.append(chunk({"refusal": told.refusal}, index=number))
            yield_ += [chunk({"content": word}, index=number) for word in told.words]
            for index, (name, arguments) in enumerate(told.calls):
                head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
                yield_.append(chunk({"tool_calls": [head]}, index=number))
                yield_ += [
                    chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]}, index=number)
                    for part in fragments(arguments)
                ]
            yield_.append(chunk({}, finish, index=number))
        if usage is not None:
            yield_.append(chunk({}, choices=False, usage=usage))
        yield_.append(b"data: [DONE]\n\n")
        return yield_

    async def embeddings(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "Incorrect API key provided.")
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = []
        for index, text in enumerate(texts):
            vector = [float(len(str(text))), 0.5, -0.25]
            packed = base64.b64encode(struct.pack("<3f", *vector)).decode() if body.get("encoding_format") == "base64" else vector
            data.append({"object": "embedding", "index": index, "embedding": packed})
        tokens = sum(len(str(text)) // 4 + 1 for text in texts)
        return self.json({
            "object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        })  # fmt: skip

    async def models(self, request: Request):
        return self.json({"object": "list", "data": [{"id": "gpt-5-mini", "object": "model", "created": 1, "owned_by": "openai"}]})


def logprob(token: str) -> dict:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


def wanted_of(body: dict, last: dict) -> Wanted:
    functions = [tool["function"] for tool in body.get("tools") or [] if tool["type"] == "function"]
    tools = {function["name"]: function.get("parameters") or {} for function in functions}
    choice = body.get("tool_choice")
    named = choice["function"]["name"] if isinstance(choice, dict) and choice["type"] == "function" else ""
    forced = "any" if choice == "required" else named
    output = body.get("response_format") or {}
    kinds = {"json_schema": (output.get("json_schema") or {}).get("schema"), "json_object": {}}
    return Wanted(offered=tools, forced=forced, schema=kinds.get(output.get("type")), answers_tool=last.get("role") == "tool")
