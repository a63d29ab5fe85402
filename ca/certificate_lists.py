"""Long lists of certificates that were signed, for pages: chosen, page by page, without their octets."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from ca.certificates import CertificateState
from ca.tables import CertificateRow
from kernel.database import among, many

SIGNED = (CertificateState.VALID, CertificateState.HELD, CertificateState.REVOKED)
Name = tuple[str, str]  # issuer and serial number
_COLUMNS = (
    CertificateRow.issuer,
    CertificateRow.serial,
    CertificateRow.subject,
    CertificateRow.state,
    CertificateRow.not_before,
    CertificateRow.not_after,
    CertificateRow.issued_at,
    CertificateRow.revoked_at,
    CertificateRow.reason,
)
_AT_ONCE = 500


@dataclass(frozen=True)
class Outline:
    """What a list says of a certificate."""

    issuer: str
    serial: str
    subject: str
    state: CertificateState
    not_before: datetime
    not_after: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    reason: str | None

    @property
    def name(self) -> Name:
        """Its issuer and serial number."""
        return self.issuer, self.serial


@dataclass(frozen=True)
class Wanted:
    """Which certificates: those of `subjects` whose name or serial number begins with `text`.

    Of these `only` some or none of `without`, in one of `states`, whose end lies in [`ends_from`, `ends_before`).
    """

    subjects: Collection[str]
    text: str = ""
    only: Collection[Name] | None = None
    without: Collection[Name] = field(default=())
    states: Collection[CertificateState] = SIGNED
    ends_from: datetime | None = None
    ends_before: datetime | None = None


def search(session: Session, wanted: Wanted, *, page: int, size: int) -> tuple[tuple[Outline, ...], int, int]:
    """Return a page of the certificates, newest first, the page's number (of those that there are), and how many there are."""
    conditions, asked = _conditions(wanted), {"states": list(wanted.states), **many(wanted.subjects)}
    total = session.scalar(_COUNTED.where(*conditions), asked) or 0
    number = min(max(page, 1), max(1, -(-total // size)))
    found = session.execute(_NEWEST.where(*conditions), asked | {"size": size, "skipped": (number - 1) * size})
    return tuple(map(_outline, found)), number, total


_IN_STATE = CertificateRow.state.in_(bindparam("states", expanding=True))
_COUNTED = select(func.count()).select_from(CertificateRow).where(among(CertificateRow.subject), _IN_STATE)
_NEWEST = (
    select(*_COLUMNS)
    .where(among(CertificateRow.subject), _IN_STATE)
    .order_by(CertificateRow.id.desc())
    .limit(bindparam("size", type_=Integer))
    .offset(bindparam("skipped", type_=Integer))
)


# The issuers are said, too: the index begins with them.
_NAMED = select(*_COLUMNS).where(CertificateRow.issuer.in_(bindparam("issuers", expanding=True)), among(CertificateRow.serial))


def outlines(session: Session, names: Collection[Name]) -> dict[Name, Outline]:
    """Return many certificates at once, by issuer and serial number."""
    wanted = set(names)
    found: dict[Name, Outline] = {}
    issuers = sorted({issuer for issuer, _ in wanted})
    serials = sorted({serial for _, serial in wanted})
    for begin in range(0, len(serials), _AT_ONCE):
        asked = {"issuers": issuers, **many(serials[begin : begin + _AT_ONCE])}
        found |= {one.name: one for one in map(_outline, session.execute(_NAMED, asked)) if one.name in wanted}
    return found


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what is asked beyond subjects and states; most who look ask nothing more."""
    named = tuple_(CertificateRow.issuer, CertificateRow.serial)
    found: list[ColumnElement[bool]] = []
    if wanted.text:
        begins = CertificateRow.subject.startswith(wanted.text.upper(), autoescape=True)
        found.append(begins | CertificateRow.serial.startswith(wanted.text.lower(), autoescape=True))
    if wanted.only is not None:
        found.append(named.in_(wanted.only))
    if wanted.without:
        found.append(named.not_in(wanted.without))
    if wanted.ends_from:
        found.append(CertificateRow.not_after >= wanted.ends_from)
    if wanted.ends_before:
        found.append(CertificateRow.not_after < wanted.ends_before)
    return found


def _outline(row: Row[*tuple[Any, ...]]) -> Outline:
    return Outline(
        issuer=row.issuer,
        serial=row.serial,
        subject=row.subject,
        state=CertificateState(row.state),
        not_before=row.not_before,
        not_after=row.not_after,
        issued_at=row.issued_at,
        revoked_at=row.revoked_at,
        reason=row.reason,
    )
