"""The standard suite for OpenAIEmbeddings on the model that Ninefold brings along."""

from __future__ import annotations

from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from surroundings import KEY, URL


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        # The length check would need OpenAI's vocabulary from the internet, for a model that does not have it.
        return {"model": "local/embed", "base_url": URL + "/v1", "api_key": KEY, "max_retries": 0, "check_embedding_ctx_length": False}
