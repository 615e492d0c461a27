"""`ninefold audit verify|prove`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, FAILED, WrongUse, say

if TYPE_CHECKING:
    from ninefold.app.audit_read import Verified


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb each."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify|prove")
    verify = verbs.add_parser("verify", help="check the whole audit log, its witness and the ledger", allow_abbrev=False)
    verify.add_argument("--key", metavar="KEY", help="public key that you have kept, or its file (default: signing.pub of the log)")
    verify.add_argument("--folder", metavar="DIR", help="check this copy of an audit folder, and nothing else")
    verify.add_argument("--witness", metavar="FILE", help="with --folder: checkpoints that were kept elsewhere")
    prove = verbs.add_parser("prove", help="print what happened in one request, with its proof of inclusion", allow_abbrev=False)
    prove.add_argument("trace_id", metavar="TRACE_ID", help="as in x-ninefold-trace-id")
    prove.add_argument("--since", metavar="SIZE", type=int, default=0, help="prove too that the log begins with that of so many leaves")
    for each in (verify, prove):
        add_config(each)
        add_json(each)


def run(args: argparse.Namespace) -> int:
    """The log is verified, 1 where anything is wrong with it; or the proof stands on standard output."""
    return _verify(args) if args.verb == "verify" else _prove(args)


def _verify(args: argparse.Namespace) -> int:
    if args.witness and not args.folder:
        raise WrongUse("--witness goes with --folder; the configuration says where the witness of this log is", param="witness")

    from ninefold.app.audit_read import verify_folder, verify_house  # noqa: PLC0415  # wrong use is told without a log

    if args.folder:
        witness = Path(args.witness) if args.witness else None
        if witness is not None and not witness.is_file():
            raise WrongUse(f"there is no file {witness}", param="witness")
        verified = verify_folder(Path(args.folder), args.key, witness)
    else:
        verified = verify_house(config_path(args), args.key)
    report = verified.report
    document = {
        "sound": not report.problems,
        "origin": report.origin,
        "leaves": report.size,
        "root": report.root.hex(),
        "kinds": dict(sorted(report.counts.items())),
        "checkpoints": report.checkpoints,
        "witnessed": report.witnessed,
        "ledger": verified.ledger,
        "problems": [{"where": each.where, "what": each.what} for each in report.problems],
    }
    say(document, text=_for_people(verified), as_json=args.json)
    return FAILED if report.problems else DONE


def _for_people(verified: Verified) -> str:
    report = verified.report
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items())) or "none"
    lines = [
        f"{report.origin}: {report.size} leaves ({kinds})",
        f"root {report.root.hex()}, {report.checkpoints} checkpoints, {report.witnessed} at the witness; ledger: {verified.ledger}",
    ]
    lines += [f"WRONG  {each.where}: {each.what}" for each in report.problems]
    lines.append(f"{len(report.problems)} problems." if report.problems else "Sound.")
    return "\n".join(lines)


def _prove(args: argparse.Namespace) -> int:
    if re.fullmatch(r"[0-9a-f]{32}", args.trace_id) is None:
        raise WrongUse("a trace id is 32 hex digits, as in the header x-ninefold-trace-id", param="trace_id")
    if args.since < 0:
        raise WrongUse("--since takes the size of an older checkpoint", param="since")

    from ninefold.app.audit_read import prove  # noqa: PLC0415  # as above

    proof = prove(config_path(args), args.trace_id, args.since)
    lines = [f"leaf {each.index}: {each.leaf.decode()}\n  proved by {len(each.proof)} hashes" for each in proof.leaves]
    say(proof.document(), text="\n".join([*lines, "", proof.note.rstrip("\n")]), as_json=args.json)
    return DONE
