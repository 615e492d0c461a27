"""Changes of the configuration on disk, noticed once each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

from ninefold.app.config import Config, load_config
from ninefold.app.config_problem import ConfigInvalid
from ninefold.app.watch import ConfigWatcher

POLL_S = 0.01
Changes = AsyncIterator[Config | ConfigInvalid]


async def looked_again_and_again(watcher: ConfigWatcher) -> AsyncGenerator[Config | ConfigInvalid]:
    while True:
        await asyncio.sleep(POLL_S)
        found = await watcher.look()
        if found is not None:
            yield found


def watch(file: Path, script: Callable[[Changes], Awaitable[None]]) -> None:
    async def run() -> None:
        changes = looked_again_and_again(ConfigWatcher(load_config(file, {}, {"server.workers": 2}), {}, {"server.workers": 2}))
        try:
            async with asyncio.timeout(30):
                await script(changes)
        finally:
            await changes.aclose()

    asyncio.run(run())


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


async def nothing_more(changes: Changes) -> None:
    waiting = asyncio.ensure_future(anext(changes))
    done, _ = await asyncio.wait([waiting], timeout=POLL_S * 10)
    assert not done
    waiting.cancel()
    await asyncio.wait([waiting])


def test_a_change_is_handed_over_once_with_the_command_line_still_over_it(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(file, "server: {port: 9000}")

    async def script(changes: Changes) -> None:
        write(file, "server: {port: 9001, workers: 1}")
        found = await anext(changes)
        assert isinstance(found, Config)
        assert (found.server.port, found.server.workers) == (9001, 2)
        await nothing_more(changes)

    watch(file, script)


def test_nothing_changed_is_nothing_told(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(file, "server: {port: 9000}")
    watch(file, nothing_more)


def test_what_is_refused_is_told_and_watching_goes_on(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(file, "server: {port: 9000}")

    async def script(changes: Changes) -> None:
        write(file, "server: {prt: 1}")
        refused = await anext(changes)
        assert isinstance(refused, ConfigInvalid)
        assert refused.problems[0].line == 1
        write(file, "server: {port: 9002}")
        found = await anext(changes)
        assert isinstance(found, Config)
        assert found.server.port == 9002

    watch(file, script)


def test_a_file_that_is_replaced_with_the_same_size_and_time_is_noticed(tmp_path: Path):
    file, other = tmp_path / "ninefold.yaml", tmp_path / "other.yaml"
    write(file, "server: {port: 9000}")
    write(other, "server: {port: 9003}")
    times = file.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))

    async def script(changes: Changes) -> None:
        other.replace(file)
        found = await anext(changes)
        assert isinstance(found, Config)
        assert found.server.port == 9003

    watch(file, script)


def test_a_file_that_has_gone_is_refused_and_comes_back(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(file, "server: {port: 9000}")

    async def script(changes: Changes) -> None:
        file.unlink()
        assert isinstance(await anext(changes), ConfigInvalid)
        write(file, "server: {port: 9004}")
        assert isinstance(await anext(changes), Config)

    watch(file, script)


def test_policy_files_and_secret_files_are_watched_too(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(tmp_path / "key", "old")
    write(file, "policies: ['*.rules']\ntenants: [{name: t, keys: [{name: k, secret: {file: key}}]}]")

    async def script(changes: Changes) -> None:
        write(tmp_path / "key", "newer")
        assert isinstance(await anext(changes), Config)
        write(tmp_path / "a.rules", "x")
        assert isinstance(await anext(changes), ConfigInvalid)

    watch(file, script)


def test_a_file_is_not_read_while_it_is_being_written(tmp_path: Path):
    file = tmp_path / "ninefold.yaml"
    write(file, "server: {port: 9000}")
    steps = iter(["server: {", "server: {port", "server: {port: 90", "server: {port: 9005}", None, None])

    async def run() -> Config | ConfigInvalid | None:
        watcher = ConfigWatcher(load_config(file, {}), {})
        found = None
        while found is None:
            text = next(steps)
            if text is not None:
                write(file, text)
            found = await watcher.look()
        return found

    found = asyncio.run(run())
    assert isinstance(found, Config)
    assert found.server.port == 9005
    assert next(steps, "the end") is None


def test_without_a_file_there_is_nothing_to_watch():
    async def run() -> list[Config | ConfigInvalid | None]:
        watcher = ConfigWatcher(load_config(None, {}), {})
        return [await watcher.look() for _ in range(3)]

    assert asyncio.run(run()) == [None] * 3
