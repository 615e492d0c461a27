"""Azure OpenAI: OpenAI's protocol at another address, with another credential and a content filter of its own."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec

from ninefold.domain.call import ModelCall, Operation
from ninefold.domain.errors import InvalidRequest, NinefoldError
from ninefold.domain.snapshot import Deployment
from ninefold.wire.dialects.dialect import Outbound
from ninefold.wire.dialects.openai import OpenAiDialect
from ninefold.wire.json_members import encode, members

# Source: learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: the v1 API has no dated versions; before it, every request
# named one. `max_completion_tokens` came with 2024-09-01-preview, and models that reason take nothing else.
_UNDATED = {None, "", "v1", "preview", "latest"}
_COMPLETION_TOKENS_SINCE = "2024-09-01"


class _Verdict(msgspec.Struct):
    filtered: bool = False
    detected: bool = False
    severity: str = ""


class _Inner(msgspec.Struct):
    content_filter_result: dict[str, msgspec.Raw] = {}


class _Error(msgspec.Struct):
    code: str | int | None = None
    param: str | None = None
    innererror: _Inner | None = None


class _Envelope(msgspec.Struct):
    error: _Error


_envelope = msgspec.json.Decoder(_Envelope)
_verdict = msgspec.json.Decoder(_Verdict)


class AzureDialect(OpenAiDialect):
    """`Dialect` for Azure OpenAI; the vendor's name of a model is the name of its deployment there."""

    def __init__(self, model: str = "", base_path: str = "", api_version: str | None = None) -> None:
        # A base URL may be the resource's address alone, or already say /openai or /openai/v1.
        said = base_path.rstrip("/")
        self._dated = api_version not in _UNDATED and not said.endswith("/v1")
        self._query = f"api-version={quote(api_version, safe='')}".encode() if api_version and api_version != "v1" else b""
        self._completion_tokens = not self._dated or (api_version or "") >= _COMPLETION_TOKENS_SINCE
        self._said = next((each for each in (b"/openai/v1", b"/openai") if said.encode().endswith(each)), b"")
        root = "" if self._said else "/openai"
        if self._dated:
            self._root = f"{root}/deployments/{quote(model, safe='')}".encode()
        else:
            self._root = (root + ("" if said.endswith("/v1") else "/v1")).encode()

    def at(self, deployment: Deployment) -> AzureDialect:
        """The dialect of the deployment's version of the API."""
        return AzureDialect(deployment.model, urlsplit(deployment.base_url).path, deployment.api_version)

    def headers(self, api_key: str | None) -> bytes:
        """JSON and the key."""
        lines = b"content-type: application/json\r\naccept-encoding: identity\r\n"
        return lines if api_key is None else lines + b"api-key: " + api_key.encode() + b"\r\n"

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """OpenAI's request."""
        made = super().outbound(call, model, max_output_tokens)
        if call.operation is Operation.CHAT and self._completion_tokens:
            made.body = _capped(made.body)
        return made

    def address(self, target: bytes) -> bytes:
        """The deployment's own address where the version of the API is dated, else the one of all; a path of Azure's stays as it is."""
        path, _, query = target.partition(b"?")
        if not path.startswith(b"/openai/"):
            path = self._root + path
        elif self._said and path.startswith(self._said + b"/"):
            path = path[len(self._said) :]
        queries = [query] if query else []
        if self._query and query.find(b"api-version=") < 0:
            queries.append(self._query)
        return path + b"?" + b"&".join(queries) if queries else path

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """OpenAI's errors, and the content filter's, which names the categories."""
        if status == 400:
            filtered = _filtered(body)
            if filtered is not None:
                return filtered, False
        return super().failure(status, headers, body)


def _capped(body: bytes) -> bytes:
    """The body with its cap under its newer name: the name of an Azure deployment does not tell which model it is."""
    if body.find(b'"max_tokens"') < 0:
        return body
    fields = members(body)
    cap = fields.pop("max_tokens", None)
    if cap is None:
        return body
    fields.setdefault("max_completion_tokens", cap)
    return encode(fields)


def _filtered(body: bytes) -> InvalidRequest | None:
    """The refusal, where the content filter made it.

    Source: learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter, scenario details.
    """
    try:
        error = _envelope.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if error.code != "content_filter":
        return None
    found: list[str] = []
    for name, raw in (error.innererror or _Inner()).content_filter_result.items():
        try:
            verdict = _verdict.decode(raw)
        except msgspec.MsgspecError:
            continue  # a custom blocklist's details have another shape
        if verdict.filtered or verdict.detected:
            found.append(f"{name} ({verdict.severity})" if verdict.severity else name)
    why = f": {', '.join(found)}" if found else ""
    return InvalidRequest(f"The upstream's content filter refused the prompt{why}. Change the prompt to go on.", param=error.param)
