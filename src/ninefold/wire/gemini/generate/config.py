"""How the answer is drawn and in which shape: `generationConfig`.

Source: ai.google.dev/api/generate-content#GenerationConfig.
"""

from __future__ import annotations

import msgspec

from ninefold.domain.chat import OutputFormat, OutputKind, Sampling
from ninefold.domain.errors import InvalidRequest, Unsupported
from ninefold.wire.gemini.camel_object import CamelObject
from ninefold.wire.gemini.generate import schema
from ninefold.wire.json_object import Extra
from ninefold.wire.output_schema import described

HARMLESS = {
    "responseModalities": (["TEXT"], ["text"], []),
    "responseLogprobs": (False,),
    "mediaResolution": ("MEDIA_RESOLUTION_UNSPECIFIED",),
}
_JSON = "application/json"


def read_sampling(config: CamelObject) -> Sampling:
    """The sampling. Log probabilities are left where they are: no translated answer has a place for them."""
    return Sampling(
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.whole_number("topK"),
        stop=config.texts("stopSequences"),
        seed=config.whole_number("seed"),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
    )


def read_output(config: CamelObject, extra: Extra) -> OutputFormat:
    """The output format. Raises: InvalidRequest."""
    kind = config.text("responseMimeType")
    own, standard = config.kind("responseSchema"), config.kind("responseJsonSchema")
    if own and standard:
        raise InvalidRequest("A schema is given in one way only.", param=config.at("responseSchema"))
    text = ""
    if own:
        text = schema.to_json_schema(config.need_schema("responseSchema"), config.at("responseSchema"))
    elif standard:
        text = config.need_schema("responseJsonSchema")
    if kind in {None, "", "text/plain"} and not text:
        return OutputFormat()
    if kind != _JSON:
        if text:
            raise InvalidRequest("A schema needs `responseMimeType` to be application/json.", param=config.at("responseMimeType"))
        extra.append((config.at("responseMimeType"), msgspec.json.encode(kind).decode()))
        return OutputFormat()
    if not text:
        return OutputFormat(kind=OutputKind.JSON_OBJECT)
    # Gemini always keeps to the schema; elsewhere that is to be asked for and not every schema may be.
    return OutputFormat(kind=OutputKind.JSON_SCHEMA, schema=text, strict=True if schema.is_closed_text(text) else None)


def write(sampling: Sampling, output: OutputFormat) -> dict[str, object]:
    """The members. Raises: Unsupported."""
    if sampling.logprobs or sampling.top_logprobs:
        raise Unsupported("Log probabilities cannot be translated; ask a model of your own protocol's vendor.", param="logprobs")
    found: dict[str, object] = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "stopSequences": sampling.stop or None,
        "seed": sampling.seed,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
    }
    written = {name: value for name, value in found.items() if value is not None}
    if output.kind is not OutputKind.TEXT:
        written["responseMimeType"] = _JSON
    if output.schema is not None:
        written["responseJsonSchema"] = msgspec.Raw(described(output))
    return written
