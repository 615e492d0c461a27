"""Amazon Bedrock: Converse, ConverseStream and embeddings by InvokeModel, signed or with an API key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from ninefold.domain.answer import Whole
from ninefold.domain.call import ModelCall, Operation, Wire
from ninefold.domain.chat import ToolCall
from ninefold.domain.errors import NinefoldError, Unavailable, Unsupported
from ninefold.domain.snapshot import Deployment
from ninefold.wire.bedrock.converse import request, response, stream
from ninefold.wire.bedrock.embeddings import request as embeddings_request
from ninefold.wire.bedrock.embeddings import response as embeddings_response
from ninefold.wire.bedrock.eventstream import FrameReader
from ninefold.wire.bedrock.failures import failure
from ninefold.wire.bedrock.sigv4 import Credentials, Request, sign
from ninefold.wire.dialects import embedders, surfaces
from ninefold.wire.dialects.dialect import Outbound, Signer, StreamScan
from ninefold.wire.dialects.translated_scan import TranslatedScan

CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")

# Source: docs.aws.amazon.com/general/latest/gr/bedrock.html, endpoints of the runtime.
_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")


class BedrockDialect:
    """`Dialect` for Bedrock's runtime in one region."""

    stream_type = b"application/vnd.amazon.eventstream"

    def __init__(self, region: str = "") -> None:
        self._region = region

    def at(self, deployment: Deployment) -> BedrockDialect:
        """The dialect of the region that the base URL names, else of the deployment's own."""
        named = _HOST.match(urlsplit(deployment.base_url).hostname or "")
        return BedrockDialect(named.group(1) if named is not None else deployment.region or "")

    def headers(self, api_key: str | None) -> bytes:
        """JSON, and the API key where there is one. Source: docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html."""
        lines = b"content-type: application/json\r\naccept-encoding: identity\r\n"
        return lines if api_key is None else lines + b"authorization: Bearer " + api_key.encode() + b"\r\n"

    def signer(self, credentials: Mapping[str, str], host: str) -> Signer:
        """Signature Version 4 for the service `bedrock`. Raises: Unavailable without a region or one of the two keys."""
        if not _REGION.fullmatch(self._region):
            raise Unavailable("A Bedrock deployment needs AWS's name of its region, as in eu-central-1.")
        names = [name for name in CREDENTIALS[:2] if not credentials.get(name)]
        if names:
            raise Unavailable(f"A Bedrock deployment needs the credential {names[0]}.")
        held = Credentials(
            access_key_id=credentials["access_key_id"],
            secret_access_key=credentials["secret_access_key"],
            session_token=credentials.get("session_token") or None,
        )
        region = self._region

        def signed(method: bytes, target: bytes, content_type: bytes, body: bytes, at: float) -> bytes:
            path, _, query = target.decode("latin-1").partition("?")
            headers = [("host", host), ("content-type", content_type.decode("latin-1"))]
            asked = Request(method=method.decode(), path=path, query=query, body=body, headers=headers)
            lines = sign(asked, held, region=region, service="bedrock", at=at)
            return "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")

        return signed

    def outbound(self, call: ModelCall, model: str, max_output_tokens: int) -> Outbound:
        """A conversation, or texts to embed; the model stands in the path, and so does whether the answer is streamed."""
        if call.operation is Operation.EMBEDDINGS:
            body = embeddings_request.encode(embedders.decode(call), model=model)
            return Outbound(target=_target(model, "invoke"), body=body)
        if call.operation is not Operation.CHAT:
            raise Unsupported(f"Bedrock deployments answer chat and embeddings here; {call.operation.value} needs another deployment.")
        cap = call.max_output_tokens or max_output_tokens
        body = request.encode(surfaces.decode_request(call), model=model, max_output_tokens=cap)
        return Outbound(target=_target(model, "converse-stream" if call.stream else "converse"), body=body)

    def immediate(self, call: ModelCall) -> Whole | None:
        """Token counts: Bedrock counts for a few models only, so the answer is our estimate."""
        if call.operation is not Operation.COUNT_TOKENS:
            return None
        return Whole(body=surfaces.encode_count(call, surfaces.estimate_input(call)))

    def whole(self, call: ModelCall, body: bytes) -> Whole:
        """The answer, translated."""
        if call.operation is Operation.EMBEDDINGS:
            sent = embedders.sent_bytes(embedders.decode(call))
            return embedders.encode(call, embeddings_response.decode(body, model=call.model, sent_bytes=sent))
        result = response.decode(body, result_id=_answer_id(call), model=call.model)
        calls = tuple(part for choice in result.choices for part in choice.parts if isinstance(part, ToolCall))
        return Whole(body=surfaces.encode_response(call, result), usage=result.usage, tool_calls=calls)

    def scan(self, call: ModelCall) -> StreamScan:
        """A reader that translates."""
        return TranslatedScan(call, stream.Decoder(result_id=_answer_id(call), model=call.model), FrameReader())

    def failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[NinefoldError, bool]:
        """See `ninefold.wire.bedrock.failures`."""
        return failure(status, headers, body)


def _target(model: str, verb: str) -> bytes:
    return f"/model/{quote(model, safe='')}/{verb}".encode()


def _answer_id(call: ModelCall) -> str:
    """Bedrock names its answers in a header alone: callers get the id of the trace, in the shape of their own protocol."""
    _, _, rest = call.traceparent.partition("-")
    trace = rest.partition("-")[0] or f"{call.received_at:.6f}".replace(".", "")
    return f"msg_{trace}" if call.wire is Wire.ANTHROPIC else f"chatcmpl-{trace}"
