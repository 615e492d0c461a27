import asyncio
import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninefold.adapters.blobs import folder as folder_module
from ninefold.adapters.blobs.folder import FolderBlobStore
from ninefold.adapters.memory.blobs import MemoryBlobStore
from ninefold.domain.errors import InvalidRequest, NotFound, Unavailable

NOBODY = "0" * 64


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return FolderBlobStore(tmp_path / "blobs") if request.param == "folder" else MemoryBlobStore()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=5000))
def test_bytes_come_back_under_their_digest(store, data):
    digest = asyncio.run(store.put(data))
    assert digest == hashlib.sha256(data).hexdigest()
    assert asyncio.run(store.get(digest)) == data
    assert asyncio.run(store.size(digest)) == len(data)
    assert asyncio.run(store.exists(digest))


def test_the_same_bytes_again_change_nothing(store):
    assert asyncio.run(store.put(b"x")) == asyncio.run(store.put(b"x"))
    assert asyncio.run(store.get(asyncio.run(store.put(b"x")))) == b"x"


def test_what_is_not_there_is_not_found(store):
    assert not asyncio.run(store.exists(NOBODY))
    for verb in (store.get, store.size):
        with pytest.raises(NotFound):
            asyncio.run(verb(NOBODY))


def test_deleting_is_idempotent(store):
    digest = asyncio.run(store.put(b"x"))
    asyncio.run(store.delete(digest))
    asyncio.run(store.delete(digest))
    assert not asyncio.run(store.exists(digest))
    with pytest.raises(NotFound):
        asyncio.run(store.get(digest))


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "a" * 65, "A" * 64, "/" * 64, ("a" * 64) + "\n", "..", "٠" * 64])
def test_only_digests_are_names(store, name):
    for verb in (store.get, store.size, store.exists, store.delete):
        with pytest.raises(InvalidRequest):
            asyncio.run(verb(name))


def test_many_writers_of_one_blob_agree(store):
    async def put():
        return set(await asyncio.gather(*(store.put(b"same" * 1000) for _ in range(8))))

    (digest,) = asyncio.run(put())
    assert asyncio.run(store.get(digest)) == b"same" * 1000


@pytest.mark.parametrize("damage", [b"", b"other", b"hello worlc"])
def test_damage_is_an_error_and_putting_again_repairs(tmp_path, damage):
    store = FolderBlobStore(tmp_path)
    digest = asyncio.run(store.put(b"hello world"))
    path = tmp_path / digest[:2] / digest[2:]
    path.write_bytes(damage)
    with pytest.raises(Unavailable, match="damaged"):
        asyncio.run(store.get(digest))
    asyncio.run(store.put(b"hello world"))
    assert asyncio.run(store.get(digest)) == b"hello world"


def test_files_are_their_owners_and_nothing_is_left_beside_them(tmp_path):
    store = FolderBlobStore(tmp_path)
    digest = asyncio.run(store.put(b"x"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / digest[:2] / digest[2:]]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_full_disk_is_unavailable_and_leaves_no_part(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = FolderBlobStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(folder_module.os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            asyncio.run(store.put(b"x"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    digest = hashlib.sha256(b"x").hexdigest()
    assert not asyncio.run(store.exists(digest))


def test_a_blob_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, real_fsync, real_replace = [], os.fsync, folder_module.Path.replace

    def fsync(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_fsync(descriptor)

    def replace(path, target):
        assert synced[-1:] == [str(path)], "the content is synced before the name is given"
        synced.append("named")
        return real_replace(path, target)

    monkeypatch.setattr(folder_module.os, "fsync", fsync)
    monkeypatch.setattr(folder_module.Path, "replace", replace)
    digest = asyncio.run(FolderBlobStore(tmp_path).put(b"x"))
    assert synced[1:] == ["named", str(tmp_path / digest[:2]), str(tmp_path)]
