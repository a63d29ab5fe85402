"""The founding of the hierarchy: authorities, the services below them, the links between roots, the first lists.

Every step looks first whether it was done, so a ceremony that was cut off is taken up where it stopped, and one
that is repeated changes nothing. Before the first key is made the plan is compared with what stands. A root's key may be
away: only what it would have to sign needs it. It is the one place of this room that opens keys.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography import x509
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import blocked_keys, issuers, lint_record, own_lint, own_profiles, profiles, revocation, terms
from ca.authority import complete
from ca.ceremony_check import newest, require_agreement
from ca.certificates import CertificateState, find_row, serial_text
from ca.crl import CrlPublisher
from ca.der import elements
from ca.issuers import Issuer, SigningIssuer
from ca.own_profiles import OwnProfile
from ca.plan import (
    DOCUMENTS,
    ISSUING,
    RESPONDER,
    ROOT,
    TIMESTAMP,
    YEAR,
    AuthorityPlan,
    Plan,
    ServicePlan,
    server_key_name,
    usual_plan,
)
from ca.profile_history import KeptProfile
from ca.requests import spki_digest
from ca.service_profiles import link_builder, service_builder
from ca.services import Service, service, service_certificate
from ca.signing import assemble, certify, to_be_signed
from ca.tables import IS_OURS, CertificateRow, IssuerRow
from ca.terms import Terms
from kernel import audit
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from keys.algorithms import SigningKey, algorithm_of
from keys.custody import KeyAlgorithm, KeyStore
from keys.trouble import CustodyAwayError, KeyTroubleError

__all__ = [
    "DOCUMENTS",
    "ISSUING",
    "RESPONDER",
    "ROOT",
    "TIMESTAMP",
    "Ceremony",
    "Founded",
    "Plan",
    "Promise",
    "Service",
    "followed",
    "issue",
    "server_key_name",
    "service",
    "service_certificate",
    "usual_plan",
]


@dataclass(frozen=True)
class Founded:
    """An authority that stands, with its key unless that is kept away."""

    issuer: Issuer
    key: SigningKey | None

    def signing(self, what: str) -> SigningIssuer:
        """Return it as an issuer that signs; raises KeyTroubleError when its key is away."""
        if self.key is None:
            raise KeyTroubleError(f"the key of {self.issuer.name} is away and must sign {what}: `tegata root status` says more")
        return SigningIssuer(self.issuer, self.key)


@dataclass(frozen=True)
class Ceremony:
    """Founds what a plan describes, with keys of its own making."""

    database: Database
    keys: KeyStore
    plan: Plan

    def hold(self, now: datetime) -> bool:
        """Do what is still to be done; return False when nothing was.

        Raises FileFault, before anything is made, when the plan contradicts what stands.
        """
        require_agreement(self.database, self.plan, now, self._kind)
        begun = self._state()
        standing: dict[str, Founded] = {}
        for authority in self.plan.authorities:
            standing[authority.name] = self._authority(authority, standing.get(authority.under or ""), now)
        for authority in self.plan.authorities:
            if authority.replaces is not None:
                self._link(standing[authority.name], standing[authority.replaces], now)
                self._link(standing[authority.replaces], standing[authority.name], now)
        for planned in self.plan.services:
            self._service(planned, standing[planned.under], now)
        for authority in self.plan.authorities:
            self._publish(authority, standing[authority.name], now)
        return self._state() != begun

    def _state(self) -> tuple[int, tuple[tuple[str, datetime | None, int, int], ...]]:
        """Return what changes when something is founded, be it what was only promised before, or its terms are altered."""
        with self.database.snapshot() as session:
            count = session.scalar(select(func.count(CertificateRow.der)).where(IS_OURS))
            return count or 0, terms.all_of(session)

    def _kind(self, name: str) -> str | None:
        return algorithm_of(self.keys.open_signing(name).public_key()).name if self.keys.exists(name) else None

    def _standing_key(self, name: str) -> SigningKey | None:
        """Open the key of what stands; it may be away, taken out of the home or with its token."""
        try:
            return self.keys.open_signing(name) if self.keys.exists(name) else None
        except CustodyAwayError:
            return None

    def _key(self, name: str, algorithm: str) -> SigningKey:
        if not self.keys.exists(name):
            try:
                self.keys.create(name, KeyAlgorithm(algorithm))
            except KeyTroubleError:
                if not self.keys.exists(name):  # nor did another ceremony make it meanwhile
                    raise
        return self.keys.open_signing(name)

    def _authority(self, plan: AuthorityPlan, parent: Founded | None, now: datetime) -> Founded:
        with self.database.snapshot() as session:
            issuer = issuers.load(session, plan.name)
        if issuer is not None:
            standing = Founded(issuer, self._standing_key(plan.name))
            if standing.key is not None:
                standing.signing("nothing")  # refuses a key that is not the certificate's
        else:
            standing = self._new_authority(plan, parent, now)
        self._agree(plan, standing.issuer)
        return standing

    def _new_authority(self, plan: AuthorityPlan, parent: Founded | None, now: datetime) -> Founded:
        key = self._key(plan.name, plan.algorithm)
        above = parent.issuer if parent else None

        def compose() -> bytes:
            subject, validity = self.plan.name_of(plan.common_name), _validity(now, plan.years)
            builder = profiles.authority_builder(subject, key.public_key(), validity, above, self.plan.addresses)
            return to_be_signed(builder, above.public_key if above else key.public_key())

        def sign(tbs: bytes) -> bytes:
            return certify(tbs, parent.signing(plan.name)) if parent else _self_signed(tbs, key)

        profile = own_profiles.of_authority(self.plan, plan)
        der = issue(self.database, Promise(profile, above.name if above else plan.name, compose, sign), now)
        issuer = Issuer(plan.name, plan.name, x509.load_der_x509_certificate(der))
        values = {"name": plan.name, "key_name": plan.name, "certificate": der, "crl_number": 0, "revision": 0}
        with self.database.transaction() as session:
            insert_if_absent(session, IssuerRow, values)
        return Founded(issuer, key)

    def _agree(self, plan: AuthorityPlan, issuer: Issuer) -> None:
        """Put the issuer's terms on record where they are not yet, or were changed."""
        begin = None if plan.under is None else plan.issues_from or issuer.certificate.not_valid_before_utc
        agreed = Terms(begin, plan.crl_period, plan.crl_lifetime)
        with self.database.transaction() as session:
            if terms.load(session, plan.name) != agreed:
                terms.put(session, plan.name, agreed)

    def _link(self, signer: Founded, subject: Founded, now: datetime) -> None:
        """Let one root certify another one (RFC 4210 §4.4): whoever trusts `signer` then trusts `subject`."""
        validity = own_profiles.overlap(subject.issuer.certificate, signer.issuer.certificate)
        profile = own_profiles.of_link(self.plan, subject.issuer, signer.issuer, validity)

        def compose() -> bytes:
            builder = link_builder(subject.issuer, signer.issuer, validity, self.plan)
            return to_be_signed(builder, signer.issuer.public_key)

        promise = Promise(profile, signer.issuer.name, compose, lambda tbs: certify(tbs, signer.signing(profile.name)))
        issue(self.database, promise, now)

    def _service(self, plan: ServicePlan, above: Founded, now: datetime) -> None:
        def compose() -> bytes:
            public_key = self._key(plan.key_name, plan.algorithm).public_key()
            builder = service_builder(self.plan, plan, above.issuer, public_key, _validity(now, plan.years))
            return to_be_signed(builder, above.issuer.public_key)

        def sign(tbs: bytes) -> bytes:
            return certify(tbs, above.signing(plan.name))

        profile = own_profiles.of_service(self.plan, plan)
        # More than once where another certificate was promised before, by a ceremony that was cut off or by a renewal.
        while (standing := self._newest(plan.name)) is None or standing.der is None or standing.key_name != plan.key_name:
            promise = Promise(profile, above.issuer.name, compose, sign, followed(standing), plan.key_name)
            issue(self.database, promise, now)

    def _newest(self, name: str) -> CertificateRow | None:
        with self.database.snapshot() as session:
            return newest(session, name)

    def _publish(self, plan: AuthorityPlan, standing: Founded, now: datetime) -> None:
        if standing.key is None:
            return
        signer = standing.signing("its CRL")
        CrlPublisher(
            self.database, signer, self.plan.crl_folder, period=plan.crl_period, lifetime=plan.crl_lifetime
        ).publish_if_due(now)


@dataclass(frozen=True)
class Promise:
    """One certificate of ours to be: its profile, its issuer's name, and how it is composed and signed."""

    profile: OwnProfile
    issuer: str
    compose: Callable[[], bytes]
    sign: Callable[[bytes], bytes]
    # The certificate that this one follows; without it, the first one is made and no second.
    follows: int | None = None
    # Where it is not the subject: later keys of a service have names of their own.
    key_name: str | None = None
    actor: audit.Actor = field(default_factory=lambda: audit.operator("ceremony"))

    @property
    def subject(self) -> str:
        """The certificate's name in our records."""
        return self.profile.name


def issue(database: Database, promise: Promise, now: datetime) -> bytes:
    """Promise, lint, sign, store: as for terminals, so that none of our own certificates is unknown to us either.

    Whoever asks for the same at the same time, on this node or another, gets the same certificate, and it is on record once.
    Raises OwnLintError, which is on record then, once, before anything is signed; Refused("key-blocked") for a key that is
    blocked, or was meanwhile; and Refused("promise-abandoned") for what was given up meanwhile for another reason.
    """
    with lint_record.kept(database, f"service:{promise.subject}", now, is_told_once=True):
        row = _promised(database, promise, now)
        if row.der is not None:
            return row.der
        if row.issuer != promise.issuer:
            message = f"the certificate that is promised to {promise.subject} is {row.issuer}'s, not {promise.issuer}'s"
            raise ValueError(message)
    der = promise.sign(row.tbs)
    if next(elements(der)) != row.tbs:
        message = f"what was signed for {promise.subject} is not what was linted"
        raise ValueError(message)
    return _stored(database, promise, row, der, now)


def _stored(database: Database, promise: Promise, row: CertificateRow, der: bytes, now: datetime) -> bytes:
    """Store what was signed; return that, or what somebody else signed of the same promise."""
    with database.transaction() as session:
        # Whoever blocks the key holds these rows: either they see this certificate, or we see the block.
        blocked_keys.lock(session, row.spki_sha256)
        if complete(session, promise.issuer, row.serial, der, now):
            _trace(session, "certificate.issue", row, promise.actor, now)
            return der
        # First wins: the signature of whoever comes second is thrown away.
        stored = find_row(session, promise.issuer, row.serial, lock=True)
        if stored is not None and stored.der is not None:
            return stored.der
        if stored is not None and stored.state == CertificateState.RESERVED:
            revocation.abandon(session, row.issuer, row.serial, now=now)
            _trace(session, "certificate.abandon", row, promise.actor, now)
        is_blocked = blocked_keys.is_blocked(session, row.spki_sha256)
    raise _given_up(row, is_blocked=is_blocked)


def _given_up(row: CertificateRow, *, is_blocked: bool) -> Refused:
    return Refused("key-blocked" if is_blocked else "promise-abandoned", service=row.subject, serial=row.serial)


def _self_signed(tbs: bytes, key: SigningKey) -> bytes:
    algorithm = algorithm_of(key.public_key())
    with issuers.asking_custody():
        signature = algorithm.sign(key, tbs)
    algorithm.verify(key.public_key(), signature, tbs)
    return assemble(tbs, signature)


def _promised(database: Database, promise: Promise, now: datetime) -> CertificateRow:
    """Return the certificate that is promised, and has passed the lint, or was signed before.

    Where it is new, what is to be signed is stored. Nothing is stored that the lint objects to, so that it is composed anew
    once the fault is mended; and what was stored before is linted as it stands there. What was given up was never used: unless
    its key is blocked another one follows it, also where it was the first of its name.
    """
    with database.snapshot() as session:
        standing = newest(session, promise.subject)
        if standing is not None and (standing.id != promise.follows or standing.state == CertificateState.RESERVED):
            if standing.state != CertificateState.ABANDONED or blocked_keys.is_blocked(session, standing.spki_sha256):
                return _linted(session, standing)
            promise = replace(promise, follows=standing.id)
    values = _values(promise, now)
    with database.transaction() as session:
        if blocked_keys.is_blocked(session, values["spki_sha256"]):
            raise Refused("key-blocked", service=promise.subject)
        values["profile"] = KeptProfile(promise.profile, promise.actor).keep(session, now)
        is_ours = insert_if_absent(session, CertificateRow, values)
        row = newest(session, promise.subject)
        if row is None:
            raise LookupError(promise.subject)
        if is_ours:
            _trace(session, "certificate.reserve", row, promise.actor, now)
        return _linted(session, row)


def _linted(session: Session, row: CertificateRow) -> CertificateRow:
    """Return a certificate that was signed before, or whose octets may be signed; raises OwnLintError.

    Raises Refused("key-blocked") or Refused("promise-abandoned") for what was given up.
    """
    if row.state == CertificateState.ABANDONED:
        raise _given_up(row, is_blocked=blocked_keys.is_blocked(session, row.spki_sha256))
    if row.der is None:
        own_lint.require_clean(session, row)
    return row


def _values(promise: Promise, now: datetime) -> dict[str, Any]:
    tbs = promise.compose()
    parsed = x509.load_der_x509_certificate(assemble(tbs, b"\x30\x00"))
    return {
        "issuer": promise.issuer,
        "serial": serial_text(parsed.serial_number),
        "kind": "service",
        "subject": promise.subject,
        "spki_sha256": spki_digest(parsed.public_key()),
        "state": CertificateState.RESERVED,
        "tbs": tbs,
        "not_before": parsed.not_valid_before_utc,
        "not_after": parsed.not_valid_after_utc,
        "reserved_at": now,
        "key_name": promise.key_name or promise.subject,
        "follows": promise.follows or 0,
    }


def _trace(session: Session, action: str, row: CertificateRow, actor: audit.Actor, now: datetime) -> None:
    audit.record(
        session,
        now=now,
        actor=actor,
        action=action,
        subject=f"service:{row.subject}",
        issuer=row.issuer,
        serial=row.serial,
    )


def followed(standing: CertificateRow | None) -> int | None:
    """Return which certificate the next one of a service follows; `standing` is its newest.

    What is only promised is asked for itself: whoever promised it may sign it at any moment, and nothing follows it then.
    """
    if standing is None:
        return None
    return standing.follows if standing.state == CertificateState.RESERVED else standing.id


def _validity(now: datetime, years: int) -> profiles.Validity:
    begin = (now - profiles.BACKDATING).replace(microsecond=0)
    return profiles.Validity(begin, begin + years * YEAR)
