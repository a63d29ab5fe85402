"""The transcript of a ceremony: who held it, when, by which file, and what stood at its end, as text that is signed."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import terms
from ca.certificates import CertificateState
from ca.plan import Plan
from ca.tables import IS_OURS, CertificateRow, IssuerRow
from keys.algorithms import algorithm_of

# Nothing else that is signed by the key of the audit log's heads begins like this.
TITLE = "tegata ceremony transcript v1"


@dataclass(frozen=True)
class Occasion:
    """Who held a ceremony, when, and by which file; `user` is the operating system's name for them."""

    operator: str
    user: str
    held: datetime
    file: str
    content: bytes = field(repr=False)


def digest(session: Session, plan: Plan, content: bytes) -> str:
    """Return what tells a ceremony's result apart: the file, its authorities' certificates, the names of its services.

    Renewed certificates of services do not change it.
    """
    whole = hashlib.sha256(content)
    names = [authority.name for authority in plan.authorities]
    for row in session.scalars(select(IssuerRow).where(IssuerRow.name.in_(names)).order_by(IssuerRow.name)):
        whole.update(hashlib.sha256(row.certificate).digest())
    for service in plan.services:
        whole.update(service.name.encode() + b"\0")
    return whole.hexdigest()[:16]


def text(session: Session, occasion: Occasion) -> str:
    """Return the transcript: all certificates of our own that are in force, with their keys, and the file to the octet."""
    lines = [
        TITLE,
        f"held: {occasion.held:%Y-%m-%dT%H:%M:%SZ}",
        f"operator: {occasion.operator} (user {occasion.user})",
        f"file: {occasion.file}",
        f"file sha256: {hashlib.sha256(occasion.content).hexdigest()}",
    ]
    query = select(CertificateRow).where(IS_OURS, CertificateRow.state == CertificateState.VALID)
    for row in session.scalars(query.order_by(CertificateRow.id)):
        lines += ["", *_certificate(session, row)]
    return "\n".join([*lines, "", "the file:", occasion.content.decode("utf-8")])


def _certificate(session: Session, row: CertificateRow) -> list[str]:
    certificate = x509.load_der_x509_certificate(row.der or b"")
    issuer, agreed = session.get(IssuerRow, row.subject), terms.load(session, row.subject)
    public_key = certificate.public_key()
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    lines = [
        f"{'authority' if issuer else 'certificate'}: {row.subject}",
        f"  subject: {certificate.subject.rfc4514_string()}",
        f"  issuer: {row.issuer}",
        f"  serial: {row.serial}",
        f"  valid: {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        f"  key: {algorithm_of(public_key).name}, identifier {identifier.digest.hex()}",
        f"  key sha256: {hashlib.sha256(spki).hexdigest()}",
        f"  certificate sha256: {hashlib.sha256(row.der or b'').hexdigest()}",
    ]
    if agreed is not None and agreed.issues_from is not None:
        lines.append(f"  issues from: {agreed.issues_from:%Y-%m-%dT%H:%M:%SZ}")
    return [*lines, *certificate.public_bytes(Encoding.PEM).decode("ascii").splitlines()]
