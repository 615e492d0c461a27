"""OpenAI's endpoints besides chat, as their documentation describes them, and one of a vendor's own."""

from __future__ import annotations

import email.parser
import email.policy
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.vendors.openai import OpenAiVendor

SOUND = b"ID3\x00\xff\xfb\x90\x00" * 100


class OpenAiEndpoints(OpenAiVendor):
    """Rerank as vLLM and Jina have it, moderations, images, transcriptions, speech; `/v1/own/*` is like nothing else."""

    def routes(self):
        return [
            *super().routes(),
            ("/v1/rerank", self.rerank, ["POST"]),
            ("/v1/moderations", self.moderations, ["POST"]),
            ("/v1/images/generations", self.pictures, ["POST"]),
            ("/v1/images/edits", self.edits, ["POST"]),
            ("/v1/audio/transcriptions", self.transcriptions, ["POST"]),
            ("/v1/audio/translations", self.transcriptions, ["POST"]),
            ("/v1/audio/speech", self.speech, ["POST"]),
            ("/v1/own/{rest:path}", self.own, ["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    async def told(self, request: Request):
        """The body, or the refusal."""
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return None, reply
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return None, self.error(401, "Incorrect API key provided.")
        return body, None

    async def form(self, request: Request) -> dict:
        """The fields of a form, files as (filename, type, bytes)."""
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        document = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + await request.body())
        fields: dict = {}
        for part in document.iter_parts():
            data = part.get_payload(decode=True)
            name, filename = part.get_param("name", header="content-disposition"), part.get_filename()
            assert name not in fields
            fields[name] = data.decode() if filename is None else (filename, part.get_content_type(), data)
        self.seen.append((request.url.path, dict(request.headers), fields))
        return fields

    async def rerank(self, request: Request):
        body, reply = await self.told(request)
        if reply is not None:
            return reply
        texts = [each if isinstance(each, str) else each["text"] for each in body["documents"]]
        ranked = sorted(range(len(texts)), key=lambda at: -len(set(texts[at].split()) & set(body["query"].split())))
        results = [{"index": at, "relevance_score": 1.0 / (place + 1)} for place, at in enumerate(ranked[: body.get("top_n")])]
        tokens = sum(len(text) // 4 + 1 for text in texts)
        return self.json({"id": "rerank-1", "model": body["model"], "results": results, "usage": {"total_tokens": tokens}})

    async def moderations(self, request: Request):
        body, reply = await self.told(request)
        if reply is not None:
            return reply
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        names = ["harassment", "hate", "illicit", "self-harm", "sexual", "violence"]
        results = [
            {
                "flagged": "hit" in text, "categories": dict.fromkeys(names, "hit" in text), "category_scores": dict.fromkeys(names, 0.5),
                "category_applied_input_types": {name: ["text"] for name in names},
            }
            for text in texts
        ]  # fmt: skip
        return self.json({"id": "modr-1", "model": body["model"] + "-2024-09-26", "results": results})

    async def pictures(self, request: Request):
        body, reply = await self.told(request)
        if reply is not None:
            return reply
        usage = {"input_tokens": 11, "output_tokens": 4000, "total_tokens": 4011, "input_tokens_details": {"text_tokens": 11}}
        return self.json({"created": 1, "data": [{"b64_json": "aGk="}] * (body.get("n") or 1), "usage": usage})

    async def edits(self, request: Request):
        fields = await self.form(request)
        assert fields["image"][1] == "image/png"
        return self.json({"created": 1, "data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 9, "output_tokens": 10}})

    async def transcriptions(self, request: Request):
        fields = await self.form(request)
        if (reply := await self.before(self.taken(), request)) is not None:
            return reply
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.error(401, "Incorrect API key provided.")
        text = f"{len(fields['file'][2])} bytes of sound"
        if fields.get("response_format") == "srt":
            return PlainTextResponse(f"1\n00:00 --> 00:01\n{text}\n")
        if fields.get("stream") == "true":
            usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
            events = [{"type": "transcript.text.delta", "delta": text}, {"type": "transcript.text.done", "text": text, "usage": usage}]
            return self.stream([b"data: " + json.dumps(each).encode() + b"\n\n" for each in events], None, b"")
        if fields["model"].startswith("whisper"):
            return self.json({"text": text, "usage": {"type": "duration", "seconds": 3}})
        return self.json({"text": text, "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}})

    async def speech(self, request: Request):
        _, reply = await self.told(request)
        return Response(SOUND, media_type="audio/mpeg") if reply is None else reply

    async def own(self, request: Request):
        """Says what it was sent; `missing` is not there."""
        raw = await request.body()
        self.seen.append((str(request.url), dict(request.headers), {"raw": raw, "method": request.method}))
        if (reply := await self.before(self.taken(), request)) is not None:
            return reply
        if request.url.path.endswith("missing"):
            return JSONResponse({"error": {"message": "there is no such thing", "type": "invalid_request_error"}}, 404)
        if request.method == "DELETE":
            return Response(status_code=204)
        if request.method == "GET":
            return Response(b"\x89PNG", media_type="image/png")
        return JSONResponse({"echo": raw.decode(), "usage": {"prompt_tokens": 7, "completion_tokens": 3}}, 201)
