"""The platform on its embedded defaults, driven by the real OpenAI and Anthropic clients over a real document, with a vendor that dies."""

from __future__ import annotations

import importlib.metadata
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninefold.app.demo_asks import Asks, Request
from ninefold.app.process_boot import Boot
from ninefold.app.process_socket import listen
from ninefold.domain.errors import Unavailable

if TYPE_CHECKING:
    import openai

_READY_S = 60.0
_FIRST_ANSWER_S = 120.0
_LEDGER_S = 20.0

# The vendor is a process of its own on a TCP port: our extractive reader behind OpenAI's protocol, at a made-up list price.
_CONFIG = """\
server: {{host: 127.0.0.1, port: {port}, control_port: {control_port}}}
data_dir: {data_dir}
deployments:
  - name: vendor-eu
    provider: openai
    base_url: http://127.0.0.1:{vendor_port}/v1
    model: reader
    region: eu
    price: {{input_per_million: 0.25, cached_input_per_million: 0.025, output_per_million: 2.00}}
models:
  - name: fast
    route: {{strategy: priority, deployments: [vendor-eu, local/reader]}}
    timeouts: &timeouts {{first_token_s: 60, idle_s: 60, total_s: 120}}
  - name: shared
    route: {{deployments: [vendor-eu]}}
    cache: {{ttl_s: 600}}
    coalesce: true
    timeouts: *timeouts
  - name: hedged
    route: {{strategy: priority, deployments: [vendor-eu, local/reader]}}
    hedge: {{after_s: 0.5, budget_ratio: 1.0}}
    timeouts: *timeouts
tenants:
  - name: demo
    keys: [{{name: demo, secret: {{env: NINEFOLD_DEMO_KEY}}}}]
    models: [fast, shared, hedged, "local/*"]
    budgets: [{{limit_usd: 1.00, window: day}}]
    limits: {{requests_per_minute: 600, tokens_per_minute: 10000000, concurrent_requests: 20}}
  - name: thrifty
    keys: [{{name: demo, secret: {{env: NINEFOLD_DEMO_THRIFTY_KEY}}}}]
    models: [fast]
    budgets: [{{limit_usd: 0.000001, window: day}}]
"""


class Demo:
    """One run; `requests` and `findings` fill as it goes, `missed` names every promise that was not kept."""

    def __init__(self, *, tell: Callable[[str], None], keep: bool) -> None:
        self.requests: list[Request] = []
        self.findings: list[str] = []
        self.missed: list[str] = []
        self.tell = tell
        self._keep = keep
        self._folder = Path(".ninefold/demo").absolute()
        self._key, self._thrifty_key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._url = ""

    def document(self) -> dict[str, object]:
        """The run as one JSON document."""
        rows = [{name: getattr(request, name) for name in Request.__slots__} for request in self.requests]
        return {"requests": rows, "findings": self.findings, "missed": self.missed}

    def run(self) -> None:
        """Everything was asked, and every process has ended."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            vendor = self._start()
            self._converse(vendor)
        finally:
            for process in reversed(self._processes):
                _end(process)
            if not self._keep:
                self._forget()

    # ── starting ──

    def _start(self) -> subprocess.Popen[bytes]:
        self._share_model()
        began = time.monotonic()
        vendor_socket = listen("127.0.0.1", 0, setting="demo vendor")
        vendor_port = vendor_socket.getsockname()[1]
        boot = Boot(data_dir=str(self._folder / "vendor"), database="", fd=vendor_socket.fileno(), worker="vendor-eu", log_level="warning")
        vendor = self._spawn("vendor.log", "ninefold.app.worker_process", "--boot", boot.to_json(), fds=(vendor_socket.fileno(),))
        vendor_socket.close()
        ports = [listen("127.0.0.1", 0, setting="demo") for _ in range(2)]
        port, control_port = (each.getsockname()[1] for each in ports)
        for each in ports:
            each.close()
        config = self._folder / "ninefold.yaml"
        config.write_text(
            _CONFIG.format(port=port, control_port=control_port, data_dir=self._folder / "data", vendor_port=vendor_port), encoding="utf-8"
        )
        self._url = f"http://127.0.0.1:{port}"
        self._spawn("ninefold.log", "ninefold", "up", "--config", str(config))
        self._wait_ready()
        self.tell(
            f"Ninefold is up at {self._url} after {time.monotonic() - began:.1f} s: gateway, control, local models, and a vendor to lose."
        )
        return vendor

    def _share_model(self) -> None:
        """Vendor and worker use one copy of the embedding model; the first run builds it, which takes some seconds."""
        models = self._folder / "models"
        if not models.is_dir():
            self.tell("Building the local embedding model from its installed weights (the first time only) …")
        subprocess.run(  # noqa: S603  # our own module
            [sys.executable, "-m", "ninefold.adapters.minilm.build", "--data-dir", str(self._folder)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for place in (self._folder / "vendor", self._folder / "data"):
            place.mkdir(exist_ok=True, mode=0o700)
            if not (place / "models").exists():
                (place / "models").symlink_to(models)

    def _spawn(self, log: str, *arguments: str, fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        environ = os.environ | {"NINEFOLD_DEMO_KEY": self._key, "NINEFOLD_DEMO_THRIFTY_KEY": self._thrifty_key}
        with (self._folder / log).open("wb") as out:
            process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=out, stderr=out, pass_fds=fds, env=environ)  # noqa: S603  # our own modules
        self._processes.append(process)
        return process

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._processes[-1].poll() is not None:
                break
            if self._get("/readyz")[0] == 200:
                return
            time.sleep(0.05)
        log = (self._folder / "ninefold.log").read_text(encoding="utf-8", errors="replace")
        raise Unavailable(f"The platform did not start; its log says:\n{log[-2000:]}")

    # ── asking ──

    def _converse(self, vendor: subprocess.Popen[bytes]) -> None:
        import anthropic  # noqa: PLC0415  # the clients belong to the demo alone
        import openai  # noqa: PLC0415  # as above

        text = _document()
        self.tell(f"The document is the licence this copy of Ninefold came with ({len(text):,} characters).\n")
        asks = Asks(self.requests, self.findings, self.missed, self.tell, text)
        with (
            openai.OpenAI(base_url=self._url + "/v1", api_key=self._key, max_retries=0, timeout=_FIRST_ANSWER_S) as chat,
            anthropic.Anthropic(base_url=self._url, api_key=self._key, max_retries=0, timeout=_FIRST_ANSWER_S) as messages,
        ):
            asks.chat(chat, "fast", "When does the patent license terminate?", title="asked the vendor")
            asks.stream_chat(chat, "fast", "Does the license grant permission to use trademarks?", title="streamed")
            asks.message(messages, "fast", "Who can be held liable for damages?", title="the other protocol")
            asks.stream_message(messages, "fast", "Under which conditions may I redistribute copies?", title="streamed")
            self._share(asks, chat, vendor)
            vendor.send_signal(signal.SIGKILL)
            vendor.wait()
            self.tell("\n*** vendor-eu was just killed (kill -9) ***\n")
            asks.chat(chat, "fast", "When does the patent license terminate?", title="vendor dead: failover")
            asks.stream_message(messages, "fast", "Who can be held liable for damages?", title="vendor dead: failover")
            asks.chat(chat, "local/reader", "What is the capital of Peru?", title="not in the text")
            asks.embed(chat)
        with openai.OpenAI(base_url=self._url + "/v1", api_key=self._thrifty_key, max_retries=0) as thrifty:
            asks.refused(thrifty)
        self._check_failover()
        self._check_ledger()

    def _share(self, asks: Asks, chat: openai.OpenAI, vendor: subprocess.Popen[bytes]) -> None:
        """A cache hit, a replay, a coalesced pair and a hedge; for the last two the vendor is stopped, as a machine that hangs is."""
        question = "Who may sublicense the work?"
        asks.chat(chat, "shared", question, title="asked once")
        asks.chat(chat, "shared", question, title="asked again", expect="exact")
        keep = {"idempotency-key": secrets.token_hex(8)}
        asks.chat(chat, "fast", "What is a Derivative Work?", title="with a key of its own", headers=keep)
        asks.chat(chat, "fast", "What is a Derivative Work?", title="sent again by a retry", headers=keep, expect="replay")
        vendor.send_signal(signal.SIGSTOP)
        try:
            asks.pair(chat, "shared", "What is a Contribution?", wake=lambda: vendor.send_signal(signal.SIGCONT))
            vendor.send_signal(signal.SIGSTOP)
            self.tell("\n*** vendor-eu hangs (it was stopped; it accepts and says nothing) ***\n")
            asks.chat(chat, "hedged", "Who can be held liable for damages?", title="vendor hangs: hedged", expect_from="local/reader")
        finally:
            vendor.send_signal(signal.SIGCONT)

    def _check_failover(self) -> None:
        before = [r for r in self.requests if r.deployment == "vendor-eu"]
        after = [r for r in self.requests if r.title.startswith("vendor dead") and r.deployment == "local/reader" and r.attempts >= 1]
        if len(before) < 4:
            self.missed.append("the vendor answers while it lives")
        if len(after) < 2 or not any(r.attempts > 1 for r in after):
            self.missed.append("requests fail over when the vendor dies")
        else:
            self.findings.append("vendor-eu was killed in the middle: the requests after it were answered by local/reader, none failed.")

    def _check_ledger(self) -> None:
        """What the answers said they cost is what the books say, to the nano-dollar."""
        told = {r.trace_id: Decimal(r.cost_usd) for r in self.requests if r.trace_id}
        hedges: dict[str, Decimal] = {}
        admin = (self._folder / "data" / "admin.key").read_text(encoding="ascii").strip()
        deadline = time.monotonic() + _LEDGER_S
        booked: dict[str, Decimal] = {}
        while time.monotonic() < deadline and len(booked) < len(told):
            for trace_id in told.keys() - booked.keys():
                status, trace = self._get(f"/api/v1/traces/{trace_id}", key=admin)
                if status == 200 and trace["answers"]:
                    lost = sum((Decimal(line["cost_usd"]) for line in trace["lines"] if line["outcome"] == "cancelled"), Decimal(0))
                    booked[trace_id] = Decimal(trace["cost_usd"]) - lost
                    hedges[trace_id] = lost
            time.sleep(0.1)
        if booked != told:
            self.missed.append("the ledger says what the answers said")
            return
        total = sum(told.values(), Decimal(0))
        self.findings.append(
            f"The ledger has every one of them: {len(told)} traces, {total:.9f} USD, equal to the sum of what the answers told; and "
            f"{sum(hedges.values(), Decimal(0)):.9f} USD beside it for the attempt that a hedge left behind, which its vendor may bill."
        )

    def _get(self, path: str, *, key: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(self._url + path, headers={"authorization": f"Bearer {key}"} if key else {})  # noqa: S310  # our own loopback address
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  # as above
                body = reply.read()
                return reply.status, json.loads(body) if body.startswith(b"{") else None
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, None
        except OSError:
            return 0, None

    def _forget(self) -> None:
        """Only the embedding model stays, so that the next run need not build it again."""
        for name in ("vendor", "data"):
            shutil.rmtree(self._folder / name, ignore_errors=True)


def _document() -> str:
    found = importlib.metadata.distribution("ninefold").read_text("licenses/LICENSE")
    if not found:
        raise Unavailable("This installation of Ninefold has no LICENSE file to ask about: install it again.")
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
