"""`python -m ninefold.app.control_process`: the control plane's process."""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import FrameType

import uvicorn
import uvloop

from ninefold.app.control import Control, listener_of
from ninefold.app.logging import Log, route_libraries
from ninefold.app.process_boot import Boot, announce_ready, parse_boot

_LEAVE_WITHIN_S = 5


class _Server(uvicorn.Server):
    """Tells the supervisor when it serves."""

    def __init__(self, config: uvicorn.Config, boot: Boot) -> None:
        super().__init__(config)
        self._boot = boot

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        announce_ready(self._boot)


async def serve(boot: Boot, log: Log) -> None:
    """Returns once a signal has ended the server, and everything is closed."""
    control = Control(boot, os.environ, log)
    config = uvicorn.Config(
        control.api,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_LEAVE_WITHIN_S,
    )
    control.start()
    try:
        await _Server(config, boot).serve([listener_of(boot)])
    finally:
        await control.stop()
        log.info("control.stopped")


def main() -> int:
    """The exit status: 0 after an orderly end."""
    boot = parse_boot()
    log = Log(process="control", level=boot.log_level)
    route_libraries(log)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has shut down; then there is nothing left to do.
        signal.signal(number, _nothing_more)
    uvloop.run(serve(boot, log))
    return 0


def _nothing_more(number: int, frame: FrameType | None) -> None:
    del number, frame


if __name__ == "__main__":
    sys.exit(main())
