"""`python -m ninefold.app.projector_process`: brings a gateway-only machine's journals into the shared ledger, and into its audit log."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import uvloop

from ninefold.app.audit_wiring import CHECK_S, SEQUENCE_S, AuditTrail
from ninefold.app.lifespan import Lifespan
from ninefold.app.logging import Log, route_libraries
from ninefold.app.process_boot import Boot, announce_ready, parse_boot
from ninefold.app.process_database import open_for
from ninefold.app.process_store import projector_of

_PROJECT_S = 0.2


async def serve(boot: Boot, log: Log) -> None:
    """Returns once a signal has come and what was committed until then is in the ledger, if the database answers."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = open_for(boot, os.environ)
    trail = AuditTrail(database, Path(boot.data_dir), alarm=log.error, witness=boot.witness)
    projector = projector_of(database, Path(boot.data_dir), trail.may_delete)
    lifespan = Lifespan(log)
    lifespan.add("ledger", projector.step, every_s=_PROJECT_S)
    lifespan.add("audit", trail.step, every_s=SEQUENCE_S)
    lifespan.add("audit_check", trail.check, every_s=CHECK_S)
    lifespan.start()
    announce_ready(boot)
    await stop.wait()
    await lifespan.stop()
    database.close()
    log.info("projector.stopped")


def main() -> None:
    """The process's entry."""
    boot = parse_boot()
    log = Log(process="projector", level=boot.log_level)
    route_libraries(log)
    uvloop.run(serve(boot, log))


if __name__ == "__main__":
    main()
