"""A stand-in for each process that the supervisor keeps: it obeys the boot document, and misbehaves where the environment asks.

Run as a script: `house` is a supervisor over such children, anything else is one of them.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def child(kind: str) -> None:
    from ninefold.app.process_boot import announce_ready, parse_boot

    boot = parse_boot(sys.argv[2:])
    folder = Path(boot.data_dir)
    if (folder / f"{kind}.broken").exists():
        sys.exit(3)
    stopping = threading.Event()

    def leave(*_):
        (folder / f"{kind}.left").write_text(str(time.monotonic()))
        stopping.set()

    signal.signal(signal.SIGTERM, signal.SIG_IGN if (folder / f"{kind}.deaf").exists() else leave)
    announce_ready(boot)
    if boot.fd is None:
        stopping.wait()
        return
    listener = socket.socket(fileno=boot.fd)
    listener.settimeout(0.02)
    while not stopping.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        except BlockingIOError:
            time.sleep(0.005)
            continue
        connection.settimeout(2)
        connection.recv(4096)
        connection.sendall(json.dumps({"pid": os.getpid(), "worker": boot.worker}).encode())
        connection.close()


def house(data_dir: str, gateways: str, drain_s: str) -> int:
    from ninefold.app.process_boot import Boot
    from ninefold.app.process_child import CONTROL, GATEWAY, WORKER
    from ninefold.app.process_socket import listen
    from ninefold.app.supervisor import House, Supervisor

    def report(event, **fields):
        print(json.dumps({"event": event, **fields}), flush=True)

    listener = listen("127.0.0.1", 0, setting="server.port")
    report("listening", port=listener.getsockname()[1])
    this = [sys.executable, __file__]
    supervisor = Supervisor(
        House(
            boot=Boot(data_dir=data_dir, database="sqlite", drain_s=float(drain_s)),
            node="here",
            counts={GATEWAY: int(gateways), CONTROL: 1, WORKER: 1},
            sockets={GATEWAY: listener},
            commands={kind: [*this, kind] for kind in (GATEWAY, CONTROL, WORKER)},
        ),
        report,
    )
    return supervisor.run()


if __name__ == "__main__":
    if sys.argv[1] == "house":
        sys.exit(house(*sys.argv[2:]))
    child(sys.argv[1])
