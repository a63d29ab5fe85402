"""A list as a file: its entries streamed between the parts of its frame, signed, flushed to disk, read back and checked.

A list of a million entries is some fifty megabytes; no more than a piece of it is ever in the process's own memory. What
is signed and verified are the file's pages.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.crl_encoding import Frame, header
from ca.crl_entries import Piece
from ca.der import BIT_STRING, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, tlv
from ca.issuers import Issuer, SigningIssuer, asking_custody
from ca.signing import join

# Room in front of the entries for the head, whose length depends on theirs. A distinguished name may be long.
_HEADROOM = 64 * 1024
_TIMES = (UTC_TIME, GENERALIZED_TIME)


class ListFaultError(Exception):
    """The file does not hold what was to be published: nothing is put into place."""


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

    def discard(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stage:
    """A TBSCertList in an unnamed file, ready to be signed once nobody needs the database any more."""

    file: BinaryIO
    begin: int
    frame: Frame
    lengths: tuple[int, ...]
    counts: tuple[int, ...]

    def sign(self, signer: SigningIssuer, place: Path) -> Draft:
        """Sign it into a draft beside `place`, check that and let the stage go.

        Raises ListFaultError when what was written does not read back as meant, and what the key's holder raises.
        """
        draft = Draft(place.with_name(f".{place.name}.{secrets.token_hex(4)}"), sum(self.counts), b"")
        try:
            with closing(self.file), mapped(self.file.fileno()) as view, view[self.begin :] as tbs:
                _assemble(draft.path, tbs, signer)
            digest = check(draft.path, signer.issuer, self.frame, tuple(zip(self.lengths, self.counts, strict=True)))
        except BaseException:
            draft.discard()
            raise
        return Draft(draft.path, draft.entries, digest)


def stage(frame: Frame, pieces: Iterable[Piece], folder: Path) -> Stage:
    """Write a TBSCertList as it comes out of the database."""
    folder.mkdir(parents=True, exist_ok=True)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it lives until it was signed)
    try:
        lengths, counts = [], []
        file.seek(_HEADROOM)
        for piece in pieces:
            file.write(piece.octets)
            lengths.append(len(piece.octets))
            counts.append(piece.count)
        file.write(frame.after)
        head = frame.head(sum(lengths))
        file.seek(_HEADROOM - len(head))  # a head that does not fit raises ValueError
        file.write(head)
        file.flush()
    except BaseException:
        file.close()
        raise
    return Stage(file, _HEADROOM - len(head), frame, tuple(lengths), tuple(counts))


def _assemble(path: Path, tbs: memoryview, signer: SigningIssuer) -> None:
    algorithm = signer.issuer.algorithm
    # Verified where it counts: in the file that was written (`check`).
    with asking_custody():
        signature = algorithm.sign(signer.key, tbs)
    tail = algorithm.identifier + tlv(BIT_STRING, b"\x00" + signature)
    with path.open("xb", buffering=0) as file:
        file.write(header(SEQUENCE, len(tbs) + len(tail)))
        _write_all(file.fileno(), tbs)
        file.write(tail)
        os.fsync(file.fileno())


def _write_all(descriptor: int, octets: memoryview) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]


def check(path: Path, issuer: Issuer, frame: Frame, expected: Sequence[tuple[int, int]]) -> bytes:
    """Read a written list back and return its SHA-256; `expected` are the lengths and counts of its pieces.

    Frame, signature and every entry are read: the entries by pyca's parser, a piece at a time. Raises ListFaultError.
    """
    with path.open("rb") as file, mapped(file.fileno()) as view:
        verify(view, issuer)
        tbs, algorithm, _ = parts(view)
        with tbs:
            if algorithm != issuer.algorithm.identifier:
                raise ListFaultError("the list names another algorithm than its issuer's")
            length = sum(octets for octets, _ in expected)
            at = len(head := frame.head(length))
            if tbs[:at] != head or tbs[at + length :] != frame.after:
                raise ListFaultError("the frame of the list is not what was meant")
            for octets, count in expected:
                with tbs[at : at + octets] as entries:
                    _check_entries(issuer, frame, entries, count)
                at += octets
        return hashlib.sha256(view).digest()


def _check_entries(issuer: Issuer, frame: Frame, entries: memoryview, count: int) -> None:
    """Read entries with pyca's parser, as the content of a small list of their own."""
    head, tail = frame.head(len(entries)), frame.after + issuer.algorithm.identifier + tlv(BIT_STRING, b"\x00")
    try:
        excerpt = x509.load_der_x509_crl(b"".join((header(SEQUENCE, len(head) + len(entries) + len(tail)), head, entries, tail)))
    except ValueError as error:
        raise ListFaultError(f"the list has an entry that can not be read: {error}") from error
    if len(excerpt) != count:
        raise ListFaultError(f"{len(excerpt)} entries stand where {count} were meant")


def parts(view: memoryview) -> tuple[memoryview, bytes, bytes]:
    """Return a list's TBSCertList, algorithm identifier and signature; raises ListFaultError when it is not exactly that."""
    begin, end = _span(view, 0, SEQUENCE)
    tbs_begin, tbs_end = begin, _span(view, begin, SEQUENCE)[1]
    algorithm_end = _span(view, tbs_end, SEQUENCE)[1]
    bits_begin, bits_end = _span(view, algorithm_end, BIT_STRING)
    if not end == bits_end == len(view) or view[bits_begin] != 0:
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
        return x509.load_der_x509_crl(join(frame, algorithm, b""))
    except ValueError as error:
        raise ListFaultError(f"the frame of the list can not be read: {error}") from error


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
