"""The hash tree against the known answers of RFC 6962's first implementation, and against another implementation at every size."""

from __future__ import annotations

import random

import pytest

from gate_controller.journal.merkle import EMPTY_ROOT, Frontier, Tree, leaf_hash
from tests.journal import independent

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the empty tree and of the first one to eight leaves."""
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (0, 1): [],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(leaves, tiles=None):
    return Tree(lambda low, high: leaves[low:high], lambda level, number: (tiles or {}).get((level, number)))


KNOWN = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots(size):
    frontier = Frontier()
    for leaf in KNOWN[:size]:
        frontier.add(leaf)
    assert frontier.root().hex() == tree_of(KNOWN).root(size).hex() == independent.tree_hash(KNOWN[:size]).hex() == ROOTS[size]
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize(("asked", "path"), INCLUSION.items())
def test_the_known_inclusion_proofs(asked, path):
    assert [node.hex() for node in tree_of(KNOWN).inclusion(*asked)] == path


@pytest.mark.parametrize(("asked", "path"), CONSISTENCY.items())
def test_the_known_consistency_proofs(asked, path):
    assert [node.hex() for node in tree_of(KNOWN).consistency(*asked)] == path


SIZES = [*range(1, 40), 255, 256, 257, 511, 512, 513, 700]
LONG = [leaf_hash(number.to_bytes(2)) for number in range(700)]


@pytest.fixture(scope="module")
def tiles():
    frontier, found = Frontier(), {}
    for leaf in LONG:
        found |= {(level, number): node for level, number, node in frontier.add(leaf)}
    assert found.keys() == {(1, 0), (1, 1)}
    return found


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_at_every_size_with_and_without_tiles(size, tiles):
    root = independent.tree_hash(LONG[:size])
    dice = random.Random(size)
    for tree in (tree_of(LONG, tiles), tree_of(LONG)):
        assert tree.root(size) == tree.frontier(size).root() == root
        for index in {0, size - 1, *dice.choices(range(size), k=12)}:
            independent.check_inclusion(LONG[index], index, size, tree.inclusion(index, size), root)
        for old in {1, size, *dice.choices(range(1, size + 1), k=12)}:
            independent.check_consistency(old, independent.tree_hash(LONG[:old]), size, root, tree.consistency(old, size))


def test_a_frontier_goes_on_from_any_size(tiles):
    tree = tree_of(LONG, tiles)
    for size in (0, 1, 255, 256, 300, 512, 699):
        frontier = tree.frontier(size)
        copy = frontier.copy()
        for leaf in LONG[size:]:
            frontier.add(leaf)
        assert frontier.root() == tree.root(700)
        assert copy.size == size
        assert copy.root() == tree.root(size)


def test_no_question_reads_many_leaves(tiles):
    read = []

    def leaves(low, high):
        read.append(high - low)
        return LONG[low:high]

    Tree(leaves, lambda level, number: tiles.get((level, number))).inclusion(300, 700)
    assert sum(read) <= 256 + 188


@pytest.mark.parametrize("asked", [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(asked):
    with pytest.raises(ValueError, match="is not in a tree"):
        tree_of(KNOWN).inclusion(*asked)


def test_an_older_tree_is_not_the_larger_one():
    with pytest.raises(ValueError, match="is not the beginning"):
        tree_of(KNOWN).consistency(4, 3)


def test_the_independent_verifier_refuses_wrong_proofs():
    tree = tree_of(KNOWN)
    root, path = tree.root(8), tree.inclusion(5, 8)
    wrong = [(4, 8, path), (5, 4, path), (5, 16, path), (5, 8, path[:-1]), (5, 8, [*path, root]), (5, 8, path[::-1]), (5, 8, [bytes(32), *path[1:]])]
    for index, size, nodes in wrong:
        with pytest.raises(independent.Refused):
            independent.check_inclusion(KNOWN[5], index, size, nodes, root)
    old, proof = tree.root(6), tree.consistency(6, 8)
    for size, older, newer, nodes in ((5, old, root, proof), (6, root, root, proof), (6, old, old, proof), (6, old, root, proof[:-1]), (6, old, root, [])):
        with pytest.raises(independent.Refused):
            independent.check_consistency(size, older, 8, newer, nodes)
