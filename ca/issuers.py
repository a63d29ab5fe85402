"""Issuers as the rest of the room sees them: a name, a certificate, and what is derived from it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import der
from ca.tables import IssuerRow
from kernel.errors import Unavailable
from keys.algorithms import SignatureAlgorithm, SignatureHash, SigningKey, VerifyingKey, algorithm_of
from keys.trouble import KeyTroubleError


@dataclass(frozen=True)
class Issuer:
    """A certificate authority of ours."""

    name: str
    key_name: str
    certificate: x509.Certificate

    @cached_property
    def public_key(self) -> VerifyingKey:
        """The key that its signatures are verified with."""
        key = self.certificate.public_key()
        if not isinstance(key, VerifyingKey):
            message = f"issuer {self.name} has a key of a kind that is not used here"
            raise TypeError(message)
        return key

    @cached_property
    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm of its signatures; raises ValueError for a key that does not sign here."""
        return algorithm_of(self.public_key)

    @cached_property
    def der(self) -> bytes:
        """The certificate's octets."""
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def subject_der(self) -> bytes:
        """The octets of its name as its certificate has them (RFC 5280 §4.1), which certificates and CRLs below it repeat."""
        _version, _serial, _algorithm, _issuer, _validity, subject, *_ = der.elements(self.certificate.tbs_certificate_bytes)
        return subject

    @cached_property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @cached_property
    def key_identifier(self) -> x509.SubjectKeyIdentifier:
        """The subject key identifier that certificates below it refer to."""
        return self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value

    def identifier_hashes(self, algorithm: str) -> tuple[bytes, bytes]:
        """Return the hashes of name and key by which OCSP's CertID names this issuer (RFC 6960 §4.1.1)."""
        name = hashlib.new(algorithm, self.subject_der, usedforsecurity=False).digest()
        _, bits = der.elements(self.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        key = hashlib.new(algorithm, der.content(bits)[1:], usedforsecurity=False).digest()
        return name, key


@dataclass(frozen=True)
class SigningIssuer:
    """An issuer together with its key: the capability to make certificates and CRLs.

    Raises ValueError at once when certificate and key do not belong together.
    """

    issuer: Issuer
    key: SigningKey

    def __post_init__(self) -> None:
        """Refuse a key that is not the certificate's."""
        if self.key.public_key() != self.issuer.public_key:
            message = f"the key of issuer {self.issuer.name} does not match its certificate"
            raise ValueError(message)

    @property
    def hash(self) -> SignatureHash | None:
        """The hash that pyca's builders want beside the key; None for Ed25519 and ML-DSA."""
        return self.issuer.algorithm.hash

    def sign(self, tbs: bytes) -> bytes:
        """Sign a certificate's, CRL's or OCSP response's TBS, and verify what was signed.

        A faulty device must not put a broken signature into the world: raises InvalidSignature; and Unavailable while the
        key's custody does not answer.
        """
        algorithm = self.issuer.algorithm
        with asking_custody():
            signature = algorithm.sign(self.key, tbs)
        algorithm.verify(self.issuer.public_key, signature, tbs)
        return signature


@contextmanager
def asking_custody() -> Iterator[None]:
    """Turn what a key's custody says, a token that was pulled for instance, into Unavailable: nothing was signed."""
    try:
        yield
    except KeyTroubleError as trouble:
        raise Unavailable(f"custody of keys: {trouble}") from trouble


def load(session: Session, name: str) -> Issuer | None:
    """Return an issuer by name."""
    row = session.get(IssuerRow, name)
    return _as_issuer(row) if row else None


def load_all(session: Session) -> list[Issuer]:
    """Return all issuers, by name."""
    return [_as_issuer(row) for row in session.scalars(select(IssuerRow).order_by(IssuerRow.name))]


def chain(session: Session, name: str) -> tuple[Issuer, ...]:
    """Return an issuer and those above it, without the root."""
    present = load_all(session)
    by_subject = {issuer.certificate.subject: issuer for issuer in present}
    links: list[Issuer] = []
    link = next((issuer for issuer in present if issuer.name == name), None)
    while link is not None and link.certificate.issuer != link.certificate.subject:
        links.append(link)
        link = by_subject.get(link.certificate.issuer)
    return tuple(links)


def _as_issuer(row: IssuerRow) -> Issuer:
    return _issuer(row.name, row.key_name, row.certificate)


@lru_cache(maxsize=64)
def _issuer(name: str, key_name: str, certificate: bytes) -> Issuer:
    """Issuers never change, so each is read and its parts are derived once."""
    return Issuer(name, key_name, x509.load_der_x509_certificate(certificate))
