"""`ninefold demo`."""

from __future__ import annotations

import argparse

from ninefold.cli.options import add_json
from ninefold.cli.output import DONE, FAILED, say, table

_COLUMNS = ("request", "surface", "model", "answered by", "cache", "attempts", "first token ms", "tokens", "cost USD", "trace id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing has to be said."""
    add_json(parser)
    parser.add_argument("--keep", action="store_true", help="keep what the run wrote, in .ninefold/demo")


def run(args: argparse.Namespace) -> int:
    """The demo ran, and everything it promises was seen: 0; else 1, with what was not."""
    from ninefold.app.demo import Demo  # noqa: PLC0415  # a verb imports what it needs when it runs

    demo = Demo(tell=_silent if args.json else print, keep=args.keep)
    demo.run()
    document = demo.document()
    say(document, text=_for_people(demo), as_json=args.json)
    return FAILED if demo.missed else DONE


def _silent(_line: str) -> None:
    """With `--json` the document alone stands on standard output."""


def _for_people(demo: object) -> str:
    from ninefold.app.demo import Demo  # noqa: PLC0415  # as above

    assert isinstance(demo, Demo)
    rows = [
        (r.title, r.surface, r.model, r.deployment, r.cache, r.attempts, round(r.first_token_ms, 1), r.tokens, r.cost_usd, r.trace_id)
        for r in demo.requests
    ]
    lines = ["", table(_COLUMNS, rows), "", *demo.findings]
    if demo.missed:
        lines += ["", "What should have been seen and was not:", *(f"  - {missed}" for missed in demo.missed)]
    return "\n".join(lines)
