"""The folder on the PC in which a terminal's key and certificate lie, one folder a terminal.

    pending-key.pem   a key whose certificate has not come yet; written before anything is sent, so that a lost answer
                      or a crash is cured by the same command again: same key, same certificate
    key.pem certificate.pem chain.pem          as PEM, the key as PKCS#8 (encrypted where there is a passphrase)
    terminal.p12                               or all three as PKCS#12

A renewal has more names beside these: `enrollment.client.changeover`. Nothing here is ever overwritten but by itself.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from kernel.errors import Refused

PENDING, KEY, CERTIFICATE, CHAIN, PKCS12 = "pending-key.pem", "key.pem", "certificate.pem", "chain.pem", "terminal.p12"
# What takes the place of the files above and has not yet done so for all of them: it is valid already.
MOVING = "switching"
_DRAFT = re.compile(r"\.(?:(?:pending-)?key|certificate|chain|terminal)\.(?:pem|p12)(?:\.old)?\.[0-9a-f]{8}")
# More than these are refused by .NET's loader, and slow where SHA-1 is.
ROUNDS, ROUNDS_3DES = 300_000, 20_000
# What stands in a file of 3DES and SHA-1: the name of its encryption, pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C).
_PBE_3DES = bytes.fromhex("060a2a864886f70d010c0103")


class Form(StrEnum):
    """How key and certificate are kept. 3DES and SHA-1 are for readers that know nothing newer: Windows before 10 1709."""

    PEM = "pem"
    PKCS12 = "p12"
    PKCS12_3DES = "p12-3des"


@dataclass(frozen=True)
class Holding:
    """What a folder holds. `key` is None when it is missing or its passphrase was not given."""

    key: ec.EllipticCurvePrivateKey | None = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    files: tuple[Path, ...]

    @property
    def key_matches(self) -> bool | None:
        """Whether key and certificate belong together; None when there is a key, but closed."""
        if self.key is not None:
            return self.certificate.public_key() == self.key.public_key()
        return None if any(file.name == KEY for file in self.files) else False


def passphrase_in(file: Path) -> bytes:
    """Return a file's first line; raises Refused("passphrase-unreadable"), Refused("passphrase-empty")."""
    try:
        # Windows' editors put a byte order mark at the beginning.
        passphrase = file.read_text(encoding="utf-8-sig").split("\n")[0].encode()
    except (OSError, UnicodeDecodeError):
        raise Refused("passphrase-unreadable", path=str(file)) from None
    if not passphrase:
        raise Refused("passphrase-empty", path=str(file))
    return passphrase


@dataclass(frozen=True)
class Folder:
    """A terminal's folder; `passphrase` protects the key."""

    path: Path
    passphrase: bytes | None = field(default=None, repr=False)

    def require_room(self, form: Form) -> None:
        """Raise Refused("files-exist", path=…) when a certificate is here already, "passphrase-needed" for PKCS#12 without."""
        if form is not Form.PEM and self.passphrase is None:
            raise Refused("passphrase-needed", path=str(self.path / PKCS12))
        # Certificate and chain are written before the key gets its name: beside a pending key they are an unfinished try.
        unfinished = (self.path / PENDING).exists()
        for name in (KEY, PKCS12) if unfinished else (KEY, PKCS12, CERTIFICATE, CHAIN):
            if (self.path / name).exists():
                raise Refused("files-exist", path=str(self.path / name))

    def pending_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key of an unfinished try, or a new one, kept on disk before it is returned.

        Raises Refused("folder-unwritable"), Refused("passphrase-wrong"), Refused("key-unreadable").
        """
        file = self.path / PENDING
        if not file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            with writable(self.path):
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                flush(self.path.parent)
                # Two at once: the second one takes the first one's key.
                with contextlib.suppress(FileExistsError):
                    _write_new(file, self._encoded(key))
        return self._key(file)

    def keep(self, certificate: x509.Certificate, chain: Sequence[x509.Certificate], name: str, form: Form) -> tuple[Path, ...]:
        """Write the certificate and what belongs to it, and give the pending key its lasting place; return the files."""
        pending = self.path / PENDING
        with writable(self.path):
            if form is not Form.PEM:
                files: tuple[Path, ...] = (self.path / PKCS12,)
                encryption = _encryption(form, self.passphrase or b"")
                _write_new(
                    files[0],
                    pkcs12.serialize_key_and_certificates(name.encode(), self._key(pending), certificate, chain, encryption),
                )
            else:
                files = (self.path / KEY, self.path / CERTIFICATE, self.path / CHAIN)
                replace(files[2], b"".join(link.public_bytes(Encoding.PEM) for link in chain))
                replace(files[1], certificate.public_bytes(Encoding.PEM))
                _write_new(files[0], self._encoded(self._key(pending)))
            pending.unlink()
            flush(self.path)
        return files

    def is_pending(self) -> bool:
        """Return whether a key waits for its certificate."""
        finished = (self.path / KEY).exists() or (self.path / PKCS12).exists()
        return (self.path / PENDING).exists() and not finished

    @property
    def form(self) -> Form:
        """How key and certificate are kept here."""
        file = self._place_of(PKCS12)
        if not file.exists():
            return Form.PEM
        return Form.PKCS12_3DES if _PBE_3DES in file.read_bytes() else Form.PKCS12

    def is_closed(self) -> bool:
        """Return whether the key can not be used without a passphrase."""
        file = self._place_of(PENDING if self.is_pending() else KEY)
        try:
            return self.form is not Form.PEM or b"ENCRYPTED" in file.read_bytes()
        except OSError:
            return False

    def holding(self) -> Holding | None:
        """Return what is here, or None when no certificate is.

        Raises Refused("passphrase-wrong"), Refused("passphrase-needed") for PKCS#12, Refused("certificate-unreadable").
        """
        while True:
            stamp = self._stamp()
            try:
                held = self._held()
            except Refused:
                if self._stamp() == stamp:
                    raise
                continue
            # Files that were exchanged while they were read may not fit together.
            if self._stamp() == stamp:
                return held

    def _held(self) -> Holding | None:
        if (file := self._place_of(PKCS12)).exists():
            return self._from_pkcs12(file)
        files = tuple(self._place_of(name) for name in (KEY, CERTIFICATE, CHAIN))
        if not files[1].exists():
            return None
        certificates = [_certificates(file) for file in files[1:] if file.exists()]
        (certificate, *rest) = certificates[0]
        chain = (*rest, *certificates[1]) if len(certificates) > 1 else tuple(rest)
        try:
            key = self._key(files[0]) if files[0].exists() else None
        except Refused as refused:
            if refused.code != "passphrase-needed":
                raise
            key = None
        return Holding(key, certificate, chain, tuple(file for file in files if file.exists()))

    def _place_of(self, name: str) -> Path:
        moving = self.path / MOVING / name
        return moving if moving.exists() else self.path / name

    def _stamp(self) -> list[tuple[int, int] | None]:
        files = (place / name for place in (self.path / MOVING, self.path) for name in (KEY, CERTIFICATE, CHAIN, PKCS12))
        return [_identity_of(file) for file in files]

    def _encoded(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        encryption = BestAvailableEncryption(self.passphrase) if self.passphrase else NoEncryption()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def _key(self, file: Path) -> ec.EllipticCurvePrivateKey:
        try:
            content = file.read_bytes()
            is_encrypted = b"ENCRYPTED" in content
            if is_encrypted and self.passphrase is None:
                raise Refused("passphrase-needed", path=str(file))
            key = load_pem_private_key(content, self.passphrase if is_encrypted else None)
        except OSError:
            raise Refused("key-unreadable", path=str(file)) from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refused("passphrase-wrong" if is_encrypted else "key-unreadable", path=str(file)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Refused("key-unreadable", path=str(file))
        return key

    def _from_pkcs12(self, file: Path) -> Holding:
        if self.passphrase is None:
            raise Refused("passphrase-needed", path=str(file))
        try:
            key, certificate, chain = pkcs12.load_key_and_certificates(file.read_bytes(), self.passphrase)
        except (OSError, ValueError):
            raise Refused("passphrase-wrong", path=str(file)) from None
        if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Refused("certificate-unreadable", path=str(file))
        return Holding(key, certificate, tuple(chain), (file,))


def _encryption(form: Form, passphrase: bytes) -> KeySerializationEncryption:
    builder = PrivateFormat.PKCS12.encryption_builder()
    if form is Form.PKCS12_3DES:
        builder = builder.kdf_rounds(ROUNDS_3DES).key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        return builder.hmac_hash(hashes.SHA1()).build(passphrase)  # noqa: S303 (by its name, for who must)
    builder = builder.kdf_rounds(ROUNDS).key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    return builder.hmac_hash(hashes.SHA256()).build(passphrase)


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        raise Refused("certificate-unreadable", path=str(file)) from None


def _identity_of(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into Refused("files-exist") or Refused("folder-unwritable")."""
    try:
        yield
    except FileExistsError as error:
        raise Refused("files-exist", path=str(error.filename2 or error.filename)) from None
    except OSError as error:
        raise Refused("folder-unwritable", path=str(folder), detail=error.strerror or "") from None


def is_draft(file: Path) -> bool:
    """Return whether a file is one that a crash left half written, under a name that nothing reads."""
    return _DRAFT.fullmatch(file.name) is not None


def _draft(file: Path, content: bytes) -> Path:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    return draft


def _write_new(file: Path, content: bytes) -> None:
    """Write a file whole, readable by its owner only; raises FileExistsError rather than replacing another."""
    draft = _draft(file, content)
    try:
        os.link(draft, file)
    finally:
        draft.unlink()
    flush(file.parent)


def replace(file: Path, content: bytes) -> None:
    """Write a file whole, readable by its owner only, in the place of what was there."""
    _draft(file, content).replace(file)


def flush(folder: Path) -> None:
    """Make names last through a power failure, where the system lets folders be flushed."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
