"""A growing tree of which only the O(log n) hashes are kept that its next leaf needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from ninefold.audit.merkle import EMPTY_ROOT, leaf_hash, node_hash

# A tile is what 256 hashes side by side come to, as in C2SP tlog-tiles: level n holds the hashes of subtrees of 256 ** n leaves.
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


class Frontier:
    """The complete subtrees of a tree, from the largest to the smallest; their sizes are the bits of `size`."""

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        assert len(subtrees) == size.bit_count()
        self.size = size
        self._subtrees = list(subtrees)

    def extend(self, leaves: Iterable[bytes]) -> dict[int, bytes]:
        """The tree has grown by `leaves`; returns the new hashes of each tile level that got any, one after the other."""
        levels: dict[int, bytearray] = {0: bytearray()}
        lowest, subtrees, size = levels[0], self._subtrees, self.size
        for leaf in leaves:
            reached = leaf_hash(leaf)
            lowest += reached
            height, carry = 0, size
            while carry & 1:
                reached = sha256(b"\1" + subtrees.pop() + reached).digest()
                carry >>= 1
                height += 1
                if height % TILE_HEIGHT == 0:
                    levels.setdefault(height // TILE_HEIGHT, bytearray()).extend(reached)
            subtrees.append(reached)
            size += 1
        self.size = size
        return {level: bytes(hashes) for level, hashes in levels.items()}

    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self._subtrees:
            return EMPTY_ROOT
        reached = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            reached = node_hash(subtree, reached)
        return reached
