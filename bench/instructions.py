"""Instructions of a request and of a streamed event, counted by valgrind: the same to half a percent on any machine, busy or not.

`python bench/instructions.py` needs valgrind. Whole requests run through the real wiring with memory in the places of the two sockets;
what is counted is the event loop's thread. Not comparable between builds of Python, good to judge a change.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from rig import machine, report
from rig.inside import inside
from rig.mock_upstream import STEPS

_REQUESTS, _STREAMS = 400, 20
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def control(*words: str) -> None:
    """Valgrind, under which this process runs, does as it is told."""
    subprocess.run(["callgrind_control", *words, str(os.getpid())], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def counted(folder: Path) -> None:
    """Runs under valgrind: one dump for the requests, one for the streams."""
    async with inside(folder) as made:
        await made.lease_for_ever()
        gc.collect()
        gc.freeze()
        for count, stream in ((_REQUESTS, False), (_STREAMS, True)):
            await made.requests(count // 4, at_once=8, stream=stream)
            control("-i", "on")
            control("-z")
            await made.requests(count, at_once=8, stream=stream)
            control("-d", "stream" if stream else "request")
            control("-i", "off")


def dumped(folder: Path, name: str) -> int:
    """Instructions of the first thread in the dump that was asked for under `name`. Raises: RuntimeError where there is none."""
    for file in folder.glob("count.*-01"):
        text = file.read_text(errors="replace")
        found = _TOTAL.search(text)
        if f"Client Request: {name}" in text or f"dump {name}" in text:
            assert found is not None
            return int(found.group(1))
    raise RuntimeError(f"valgrind left no count of {name}")


def main(argv: list[str]) -> int:
    """0 once counted, 2 without valgrind."""
    parser = argparse.ArgumentParser(description="Instructions of a request, counted by valgrind.")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.inside is not None:
        uvloop.run(counted(options.inside))
        return 0
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="ninefold-count-") as name:
        folder = Path(name)
        tool = [valgrind, "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", f"--callgrind-out-file={folder / 'count'}"]
        ran = subprocess.run(
            [*tool, sys.executable, __file__, "--inside", str(folder / "house")], capture_output=True, text=True, check=False, cwd=folder
        )
        if ran.returncode:
            print(ran.stderr[-3000:], file=sys.stderr)
            return 1
        request, stream = dumped(folder, "request") / _REQUESTS, dumped(folder, "stream") / _STREAMS
    rows = {"a request": request, "a stream of 52 events": stream, "an event of it": stream / len(STEPS)}
    facts = machine.facts()
    if options.json:
        print(json.dumps({"facts": facts, "instructions": rows}))
    else:
        print(f"Python {facts['python']}, revision {facts['revision']}, {facts['date']}\n")
        print(report.table(("without sockets", "instructions"), [(each, f"{count:,.0f}") for each, count in rows.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
