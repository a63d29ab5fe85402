"""All certificates of an office's terminals, for its pages: the list, when they end, one of them, those it did not ask for.

search(session, office_code, asked, now) -> Page[ListedCertificate]            newest first
overview(session, office_code, asked, now) -> tuple[Page[ListedCertificate], tuple[Outline, ...]]       search and ending at once
ending(session, office_code) -> tuple[Outline, ...]                           current ones that nobody ended, soonest end first
find(session, office_code, terminal, serial) -> OwnCertificate | None
unasked(session, office_code) -> tuple[Unasked, ...]                          newest first
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ca import certificate_lists, certificates, issuers
from ca.certificate_lists import Name, Outline, Wanted
from ca.certificates import CertificateRecord, CertificateState
from enrollment import origins
from enrollment.origins import Origin, OriginKind
from enrollment.receipts import fingerprint_of
from enrollment.renewal_window import DAYS
from enrollment.tables import CredentialRow
from kernel.clock import day_start, tokyo_date
from registry import terminals
from registry.japanese import searchable
from registry.paging import SIZE, Page

__all__ = [
    "Asked",
    "Choice",
    "ListedCertificate",
    "Origin",
    "OriginKind",
    "Outline",
    "OwnCertificate",
    "Unasked",
    "ending",
    "ending_with_octets",
    "find",
    "overview",
    "search",
    "unasked",
]
_LIVING = (CertificateState.VALID, CertificateState.HELD)
# Of so many certificates the origin is looked up at a time.
_AT_ONCE = 500


class Choice(StrEnum):
    """Which of an office's certificates are listed; `ending` are current ones that can be renewed now."""

    ALL = "all"
    CURRENT = "current"
    ENDING = "ending"
    EXPIRED = "expired"
    EARLIER = "earlier"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Asked:
    """A page of a choice of certificates, those whose terminal or serial number begins with the text."""

    choice: Choice = Choice.ALL
    text: str = ""
    page: int = 1
    size: int = SIZE
    window_days: int = DAYS


@dataclass(frozen=True)
class ListedCertificate:
    """A line of the list; `certificate` also tells by `state`, though time counts, too."""

    certificate: Outline
    is_current: bool


@dataclass(frozen=True)
class OwnCertificate:
    """One certificate with its octets (DER), those above it without the root, and how it came about."""

    certificate: Outline
    is_current: bool
    record: CertificateRecord
    der: bytes
    fingerprint: str
    chain: tuple[bytes, ...]
    chain_pem: str
    origin: Origin


@dataclass(frozen=True)
class Unasked:
    """A certificate that the office did not ask for, and what made it."""

    certificate: Outline
    origin: Origin


def search(session: Session, office_code: str, asked: Asked, now: datetime) -> Page[ListedCertificate]:
    """Return a page of an office's certificates."""
    return _page(session, office_code, asked, now, _current(session, office_code))


def ending(session: Session, office_code: str) -> tuple[Outline, ...]:
    """Return the current certificates of an office that are valid or held, expired ones too, the soonest end first."""
    return _ending(session, _current(session, office_code))


def overview(
    session: Session, office_code: str, asked: Asked, now: datetime
) -> tuple[Page[ListedCertificate], tuple[Outline, ...]]:
    """Return what `search` and `ending` do."""
    current = _current(session, office_code)
    return _page(session, office_code, asked, now, current), _ending(session, current)


def ending_with_octets(session: Session, office_code: str) -> tuple[tuple[Outline, bytes], ...]:
    """Return the same with each certificate's octets (DER)."""
    found = ending(session, office_code)
    records = certificates.of_serials(session, {one.name for one in found})
    return tuple((one, records[one.name].der or b"") for one in found)


def find(session: Session, office_code: str, terminal: str, serial: str) -> OwnCertificate | None:
    """Return a certificate of an office's terminal that was signed; None for any other."""
    known = terminals.get(session, terminal)
    if known is None or known.office_code != office_code:
        return None
    record = next((one for one in certificates.of_subject(session, terminal) if one.serial == serial), None)
    if record is None or record.der is None or record.state not in certificate_lists.SIGNED:
        return None
    name = (record.issuer, record.serial)
    outline = certificate_lists.outlines(session, [name])[name]
    above = issuers.chain(session, record.issuer)
    return OwnCertificate(
        certificate=outline,
        is_current=name in _current(session, office_code),
        record=record,
        der=record.der,
        fingerprint=fingerprint_of(record.der),
        chain=tuple(link.der for link in above),
        chain_pem="".join(link.pem for link in above),
        origin=origins.of_many(session, office_code, [outline])[name],
    )


def unasked(session: Session, office_code: str) -> tuple[Unasked, ...]:
    """Return the certificates that nobody of the office applied for, asked to be reissued, or renewed."""
    wanted, page, found = Wanted(terminals.names_of_office(session, office_code)), 1, list[Unasked]()
    while True:
        piece, _, total = certificate_lists.search(session, wanted, page=page, size=_AT_ONCE)
        made = origins.of_many(session, office_code, piece)
        found += [Unasked(one, made[one.name]) for one in piece if not made[one.name].is_of(office_code)]
        if page * _AT_ONCE >= total:
            return tuple(found)
        page += 1


def _page(
    session: Session, office_code: str, asked: Asked, now: datetime, current: Collection[Name]
) -> Page[ListedCertificate]:  # fmt: skip
    wanted = _wanted(terminals.names_of_office(session, office_code), asked, current, now)
    found, number, total = certificate_lists.search(session, wanted, page=asked.page, size=asked.size)
    lines = tuple(ListedCertificate(one, one.name in current) for one in found)
    return Page(lines, number, max(1, -(-total // asked.size)), total)


def _ending(session: Session, current: Collection[Name]) -> tuple[Outline, ...]:
    found = certificate_lists.outlines(session, current)
    return tuple(sorted((one for one in found.values() if one.state in _LIVING), key=lambda one: (one.not_after, one.subject)))


_CURRENT = select(CredentialRow.issuer, CredentialRow.serial).where(CredentialRow.office_code == bindparam("office_code"))


def _current(session: Session, office_code: str) -> set[Name]:
    return {(issuer, serial) for issuer, serial in session.execute(_CURRENT, {"office_code": office_code})}


def _wanted(names: Collection[str], asked: Asked, current: Collection[Name], now: datetime) -> Wanted:
    text, choice = searchable(asked.text), asked.choice
    if choice is Choice.CURRENT:
        return Wanted(names, text, only=current)
    if choice is Choice.ENDING:
        until = day_start(tokyo_date(now) + timedelta(days=asked.window_days + 1))
        return Wanted(names, text, only=current, states=_LIVING, ends_from=now, ends_before=until)
    if choice is Choice.EXPIRED:
        return Wanted(names, text, states=_LIVING, ends_before=now)
    if choice is Choice.EARLIER:
        return Wanted(names, text, without=current)
    if choice is Choice.REVOKED:
        return Wanted(names, text, states=(CertificateState.REVOKED,))
    return Wanted(names, text)
