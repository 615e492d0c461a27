"""`ninefold route explain`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from typing import Any, cast

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, WrongUse, say
from ninefold.domain.errors import NotFound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="explain")
    explain = verbs.add_parser("explain", help="say which deployments were looked at, which were tried, and why", allow_abbrev=False)
    explain.add_argument("trace_id", metavar="TRACE_ID", help="as in x-ninefold-trace-id")
    add_config(explain)
    add_json(explain)


def run(args: argparse.Namespace) -> int:
    """How each request under the trace id was routed stands on standard output."""
    if re.fullmatch(r"[0-9a-f]{32}", args.trace_id) is None:
        raise WrongUse("a trace id is 32 hex digits, as in the header x-ninefold-trace-id", param="trace_id")

    from ninefold.app.process_store import books_of, with_store  # noqa: PLC0415  # wrong use is told without a database
    from ninefold.http.api_route_facts import route_facts  # noqa: PLC0415  # as above

    record = with_store(config_path(args), lambda database, _: books_of(database).trace(args.trace_id))
    document = cast("dict[str, Any]", route_facts(args.trace_id, record))
    if not document["requests"]:
        raise NotFound("the books have nothing under this trace id; a request of the last second may still be on its way there")
    say(document, text="\n".join(_for_people(document)), as_json=args.json)
    return DONE


def _for_people(document: dict[str, Any]) -> Iterator[str]:
    yield f"trace {document['trace_id']}  cost ${document['cost_usd']}"
    for request in document["requests"]:
        yield f"request {request['request_id']}: model {request['model']} on {request['surface']}, tenant {request['tenant']}"
        if request["strategy"]:
            yield f"  class {request['class']}, strategy {request['strategy']}"
            yield f"  {request['reason']}"
        for each in request["considered"]:
            yield f"    {'taken   ' if each['taken'] else 'left out'}  {each['deployment']}: {each['why']}"
        for number, each in enumerate(request["attempts"], 1):
            tokens = f"{each['input_tokens']} in, {each['output_tokens']} out"
            took = f"{(each['ended_at'] - each['started_at']) * 1000:.0f} ms"
            yield f"  attempt {number} at {each['deployment']}: {each['outcome']}, {took}, {tokens}, ${each['cost_usd']}"
        for name, value in request["facts"].items():
            yield f"  {name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        if request["status"]:
            yield f"  answered {request['status']} by {request['deployment']} in {request['duration_ms']:.0f} ms"
        yield from (f"  refused: {refusal['code']}, {refusal['detail']}" for refusal in request["refusals"])
