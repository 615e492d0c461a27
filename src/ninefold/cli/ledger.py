"""`ninefold ledger lines|replay`."""

from __future__ import annotations

import argparse
import datetime as dt

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, FAILED, WrongUse, say, table

_COLUMNS = ("attempt_id", "kind", "model", "deployment", "outcome", "input_tokens", "output_tokens", "cost_usd", "trace_id")
_FAR_FUTURE = 253_402_300_799.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb each."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="lines|replay")
    lines = verbs.add_parser("lines", help="list the cost lines of a tenant", allow_abbrev=False)
    lines.add_argument("--tenant", required=True)
    lines.add_argument("--start", metavar="TIME", help="admitted at or after, such as 2027-01-31 or 2027-01-31T12:00:00Z (UTC)")
    lines.add_argument("--end", metavar="TIME", help="admitted before")
    lines.add_argument("--limit", type=int, default=100, help="at most (default: %(default)s)")
    replay = verbs.add_parser("replay", help="read every journal from its beginning and compare with the ledger", allow_abbrev=False)
    for each in (lines, replay):
        add_config(each)
        add_json(each)


def run(args: argparse.Namespace) -> int:
    """The lines are listed, or the ledger is compared with the journals; 1 where they differ."""
    return _lines(args) if args.verb == "lines" else _replay(args)


def _lines(args: argparse.Namespace) -> int:
    if not 1 <= args.limit <= 100_000:
        raise WrongUse("--limit takes a number from 1 to 100000", param="limit")
    start, end = _moment(args.start, 0.0, "start"), _moment(args.end, _FAR_FUTURE, "end")

    from ninefold.app.process_store import books_of, with_store  # noqa: PLC0415  # wrong use is told without a database
    from ninefold.http.api_ledger_facts import line_facts  # noqa: PLC0415  # as above

    found = with_store(config_path(args), lambda database, _: books_of(database).statement(args.tenant, start, end, None, args.limit))
    facts = [line_facts(line) for line in found]
    rows = [[each[column] for column in _COLUMNS] for each in facts]
    say({"lines": facts}, text=table(_COLUMNS, rows) if rows else "No line.", as_json=args.json)
    return DONE


def _replay(args: argparse.Namespace) -> int:
    from ninefold.app.process_store import projector_of, with_store  # noqa: PLC0415  # as above
    from ninefold.http.api_ledger_facts import line_facts  # noqa: PLC0415  # as above

    report = with_store(config_path(args), lambda database, data_dir: projector_of(database, data_dir).replay())
    level = not report.missing and not report.different
    document = {
        "level": level,
        "lines": report.lines,
        "missing": [line_facts(line) for line in report.missing],
        "different": [line_facts(line) for line in report.different],
    }
    told = [
        f"{report.lines} lines are right, {len(report.missing)} are missing in the ledger, {len(report.different)} are different there."
    ]
    told += [f"missing    {line.attempt_id} {line.kind} {line.cost_nanos} nanos" for line in report.missing]
    told += [f"different  {line.attempt_id} {line.kind} {line.cost_nanos} nanos in the journal" for line in report.different]
    say(document, text="\n".join(told), as_json=args.json)
    return DONE if level else FAILED


def _moment(text: str | None, default: float, name: str) -> float:
    if text is None:
        return default
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongUse(
            f"--{name} takes a date or a moment, such as 2027-01-31 or 2027-01-31T12:00:00Z, not {text!r}", param=name
        ) from error
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)).timestamp()
