"""Ninefold as an operator runs it: `ninefold up` with a file of its own, everything on."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rig import processes
from rig.targets import KEY, MODEL, PATH, Target

GATEWAY = "ninefold.app.gateway_process"
_READY_S = 60.0


@dataclass(slots=True, kw_only=True)
class House:
    """A running `ninefold up`. `ready_s` is the time from the start of the command to the first 200 of `/readyz`."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    ready_s: float

    @property
    def tree(self) -> list[int]:
        return processes.tree(self.process.pid)

    @property
    def gateway(self) -> list[int]:
        """The gateway workers: the processes that answer the data plane's port."""
        return [pid for pid in self.tree if GATEWAY in processes.command_line(pid)]

    def target(self) -> Target:
        return Target(
            name="ninefold",
            port=self.port,
            path=PATH,
            process=self.process,
            worker=self.gateway,
            tree=self.tree,
            note="keys, policy, price, hard budget, limits, ledger, journal, event log on",
        )


def write_config(folder: Path, upstream: int) -> None:
    """`ninefold.yaml` in `folder`: one deployment with a price, one tenant with a key, hard budgets and limits too large to refuse."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ninefold.yaml").write_text(
        f"""server: {{host: 127.0.0.1, workers: 1}}
data_dir: data
deployments:
  - name: mock
    provider: openai
    base_url: http://127.0.0.1:{upstream}/v1
    api_key: {{env: BENCH_UPSTREAM_KEY}}
    model: {MODEL}
    region: eu
    price: {{input_per_million: 0.25, cached_input_per_million: 0.025, output_per_million: 2.00}}
models:
  - name: {MODEL}
    route: {{strategy: priority, deployments: [mock]}}
    timeouts: {{first_token_s: 20, idle_s: 20, total_s: 120}}
    retries: {{max_attempts: 3}}
tenants:
  - name: acme
    keys: [{{name: bench, secret: {{env: BENCH_KEY}}}}]
    models: [{MODEL}]
    budgets: [{{limit_usd: 1000000.00, window: month}}]
    limits: {{requests_per_minute: 100000000, tokens_per_minute: 100000000000, concurrent_requests: 100000}}
"""
    )


def start(folder: Path) -> House:
    """A house that answers `/readyz`, from the configuration in `folder`. Raises: RuntimeError with the end of its log."""
    port = processes.free_port(pair=True)
    log = folder / "log"
    command = [sys.executable, "-m", "ninefold", "up", "--config", str(folder / "ninefold.yaml"), "--port", str(port)]
    began = time.perf_counter()
    process = processes.start(command, log, environ={"BENCH_KEY": KEY, "BENCH_UPSTREAM_KEY": "sk-upstream"}, cwd=folder)

    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"ninefold up ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        return processes.answers(f"http://127.0.0.1:{port}/readyz") is not None

    if processes.wait_for(ready, _READY_S) is None:
        processes.end(process)
        raise RuntimeError(f"no /readyz within {_READY_S:.0f} s:\n{log.read_text()[-3000:]}")
    return House(process=process, folder=folder, port=port, ready_s=time.perf_counter() - began)


def import_seconds(module: str, rounds: int = 5) -> float:
    """Seconds that `import module` takes in a fresh interpreter: the least of `rounds`, the others met a busy machine."""
    code = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    times = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(rounds)]
    return min(float(each) for each in times)
