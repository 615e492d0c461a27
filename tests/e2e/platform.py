"""The whole platform as an operator starts it, on free ports and a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Platform:
    """`ninefold up` in a subprocess; `logs()` is what it said."""

    def __init__(self, folder: Path, config: str, *, workers: int = 1, roles: str = "", env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port, self.control_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = folder / "data"
        self.config = folder / "ninefold.yaml"
        self.write(config)
        self.env = os.environ | {"NINEFOLD_LOG_LEVEL": "info"} | (env or {})
        self.arguments = ["--config", str(self.config), "--workers", str(workers)] + (["--roles", roles] if roles else [])
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, config: str) -> None:
        head = f"server: {{host: 127.0.0.1, port: {self.port}, control_port: {self.control_port}}}\ndata_dir: {self.data_dir}\n"
        self.config.write_text(head + config)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self, within_s: float = 30.0) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "ninefold", "up", *self.arguments], env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"ninefold up ended with {self.process.returncode}:\n{self.logs()[-4000:]}")
            if self.get("/readyz")[0] == 200:
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready within {within_s} s:\n{self.logs()[-4000:]}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """kill -9 of the supervisor; its children die with it."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        self.process.wait(10)
        for pid in children.values():
            for _ in range(200):
                if not Path(f"/proc/{pid}").exists():
                    break
                time.sleep(0.02)

    def children(self) -> dict[str, int]:
        """Process ids by module and place: `gateway_process`, `control_process`, `worker_process`, and `gateway_process.1` and so on."""
        assert self.process is not None
        found: dict[str, int] = {}
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, listing):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            module = next((w.decode().rpartition(".")[2] for w in words if w.startswith(b"ninefold.app.")), "")
            if not module:
                continue
            name = module
            count = 0
            while name in found:
                count += 1
                name = f"{module}.{count}"
            found[name] = pid
        return found

    def get(self, path: str, *, key: str = "", method: str = "GET", body: object = None, headers: dict[str, str] | None = None):
        """Status, headers and decoded body (text where it is no JSON); status 0 where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {}) | (headers or {})
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, dict(reply.headers), _decoded(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), _decoded(error.read())
        except (OSError, urllib.error.URLError):
            return 0, {}, ""

    def chat(self, key: str, text: str, *, model: str = "fast", **more: object):
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | more
        return self.get("/v1/chat/completions", key=key, method="POST", body=body)

    def admin(self, path: str, *, method: str = "GET", body: object = None):
        return self.get(path, key=(self.data_dir / "admin.key").read_text().strip(), method=method, body=body)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ninefold", *arguments, "--config", str(self.config)]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def logs(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def _decoded(raw: bytes):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
