"""Revocation, hold and release: what CRL and OCSP say of a certificate from the commit on.

Nothing is ever un-revoked; asking again is answered without harm. An invalidity date (RFC 5280 §5.3.2) tells since when
a certificate was not to be trusted; it goes with a hold that is lifted, and stays when a held certificate is revoked.

Who revokes for a compromise (keyCompromise, or cACompromise of an authority) means the key: it is blocked, and everything else
on it ends in the same transaction, whoever signed it and whatever it is for. Lists tell of it as their issuers' keys are at
hand; what they are to say stands by then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Self

from cryptography import x509
from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from ca import blocked_keys, crl_entries
from ca.certificates import LIFECYCLE, CertificateEvent, CertificateState, find_row
from ca.tables import CertificateRow
from kernel.database import UtcDateTime, among, many
from kernel.errors import Refused


class Reason(StrEnum):
    """The reasons of RFC 5280 §5.3.1 that a CA may give when it ends a certificate.

    certificateHold is not among them: it is what `hold` says. removeFromCRL belongs to delta CRLs, aACompromise to
    attribute certificates. cACompromise is for CA certificates: `TERMINAL_REASONS` are the others.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"

    @property
    def is_compromise(self) -> bool:
        """Return whether the key is in wrong hands: of a terminal or service, or of an authority."""
        return self in (Reason.KEY_COMPROMISE, Reason.CA_COMPROMISE)


TERMINAL_REASONS = tuple(reason for reason in Reason if reason is not Reason.CA_COMPROMISE)
HOLD_REASON = "certificateHold"
# Certificates that are looked up at a time.
_BATCH = 500
_COLUMNS = (
    CertificateRow.id,
    CertificateRow.issuer,
    CertificateRow.serial,
    CertificateRow.subject,
    CertificateRow.state,
    CertificateRow.spki_sha256,
    CertificateRow.partition,
    CertificateRow.not_before,
    CertificateRow.not_after,
    CertificateRow.invalid_since,
)
_Row = Row[Any]
# Written once: making a statement costs more than asking it.
_IDS = select(CertificateRow.id, CertificateRow.issuer, CertificateRow.serial).where(
    # The issuers are said, too: the index begins with them.
    CertificateRow.issuer.in_(bindparam("issuers", expanding=True)),
    among(CertificateRow.serial),
)
_HELD = select(*_COLUMNS).where(among(CertificateRow.id)).order_by(CertificateRow.id).with_for_update()
_REVOKE = (
    update(CertificateRow)
    .where(among(CertificateRow.id))
    .values(
        state=CertificateState.REVOKED.value,
        revoked_at=bindparam("at"),
        reason=bindparam("because"),
        invalid_since=func.coalesce(bindparam("since", type_=UtcDateTime()), CertificateRow.invalid_since),
    )
)


@dataclass(frozen=True)
class _Cause:
    reason: Reason
    now: datetime
    invalid_since: datetime | None

    def beside(self, row: CertificateRow) -> Self:
        """Return why something else on a compromised key ends: for CA certificates there is a reason of their own."""
        return replace(self, reason=Reason.CA_COMPROMISE if _is_authority(row) else Reason.KEY_COMPROMISE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A certificate as a deed upon many left it."""

    id: int
    issuer: str
    serial: str
    subject: str
    partition: int
    not_before: datetime
    not_after: datetime
    revoked_at: datetime
    reason: str
    invalid_since: datetime | None

    @property
    def name(self) -> tuple[str, str]:
        """Its issuer and serial number."""
        return self.issuer, self.serial


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation did; all of it must go on record.

    `ended` are the certificates that it ended, those that were named and, after a compromise, what else stood on their keys:
    that for the reason of its kind. `given_up` are promises on such a key, `blocked` the keys (SHA-256 over
    SubjectPublicKeyInfo) that were not blocked before.
    """

    ended: Sequence[Ended] = ()
    given_up: Sequence[Ended] = ()
    blocked: Sequence[bytes] = ()

    def has_ended(self, issuer: str, serial: str) -> bool:
        """Return whether this revocation ended a certificate."""
        return any(one.name == (issuer, serial) for one in self.ended)


def revoke(
    session: Session, issuer: str, serial: str, *, reason: Reason, now: datetime, invalid_since: datetime | None = None
) -> Revoked:
    """End a certificate for good. If it was revoked before, its first time and reason stay.

    Raises Refused("certificate-unknown"), Refused("certificate-state") and Refused("invalid-since-future").
    """
    _require_past(invalid_since, now)
    cause = _Cause(reason, now, invalid_since)
    _, beside = _many_locked(session, [(issuer, serial)], cause) if reason.is_compromise else ([], [])
    row = _locked(session, issuer, serial)
    ended: list[Ended] = []
    if row.state != CertificateState.REVOKED:
        ended.append(_end(row, cause))
    done = _with_keys(session, [row.spki_sha256], ended, beside, cause)
    _show(session, done)
    return done


def revoke_many(
    session: Session,
    certificates: Collection[tuple[str, str]],
    *,
    reason: Reason,
    now: datetime,
    invalid_since: datetime | None = None,
) -> Revoked:
    """End certificates, named by issuer and serial.

    Those that were revoked before, or are not in a state in which they can be, are passed over: many are named at once, and
    one that changed meanwhile must not stop the others. After a compromise nothing can come of what is promised on such a
    key: it is given up, also where it was named. Raises Refused("invalid-since-future").
    """
    _require_past(invalid_since, now)
    cause = _Cause(reason, now, invalid_since)
    named, beside = _many_locked(session, certificates, cause)
    rows = [row for row in named if LIFECYCLE.allows(CertificateState(row.state), CertificateEvent.REVOKE)]
    session.flush()
    for begin in range(0, len(rows), _BATCH):
        values = {"at": now, "because": reason.value, "since": invalid_since}
        session.connection().execute(_REVOKE, many(row.id for row in rows[begin : begin + _BATCH]) | values)
    session.expire_all()  # nobody goes on with a row as it was
    ended = [_ended(row, cause) for row in rows]
    promised = [row.id for row in named if row.state == CertificateState.RESERVED]
    done = _with_keys(session, [row.spki_sha256 for row in named], ended, [*beside, *promised], cause)
    _show(session, done)
    return done


def hold(session: Session, issuer: str, serial: str, *, now: datetime, invalid_since: datetime | None = None) -> bool:
    """Suspend a certificate; return False when it is held already. Raises as `revoke`."""
    row = _locked(session, issuer, serial)
    if row.state == CertificateState.HELD:
        return False
    _require_past(invalid_since, now)
    _change(session, row, CertificateEvent.HOLD, now=now, reason=HOLD_REASON, invalid_since=invalid_since)
    return True


def release(session: Session, issuer: str, serial: str) -> bool:
    """Lift a hold; return False when the certificate is good already. Raises as `revoke`."""
    row = _locked(session, issuer, serial)
    if row.state == CertificateState.VALID:
        return False
    _change(session, row, CertificateEvent.RELEASE, now=None, reason=None)
    return True


def abandon(session: Session, issuer: str, serial: str, *, now: datetime) -> None:
    """Give up a reserved certificate. It may have been signed, so it is listed as revoked."""
    row = _locked(session, issuer, serial)
    _change(session, row, CertificateEvent.ABANDON, now=now, reason=Reason.CESSATION_OF_OPERATION.value)


def _with_keys(
    session: Session, keys: Sequence[bytes], ended: Sequence[Ended], beside: Sequence[int], cause: _Cause
) -> Revoked:  # fmt: skip
    """After a compromise block the keys and end what stands beside on them; return what was done with what was ended before.

    Also if what was named had ended for another reason: the key is known to be in wrong hands since then.
    """
    if not cause.reason.is_compromise:
        return Revoked(ended)
    blocked, everything, given_up = blocked_keys.block_all(session, keys, cause.now), [*ended], []
    for row in blocked_keys.living_rows(session, beside) if beside else ():
        if row.state == CertificateState.RESERVED:
            row.state = LIFECYCLE.step(CertificateState.RESERVED, CertificateEvent.ABANDON)
            abandoned = replace(cause, reason=Reason.CESSATION_OF_OPERATION, invalid_since=None)
            row.revoked_at, row.reason = abandoned.now, abandoned.reason.value
            given_up.append(_ended(row, abandoned))
        else:
            everything.append(_end(row, cause.beside(row)))
    return Revoked(everything, given_up, blocked)


def _show(session: Session, done: Revoked) -> None:
    """Put what was done on the lists; last, so that the issuers' counters are locked for as short as possible."""
    changed = sorted((*done.ended, *done.given_up), key=lambda one: one.issuer)
    for issuer, some in groupby(changed, key=lambda one: one.issuer):
        crl_entries.show(session, issuer, list(some))


def _many_locked(
    session: Session, certificates: Collection[tuple[str, str]], cause: _Cause
) -> tuple[list[_Row], list[int]]:  # fmt: skip
    """Return and hold the rows of many certificates, in the order in which everybody locks several.

    After a compromise what else stands on their keys is held with them, and which rows these are is returned, too.
    """
    issuers = sorted({issuer for issuer, _ in certificates})
    serials, wanted = sorted({serial for _, serial in certificates}), set(certificates)
    ids: set[int] = set()
    beside: set[int] = set()
    for begin in range(0, len(serials), _BATCH):
        found = session.execute(_IDS, many(serials[begin : begin + _BATCH]) | {"issuers": issuers})
        some = [row_id for row_id, issuer, serial in found if (issuer, serial) in wanted]
        ids.update(some)
        beside.update(blocked_keys.beside(session, some) if cause.reason.is_compromise else ())
    ordered, rows = sorted(ids | beside), list[_Row]()
    for begin in range(0, len(ordered), _BATCH):
        rows += session.execute(_HELD, many(ordered[begin : begin + _BATCH]))
    return [row for row in rows if row.id in ids], sorted(beside - ids)


def _locked(session: Session, issuer: str, serial: str) -> CertificateRow:
    row = find_row(session, issuer, serial, lock=True)
    if row is None:
        raise Refused("certificate-unknown", serial=serial)
    return row


def _is_authority(row: CertificateRow) -> bool:
    """Return whether a certificate is an authority's; what can not be read is taken for none, and ends all the same."""
    if row.der is None or row.kind == "terminal":
        return False
    try:
        constraints = x509.load_der_x509_certificate(row.der).extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, x509.ExtensionNotFound):
        return False
    return constraints.value.ca


def _state(row: CertificateRow) -> CertificateState:
    return CertificateState(row.state)


def _require_past(invalid_since: datetime | None, now: datetime) -> None:
    if invalid_since is not None and invalid_since > now:
        raise Refused("invalid-since-future", invalid_since=invalid_since.isoformat())


def _end(row: CertificateRow, cause: _Cause) -> Ended:
    row.state = LIFECYCLE.step(_state(row), CertificateEvent.REVOKE)
    row.revoked_at, row.reason = cause.now, cause.reason.value
    row.invalid_since = cause.invalid_since or row.invalid_since
    return _ended(row, cause)


def _ended(row: _Row | CertificateRow, cause: _Cause) -> Ended:
    return Ended(
        id=row.id,
        issuer=row.issuer,
        serial=row.serial,
        subject=row.subject,
        partition=row.partition,
        not_before=row.not_before,
        not_after=row.not_after,
        revoked_at=cause.now,
        reason=cause.reason.value,
        invalid_since=cause.invalid_since or row.invalid_since,
    )


def _change(
    session: Session,
    row: CertificateRow,
    event: CertificateEvent,
    *,
    now: datetime | None,
    reason: str | None,
    invalid_since: datetime | None = None,
) -> None:
    row.state = LIFECYCLE.step(_state(row), event)
    row.revoked_at, row.reason, row.invalid_since = now, reason, invalid_since
    # Last, so that the counter, which every revocation of this issuer shares, is locked for as short as possible.
    crl_entries.show(session, row.issuer, [row])
