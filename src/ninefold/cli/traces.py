"""`ninefold traces show`."""

from __future__ import annotations

import argparse
import re
from typing import Any, cast

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, WrongUse, say
from ninefold.domain.errors import NotFound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="show")
    show = verbs.add_parser("show", help="show the decision, cost lines, route and tool calls of one request", allow_abbrev=False)
    show.add_argument("trace_id", metavar="TRACE_ID", help="as in x-ninefold-trace-id")
    add_config(show)
    add_json(show)


def run(args: argparse.Namespace) -> int:
    """Everything that the books know under one trace id stands on standard output."""
    if re.fullmatch(r"[0-9a-f]{32}", args.trace_id) is None:
        raise WrongUse("a trace id is 32 hex digits, as in the header x-ninefold-trace-id", param="trace_id")

    from ninefold.app.process_store import books_of, with_store  # noqa: PLC0415  # wrong use is told without a database
    from ninefold.http.api_ledger_facts import trace_facts  # noqa: PLC0415  # as above

    record = with_store(config_path(args), lambda database, _: books_of(database).trace(args.trace_id))
    if not (record.lines or record.decisions or record.answers or record.refusals):
        raise NotFound("the books have nothing under this trace id; a request of the last second may still be on its way there")
    document = trace_facts(args.trace_id, record)
    say(document, text=_for_people(cast("dict[str, Any]", document)), as_json=args.json)
    return DONE


def _for_people(trace: dict[str, Any]) -> str:
    lines = [f"trace {trace['trace_id']}  cost ${trace['cost_usd']}"]
    for decision in trace["decisions"]:
        lines.append(f"decision {decision['decision_id']}: {decision['verdict']} (policy {decision['policy_version']})")
        lines += [f"  {reason['rule']}: {reason['verdict']}, {reason['detail']}" for reason in decision["reasons"]]
    for line in trace["lines"]:
        tokens = f"{line['input_tokens']} in, {line['output_tokens']} out"
        lines.append(f"{line['kind']} {line['attempt_id']}: {line['deployment']}, {line['outcome']}, {tokens}, ${line['cost_usd']}")
    for answer in trace["answers"]:
        took = f"{answer['duration_ms']:.0f} ms"
        lines.append(f"answered {answer['status']} by {answer['deployment']} after {answer['attempts']} attempts, {took}")
        lines += [f"  route {answer['route']}", *(f"  tool call {call}" for call in answer["tool_calls"])]
    lines += [f"refused: {refusal['code']}, {refusal['detail']}" for refusal in trace["refusals"]]
    return "\n".join(lines)
