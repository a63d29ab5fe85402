"""RFC 6962 §2.1 Merkle tree hashing, and the compact right edge that lets a tree grow without its leaves."""

import hashlib

# Octets of a hash: SHA-256 everywhere.
HASH = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962 §2.1: 0x00 prefix)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 §2.1: 0x01 prefix)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Edge:
    """The roots of the perfect subtrees of a tree of `size` leaves, largest first: O(log size) hashes."""

    def __init__(self, size: int = 0, roots: tuple[bytes, ...] = ()) -> None:
        if len(roots) != size.bit_count():
            message = f"a tree of {size} leaves has {size.bit_count()} perfect subtrees, not {len(roots)}"
            raise ValueError(message)
        self.size = size
        self.roots = list(roots)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash at the right."""
        node, size = leaf, self.size
        while size & 1:  # a perfect subtree of the same height stands at the edge: join them
            node = node_hash(self.roots.pop(), node)
            size >>= 1
        self.roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the tree head; of an empty tree, the hash of nothing."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        head = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            head = node_hash(left, head)
        return head


def root_of(hashes: bytes) -> bytes:
    """Return the head of the tree whose leaf hashes (or equally high nodes), 32 octets each, are concatenated."""
    edge = Edge()
    for at in range(0, len(hashes), HASH):
        edge.append(hashes[at : at + HASH])
    return edge.root()
