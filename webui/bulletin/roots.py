"""The house's own root certificates as readers are shown them, to compare with what they were given another way."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding


@dataclass(frozen=True)
class Root:
    """A root certificate: its name as in the certificate, both fingerprints (pairs of hex digits), its period, and its PEM."""

    name: str
    sha256: str
    sha1: str
    not_before: datetime
    not_after: datetime
    pem: str


def read_roots(bundle: bytes) -> tuple[Root, ...]:
    """Read a file of root certificates (PEM); raise ValueError when there is none in it."""
    return tuple(_read(certificate) for certificate in x509.load_pem_x509_certificates(bundle))


def _read(certificate: x509.Certificate) -> Root:
    return Root(
        name=certificate.subject.rfc4514_string(),
        sha256=_pairs(certificate.fingerprint(hashes.SHA256())),
        # Windows shows this one first; it names, it does not prove.
        sha1=_pairs(certificate.fingerprint(hashes.SHA1())),  # noqa: S303
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
    )


def _pairs(digest: bytes) -> str:
    return digest.hex(":").upper()
