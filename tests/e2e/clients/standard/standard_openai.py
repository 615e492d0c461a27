"""The standard suite for ChatOpenAI, through both of OpenAI's protocols, on every vendor."""

from __future__ import annotations

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from surroundings import KEY, MODELS, URL

# Source: their request references have no name beside a role, and no way to keep a model to one call at a time.
NAMELESS = {"on-anthropic", "on-gemini", "on-bedrock"}
PARALLEL_ALWAYS = {"on-gemini", "on-bedrock"}


class _Suite(ChatModelIntegrationTests):
    model_name = ""
    responses = False

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": self.model_name,
            "base_url": URL + "/v1",
            "api_key": KEY,
            "max_retries": 0,
            "stream_usage": True,
            "use_responses_api": self.responses,
        }

    @property
    def supports_image_inputs(self):
        return True

    @property
    def supports_image_urls(self):
        # Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageSource.html: bytes or S3.
        return self.model_name != "on-bedrock"

    @property
    def supports_pdf_inputs(self):
        return True

    @property
    def supports_json_mode(self):
        # Source: docs.anthropic.com/en/docs/build-with-claude/structured-outputs: there is no JSON without a schema.
        return self.model_name in {"on-openai", "on-compatible", "on-azure", "on-gemini"}

    @property
    def supports_model_override(self):
        return True

    @property
    def model_override_value(self):
        return self.model_name


class _Nameless:
    @pytest.mark.xfail(reason="this vendor has no names beside roles: 400 unsupported, `messages[0].name`", strict=True)
    def test_message_with_name(self, model):
        super().test_message_with_name(model)


class _ParallelAlways:
    @pytest.mark.xfail(reason="this vendor cannot be kept to one call at a time: 400 unsupported, `parallel_tool_calls`", strict=True)
    def test_structured_output_pydantic_2_v1(self, model):
        super().test_structured_output_pydantic_2_v1(model)


def bases(name, *, responses):
    """What fits the vendor; the Responses protocol has no names to begin with."""
    fitting = [_Nameless] if name in NAMELESS and not responses else []
    fitting += [_ParallelAlways] if name in PARALLEL_ALWAYS else []
    return (*fitting, _Suite)


for name in MODELS:
    for responses in (False, True):
        title = f"Test{name.removeprefix('on-').title()}{'Responses' if responses else 'Chat'}"
        globals()[title] = type(
            title, bases(name, responses=responses), {"model_name": name, "responses": responses, "__module__": __name__}
        )
