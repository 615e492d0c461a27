"""The tools a call offers its model."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.domain.errors import NinefoldError
from ninefold.wire.dialects.surfaces import decode_request


def offered(call: ModelCall) -> dict[str, str]:
    """JSON Schema text by tool name; empty where the request is in a form only its vendor understands."""
    if not call.has_tools:
        return {}
    try:
        return {tool.name: tool.parameters for tool in decode_request(call).tools}
    except NinefoldError:
        return {}
