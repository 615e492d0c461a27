"""Google's Gemini API as its documentation describes it: content, streamed or whole, and token counts; strict about what it takes."""

from __future__ import annotations

import base64
import json

from starlette.requests import Request

from tests.vendors.script import Wanted, reply_to
from tests.vendors.serving import Vendor

KNOWN = {"contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "cachedContent", "labels", "store"}
CONFIG = {
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
    "responseMimeType", "responseSchema", "responseJsonSchema", "responseLogprobs", "logprobs", "thinkingConfig", "responseModalities",
    "mediaResolution", "speechConfig", "enableEnhancedCivicAnswers",
}  # fmt: skip
THINKING = {"includeThoughts", "thinkingBudget", "thinkingLevel"}
DATA = {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"}
BESIDE = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
TOOLS = {"functionDeclarations", "googleSearch", "codeExecution", "urlContext"}
DECLARATION = {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"}
MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}
OPAQUE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "properties"}
METHODS = {"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"}
EMBEDDED = {"model", "content", "taskType", "title", "outputDimensionality"}
STAND_IN = "skip_thought_signature_validator"
WORDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
         500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip


LOGPROBS = {"chosenCandidates": [{"token": "You", "logProbability": -0.25}], "topCandidates": []}


class GeminiVendor(Vendor):
    """Models whose name begins with `gemini-3` sign their calls, name them, and refuse a call of theirs that comes back unsigned."""

    def __init__(self, *, key: str = "goog-vendor") -> None:
        self.key = key
        super().__init__()

    def routes(self):
        return [("/v1beta/models/{rest:path}", self.call, ["POST"])]

    def error(self, status, message, kind="", param=None, headers=None):
        from starlette.responses import JSONResponse

        details = []
        if headers and "retry-after" in headers:
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{headers['retry-after']}s"})
        if param:
            violation = {"field": param, "description": message}
            details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
        if kind:
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": kind, "domain": "googleapis.com"})
        error = {"code": status, "message": message, "status": WORDS.get(status, "INTERNAL"), "details": details}
        return JSONResponse({"error": error}, status_code=status)

    async def body(self, request: Request) -> dict:
        """Both spellings are taken, as every ProtoJSON parser does; Google's own client mixes them."""
        document = camel(await super().body(request))
        self.seen[-1] = (*self.seen[-1][:2], document)
        return document

    async def call(self, request: Request):
        body = await self.body(request)
        fault = self.taken()
        if (reply := await self.before(fault, request)) is not None:
            return reply
        model, _, method = request.path_params["rest"].rpartition(":")
        if request.headers.get("x-goog-api-key") != self.key:
            return self.error(400, "API key not valid. Please pass a valid API key.", kind="API_KEY_INVALID")
        if not model.startswith("gemini-") or method not in METHODS:
            return self.error(404, f"models/{model} is not found for API version v1beta, or is not supported for {method}.")
        if method in {"embedContent", "batchEmbedContents"}:
            return self.embed(model, body, batch=method == "batchEmbedContents")
        if method == "countTokens":
            return self.count(model, body)
        if (said := self.wrong(model, body)) is not None:
            return self.error(400, said)
        return self.answer(model, body, fault, request, stream=method == "streamGenerateContent")

    def embed(self, model, body, *, batch):
        vectors = []
        for each in body["requests"] if batch else [body]:
            if unknown := set(each) - EMBEDDED:
                return self.error(400, f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.')
            if batch and each.get("model") != f"models/{model}":
                return self.error(400, "* BatchEmbedContentsRequest.requests[0].model: unexpected model name format")
            text = "".join(part["text"] for part in each["content"]["parts"])
            vectors.append({"values": [float(len(text)), 0.5, -0.25][: each.get("outputDimensionality", 3)]})
        return self.json({"embeddings": vectors} if batch else {"embedding": vectors[0]})

    def count(self, model, body):
        if set(body) - {"contents", "generateContentRequest"}:
            return self.error(400, f'Invalid JSON payload received. Unknown name "{min(set(body))}": Cannot find field.')
        inner = body.get("generateContentRequest")
        if inner is not None and inner.pop("model", None) != f"models/{model}":
            return self.error(400, "The model in the request differs from the model in the path.")
        asked = inner if inner is not None else body
        if (said := self.wrong(model, asked)) is not None:
            return self.error(400, said)
        return self.json({"totalTokens": len(json.dumps(asked)) // 4 + 1, "promptTokensDetails": []})

    def wrong(self, model, body) -> str | None:
        """What the API would say of a request, None if it would take it."""
        config = body.get("generationConfig") or {}
        thinking = config.get("thinkingConfig") or {}
        for at, found, known in (("", body, KNOWN), ("generation_config", config, CONFIG), ("thinking_config", thinking, THINKING)):
            if unknown := set(found) - known:
                return f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at '{at}': Cannot find field."
        if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
            return "You can only set one of thinking budget and thinking level."
        if "thinkingLevel" in thinking and not model.startswith("gemini-3"):
            return "Thinking level is not supported for this model."
        if "responseSchema" in config and "responseJsonSchema" in config:
            return "Only one of response schema and response json schema may be set."
        if ("responseSchema" in config or "responseJsonSchema" in config) and config.get("responseMimeType") != "application/json":
            return "Response schema requires response mime type to be application/json."
        if not 1 <= config.get("candidateCount", 1) <= 8:
            return "The number of candidates must be between 1 and 8."
        system = body.get("systemInstruction")
        if system is not None and not all(set(part) == {"text"} and part["text"] for part in system["parts"]):
            return "System instruction holds text only."
        return self.wrong_tools(body) or self.wrong_contents(model, body.get("contents") or [])

    def wrong_tools(self, body) -> str | None:
        declared = []
        for tool in body.get("tools") or []:
            if unknown := set(tool) - TOOLS:
                return f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at 'tools'."
            declared += tool.get("functionDeclarations") or []
        for each in declared:
            if unknown := set(each) - DECLARATION:
                return f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at 'tools[0].function_declarations'."
            if "parameters" in each and "parametersJsonSchema" in each:
                return "parameters and parameters_json_schema are mutually exclusive."
        calling = (body.get("toolConfig") or {}).get("functionCallingConfig")
        if calling is not None:
            if not declared:
                return "Function calling config is set without function_declarations."
            if calling.get("mode", "AUTO") not in MODES:
                return f"Invalid value at 'tool_config.function_calling_config.mode': {calling['mode']}"
            if calling.get("allowedFunctionNames") and calling.get("mode") not in {"ANY", "VALIDATED"}:
                return "Allowed function names are for the modes ANY and VALIDATED."
            if set(calling.get("allowedFunctionNames") or []) - {each["name"] for each in declared}:
                return "An allowed function name is not declared."
        return None

    def wrong_contents(self, model, contents) -> str | None:
        if not contents:
            return "* GenerateContentRequest.contents: contents is not specified"
        waiting: list[str] = []
        for number, content in enumerate(contents):
            if content.get("role", "user") not in {"user", "model"}:
                return "Please use a valid role: user, model."
            if not content.get("parts"):
                return f"* GenerateContentRequest.contents[{number}].parts: contents.parts must not be empty."
            if (said := self.wrong_parts(model, content["parts"], f"contents[{number}]")) is not None:
                return said
            answers = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
            if sorted(answers) != sorted(waiting):
                return "Please ensure that the number of function response parts is equal to the number of function call parts."
            waiting = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        return "A function call has no function response." if waiting else None

    def wrong_parts(self, model, parts, at) -> str | None:
        unsigned = True
        for part in parts:
            if unknown := set(part) - DATA - BESIDE:
                return f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at '{at}.parts'."
            if len(set(part) & DATA) != 1:
                return f"{at}.parts: required oneof field 'data' must have one initialized field"
            signature = part.get("thoughtSignature")
            if signature is not None and signature != STAND_IN:
                decoded = base64.b64decode(signature.replace("-", "+").replace("_", "/"))
                if not decoded.startswith(b"signed by gemini"):
                    return "Thought signature is not valid."
            if part.get("text") == "" and signature is None:
                return f"{at}.parts: Unable to submit request because it must have a text parameter."
            if "inlineData" in part and set(part["inlineData"]) - {"mimeType", "data"}:
                return f"Invalid JSON payload received. Unknown name at '{at}.parts[0].inline_data'."
            if "functionCall" in part:
                assert isinstance(part["functionCall"].get("args", {}), dict)
                if unsigned and signature is None and model.startswith("gemini-3"):
                    return "Function call is missing a thought_signature in functionCall parts."
                unsigned = False
            if "functionResponse" in part:
                assert isinstance(part["functionResponse"]["response"], dict)
        return None

    def answer(self, model, body, fault, request, *, stream):
        config = body.get("generationConfig") or {}
        mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode", "AUTO")
        text = " ".join(self.words(part) for part in body["contents"][-1]["parts"])
        told = reply_to(text, tools=bool(body.get("tools")) and mode != "NONE", wanted=wanted_of(body, config))
        told.stopped_by(config.get("stopSequences") or [])
        thoughts = len(told.thoughts.split())
        produced = max(1, len(told.words) + sum(len(a) // 4 + 4 for _, a in told.calls))
        finish = "SAFETY" if told.refusal else "STOP"
        cap = config.get("maxOutputTokens", 10**9)
        if produced > cap:
            told.words, finish, produced = told.words[:cap], "MAX_TOKENS", cap
        usage = {"promptTokenCount": len(json.dumps(body["contents"])) // 4 + 1, "candidatesTokenCount": produced}
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
        if "cached" in text:
            usage["cachedContentTokenCount"] = 8
        usage["totalTokenCount"] = usage["promptTokenCount"] + produced + thoughts
        parts = self.parts(model, told, shown=(config.get("thinkingConfig") or {}).get("includeThoughts", False))
        shared = {"modelVersion": model + "-001", "responseId": "resp-1"}
        if stream and request.query_params.get("alt") == "sse":
            error = {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}
            return self.stream(self.chunks(parts, finish, usage, shared, config), fault, _event({"error": error}))
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        logs = {"logprobsResult": LOGPROBS} if config.get("responseLogprobs") else {}
        candidates = [content | logs | {"finishReason": finish, "index": n} for n in range(config.get("candidateCount", 1))]
        whole = {"candidates": candidates, "usageMetadata": usage} | shared
        return self.json([whole] if stream else whole)

    def words(self, part) -> str:
        if "functionResponse" in part:
            return json.dumps(part["functionResponse"]["response"], ensure_ascii=False)
        return part.get("text") or f"<{min(set(part) & DATA)}>"

    def parts(self, model, told, *, shown):
        signs = model.startswith("gemini-3")
        parts = [{"text": told.thoughts, "thought": True}] if told.thoughts and shown else []
        if told.text:
            parts.append({"text": told.text})
        for number, (name, arguments) in enumerate(told.calls):
            part = {"functionCall": {"name": name, "args": json.loads(arguments)} | ({"id": f"fc-{number}"} if signs else {})}
            if signs and number == 0:
                part["thoughtSignature"] = base64.b64encode(b"signed by gemini \xff\xfe\xfa").decode()
            parts.append(part)
        return parts

    def chunks(self, parts, finish, usage, shared, config):
        out = []
        counts = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": usage["promptTokenCount"]}
        logs = {"logprobsResult": LOGPROBS} if config.get("responseLogprobs") else {}
        for index in range(config.get("candidateCount", 1)):
            for part in parts:
                pieces = [part | {"text": word} for word in part["text"].split(" ")] if part.get("thought") else [part]
                if "text" in part and not part.get("thought"):
                    words = part["text"].split(" ")
                    pieces = [{"text": word if n == 0 else " " + word} for n, word in enumerate(words) if word or n]
                for piece in pieces:
                    candidate = {"content": {"parts": [piece], "role": "model"}, "index": index}
                    out.append(_event({"candidates": [candidate], "usageMetadata": counts} | shared))
            last = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": finish, "index": index} | logs
            out.append(_event({"candidates": [last], "usageMetadata": usage} | shared))
        return out


def wanted_of(body: dict, config: dict) -> Wanted:
    declared = [each for tool in body.get("tools") or [] for each in tool.get("functionDeclarations") or []]
    tools = {each["name"]: each.get("parametersJsonSchema") or each.get("parameters") or {} for each in declared}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    forced = (calling.get("allowedFunctionNames") or ["any"])[0] if calling.get("mode") == "ANY" else ""
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = {}
    answers = any("functionResponse" in part for part in body["contents"][-1]["parts"])
    return Wanted(offered=tools, forced=forced, schema=schema, answers_tool=answers)


def camel(found):
    if isinstance(found, list):
        return [camel(item) for item in found]
    if not isinstance(found, dict):
        return found
    named = {_camel(name): value for name, value in found.items()}
    return {name: value if name in OPAQUE else camel(value) for name, value in named.items()}


def _camel(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in more)


def _event(document) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\r\n\r\n"
