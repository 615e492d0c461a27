"""`ninefold config explain`."""

from __future__ import annotations

import argparse
import os

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, say, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="explain")
    explain = verbs.add_parser("explain", help="print every value and where it came from", allow_abbrev=False)
    add_config(explain)
    add_json(explain)


def run(args: argparse.Namespace) -> int:
    """Every value stands on standard output; secrets as the references they are."""
    from ninefold.app.config import load_config  # noqa: PLC0415  # `--help` needs no Pydantic
    from ninefold.app.config_explain import explain  # noqa: PLC0415  # as above

    path = config_path(args)
    rows = explain(load_config(path, os.environ))
    document = {
        "file": str(path) if path is not None else None,
        "values": [{"path": name, "value": value, "source": source} for name, value, source in rows],
    }
    say(document, text=table(("setting", "value", "from"), rows), as_json=args.json)
    return DONE
