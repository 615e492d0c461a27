"""Bedrock's runtime as its documentation describes it: Converse and ConverseStream; strict about what it takes and who signed it."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock
from urllib.parse import unquote

import botocore
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from tests.vendors.eventstream import event, exception
from tests.vendors.script import Wanted, fragments, reply_to
from tests.vendors.serving import Vendor

REGION = "eu-central-1"
SIGNED = ("host", "content-type", "x-amz-date", "x-amz-security-token")
KINDS = {
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
    408: "ModelTimeoutException", 424: "ModelErrorException", 429: "ThrottlingException", 500: "InternalServerException",
    503: "ServiceUnavailableException",
}  # fmt: skip


@functools.cache
def shape():
    """What the service's own model says that a request may hold."""
    path = Path(botocore.__file__).parent / "data" / "bedrock-runtime" / "2023-09-30" / "service-2.json.gz"
    return ServiceModel(json.loads(gzip.decompress(path.read_bytes())), "bedrock-runtime").operation_model("Converse").input_shape


class BedrockVendor(Vendor):
    """Takes requests signed by `access`, or with the API key `key`."""

    def __init__(self, *, access: str = "AKIDTEST", secret: str = "aws-vendor", token: str | None = None, key: str = "bedrock-key") -> None:
        self.credentials = Credentials(access, secret, token)
        self.key = key
        self.drift_s = 0.0
        super().__init__()

    def routes(self):
        return [
            ("/model/{model:path}/converse", self.converse, ["POST"]),
            ("/model/{model:path}/converse-stream", self.converse_stream, ["POST"]),
            ("/model/{model:path}/invoke", self.invoke, ["POST"]),
        ]

    def error(self, status, message, kind="", param=None, headers=None):
        more = {"x-amzn-errortype": f"{kind or KINDS.get(status, 'InternalServerException')}:http://internal.amazon.com/coral/"}
        return JSONResponse({"message": message}, status_code=status, headers=more | (headers or {}))

    async def refused(self, request: Request, body: dict):
        if request.headers.get("authorization") != f"Bearer {self.key}":
            wrong = await self.unsigned(request)
            if wrong is not None:
                return wrong
        report = ParamValidator().validate({"modelId": unquote(request.path_params["model"])} | body, shape())
        if report.has_errors():
            return self.error(400, report.generate_report())
        if not body["messages"] or body["messages"][0]["role"] != "user":
            return self.error(400, "A conversation must start with a user message.")
        return self.bad_messages(body)

    async def unsigned(self, request: Request):
        """The signature is worked out again, over what arrived."""
        found = request.headers.get("authorization", "")
        at = request.headers.get("x-amz-date", "")
        if not found or not at:
            return self.error(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        moment = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - moment).total_seconds() + self.drift_s) > 300:
            return self.error(403, "Signature expired", "InvalidSignatureException")
        path = request.scope["raw_path"].decode()
        names = found.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = {name: request.headers[name] for name in names if name in SIGNED and name not in {"x-amz-date", "x-amz-security-token"}}
        again = AWSRequest("POST", f"http://{request.headers['host']}{path}", data=await request.body(), headers=headers)
        with mock.patch.object(auth, "get_current_datetime", return_value=moment.replace(tzinfo=None)):
            auth.SigV4Auth(self.credentials, "bedrock", REGION).add_auth(again)
        if again.headers["Authorization"] != found:
            return self.error(403, "The request signature we calculated does not match.", "InvalidSignatureException")
        return None

    def bad_messages(self, body: dict):
        open_calls: set[str] = set()
        roles = [message["role"] for message in body["messages"]]
        if any(one == other for one, other in itertools.pairwise(roles)):
            return self.error(400, "A conversation must alternate between user and assistant roles.")
        for number, message in enumerate(body["messages"]):
            blocks = message["content"]
            results = {block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block}
            if results != open_calls:
                return self.error(400, f"messages.{number}: toolResult blocks must match the toolUse blocks before them.")
            if any(block.get("text") == "" for block in blocks):
                return self.error(400, f"messages.{number}: The text field in the ContentBlock object is blank.")
            open_calls = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
            if (open_calls or results) and "toolConfig" not in body:
                return self.error(400, "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return None

    async def told(self, request: Request):
        """A refusal, or the reply with its stop reason and usage."""
        body = await self.body(request)
        fault = self.taken()
        reply = await self.before(fault, request) or await self.refused(request, body)
        if reply is not None:
            return reply, None
        text = " ".join(
            block.get("text")
            or " ".join(c.get("text", "<other>") for c in block.get("toolResult", {}).get("content", []))
            or f"<{min(block)}>"
            for block in body["messages"][-1]["content"]
            if "cachePoint" not in block
        )
        told = reply_to(text, tools="toolConfig" in body, wanted=wanted_of(body))
        ended_by = told.stopped_by(body.get("inferenceConfig", {}).get("stopSequences") or [])
        produced = max(1, len(told.words) + sum(len(a) // 4 + 4 for _, a in told.calls))
        stop = "tool_use" if told.calls else "content_filtered" if told.refusal else "stop_sequence" if ended_by else "end_turn"
        cap = body.get("inferenceConfig", {}).get("maxTokens", 10**9)
        if produced > cap:
            told.words, stop, produced = told.words[:cap], "max_tokens", cap
        counted = len(json.dumps(body["messages"])) // 4 + 1
        cached = 8 if "cached" in text else 0
        usage = {
            "inputTokens": counted, "outputTokens": produced, "totalTokens": counted + produced + cached,
            "cacheReadInputTokens": cached, "cacheWriteInputTokens": 0,
        }  # fmt: skip
        return None, (fault, told, stop, usage)

    async def converse(self, request: Request):
        refusal, answer = await self.told(request)
        if answer is None:
            return refusal
        _, told, stop, usage = answer
        content: list[dict] = []
        if told.thoughts:
            content.append({"reasoningContent": {"reasoningText": {"text": told.thoughts, "signature": "c2ln"}}})
        if told.text or told.refusal:
            content.append({"text": told.text or told.refusal})
        content += [
            {"toolUse": {"toolUseId": f"tooluse_{i}", "name": name, "input": json.loads(a)}} for i, (name, a) in enumerate(told.calls)
        ]
        message = {"role": "assistant", "content": content}
        return self.json({"metrics": {"latencyMs": 7}, "output": {"message": message}, "stopReason": stop, "usage": usage})

    async def converse_stream(self, request: Request):
        refusal, answer = await self.told(request)
        if answer is None:
            return refusal
        fault, told, stop, usage = answer
        frames: StreamingResponse = self.stream(self.frames(told, stop, usage), fault, exception("modelStreamErrorException", "scripted"))
        frames.headers["content-type"] = "application/vnd.amazon.eventstream"
        return frames

    async def invoke(self, request: Request):
        """Titan's text embeddings."""
        body = await self.body(request)
        wrong = await self.unsigned(request) if request.headers.get("authorization") != f"Bearer {self.key}" else None
        if (reply := await self.before(self.taken(), request) or wrong) is not None:
            return reply
        if set(body) - {"inputText", "dimensions", "normalize"} or not isinstance(body.get("inputText"), str):
            return self.error(400, "Malformed input request, please reformat your input and try again.")
        vector = [float(len(body["inputText"])), 0.5, -0.25]
        return self.json(
            {"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": len(body["inputText"]) // 4 + 1}
        )

    def frames(self, told, stop, usage):
        def delta(index, **content):
            return event("contentBlockDelta", {"contentBlockIndex": index, "delta": content, "p": "abcd"})

        def stopped(index):
            return event("contentBlockStop", {"contentBlockIndex": index, "p": "ab"})

        out = [event("messageStart", {"role": "assistant", "p": "abc"})]
        index = 0
        if told.thoughts:
            out += [delta(index, reasoningContent={"text": word}) for word in told.thoughts.split(" ")]
            out += [delta(index, reasoningContent={"signature": "c2ln"}), stopped(index)]
            index += 1
        words = told.words or ([told.refusal] if told.refusal else [])
        if words:
            out += [*(delta(index, text=word) for word in words), stopped(index)]
            index += 1
        for number, (name, arguments) in enumerate(told.calls):
            start = {"toolUse": {"toolUseId": f"tooluse_{number}", "name": name}}
            out.append(event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            out += [delta(index, toolUse={"input": part}) for part in fragments(arguments)]
            out.append(stopped(index))
            index += 1
        out.append(event("messageStop", {"stopReason": stop}))
        out.append(event("metadata", {"metrics": {"latencyMs": 7}, "usage": usage}))
        return out


def wanted_of(body: dict) -> Wanted:
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools", []) if "toolSpec" in tool]
    choice = config.get("toolChoice") or {}
    forced = choice["tool"]["name"] if "tool" in choice else "any" if "any" in choice else ""
    structure = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {})
    schema = json.loads(structure["jsonSchema"]["schema"]) if structure else None
    answers = any("toolResult" in block for block in body["messages"][-1]["content"])
    return Wanted(offered={spec["name"]: spec["inputSchema"]["json"] for spec in specs}, forced=forced, schema=schema, answers_tool=answers)
