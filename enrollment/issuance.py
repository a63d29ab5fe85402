"""The way from "authenticated" to the answer, the same for whoever is entitled to a certificate.

    state, key               snapshot
    draft, lint              no transaction
    T1                       all rechecked under lock; certificate reserved with its TBS for this key
    sign                     no transaction: exactly the stored bytes
    T2                       conditional: stored, and whatever follows from that
    answer                   read from the row, whoever wrote it

What entitles is a code set (`enrollment.redemption`) or the current certificate (`enrollment.renewal`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from sqlalchemy.orm import Session

from ca import blocked_keys, certificates, issuers, lint_record
from ca.authority import Authorities, Authority, Draft
from ca.certificates import CertificateRecord, CertificateState
from ca.issuers import Issuer
from ca.profiles import Subject
from ca.requests import RequestedKey
from enrollment import letters
from enrollment.blocking import KeyBlocking
from kernel import audit
from kernel.clock import Clock
from kernel.database import Database, OutcomeUnknown
from kernel.errors import Refused, Unavailable, trace_of
from registry import offices
from registry.letters import Letters

# An older reservation is made anew: its dates, which are fixed in the TBS, would no longer be the policy's.
RESERVATION_LIFETIME = timedelta(hours=24)
_BLOCKING = audit.job("key-blocking")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retrieved:
    """A certificate that a terminal may have now, and the CA certificates above it, issuing CA first, without the root.

    `is_new` unless this very key had been given it before.
    """

    terminal: str
    certificate: CertificateRecord
    chain: tuple[Issuer, ...]
    is_new: bool


class Entitlement(Protocol):
    """What a certificate may be given for. Each method joins the caller's transaction or snapshot."""

    def given(self, session: Session, spki_sha256: bytes, now: datetime, *, lock: bool = False) -> CertificateRecord | None:
        """Return what this key has already, promised or signed, or None; raise the refusal that fits.

        `lock` holds everything that the answer depends on until the transaction ends.
        """

    def require_open(self, session: Session, now: datetime) -> None:
        """Raise the refusal that keeps a new certificate from being made, though one that was made may be had."""

    def terms(self, session: Session) -> tuple[Subject, date]:
        """Return whom the certificate is for, and the day before which it must not begin."""

    def promise(self, session: Session, authority: Authority, draft: Draft, now: datetime) -> CertificateRecord:
        """T1: reserve a certificate; what was reserved before, and is stale, is given up."""

    def fulfil(self, session: Session, reserved: CertificateRecord, signed: bytes, now: datetime) -> bool:
        """T2: store the signature and what follows from it; return False, having stored nothing, when something else won."""


@dataclass(frozen=True)
class Terms:
    """What a certificate has to say: whom it is for, the day before which it must not begin, and its CRL partition."""

    subject: Subject
    start_date: date
    partition: int


Entitled = TypeVar("Entitled", bound=Entitlement)


@dataclass(frozen=True)
class Issuance(Generic[Entitled]):
    """Issues what somebody is entitled to. Nothing leaves it that is not stored."""

    database: Database
    clock: Clock
    authority: Authorities
    letters: Letters = letters.PLAIN

    def issue(self, entitlement: Entitled, key: RequestedKey, now: datetime) -> Retrieved:
        """Return the certificate of this key, made now or before.

        Raises the entitlement's refusals; "csr-…" and "key-…" for the key; and Unavailable, after which the same call may
        be made again.
        """
        return self.keep(entitlement, key, self._claim(entitlement, key, now))

    def keep(self, entitlement: Entitled, key: RequestedKey, reserved: CertificateRecord) -> Retrieved:
        """Sign what was promised to this key, store and return it; return what it has where that was signed before."""
        if reserved.state != CertificateState.RESERVED:
            return self._answer(entitlement, key.spki_sha256, is_new=False)
        signed = self.authority.of(reserved.issuer).sign(reserved)
        return self._finish(entitlement, key, reserved, signed)

    def _claim(self, entitlement: Entitled, key: RequestedKey, now: datetime) -> CertificateRecord:
        """Return the certificate that is reserved for this key, reserving it where it is not; or the one it has."""
        authority = self.authority.at(now)
        found = self._look(entitlement, key, authority, now)
        if isinstance(found, CertificateRecord):
            return found
        with lint_record.kept(self.database, f"terminal:{found.subject.terminal}", now):
            draft = authority.draft(key, found.subject, found.start_date, now, partition=found.partition)
        return self._promise(entitlement, authority, draft, now)

    def _look(self, entitlement: Entitled, key: RequestedKey, authority: Authority, now: datetime) -> "CertificateRecord | Terms":
        """Return what this key has, or what a certificate for it would have to say."""
        with self.database.snapshot() as session:
            present = entitlement.given(session, key.spki_sha256, now)
            if present is not None and not _is_stale(present, authority, now):
                return present
            entitlement.require_open(session, now)
            if present is None and certificates.key_was_used(session, key.spki_sha256):
                raise Refused("key-used")
            return Terms(*entitlement.terms(session), authority.partition(session))

    def _promise(self, entitlement: Entitled, authority: Authority, draft: Draft, now: datetime) -> CertificateRecord:
        """T1. Return the certificate that is reserved for the draft's key, or that it has."""
        with self.database.transaction() as session:
            present = entitlement.given(session, draft.spki_sha256, now, lock=True)
            if present is not None and not _is_stale(present, authority, now):
                return present  # a second try with the same key was here first
            entitlement.require_open(session, now)
            return entitlement.promise(session, authority, draft, now)

    def _finish(self, entitlement: Entitled, key: RequestedKey, reserved: CertificateRecord, signed: bytes) -> Retrieved:
        """Store the signature and answer."""
        is_new = self._store(entitlement, reserved, signed, self.clock.now())
        if not is_new:
            self._give_way(key)
        return self._answer(entitlement, key.spki_sha256, is_new=is_new)

    def _store(self, entitlement: Entitled, reserved: CertificateRecord, signed: bytes, now: datetime) -> bool:
        """T2. Return whether this call stored it; whoever lost reads the winner's row."""
        try:
            with self.database.transaction() as session:
                return entitlement.fulfil(session, reserved, signed, now)
        except OutcomeUnknown:
            # The row knows; assume nothing.
            return False

    def _give_way(self, key: RequestedKey) -> None:
        """Raise Refused("key-blocked") for a key that was blocked while its certificate was made.

        Whoever blocked it ended what stood on it. A promise that was committed a moment later they did not see: it is
        ended here, as they would have done.
        """
        with self.database.snapshot() as session:
            blocked = blocked_keys.is_blocked(session, key.spki_sha256)
        if blocked:
            KeyBlocking(self.database, self.clock, self.letters).block([key.spki_sha256], _BLOCKING)
            raise Refused("key-blocked")

    def _answer(self, entitlement: Entitled, spki_sha256: bytes, *, is_new: bool) -> Retrieved:
        """Answer from what is stored, by the same rules for the winner, the loser and the one who comes again."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            certificate = entitlement.given(session, spki_sha256, now)
            chain = issuers.chain(session, certificate.issuer) if certificate else ()
        if certificate is None or certificate.der is None:
            # Stopped and let go on, or reserved anew, while we signed: what we signed is void, nothing is lost.
            raise Unavailable("the entitlement changed meanwhile", retry_after=1)
        return Retrieved(certificate.subject, certificate, chain, is_new)


def signed_at_once(authority: Authorities, promised: Sequence[CertificateRecord]) -> list[bytes | None]:
    """Sign what was promised to several, one after the other; None for each that could not be signed."""
    signed: list[bytes | None] = []
    faults: list[Exception] = []
    for reserved in promised:
        try:
            signed.append(authority.of(reserved.issuer).sign(reserved))
        except Exception as fault:  # noqa: BLE001 (whoever it is for signs by himself, and meets it)
            signed.append(None)
            faults.append(fault)
    if faults:  # once for all of them, also where the key is only away: who signs by himself may find it back
        _log.warning("%d of %d were not signed in their round: %s", len(faults), len(signed), trace_of(faults[0]))
    return signed


def subject_of(session: Session, terminal: str, office_code: str) -> Subject:
    """Return what a terminal's certificate names; raises LookupError for an office that is not registered."""
    office = offices.get(session, office_code)
    if office is None:
        message = f"terminal {terminal} is of an office that is not registered: {office_code}"
        raise LookupError(message)
    return Subject(terminal, office_code, office.certificate_organization)


def require_good(certificate: CertificateRecord | None, terminal: str) -> None:
    """Raise Refused("certificate-revoked") or Refused("certificate-held") for one that ended or is held."""
    if certificate is None or certificate.state in (CertificateState.REVOKED, CertificateState.ABANDONED):
        reason = certificate.reason if certificate else None
        raise Refused("certificate-revoked", terminal=terminal, reason=reason)
    if certificate.state == CertificateState.HELD:
        raise Refused("certificate-held", terminal=terminal)


def _is_stale(certificate: CertificateRecord, authority: Authority, now: datetime) -> bool:
    """Return whether a reservation waits for too long, or for an issuer that no longer issues."""
    if certificate.state != CertificateState.RESERVED:
        return False
    return now - certificate.reserved_at > RESERVATION_LIFETIME or certificate.issuer != authority.issuer_name
