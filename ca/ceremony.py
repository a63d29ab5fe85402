"""The founding of the hierarchy: root, issuing CA, OCSP responder, and the TLS certificates of our own doors.

Every step looks first whether it was done, so a ceremony that was cut off is taken up where it stopped, and one
that is repeated changes nothing. It is the one place of this room that opens keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import issuers, profiles
from ca.authority import complete
from ca.certificates import CertificateState, serial_text
from ca.crl import CrlPublisher
from ca.issuers import Issuer, SigningIssuer
from ca.requests import spki_digest
from ca.signing import assemble, certify, to_be_signed
from ca.tables import CertificateRow, IssuerRow
from kernel import audit
from kernel.database import Database, insert_if_absent
from keys.algorithms import algorithm_of
from keys.custody import KeyAlgorithm, KeyStore

ROOT, ISSUING, RESPONDER, TIMESTAMP = "root", "issuing-1", "ocsp", "timestamp"
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Plan:
    """What is founded: who we are, where status is published, and the doors (by name) that need TLS certificates."""

    organization: str
    addresses: profiles.Addresses
    doors: Mapping[str, profiles.ServerNames]
    crl_folder: Path
    root_years: int = 20
    issuing_years: int = 10
    service_years: int = 2


@dataclass(frozen=True)
class Ceremony:
    """Founds the hierarchy with keys of its own making."""

    database: Database
    keys: KeyStore
    plan: Plan

    def hold(self, now: datetime) -> bool:
        """Do what is still to be done; return False when nothing was."""
        begun = self._count()
        root = self._authority(ROOT, KeyAlgorithm.P384, None, self.plan.root_years, now)
        issuing = self._authority(ISSUING, KeyAlgorithm.P256, root, self.plan.issuing_years, now)
        self._responder(issuing, now)
        self._timestamp_unit(issuing, now)
        for door, names in self.plan.doors.items():
            self._server(issuing, door, names, now)
        # The root changes nothing for years; gateways that check the whole chain need its list all the same.
        CrlPublisher(self.database, root, self.plan.crl_folder, period=YEAR / 2, lifetime=YEAR).publish_if_due(now)
        CrlPublisher(self.database, issuing, self.plan.crl_folder).publish_if_due(now)
        return self._count() != begun

    def _count(self) -> int:
        with self.database.snapshot() as session:
            return len(session.scalars(select(CertificateRow.id).where(CertificateRow.kind != "terminal")).all())

    def _key(self, name: str, algorithm: KeyAlgorithm) -> ec.EllipticCurvePrivateKey:
        key = self.keys.open(name) if self.keys.exists(name) else self.keys.create(name, algorithm)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = f"key {name!r} is not an elliptic-curve key"
            raise TypeError(message)
        return key

    def _authority(
        self, name: str, algorithm: KeyAlgorithm, parent: SigningIssuer | None, years: int, now: datetime
    ) -> SigningIssuer:
        key = self._key(name, algorithm)
        with self.database.snapshot() as session:
            founded = issuers.load(session, name)
        if founded is not None:
            return SigningIssuer(founded, key)
        subject = self._name("Root CA" if parent is None else f"Issuing CA {name.rpartition('-')[2]}")
        validity = _validity(now, years)
        above = parent.issuer if parent else None

        def compose() -> bytes:
            builder = profiles.authority_builder(subject, key.public_key(), validity, above, self.plan.addresses)
            return to_be_signed(builder, above.public_key if above else key.public_key())

        der = self._issue(name, above.name if above else name, compose, lambda tbs: _sign(tbs, key, parent), now)
        issuer = Issuer(name, name, x509.load_der_x509_certificate(der))
        with self.database.transaction() as session:
            insert_if_absent(
                session, IssuerRow, {"name": name, "key_name": name, "certificate": der, "crl_number": 0, "revision": 0}
            )
        return SigningIssuer(issuer, key)

    def _responder(self, issuing: SigningIssuer, now: datetime) -> None:
        key = self._key(RESPONDER, KeyAlgorithm.P256)

        def compose() -> bytes:
            builder = profiles.responder_builder(
                issuing.issuer,
                self._name("OCSP responder 1"),
                key.public_key(),
                profiles.new_serial(),
                _validity(now, self.plan.service_years),
            )
            return to_be_signed(builder, issuing.issuer.public_key)

        self._issue(RESPONDER, issuing.issuer.name, compose, lambda tbs: certify(tbs, issuing), now)

    def _timestamp_unit(self, issuing: SigningIssuer, now: datetime) -> None:
        key = self._key(TIMESTAMP, KeyAlgorithm.P256)

        def compose() -> bytes:
            name, validity = self._name("time stamps 1"), _validity(now, self.plan.service_years)
            builder = profiles.timestamp_builder(issuing.issuer, name, key.public_key(), validity, self.plan.addresses)
            return to_be_signed(builder, issuing.issuer.public_key)

        self._issue(TIMESTAMP, issuing.issuer.name, compose, lambda tbs: certify(tbs, issuing), now)

    def _server(self, issuing: SigningIssuer, door: str, names: profiles.ServerNames, now: datetime) -> None:
        subject = server_key_name(door)
        key = self._key(subject, KeyAlgorithm.P256)

        def compose() -> bytes:
            validity = _validity(now, self.plan.service_years)
            builder = profiles.server_builder(issuing.issuer, names, key.public_key(), validity, self.plan.addresses)
            return to_be_signed(builder, issuing.issuer.public_key)

        self._issue(subject, issuing.issuer.name, compose, lambda tbs: certify(tbs, issuing), now)

    def _issue(
        self, subject: str, issuer: str, compose: Callable[[], bytes], sign: Callable[[bytes], bytes], now: datetime
    ) -> bytes:
        """Promise, sign, store: as for terminals, so that none of our own certificates is unknown to us either."""
        of_subject = select(CertificateRow).where(CertificateRow.subject == subject, CertificateRow.kind == "service")
        with self.database.transaction() as session:
            row = session.scalar(of_subject)
            if row is None:
                row = _promised(subject, issuer, compose(), now)
                session.add(row)
                session.flush()
                _trace(session, "certificate.reserve", row, now)
            if row.der is not None:
                return row.der
            tbs, serial = row.tbs, row.serial
        der = sign(tbs)
        with self.database.transaction() as session:
            complete(session, issuer, serial, der, now)
            _trace(session, "certificate.issue", row, now)
        return der

    def _name(self, role: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.plan.organization),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{self.plan.organization} {role}"),
            ]
        )


def server_key_name(door: str) -> str:
    """Return the name of a door's TLS key, which is also its certificate's subject in our records."""
    return f"tls-{door}"


def service_certificate(database: Database, subject: str) -> bytes:
    """Return the certificate (DER) of one of our own services; raises LookupError before the ceremony."""
    query = select(CertificateRow.der).where(
        CertificateRow.subject == subject, CertificateRow.kind == "service", CertificateRow.state == CertificateState.VALID
    )
    with database.snapshot() as session:
        der = session.scalar(query.order_by(CertificateRow.id.desc()).limit(1))
    if der is None:
        message = f"no certificate for {subject!r}: the ceremony was not held"
        raise LookupError(message)
    return der


def _sign(tbs: bytes, key: ec.EllipticCurvePrivateKey, parent: SigningIssuer | None) -> bytes:
    if parent is not None:
        return certify(tbs, parent)
    algorithm = algorithm_of(key.public_key())
    with issuers.asking_custody():
        signature = algorithm.sign(key, tbs)
    algorithm.verify(key.public_key(), signature, tbs)
    return assemble(tbs, signature)


def _promised(subject: str, issuer: str, tbs: bytes, now: datetime) -> CertificateRow:
    parsed = x509.load_der_x509_certificate(assemble(tbs, b"\x30\x00"))
    return CertificateRow(
        issuer=issuer,
        serial=serial_text(parsed.serial_number),
        kind="service",
        subject=subject,
        spki_sha256=spki_digest(parsed.public_key()),
        state=CertificateState.RESERVED,
        tbs=tbs,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        reserved_at=now,
    )


def _trace(session: Session, action: str, row: CertificateRow, now: datetime) -> None:
    audit.record(
        session,
        now=now,
        actor=audit.operator("ceremony"),
        action=action,
        subject=f"service:{row.subject}",
        issuer=row.issuer,
        serial=row.serial,
    )


def _validity(now: datetime, years: int) -> profiles.Validity:
    begin = (now - profiles.BACKDATING).replace(microsecond=0)
    return profiles.Validity(begin, begin + years * YEAR)
