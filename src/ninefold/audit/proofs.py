"""Proofs about a tree whose hashes lie in tiles."""

from __future__ import annotations

from collections.abc import Callable

from ninefold.audit.frontier import TILE_HEIGHT, Frontier
from ninefold.audit.merkle import EMPTY_ROOT, HASH_BYTES, complete_root, node_hash, split

# The hashes [start, stop) of a tile level, one after the other.
ReadTiles = Callable[[int, int, int], bytes]


class Proofs:
    """Roots, inclusion and consistency proofs of every tree up to the leaves that the tiles hold.

    A proof reads O(log n) tiles. Raises: LookupError where a tile is shorter than it must be.
    """

    def __init__(self, tiles: ReadTiles) -> None:
        self._tiles = tiles

    def root(self, size: int) -> bytes:
        """The root of the tree of the first `size` leaves."""
        return self._range(0, size) if size else EMPTY_ROOT

    def frontier(self, size: int) -> Frontier:
        """The tree of the first `size` leaves, ready to grow."""
        subtrees, start = list[bytes](), 0
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                subtrees.append(self._complete(height, start >> height))
                start += 1 << height
        return Frontier(size, subtrees)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """That leaf `index` is in the tree of `size` leaves. Source: RFC 6962, section 2.1.1."""
        if not 0 <= index < size:
            raise LookupError(f"there is no leaf {index} in a tree of {size}")
        path: list[bytes] = []
        start, stop = 0, size
        while stop - start > 1:
            middle = start + split(stop - start)
            if index < middle:
                path.append(self._range(middle, stop))
                stop = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return tuple(reversed(path))

    def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """That the tree of `new_size` leaves begins with the one of `old_size`. Source: RFC 6962, section 2.1.2."""
        if not 0 <= old_size <= new_size:
            raise LookupError(f"a tree of {new_size} leaves does not begin with one of {old_size}")
        if old_size in (0, new_size):
            return ()
        path: list[bytes] = []
        start, stop = 0, new_size
        while stop != old_size:
            middle = start + split(stop - start)
            if old_size <= middle:
                path.append(self._range(middle, stop))
                stop = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        if start:
            path.append(self._range(start, stop))
        return tuple(reversed(path))

    def _range(self, start: int, stop: int) -> bytes:
        """The root over leaves [start, stop), where `start` is a multiple of a power of two that is no smaller than their number."""
        width = stop - start
        if width & (width - 1) == 0:
            height = width.bit_length() - 1
            return self._complete(height, start >> height)
        middle = start + split(width)
        return node_hash(self._range(start, middle), self._range(middle, stop))

    def _complete(self, height: int, place: int) -> bytes:
        """The root of the complete subtree number `place` of this height, from at most one tile."""
        level, above = divmod(height, TILE_HEIGHT)
        count = 1 << above
        found = self._tiles(level, place * count, (place + 1) * count)
        if len(found) != count * HASH_BYTES:
            raise LookupError(f"tile level {level} ends before hash {(place + 1) * count - 1}")
        return complete_root([found[at : at + HASH_BYTES] for at in range(0, len(found), HASH_BYTES)])
