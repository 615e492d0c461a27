"""Starts vendors on loopback and a platform in front of them that knows every model that a client's own tests name.

    python -m tests.conformance.serve openai path/to/openai-python/tests/api_resources

prints the address and the folder, and serves until it is stopped. `docs/guides/conformance.md` has the rest.
"""

from __future__ import annotations

import argparse
import re
import signal
import tempfile
import threading
from pathlib import Path

import yaml

from tests.conformance.vendors import EveryMessage, EveryOpenAiEndpoint
from tests.e2e.platform import Platform

# What the clients' own tests are written with.
SECRETS = {
    "OPENAI_KEY": "sk-vendor",
    "ANTHROPIC_KEY": "ant-vendor",
    "OPENAI_TESTS_KEY": "My API Key",
    "ANTHROPIC_TESTS_KEY": "my-anthropic-api-key",
}
NAMED = re.compile(r"""\b(?:model|model_id)=["']([\w.:-]+)["']|["']((?:ft:)?(?:gpt|claude)-[\w.:-]+)["']""")
OPERATIONS = [
    "chat", "embeddings", "count_tokens", "responses", "completions", "rerank", "moderations", "images", "transcription", "speech",
    "passthrough",
]  # fmt: skip


def configuration(vendors: dict[str, str], *, openai_port: int, anthropic_port: int) -> dict:
    """Every model of `vendors`, by its name the vendor whose deployment answers."""
    price = {"input_per_million": 1.0, "output_per_million": 2.0}
    openai = {
        "name": "openai", "provider": "openai", "base_url": f"http://127.0.0.1:{openai_port}/v1", "api_key": {"env": "OPENAI_KEY"},
        "model": "gpt-5-mini", "operations": OPERATIONS, "price": price,
    }  # fmt: skip
    anthropic = {
        "name": "anthropic", "provider": "anthropic", "base_url": f"http://127.0.0.1:{anthropic_port}",
        "api_key": {"env": "ANTHROPIC_KEY"}, "model": "claude-haiku-4-5", "price": price,
    }  # fmt: skip
    keys = [{"name": name, "secret": {"env": f"{name.upper()}_TESTS_KEY"}} for name in ("openai", "anthropic")]
    return {
        "deployments": [openai, anthropic],
        "models": [{"name": name, "route": {"deployments": [vendor]}} for name, vendor in vendors.items()],
        "tenants": [{"name": "suite", "keys": keys, "models": list(vendors)}],
    }


def models_in(tests: Path) -> list[str]:
    """The models that the tests of a client name."""
    return sorted({a or b for file in tests.rglob("*.py") for a, b in NAMED.findall(file.read_text(encoding="utf-8"))})


def main() -> None:
    """Serves until a signal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vendor", choices=["openai", "anthropic"], help="whose deployment answers")
    parser.add_argument("tests", type=Path, help="the client's tests, for the names of their models")
    chosen = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with EveryOpenAiEndpoint() as openai, EveryMessage() as anthropic, tempfile.TemporaryDirectory() as folder:
        vendors = dict.fromkeys(models_in(chosen.tests), chosen.vendor)
        written = configuration(vendors, openai_port=openai.port, anthropic_port=anthropic.port)
        platform = Platform(Path(folder), yaml.safe_dump(written), env=SECRETS)
        try:
            platform.start(within_s=300.0)
            print(platform.url, folder, flush=True)
            stopped.wait()
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
