"""What the supervisor tells a child process when it starts it, and what the child tells back."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

# Below the data directory.
JOURNAL_FOLDER = "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Everything a child needs to start; it travels as one JSON argument, `--boot`.

    `fd` is an inherited socket that already listens: the data plane's for a gateway, the control plane's for control. `index` counts
    the places of a kind from 0; during a rolling restart two processes share one. `worker` names this process among all that are
    alive on all machines, and is used again only after its holder's death was seen. The child writes one byte to `ready_fd` and
    closes it once it serves. `control` is the control plane's base URL. `config` is the path of the configuration file, "" where
    there is none; overrides from the command line travel in the environment. `witness` is the path of the audit log's, "" for none.
    `database_password` is a reference, `env:NAME` or `file:PATH`, never the password: a command line can be read by everybody on the
    machine. From `go_fd` comes one byte once there is a store to start from: until then a child may import, and no more.
    """

    data_dir: str
    database: str
    database_password: str = ""
    fd: int | None = None
    index: int = 0
    workers: int = 1
    control: str = ""
    drain_s: float = 30.0
    worker: str = ""
    ready_fd: int | None = None
    go_fd: int | None = None
    config: str = ""
    witness: str = ""
    log_level: str = "info"

    def to_json(self) -> str:
        """The text that `parse_boot` reads."""
        return json.dumps(asdict(self), separators=(",", ":"))


def parse_boot(argv: Sequence[str] | None = None) -> Boot:
    """The boot given on the command line, returned once the supervisor says that there is a store to start from.

    Members that this version does not know are ignored. Exits with 2 where there is no boot, with 1 where there will be no store.
    """
    parser = argparse.ArgumentParser(description="A process of `ninefold up`; it is started by the supervisor.")
    parser.add_argument("--boot", required=True, help="one JSON object")
    given = parser.parse_args(argv).boot
    known = {field.name for field in fields(Boot)}
    try:
        document = json.loads(given)
        boot = Boot(**{name: value for name, value in document.items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        parser.error(f"--boot is not a boot document: {error}")
    if boot.go_fd is not None:
        # What takes longest at a start are our imports, which are done by now, and the supervisor's work on the store: they overlap.
        said = os.read(boot.go_fd, 1)
        os.close(boot.go_fd)
        if not said:
            parser.exit(1)
    return boot


def announce_ready(boot: Boot) -> None:
    """The supervisor knows that this process serves; does nothing where nobody waits for it."""
    if boot.ready_fd is None:
        return
    try:
        os.write(boot.ready_fd, b"1")
        os.close(boot.ready_fd)
    except OSError:
        # The supervisor stopped waiting, or is gone; then the parent-death signal is on its way.
        return
