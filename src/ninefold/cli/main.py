"""The command line: finds the verb, and imports nothing of the others."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from ninefold.cli.output import FAILED, WRONG_USE, WrongUse, complain
from ninefold.domain.errors import Internal, NinefoldError

VERBS = {
    "up": "start the platform and keep it running",
    "demo": "run the platform, drive real requests through it, and print what happened",
    "doctor": "check this machine and this configuration, and say what to do next",
    "config": "explain the configuration: every value and where it came from",
    "keys": "create, list and revoke API keys",
    "ledger": "read the ledger, or replay it from the journals",
    "audit": "verify the audit log, and prove what happened in one request",
    "traces": "show everything that is known about one request",
    "route": "explain how one request was routed, and why",
    "policy": "check policy files, run their cases, and compare two versions",
    "budgets": "list each budget: its limit, what is spent, what is held",
    "version": "print the version",
}


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving, so that wrong use is reported like everything else."""

    def error(self, message: str) -> NoReturn:
        """Raises: WrongUse, always."""
        raise WrongUse(f"{message}. Try `{self.prog} --help`.")


class Verb(Protocol):
    """A module of this package that holds one verb."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """`parser` knows the verb's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """The exit status. Raises: NinefoldError for what a user can act on."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command line: 0 done, 1 refused or failed, 2 wrong use."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        return _dispatch(words)
    except WrongUse as error:
        complain(error, as_json=as_json)
        return WRONG_USE
    except NinefoldError as error:
        complain(error, as_json=as_json)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # Whoever read us has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # the outermost boundary: a defect of ours is told in one sentence, with a way to see more
        if os.environ.get("NINEFOLD_LOG_LEVEL") == "debug":
            raise
        complain(Internal(f"{type(error).__name__}: {error}. NINEFOLD_LOG_LEVEL=debug shows where."), as_json=as_json)
        return FAILED


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        print(_overview())
        return WRONG_USE if not words else 0
    if words[0] in {"-V", "--version"}:
        words = ["version", *words[1:]]
    if words[0] not in VERBS:
        raise WrongUse(f"there is no verb {words[0]!r}{_nearest(words[0])} Try `ninefold --help`.")
    # Verbs are modules found by name, so that `ninefold --help` imports none of them.
    verb = cast("Verb", importlib.import_module(f"ninefold.cli.{words[0]}"))
    parser = Parser(prog=f"ninefold {words[0]}", description=VERBS[words[0]].capitalize() + ".", allow_abbrev=False)
    verb.add_arguments(parser)
    try:
        args = parser.parse_args(list(words[1:]))
    except SystemExit as leave:  # --help
        return leave.code if isinstance(leave.code, int) else WRONG_USE
    return verb.run(args)


def _overview() -> str:
    width = max(len(name) for name in VERBS)
    verbs = "\n".join(f"  {name:<{width}}  {what}" for name, what in VERBS.items())
    return (
        f"usage: ninefold VERB [--json] …\n\nThe enterprise AI platform in one Python package.\n\nverbs:\n{verbs}\n\n"
        "`ninefold VERB --help` says more. With --json, every verb prints one JSON document, and failures as problem details on\n"
        "standard error. Exit status: 0 done, 1 refused or failed, 2 wrong use."
    )


def _nearest(word: str) -> str:
    import difflib  # noqa: PLC0415  # only a mistake pays for it

    close = difflib.get_close_matches(word, VERBS, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
