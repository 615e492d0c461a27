"""The standard suite for ChatAnthropic on every vendor."""

from __future__ import annotations

from langchain_anthropic import ChatAnthropic
from langchain_tests.integration_tests import ChatModelIntegrationTests
from surroundings import KEY, MODELS, URL


class _Suite(ChatModelIntegrationTests):
    model_name = ""

    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"model": self.model_name, "base_url": URL, "api_key": KEY, "max_retries": 0, "max_tokens": 1000}

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
    def supports_model_override(self):
        return True

    @property
    def model_override_value(self):
        return self.model_name


for name in MODELS:
    title = f"Test{name.removeprefix('on-').title()}"
    globals()[title] = type(title, (_Suite,), {"model_name": name, "__module__": __name__})
