# ruff: noqa: E501 - payloads read best whole
"""OpenAI's newer and older protocols as their documentation describes them: responses and legacy completions."""

from __future__ import annotations

import json

from starlette.requests import Request

from tests.vendors.openai import OpenAiVendor
from tests.vendors.script import fragments, reply_to

KNOWN = {
    "model", "input", "instructions", "stream", "max_output_tokens", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
    "temperature", "top_p", "metadata", "truncation", "include", "store", "previous_response_id", "user", "service_tier", "stream_options",
    "safety_identifier", "prompt_cache_key", "conversation", "prompt", "top_logprobs", "max_tool_calls",
}  # fmt: skip


class NativeOpenAiVendor(OpenAiVendor):
    """Has `/v1/responses` and `/v1/completions` beside chat; answers have the ids `resp_theirs_N`, of which it remembers none but
    `resp_elsewhere`."""

    known = KNOWN

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def routes(self):
        return [*super().routes(), ("/v1/responses", self.responses, ["POST"]), ("/v1/completions", self.completions, ["POST"])]

    async def responses(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "Incorrect API key provided.")
        if unknown := set(body) - self.known:
            return self.error(400, f"Unknown parameter: '{min(unknown)}'.", param=min(unknown))
        if body.get("previous_response_id") not in {None, "resp_elsewhere"}:
            return self.error(400, f"Previous response with id '{body['previous_response_id']}' not found.", param="previous_response_id")
        items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
        for number, item in enumerate(items):
            if str(item.get("encrypted_content", "")).startswith("nf1."):
                return self.error(400, "The encrypted content could not be verified.", param=f"input[{number}]")
        last = items[-1]
        content = last.get("content", last.get("output", ""))
        text = content if isinstance(content, str) else " ".join(p.get("text", f"<{p['type']}>") for p in content)
        told = reply_to(text, tools=bool(body.get("tools")))
        produced = max(1, len(told.words) + sum(len(a) // 4 + 4 for _, a in told.calls))
        status = "completed"
        if produced > body.get("max_output_tokens", 10**9):
            produced = body["max_output_tokens"]
            told.words, status = told.words[:produced], "incomplete"
        answer = self.answer(body, told, status, produced)
        if not body.get("stream"):
            return self.json(answer)
        failed = {"type": "error", "sequence_number": 9, "code": "rate_limit_exceeded", "message": "slow down", "param": None}
        return self.stream(self.events(answer, told), fault, sse(failed))

    def answer(self, body, told, status, produced):
        self.made += 1
        output = [{"id": "rs_theirs", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}]
        if told.calls:
            output += [
                {"id": f"fc_{n}", "type": "function_call", "status": "completed", "call_id": f"call_{n}", "name": name, "arguments": text}
                for n, (name, text) in enumerate(told.calls)
            ]
        else:
            part = {"type": "output_text", "text": told.text, "annotations": [], "logprobs": []}
            output.append(
                {"id": "msg_theirs", "type": "message", "status": status, "role": "assistant", "phase": "final_answer", "content": [part]}
            )
        read = len(json.dumps(body["input"])) // 4 + 1
        return {
            "id": f"resp_theirs_{self.made}", "object": "response", "created_at": 1_760_000_000, "status": status, "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None, "model": body["model"] + "-2025-08-07",
            "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": body.get("tools", []), "store": body.get("store", True),
            "previous_response_id": body.get("previous_response_id"), "instructions": body.get("instructions"), "metadata": body.get("metadata", {}),
            "temperature": 1.0, "top_p": 1.0, "text": {"format": {"type": "text"}}, "truncation": "disabled", "billing": {"payer": "developer"},
            "usage": {"input_tokens": read, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": produced,
                      "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": read + produced},
        }  # fmt: skip

    def events(self, answer, told):
        begun = answer | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        found = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
        for index, item in enumerate(answer["output"]):
            at = {"output_index": index, "item_id": item["id"]}
            if item["type"] == "function_call":
                found.append(
                    {"type": "response.output_item.added", "output_index": index, "item": item | {"arguments": "", "status": "in_progress"}}
                )
                found += [{"type": "response.function_call_arguments.delta", "delta": part, **at} for part in fragments(item["arguments"])]
                found.append({"type": "response.function_call_arguments.done", "arguments": item["arguments"], **at})
            elif item["type"] == "message":
                found.append(
                    {"type": "response.output_item.added", "output_index": index, "item": item | {"content": [], "status": "in_progress"}}
                )
                part, at = item["content"][0], at | {"content_index": 0}
                found.append({"type": "response.content_part.added", "part": part | {"text": ""}, **at})
                found += [
                    {"type": "response.output_text.delta", "delta": word, "logprobs": [], "obfuscation": "x", **at} for word in told.words
                ]
                found.append({"type": "response.output_text.done", "text": part["text"], "logprobs": [], **at})
                found.append({"type": "response.content_part.done", "part": part, **at})
            found.append({"type": "response.output_item.done", "output_index": index, "item": item})
        found.append({"type": f"response.{answer['status']}", "response": answer})
        return [sse(each | {"sequence_number": number}) for number, each in enumerate(found)]

    async def completions(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        prompt = body.get("prompt") or ""
        prompts = [prompt] if isinstance(prompt, str) or isinstance(prompt[0], int) else prompt
        cap = 16 if body.get("max_tokens") is None else body["max_tokens"]
        told = [reply_to(prompt if isinstance(prompt, str) else f"{len(prompt)} tokens", tools=False).words[:cap] for prompt in prompts]
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1_760_000_000, "model": body["model"] + "-2025-08-07"}
        usage = {"prompt_tokens": 5, "completion_tokens": sum(map(len, told)), "total_tokens": 5 + sum(map(len, told))}
        if not body.get("stream"):
            choices = [
                {
                    "text": "".join(words) + (body.get("suffix") or ""),
                    "index": n,
                    "logprobs": None,
                    "finish_reason": "length" if len(words) == cap else "stop",
                }
                for n, words in enumerate(told)
            ]
            return self.json(head | {"choices": choices, "usage": usage})
        chunks = [{"text": word, "index": n, "logprobs": None, "finish_reason": None} for n, words in enumerate(told) for word in words]
        chunks += [{"text": "", "index": n, "logprobs": None, "finish_reason": "stop"} for n in range(len(told))]
        events = [b"data: " + json.dumps(head | {"choices": [chunk]}, separators=(",", ":")).encode() + b"\n\n" for chunk in chunks]
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append(b"data: " + json.dumps(head | {"choices": [], "usage": usage}).encode() + b"\n\n")
        events.append(b"data: [DONE]\n\n")
        return self.stream(events, fault, b'data: {"error":{"message":"no","type":"server_error"}}\n\n')


def sse(payload: dict) -> bytes:
    return f"event: {payload['type']}\ndata: {json.dumps(payload, separators=(',', ':'))}\n\n".encode()
