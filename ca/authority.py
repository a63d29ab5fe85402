"""The issuance of a terminal's certificate, in the only order in which it may happen.

draft (no transaction) → reserve (the caller's first transaction) → sign (no transaction) → complete (the caller's
second transaction). Intent is durable before a signature exists; what is signed is what was stored.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from math import inf
from threading import Lock
from typing import Any, Protocol

from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ca import blocked_keys, crl_entries, key_policy, lint
from ca.certificates import CertificateRecord, CertificateState, as_record, find_row, serial_text
from ca.issuers import Issuer, SigningIssuer
from ca.profile_history import KeptProfile
from ca.profiles import Subject, TerminalProfile, Validity, new_serial
from ca.published_keys import PublishedKeys
from ca.requests import RequestedKey
from ca.signing import certify
from ca.tables import CertificateRow
from ca.template import TerminalTemplate, template_of
from ca.terms import Term, last_day, succession, whose_turn
from kernel.clock import day_end
from kernel.database import Database, forbid_open_transaction, insert_all
from kernel.errors import Refused, Unavailable
from keys.algorithms import is_at_hand


@dataclass(frozen=True)
class Draft:
    """A complete, linted certificate without signature, not yet stored."""

    issuer: str
    serial: str
    subject: str
    spki_sha256: bytes
    tbs: bytes
    not_before: datetime
    not_after: datetime
    partition: int = 0


class Authorities(Protocol):
    """Who issues when: one authority for ever, or several that take turns."""

    def at(self, now: datetime) -> "Authority":
        """Return the one that issues now."""

    def of(self, issuer: str) -> "Authority":
        """Return the one with this issuer, whose turn may be over: what it promised it may sign."""


@dataclass(frozen=True)
class Authority:
    """Issues terminal certificates under one issuing CA and one profile.

    Raises ValueError when the profile does not allow the issuing CA's algorithm.
    """

    signer: SigningIssuer
    profile: TerminalProfile
    # Keys whose private half is known to the world.
    published: PublishedKeys = field(default_factory=PublishedKeys)

    def __post_init__(self) -> None:
        """Refuse an issuer that the profile does not know."""
        if self.signer.issuer.algorithm.name not in self.profile.issuer_algorithms:
            message = f"the profile does not let {self.issuer_name} issue: it signs by {self.signer.issuer.algorithm.name}"
            raise ValueError(message)

    @cached_property
    def _template(self) -> TerminalTemplate:
        return template_of(self.signer.issuer, self.profile)

    @property
    def issuer_name(self) -> str:
        """The issuing CA's name."""
        return self.signer.issuer.name

    @property
    def is_at_hand(self) -> bool:
        """Whether its key is in this process and signs at once; a token may be far away."""
        return is_at_hand(self.signer.key)

    def at(self, now: datetime) -> "Authority":
        """Return this one: alone, it issues at all times."""
        del now
        return self

    def of(self, issuer: str) -> "Authority":
        """Return this one; raises LookupError when the issuer is another."""
        if issuer != self.issuer_name:
            raise LookupError(issuer)
        return self

    @cached_property
    def _kept_profile(self) -> KeptProfile:
        return KeptProfile(self.profile)

    def partition(self, session: Session) -> int:
        """Return the partition of the CRL that the next certificate is to name."""
        return crl_entries.open_partition(session, self.profile.partition_size)

    def draft(self, key: RequestedKey, subject: Subject, start_date: date, now: datetime, *, partition: int = 0) -> Draft:
        """Compose and lint the certificate; `partition` is the CRL's that it names, 0 the complete one.

        It ends when the profile says, and never later than its issuing CA. Raises Refused("key-unsupported"),
        Refused("key-weak"), Refused("start-date-too-far") and Refused("key-too-short-for-period"); Unavailable when the
        issuing CA has no day left; LintError is a fault of ours.
        """
        key_policy.accept_unpublished(key.public_key, self.published)
        key_policy.accept_by_profile(key.public_key, self.profile.subject_keys, self.profile.rsa_bits)
        validity = self._validity(start_date, now)
        key_policy.accept_until(key.public_key, validity.not_after)
        issuer, serial = self.signer.issuer, new_serial()
        tbs = self._template.tbs(serial, validity, subject, key.spki, partition)
        lint.check(tbs, lint.Expectation(issuer, self.profile, subject, validity, key.spki_sha256, partition))
        return Draft(
            issuer=issuer.name,
            serial=serial_text(serial),
            subject=subject.terminal,
            spki_sha256=key.spki_sha256,
            tbs=tbs,
            not_before=validity.not_before,
            not_after=validity.not_after,
            partition=partition,
        )

    def _validity(self, start_date: date, now: datetime) -> Validity:
        """Return the profile's dates, cut short where the issuing CA ends before (docs/decisions/0029)."""
        wished = self.profile.validity(start_date, now)
        validity = replace(wished, not_after=min(wished.not_after, day_end(last_day(self.signer.issuer))))
        if validity.not_after <= validity.not_before:
            # Who asks has done nothing wrong: the next issuing CA is late (`ca.expiry` has told so for months).
            raise Unavailable(f"issuer {self.issuer_name} ends before the certificate would begin")
        return validity

    def reserve(self, session: Session, draft: Draft, now: datetime) -> CertificateRecord:
        """Store the promise: serial number and to-be-signed bytes.

        Raises Refused("key-used") when any other terminal certificate carries the key, and Refused("key-blocked"). The
        transaction must then be rolled back, which the exception does.
        """
        key_policy.accept_unblocked(draft.spki_sha256, partial(blocked_keys.is_blocked, session))
        row = CertificateRow(**_promised(draft), profile=self._kept_profile.keep(session, now), reserved_at=now)
        session.flush()  # what the caller left waiting must not be mistaken for ours below
        session.add(row)
        try:
            session.flush()
        except IntegrityError:
            # The serial's 158 random bits do not collide; the key's unique index is what spoke.
            raise Refused("key-used") from None
        return as_record(row)

    def reserve_all(self, session: Session, drafts: Sequence[Draft], now: datetime) -> list[CertificateRecord]:
        """Store many promises at once, whose keys the caller knows to be neither used nor blocked.

        Raises IntegrityError when a key was used at this moment; the transaction must then be rolled back.
        """
        profile = self._kept_profile.keep(session, now)
        rows = [_promised(draft) | {"profile": profile, "reserved_at": now} for draft in drafts]
        insert_all(session, CertificateRow, rows)
        return [_record_of(draft, now) for draft in drafts]

    def sign(self, reserved: CertificateRecord) -> bytes:
        """Sign exactly the stored bytes and return the certificate (DER). Never inside a transaction."""
        forbid_open_transaction()
        if reserved.issuer != self.issuer_name:
            message = f"certificate {reserved.serial} belongs to issuer {reserved.issuer}, not {self.issuer_name}"
            raise ValueError(message)
        return certify(reserved.tbs, self.signer)


class Succession:
    """Authorities that take turns, by the terms of their issuers; who comes is seen within `LOOK_EACH` seconds.

    `open_authority` makes one, with its key; what it raises is passed on.
    """

    LOOK_EACH = 15.0

    def __init__(self, database: Database, open_authority: Callable[[Issuer], Authority]) -> None:
        self._database, self._open = database, open_authority
        self._lock = Lock()
        self._order: list[Term] = []
        self._looked_at = -inf
        self._opened: dict[str, Authority] = {}

    def at(self, now: datetime) -> Authority:
        """Return the one that issues now; raises Unavailable when the turn of all has ended, or of none begun."""
        with self._lock:
            self._look()
            issuer = whose_turn(self._order, now)
            if issuer is None:
                raise Unavailable("no issuing CA is in force")
            return self._authority(issuer)

    def of(self, issuer: str) -> Authority:
        """Return the one with this issuer; raises LookupError when there is none."""
        with self._lock:
            self._look()
            found = {term.issuer.name: term.issuer for term in self._order}
            return self._authority(found[issuer])

    def _look(self) -> None:
        if time.monotonic() - self._looked_at > self.LOOK_EACH:
            with self._database.snapshot() as session:
                self._order = succession(session)
            self._looked_at = time.monotonic()

    def _authority(self, issuer: Issuer) -> Authority:
        if issuer.name not in self._opened:
            self._opened[issuer.name] = self._open(issuer)
        return self._opened[issuer.name]


_COMPLETE = (
    update(CertificateRow)
    .where(
        CertificateRow.issuer == bindparam("of_issuer"),
        CertificateRow.serial == bindparam("of_serial"),
        CertificateRow.state == CertificateState.RESERVED,
        ~blocked_keys.on_blocked_key(),
    )
    .values(state=CertificateState.VALID, der=bindparam("signed"), issued_at=bindparam("now"))
)


def complete(session: Session, issuer: str, serial: str, der: bytes, now: datetime) -> bool:
    """Store the signed certificate if it is still only reserved and its key was not blocked meanwhile, else return False."""
    result = session.execute(
        update(CertificateRow)
        .where(
            CertificateRow.issuer == issuer,
            CertificateRow.serial == serial,
            CertificateRow.state == CertificateState.RESERVED,
            ~blocked_keys.on_blocked_key(),
        )
        .values(state=CertificateState.VALID, der=der, issued_at=now)
    )
    return bool(result.rowcount)  # type: ignore[attr-defined]


def complete_all(session: Session, signed: Sequence[tuple[CertificateRecord, bytes]], now: datetime) -> bool:
    """Store many signed certificates as `complete` does; return False when that failed for one: then roll back."""
    rows = [{"of_issuer": record.issuer, "of_serial": record.serial, "signed": der, "now": now} for record, der in signed]
    return session.connection().execute(_COMPLETE, rows).rowcount == len(rows)


def reserved(session: Session, issuer: str, serial: str) -> CertificateRecord | None:
    """Return a certificate that waits for its signature, or None."""
    row = find_row(session, issuer, serial)
    return as_record(row) if row and row.state == CertificateState.RESERVED else None


def _promised(draft: Draft) -> dict[str, Any]:
    """Return the columns of a promise that its draft says."""
    return {
        "issuer": draft.issuer,
        "serial": draft.serial,
        "kind": "terminal",
        "subject": draft.subject,
        "spki_sha256": draft.spki_sha256,
        "state": CertificateState.RESERVED,
        "tbs": draft.tbs,
        "not_before": draft.not_before,
        "not_after": draft.not_after,
        "partition": draft.partition,
    }


def _record_of(draft: Draft, now: datetime) -> CertificateRecord:
    return CertificateRecord(
        issuer=draft.issuer,
        serial=draft.serial,
        subject=draft.subject,
        state=CertificateState.RESERVED,
        spki_sha256=draft.spki_sha256,
        tbs=draft.tbs,
        der=None,
        not_before=draft.not_before,
        not_after=draft.not_after,
        reserved_at=now,
        issued_at=None,
        revoked_at=None,
        reason=None,
    )
