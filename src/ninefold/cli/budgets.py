"""`ninefold budgets list`."""

from __future__ import annotations

import argparse

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, say, table

_COLUMNS = ("tenant", "window", "limit_usd", "spent_usd", "outstanding_usd", "left_usd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list")
    listing = verbs.add_parser("list", help="list each budget: its limit, what is spent, what is held, what is left", allow_abbrev=False)
    listing.add_argument("--tenant", help="only this tenant's")
    add_config(listing)
    add_json(listing)


def run(args: argparse.Namespace) -> int:
    """Every budget in its current window stands on standard output."""
    from ninefold.app.process_store import books_of, with_store  # noqa: PLC0415  # `--help` needs no database
    from ninefold.http.api_ledger_facts import budget_facts  # noqa: PLC0415  # as above

    found = [budget_facts(each) for each in with_store(config_path(args), lambda database, _: books_of(database).budgets(args.tenant))]
    rows = [[each[column] for column in _COLUMNS] for each in found]
    say({"budgets": found}, text=table(_COLUMNS, rows) if rows else "No tenant has a budget.", as_json=args.json)
    return DONE
