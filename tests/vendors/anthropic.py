"""Anthropic's API as its documentation describes it: messages and count_tokens; strict about what it takes."""

from __future__ import annotations

import json

from starlette.requests import Request

from tests.vendors.script import Wanted, fragments, reply_to
from tests.vendors.serving import Vendor

KNOWN = {
    "model", "messages", "max_tokens", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice",
    "metadata", "thinking", "service_tier", "container", "context_management", "mcp_servers", "output_format", "output_config",
}  # fmt: skip
BLOCKS = {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"}


class AnthropicVendor(Vendor):
    def __init__(self, *, key: str = "ant-vendor") -> None:
        self.key = key
        super().__init__()

    def routes(self):
        return [("/v1/messages", self.messages, ["POST"]), ("/v1/messages/count_tokens", self.count, ["POST"])]

    def error(self, status, message, kind="invalid_request_error", param=None, headers=None):
        from starlette.responses import JSONResponse

        kinds = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error", 503: "api_error"}
        body = {"type": "error", "error": {"type": kinds.get(status, kind), "message": message}, "request_id": "req_1"}
        return JSONResponse(body, status_code=status, headers=headers)

    def refused(self, request: Request, body: dict, *, counting: bool = False):
        if request.headers.get("x-api-key") != self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            return self.error(400, "anthropic-version: header is required")
        if unknown := set(body) - KNOWN:
            return self.error(400, f"{min(unknown)}: Extra inputs are not permitted")
        if not counting and "max_tokens" not in body:
            return self.error(400, "max_tokens: Field required")
        if set(body.get("metadata") or {}) - {"user_id"}:
            return self.error(400, "metadata: Extra inputs are not permitted")
        if (body.get("temperature") or 0) > 1:
            return self.error(400, "temperature: range: 0..1")
        return self.bad_messages(body["messages"])

    def bad_messages(self, messages: list[dict]):
        open_calls: set[str] = set()
        for number, message in enumerate(messages):
            if message["role"] not in {"user", "assistant"}:
                return self.error(400, f'messages: Unexpected role "{message["role"]}".')
            blocks = message["content"]
            blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
            if open_calls and {b.get("tool_use_id") for b in blocks} < open_calls:
                return self.error(400, f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after")
            calls: set[str] = set()
            for block in blocks:
                if block["type"] not in BLOCKS:
                    return self.error(400, f"messages.{number}.content: Input tag '{block['type']}' found")
                if block["type"] == "text" and not block["text"]:
                    return self.error(400, "messages: text content blocks must be non-empty")
                if block["type"] == "tool_use":
                    assert isinstance(block["input"], dict)
                    calls.add(block["id"])
                if block["type"] == "tool_result" and block["tool_use_id"] not in open_calls:
                    return self.error(400, f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks")
            open_calls = calls
        return None

    def usage(self, body, text, produced):
        cached = 8 if "cached" in text else 0
        return {
            "input_tokens": len(json.dumps(body["messages"])) // 4 + 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": produced,
            "service_tier": "standard",
        }

    async def count(self, request: Request):
        body = await self.body(request)
        if (reply := await self.before(self.taken(), request)) is not None:
            return reply
        if (reply := self.refused(request, body, counting=True)) is not None:
            return reply
        return self.json({"input_tokens": len(json.dumps(body["messages"])) // 4 + 1})

    async def messages(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        if (reply := self.refused(request, body)) is not None:
            return reply
        last = body["messages"][-1]["content"]
        blocks = [{"type": "text", "text": last}] if isinstance(last, str) else last
        text = " ".join(b.get("text") or str(b.get("content", "")) or f"<{b['type']}>" for b in blocks)
        choice = (body.get("tool_choice") or {}).get("type", "auto")
        told = reply_to(text, tools=bool(body.get("tools")) and choice != "none", wanted=wanted_of(body, blocks))
        ended_by = told.stopped_by(body.get("stop_sequences") or [])
        produced = max(1, len(told.words) + sum(len(a) // 4 + 4 for _, a in told.calls))
        stop = "tool_use" if told.calls else "refusal" if told.refusal else "stop_sequence" if ended_by else "end_turn"
        if produced > body["max_tokens"]:
            told.words, stop, produced = told.words[: body["max_tokens"]], "max_tokens", body["max_tokens"]
        usage = self.usage(body, text, produced)
        if body.get("stream"):
            error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
            return self.stream(self.chunks(body["model"], told, stop, usage, ended_by), fault, error)
        content: list[dict] = []
        if told.thoughts:
            content.append({"type": "thinking", "thinking": told.thoughts, "signature": "c2ln"})
        if told.text or told.refusal:
            content.append({"type": "text", "text": told.text or told.refusal})
        content += [{"type": "tool_use", "id": f"toolu_{i}", "name": n, "input": json.loads(a)} for i, (n, a) in enumerate(told.calls)]
        return self.json({
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"] + "-20251001", "content": content,
            "stop_reason": stop, "stop_sequence": ended_by, "usage": usage,
        })  # fmt: skip

    def chunks(self, model, told, stop, usage, ended_by=None):
        def event(kind, **fields):
            return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields, separators=(',', ':'))}\n\n".encode()

        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model + "-20251001", "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": usage | {"output_tokens": 1}}  # fmt: skip
        out = [event("message_start", message=message), event("ping")]
        index = 0
        if told.thoughts:
            out.append(event("content_block_start", index=index, content_block={"type": "thinking", "thinking": "", "signature": ""}))
            out += [
                event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": w}) for w in told.thoughts.split(" ")
            ]
            out.append(event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "c2ln"}))
            out.append(event("content_block_stop", index=index))
            index += 1
        words = told.words or ([told.refusal] if told.refusal else [])
        if words:
            out.append(event("content_block_start", index=index, content_block={"type": "text", "text": ""}))
            out += [event("content_block_delta", index=index, delta={"type": "text_delta", "text": word}) for word in words]
            out.append(event("content_block_stop", index=index))
            index += 1
        for number, (name, arguments) in enumerate(told.calls):
            block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
            out.append(event("content_block_start", index=index, content_block=block))
            out += [
                event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": p})
                for p in fragments(arguments)
            ]
            out.append(event("content_block_stop", index=index))
            index += 1
        out.append(
            event("message_delta", delta={"stop_reason": stop, "stop_sequence": ended_by}, usage={"output_tokens": usage["output_tokens"]})
        )
        out.append(event("message_stop"))
        return out


def wanted_of(body: dict, blocks: list[dict]) -> Wanted:
    tools = {tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or []}
    choice = body.get("tool_choice") or {}
    forced = choice["name"] if choice.get("type") == "tool" else "any" if choice.get("type") == "any" else ""
    output = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    answers = any(block["type"] == "tool_result" for block in blocks)
    return Wanted(offered=tools, forced=forced, schema=output.get("schema"), answers_tool=answers)
