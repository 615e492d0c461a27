"""Listening sockets that outlive the processes that serve them."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from ninefold.domain.errors import Conflict, InvalidRequest

BACKLOG = 1024


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket that listens on `host` and `port` (0: any free one). `setting` is what a reader would change, for the error.

    Raises: Conflict where the port is taken, InvalidRequest where the address is not ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise InvalidRequest(
            f"{setting}: {host!r} is not an address of this machine ({error.strerror or error}).", param=setting
        ) from error
    server = socket.socket(family, kind, protocol)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(address)
        server.listen(BACKLOG)
        server.setblocking(False)
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(f"{host}:{port} is in use: stop what listens there, or change {setting}.", param=setting) from error
        raise InvalidRequest(f"{setting}: cannot listen on {host}:{port}: {error.strerror or error}.", param=setting) from error
    return server


def listen_unix(path: Path) -> socket.socket:
    """A listening socket at `path`, for its owner alone; whatever lay there before is replaced at once."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        fresh.unlink(missing_ok=True)
        listening.bind(str(fresh))
        fresh.chmod(0o600)
        listening.listen(256)
        # A rename replaces a predecessor's socket without a moment in which there is none.
        fresh.rename(path)
    except OSError as failure:
        listening.close()
        raise InvalidRequest(
            f"data_dir: cannot listen at {path}: {failure}; a socket's path has at most 107 bytes.", param="data_dir"
        ) from failure
    listening.setblocking(False)
    return listening


def is_free(host: str, port: int) -> bool:
    """Whether `listen` would succeed now."""
    try:
        listen(host, port, setting="port").close()
    except (Conflict, InvalidRequest):
        return False
    return True
