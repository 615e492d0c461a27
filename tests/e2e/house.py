"""`ninefold up` in a folder of its own, for tests."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

PATIENCE_S = 45.0


class Up:
    """A running `python -m ninefold up --json --port 0`; `events` grows as it speaks."""

    def __init__(self, folder: Path, *options: str, environ: dict[str, str] | None = None):
        self.folder = folder
        self.environ = {**os.environ, **(environ or {})}
        with (folder / "log.jsonl").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ninefold", "up", "--json", *(options or ("--port", "0"))],
                cwd=folder,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.events: list[dict] = []
        self._seen = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._seen:
                self.events.append(json.loads(line))
                self._seen.notify_all()
        with self._seen:
            self._ended = True
            self._seen.notify_all()

    def wait_for(self, event: str, *, count: int = 1, **fields) -> dict:
        def found():
            return [seen for seen in self.events if seen["event"] == event and fields.items() <= seen.items()]

        with self._seen:
            self._seen.wait_for(lambda: len(found()) >= count or self._ended, PATIENCE_S)
            assert len(found()) >= count, f"{event} {fields} did not come: {self.events}\n{self.log_text()}"
            return found()[count - 1]

    def url(self, plane: str = "url") -> str:
        return self.wait_for("house.prepared")[plane]

    def ask(self, path: str, *, plane: str = "url", method: str = "GET", body: object = None, key: str | None = None):
        """Status, headers and body (JSON where it is) of one request on a connection of its own."""
        host = self.url(plane).removeprefix("http://")
        with contextlib.closing(http.client.HTTPConnection(host, timeout=PATIENCE_S)) as connection:
            headers = {"authorization": f"Bearer {key}"} if key is not None else {}
            data = None
            if body is not None:
                data = json.dumps(body)
                headers["content-type"] = "application/json"
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            raw = response.read()
            parsed = json.loads(raw) if "json" in (response.getheader("content-type") or "") and raw else raw
            return response.status, response.headers, parsed

    def control(self, path: str, **options):
        return self.ask(path, plane="control_url", key=options.pop("key", self.admin_key()), **options)

    def admin_key(self) -> str:
        return (self.folder / ".ninefold" / "admin.key").read_text().strip()

    def cli(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "ninefold", *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def log_text(self) -> str:
        return (self.folder / "log.jsonl").read_text()

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()


def until(true, *, patience_s: float = PATIENCE_S):
    """What `true` returned once it is truthy."""
    deadline = time.monotonic() + patience_s
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
