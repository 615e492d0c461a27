"""Embedding requests of InvokeModel, in the words of the model that is invoked: Amazon's Titan or Cohere's Embed.

Source: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and model-parameters-embed.html.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.embedding import EmbeddingRequest
from ninefold.domain.errors import Unsupported
from ninefold.wire import extra as extras

# Cohere wants to know what the vectors are for, which OpenAI's protocol cannot say: documents, unless the caller adds the member.
_COHERE: extras.Known = {
    "input_type": ('"search_document"', '"search_query"', '"classification"', '"clustering"'),
    "truncate": ('"NONE"', '"START"', '"END"', '"LEFT"', '"RIGHT"'),
}
_TITAN: extras.Known = {"normalize": ("true", "false")}
_MOST_TEXTS = 96


def is_cohere(model: str) -> bool:
    """Whether this model is one of Cohere's."""
    return "cohere." in model


def encode(request: EmbeddingRequest, *, model: str) -> bytes:
    """The request for `model`, which stands in the path. Raises: Unsupported naming the field."""
    if request.token_ids:
        raise Unsupported("Bedrock embeds texts, not token ids.", param="input")
    if request.user is not None:
        raise Unsupported("Bedrock's embeddings have no user; leave it out.", param="user")
    if is_cohere(model):
        if len(request.texts) > _MOST_TEXTS:
            raise Unsupported(f"Cohere embeds at most {_MOST_TEXTS} texts at once.", param="input")
        members: dict[str, object] = {"texts": request.texts, "input_type": "search_document"}
        if request.dimensions is not None:
            if "embed-v4" not in model:
                raise Unsupported(f"The vectors of {model} have one size; leave `dimensions` out.", param="dimensions")
            members["output_dimension"] = request.dimensions
        return msgspec.json.encode(members | extras.write(request.extra, _COHERE, harmless={}, vendor="Bedrock"))
    if "titan-embed-text" not in model:
        raise Unsupported(f"Nobody here knows how {model} embeds; Titan's text models and Cohere's are known.", param="model")
    if len(request.texts) != 1:
        raise Unsupported("Titan embeds one text a request.", param="input")
    members = {"inputText": request.texts[0]}
    if request.dimensions is not None:
        if "v2" not in model:
            raise Unsupported(f"The vectors of {model} have one size; leave `dimensions` out.", param="dimensions")
        members["dimensions"] = request.dimensions
    return msgspec.json.encode(members | extras.write(request.extra, _TITAN if "v2" in model else {}, harmless={}, vendor="Bedrock"))
