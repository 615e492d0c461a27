"""Writes the configuration under which Ninefold takes part in the public Failover Bench.

    python bench/failover/config.py CATALOGUE [--wall http://127.0.0.1:8401/v1] > ninefold.yaml

CATALOGUE is the bench's `scenarios/catalogue.yaml`. Each of its models becomes a model of ours with a deployment at the wall, and the
wall's healthy model behind it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

# The bench gives everybody up to two retries and one fallback. `commit: complete` holds a stream back until it is whole, so that one that
# breaks can be replaced; `answers_as: vendor` names the deployment's model in the answer, which the bench looks for; a flapping primary is
# probed at least every ten seconds. The wall's clock decides nothing here: no figure is taken from it.
TIMEOUTS = {"connect_s": 5, "first_token_s": 10, "idle_s": 10, "total_s": 90}
RETRIES = {"max_attempts": 3, "per_deployment": 2}


def deployment(name: str, wall: str) -> dict[str, Any]:
    return {
        "name": f"wall-{name}",
        "provider": "openai",
        "base_url": wall,
        "model": name,
        "api_key": {"env": "WALL_KEY"},
        "price": {"input_per_million": 1, "output_per_million": 2},
        "breaker": {"max_cool_down_s": 10},
    }


def model(name: str, fallback: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "route": {"strategy": "priority", "deployments": [f"wall-{each}" for each in (name, fallback) if each]},
        "timeouts": TIMEOUTS,
        "retries": RETRIES,
        "streams": {"commit": "complete"},
        "answers_as": "vendor",
    }


def configuration(catalogue: dict[str, Any], wall: str) -> dict[str, Any]:
    usual = catalogue["default_fallback"]
    scenarios = {each["model"]: each.get("fallback_model", usual) for each in catalogue["scenarios"]}
    fallbacks = sorted({*scenarios.values(), usual})
    return {
        "server": {"host": "127.0.0.1", "port": 8480},
        "data_dir": ".ninefold-failover",
        "deployments": [deployment(name, wall) for name in (*scenarios, *fallbacks)],
        "models": [model(name, fallback) for name, fallback in scenarios.items()] + [model(name, None) for name in fallbacks],
        "tenants": [{"name": "bench", "keys": [{"name": "bench", "secret": {"env": "BENCH_KEY"}}], "models": ["fb-*"]}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--wall", default="http://127.0.0.1:8401/v1", help="base URL of the bench's faulty vendor")
    options = parser.parse_args()
    catalogue = yaml.safe_load(options.catalogue.read_text(encoding="utf-8"))
    print(yaml.safe_dump(configuration(catalogue, options.wall), sort_keys=False), end="")


if __name__ == "__main__":
    main()
