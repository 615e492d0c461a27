"""The worker: local models on a Unix socket of their own, so that neither their memory nor their crashes touch the gateway."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from ninefold.adapters.http1.server import HttpServer
from ninefold.adapters.http1.server_state import ServerLimits
from ninefold.adapters.minilm.embedder import MiniLmEmbedder
from ninefold.adapters.openvino.gguf import GgufModel
from ninefold.app.compile import WORKER_SOCKET
from ninefold.app.lifespan import Lifespan
from ninefold.app.logging import Log, route_libraries
from ninefold.app.process_boot import Boot, announce_ready, parse_boot
from ninefold.app.process_socket import listen_unix
from ninefold.app.rule_book import BookOnDisk
from ninefold.domain.errors import Unavailable
from ninefold.http.local_model import LocalModel, ReaderModel
from ninefold.http.local_openai import LocalApi, LocalModels, render_error
from ninefold.http.local_rules import RulesModel
from ninefold.http.local_work import LocalWork

READER = "reader"
RULE_BOOKS = (".yaml", ".yml")
IDLE_UNLOAD_S = 600.0
_SWEEP_S = 5.0
_PR_SET_PDEATHSIG = 1  # Source: prctl(2)


@dataclass(slots=True, kw_only=True)
class LocalShelf:
    """The models of this process. `named` are model files under names of their own; a deployment may also name a file by its path."""

    embedder: MiniLmEmbedder | None
    reader: ReaderModel
    count: Callable[[str], int]
    named: Mapping[str, Path] = field(default_factory=dict[str, Path])
    files: dict[Path, GgufModel] = field(default_factory=dict[Path, GgufModel])
    books: dict[Path, RulesModel] = field(default_factory=dict[Path, RulesModel])

    def find(self, name: str) -> LocalModel | None:
        """The chat model of that name; a file's model is made at its first mention and loaded at its first use."""
        if name == READER:
            return self.reader
        if name.endswith(RULE_BOOKS) and (book := Path(name)).is_absolute():
            return self.books.setdefault(book, RulesModel(BookOnDisk(book).current, self.count))
        path = self.named.get(name) or _model_path(name)
        if path is None:
            return None
        return self.files.setdefault(path, GgufModel(path))

    def names(self) -> list[str]:
        """What can be asked for by name."""
        return [READER, *self.named]

    async def unload_idle(self, idle_s: float, log: Log) -> None:
        """What nobody used for `idle_s` has given its memory back."""
        held = [*self.files.values(), *([self.embedder] if self.embedder is not None else [])]
        for model in held:
            if await asyncio.to_thread(model.unload_idle, idle_s):
                log.info("model.unloaded", kind=type(model).__name__)


def _model_path(name: str) -> Path | None:
    """A model file or an OpenVINO folder by its absolute path; the configuration alone puts such a name into a request."""
    path = Path(name)
    if not path.is_absolute():
        return None
    return path if path.suffix == ".gguf" or (path / "openvino_model.xml").is_file() else None


def make_shelf(data_dir: Path, named: Mapping[str, Path], log: Log) -> LocalShelf:
    """The models that can be served here; without the embedding model the reader ranks by words."""
    try:
        embedder = MiniLmEmbedder(data_dir)
    except Unavailable as missing:
        log.warning("embedder.missing", reason=missing.detail)
        return LocalShelf(embedder=None, reader=ReaderModel(None, _estimated_tokens), count=_estimated_tokens, named=named)

    def count(text: str) -> int:
        try:
            return embedder.count_text_tokens(text)
        except Unavailable:  # reported by the reader, which needs it too
            return _estimated_tokens(text)

    return LocalShelf(embedder=embedder, reader=ReaderModel(embedder, count), count=count, named=named)


def _estimated_tokens(text: str) -> int:
    """Four characters a token: the usual English average, where no tokenizer is at hand."""
    return (len(text) + 3) // 4


async def serve(boot: Boot, named: Mapping[str, Path], idle_unload_s: float, log: Log) -> None:
    """The worker answers on its socket until it is told to end, and what runs then has ended or was cut."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    shelf = await asyncio.to_thread(make_shelf, Path(boot.data_dir), named, log)
    work = LocalWork()
    models = LocalModels(find=shelf.find, names=shelf.names, embedder=shelf.embedder)
    api = LocalApi(models, work, wall=time.time, new_id=lambda: secrets.token_hex(12))
    server = HttpServer(api.handle, render_error, ServerLimits())
    path = Path(boot.data_dir) / WORKER_SOCKET
    await server.listen(socket.socket(fileno=boot.fd) if boot.fd is not None else listen_unix(path))
    lifespan = Lifespan(log)
    lifespan.add("unload", lambda: shelf.unload_idle(idle_unload_s, log), every_s=min(_SWEEP_S, max(idle_unload_s, 0.05)))
    lifespan.start()
    announce_ready(boot)
    log.info("worker.ready", socket=str(path), models=shelf.names())
    await stop.wait()
    log.info("worker.draining", jobs=work.pending)
    cut = await server.drain(boot.drain_s)
    await lifespan.stop()
    work.close()
    log.info("worker.stopped", cut=cut)


def options(argv: Sequence[str]) -> tuple[dict[str, Path], float]:
    """What `--boot` says beyond `Boot`: model files by name (`gguf`), and seconds of idleness before a model leaves (`idle_unload_s`)."""
    document = json.loads(argv[argv.index("--boot") + 1])
    named = {str(name): Path(path).absolute() for name, path in dict(document.get("gguf") or {}).items()}
    return named, float(document.get("idle_unload_s", IDLE_UNLOAD_S))


def end_with_parent() -> None:
    """This process ends when the one that started it does."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def main(argv: Sequence[str] | None = None) -> None:
    """The process's entry."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    boot = parse_boot(arguments)
    named, idle_unload_s = options(arguments)
    end_with_parent()
    log = Log(process=boot.worker or "worker", level=boot.log_level)
    route_libraries(log)
    Path(boot.data_dir).mkdir(parents=True, exist_ok=True, mode=0o700)
    uvloop.run(serve(boot, named, idle_unload_s, log))
    # A native generation that does not heed its cancellation must not hold the process up.
    os._exit(0)


if __name__ == "__main__":
    main()
