"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

DEFAULT_FILE = "ninefold.yaml"


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, problem details on standard error")


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`."""
    parser.add_argument(
        "--config", metavar="FILE", help=f"the configuration; NINEFOLD_CONFIG, then {DEFAULT_FILE} if it exists, else the embedded defaults"
    )


def config_path(args: argparse.Namespace) -> Path | None:
    """The file that the arguments, the environment or the working directory name; None for the embedded defaults."""
    named = args.config or os.environ.get("NINEFOLD_CONFIG")
    if named:
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None
