"""Hash tiles (C2SP tlog-tiles): the Merkle tree in pieces of 256 hashes, eight levels of the tree high.

A tile's row grows with the tree until it is full and never changes afterwards. It is written in the transaction that
places the leaves, so it is also a second account of them beside the entries. Entries themselves are never published.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, LargeBinary, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.audit.merkle import HASH, root_of
from kernel.database import Base

HEIGHT = 8
WIDTH = 1 << HEIGHT
FULL = WIDTH * HASH
TOP_LEVEL = 63

_PATH = re.compile(r"(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)

# The root of the perfect subtree of 2^height leaves that is the index-th of its kind; LookupError where there is none.
Nodes = Callable[[int, int], bytes]


class AuditTile(Base):
    """One tile: up to 256 hashes, concatenated."""

    __tablename__ = "kernel_audit_tile"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hashes: Mapped[bytes] = mapped_column(LargeBinary(FULL))


@dataclass(frozen=True)
class TileName:
    """Which tile, and how many of its hashes: 256, or fewer at the right edge of a tree."""

    level: int
    position: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below `/tile/`: level, position in groups of three digits, width of a partial tile."""
        digits = f"{self.position:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"{self.level}/" + "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:]) + partial

    @property
    def is_full(self) -> bool:
        """Whether it names all 256 hashes."""
        return self.width == WIDTH

    @classmethod
    def parse(cls, path: str) -> "TileName | None":
        """Read a path; None for every spelling but the one that the specification allows."""
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        level, groups, width = match.groups()
        name = cls(int(level), int(groups.replace("x", "").replace("/", "")), int(width or WIDTH))
        return name if name.path == path and name.level <= TOP_LEVEL else None

    def is_within(self, size: int) -> bool:
        """Return whether a tree of `size` leaves has these hashes."""
        return self.width <= (size >> HEIGHT * self.level) - self.position * WIDTH


class Tiling:
    """The unfinished tiles at the right edge of a tree of `size` leaves, lowest level first; grows leaf by leaf."""

    def __init__(self, size: int = 0, edges: Iterable[bytes] = ()) -> None:
        self.size = size
        self._edges = [bytearray(edge) for edge in edges]
        self._changed: dict[tuple[int, int], bytearray] = {}

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash; the root of a tile that becomes full is added one level higher."""
        node, level, standing = leaf, 0, self.size
        self.size += 1
        while True:
            if level == len(self._edges):
                self._edges.append(bytearray())
            tile = self._edges[level]
            tile += node
            self._changed[level, standing // WIDTH] = tile
            if len(tile) < FULL:
                return
            node, self._edges[level] = root_of(bytes(tile)), bytearray()
            level, standing = level + 1, standing // WIDTH

    def take(self, *, only_full: bool = False) -> dict[tuple[int, int], bytes]:
        """Return the tiles that changed since they were taken last, by (level, position)."""
        taken = {place: bytes(tile) for place, tile in self._changed.items() if not only_full or len(tile) == FULL}
        for place in taken:
            del self._changed[place]
        return taken


def width(session: Session) -> int:
    """Return how many leaves the stored tiles hold."""
    newest = select(AuditTile).where(AuditTile.level == 0).order_by(AuditTile.position.desc()).limit(1)
    tile = session.scalar(newest)
    return 0 if tile is None else tile.position * WIDTH + len(tile.hashes) // HASH


def count(session: Session) -> int:
    """Return how many tiles are stored."""
    return session.scalar(select(func.count()).select_from(AuditTile)) or 0


def grow(session: Session, leaves: Iterable[bytes]) -> None:
    """Add leaf hashes to the stored tiles, in the transaction that places the leaves."""
    size = width(session)
    tiling = Tiling(size, _edges(session, size))
    for leaf in leaves:
        tiling.append(leaf)
    for (level, position), hashes in tiling.take().items():
        session.merge(AuditTile(level=level, position=position, hashes=hashes))


def stored(session: Session, name: TileName) -> bytes | None:
    """Return a tile's hashes, as many as its name says."""
    tile = session.get(AuditTile, (name.level, name.position))
    if tile is None or len(tile.hashes) < name.width * HASH:
        return None
    return tile.hashes[: name.width * HASH]


def stored_nodes(session: Session) -> Nodes:
    """Return the tree's nodes as the stored tiles have them."""

    def tile(level: int, position: int) -> bytes:
        row = session.get(AuditTile, (level, position))
        return b"" if row is None else row.hashes

    return nodes_of(tile)


def nodes_of(tile: Callable[[int, int], bytes]) -> Nodes:
    """Return the tree's nodes out of its tiles; `tile(level, position)` returns what there is of one."""

    def node(height: int, index: int) -> bytes:
        level, inner = divmod(height, HEIGHT)
        position, first = divmod(index << inner, WIDTH)
        hashes = tile(level, position)[first * HASH : (first + (1 << inner)) * HASH]
        if len(hashes) != HASH << inner:
            raise LookupError(f"the tiles have no node {index} at height {height}")
        return root_of(hashes)

    return node


def _edges(session: Session, size: int) -> Iterable[bytes]:
    level = 0
    while standing := size >> HEIGHT * level:
        position, partial = divmod(standing, WIDTH)
        tile = session.get(AuditTile, (level, position)) if partial else None
        yield tile.hashes[: partial * HASH] if tile else b""
        level += 1
