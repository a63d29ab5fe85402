"""What the center's pages are told of a terminal's codes and certificates: states, dates and people, never a code.

certificates_of(session, terminal) -> tuple[IssuedCertificate, ...]          newest first
certificate_file(session, terminal, issuer, serial) -> bytes | None          DER
code_sets_of(session, terminal, now) -> tuple[CodeSetView, ...]              newest first
showings_of(session, terminal) -> tuple[Showing, ...]                        newest first
code_sets_of_application(session, receipt_number, now) -> tuple[CodeSetView, ...]
frozen_sets(session, now), frozen_count(session)                             open sets that wait for staff
locked_sets(session, now), locked_count(session, now)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.orm import Session

from ca import certificates
from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import freezes, guessing
from enrollment.code_sets import CodeSetState
from enrollment.credentials import CertificateView
from enrollment.disclosure import Part, Showing
from enrollment.freezes import Freeze
from enrollment.tables import IS_FROZEN, CodeSetRow, CodeShowingRow, CredentialRow
from kernel import throttle
from kernel.database import among, many
from kernel.throttle import Standing

__all__ = [
    "CertificateState",
    "CodeSetView",
    "IssuedCertificate",
    "Reason",
    "as_pem",
    "certificate_file",
    "certificates_of",
    "code_sets_of",
    "code_sets_of_application",
    "frozen_count",
    "frozen_sets",
    "locked_count",
    "locked_sets",
    "showings_of",
]

OPEN = (CodeSetState.PREPARED, CodeSetState.CLAIMED, CodeSetState.FROZEN)


@dataclass(frozen=True)
class IssuedCertificate(CertificateView):
    """A certificate of a terminal, current or not; `has_file` once it was signed and stored."""

    reserved_at: datetime
    issued_at: datetime | None
    is_current: bool
    has_file: bool


@dataclass(frozen=True)
class CodeSetView:
    """A code set without its codes. `approver` and `preparer` are actors' texts; `expires_on` is its last day.

    `locked_until` while too many wrong tries lock it; `failures` counts those of the current window.
    """

    terminal: str
    office_code: str
    receipt_number: str | None
    state: CodeSetState
    approver: str
    preparer: str
    start_date: date
    expires_on: date
    prepared_at: datetime
    claimed_at: datetime | None
    redeemed_at: datetime | None
    failures: int
    locked_until: datetime | None
    showings: int
    last_shown_at: datetime | None
    freeze: Freeze | None

    @property
    def is_open(self) -> bool:
        """Return whether it may still be redeemed, frozen or not."""
        return self.state in OPEN


def certificates_of(session: Session, terminal: str) -> tuple[IssuedCertificate, ...]:
    """Return all certificates of a terminal, newest first; also those that are just being made or were given up."""
    credential = session.get(CredentialRow, terminal)
    current = (credential.issuer, credential.serial) if credential else None
    return tuple(
        IssuedCertificate(
            terminal=record.subject,
            issuer=record.issuer,
            serial=record.serial,
            not_before=record.not_before,
            not_after=record.not_after,
            state=record.state,
            revoked_at=record.revoked_at,
            reason=record.reason,
            reserved_at=record.reserved_at,
            issued_at=record.issued_at,
            is_current=(record.issuer, record.serial) == current,
            has_file=record.der is not None,
        )
        for record in certificates.of_subject(session, terminal)
    )


def certificate_file(session: Session, terminal: str, issuer: str, serial: str) -> bytes | None:
    """Return a terminal's certificate as DER; None when it has no such one, or it was never signed."""
    record = certificates.find(session, issuer, serial)
    return record.der if record is not None and record.subject == terminal else None


def as_pem(der: bytes) -> str:
    """Return a certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode("ascii")


_SETS = select(CodeSetRow.__table__)
_OF_TERMINAL = _SETS.where(CodeSetRow.terminal == bindparam("terminal")).order_by(
    # Of two sets of one instant the one that replaced the other is the newer.
    CodeSetRow.prepared_at.desc(),
    CodeSetRow.state.in_(OPEN).desc(),
    CodeSetRow.id,
)
_OF_APPLICATION = _SETS.where(
    CodeSetRow.receipt_number == bindparam("receipt_number"), CodeSetRow.state != CodeSetState.REPLACED
).order_by(CodeSetRow.terminal, CodeSetRow.prepared_at)


def code_sets_of(session: Session, terminal: str, now: datetime) -> tuple[CodeSetView, ...]:
    """Return all code sets of a terminal, newest first."""
    return _views(session, session.execute(_OF_TERMINAL, {"terminal": terminal}).all(), now)


def code_sets_of_application(session: Session, receipt_number: str, now: datetime) -> tuple[CodeSetView, ...]:
    """Return the code sets that belong to an application, by terminal; replaced ones are left out."""
    return _views(session, session.execute(_OF_APPLICATION, {"receipt_number": receipt_number}).all(), now)


def showings_of(session: Session, terminal: str, *, most: int = 100) -> tuple[Showing, ...]:
    """Return who was shown which part of a terminal's codes and when, those of former code sets too, newest first."""
    query = select(CodeShowingRow).join(CodeSetRow, CodeSetRow.id == CodeShowingRow.code_set_id)
    newest = query.where(CodeSetRow.terminal == terminal).order_by(CodeShowingRow.id.desc()).limit(most)
    return tuple(Showing(row.at, row.viewer, Part(row.part)) for row in session.scalars(newest))


def frozen_sets(session: Session, now: datetime, *, most: int = 200) -> tuple[CodeSetView, ...]:
    """Return the frozen code sets, oldest first: staff thaw or replace them."""
    query = _SETS.where(IS_FROZEN).order_by(CodeSetRow.prepared_at, CodeSetRow.id)
    return _views(session, session.execute(query.limit(most)).all(), now)


def frozen_count(session: Session) -> int:
    """Return how many code sets are frozen."""
    query = select(func.count()).select_from(CodeSetRow).where(IS_FROZEN)
    return session.scalar(query) or 0


def locked_sets(session: Session, now: datetime) -> tuple[CodeSetView, ...]:
    """Return the open code sets that too many wrong tries lock at this moment, by terminal."""
    digests = _locked(session, now)
    return _views(session, session.execute(_LOCKED, many(digests)).all(), now) if digests else ()


def locked_count(session: Session, now: datetime) -> int:
    """Return how many code sets are locked at this moment."""
    digests = _locked(session, now)
    return (session.scalar(_LOCKED_COUNT, many(digests)) or 0) if digests else 0


def _locked(session: Session, now: datetime) -> list[bytes]:
    """Return the digests of the access keys that are locked, nearly always none."""
    return [guessing.digest_of(key) for key in throttle.locked_keys(session, guessing.ACCESS_KEYS, now)]


_IS_LOCKED = among(CodeSetRow.access_key_digest) & CodeSetRow.state.in_(OPEN)
_LOCKED = _SETS.where(_IS_LOCKED).order_by(CodeSetRow.terminal)
_LOCKED_COUNT = select(func.count()).select_from(CodeSetRow).where(_IS_LOCKED)


_SHOWN = (
    select(CodeShowingRow.code_set_id, func.count(), func.max(CodeShowingRow.at))
    .where(among(CodeShowingRow.code_set_id))
    .group_by(CodeShowingRow.code_set_id)
)


def _views(session: Session, found: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> tuple[CodeSetView, ...]:
    if not found:
        return ()
    counted = session.execute(_SHOWN, many([row.id for row in found]))
    showings = {code_set_id: (number, last) for code_set_id, number, last in counted}
    keys = {row.id: guessing.access_key_throttle(row.access_key_digest) for row in found}
    standings = throttle.standings(session, dict.fromkeys(keys.values(), guessing.BY_ACCESS_KEY.window), now)
    frozen = freezes.present(session, [row.id for row in found if row.state == CodeSetState.FROZEN])
    return tuple(
        CodeSetView(
            terminal=row.terminal,
            office_code=row.office_code,
            receipt_number=row.receipt_number,
            state=CodeSetState(row.state),
            approver=row.approver,
            preparer=row.preparer,
            start_date=row.start_date,
            expires_on=row.expires_on,
            prepared_at=row.prepared_at,
            claimed_at=row.claimed_at,
            redeemed_at=row.redeemed_at,
            failures=standings[keys[row.id]].failures,
            locked_until=_until(standings[keys[row.id]], now),
            showings=showings.get(row.id, (0, None))[0],
            last_shown_at=showings.get(row.id, (0, None))[1],
            freeze=frozen.get(row.id),
        )
        for row in found
    )


def _until(standing: Standing, now: datetime) -> datetime | None:
    return now + timedelta(seconds=standing.locked_for) if standing.locked_for else None
