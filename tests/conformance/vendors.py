"""Vendors for the suites of the vendors' own clients, which send every field at once and read every answer strictly."""

from __future__ import annotations

import email.parser
import email.policy
import json

from starlette.requests import Request
from starlette.responses import Response

from tests.vendors.anthropic import AnthropicVendor
from tests.vendors.openai_endpoints import SOUND, OpenAiEndpoints
from tests.vendors.openai_native import KNOWN, NativeOpenAiVendor

CATEGORIES = [
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/instructions",
    "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
]  # fmt: skip
PICTURE_USAGE = {
    "input_tokens": 11, "output_tokens": 4000, "total_tokens": 4011, "input_tokens_details": {"text_tokens": 11, "image_tokens": 0},
}  # fmt: skip
NEWER = {"context_management", "moderation", "prompt_cache_options", "prompt_cache_retention"}


class EveryOpenAiEndpoint(NativeOpenAiVendor, OpenAiEndpoints):
    """All of OpenAI's endpoints that the servers of these tests have, with answers as complete as its document demands."""

    known = KNOWN | NEWER

    def routes(self):
        return [*super().routes(), ("/v1/images/variations", self.edits, ["POST"])]

    def refused(self, request: Request, body: dict):
        """Fields that exclude each other pass here: the suites send all of them."""
        authorized = request.headers.get("authorization") == f"Bearer {self.key}"
        return None if authorized else self.error(401, "Incorrect API key provided.")

    async def form(self, request: Request) -> dict:
        """The fields by their names, the last of those that repeat; files as (filename, type, bytes)."""
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        document = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + await request.body())
        fields: dict = {}
        for part in document.iter_parts():
            data, filename = part.get_payload(decode=True), part.get_filename()
            name = part.get_param("name", header="content-disposition")
            fields[name] = data.decode() if filename is None else (filename, part.get_content_type(), data)
        self.seen.append((request.url.path, dict(request.headers), fields))
        return fields

    def answer(self, body, told, status, produced):
        """With the member that the Responses API has had since caches are written for money."""
        answer = super().answer(body, told, status, produced)
        answer["usage"]["input_tokens_details"]["cache_write_tokens"] = 0
        return answer

    async def moderations(self, request: Request):
        body, reply = await self.told(request)
        if reply is not None:
            return reply
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        results = [
            {
                "flagged": False, "categories": dict.fromkeys(CATEGORIES, False), "category_scores": dict.fromkeys(CATEGORIES, 0.01),
                "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
            }
            for _ in texts
        ]  # fmt: skip
        return self.json({"id": "modr-1", "model": body["model"] + "-2024-09-26", "results": results})

    async def pictures(self, request: Request):
        body, reply = await self.told(request)
        return self.pictured(body) if reply is None else reply

    async def edits(self, request: Request):
        return self.pictured(await self.form(request))

    async def speech(self, request: Request):
        body, reply = await self.told(request)
        if reply is not None:
            return reply
        if body.get("stream_format") != "sse":
            return Response(SOUND, media_type="audio/mpeg")
        usage = {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}
        said = [{"type": "speech.audio.delta", "audio": "aGk="}, {"type": "speech.audio.done", "usage": usage}]
        return self.stream([b"data: " + json.dumps(each).encode() + b"\n\n" for each in said], None, b"")

    def pictured(self, asked: dict):
        if asked.get("stream") in {True, "true"}:
            said = {
                "b64_json": "aGk=", "background": "opaque", "created_at": 1, "output_format": "png", "quality": "high", "size": "1024x1024",
            }  # fmt: skip
            partial = {"type": "image_generation.partial_image", "partial_image_index": 0} | said
            whole = {"type": "image_generation.completed", "usage": PICTURE_USAGE} | said
            events = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in (partial, whole)]
            return self.stream(events, None, b"")
        return self.json({"created": 1, "data": [{"b64_json": "aGk="}] * int(asked.get("n") or 1), "usage": PICTURE_USAGE})


class EveryMessage(AnthropicVendor):
    """Any field of a message that the documentation has, also those that the strict server does not know yet."""

    newer = ("cache_control", "inference_geo", "user_profile_id")

    def refused(self, request: Request, body: dict, *, counting: bool = False):
        known = {name: value for name, value in body.items() if name not in self.newer}
        return super().refused(request, known, counting=counting)
