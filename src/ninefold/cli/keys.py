"""`ninefold keys create|list|revoke`."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import time

from ninefold.cli.options import add_config, add_json, config_path
from ninefold.cli.output import DONE, WrongUse, pairs, say, table

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST_S = 10 * 366 * 86_400
_ATTRIBUTES = ("product", "workflow", "environment", "feature", "task_id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-verb each."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="create|list|revoke")
    create = verbs.add_parser("create", help="make a key; it is shown once", allow_abbrev=False)
    create.add_argument("--tenant", required=True, help="who pays; a tenant of the configuration")
    create.add_argument("--name", help="how records call it")
    create.add_argument("--expires", metavar="30d", help="after which time it is refused: a number and s, m, h, d or w")
    create.add_argument(
        "--attr", action="append", default=[], metavar="NAME=VALUE", help=f"who its requests are booked to: {', '.join(_ATTRIBUTES)}"
    )
    listing = verbs.add_parser("list", help="list the keys made at run time", allow_abbrev=False)
    listing.add_argument("--tenant", help="only this tenant's")
    revoke = verbs.add_parser("revoke", help="refuse a key from now on, streams in flight included", allow_abbrev=False)
    revoke.add_argument("key_id", metavar="KEY_ID")
    for each in (create, listing, revoke):
        add_config(each)
        add_json(each)


def run(args: argparse.Namespace) -> int:
    """The key was made, listed or revoked."""
    return {"create": _create, "list": _list, "revoke": _revoke}[args.verb](args)


def _create(args: argparse.Namespace) -> int:
    attribution, expires_in_s = _attribution(args.attr), _duration_s(args.expires)
    if args.name is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", args.name) is None:
        raise WrongUse("--name takes at most 63 letters, digits, '.', '_' and '-'", param="name")

    from ninefold.app.process_store import keys_of, with_store  # noqa: PLC0415  # wrong use is told without a database
    from ninefold.http.api_key_facts import facts_of  # noqa: PLC0415  # as above

    held, secret = with_store(
        config_path(args),
        lambda database, _: keys_of(database).create(
            tenant=args.tenant, name=args.name, expires_in_s=expires_in_s, attribution=attribution
        ),
    )
    document = {**facts_of(held), "secret": secret}
    text = f"{pairs(_for_people(document))}\n\nThe secret is shown this once and stored nowhere."
    say(document, text=text, as_json=args.json)
    return DONE


def _list(args: argparse.Namespace) -> int:
    from ninefold.app.process_store import keys_of, with_store  # noqa: PLC0415  # as above
    from ninefold.http.api_key_facts import facts_of  # noqa: PLC0415  # as above

    documents = [facts_of(held) for held in with_store(config_path(args), lambda database, _: keys_of(database).listing(args.tenant))]
    now = time.time()
    rows = [(each["key_id"], each["tenant"], each["name"], _state(each, now), _day(each["created_at"])) for each in documents]
    text = table(("key_id", "tenant", "name", "state", "created"), rows) if rows else "No key was made at run time yet."
    say({"keys": documents}, text=text, as_json=args.json)
    return DONE


def _revoke(args: argparse.Namespace) -> int:
    from ninefold.app.process_store import keys_of, with_store  # noqa: PLC0415  # as above
    from ninefold.http.api_key_facts import facts_of  # noqa: PLC0415  # as above

    document = facts_of(with_store(config_path(args), lambda database, _: keys_of(database).revoke(args.key_id)))
    say(document, text=f"{document['key_id']} of tenant {document['tenant']} is revoked.", as_json=args.json)
    return DONE


def _attribution(given: list[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not value or name not in _ATTRIBUTES or len(value) > 200 or not value.isprintable():
            raise WrongUse(f"--attr takes NAME=VALUE, where NAME is one of {', '.join(_ATTRIBUTES)}; not {each!r}", param="attr")
        found[name] = value
    return tuple(sorted(found.items()))


def _duration_s(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_S:
        raise WrongUse(f"--expires takes a number and s, m, h, d or w, at most ten years, such as 30d; not {text!r}", param="expires")
    return seconds


def _for_people(document: dict[str, object]) -> dict[str, object]:
    shown = {name: document[name] for name in ("secret", "key_id", "name", "tenant")}
    return shown | ({"expires": _day(document["expires_at"])} if document["expires_at"] is not None else {})


def _state(document: dict[str, object], now: float) -> str:
    if document["revoked_at"] is not None:
        return "revoked"
    expires_at = document["expires_at"]
    if isinstance(expires_at, int | float):
        return "expired" if expires_at <= now else f"until {_day(expires_at)}"
    return "in force"


def _day(at: object) -> str:
    assert isinstance(at, int | float)
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%MZ")
