"""`ninefold up`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ninefold.cli.options import add_config, config_path
from ninefold.cli.output import WrongUse

if TYPE_CHECKING:
    from ninefold.app.logging import Log

_SETTINGS = {"host": "server.host", "port": "server.port", "workers": "server.workers"}
_ROLES = ("gateway", "control", "worker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be said of one run without writing it into the file."""
    add_config(parser)
    parser.add_argument("--host", help="address to listen on (server.host)")
    parser.add_argument("--port", type=int, help="port of the data plane (server.port); control takes the next one")
    parser.add_argument("--workers", type=int, help="gateway processes (server.workers)")
    parser.add_argument("--roles", default=",".join(_ROLES), help="which processes to run here (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON line an event on standard output")


def run(args: argparse.Namespace) -> int:
    """The exit status, once everything has ended."""
    from ninefold.app.logging import Log, level_from  # noqa: PLC0415  # a verb imports what it needs when it runs
    from ninefold.app.process_house import prepare  # noqa: PLC0415  # as above
    from ninefold.app.supervisor import Supervisor  # noqa: PLC0415  # as above

    roles = tuple(dict.fromkeys(role.strip() for role in args.roles.split(",") if role.strip()))
    unknown = sorted(set(roles) - set(_ROLES))
    if unknown or not roles:
        raise WrongUse(f"--roles takes {', '.join(_ROLES)}, separated by commas; not {', '.join(unknown) or 'nothing'}", param="roles")
    overrides = {setting: getattr(args, name) for name, setting in _SETTINGS.items() if getattr(args, name) is not None}
    level = level_from(os.environ)
    report = _reporter(Log(process="supervisor", level=level), as_json=args.json)
    prepared = prepare(config_path(args), os.environ, overrides, roles, log_level=level, report=report)
    for setting, value in overrides.items():
        # Control reads the file again whenever it changes: what this command line says must hold then too.
        os.environ["NINEFOLD__" + setting.upper().replace(".", "__")] = str(value)
    facts = {"url": prepared.url, "control_url": prepared.control_url, "data_dir": str(prepared.data_dir)}
    if prepared.new_admin_key is not None:
        facts["admin_key_file"] = str(prepared.new_admin_key)
    report("house.prepared", **facts)
    try:
        return Supervisor(prepared.house, _telling(report, facts, as_json=args.json)).run()
    finally:
        prepared.lock.release()


def _reporter(log: Log, *, as_json: bool) -> Callable[..., None]:
    """Events go to standard output as JSON lines, or into the log."""

    def report(event: str, **fields: object) -> None:
        if as_json:
            print(json.dumps({"event": event, **fields}, ensure_ascii=False, default=str), flush=True)
        elif event in {"config.warned", "store.unavailable", "restart.abandoned", "process.killed", "house.hopeless"}:
            log.warning(event, **fields)
        elif event == "process.ended" and not fields.get("expected"):
            log.error(event, **fields)
        elif event.startswith("process."):
            log.debug(event, **fields)
        else:
            log.info(event, **fields)

    return report


def _telling(report: Callable[..., None], facts: dict[str, str | None], *, as_json: bool) -> Callable[..., None]:
    """`report`, and a short message to a person once the first gateway serves (control, where there is no gateway)."""
    awaited = "gateway.ready" if facts["url"] else "house.ready"

    def tell(event: str, **fields: object) -> None:
        report(event, **fields)
        if event == awaited and not as_json:
            print(_welcome(facts), file=sys.stdout, flush=True)

    return tell


def _welcome(facts: dict[str, str | None]) -> str:
    lines = ["Ninefold is up." if facts["url"] is None else f"Ninefold is up: {facts['url']}/v1"]
    if facts["control_url"] is not None:
        lines.append(f"  control    {facts['control_url']}/api/openapi.json")
    if facts.get("admin_key_file") is not None:
        lines.append(f"  admin key  {facts['admin_key_file']} (made just now; keep it safe)")
    lines.append("  API keys   ninefold keys create --tenant TENANT")
    lines.append("  Ctrl-C finishes what runs, then stops; twice stops at once.")
    return "\n".join(lines)
