"""`ninefold version`."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform

from ninefold.cli.output import DONE, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """The version stands on standard output."""
    version = importlib.metadata.version("ninefold")
    document = {"name": "ninefold", "version": version, "python": platform.python_version()}
    say(document, text=f"ninefold {version} (Python {platform.python_version()})", as_json=args.json)
    return DONE
