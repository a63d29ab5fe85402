"""Certificates for tests of the CA alone, without codes: promised, or taken all the way."""

import itertools
from contextlib import suppress
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec

from ca import authority, ceremony, certificates
from ca.ceremony import Promise
from ca.certificates import CertificateRecord
from ca.own_profiles import of_authority, of_service
from ca.plan import ROOT_CRL, YEAR, AuthorityPlan, ServiceKind, ServicePlan
from ca.profiles import BACKDATING, Subject, Validity, authority_builder
from ca.requests import RequestedKey, spki_digest
from ca.service_profiles import service_builder
from ca.signing import certify, to_be_signed
from kernel.clock import tokyo_date
from kernel.errors import Unavailable
from keys.algorithms import VerifyingKey, algorithm_of
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


def on_key(house: House, public_key: VerifyingKey, name: str = "mail", *, is_signed: bool = True) -> CertificateRecord:
    """Return a service's certificate on a key that somebody else may have, too; promised only, if it is not to be signed."""
    now, issuing = house.clock.now(), house.issuing.issuer
    kind = algorithm_of(public_key).name
    service = ServicePlan(name, ServiceKind.MAIL, "Center", kind, 1, issuing.name, mail="a@example.jp")
    builder = partial(service_builder, house.plan, service, issuing, public_key)

    def compose() -> bytes:
        return to_be_signed(builder(Validity(now - BACKDATING, now - BACKDATING + YEAR)), issuing.public_key)

    def sign(tbs: bytes) -> bytes:
        if is_signed:
            return certify(tbs, house.issuing)
        raise Unavailable("nobody signs")

    with suppress(Unavailable):
        ceremony.issue(house.database, Promise(of_service(house.plan, service), issuing.name, compose, sign), now)
    with house.database.snapshot() as session:
        [record, *_] = certificates.of_subject(session, name)
    return record


def promised_root(house: House, public_key: VerifyingKey, name: str = "root-2") -> CertificateRecord:
    """Return a root's promise on a key, as a ceremony leaves it whose token fails: none of our issuers has that name."""
    now = house.clock.now()
    plan = AuthorityPlan(name, "Trial Root 2", algorithm_of(public_key).name, 25, None, *ROOT_CRL)

    def compose() -> bytes:
        validity = Validity(now - BACKDATING, now - BACKDATING + 25 * YEAR)
        builder = authority_builder(house.plan.name_of(plan.common_name), public_key, validity, None, house.plan.addresses)
        return to_be_signed(builder, public_key)

    def fail(_tbs: bytes) -> bytes:
        raise Unavailable("nobody signs")

    with suppress(Unavailable):
        ceremony.issue(house.database, Promise(of_authority(house.plan, plan), name, compose, fail), now)
    with house.database.snapshot() as session:
        [record] = certificates.of_subject(session, name)
    return record


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
