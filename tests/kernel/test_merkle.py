"""Vectors: the Merkle tree of the Certificate Transparency project's own tests (eight leaves, in hexadecimal)."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.audit.merkle import Edge, leaf_hash

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
HEAD_OF_ONE = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
HEAD_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def _head_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word by word: split at the largest power of two below n."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _head_by_definition(leaves[:split]) + _head_by_definition(leaves[split:])).digest()


def _grown(leaves: list[bytes]) -> Edge:
    edge = Edge()
    for leaf in leaves:
        edge.append(leaf_hash(leaf))
    return edge


@pytest.mark.parametrize(("count", "head"), [(1, HEAD_OF_ONE), (8, HEAD_OF_EIGHT)])
def test_the_head_agrees_with_published_vectors(count: int, head: str) -> None:
    assert _grown([bytes.fromhex(leaf) for leaf in LEAVES[:count]]).root().hex() == head


def test_the_head_of_an_empty_tree_is_the_hash_of_nothing() -> None:
    assert Edge().root() == hashlib.sha256().digest()


@given(st.lists(st.binary(max_size=8), max_size=130))
def test_the_head_agrees_with_the_definition(leaves: list[bytes]) -> None:
    assert _grown(leaves).root() == _head_by_definition(leaves)


@given(st.lists(st.binary(max_size=4), max_size=70), st.lists(st.binary(max_size=4), max_size=70))
def test_a_tree_grows_on_from_its_stored_edge(before: list[bytes], after: list[bytes]) -> None:
    stored = _grown(before)
    edge = Edge(stored.size, tuple(stored.roots))
    for leaf in after:
        edge.append(leaf_hash(leaf))
    assert edge.root() == _head_by_definition(before + after)
    assert len(edge.roots) == (len(before) + len(after)).bit_count()


def test_an_edge_that_does_not_fit_its_size_is_not_taken() -> None:
    with pytest.raises(ValueError, match="a tree of 3 leaves has 2 perfect subtrees, not 1"):
        Edge(3, (b"\0" * 32,))
