"""`ninefold doctor`."""

from __future__ import annotations

import argparse
import os

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, FAILED, say

_SIGNS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--json`."""
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """1 where something must be put right before Ninefold can run, else 0."""
    from ninefold.app.doctor import FAIL, examine  # noqa: PLC0415  # `--help` needs none of it

    findings = list(examine(config_path(args), os.environ))
    failed = any(finding.status == FAIL for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.status]}  {finding.check}: {finding.detail}")
        if finding.next:
            lines.append(f"      → {finding.next}")
    document = {"status": "fail" if failed else "ok", "findings": [finding.to_document() for finding in findings]}
    say(document, text="\n".join(lines), as_json=args.json)
    return FAILED if failed else DONE
