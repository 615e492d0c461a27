"""However a log grows, it comes to the same tree; and a proof convinces of one leaf, one place, one size and one root."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.audit.frontier import Frontier
from ninefold.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from ninefold.audit.proofs import Proofs

BATCHES = st.lists(st.integers(min_value=0, max_value=300), min_size=1, max_size=6)


def grow(batches: list[int]) -> tuple[list[bytes], list[tuple[int, bytes]], Proofs]:
    """The leaves, size and root after each batch, and proofs over the tiles; each batch is added by a writer that has just started."""
    levels: dict[int, bytes] = {}

    def tiles(level: int, start: int, stop: int) -> bytes:
        return levels.get(level, b"")[start * 32 : stop * 32]

    leaves: list[bytes] = []
    roots: list[tuple[int, bytes]] = []
    for count in batches:
        tree = Proofs(tiles).frontier(len(leaves))
        more = [b"leaf %d" % n for n in range(len(leaves), len(leaves) + count)]
        for level, hashes in tree.extend(more).items():
            levels[level] = levels.get(level, b"") + hashes
        leaves += more
        roots.append((len(leaves), tree.root()))
    return leaves, roots, Proofs(tiles)


@settings(max_examples=40, deadline=None)
@given(BATCHES)
def test_batches_make_no_difference_and_each_tree_begins_with_the_one_before(batches: list[int]) -> None:
    leaves, roots, proofs = grow(batches)
    at_once = Frontier()
    at_once.extend(leaves)
    assert roots[-1] == (len(leaves), at_once.root())
    for (old, old_root), (new, new_root) in itertools.pairwise(roots):
        if old:
            assert verify_consistency(old, new, old_root, new_root, proofs.consistency(old, new))


@settings(max_examples=40, deadline=None)
@given(BATCHES.filter(any), st.data())
def test_a_proof_is_of_one_leaf_in_one_place_of_one_tree(batches: list[int], data: st.DataObject) -> None:
    leaves, roots, proofs = grow(batches)
    size, root = roots[-1]
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    leaf, proof = leaf_hash(leaves[index]), proofs.inclusion(index, size)
    assert verify_inclusion(index, size, leaf, proof, root)
    other = data.draw(st.integers(min_value=0, max_value=size).filter(lambda each: each != index))
    assert not verify_inclusion(other, size, leaf, proof, root)
    if proof:
        step = data.draw(st.integers(min_value=0, max_value=len(proof) - 1))
        bit = 1 << data.draw(st.integers(min_value=0, max_value=255))
        flipped = (int.from_bytes(proof[step]) ^ bit).to_bytes(32)
        assert not verify_inclusion(index, size, leaf, (*proof[:step], flipped, *proof[step + 1 :]), root)
        assert not verify_inclusion(index, size, leaf, proof[:-1], root)
