"""The load generator and the mock upstream in C, where there is a compiler: head-room for gateways quicker than Python's can saturate."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from rig.load import Spec

_SOURCE = Path(__file__).parent.parent / "native"


@cache
def binary(name: str) -> Path | None:
    """The compiled program, None where there is no compiler or NINEFOLD_BENCH_NATIVE is 0."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or os.environ.get("NINEFOLD_BENCH_NATIVE") == "0":
        return None
    source, built = _SOURCE / f"{name}.c", _SOURCE / "build" / name
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(built), str(source)], check=True)
    return built


def mock_command() -> list[str] | None:
    """The beginning of the upstream's command; its port follows."""
    built = binary("mock")
    return None if built is None else [str(built)]


def load_command(spec: Spec) -> list[str] | None:
    """The whole command of one run."""
    built = binary("load")
    if built is None:
        return None
    headers = "".join(f"{name}: {value}\r\n" for name, value in spec.headers)
    numbers = (spec.port, spec.connections, spec.seconds, spec.warm_s, spec.rate, spec.stream_every, spec.expect, spec.total)
    return [str(built), *(str(each) for each in numbers), spec.path, headers, spec.body, spec.stream_body or spec.body]


def kind() -> str:
    """Which pair measures."""
    return "Python" if binary("load") is None else "C"
