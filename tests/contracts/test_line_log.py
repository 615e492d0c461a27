import asyncio

import pytest

from ninefold.adapters.blobs.line_folder import FolderLineLog
from ninefold.adapters.memory.lines import MemoryLineLog
from ninefold.domain.errors import InvalidRequest, Unavailable


@pytest.fixture(params=["memory", "folder"])
def log(request, tmp_path):
    return MemoryLineLog() if request.param == "memory" else FolderLineLog(tmp_path / "logs")


def test_what_was_appended_is_there_in_its_order(log):
    async def run():
        assert await log.read("b.") == ()
        await log.append("b.2.out", b"x\n")
        await log.append("b.1.out", b"a\n")
        await log.append("b.1.out", b"b\ntorn")
        await log.append("bb.1.out", b"other\n")
        assert await log.read("b.") == (("b.1.out", b"a\nb\ntorn"), ("b.2.out", b"x\n"))
        await log.drop("b.")
        await log.drop("b.")
        assert await log.read("b.") == ()
        assert await log.read("bb.") == (("bb.1.out", b"other\n"),)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a*", "a\n", "x" * 300])
def test_no_name_leaves_the_folder(log, name):
    for verb in (log.read, log.drop, lambda name: log.append(name, b"x")):
        with pytest.raises(InvalidRequest):
            asyncio.run(verb(name))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "logs").write_bytes(b"a file in the place of the folder")
    with pytest.raises(Unavailable):
        asyncio.run(FolderLineLog(tmp_path / "logs").append("x", b"y"))
