"""Proofs that a log kept its word: inclusion and consistency (RFC 6962 §2.1.1 and §2.1.2).

They are made from a tree's nodes (see `tiles`) and checked with nothing but hashes.
"""

from collections.abc import Sequence

from kernel.audit.merkle import HASH, node_hash
from kernel.audit.tiles import Nodes


class ProofError(ValueError):
    """A proof that proves nothing."""


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Return the audit path of a leaf in the tree of the first `size` leaves, the leaf's sibling first.

    RFC 6962 §2.1.1, PATH(m, D[n]). Raises ProofError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_head(nodes, middle, end))
            end = middle
        else:
            path.append(_head(nodes, start, middle))
            start = middle
    return path[::-1]


def consistency(nodes: Nodes, old_size: int, size: int) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with the one of `old_size` leaves.

    RFC 6962 §2.1.2, PROOF(m, D[n]). Raises ProofError unless 0 < old_size <= size.
    """
    if not 0 < old_size <= size:
        raise ProofError(f"a tree of {size} leaves cannot have grown from one of {old_size}")
    path: list[bytes] = []
    start, end, is_old_tree = 0, size, True
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_head(nodes, middle, end))
            end = middle
        else:
            path.append(_head(nodes, start, middle))
            start, is_old_tree = middle, False
    if not is_old_tree:
        path.append(_head(nodes, start, end))
    return path[::-1]


def require_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the path leads from the leaf hash at `index` to the head of a tree of `size` leaves."""
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    _require_hashes(path)
    at, last, head = index, size - 1, leaf
    for node in path:
        if not last:
            raise ProofError("the inclusion proof is too long")
        if at & 1 or at == last:
            head = node_hash(node, head)
            while not at & 1 and at:  # the right edge has no siblings here
                at, last = at >> 1, last >> 1
        else:
            head = node_hash(head, node)
        at, last = at >> 1, last >> 1
    if last or head != root:
        raise ProofError("the inclusion proof does not lead to the tree's head")


def require_consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raise ProofError unless the path shows that the newer tree begins with the whole older one."""
    if not 0 < old_size <= size:
        raise ProofError(f"a tree of {size} leaves cannot have grown from one of {old_size}")
    _require_hashes(path)
    if old_size == size:
        if path or old_root != root:
            raise ProofError("two heads of one size are not the same")
        return
    steps = list(path)
    at, last = old_size - 1, size - 1
    while at & 1:  # up to the highest node that both trees end their common part with
        at, last = at >> 1, last >> 1
    # An old tree that is one perfect subtree is its own first step.
    old_head = head = old_root if not at else steps.pop(0) if steps else b""
    for node in steps:
        if not last:
            raise ProofError("the consistency proof is too long")
        if at & 1 or at == last:
            old_head, head = node_hash(node, old_head), node_hash(node, head)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            head = node_hash(head, node)
        at, last = at >> 1, last >> 1
    if last or (old_head, head) != (old_root, root):
        raise ProofError("the consistency proof does not lead from the old head to the new one")


def _require_hashes(path: Sequence[bytes]) -> None:
    if any(len(node) != HASH for node in path):
        raise ProofError("a proof is made of hashes of 32 octets")


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _head(nodes: Nodes, start: int, end: int) -> bytes:
    """Return the head of the leaves [start, end), where `start` is a multiple of a power of two not below their number."""
    size = end - start
    if size & (size - 1) == 0:
        return nodes(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(_head(nodes, start, middle), _head(nodes, middle, end))
