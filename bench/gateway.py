"""The speed of the gateway, side by side with what is installed of its peers: `python bench/gateway.py`, or `make bench`.

Every target runs on one core, the upstream and the load on another; rounds are interleaved and figures are medians, so that what the
machine does meanwhile meets all alike. CPU a request is the figure to trust. See docs/guides/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from rig import house, machine, native, processes, report, windows
from rig.report import Claim, added_us, of, ratio
from rig.targets import KEY, PEERS, Place, Target

_RESULTS = Path(__file__).parent / "results"
_LOW_RATE = 100.0
_PACE_US = 10_000


class Bench:
    """What runs, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.rig = windows.start_rig(folder, options.load_core, rt=options.rt)
        self.direct = Target(name="direct", port=self.rig.mock_port)
        self.targets = [self.direct]
        self.results: dict[str, dict[str, list[dict[str, Any]]]] = {"direct": {}}
        self.memory: dict[str, dict[str, float]] = {}
        self.starts: dict[str, list[float]] = {}
        self.absent: list[str] = []

    def start_all(self) -> None:
        """Every target that is there and wanted answers."""
        if self._wanted("nginx", "tensorzero", "mlflow", "portkey", "litellm"):
            self._start_peers()
        if self._wanted("ninefold"):
            self._start_ninefold()
        self.results |= {target.name: {} for target in self.targets}

    def _wanted(self, *names: str) -> bool:
        return not self.options.only or bool(set(names) & set(self.options.only))

    def _start_peers(self) -> None:
        for peer in PEERS:
            if not self._wanted(peer.name):
                continue
            found = peer.found()
            if found is None:
                self.absent.append(f"{peer.name}: {peer.install}")
                continue
            folder = self.folder / peer.name
            folder.mkdir()
            say(f"starting {peer.name} …")
            began = time.perf_counter()
            target = peer.start(found, Place(folder=folder, upstream=self.rig.mock_port, core=self.options.gateway_core))
            self.targets.append(target)
            if processes.wait_for(lambda each=target: probe(each), peer.boot_s) is None:
                self.targets.remove(target)
                if target.process is not None:
                    processes.end(target.process)
                self.absent.append(f"{peer.name}: found, but it did not answer; its log: {(folder / 'log').read_text()[-400:]}")
                continue
            self.starts[target.name] = [time.perf_counter() - began]
            target.refresh()
            self._remember(target, "start")

    def _start_ninefold(self) -> None:
        """Started three times from nothing and once more on what it left; the last one stays."""
        fresh: list[float] = []
        folder = self.folder
        for attempt in range(self.options.starts):
            folder = self.folder / f"ninefold-{attempt}"
            house.write_config(folder, self.rig.mock_port)
            say(f"starting ninefold ({attempt + 1} of {self.options.starts}) …")
            running = house.start(folder)
            fresh.append(running.ready_s)
            processes.end(running.process)
        again = house.start(folder)
        self.starts["ninefold"], self.starts["ninefold, again"] = fresh, [again.ready_s]
        target = again.target()
        self.targets.append(target)
        if not probe(target):
            raise RuntimeError(f"Ninefold does not answer: {(again.folder / 'log').read_text()[-2000:]}")
        time.sleep(3)  # control and worker finish their start
        target.refresh()
        rest = [pid for pid in target.tree if pid not in target.worker]
        processes.pin(target.worker, {self.options.gateway_core})
        processes.pin(rest, self.options.rest_cores)
        self._remember(target, "start")

    def _remember(self, target: Target, when: str) -> None:
        target.refresh()
        for name, pids in ((target.name, target.worker or target.tree), (target.name + ", whole tree", target.tree)):
            if name == target.name or target.worker:
                memory = processes.memory(pids)
                self.memory.setdefault(name, {})[when + "_rss"] = memory.rss_bytes / 1e6
                self.memory[name][when + "_pss"] = memory.pss_bytes / 1e6

    def round(self) -> None:
        """One window of each kind on each target."""
        options = self.options
        for target in self.targets:
            self.rig.pace(0)
            if "sat" in options.modes:
                self._window(target, "sat", connections=options.connections)
            if "low" in options.modes:
                self._beside_direct(target, "low", _LOW_RATE)
            if "half" in options.modes and target is not self.direct:
                rate = (of(self.results, target.name, "sat", "rps") or 0) / 2
                self._beside_direct(target, "half", max(rate, 10.0))
            if "paced" in options.modes:
                self.rig.pace(_PACE_US)
                self._window(target, "paced", stream_every=1, connections=options.streams)
        for target in self.targets[1:]:
            self._remember(target, "load")

    def _beside_direct(self, target: Target, kind: str, rate: float) -> None:
        """A window at a fixed rate, and one of the direct way at the same rate."""
        if target is not self.direct:
            self._window(self.direct, kind, store=(target.name, kind + "_direct"), rate=rate)
        self._window(target, kind, rate=rate)

    def _window(self, target: Target, kind: str, *, store: tuple[str, str] | None = None, **given: Any) -> None:
        options = self.options
        wanted = windows.spec(target, seconds=options.seconds, warm_s=options.warm, **given)
        result = windows.run(self.rig, target, wanted)
        result["faults"] = windows.faults(result)
        name, label = store or (target.name, kind)
        self.results[name].setdefault(label, []).append(result)
        cpu = f"{result['cpu_us']:8.1f} µs/req" if "cpu_us" in result else ""
        cpu += f" {result['cpu_event_us']:6.1f} µs/event" if "cpu_event_us" in result else ""
        p50, p99 = result["p50_us"] / 1000, result["p99_us"] / 1000
        say(f"{name:11s} {label:12s} {result['rps']:9,.0f} rps {result['events_s']:9,.0f} ev/s p50 {p50:7.2f} p99 {p99:7.2f} ms {cpu}"
            + (f"  FAULTS {result['faults']} {result['first_error'][:160]}" if result["faults"] else ""))  # fmt: skip
        time.sleep(0.2)

    def claims(self) -> list[Claim]:
        """What the project promises, with what was measured."""
        results = self.results
        cpu, event = of(results, "ninefold", "sat", "cpu_us"), of(results, "ninefold", "paced", "cpu_event_us")
        half50, half99 = (added_us(results, "ninefold", "half", name) for name in ("p50_us", "p99_us"))
        start = self.memory.get("ninefold", {}).get("start_rss")
        fresh = sorted(self.starts.get("ninefold", ()))
        return [
            Claim(name="CPU a request, gateway process", unit="µs", value=cpu, target=80, moonshot=50),
            Claim(name="… against nginx", unit="x", value=ratio(cpu, of(results, "nginx", "sat", "cpu_us")), target=4, moonshot=2.5),
            Claim(
                name="CPU a streamed event against nginx",
                unit="x",
                value=ratio(event, of(results, "nginx", "paced", "cpu_event_us")),
                target=2,
            ),
            Claim(name="added p50 at half load", unit="ms", value=None if half50 is None else half50 / 1000, target=0.5),
            Claim(name="added p99 at half load", unit="ms", value=None if half99 is None else half99 / 1000, target=2),
            Claim(name="resident memory of the gateway process after start", unit="MB", value=start, target=80),
            Claim(
                name="`ninefold up` to /readyz, nothing there before", unit="s", value=fresh[len(fresh) // 2] if fresh else None, target=1.5
            ),
            Claim(name="`import ninefold`", unit="s", value=house.import_seconds("ninefold"), target=0.1),
        ]

    def close(self) -> None:
        for target in self.targets:
            if target.process is not None:
                processes.end(target.process)
        processes.end(self.rig.mock)


def probe(target: Target) -> bool:
    """Whether the target answers one request."""
    body, _ = windows.bodies(target.model)
    headers = {"authorization": f"Bearer {KEY}"} | dict(target.headers)
    return processes.answers(target.url, body.encode(), headers, timeout_s=10) is not None


def say(line: str) -> None:
    """Progress goes to standard error: standard output is the table, or the JSON."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def benched(options: argparse.Namespace) -> Generator[Bench]:
    with tempfile.TemporaryDirectory(prefix="ninefold-bench-") as folder:
        bench = Bench(options, Path(folder))
        try:
            yield bench
        finally:
            bench.close()


def parse(argv: list[str]) -> argparse.Namespace:
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one round of short windows: to see that it works, not to quote")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="targets, separated by commas (direct always runs)")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["sat", "low", "half", "paced"], help="sat,low,half,paced")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a window")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds of load before each window")
    parser.add_argument("--connections", type=int, default=64, help="requests in flight at saturation")
    parser.add_argument("--streams", type=int, default=100, help="paced streams in flight, 100 events/s each")
    parser.add_argument("--starts", type=int, default=3, help="how often Ninefold is started from nothing")
    parser.add_argument("--gateway-core", type=int, default=cores[0])
    parser.add_argument("--load-core", type=int, default=cores[1 % len(cores)])
    parser.add_argument(
        "--rest-cores",
        type=lambda text: {int(each) for each in text.split(",")},
        default=set(cores[2:] or cores),
        help="Ninefold's control, worker and supervisor; by default the cores that neither gateway nor load have, else all",
    )
    parser.add_argument(
        "--rt", action="store_true", help="our processes first on their cores while a window runs (root; for a busy machine)"
    )
    parser.add_argument("--json", action="store_true", help="the results as JSON on standard output")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.seconds, options.warm, options.starts = 1, 1.0, 0.5, 1
    return options


def main(argv: list[str]) -> int:
    """0 once everything wanted was measured, whatever the figures say."""
    options = parse(argv)
    facts = machine.facts() | {"rig": native.kind(), "rt": str(options.rt)}
    gc.disable()
    with benched(options) as bench:
        bench.start_all()
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            bench.round()
        claims = bench.claims()
        document = {
            "facts": facts,
            "targets": {each.name: {"version": each.version, "note": each.note} for each in bench.targets},
            "results": bench.results,
            "memory_mb": bench.memory,
            "start_s": bench.starts,
            "claims": [{"name": each.name, "value": each.value, "target": each.target, "verdict": each.verdict} for each in claims],
            "absent": bench.absent,
        }
    _RESULTS.mkdir(exist_ok=True)
    kept = _RESULTS / f"gateway-{time.strftime('%Y%m%d-%H%M%S')}.json"
    kept.write_text(json.dumps(document, indent=1))
    if options.json:
        print(json.dumps(document))
        return 0
    print(f"\n{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, Python {facts['python']}, uvloop {facts['uvloop']}")
    print(
        f"{facts['date']}, revision {facts['revision']}, load average before: {facts['load_average']}, load and upstream in {facts['rig']}"
    )
    rest = ", ".join(str(each) for each in sorted(options.rest_cores))
    print(f"gateway on core {options.gateway_core}, load and upstream on core {options.load_core}, Ninefold's other processes on {rest}"
          + ("; in front of all other processes (--rt)" if options.rt else ""))  # fmt: skip
    print(f"{facts['command']}\n")
    print(report.results_table(bench.results, bench.memory))
    print()
    print(report.claims_table(claims))
    print(
        "\nstart to first answer, s: " + ", ".join(f"{name} {'/'.join(f'{s:.2f}' for s in all_s)}" for name, all_s in bench.starts.items())
    )
    for each in bench.targets[1:]:
        print(f"{each.name} {each.version}: {each.note}")
    for line in bench.absent:
        print(f"not measured: {line}")
    print(f"all rounds: {kept}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
