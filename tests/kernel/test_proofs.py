"""Proofs against a second implementation: RFC 6962 §2.1 word by word, over lists of leaves, for making and for checking."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kernel.audit import proofs
from kernel.audit.merkle import leaf_hash
from kernel.audit.proofs import ProofError
from kernel.audit.tiles import Nodes, Tiling, nodes_of
from tests.support.reference_log import Leaves, mth, path, subproof

SIZES = st.one_of(st.integers(1, 40), st.integers(250, 260), st.integers(500, 1100))


def leaves_of(size: int) -> Leaves:
    return tuple(number.to_bytes(4, "big") for number in range(size))


def tiled(size: int) -> Nodes:
    """Return the nodes of a tree as its tiles have them."""
    return tiled_over(leaves_of(size))


def tiled_over(leaves: Leaves) -> Nodes:
    tiling = Tiling()
    for leaf in leaves:
        tiling.append(leaf_hash(leaf))
    tiles = tiling.take()
    return nodes_of(lambda level, position: tiles.get((level, position), b""))


# The tree of eight leaves by which implementations of Certificate Transparency have been compared since RFC 6962.
PUBLISHED = tuple(
    map(bytes.fromhex, ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"])
)
PUBLISHED_HEADS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
PUBLISHED_PROOFS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
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


@pytest.mark.parametrize(("old", "size"), PUBLISHED_PROOFS)
def test_published_trees_have_their_published_proofs(old: int, size: int) -> None:
    made, heads = proofs.consistency(tiled_over(PUBLISHED), old, size), [mth(PUBLISHED[:width]) for width in (old, size)]
    assert [node.hex() for node in made] == PUBLISHED_PROOFS[old, size]
    assert [head.hex() for head in heads] == [PUBLISHED_HEADS[old], PUBLISHED_HEADS[size]]
    proofs.require_consistent(old, heads[0], size, heads[1], made)


def is_refused(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ProofError:
        return True
    return False


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data())
def test_an_audit_path_is_the_definitions_and_holds(size: int, choice: st.DataObject) -> None:
    index = choice.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    made = proofs.inclusion(tiled(size), index, size)
    assert made == path(index, leaves)
    proofs.require_included(leaf_hash(leaves[index]), index, size, made, mth(leaves))


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data())
def test_a_consistency_proof_is_the_definitions_and_holds(size: int, choice: st.DataObject) -> None:
    old = choice.draw(st.integers(1, size))
    leaves = leaves_of(size)
    made = proofs.consistency(tiled(size), old, size)
    assert made == subproof(old, leaves)
    proofs.require_consistent(old, mth(leaves[:old]), size, mth(leaves), made)


def test_every_proof_of_every_small_tree_holds_for_its_own_place_only() -> None:
    nodes = tiled(20)
    for size in range(1, 21):
        root = mth(leaves_of(size))
        for index in range(size):
            made = proofs.inclusion(nodes, index, size)
            for place in range(size):
                leaf = leaf_hash(leaves_of(size)[index])
                assert is_refused(proofs.require_included, leaf, place, size, made, root) == (place != index)
        for old in range(1, size + 1):
            made = proofs.consistency(nodes, old, size)
            for other in range(1, size + 1):
                stated = mth(leaves_of(other))
                assert is_refused(proofs.require_consistent, other, stated, size, root, made) == (other != old)


def mutations(made: Sequence[bytes]) -> list[list[bytes]]:
    """Return proofs that are nearly right."""
    wrong = [[*made, bytes(32)], [bytes(32), *made]]
    wrong += [[*made[:at], *made[at + 1 :]] for at in range(len(made))]
    wrong += [[*made[:at], bytes([node[0] ^ 1]) + node[1:], *made[at + 1 :]] for at, node in enumerate(made)]
    wrong += [[*made[:at], node[:31], *made[at + 1 :]] for at, node in enumerate(made)]
    return wrong


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.data())
def test_no_mangled_proof_holds(size: int, choice: st.DataObject) -> None:
    index, old = choice.draw(st.integers(0, size - 1)), choice.draw(st.integers(1, size))
    leaves, nodes = leaves_of(size), tiled(size)
    for wrong in mutations(proofs.inclusion(nodes, index, size)):
        assert is_refused(proofs.require_included, leaf_hash(leaves[index]), index, size, wrong, mth(leaves))
    for wrong in mutations(proofs.consistency(nodes, old, size)):
        assert is_refused(proofs.require_consistent, old, mth(leaves[:old]), size, mth(leaves), wrong)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 300), st.data())
def test_a_forked_tree_has_no_consistency_proof(size: int, choice: st.DataObject) -> None:
    old = choice.draw(st.integers(1, size))
    changed = choice.draw(st.integers(0, old - 1))
    leaves = leaves_of(size)
    fork = (*leaves[:changed], b"forged", *leaves[changed + 1 :])
    assume(fork != leaves)
    made = proofs.consistency(tiled(size), old, size)
    assert is_refused(proofs.require_consistent, old, mth(fork[:old]), size, mth(leaves), made)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_leaves_outside_the_tree_have_no_path(index: int, size: int) -> None:
    with pytest.raises(ProofError, match="has no leaf"):
        proofs.inclusion(tiled(5), index, size)
    with pytest.raises(ProofError, match="has no leaf"):
        proofs.require_included(bytes(32), index, size, [], bytes(32))


@pytest.mark.parametrize(("old", "size"), [(0, 5), (6, 5)])
def test_trees_do_not_grow_from_nothing_or_backwards(old: int, size: int) -> None:
    with pytest.raises(ProofError, match="cannot have grown"):
        proofs.consistency(tiled(5), old, size)
    with pytest.raises(ProofError, match="cannot have grown"):
        proofs.require_consistent(old, bytes(32), size, bytes(32), [])


def test_tiles_that_are_missing_yield_no_proof() -> None:
    with pytest.raises(LookupError):
        proofs.inclusion(tiled(300), 0, 301)
