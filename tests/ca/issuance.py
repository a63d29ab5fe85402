"""Certificates for tests of the CA alone, without codes: promised, or taken all the way."""

import itertools

from cryptography.hazmat.primitives.asymmetric import ec

from ca import authority, certificates
from ca.certificates import CertificateRecord
from ca.profiles import Subject
from ca.requests import RequestedKey, spki_digest
from kernel.clock import tokyo_date
from tests.support.house import OFFICE, House

_numbers = itertools.count(10_000)


def new_key() -> RequestedKey:
    """Return a key whose possession counts as proven."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return RequestedKey(key, spki_digest(key))


def reserve(house: House, *, key: RequestedKey | None = None, terminal: str | None = None) -> CertificateRecord:
    """Return a certificate that is promised and not signed."""
    now = house.clock.now()
    subject = Subject(terminal or f"{next(_numbers)}A", OFFICE, "NAC Trading Co., Ltd.")
    draft = house.authority.draft(key or new_key(), subject, tokyo_date(now), now)
    with house.database.transaction() as session:
        return house.authority.reserve(session, draft, now)


def complete(house: House, reserved: CertificateRecord, der: bytes | None = None) -> bool:
    """Sign (unless `der` is given) and store; return whether it was stored."""
    signed = der or house.authority.sign(reserved)
    with house.database.transaction() as session:
        return authority.complete(session, reserved.issuer, reserved.serial, signed, house.clock.now())


def issue(house: House) -> CertificateRecord:
    """Return a certificate that is good."""
    reserved = reserve(house)
    complete(house, reserved)
    return read(house, reserved)


def read(house: House, certificate: CertificateRecord) -> CertificateRecord:
    """Return a certificate as it is stored now."""
    with house.database.snapshot() as session:
        found = certificates.find(session, certificate.issuer, certificate.serial)
    if found is None:
        raise LookupError(certificate.serial)
    return found
