"""The certificates above terminals, as those fetch them who build paths: every authority in force, and roots' links."""

from datetime import datetime

from cryptography import x509
from sqlalchemy.orm import Session

from ca import authority_certificates, issuers, terms
from ca.issuers import Issuer


def authorities(session: Session, now: datetime) -> list[Issuer]:
    """Return the authorities whose certificates have not ended: the one whose turn it is first, the roots last."""
    turn = terms.whose_turn(terms.succession(session), now)
    living = [issuer for issuer in issuers.load_all(session) if now < issuer.certificate.not_valid_after_utc]
    return sorted(living, key=lambda one: (is_root(one), turn is None or one.name != turn.name))


def roots(session: Session, now: datetime) -> list[Issuer]:
    """Return the roots that have not ended."""
    return [issuer for issuer in authorities(session, now) if is_root(issuer)]


def links(session: Session, now: datetime) -> list[x509.Certificate]:
    """Return the certificates that roots gave each other (RFC 4210 §4.4) and that have not ended."""
    found = [x509.load_der_x509_certificate(der) for der in authority_certificates.links(session).values()]
    return [link for link in found if now < link.not_valid_after_utc]


def successor(session: Session, now: datetime) -> Issuer | None:
    """Return the issuing CA whose turn comes next, or None while none was agreed."""
    coming = [term.issuer for term in terms.succession(session) if term.begin > now]
    return coming[0] if coming else None


def is_root(issuer: Issuer) -> bool:
    """Return whether an authority is below nobody."""
    return issuer.certificate.issuer == issuer.certificate.subject
