"""OpenAI's three protocols: how a wish is written in them, and how an answer is read. None: the protocol has no word for the wish."""

from __future__ import annotations

import json
from itertools import groupby

from tests.compat.wish import CALLS, PARAMETERS, PDF, PICTURE_URL, PIXEL, SCHEMA, Asked, Heard, Wish


def events(raw: str) -> list[dict]:
    """The documents of a stream of events."""
    found = [line[6:] for line in raw.replace("\r\n", "\n").split("\n") if line.startswith("data: ")]
    return [json.loads(each) for each in found if each != "[DONE]"]


def _turns(wish: Wish) -> list[tuple[str, str]]:
    said = [("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(wish.history)]
    return [*said, ("user", wish.text)]


class Chat:
    """`/v1/chat/completions`."""

    title = "OpenAI chat completions"

    def ask(self, model: str, wish: Wish) -> Asked | None:
        messages: list[dict] = [{"role": "system", "content": wish.system}] if wish.system else []
        messages += [{"role": role, "content": text} for role, text in _turns(wish)]
        parts = [
            *([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}] if wish.image else []),
            *([{"type": "image_url", "image_url": {"url": PICTURE_URL}}] if wish.image_url else []),
            *([{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + PDF}}] if wish.file else []),
        ]
        if parts:
            messages[-1]["content"] = [{"type": "text", "text": wish.text}, *parts]
        if wish.results:
            made = [
                {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}}
                for n, (name, arguments) in enumerate(CALLS)
            ]
            messages.append({"role": "assistant", "content": None, "tool_calls": made})
            messages += [{"role": "tool", "tool_call_id": f"call_{n}", "content": f"result of {name}"} for n, (name, _) in enumerate(CALLS)]
        body: dict = {"model": model, "messages": messages}
        if wish.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "description": "A tool.", "parameters": PARAMETERS}} for name, _ in CALLS
            ]
        if wish.choice:
            body["tool_choice"] = {"type": "function", "function": {"name": wish.choice}}
        if wish.schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
        if wish.effort:
            body["reasoning_effort"] = "low"
        if wish.stop:
            body["stop"] = [wish.stop]
        if wish.cap:
            # An OpenAI-speaking server may know the older name alone.
            body["max_tokens" if model == "on-compatible" else "max_completion_tokens"] = wish.cap
        if wish.logprobs:
            body |= {"logprobs": True, "top_logprobs": 2}
        if wish.n > 1:
            body["n"] = wish.n
        if wish.seed:
            body["seed"] = wish.seed
        if wish.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return Asked(path="/v1/chat/completions", body=body)

    def read(self, document: dict) -> Heard:
        choice = document["choices"][0]
        message, usage = choice["message"], document["usage"]
        return Heard(
            text=message.get("content") or "",
            thoughts=message.get("reasoning_content") or "",
            calls=[(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or []],
            stop={"stop": "natural", "length": "length", "tool_calls": "tools"}[choice["finish_reason"]],
            choices=len(document["choices"]),
            output_tokens=usage["completion_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            logprobs=bool(choice.get("logprobs")),
        )

    def read_stream(self, raw: str) -> Heard:
        assert raw.rstrip().endswith("data: [DONE]")
        message: dict = {"content": "", "reasoning_content": "", "tool_calls": []}
        finish, seen, logprobs, usage = "", set(), False, {}
        for chunk in events(raw):
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                seen.add(choice["index"])
                finish = choice["finish_reason"] or finish
                logprobs = logprobs or bool(choice.get("logprobs"))
                delta = choice.get("delta") or {}  # Azure's last word on its content filter has none
                if choice["index"] == 0:
                    message["content"] += delta.get("content") or ""
                    message["reasoning_content"] += delta.get("reasoning_content") or ""
                for call in delta.get("tool_calls") or []:
                    if call["index"] == len(message["tool_calls"]):
                        message["tool_calls"].append({"function": {"name": call["function"]["name"], "arguments": ""}})
                    message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
        choice = {"message": message, "finish_reason": finish, "logprobs": logprobs}
        return self.read({"choices": [choice] * len(seen), "usage": usage})

    def refusal(self, document: dict) -> tuple[str, str]:
        return document["error"]["code"], document["error"]["param"] or ""


class Responses(Chat):
    """`/v1/responses`."""

    title = "OpenAI responses"

    def ask(self, model: str, wish: Wish) -> Asked | None:
        if wish.stop or wish.n > 1 or wish.seed:
            return None
        items: list[dict] = [{"role": role, "content": text} for role, text in _turns(wish)]
        parts = [
            *([{"type": "input_image", "image_url": "data:image/png;base64," + PIXEL}] if wish.image else []),
            *([{"type": "input_image", "image_url": PICTURE_URL}] if wish.image_url else []),
            *([{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + PDF}] if wish.file else []),
        ]
        if parts:
            items[-1]["content"] = [{"type": "input_text", "text": wish.text}, *parts]
        if wish.results:
            items += [
                {"type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
                for n, (name, arguments) in enumerate(CALLS)
            ]
            items += [
                {"type": "function_call_output", "call_id": f"call_{n}", "output": f"result of {name}"} for n, (name, _) in enumerate(CALLS)
            ]
        body: dict = {"model": model, "input": items, "store": False}
        if wish.system:
            body["instructions"] = wish.system
        if wish.tools:
            body["tools"] = [
                {"type": "function", "name": name, "description": "A tool.", "parameters": PARAMETERS, "strict": True} for name, _ in CALLS
            ]
        if wish.choice:
            body["tool_choice"] = {"type": "function", "name": wish.choice}
        if wish.schema:
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}
        if wish.effort:
            body["reasoning"] = {"effort": "low"}
        if wish.cap:
            body["max_output_tokens"] = wish.cap
        if wish.logprobs:
            body |= {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
        if wish.stream:
            body["stream"] = True
        return Asked(path="/v1/responses", body=body)

    def read(self, document: dict) -> Heard:
        heard = Heard()
        for item in document["output"]:
            if item["type"] == "message":
                heard.text += "".join(part["text"] for part in item["content"])
                heard.logprobs = any(part.get("logprobs") for part in item["content"])
            elif item["type"] == "function_call":
                heard.calls.append((item["name"], json.loads(item["arguments"])))
            else:
                heard.thoughts += "".join(part["text"] for part in item["summary"])
        length = document["status"] == "incomplete" and document["incomplete_details"]["reason"] == "max_output_tokens"
        assert length or document["status"] == "completed"
        heard.stop = "length" if length else "tools" if heard.calls else "natural"
        heard.output_tokens = document["usage"]["output_tokens"]
        heard.cached_tokens = document["usage"]["input_tokens_details"]["cached_tokens"]
        return heard

    def read_stream(self, raw: str) -> Heard:
        found = events(raw)
        assert found[-1]["type"] in {"response.completed", "response.incomplete"}, found[-1]
        heard = self.read(found[-1]["response"])
        told = {
            kind: [e["delta"] for e in found if e["type"] == f"response.{kind}.delta"] for kind in ("output_text", "reasoning_summary_text")
        }
        assert "".join(told["output_text"]) == heard.text
        assert "".join(told["reasoning_summary_text"]) == heard.thoughts
        pieces = [(e["output_index"], e["delta"]) for e in found if e["type"] == "response.function_call_arguments.delta"]
        streamed = [json.loads("".join(piece for _, piece in group)) for _, group in groupby(pieces, key=lambda each: each[0])]
        assert streamed == [arguments for _, arguments in heard.calls]
        return heard


class Completions(Chat):
    """`/v1/completions`."""

    title = "OpenAI completions"

    def ask(self, model: str, wish: Wish) -> Asked | None:
        only = (wish.system, wish.history, wish.results, wish.tools, wish.image, wish.image_url, wish.file, wish.schema, wish.effort)
        if any(only):
            return None
        body: dict = {"model": model, "prompt": wish.text}
        if wish.stop:
            body["stop"] = [wish.stop]
        if wish.cap:
            body["max_tokens"] = wish.cap
        if wish.logprobs:
            body["logprobs"] = 2
        if wish.n > 1:
            body["n"] = wish.n
        if wish.seed:
            body["seed"] = wish.seed
        if wish.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return Asked(path="/v1/completions", body=body)

    def read(self, document: dict) -> Heard:
        choice, usage = document["choices"][0], document["usage"]
        return Heard(
            text=choice["text"],
            stop={"stop": "natural", "length": "length"}[choice["finish_reason"]],
            choices=len(document["choices"]),
            output_tokens=usage["completion_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            logprobs=bool(choice.get("logprobs")),
        )

    def read_stream(self, raw: str) -> Heard:
        assert raw.rstrip().endswith("data: [DONE]")
        found = [choice for chunk in events(raw) for choice in chunk["choices"]]
        first = [choice for choice in found if choice["index"] == 0]
        whole = {"text": "".join(choice["text"] for choice in first), "finish_reason": first[-1]["finish_reason"]}
        return self.read({"choices": [whole] * len({choice["index"] for choice in found}), "usage": events(raw)[-1]["usage"]})
