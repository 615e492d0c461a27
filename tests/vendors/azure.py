"""Azure OpenAI: OpenAI's protocol at Azure's addresses, with its key, its versions and its content filter."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.vendors.openai import OpenAiVendor

VERSIONS = {"2024-06-01", "2024-10-21", "2025-04-01-preview"}
PASSED = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}


class AzureVendor(OpenAiVendor):
    """`deployed` maps the names of deployments to the models behind them."""

    def __init__(self, *, key: str = "azure-vendor", deployed: dict[str, str] | None = None) -> None:
        self.deployed = {"prod-chat": "gpt-5-mini", "prod-embed": "text-embedding-3-small"} if deployed is None else deployed
        super().__init__(key=key)

    def routes(self):
        return [
            ("/openai/deployments/{deployment}/chat/completions", self.chat, ["POST"]),
            ("/openai/deployments/{deployment}/embeddings", self.embeddings, ["POST"]),
            ("/openai/v1/chat/completions", self.chat, ["POST"]),
            ("/openai/v1/embeddings", self.embeddings, ["POST"]),
        ]

    def error(self, status, message, kind="invalid_request_error", param=None, headers=None):
        body = {"error": {"message": message, "type": kind, "param": param, "code": str(status)}}
        return JSONResponse(body, status_code=status, headers=headers)

    async def body(self, request: Request) -> dict:
        """The document, with the model that Azure knows behind the deployment; what the caller sent is in `seen`."""
        document = dict(await super().body(request))
        self.address = (request.path_params.get("deployment"), request.query_params.get("api-version"), document.get("model"))
        document["model"] = self.deployed.get(self.address[0] or str(document.get("model")), "")
        return document

    def misaddressed(self, request: Request, document: dict):
        if request.headers.get("api-key") != self.key:
            return self.error(401, "Access denied due to invalid subscription key or wrong API endpoint.")
        deployment, version, _ = self.address
        if deployment is not None and version not in VERSIONS:
            return self.error(404, "Resource not found")
        if deployment is None and version not in {None, "preview", "latest"}:
            return self.error(400, "API version not supported")
        if not document["model"]:
            body = {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}
            return JSONResponse(body, status_code=404)
        return None

    def refused(self, request: Request, body: dict):
        wrong = self.misaddressed(request, body)
        if wrong is not None:
            return wrong
        if "forbidden" in str(body["messages"][-1].get("content")):
            return self.filtered()
        request.scope["headers"] = [*request.scope["headers"], (b"authorization", f"Bearer {self.key}".encode())]
        return super().refused(Request(request.scope, request.receive), body)

    def filtered(self):
        found = PASSED | {"violence": {"filtered": True, "severity": "medium"}, "jailbreak": {"detected": True, "filtered": True}}
        error = {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "type": None, "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found},
        }  # fmt: skip
        return JSONResponse({"error": error}, status_code=400)

    def chunks(self, model, told, finish, usage, **more):
        """Azure opens with the verdict on the prompt; with the asynchronous filter, verdicts on the answer come in chunks of their own."""
        opening = b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
        verdict = (
            b'data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":{},'
            b'"content_filter_offsets":{"check_offset":0,"start_offset":0,"end_offset":9}}]}\n\n'
        )
        made = super().chunks(model, told, finish, usage, **more)
        last = 2 if usage is None else 3
        return [opening, *made[:-last], verdict, made[-last], verdict, *made[-last + 1 :]]

    async def embeddings(self, request: Request):
        body = await self.body(request)
        if (wrong := self.misaddressed(request, body)) is not None:
            return wrong
        raw = await request.body()

        async def replay():
            return {"type": "http.request", "body": raw, "more_body": False}

        request.scope["headers"] = [*request.scope["headers"], (b"authorization", f"Bearer {self.key}".encode())]
        self.seen.pop()
        return await super().embeddings(Request(request.scope, replay))
