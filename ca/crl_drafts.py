"""A list as a file: its entries streamed between the parts of its frame, signed, flushed to disk, read back and checked.

A list of a million entries is some fifty megabytes; no more than a piece of it is ever in the process's own memory. It is
written once, entries first, as nobody knows how long they are before they came: the file is hashed for the signature, then
read back and compared.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.crl_blocks import Piece
from ca.crl_encoding import Frame, header, require_entries
from ca.der import BIT_STRING, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, tlv
from ca.issuers import Issuer, SigningIssuer, asking_custody
from ca.signing import join

# What pyca says of lists that it can not read.
UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_TIMES = (UTC_TIME, GENERALIZED_TIME)
# Octets that a signature may have, to guess the length of what stands before everything; a wrong guess costs a copy.
_USUAL_SIGNATURE = 72
# Octets of a tag and a length at most (X.690 §8.1.3.5): lists stay below four gigabytes.
_LONGEST_HEADER = 6
# Octets of a file in memory at a time.
_CHUNK = 1 << 19
# Seconds after which a draft is nobody's any more: whoever wrote it was killed.
_ABANDONED = 3_600


class ListFaultError(Exception):
    """The file does not hold what was to be published: nothing is put into place."""


class Listing(Protocol):
    """What a list says: its entries."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the entries, each piece as it is asked for."""
        ...


@dataclass(frozen=True)
class Draft:
    """A signed, checked list beside its place. `entries` is how many it has."""

    path: Path
    entries: int
    sha256: bytes

    def put_in_place(self, file: Path) -> None:
        """Rename over the published file, durably: readers find the old one or this one, whole."""
        self.path.replace(file)
        sync_folder(file.parent)


@dataclass(frozen=True)
class _Part:
    """A piece as it was written; `is_read` tells that a parser read it when it was kept."""

    length: int
    count: int
    sha256: bytes
    is_read: bool


@dataclass(frozen=True)
class Stage:
    """A TBSCertList in a draft, ready to be signed once nobody needs the database any more.

    It begins at `begin`, after room for the outer header; `digest` is what the issuer's algorithm signs, where that hashes.
    """

    issuer: Issuer
    frame: Frame
    path: Path
    file: BinaryIO
    begin: int
    parts: tuple[_Part, ...]
    digest: bytes | None

    @property
    def head(self) -> bytes:
        """What stands before the entries."""
        return self.frame.head(sum(part.length for part in self.parts))

    @property
    def length(self) -> int:
        """The octets of the TBSCertList."""
        return len(self.head) + sum(part.length for part in self.parts) + len(self.frame.after)

    def sign(self, signer: SigningIssuer) -> Draft:
        """Sign it, flush it to disk and read it back.

        Raises ListFaultError when what was written does not read back as meant, and what the key's holder raises.
        """
        tail = self.issuer.algorithm.identifier + tlv(BIT_STRING, b"\x00" + self._signature(signer))
        outer = header(SEQUENCE, self.length + len(tail))
        if len(outer) != self.begin:
            # Only where the length of a length changes (X.690 §8.1.3): at 128, 256, 65,536 and 16,777,216 octets.
            move(self.file.fileno(), (self.begin, self.begin + self.length), len(outer))
        _write_all(self.file.fileno(), outer, 0)
        _write_all(self.file.fileno(), tail, len(outer) + self.length)
        os.fsync(self.file.fileno())
        digest = _read_back(self.path, (outer + self.head, self.parts, self.frame.after + tail))
        return Draft(self.path, sum(part.count for part in self.parts), digest)

    def _signature(self, signer: SigningIssuer) -> bytes:
        """Return the signature, verified: a faulty device must not put a broken one into the world."""
        algorithm, public_key = self.issuer.algorithm, self.issuer.public_key
        try:
            if self.digest is not None:
                with asking_custody():
                    signature = algorithm.sign_digest(signer.key, self.digest)
                algorithm.verify_digest(public_key, signature, self.digest)
                return signature
            with mapped(self.file.fileno()) as view, view[self.begin :] as tbs:
                with asking_custody():
                    signature = algorithm.sign(signer.key, tbs)
                algorithm.verify(public_key, signature, tbs)
                return signature
        except InvalidSignature:
            raise ListFaultError(f"the signature is not that of {self.issuer.name}") from None


@contextmanager
def stage(issuer: Issuer, frame: Frame, listing: Listing, place: Path) -> Iterator[Stage]:
    """Write a TBSCertList beside its place as it comes out of the database; what is not in place at the end is deleted."""
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        with path.open("x+b", buffering=0) as file:
            yield _written(issuer, frame, listing, path, file)
    finally:
        path.unlink(missing_ok=True)


def _written(issuer: Issuer, frame: Frame, listing: Listing, path: Path, file: BinaryIO) -> Stage:
    descriptor, algorithm = file.fileno(), issuer.algorithm
    # Where the entries of the longest list begin: those of a shorter one are moved a few octets.
    came_at = end = 3 * _LONGEST_HEADER + len(frame.before)
    parts = []
    for piece in listing.pieces():
        _write_all(descriptor, piece.octets, end)
        end += len(piece.octets)
        digest = piece.sha256 or hashlib.sha256(piece.octets).digest()
        parts.append(_Part(len(piece.octets), piece.count, digest, piece.sha256 is not None))
    head = frame.head(end - came_at)
    length = len(head) + end - came_at + len(frame.after)
    begin = len(header(SEQUENCE, length + len(algorithm.identifier) + _USUAL_SIGNATURE))
    move(descriptor, (came_at, end), begin + len(head))
    _write_all(descriptor, head, begin)
    _write_all(descriptor, frame.after, begin + length - len(frame.after))
    hashed = _digest(descriptor, (begin, begin + length), algorithm.hash.name) if algorithm.hash else None
    return Stage(issuer, frame, path, file, begin, tuple(parts), hashed)


def _digest(descriptor: int, span: tuple[int, int], name: str) -> bytes:
    hashed, (begin, end) = hashlib.new(name), span
    for at in range(begin, end, _CHUNK):
        hashed.update(os.pread(descriptor, min(_CHUNK, end - at), at))
    return hashed.digest()


def move(descriptor: int, span: tuple[int, int], to: int) -> None:
    """Move octets within a file, beginning at the side where nothing is overwritten that is still to be read."""
    begin, end = span
    places = range(begin, end, _CHUNK) if to != begin else range(0)
    for at in places if to < begin else reversed(places):
        _write_all(descriptor, os.pread(descriptor, min(_CHUNK, end - at), at), at - begin + to)


def _write_all(descriptor: int, octets: bytes, at: int) -> None:
    with memoryview(octets) as view:
        written = 0
        while written < len(view):
            written += os.pwrite(descriptor, view[written:], at + written)


def _read_back(path: Path, meant: tuple[bytes, Sequence[_Part], bytes]) -> bytes:
    """Read a written list and return its SHA-256: every octet is what was meant and signed, every entry can be read.

    Entries that were kept are known by their digest, others are read by pyca's parser. Raises ListFaultError.
    """
    before, parts, after = meant
    whole = hashlib.sha256()
    room = memoryview(bytearray(max([len(before), len(after) + 1, *(part.length for part in parts)])))
    with path.open("rb", buffering=0) as file:

        def following(length: int) -> memoryview:
            read = file.readinto(room[:length])
            whole.update(room[:read])
            return room[:read]

        if following(len(before)) != before:
            raise ListFaultError("what stands before the entries is not what was meant")
        for part in parts:
            _require(part, following(part.length))
        if following(len(after) + 1) != after:
            raise ListFaultError("what stands after the entries is not what was meant")
    return whole.digest()


def _require(part: _Part, octets: memoryview) -> None:
    if hashlib.sha256(octets).digest() != part.sha256:
        raise ListFaultError("the entries are not those that were meant")
    if part.is_read:
        return
    try:
        require_entries(octets, part.count)
    except ValueError as error:
        raise ListFaultError(f"the list has an entry that can not be read: {error}") from error


def parts(view: memoryview) -> tuple[memoryview, bytes, bytes]:
    """Return a list's TBSCertList, algorithm identifier and signature; raises ListFaultError when it is not exactly that."""
    begin, end = _span(view, 0, SEQUENCE)
    tbs_begin, tbs_end = begin, _span(view, begin, SEQUENCE)[1]
    algorithm_end = _span(view, tbs_end, SEQUENCE)[1]
    bits_begin, bits_end = _span(view, algorithm_end, BIT_STRING)
    if not end == bits_end == len(view) or bytes(view[bits_begin : bits_begin + 1]) != b"\x00":
        raise ListFaultError("the file is not exactly one list")
    return view[tbs_begin:tbs_end], bytes(view[tbs_end:algorithm_end]), bytes(view[bits_begin + 1 : bits_end])


def without_entries(view: memoryview) -> x509.CertificateRevocationList:
    """Return what a list says of itself: everything but its entries, whose signature it therefore does not carry.

    Raises ListFaultError when the octets are no list.
    """
    tbs, algorithm, _ = parts(view)
    with tbs:
        begin, end = _span(tbs, 0, SEQUENCE)
        at = begin
        for tag in (INTEGER, SEQUENCE, SEQUENCE):
            at = _span(tbs, at, tag)[1]
        while at < end and tbs[at] in _TIMES:
            at = _span(tbs, at, tbs[at])[1]
        after = _span(tbs, at, SEQUENCE)[1] if at < end and tbs[at] == SEQUENCE else at
        frame = tlv(SEQUENCE, bytes(tbs[begin:at]) + bytes(tbs[after:end]))
    try:
        said = x509.load_der_x509_crl(join(frame, algorithm, b""))
        _ = said.issuer, said.extensions  # which are read only when somebody asks for them
    except UNREADABLE as error:
        raise ListFaultError(f"the frame of the list can not be read: {error}") from error
    return said


def verify(view: memoryview, issuer: Issuer) -> None:
    """Raise ListFaultError unless the octets are a list that the issuer signed."""
    tbs, _, signature = parts(view)
    with tbs:
        try:
            issuer.algorithm.verify(issuer.public_key, signature, tbs)
        except InvalidSignature:
            raise ListFaultError(f"the signature is not that of {issuer.name}") from None


def _span(view: memoryview, at: int, tag: int) -> tuple[int, int]:
    """Return where the content of the value that begins at `at` begins and ends (X.690 §10.1)."""
    if at + 2 > len(view) or view[at] != tag:
        raise ListFaultError(f"there is no value of tag {tag} at octet {at}")
    length, begin = view[at + 1], at + 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(view[at + 2 : begin], "big")
    if bytes(view[at:begin]) != header(tag, length) or begin + length > len(view):
        raise ListFaultError(f"the length at octet {at} is wrong")
    return begin, begin + length


@contextmanager
def mapped(descriptor: int) -> Iterator[memoryview]:
    """Give a file's octets without reading them into memory of our own; raises ListFaultError when there are none."""
    if os.fstat(descriptor).st_size == 0:
        raise ListFaultError("the file is empty")
    with closing(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)) as pages, memoryview(pages) as view:
        yield view


@contextmanager
def publishing(folder: Path) -> Iterator[None]:
    """Hold the folder's publications: whoever stores a list's row and renames its file is alone with both."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(file: Path) -> None:
    """Delete drafts beside a file that was just published: what is far older was left behind by somebody who was killed."""
    published = file.stat().st_mtime
    for draft in file.parent.glob(".*.crl.*"):
        with suppress(FileNotFoundError):
            if published - draft.stat().st_mtime > _ABANDONED:
                draft.unlink()


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(file: Path) -> bytes | None:
    """Return a file's SHA-256, or None when it is not there."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").digest()
    except FileNotFoundError:
        return None
