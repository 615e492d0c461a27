"""Hashes and proofs of an RFC 6962 Merkle tree; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
# Source: RFC 6962, section 2.1: the tree of no leaves.
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf. Source: RFC 6962, section 2.1."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side. Source: RFC 6962, section 2.1."""
    return sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2: where its left subtree ends."""
    return 1 << ((size - 1).bit_length() - 1)


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of `hashes`."""
    level = list(hashes)
    while len(level) > 1:
        level = [sha256(b"\1" + level[place] + level[place + 1]).digest() for place in range(0, len(level), 2)]
    return level[0]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf whose hash is `leaf` stands at `index` of the tree of `size` leaves under `root`.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or not _are_hashes((leaf, root, *proof)):
        return False
    at, last, reached = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node_hash(step, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree under `new_root` begins with the tree under `old_root`; nothing is shown of an empty one.

    Source: RFC 9162, section 2.1.4.2.
    """
    return old_size > 0 and verify_subtree(0, old_size, new_size, old_root, new_root, proof)


def verify_subtree(start: int, stop: int, size: int, part: bytes, whole: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that leaves [start, stop) of the tree of `size` leaves under `whole` are the tree under `part`.

    `start` is a multiple of a power of two that is no smaller than the part.
    Source: draft-ietf-plants-merkle-tree-certs, "Verifying a Subtree Consistency Proof".
    """
    if start == stop:
        return 0 <= start <= size and not proof and part == EMPTY_ROOT
    if not 0 <= start < stop <= size or start % (1 << (stop - start - 1).bit_length()) or not _are_hashes(proof):
        return False
    first, last, end = start, stop - 1, size - 1
    while first != last and (last == end or last & 1):
        first, last, end = first >> 1, last >> 1, end >> 1
    steps = list(proof)
    if first == last:
        steps.insert(0, part)
    if not steps:
        return False
    old = new = steps[0]
    for step in steps[1:]:
        if end == 0:
            return False
        if last & 1 or last == end:
            if first < last:
                old = node_hash(step, old)
            new = node_hash(step, new)
            while not last & 1:
                first, last, end = first >> 1, last >> 1, end >> 1
        else:
            new = node_hash(new, step)
        first, last, end = first >> 1, last >> 1, end >> 1
    return end == 0 and old == part and new == whole


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
