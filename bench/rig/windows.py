"""One window of load on one target, with the CPU that the target spent in it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rig import native, processes
from rig.load import Spec
from rig.targets import KEY, Target

_HERE = Path(__file__).parent
# 0.9 KB of request, 1.1 KB of answer.
_TEXT = "Describe the harbour at dusk in three calm sentences, please. " * 11
STREAM_EVENTS = 52


@dataclass(slots=True, kw_only=True)
class Rig:
    """The upstream, the load's core, and whether our own processes come first on theirs while a window runs."""

    mock: subprocess.Popen[bytes]
    mock_port: int
    load_core: int
    rt: bool

    def pace(self, interval_us: int) -> None:
        """The upstream waits so long between two events of a stream."""
        if processes.answers(f"http://127.0.0.1:{self.mock_port}/mock/pace/{interval_us}", b"") is None:
            raise RuntimeError("the mock upstream does not answer")


def start_rig(folder: Path, load_core: int, *, rt: bool) -> Rig:
    """A mock upstream that answers."""
    port = processes.free_port()
    command = native.mock_command() or [sys.executable, str(_HERE / "mock_upstream.py")]
    mock = processes.start([*command, str(port)], folder / "mock.log", core=load_core)
    if processes.wait_for(lambda: processes.answers(f"http://127.0.0.1:{port}/") is not None, 10) is None:
        raise RuntimeError(f"the mock upstream did not start: {(folder / 'mock.log').read_text()}")
    return Rig(mock=mock, mock_port=port, load_core=load_core, rt=rt)


def bodies(model: str) -> tuple[str, str]:
    """The request as JSON, whole and streamed."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": _TEXT}],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    whole = json.dumps(asked, separators=(",", ":"))
    return whole, json.dumps(asked | {"stream": True, "stream_options": {"include_usage": True}}, separators=(",", ":"))


def spec(target: Target, **given: Any) -> Spec:
    """What to ask of `target`."""
    body, stream_body = bodies(target.model)
    headers = [["Authorization", f"Bearer {KEY}"], *target.headers]
    expect = STREAM_EVENTS if target.exact else 0
    return Spec(port=target.port, path=target.path, body=body, stream_body=stream_body, headers=headers, expect=expect, **given)


def run(rig: Rig, target: Target, wanted: Spec, *, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """The load's result, with `cpu_us` and `tree_cpu_us` a request and `cpu_event_us` an event where `target` is a process of ours."""
    target.refresh()
    worker = target.worker or target.tree
    command = native.load_command(wanted) or [sys.executable, str(_HERE / "load.py"), wanted.to_json()]
    pinned = ["taskset", "-c", str(rig.load_core), *command]
    before, after = (0, 0), (0, 0)
    result: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(processes.real_time([*worker, rig.mock.pid], wanted=rig.rt))
        load = stack.enter_context(subprocess.Popen(pinned, stdout=subprocess.PIPE, text=True))
        stack.enter_context(processes.real_time([load.pid], wanted=rig.rt))
        assert load.stdout is not None
        for line in load.stdout:
            if line == "start\n":
                before = processes.cpu_ns(worker), processes.cpu_ns(target.tree)
            elif line == "end\n":
                after = processes.cpu_ns(worker), processes.cpu_ns(target.tree)
            else:
                told = cast("dict[str, Any]", json.loads(line))
                if len(told) == 1:
                    progress(int(told["done"]))
                else:
                    result = told
    if not result:
        raise RuntimeError(f"the load generator failed on {target.name}")
    if target.process is not None:
        used = [(b - a) / 1000 for a, b in zip(before, after, strict=True)]
        result["cpu_us"], result["tree_cpu_us"] = (each / max(result["done"], 1) for each in used)
        if result["events"]:
            result["cpu_event_us"], result["tree_cpu_event_us"] = (each / result["events"] for each in used)
        result["utilisation"] = used[0] / 1e6 / result["counted_s"]
    return result


def faults(result: dict[str, Any]) -> int:
    """What must be 0 for a window to count."""
    return int(sum(result[name] for name in ("errors", "broken", "torn", "stuck")))
