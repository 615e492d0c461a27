"""The growing tree, its tiles and its proofs against the definition of RFC 6962, written out as it stands there."""

import hashlib

import pytest

from ninefold.audit.frontier import Frontier
from ninefold.audit.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from ninefold.audit.proofs import Proofs


def defined_root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + defined_root(leaves[:half]) + defined_root(leaves[half:])).digest()


class Tiles:
    def __init__(self):
        self.levels = {}

    def add(self, grown):
        for level, hashes in grown.items():
            self.levels[level] = self.levels.get(level, b"") + hashes

    def __call__(self, level, start, stop):
        return self.levels.get(level, b"")[start * 32 : stop * 32]


def grown(count):
    tree, tiles = Frontier(), Tiles()
    leaves = [b"leaf %d" % number for number in range(count)]
    tiles.add(tree.extend(leaves))
    return leaves, tree, tiles


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 255, 256, 257, 600])
def test_the_streaming_root_is_the_defined_one_and_tiles_give_it_again(count):
    leaves, tree, tiles = grown(count)
    assert tree.root() == defined_root(leaves)
    proofs = Proofs(tiles)
    assert proofs.root(count) == tree.root()
    assert proofs.frontier(count).root() == tree.root()
    assert {level: len(hashes) // 32 for level, hashes in tiles.levels.items() if hashes} == {
        level: count // 256**level for level in (0, 1, 2) if count // 256**level
    }


def test_a_tree_that_stopped_anywhere_goes_on_as_if_it_had_not():
    leaves, whole, _ = grown(700)
    for stop in (0, 1, 255, 256, 511, 699):
        _, _, tiles = grown(stop)
        tree = Proofs(tiles).frontier(stop)
        tiles.add(tree.extend(leaves[stop:]))
        assert tree.root() == whole.root()
        assert Proofs(tiles).root(700) == whole.root()


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 300])
def test_each_leaf_is_proved_and_no_other(size):
    leaves, tree, tiles = grown(size)
    proofs = Proofs(tiles)
    for index in range(0, size, max(1, size // 20)):
        proof = proofs.inclusion(index, size)
        assert verify_inclusion(index, size, leaf_hash(leaves[index]), proof, tree.root())
        assert not verify_inclusion(index, size, leaf_hash(leaves[index] + b"!"), proof, tree.root())
        assert size == 1 or not verify_inclusion((index + 1) % size, size, leaf_hash(leaves[index]), proof, tree.root())


def test_every_tree_is_shown_to_begin_with_every_smaller_one_and_not_with_another():
    leaves, _, tiles = grown(40)
    proofs = Proofs(tiles)
    for new in range(1, 41):
        for old in range(1, new + 1):
            proof = proofs.consistency(old, new)
            assert verify_consistency(old, new, defined_root(leaves[:old]), defined_root(leaves[:new]), proof)
            other = defined_root([*leaves[: old - 1], b"changed"])
            assert not verify_consistency(old, new, other, defined_root(leaves[:new]), proof)
    assert not verify_consistency(0, 1, EMPTY_ROOT, defined_root(leaves[:1]), ())


def test_a_tile_that_ends_early_is_told():
    _, _, tiles = grown(300)
    tiles.levels[0] = tiles.levels[0][:-1]
    with pytest.raises(LookupError, match="level 0 ends before hash 29"):
        Proofs(tiles).root(300)
    for ask in (lambda: Proofs(tiles).inclusion(300, 300), lambda: Proofs(tiles).consistency(301, 300)):
        with pytest.raises(LookupError):
            ask()
