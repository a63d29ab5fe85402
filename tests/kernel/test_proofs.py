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
    tiling = Tiling()
    for leaf in leaves_of(size):
        tiling.append(leaf_hash(leaf))
    tiles = tiling.take()
    return nodes_of(lambda level, position: tiles.get((level, position), b""))


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
