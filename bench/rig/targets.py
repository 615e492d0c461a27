"""What is measured beside Ninefold, how each is started, and where it is looked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rig import processes

PATH = "/v1/chat/completions"
MODEL = "mock-1"
KEY = "sk-bench-0123456789"
_UPSTREAM_KEY = "sk-upstream"


@dataclass(slots=True, kw_only=True)
class Target:
    """A started gateway, or the upstream itself. `worker` are the processes whose CPU counts as the gateway's, `tree` all of them.

    `exact` is False for gateways that write streams anew: the number of `data:` lines is then their own.
    """

    name: str
    port: int
    path: str = PATH
    model: str = MODEL
    headers: list[list[str]] = field(default_factory=list)
    worker: list[int] = field(default_factory=list)
    tree: list[int] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    exact: bool = True
    version: str = ""
    note: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def refresh(self) -> None:
        """Processes that came or went since the start are known."""
        if self.process is not None:
            self.tree = processes.tree(self.process.pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a target is to run: its own folder, the upstream's port, the core."""

    folder: Path
    upstream: int
    core: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A gateway of somebody else. `found` is the path that its environment variable or the usual place names, None where there is none."""

    name: str
    install: str
    found: Callable[[], Path | None]
    start: Callable[[Path, Place], Target]
    boot_s: float = 120.0


def _from_environment(variable: str, inside: str, usual: Callable[[], str | None] = lambda: None) -> Callable[[], Path | None]:
    def found() -> Path | None:
        given = os.environ.get(variable)
        path = Path(given) / inside if given else Path(usual() or "/nonexistent")
        return path.absolute() if path.exists() else None

    return found


def _nginx(binary: Path, place: Place) -> Target:
    port = processes.free_port()
    (place.folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid nginx.pid; error_log nginx.err;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream mock {{ server 127.0.0.1:{place.upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""
    )
    command = [str(binary), "-p", str(place.folder), "-c", "nginx.conf", "-e", "nginx.err"]
    process = processes.start(command, place.folder / "log", core=place.core)
    shown = subprocess.run([binary, "-v"], capture_output=True, text=True, check=False).stderr.strip()
    return Target(
        name="nginx", port=port, process=process, version=shown.rpartition("/")[2], note="plain reverse proxy, no keys, no ledger"
    )


def _litellm(binary: Path, place: Place) -> Target:
    port = processes.free_port()
    config = place.folder / "litellm.yaml"
    config.write_text(
        f"""model_list:
  - model_name: {MODEL}
    litellm_params: {{model: openai/{MODEL}, api_base: "http://127.0.0.1:{place.upstream}/v1", api_key: {_UPSTREAM_KEY}}}
general_settings: {{master_key: {KEY}}}
litellm_settings: {{telemetry: false, num_retries: 0}}
"""
    )
    command = [str(binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    process = processes.start(command, place.folder / "log", environ=environ, cwd=place.folder, core=place.core)
    version = _package_version(binary, "litellm")
    return Target(name="litellm", port=port, process=process, exact=False, version=version, note="master key, no database")


def _portkey(script: Path, place: Place) -> Target:
    port = processes.free_port()
    process = processes.start(
        ["node", str(script), "--headless", f"--port={port}"], place.folder / "log", cwd=place.folder, core=place.core
    )
    headers = [["x-portkey-provider", "openai"], ["x-portkey-custom-host", f"http://127.0.0.1:{place.upstream}/v1"]]
    return Target(name="portkey", port=port, process=process, headers=headers, exact=False, note="no keys, no log")


def _mlflow(binary: Path, place: Place) -> Target:
    port = processes.free_port()
    config = place.folder / "mlflow.yaml"
    config.write_text(
        f"""endpoints:
  - name: {MODEL}
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: {MODEL}
      config: {{openai_api_key: {_UPSTREAM_KEY}, openai_api_base: "http://127.0.0.1:{place.upstream}/v1"}}
"""
    )
    command = [str(binary), "gateway", "start", "--config-path", str(config), "--port", str(port), "--workers", "1"]
    environ = {"PATH": f"{binary.parent}:{os.environ.get('PATH', '')}"}
    process = processes.start(command, place.folder / "log", environ=environ, cwd=place.folder, core=place.core)
    version = _package_version(binary, "mlflow")
    return Target(name="mlflow", port=port, process=process, exact=False, version=version, note="no keys, no log")


# The wheel's own gateway is the one that an index of packages can deliver; it chooses its port and tells it.
_TENSORZERO = """import sys, time, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
open(sys.argv[2], "w").write(gateway.base_url)
time.sleep(86400)
"""


def _tensorzero(python: Path, place: Place) -> Target:
    config, told = place.folder / "tensorzero.toml", place.folder / "url"
    config.write_text(
        f"""[gateway]
observability.enabled = false
[models.{MODEL}]
routing = ["up"]
[models.{MODEL}.providers.up]
type = "openai"
model_name = "{MODEL}"
api_base = "http://127.0.0.1:{place.upstream}/v1/"
api_key_location = "none"
"""
    )
    command = [str(python), "-c", _TENSORZERO, str(config), str(told)]
    process = processes.start(command, place.folder / "log", core=place.core)
    if processes.wait_for(lambda: told.exists() and bool(told.read_text()), 60) is None:
        processes.end(process)
        raise RuntimeError(f"TensorZero told no address: see {place.folder / 'log'}")
    base = told.read_text().strip().removeprefix("http://")
    host, _, path = base.partition("/")
    return Target(
        name="tensorzero",
        port=int(host.rpartition(":")[2]),
        path="/" + path.strip("/") + "/chat/completions",
        model=f"tensorzero::model_name::{MODEL}",
        process=process,
        exact=False,
        version=_package_version(python, "tensorzero"),
        note="no keys, no log",
    )


def _package_version(binary: Path, package: str) -> str:
    found = list(binary.parent.parent.glob(f"lib/python*/site-packages/{package}-*.dist-info"))
    return found[0].name.removeprefix(package + "-").removesuffix(".dist-info") if found else ""


PEERS = (
    Peer(
        name="nginx",
        install="apt-get install nginx-light, or NINEFOLD_BENCH_NGINX=FOLDER_OF_THE_BINARY",
        found=_from_environment(
            "NINEFOLD_BENCH_NGINX", "nginx", lambda: shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        ),
        start=_nginx,
    ),
    Peer(
        name="tensorzero",
        install="python3 -m venv V && V/bin/pip install tensorzero; NINEFOLD_BENCH_TENSORZERO=V",
        found=_from_environment("NINEFOLD_BENCH_TENSORZERO", "bin/python"),
        start=_tensorzero,
    ),
    Peer(
        name="mlflow",
        install="python3 -m venv V && V/bin/pip install 'mlflow[gateway]'; NINEFOLD_BENCH_MLFLOW=V",
        found=_from_environment("NINEFOLD_BENCH_MLFLOW", "bin/mlflow", lambda: shutil.which("mlflow")),
        start=_mlflow,
    ),
    Peer(
        name="portkey",
        install="npm install --prefix D @portkey-ai/gateway; NINEFOLD_BENCH_PORTKEY=D",
        found=_from_environment("NINEFOLD_BENCH_PORTKEY", "node_modules/@portkey-ai/gateway/build/start-server.js"),
        start=_portkey,
    ),
    Peer(
        name="litellm",
        install="python3 -m venv V && V/bin/pip install 'litellm[proxy]'; NINEFOLD_BENCH_LITELLM=V",
        found=_from_environment("NINEFOLD_BENCH_LITELLM", "bin/litellm", lambda: shutil.which("litellm")),
        start=_litellm,
    ),
)
