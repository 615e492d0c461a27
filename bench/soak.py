"""A million requests, one in ten a stream: the memory of the gateway worker must stay flat. `python bench/soak.py`, or `make soak`.

Resident memory is sampled twice a second. A line is fitted through the samples of the last half: flat means that it rises by less than
`--bound-mb` over that half (a million requests: 4 bytes a request at the default of 2 MB). Exit status 1 where it is not, or where a
request failed or a stream was torn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rig import house, machine, native, processes, report, windows

_RESULTS = Path(__file__).parent / "results"
_MB = 1e6
Sample = tuple[int, float]  # requests answered so far, megabytes resident


def rise_mb(samples: list[Sample]) -> float:
    """What the fitted line (least squares) rises over the last half of the requests."""
    last = samples[-1][0] if samples else 0
    half = [(done, mb) for done, mb in samples if done >= last / 2]
    if len(half) < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in half) / len(half), sum(y for _, y in half) / len(half)
    spread = sum((x - mean_x) ** 2 for x, _ in half)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in half) / spread if spread else 0.0
    return slope * (half[-1][0] - half[0][0])


def soak(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The load's result with `samples`; the house was started for it and has ended."""
    rig = windows.start_rig(folder, options.load_core, rt=False)
    house.write_config(folder / "ninefold", rig.mock_port)
    running = house.start(folder / "ninefold")
    samples: list[Sample] = []
    try:
        target = running.target()
        processes.pin(target.worker, {options.gateway_core})
        began = time.monotonic()

        def progress(done: int) -> None:
            mb = processes.memory(target.worker).rss_bytes / _MB
            samples.append((done, mb))
            if len(samples) % 20 == 1:
                print(f"{done:>9,} requests  {mb:6.1f} MB  {time.monotonic() - began:5.0f} s", file=sys.stderr, flush=True)

        progress(0)
        wanted = windows.spec(
            target, total=options.requests, stream_every=options.stream_every, connections=options.connections, warm_s=0.0, seconds=0.0
        )
        result = windows.run(rig, target, wanted, progress=progress)
        progress(int(result["done"]))
        result["restarted"] = running.gateway != target.worker
    finally:
        processes.end(running.process)
        processes.end(rig.mock)
    return result | {"samples": samples, "rise_mb": rise_mb(samples)}


def main(argv: list[str]) -> int:
    """0 where memory is flat and every answer was whole."""
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description="A million requests; memory must stay flat.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="50,000 requests")
    parser.add_argument("--stream-every", type=int, default=10, help="every n-th request is a stream of 52 events")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bound-mb", type=float, default=2.0, help="most that memory may rise over the last half")
    parser.add_argument("--gateway-core", type=int, default=cores[0])
    parser.add_argument("--load-core", type=int, default=cores[1 % len(cores)])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.quick:
        options.requests = 50_000
    facts = machine.facts() | {"rig": native.kind()}
    with tempfile.TemporaryDirectory(prefix="ninefold-soak-") as folder:
        result = soak(options, Path(folder))
    samples, faults = result["samples"], windows.faults(result)
    flat = result["rise_mb"] < options.bound_mb
    _RESULTS.mkdir(exist_ok=True)
    document = {"facts": facts, "result": result, "bound_mb": options.bound_mb, "flat": flat, "faults": faults}
    (_RESULTS / f"soak-{time.strftime('%Y%m%d-%H%M%S')}.json").write_text(json.dumps(document, indent=1))
    if options.json:
        print(json.dumps(document))
    else:
        marks = [samples[round(i * (len(samples) - 1) / 10)] for i in range(11)]
        print(f"{facts['cpu']}, Python {facts['python']}, revision {facts['revision']}, {facts['date']}, load in {facts['rig']}\n")
        print(report.table(("requests", "resident MB"), [(f"{done:,}", f"{mb:.1f}") for done, mb in marks]))
        print(
            f"\n{result['done']:,} requests, {result['rps']:,.0f}/s, {result['events']:,} events, faults {faults} {result['first_error']}"
        )
        print(f"memory over the last half: {result['rise_mb']:+.2f} MB, bound {options.bound_mb:g} MB: {'flat' if flat else 'NOT FLAT'}")
        if result["restarted"]:
            print("the gateway worker did not live through it")
    return 0 if flat and not faults and not result["restarted"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
